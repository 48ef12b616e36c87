//! `execution.*`: runs of workflows.

use std::time::Duration;

use a2n_proto::api::Which;
use a2n_proto::api::execution::{
    Answer, Cancel, Filter, Get, List, Pause, Resume, Retry, Stats, Tree, Wait,
};
use a2n_proto::execution::Execution;
use a2n_proto::workflow::SharePermission;
use a2n_proto::{ErrorKind, ExecutionId, RpcError};

use super::super::context::{named, page, paging, span};
use super::super::{Call, Context, Registry};
use crate::engine::driving::handle::Error as EngineError;
use crate::engine::driving::stuck::Why;
use crate::store::{self, View, execution};

mod approve;
mod retry;
mod stats;
mod steer;
mod tree;
mod turn;

pub(super) fn register(registry: &mut Registry<Context>) {
    registry.method::<List, _>(|context, call, params| async move {
        let view = context.view(&call)?;
        let query = query(&context, &view, &params.filter)?;
        let fits = |one: &Execution| fits(one, &params.filter);
        let mut found = page(view.executions(&query, &paging(&params), &fits)?);
        for one in &mut found.items {
            turn::tell(&context.engine, one).await;
        }
        Ok(found)
    });
    registry.method::<Get, _>(|context, call, params| async move {
        let mut found = context.view(&call)?.execution(params.id, SharePermission::View)?;
        turn::tell(&context.engine, &mut found).await;
        Ok(found)
    });
    registry.method::<Wait, _>(|context, call, params| async move {
        wait(&context, &call, params.id, params.timeout).await
    });
    registry.method::<Cancel, _>(|context, call, params| async move {
        steer::cancel(&context, &call, params).await
    });
    registry.method::<Pause, _>(|context, call, params| async move {
        steer::pause(&context, &call, params).await
    });
    registry.method::<Resume, _>(|context, call, params| async move {
        steer::resume(&context, &call, params).await
    });
    registry.method::<Answer, _>(|context, call, params| async move {
        steer::answer(&context, &call, params).await
    });
    registry.method::<Retry, _>(|context, call, params| async move {
        retry::again(&context, &call, params).await
    });
    approve::register(registry);
    registry.method::<Tree, _>(|context, call, params| async move {
        let view = context.view(&call)?;
        tokio::task::spawn_blocking(move || tree::tree(&view, params.id))
            .await
            .map_err(|_| super::panicked("the executions"))?
    });
    registry.method::<Stats, _>(|context, call, params| async move {
        let view = context.view(&call)?;
        tokio::task::spawn_blocking(move || stats::stats(&view, &params, context.now()))
            .await
            .map_err(|_| super::panicked("the executions"))?
    });
}

/// The execution once it has ended; TIMEOUT where that takes longer than asked for.
pub(super) async fn wait(
    context: &Context,
    call: &Call,
    id: ExecutionId,
    timeout_ms: Option<u64>,
) -> Result<Execution, RpcError> {
    let view = context.view(call)?;
    let now = view.execution(id, SharePermission::View)?;
    if now.status.is_ended() {
        return Ok(now);
    }
    if let Some(why) = context.stuck.why(id) {
        return Err(no_end(id, &why));
    }
    if let Some(why) = context.safe_mode.why() {
        return Err(EngineError::SafeMode(why).into());
    }
    let ended = async { context.engine.wait(id).await.ok() };
    until_ended(context, call, &view, id, timeout_ms, ended).await
}

/// The execution once `ended` has it, where that does not take too long.
pub(super) async fn until_ended(
    context: &Context,
    call: &Call,
    view: &View,
    id: ExecutionId,
    timeout_ms: Option<u64>,
    ended: impl Future<Output = Option<Execution>>,
) -> Result<Execution, RpcError> {
    let limit = async {
        match timeout_ms {
            Some(ms) => context.system.clock.sleep(Duration::from_millis(ms)).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        ended = ended => match ended {
            Some(execution) => Ok(execution),
            // It ended between the look and the wait, or the daemon is stopping.
            None => {
                let now = view.execution(id, SharePermission::View)?;
                if now.status.is_ended() {
                    return Ok(now);
                }
                Err(EngineError::Stopping.into())
            }
        },
        () = limit => {
            let message = format!("execution {id} has not ended within {} ms", timeout_ms.unwrap_or(0));
            Err(RpcError::new(ErrorKind::Timeout, message).hint("it goes on; wait again, or cancel it"))
        }
        () = call.stopping().cancelled() => {
            Err(EngineError::Stopping.into())
        }
    }
}

fn no_end(id: ExecutionId, why: &Why) -> RpcError {
    if let Why::Quarantined(told) = why {
        return RpcError::new(ErrorKind::Precondition, format!("execution {id} is {told}"))
            .hint(format!("`a2n resume {id}` tries it again, `a2n cancel {id}` ends it"));
    }
    RpcError::new(ErrorKind::Precondition, format!("execution {id} can't go on: {why}"))
        .hint(format!("end it with `a2n cancel {id}`, then `a2n retry {id} --from START`"))
}

fn fresh(head: &Execution, if_revision: Option<u64>) -> Result<(), RpcError> {
    match if_revision {
        Some(given) if given != head.revision => Err(store::Error::Stale {
            entity: "execution",
            id: head.id.to_string(),
            given,
            current: head.revision,
        }
        .into()),
        _ => Ok(()),
    }
}

fn query(context: &Context, view: &View, filter: &Filter) -> Result<execution::Query, RpcError> {
    let mut workflow = named(&filter.workflow_id);
    if let Some(name) = &filter.workflow {
        let which = Which::of(None, Some(name))?;
        let id = context.workflow(view, which, SharePermission::View)?.id;
        // Both conditions hold, or none does.
        workflow = Some(match workflow {
            Some(ids) if !ids.contains(&id) => Vec::new(),
            _ => vec![id],
        });
    }
    let (from, to) = span(&filter.start_time);
    let (created_from, created_to) = span(&filter.created_at);
    Ok(execution::Query {
        status: named(&filter.status),
        workflow,
        user: named(&filter.user_id),
        trigger: named(&filter.trigger_id),
        parent: named(&filter.parent_execution_id),
        retry_of: named(&filter.retry_of),
        from,
        to,
        created_from,
        created_to,
    })
}

/// What the store's index does not decide.
fn fits(one: &Execution, filter: &Filter) -> bool {
    let key = one.metadata.idempotency_key.as_ref();
    filter.status.as_ref().is_none_or(|wanted| wanted.holds(&one.status))
        && filter.workflow_id.as_ref().is_none_or(|wanted| wanted.holds(&one.workflow_id))
        && filter
            .start_time
            .as_ref()
            .is_none_or(|wanted| wanted.holds_some(one.start_time.as_ref()))
        && filter.created_at.as_ref().is_none_or(|wanted| wanted.holds(&one.created_at))
        && filter.user_id.as_ref().is_none_or(|wanted| wanted.holds(&one.user_id))
        && filter
            .trigger_id
            .as_ref()
            .is_none_or(|wanted| wanted.holds_some(one.trigger_id.as_ref()))
        && filter
            .parent_execution_id
            .as_ref()
            .is_none_or(|wanted| wanted.holds_some(one.parent_execution_id.as_ref()))
        && filter.retry_of.as_ref().is_none_or(|wanted| wanted.holds_some(one.retry_of.as_ref()))
        && filter.idempotency_key.as_ref().is_none_or(|wanted| wanted.holds_some(key))
}
