//! Workflow documents in files: YAML or JSON, several in one file, with the line of each path.
//!
//! Every file is read and every fault told, whatever is wrong with the others. A member that stands
//! twice is refused, and so is whatever a hostile file would blow up with (budgets on size, depth
//! and aliases). What is sent is JSON; JSON files keep their numbers' text.

mod fault;
mod look;
mod names;
mod syntax;
mod tree;
mod words;

#[cfg(test)]
mod tests;

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use a2n_client::Exit;
use a2n_proto::Json;
use serde_json::{Map, Value};

use super::failure::Failure;
use fault::Fault;
pub(crate) use fault::Faults;
pub(crate) use names::is_told;
use tree::Tree;

/// Largest file that is read; the daemon's own limit for one document is 1 MiB.
const MAX_FILE_BYTES: usize = 16 * 1024 * 1024;

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

    /// Whether the path begins with a member that the document has.
    pub(crate) fn has(&self, path: &str) -> bool {
        let first = path.split(['.', '[']).next().unwrap_or(path);
        self.json.to_value().get(first).is_some()
    }

    /// The line where `nodes[1].config.where` stands, or the closest thing around it.
    pub(crate) fn line_of(&self, path: &str) -> Option<u32> {
        self.tree.as_ref().map(|tree| tree.line_of(path, self.line))
    }
}

/// What was in the files: the documents that can be read, and what is wrong with the rest.
#[derive(Debug, Default)]
pub(crate) struct Given {
    pub(crate) documents: Vec<Document>,
    pub(crate) faults: Faults,
}

/// Reads every document of these files and folders; `-` is standard input.
pub(crate) fn read_each(paths: &[PathBuf]) -> Given {
    let mut given = Given::default();
    for path in paths {
        if path.is_dir() {
            let name = path.display().to_string();
            match files_in(path) {
                Ok(files) if files.is_empty() => {
                    let hint = "name the file itself where it ends otherwise";
                    let none = Fault::new("there is no .yaml, .yml or .json file in it", hint);
                    let exit = Exit::NotFound;
                    given.faults.0.push(Fault { exit, ..none.of(&name) });
                }
                Ok(files) => files.iter().for_each(|file| given.read(file)),
                Err(error) => given.faults.0.push(Fault::unreadable(&name, &error)),
            }
        } else {
            given.read(path);
        }
    }
    let taken = names::taken(&given.documents);
    given.faults.0.extend(taken);
    given
}

/// The same where nothing can be done with a part of it.
pub(crate) fn read_all(paths: &[PathBuf]) -> Result<Vec<Document>, Failure> {
    let given = read_each(paths);
    if given.faults.is_empty() { Ok(given.documents) } else { Err(given.faults.into()) }
}

/// A JSON or YAML object, as `--inputs` takes it.
pub(crate) fn read_object(path: &Path) -> Result<Map<String, Value>, Failure> {
    let mut documents = read_all(&[path.to_path_buf()])?;
    let document = match documents.len() {
        1 => documents.remove(0),
        n => {
            return Err(Failure::usage(format!("{} holds {n} documents, not one", path.display())));
        }
    };
    match document.json.to_value() {
        Value::Object(object) => Ok(object),
        _ => Err(Failure::usage(format!("{} is not an object", path.display()))),
    }
}

/// Reads the documents of a text.
pub(crate) fn read_text(file: &str, text: &str) -> Result<Vec<Document>, Faults> {
    let of_file = |faults: Vec<Fault>| Faults(faults.into_iter().map(|f| f.of(file)).collect());
    let read = syntax::read(file, text).map_err(of_file)?;
    let document = |(json, tree, line)| Document { file: file.to_owned(), json, tree, line };
    Ok(read.into_iter().map(document).collect())
}

impl Given {
    fn read(&mut self, path: &Path) {
        let name = path.display().to_string();
        match bytes_of(path) {
            Err(error) => self.faults.0.push(Fault::unreadable(&name, &error)),
            Ok(bytes) => match decoded(bytes) {
                Err(fault) => self.faults.0.push(fault.of(&name)),
                Ok(text) => match read_text(&name, &text) {
                    Err(faults) => self.faults.0.extend(faults.0),
                    // An unfinished copy is empty too, and --prune would take it at its word.
                    Ok(documents) if documents.is_empty() => {
                        let hint = "write a workflow into it, or leave it out";
                        self.faults
                            .0
                            .push(Fault::new("there is no document in it", hint).of(&name));
                    }
                    Ok(documents) => self.documents.extend(documents),
                },
            },
        }
    }
}

fn bytes_of(path: &Path) -> io::Result<Vec<u8>> {
    let (mut bytes, most) = (Vec::new(), MAX_FILE_BYTES as u64 + 1);
    if path.as_os_str() == "-" {
        io::stdin().take(most).read_to_end(&mut bytes)?;
    } else {
        fs::File::open(path)?.take(most).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

/// The files with workflows in a folder, by name. One that can't be looked at is one of them: it
/// is told when it is opened.
fn files_in(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let known = path.extension().is_some_and(|e| e == "yaml" || e == "yml" || e == "json");
        if known && fs::metadata(&path).map_or(true, |found| found.is_file()) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn decoded(bytes: Vec<u8>) -> Result<String, Fault> {
    const HINT: &str = "save it as UTF-8";
    if bytes.len() > MAX_FILE_BYTES {
        let hint = "divide it; the daemon takes documents of 1 MiB";
        return Err(Fault::new(format!("it is larger than {MAX_FILE_BYTES} bytes"), hint));
    }
    if bytes.starts_with(b"\xFF\xFE") || bytes.starts_with(b"\xFE\xFF") {
        return Err(Fault::new("it is UTF-16 text", HINT));
    }
    String::from_utf8(bytes).map_err(|error| {
        let (before, rest) = error.as_bytes().split_at(error.utf8_error().valid_up_to());
        let before = String::from_utf8_lossy(before);
        let (lines, last) = before
            .rsplit_once('\n')
            .map_or((0, &*before), |(above, last)| (above.matches('\n').count() + 1, last));
        let number = |n: usize| u32::try_from(n + 1).unwrap_or(u32::MAX);
        let byte = rest.first().copied().unwrap_or_default();
        Fault::new(format!("the byte {byte:02X} is not UTF-8"), HINT)
            .at((number(lines), number(last.chars().count())), "")
    })
}
