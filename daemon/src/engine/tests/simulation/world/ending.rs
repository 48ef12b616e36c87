//! How a world comes to its end: attempts end well, timers fire, people answer.

use a2n_proto::execution::ExecutionStatus;

use super::World;
use crate::engine::input::Input;
use crate::engine::tests::simulation::check::{Wrong, at_the_end};
use crate::engine::tests::simulation::moves::Move;

/// Moves after which something never ends.
const MANY: usize = 5_000;

impl World<'_> {
    /// Lets everything come to its end.
    pub(in crate::engine::tests::simulation) fn drain(&mut self) -> Result<(), Wrong> {
        self.make(Move::Parallel { most: 64 })?;
        self.make(Move::Others { permits: 0 })?;
        self.make(Move::Tokens { each: None })?;
        self.make(Move::Resume)?;
        if self.state.status() == ExecutionStatus::Pending {
            self.tell(Input::Begin)?;
        }
        for _ in 0..MANY {
            self.act()?;
            if self.state.status().is_ended() {
                return self.rest();
            }
            if self.to_continue {
                self.to_continue = false;
                self.tell(Input::Continue)?;
            } else if !self.jobs.is_empty() {
                self.make(Move::Ok { which: 0, items: 1 })?;
            } else if self.desk.open.keys().any(|asker| self.desk.may_answer(asker)) {
                self.make(Move::Reply { which: 0 })?;
            } else if !self.timers.is_empty() {
                self.make(Move::Next)?;
            } else {
                self.stir()?;
            }
        }
        Err(Wrong::new("an execution ends", format!("not within {MANY} moves")))
    }

    /// Somebody pauses it: what runs comes to its end, and nothing begins.
    pub(in crate::engine::tests::simulation) fn pause(&mut self) -> Result<(), Wrong> {
        self.make(Move::Pause)?;
        for _ in 0..MANY {
            self.act()?;
            if self.state.status().is_ended() {
                return Ok(());
            }
            if !self.jobs.is_empty() {
                self.make(Move::Ok { which: 0, items: 1 })?;
            } else if self.desk.open.keys().any(|asker| self.desk.may_answer(asker)) {
                self.make(Move::Reply { which: 0 })?;
            } else if !self.timers.is_empty() {
                self.make(Move::Next)?;
            } else {
                return Ok(());
            }
        }
        Err(Wrong::new("what is paused comes to rest", format!("not within {MANY} moves")))
    }

    /// Nothing moves by itself.
    fn stir(&mut self) -> Result<(), Wrong> {
        self.named_wait()?;
        // Room that came without an input is used with the next one.
        let before = self.facts.len();
        self.tell(Input::Continue)?;
        if self.facts.len() > before {
            return Ok(());
        }
        if !self.in_doubt().is_empty() {
            return self.make(Move::Answer { which: 0, how: "done", one: true });
        }
        if !self.desk.open.is_empty() {
            // Approvals may need two; one that waits for a lock of its own waits for ever, until somebody
            // has seen enough of it.
            for who in [1, 2] {
                self.make(Move::Vote { which: 0, who, yes: true })?;
            }
            if self.facts.len() == before {
                self.make(Move::Cancel)?;
            }
            return Ok(());
        }
        let what = format!("{:?}", self.state.status());
        Err(Wrong::new("an execution ends or waits for something", what))
    }

    /// Where nothing moves, the state says why.
    pub(in crate::engine::tests::simulation) fn named_wait(&self) -> Result<(), Wrong> {
        let is_held_up = self.limits.parallel == 0 || !self.limits.tokens.is_empty();
        let named = self.state.paused_reason().is_some() || is_held_up;
        let is_open = !self.state.status().is_ended();
        let has_begun = self.state.status() != ExecutionStatus::Pending;
        if self.is_still() && is_open && has_begun && !named && !self.state.has_ready() {
            let what = format!("{:?} without a reason", self.state.status());
            return Err(Wrong::new("an execution ends or waits for something named", what));
        }
        Ok(())
    }

    /// After the end: nothing runs, no timer is set, and nothing comes of anything.
    fn rest(&mut self) -> Result<(), Wrong> {
        self.act()?;
        self.desk.agrees(&self.state)?;
        if !self.timers.is_empty() {
            let what = format!("{:?}", self.timers.keys());
            return Err(Wrong::new("no timer outlives its execution", what));
        }
        at_the_end(self)
    }
}
