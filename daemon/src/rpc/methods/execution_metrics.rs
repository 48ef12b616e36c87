//! `executionMetrics.*`: what steps cost.

use std::time::Duration;

use a2n_proto::api::execution_metrics::{GroupBy, Point, Query, QueryAnswer, QueryParams, Series};
use a2n_proto::workflow::{SharePermission, Workflow};
use a2n_proto::{ErrorKind, RpcError, WorkflowId};

use super::super::{Call, Context, Registry};
use crate::store::{Paging, execution_metrics, workflow};

const DAY: Duration = Duration::from_secs(24 * 3_600);

pub(super) fn register(registry: &mut Registry<Context>) {
    registry.method::<Query, _>(|context, call, params| async move {
        if let Some(id) = params.execution_id {
            return of_execution(&context, &call, id, &params);
        }
        over_time(&context, &call, &params)
    });
}

fn of_execution(
    context: &Context,
    call: &Call,
    id: a2n_proto::ExecutionId,
    params: &QueryParams,
) -> Result<QueryAnswer, RpcError> {
    context.view(call)?.execution_head(id, SharePermission::View)?;
    let mut values = execution_metrics::list(&context.store.read()?, id)?;
    values.retain(|value| params.metric.as_ref().is_none_or(|name| value.metric_name == *name));
    Ok(QueryAnswer { series: Vec::new(), values })
}

fn over_time(
    context: &Context,
    call: &Call,
    params: &QueryParams,
) -> Result<QueryAnswer, RpcError> {
    let view = context.view(call)?;
    let snapshot = context.store.read()?;
    let to = params.to.unwrap_or(context.now());
    let from = params.from.unwrap_or(to.minus(DAY));
    let minutes = params.bucket.map_or(60, |ms| ms.div_ceil(60_000));
    let minutes = u32::try_from(minutes).unwrap_or(u32::MAX);
    let scopes: Vec<(String, Option<WorkflowId>)> = match (params.workflow_id, params.group_by) {
        (Some(id), None | Some(GroupBy::WorkflowId)) => {
            view.runs_of(id)?;
            vec![(view.workflow(id, SharePermission::View)?.name, Some(id))]
        }
        (None, Some(GroupBy::WorkflowId)) => {
            let query = workflow::Query::default();
            let runs_are_seen = |one: &Workflow| view.runs_of(one.id).is_ok();
            let all = view.workflows(&query, &Paging::first(1_000), &runs_are_seen)?.items;
            all.into_iter().map(|one| (one.name, Some(one.id))).collect()
        }
        (None, None) => {
            // Everybody's numbers together tell of workflows that the caller may not see.
            context.needs(call, a2n_proto::identity::Role::Admin)?;
            vec![(String::new(), None)]
        }
        (_, Some(GroupBy::NodeId | GroupBy::NodeType)) => {
            return Err(RpcError::new(
                ErrorKind::Unsupported,
                "roll-ups are kept by workflow, not by node",
            )
            .at("groupBy")
            .hint("ask for one execution's values with executionId; they name their nodes"));
        }
    };
    let names = match &params.metric {
        Some(name) => vec![name.clone()],
        None => execution_metrics::names(&snapshot, from, to)?,
    };
    let mut series = Vec::new();
    for name in names {
        for (group, scope) in &scopes {
            let found = execution_metrics::query(&snapshot, &name, *scope, from, to, minutes)?;
            if found.is_empty() {
                continue;
            }
            let points = found.into_iter().map(|(at, rollup)| Point {
                at,
                count: rollup.count,
                sum: rollup.sum,
                min: rollup.min,
                max: rollup.max,
                p50: rollup.percentile(0.5),
                p95: rollup.percentile(0.95),
                p99: rollup.percentile(0.99),
            });
            let group = match (group.as_str(), params.metric.is_some()) {
                ("", _) => name.clone(),
                (group, true) => group.to_owned(),
                (group, false) => format!("{group}: {name}"),
            };
            series.push(Series { group, unit: unit(&name).into(), points: points.collect() });
        }
    }
    Ok(QueryAnswer { series, values: Vec::new() })
}

/// The unit in a metric's name.
fn unit(name: &str) -> &'static str {
    match name {
        _ if name.ends_with("_time") || name.ends_with("duration") => "ms",
        _ if name.contains("memory") || name.contains("bytes") => "bytes",
        _ => "count",
    }
}
