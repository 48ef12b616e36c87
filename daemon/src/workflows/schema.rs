//! A JSON value against a JSON Schema, as problems for people: every fault with its path, what is
//! wrong and what would be right.

use a2n_proto::Problem;
use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{ValidationError, Validator};
use serde_json::{Map, Value};

use crate::engine::check::{error, nearest_hint};
use crate::engine::expression::is_template;
use crate::engine::kind::ALSO;

/// What a value has to look like.
#[derive(Debug)]
pub(super) struct Schema {
    whole: Value,
    validator: Validator,
    /// Whether an expression passes for any value.
    has_expressions: bool,
}

impl Schema {
    /// Compiles a schema; none where it is not one (a definition's own mistake).
    pub(super) fn new(schema: &Value) -> Option<Self> {
        let validator = jsonschema::draft202012::new(schema).ok()?;
        Some(Self { whole: schema.clone(), validator, has_expressions: true })
    }

    /// The same for values in which nothing is ever computed.
    pub(super) fn of_constants(schema: &Value) -> Option<Self> {
        Some(Self { has_expressions: false, ..Self::new(schema)? })
    }

    /// Everything that is wrong with `value`, with paths that begin with `path`.
    pub(super) fn check(&self, path: &str, value: &Value) -> Vec<Problem> {
        let mut problems = Vec::new();
        for fault in self.validator.iter_errors(value) {
            self.tell(path, value, &fault, &mut problems);
        }
        problems
    }

