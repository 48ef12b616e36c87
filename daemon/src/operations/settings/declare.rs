//! What a setting is: its key, its kind with the values allowed, its default, one sentence.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use a2n_proto::nodes::RateLimit;
use serde_json::{Value as Json, json};

/// A tunable, with the type that its value has in the code.
#[derive(Debug)]
pub struct Setting<T> {
    pub(super) declaration: Declaration,
    _type: PhantomData<fn() -> T>,
}

/// Everything that is known of a setting before any value.
#[derive(Debug)]
pub struct Declaration {
    /// Its name: `<category>.<camelCase>`.
    pub key: &'static str,
    /// The values allowed.
    pub kind: Kind,
    /// Whether a change takes effect without a restart.
    pub live: bool,
    /// Whether every account sees it.
    pub public: bool,
    /// One sentence for people.
    pub about: &'static str,
}

/// The values a setting may have, and the one it has where nothing is said.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// A whole number; `unit` is what it counts, for people.
    Number {
        /// Least.
        min: u64,
        /// Most.
        max: u64,
        /// Where nothing is said.
        default: u64,
        /// What it counts.
        unit: &'static str,
    },
    /// Yes or no.
    Boolean {
        /// Where nothing is said.
        default: bool,
    },
    /// A text; one of `choices` where there are any.
    Text {
        /// The texts allowed; any where empty.
        choices: &'static [&'static str],
        /// Where nothing is said.
        default: &'static str,
    },
    /// Folders from the root on, with `:` between them.
    Folders {
        /// Where nothing is said.
        default: &'static str,
    },
    /// A file by its path from the root on; none where empty.
    File,
    /// A list of texts.
    List {
        /// Where nothing is said.
        default: &'static [&'static str],
    },
    /// How often things may be done: from a name to `{requests, window, burst}`.
    Rates,
}

impl<T> Setting<T> {
    pub(super) const fn new(
        key: &'static str,
        kind: Kind,
        live: bool,
        public: bool,
        about: &'static str,
    ) -> Self {
        let declaration = Declaration { key, kind, live, public, about };
        Self { declaration, _type: PhantomData }
    }
    /// Its name.
    pub const fn key(&self) -> &'static str {
        self.declaration.key
    }
}

/// A Rust type that a setting's value can have.
pub trait Value: Sized {
    /// The value in checked JSON.
    fn of(json: &Json) -> Option<Self>;
}

impl Value for u64 {
    fn of(json: &Json) -> Option<Self> {
        json.as_u64()
    }
}
impl Value for usize {
    fn of(json: &Json) -> Option<Self> {
        json.as_u64().and_then(|n| n.try_into().ok())
    }
}
impl Value for bool {
    fn of(json: &Json) -> Option<Self> {
        json.as_bool()
    }
}
impl Value for String {
    fn of(json: &Json) -> Option<Self> {
        json.as_str().map(str::to_owned)
    }
}
impl Value for Vec<String> {
    fn of(json: &Json) -> Option<Self> {
        json.as_array()?.iter().map(|one| one.as_str().map(str::to_owned)).collect()
    }
}

/// How often things may be done, by name.
pub(super) type Rates = BTreeMap<String, RateLimit>;

impl Value for Rates {
    fn of(json: &Json) -> Option<Self> {
        serde_json::from_value(json.clone()).ok()
    }
}

