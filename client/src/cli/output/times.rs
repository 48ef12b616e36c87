//! Moments and durations in few characters.

use a2n_proto::Timestamp;

use super::Out;

impl Out {
    /// `15:04:05`, in the zone of the person who reads.
    pub(crate) fn clock(&self, at: Timestamp) -> String {
        at.to_jiff().to_zoned(self.zone()).strftime("%H:%M:%S").to_string()
    }

    /// `Nov 22 15:04`, with the year where it is another one.
    pub(crate) fn date(&self, at: Timestamp) -> String {
        let at = at.to_jiff().to_zoned(self.zone());
        let now = self.now().to_jiff().to_zoned(self.zone());
        let form = if at.year() == now.year() { "%b %d %H:%M" } else { "%Y-%m-%d %H:%M" };
        at.strftime(form).to_string()
    }

    /// `2026-11-22 15:04:05 +01:00`.
    pub(crate) fn full_date(&self, at: Timestamp) -> String {
        at.to_jiff().to_zoned(self.zone()).strftime("%Y-%m-%d %H:%M:%S %:z").to_string()
    }

    /// `3m ago`, or `in 3m` for what is to come.
    pub(crate) fn distance(&self, at: Timestamp) -> String {
        let now = self.now();
        // What the daemon did for us has a moment just after the command began.
        if at.as_unix_ms().abs_diff(now.as_unix_ms()) < 1_000 {
            "now".into()
        } else if at > now {
            format!("in {}", coarse(at.since(now).as_millis()))
        } else {
            format!("{} ago", coarse(now.since(at).as_millis()))
        }
    }
}

/// A duration in few characters: `40s`, `3m`, `1h23m`, `2h`, `5d`.
fn coarse(ms: u128) -> String {
    let s = ms / 1_000;
    match s {
        0..=119 => format!("{s}s"),
        120..=3_599 => format!("{}m", s / 60),
        // `83m` has to be reckoned with, and `1h` is too far off.
        3_600..=35_999 if s % 3_600 >= 60 => format!("{}h{:02}m", s / 3_600, s % 3_600 / 60),
        3_600..=172_799 => format!("{}h", s / 3_600),
        _ => format!("{}d", s / 86_400),
    }
}

/// A measured duration: `12ms`, `1.2s`, `3m04s`, `2h05m`, `3d04h`.
pub(crate) fn took(ms: u64) -> String {
    let s = ms / 1_000;
    match ms {
        0..=999 => format!("{ms}ms"),
        1_000..=59_999 => format!("{}.{}s", s, ms % 1_000 / 100),
        60_000..=3_599_999 => format!("{}m{:02}s", s / 60, s % 60),
        3_600_000..=86_399_999 => format!("{}h{:02}m", s / 3_600, s % 3_600 / 60),
        _ => format!("{}d{:02}h", s / 86_400, s % 86_400 / 3_600),
    }
}

/// A size: `512 B`, `1.5 KiB`, `3.0 GiB`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1_024 {
        return format!("{bytes} B");
    }
    let mut unit = 0;
    // Tenths of the unit, by whole numbers: sizes may be larger than a double is exact.
    let mut tenths = u128::from(bytes) * 10 / 1_024;
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1_024;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::super::Format;
    use super::*;

    #[test]
    fn durations_take_few_characters() {
        let shown = [0, 999, 1_250, 61_000, 7_500_000, 270_000_000].map(took);
        assert_eq!(shown, ["0ms", "999ms", "1.2s", "1m01s", "2h05m", "3d03h"]);
        assert_eq!([0, 1_023, 1_536, 3 << 30].map(size), ["0 B", "1023 B", "1.5 KiB", "3.0 GiB"]);
        assert_eq!(size(u64::MAX), "16383.9 PiB");
    }

    #[test]
    fn moments_are_told_from_now() {
        let out = Out::kept(Format::Table);
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        assert_eq!(out.distance(at("2026-11-22T11:59:20Z")), "40s ago");
        assert_eq!(out.distance(at("2026-11-22T15:00:00Z")), "in 3h");
        assert_eq!(out.distance(at("2026-11-22T13:23:45Z")), "in 1h23m");
        assert_eq!(out.distance(at("2026-11-22T13:00:05Z")), "in 1h");
        assert_eq!(out.distance(at("2026-11-21T22:30:00Z")), "13h ago");
        assert_eq!(out.distance(at("2026-11-22T12:00:00.7Z")), "now");
        assert_eq!(out.date(at("2026-11-21T03:04:00Z")), "Nov 21 03:04");
        assert_eq!(out.date(at("2025-11-21T03:04:00Z")), "2025-11-21 03:04");
        assert_eq!(out.clock(at("2026-11-22T11:59:20Z")), "11:59:20");
    }
}
