//! Moments and lengths of time as people write them on the command line.

use std::time::Duration;

use a2n_proto::Timestamp;

/// A length: `90` or `90s`, `500ms`, `5m`, `1h30m`, `2d`.
pub(super) fn length(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a length of time: write 30s, 5m, 1h30m or 2d");
    if let Ok(seconds) = text.parse::<u64>() {
        return Ok(Duration::from_secs(seconds));
    }
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let n: u64 = rest[..digits].parse().map_err(|_| wrong())?;
        let unit_end = rest[digits..].find(|c: char| c.is_ascii_digit()).map(|at| at + digits);
        let unit = &rest[digits..unit_end.unwrap_or(rest.len())];
        let ms: u64 = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" | "min" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 604_800_000,
            _ => return Err(wrong()),
        };
        let part = n.checked_mul(ms).map(Duration::from_millis).ok_or_else(wrong)?;
        total = total.checked_add(part).ok_or_else(wrong)?;
        rest = &rest[unit_end.unwrap_or(rest.len())..];
    }
    if text.is_empty() { Err(wrong()) } else { Ok(total) }
}

/// A moment: RFC 3339, `now`, `-2h` (ago) or `+1d` (from now).
pub(super) fn moment(text: &str) -> Result<Timestamp, String> {
    let now = || Timestamp::from(jiff::Timestamp::now());
    if text == "now" {
        return Ok(now());
    }
    if let Some(ago) = text.strip_prefix('-') {
        return length(ago).map(|ago| now().minus(ago));
    }
    if let Some(after) = text.strip_prefix('+') {
        return length(after).map(|after| now().plus(after));
    }
    text.parse().map_err(|_| {
        format!("`{text}` is not a moment: write 2026-11-22T12:00:00Z, now, -2h or +1d")
    })
}

/// A moment as a schedule has it: as [`moment`], or a local time in the schedule's own zone.
pub(super) fn once(text: &str) -> Result<String, String> {
    let local = |_| text.parse::<jiff::civil::DateTime>().map(|_| text.to_owned());
    moment(text).map(|at| at.to_string()).or_else(|told| local(()).map_err(|_| told))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_read() {
        let ms = |text: &str| length(text).map(|length| length.as_millis());
        assert_eq!(ms("90"), Ok(90_000));
        assert_eq!(ms("500ms"), Ok(500));
        assert_eq!(ms("1h30m"), Ok(5_400_000));
        assert_eq!(ms("2d"), Ok(172_800_000));
        for wrong in ["", "h", "5x", "5m3", "-5s", "99999999999999999999d", "9999999999999999w"] {
            assert!(ms(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn moments_are_read() {
        assert!(moment("2026-11-22T12:00:00+01:00").is_ok());
        assert!(moment("-2h").unwrap() < moment("now").unwrap());
        assert!(moment("+1d").unwrap() > moment("now").unwrap());
        assert!(moment("tomorrow").is_err());
    }

    /// A document may have a local time in the schedule's zone; `--at` refused it.
    #[test]
    fn a_schedule_takes_local_times() {
        for local in ["2027-01-01T00:00:00", "2027-01-01T08:30"] {
            assert_eq!(once(local), Ok(local.to_owned()));
        }
        assert_eq!(once("2027-01-01T00:00:00+01:00").unwrap(), "2026-12-31T23:00:00.000Z");
        assert!(once("+1d").unwrap().ends_with('Z'));
        assert!(once("tomorrow").unwrap_err().contains("is not a moment"));
    }
}
