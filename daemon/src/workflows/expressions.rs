//! What is wrong with the expressions of a document, as far as it shows before they run.

use std::collections::BTreeSet;

use a2n_proto::document::{Document, Node};
use a2n_proto::{Problem, Severity};
use serde_json::Value;

use crate::engine::check::{self, error, nearest_hint};
use crate::engine::expression::{self, LATER_SCOPE, is_template, place};
use crate::engine::graph::Graph;
use crate::engine::kind::{Kinds, Role};
use crate::engine::language::{FILTERS, SCOPE, TESTS};
use crate::engine::plan::regions;
use crate::engine::scan::What;
use crate::engine::scope::NODE_MEMBERS;

/// Every problem of a document's expressions.
pub(super) fn problems(document: &Document, kinds: &dyn Kinds) -> Vec<Problem> {
    let graph = check::graph(document);
    let in_cycles: BTreeSet<usize> = graph.loops().cycles.into_iter().flatten().collect();
    let parts = regions(document, kinds);
    // A `loop` node's own condition is asked for an iteration.
    let is_loop = |node: &Node| kinds.find(&node.kind).is_some_and(|k| k.role() == Role::Loop);
    let mut found = Vec::new();
    for (number, node) in document.nodes.iter().enumerate() {
        // Within the syntax first: what can't be read has no names.
        if let Err(faults) = check::template(number, node) {
            found.extend(faults);
        }
        let mut look = Look {
            document,
            graph: &graph,
            number,
            in_loop: in_cycles.contains(&number) || parts.scope(number) != 0 || is_loop(node),
            constants: kinds.find(&node.kind).map_or_else(Vec::new, |kind| {
                kind.constant_paths().iter().map(|path| (*path).to_owned()).collect()
            }),
            later: kinds.find(&node.kind).map_or_else(Vec::new, |kind| {
                let at = |path: &&str| format!("nodes[{number}].config.{path}");
                kind.later_paths().iter().map(at).collect()
            }),
            before: None,
            found: &mut found,
        };
        look.walk(&format!("nodes[{number}].config"), &node.config);
        constants(number, node, kinds, &mut found);
    }
    found
}

/// Whether a text looks as if it were meant for a template: `{% if … %}`.
fn has_statement(text: &str) -> bool {
    let mut after = text.split("{%").skip(1);
    after.any(|after| {
        let word = after.trim_start_matches(['-', '+']).trim_start();
        after.contains("%}")
            && ["if", "for", "set", "else", "endif"].iter().any(|known| {
                word.strip_prefix(known).is_some_and(|rest| rest.starts_with([' ', '\n', '%']))
            })
    })
}

struct Look<'d> {
    document: &'d Document,
    graph: &'d Graph,
    number: usize,
    in_loop: bool,
    /// Where the definition takes no expression.
    constants: Vec<String>,
    /// Where an expression is asked about an answer.
    later: Vec<String>,
    /// What comes before the node, once it was asked for.
    before: Option<BTreeSet<usize>>,
    found: &'d mut Vec<Problem>,
}

