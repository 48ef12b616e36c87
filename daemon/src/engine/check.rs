//! What must hold of a document before it can be planned. Finds everything at once; validation adds
//! what is only about people (schemas of configurations, limits, warnings).

use std::collections::{BTreeMap, HashMap};

use a2n_proto::document::{Connection, Document, Node, OnError};
use a2n_proto::{Problem, Severity};

use super::expression::{Fault as Wrong, Template};
use super::graph::Graph;
use super::kind::{Inputs, Kind, Kinds};
use super::plan;
use super::regions::{Fault, Regions};
use super::wiring::{self, Wiring};

/// Every structural problem: ids, names, types, connections, handles, cycles.
pub fn structure(document: &Document, kinds: &dyn Kinds) -> Vec<Problem> {
    let wiring = Wiring::new(document, kinds);
    structure_of(&wiring, kinds, &plan::flow::regions_of(&wiring))
}

/// The same, where the document's names and parts are known.
pub(super) fn structure_of(
    wiring: &Wiring<'_>,
    kinds: &dyn Kinds,
    regions: &Regions,
) -> Vec<Problem> {
    let (document, mut problems) = (wiring.document, Vec::new());
    ids(document, &mut problems);
    for (number, node) in document.nodes.iter().enumerate() {
        if wiring.kinds[number].is_none() {
            problems.push(unknown_type(number, node, kinds));
        }
    }
    connections(wiring, &mut problems);
    loops(wiring, &mut problems);
    parts(wiring, regions, &mut problems);
    problems
}

/// A node's configuration compiled, or what is wrong with its templates.
pub fn template(number: usize, node: &Node) -> Result<Template, Vec<Problem>> {
    Template::new("config", &node.config)
        .map_err(|faults| faults.iter().map(|fault| syntax(number, fault)).collect())
}

/// No definition has the node's type.
pub fn unknown_type(number: usize, node: &Node, kinds: &dyn Kinds) -> Problem {
    let (name, version) = match node.kind.split_once('@') {
        Some((name, version)) => (name, Some(version)),
        None => (node.kind.as_str(), None),
    };
    let path = format!("nodes[{number}].type");
    if let (Some(version), Some(other)) = (version, kinds.find(name)) {
        let message = format!("definition `{name}` has no version {version}");
        let hint = format!("version {} is there", other.version());
        return error(&path, "UNKNOWN_VERSION", message, Some(hint));
    }
    let message = format!("there is no node definition `{name}`");
    error(&path, "UNKNOWN_TYPE", message, nearest_hint(name, &kinds.names()))
}

/// A problem that stops a save.
pub fn error(path: &str, code: &str, message: String, hint: Option<String>) -> Problem {
    Problem {
        path: path.to_owned(),
        code: code.to_owned(),
        severity: Severity::Error,
        message,
        hint,
    }
}

/// "did you mean", or the names there are.
pub fn nearest_hint<S: AsRef<str>>(name: &str, names: &[S]) -> Option<String> {
    // A node that could not be read stands under a name that no id can be.
    let names = || names.iter().map(AsRef::as_ref).filter(|name| !name.contains('['));
    let mut near: Vec<(usize, &str)> = names()
        .map(|other| (distance(&name.to_lowercase(), &other.to_lowercase()), other))
        .collect();
    near.sort_unstable();
    near.dedup();
    // Only the nearest, and only where most of the word is right.
    let length = name.chars().count();
    let best = near.first().map_or(0, |near| near.0);
    let limit = if best <= length / 3 + 1 && best < length { best } else { 0 };
    let close: Vec<String> = near
        .iter()
        .filter(|(distance, _)| *distance <= limit)
        .take(3)
        .map(|(_, name)| format!("`{name}`"))
        .collect();
    if !close.is_empty() {
        return Some(format!("did you mean {}?", close.join(" or ")));
    }
    let all: Vec<&str> = names().take(20).collect();
    (!all.is_empty()).then(|| format!("there are: {}", all.join(", ")))
}

