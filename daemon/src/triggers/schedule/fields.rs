//! Reads the fields of a cron expression and says what is wrong in the words of the field.
//!
//! Everything a field allows is expanded to plain numbers here (names, steps, ranges that wrap
//! around such as `sat-tue`), so that the evaluators behind see the same simple form for both
//! dialects. Invariant: what this accepts, they accept.

use std::collections::BTreeSet;

use super::rule::Dialect;
use crate::triggers::nearest::nearest;

/// Longest expression accepted.
pub(super) const MAX_LENGTH: usize = 256;

/// What is wrong with an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// In one sentence, lower case.
    pub(super) message: String,
    /// What to write instead.
    pub(super) hint: Option<String>,
}

impl Fault {
    fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: Some(hint.into()) }
    }
}

/// An expression, field by field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fields {
    pub(super) seconds: BTreeSet<u8>,
    pub(super) minutes: BTreeSet<u8>,
    pub(super) hours: BTreeSet<u8>,
    pub(super) months: BTreeSet<u8>,
    pub(super) days: DayField,
    pub(super) weekdays: DayField,
    /// QUARTZ only: the seventh field.
    pub(super) years: Option<String>,
    /// The minute or the hour field begins with `*`: the pattern runs on elapsed time.
    pub(super) elapsed: bool,
    /// Without seconds: fires at second 0.
    pub(super) has_seconds: bool,
    /// The fields as written, nicknames replaced: second (or none), minute, hour, …
    pub(super) written: Vec<String>,
}

/// A day-of-month or day-of-week field.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct DayField {
    /// It begins with `*` or is `?`: it does not choose days by itself (Vixie's rule).
    pub(super) star: bool,
    /// Matches every day.
    pub(super) every: bool,
    /// Plain numbers; Sunday is 0 in CRON and 1 in QUARTZ.
    pub(super) values: BTreeSet<u8>,
    /// `L`, `LW`, `15W`, `5#3`, `5L`: parts whose days depend on the month, in CRON's numbering
    /// whatever the dialect.
    pub(super) special: Vec<String>,
    /// `L-3`: so many days before the last one.
    pub(super) before_last: BTreeSet<u8>,
    /// `L-3W`: the working day nearest to that.
    pub(super) near_before_last: BTreeSet<u8>,
}

struct Field {
    name: &'static str,
    min: u8,
    max: u8,
    names: &'static [(&'static str, u8)],
}

const SECOND: Field = Field { name: "second", min: 0, max: 59, names: &[] };
const MINUTE: Field = Field { name: "minute", min: 0, max: 59, names: &[] };
const HOUR: Field = Field { name: "hour", min: 0, max: 23, names: &[] };
const DAY: Field = Field { name: "day of month", min: 1, max: 31, names: &[] };
const MONTH: Field = Field {
    name: "month",
    min: 1,
    max: 12,
    names: &[
        ("JAN", 1),
        ("FEB", 2),
        ("MAR", 3),
        ("APR", 4),
        ("MAY", 5),
        ("JUN", 6),
        ("JUL", 7),
        ("AUG", 8),
        ("SEP", 9),
        ("OCT", 10),
        ("NOV", 11),
        ("DEC", 12),
    ],
};
const WEEKDAY: Field = Field {
    name: "day of week",
    min: 0,
    max: 7,
    names: &[("SUN", 0), ("MON", 1), ("TUE", 2), ("WED", 3), ("THU", 4), ("FRI", 5), ("SAT", 6)],
};
const QUARTZ_WEEKDAY: Field = Field {
    name: "day of week",
    min: 1,
    max: 7,
    names: &[("SUN", 1), ("MON", 2), ("TUE", 3), ("WED", 4), ("THU", 5), ("FRI", 6), ("SAT", 7)],
};

