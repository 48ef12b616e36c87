//! The step: from a state and one input to facts and effects. One line per input, no logic.
//!
//! The driver commits the state after the step, publishes, and only then does the effects.

mod advance;
mod answer;
mod arrive;
mod attempt_ended;
mod begin;
mod bounded;
mod cancel;
mod conclude;
mod failing;
mod frontier;
mod looping;
mod node;
mod pause;
mod progress;
mod recovered;
pub mod rehearse;
mod replied;
mod sight;
mod timer_fired;
mod turn;
mod unit;
mod vote;

use super::effect::Effect;
use super::execution::{Folded, State};
use super::fact::Fact;
use super::input::{Env, Input};
use super::plan::Plan;
pub(super) use arrive::input as input_of;
use turn::Turn;

/// What came of one step.
#[derive(Debug, Clone, Default)]
pub struct Step {
    /// What is now so; the state already has it.
    pub facts: Vec<Fact>,
    /// What is to be done after the commit.
    pub effects: Vec<Effect>,
    /// Iterations of loops that are over and that the state holds no longer: to be kept elsewhere
    /// with the same commit.
    pub folded: Vec<Folded>,
}

/// Tells the execution one thing. No facts and no effects mean that it made no difference, and
/// nothing needs to be committed.
pub fn step(plan: &Plan, state: &mut State, input: Input, env: &Env) -> Step {
    if state.status().is_ended() {
        return Step::default();
    }
    let mut turn = Turn::new(plan, state, env);
    match input {
        Input::Begin => begin::begin(&mut turn),
        Input::Continue => advance::advance(&mut turn),
        Input::AttemptEnded { key, end } => attempt_ended::attempt_ended(&mut turn, &key, *end),
        Input::Progress { key, percent, detail } => {
            progress::progress(&mut turn, &key, percent, detail);
        }
        Input::Replied { unit, n, reply } => replied::replied(&mut turn, &unit, n, *reply),
        Input::TimerFired { key } => timer_fired::timer_fired(&mut turn, &key),
        Input::Cancel { by, reason } => cancel::cancel(&mut turn, by, reason),
        Input::Pause { by } => pause::pause(&mut turn, by),
        Input::Resume => pause::resume(&mut turn),
        Input::Answer { node, iteration, item, answer } => {
            answer::answer(&mut turn, node, iteration, item, &answer);
        }
        Input::Vote { node, iteration, item, voter, ballot } => {
            vote::vote(&mut turn, node, iteration, item, (&voter, &ballot));
        }
        Input::Recovered { alive, not_begun } => {
            recovered::recovered(&mut turn, &alive, &not_begun);
        }
    }
    turn.finish()
}
