//! Workflow documents in files: YAML or JSON, several in one file, with the line of each path.
//!
//! A member that stands twice is refused, and so is whatever a hostile file would blow up with
//! (budgets on size, depth and aliases). What is sent is JSON; JSON files keep their numbers' text.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use a2n_client::Exit;
use a2n_proto::Json;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Number, Value};
use serde_saphyr::Spanned;

use super::failure::Failure;

/// Largest file that is read; the daemon's own limit for one document is 1 MiB.
const MAX_FILE_BYTES: u64 = 16 * 1024 * 1024;

/// One document of a file.
#[derive(Debug)]
pub(crate) struct Document {
    /// The file's name as it was given, `-` for standard input.
    pub(crate) file: String,
    /// The document as it is sent.
    pub(crate) json: Json,
    tree: Option<Tree>,
    line: u32,
}

impl Document {
    /// The document's own name, where it has one.
    pub(crate) fn name(&self) -> Option<String> {
        match self.json.to_value().get("name") {
            Some(Value::String(name)) => Some(name.clone()),
            _ => None,
        }
    }

    /// The line where `nodes[1].config.where` stands, or the closest thing around it.
    pub(crate) fn line_of(&self, path: &str) -> Option<u32> {
        let mut tree = self.tree.as_ref()?;
        let mut line = self.line;
        for step in steps(path) {
            let found = match (tree, step) {
                (Tree::Map(members), Step::Member(name)) => {
                    members.iter().find(|(n, ..)| n == name).map(|(_, line, below)| (*line, below))
                }
                (Tree::List(items), Step::Index(n)) => items.get(n).map(|(l, below)| (*l, below)),
                _ => None,
            };
            let Some((there, below)) = found else { break };
            (line, tree) = (there, below);
        }
        Some(line)
    }
}

enum Step<'a> {
    Member(&'a str),
    Index(usize),
}

/// The steps of `nodes[1].config.where`.
fn steps(path: &str) -> impl Iterator<Item = Step<'_>> {
    path.split(['.', '[']).filter(|step| !step.is_empty()).map(|step| {
        match step.strip_suffix(']').and_then(|n| n.parse().ok()) {
            Some(index) => Step::Index(index),
            None => Step::Member(step),
        }
    })
}

/// Reads every document of these files and folders; `-` is standard input.
pub(crate) fn read_all(paths: &[PathBuf]) -> Result<Vec<Document>, Failure> {
    let mut documents = Vec::new();
    for path in paths {
        if path.as_os_str() == "-" {
            let mut text = String::new();
            std::io::stdin()
                .take(MAX_FILE_BYTES + 1)
                .read_to_string(&mut text)
                .map_err(|error| unreadable("-", &error))?;
            documents.extend(read_text("-", &text)?);
        } else if path.is_dir() {
            let files = files_in(path)?;
            if files.is_empty() {
                return Err(Failure::not_found(format!(
                    "no .yaml, .yml or .json file in {}",
                    path.display()
                )));
            }
            for file in files {
                documents.extend(read_file(&file)?);
            }
        } else {
            documents.extend(read_file(path)?);
        }
    }
    if documents.is_empty() {
        return Err(Failure::new(Exit::Invalid, "there is no document in what was given"));
    }
    Ok(documents)
}

/// Reads the only document of a file.
pub(crate) fn read_one(path: &Path) -> Result<Document, Failure> {
    let mut documents = read_all(&[path.to_path_buf()])?;
    match documents.len() {
        1 => Ok(documents.remove(0)),
        n => Err(Failure::usage(format!("{} holds {n} documents, not one", path.display()))),
    }
}

/// A JSON or YAML object, as `--inputs` takes it.
pub(crate) fn read_object(path: &Path) -> Result<Map<String, Value>, Failure> {
    match read_one(path)?.json.to_value() {
        Value::Object(object) => Ok(object),
        _ => Err(Failure::usage(format!("{} is not an object", path.display()))),
    }
}