const NICKNAMES: &[(&str, &str)] = &[
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// Reads an expression of `dialect`.
pub(super) fn read(expression: &str, dialect: Dialect) -> Result<Fields, Fault> {
    if expression.len() > MAX_LENGTH {
        return Err(Fault::new(
            format!("the expression has {} characters", expression.len()),
            format!("at most {MAX_LENGTH} are allowed: use several triggers"),
        ));
    }
    let text = expression.trim();
    if text.starts_with('@') {
        let plain = nickname(text)?;
        return fields(&plain.split_ascii_whitespace().collect::<Vec<_>>(), Dialect::Cron);
    }
    fields(&text.split_ascii_whitespace().collect::<Vec<_>>(), dialect)
}

fn nickname(text: &str) -> Result<&'static str, Fault> {
    let wanted = text.to_ascii_lowercase();
    if let Some((_, plain)) = NICKNAMES.iter().find(|(name, _)| *name == wanted) {
        return Ok(plain);
    }
    if wanted == "@reboot" {
        return Err(Fault::new(
            "`@reboot` is not a time",
            "a trigger at the daemon's start (onStart) is not in this version",
        ));
    }
    let near = nearest(&wanted, NICKNAMES.iter().map(|(name, _)| *name), 1);
    let hint = near
        .first()
        .cloned()
        .unwrap_or_else(|| NICKNAMES.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", "));
    Err(Fault::new(format!("`{text}` is not a nickname"), format!("did you mean {hint}?")))
}

fn fields(parts: &[&str], dialect: Dialect) -> Result<Fields, Fault> {
    let (with_seconds, years) = match (dialect, parts.len()) {
        (Dialect::Cron, 5) => (false, None),
        (Dialect::Cron | Dialect::Quartz, 6) => (true, None),
        (Dialect::Quartz, 7) => (true, Some(parts[6])),
        (_, n) => return Err(wrong_count(parts, dialect, n)),
    };
    let second = if with_seconds { parts[0] } else { "0" };
    let rest = if with_seconds { &parts[1..] } else { parts };
    let weekday = if dialect == Dialect::Quartz { &QUARTZ_WEEKDAY } else { &WEEKDAY };
    let mut written = vec![second];
    written.extend(&rest[..5]);
    Ok(Fields {
        seconds: SECOND.numbers(second)?,
        minutes: MINUTE.numbers(rest[0])?,
        hours: HOUR.numbers(rest[1])?,
        days: DAY.days(rest[2], dialect)?,
        months: MONTH.numbers(rest[3])?,
        weekdays: weekday.days(rest[4], dialect)?,
        years: years.map(year).transpose()?,
        elapsed: rest[0].starts_with('*') || rest[1].starts_with('*'),
        has_seconds: with_seconds,
        written: written.into_iter().map(str::to_owned).collect(),
    })
}

fn wrong_count(parts: &[&str], dialect: Dialect, n: usize) -> Fault {
    let counted = if n == 1 { "1 field".to_owned() } else { format!("{n} fields") };
    let message = match dialect {
        Dialect::Cron => format!(
            "a cron expression has 5 fields (minute hour day-of-month month day-of-week), or 6 \
             with the second first; this has {counted}"
        ),
        Dialect::Quartz => format!(
            "a QUARTZ expression has 6 fields (second minute hour day-of-month month \
             day-of-week), or 7 with the year last; this has {counted}"
        ),
    };
    let hint = match (dialect, n) {
        (Dialect::Cron, 1..=4) => {
            let mut full: Vec<&str> = parts.to_vec();
            full.resize(5, "*");
            format!("the nearest full form is `{}`", full.join(" "))
        }
        (Dialect::Cron, 7) => "a year is allowed with `dialect: QUARTZ`".to_owned(),
        (Dialect::Quartz, 5) => format!("the nearest full form is `0 {}`", parts.join(" ")),
        _ => "for example `30 2 * * *` for 02:30 every day".to_owned(),
    };
    Fault::new(message, hint)
}

