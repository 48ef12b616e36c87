//! Wall-clock times of a cron expression, without any zone.
//!
//! Days are decided by the evaluators the dialects stand for (croner for CRON, the `cron` package
//! for QUARTZ, which leaves `L`, `W` and `#` to croner too); the walk over days, hours and seconds
//! is ours, so that a search always ends.

use std::collections::BTreeSet;
use std::str::FromStr;

use ::cron::TimeUnitSpec;
use jiff::civil::{Date, DateTime, Time};

use super::fields::{self, DayField, Fault, Fields};
use super::rule::Dialect;

/// How far a search looks: long enough for a 29 February on a given weekday across the year 2100.
const HORIZON_YEARS: i16 = 40;

/// A parsed expression.
#[derive(Debug, Clone)]
pub(super) struct Cron {
    dialect: Dialect,
    fields: Fields,
    days: Days,
}

/// Who decides on a date.
#[derive(Debug, Clone)]
struct Days {
    /// The day of month: all of it in CRON, what depends on the month in QUARTZ.
    month: Option<Box<croner::Cron>>,
    /// The day of week, likewise.
    week: Option<Box<croner::Cron>>,
    /// QUARTZ only: years, and days that are plain numbers.
    plain: Option<Box<::cron::Schedule>>,
}

impl Cron {
    /// Reads and checks an expression; one that can never match is refused.
    pub(super) fn read(expression: &str, dialect: Dialect) -> Result<Self, Fault> {
        let fields = fields::read(expression, dialect)?;
        // Nicknames are Unix cron's, whatever the dialect.
        let nickname = expression.trim_start().starts_with('@');
        let dialect = if nickname { Dialect::Cron } else { dialect };
        let days = match dialect {
            Dialect::Quartz => quartz(&fields)?,
            Dialect::Cron => croners(&fields.days, &fields.weekdays)?,
        };
        let rule = Self { dialect, fields, days };
        // Any start will do: what does not match in forty years from a leap year never does.
        let start = jiff::civil::date(1972, 1, 1).at(0, 0, 0, 0);
        match rule.next(start, true) {
            Some(_) => Ok(rule),
            None => Err(Fault {
                message: format!("`{}` never comes: no such date exists", expression.trim()),
                hint: Some("check the day of month against the months".into()),
            }),
        }
    }

    pub(super) fn dialect(&self) -> Dialect {
        self.dialect
    }

    pub(super) fn fields(&self) -> &Fields {
        &self.fields
    }

    /// The first matching wall-clock time from `from` on, or after it where not `inclusive`.
    pub(super) fn next(&self, from: DateTime, inclusive: bool) -> Option<DateTime> {
        let mut floor = from.with().subsec_nanosecond(0).build().ok()?;
        if !inclusive || floor < from {
            floor = floor.checked_add(jiff::Span::new().seconds(1)).ok()?;
        }
        if self.matches(floor.date())
            && let Some(time) = self.time_from(floor.time())
        {
            return Some(floor.date().to_datetime(time));
        }
        let date = self.next_date(floor.date())?;
        Some(date.to_datetime(self.time_from(Time::midnight())?))
    }

    fn next_date(&self, after: Date) -> Option<Date> {
        let years = if self.fields.years.is_some() { 130 } else { HORIZON_YEARS };
        let last = after.year().saturating_add(years);
        let mut date = after.tomorrow().ok()?;
        while date.year() <= last {
            if !self.fields.months.contains(&to_u8(date.month())) {
                date = date.last_of_month().tomorrow().ok()?;
            } else if self.matches(date) {
                return Some(date);
            } else {
                date = date.tomorrow().ok()?;
            }
        }
        None
    }

    fn matches(&self, date: Date) -> bool {
        if !self.fields.months.contains(&to_u8(date.month())) {
            return false;
        }
        let (days, weekdays) = (&self.fields.days, &self.fields.weekdays);
        let before_last = to_u8(date.days_in_month() - date.day());
        let by_croner =
            |of: &Option<Box<croner::Cron>>| of.as_ref().is_some_and(|c| day_of(c, date));
        let by_month = days.every
            || by_croner(&self.days.month)
            || days.before_last.contains(&before_last)
            || self.is_near_before_last(date);
        let by_week = weekdays.every || by_croner(&self.days.week);
        match &self.days.plain {
            None if days.star || weekdays.star => by_month && by_week,
            // Vixie's rule: either where both choose days, both where one begins with `*`.
            None => by_month || by_week,
            Some(plain) => {
                // A field without numbers is left open there.
                let weekday = date.weekday().to_sunday_one_offset();
                let has_day = !days.values.is_empty()
                    && plain.days_of_month().includes(u32::from(to_u8(date.day())));
                let has_weekday = !weekdays.values.is_empty()
                    && plain.days_of_week().includes(u32::from(to_u8(weekday)));
                plain.years().includes(u32::try_from(date.year()).unwrap_or(0))
                    && (by_month || has_day)
                    && (by_week || has_weekday)
            }
        }
    }

