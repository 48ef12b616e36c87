//! `workflowTrigger.*`: what starts executions of a workflow.

use a2n_proto::api::workflow_trigger::{
    Create, CreateParams, Delete, Filter, Fire, FireParams, Get, List, Next, Update, UpdateParams,
};
use a2n_proto::api::{Deleted, Match};
use a2n_proto::execution::{Execution, ExecutionMetadata};
use a2n_proto::workflow::{SharePermission, TriggerType, WorkflowTrigger};
use a2n_proto::{ErrorKind, Json, Problem, RpcError, Severity, WorkflowTriggerId, merge_patch};
use serde_json::json;

use super::super::context::{only, page, paging};
use super::super::once::{Key, Once};
use super::super::{Call, Context, Registry};
use super::execution_schedule::{invalid, preview};
use super::workflow::{check_inputs, metadata};
use crate::access::record;
use crate::engine::driving::handle::{Accepted, Admission, Within};
use crate::engine::driving::start::{Version, Wanted};
use crate::store::{self, workflow_trigger};
use crate::triggers::manual::Manual;
use crate::triggers::schedule::Schedule;
use crate::triggers::{arm_error, ledger};

pub(super) fn register(registry: &mut Registry<Context>) {
    registry.method::<List, _>(|context, call, params| async move {
        let view = context.view(&call)?;
        let fits = |one: &WorkflowTrigger| fits(one, &params.filter);
        Ok(page(view.triggers(&query(&params.filter), &paging(&params), &fits)?))
    });
    registry.method::<Get, _>(|context, call, params| async move {
        Ok(context.view(&call)?.trigger(params.id, SharePermission::View)?)
    });
    registry.method::<Create, _>(|context, call, params| async move {
        create(&context, &call, params).await
    });
    registry.method::<Update, _>(|context, call, params| async move {
        update(&context, &call, params).await
    });
    registry.method::<Delete, _>(|context, call, params| async move {
        let once = Once::of(&context, &call, params.idempotency_key.as_deref(), &params).await?;
        if let Some(before) = Once::before::<String>(once.as_ref()) {
            return Ok(Deleted::of(before));
        }
        let old = context.view(&call)?.trigger(params.id, SharePermission::Edit)?;
        let (origin, key) = (context.origin(&call)?, Once::key(once.as_ref()));
        context
            .store
            .write(origin, move |tx| {
                let old = workflow_trigger::require(tx, old.id)?;
                fresh(&old, params.if_revision)?;
                workflow_trigger::remove(tx, old.id)?;
                let workflow = Some(old.workflow_id);
                record::changed(tx, "workflowTrigger.delete", Some(&old), None, workflow);
                Key::remember(key.as_ref(), tx, old.id)
            })
            .await?;
        Ok(Deleted::of(params.id))
    });
    registry.method::<Fire, _>(|context, call, params| async move {
        fire(&context, &call, params).await
    });
    registry.method::<Next, _>(|context, call, params| async move {
        let trigger = context.view(&call)?.trigger(params.id, SharePermission::View)?;
        if trigger.kind != TriggerType::Schedule {
            let message = format!("trigger `{}` has no schedule", trigger.name);
            return Err(RpcError::new(ErrorKind::Precondition, message)
                .hint("only SCHEDULE triggers have next times"));
        }
        let schedule =
            Schedule::parse(&trigger.configuration.to_value(), &context.zone).map_err(invalid)?;
        Ok(preview(&schedule, params.from.unwrap_or(context.now()), params.count))
    });
}

