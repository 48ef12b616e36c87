//! Schedules as rows of text: expression, zone and start on one side, instants on the other.

use a2n_proto::Timestamp;
use serde_json::{Value, json};

use super::*;

mod once;
mod quartz;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn schedule(text: Value) -> Schedule {
    Schedule::parse(&text, &Zone::utc()).unwrap()
}

/// The next instants as wall-clock times of the zone, one a line.
#[track_caller]
fn check(rule: Value, from: &str, count: usize, expected: &[&str]) {
    let rule = schedule(rule);
    let zone = Zone::named(rule.zone_name()).unwrap();
    let times: Vec<String> = rule
        .upcoming(at(from), count)
        .into_iter()
        .map(|t| {
            let local = t.to_jiff().to_zoned(zone.rules().clone());
            local
                .strftime("%Y-%m-%d %H:%M:%S%:z")
                .to_string()
                .replace(":00+", "+")
                .replace(":00-", "-")
        })
        .collect();
    assert_eq!(times, expected);
}

#[track_caller]
fn refused(rule: Value) -> Vec<String> {
    let problems = Schedule::parse(&rule, &Zone::utc()).expect_err("refused");
    problems
        .into_iter()
        .map(|p| format!("{} {}: {} ({})", p.path, p.code, p.message, p.hint.unwrap_or_default()))
        .collect()
}

#[test]
fn the_preview_of_the_contract() {
    let rule = schedule(json!({"cron": "30 2 * * *", "timezone": "Europe/Berlin"}));
    let preview = rule.preview(at("2026-03-28T00:00:00Z"), 3);
    let times: Vec<String> = preview.times.iter().map(ToString::to_string).collect();
    assert_eq!(
        times,
        ["2026-03-28T01:30:00.000Z", "2026-03-29T01:00:00.000Z", "2026-03-30T00:30:00.000Z"]
    );
    assert_eq!(preview.description, "at 02:30 every day");
    assert_eq!(preview.warnings, ["2026-03-29: 02:30 does not exist, runs at 03:00"]);
}

#[test]
fn berlin_forward_fixed_times_run_at_the_end_of_the_gap_or_not_at_all() {
    let zone = "Europe/Berlin";
    check(
        json!({"cron": "30 2 * * *", "timezone": zone, "dstGap": "SKIP"}),
        "2026-03-28T00:00:00Z",
        2,
        &["2026-03-28 02:30+01:00", "2026-03-30 02:30+02:00"],
    );
    // Several missing times are one run, and 03:00 itself is the same one.
    check(
        json!({"cron": "0,15 2,3 * * *", "timezone": zone}),
        "2026-03-29T00:00:00Z",
        3,
        &["2026-03-29 03:00+02:00", "2026-03-29 03:15+02:00", "2026-03-30 02:00+02:00"],
    );
}

#[test]
fn berlin_back_fixed_times_run_once_or_twice_as_asked() {
    let zone = "Europe/Berlin";
    check(
        json!({"cron": "30 2 * * *", "timezone": zone}),
        "2026-10-24T22:00:00Z",
        2,
        &["2026-10-25 02:30+02:00", "2026-10-26 02:30+01:00"],
    );
    check(
        json!({"cron": "30 2 * * *", "timezone": zone, "dstFold": "BOTH"}),
        "2026-10-24T22:00:00Z",
        3,
        &["2026-10-25 02:30+02:00", "2026-10-25 02:30+01:00", "2026-10-26 02:30+01:00"],
    );
    // Asked in the middle of the second pass, the first has been.
    check(
        json!({"cron": "*/20 2 * * *", "timezone": zone, "dstFold": "FIRST"}),
        "2026-10-25T01:10:00Z",
        1,
        &["2026-10-25 02:20+01:00"],
    );
    check(
        json!({"cron": "0,40 2 * * *", "timezone": zone}),
        "2026-10-25T01:10:00Z",
        1,
        &["2026-10-26 02:00+01:00"],
    );
    let fold = schedule(json!({"cron": "30 2 * * *", "timezone": zone}));
    assert_eq!(
        fold.preview(at("2026-10-24T22:00:00Z"), 2).warnings,
        ["2026-10-25: 02:30 happens twice, runs the first time"]
    );
}

#[test]
fn intervals_keep_their_pace_through_both_changes() {
    let zone = "Europe/Berlin";
    check(
        json!({"cron": "*/30 * * * *", "timezone": zone}),
        "2026-10-25T00:15:00Z",
        4,
        &[
            "2026-10-25 02:30+02:00",
            "2026-10-25 02:00+01:00",
            "2026-10-25 02:30+01:00",
            "2026-10-25 03:00+01:00",
        ],
    );
    check(
        json!({"cron": "*/30 * * * *", "timezone": zone}),
        "2026-03-29T00:00:00Z",
        3,
        &["2026-03-29 01:30+01:00", "2026-03-29 03:00+02:00", "2026-03-29 03:30+02:00"],
    );
}

