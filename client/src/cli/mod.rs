//! The `a2n` command: one file per command, all with the same shape.
//!
//! A command is a `clap` struct with `run(self, &Context) -> Outcome`. It asks the daemon through a
//! session, shows the answer through `Out`, and fails with a `Failure` that carries the exit code.
//! To add one: a file here and its line in `command_line` and `start`.

mod apply;
mod approve;
mod audit;
mod cancel;
mod command_line;
mod completions;
mod context;
mod diff;
mod documents;
mod ending;
mod event;
mod export;
mod external;
mod failure;
mod health;
mod info;
mod inputs;
mod items;
mod log_view;
mod logs;
mod ls;
mod man;
mod metrics;
mod moments;
mod node;
mod node_states;
mod output;
mod overview;
mod pipe;
mod plan;
mod ps;
mod publish;
mod quickstart;
mod retry;
mod retry_all;
mod rows;
mod rpc;
mod run;
mod safe_mode;
mod schedule;
mod settings;
mod show;
mod start;
mod steer;
mod test;
mod tree;
mod trigger;
mod user;
mod validate;
mod verify;
mod versions;
mod which;
mod wording;

#[cfg(test)]
mod tests;

use command_line::{Cli, Command, Global, examples};
use context::{Answered, Context, Outcome, ask, ask_raw};

pub(crate) use start::main;
