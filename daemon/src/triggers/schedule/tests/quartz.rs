//! `L`, `W` and `#` in the QUARTZ dialect, against known dates of 2026.

use super::*;

#[track_caller]
fn quartz(cron: &str, expected: &[&str], words: &str) {
    let rule = json!({"cron": cron, "dialect": "QUARTZ"});
    let full: Vec<String> = expected.iter().map(|day| format!("{day} 09:00+00:00")).collect();
    let full: Vec<&str> = full.iter().map(String::as_str).collect();
    check(rule.clone(), "2026-01-01T12:00:00Z", full.len(), &full);
    assert_eq!(schedule(rule).describe(), format!("at 09:00 on {words}"));
}

#[test]
fn the_last_and_the_nth_weekday_count_from_sunday_as_one() {
    let fridays = ["2026-01-30", "2026-02-27", "2026-03-27", "2026-04-24"];
    quartz("0 0 9 ? * 6L", &fridays, "the last Friday of the month");
    quartz("0 0 9 ? * FRIL", &fridays, "the last Friday of the month");
    quartz("0 0 9 ? * 1L", &["2026-01-25", "2026-02-22"], "the last Sunday of the month");
    quartz("0 0 9 ? * 7L", &["2026-01-31", "2026-02-28"], "the last Saturday of the month");
    let thirds = ["2026-01-16", "2026-02-20", "2026-03-20"];
    quartz("0 0 9 ? * 6#3", &thirds, "the 3rd Friday of the month");
    quartz("0 0 9 ? * fri#3", &thirds, "the 3rd Friday of the month");
    quartz("0 0 9 ? * 1#1", &["2026-01-04", "2026-02-01"], "the 1st Sunday of the month");
    quartz("0 0 9 ? * 2#5", &["2026-03-30", "2026-06-29"], "the 5th Monday of the month");
    quartz("0 0 9 ? * L", &["2026-01-03", "2026-01-10"], "Saturday");
}

#[test]
fn days_of_the_month_from_its_end_and_nearest_working_days() {
    quartz("0 0 9 L * ?", &["2026-01-31", "2026-02-28"], "the last day of the month");
    quartz(
        "0 0 9 L-3 * ?",
        &["2026-01-28", "2026-02-25"],
        "the 3rd day before the last of the month",
    );
    quartz(
        "0 0 9 LW * ?",
        &["2026-01-30", "2026-02-27", "2026-03-31"],
        "the last working day of the month",
    );
    // 15 February and 15 March are Sundays, 15 August is a Saturday.
    quartz(
        "0 0 9 15W * ?",
        &[
            "2026-01-15",
            "2026-02-16",
            "2026-03-16",
            "2026-04-15",
            "2026-05-15",
            "2026-06-15",
            "2026-07-15",
            "2026-08-14",
        ],
        "the working day nearest to day 15",
    );
    // 1 August is a Saturday: the nearest working day before it is in July.
    quartz(
        "0 0 9 1W 8 ?",
        &["2026-08-03", "2027-08-02"],
        "the working day nearest to day 1 in August",
    );
    quartz(
        "0 0 9 L 2 ? 2028",
        &["2028-02-29"],
        "the last day of the month in February in the years 2028",
    );
}

#[test]
fn they_stand_beside_plain_days_and_both_fields_have_to_hold() {
    quartz(
        "0 0 9 1,L * ?",
        &["2026-01-31", "2026-02-01", "2026-02-28"],
        "day 1 of the month and the last day of the month",
    );
    quartz(
        "0 0 9 ? * 2,6L",
        &["2026-01-05", "2026-01-12", "2026-01-19", "2026-01-26", "2026-01-30"],
        "Monday and the last Friday of the month",
    );
    quartz(
        "0 0 9 L * 7",
        &["2026-01-31", "2026-02-28", "2026-10-31"],
        "the last day of the month where it is Saturday",
    );
}

#[test]
fn what_has_no_meaning_is_refused_in_the_dialects_own_numbers() {
    for (cron, fault) in [
        (
            "0 0 9 ? * 6#6",
            "cron BAD_CRON: day of week: `#6` must be #1 to #5 (for example 6#1 for the first one in the month)",
        ),
        (
            "0 0 9 ? * 0L",
            "cron BAD_CRON: day of week: 0 is out of range, allowed are 1 to 7 or SUN to SAT (the nearest allowed value is 1)",
        ),
        (
            "0 0 9 L-31 * ?",
            "cron BAD_CRON: day of month: `L-31` must be L-1 to L-30 (for example L-3 for the third day before the last)",
        ),
    ] {
        assert_eq!(refused(json!({"cron": cron, "dialect": "QUARTZ"})), [fault], "{cron}");
    }
    // Alone it is the week's last day in QUARTZ only.
    assert_eq!(refused(json!({"cron": "0 9 * * L"})).len(), 1);
}
