//! Child executions: one per attempt, under an id that follows from it, so that asking twice finds the
//! first. Its end is the answer; the driver brings it when it is committed.

use std::collections::BTreeMap;
use std::time::Duration;

use a2n_proto::api::auth::Via;
use a2n_proto::execution::{Execution, ExecutionMetadata, ExecutionStatus};
use a2n_proto::workflow::{SharePermission, Workflow};
use a2n_proto::{ExecutionId, Json, Timestamp, UserId, WorkflowId};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::asking::{Asked, Desk, is_for_good};
use crate::engine::driving::handle::{Accepted, Error as EngineError};
use crate::engine::driving::start::{Error as StartError, Starter, Version, Wanted};
use crate::engine::execution::{Parent, UnitKey};
use crate::engine::job::JobKey;
use crate::engine::kind::{Handles, Item, NodeError, Outcome};
use crate::engine::request::Reply;
use crate::engine::request::child::ChildRequest;
use crate::store::view::{check_workflow, find_workflow};
use crate::store::{self, Caller, Origin, Read, execution, user, workflow};

/// How many executions may stand above another one.
const DEEPEST: u32 = 16;
/// How long after a start that could not be stored it is tried again.
pub(super) const AGAIN: Duration = Duration::from_secs(1);

/// What became of a start.
pub(super) enum Begun {
    /// There is an answer.
    Told(Reply),
    /// It runs, or nobody wants it any more, or the next start of the daemon goes on.
    Done,
    /// It could not be stored now.
    Later,
}

pub(super) fn ask(desk: &Desk, asked: Asked, request: ChildRequest) {
    let (starter, tell) = (desk.starter.clone(), desk.teller(asked.key.clone()));
    let most = desk.tuning.borrow().max_input_bytes;
    tokio::spawn(async move {
        loop {
            match begin(&starter, &asked, &request, most).await {
                Begun::Told(reply) => return tell(Ok(Some(reply))),
                Begun::Done => return,
                Begun::Later => starter.system.clock.sleep(AGAIN).await,
            }
        }
    });
}

/// The execution that an attempt has started, or will.
pub(in crate::engine::driving) fn child_of(key: &JobKey, asked_at: Timestamp) -> ExecutionId {
    let JobKey { execution, node, iteration, item, attempt } = key;
    let item = item.map_or_else(|| "all".to_owned(), |item| item.to_string());
    id_from(asked_at, &format!("{execution}/{node}/{iteration}/{item}/{attempt}"))
}

/// An id that is the same whenever it is asked for.
pub(super) fn id_from(at: Timestamp, text: &str) -> ExecutionId {
    let hash = Sha256::digest(text.as_bytes());
    let mut random = [0; 10];
    random.copy_from_slice(&hash[..10]);
    ExecutionId::from_parts(u64::try_from(at.as_unix_ms()).unwrap_or(0), random)
}

async fn begin(starter: &Starter, asked: &Asked, request: &ChildRequest, most: usize) -> Begun {
    let id = child_of(&asked.key, asked.at);
    let found = match look(starter, asked, request, id) {
        Ok(Look::There(child)) => return there(&child, request),
        Ok(Look::ToStart(workflow)) => *workflow,
        Err(error) => return unable(&request.workflow, &error),
    };
    if asked.depth >= DEEPEST {
        let message = format!(
            "{DEEPEST} executions stand above this one already; `{}` would be one more",
            found.name
        );
        return Begun::Told(Err(NodeError::new("DEPTH", message)));
    }
    if request.inputs.size_bytes() > most {
        let size = request.inputs.size_bytes();
        let message = format!("`inputs` have {size} bytes; {most} are allowed");
        return Begun::Told(Err(NodeError::new("LIMIT", message)));
    }
    let told = detached(id, &found);
    let parent = Parent {
        execution: asked.key.execution,
        asker: (!request.detach).then(|| (UnitKey::of(&asked.key), asked.key.attempt)),
        depth: asked.depth + 1,
        handles_error: asked.handles_error,
    };
    let wanted = Wanted {
        version: request.version.map_or(Version::Published, Version::Exactly),
        workflow: found,
        payload: request.inputs.clone(),
        inputs: request.inputs.clone(),
        trigger_data: Json::null(),
        trigger: None,
        priority: asked.priority,
        user: asked.user,
        metadata: ExecutionMetadata {
            source: Some("WORKFLOW".to_owned()),
            correlation_id: asked.correlation_id.clone(),
            ..ExecutionMetadata::default()
        },
        waiter: None,
    };
    let origin = Origin::daemon(starter.system.now(), "ENGINE");
    let context = context(&asked.key, &parent);
    match starter.start_child(wanted, id, parent, context, origin, None).await {
        Ok(_) if request.detach => Begun::Told(told),
        Ok(Accepted::New(_) | Accepted::Already(_)) => Begun::Done,
        Err(error) => not_started(&request.workflow, &error),
    }
}

/// Where a child comes from, for those who look at it.
fn context(key: &JobKey, parent: &Parent) -> Json {
    Json::from(json!({
        "nodeId": key.node, "iteration": key.iteration, "item": key.item,
        "attempt": key.attempt, "depth": parent.depth,
    }))
}

enum Look {
    There(Box<Execution>),
    ToStart(Box<Workflow>),
}

