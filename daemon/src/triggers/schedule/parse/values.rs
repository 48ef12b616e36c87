//! The values of a schedule's members: zones, moments, lengths of time, counts, words.

use std::time::Duration;

use a2n_proto::{Severity, Timestamp};
use jiff::civil::DateTime;
use serde_json::{Map, Value};

use super::Reader;
use crate::triggers::nearest::nearest;
use crate::triggers::schedule::duration;
use crate::triggers::schedule::once::Once;
use crate::triggers::schedule::rule::{DstFold, DstGap};
use crate::triggers::schedule::zone::Zone;

/// A time without an offset; none where it is an instant, or no time.
pub(super) fn wall_clock(value: &Value) -> Option<DateTime> {
    let text = value.as_str()?;
    if text.parse::<Timestamp>().is_ok() { None } else { text.parse().ok() }
}

impl Reader {
    pub(super) fn zone(&mut self, members: &Map<String, Value>, host: &Zone) -> Zone {
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

    /// A moment in RFC 3339, or a wall-clock time of the schedule's zone.
    pub(super) fn moment(
        &mut self,
        members: &Map<String, Value>,
        name: &str,
        zone: &Zone,
    ) -> Option<Timestamp> {
        let value = members.get(name).filter(|value| !value.is_null())?;
        let read = match wall_clock(value) {
            Some(wall) => {
                let rules = zone.rules().to_ambiguous_timestamp(wall);
                rules.compatible().ok().map(Timestamp::from)
            }
            None => value.as_str().and_then(|text| text.parse().ok()),
        };
        if read.is_none() {
            self.wrong(name, "BAD_SCHEDULE", format!("`{name}` is not a time"), "write RFC 3339, for example 2026-11-22T12:00:00Z, or without Z in the schedule's zone");
        }
        read
    }

    /// A one-off time. One that clock changes leave out would never come, so it is refused.
    pub(super) fn once(
        &mut self,
        members: &Map<String, Value>,
        zone: &Zone,
        (gap, fold): (DstGap, DstFold),
    ) -> Option<Once> {
        let instant = self.moment(members, "at", zone)?;
        let Some(wall) = wall_clock(members.get("at")?) else {
            return Some(Once::at(instant));
        };
        let once = Once::read(wall, zone, gap, fold)?;
        let Some(change) = &once.change else { return Some(once) };
        let zoned = instant.to_jiff().to_zoned(zone.rules().clone());
        let (code, hint) = match change.is_gap {
            true => ("DST_GAP", "write a time that the clock shows that day".to_owned()),
            false => {
                let first = zoned.strftime("%Y-%m-%dT%H:%M:%S%:z");
                ("DST_FOLD", format!("to say which, add its offset: {first}"))
            }
        };
        let severity = if once.times.is_empty() { Severity::Error } else { Severity::Warning };
        self.say(severity, "at", code, format!("{} ({})", change.text, zone.name()), hint);
        Some(once)
    }

    pub(super) fn length(
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

    pub(super) fn count(
        &mut self,
        members: &Map<String, Value>,
        name: &str,
        default: u32,
        most: u32,
    ) -> u32 {
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

    pub(super) fn one_of<T: Copy + Default>(
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
                let hint = match (near.first(), names.first()) {
                    (Some(near), _) => format!("did you mean {near}?"),
                    (None, first) => format!("leave it out for {}", first.unwrap_or(&"")),
                };
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
