//! Takes secrets out of text before it is written.
//!
//! A seat belt, not a promise: what a step transforms is not recognised. Occurrences that overlap
//! (of one secret or of several) are covered as a whole, so nothing of either shows.

use std::borrow::Cow;
use std::ops::Range;

use a2n_proto::Json;
use a2n_proto::secret_mask::MASK;

/// The byte patterns that must not be written.
#[derive(Clone, Default)]
pub struct Masks {
    patterns: Vec<Vec<u8>>,
}

impl Masks {
    /// No secrets.
    pub const NONE: Self = Self { patterns: Vec::new() };

    /// Masks these patterns, and what they look like inside a JSON text. Empty ones are left out.
    pub fn new(patterns: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let mut all = Vec::new();
        for pattern in patterns.into_iter().filter(|p| !p.is_empty()) {
            if let Ok(text) = std::str::from_utf8(&pattern) {
                let quoted = Json::of(text);
                let inner = quoted.as_str().as_bytes();
                all.push(inner[1..inner.len() - 1].to_vec());
            }
            all.push(pattern);
        }
        all.sort_unstable();
        all.dedup();
        Self { patterns: all }
    }
    /// Whether there is nothing to mask.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }
    /// The text with `***` wherever a pattern stands.
    pub fn text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if self.patterns.is_empty() {
            return Cow::Borrowed(text);
        }
        let places = self.places(text.as_bytes());
        if places.is_empty() {
            return Cow::Borrowed(text);
        }
        let (mut masked, mut at) = (Vec::with_capacity(text.len()), 0);
        for place in places {
            masked.extend_from_slice(&text.as_bytes()[at..place.start]);
            masked.extend_from_slice(MASK.as_bytes());
            at = place.end;
        }
        masked.extend_from_slice(&text.as_bytes()[at..]);
        // A pattern that is no UTF-8 may cut a letter in two.
        Cow::Owned(String::from_utf8_lossy(&masked).into_owned())
    }
    /// The JSON with `***` wherever a pattern stands in its text.
    pub fn json(&self, json: Json) -> Json {
        match self.text(json.as_str()) {
            Cow::Borrowed(_) => json,
            // A pattern that takes structure away leaves no JSON: then nothing of it is kept.
            Cow::Owned(text) => Json::trusted(text).unwrap_or_else(|_| Json::of(MASK)),
        }
    }
    /// Where patterns stand, joined where they overlap or touch, ascending.
    fn places(&self, text: &[u8]) -> Vec<Range<usize>> {
        let mut places: Vec<Range<usize>> = Vec::new();
        for pattern in &self.patterns {
            let mut from = 0;
            while let Some(at) = find(&text[from..], pattern) {
                places.push(from + at..from + at + pattern.len());
                from += at + 1;
            }
        }
        places.sort_unstable_by_key(|place| place.start);
        let mut joined: Vec<Range<usize>> = Vec::with_capacity(places.len());
        for place in places {
            match joined.last_mut() {
                Some(last) if place.start <= last.end => last.end = last.end.max(place.end),
                _ => joined.push(place),
            }
        }
        joined
    }
}

impl std::fmt::Debug for Masks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Masks({} patterns)", self.patterns.len())
    }
}

fn find(text: &[u8], pattern: &[u8]) -> Option<usize> {
    let (&first, rest) = pattern.split_first()?;
    let mut from = 0;
    while let Some(at) = text[from..].iter().position(|&b| b == first) {
        let start = from + at + 1;
        if text.len() < start + rest.len() {
            return None;
        }
        if &text[start..start + rest.len()] == rest {
            return Some(start - 1);
        }
        from = start;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(patterns: &[&str], text: &str, expected: &str) {
        let masks = Masks::new(patterns.iter().map(|p| p.as_bytes().to_vec()));
        assert_eq!(masks.text(text), expected);
    }

    #[test]
    fn secrets_are_covered_wherever_they_stand() {
        check(&["hunter2"], "password=hunter2!", "password=***!");
        check(&["hunter2"], "hunter2hunter2", "***");
        check(&["hunter2"], "hunter", "hunter");
        check(&[""], "text", "text");
        check(&["a\"b"], r#"{"x":"a\"b"}"#, r#"{"x":"***"}"#);
    }

    #[test]
    fn overlapping_secrets_are_covered_as_one() {
        check(&["abcd", "cdef"], "xabcdefx", "x***x");
        check(&["aba"], "xababax", "x***x");
        check(&["secret", "secretlonger"], "a secretlonger b", "a *** b");
    }

    #[test]
    fn json_stays_json() {
        let masks = Masks::new([b"hunter2".to_vec(), b"},{".to_vec()]);
        assert_eq!(masks.json(Json::of(&["hunter2"])).as_str(), r#"["***"]"#);
        let broken = Json::trusted(r#"[{"a":1},{"a":2}]"#.into()).unwrap();
        assert_eq!(masks.json(broken).as_str(), r#""***""#);
    }
}