async fn create(
    context: &Context,
    call: &Call,
    params: CreateParams,
) -> Result<WorkflowTrigger, RpcError> {
    let once = Once::of(context, call, params.idempotency_key.as_deref(), &params).await?;
    if let Some(before) = answered(context, call, once.as_ref())? {
        return Ok(before);
    }
    let view = context.view(call)?;
    let workflow = context.workflow(&view, params.which()?, SharePermission::Edit)?;
    let configuration = params.configuration.unwrap_or_else(Json::object);
    check(context, params.kind, &configuration)?;
    let origin = context.origin(call)?;
    let api = Json::from(json!({"origin": "API"}));
    let trigger = WorkflowTrigger {
        id: WorkflowTriggerId::from_bytes(context.system.new_id()),
        revision: 1,
        created_at: origin.at,
        updated_at: origin.at,
        kind: params.kind,
        name: params.name,
        description: params.description,
        is_active: params.is_active.unwrap_or(true),
        configuration,
        metadata: params.metadata.map_or(api.clone(), |given| merge_patch::merge(&given, &api)),
        arm_error: None,
        trigger_count: 0,
        last_triggered_at: None,
        workflow_id: workflow.id,
        user_id: view.caller().user,
    };
    let arm_error = arm_error(&trigger, &workflow, origin.at, &context.zone);
    let trigger = WorkflowTrigger { arm_error, ..trigger };
    let (made, key) = (trigger.clone(), Once::key(once.as_ref()));
    context
        .store
        .write(origin, move |tx| {
            workflow_trigger::put(tx, &trigger)?;
            let workflow = Some(trigger.workflow_id);
            record::changed(tx, "workflowTrigger.create", None, Some(&trigger), workflow);
            Key::remember(key.as_ref(), tx, trigger.id)
        })
        .await?;
    Ok(made)
}

async fn update(
    context: &Context,
    call: &Call,
    params: UpdateParams,
) -> Result<WorkflowTrigger, RpcError> {
    let once = Once::of(context, call, params.idempotency_key.as_deref(), &params).await?;
    if let Some(before) = answered(context, call, once.as_ref())? {
        return Ok(before);
    }
    let seen = context.view(call)?.trigger(params.id, SharePermission::Edit)?;
    let patched: WorkflowTrigger = merge_patch::apply(&seen, &params.patch)?;
    check(context, patched.kind, &patched.configuration)?;
    let (origin, key) = (context.origin(call)?, Once::key(once.as_ref()));
    let zone = context.zone.clone();
    let new = context
        .store
        .write(origin, move |tx| {
            let old = workflow_trigger::require(tx, patched.id)?;
            fresh(&old, params.if_revision)?;
            // What was checked above is what was seen then; what changed since is another edit.
            fresh(&old, Some(seen.revision))?;
            Key::remember(key.as_ref(), tx, old.id)?;
            if patched == old {
                return Ok(old);
            }
            let is_new_schedule = patched.configuration != old.configuration;
            let metadata = if is_new_schedule || (patched.is_active && !old.is_active) {
                ledger::armed_at(&patched.metadata, tx.at())
            } else {
                patched.metadata.clone()
            };
            let new = WorkflowTrigger {
                metadata,
                revision: old.revision + 1,
                updated_at: tx.at(),
                arm_error: None,
                trigger_count: old.trigger_count,
                last_triggered_at: old.last_triggered_at,
                ..patched
            };
            let head = store::workflow::head(tx, new.workflow_id)?;
            let since = ledger::since(tx, &new)?;
            let why = head.and_then(|workflow| arm_error(&new, &workflow, since, &zone));
            let new = WorkflowTrigger { arm_error: why, ..new };
            workflow_trigger::put(tx, &new)?;
            let workflow = Some(new.workflow_id);
            record::changed(tx, "workflowTrigger.update", Some(&old), Some(&new), workflow);
            Ok(new)
        })
        .await?;
    Ok(new)
}

