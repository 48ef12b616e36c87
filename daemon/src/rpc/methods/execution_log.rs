//! `executionLog.*`: what steps print, line by line.

use std::sync::Arc;

use a2n_proto::api::execution_log::{Lines, Query as QueryMethod, QueryParams, Subscribe};
use a2n_proto::execution::ExecutionLog;
use a2n_proto::workflow::SharePermission;
use a2n_proto::{ErrorKind, ExecutionId, RpcError, WorkflowId};

use super::super::{Call, Context, Ended, Registry, Sink, Stopped};
use crate::store::logs::{Follow, Of, Query};

/// Lines in one answer where the caller does not say.
const LINES: usize = 1_000;
/// Lines read from the segments at once.
const BATCH: usize = 500;

pub(super) fn register(registry: &mut Registry<Context>) {
    registry.method::<QueryMethod, _>(|context, call, params| async move {
        let of = of(&context, &call, params.execution_id, params.workflow_id)?;
        let limit = params.limit.map_or(LINES, |n| n as usize).clamp(1, LINES);
        let query = query(of, params);
        let logs = context.logs.clone();
        let found = tokio::task::spawn_blocking(move || logs.query(query, limit))
            .await
            .map_err(|_| super::panicked("the log"))??;
        Ok(Lines { items: found.items, cursor: found.cursor })
    });
    registry.subscription::<Subscribe, _, _>(|context, call, params, sink| async move {
        let of = of(&context, &call, params.execution_id, params.workflow_id)?;
        let (follow, id) = (params.follow.unwrap_or(true), params.execution_id);
        let query = query(
            of,
            QueryParams {
                execution_id: params.execution_id,
                workflow_id: params.workflow_id,
                node_id: params.node_id,
                stream: params.stream,
                level: params.level,
                text: params.text,
                after_seq: params.after_seq,
                cursor: params.cursor,
                limit: None,
            },
        );
        let lines = context.logs.follow(query)?;
        Ok(run(context, call, sink, lines, id.filter(|_| follow), follow))
    });
}

/// Sends what is there, then what comes, until the execution has ended and all is sent.
async fn run(
    context: Arc<Context>,
    call: Call,
    sink: Arc<Sink>,
    mut lines: Follow,
    execution: Option<ExecutionId>,
    follow: bool,
) -> Result<Ended, Stopped> {
    // Asked before the lines are read: what is stored when it has ended is all there is.
    let mut ended = execution.map(|id| Box::pin(end(Arc::clone(&context), call, id)));
    let mut is_over = !follow;
    loop {
        loop {
            let batch;
            (lines, batch) = read(lines).await?;
            if let Some((from, to)) = batch.gap {
                sink.gap(from, to, &batch.cursor).await?;
            }
            let n = batch.items.len();
            let full = n >= BATCH;
            let cursor = batch.cursor;
            sink.items(batch.items.into_iter().map(|line: ExecutionLog| (line, cursor.clone())))
                .await?;
            if !full {
                break;
            }
        }
        if is_over {
            return Ok(Ended(if follow { "EXECUTION_ENDED" } else { "NO_MORE" }));
        }
        tokio::select! {
            biased;
            more = lines.changed() => if !more {
                return Ok(Ended("SHUTTING_DOWN"));
            },
            () = async {
                match ended.as_mut() {
                    Some(ended) => ended.await,
                    None => std::future::pending().await,
                }
            } => {
                ended = None;
                is_over = true;
            }
        }
    }
}

/// Resolves when the execution has ended, and never where the daemon stops before.
async fn end(context: Arc<Context>, call: Call, id: ExecutionId) {
    if super::execution::wait(&context, &call, id, None).await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn read(mut lines: Follow) -> Result<(Follow, crate::store::logs::Batch), RpcError> {
    tokio::task::spawn_blocking(move || {
        let batch = lines.read(BATCH)?;
        Ok((lines, batch))
    })
    .await
    .map_err(|_| super::panicked("the log"))?
}

fn of(
    context: &Context,
    call: &Call,
    execution: Option<ExecutionId>,
    workflow: Option<WorkflowId>,
) -> Result<Of, RpcError> {
    let view = context.view(call)?;
    match (execution, workflow) {
        (Some(id), None) => {
            view.execution_head(id, SharePermission::View)?;
            Ok(Of::Execution(id))
        }
        (None, Some(id)) => {
            view.runs_of(id)?;
            Ok(Of::Workflow(id))
        }
        _ => Err(RpcError::new(ErrorKind::Params, "give either executionId or workflowId")
            .at("executionId")),
    }
}

fn query(of: Of, params: QueryParams) -> Query {
    Query {
        of,
        level: params.level,
        text: params.text,
        node_id: params.node_id,
        stream: params.stream,
        after_seq: params.after_seq.unwrap_or(0),
        cursor: params.cursor,
    }
}
