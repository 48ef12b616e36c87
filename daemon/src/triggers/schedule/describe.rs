//! A schedule in words, for people who do not read cron.

use std::collections::BTreeSet;
use std::time::Duration;

use super::duration;
use super::fields::{DayField, Fields};
use super::rule::{Dialect, Rule, Schedule};

const DAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// The rule in words, lower case, without its zone.
pub(super) fn words(schedule: &Schedule) -> String {
    match &schedule.rule {
        Rule::At(once) => {
            let Some(at) = once.times.first() else { return "never".to_owned() };
            let wall = schedule.zone.rules().to_datetime(at.to_jiff());
            let often = if once.times.len() > 1 { "twice" } else { "once" };
            format!("{often} at {} {:02}:{:02}", wall.date(), wall.hour(), wall.minute())
        }
        Rule::Every { period_ms } => {
            let period = Duration::from_millis(u64::try_from(*period_ms).unwrap_or(0));
            format!("every {}", duration::words(period))
        }
        Rule::Cron(cron) => expression(cron.fields(), cron.dialect()),
    }
}

fn expression(fields: &Fields, dialect: Dialect) -> String {
    let (time, needs_day) = time(fields);
    let mut text = time;
    match days(fields, dialect) {
        Some(days) => {
            text.push(' ');
            text.push_str(&days);
        }
        None if needs_day => text.push_str(" every day"),
        None => {}
    }
    if fields.months.len() < 12 {
        let names: Vec<String> = runs(&fields.months)
            .into_iter()
            .map(|(from, to)| span(month(from), month(to), from, to))
            .collect();
        text.push_str(&format!(" in {}", and(&names)));
    }
    if let Some(years) = fields.years.as_deref().filter(|years| *years != "*") {
        text.push_str(&format!(" in the years {years}"));
    }
    text
}

/// The part of the day, and whether `every day` completes it.
fn time(fields: &Fields) -> (String, bool) {
    // A step that does not divide the whole begins anew with it: `*/7` is no pace.
    let step = |text: &str, whole: u8| {
        let n = text.strip_prefix("*/").and_then(|n| n.parse::<u8>().ok());
        n.filter(|n| *n > 0 && whole.is_multiple_of(*n))
    };
    let [second, minute, hour] = [0, 1, 2].map(|i| fields.written[i].as_str());
    let every_hour = fields.hours.len() == 24;
    let every_minute = fields.minutes.len() == 60;
    let on_zero = fields.seconds.len() == 1 && fields.seconds.contains(&0);
    if !on_zero && every_hour && every_minute {
        if fields.seconds.len() == 60 {
            return ("every second".into(), false);
        }
        if let Some(n) = step(second, 60) {
            return (format!("every {n} seconds"), false);
        }
        return (format!("at second {} of every minute", numbers(&fields.seconds)), false);
    }
    let seconds = if on_zero {
        String::new()
    } else if fields.seconds.len() == 60 {
        "every second ".to_owned()
    } else {
        format!("at second {} ", numbers(&fields.seconds))
    };
    if every_hour && every_minute {
        return ("every minute".into(), false);
    }
    if every_hour {
        let text = match step(minute, 60) {
            Some(n) => format!("every {n} minutes"),
            None => format!("at minute {} of every hour", numbers(&fields.minutes)),
        };
        return (format!("{seconds}{text}"), false);
    }
    if let Some(n) = step(hour, 24) {
        let text = if every_minute {
            format!("every minute of every {} hour", ordinal(n))
        } else {
            format!("at minute {} of every {} hour", numbers(&fields.minutes), ordinal(n))
        };
        return (format!("{seconds}{text}"), false);
    }
    if fields.seconds.len() == 1 && fields.hours.len() * fields.minutes.len() <= 6 {
        let second = fields.seconds.first().copied().unwrap_or(0);
        let times: Vec<String> = fields
            .hours
            .iter()
            .flat_map(|h| fields.minutes.iter().map(move |m| (h, m)))
            .map(|(h, m)| {
                if second == 0 {
                    format!("{h:02}:{m:02}")
                } else {
                    format!("{h:02}:{m:02}:{second:02}")
                }
            })
            .collect();
        return (format!("at {}", and(&times)), true);
    }
    let minutes = if every_minute {
        "every minute".to_owned()
    } else {
        match step(minute, 60) {
            Some(n) => format!("every {n} minutes"),
            None => format!("at minute {}", numbers(&fields.minutes)),
        }
    };
    (format!("{seconds}{minutes} of hour {}", numbers(&fields.hours)), true)
}