fn look(
    starter: &Starter,
    asked: &Asked,
    request: &ChildRequest,
    id: ExecutionId,
) -> Result<Look, store::Error> {
    let read = starter.store.read()?;
    if let Some(child) = execution::get(&read, id)? {
        return Ok(Look::There(Box::new(child)));
    }
    let at = starter.system.now();
    let found = named(&read, asked.owner, asked.user, at, &request.workflow)?;
    Ok(Look::ToStart(Box::new(found)))
}

/// The workflow that an owner's document means, where this user may run it.
pub(super) fn named(
    read: &impl Read,
    owner: UserId,
    user: UserId,
    at: Timestamp,
    reference: &str,
) -> Result<Workflow, store::Error> {
    let by_id = reference.parse::<WorkflowId>().ok();
    let id = match by_id {
        Some(id) if workflow::head(read, id)?.is_some() => id,
        _ => find_workflow(read, &caller(read, owner)?, at, reference)?,
    };
    check_workflow(read, &caller(read, user)?, at, id, SharePermission::Execute)
}

fn caller(read: &impl Read, id: UserId) -> Result<Caller, store::Error> {
    let row = user::require(read, id)?;
    Ok(Caller { user: row.id, name: row.name, role: row.role, uid: None, via: Via::Unix })
}

fn there(child: &Execution, request: &ChildRequest) -> Begun {
    if request.detach {
        let id = child.id;
        return Begun::Told(told_of(id, child.workflow_id, &child.workflow_name));
    }
    // While it has not ended, its end is still to come.
    if child.status.is_ended() { Begun::Told(reply_of(child)) } else { Begun::Done }
}

fn detached(id: ExecutionId, workflow: &Workflow) -> Reply {
    told_of(id, workflow.id, &workflow.name)
}

fn told_of(id: ExecutionId, workflow: WorkflowId, name: &str) -> Reply {
    let item = json!({"executionId": id, "workflowId": workflow, "workflow": name});
    Ok(Outcome::Items(Handles::from([("output".to_owned(), vec![Json::from(item)])])))
}

/// What the end of a child is to the attempt that waits for it.
pub(in crate::engine::driving) fn reply_of(child: &Execution) -> Reply {
    let Execution { id, workflow_name, .. } = child;
    let why = child.error_message.as_deref().unwrap_or("it gave no reason");
    match child.status {
        ExecutionStatus::Success => {
            let items = items(child).map_err(|node| {
                let message = format!(
                    "what node `{node}` of execution {id} of `{workflow_name}` gave is larger than \
                     engine.outputKeptBytes; hand on a path or an attachment instead"
                );
                NodeError::new("TOO_LARGE", message)
            })?;
            Ok(Outcome::Items(Handles::from([("output".to_owned(), items)])))
        }
        ExecutionStatus::Cancelled => {
            let message = format!("execution {id} of `{workflow_name}` was cancelled: {why}");
            Err(NodeError::new("WORKFLOW_CANCELLED", message))
        }
        _ => {
            let message = format!("execution {id} of `{workflow_name}` failed: {why}");
            Err(NodeError::new("WORKFLOW_FAILED", message))
        }
    }
}

/// The items of the last nodes, by node and handle; the node whose items were cut away where one's
/// were.
fn items(child: &Execution) -> Result<Vec<Item>, String> {
    let nodes: BTreeMap<String, Json> = child.output_data.to().unwrap_or_default();
    let mut items = Vec::new();
    for (node, handles) in nodes {
        let Ok(handles) = handles.to::<BTreeMap<String, Vec<Json>>>() else { return Err(node) };
        items.extend(handles.into_values().flatten());
    }
    Ok(items)
}

pub(super) fn unable(reference: &str, error: &store::Error) -> Begun {
    use store::Error as E;
    let message = match error {
        E::NotFound { .. } => format!("there is no workflow `{reference}`"),
        E::Forbidden { need, .. } => {
            format!("workflow `{reference}` needs the permission {need}")
        }
        E::Ambiguous { candidates, .. } => format!(
            "several workflows are called `{reference}`: write one of {}",
            candidates.join(", ")
        ),
        error if is_for_good(error) => error.to_string(),
        _ => return Begun::Later,
    };
    Begun::Told(Err(NodeError::new("WORKFLOW", message)))
}

pub(super) fn not_started(reference: &str, error: &StartError) -> Begun {
    let message = match error {
        StartError::Engine(ring @ EngineError::Ring { .. }) => {
            let message = format!("`{reference}` did not start: {ring}");
            return Begun::Told(Err(NodeError::new("DEADLOCK", message)));
        }
        StartError::Engine(EngineError::Stopping | EngineError::Unwanted) => return Begun::Done,
        // Found there at the next look, or let in when there is room again.
        StartError::Engine(EngineError::Store(error)) if !is_for_good(error) => {
            return Begun::Later;
        }
        StartError::Engine(EngineError::Overloaded { .. } | EngineError::QueueFull { .. }) => {
            return Begun::Later;
        }
        StartError::Store(error) if !is_for_good(error) => return Begun::Later,
        StartError::Problems(problems) => match problems.first() {
            Some(first) => format!("{error}: {}: {}", first.path, first.message),
            None => error.to_string(),
        },
        other => other.to_string(),
    };
    Begun::Told(Err(NodeError::new("WORKFLOW", format!("`{reference}` did not start: {message}"))))
}