/// Edits (insert, remove, replace, swap neighbours) from one word to the other.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) =
        (a.chars().take(64).collect(), b.chars().take(64).collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    for (j, cell) in rows[0].iter_mut().enumerate() {
        *cell = j;
    }
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let replace = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replace.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

fn syntax(number: usize, fault: &Wrong) -> Problem {
    let Wrong { path, line, column, message, .. } = fault;
    let place = if *line > 1 {
        format!("line {line}, column {column}")
    } else {
        format!("column {column}")
    };
    error(
        &format!("nodes[{number}].{path}"),
        "EXPRESSION_SYNTAX",
        format!("{place}: {message}"),
        Some("to write two braces as they are, use {{ '{{' }}".to_owned()),
    )
}

fn ids(document: &Document, problems: &mut Vec<Problem>) {
    let mut ids: HashMap<&str, usize> = HashMap::with_capacity(document.nodes.len());
    let mut names: HashMap<&str, usize> = HashMap::with_capacity(document.nodes.len());
    for (number, node) in document.nodes.iter().enumerate() {
        let path = || format!("nodes[{number}].id");
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if node.id.is_empty() || node.id.len() > 64 || !node.id.chars().all(fits) {
            let hint = "use 1 to 64 of the characters a-z A-Z 0-9 _ -".to_owned();
            let id: String = node.id.chars().take(80).collect();
            problems.push(error(&path(), "BAD_ID", format!("`{id}` is not a node id"), Some(hint)));
        }
        if let Some(first) = ids.insert(&node.id, number) {
            let message = format!("node id `{}` is taken by nodes[{first}]", node.id);
            problems.push(error(
                &path(),
                "DUPLICATE_ID",
                message,
                Some("give it another id".into()),
            ));
        } else if let Some(first) = names.insert(node.shown_name(), number) {
            let message = format!("name `{}` is taken by nodes[{first}]", node.shown_name());
            let path =
                format!("nodes[{number}].{}", if node.name.is_some() { "name" } else { "id" });
            let hint = "names (else ids) are unique in a workflow".to_owned();
            problems.push(error(&path, "DUPLICATE_NAME", message, Some(hint)));
        }
    }
    let mut triggers: BTreeMap<&str, usize> = BTreeMap::new();
    for (number, trigger) in document.triggers.iter().enumerate() {
        if let Some(first) = triggers.insert(&trigger.name, number) {
            let message = format!("trigger name `{}` is taken by triggers[{first}]", trigger.name);
            let path = format!("triggers[{number}].name");
            problems.push(error(&path, "DUPLICATE_NAME", message, None));
        }
    }
}

fn connections(wiring: &Wiring<'_>, problems: &mut Vec<Problem>) {
    let document = wiring.document;
    let ids = || {
        let mut ids: Vec<&str> = document.nodes.iter().map(|node| node.id.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    };
    let mut seen: HashMap<(&str, &str, &str, &str), usize> =
        HashMap::with_capacity(document.connections.len());
    for (number, connection) in document.connections.iter().enumerate() {
        let path = || format!("connections[{number}]");
        let Connection { source, target, source_handle, target_handle } = connection;
        let (from, to) = wiring.ends[number];
        for (member, id, end) in [("source", source, from), ("target", target, to)] {
            if end.is_none() {
                let message = format!("there is no node `{id}`");
                let path = format!("{}.{member}", path());
                problems.push(error(
                    &path,
                    "DANGLING_CONNECTION",
                    message,
                    nearest_hint(id, &ids()),
                ));
            }
        }
        if let Some(first) = seen.insert((source, source_handle, target, target_handle), number) {
            let message = format!("the same connection as connections[{first}]");
            let hint = Some("remove one of the two".to_owned());
            problems.push(error(&path(), "DOUBLED_CONNECTION", message, hint));
        }
        let kind_of = |end: Option<usize>| {
            let number = end?;
            Some((&document.nodes[number], wiring.kinds[number].as_deref()?))
        };
        if let Some((node, kind)) = kind_of(from) {
            source_handle_exists(node, source_handle, kind, path, problems);
        }
        if let Some((node, kind)) = kind_of(to) {
            target_handle_exists(node, target_handle, kind, path, problems);
        }
    }
}

fn source_handle_exists(
    node: &Node,
    handle: &str,
    kind: &dyn Kind,
    path: impl Fn() -> String,
    problems: &mut Vec<Problem>,
) {
    let mut handles = kind.outputs(&node.config);
    if node.on_error == Some(OnError::Branch) {
        handles.push("error".to_owned());
    }
    if handles.iter().any(|known| known == handle) {
        return;
    }
    let message = format!("node `{}` ({}) has no output handle `{handle}`", node.id, kind.name());
    let hint = if handle == "error" {
        "set onError: BRANCH on the node".to_owned()
    } else if handles.is_empty() {
        "nothing leads on from this node".to_owned()
    } else {
        format!("set sourceHandle to one of: {}", handles.join(", "))
    };
    let path = format!("{}.sourceHandle", path());
    problems.push(error(&path, "UNKNOWN_HANDLE", message, Some(hint)));
}

fn target_handle_exists(
    node: &Node,
    handle: &str,
    kind: &dyn Kind,
    path: impl Fn() -> String,
    problems: &mut Vec<Problem>,
) {
    let hint = match kind.inputs() {
        Inputs::Named(handles) if handles.iter().any(|known| known == handle) => return,
        Inputs::Named(handles) if handles.is_empty() => "nothing leads into this node".to_owned(),
        Inputs::Named(handles) => format!("set targetHandle to one of: {}", handles.join(", ")),
        Inputs::Numbered => {
            let number = handle.strip_prefix("input").and_then(|n| n.parse::<u32>().ok());
            if number.is_some_and(|n| n >= 1) {
                return;
            }
            "set targetHandle to input1, input2, …".to_owned()
        }
    };
    let message = format!("node `{}` ({}) has no input handle `{handle}`", node.id, kind.name());
    let path = format!("{}.targetHandle", path());
    problems.push(error(&path, "UNKNOWN_HANDLE", message, Some(hint)));
}

fn loops(wiring: &Wiring<'_>, problems: &mut Vec<Problem>) {
    let document = wiring.document;
    let graph = graph_of(document.nodes.len(), &wiring.ends);
    let path = |nodes: &[usize]| {
        let ids: Vec<&str> = nodes.iter().map(|n| document.nodes[*n].id.as_str()).collect();
        ids.join(" → ")
    };
    let place = |nodes: &[usize]| format!("nodes[{}]", nodes.first().copied().unwrap_or(0));
    let loops = graph.loops();
    let reached = graph.reached(&graph.starts());
    for cycle in &loops.two_entries {
        problems.push(error(
            &place(cycle),
            "CYCLE_TWO_ENTRIES",
            format!("this cycle can be entered at more than one node: {}", path(cycle)),
            Some("let every way into the cycle lead to the same node".to_owned()),
        ));
    }
    for cycle in &loops.cycles {
        // A node with several outputs can send nothing along the cycle.
        let branches = |n: &usize| {
            let node = &document.nodes[*n];
            node.on_error == Some(OnError::Branch)
                || wiring.kinds[*n].as_ref().is_none_or(|it| it.outputs(&node.config).len() > 1)
        };
        if graph.leaves(cycle) || cycle.iter().any(branches) {
            continue;
        }
        let way = graph.cycle_path(cycle);
        problems.push(error(
            &place(&way),
            "CYCLE_NO_EXIT",
            format!("no node can leave this cycle: {}", path(&way)),
            Some("add an `if` whose other handle leads out of it".to_owned()),
        ));
    }
    for number in (0..document.nodes.len()).filter(|number| !reached[*number]) {
        let id = &document.nodes[number].id;
        problems.push(error(
            &format!("nodes[{number}]"),
            "UNREACHABLE",
            format!("no start leads to node `{id}`"),
            Some("connect it to a node that has no incoming connection".to_owned()),
        ));
    }
}

/// What is wrong with the parts of `loop` and `try` nodes, and with what runs at the end.
fn parts(wiring: &Wiring<'_>, regions: &Regions, problems: &mut Vec<Problem>) {
    let document = wiring.document;
    let id = |number: usize| document.nodes[number].id.as_str();
    let gate = |number: usize| {
        let kind = wiring.kinds[number].as_ref();
        kind.and_then(|kind| kind.role().gate()).unwrap_or("output")
    };
    for fault in &regions.faults {
        let (number, code, message, hint) = match *fault {
            Fault::Empty { node } => (
                node,
                "NOTHING_INSIDE",
                format!("nothing is connected to handle `{}` of node `{}`", gate(node), id(node)),
                format!("connect what is to run in it to handle `{}`", gate(node)),
            ),
            Fault::Entered { node, inner } => (
                inner,
                "ENTERED_FROM_OUTSIDE",
                format!(
                    "node `{}` belongs to handle `{}` of node `{}`, and can be come to from \
                     elsewhere too",
                    id(inner),
                    gate(node),
                    id(node)
                ),
                format!("let every way to `{}` go through that handle", id(inner)),
            ),
            Fault::Reentered { node, from } => (
                node,
                "LOOP_REENTERED",
                format!(
                    "node `{}` comes after the loop of node `{}` and leads back to it",
                    id(from),
                    id(node)
                ),
                format!("put a `noop` before `{}` and lead back to that", id(node)),
            ),
            Fault::Break { node } => (
                node,
                "BREAK_OUTSIDE",
                format!("node `{}` is not within the body of a `loop` node", id(node)),
                "a loop by a connection back ends where nothing is sent back".to_owned(),
            ),
        };
        problems.push(error(&format!("nodes[{number}]"), code, message, Some(hint)));
    }
    if !document.nodes.iter().any(|node| node.finally) {
        return;
    }
    let numbers: BTreeMap<&str, &Node> =
        document.nodes.iter().map(|node| (node.id.as_str(), node)).collect();
    for (number, connection) in document.connections.iter().enumerate() {
        let ends =
            (numbers.get(connection.source.as_str()), numbers.get(connection.target.as_str()));
        if let (Some(source), Some(target)) = ends
            && source.finally
            && !target.finally
        {
            problems.push(error(
                &format!("connections[{number}]"),
                "AFTER_FINALLY",
                format!(
                    "node `{}` runs at the end, and `{}` would come after it",
                    source.id, target.id
                ),
                Some(format!("set finally on node `{}` too", target.id)),
            ));
        }
    }
}

/// The document's graph; connections to nodes that are not there are left out.
pub fn graph(document: &Document) -> Graph {
    graph_of(document.nodes.len(), &wiring::ends(document))
}

fn graph_of(nodes: usize, ends: &[(Option<usize>, Option<usize>)]) -> Graph {
    let edges = wiring::whole(ends).map(|(_, source, target)| (source, target));
    let mut edges: Vec<(usize, usize)> = edges.collect();
    edges.sort_unstable();
    edges.dedup();
    Graph::new(nodes, edges)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_name_what_is_near_else_what_there_is() {
        let names = ["shell", "http", "set", "filter"];
        assert_eq!(nearest_hint("shel", &names).unwrap(), "did you mean `shell`?");
        assert_eq!(nearest_hint("fitler", &names).unwrap(), "did you mean `filter`?");
        let hint = nearest_hint("postgres", &names).unwrap();
        assert_eq!(hint, "there are: shell, http, set, filter");
        assert_eq!(nearest_hint("x", &[] as &[&str]), None);
    }
}
