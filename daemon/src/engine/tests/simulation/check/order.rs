//! What came of the items stands in their order.

use a2n_proto::document::OnError;
use a2n_proto::execution::NodeStatus;

use super::Wrong;
use crate::engine::execution::{State, UnitKey};
use crate::engine::fact::Fact;
use crate::engine::scenario::unit_text;
use crate::engine::tests::simulation::world::{SAID_OF_ALL, World};

/// Items leave a node in the order of those that they came of, each on its own.
pub(super) fn of_items(world: &World<'_>, state: &State, fact: &Fact) -> Result<(), Wrong> {
    let Fact::NodeEnded { node, status: NodeStatus::Success, output, .. } = fact else {
        return Ok(());
    };
    let plan = world.plan.node(&node.node).expect("a node of the plan");
    for (handle, sent) in &output.handles {
        if !sent.from.is_sorted() {
            return Err(Wrong::new("items keep their order", format!("{} {handle}", node.node)));
        }
        if plan.is_inline() || plan.disabled || sent.from.is_empty() {
            continue;
        }
        for (item, from) in sent.items.iter().zip(&sent.from) {
            let unit = UnitKey { node: node.clone(), item: Some(*from) };
            // An item that was done before may have had another place then.
            if state.unit(&unit).is_some_and(|unit| unit.carried) {
                continue;
            }
            let unit = unit_text(&unit);
            let is_its_own = match plan.on_error {
                OnError::Stop => {
                    item.as_str() == format!("\"{SAID_OF_ALL}\"")
                        || item.as_str().contains(&format!("\"u\":\"{unit}\""))
                }
                _ => true,
            };
            if !is_its_own {
                return Err(Wrong::new("an item comes from its unit", format!("{unit}: {item}")));
            }
        }
    }
    Ok(())
}
