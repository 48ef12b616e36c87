//! From a text to its documents: JSON where it is written as JSON, YAML otherwise.

use a2n_proto::Json;
use a2n_proto::json::Fault as JsonFault;

use super::fault::Fault;
use super::look;
use super::tree::{self, Tree};

/// A document, its parts with their lines, and its own line.
type Read = (Json, Option<Tree>, u32);

pub(super) fn read(file: &str, text: &str) -> Result<Vec<Read>, Vec<Fault>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let is_json = file.ends_with(".json");
    let written_as_json = text
        .trim_start()
        .strip_prefix('{')
        .is_some_and(|inside| is_json || inside.trim_start().starts_with(['"', '}']));
    if !written_as_json {
        return read_yaml(text);
    }
    match Json::parse(text) {
        Ok(json) => {
            // Lines are a comfort here: what YAML can't read of a JSON text has none.
            let tree = tree::parse(text).ok().and_then(|mut trees| trees.pop());
            let (line, tree) = tree.map_or((1, None), |t| (tree::line_at(&t), Some(t.value)));
            Ok(vec![(json, tree, line)])
        }
        // Comments, or several documents with `---` between them: YAML that looks like JSON.
        Err(JsonFault::Syntax { message }) => match read_yaml(text) {
            Ok(read) if !is_json => Ok(read),
            _ => Err(vec![not_json(&message)]),
        },
        Err(fault) => Err(vec![located(text, &fault)]),
    }
}

fn read_yaml(text: &str) -> Result<Vec<Read>, Vec<Fault>> {
    let faults = look::faults(text);
    if !faults.is_empty() {
        return Err(faults);
    }
    let trees = tree::parse(text).map_err(|fault| vec![fault])?;
    trees
        .into_iter()
        .map(|tree| {
            let line = tree::line_at(&tree);
            let json = Json::of(&tree.value.to_value());
            // The same rules on depth and size as at the socket: aliases unfold.
            a2n_proto::json::check(json.as_str())
                .map_err(|fault| vec![of_json(&fault).at((line, 1), "")])?;
            Ok((json, Some(tree.value), line))
        })
        .collect()
}

/// `expected … at line 3 column 7`, with the place where a place belongs.
fn not_json(message: &str) -> Fault {
    let number = |word: &str| word.parse::<u32>().ok().map(|n| n.max(1));
    let placed = message.rsplit_once(" at line ").and_then(|(what, place)| {
        let (line, column) = place.split_once(" column ")?;
        Some((what, (number(line)?, number(column)?)))
    });
    let hint = "compare this place with what JSON asks for; YAML is taken from .yaml files";
    match placed {
        Some((what, place)) => Fault::new(format!("not JSON: {what}"), hint).at(place, ""),
        None => Fault::new(format!("not JSON: {message}"), hint),
    }
}

fn of_json(fault: &JsonFault) -> Fault {
    let hint = match fault {
        JsonFault::Duplicate { .. } => "keep one of the two",
        JsonFault::TooDeep { .. } => "make it flatter",
        _ => "divide it",
    };
    Fault::new(fault.to_string(), hint)
}

/// A fault of a JSON text that knows its path, with its place where YAML finds it too.
fn located(text: &str, fault: &JsonFault) -> Fault {
    match fault {
        JsonFault::Duplicate { path } => {
            let found = look::faults(text).into_iter().find(|found| found.path == *path);
            found.unwrap_or_else(|| of_json(fault))
        }
        _ => of_json(fault),
    }
}
