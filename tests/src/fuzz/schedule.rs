//! Schedules: a configuration is read or refused with problems, and what was read gives instants
//! that rise, come again when asked from the middle, and are told in words. Each search ends.

use std::sync::LazyLock;

use a2n_daemon::triggers::schedule::{Schedule, Zone, decide};
use a2n_proto::Timestamp;
use arbitrary::Unstructured;
use serde_json::{Value, json};

use super::{MADE, made};

/// From here instants are asked for: a time before clock changes of both hemispheres.
const FROM_MS: i64 = 1_774_000_000_000;
/// So many instants are asked for.
const INSTANTS: usize = 6;

static ZONES: LazyLock<Vec<Zone>> = LazyLock::new(|| {
    let names = ["UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/St_Johns"];
    names.iter().filter_map(|name| Zone::named(name).ok()).collect()
});

/// Tries one configuration: JSON, else the text of a cron expression.
pub fn run(data: &[u8]) {
    let configuration = match data.split_first() {
        Some((&MADE, recipe)) => schedule(&mut Unstructured::new(recipe)),
        _ => {
            let Ok(text) = std::str::from_utf8(data) else { return };
            serde_json::from_str(text).unwrap_or_else(|_| json!({"cron": text}))
        }
    };
    let zone = &ZONES[data.len() % ZONES.len()];
    match Schedule::parse(&configuration, zone) {
        Err(problems) => {
            assert!(!problems.is_empty(), "refused without a word");
            assert!(problems.iter().all(|problem| !problem.message.is_empty()));
        }
        Ok(schedule) => check_instants(&schedule, &configuration),
    }
}

fn check_instants(schedule: &Schedule, configuration: &Value) {
    let from = Timestamp::from_unix_ms(FROM_MS);
    let preview = schedule.preview(from, INSTANTS);
    assert!(!preview.description.is_empty(), "{configuration}");
    let times = &preview.times;
    assert!(times.iter().all(|at| *at > from), "{configuration}: {times:?}");
    assert!(times.windows(2).all(|two| two[0] < two[1]), "{configuration}: {times:?}");
    if let [first, second, ..] = times[..] {
        assert_eq!(schedule.next_after(first), Some(second), "{configuration}");
        let before = Timestamp::from_unix_ms(second.as_unix_ms() - 1);
        assert_eq!(schedule.next_after(before), Some(second), "{configuration}");
        let decided = decide(schedule, from, second, second);
        assert!(decided.windows(2).all(|two| two[0].at < two[1].at), "{configuration}");
    }
    for at in [i64::MIN, -1, 0, i64::MAX - 1] {
        let after = Timestamp::from_unix_ms(at);
        let next = schedule.next_after(after);
        assert!(next.is_none_or(|next| next > after), "{configuration}: {next:?} after {at}");
    }
}

fn schedule(u: &mut Unstructured<'_>) -> Value {
    let quartz = u.ratio(1, 3).unwrap_or(false);
    let n = if quartz { u.int_in_range(6..=7) } else { u.int_in_range(5..=6) }.unwrap_or(5);
    let fields: Vec<String> = (0..n).map(|_| field(u)).collect();
    let mut members = json!({"cron": fields.join(" ")});
    if quartz {
        members["dialect"] = "QUARTZ".into();
    }
    if u.ratio(1, 4).unwrap_or(false) {
        members = json!({"every": u.int_in_range(-5..=40_000_000_000i64).unwrap_or(1000)});
    }
    let choices = [
        ("timezone", json!("America/New_York")),
        ("timezone", json!("Africa/Casablanca")),
        ("startDate", json!("2026-03-29T02:30:00")),
        ("endDate", json!("2027-01-01T00:00:00Z")),
        ("jitter", json!("30s")),
        ("dstGap", json!("SKIP")),
        ("dstFold", json!("BOTH")),
        ("misfire", json!("RUN_ALL")),
        ("misfireMax", json!(3)),
        ("at", json!("2026-10-25T02:30:00")),
    ];
    for _ in 0..u.int_in_range(0..=3).unwrap_or(0) {
        if let Ok((name, value)) = u.choose(&choices) {
            members[*name] = value.clone();
        }
    }
    if u.ratio(1, 8).unwrap_or(false) {
        made::change(u, &mut members);
    }
    json!({"schedule": members})
}

fn field(u: &mut Unstructured<'_>) -> String {
    let part = |u: &mut Unstructured<'_>| {
        let mut number = || u.int_in_range(0..=62u8).unwrap_or(0);
        let (a, b) = (number(), number());
        let forms = [
            "*".to_owned(),
            format!("{a}"),
            format!("{a}-{b}"),
            format!("*/{a}"),
            format!("{a}-{b}/{a}"),
            "?".to_owned(),
            "L".to_owned(),
            format!("{a}L"),
            format!("{a}W"),
            "LW".to_owned(),
            format!("{}#{}", a % 8, b % 7),
            "MON-fri".to_owned(),
            "feb".to_owned(),
            "~".to_owned(),
        ];
        u.choose(&forms).cloned().unwrap_or_default()
    };
    let n = if u.ratio(1, 5).unwrap_or(false) { 3 } else { 1 };
    (0..n).map(|_| part(u)).collect::<Vec<_>>().join(",")
}
