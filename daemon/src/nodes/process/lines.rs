//! Lines of a process's output, as they are logged: cut from pieces that end anywhere.

use crate::engine::job::Printed;

/// Ends a piece of a line that goes on.
pub(super) const GOES_ON: &str = " […]";

/// Collects pieces of one stream into lines.
#[derive(Debug)]
pub(super) struct Lines {
    /// Longest line that is kept in one; a longer one is cut into pieces, each marked.
    longest: usize,
    begun: Vec<u8>,
    /// Whether anything was not UTF-8 so far.
    pub(super) lossy: bool,
}

impl Lines {
    pub(super) fn new(longest: usize) -> Self {
        Self { longest, begun: Vec::new(), lossy: false }
    }
    /// The lines that `piece` ends, without their line ends.
    pub(super) fn push(&mut self, piece: &[u8]) -> Printed {
        let (mut lines, mut rest) = (Printed::with_room(piece.len()), piece);
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let line = &rest[..end];
            rest = &rest[end + 1..];
            if self.begun.is_empty() && line.len() <= self.longest {
                self.put(line.strip_suffix(b"\r").unwrap_or(line), &mut lines);
                continue;
            }
            self.begun.extend_from_slice(line);
            if self.begun.last() == Some(&b'\r') {
                self.begun.pop();
            }
            self.cut(self.longest, &mut lines);
            let line = std::mem::take(&mut self.begun);
            self.put(&line, &mut lines);
        }
        self.begun.extend_from_slice(rest);
        // One byte more may be a line end, and a character four.
        self.cut(self.longest + 8, &mut lines);
        lines
    }
    /// What is left at the end without a line end.
    pub(super) fn rest(&mut self) -> Printed {
        let (mut lines, line) = (Printed::default(), std::mem::take(&mut self.begun));
        if !line.is_empty() {
            self.put(&line, &mut lines);
        }
        lines
    }
    /// Takes marked pieces off until what is begun is not longer than `at_most`.
    fn cut(&mut self, at_most: usize, lines: &mut Printed) {
        while self.begun.len() > at_most {
            let mut end = self.longest;
            // Not within a character: go back over continuation bytes, but only as far as one goes.
            while end > self.longest - 4 && self.begun[end] & 0xc0 == 0x80 {
                end -= 1;
            }
            let rest = self.begun.split_off(end);
            let mut piece = std::mem::replace(&mut self.begun, rest);
            piece.extend_from_slice(GOES_ON.as_bytes());
            self.put(&piece, lines);
        }
    }
    fn put(&mut self, line: &[u8], lines: &mut Printed) {
        // Nearly every line is UTF-8, which this finds out a word at a time.
        match str::from_utf8(line) {
            Ok(text) => lines.push(text),
            Err(_) => {
                self.lossy = true;
                lines.push(&String::from_utf8_lossy(line));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: usize = 64 * 1024;

    fn lines(pieces: &[&[u8]]) -> (Vec<String>, bool) {
        let mut all = Lines::new(LONGEST);
        let mut lines = Vec::new();
        let mut take = |printed: Printed| lines.extend(printed.iter().map(str::to_owned));
        pieces.iter().for_each(|piece| take(all.push(piece)));
        take(all.rest());
        (lines, all.lossy)
    }

    #[test]
    fn lines_come_out_of_pieces() {
        assert_eq!(lines(&[b"a\nb", b"c\r", b"\n\nlast"]).0, ["a", "bc", "", "last"]);
        assert!(lines(&[]).0.is_empty());
        assert_eq!(lines(&["é".as_bytes().split_at(1).0, "é\n".as_bytes().split_at(1).1]).0, ["é"]);
        assert_eq!(lines(&[b"ok \xff\n"]), (vec!["ok \u{fffd}".to_owned()], true));
    }

    #[test]
    fn a_long_line_is_cut_between_characters_and_marked() {
        let long = "é".repeat(LONGEST);
        let (found, lossy) = lines(&[b"x", long.as_bytes(), b"\n", b"next\n"]);
        assert!(!lossy);
        assert_eq!(found.len(), 4);
        assert_eq!(found[3], "next");
        let joined: String = found[..3].iter().map(|l| l.trim_end_matches(GOES_ON)).collect();
        assert_eq!(joined, format!("x{long}"));
        assert!(found[0].ends_with(GOES_ON) && !found[2].ends_with(GOES_ON));
        let exact = "y".repeat(LONGEST);
        assert_eq!(lines(&[exact.as_bytes(), b"\n"]).0, [exact]);
    }
}
