//! Lengths of time as people write them: milliseconds as a number, or text such as `15m`.

use std::time::Duration;

use serde_json::Value;

const UNITS: &[(&str, u64)] = &[
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("min", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
    ("w", 604_800_000),
];

/// The length that `value` means; `None` where it means none.
pub(in crate::triggers) fn read(value: &Value) -> Option<Duration> {
    match value {
        Value::Number(n) => n.as_u64().map(Duration::from_millis),
        Value::String(text) => read_text(text),
        _ => None,
    }
}

fn read_text(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut total: u64 = 0;
    if rest.is_empty() || rest.len() > 64 {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let count: u64 = rest[..digits].parse().ok()?;
        rest = rest[digits..].trim_start();
        let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let unit = rest[..letters].to_ascii_lowercase();
        let ms = UNITS.iter().find(|(name, _)| *name == unit)?.1;
        total = total.checked_add(count.checked_mul(ms)?)?;
        rest = rest[letters..].trim_start();
    }
    Some(Duration::from_millis(total))
}

/// The length in the largest units that fit, for example `1 h 30 min`.
pub(super) fn words(length: Duration) -> String {
    let names =
        [("day", 86_400_000u64), ("hour", 3_600_000), ("minute", 60_000), ("second", 1_000)];
    let mut ms = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
    let mut parts = Vec::new();
    for (name, size) in names {
        let n = ms / size;
        ms %= size;
        match n {
            0 => {}
            1 if parts.is_empty() && ms == 0 => parts.push(name.to_owned()),
            1 => parts.push(format!("1 {name}")),
            _ => parts.push(format!("{n} {name}s")),
        }
    }
    if ms > 0 {
        parts.push(format!("{ms} ms"));
    }
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_milliseconds_and_texts_have_units() {
        for (written, ms) in
            [("15m", 900_000), ("1h30m", 5_400_000), ("2 d", 172_800_000), ("250ms", 250)]
        {
            assert_eq!(read(&Value::from(written)), Some(Duration::from_millis(ms)), "{written}");
        }
        assert_eq!(read(&Value::from(5000)), Some(Duration::from_secs(5)));
        for wrong in ["", "m", "15", "15 parsecs", "99999999999999999999s", "1m-"] {
            assert_eq!(read(&Value::from(wrong)), None, "{wrong}");
        }
    }

    #[test]
    fn words_use_the_largest_units() {
        assert_eq!(words(Duration::from_secs(900)), "15 minutes");
        assert_eq!(words(Duration::from_secs(3600)), "hour");
        assert_eq!(words(Duration::from_secs(5400)), "1 hour 30 minutes");
    }
}
