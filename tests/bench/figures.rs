//! The table: what was measured, its limit in the same run, and whether the target is held.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

/// All figures so far.
#[derive(Default)]
pub(crate) struct Figures {
    rows: Vec<String>,
}

/// A measured value with its unit.
#[derive(Clone, Copy)]
pub(crate) enum Value {
    /// So many a second.
    Rate(f64),
    /// So long.
    Time(Duration),
    /// So many mebibytes.
    MiB(f64),
    /// So many.
    Count(f64),
}

/// What the value has to be.
pub(crate) enum Target {
    /// Not less.
    AtLeast(Value),
    /// Not more.
    AtMost(Value),
    /// It stands for comparison only.
    None,
}

impl Value {
    fn number(self) -> f64 {
        match self {
            Self::Rate(n) | Self::MiB(n) | Self::Count(n) => n,
            Self::Time(time) => time.as_secs_f64(),
        }
    }
    fn text(self) -> String {
        match self {
            Self::Rate(n) => format!("{}/s", thousands(n)),
            Self::MiB(n) => format!("{n:.1} MiB"),
            Self::Count(n) => format!("{n}"),
            Self::Time(time) if time < Duration::from_millis(1) => {
                format!("{:.1} µs", time.as_secs_f64() * 1e6)
            }
            Self::Time(time) => format!("{:.2} ms", time.as_secs_f64() * 1e3),
        }
    }
}

fn thousands(n: f64) -> String {
    let digits = format!("{n:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

impl Figures {
    /// Adds a row: what it is, what was measured, beside which limit, and what is wanted.
    pub(crate) fn add(
        &mut self,
        what: &str,
        value: Value,
        limit: Option<(&str, Value)>,
        target: &Target,
    ) {
        let (beside, ratio) = match limit {
            Some((name, limit)) => (
                format!("{name}: {}", limit.text()),
                format!("{:.2}", value.number() / limit.number()),
            ),
            None => Default::default(),
        };
        let (wanted, held) = match target {
            Target::AtLeast(least) => {
                (format!("≥ {}", least.text()), value.number() >= least.number())
            }
            Target::AtMost(most) => (format!("≤ {}", most.text()), value.number() <= most.number()),
            Target::None => (String::new(), true),
        };
        let held = if held { "" } else { "no" };
        let row = format!("| {what} | {} | {beside} | {ratio} | {wanted} | {held} |", value.text());
        println!("{row}");
        self.rows.push(row);
    }

    /// The table under what it was measured on.
    pub(crate) fn table(&self, machine: &str) -> String {
        let mut text = format!("{machine}\n\n");
        text.push_str("| figure | measured | its limit, same run | ratio | target | missed |\n");
        text.push_str("|---|---|---|---|---|---|\n");
        for row in &self.rows {
            let _ = writeln!(text, "{row}");
        }
        text
    }
}

const BEGIN: &str = "<!-- figures: written by `just bench` with UPDATE_DOCS=1 -->\n";
const END: &str = "<!-- end of figures -->";

/// Puts the table into docs/performance.md.
pub(crate) fn keep(table: &str) -> Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/performance.md");
    let page = std::fs::read_to_string(&path)?;
    let (before, rest) = page.split_once(BEGIN).context("the page has no place for figures")?;
    let (_, after) = rest.split_once(END).context("the place for figures has no end")?;
    std::fs::write(&path, format!("{before}{BEGIN}\n{table}\n{END}{after}"))?;
    Ok(())
}
