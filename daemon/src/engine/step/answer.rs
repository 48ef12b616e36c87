//! Someone says how steps in doubt ended.

use a2n_proto::Json;

use super::advance::advance_working;
use super::turn::Turn;
use crate::engine::execution::{NodeKey, Phase, UnitKey};
use crate::engine::fact::Fact;
use crate::engine::input::Answer;
use crate::engine::kind::{Handles, Item, NodeError};

pub(super) fn answer(
    turn: &mut Turn<'_>,
    node: String,
    iteration: String,
    item: Option<u32>,
    answer: &Answer,
) {
    let Some(number) = turn.number(&node) else { return };
    let key = NodeKey { node, iteration };
    let Some(state) = turn.state.nodes.get(&key) else { return };
    let doubtful: Vec<(UnitKey, u32)> = state
        .units
        .under_way()
        .filter(|(index, _)| item.is_none_or(|item| item == *index))
        .filter_map(|(index, unit)| match unit.phase {
            Phase::InDoubt { n } => {
                Some((UnitKey { node: key.clone(), item: state.each.then_some(index) }, n))
            }
            _ => None,
        })
        .collect();
    if doubtful.is_empty() {
        return;
    }
    for (unit, n) in doubtful {
        match answer {
            Answer::Done(output) => {
                let handle = turn.node(number).default_output().to_owned();
                let output = Handles::from([(handle, items(output))]);
                turn.fact(Fact::UnitDone { unit, output });
            }
            Answer::Failed => {
                let error = NodeError::new("IN_DOUBT", "a person said that it failed");
                // As with `inDoubt: FAIL`; who wants another try answers so.
                turn.fact(Fact::UnitFailed { unit, n, error });
            }
            Answer::RunAgain => turn.fact(Fact::UnitReady { unit }),
        }
    }
    advance_working(turn);
}

/// The items that a person gave: each member of an array, one value, or one empty object, so that
/// what comes after runs.
fn items(output: &Json) -> Vec<Item> {
    if output.is_null() {
        return vec![Json::object()];
    }
    output.to::<Vec<Json>>().unwrap_or_else(|_| vec![output.clone()])
}
