//! Tables for people: two spaces between columns, no lines, within the terminal's width.
//!
//! Every cell is made harmless when it is put in. Where the table is too wide, the columns that
//! may shrink do, the widest first, and a cut cell ends with `…`.

use a2n_client::SafeText;
use a2n_client::safe_text::width;

use super::Out;

/// No column is shrunk below this.
const NARROWEST: usize = 8;

/// How a text looks where colour is welcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Style {
    #[default]
    Plain,
    Good,
    Bad,
    Busy,
    Wary,
    Dim,
    Bold,
}

impl Style {
    pub(super) fn sgr(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Good => Some("32"),
            Self::Bad => Some("31"),
            Self::Busy => Some("36"),
            Self::Wary => Some("33"),
            Self::Dim => Some("2"),
            Self::Bold => Some("1"),
        }
    }
}

/// The style of a status of any entity.
pub(crate) fn status_style(status: &str) -> Style {
    match status {
        "SUCCESS" | "HEALTHY" | "COMPLETED" | "FIRED" => Style::Good,
        "FAILED" | "UNHEALTHY" | "ERROR" | "FATAL" | "REFUSED" => Style::Bad,
        "RUNNING" => Style::Busy,
        "PAUSED" | "PENDING" | "DEGRADED" | "UNKNOWN" | "WARN" | "MISSED" | "WARNING" => {
            Style::Wary
        }
        "SKIPPED" | "CANCELLED" | "DEBUG" => Style::Dim,
        _ => Style::Plain,
    }
}

/// One value in a table.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    /// A text in a style.
    pub(crate) fn styled(text: impl AsRef<str>, style: Style) -> Self {
        Self { text: SafeText::line(text.as_ref()).into_string(), style }
    }
    /// A status in its own style.
    pub(crate) fn status(status: impl AsRef<str>) -> Self {
        let style = status_style(status.as_ref());
        Self::styled(status, style)
    }
    /// The text, or `-` where there is none.
    pub(crate) fn or_dash(text: Option<impl AsRef<str>>) -> Self {
        match text {
            Some(text) => Self::styled(text, Style::Plain),
            None => Self::styled("-", Style::Dim),
        }
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::styled(text, Style::Plain)
    }
}

#[derive(Debug, Clone)]
struct Column {
    name: String,
    right: bool,
    shrinks: bool,
}

/// Rows under named columns. A name that begins with `>` stands to the right, one that ends with
/// `~` may shrink.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table without rows.
    pub(crate) fn new(columns: &[&'static str]) -> Self {
        let column = |name: &&'static str| Column {
            name: name.trim_start_matches('>').trim_end_matches('~').to_owned(),
            right: name.starts_with('>'),
            shrinks: name.ends_with('~'),
        };
        Self { columns: columns.iter().map(column).collect(), rows: Vec::new() }
    }

    /// A table without rows, whose columns have names from outside and may all shrink.
    pub(crate) fn growing(names: &[String]) -> Self {
        let column = |name: &String| Column {
            name: SafeText::line(name).into_string(),
            right: false,
            shrinks: true,
        };
        Self { columns: names.iter().map(column).collect(), rows: Vec::new() }
    }

    /// Adds a row; cells beyond the columns are left out.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().take(self.columns.len()).collect());
    }

    /// The table as text; `nothing` where it has no rows.
    pub(crate) fn text(&self, out: &Out, nothing: &str) -> String {
        if self.rows.is_empty() {
            return format!("{nothing}\n");
        }
        let widths = self.widths(out.width());
        let mut text = String::new();
        if self.columns.iter().any(|column| !column.name.is_empty()) {
            let names: Vec<Cell> =
                self.columns.iter().map(|c| Cell::styled(&c.name, Style::Bold)).collect();
            self.put_row(&mut text, out, &names, &widths);
        }
        for row in &self.rows {
            self.put_row(&mut text, out, row, &widths);
        }
        text
    }

    fn put_row(&self, text: &mut String, out: &Out, cells: &[Cell], widths: &[usize]) {
        let mut line = String::new();
        let mut blank = 0;
        for ((cell, column), width_there) in cells.iter().zip(&self.columns).zip(widths) {
            let shown = cut(&cell.text, *width_there);
            let fill = width_there.saturating_sub(width(&shown));
            let before = if column.right { fill } else { 0 };
            line.extend(std::iter::repeat_n(' ', blank + before));
            line.push_str(&out.styled(cell.style, &shown));
            blank = 2 + fill - before;
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }

    fn widths(&self, limit: Option<usize>) -> Vec<usize> {
        let mut widths: Vec<usize> = self.columns.iter().map(|c| width(&c.name)).collect();
        for row in &self.rows {
            for (cell, w) in row.iter().zip(&mut widths) {
                *w = (*w).max(width(&cell.text));
            }
        }
        let Some(limit) = limit else { return widths };
        let gaps = 2 * widths.len().saturating_sub(1);
        loop {
            let total = widths.iter().sum::<usize>() + gaps;
            if total <= limit {
                return widths;
            }
            let widest = self
                .columns
                .iter()
                .zip(&mut widths)
                .filter(|(column, w)| column.shrinks && **w > NARROWEST)
                .max_by_key(|(_, w)| **w);
            match widest {
                Some((_, w)) => *w -= 1,
                None => return widths,
            }
        }
    }
}

/// The text within so many cells, with a mark where something is missing.
pub(crate) fn cut(text: &str, cells: usize) -> String {
    if width(text) <= cells {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut used = 0;
    for c in text.chars() {
        let w = unicode_width::UnicodeWidthChar::width(c).unwrap_or(0);
        if used + w + 1 > cells {
            break;
        }
        used += w;
        kept.push(c);
    }
    kept.push('…');
    kept
}

#[cfg(test)]
mod tests {
    use super::super::Format;
    use super::*;

    fn example(text: &str) -> Table {
        let mut table = Table::new(&["ID", "NAME~", ">TOOK"]);
        table.row(["a1".into(), text.into(), "12ms".into()]);
        table.row(["b22".into(), "短い".into(), "1.2s".into()]);
        table
    }

    #[test]
    fn columns_line_up_by_cells() {
        let text = example("x\ty\u{1b}[2J").text(&Out::kept(Format::Table), "none");
        insta::assert_snapshot!(text, @r"
        ID   NAME           TOOK
        a1   x       y␛[2J  12ms
        b22  短い           1.2s
        ");
    }

    #[test]
    fn what_is_too_wide_shrinks_to_the_terminal() {
        let text = example(&"long ".repeat(40)).text(&Out::kept(Format::Table), "none");
        assert!(text.lines().all(|line| width(line) <= 80), "{text}");
        assert!(text.contains('…'));
        let wide = example(&"long ".repeat(40)).text(&Out::kept(Format::Wide), "none");
        assert!(!wide.contains('…'));
    }

    #[test]
    fn an_empty_table_says_so() {
        assert_eq!(Table::new(&["ID"]).text(&Out::kept(Format::Table), "none"), "none\n");
    }
}