#[test]
fn new_york_and_lord_howe_follow_the_same_rule() {
    check(
        json!({"cron": "30 2 * * *", "timezone": "America/New_York"}),
        "2026-03-08T00:00:00-05:00",
        2,
        &["2026-03-08 03:00-04:00", "2026-03-09 02:30-04:00"],
    );
    check(
        json!({"cron": "30 1 * * *", "timezone": "America/New_York", "dstFold": "BOTH"}),
        "2026-11-01T00:00:00-04:00",
        2,
        &["2026-11-01 01:30-04:00", "2026-11-01 01:30-05:00"],
    );
    // Half an hour is left out: 02:00 to 02:30 in October, and comes twice in April.
    check(
        json!({"cron": "15 2 * * *", "timezone": "Australia/Lord_Howe"}),
        "2026-10-03T14:00:00Z",
        2,
        &["2026-10-04 02:30+11:00", "2026-10-05 02:15+11:00"],
    );
    check(
        json!({"cron": "45 1 * * *", "timezone": "Australia/Lord_Howe", "dstFold": "BOTH"}),
        "2026-04-04T14:00:00Z",
        3,
        &["2026-04-05 01:45+11:00", "2026-04-05 01:45+10:30", "2026-04-06 01:45+10:30"],
    );
}

#[test]
fn both_dialects_share_the_rule_and_differ_in_their_fields() {
    check(
        json!({"cron": "0 30 2 ? * 2", "dialect": "QUARTZ", "timezone": "Europe/Berlin"}),
        "2026-03-22T00:00:00Z",
        2,
        &["2026-03-23 02:30+01:00", "2026-03-30 02:30+02:00"],
    );
    check(
        json!({"cron": "0 0 13 13 * FRI", "dialect": "QUARTZ"}),
        "2026-01-01T00:00:00Z",
        2,
        &["2026-02-13 13:00+00:00", "2026-03-13 13:00+00:00"],
    );
    check(
        json!({"cron": "0 13 13 * FRI"}),
        "2026-02-07T00:00:00Z",
        2,
        &["2026-02-13 13:00+00:00", "2026-02-20 13:00+00:00"],
    );
    check(
        json!({"cron": "0 0 0 1 1 ? 2030", "dialect": "QUARTZ"}),
        "2026-02-07T00:00:00Z",
        5,
        &["2030-01-01 00:00+00:00"],
    );
}

#[test]
fn every_is_anchored_and_at_comes_once() {
    check(
        json!({"every": "15m"}),
        "2026-01-01T00:07:00Z",
        2,
        &["2026-01-01 00:15+00:00", "2026-01-01 00:30+00:00"],
    );
    check(
        json!({"every": 5_400_000, "startDate": "2026-01-01T00:10:00Z", "endDate": "2026-01-01T02:00:00Z"}),
        "2026-01-01T00:00:00Z",
        5,
        &["2026-01-01 00:10+00:00", "2026-01-01 01:40+00:00"],
    );
    check(
        json!({"at": "2026-12-24T18:00", "timezone": "Europe/Berlin"}),
        "2026-01-01T00:00:00Z",
        5,
        &["2026-12-24 18:00+01:00"],
    );
}

#[test]
fn leap_days_come_across_a_century() {
    check(json!({"cron": "0 0 29 2 *"}), "2096-03-01T00:00:00Z", 1, &["2104-02-29 00:00+00:00"]);
}

#[test]
fn descriptions_read_as_sentences() {
    for (cron, words) in [
        ("* * * * *", "every minute"),
        ("*/15 * * * *", "every 15 minutes"),
        ("17 * * * *", "at minute 17 of every hour"),
        ("0 */2 * * *", "at minute 0 of every 2nd hour"),
        ("0 9,17 * * 1-5", "at 09:00 and 17:00 on Monday to Friday"),
        ("0 0 * * 6,0", "at 00:00 on Saturday and Sunday"),
        ("0 0 1 1 *", "at 00:00 on day 1 of the month in January"),
        ("0 13 13 * 5", "at 13:00 on day 13 of the month or on Friday"),
        ("0 22 L * *", "at 22:00 on the last day of the month"),
        ("0 22 * * 5L", "at 22:00 on the last Friday of the month"),
        ("*/5 8-17 * * *", "every 5 minutes of hour 8 to 17 every day"),
        ("*/10 * * * * *", "every 10 seconds"),
        ("@hourly", "at minute 0 of every hour"),
    ] {
        assert_eq!(schedule(json!({"cron": cron})).describe(), words, "{cron}");
    }
    assert_eq!(schedule(json!({"every": "90m"})).describe(), "every 1 hour 30 minutes");
    assert_eq!(
        schedule(json!({"cron": "0 0 12 ? * 2-6", "dialect": "QUARTZ"})).describe(),
        "at 12:00 on Monday to Friday"
    );
}

