//! Moments: RFC 3339 in UTC with milliseconds on the wire, milliseconds since the epoch inside.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A moment in milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

/// A text that is not a moment in RFC 3339, or one outside the years -9999 to 9999.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a time: write RFC 3339, for example 2026-11-22T12:00:00Z")]
pub struct NotATime(pub String);

impl Timestamp {
    /// The moment this many milliseconds after the Unix epoch.
    pub const fn from_unix_ms(ms: i64) -> Self {
        Self(ms)
    }
    /// Milliseconds since the Unix epoch.
    pub const fn as_unix_ms(self) -> i64 {
        self.0
    }
    /// The moment `after` later; the last representable one where that overflows.
    pub fn plus(self, after: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(after.as_millis()).unwrap_or(i64::MAX)))
    }
    /// The moment `before` earlier; the first representable one where that overflows.
    pub fn minus(self, before: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(before.as_millis()).unwrap_or(i64::MAX)))
    }
    /// How long after `earlier` this is; zero where it is not later.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
    /// The same moment for calendar arithmetic; clamped to what jiff can represent.
    pub fn to_jiff(self) -> jiff::Timestamp {
        jiff::Timestamp::from_millisecond(self.0).unwrap_or(if self.0 < 0 {
            jiff::Timestamp::MIN
        } else {
            jiff::Timestamp::MAX
        })
    }
}

impl From<jiff::Timestamp> for Timestamp {
    fn from(at: jiff::Timestamp) -> Self {
        Self(at.as_millisecond())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.text() {
            Some(text) => f.write_str(std::str::from_utf8(&text).expect("digits are ASCII")),
            None => write!(f, "{:.3}", self.to_jiff()),
        }
    }
}

impl Timestamp {
    /// The text of a moment in the years 0 to 9999, made by hand: every answer and every change has
    /// several, and this takes a twentieth of what a printer for all cases does.
    fn text(self) -> Option<[u8; 24]> {
        const DAY_MS: i64 = 86_400_000;
        let (days, ms) = (self.0.div_euclid(DAY_MS), self.0.rem_euclid(DAY_MS));
        // Days since 0000-03-01, so that a leap day is its year's last: eras of 400 years, then years
        // of 365 days and what leap days add, then months of 153 days in five.
        let days = days.checked_add(719_468).filter(|days| (0..3_652_365).contains(days))?;
        let (era, day) = (days / 146_097, days % 146_097);
        let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let day = day - (153 * month + 2) / 5 + 1;
        let year = era * 400 + year + i64::from(month >= 10);
        let month = if month < 10 { month + 3 } else { month - 9 };
        if !(0..=9_999).contains(&year) {
            return None;
        }
        let mut text = *b"0000-00-00T00:00:00.000Z";
        let mut put = |from: usize, n_digits: usize, mut number: i64| {
            for place in text[from..from + n_digits].iter_mut().rev() {
                *place = b'0' + u8::try_from(number % 10).unwrap_or(0);
                number /= 10;
            }
        };
        put(0, 4, year);
        put(5, 2, month);
        put(8, 2, day);
        put(11, 2, ms / 3_600_000);
        put(14, 2, ms / 60_000 % 60);
        put(17, 2, ms / 1_000 % 60);
        put(20, 3, ms % 1_000);
        Some(text)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Timestamp {
    type Err = NotATime;
    fn from_str(text: &str) -> Result<Self, NotATime> {
        match text.parse::<jiff::Timestamp>() {
            Ok(at) => Ok(at.into()),
            Err(_) => Err(NotATime(text.chars().take(64).collect())),
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if !s.is_human_readable() {
            return s.serialize_i64(self.0);
        }
        match self.text() {
            Some(text) => s.serialize_str(str::from_utf8(&text).expect("digits are ASCII")),
            None => s.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        if d.is_human_readable() { crate::json::parsed(d) } else { i64::deserialize(d).map(Self) }
    }
}

impl schemars::JsonSchema for Timestamp {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Timestamp".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "format": "date-time"})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_rfc3339_in_utc_with_milliseconds() {
        let at: Timestamp = "2026-11-22T13:00:00+01:00".parse().expect("parses");
        assert_eq!(at.to_string(), "2026-11-22T12:00:00.000Z");
        assert_eq!(at.to_string().parse::<Timestamp>().expect("parses"), at);
    }

    proptest::proptest! {
        #[test]
        fn text_is_what_jiff_prints(ms in -400_000_000_000_000..300_000_000_000_000i64) {
            let at = Timestamp::from_unix_ms(ms);
            proptest::prop_assert_eq!(at.to_string(), format!("{:.3}", at.to_jiff()));
        }
    }

    #[test]
    fn the_first_and_last_moments_of_years_and_leap_days_are_printed_right() {
        let firsts = ["0001-01-01", "0400-02-29", "0400-03-01", "1900-03-01", "1970-01-01"];
        let others = ["2000-02-29", "2000-12-31", "2024-02-29", "2100-02-28", "9998-12-31"];
        for day in firsts.iter().chain(&others) {
            for time in ["00:00:00.000", "23:59:59.999"] {
                let text = format!("{day}T{time}Z");
                let at: Timestamp = text.parse().expect("parses");
                assert_eq!(at.to_string(), text);
            }
        }
    }

    #[test]
    fn what_is_not_a_time_is_refused_by_name() {
        let error = "tomorrow".parse::<Timestamp>().expect_err("refused");
        assert!(error.to_string().contains("`tomorrow` is not a time"));
    }
}
