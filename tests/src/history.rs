//! The history checker: what was seen from outside while A2N ran, held against what is there in the
//! end. The simulation and the tests on real processes fill it in and ask the same questions.
//!
//! Nothing acknowledged is lost, nothing is recorded twice, nothing that may happen once began
//! again by itself, and the feed told everything that is so.

use std::collections::{BTreeMap, BTreeSet};

use a2n_proto::execution::{Execution, ExecutionNodeState, ExecutionStatus, NodeStatus};
use a2n_proto::workflow::{ConcurrencyPolicy, Workflow};
use a2n_proto::{Change, ChangeKind, ExecutionId, WorkflowId};
use serde_json::{Map, Value};

/// What was seen from outside.
#[derive(Debug, Default)]
pub struct History {
    /// Executions that were acknowledged, with the caller's idempotency key.
    pub accepted: Vec<(String, ExecutionId)>,
    /// Executions whose end was told, and which.
    pub ended: BTreeMap<ExecutionId, ExecutionStatus>,
    /// Attempts that began in the world, in their order.
    pub begun: Vec<Begun>,
    /// Nodes, each with its iteration, of which a person said how they ended, where that was not known.
    pub answered: BTreeSet<(ExecutionId, String, String)>,
    /// The feed from its first change on, as subscribers got it.
    pub feed: Vec<Change>,
}

/// An attempt that began in the world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begun {
    /// The execution.
    pub execution: ExecutionId,
    /// The node's id.
    pub node: String,
    /// Path of loop iterations, empty outside loops.
    pub iteration: String,
    /// The item's index; 0 where all items are one unit.
    pub item: u32,
    /// The attempt's number.
    pub attempt: u32,
    /// Whether it may not be repeated without a recorded failure or a person's word.
    pub once: bool,
}

/// What is there in the end.
#[derive(Debug, Default)]
pub struct Found {
    /// Every execution.
    pub executions: Vec<Execution>,
    /// Every node of every execution, with its units.
    pub nodes: Vec<ExecutionNodeState>,
    /// Every workflow, with its counters.
    pub workflows: Vec<Workflow>,
}

/// What an attempt is said to have ended with when nobody saw its end.
const NOT_KNOWN: &str = "not known";

impl History {
    /// Everything that does not fit together; each in one line.
    pub fn problems(&self, found: &Found) -> Vec<String> {
        let mut wrong = Vec::new();
        self.acknowledged(found, &mut wrong);
        self.begun(found, &mut wrong);
        self.told(found, &mut wrong);
        self.placed(found, &mut wrong);
        counted(found, &mut wrong);
        wrong
    }

    /// No acknowledged execution is lost, none is recorded twice, an end stays the end.
    fn acknowledged(&self, found: &Found, wrong: &mut Vec<String>) {
        let mut by_key: BTreeMap<&str, Vec<ExecutionId>> = BTreeMap::new();
        let mut by_id: BTreeMap<ExecutionId, &Execution> = BTreeMap::new();
        for execution in &found.executions {
            if by_id.insert(execution.id, execution).is_some() {
                wrong.push(format!("execution {} is there twice", execution.id));
            }
            if let Some(key) = &execution.metadata.idempotency_key {
                by_key.entry(key).or_default().push(execution.id);
            }
        }
        for (key, ids) in by_key.iter().filter(|(_, ids)| ids.len() > 1) {
            wrong.push(format!("key {key} was recorded {} times: {ids:?}", ids.len()));
        }
        for (key, id) in &self.accepted {
            if !by_id.contains_key(id) {
                wrong.push(format!("execution {id} (key {key}) was acknowledged and is lost"));
            } else if by_key.get(key.as_str()).is_none_or(|ids| !ids.contains(id)) {
                wrong.push(format!("execution {id} was acknowledged for key {key}, which it lost"));
            }
        }
        for (id, status) in &self.ended {
            let now = by_id.get(id).map(|execution| execution.status);
            if now != Some(*status) {
                wrong.push(format!("execution {id} was told to be {status:?} and is {now:?}"));
            }
        }
    }

