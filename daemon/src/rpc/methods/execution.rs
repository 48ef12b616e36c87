//! `execution.*`: runs of workflows.

use std::time::Duration;

use a2n_proto::api::execution::{
    Cancel, CancelParams, Filter, Get, List, Retry, RetryFrom, RetryParams, Stats, StatsAnswer,
    StatsBucket, StatsParams, Wait,
};
use a2n_proto::api::{Match, Page, Which};
use a2n_proto::execution::{Execution, ExecutionStatus};
use a2n_proto::workflow::SharePermission;
use a2n_proto::{ErrorKind, ExecutionId, Json, RpcError, Timestamp};
use serde_json::json;

use super::super::context::{Once, only, page, paging};
use super::super::{Call, Context, Registry};
use super::execution_node_state::read;
use crate::engine::driving::handle::{Accepted, Admission, Error as EngineError};
use crate::engine::driving::start::Version;
use crate::engine::execution::{Start, State};
use crate::engine::input::Input;
use crate::engine::retry;
use crate::store::{Paging, View, execution};

pub(super) fn register(registry: &mut Registry<Context>) {
    registry.method::<List, _>(|context, call, params| async move {
        let view = context.view(&call)?;
        let query = query(&context, &view, &params.filter)?;
        let mut found: Page<Execution> = page(view.executions(&query, &paging(&params))?);
        found.items.retain(|one| fits(one, &params.filter));
        Ok(found)
    });
    registry.method::<Get, _>(|context, call, params| async move {
        Ok(context.view(&call)?.execution(params.id, SharePermission::View)?)
    });
    registry.method::<Wait, _>(|context, call, params| async move {
        wait(&context, &call, params.id, params.timeout).await
    });
    registry.method::<Cancel, _>(|context, call, params| async move {
        cancel(&context, &call, params).await
    });
    registry.method::<Retry, _>(|context, call, params| async move {
        again(&context, &call, params).await
    });
    registry.method::<Stats, _>(|context, call, params| async move {
        let view = context.view(&call)?;
        tokio::task::spawn_blocking(move || stats(&view, &params, context.now()))
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
                Err(RpcError::new(ErrorKind::Precondition, "the daemon is stopping")
                    .hint("the execution goes on when it is back; wait again then"))
            }
        },
        () = limit => {
            let message = format!("execution {id} has not ended within {} ms", timeout_ms.unwrap_or(0));
            Err(RpcError::new(ErrorKind::Timeout, message).hint("it goes on; wait again, or cancel it"))
        }
        () = call.stopping.cancelled() => {
            Err(RpcError::new(ErrorKind::Precondition, "the daemon is stopping")
                .hint("the execution goes on when it is back; wait again then"))
        }
    }
}

async fn cancel(
    context: &Context,
    call: &Call,
    params: CancelParams,
) -> Result<Execution, RpcError> {
    let view = context.view(call)?;
    let id = params.id;
    let once = Once::of(call, params.idempotency_key.as_deref(), &params)?;
    if let Some(once) = &once
        && once.before(context)?.is_some()
    {
        return Ok(view.execution(id, SharePermission::View)?);
    }
    let head = view.execution_head(id, SharePermission::Execute)?;
    fresh(&head, params.if_revision)?;
    let input =
        Input::Cancel { by: Some(view.caller().name.clone()), reason: params.reason.clone() };
    let reason = params.reason;
    let origin = context.origin(call)?;
    let told = context
        .engine
        .tell(
            id,
            input,
            origin,
            Box::new(move |tx| {
                let new = Json::from(json!({"reason": reason}));
                tx.audit("execution.cancel", "execution", id, Json::null(), new);
                if let Some(once) = once {
                    once.remember(tx, id)?;
                }
                Ok(Admission::New)
            }),
        )
        .await;
    match told {
        Ok(execution) => Ok(execution),
        Err(EngineError::NotLive(_) | EngineError::Refused) => {
            let status = view.execution_head(id, SharePermission::View)?.status;
            let word = Json::of(&status);
            Err(RpcError::new(
                ErrorKind::Precondition,
                format!("execution {id} is {} already", word.as_str().trim_matches('"')),
            )
            .hint("only an execution that has not ended can be cancelled"))
        }
        Err(other) => Err(other.into()),
    }
}

fn fresh(head: &Execution, if_revision: Option<u64>) -> Result<(), RpcError> {
    match if_revision {
        Some(given) if given != head.revision => Err(crate::store::Error::Stale {
            entity: "execution",
            id: head.id.to_string(),
            given,
            current: head.revision,
        }
        .into()),
        _ => Ok(()),
    }
}

