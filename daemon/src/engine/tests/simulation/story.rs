//! A story: a workflow, what happens to its execution, and how it is brought to its end.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::chance::Chance;
use super::check::Wrong;
use super::graphs::workflow;
use super::moves::Move;
use super::world::World;
use crate::engine::fact::Fact;
use crate::engine::input::Input;
use crate::engine::plan::Plan;
use crate::engine::scenario::{Stands, document};

/// A story.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Story {
    pub(super) workflow: String,
    pub(super) moves: Vec<Move>,
    /// Whether it is cancelled after its moves; else everything comes to its end.
    pub(super) cancelled: bool,
}

impl Story {
    /// The story of a seed.
    pub(super) fn of(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let workflow = workflow(&mut chance);
        let most = if chance.percent(30) { 60 } else { 20 };
        let count = chance.below(most);
        let moves = (0..count).map(|_| Move::of(&mut chance)).collect();
        Self { workflow, moves, cancelled: chance.percent(20) }
    }
    /// Compiles the workflow; none where it is not valid (any more).
    pub(super) fn plan(&self) -> Option<Plan> {
        let document = catch_unwind(|| document(&self.workflow)).ok()?;
        Plan::new(&document, &Stands).ok().filter(|plan| plan.unsupported().is_none())
    }
    /// Plays it, and says what does not hold.
    pub(super) fn play(&self, plan: &Plan) -> Result<Vec<Fact>, Wrong> {
        let mut world = World::new(plan, false);
        self.play_in(&mut world)?;
        Ok(world.facts)
    }
    /// Plays it with a journal: the moves with the facts that came of them.
    pub(super) fn told(&self, plan: &Plan) -> String {
        let mut world = World::new(plan, true);
        let wrong = self.play_in(&mut world).err();
        let journal = world.journal.unwrap_or_default();
        format!("{}\n{journal}  {wrong:?}", self.workflow)
    }
    fn play_in(&self, world: &mut World<'_>) -> Result<(), Wrong> {
        let played = catch_unwind(AssertUnwindSafe(|| {
            world.tell(Input::Begin)?;
            for this in &self.moves {
                world.make(*this)?;
                world.named_wait()?;
            }
            if self.cancelled {
                world.make(Move::Cancel)?;
            }
            world.drain()
        }));
        played.unwrap_or_else(|_| Err(Wrong::new("nothing panics", "")))
    }
}
