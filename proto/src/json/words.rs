//! What serde says of a value that does not fit, in words for people who do not write Rust.

/// The same in plain words; what is not known here stays as it is.
pub fn plain(message: &str) -> String {
    let message = match message.rfind(" at line ") {
        Some(end) => &message[..end],
        None => message,
    };
    said(message).unwrap_or_else(|| message.to_owned())
}

fn said(message: &str) -> Option<String> {
    if let Some(rest) = message.strip_prefix("unknown field ") {
        return Some(match rest.split_once(", expected ") {
            Some((name, known)) => format!("there is no member {name}; there is {}", listed(known)),
            None => format!("there is no member {}", rest.split(", there").next()?),
        });
    }
    if let Some(rest) = message.strip_prefix("unknown variant ") {
        let (name, known) = rest.split_once(", expected ")?;
        return Some(format!("{name} is none of {}", listed(known)));
    }
    if let Some(name) = message.strip_prefix("missing field ") {
        return Some(format!("the member {name} is missing"));
    }
    let rest = message
        .strip_prefix("invalid type: ")
        .or_else(|| message.strip_prefix("invalid value: "))?;
    let (found, wanted) = rest.rsplit_once(", expected ")?;
    Some(format!("expected {}, found {}", kind(wanted), value(found)))
}

fn listed(known: &str) -> String {
    known.strip_prefix("one of ").unwrap_or(known).to_owned()
}

/// A Rust type as the JSON that it is.
fn kind(wanted: &str) -> String {
    let whole = |least: &str, most: &str| format!("a whole number from {least} to {most}");
    match wanted {
        "u8" => whole("0", "255"),
        "u16" => whole("0", "65535"),
        "u32" => whole("0", "4294967295"),
        "i32" => whole("-2147483648", "2147483647"),
        "u64" | "usize" | "a nonzero u32" => "a whole number, 0 or more".into(),
        "i64" | "isize" => "a whole number".into(),
        "f32" | "f64" => "a number".into(),
        "a string" | "string" | "a borrowed string" => "a text".into(),
        "a sequence" => "a list".into(),
        "a map" => "an object".into(),
        "a boolean" => "true or false".into(),
        "unit" => "null".into(),
        other if other.starts_with("struct ") => "an object".into(),
        other if other.starts_with("enum ") || other == "variant identifier" => {
            "one of its words".into()
        }
        other => other.to_owned(),
    }
}

/// What was found instead.
fn value(found: &str) -> String {
    let bare = |rest: &str| rest.trim_matches('`').to_owned();
    if let Some(text) = found.strip_prefix("string ") {
        return format!("the text {text}");
    }
    for number in ["integer ", "floating point "] {
        if let Some(rest) = found.strip_prefix(number) {
            return format!("the number {}", bare(rest));
        }
    }
    if let Some(rest) = found.strip_prefix("boolean ") {
        return bare(rest);
    }
    match found {
        "map" => "an object".into(),
        "sequence" => "a list".into(),
        "unit value" => "null".into(),
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `expected i32` and `unknown variant` are words of a programming language.
    #[test]
    fn people_are_told_in_words_for_people() {
        for (said, told) in [
            (
                "invalid value: integer `99999999999`, expected i32 at line 1 column 30",
                "expected a whole number from -2147483648 to 2147483647, found the number 99999999999",
            ),
            (
                "invalid type: string \"x\", expected u32",
                "expected a whole number from 0 to 4294967295, found the text \"x\"",
            ),
            ("invalid type: map, expected a string", "expected a text, found an object"),
            ("invalid type: boolean `true`, expected f64", "expected a number, found true"),
            ("invalid type: null, expected struct One", "expected an object, found null"),
            ("unknown variant `ALL`, expected `A` or `B`", "`ALL` is none of `A` or `B`"),
            ("unknown variant `X`, expected one of `A`, `B`, `C`", "`X` is none of `A`, `B`, `C`"),
            (
                "unknown field `a`, expected `b` or `c`",
                "there is no member `a`; there is `b` or `c`",
            ),
            ("unknown field `a`, there are no fields", "there is no member `a`"),
            ("missing field `id`", "the member `id` is missing"),
            ("`zz` is not an id", "`zz` is not an id"),
        ] {
            assert_eq!(plain(said), told);
        }
    }
}