/// The year field goes to the `cron` package as it is; here it is only checked for its range.
fn year(text: &str) -> Result<String, Fault> {
    let ok = text == "*"
        || text.split(',').all(|part| {
            let (range, step) = part.split_once('/').unwrap_or((part, "1"));
            let step_ok = step.parse::<u16>().is_ok_and(|n| (1..=130).contains(&n));
            let year_ok = |y: &str| y.parse::<u16>().is_ok_and(|y| (1970..=2099).contains(&y));
            let (from, to) = range.split_once('-').unwrap_or((range, range));
            step_ok && (range == "*" || (year_ok(from) && year_ok(to) && from <= to))
        });
    if ok {
        Ok(text.to_owned())
    } else {
        Err(Fault::new(
            format!("year: `{text}` is not allowed"),
            "write years from 1970 to 2099, for example 2026 or 2026-2030",
        ))
    }
}

impl Field {
    /// The numbers that a field without day specials stands for.
    fn numbers(&self, text: &str) -> Result<BTreeSet<u8>, Fault> {
        let mut values = BTreeSet::new();
        for part in text.split(',') {
            values.extend(self.part(part, text)?);
        }
        Ok(values)
    }

    /// A day field with its specials.
    fn days(&self, text: &str, dialect: Dialect) -> Result<DayField, Fault> {
        if text == "?" || text == "*" {
            return Ok(DayField { star: true, every: true, ..DayField::default() });
        }
        let mut field = DayField { star: text.starts_with('*'), ..DayField::default() };
        for part in text.split(',') {
            let upper = part.to_ascii_uppercase();
            match self.special(&upper, text)? {
                Some(Special::BeforeLast(n)) => {
                    field.before_last.insert(n);
                }
                Some(Special::NearBeforeLast(n)) => {
                    field.near_before_last.insert(n);
                }
                Some(Special::EndOfWeek) => {
                    field.values.insert(self.max);
                }
                Some(Special::Plain(special)) => field.special.push(special),
                None => field.values.extend(self.part(part, text)?),
            }
        }
        if self.name == WEEKDAY.name && dialect == Dialect::Cron && field.values.remove(&7) {
            field.values.insert(0);
        }
        Ok(field)
    }

    /// `L`, `L-3`, `LW`, `15W` for days of the month, `5L` and `5#3` for days of the week; QUARTZ
    /// also has `L` alone for the last day of the week.
    fn special(&self, part: &str, text: &str) -> Result<Option<Special>, Fault> {
        let plain = |special: String| Ok(Some(Special::Plain(special)));
        if self.name == DAY.name {
            if part == "L" || part == "LW" {
                return plain(part.to_owned());
            }
            if let Some(n) = part.strip_prefix("L-") {
                let (n, working) = match n.strip_suffix('W') {
                    Some(n) => (n, true),
                    None => (n, false),
                };
                return match n.parse::<u8>() {
                    Ok(n @ 0..=30) if working => Ok(Some(Special::NearBeforeLast(n))),
                    Ok(n @ 1..=30) => Ok(Some(Special::BeforeLast(n))),
                    _ => Err(Fault::new(
                        format!("{}: `{part}` must be L-1 to L-30", self.name),
                        "for example L-3 for the third day before the last",
                    )),
                };
            }
            if let Some(n) = part.strip_suffix('W') {
                let day = self.number(n, text)?;
                return plain(format!("{day}W"));
            }
        } else if self.name == WEEKDAY.name {
            // Sunday is 0 for who evaluates it, 0 or 7 in CRON and 1 in QUARTZ.
            let from_sunday = |day: u8| (day + 7 - self.min) % 7;
            if let Some((day, nth)) = part.split_once('#') {
                let number = from_sunday(self.number(day, text)?);
                return match nth.parse::<u8>() {
                    Ok(nth @ 1..=5) => plain(format!("{number}#{nth}")),
                    _ => Err(Fault::new(
                        format!("{}: `#{nth}` must be #1 to #5", self.name),
                        format!("for example {day}#1 for the first one in the month"),
                    )),
                };
            }
            if part == "L" && self.min == QUARTZ_WEEKDAY.min {
                return Ok(Some(Special::EndOfWeek));
            }
            if part.len() > 1
                && let Some(day) = part.strip_suffix('L')
            {
                let number = from_sunday(self.number(day, text)?);
                return plain(format!("{number}L"));
            }
        }
        Ok(None)
    }

