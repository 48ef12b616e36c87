//! Standard output.
//!
//! Everything goes through [`Out`], which alone knows whether a terminal reads along (then text
//! from the daemon is made harmless first), how wide it is and whether colour is welcome. A reader
//! that goes away (`| head`) ends the command quietly.

use std::cell::OnceCell;
use std::io::{self, IsTerminal as _, Write as _};

use a2n_client::SafeText;
use a2n_proto::{Json, Timestamp};
use jiff::tz::TimeZone;

use super::{Style, json};
use crate::cli::failure::Failure;

/// The forms of an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Table,
    /// The table with more columns, never cut.
    Wide,
    /// Exactly the answer; a list is one array.
    Json,
    /// The same as YAML.
    Yaml,
    /// An id or a name a line.
    Name,
}

/// Where a command's answer goes.
#[derive(Debug)]
pub(crate) struct Out {
    /// The form that was asked for.
    pub(crate) format: Format,
    /// Whether a terminal reads it.
    pub(crate) terminal: bool,
    colour: bool,
    width: Option<usize>,
    now: Timestamp,
    zone: OnceCell<TimeZone>,
    sink: Sink,
}

#[derive(Debug)]
enum Sink {
    Stdout,
    #[cfg(test)]
    Nowhere,
}

impl Out {
    /// Standard output as it is now.
    pub(crate) fn stdout(format: Format, no_color: bool) -> Self {
        let terminal = io::stdout().is_terminal();
        let unwelcome = no_color
            || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        Self {
            format,
            terminal,
            colour: terminal && !unwelcome,
            width: terminal.then(terminal_width),
            now: jiff::Timestamp::now().into(),
            zone: OnceCell::new(),
            sink: Sink::Stdout,
        }
    }

    /// Shows an answer in the form asked for: `json` is exactly the result, `names` what
    /// `-o name` prints, `table` what people read.
    pub(crate) fn show(
        &self,
        json: &Json,
        names: impl FnOnce() -> Vec<String>,
        table: impl FnOnce(&Self) -> String,
    ) -> Result<(), Failure> {
        match self.format {
            Format::Table | Format::Wide => self.write(&table(self)),
            Format::Json => self.json(json),
            Format::Yaml => self.write(&self.filtered(&json::to_yaml(json)?)),
            Format::Name => {
                let mut text = String::new();
                for name in names() {
                    text.push_str(SafeText::line(&name).as_str());
                    text.push('\n');
                }
                self.write(&text)
            }
        }
    }

    /// JSON, whatever form was asked for.
    pub(crate) fn json(&self, json: &Json) -> Result<(), Failure> {
        self.write(&self.filtered(&json::pretty(json.as_str())))
    }

    /// Whether people read the answer.
    pub(crate) fn is_for_people(&self) -> bool {
        matches!(self.format, Format::Table | Format::Wide)
    }

    /// Whether more columns are wanted.
    pub(crate) fn is_wide(&self) -> bool {
        self.format == Format::Wide
    }

    /// One line for people; nothing in the other forms.
    pub(crate) fn note(&self, line: &str) -> Result<(), Failure> {
        if self.is_for_people() { self.line(line) } else { Ok(()) }
    }

    /// One line on standard error: worth knowing, but not the answer.
    pub(crate) fn aside(&self, line: &str) {
        // Nobody is left to be told when standard error is gone.
        let _ = writeln!(io::stderr().lock(), "{}", SafeText::line(line));
    }

    /// What goes on now, on standard error where that is a terminal; the next one takes its place.
    pub(crate) fn passing(&self, line: &str) {
        if io::stderr().is_terminal() {
            let _ = write!(io::stderr().lock(), "\r\x1b[K{}", SafeText::line(line));
        }
    }

    /// Takes away what [`Out::passing`] wrote.
    pub(crate) fn passed(&self) {
        self.passing("");
    }

    /// One line, written at once.
    pub(crate) fn line(&self, line: &str) -> Result<(), Failure> {
        self.write(&format!("{line}\n"))
    }

    /// Text that is ours or was made harmless, written at once.
    pub(crate) fn write(&self, text: &str) -> Result<(), Failure> {
        match &self.sink {
            Sink::Stdout => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush())?;
            }
            #[cfg(test)]
            Sink::Nowhere => {}
        }
        Ok(())
    }

    /// A text from outside for a line of ours: harmless where a terminal reads it.
    pub(crate) fn safe(&self, text: &str) -> String {
        if self.terminal { SafeText::line(text).into_string() } else { text.replace('\n', "\\n") }
    }

    fn filtered(&self, text: &str) -> String {
        if self.terminal { SafeText::lines(text).into_string() } else { text.to_owned() }
    }

    /// The text in this style, where colour is welcome.
    pub(crate) fn styled(&self, style: Style, text: &str) -> String {
        match style.sgr() {
            Some(sgr) if self.colour => format!("\x1b[{sgr}m{text}\x1b[0m"),
            _ => text.to_owned(),
        }
    }

    /// Whether colour is welcome.
    pub(crate) fn has_colour(&self) -> bool {
        self.colour
    }

    /// Wipes the terminal before a table is drawn again; an empty line where there is no terminal.
    pub(crate) fn clear(&self) -> Result<(), Failure> {
        match (self.terminal, self.is_for_people()) {
            (true, true) => self.write("\x1b[H\x1b[2J"),
            (false, true) => self.write("\n"),
            _ => Ok(()),
        }
    }

    /// How wide a table may be; `None` where it may be as wide as it likes.
    pub(crate) fn width(&self) -> Option<usize> {
        if self.is_wide() { None } else { self.width }
    }

    /// The moment the command began.
    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    pub(super) fn zone(&self) -> TimeZone {
        self.zone.get_or_init(TimeZone::system).clone()
    }

    #[cfg(test)]
    pub(crate) fn kept(format: Format) -> Self {
        let zone = OnceCell::new();
        let _ = zone.set(TimeZone::UTC);
        Self {
            format,
            terminal: true,
            colour: false,
            width: Some(80),
            now: "2026-11-22T12:00:00Z".parse().expect("a time"),
            zone,
            sink: Sink::Nowhere,
        }
    }
}

/// `$COLUMNS`, else what the terminal says, else 80.
fn terminal_width() -> usize {
    let asked = std::env::var("COLUMNS").ok().and_then(|text| text.parse::<usize>().ok());
    let seen = || terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
    asked.or_else(seen).filter(|width| *width >= 20).unwrap_or(80)
}
