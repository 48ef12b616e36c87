//! Everything that is wrong with a document, at once, each with its place.
//!
//! The document is taken as text, not as a type: one wrong member must not hide the rest. What does
//! not fit the document's schema is named and left out, and what is left is looked at further.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use a2n_proto::document::{Connection, Document, DocumentTrigger, Node, Repeat};
use a2n_proto::json::plain;
use a2n_proto::workflow::{Concurrency, ConcurrencyPolicy, TriggerType};
use a2n_proto::{Json, Problem, Severity, WorkflowId};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::expressions;
use super::schema::{SEE_NODE, Schema};
use crate::engine::check::{self, error};
use crate::engine::kind::{CATCH, Kinds};
use crate::engine::plan::regions;
use crate::engine::regions::{RegionKind, Regions};

mod pinned;

/// How large a document may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most nodes.
    pub nodes: usize,
    /// Largest text, bytes.
    pub bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { nodes: 10_000, bytes: 1 << 20 }
    }
}

/// Checks one trigger (cron, zone, path): problems with paths below the trigger, for example
/// `configuration.schedule.cron`.
pub type TriggerCheck<'a> = &'a dyn Fn(&DocumentTrigger) -> Vec<Problem>;

static DOCUMENT: LazyLock<Schema> = LazyLock::new(|| {
    let schema = schemars::schema_for!(Document).to_value();
    Schema::new(&schema).expect("the document's own schema is one")
});

/// Every problem of a document: first the errors, which stop a save, then the warnings.
pub fn validate(
    definition: &Json,
    kinds: &dyn Kinds,
    limits: Limits,
    trigger: TriggerCheck<'_>,
) -> Vec<Problem> {
    if definition.size_bytes() > limits.bytes {
        let (is, most) = (definition.size_bytes(), limits.bytes);
        let message = format!("the document is {is} bytes long, more than {most}");
        let hint = "split it into several workflows".to_owned();
        return vec![error("", "LIMIT", message, Some(hint))];
    }
    let value = definition.to_value();
    let mut problems = DOCUMENT.check("", &value);
    if !value.is_object() {
        return problems;
    }
    let (document, unreadable) = readable(&value);
    let mut found = Vec::new();
    over_limit(&document, limits, &mut found);
    nameless(&document, &mut found);
    found.extend(check::structure(&document, kinds));
    configurations(&document, kinds, &mut found);
    found.extend(expressions::problems(&document, kinds));
    credentials(&document, kinds, &mut found);
    triggers(&document, trigger, &mut found);
    deprecated(&document, kinds, &mut found);
    warnings(&document, kinds, &mut found);
    pinned::problems(&document, kinds, &mut found);
    // What could not be read was told by the schema; what follows from that is noise.
    found.retain(|problem| !unreadable.iter().any(|part| problem.path.starts_with(part)));
    problems.extend(found);
    in_order(&mut problems);
    // The last word is that of the reader which a save goes through.
    if !has_errors(&problems)
        && let Err(why) = serde_json::from_value::<Document>(value)
    {
        let hint = "the message names the value; write one of the wanted kind".to_owned();
        problems.push(error("", "UNREADABLE", plain(&why.to_string()), Some(hint)));
    }
    for problem in &mut problems {
        problem.hint.get_or_insert_with(|| what_to_do(&problem.code).to_owned());
    }
    let mut seen = std::collections::BTreeSet::new();
    problems.retain(|p| seen.insert((p.path.clone(), p.code.clone(), p.message.clone())));
    problems
}

/// First the errors, then the warnings, both as their places follow each other in a document.
pub(super) fn in_order(problems: &mut [Problem]) {
    const PARTS: [&str; 7] =
        ["name", "description", "nodes", "connections", "triggers", "variables", "settings"];
    problems.sort_by_cached_key(|problem| {
        let end = problem.path.find(['.', '[']).unwrap_or(problem.path.len());
        let (part, rest) = problem.path.split_at(end);
        let index = rest.strip_prefix('[').and_then(|rest| rest.split(']').next());
        let part = PARTS.iter().position(|known| *known == part).unwrap_or(PARTS.len());
        let index = index.and_then(|index| index.parse::<usize>().ok());
        (problem.severity == Severity::Warning, part, index)
    });
}

