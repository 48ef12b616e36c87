//! Time zones by name, with the nearest names where one is unknown.

use jiff::tz::TimeZone;

use crate::triggers::nearest::nearest;

/// A time zone and the name it is known by.
#[derive(Debug, Clone, PartialEq)]
pub struct Zone {
    name: String,
    rules: TimeZone,
}

impl Zone {
    /// Coordinated universal time.
    pub fn utc() -> Self {
        Self { name: "UTC".into(), rules: TimeZone::UTC }
    }

    /// The zone of this name; where there is none, the names that are nearest to it.
    pub fn named(name: &str) -> Result<Self, Vec<String>> {
        match TimeZone::get(name) {
            Ok(rules) => {
                let name = rules.iana_name().unwrap_or(name).to_owned();
                Ok(Self { name, rules })
            }
            Err(_) => Err(near(name)),
        }
    }

    /// These rules, under their own name; UTC where they have none.
    pub fn of(rules: TimeZone) -> Self {
        match rules.iana_name() {
            Some(name) => Self { name: name.to_owned(), rules },
            None => Self::utc(),
        }
    }

    /// Its name, for example `Europe/Berlin`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its rules.
    pub fn rules(&self) -> &TimeZone {
        &self.rules
    }
}

fn near(name: &str) -> Vec<String> {
    let known: Vec<String> =
        jiff::tz::db().available().map(|known| known.as_str().to_owned()).collect();
    // People mostly know the city: `Berlin` and `europe/berln` both mean `Europe/Berlin`.
    let wanted = name.to_lowercase();
    let city = wanted.rsplit('/').next().unwrap_or(&wanted).to_owned();
    let mut by_city: Vec<String> = known
        .iter()
        .filter(|known| {
            let known = known.to_lowercase();
            !city.is_empty() && known.rsplit('/').next() == Some(city.as_str())
        })
        .take(3)
        .cloned()
        .collect();
    for near in nearest(name, known.iter().map(String::as_str), 1) {
        if by_city.len() < 3 && !by_city.contains(&near) {
            by_city.push(near);
        }
    }
    by_city
}