    fn tell(
        &self,
        path: &str,
        whole: &Value,
        fault: &ValidationError<'_>,
        problems: &mut Vec<Problem>,
    ) {
        let pointer = fault.instance_path().as_str();
        let found = whole.pointer(pointer).unwrap_or(&Value::Null);
        let here = join(path, &place(pointer));
        let mut say = |path: &str, code: &str, message: String, hint: Option<String>| {
            problems.push(error(path, code, message, hint));
        };
        match fault.kind() {
            // What an expression gives is known only when it runs.
            _ if self.has_expressions && found.as_str().is_some_and(is_template) => {}
            ValidationErrorKind::AdditionalProperties { unexpected }
            | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
                let known = self.members_beside(fault);
                for name in unexpected {
                    say(
                        &join(&here, name),
                        "UNKNOWN_MEMBER",
                        format!("there is no member `{name}` here"),
                        self.also(fault, name).or_else(|| nearest_hint(name, &known)),
                    );
                }
            }
            ValidationErrorKind::Required { property } => {
                let name = property.as_str().unwrap_or_default();
                say(
                    &join(&here, name),
                    "MISSING_MEMBER",
                    format!("`{name}` is missing"),
                    Some(format!("add `{name}`")),
                );
            }
            ValidationErrorKind::Enum { options } => {
                say(&here, "WRONG_VALUE", not(found), choices(options.as_array()));
            }
            ValidationErrorKind::AnyOf { context }
            | ValidationErrorKind::OneOfNotValid { context } => {
                self.tell_branches(path, whole, &here, found, context, problems);
            }
            ValidationErrorKind::Type { kind } => {
                let wanted = match kind {
                    TypeKind::Single(one) => one.to_string(),
                    TypeKind::Multiple(many) => {
                        let all: Vec<String> = many.iter().map(|one| one.to_string()).collect();
                        all.join(" or ")
                    }
                };
                let message = format!("{} is not of type {wanted}", short(found));
                say(&here, "WRONG_TYPE", message, Some(how_to_write(&wanted)));
            }
            // A text where something else is wanted: the pattern is the side door of expressions.
            ValidationErrorKind::Pattern { .. } if self.wanted_beside(fault).is_some() => {
                let wanted = self.wanted_beside(fault).unwrap_or_default();
                let message = format!("{} is not of type {wanted}", short(found));
                say(&here, "WRONG_TYPE", message, Some(how_to_write_text(&wanted, found)));
            }
            // A regular expression says nothing to most people; the schema's own words do.
            ValidationErrorKind::Pattern { .. } => {
                let hint = self.meant(fault).unwrap_or_else(|| SEE_NODE.to_owned());
                say(&here, "WRONG_VALUE", not(found), Some(hint));
            }
            kind => {
                let hint = match (bound(kind), self.meant(fault)) {
                    (Some(bound), Some(meant)) => format!("write {bound}; {meant}"),
                    (Some(bound), None) => format!("write {bound}"),
                    (None, meant) => meant.unwrap_or_else(|| SEE_NODE.to_owned()),
                };
                say(&here, "WRONG_VALUE", lower(&fault.to_string()), Some(hint));
            }
        }
    }

    /// Of several forms that a value may have: the words it may be, else what is wrong with the
    /// form that comes closest.
    fn tell_branches(
        &self,
        path: &str,
        whole: &Value,
        here: &str,
        found: &Value,
        context: &[Vec<ValidationError<'static>>],
        problems: &mut Vec<Problem>,
    ) {
        let words: Vec<Value> = context
            .iter()
            .flatten()
            .filter(|fault| fault.instance_path().as_str() == context_path(context))
            .filter_map(|fault| match fault.kind() {
                ValidationErrorKind::Constant { expected_value } => {
                    Some(vec![(**expected_value).clone()])
                }
                ValidationErrorKind::Enum { options } => options.as_array().cloned(),
                _ => None,
            })
            .flatten()
            .collect();
        if !words.is_empty() {
            problems.push(error(here, "WRONG_VALUE", not(found), choices(Some(&words))));
            return;
        }
        // Deeper faults mean that the form fits at the top; `null` and expressions are side doors.
        let side_door = |fault: &ValidationError<'_>| match fault.kind() {
            ValidationErrorKind::Pattern { .. } => true,
            ValidationErrorKind::Type { kind: TypeKind::Single(one) } => one.to_string() == "null",
            _ => false,
        };
        let depth = |fault: &ValidationError<'_>| fault.instance_path().as_str().len();
        let best =
            context.iter().filter(|faults| !faults.iter().any(side_door)).max_by_key(|faults| {
                (faults.iter().map(depth).max().unwrap_or(0), usize::MAX - faults.len())
            });
        match best {
            Some(faults) => {
                for fault in faults {
                    self.tell(path, whole, fault, problems);
                }
            }
            None => {
                problems.push(error(here, "WRONG_VALUE", not(found), Some(SEE_NODE.to_owned())));
            }
        }
    }

    /// What the schema around a fault says of the value, with an example where it has one.
    fn meant(&self, fault: &ValidationError<'_>) -> Option<String> {
        let at = fault.schema_path().as_str();
        let at = at.rsplit_once('/')?.0;
        // What is said of a list is meant for each of its members.
        let places = [Some(at), at.strip_suffix("/items")];
        let around = places
            .into_iter()
            .flatten()
            .filter_map(|place| self.whole.pointer(place))
            .find(|around| around["description"].is_string())?;
        let description = around["description"].as_str()?;
        Some(match around["examples"].get(0) {
            Some(example) => format!("what is meant: {description} For example {}", flow(example)),
            None => format!("what is meant: {description}"),
        })
    }

    /// What is wanted where a text passes only as an expression; none where texts are wanted.
    fn wanted_beside(&self, fault: &ValidationError<'_>) -> Option<String> {
        let (around, _) = fault.schema_path().as_str().rsplit_once('/')?;
        let kinds = self.whole.pointer(around)?.get("type")?.as_array()?;
        let wanted = kinds.iter().filter_map(Value::as_str).filter(|kind| *kind != "string");
        let wanted = wanted.collect::<Vec<_>>().join(" or ");
        (!wanted.is_empty()).then_some(wanted)
    }

    /// The members that the schema around a fault knows.
    fn members_beside(&self, fault: &ValidationError<'_>) -> Vec<String> {
        let members = self.properties_beside(fault);
        members.map(|members| members.keys().cloned().collect()).unwrap_or_default()
    }

    fn properties_beside(&self, fault: &ValidationError<'_>) -> Option<&Map<String, Value>> {
        let at = fault.schema_path().as_str();
        let around = at.rsplit_once('/').map_or("", |(around, _)| around);
        self.whole.pointer(&format!("{around}/properties"))?.as_object()
    }

    /// The member that is also looked for under this name.
    fn also(&self, fault: &ValidationError<'_>, name: &str) -> Option<String> {
        let is_meant = |schema: &Value| {
            schema[ALSO].as_array().is_some_and(|names| names.iter().any(|known| known == name))
        };
        let mut members = self.properties_beside(fault)?.iter();
        let (meant, _) = members.find(|(_, schema)| is_meant(schema))?;
        Some(format!("did you mean `{meant}`?"))
    }
}