impl Look<'_> {
    fn walk(&mut self, path: &str, value: &Value) {
        match value {
            Value::String(text) if is_template(text) => self.look(path, text),
            Value::String(text) if has_statement(text) && !self.is_constant(path) => {
                self.found.push(Problem {
                    severity: Severity::Warning,
                    ..error(
                        path,
                        "NO_TEMPLATE",
                        "a text without `{{ … }}` is no template: `{% … %}` stays as it is".into(),
                        Some("write a value as {{ value }}, or {{ a if b else c }}".into()),
                    )
                });
            }
            Value::Array(elements) => {
                for (i, element) in elements.iter().enumerate() {
                    self.walk(&format!("{path}[{i}]"), element);
                }
            }
            Value::Object(members) => {
                for (name, member) in members {
                    self.walk(&format!("{path}.{name}"), member);
                }
            }
            _ => {}
        }
    }

    fn is_constant(&self, path: &str) -> bool {
        let below = path.strip_prefix(&format!("nodes[{}].config.", self.number));
        let member = below.unwrap_or(path).split(['.', '[']).next();
        self.constants.iter().any(|constant| constant.split('.').next() == member)
    }

    fn look(&mut self, path: &str, text: &str) {
        let is_later = self.later.iter().any(|later| later == path);
        let known: Vec<&str> = if is_later {
            LATER_SCOPE.to_vec()
        } else {
            SCOPE.iter().copied().filter(|name| *name != "loop" || self.in_loop).collect()
        };
        for (name, at) in expression::unknown_names(text, &known) {
            let hint = if is_later {
                Some("here is only `answer`: answer.status, answer.headers, answer.body".to_owned())
            } else if name == "loop" {
                Some("`loop` is only there inside a loop".to_owned())
            } else {
                nearest_hint(&name, &known)
            };
            self.say(path, text, at, "UNKNOWN_NAME", format!("`{name}` is not in scope"), hint);
        }
        for named in expression::named(text) {
            let name = &named.name;
            match named.what {
                What::Filter if !FILTERS.contains(&name.as_str()) => {
                    let message = format!("there is no filter `{name}`");
                    let hint = nearest_hint(name, FILTERS);
                    self.say(path, text, named.at, "UNKNOWN_FILTER", message, hint);
                }
                What::Test if !TESTS.contains(&name.as_str()) => {
                    let message = format!("there is no test `{name}`");
                    let hint = nearest_hint(name, TESTS);
                    self.say(path, text, named.at, "UNKNOWN_TEST", message, hint);
                }
                What::Node => self.look_at_node(path, text, name, named.at),
                What::NodeMember if !NODE_MEMBERS.contains(&name.as_str()) => {
                    let message = format!("a node has no `{name}`");
                    let hint = nearest_hint(name, NODE_MEMBERS);
                    self.say(path, text, named.at, "UNKNOWN_MEMBER", message, hint);
                }
                What::Filter | What::Test | What::SomeNode | What::NodeMember => {}
            }
        }
    }

    fn look_at_node(&mut self, path: &str, text: &str, name: &str, at: usize) {
        let ids: Vec<&str> = self.document.nodes.iter().map(|node| node.id.as_str()).collect();
        let Some(other) = ids.iter().position(|id| *id == name) else {
            let message = format!("there is no node `{name}`");
            return self.say(path, text, at, "UNKNOWN_NODE", message, nearest_hint(name, &ids));
        };
        let (graph, number) = (self.graph, self.number);
        let before = self.before.get_or_insert_with(|| graph.ancestors(number));
        let nodes = &self.document.nodes;
        if nodes[number].finally && !nodes[other].finally {
            // What runs at the end comes after all else.
            return;
        }
        if !before.contains(&other) {
            let own = ids[number];
            let message = format!("node `{name}` can't have run before node `{own}`");
            let hint = format!("connect `{name}` so that it leads to `{own}`");
            self.say(path, text, at, "NODE_NOT_BEFORE", message, Some(hint));
        }
    }

    fn say(
        &mut self,
        path: &str,
        text: &str,
        at: usize,
        code: &str,
        message: String,
        hint: Option<String>,
    ) {
        let (line, column) = place(text, at);
        let place = if line > 1 {
            format!("line {line}, column {column}")
        } else {
            format!("column {column}")
        };
        self.found.push(error(path, code, format!("{place}: {message}"), hint));
    }
}

/// Expressions where the definition wants a constant, as in a script's body.
fn constants(number: usize, node: &Node, kinds: &dyn Kinds, found: &mut Vec<Problem>) {
    let Some(kind) = kinds.find(&node.kind) else { return };
    for pattern in kind.constant_paths() {
        let parts: Vec<&str> = pattern.split('.').filter(|part| !part.is_empty()).collect();
        let mut texts = Vec::new();
        gather(&format!("nodes[{number}].config"), &node.config, &parts, &mut texts);
        for (path, text) in texts {
            let at = text.find("{{").unwrap_or(0);
            let (line, column) = place(text, at);
            found.push(error(
                &path,
                "EXPRESSION_REFUSED",
                format!(
                    "line {line}, column {column}: an expression is refused here, since its \
                     result would become code"
                ),
                Some(
                    "pass the value by an environment variable, an argument or standard input"
                        .to_owned(),
                ),
            ));
        }
    }
}

/// The templates at a path in which `*` stands for any member or index.
fn gather<'v>(path: &str, value: &'v Value, parts: &[&str], texts: &mut Vec<(String, &'v str)>) {
    let (part, rest) = match parts.split_first() {
        Some((part, rest)) => (*part, rest),
        None => ("*", parts),
    };
    match value {
        Value::String(text) if parts.is_empty() && is_template(text) => {
            texts.push((path.to_owned(), text));
        }
        Value::Array(elements) => {
            for (i, element) in elements.iter().enumerate() {
                if part == "*" || part == i.to_string() {
                    gather(&format!("{path}[{i}]"), element, rest, texts);
                }
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                if part == "*" || part == name {
                    gather(&format!("{path}.{name}"), member, rest, texts);
                }
            }
        }
        _ => {}
    }
}
