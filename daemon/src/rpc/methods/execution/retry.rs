//! `execution.retry`: which results are taken over, from where it runs again.

use a2n_proto::api::execution::{RetryFrom, RetryParams};
use a2n_proto::execution::{Execution, ExecutionMetadata};
use a2n_proto::workflow::SharePermission;
use a2n_proto::{ErrorKind, ExecutionId, Json, RpcError};
use serde_json::json;

use crate::engine::driving::handle::{Accepted, Admission};
use crate::engine::driving::start::Version;
use crate::engine::driving::stuck;
use crate::engine::execution::{Parent, Start, State};
use crate::engine::retry;
use crate::rpc::methods::execution_node_state::read;
use crate::rpc::methods::workflow::metadata;
use crate::rpc::once::{Key, Once};
use crate::rpc::{Call, Context};
use crate::store::Tx;

/// Runs an ended execution again, from the start, its failed nodes, or a node.
pub(super) async fn again(
    context: &Context,
    call: &Call,
    params: RetryParams,
) -> Result<Execution, RpcError> {
    let view = context.view(call)?;
    let once = Once::of(context, call, params.idempotency_key.as_deref(), &params).await?;
    if let Some(before) = Once::before(once.as_ref()) {
        return Ok(view.execution(before, SharePermission::View)?);
    }
    let old = view.execution(params.id, SharePermission::Execute)?;
    let workflow = view.workflow(old.workflow_id, SharePermission::Execute)?;
    let from = match params.from.unwrap_or_default() {
        RetryFrom::Start => retry::RetryFrom::Start,
        RetryFrom::FailedNode => retry::RetryFrom::FailedNode,
        RetryFrom::Node(id) => retry::RetryFrom::Node(id),
    };
    if params.inputs.is_some() && from != retry::RetryFrom::Start {
        let message = "other inputs go with from START only";
        return Err(RpcError::new(ErrorKind::Params, message)
            .at("inputs")
            .hint("what is taken over was done with the earlier inputs"));
    }
    let before = match read(context, &view, old.id).await {
        Ok(found) => Ok(found),
        // Nothing of the earlier results is needed, so they may be lost.
        Err(_) if from == retry::RetryFrom::Start && old.status.is_ended() => {
            Err(stuck::beginning(&old, workflow.user_id, params.inputs.as_ref())
                .ok_or_else(lost_inputs)?)
        }
        Err(error) => return Err(error),
    };
    let number = params.version.unwrap_or(old.workflow_version);
    let (number, plan) = context.starter.plan(&workflow, Version::Exactly(number))?;
    let origin = context.origin(call)?;
    let id = ExecutionId::from_bytes(context.system.new_id());
    let began = match &before {
        Ok((_, old_state)) => old_state.start(),
        Err(beginning) => beginning,
    };
    let start = Start {
        execution: id,
        started_by: origin.user,
        version: number,
        created_at: origin.at,
        inputs: params.inputs.clone().unwrap_or_else(|| began.inputs.clone()),
        payload: params.inputs.unwrap_or_else(|| began.payload.clone()),
        retry_of: Some(old.id),
        // Who waited for the earlier one was told of its end.
        parent: began.parent.as_ref().map(Parent::without_asker),
        carried: std::collections::BTreeMap::new(),
        ..began.clone()
    };
    let (start, notes) = match &before {
        Ok((old_plan, old_state)) => {
            retry::again(&plan, old_plan, old_state, &from, start).map_err(refused)?
        }
        Err(_) => (start, vec!["the record of the earlier run is damaged".to_owned()]),
    };
    let (retried, user, key) = (old.id, view.caller().user, Once::key(once.as_ref()));
    let within = Box::new(move |tx: &mut Tx<'_>| {
        if let Admission::Already(before) = Key::admit(key.as_ref(), tx, id)? {
            return Ok(Admission::Already(before));
        }
        let new = Json::from(json!({"retryOf": retried, "userId": user}));
        tx.audit("execution.retry", "execution", id, Json::null(), new);
        Ok(Admission::New)
    });
    let mut header = old.clone();
    header.user_id = user;
    header.metadata = ExecutionMetadata {
        correlation_id: old.metadata.correlation_id.clone(),
        environment: old.metadata.environment.clone(),
        ..metadata(call, "RETRY")
    };
    header.context_data = Json::from(json!({"retryNotes": notes}));
    let state = State::new(start);
    match context.starter.start_retry(&header, plan, state, origin, Some(within)).await? {
        Accepted::New(execution) => Ok(*execution),
        Accepted::Already(id) => Ok(view.execution(id, SharePermission::View)?),
    }
}

fn refused(error: retry::Error) -> RpcError {
    let kind = match error {
        retry::Error::UnknownNode(_) => ErrorKind::NotFound,
        _ => ErrorKind::Precondition,
    };
    RpcError::new(kind, error.to_string()).at("from").hint("START runs everything again")
}

fn lost_inputs() -> RpcError {
    RpcError::new(ErrorKind::Precondition, "the inputs of the earlier run are lost")
        .at("inputs")
        .hint("give them anew")
}
