//! Templates in a node's configuration: compiled once with the plan, resolved for each unit of work.
//!
//! A string with `{{ … }}` is a template; one that is a single expression and nothing else keeps its
//! type. A result is data: it is never read as a template again.

use std::collections::BTreeSet;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use a2n_proto::Json;
use minijinja::machinery;
use minijinja::value::Value;
use minijinja::{Error, ErrorKind};

use super::code::Code;
use super::language::{FUNCTIONS, RESULT_BYTES};
use super::limits;
use super::scan::{self, Named, What};
use super::scope::Scope;
use super::value;

mod later;

pub use later::{LATER_SCOPE, value_of};

/// A configuration with its templates compiled.
#[derive(Debug)]
pub struct Template {
    root: Part,
    uses: Uses,
}

/// Which nodes a configuration looks at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Uses {
    /// By name.
    pub nodes: BTreeSet<String>,
    /// Whether one is named by something computed, so that it may be any.
    pub any_node: bool,
}

/// What is wrong with one template, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The field, for example `config.where`.
    pub path: String,
    /// From 1, in the field's text.
    pub line: usize,
    /// From 1, in that line, in characters.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// The names that were in scope; none where it did not come to that.
    pub scope: Option<String>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, ", self.path)?;
        if self.line > 1 {
            write!(f, "line {}, ", self.line)?;
        }
        write!(f, "column {}: {}", self.column, self.message)?;
        match &self.scope {
            Some(scope) => write!(f, " (in scope: {scope})"),
            None => Ok(()),
        }
    }
}

enum Part {
    Constant(serde_json::Value),
    Expression { path: String, source: String, offset: usize, code: Code },
    Text { path: String, source: String, code: Code },
    Array(Vec<Part>),
    Object(Vec<(String, Part)>),
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant(value) => write!(f, "{value}"),
            Self::Expression { source, .. } | Self::Text { source, .. } => write!(f, "{source:?}"),
            Self::Array(parts) => f.debug_list().entries(parts).finish(),
            Self::Object(parts) => {
                f.debug_map().entries(parts.iter().map(|(name, part)| (name, part))).finish()
            }
        }
    }
}

impl Template {
    /// Compiles a configuration; everything that is wrong with its templates where something is.
    pub fn new(path: &str, config: &serde_json::Value) -> Result<Self, Vec<Fault>> {
        Self::keeping(path, config, &[])
    }

    /// The same where the expressions at these paths below `path` stay as written, to be asked later.
    pub fn keeping(
        path: &str,
        config: &serde_json::Value,
        later: &[&str],
    ) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        let mut uses = Uses::default();
        let later: Vec<String> = later.iter().map(|below| format!("{path}.{below}")).collect();
        let root = compile(path, config, &later, &mut uses, &mut faults);
        if faults.is_empty() { Ok(Self { root, uses }) } else { Err(faults) }
    }

    /// Which nodes it looks at.
    pub fn uses(&self) -> &Uses {
        &self.uses
    }

    /// The configuration, where it has no templates.
    pub fn constant(&self) -> Option<&serde_json::Value> {
        match &self.root {
            Part::Constant(value) => Some(value),
            _ => None,
        }
    }

    /// The configuration with every template replaced by its result.
    pub fn resolve(&self, scope: &Arc<Scope>) -> Result<serde_json::Value, Fault> {
        if let Part::Constant(value) = &self.root {
            return Ok(value.clone());
        }
        let context = Value::from_dyn_object(Arc::clone(scope));
        // minijinja panics over a few numbers at the edge; that is the expression's fault.
        let resolved = catch_unwind(AssertUnwindSafe(|| resolve(&self.root, &context, scope)));
        resolved.unwrap_or_else(|_| {
            let message = "the expression can't be computed".to_owned();
            let (line, column) = (1, 1);
            Err(Fault { path: "config".to_owned(), line, column, message, scope: None })
        })
    }
}

/// Whether a string is a template at all: one that is opened and not closed is a faulty one.
pub fn is_template(text: &str) -> bool {
    text.contains("{{")
}

/// Whether a string is one expression and nothing else, so that its result keeps its type.
pub fn is_one_expression(text: &str) -> bool {
    one_expression(text).is_some()
}

/// The names that a template takes from outside and that no scope has, with their places.
pub fn unknown_names(text: &str, known: &[&str]) -> Vec<(String, usize)> {
    if limits::check(text).is_err() {
        return Vec::new();
    }
    let code = match one_expression(text) {
        Some((_, inner)) => Code::expression(inner),
        None => Code::text(text),
    };
    let Ok(code) = code else { return Vec::new() };
    let names = code.unknown().iter();
    let mut unknown: Vec<(String, usize)> = names
        .filter(|name| !known.contains(&name.as_str()) && !FUNCTIONS.contains(&name.as_str()))
        .map(|name| (name.clone(), find_word(text, name)))
        .collect();
    unknown.sort_by_key(|(_, at)| *at);
    unknown
}

/// What a template names besides: filters, tests, nodes.
pub fn named(text: &str) -> Vec<Named> {
    scan::scan(text)
}

/// Line and column, from 1, of a byte in a text.
pub fn place(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at.min(text.len())).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |end| end + 1);
    (line, before[start..].chars().count() + 1)
}

fn find_word(text: &str, word: &str) -> usize {
    let letter = |c: Option<char>| c.is_some_and(|c| c == '_' || c.is_alphanumeric());
    text.match_indices(word)
        .map(|(at, _)| at)
        .find(|at| {
            let before = text[..*at].chars().next_back();
            !letter(before)
                && before != Some('.')
                && !letter(text[at + word.len()..].chars().next())
        })
        .unwrap_or(0)
}