/// Starts an execution as if the trigger had: its payload, its name in the execution.
async fn fire(context: &Context, call: &Call, params: FireParams) -> Result<Execution, RpcError> {
    let once = Once::of(context, call, params.idempotency_key.as_deref(), &params).await?;
    let view = context.view(call)?;
    if let Some(before) = Once::before(once.as_ref()) {
        return Ok(view.execution(before, SharePermission::View)?);
    }
    let trigger = view.trigger(params.id, SharePermission::Execute)?;
    let workflow = view.workflow(trigger.workflow_id, SharePermission::Execute)?;
    let payload = params.payload.unwrap_or_else(Json::object);
    check_inputs(context, &payload).map_err(|error| error.at("payload"))?;
    if trigger.kind == TriggerType::Manual {
        let parsed = Manual::parse(&trigger.configuration.to_value());
        let problems = parsed.map_or_else(|p| p, |manual| manual.check(&payload.to_value()));
        refuse(problems)?;
    }
    let wanted = Wanted {
        waiter: None,
        version: Version::Published,
        inputs: payload.clone(),
        trigger_data: payload.clone(),
        payload,
        trigger: Some(trigger.id),
        priority: 0,
        user: view.caller().user,
        metadata: ExecutionMetadata {
            idempotency_key: params.idempotency_key.clone(),
            ..metadata(call, "MANUAL")
        },
        workflow,
    };
    let origin = context.origin(call)?;
    let (trigger, name, key) = (trigger.id, trigger.name, Once::key(once.as_ref()));
    let started = context
        .starter
        .start(wanted, origin, move |id| {
            let within: Within = Box::new(move |tx| {
                if let Admission::Already(before) = Key::admit(key.as_ref(), tx, id)? {
                    return Ok(Admission::Already(before));
                }
                workflow_trigger::count(tx, trigger)?;
                let new = Json::from(json!({"triggerId": trigger, "trigger": name}));
                tx.audit("workflowTrigger.fire", "execution", id, Json::null(), new);
                Ok(Admission::New)
            });
            Some(within)
        })
        .await?;
    match started {
        Accepted::New(execution) => Ok(*execution),
        Accepted::Already(id) => Ok(view.execution(id, SharePermission::View)?),
    }
}

fn answered(
    context: &Context,
    call: &Call,
    once: Option<&Once>,
) -> Result<Option<WorkflowTrigger>, RpcError> {
    let Some(id) = Once::before(once) else { return Ok(None) };
    Ok(Some(context.view(call)?.trigger(id, SharePermission::View)?))
}

fn fresh(trigger: &WorkflowTrigger, if_revision: Option<u64>) -> Result<(), store::Error> {
    match if_revision {
        Some(given) if given != trigger.revision => Err(store::Error::Stale {
            entity: "workflowTrigger",
            id: trigger.id.to_string(),
            given,
            current: trigger.revision,
        }),
        _ => Ok(()),
    }
}

fn check(context: &Context, kind: TriggerType, configuration: &Json) -> Result<(), RpcError> {
    refuse(context.workflows.check_trigger(kind, &configuration.to_value()))
}

fn refuse(problems: Vec<Problem>) -> Result<(), RpcError> {
    let Some(first) = problems.iter().find(|p| p.severity == Severity::Error).cloned() else {
        return Ok(());
    };
    let error = RpcError::new(ErrorKind::Invalid, first.message).at(first.path);
    Err(RpcError { hint: first.hint, problems, ..error })
}

fn query(filter: &Filter) -> workflow_trigger::Query {
    workflow_trigger::Query {
        workflow: only(&filter.workflow_id),
        kind: only(&filter.kind),
        is_active: only(&filter.is_active),
        name: only(&filter.name),
    }
}

fn fits(one: &WorkflowTrigger, filter: &Filter) -> bool {
    filter.workflow_id.as_ref().is_none_or(|wanted| wanted.holds(&one.workflow_id))
        && filter.name.as_ref().is_none_or(|wanted| wanted.holds_text(&one.name))
        && filter.is_active.as_ref().is_none_or(|wanted| wanted.holds(&one.is_active))
        && filter.kind.as_ref().is_none_or(|wanted| match wanted {
            Match::Is(value) => one.kind == *value,
            Match::In(all) => all.contains(&one.kind),
            Match::Range { .. } | Match::Text(_) => false,
        })
}
