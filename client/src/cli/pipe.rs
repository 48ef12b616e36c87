//! `a2n pipe`: the far end of `--host`; copies between standard streams and the daemon's socket.

use a2n_client::{Exit, connect};

use super::failure::Failure;
use super::{Context, Outcome, examples};

/// Copy between standard input, standard output and the daemon's socket (`--host` runs it)
#[derive(Debug, clap::Args)]
#[command(after_help = examples!("ssh server a2n pipe"))]
pub(super) struct Args {}

impl Args {
    pub(super) async fn run(self, cx: &Context) -> Outcome {
        if cx.place.host.is_some() {
            return Err(Failure::usage("`a2n pipe` is for this machine: leave --host out"));
        }
        connect::pipe(&cx.place).await?;
        Ok(Exit::Done)
    }
}
