//! `workflow.plan` and `workflow.testNode`: what a run would do, and one node tried.

use std::collections::BTreeMap;
use std::sync::Arc;

use a2n_proto::api::Which;
use a2n_proto::api::workflow::{
    PlanAnswer, PlanParams, PlannedNode, TestNodeAnswer, TestNodeParams, TestedLine, TestedUnit,
    WouldRun,
};
use a2n_proto::execution::{ExecutionMetric, NodeStatus};
use a2n_proto::workflow::SharePermission;
use a2n_proto::{ErrorKind, ExecutionId, Json, RpcError, UserId, WorkflowId};
use serde_json::json;

use crate::engine::driving::start::{Error as StartError, Version};
use crate::engine::driving::trial;
use crate::engine::execution::{NodeState, Output, Start};
use crate::engine::input::{Env, Limits};
use crate::engine::kind::{Handles, Inputs};
use crate::engine::plan::{Plan, PlanNode};
use crate::engine::step::rehearse::{self, Rehearsed, rehearse};
use crate::operations::settings::table::EXPRESSION_ENV;
use crate::rpc::methods::workflow::{check_inputs, check_size};
use crate::rpc::once::{Key, Once};
use crate::rpc::{Call, Context};

pub(super) fn plan(
    context: &Context,
    call: &Call,
    params: &PlanParams,
) -> Result<PlanAnswer, RpcError> {
    let view = context.view(call)?;
    let inputs = params.inputs.clone().unwrap_or_else(Json::object);
    check_inputs(context, &inputs)?;
    let (workflow, version, plan) = match &params.definition {
        Some(definition) => {
            if params.id.is_some() || params.name.is_some() {
                let message = "a plan is of a saved workflow or of a document, not of both";
                return Err(RpcError::new(ErrorKind::Params, message).at("definition"));
            }
            let nobody = (WorkflowId::from_bytes([0; 16]), call.caller()?.user);
            (nobody, None, made(context, call, definition)?)
        }
        None => {
            let which = Which::of(params.id, params.name.as_deref())?;
            let found = context.workflow_head(&view, which, SharePermission::Execute)?;
            let draft = params.draft == Some(true);
            let version = if draft { Version::Draft } else { Version::Published };
            let (number, plan) = context.starter.any_plan(&found, version)?;
            ((found.id, found.user_id), Some(number), plan)
        }
    };
    // A document that is not saved is a draft by itself.
    let pinned = params.draft == Some(true) || version.is_none();
    let start = start(context, workflow, version.unwrap_or(0), &plan, inputs, pinned);
    let rehearsal = rehearse(&plan, start, &env(context));
    let unsupported = plan.unsupported().map(ToString::to_string);
    let nodes = rehearsal.nodes.iter();
    Ok(PlanAnswer {
        workflow_name: plan.name().to_owned(),
        version,
        unsupported,
        nodes: nodes.map(|(number, one)| planned(&plan.nodes()[*number], one)).collect(),
    })
}

fn planned(node: &PlanNode, one: &Rehearsed) -> PlannedNode {
    let resolved = one.configuration.as_ref().map(Json::of);
    PlannedNode {
        node_id: node.id.clone(),
        node_name: node.name.clone(),
        node_type: node.kind.name().to_owned(),
        wave: u32::try_from(one.wave).unwrap_or(u32::MAX),
        runs: match one.runs {
            rehearse::WouldRun::Yes => WouldRun::Yes,
            rehearse::WouldRun::No => WouldRun::No,
            rehearse::WouldRun::Unknown => WouldRun::Unknown,
        },
        why: one.why.clone(),
        repeat: node.repeat,
        items: one.items.map(|n| n as u64),
        is_resolved: resolved.is_some(),
        configuration: resolved.unwrap_or_else(|| node.config.clone()),
        output: one.output.as_ref().map(|output| by_handle(output)),
        unknown: one.unknown.clone(),
        notes: one.notes.clone(),
        error: one.error.as_ref().map(|error| error.message.clone()),
    }
}