/// What to do about a problem whose finder has nothing more precise to say.
fn what_to_do(code: &str) -> &'static str {
    match code {
        "DUPLICATE_NAME" | "DUPLICATE_ID" => "give one of them another name",
        "EMPTY" | "MISSING" | "MISSING_MEMBER" => "add what is missing",
        "BAD_SCHEDULE" | "BAD_CRON" => "try it first: `a2n schedule preview`",
        "UNKNOWN_MEMBER" => "remove it, or see docs/nodes.md for what is known",
        _ => "docs/nodes.md and examples/ show what is meant",
    }
}

/// Whether a problem among these stops a save.
pub fn has_errors(problems: &[Problem]) -> bool {
    problems.iter().any(|problem| problem.severity == Severity::Error)
}

/// The document as far as it can be read, and the paths of the parts that can't.
fn readable(value: &Value) -> (Document, Vec<String>) {
    if let Ok(document) = serde_json::from_value(value.clone()) {
        return (document, Vec::new());
    }
    let mut unreadable = Vec::new();
    let list = |name: &str| value[name].as_array().cloned().unwrap_or_default();
    let mut nodes = Vec::new();
    for (i, node) in list("nodes").iter().enumerate() {
        let read = lenient::<Node>(node, &["id", "type"]);
        nodes.push(read.unwrap_or_else(|| {
            unreadable.push(format!("nodes[{i}]"));
            lenient(&json!({"id": format!("nodes[{i}]"), "type": ""}), &[]).expect("a node")
        }));
    }
    let mut connections = Vec::new();
    for (i, connection) in list("connections").iter().enumerate() {
        let read = lenient::<Connection>(connection, &["source", "target"]);
        connections.push(read.unwrap_or_else(|| {
            unreadable.push(format!("connections[{i}]"));
            let (source, target) = (format!("connections[{i}]"), String::new());
            let (source_handle, target_handle) = (String::new(), String::new());
            Connection { source, target, source_handle, target_handle }
        }));
    }
    let mut triggers = Vec::new();
    for (i, trigger) in list("triggers").iter().enumerate() {
        let read = lenient::<DocumentTrigger>(trigger, &["type", "name"]);
        triggers.push(read.unwrap_or_else(|| {
            unreadable.push(format!("triggers[{i}]"));
            lenient(&json!({"type": "MANUAL", "name": format!("triggers[{i}]")}), &[])
                .expect("a trigger")
        }));
    }
    let document = Document {
        name: value["name"].as_str().unwrap_or("?").to_owned(),
        description: None,
        nodes,
        connections,
        triggers,
        variables: lenient(&value["variables"], &[]).unwrap_or_default(),
        settings: lenient(&value["settings"], &[]).unwrap_or_default(),
        tags: Vec::new(),
        category: None,
        visibility: None,
    };
    (document, unreadable)
}

/// A part without the members that do not fit; none where one of `needed` does not.
fn lenient<T: DeserializeOwned>(value: &Value, needed: &[&str]) -> Option<T> {
    if let Ok(whole) = serde_json::from_value(value.clone()) {
        return Some(whole);
    }
    let members = value.as_object()?;
    let mut kept = serde_json::Map::new();
    for name in needed {
        kept.insert((*name).to_owned(), members.get(*name)?.clone());
    }
    serde_json::from_value::<T>(Value::Object(kept.clone())).ok()?;
    for (name, member) in members {
        let mut with = kept.clone();
        with.insert(name.clone(), member.clone());
        if serde_json::from_value::<T>(Value::Object(with.clone())).is_ok() {
            kept = with;
        }
    }
    serde_json::from_value(Value::Object(kept)).ok()
}

fn over_limit(document: &Document, limits: Limits, found: &mut Vec<Problem>) {
    if document.nodes.len() > limits.nodes {
        let (is, most) = (document.nodes.len(), limits.nodes);
        let message = format!("the document has {is} nodes, more than {most}");
        let hint = "split it into several workflows".to_owned();
        found.push(error("nodes", "LIMIT", message, Some(hint)));
    }
}