#[test]
fn faults_name_the_field_its_range_and_the_nearest_form() {
    for (cron, fault) in [
        (
            "61 * * * *",
            "cron BAD_CRON: minute: 61 is out of range, allowed are 0 to 59 (the nearest allowed value is 59)",
        ),
        (
            "0 24 * * *",
            "cron BAD_CRON: hour: 24 is out of range, allowed are 0 to 23 (the nearest allowed value is 23)",
        ),
        (
            "0 0 * * MOM",
            "cron BAD_CRON: day of week: `MOM` is not understood, allowed are 0 to 7 or SUN to SAT (did you mean MON?)",
        ),
        (
            "*/90 * * * *",
            "cron BAD_CRON: minute: the step in `*/90` must be a number from 1 to 59 (for longer pauses use `every`, for example every: 90m)",
        ),
        (
            "0 2 * *",
            "cron BAD_CRON: a cron expression has 5 fields (minute hour day-of-month month day-of-week), or 6 with the second first; this has 4 fields (the nearest full form is `0 2 * * *`)",
        ),
        ("@hurly", "cron BAD_CRON: `@hurly` is not a nickname (did you mean @hourly?)"),
        (
            "0 0 30 2 *",
            "cron BAD_CRON: `0 0 30 2 *` never comes: no such date exists (check the day of month against the months)",
        ),
    ] {
        assert_eq!(refused(json!({"cron": cron})), [fault], "{cron}");
    }
    let long = format!("0{} * * * *", ",0".repeat(200));
    assert!(refused(json!({"cron": long}))[0].contains("at most 256"));
}

#[test]
fn everything_wrong_is_told_at_once_and_nothing_is_ignored() {
    assert_eq!(
        refused(json!({"schedule": {
            "cron": "99 * * * *", "timezone": "Europe/Berln", "misfire": "RUN_ONES",
            "onStart": true, "jiter": 3,
        }})),
        [
            "schedule.onStart UNSUPPORTED: `onStart` is not in this version (start the workflow from a unit of the system until then)",
            "schedule.jiter UNKNOWN_MEMBER: `jiter` is not a member of a schedule (did you mean `jitter`?)",
            "schedule.timezone BAD_ZONE: there is no time zone `Europe/Berln` (did you mean Europe/Berlin?)",
            "schedule.cron BAD_CRON: minute: 99 is out of range, allowed are 0 to 59 (the nearest allowed value is 59)",
            "schedule.misfire BAD_SCHEDULE: `misfire` must be one of RUN_ONCE, SKIP, RUN_ALL (did you mean RUN_ONCE?)",
        ]
    );
    assert_eq!(
        refused(json!({"cron": "* * * * *", "every": "1m"})),
        ["every BAD_SCHEDULE: only one of cron, every may be given (make a trigger for each)"]
    );
    assert_eq!(refused(json!({"onCalendar": "daily"})).len(), 1);
}

#[track_caller]
fn decided(rule: Value, last: &str, now: &str) -> Vec<String> {
    decide(&schedule(rule), at(last), at(now), at(now))
        .into_iter()
        .map(|d| {
            let older = if d.and_older { " and older" } else { "" };
            format!("{} {:?}{older}", &d.at.to_string()[11..16], d.decision)
        })
        .collect()
}

#[test]
fn missed_instants_follow_the_policy() {
    let (last, now) = ("2026-01-01T00:00:00Z", "2026-01-01T05:10:00Z");
    let rule = |misfire: &str, max: u32| json!({"cron": "0 * * * *", "misfire": misfire, "misfireMax": max});
    assert_eq!(
        decided(rule("RUN_ONCE", 100), last, now),
        ["01:00 Coalesced", "02:00 Coalesced", "03:00 Coalesced", "04:00 Coalesced", "05:00 Fire"]
    );
    assert_eq!(
        decided(rule("RUN_ALL", 2), last, now),
        ["03:00 Missed and older", "04:00 Fire", "05:00 Fire"]
    );
    assert_eq!(
        decided(rule("SKIP", 100), last, now),
        ["01:00 Missed", "02:00 Missed", "03:00 Missed", "04:00 Missed", "05:00 Fire"]
    );
    let strict = json!({"cron": "0 * * * *", "misfire": "SKIP", "misfireGrace": "5m"});
    assert!(decided(strict, last, now).iter().all(|line| line.ends_with("Missed")));
}

#[test]
fn a_month_of_seconds_is_decided_at_once() {
    let lines = decided(
        json!({"every": "1s", "misfire": "RUN_ALL"}),
        "2026-01-01T00:00:00Z",
        "2026-01-31T00:00:00Z",
    );
    // The newest comes due at this very moment; a hundred older ones are made up for.
    assert_eq!(lines.len(), 102);
    assert_eq!(lines.iter().filter(|line| line.ends_with("Fire")).count(), 101);
    assert!(lines[0].ends_with("Missed and older"));
}