    /// `L-3W`: whether the working day nearest to the third before the last is this one. It never
    /// leaves the month.
    fn is_near_before_last(&self, date: Date) -> bool {
        use jiff::civil::Weekday;
        let last = date.days_in_month();
        self.fields.days.near_before_last.iter().any(|n| {
            let Ok(target) = i8::try_from(*n).map(|n| last - n) else { return false };
            let Ok(day) = date.with().day(target).build() else { return false };
            let nearest = match day.weekday() {
                Weekday::Saturday if target > 1 => target - 1,
                Weekday::Saturday => target + 2,
                Weekday::Sunday if target < last => target + 1,
                Weekday::Sunday => target - 2,
                _ => target,
            };
            nearest == date.day()
        })
    }

    fn time_from(&self, from: Time) -> Option<Time> {
        let (hour, minute, second) =
            (to_u8(from.hour()), to_u8(from.minute()), to_u8(from.second()));
        let first = |set: &BTreeSet<u8>, from: u8| set.range(from..).next().copied();
        let (minutes, seconds) = (&self.fields.minutes, &self.fields.seconds);
        let time = |h: u8, m: u8, s: u8| {
            let small = |n: u8| i8::try_from(n).unwrap_or(0);
            Time::new(small(h), small(m), small(s), 0).ok()
        };
        if self.fields.hours.contains(&hour) {
            if minutes.contains(&minute)
                && let Some(s) = first(seconds, second)
            {
                return time(hour, minute, s);
            }
            if let Some(m) = first(minutes, minute + 1) {
                return time(hour, m, first(seconds, 0)?);
            }
        }
        time(first(&self.fields.hours, hour + 1)?, first(minutes, 0)?, first(seconds, 0)?)
    }
}

fn to_u8(n: i8) -> u8 {
    u8::try_from(n).unwrap_or(0)
}

fn day_of(days: &croner::Cron, date: Date) -> bool {
    use croner::Weekday;
    let weekday = match date.weekday() {
        jiff::civil::Weekday::Monday => Weekday::Monday,
        jiff::civil::Weekday::Tuesday => Weekday::Tuesday,
        jiff::civil::Weekday::Wednesday => Weekday::Wednesday,
        jiff::civil::Weekday::Thursday => Weekday::Thursday,
        jiff::civil::Weekday::Friday => Weekday::Friday,
        jiff::civil::Weekday::Saturday => Weekday::Saturday,
        jiff::civil::Weekday::Sunday => Weekday::Sunday,
    };
    let (month, day) = (u32::from(to_u8(date.month())), u32::from(to_u8(date.day())));
    days.pattern.day_match(i32::from(date.year()), month, day, weekday).unwrap_or(false)
}

/// croner's view of each day field alone; none for a field that it has no part in.
fn croners(days: &DayField, weekdays: &DayField) -> Result<Days, Fault> {
    let read = |text: String| {
        croner::Cron::from_str(&text)
            .map_err(|e| Fault { message: e.to_string(), hint: None })
            .map(|cron| Some(Box::new(cron)))
    };
    let month = match list(days) {
        Some(days) => read(format!("0 0 {days} * *"))?,
        None => None,
    };
    let week = match list(weekdays) {
        Some(days) => read(format!("0 0 * * {days}"))?,
        None => None,
    };
    Ok(Days { month, week, plain: None })
}

fn list(field: &DayField) -> Option<String> {
    let parts: Vec<String> =
        field.values.iter().map(u8::to_string).chain(field.special.iter().cloned()).collect();
    (!parts.is_empty()).then(|| parts.join(","))
}

/// The `cron` package's view of plain numbers, croner's of the rest.
fn quartz(fields: &Fields) -> Result<Days, Fault> {
    let set =
        |values: &BTreeSet<u8>| values.iter().map(u8::to_string).collect::<Vec<_>>().join(",");
    let day = |values: &BTreeSet<u8>| if values.is_empty() { "*".to_owned() } else { set(values) };
    let text = format!(
        "{} {} {} {} {} {} {}",
        set(&fields.seconds),
        set(&fields.minutes),
        set(&fields.hours),
        day(&fields.days.values),
        set(&fields.months),
        day(&fields.weekdays.values),
        fields.years.as_deref().unwrap_or("*"),
    );
    let plain = ::cron::Schedule::from_str(&text)
        .map_err(|e| Fault { message: e.to_string(), hint: None })?;
    let special =
        |field: &DayField| DayField { special: field.special.clone(), ..DayField::default() };
    let days = croners(&special(&fields.days), &special(&fields.weekdays))?;
    Ok(Days { plain: Some(Box::new(plain)), ..days })
}