/// Where a schema says nothing in words.
pub(super) const SEE_NODE: &str = "`a2n node show TYPE` and docs/nodes.md say what is meant";

/// What to write for a value of these types.
fn how_to_write(wanted: &str) -> String {
    let each = wanted.split(" or ").filter_map(|one| match one {
        "integer" => Some("a whole number without quotes"),
        "number" => Some("a number without quotes"),
        "boolean" => Some("true or false without quotes"),
        "string" => Some("a text, in quotes where it looks like something else"),
        "array" => Some("a list: [a, b]"),
        "object" => Some("members: {name: value}"),
        _ => None,
    });
    format!("write {}", each.collect::<Vec<_>>().join(", or "))
}

/// The same where a text stands, which may be meant for the one thing in a list.
fn how_to_write_text(wanted: &str, found: &Value) -> String {
    let words: Vec<&str> = found.as_str().unwrap_or_default().split_whitespace().collect();
    if wanted == "array" && (1..=6).contains(&words.len()) {
        return format!("write a list: [{}]", words.join(", "));
    }
    how_to_write(wanted)
}

/// What a value has to keep to; reads after "write ".
fn bound(kind: &ValidationErrorKind) -> Option<String> {
    let elements = |n: u64| if n == 1 { "element" } else { "elements" };
    let characters = |n: u64| if n == 1 { "character" } else { "characters" };
    Some(match kind {
        ValidationErrorKind::Minimum { limit } => format!("{limit} or more"),
        ValidationErrorKind::Maximum { limit } => format!("{limit} or less"),
        ValidationErrorKind::MinItems { limit } => {
            format!("a list of at least {limit} {}", elements(*limit))
        }
        ValidationErrorKind::MaxItems { limit } => {
            format!("a list of at most {limit} {}", elements(*limit))
        }
        ValidationErrorKind::MinLength { limit } => {
            format!("a text of at least {limit} {}", characters(*limit))
        }
        ValidationErrorKind::MaxLength { limit } => {
            format!("a text of at most {limit} {}", characters(*limit))
        }
        _ => return None,
    })
}

fn context_path<'c>(context: &'c [Vec<ValidationError<'static>>]) -> &'c str {
    let paths = context.iter().flatten().map(|fault| fault.instance_path().as_str());
    paths.min_by_key(|path| path.len()).unwrap_or("")
}

/// `nodes[1].config` for `/nodes/1/config`.
fn place(pointer: &str) -> String {
    let mut text = String::new();
    for part in pointer.split('/').skip(1) {
        if part.chars().all(|c| c.is_ascii_digit()) && !part.is_empty() {
            text.push_str(&format!("[{part}]"));
        } else {
            if !text.is_empty() {
                text.push('.');
            }
            text.push_str(&part.replace("~1", "/").replace("~0", "~"));
        }
    }
    text
}

fn join(path: &str, below: &str) -> String {
    match (path.is_empty(), below.is_empty()) {
        (true, _) => below.to_owned(),
        (_, true) => path.to_owned(),
        _ if below.starts_with('[') => format!("{path}{below}"),
        _ => format!("{path}.{below}"),
    }
}

fn not(found: &Value) -> String {
    format!("{} is not allowed here", short(found))
}

fn choices(words: Option<&Vec<Value>>) -> Option<String> {
    let words: Vec<String> = words?.iter().map(short).collect();
    (!words.is_empty()).then(|| format!("use one of: {}", words.join(", ")))
}

/// A value as it may be written: lists too.
fn flow(value: &Value) -> String {
    match value {
        Value::Array(list) => format!("[{}]", list.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::String(text) if !text.is_empty() && !text.contains([',', '[', ']', '{', '}']) => {
            text.clone()
        }
        other => other.to_string(),
    }
}

/// A value as a message shows it.
fn short(value: &Value) -> String {
    let text = match value {
        Value::Array(_) => return "a list".to_owned(),
        Value::Object(_) => return "an object".to_owned(),
        Value::String(text) => format!("`{text}`"),
        other => other.to_string(),
    };
    if text.chars().count() > 60 { text.chars().take(60).collect::<String>() + "…" } else { text }
}

fn lower(message: &str) -> String {
    let text: String = message.chars().take(200).collect();
    text.trim_end_matches('.').to_owned()
}