    /// What began was recorded before, began once, and was not begun again by itself.
    fn begun(&self, found: &Found, wrong: &mut Vec<String>) {
        let mut nodes: BTreeMap<(ExecutionId, &str, &str), &ExecutionNodeState> = BTreeMap::new();
        for node in &found.nodes {
            nodes.insert((node.execution_id, &node.node_id, &node.iteration), node);
        }
        let mut seen = BTreeSet::new();
        // An attempt that is known never to have begun is no reason against the next one.
        let mut last: BTreeMap<(&ExecutionId, &String, &String, &u32), u32> = BTreeMap::new();
        for one in &self.begun {
            let Begun { execution, node, iteration, item, attempt, once } = one;
            let name = format!("{execution}/{node}[{iteration}]#{item} attempt {attempt}");
            if !seen.insert((execution, node, iteration, item, attempt)) {
                wrong.push(format!("{name} began twice"));
            }
            let row = nodes.get(&(*execution, node.as_str(), iteration.as_str()));
            let unit = row.and_then(|row| row.units.iter().find(|unit| unit.item == *item));
            let attempts = unit.map(|unit| unit.attempts.as_slice()).unwrap_or_default();
            if attempts.iter().all(|recorded| recorded.n != *attempt) {
                wrong.push(format!("{name} began and is not recorded"));
            }
            let key = (execution, node, iteration, item);
            let Some(earlier) = last.insert(key, *attempt) else { continue };
            let answered = (*execution, node.clone(), iteration.clone());
            if !once || self.answered.contains(&answered) {
                continue;
            }
            if row.is_some_and(|row| row.max_retries == 0) {
                wrong.push(format!("{name} began without a retry of its own"));
            }
            let before = attempts.iter().find(|recorded| recorded.n == earlier);
            let failed = before.and_then(|before| before.error.as_deref());
            if failed.is_none_or(|error| error.contains(NOT_KNOWN)) {
                wrong.push(format!(
                    "{name} began although the one before had no known failure: {failed:?}"
                ));
            }
        }
    }

    /// Of a workflow with a limit never more were under way at once, as the feed tells it.
    fn placed(&self, found: &Found, wrong: &mut Vec<String>) {
        let by_id: BTreeMap<ExecutionId, &Execution> =
            found.executions.iter().map(|one| (one.id, one)).collect();
        let limits: BTreeMap<WorkflowId, usize> = found
            .workflows
            .iter()
            .filter(|one| one.settings.concurrency.policy != ConcurrencyPolicy::Allow)
            .filter_map(|one| Some((one.id, one.settings.concurrency.max_instances? as usize)))
            .collect();
        let mut under_way: BTreeMap<WorkflowId, BTreeSet<ExecutionId>> = BTreeMap::new();
        for change in self.feed.iter().filter(|change| change.entity == "execution") {
            let Some(one) = change.execution_id.and_then(|id| by_id.get(&id)) else { continue };
            let Some(limit) = limits.get(&one.workflow_id) else { continue };
            // It shares the place of the one that started it.
            let parent = one.parent_execution_id.and_then(|id| by_id.get(&id));
            if parent.is_some_and(|parent| parent.workflow_id == one.workflow_id) {
                continue;
            }
            let Ok(fields) = serde_json::from_str::<Value>(change.fields.as_str()) else {
                continue;
            };
            let own = under_way.entry(one.workflow_id).or_default();
            match fields["status"].as_str() {
                Some("SUCCESS" | "FAILED" | "CANCELLED") => {
                    own.remove(&one.id);
                }
                Some("RUNNING") => {
                    own.insert(one.id);
                }
                _ => {}
            }
            if own.len() > *limit {
                wrong.push(format!(
                    "change {}: {} executions of {} at once, {limit} are allowed: {own:?}",
                    change.seq,
                    own.len(),
                    one.workflow_name
                ));
                return;
            }
        }
    }

