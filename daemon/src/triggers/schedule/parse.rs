//! The configuration of a SCHEDULE trigger, checked.
//!
//! Everything that is wrong is found at once, each with its path. Members that a later version
//! will understand are refused by name, never ignored: a schedule that is saved does what it says.

use std::time::Duration;

use a2n_proto::{Problem, Severity, Timestamp};
use serde_json::{Map, Value};

use super::cron::Cron;
use super::zone::Zone;
use super::{duration, occur};
use crate::triggers::nearest::nearest;

/// When something is due, by one rule.
#[derive(Debug, Clone)]
pub struct Schedule {
    pub(super) rule: Rule,
    pub(super) zone: Zone,
    pub(super) start: Option<Timestamp>,
    pub(super) end: Option<Timestamp>,
    pub(super) dst_gap: DstGap,
    pub(super) dst_fold: DstFold,
    /// Each start is put off by up to this long; its nominal instant stays.
    pub jitter: Duration,
    /// What happens to instants that were missed.
    pub misfire: Misfire,
    /// At most so many missed instants are started by RUN_ALL.
    pub misfire_max: u32,
    /// How late a start may be before it counts as missed.
    pub misfire_grace: Duration,
    /// What happens when the one before still runs.
    pub overlap: Overlap,
}

#[derive(Debug, Clone)]
pub(super) enum Rule {
    Cron(Box<Cron>),
    Every { period_ms: i64 },
    At(Timestamp),
}

/// How a cron expression is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dialect {
    /// Unix: five fields, or six with the second first; Sunday is 0 or 7.
    #[default]
    Cron,
    /// Quartz: six fields with the second first, or seven with the year last; Sunday is 1.
    Quartz,
}

/// What happens to instants that were missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Misfire {
    /// Nothing.
    Skip,
    /// The newest is started, the others are coalesced into it.
    #[default]
    RunOnce,
    /// Each is started, oldest first.
    RunAll,
}

/// What happens when the execution before still runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overlap {
    /// Both run.
    Allow,
    /// The new one waits; one waits at most.
    #[default]
    Queue,
    /// The new one is not started.
    Skip,
    /// The old one is cancelled.
    Replace,
}

/// What happens to a wall-clock time that does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DstGap {
    /// Runs at the first moment that does.
    #[default]
    FirstValid,
    /// Does not run that day.
    Skip,
}

/// What happens to a wall-clock time that comes twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DstFold {
    /// Runs the first time.
    #[default]
    First,
    /// Runs both times.
    Both,
}

const MEMBERS: &[&str] = &[
    "cron",
    "every",
    "at",
    "dialect",
    "timezone",
    "startDate",
    "endDate",
    "jitter",
    "misfire",
    "misfireMax",
    "misfireGrace",
    "overlap",
    "dstGap",
    "dstFold",
];
const LATER: &[(&str, &str)] = &[
    ("onCalendar", "write the same times as `cron`"),
    ("onStart", "start the workflow from a unit of the system until then"),
    ("calendars", "leave the member out until then"),
];
const DAY: Duration = Duration::from_secs(86_400);

impl Schedule {
    /// Reads a trigger's configuration, `{schedule: {…}}` or the schedule alone. `host` is the zone
    /// where none is named. Paths of problems begin below `configuration`.
    pub fn parse(configuration: &Value, host: &Zone) -> Result<Self, Vec<Problem>> {
        let mut read = Reader { base: String::new(), problems: Vec::new() };
        let Some(outer) = configuration.as_object() else {
            read.wrong(
                "",
                "BAD_SCHEDULE",
                "the configuration must be an object",
                "write {schedule: {cron: \"17 * * * *\"}}",
            );
            return Err(read.problems);
        };
        let members = match outer.get("schedule") {
            None => outer,
            Some(inner) => {
                for name in outer.keys().filter(|name| *name != "schedule") {
                    read.unknown(name, &["schedule"]);
                }
                read.base = "schedule.".into();
                match inner.as_object() {
                    Some(inner) => inner,
                    None => {
                        read.base.clear();
                        read.wrong(
                            "schedule",
                            "BAD_SCHEDULE",
                            "`schedule` must be an object",
                            "write {cron: \"17 * * * *\"}",
                        );
                        return Err(read.problems);
                    }
                }
            }
        };
        let schedule = read.schedule(members, host);
        match schedule {
            Some(schedule) if read.problems.is_empty() => Ok(schedule),
            _ => Err(read.problems),
        }
    }

    /// The name of the zone it is evaluated in.
    pub fn zone_name(&self) -> &str {
        self.zone.name()
    }

    /// The first due instant after `after`; none where it never comes again.
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        occur::next_after(self, after)
    }

    /// The next `count` due instants after `from`.
    pub fn upcoming(&self, from: Timestamp, count: usize) -> Vec<Timestamp> {
        let mut times = Vec::new();
        let mut last = from;
        while times.len() < count {
            let Some(next) = self.next_after(last) else { break };
            times.push(next);
            last = next;
        }
        times
    }
}

