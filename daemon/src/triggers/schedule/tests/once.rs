//! A one-off time that falls into a clock change. What happened: it was moved by the length of the
//! gap whatever `dstGap` said, and nobody was told. Cron patterns had tests for this, `at` had none.

use super::*;

fn told(rule: &Value) -> Vec<String> {
    Schedule::problems(rule, &Zone::utc())
        .into_iter()
        .map(|p| {
            format!(
                "{:?} {} {}: {} [{}]",
                p.severity,
                p.path,
                p.code,
                p.message,
                p.hint.unwrap_or_default()
            )
        })
        .collect()
}

#[test]
fn a_time_that_does_not_exist_runs_at_the_end_of_the_gap_and_is_told() {
    let rule = json!({"schedule": {"at": "2026-03-29T02:30", "timezone": "Europe/Berlin"}});
    check(rule.clone(), "2026-01-01T00:00:00Z", 3, &["2026-03-29 03:00+02:00"]);
    assert_eq!(
        told(&rule),
        [
            "Warning schedule.at DST_GAP: 2026-03-29: 02:30 does not exist, runs at 03:00 (Europe/Berlin) [write a time that the clock shows that day]"
        ]
    );
    let preview = schedule(rule).preview(at("2026-01-01T00:00:00Z"), 3);
    assert_eq!(preview.description, "once at 2026-03-29 03:00");
    assert_eq!(preview.warnings, ["2026-03-29: 02:30 does not exist, runs at 03:00"]);
    // Half an hour at Lord Howe, a whole day in Samoa.
    let rule = json!({"at": "2026-10-04T02:15", "timezone": "Australia/Lord_Howe"});
    check(rule, "2026-01-01T00:00:00Z", 3, &["2026-10-04 02:30+11:00"]);
    let rule = json!({"at": "2011-12-30T10:00", "timezone": "Pacific/Apia"});
    check(rule, "2011-01-01T00:00:00Z", 3, &["2011-12-31 00:00+14:00"]);
}

#[test]
fn a_time_that_is_skipped_never_comes_and_is_refused() {
    let rule = json!({"at": "2026-03-29T02:30", "timezone": "Europe/Berlin", "dstGap": "SKIP"});
    assert_eq!(
        refused(rule),
        [
            "at DST_GAP: 2026-03-29: 02:30 does not exist, so with dstGap SKIP it never comes (Europe/Berlin) (write a time that the clock shows that day)"
        ]
    );
}

#[test]
fn a_time_that_comes_twice_runs_once_or_twice_as_asked() {
    let rule = |fold: &str| json!({"at": "2026-10-25T02:30", "timezone": "Europe/Berlin", "dstFold": fold});
    check(rule("FIRST"), "2026-01-01T00:00:00Z", 3, &["2026-10-25 02:30+02:00"]);
    check(
        rule("BOTH"),
        "2026-01-01T00:00:00Z",
        3,
        &["2026-10-25 02:30+02:00", "2026-10-25 02:30+01:00"],
    );
    assert_eq!(
        told(&rule("FIRST")),
        [
            "Warning at DST_FOLD: 2026-10-25: 02:30 happens twice, runs the first time (Europe/Berlin) [to say which, add its offset: 2026-10-25T02:30:00+02:00]"
        ]
    );
    assert_eq!(schedule(rule("BOTH")).describe(), "twice at 2026-10-25 02:30");
}

#[test]
fn a_time_with_its_offset_or_outside_of_changes_is_plain() {
    for rule in [
        json!({"at": "2026-10-25T02:30:00+01:00", "timezone": "Europe/Berlin", "dstFold": "BOTH"}),
        json!({"at": "2026-03-29T03:00", "timezone": "Europe/Berlin", "dstGap": "SKIP"}),
        json!({"at": "2026-03-29T02:30", "timezone": "UTC", "dstGap": "SKIP"}),
    ] {
        assert_eq!(told(&rule), [""; 0], "{rule}");
        assert_eq!(schedule(rule).upcoming(at("2026-01-01T00:00:00Z"), 3).len(), 1);
    }
}
