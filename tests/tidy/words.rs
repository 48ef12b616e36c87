//! One word, one meaning: the glossary of ARCHITECTURE.md rules over the names of types.

use crate::source::{all, report};

/// Whole names of types that stand for a word of the glossary, and that word.
const NAMES: [(&str, &str); 20] = [
    ("Flow", "Workflow"),
    ("Pipeline", "Workflow"),
    ("Dag", "Workflow (its checked form is a Plan)"),
    ("TaskDefinition", "NodeDefinition"),
    ("Link", "Connection"),
    ("Edge", "Connection"),
    ("Payload", "Item"),
    ("Hook", "Trigger"),
    ("Run", "Execution"),
    ("Instance", "Execution"),
    ("WorkflowRun", "Execution"),
    ("WorkflowInstance", "Execution"),
    ("ExecutionRun", "Execution"),
    ("Try", "Attempt"),
    ("RunId", "ExecutionId"),
    ("TaskId", "the id of what it is"),
    ("EventBus", "Feed"),
    ("Utils", "the noun it helps"),
    ("Helper", "the noun it helps"),
    ("Info", "what it is about"),
];

/// Endings that say nothing, or name a thing after its pattern.
const ENDINGS: [&str; 6] = ["Manager", "Helper", "Utils", "Impl", "Factory", "Singleton"];

#[test]
fn types_are_named_with_the_glossarys_words() {
    let mut wrong = Vec::new();
    for source in all().iter().filter(|s| !s.is_test()) {
        for (line, code) in source.code() {
            let Some(name) = type_name(code) else { continue };
            if let Some((_, word)) = NAMES.iter().find(|(banned, _)| *banned == name) {
                wrong.push(format!("{}:{line}: {name}: the word is {word}", source.path));
            }
            if let Some(ending) = ENDINGS.iter().find(|ending| name.ends_with(**ending)) {
                wrong.push(format!("{}:{line}: {name}: `{ending}` says nothing", source.path));
            }
        }
    }
    report("one word, one meaning: see \"Words\" in ARCHITECTURE.md", &wrong);
}

/// The type that a line declares for others to see.
fn type_name(code: &str) -> Option<&str> {
    let rest = code.trim_start();
    let rest = ["pub ", "pub(crate) ", "pub(super) "].iter().find_map(|p| rest.strip_prefix(p))?;
    let rest = ["struct ", "enum ", "trait ", "type "].iter().find_map(|p| rest.strip_prefix(p))?;
    rest.split(|c: char| !c.is_ascii_alphanumeric()).next()
}
