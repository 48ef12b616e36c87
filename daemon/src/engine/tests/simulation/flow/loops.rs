//! Loops, as far as the flow is concerned: what each iteration begins with, and what comes of all.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Flow, Gone, at_entry};
use crate::engine::execution::{NodeKey, Output, below};
use crate::engine::fact::Fact;
use crate::engine::kind::{DONE, Item, Iterations, LOOP, Over, Role};
use crate::engine::plan::Plan;
use crate::engine::scenario::fact_text;
use crate::engine::tests::simulation::check::Wrong;

impl Flow {
    pub(super) fn follow_loop(&mut self, plan: &Plan, fact: &Fact) -> Result<(), Wrong> {
        match fact {
            Fact::LoopBegan { node, took, iterations } => {
                let (took, iterations) = (*took, iterations.clone());
                let gone = Gone { took, iterations, ..Gone::default() };
                if self.loops.insert(node.clone(), gone).is_some() {
                    return Err(Wrong::new("a loop begins once", node.node.clone()));
                }
            }
            Fact::LoopSkipped { node, .. } => {
                let skipped = Gone { ended: true, closing: true, ..Gone::default() };
                self.loops.insert(node.clone(), skipped);
            }
            Fact::IterationBegan { node, index, entry } => {
                self.iteration_begins(plan, node, *index, entry)
                    .map_err(|what| Wrong::new("an iteration begins with what is its own", what))?;
            }
            Fact::IterationEnded { node, index, result, .. } => {
                let sent_back = self.sent_back(plan, node, *index);
                let Some(gone) = self.loops.get_mut(node) else { return Ok(()) };
                gone.open.remove(index);
                if !gone.closing {
                    gone.whole.insert(*index);
                }
                if let Some(result) = result {
                    if sent_back.is_some_and(|items| items != result.items) {
                        let what = fact_text(fact);
                        return Err(Wrong::new("what is sent back comes back in order", what));
                    }
                    gone.results.insert(*index, result.items.clone());
                }
            }
            Fact::LoopClosing { node, broken } => {
                if let Some(gone) = self.loops.get_mut(node) {
                    (gone.closing, gone.broken) = (true, broken.clone());
                }
            }
            Fact::LoopEnded { node } => {
                if let Some(gone) = self.loops.get_mut(node) {
                    gone.ended = true;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Iterations come one after the other, each with its share.
    fn iteration_begins(
        &mut self,
        plan: &Plan,
        key: &NodeKey,
        index: u32,
        entry: &BTreeMap<u32, Arc<Output>>,
    ) -> Result<(), String> {
        let node = plan.node(&key.node).expect("a node of the plan");
        let gone = self.loops.get(key).ok_or("its loop has not begun")?;
        let most = match (&gone.iterations, node.max_iterations) {
            (Some(Iterations { over: Over::Input | Over::List(_), .. }), None) => u32::MAX,
            _ => node.most_iterations(),
        };
        if gone.closing || gone.ended || index as usize != gone.entries.len() || index >= most {
            return Err(format!("iteration {index} of {}: at most {most}", key.node));
        }
        let one_by_one = node.while_.is_some() || gone.iterations.is_none();
        let at_once = if one_by_one { 1 } else { node.concurrency as usize };
        if gone.open.len() >= at_once {
            return Err(format!("{} beside {:?}, {at_once} may", key.node, gone.open));
        }
        if let Some(wanted) = self.share(plan, key, gone, index) {
            let given: Vec<Item> = match &gone.iterations {
                Some(_) => entry.values().flat_map(|output| output.items(LOOP).to_vec()).collect(),
                None => at_entry(plan, key, entry),
            };
            if given != wanted {
                return Err(format!("{} got {given:?}, not {wanted:?}", key.node));
            }
        }
        let gone = self.loops.get_mut(key).ok_or("its loop has not begun")?;
        gone.entries.push(entry.clone());
        gone.open.insert(index);
        Ok(())
    }

    /// What an iteration has to begin with; none where that can't be told.
    fn share(&self, plan: &Plan, key: &NodeKey, gone: &Gone, index: u32) -> Option<Vec<Item>> {
        let node = plan.node(&key.node)?;
        let Some(how) = &gone.iterations else {
            let last = index.checked_sub(1)?;
            let path = below(&key.iteration, last);
            let back = node.incoming.iter().map(|number| &plan.connections[*number]);
            let back = back.filter(|connection| connection.back);
            let came = back.filter_map(|connection| self.came(plan, connection, &path));
            let mut came = came.filter(|items| !items.is_empty());
            return Some(match node.join_any {
                true => came.next().unwrap_or_default(),
                false => came.flatten().collect(),
            });
        };
        let batch = how.batch.max(1) as usize;
        let share = |items: &[Item]| -> Vec<Item> {
            items.iter().skip(index as usize * batch).take(batch).cloned().collect()
        };
        match &how.over {
            Over::List(list) => Some(share(list)),
            Over::Input => self.input(plan, key).map(|items| share(&items)),
            Over::Rounds if index == 0 => self.input(plan, key),
            Over::Rounds => gone.results.get(&(index - 1)).cloned(),
        }
    }

    /// What an iteration sent back to its `loop` node; none where no connection leads there.
    fn sent_back(&self, plan: &Plan, key: &NodeKey, index: u32) -> Option<Vec<Item>> {
        let node = plan.node(&key.node)?;
        let path = below(&key.iteration, index);
        let back = node.incoming.iter().map(|number| &plan.connections[*number]);
        let back: Vec<_> = back.filter(|connection| connection.collects).collect();
        if back.is_empty() {
            return None;
        }
        let came = back.iter().flat_map(|connection| self.sent_below(plan, connection, &path));
        Some(came.collect())
    }

    /// What leaves a `loop` node is what came of its iterations, in their order.
    pub(super) fn done(&self, plan: &Plan, key: &NodeKey, output: &Output) -> Result<(), Wrong> {
        let node = plan.node(&key.node).expect("a node of the plan");
        let (Role::Loop, Some(gone)) = (node.role, self.loops.get(key)) else { return Ok(()) };
        let Some(how) = gone.iterations.as_ref().filter(|_| output.handles.contains_key(DONE))
        else {
            return Ok(());
        };
        let mut wanted: Vec<Item> = match how.last_only {
            true => gone.results.last_key_value().map(|(_, last)| last.clone()).unwrap_or_default(),
            false => gone.results.values().flatten().cloned().collect(),
        };
        if gone.entries.is_empty() && how.over == Over::Rounds {
            wanted = self.input(plan, key).unwrap_or_default();
        }
        wanted.extend(gone.broken.iter().flatten().cloned());
        if output.items(DONE) != wanted {
            let what = format!("{}: {:?}, not {wanted:?}", key.node, output.items(DONE));
            return Err(Wrong::new(
                "what comes of a loop stands in the order of its iterations",
                what,
            ));
        }
        Ok(())
    }
}
