//! What clients and people do: start executions, steer them, answer what is asked.

use a2n_daemon::engine::approval::{Ballot, Voter};
use a2n_daemon::engine::input::{Answer, Input};
use a2n_proto::execution::{Decision, Execution, PausedReason, WaitingKind};
use a2n_proto::identity::Role;
use a2n_proto::{ExecutionId, Json};

use super::Life;
use crate::daemon::told;
use crate::ends;
use crate::executor::running_of;
use crate::machine::made;

impl Life {
    /// A client starts something new, or asks again with a key that it used before.
    pub(super) fn start_one(&mut self) {
        let again = self.keys > 0 && self.machine.chance(15);
        let (key, which) = if again {
            let key = self.machine.below(self.keys);
            (key, key.wrapping_mul(7))
        } else {
            self.keys += 1;
            (self.keys - 1, (self.keys - 1).wrapping_mul(7))
        };
        let daemon = self.daemon();
        let which = usize::try_from(which).expect("small") % daemon.workflows.len();
        let priority = i32::try_from(key % 3).expect("small");
        daemon.run(&daemon.workflows[which], format!("key-{key}"), priority, &self.history);
    }

    /// A person steers an execution, one of those that are known.
    pub(super) fn tell_one(&mut self) {
        let known: Vec<ExecutionId> =
            told(&self.history).accepted.iter().map(|(_, id)| *id).collect();
        let Some(last) = known.len().checked_sub(1) else { return };
        let back = usize::try_from(self.machine.below(6)).expect("small").min(last);
        let id = known[last - back];
        let by = Some("alice".to_owned());
        let input = match self.machine.below(10) {
            0..=2 => Input::Cancel { by, reason: None },
            3..=4 => Input::Pause { by },
            5..=6 => Input::Resume,
            _ => {
                let Some(input) = self.doubtful(id).or_else(|| self.vote(id)) else { return };
                input
            }
        };
        self.daemon().tell(id, input, &self.history);
    }

    /// An answer for a step of the execution that is in doubt.
    fn doubtful(&self, id: ExecutionId) -> Option<Input> {
        let one = self.stored(id)?;
        self.daemon().store.read().ok()?;
        let nodes = ends::nodes(self.daemon(), &one);
        let in_doubt = nodes.into_iter().find(|node| {
            node.waiting.as_ref().is_some_and(|waiting| waiting.kind == WaitingKind::InDoubt)
        })?;
        let answer = match self.machine.below(3) {
            0 => Answer::Done(Json::null()),
            1 => Answer::Failed,
            _ => Answer::RunAgain,
        };
        let (node, iteration) = (in_doubt.node_id, in_doubt.iteration);
        Some(Input::Answer { node, iteration, item: None, answer })
    }

    /// A decision for a question of the execution that is open.
    fn vote(&self, id: ExecutionId) -> Option<Input> {
        let one = self.stored(id)?;
        let nodes = ends::nodes(self.daemon(), &one);
        let asks = nodes.into_iter().find(|node| {
            node.waiting.as_ref().is_some_and(|waiting| waiting.kind == WaitingKind::Approval)
        })?;
        let voter = Voter {
            user: made().owner,
            name: "alice".into(),
            also: Vec::new(),
            groups: Vec::new(),
            role: Role::Owner,
            may_run: true,
            is_starter: true,
        };
        let yes = self.machine.chance(70);
        let decision = if yes { Decision::Approve } else { Decision::Reject };
        let ballot = Ballot { decision, comment: None, form: Json::null() };
        let (node, iteration) = (asks.node_id, asks.iteration);
        Some(Input::Vote { node, iteration, item: None, voter: Box::new(voter), ballot })
    }

    /// Nothing goes on by itself: each execution has to say why, and gets what it waits for.
    pub(super) fn help(&mut self, open: &[Execution]) {
        if open.is_empty() {
            let load = self.daemon().engine.last_load();
            self.wrong.push(format!("all have ended, and the driver holds on: {load:?}"));
        }
        // One that only waits may wait for another one: its lock, its place, its end.
        let moves = |one: &&Execution| {
            let runs = running_of(&self.machine.witness.seen(), one.id) > 0;
            runs || matches!(one.paused_reason, Some(PausedReason::User | PausedReason::InDoubt))
        };
        let others_move = open.iter().any(|one| moves(&one));
        for one in open {
            let runs = running_of(&self.machine.witness.seen(), one.id) > 0;
            let input = match one.paused_reason {
                Some(PausedReason::User) => Some(Input::Resume),
                Some(PausedReason::InDoubt) => self.doubtful(one.id),
                // A step that never ends, and somebody who has seen enough of it.
                None if runs => Some(Input::Cancel { by: None, reason: None }),
                // Another one of its workflow has the place.
                None if one.start_time.is_none()
                    && open.iter().any(|other| {
                        other.workflow_id == one.workflow_id && other.start_time.is_some()
                    }) =>
                {
                    continue;
                }
                Some(PausedReason::Waiting) if others_move => continue,
                // It waits for the end of one that it had started.
                None if open.iter().any(|other| other.parent_execution_id == Some(one.id)) => {
                    continue;
                }
                // It waits for the slot that such a step has.
                None if self.daemon().engine.last_load().jobs > 0 => continue,
                _ => None,
            };
            match input {
                Some(input) => self.daemon().tell(one.id, input, &self.history),
                None => self.wrong.push(format!(
                    "{} of {} is {:?} ({:?}) for no known reason: {:?}",
                    one.id,
                    one.workflow_name,
                    one.status,
                    one.paused_reason,
                    self.daemon().engine.last_load()
                )),
            }
        }
    }
}
