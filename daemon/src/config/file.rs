//! The configuration file: TOML with `dataDir`, `socket` and a table for each category of settings.

use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use serde_json::Value as Json;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Wrong;
use crate::operations::settings::{ALL, Layers};
use crate::triggers::nearest;

/// Largest file read.
const MAX_BYTES: u64 = 1024 * 1024;

/// What the file says beside settings.
#[derive(Debug, Clone, Default)]
pub(super) struct Options {
    pub(super) found: bool,
    pub(super) data_dir: Option<PathBuf>,
    pub(super) socket: Option<PathBuf>,
}

/// Reads a file into `layers`; one that is not there is fine unless somebody named it.
pub(super) fn read(path: &Path, named: bool, layers: &mut Layers) -> Result<Options, Vec<Wrong>> {
    let shown = path.display().to_string();
    let wrong = |message: String, hint: Option<&str>| {
        vec![Wrong { place: shown.clone(), message, hint: hint.map(str::to_owned) }]
    };
    let mut text = String::new();
    let opened = std::fs::File::open(path);
    match opened.and_then(|file| file.take(MAX_BYTES + 1).read_to_string(&mut text)) {
        Ok(_) => {}
        Err(error)
            if !named && matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
        {
            return Ok(Options::default());
        }
        Err(error) => return Err(wrong(format!("can't be read: {error}"), None)),
    }
    if u64::try_from(text.len()).unwrap_or(u64::MAX) > MAX_BYTES {
        return Err(wrong("is larger than 1 MiB".into(), Some("is it the right file?")));
    }
    Reader { shown, text: &text, layers, options: Options::default(), faults: Vec::new() }.read()
}

struct Reader<'a> {
    shown: String,
    text: &'a str,
    layers: &'a mut Layers,
    options: Options,
    faults: Vec<Wrong>,
}

impl Reader<'_> {
    fn read(mut self) -> Result<Options, Vec<Wrong>> {
        let text = self.text;
        let table = match DeTable::parse(text) {
            Ok(table) => table.into_inner(),
            Err(error) => {
                let at = error.span().map_or(0, |span| span.start);
                self.wrong(at, error.message().to_owned(), None);
                return Err(self.faults);
            }
        };
        let mut members: Vec<_> = table.iter().collect();
        members.sort_by_key(|(name, _)| name.span().start);
        for (name, value) in members {
            self.top(name.get_ref(), name.span().start, value);
        }
        self.options.found = true;
        if self.faults.is_empty() { Ok(self.options) } else { Err(self.faults) }
    }

    fn top(&mut self, name: &str, at: usize, value: &Spanned<DeValue<'_>>) {
        match (name, value.get_ref()) {
            ("dataDir", DeValue::String(path)) => self.options.data_dir = self.path(at, path),
            ("socket", DeValue::String(path)) => self.options.socket = self.path(at, path),
            ("dataDir" | "socket", _) => {
                self.wrong(at, format!("{name} must be a text"), None);
            }
            (category, DeValue::Table(table)) if categories().any(|one| one == category) => {
                let mut members: Vec<_> = table.iter().collect();
                members.sort_by_key(|(name, _)| name.span().start);
                for (member, value) in members {
                    let key = format!("{category}.{}", member.get_ref());
                    if let Err(fault) = self.layers.add_file(&key, json(value.get_ref())) {
                        self.wrong(member.span().start, fault.to_string(), fault.hint());
                    }
                }
            }
            (category, _) if categories().any(|one| one == category) => {
                self.wrong(
                    at,
                    format!("{category} must be a table"),
                    Some(format!("write [{category}]")),
                );
            }
            _ => {
                let known = ["dataDir", "socket"].into_iter().chain(categories());
                let near = nearest(name, known, 1);
                let hint = near.first().map(|near| format!("did you mean {near}?"));
                self.wrong(at, format!("there is no setting `{name}`"), hint);
            }
        }
    }

    fn path(&mut self, at: usize, path: &str) -> Option<PathBuf> {
        if Path::new(path).is_absolute() {
            return Some(path.into());
        }
        self.wrong(at, format!("`{path}` is not an absolute path"), Some("begin it with /".into()));
        None
    }

    fn wrong(&mut self, at: usize, message: String, hint: Option<String>) {
        let before = self.text.get(..at).unwrap_or(self.text);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        self.faults.push(Wrong { place: format!("{}:{line}", self.shown), message, hint });
    }
}

fn categories() -> impl Iterator<Item = &'static str> {
    let mut last = "";
    ALL.iter().map(|one| one.category()).filter(move |category| {
        let first = *category != last;
        last = category;
        first
    })
}

fn json(value: &DeValue<'_>) -> Json {
    match value {
        DeValue::String(text) => Json::from(text.as_ref()),
        DeValue::Integer(n) => {
            i64::from_str_radix(n.as_str(), n.radix()).map_or(Json::Null, Json::from)
        }
        DeValue::Float(n) => n.as_str().parse::<f64>().map_or(Json::Null, Json::from),
        DeValue::Boolean(yes) => Json::from(*yes),
        DeValue::Datetime(at) => Json::from(at.to_string()),
        DeValue::Array(list) => list.iter().map(|one| json(one.get_ref())).collect(),
        DeValue::Table(table) => {
            table.iter().map(|(name, v)| (name.get_ref().to_string(), json(v.get_ref()))).collect()
        }
    }
}
