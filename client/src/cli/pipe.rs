//! `a2n pipe`: the far end of `--host`; copies between standard streams and the daemon's socket.

use a2n_client::Exit;
use a2n_client::connect::{self, Place};

use super::failure::Failure;
use super::{Context, Outcome, examples};

/// Copy between standard input, standard output and the daemon's socket (`--host` runs it)
#[derive(Debug, clap::Args)]
#[command(after_help = examples!("ssh server a2n pipe"))]
pub(super) struct Args {}

impl Args {
    pub(super) async fn run(self, cx: &Context) -> Outcome {
        // Whoever asks came by ssh already: a host in the environment here is not meant.
        let place = Place { host: None, ..cx.place.clone() };
        match connect::pipe(&place).await {
            Ok(()) => Ok(Exit::Done),
            // The near end says what to do: it knows what was asked for.
            Err(error) => Err(Failure { hint: None, ..error.into() }),
        }
    }
}