fn days(fields: &Fields, dialect: Dialect) -> Option<String> {
    let month = (!fields.days.every).then(|| month_days(&fields.days));
    let week = (!fields.weekdays.every).then(|| week_days(&fields.weekdays, dialect));
    let both = fields.days.star || fields.weekdays.star || dialect == Dialect::Quartz;
    match (month, week) {
        (None, None) => None,
        (Some(days), None) | (None, Some(days)) => Some(format!("on {days}")),
        (Some(month), Some(week)) if both => Some(format!("on {month} where it is {week}")),
        (Some(month), Some(week)) => Some(format!("on {month} or on {week}")),
    }
}

fn month_days(field: &DayField) -> String {
    let mut parts = Vec::new();
    match field.values.len() {
        0 => {}
        1 => parts.push(format!("day {} of the month", numbers(&field.values))),
        _ => parts.push(format!("days {} of the month", numbers(&field.values))),
    }
    for special in &field.special {
        parts.push(match special.as_str() {
            "L" => "the last day of the month".to_owned(),
            "LW" => "the last working day of the month".to_owned(),
            day => format!("the working day nearest to day {}", day.trim_end_matches('W')),
        });
    }
    for n in &field.before_last {
        parts.push(match n {
            1 => "the day before the last of the month".to_owned(),
            n => format!("the {} day before the last of the month", ordinal(*n)),
        });
    }
    for n in &field.near_before_last {
        parts.push(match n {
            0 => "the working day nearest to the last of the month".to_owned(),
            n => {
                let nth = ordinal(*n);
                format!("the working day nearest to the {nth} day before the last of the month")
            }
        });
    }
    and(&parts)
}

fn week_days(field: &DayField, dialect: Dialect) -> String {
    let shift = u8::from(dialect == Dialect::Quartz);
    let name = |n: u8| DAYS[usize::from(n.saturating_sub(shift)) % 7].to_owned();
    // A week is read from Monday on, so that the weekend stays together.
    let mut ordered: Vec<u8> = field.values.iter().copied().collect();
    ordered.sort_by_key(|n| (n + 7 - 1 - shift) % 7);
    let week: BTreeSet<u8> = ordered.iter().map(|n| (n + 7 - 1 - shift) % 7).collect();
    let mut parts: Vec<String> = runs(&week)
        .into_iter()
        .map(|(from, to)| span(name((from + 1) % 7 + shift), name((to + 1) % 7 + shift), from, to))
        .collect();
    // These begin with Sunday as 0 whatever the dialect.
    let special_name = |n: &str| DAYS[n.parse().unwrap_or(0_usize) % 7];
    for special in &field.special {
        parts.push(match special.split_once('#') {
            Some((day, nth)) => {
                let nth = ordinal(nth.parse().unwrap_or(1));
                format!("the {nth} {} of the month", special_name(day))
            }
            None => {
                format!("the last {} of the month", special_name(special.trim_end_matches('L')))
            }
        });
    }
    and(&parts)
}

fn month(n: u8) -> String {
    MONTHS[usize::from(n.saturating_sub(1)) % 12].to_owned()
}

fn numbers(set: &BTreeSet<u8>) -> String {
    let parts: Vec<String> = runs(set)
        .into_iter()
        .map(|(from, to)| span(from.to_string(), to.to_string(), from, to))
        .collect();
    and(&parts)
}

/// Neighbours as (first, last).
fn runs(set: &BTreeSet<u8>) -> Vec<(u8, u8)> {
    let mut runs: Vec<(u8, u8)> = Vec::new();
    for n in set {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == *n => *last = *n,
            _ => runs.push((*n, *n)),
        }
    }
    runs
}

fn span(from: String, to: String, low: u8, high: u8) -> String {
    match high - low {
        0 => from,
        1 => format!("{from} and {to}"),
        _ => format!("{from} to {to}"),
    }
}

fn and(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

fn ordinal(n: u8) -> String {
    let end = match (n % 10, n % 100) {
        (1, t) if t != 11 => "st",
        (2, t) if t != 12 => "nd",
        (3, t) if t != 13 => "rd",
        _ => "th",
    };
    format!("{n}{end}")
}
