//! `workflow.run`: what starts, with which inputs, in whose name.

use a2n_proto::api::Which;
use a2n_proto::api::workflow::RunParams;
use a2n_proto::execution::{Execution, ExecutionMetadata};
use a2n_proto::workflow::{SharePermission, TriggerType, Workflow};
use a2n_proto::{ErrorKind, Json, RpcError};
use serde_json::json;
use tokio::sync::oneshot;

use crate::engine::driving::handle::{Accepted, Admission, Within};
use crate::engine::driving::start::{Version, Wanted};
use crate::operations::settings::table::ENGINE_INPUT;
use crate::rpc::methods::execution;
use crate::rpc::once::{Key, Once};
use crate::rpc::{Call, Context};
use crate::store::workflow_trigger;
use crate::triggers::manual::Manual;

pub(super) async fn run(
    context: &Context,
    call: &Call,
    params: RunParams,
) -> Result<Execution, RpcError> {
    if params.delay.is_some() || params.at.is_some() {
        let path = if params.at.is_some() { "at" } else { "delay" };
        return Err(RpcError::new(ErrorKind::Unsupported, "planned runs are not in this version")
            .at(path)
            .hint("use a SCHEDULE trigger with `at`"));
    }
    let once = Once::of(context, call, params.idempotency_key.as_deref(), &params).await?;
    let view = context.view(call)?;
    if let Some(before) = Once::before(once.as_ref()) {
        return answer(context, call, view.execution(before, SharePermission::View)?, params.wait)
            .await;
    }
    let which = Which::of(params.id, params.name.as_deref())?;
    let found = context.workflow_head(&view, which, SharePermission::Execute)?;
    let inputs = params.inputs.clone().unwrap_or_else(Json::object);
    check_inputs(context, &inputs)?;
    let trigger = match &params.trigger {
        None => None,
        Some(name) => Some(manual(context, &found, name, &inputs)?),
    };
    let caller = view.caller();
    let user = caller.user;
    let (waiter, ended) = oneshot::channel();
    let wait = params.wait == Some(true);
    let wanted = Wanted {
        waiter: wait.then_some(waiter),
        version: if params.draft == Some(true) { Version::Draft } else { Version::Published },
        workflow: found,
        payload: inputs.clone(),
        inputs,
        trigger_data: Json::null(),
        trigger,
        priority: params.priority.unwrap_or(0),
        user,
        metadata: ExecutionMetadata {
            correlation_id: params.correlation_id.clone(),
            idempotency_key: params.idempotency_key.clone(),
            ..metadata(call, source(call, trigger.is_some()))
        },
    };
    let (workflow_id, workflow_name) = (wanted.workflow.id, wanted.workflow.name.clone());
    let (origin, key) = (context.origin(call)?, Once::key(once.as_ref()));
    let started = context
        .starter
        .start(wanted, origin, move |id| {
            let within: Within = Box::new(move |tx| {
                if let Admission::Already(before) = Key::admit(key.as_ref(), tx, id)? {
                    return Ok(Admission::Already(before));
                }
                if let Some(trigger) = trigger {
                    workflow_trigger::count(tx, trigger)?;
                }
                let new = Json::from(json!({"workflowId": workflow_id, "workflow": workflow_name}));
                tx.audit("workflow.run", "execution", id, Json::null(), new);
                Ok(Admission::New)
            });
            Some(within)
        })
        .await?;
    // Whoever asks the same while this one waits need not wait for its turn, too.
    drop(once);
    match started {
        Accepted::New(execution) if wait => {
            let ended = async { ended.await.ok() };
            execution::until_ended(context, call, &view, execution.id, None, ended).await
        }
        Accepted::New(execution) => Ok(*execution),
        Accepted::Already(id) => {
            answer(context, call, view.execution(id, SharePermission::View)?, params.wait).await
        }
    }
}

async fn answer(
    context: &Context,
    call: &Call,
    accepted: Execution,
    wait: Option<bool>,
) -> Result<Execution, RpcError> {
    if wait == Some(true) {
        return execution::wait(context, call, accepted.id, None).await;
    }
    Ok(accepted)
}

/// What an execution keeps of who started it, by which door.
pub(in crate::rpc::methods) fn metadata(call: &Call, source: &str) -> ExecutionMetadata {
    ExecutionMetadata {
        source: Some(source.to_owned()),
        user_agent: call.user_agent().map(str::to_owned),
        ip_address: Some(match call.peer.pid {
            Some(pid) => format!("uid={} pid={pid}", call.peer.uid),
            None => format!("uid={}", call.peer.uid),
        }),
        ..ExecutionMetadata::default()
    }
}

/// Where a start comes from, for people: our own command says who it is.
fn source(call: &Call, by_trigger: bool) -> &'static str {
    match call.user_agent() {
        _ if by_trigger => "MANUAL",
        Some(agent) if agent.starts_with("a2n/") => "CLI",
        _ => "API",
    }
}

/// Whether a member of the params is small enough to be kept with an execution.
pub(in crate::rpc::methods) fn check_size(
    context: &Context,
    value: &Json,
    member: &str,
) -> Result<(), RpcError> {
    let (bytes, limit) = (value.size_bytes(), context.settings.get(&ENGINE_INPUT));
    if bytes <= limit {
        return Ok(());
    }
    let message = format!("the {member} come to {bytes} bytes; {limit} are allowed");
    Err(RpcError::new(ErrorKind::TooLarge, message)
        .at(member)
        .hint("pass a path or an address instead, or raise engine.maxInputBytes"))
}

pub(in crate::rpc::methods) fn check_inputs(
    context: &Context,
    inputs: &Json,
) -> Result<(), RpcError> {
    check_size(context, inputs, "inputs")?;
    if !inputs.as_str().starts_with('{') {
        return Err(RpcError::new(ErrorKind::Invalid, "inputs have to be one object")
            .at("inputs")
            .hint("for example {\"who\": \"world\"}"));
    }
    Ok(())
}

/// The MANUAL trigger of that name, whose parameters the inputs fit.
fn manual(
    context: &Context,
    workflow: &Workflow,
    name: &str,
    inputs: &Json,
) -> Result<a2n_proto::WorkflowTriggerId, RpcError> {
    let snapshot = context.store.read()?;
    let found = workflow_trigger::find_by_name(&snapshot, workflow.id, name)?;
    let trigger = found.filter(|t| t.kind == TriggerType::Manual).ok_or_else(|| {
        RpcError::new(
            ErrorKind::NotFound,
            format!("`{}` has no MANUAL trigger `{name}`", workflow.name),
        )
        .at("trigger")
        .hint("`a2n trigger ls` lists them")
    })?;
    if !trigger.is_active {
        return Err(RpcError::new(ErrorKind::Precondition, format!("trigger `{name}` is off"))
            .at("trigger")
            .hint(format!("`a2n trigger enable {} {name}`", workflow.name)));
    }
    let problems = match Manual::parse(&trigger.configuration.to_value()) {
        Ok(manual) => manual.check(&inputs.to_value()),
        Err(problems) => problems,
    };
    match problems.first() {
        None => Ok(trigger.id),
        Some(first) => {
            let mut error = RpcError::new(ErrorKind::Invalid, first.message.clone());
            error.path = Some(first.path.clone());
            error.hint = first.hint.clone();
            Err(RpcError { problems, ..error })
        }
    }
}
