//! Node states in loops: those that the state has, and those of iterations that are over and have
//! rows of their own, as one list: outside loops in the document's order, then by iteration.

use std::collections::BTreeSet;
use std::sync::Arc;

use a2n_proto::api::execution_node_state::Filter;
use a2n_proto::api::{Match, Page};
use a2n_proto::execution::ExecutionNodeState;
use a2n_proto::{ExecutionId, RpcError};

use crate::engine::driving::packed;
use crate::engine::execution::{NodeKey, State};
use crate::engine::plan::Plan;
use crate::engine::view;
use crate::rpc::context::bad_cursor;
use crate::store::View;
use crate::store::execution::Place;

/// Iterations read at once.
const BATCH: usize = 256;

/// Where a row stands in the list.
type Key = (Vec<u32>, u32);

fn key(row: &ExecutionNodeState) -> Key {
    (view::numbers(&row.iteration), row.position)
}

/// What a list is asked for.
pub(super) struct Wanted<'w> {
    pub(super) filter: &'w Filter,
    pub(super) newest_first: bool,
    pub(super) cursor: Option<&'w str>,
    pub(super) limit: usize,
}

impl Wanted<'_> {
    fn holds(&self, row: &ExecutionNodeState) -> bool {
        let Filter { node_id, status, iteration, .. } = self.filter;
        node_id.as_ref().is_none_or(|wanted| wanted.holds_text(&row.node_id))
            && status.as_ref().is_none_or(|wanted| wanted.holds(&row.status))
            && iteration.as_ref().is_none_or(|wanted| wanted.holds_text(&row.iteration))
    }
    /// The outermost iteration that all rows are in, where the filter says so.
    fn only(&self) -> Option<u32> {
        match &self.filter.iteration {
            Some(Match::Is(path)) => view::numbers(path).first().copied(),
            _ => None,
        }
    }
    fn after(&self) -> Result<Option<Key>, RpcError> {
        let Some(cursor) = self.cursor else { return Ok(None) };
        let (position, path) = cursor.split_once(':').ok_or_else(bad_cursor)?;
        let position = position.parse().map_err(|_| bad_cursor())?;
        Ok(Some((view::numbers(path), position)))
    }
}

/// A page of the list.
pub(super) fn list(
    store: &View,
    id: ExecutionId,
    (plan, state): &(Arc<Plan>, State),
    wanted: &Wanted<'_>,
) -> Result<Page<ExecutionNodeState>, RpcError> {
    let after = wanted.after()?;
    let is_next = |row: &ExecutionNodeState| {
        wanted.holds(row)
            && after.as_ref().is_none_or(|after| match wanted.newest_first {
                true => key(row) < *after,
                false => key(row) > *after,
            })
    };
    let mut rows = view::node_states(plan, state, false);
    rows.retain(&is_next);
    let first = wanted.only().or_else(|| after.as_ref()?.0.first().copied());
    // Outside of every loop nothing comes before the iterations, where the newest stand first.
    let past_all = wanted.newest_first && after.as_ref().is_some_and(|after| after.0.is_empty());
    let mut place = first.map(|first| match wanted.newest_first {
        true => Place { path: vec![first.saturating_add(1)], node: String::new() },
        false => Place { path: vec![first], node: String::new() },
    });
    let mut bound = None;
    while !past_all && has_loops(state) {
        let batch = store.execution_iterations(id, place.as_ref(), wanted.newest_first, BATCH)?;
        let Some((last, _)) = batch.last() else { break };
        let here = last.path.first().copied();
        if wanted
            .only()
            .is_some_and(|only| batch.iter().all(|(p, _)| p.path.first() != Some(&only)))
        {
            break;
        }
        place = Some(last.clone());
        for (_, bytes) in &batch {
            rows.extend(states(plan, state, bytes).into_iter().filter(&is_next));
        }
        // What lies within iteration 2 may stand in its row or in rows of its own.
        let is_done = |row: &&ExecutionNodeState| is_before(row, here, wanted.newest_first);
        if rows.iter().filter(is_done).count() > wanted.limit {
            bound = here;
            break;
        }
    }
    if bound.is_some() {
        rows.retain(|row| is_before(row, bound, wanted.newest_first));
    }
    rows.sort_by_cached_key(key);
    if wanted.newest_first {
        rows.reverse();
    }
    let mut seen = BTreeSet::new();
    rows.retain(|row| seen.insert(row.id.clone()));
    let more = rows.len() > wanted.limit || bound.is_some();
    rows.truncate(wanted.limit);
    let next_cursor = rows.last().filter(|_| more);
    let next_cursor = next_cursor.map(|row| format!("{}:{}", row.position, row.iteration));
    Ok(Page { items: rows, next_cursor })
}

/// Whether a row stands before all that is in an outermost iteration.
fn is_before(row: &ExecutionNodeState, here: Option<u32>, newest_first: bool) -> bool {
    let first = view::numbers(&row.iteration).first().copied();
    if newest_first { first > here } else { first < here }
}

/// Only an execution with loops has iterations that are kept elsewhere.
fn has_loops(state: &State) -> bool {
    state.has_loops()
}

/// The rows of an iteration that is kept by itself.
fn states(plan: &Plan, state: &State, bytes: &[u8]) -> Vec<ExecutionNodeState> {
    let Some(folded) = packed::unpack_folded(bytes) else { return Vec::new() };
    view::folded_states(plan, state, folded)
}

/// One node in one iteration, with its data; none where it is not known.
pub(super) fn get(
    store: &View,
    id: ExecutionId,
    (plan, state): &(Arc<Plan>, State),
    key: &NodeKey,
) -> Result<Option<ExecutionNodeState>, RpcError> {
    if let Some(found) = view::node_state(plan, state, key) {
        return Ok(Some(found));
    }
    // What it worked on may stand with the iterations around it.
    let mut whole = state.clone();
    let path = view::numbers(&key.iteration);
    for (depth, node) in (1..).zip(plan.loops_around(&key.node)) {
        let Some(path) = path.get(..depth) else { break };
        let place = Place { path: path.to_vec(), node };
        if let Some(bytes) = store.execution_iteration(id, &place)?
            && let Some(folded) = packed::unpack_folded(&bytes)
        {
            whole.unfold(folded);
        }
    }
    Ok(view::node_state(plan, &whole, key))
}
