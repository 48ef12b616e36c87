//! `executionNodeState.*`: one node of one execution, live from the engine or from the store.

use std::sync::Arc;

use a2n_proto::api::execution_node_state::{Get, List};
use a2n_proto::api::{Match, Sort};
use a2n_proto::execution::ExecutionNodeState;
use a2n_proto::workflow::SharePermission;
use a2n_proto::{ErrorKind, ExecutionId, RpcError};

use super::super::{Context, Registry};
use crate::engine::driving::packed;
use crate::engine::execution::{NodeKey, State};
use crate::engine::plan::Plan;
use crate::store::{View, workflow_version};

mod iterations;

/// Units of work in one answer; more are asked for with `unitsFrom`.
const UNITS: usize = 1_000;

pub(super) fn register(registry: &mut Registry<Context>) {
    registry.method::<List, _>(|context, call, params| async move {
        let store = context.view(&call)?;
        let Some(Match::Is(id)) = params.filter.execution_id else {
            return Err(RpcError::new(
                ErrorKind::Params,
                "node states are listed for one execution",
            )
            .at("filter.executionId")
            .hint("give filter {\"executionId\": \"…\"}"));
        };
        let found = read(&context, &store, id).await?;
        let wanted = iterations::Wanted {
            filter: &params.filter,
            newest_first: params.sort == Some(Sort::Newest),
            cursor: params.cursor.as_deref(),
            limit: params.limit(),
        };
        iterations::list(&store, id, &found, &wanted)
    });
    registry.method::<Get, _>(|context, call, params| async move {
        let store = context.view(&call)?;
        let Some((id, node, iteration)) = params.key() else {
            return Err(RpcError::new(ErrorKind::Params, "which node of which execution?")
                .at("executionId")
                .hint("give executionId and nodeId, or the derived id"));
        };
        let known = read(&context, &store, id).await?;
        let key = NodeKey { node: node.clone(), iteration: iteration.clone() };
        let found = iterations::get(&store, id, &known, &key)?;
        let mut one: ExecutionNodeState = found.ok_or_else(|| {
            let within = match iteration.as_str() {
                "" => String::new(),
                path => format!(" in iteration {path}"),
            };
            let message = format!("execution {id} has no node `{node}`{within}");
            RpcError::new(ErrorKind::NotFound, message)
                .at("nodeId")
                .hint("`executionNodeState.list` names its nodes")
        })?;
        let from = params.units_from.map_or(0, |n| n as usize).min(one.units.len());
        one.units = one.units.drain(from..).take(UNITS).collect();
        Ok(one)
    });
}

/// The plan and state of an execution that the caller may see.
pub(super) async fn read(
    context: &Context,
    store: &View,
    id: ExecutionId,
) -> Result<(Arc<Plan>, State), RpcError> {
    let header = store.execution_head(id, SharePermission::View)?;
    if !header.status.is_ended()
        && let Ok(Some(live)) = context.engine.snapshot(id).await
    {
        return Ok(live);
    }
    let state = store.execution_state(id)?.and_then(|bytes| packed::unpack(&bytes));
    let state = state.ok_or_else(|| {
        RpcError::new(
            ErrorKind::Precondition,
            format!("the node states of execution {id} are lost"),
        )
        .hint(format!("`a2n retry {id} --from START` runs it again where it has ended"))
    })?;
    let (workflow, version) = (header.workflow_id, header.workflow_version);
    if let Some(plan) = context.plans.kept(workflow, version) {
        return Ok((plan, state));
    }
    let definition = workflow_version::definition(&context.store.read()?, workflow, version)?;
    let definition = definition.ok_or_else(|| {
        RpcError::new(ErrorKind::NotFound, format!("version {version} of its workflow is gone"))
    })?;
    let plan = context.plans.make(workflow, version, &definition).map_err(|error| {
        RpcError::new(ErrorKind::Precondition, format!("version {version} has no plan: {error}"))
            .hint("a node definition that it needs may be gone")
    })?;
    Ok((plan, state))
}
