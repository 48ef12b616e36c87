//! A story: a workflow, what happens to its execution, and how it is brought to its end.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::again::once_more;
use super::chance::Chance;
use super::check::Wrong;
use super::moves::Move;
use super::world::World;
use super::{graphs, parts};
use crate::engine::fact::Fact;
use crate::engine::input::Input;
use crate::engine::plan::Plan;
use crate::engine::scenario::{Stands, document};

/// A story.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Story {
    pub(super) workflow: String,
    /// What happens while it waits for its turn.
    pub(super) before: Vec<Move>,
    pub(super) moves: Vec<Move>,
    /// Whether it is paused after its moves, until nothing runs.
    pub(super) paused: bool,
    /// Whether it is cancelled then; else everything comes to its end.
    pub(super) cancelled: bool,
    /// Whether it is then retried, and from where.
    pub(super) again: Option<usize>,
}

/// Drawings after which one without parts is taken: not every drawing is valid.
const DRAWINGS: usize = 20;

impl Story {
    /// The story of a seed.
    pub(super) fn of(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let workflow = workflow(&mut chance);
        let most = if chance.percent(30) { 60 } else { 20 };
        let count = chance.below(most);
        let moves = (0..count).map(|_| Move::of(&mut chance)).collect();
        let before = match chance.below(20) {
            0 => vec![Move::Pause],
            1 => vec![Move::Pause, Move::Resume],
            2 => vec![Move::Pause, Move::Cancel],
            _ => Vec::new(),
        };
        let (paused, cancelled) = (chance.percent(20), chance.percent(20));
        let again = chance.percent(40).then(|| chance.below(64));
        Self { workflow, before, moves, paused, cancelled, again }
    }
    /// Compiles the workflow; none where it is not valid (any more).
    pub(super) fn plan(&self) -> Option<Plan> {
        plan(&self.workflow)
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
            for this in &self.before {
                world.make(*this)?;
            }
            world.tell(Input::Begin)?;
            for this in &self.moves {
                world.make(*this)?;
                world.named_wait()?;
            }
            if self.paused {
                world.pause()?;
            }
            if self.cancelled {
                world.make(Move::Cancel)?;
            }
            world.drain()?;
            self.again.map_or(Ok(()), |which| once_more(world, which))
        }));
        played.unwrap_or_else(|_| Err(Wrong::new("nothing panics", "")))
    }
}

/// A workflow of a seed's chance: one of steps alone, or one with parts.
fn workflow(chance: &mut Chance) -> String {
    if chance.percent(55) {
        for _ in 0..DRAWINGS {
            let text = parts::workflow(chance);
            if plan(&text).is_some() {
                return text;
            }
        }
    }
    graphs::workflow(chance)
}

fn plan(workflow: &str) -> Option<Plan> {
    let document = catch_unwind(|| document(workflow)).ok()?;
    Plan::new(&document, &Stands).ok().filter(|plan| plan.unsupported().is_none())
}
