//! Text from outside made harmless for a terminal.
//!
//! Whatever a step printed or a person named goes through [`SafeText`] before a terminal sees it:
//! ESC and the other control characters become visible symbols, bidirectional and invisible
//! characters become `‹U+202E›`, tabs expand, piles of combining marks are laid open, and a line
//! ends after 4,096 cells. What comes out moves no cursor, asks the terminal nothing and hides
//! nothing.

use std::fmt;
use std::fmt::Write as _;

use unicode_width::UnicodeWidthChar;

/// Widest line that is shown; the rest is cut with a mark.
pub const MAX_CELLS: usize = 4_096;
/// Distance between tab stops.
const TAB: usize = 8;
/// Combining marks on one character before the rest is laid open: two are in real use (Vietnamese).
const MAX_MARKS: usize = 2;

/// A text that a terminal can be given.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SafeText(String);

impl SafeText {
    /// One line: a line feed becomes `␊`.
    pub fn line(text: &str) -> Self {
        let mut safe = Writer::new(text.len());
        text.chars().for_each(|c| safe.push(c));
        Self(safe.out)
    }
    /// Several lines: line feeds stay.
    pub fn lines(text: &str) -> Self {
        let mut out = String::with_capacity(text.len());
        for (n, line) in text.split('\n').enumerate() {
            if n > 0 {
                out.push('\n');
            }
            out.push_str(Self::line(line).as_str());
        }
        Self(out)
    }
    /// One line from bytes that may not be UTF-8: what is not shows as `‹FF›`.
    pub fn bytes(bytes: &[u8]) -> Self {
        let mut safe = Writer::new(bytes.len());
        for chunk in bytes.utf8_chunks() {
            chunk.valid().chars().for_each(|c| safe.push(c));
            for byte in chunk.invalid() {
                safe.put(&format!("‹{byte:02X}›"));
            }
        }
        Self(safe.out)
    }
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// The text.
    pub fn into_string(self) -> String {
        self.0
    }
}

impl fmt::Display for SafeText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// How many cells a safe text takes.
pub fn width(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

struct Writer {
    out: String,
    cells: usize,
    marks: usize,
    cut: bool,
}

impl Writer {
    fn new(capacity: usize) -> Self {
        Self { out: String::with_capacity(capacity), cells: 0, marks: 0, cut: false }
    }

    fn push(&mut self, c: char) {
        let mut buffer = [0u8; 4];
        match c {
            '\t' => self.put(&"        "[..TAB - self.cells % TAB]),
            '\u{0}'..='\u{1f}' => {
                let symbol = char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}');
                self.put(symbol.encode_utf8(&mut buffer));
            }
            '\u{7f}' => self.put("␡"),
            _ if is_invisible(c) => self.put_number(c),
            _ if c.width() == Some(0) => {
                if self.marks < MAX_MARKS {
                    self.marks += 1;
                    if !self.cut {
                        self.out.push(c);
                    }
                } else {
                    self.put_number(c);
                    self.marks = MAX_MARKS;
                }
            }
            _ => self.put(c.encode_utf8(&mut buffer)),
        }
    }

    fn put_number(&mut self, c: char) {
        let mut text = String::with_capacity(10);
        let _ = write!(text, "‹U+{:04X}›", u32::from(c));
        self.put(&text);
    }

    fn put(&mut self, text: &str) {
        self.marks = 0;
        if self.cut {
            return;
        }
        let cells = width(text);
        if self.cells + cells > MAX_CELLS {
            self.out.push('…');
            self.cut = true;
            return;
        }
        self.cells += cells;
        self.out.push_str(text);
    }
}

/// C1 controls, line separators, bidirectional controls, and what takes no cell and no ink.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{80}'..='\u{9f}' | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}'
        | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_harmless(text: &str) {
        for c in text.chars() {
            assert!(!c.is_control(), "{c:?} got through in {text:?}");
            assert!(!is_invisible(c), "{c:?} got through in {text:?}");
        }
        assert!(width(text) <= MAX_CELLS + 1, "too wide: {}", width(text));
    }

    #[test]
    fn every_byte_comes_out_harmless() {
        for byte in 0..=u8::MAX {
            assert_harmless(SafeText::bytes(&[b'a', byte, b'z']).as_str());
            assert_harmless(SafeText::line(&format!("a{}z", char::from(byte))).as_str());
        }
    }

    #[test]
    fn every_character_comes_out_harmless() {
        for c in '\0'..=char::MAX {
            assert_harmless(SafeText::line(c.encode_utf8(&mut [0; 4])).as_str());
        }
    }

    #[test]
    fn the_corpus_of_terminal_escapes_comes_out_harmless() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../shared/corpora/conformance/terminal-escapes/samples.json"
        );
        let path = std::env::var("A2N_CORPORA").map_or_else(
            |_| path.to_owned(),
            |c| format!("{c}/conformance/terminal-escapes/samples.json"),
        );
        let Ok(text) = std::fs::read_to_string(&path) else {
            println!("skipped: no corpus at {path}");
            return;
        };
        let corpus: serde_json::Value = serde_json::from_str(&text).unwrap();
        let samples = corpus["samples"].as_array().unwrap();
        assert!(samples.len() >= 70);
        for sample in samples {
            assert_harmless(SafeText::line(sample["text"].as_str().unwrap()).as_str());
        }
    }

    #[test]
    fn what_was_hidden_is_shown() {
        assert_eq!(SafeText::line("\u{1b}[31mred\r\n").as_str(), "␛[31mred␍␊");
        assert_eq!(SafeText::line("invoice\u{202e}gpj.exe").as_str(), "invoice‹U+202E›gpj.exe");
        assert_eq!(SafeText::line("a\tb").as_str(), "a       b");
        assert_eq!(SafeText::lines("a\u{7f}\nb").as_str(), "a␡\nb");
        assert_eq!(SafeText::bytes(b"caf\xc3\xa9 \xff").as_str(), "café ‹FF›");
        assert_eq!(SafeText::line("Việt").as_str(), "Việt");
    }

    #[test]
    fn long_lines_are_cut_with_a_mark() {
        let safe = SafeText::line(&"x".repeat(10_000));
        assert_eq!(width(safe.as_str()), MAX_CELLS + 1);
        assert!(safe.as_str().ends_with('…'));
    }
}