/// Runs an ended execution again, from the start, its failed nodes, or a node.
async fn again(context: &Context, call: &Call, params: RetryParams) -> Result<Execution, RpcError> {
    let view = context.view(call)?;
    let once = Once::of(call, params.idempotency_key.as_deref(), &params)?;
    let old = view.execution(params.id, SharePermission::Execute)?;
    let workflow = view.workflow(old.workflow_id, SharePermission::Execute)?;
    let (old_plan, old_state) = read(context, &view, old.id).await?;
    let number = params.version.unwrap_or(old.workflow_version);
    let (number, plan) = context.starter.plan(&workflow, Version::Exactly(number))?;
    let from = match params.from.unwrap_or_default() {
        RetryFrom::Start => retry::RetryFrom::Start,
        RetryFrom::FailedNode => retry::RetryFrom::FailedNode,
        RetryFrom::Node(id) => retry::RetryFrom::Node(id),
    };
    let origin = context.origin(call)?;
    let id = ExecutionId::from_bytes(context.system.new_id());
    let before = old_state.start();
    let start = Start {
        execution: id,
        version: number,
        created_at: origin.at,
        inputs: params.inputs.clone().unwrap_or_else(|| before.inputs.clone()),
        payload: params.inputs.unwrap_or_else(|| before.payload.clone()),
        carried: std::collections::BTreeMap::new(),
        ..before.clone()
    };
    let (start, notes) = retry::again(&plan, &old_plan, &old_state, &from, start).map_err(|e| {
        let kind = match e {
            retry::Error::UnknownNode(_) => ErrorKind::NotFound,
            _ => ErrorKind::Precondition,
        };
        RpcError::new(kind, e.to_string()).at("from").hint("START runs everything again")
    })?;
    let (retried, user) = (old.id, view.caller().user);
    let within = Box::new(move |tx: &mut crate::store::Tx<'_>| {
        if let Admission::Already(before) = Once::admit(once.as_ref(), tx, id)? {
            return Ok(Admission::Already(before));
        }
        let new = Json::from(json!({"retryOf": retried, "userId": user}));
        tx.audit("execution.retry", "execution", id, Json::null(), new);
        Ok(Admission::New)
    });
    let mut header = old.clone();
    header.user_id = user;
    header.metadata.source = Some("RETRY".into());
    header.context_data = Json::from(json!({"retryNotes": notes}));
    let state = State::new(start);
    match context.starter.start_retry(&header, plan, state, origin, Some(within)).await? {
        Accepted::New(execution) => Ok(*execution),
        Accepted::Already(id) => Ok(view.execution(id, SharePermission::View)?),
    }
}

fn query(context: &Context, view: &View, filter: &Filter) -> Result<execution::Query, RpcError> {
    let workflow = match (&filter.workflow_id, &filter.workflow) {
        (Some(Match::Is(id)), _) => Some(*id),
        (_, Some(name)) => {
            let which = Which::of(None, Some(name))?;
            Some(context.workflow(view, which, SharePermission::View)?.id)
        }
        _ => None,
    };
    let (from, to) = match &filter.start_time {
        Some(Match::Range { gte, lt }) => (*gte, *lt),
        _ => (None, None),
    };
    Ok(execution::Query {
        status: match &filter.status {
            Some(Match::Is(status)) => vec![*status],
            Some(Match::In(all)) => all.clone(),
            _ => Vec::new(),
        },
        workflow,
        user: only(&filter.user_id),
        trigger: only(&filter.trigger_id),
        parent: only(&filter.parent_execution_id),
        retry_of: only(&filter.retry_of),
        from,
        to,
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

const DAY_MS: u64 = 24 * 3_600_000;
/// Buckets in one answer.
const BUCKETS: u64 = 10_000;

fn stats(view: &View, params: &StatsParams, now: Timestamp) -> Result<StatsAnswer, RpcError> {
    let to = params.to.unwrap_or(now);
    let from = params.from.unwrap_or(to.minus(Duration::from_millis(DAY_MS)));
    let span = u64::try_from(to.since(from).as_millis()).unwrap_or(u64::MAX);
    let bucket = params.bucket.unwrap_or(span).max(1);
    if span == 0 || span.div_ceil(bucket) > BUCKETS {
        return Err(RpcError::new(ErrorKind::Invalid, "the time range has no or too many buckets")
            .at("bucket")
            .hint(format!("`from` before `to`, and at most {BUCKETS} buckets")));
    }
    let query = execution::Query {
        workflow: params.workflow_id,
        from: Some(from),
        to: Some(to),
        ..execution::Query::default()
    };
    let mut all = Vec::new();
    let mut paging = Paging::first(1_000);
    loop {
        let page = view.executions(&query, &paging)?;
        all.extend(
            page.items
                .into_iter()
                .map(|one| (one.start_time.unwrap_or(one.created_at), one.status, one.duration)),
        );
        match page.next_cursor {
            Some(cursor) => paging.cursor = Some(cursor),
            None => break,
        }
    }
    let buckets = (0..span.div_ceil(bucket)).map(|n| {
        let begin = from.plus(Duration::from_millis(n * bucket));
        let end = from.plus(Duration::from_millis((n + 1) * bucket)).min(to);
        count(begin, end, all.iter().filter(|(at, ..)| *at >= begin && *at < end))
    });
    let buckets = if params.bucket.is_some() { buckets.collect() } else { Vec::new() };
    Ok(StatsAnswer { total: count(from, to, all.iter()), buckets })
}

#[expect(clippy::cast_precision_loss, reason = "durations in milliseconds are below 2^53")]
fn count<'a>(
    from: Timestamp,
    to: Timestamp,
    all: impl Iterator<Item = &'a (Timestamp, ExecutionStatus, Option<u64>)>,
) -> StatsBucket {
    let mut bucket = StatsBucket { from, to, ..StatsBucket::default() };
    let mut durations = Vec::new();
    for (_, status, duration) in all {
        bucket.count += 1;
        match status {
            ExecutionStatus::Success => bucket.success += 1,
            ExecutionStatus::Failed => bucket.failed += 1,
            ExecutionStatus::Cancelled => bucket.cancelled += 1,
            ExecutionStatus::Pending | ExecutionStatus::Running | ExecutionStatus::Paused => {
                bucket.unfinished += 1;
            }
        }
        durations.extend(duration.filter(|_| status.is_ended()));
    }
    durations.sort_unstable();
    let at = |share: usize| {
        let last = durations.len().checked_sub(1)?;
        durations.get((last * share).div_ceil(100)).map(|ms| *ms as f64)
    };
    bucket.avg_duration = (!durations.is_empty())
        .then(|| durations.iter().sum::<u64>() as f64 / durations.len() as f64);
    (bucket.p50, bucket.p95, bucket.p99) = (at(50), at(95), at(99));
    bucket.max_duration = durations.last().copied();
    bucket
}