fn nameless(document: &Document, found: &mut Vec<Problem>) {
    let name = &document.name;
    if name.trim().is_empty() || name.chars().count() > 200 || name.chars().any(char::is_control) {
        let hint = "use 1 to 200 characters in one line".to_owned();
        let message = "this is not a name for a workflow".to_owned();
        found.push(error("name", "BAD_NAME", message, Some(hint)));
    }
    if name.contains('/') {
        let hint = format!(
            "a name behind `/` is that of another user's workflow; write `{}`",
            name.replace('/', "-")
        );
        let message = "a name with `/` would be taken for OWNER/NAME".to_owned();
        found.push(error("name", "BAD_NAME", message, Some(hint)));
    }
    if !name.trim().is_empty() && name.trim() != name {
        let hint = format!("write `{}`", name.trim());
        let message = "a name that begins or ends with a blank can't be told apart".to_owned();
        found.push(error("name", "BAD_NAME", message, Some(hint)));
    }
    if name.parse::<WorkflowId>().is_ok() {
        let hint = "use a name that people can say".to_owned();
        let message = "a name that looks like an id would be taken for one".to_owned();
        found.push(error("name", "BAD_NAME", message, Some(hint)));
    }
    if document.nodes.is_empty() {
        let message = "the workflow has no nodes; running it does nothing".to_owned();
        found.push(warning("nodes", "EMPTY", message, None));
    }
}

/// Each node's configuration against its definition.
fn configurations(document: &Document, kinds: &dyn Kinds, found: &mut Vec<Problem>) {
    let mut schemas: BTreeMap<&str, Option<Schema>> = BTreeMap::new();
    for (number, node) in document.nodes.iter().enumerate() {
        let Some(kind) = kinds.find(&node.kind) else { continue };
        let path = format!("nodes[{number}].config");
        let schema =
            schemas.entry(&node.kind).or_insert_with(|| Schema::new(kind.settings_schema()));
        let mut told: Vec<Problem> = Vec::new();
        for (below, message, hint) in kind.check_config(&node.config) {
            let path = if below.is_empty() { path.clone() } else { format!("{path}.{below}") };
            told.push(error(&path, "CONFIG", message, hint));
        }
        if let Some(schema) = schema {
            let by_schema = schema.check(&path, &node.config).into_iter();
            // The definition says the same of a value in words of its own.
            let news = by_schema.filter(|fault| told.iter().all(|own| own.path != fault.path));
            let news: Vec<Problem> = news.collect();
            told.splice(..0, news);
        }
        for problem in &mut told {
            let hint = problem.hint.take().unwrap_or_else(|| SEE_NODE.to_owned());
            problem.hint =
                Some(hint.replace("node show TYPE", &format!("node show {}", kind.name())));
        }
        found.append(&mut told);
    }
}

/// Credentials that a definition can't do without.
fn credentials(document: &Document, kinds: &dyn Kinds, found: &mut Vec<Problem>) {
    for (number, node) in document.nodes.iter().enumerate() {
        let Some(needed) = kinds.find(&node.kind).map(|kind| kind.credentials()) else { continue };
        if needed.required && node.credentials.is_empty() {
            found.push(error(
                &format!("nodes[{number}].credentials"),
                "MISSING_CREDENTIAL",
                format!("node `{}` ({}) needs a credential", node.id, node.kind),
                Some(format!("name one of type {}", needed.types.join(" or "))),
            ));
        }
    }
}

fn deprecated(document: &Document, kinds: &dyn Kinds, found: &mut Vec<Problem>) {
    for (number, node) in document.nodes.iter().enumerate() {
        let Some(kind) = kinds.find(&node.kind).filter(|kind| kind.is_deprecated()) else {
            continue;
        };
        let (id, name, version) = (&node.id, kind.name(), kind.version());
        found.push(warning(
            &format!("nodes[{number}].type"),
            "DEPRECATED",
            format!("node `{id}` uses {name}@{version}, which is deprecated"),
            Some("it goes on working; take a newer definition for new workflows".to_owned()),
        ));
    }
}