    /// One part of a list: `*`, `n`, `n-m`, each with an optional `/step`.
    fn part(&self, part: &str, text: &str) -> Result<Vec<u8>, Fault> {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(self.step(step, range.contains('-'), text)?)),
            None => (part, None),
        };
        let weekday = self.name == WEEKDAY.name && self.min == 0;
        let top = if weekday { 6 } else { self.max };
        let (from, to) = if range == "*" {
            (self.min, top)
        } else if let Some((from, to)) = range.split_once('-') {
            (self.number(from, text)?, self.number(to, text)?)
        } else {
            let from = self.number(range, text)?;
            // `10/5` means from 10 on to the end.
            (from, if step.is_some() { top.max(from) } else { from })
        };
        // `fri-7` ends on a Sunday, `7-2` begins on one; other ranges may wrap around the end.
        let from = if weekday && from == 7 && to != 7 { 0 } else { from };
        let round = u16::from(top) - u16::from(self.min) + 1;
        let last = if to < from { u16::from(to) + round } else { u16::from(to) };
        let wrap = |n: u16| {
            if n > u16::from(self.max) { n - round } else { n }
        };
        Ok((u16::from(from)..=last)
            .step_by(usize::from(step.unwrap_or(1)))
            .filter_map(|n| u8::try_from(wrap(n)).ok())
            .collect())
    }

    fn number(&self, given: &str, text: &str) -> Result<u8, Fault> {
        let upper = given.to_ascii_uppercase();
        if let Some((_, n)) = self.names.iter().find(|(name, _)| *name == upper) {
            return Ok(*n);
        }
        let digits = !given.is_empty() && given.bytes().all(|b| b.is_ascii_digit());
        if digits {
            let n = given.parse::<u32>().unwrap_or(u32::MAX);
            if let Ok(n) = u8::try_from(n)
                && (self.min..=self.max).contains(&n)
            {
                return Ok(n);
            }
            let near = if n < u32::from(self.min) { self.min } else { self.max };
            return Err(self.fault(
                &format!("{given} is out of range"),
                &format!("the nearest allowed value is {near}"),
            ));
        }
        let near = nearest(&upper, self.names.iter().map(|(name, _)| *name), 1);
        let hint = match near.first() {
            Some(name) => format!("did you mean {name}?"),
            None => format!("for example *, {0}, {0}-{1} or */2", self.min, self.min + 2),
        };
        let shown = if given.is_empty() { text } else { given };
        Err(self.fault(&format!("`{shown}` is not understood"), &hint))
    }

    /// A step over all values must leave at least two of them; over a range it may be as long as
    /// the whole round (`0-23/24`, which tools write that spread jobs).
    fn step(&self, given: &str, over_range: bool, text: &str) -> Result<u8, Fault> {
        let most = if over_range { self.max - self.min + 1 } else { self.max };
        match given.parse::<u8>() {
            Ok(n) if n >= 1 && n <= most && !given.starts_with('+') => Ok(n),
            _ => Err(Fault::new(
                format!("{}: the step in `{text}` must be a number from 1 to {most}", self.name),
                if given.bytes().all(|b| b.is_ascii_digit()) && given.len() > 1 {
                    "for longer pauses use `every`, for example every: 90m".to_owned()
                } else {
                    "for example */2".to_owned()
                },
            )),
        }
    }

    fn fault(&self, what: &str, hint: &str) -> Fault {
        let names = match self.names {
            [] => String::new(),
            [first, .., last] => format!(" or {} to {}", first.0, last.0),
            [only] => format!(" or {}", only.0),
        };
        Fault::new(
            format!("{}: {what}, allowed are {} to {}{names}", self.name, self.min, self.max),
            hint,
        )
    }
}

enum Special {
    Plain(String),
    BeforeLast(u8),
    NearBeforeLast(u8),
    EndOfWeek,
}