impl Schedule {
    /// Every due instant in (from, to]; only for short spans.
    pub(super) fn upcoming_until(&self, from: Timestamp, to: Timestamp) -> Vec<Timestamp> {
        let mut times = Vec::new();
        let mut last = from;
        while let Some(next) = self.next_after(last).filter(|next| *next <= to) {
            times.push(next);
            last = next;
        }
        times
    }
}

struct Reader {
    base: String,
    problems: Vec<Problem>,
}

impl Reader {
    fn wrong(
        &mut self,
        member: &str,
        code: &str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        let hint = hint.into();
        self.problems.push(Problem {
            path: format!("{}{member}", self.base),
            code: code.into(),
            severity: Severity::Error,
            message: message.into(),
            hint: (!hint.is_empty()).then_some(hint),
        });
    }

    fn unknown(&mut self, name: &str, known: &[&str]) {
        let near = nearest(name, known.iter().copied(), 1);
        let hint = match near.first() {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known are {}", known.join(", ")),
        };
        self.wrong(name, "UNKNOWN_MEMBER", format!("`{name}` is not a member of a schedule"), hint);
    }

    fn schedule(&mut self, members: &Map<String, Value>, host: &Zone) -> Option<Schedule> {
        for name in members.keys() {
            if let Some((_, hint)) = LATER.iter().find(|(later, _)| later == name) {
                self.wrong(name, "UNSUPPORTED", format!("`{name}` is not in this version"), *hint);
            } else if !MEMBERS.contains(&name.as_str()) {
                self.unknown(name, MEMBERS);
            }
        }
        let zone = self.zone(members, host);
        let dialect = self.one_of(
            members,
            "dialect",
            &[("CRON", Dialect::Cron), ("QUARTZ", Dialect::Quartz)],
        );
        let rule = self.rule(members, dialect, &zone);
        let start = self.moment(members, "startDate", &zone);
        let end = self.moment(members, "endDate", &zone);
        if let (Some(start), Some(end)) = (start, end)
            && end < start
        {
            self.wrong(
                "endDate",
                "BAD_SCHEDULE",
                "`endDate` is before `startDate`",
                "exchange them",
            );
        }
        Some(Schedule {
            jitter: self.length(members, "jitter", Duration::ZERO, DAY),
            misfire: self.one_of(
                members,
                "misfire",
                &[
                    ("RUN_ONCE", Misfire::RunOnce),
                    ("SKIP", Misfire::Skip),
                    ("RUN_ALL", Misfire::RunAll),
                ],
            ),
            misfire_max: self.count(members, "misfireMax", 100, 10_000),
            misfire_grace: self.length(
                members,
                "misfireGrace",
                Duration::from_secs(3600),
                DAY * 366,
            ),
            overlap: self.one_of(
                members,
                "overlap",
                &[
                    ("QUEUE", Overlap::Queue),
                    ("ALLOW", Overlap::Allow),
                    ("SKIP", Overlap::Skip),
                    ("REPLACE", Overlap::Replace),
                ],
            ),
            dst_gap: self.one_of(
                members,
                "dstGap",
                &[("FIRST_VALID", DstGap::FirstValid), ("SKIP", DstGap::Skip)],
            ),
            dst_fold: self.one_of(
                members,
                "dstFold",
                &[("FIRST", DstFold::First), ("BOTH", DstFold::Both)],
            ),
            rule: rule?,
            zone,
            start,
            end,
        })
    }

    fn zone(&mut self, members: &Map<String, Value>, host: &Zone) -> Zone {
        match members.get("timezone") {
            None | Some(Value::Null) => host.clone(),
            Some(Value::String(name)) => match Zone::named(name) {
                Ok(zone) => zone,
                Err(near) => {
                    let hint = if near.is_empty() {
                        "write an IANA name, for example Europe/Berlin".to_owned()
                    } else {
                        format!("did you mean {}?", near.join(" or "))
                    };
                    let shown: String = name.chars().take(64).collect();
                    self.wrong(
                        "timezone",
                        "BAD_ZONE",
                        format!("there is no time zone `{shown}`"),
                        hint,
                    );
                    host.clone()
                }
            },
            Some(_) => {
                self.wrong(
                    "timezone",
                    "BAD_ZONE",
                    "`timezone` must be a text",
                    "write an IANA name, for example Europe/Berlin",
                );
                host.clone()
            }
        }
    }