fn triggers(document: &Document, check: TriggerCheck<'_>, found: &mut Vec<Problem>) {
    for (number, trigger) in document.triggers.iter().enumerate() {
        for mut problem in check(trigger) {
            let path = format!("triggers[{number}]");
            problem.path =
                if problem.path.is_empty() { path } else { format!("{path}.{}", problem.path) };
            found.push(problem);
        }
    }
}

/// Whether a failure of a node is caught: it is in what a `try` watches over, whose handle `catch` leads
/// somewhere.
fn is_caught(document: &Document, parts: &Regions, number: usize) -> bool {
    let catches = |entry: usize| {
        let id = document.nodes.get(entry).map(|node| &node.id);
        document.connections.iter().any(|c| Some(&c.source) == id && c.source_handle == CATCH)
    };
    let mut part = parts.of.get(number).copied().unwrap_or(0);
    while part != 0 {
        let region = &parts.all[part];
        if region.kind == RegionKind::Watched && catches(region.entry) {
            return true;
        }
        part = region.parent;
    }
    false
}

fn warnings(document: &Document, kinds: &dyn Kinds, found: &mut Vec<Problem>) {
    let settings = &document.settings;
    let told = settings.error_workflow.is_some() || settings.notifications.on_failure;
    let policy = settings.retry_policy.as_ref().is_some_and(|p| p.enabled && p.max_retries > 0);
    let parts = regions(document, kinds);
    for (number, node) in document.nodes.iter().enumerate() {
        let Some(kind) = kinds.find(&node.kind) else { continue };
        let repeat = node.repeat.unwrap_or_else(|| kind.repeat(&node.config));
        if repeat != Repeat::Once || node.disabled {
            continue;
        }
        let id = &node.id;
        let handled = told || is_caught(document, &parts, number);
        if node.on_error.is_none() && node.retry.is_none() && !handled {
            found.push(warning(
                &format!("nodes[{number}].onError"),
                "NO_ERROR_HANDLING",
                format!("node `{id}` is never repeated, and nothing says what happens if it fails"),
                Some("set onError (STOP fails the execution) or retry".to_owned()),
            ));
        }
        if policy && node.retry.is_none() {
            found.push(warning(
                &format!("nodes[{number}].retry"),
                "RETRY_POLICY_ONCE",
                format!("settings.retryPolicy does not apply to node `{id}`, which is ONCE"),
                Some("give the node a retry of its own".to_owned()),
            ));
        }
    }
    let Concurrency { max_instances, policy, max_queued } = &settings.concurrency;
    let (allows, queues) =
        (*policy == ConcurrencyPolicy::Allow, *policy == ConcurrencyPolicy::Queue);
    let useless = match (max_instances, max_queued) {
        (Some(_), _) if allows => Some(("maxInstances", "policy ALLOW starts them all")),
        (None, _) if !allows => Some(("policy", "without maxInstances nothing is limited")),
        (_, Some(_)) if !queues => Some(("maxQueued", "only policy QUEUE has a queue")),
        _ => None,
    };
    if let Some((member, why)) = useless {
        found.push(warning(
            &format!("settings.concurrency.{member}"),
            "CONCURRENCY_WITHOUT_EFFECT",
            format!("settings.concurrency.{member} has no effect: {why}"),
            Some("for example {maxInstances: 1, policy: QUEUE}".to_owned()),
        ));
    }
    for (number, trigger) in document.triggers.iter().enumerate() {
        let kind = trigger.configuration["webhook"]["authentication"]["type"].as_str();
        if trigger.kind == TriggerType::Webhook && matches!(kind, None | Some("NONE")) {
            found.push(warning(
                &format!("triggers[{number}].configuration.webhook.authentication"),
                "WEBHOOK_OPEN",
                format!("webhook `{}` takes requests from anyone", trigger.name),
                Some("set authentication to API_KEY, BASIC, BEARER or HMAC".to_owned()),
            ));
        }
    }
}

fn warning(path: &str, code: &str, message: String, hint: Option<String>) -> Problem {
    Problem { severity: Severity::Warning, ..error(path, code, message, hint) }
}

#[cfg(test)]
mod tests;
