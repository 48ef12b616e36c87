//! `execution.retry`: which results are taken over, from where it runs again.

use a2n_proto::api::execution::{RetryFrom, RetryParams};
use a2n_proto::execution::{Execution, ExecutionMetadata};
use a2n_proto::workflow::SharePermission;
use a2n_proto::{ErrorKind, ExecutionId, Json, RpcError};
use serde_json::json;

use crate::engine::driving::handle::{Accepted, Admission};
use crate::engine::driving::start::Version;
use crate::engine::driving::stuck::{self, Why};
use crate::engine::execution::{Parent, Start, State};
use crate::engine::retry;
use crate::rpc::methods::execution_node_state::read;
use crate::rpc::methods::workflow::{check_inputs, check_size, metadata};
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
    let from = match params.from.clone().unwrap_or_default() {
        RetryFrom::Start => retry::RetryFrom::Start,
        RetryFrom::FailedNode => retry::RetryFrom::FailedNode,
        RetryFrom::FailedItems => retry::RetryFrom::FailedItems,
        RetryFrom::Node(id) => retry::RetryFrom::Node(id),
    };
    if let Some(inputs) = &params.inputs {
        check_inputs(context, inputs)?;
    }
    let given = given(context, params.results.as_ref())?;
    let aside = context.stuck.why(old.id).filter(|why| matches!(why, Why::Quarantined(_)));
    let aside = aside.filter(|_| !old.status.is_ended());
    if !old.status.is_ended() && aside.is_none() {
        return Err(not_ended(&old));
    }
    let before = match read(context, &view, old.id).await {
        Ok((plan, mut state)) => {
            if aside.is_some() {
                state.give_up();
            }
            Ok((plan, state))
        }
        // Nothing of the earlier results is needed, so they may be lost.
        Err(_) if from == retry::RetryFrom::Start && given.is_empty() => {
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
        payload: params.inputs.clone().unwrap_or_else(|| began.payload.clone()),
        retry_of: Some(old.id),
        // Who waited for the earlier one was told of its end.
        parent: began.parent.as_ref().map(Parent::without_asker),
        ..began.clone()
    };
    let (state, taken) = match &before {
        Ok((old_plan, old_state)) => {
            let again = retry::again(&plan, old_plan, old_state, &from, &given, start);
            let again = again.map_err(|error| refused(&old, &error))?;
            (State::taking_over(again.start, again.finished), again.taken)
        }
        Err(_) => {
            let notes = vec!["the record of the earlier run is damaged".to_owned()];
            (State::new(start), retry::Taken { notes, ..retry::Taken::default() })
        }
    };
    let (retried, user, key) = (old.id, view.caller().user, Once::key(once.as_ref()));
    let by = view.caller().name.clone();
    let results: Vec<String> = given.into_keys().collect();
    let asked = Json::from(json!({
        "retryOf": retried,
        "userId": user,
        "from": params.from.unwrap_or_default(),
        "version": number,
        "otherInputs": params.inputs.is_some(),
        "results": results,
    }));
    let within = Box::new(move |tx: &mut Tx<'_>| {
        if let Admission::Already(before) = Key::admit(key.as_ref(), tx, id)? {
            return Ok(Admission::Already(before));
        }
        if let Some(why) = aside {
            // Two of the same would go on otherwise, once somebody resumes it.
            let reason = format!("run again as {id}");
            stuck::cancel(tx, retried, &why, &by, Some(&reason))?;
        }
        tx.audit("execution.retry", "execution", id, Json::null(), asked);
        Ok(Admission::New)
    });
    let mut header = old.clone();
    header.user_id = user;
    header.metadata = ExecutionMetadata {
        correlation_id: old.metadata.correlation_id.clone(),
        environment: old.metadata.environment.clone(),
        ..metadata(call, "RETRY")
    };
    header.context_data = Json::from(json!({
        "takenOver": taken.nodes,
        "itemsTakenOver": taken.items,
        "retryNotes": taken.notes,
    }));
    let starter = &context.starter;
    match starter.start_retry(&workflow, &header, plan, state, origin, Some(within)).await? {
        Accepted::New(execution) => Ok(*execution),
        Accepted::Already(id) => Ok(view.execution(id, SharePermission::View)?),
    }
}

/// The results that are given for nodes.
fn given(context: &Context, results: Option<&Json>) -> Result<retry::Given, RpcError> {
    let Some(results) = results else { return Ok(retry::Given::new()) };
    check_size(context, results, "results")?;
    results.to().map_err(|_| {
        RpcError::new(ErrorKind::Invalid, "results go from node id to output to a list of items")
            .at("results")
            .hint("for example {\"read\": {\"output\": [{\"n\": 1}]}}")
    })
}

fn not_ended(old: &Execution) -> RpcError {
    let status = Json::of(&old.status);
    let status = status.as_str().trim_matches('"');
    RpcError::new(
        ErrorKind::Precondition,
        format!("execution {} is {status} and has not ended", old.id),
    )
    .hint(format!("wait for its end, or `a2n cancel {}` first", old.id))
}

fn refused(old: &Execution, error: &retry::Error) -> RpcError {
    use retry::Error;
    let (kind, path, hint) = match error {
        Error::UnknownNode(_) => {
            (ErrorKind::NotFound, "from", format!("`a2n show {}` names the nodes", old.id))
        }
        Error::UnknownHandle { .. } => {
            (ErrorKind::Invalid, "results", "name one of its outputs, or `error`".to_owned())
        }
        Error::GivenAndAgain(_) => {
            (ErrorKind::Invalid, "results", "give results for nodes before it".to_owned())
        }
        Error::NothingFailed
        | Error::NoItemFailed
        | Error::Cut(_)
        | Error::Locked(_)
        | Error::NotEnded => {
            (ErrorKind::Precondition, "from", "START runs everything again".to_owned())
        }
    };
    RpcError::new(kind, error.to_string()).at(path).hint(hint)
}

fn lost_inputs() -> RpcError {
    RpcError::new(ErrorKind::Precondition, "the inputs of the earlier run are lost")
        .at("inputs")
        .hint("give them anew")
}