/// The expression in a text that is one expression and nothing else, and where it stands.
fn one_expression(text: &str) -> Option<(usize, &str)> {
    let trimmed = text.trim();
    let inner = trimmed.strip_prefix("{{")?.strip_suffix("}}")?;
    let start = text.len() - text.trim_start().len() + 2;
    let lead = usize::from(inner.starts_with(['-', '+']) && inner.len() > 1);
    // `{{- x -}}` only says what to do with the space around; `{{ -x }}` is a number.
    let inner = &inner[lead..];
    let inner = inner.strip_suffix('-').unwrap_or(inner);
    machinery::parse_expr(inner).ok()?;
    Some((start + lead, inner))
}

fn compile(
    path: &str,
    config: &serde_json::Value,
    later: &[String],
    uses: &mut Uses,
    faults: &mut Vec<Fault>,
) -> Part {
    match config {
        serde_json::Value::String(text) if is_template(text) => {
            match compile_text(path, text, uses) {
                Ok(_) if later.iter().any(|one| one == path) => Part::Constant(config.clone()),
                Ok(part) => part,
                Err(fault) => {
                    faults.push(fault);
                    Part::Constant(serde_json::Value::Null)
                }
            }
        }
        serde_json::Value::Array(elements) => {
            let parts: Vec<Part> = elements
                .iter()
                .enumerate()
                .map(|(i, element)| compile(&format!("{path}[{i}]"), element, later, uses, faults))
                .collect();
            if parts.iter().all(|part| matches!(part, Part::Constant(_))) {
                return Part::Constant(config.clone());
            }
            Part::Array(parts)
        }
        serde_json::Value::Object(members) => {
            let parts: Vec<(String, Part)> = members
                .iter()
                .map(|(name, member)| {
                    let below = format!("{path}.{name}");
                    (name.clone(), compile(&below, member, later, uses, faults))
                })
                .collect();
            if parts.iter().all(|(_, part)| matches!(part, Part::Constant(_))) {
                return Part::Constant(config.clone());
            }
            Part::Object(parts)
        }
        other => Part::Constant(other.clone()),
    }
}

fn compile_text(path: &str, text: &str, uses: &mut Uses) -> Result<Part, Fault> {
    for named in scan::scan(text) {
        match named.what {
            What::Node => {
                uses.nodes.insert(named.name);
            }
            What::SomeNode => uses.any_node = true,
            What::Filter | What::Test | What::NodeMember => {}
        }
    }
    let (path, source) = (path.to_owned(), text.to_owned());
    if let Err((at, message)) = limits::check(text) {
        let (line, column) = place(text, at);
        return Err(Fault { path, line, column, message, scope: None });
    }
    if let Some((offset, inner)) = one_expression(text)
        && let Ok(code) = Code::expression(inner)
    {
        return Ok(Part::Expression { path, source, offset, code });
    }
    match Code::text(text) {
        Ok(code) => Ok(Part::Text { path, source, code }),
        Err(error) => Err(fault(&path, &source, 0, &error, None)),
    }
}

fn resolve(part: &Part, context: &Value, scope: &Scope) -> Result<serde_json::Value, Fault> {
    match part {
        Part::Constant(value) => Ok(value.clone()),
        Part::Expression { path, source, offset, code } => code
            .value(context.clone())
            .and_then(|result| value::to_json(&result, RESULT_BYTES))
            .map_err(|error| fault(path, source, *offset, &error, Some(scope))),
        Part::Text { path, source, code } => render(code, context)
            .map(serde_json::Value::String)
            .map_err(|error| fault(path, source, 0, &error, Some(scope))),
        Part::Array(parts) => {
            parts.iter().map(|part| resolve(part, context, scope)).collect::<Result<_, _>>()
        }
        Part::Object(parts) => parts
            .iter()
            .map(|(name, part)| Ok((name.clone(), resolve(part, context, scope)?)))
            .collect::<Result<serde_json::Map<_, _>, _>>()
            .map(serde_json::Value::Object),
    }
}

fn render(code: &Code, context: &Value) -> Result<String, Error> {
    let (written, ended) = code.run(context.clone());
    if written.len() > RESULT_BYTES {
        return Err(Error::new(ErrorKind::InvalidOperation, "the result is larger than 1 MiB"));
    }
    ended.map(|_| written)
}

fn fault(path: &str, source: &str, offset: usize, error: &Error, scope: Option<&Scope>) -> Fault {
    let range = error.range();
    let at = range.clone().map_or(offset, |range| range.start + offset);
    let snippet = range.and_then(|range| source.get(range.start + offset..range.end + offset));
    let mut message = error.kind().to_string();
    if error.kind() == ErrorKind::UndefinedError && snippet.is_none() && offset > 0 {
        // The whole expression came to nothing.
        let whole = source.trim().trim_start_matches("{{").trim_end_matches("}}");
        let (line, column) = place(source, offset);
        let message = format!("`{}` is undefined", whole.trim_matches(['-', ' ', '\n']));
        let scope = scope.map(Scope::describe);
        return Fault { path: path.to_owned(), line, column, message, scope };
    }
    match (error.detail(), snippet) {
        (Some(detail), _) if error.kind() == ErrorKind::InvalidOperation => {
            message = detail.to_owned();
        }
        (Some(detail), _) => message = format!("{message}: {detail}"),
        (None, Some(snippet)) => message = format!("{message}: `{snippet}`"),
        (None, None) => {}
    }
    let (line, column) = place(source, at);
    Fault { path: path.to_owned(), line, column, message, scope: scope.map(Scope::describe) }
}
