//! The configuration of a SCHEDULE trigger, checked.
//!
//! Everything that is wrong is found at once, each with its path. Members that a later version
//! will understand are refused by name, never ignored: a schedule that is saved does what it says.

use std::time::Duration;

use a2n_proto::{Problem, Severity};
use serde_json::{Map, Value};

use super::cron::Cron;
use super::duration;
use super::rule::{Dialect, DstFold, DstGap, Misfire, Overlap, Rule, Schedule};
use super::zone::Zone;
use crate::triggers::nearest::nearest;

mod values;

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
        let (schedule, mut problems) = Self::read(configuration, host);
        problems.retain(|problem| problem.severity == Severity::Error);
        match schedule {
            Some(schedule) if problems.is_empty() => Ok(schedule),
            _ => Err(problems),
        }
    }

    /// Everything that is wrong with a configuration, and what is worth knowing of it.
    pub fn problems(configuration: &Value, host: &Zone) -> Vec<Problem> {
        Self::read(configuration, host).1
    }

    fn read(configuration: &Value, host: &Zone) -> (Option<Self>, Vec<Problem>) {
        let mut read = Reader { base: String::new(), problems: Vec::new() };
        let Some(outer) = configuration.as_object() else {
            read.wrong(
                "",
                "BAD_SCHEDULE",
                "the configuration must be an object",
                "write {schedule: {cron: \"17 * * * *\"}}",
            );
            return (None, read.problems);
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
                        return (None, read.problems);
                    }
                }
            }
        };
        let schedule = read.schedule(members, host);
        (schedule, read.problems)
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
        self.say(Severity::Error, member, code, message.into(), hint);
    }

    fn say(&mut self, severity: Severity, member: &str, code: &str, message: String, hint: String) {
        self.problems.push(Problem {
            path: format!("{}{member}", self.base),
            code: code.into(),
            severity,
            message,
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
        let dst_gap = self.one_of(
            members,
            "dstGap",
            &[("FIRST_VALID", DstGap::FirstValid), ("SKIP", DstGap::Skip)],
        );
        let dst_fold =
            self.one_of(members, "dstFold", &[("FIRST", DstFold::First), ("BOTH", DstFold::Both)]);
        let rule = self.rule(members, dialect, &zone, (dst_gap, dst_fold));
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
            dst_gap,
            dst_fold,
            rule: rule?,
            zone,
            start,
            end,
        })
    }

    fn rule(
        &mut self,
        members: &Map<String, Value>,
        dialect: Dialect,
        zone: &Zone,
        dst: (DstGap, DstFold),
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
            [_at] => self.once(members, zone, dst).map(Rule::At),
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
}