    /// The feed has no gap and no double, and folds to what is there.
    fn told(&self, found: &Found, wrong: &mut Vec<String>) {
        let mut rows: BTreeMap<(&str, &str), Map<String, Value>> = BTreeMap::new();
        let mut revisions: BTreeMap<&str, u64> = BTreeMap::new();
        for (change, seq) in self.feed.iter().zip(1_u64..) {
            if change.seq != seq {
                wrong.push(format!("change {seq} of the feed has number {}", change.seq));
                return;
            }
            let key = (change.entity.as_str(), change.id.as_str());
            if change.entity == "execution" {
                let created = change.change == ChangeKind::Created;
                if created == rows.contains_key(&key) {
                    wrong.push(format!("change {seq}: {} {:?}", change.id, change.change));
                }
                let before = revisions.insert(&change.id, change.revision);
                if before.is_some_and(|before| before > change.revision) {
                    wrong.push(format!("change {seq}: the revision of {} went back", change.id));
                }
            }
            if let Ok(Value::Object(fields)) = serde_json::from_str(change.fields.as_str()) {
                rows.entry(key).or_default().extend(fields);
            }
        }
        for execution in &found.executions {
            let id = execution.id.to_string();
            compare(&rows, ("execution", &id), execution, &[], wrong);
        }
        let ended: BTreeSet<ExecutionId> = found
            .executions
            .iter()
            .filter(|execution| execution.status.is_ended())
            .map(|execution| execution.id)
            .collect();
        for node in found.nodes.iter().filter(|node| node.status != NodeStatus::Pending) {
            // What a node waits for is told when it begins to wait; only its end takes it back.
            let unsure: &[&str] =
                if ended.contains(&node.execution_id) { &[] } else { &["waiting"] };
            compare(&rows, ("executionNodeState", &node.id), node, unsure, wrong);
        }
    }
}

/// Executions that have not ended and don't say why. One that has not begun waits for another one of
/// its workflow.
pub fn stuck(executions: &[Execution]) -> Vec<String> {
    let open = executions.iter().filter(|execution| !execution.status.is_ended());
    let runs = |workflow| {
        let mut begun = executions.iter().filter(|one| one.start_time.is_some());
        begun.any(|one| one.workflow_id == workflow && !one.status.is_ended())
    };
    open.filter(|execution| execution.paused_reason.is_none())
        .filter(|one| one.start_time.is_some() || !runs(one.workflow_id))
        .map(|execution| {
            format!("execution {} is {:?} for no known reason", execution.id, execution.status)
        })
        .collect()
}

fn compare<T: serde::Serialize>(
    told: &BTreeMap<(&str, &str), Map<String, Value>>,
    key: (&str, &str),
    row: &T,
    unsure: &[&str],
    wrong: &mut Vec<String>,
) {
    let Some(told) = told.get(&key) else {
        wrong.push(format!("the feed never told of {} {}", key.0, key.1));
        return;
    };
    let row = serde_json::to_value(row).expect("our types are JSON");
    for (member, value) in told.iter().filter(|(member, _)| !unsure.contains(&member.as_str())) {
        if row.get(member) != Some(value) {
            wrong.push(format!(
                "{} {}: the feed says {member} is {value}, the store {:?}",
                key.0,
                key.1,
                row.get(member)
            ));
        }
    }
    if !told.contains_key("status") {
        wrong.push(format!("the feed never told the status of {} {}", key.0, key.1));
    }
}

/// A workflow's counters are its ended executions.
fn counted(found: &Found, wrong: &mut Vec<String>) {
    for workflow in &found.workflows {
        let of = |status: Option<ExecutionStatus>| {
            let own = found.executions.iter().filter(|one| one.workflow_id == workflow.id);
            own.filter(|one| one.status.is_ended() && status.is_none_or(|s| s == one.status))
                .count() as u64
        };
        let told = (workflow.execution_count, workflow.success_count, workflow.failure_count);
        let is = (of(None), of(Some(ExecutionStatus::Success)), of(Some(ExecutionStatus::Failed)));
        if told != is {
            wrong.push(format!(
                "workflow {} counts (ended, success, failed) {told:?}, its executions are {is:?}",
                workflow.name
            ));
        }
    }
}
