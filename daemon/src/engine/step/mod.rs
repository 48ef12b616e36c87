//! The step: from a state and one input to facts and effects. One line per input, no logic.
//!
//! The driver commits the state after the step, publishes, and only then does the effects.

use super::effect::Effect;
use super::execution::State;
use super::fact::Fact;
use super::input::{Env, Input};
use super::plan::Plan;

/// What came of one step.
#[derive(Debug, Clone, Default)]
pub struct Step {
    /// What is now so; the state already has it.
    pub facts: Vec<Fact>,
    /// What is to be done after the commit.
    pub effects: Vec<Effect>,
}

/// Tells the execution one thing.
pub fn step(_plan: &Plan, _state: &mut State, _input: Input, _env: &Env) -> Step {
    Step::default()
}
