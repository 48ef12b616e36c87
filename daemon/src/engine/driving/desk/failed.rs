//! Error workflows: the write that ends a failed execution notes that one is to be started, the write
//! that accepts it takes the note away. A note that a crash left is found at the next start.

use a2n_proto::execution::{Execution, ExecutionMetadata};
use a2n_proto::workflow::Workflow;
use a2n_proto::{ExecutionId, Json};
use serde_json::json;

use super::child::{AGAIN, Begun, id_from, named, not_started, unable};
use crate::engine::driving::handle::{Admission, Within};
use crate::engine::driving::start::{Starter, Version, Wanted};
use crate::engine::execution::Parent;
use crate::engine::kind::{Handles, Outcome};
use crate::store::{self, Origin, execution, execution_failed, workflow};

pub(super) fn begin(starter: &Starter, failed: ExecutionId) {
    let starter = starter.clone();
    tokio::spawn(async move {
        loop {
            match attempt(&starter, failed).await {
                Begun::Done => return,
                Begun::Told(Ok(_)) => return forget(&starter, failed),
                Begun::Told(Err(error)) => {
                    tracing::warn!(execution_id = %failed, %error, "error workflow not started");
                    return forget(&starter, failed);
                }
                Begun::Later => starter.system.clock.sleep(AGAIN).await,
            }
        }
    });
}

pub(super) fn begin_all(starter: &Starter) {
    let noted = starter.store.read().and_then(|read| execution_failed::list(&read));
    match noted {
        Ok(noted) => noted.into_iter().for_each(|failed| begin(starter, failed)),
        Err(error) => tracing::error!(%error, "notes of failed executions not read"),
    }
}

/// What is to be done for a failed execution.
struct Due {
    failed: Execution,
    handler: Workflow,
    depth: u32,
}

async fn attempt(starter: &Starter, id: ExecutionId) -> Begun {
    let nothing = || Begun::Told(Ok(Outcome::Items(Handles::new())));
    let noted = starter.store.read().and_then(|read| execution_failed::get(&read, id));
    let name = match noted {
        Ok(Some(name)) => name,
        Ok(None) => return nothing(),
        Err(error) => return unable("", &error),
    };
    let due = match look(starter, id, &name) {
        Ok(Some(due)) => due,
        Ok(None) => return nothing(),
        Err(error) => return unable(&name, &error),
    };
    let Due { failed, handler, depth } = due;
    let inputs = told(&failed);
    let parent = Parent { execution: id, asker: None, depth: depth + 1, handles_error: true };
    let context = Json::from(json!({"handlesError": true, "depth": parent.depth}));
    let wanted = Wanted {
        version: Version::Published,
        user: handler.user_id,
        workflow: handler,
        payload: inputs.clone(),
        inputs,
        trigger_data: Json::null(),
        trigger: None,
        priority: failed.priority,
        metadata: ExecutionMetadata {
            source: Some("ERROR_WORKFLOW".to_owned()),
            correlation_id: failed.metadata.correlation_id.clone(),
            ..ExecutionMetadata::default()
        },
        waiter: None,
    };
    let own = id_from(failed.end_time.unwrap_or(failed.updated_at), &format!("error/{id}"));
    let within: Within = Box::new(move |tx| {
        let noted = execution_failed::remove(tx, id)?;
        Ok(if noted { Admission::New } else { Admission::Already(own) })
    });
    let origin = Origin::daemon(starter.system.now(), "ENGINE");
    match starter.start_child(wanted, own, parent, context, origin, Some(within)).await {
        Ok(_) => Begun::Done,
        Err(error) => not_started(&name, &error),
    }
}

/// What a note asks for; none where there is nothing to do.
fn look(starter: &Starter, id: ExecutionId, name: &str) -> Result<Option<Due>, store::Error> {
    let read = starter.store.read()?;
    let Some(failed) = execution::get(&read, id)? else { return Ok(None) };
    let Some(own) = workflow::head(&read, failed.workflow_id)? else { return Ok(None) };
    // Its failures are its owner's business, whoever ran it.
    let handler = named(&read, own.user_id, own.user_id, starter.system.now(), name)?;
    // One that names itself is started for others that fail, never for its own.
    if handler.id == own.id {
        return Ok(None);
    }
    let depth = failed.context_data.to_value()["depth"].as_u64().unwrap_or(0);
    let depth = u32::try_from(depth).unwrap_or(u32::MAX - 1);
    Ok(Some(Due { failed, handler, depth }))
}

/// The failed execution as the inputs of the one that handles it.
fn told(failed: &Execution) -> Json {
    let details = failed.error_details.as_ref();
    #[derive(serde::Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Failed<'f> {
        id: ExecutionId,
        workflow: &'f str,
        workflow_id: a2n_proto::WorkflowId,
        version: u32,
        start_time: Option<a2n_proto::Timestamp>,
        end_time: Option<a2n_proto::Timestamp>,
        error: Error<'f>,
        inputs: &'f Json,
        trigger: &'f Json,
    }
    #[derive(serde::Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Error<'f> {
        message: Option<&'f str>,
        code: Option<&'f str>,
        node_id: Option<&'f str>,
    }
    Json::of(&Failed {
        id: failed.id,
        workflow: &failed.workflow_name,
        workflow_id: failed.workflow_id,
        version: failed.workflow_version,
        start_time: failed.start_time,
        end_time: failed.end_time,
        error: Error {
            message: failed.error_message.as_deref(),
            code: details.map(|details| details.code.as_str()),
            node_id: details.and_then(|details| details.node_id.as_deref()),
        },
        inputs: &failed.input_data,
        trigger: &failed.trigger_data,
    })
}

fn forget(starter: &Starter, failed: ExecutionId) {
    let origin = Origin::daemon(starter.system.now(), "ENGINE");
    let remove = move |tx: &mut store::Tx<'_>| execution_failed::remove(tx, failed);
    // Left where that fails, the note is looked at again at the next start.
    starter.store.hand_over(origin, remove, |_| {});
}