    fn rule(
        &mut self,
        members: &Map<String, Value>,
        dialect: Dialect,
        zone: &Zone,
    ) -> Option<Rule> {
        let given: Vec<&str> = ["cron", "every", "at"]
            .into_iter()
            .filter(|name| members.get(*name).is_some_and(|value| !value.is_null()))
            .collect();
        match given.as_slice() {
            [] => {
                // A rule of a later version has been named already.
                if self.problems.iter().all(|problem| problem.code != "UNSUPPORTED") {
                    self.wrong(
                        "cron",
                        "BAD_SCHEDULE",
                        "a schedule needs one of cron, every, at",
                        "for example cron: \"30 2 * * *\"",
                    );
                }
                None
            }
            ["cron"] => self.cron(&members["cron"], dialect),
            ["every"] => self.every(&members["every"]),
            [_at] => self.moment(members, "at", zone).map(Rule::At),
            [_, second, ..] => {
                let second = (*second).to_owned();
                self.wrong(
                    &second,
                    "BAD_SCHEDULE",
                    format!("only one of {} may be given", given.join(", ")),
                    "make a trigger for each",
                );
                None
            }
        }
    }

    fn cron(&mut self, value: &Value, dialect: Dialect) -> Option<Rule> {
        let Some(text) = value.as_str() else {
            self.wrong("cron", "BAD_CRON", "`cron` must be a text", "for example \"30 2 * * *\"");
            return None;
        };
        match Cron::read(text, dialect) {
            Ok(cron) => Some(Rule::Cron(Box::new(cron))),
            Err(fault) => {
                self.wrong("cron", "BAD_CRON", fault.message, fault.hint.unwrap_or_default());
                None
            }
        }
    }

    fn every(&mut self, value: &Value) -> Option<Rule> {
        let period = duration::read(value).filter(|period| *period >= Duration::from_secs(1));
        match period.filter(|period| *period <= DAY * 366) {
            Some(period) => {
                Some(Rule::Every { period_ms: i64::try_from(period.as_millis()).ok()? })
            }
            None => {
                self.wrong(
                    "every",
                    "BAD_SCHEDULE",
                    "`every` must be a length from 1 s to 366 d",
                    "write milliseconds or a text such as \"15m\" or \"1h30m\"",
                );
                None
            }
        }
    }

    /// A moment in RFC 3339, or a wall-clock time of the schedule's zone.
    fn moment(
        &mut self,
        members: &Map<String, Value>,
        name: &str,
        zone: &Zone,
    ) -> Option<Timestamp> {
        let value = members.get(name).filter(|value| !value.is_null())?;
        let read = value.as_str().and_then(|text| {
            text.parse::<Timestamp>().ok().or_else(|| {
                let civil = text.parse::<jiff::civil::DateTime>().ok()?;
                zone.rules().to_ambiguous_timestamp(civil).compatible().ok().map(Timestamp::from)
            })
        });
        if read.is_none() {
            self.wrong(name, "BAD_SCHEDULE", format!("`{name}` is not a time"), "write RFC 3339, for example 2026-11-22T12:00:00Z, or without Z in the schedule's zone");
        }
        read
    }

    fn length(
        &mut self,
        members: &Map<String, Value>,
        name: &str,
        default: Duration,
        most: Duration,
    ) -> Duration {
        match members.get(name).filter(|value| !value.is_null()) {
            None => default,
            Some(value) => match duration::read(value).filter(|length| *length <= most) {
                Some(length) => length,
                None => {
                    self.wrong(
                        name,
                        "BAD_SCHEDULE",
                        format!(
                            "`{name}` must be a length of at most {} days",
                            most.as_secs() / 86_400
                        ),
                        "write milliseconds or a text such as \"30s\"",
                    );
                    default
                }
            },
        }
    }

    fn count(&mut self, members: &Map<String, Value>, name: &str, default: u32, most: u32) -> u32 {
        match members.get(name).filter(|value| !value.is_null()) {
            None => default,
            Some(value) => match value.as_u64().and_then(|n| u32::try_from(n).ok()) {
                Some(n) if (1..=most).contains(&n) => n,
                _ => {
                    self.wrong(
                        name,
                        "BAD_SCHEDULE",
                        format!("`{name}` must be a number from 1 to {most}"),
                        format!("leave it out for {default}"),
                    );
                    default
                }
            },
        }
    }

    fn one_of<T: Copy + Default>(
        &mut self,
        members: &Map<String, Value>,
        name: &str,
        choices: &[(&str, T)],
    ) -> T {
        let Some(value) = members.get(name).filter(|value| !value.is_null()) else {
            return T::default();
        };
        let found =
            value.as_str().and_then(|text| choices.iter().find(|(choice, _)| *choice == text));
        match found {
            Some((_, choice)) => *choice,
            None => {
                let names: Vec<&str> = choices.iter().map(|(choice, _)| *choice).collect();
                let near = value
                    .as_str()
                    .map(|text| nearest(text, names.iter().copied(), 1))
                    .unwrap_or_default();
                let hint =
                    near.first().map(|near| format!("did you mean {near}?")).unwrap_or_default();
                self.wrong(
                    name,
                    "BAD_SCHEDULE",
                    format!("`{name}` must be one of {}", names.join(", ")),
                    hint,
                );
                T::default()
            }
        }
    }
}