fn by_handle(output: &Output) -> Json {
    let sent = output.handles.iter().filter(|(_, sent)| !sent.items.is_empty());
    let by_handle: BTreeMap<_, _> = sent.map(|(handle, sent)| (handle, &sent.items)).collect();
    Json::of(&by_handle)
}

pub(super) async fn test_node(
    context: &Context,
    call: &Call,
    params: TestNodeParams,
) -> Result<TestNodeAnswer, RpcError> {
    let once = Once::of(context, call, params.idempotency_key.as_deref(), &params).await?;
    if Once::before::<ExecutionId>(once.as_ref()).is_some() {
        let message = "this was carried out already under the same key; its answer is not kept";
        return Err(RpcError::new(ErrorKind::Conflict, message)
            .at("idempotencyKey")
            .hint("take a new key to carry it out again"));
    }
    let plan = made(context, call, &params.definition)?;
    let node = plan.node(&params.node_id).ok_or_else(|| {
        RpcError::new(ErrorKind::NotFound, format!("the document has no node `{}`", params.node_id))
            .at("nodeId")
    })?;
    if node.touches_world() && !context.starter.outside_steps {
        return Err(StartError::NoOutside(node.id.clone()).into());
    }
    let run_inputs = params.run_inputs.clone().unwrap_or_else(Json::object);
    check_inputs(context, &run_inputs).map_err(|error| error.at("runInputs"))?;
    let items = params.inputs.as_ref().map(|inputs| items(context, node, inputs)).transpose()?;
    let (env, number) = (env(context), plan.number(&params.node_id).unwrap_or_default());
    let nobody = (WorkflowId::from_bytes([0; 16]), call.caller()?.user);
    let mut begin = start(context, nobody, 0, &plan, run_inputs, true);
    // Its own pinned output is what is to be found out.
    begin.carried.remove(&node.key);
    let execution = begin.execution;
    let mut rehearsal = rehearse(&plan, begin, &env);
    let units = rehearsal
        .trial(&plan, number, items.as_ref(), &env)
        .map_err(|unknown| not_known(&params.node_id, &unknown))?;
    remember(context, call, once.as_ref(), &plan, node, execution).await?;
    let began = context.system.clock.monotonic();
    let executor = context.executor.as_ref();
    let (tried, heard) =
        trial::carry_out(executor, &context.system, &plan, node, execution, units).await;
    let took = context.system.clock.monotonic().saturating_sub(began);
    let results = tried.iter().map(|one| (one.unit.clone(), one.result.clone())).collect();
    let state: NodeState = rehearsal.joined(&plan, number, items.as_ref(), results, &env);
    let now = context.now();
    let metrics = tried.iter().flat_map(|one| &one.measured).map(|one| ExecutionMetric {
        metric_name: one.name.clone(),
        metric_value: one.value,
        metric_type: one.kind,
        unit: one.unit.clone(),
        tags: Json::object(),
        timestamp: now,
        node_id: Some(node.id.clone()),
        execution_id: execution,
    });
    let ms = |took: std::time::Duration| u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    Ok(TestNodeAnswer {
        node_id: node.id.clone(),
        status: state.status,
        output: by_handle(&state.output),
        error_message: state.error.map(|error| error.message),
        metrics: metrics.collect(),
        units: tried
            .iter()
            .map(|one| TestedUnit {
                item: one.unit.item,
                status: if one.result.is_ok() { NodeStatus::Success } else { NodeStatus::Failed },
                configuration: one.config.as_ref().map(Json::of),
                error: one.result.as_ref().err().map(|error| error.message.clone()),
                duration: ms(one.took),
            })
            .collect(),
        lines: heard
            .lines
            .into_iter()
            .map(|line| TestedLine {
                item: line.item,
                level: line.level,
                stream: line.stream,
                message: line.message,
            })
            .collect(),
        lines_left_out: heard.left_out,
        notes: heard.notes,
        duration: ms(took),
    })
}

