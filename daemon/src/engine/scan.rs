//! A light reading of a template's text: which filters, tests and nodes it names, and where.
//!
//! minijinja finds these only when it runs over them. The scan knows tokens, not grammar; what it
//! does not understand it leaves to the run.

/// Something a template names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// What kind of thing.
    pub what: What,
    /// Its name.
    pub name: String,
    /// Where in the text, in bytes.
    pub at: usize,
}

/// What kind of thing a template names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// After `|`.
    Filter,
    /// After `is`.
    Test,
    /// In `nodes['…']` or `nodes.…`.
    Node,
    /// The member of a node: `item` in `nodes['…'].item`.
    NodeMember,
    /// `nodes` with something computed in its brackets.
    SomeNode,
}

/// Everything a template names that can be looked up before it runs.
pub fn scan(text: &str) -> Vec<Named> {
    let tokens = tokens(text);
    let mut found = Vec::new();
    for (i, token) in tokens.iter().enumerate() {
        let next = |n: usize| tokens.get(i + n).map(|t| &t.kind);
        let before = i.checked_sub(1).and_then(|i| tokens.get(i)).map(|t| &t.kind);
        match &token.kind {
            Kind::Sign('|') => {
                if let Some(Kind::Name(name)) = next(1) {
                    found.push(Named {
                        what: What::Filter,
                        name: (*name).to_owned(),
                        at: tokens[i + 1].at,
                    });
                }
            }
            Kind::Name("is") if before != Some(&Kind::Sign('.')) => {
                let skip = if next(1) == Some(&Kind::Name("not")) { 2 } else { 1 };
                if let Some(Kind::Name(name)) = next(skip) {
                    found.push(Named {
                        what: What::Test,
                        name: (*name).to_owned(),
                        at: tokens[i + skip].at,
                    });
                }
            }
            Kind::Name("nodes") if before != Some(&Kind::Sign('.')) => {
                let (what, name) = match (next(1), next(2), next(3)) {
                    (Some(Kind::Sign('.')), Some(Kind::Name(name)), _) => {
                        (What::Node, (*name).to_owned())
                    }
                    (Some(Kind::Sign('[')), Some(Kind::Text(id)), Some(Kind::Sign(']'))) => {
                        (What::Node, (*id).to_owned())
                    }
                    _ => (What::SomeNode, String::new()),
                };
                found.push(Named { what, name, at: token.at });
                let skip = if next(1) == Some(&Kind::Sign('.')) { 3 } else { 4 };
                if what == What::Node
                    && next(skip) == Some(&Kind::Sign('.'))
                    && let Some(Kind::Name(member)) = next(skip + 1)
                {
                    let (name, at) = ((*member).to_owned(), tokens[i + skip + 1].at);
                    found.push(Named { what: What::NodeMember, name, at });
                }
            }
            _ => {}
        }
    }
    found
}

#[derive(Debug, PartialEq, Eq)]
enum Kind<'t> {
    Name(&'t str),
    Text(&'t str),
    Sign(char),
}

struct Token<'t> {
    kind: Kind<'t>,
    at: usize,
}

/// The tokens inside `{{ … }}` and `{% … %}`; a text without either is one expression.
fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    if !text.contains("{{") && !text.contains("{%") {
        read(text, 0, "", &mut tokens);
        return tokens;
    }
    let mut at = 0;
    while let Some(found) = text[at..].find('{') {
        let open = at + found;
        at = match text.as_bytes().get(open + 1) {
            Some(b'{') => read(text, open + 2, "}}", &mut tokens),
            Some(b'%') => read(text, open + 2, "%}", &mut tokens),
            Some(b'#') => text[open..].find("#}").map_or(text.len(), |end| open + end + 2),
            _ => open + 1,
        };
    }
    tokens
}

/// Reads tokens from `at` until `close` stands outside a string and outside brackets; says where
/// it stopped.
fn read<'t>(text: &'t str, mut at: usize, close: &str, tokens: &mut Vec<Token<'t>>) -> usize {
    let bytes = text.as_bytes();
    let mut braces = 0_u32;
    while let Some(&byte) = bytes.get(at) {
        if !close.is_empty() && braces == 0 && text.as_bytes()[at..].starts_with(close.as_bytes()) {
            return at + close.len();
        }
        let start = at;
        let kind = match byte {
            b'\'' | b'"' => {
                at += 1;
                while bytes.get(at).is_some_and(|b| *b != byte) {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                let end = at.min(text.len());
                at = (at + 1).min(text.len());
                text.get(start + 1..end).map(Kind::Text)
            }
            b'_' | b'a'..=b'z' | b'A'..=b'Z' => {
                while bytes.get(at).is_some_and(|b| *b == b'_' || b.is_ascii_alphanumeric()) {
                    at += 1;
                }
                Some(Kind::Name(&text[start..at]))
            }
            b'0'..=b'9' => {
                while bytes.get(at).is_some_and(|b| *b == b'.' || b.is_ascii_alphanumeric()) {
                    at += 1;
                }
                Some(Kind::Sign('0'))
            }
            b' ' | b'\t' | b'\r' | b'\n' => {
                at += 1;
                None
            }
            other => {
                at += 1;
                match other {
                    b'{' => braces += 1,
                    b'}' => braces = braces.saturating_sub(1),
                    _ => {}
                }
                Some(Kind::Sign(char::from(other)))
            }
        };
        if let Some(kind) = kind {
            tokens.push(Token { kind, at: start });
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> String {
        let named = scan(text).into_iter();
        named.map(|n| format!("{:?} {}@{}", n.what, n.name, n.at)).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn filters_tests_and_nodes_are_found_where_they_stand() {
        insta::assert_snapshot!(
            check("a {{ nodes['df'].item.x | int(0) }} b {{ nodes.up.first is not none }}"),
            @"Node df@5, NodeMember item@17, Filter int@26, Node up@41, NodeMember first@50, Test none@63"
        );
        insta::assert_snapshot!(check("x.nodes | d('| nope') ~ nodes[a]"), @"Filter d@10, SomeNode @24");
        insta::assert_snapshot!(check("no {{ '}} | a' | upper }} | lower {# | x #}"), @"Filter upper@17");
        insta::assert_snapshot!(check("{{ 'open"), @"");
        insta::assert_snapshot!(check("{{ {'a': 1} | tojson }}"), @"Filter tojson@14");
    }
}