impl Declaration {
    /// The part of the key before the dot.
    pub fn category(&self) -> &'static str {
        self.key.split('.').next().unwrap_or(self.key)
    }

    /// Its environment variable: `rpc.maxBatch` is `A2N_SETTING__RPC__MAX_BATCH`.
    pub fn environment(&self) -> String {
        let mut name = String::from(super::layers::PREFIX);
        for c in self.key.chars() {
            match c {
                '.' => name.push_str("__"),
                c if c.is_ascii_uppercase() => {
                    name.push('_');
                    name.push(c);
                }
                c => name.push(c.to_ascii_uppercase()),
            }
        }
        name
    }

    /// The value where nothing is said.
    pub fn default(&self) -> Json {
        match self.kind {
            Kind::Number { default, .. } => json!(default),
            Kind::Boolean { default } => json!(default),
            Kind::Text { default, .. } | Kind::Folders { default } => json!(default),
            Kind::File => json!(""),
            Kind::List { default } => json!(default),
            Kind::Rates => json!({}),
        }
    }

    /// JSON Schema of a value.
    pub fn rule(&self) -> Json {
        match self.kind {
            Kind::Number { min, max, .. } => {
                json!({"type": "integer", "minimum": min, "maximum": max})
            }
            Kind::Boolean { .. } => json!({"type": "boolean"}),
            Kind::Text { choices: [], .. } => json!({"type": "string", "maxLength": MAX_TEXT}),
            Kind::Folders { .. } => {
                json!({"type": "string", "maxLength": MAX_TEXT, "pattern": "^/[^:]*(:/[^:]*)*$"})
            }
            Kind::File => {
                json!({"type": "string", "maxLength": MAX_TEXT, "pattern": "^(/.*[^/])?$"})
            }
            Kind::Text { choices, .. } => json!({"enum": choices}),
            Kind::List { .. } => json!({
                "type": "array", "maxItems": MAX_ITEMS,
                "items": {"type": "string", "maxLength": MAX_TEXT},
            }),
            Kind::Rates => json!({
                "type": "object", "maxProperties": MAX_ITEMS,
                "additionalProperties": {
                    "type": "object", "additionalProperties": false,
                    "required": ["requests", "window", "burst"],
                    "properties": {
                        "requests": {"type": "integer", "minimum": 1, "maximum": u32::MAX},
                        "window": {"type": "integer", "minimum": 1, "maximum": MAX_WINDOW},
                        "burst": {"type": "integer", "minimum": 1, "maximum": u32::MAX},
                    },
                },
            }),
        }
    }

    /// What is wrong with a value, if anything: what was expected, for people.
    pub fn check(&self, value: &Json) -> Result<(), String> {
        let ok = match self.kind {
            Kind::Number { min, max, .. } => {
                value.as_u64().is_some_and(|n| (min..=max).contains(&n))
            }
            Kind::Boolean { .. } => value.is_boolean(),
            Kind::Text { choices, .. } => value.as_str().is_some_and(|text| {
                text.len() <= MAX_TEXT && (choices.is_empty() || choices.contains(&text))
            }),
            Kind::Folders { .. } => value.as_str().is_some_and(|text| {
                text.len() <= MAX_TEXT
                    && text.split(':').all(|one| one.starts_with('/') && !one.contains('\0'))
            }),
            Kind::File => value.as_str().is_some_and(|text| {
                let is_file = text.starts_with('/') && !text.ends_with('/');
                text.len() <= MAX_TEXT && !text.contains('\0') && (text.is_empty() || is_file)
            }),
            Kind::List { .. } => value.as_array().is_some_and(|list| {
                list.len() <= MAX_ITEMS
                    && list.iter().all(|one| one.as_str().is_some_and(|t| t.len() <= MAX_TEXT))
            }),
            Kind::Rates => Rates::of(value).is_some_and(|rates| {
                rates.len() <= MAX_ITEMS
                    && rates.values().all(|rate| {
                        rate.requests > 0
                            && rate.burst > 0
                            && (1..=MAX_WINDOW).contains(&rate.window)
                    })
            }),
        };
        if ok { Ok(()) } else { Err(self.expected()) }
    }

    /// The values allowed, for people.
    pub fn expected(&self) -> String {
        match self.kind {
            Kind::Number { min, max, unit, .. } => {
                format!("a whole number from {min} to {max} ({unit})")
            }
            Kind::Boolean { .. } => "true or false".into(),
            Kind::Text { choices: [], .. } => format!("a text of at most {MAX_TEXT} bytes"),
            Kind::Text { choices, .. } => format!("one of {}", choices.join(", ")),
            Kind::Folders { .. } => "folders that begin with `/`, with `:` between them".into(),
            Kind::File => "the path of a file that begins with `/`, or empty for none".into(),
            Kind::List { .. } => format!("a list of at most {MAX_ITEMS} texts"),
            Kind::Rates => "from a node definition's name to {requests, window (milliseconds), \
                 burst}, for example {\"http\": {\"requests\": 10, \"window\": 1000, \"burst\": 20}}"
                .into(),
        }
    }

    /// A value as the environment writes it: numbers and truth plainly, lists by comma or as JSON.
    pub(super) fn read_text(&self, text: &str) -> Json {
        match self.kind {
            Kind::Number { .. } => {
                text.trim().parse::<u64>().map_or_else(|_| json!(text), |n| json!(n))
            }
            Kind::Boolean { .. } => match text.trim() {
                "true" | "1" | "yes" | "on" => json!(true),
                "false" | "0" | "no" | "off" => json!(false),
                other => json!(other),
            },
            Kind::Text { .. } | Kind::Folders { .. } | Kind::File => json!(text),
            Kind::Rates => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
            Kind::List { .. } if text.trim_start().starts_with('[') => {
                serde_json::from_str(text).unwrap_or_else(|_| json!(text))
            }
            Kind::List { .. } => {
                let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
                json!(parts.collect::<Vec<_>>())
            }
        }
    }
}

/// Longest text of a setting, in bytes.
const MAX_TEXT: usize = 4096;
/// Longest window of a rate, in milliseconds: a day.
const MAX_WINDOW: u64 = 86_400_000;
/// Most members of a list.
const MAX_ITEMS: usize = 1000;
