//! `executionNodeState.*`: one node of one execution, live from the engine or from the store.

use std::sync::Arc;

use a2n_proto::api::execution_node_state::{Get, List};
use a2n_proto::api::{Match, Page, Sort};
use a2n_proto::execution::ExecutionNodeState;
use a2n_proto::workflow::SharePermission;
use a2n_proto::{ErrorKind, ExecutionId, RpcError};

use super::super::context::place;
use super::super::{Context, Registry};
use crate::engine::driving::persist;
use crate::engine::execution::{NodeKey, State};
use crate::engine::plan::Plan;
use crate::engine::view;
use crate::store::{View, workflow_version};

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
        let (plan, state) = read(&context, &store, id).await?;
        let mut all = view::node_states(&plan, &state, false);
        all.retain(|one| {
            let filter = &params.filter;
            filter.node_id.as_ref().is_none_or(|wanted| wanted.holds_text(&one.node_id))
                && filter.status.as_ref().is_none_or(|wanted| wanted.holds(&one.status))
                && filter.iteration.as_ref().is_none_or(|wanted| wanted.holds_text(&one.iteration))
        });
        if params.sort == Some(Sort::Newest) {
            all.reverse();
        }
        let from = place(params.cursor.as_deref())?;
        let to = from.saturating_add(params.limit()).min(all.len());
        let next_cursor = (to < all.len()).then(|| to.to_string());
        Ok(Page { items: all.drain(from.min(to)..to).collect(), next_cursor })
    });
    registry.method::<Get, _>(|context, call, params| async move {
        let store = context.view(&call)?;
        let Some((id, node, iteration)) = params.key() else {
            return Err(RpcError::new(ErrorKind::Params, "which node of which execution?")
                .at("executionId")
                .hint("give executionId and nodeId, or the derived id"));
        };
        let (plan, state) = read(&context, &store, id).await?;
        let key = NodeKey { node: node.clone(), iteration };
        let found = view::node_state(&plan, &state, &key);
        let mut one: ExecutionNodeState = found.ok_or_else(|| {
            RpcError::new(ErrorKind::NotFound, format!("execution {id} has no node `{node}`"))
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
    let state = store.execution_state(id)?.and_then(|bytes| persist::unpack(&bytes));
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