/// It has effects, so the audit names who asked for them; before they begin.
async fn remember(
    context: &Context,
    call: &Call,
    once: Option<&Once>,
    plan: &Plan,
    node: &PlanNode,
    execution: ExecutionId,
) -> Result<(), RpcError> {
    let key = Once::key(once);
    let said = Json::from(json!({
        "workflow": plan.name(), "nodeId": node.id, "type": node.reference,
        "configuration": node.config,
    }));
    let origin = context.origin(call)?;
    let write = context.store.write(origin, move |tx| {
        tx.audit("workflow.testNode", "execution", execution, Json::null(), said);
        Key::remember(key.as_ref(), tx, execution)
    });
    Ok(write.await?)
}

/// The plan of a document that is not saved; everything that is wrong with it is said.
fn made(context: &Context, call: &Call, definition: &Json) -> Result<Arc<Plan>, RpcError> {
    let user = call.caller()?.user;
    let problems = context.workflows.validate(definition, user)?;
    let is_error = |p: &a2n_proto::Problem| p.severity == a2n_proto::Severity::Error;
    if let Some(first) = problems.iter().find(|p| is_error(p)) {
        let mut error = RpcError::new(ErrorKind::Invalid, "the document has problems");
        error.path = Some(first.path.clone());
        error.hint = first.hint.clone();
        return Err(RpcError { problems, ..error });
    }
    context.plans.plan(definition).map_err(|error| {
        RpcError::new(ErrorKind::Invalid, error.to_string())
            .at("definition")
            .hint("`workflow.validate` tells everything that is wrong with it")
    })
}

/// Items as they come in by the node's handles.
fn items(context: &Context, node: &PlanNode, inputs: &Json) -> Result<Handles, RpcError> {
    check_size(context, inputs, "inputs")?;
    let known = match node.kind.inputs() {
        Inputs::Named(names) => names,
        Inputs::Numbered => {
            let n = node.incoming.len().max(2);
            (1..=n).map(|n| format!("input{n}")).collect()
        }
    };
    let first = known.first().cloned().unwrap_or_else(|| "input".to_owned());
    if let Ok(list) = inputs.to::<Vec<Json>>() {
        return Ok(Handles::from([(first, list)]));
    }
    let wrong = |message: String, hint: String| {
        RpcError::new(ErrorKind::Invalid, message).at("inputs").hint(hint)
    };
    let handles: Handles = inputs.to().map_err(|_| {
        wrong(
            "inputs are a list of items, or lists of items by handle".to_owned(),
            format!("for example [{{\"n\": 1}}], or {{\"{first}\": [{{\"n\": 1}}]}}"),
        )
    })?;
    if let Some(unknown) = handles.keys().find(|handle| !known.contains(handle)) {
        return Err(wrong(
            format!("node `{}` has no input `{unknown}`", node.id),
            format!("it has {}", known.join(", ")),
        ));
    }
    Ok(handles)
}

fn not_known(node: &str, unknown: &[String]) -> RpcError {
    let told = if unknown.is_empty() { String::new() } else { format!(": {}", unknown.join("; ")) };
    RpcError::new(
        ErrorKind::Precondition,
        format!("what node `{node}` works on is not known{told}"),
    )
    .at("inputs")
    .hint("give `inputs`, or pin the output of the nodes before it (`pinned`)")
}

fn start(
    context: &Context,
    (workflow, owner): (WorkflowId, UserId),
    version: u32,
    plan: &Plan,
    inputs: Json,
    pinned: bool,
) -> Start {
    let created_at = context.now();
    Start {
        execution: ExecutionId::from_bytes(context.system.new_id()),
        workflow,
        owner,
        version,
        created_at,
        trigger: Json::null(),
        payload: inputs.clone(),
        inputs,
        retry_of: None,
        parent: None,
        carried: if pinned { plan.pinned(created_at) } else { BTreeMap::new() },
        done_before: BTreeMap::new(),
        inbox: context.inbox.last(),
        started_by: None,
    }
}

fn env(context: &Context) -> Env {
    let names: Vec<String> = context.settings.get(&EXPRESSION_ENV);
    let allowed = names.into_iter().filter_map(|name| {
        let value = context.environment.get(&name)?.clone();
        Some((name, value))
    });
    Env {
        now: context.now(),
        boot: String::new(),
        monotonic: context.system.clock.monotonic(),
        allowed: Arc::new(allowed.collect()),
        limits: Limits::default(),
        inbox: context.inbox.last(),
    }
}
