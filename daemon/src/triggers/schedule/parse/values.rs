//! The values of a schedule's members: moments, lengths of time, counts, words.

use std::time::Duration;

use a2n_proto::Timestamp;
use serde_json::{Map, Value};

use super::Reader;
use crate::triggers::nearest::nearest;
use crate::triggers::schedule::duration;
use crate::triggers::schedule::zone::Zone;

impl Reader {
    /// A moment in RFC 3339, or a wall-clock time of the schedule's zone.
    pub(super) fn moment(
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