fn read_file(path: &Path) -> Result<Vec<Document>, Failure> {
    let name = path.display().to_string();
    let file = fs::File::open(path).map_err(|error| unreadable(&name, &error))?;
    let mut text = String::new();
    file.take(MAX_FILE_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(|error| unreadable(&name, &error))?;
    read_text(&name, &text)
}

fn files_in(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let name = folder.display().to_string();
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| unreadable(&name, &error))? {
        let path = entry.map_err(|error| unreadable(&name, &error))?.path();
        let known = path.extension().is_some_and(|e| e == "yaml" || e == "yml" || e == "json");
        if known && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Reads the documents of a text.
pub(crate) fn read_text(file: &str, text: &str) -> Result<Vec<Document>, Failure> {
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(invalid(file, format!("more than {MAX_FILE_BYTES} bytes")));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim_start().starts_with('{') {
        // Lines are a comfort here: what YAML can't read of a JSON text has none.
        let json = Json::parse(text).map_err(|fault| invalid(file, fault.to_string()))?;
        let tree = parse(text).ok().and_then(|mut trees| trees.pop());
        let (line, tree) = tree.map_or((1, None), |tree| (line_at(&tree), Some(tree.value)));
        return Ok(vec![Document { file: file.to_owned(), json, tree, line }]);
    }
    let trees = parse(text).map_err(|error| invalid(file, yaml_reason(&error)))?;
    trees
        .into_iter()
        .map(|tree| {
            let line = line_at(&tree);
            let json = Json::of(&tree.value.to_value());
            // The same rules on depth and size as at the socket.
            a2n_proto::json::check(json.as_str())
                .map_err(|fault| invalid(file, fault.to_string()))?;
            Ok(Document { file: file.to_owned(), json, tree: Some(tree.value), line })
        })
        .collect()
}

fn parse(text: &str) -> Result<Vec<Spanned<Tree>>, serde_saphyr::Error> {
    // The daemon takes documents of 1 MiB: no honest one has as many parts as these limits.
    let mut aliases = serde_saphyr::options::AliasLimits::default();
    aliases.max_total_replayed_events = 50_000;
    let mut budget = serde_saphyr::budget::Budget::default();
    budget.max_events = 1_000_000;
    budget.max_depth = 128;
    let options = serde_saphyr::options! {
        alias_limits: aliases,
        budget: Some(budget),
        duplicate_keys: serde_saphyr::options::DuplicateKeyPolicy::Error,
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        with_snippet: false,
    };
    serde_saphyr::from_multiple_with_options(text, options)
}

fn yaml_reason(error: &serde_saphyr::Error) -> String {
    let text = error.to_string();
    text.lines().next().unwrap_or("not YAML").to_owned()
}

fn line_at<T>(spanned: &Spanned<T>) -> u32 {
    u32::try_from(spanned.referenced.line()).unwrap_or(0)
}

fn unreadable(file: &str, error: &std::io::Error) -> Failure {
    let exit = match error.kind() {
        std::io::ErrorKind::NotFound => Exit::NotFound,
        std::io::ErrorKind::PermissionDenied => Exit::NotAllowed,
        std::io::ErrorKind::InvalidData => Exit::Invalid,
        _ => Exit::Failed,
    };
    Failure::new(exit, format!("can't read {file}: {error}"))
}

fn invalid(file: &str, reason: impl AsRef<str>) -> Failure {
    Failure::new(Exit::Invalid, format!("{file}: {}", reason.as_ref()))
}

/// A value with the line of each of its parts.
#[derive(Debug)]
enum Tree {
    Scalar(Value),
    List(Vec<(u32, Tree)>),
    Map(Vec<(String, u32, Tree)>),
}

impl Tree {
    fn to_value(&self) -> Value {
        match self {
            Self::Scalar(value) => value.clone(),
            Self::List(items) => items.iter().map(|(_, item)| item.to_value()).collect(),
            Self::Map(members) => Value::Object(
                members.iter().map(|(name, _, value)| (name.clone(), value.to_value())).collect(),
            ),
        }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(Read)
    }
}

struct Read;

impl<'de> Visitor<'de> for Read {
    type Value = Tree;
    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a value that JSON has")
    }
    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Scalar(Value::Null))
    }
    fn visit_none<E>(self) -> Result<Tree, E> {
        Ok(Tree::Scalar(Value::Null))
    }
    fn visit_some<D: Deserializer<'de>>(self, d: D) -> Result<Tree, D::Error> {
        Tree::deserialize(d)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.into()))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.into()))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.into()))
    }
    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Tree, E> {
        Number::from_f64(value)
            .map(|number| Tree::Scalar(number.into()))
            .ok_or_else(|| E::custom("JSON has no infinite numbers"))
    }
    fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.into()))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Tree, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element::<Spanned<Tree>>()? {
            items.push((line_at(&item), item.value));
        }
        Ok(Tree::List(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
        let mut members: Vec<(String, u32, Tree)> = Vec::new();
        while let Some(name) = map.next_key::<Spanned<String>>()? {
            members.push((name.value.clone(), line_at(&name), map.next_value()?));
        }
        Ok(Tree::Map(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = "# first\nname: a\nnodes:\n  - id: x\n    config:\n      where: '{{ 1 }}'\n\
                       ---\nname: b\nnodes: []\n";

    #[test]
    fn several_documents_stand_in_one_file() {
        let documents = read_text("two.yaml", TWO).unwrap();
        let names: Vec<_> = documents.iter().map(Document::name).collect();
        assert_eq!(names, [Some("a".into()), Some("b".into())]);
        assert_eq!(
            documents[0].json.as_str(),
            r#"{"name":"a","nodes":[{"id":"x","config":{"where":"{{ 1 }}"}}]}"#
        );
    }

    #[test]
    fn a_path_leads_to_its_line() {
        let documents = read_text("two.yaml", TWO).unwrap();
        let lines = |n: usize, paths: &[&str]| -> Vec<_> {
            paths.iter().map(|path| documents[n].line_of(path)).collect()
        };
        assert_eq!(
            lines(0, &["name", "nodes[0].config.where", "nodes[0].type", "nodes[7]"]),
            [Some(2), Some(6), Some(4), Some(3)]
        );
        assert_eq!(lines(1, &["name"]), [Some(8)]);
    }

    #[test]
    fn a_json_file_keeps_its_numbers_and_has_lines() {
        let text = "{\n \"name\": \"a\",\n \"n\": 1.10\n}";
        let document = read_text("a.json", text).unwrap().remove(0);
        assert_eq!(document.json.as_str(), r#"{"name":"a","n":1.10}"#);
        assert_eq!(document.line_of("n"), Some(3));
    }

    #[test]
    fn a_member_that_stands_twice_is_refused() {
        let yaml = read_text("a.yaml", "name: a\nname: b\n").unwrap_err();
        assert_eq!(yaml.exit, Exit::Invalid);
        assert!(yaml.message.as_deref().is_some_and(|m| m.contains("name")), "{yaml:?}");
        let json = read_text("a.json", r#"{"n":{"a":1,"a":2}}"#).unwrap_err();
        assert!(json.text().contains("`n.a` stands twice"), "{json:?}");
    }

    #[test]
    fn a_hostile_file_is_refused() {
        let mut laughs = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
        for n in 1..9 {
            let below = format!("*a{},", n - 1).repeat(10);
            laughs.push_str(&format!("a{n}: &a{n} [{below}]\n"));
        }
        assert_eq!(read_text("a.yaml", &laughs).unwrap_err().exit, Exit::Invalid);
        let deep = "[".repeat(500);
        assert_eq!(read_text("a.yaml", &deep).unwrap_err().exit, Exit::Invalid);
        assert_eq!(read_text("a.yaml", "a: [1\n").unwrap_err().exit, Exit::Invalid);
    }

    #[test]
    fn every_example_is_a_document() {
        let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples"));
        let documents = read_all(&[folder]).unwrap();
        assert!(documents.len() >= 5);
        for document in documents {
            let read = a2n_proto::document::Document::read(&document.json);
            assert!(read.is_ok(), "{}: {read:?}", document.file);
        }
    }

    #[test]
    fn what_looks_like_a_switch_stays_a_text() {
        let document = read_text("a.yaml", "a: yes\nb: on\nc: true\nd: 012\n").unwrap().remove(0);
        assert_eq!(document.json.as_str(), r#"{"a":"yes","b":"on","c":true,"d":"012"}"#);
    }
}
