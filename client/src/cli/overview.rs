//! `a2n` alone: the terminal client where there is one, else what runs, what is due, and the help.

use a2n_client::Exit;
use clap::CommandFactory as _;

use super::{Cli, Context, Outcome};

/// Shows what is going on.
pub(super) async fn run(cx: &Context) -> Outcome {
    cx.out.write(&Cli::command().render_help().to_string())?;
    Ok(Exit::Done)
}
