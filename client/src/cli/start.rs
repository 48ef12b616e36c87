//! From the command line to the exit code.

use std::io::Write as _;

use a2n_client::Exit;
use clap::Parser as _;

use super::failure::Failure;
use super::{Cli, Command, Context, Outcome, external, overview, quickstart};

/// Reads the command line, does what it says, and answers the exit code.
pub(crate) fn main() -> Exit {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return told(&Failure::failed(format!("can't start: {error}"))),
    };
    let exit = match runtime.block_on(run(cli)) {
        Ok(exit) => exit,
        Err(failure) => told(&failure),
    };
    // A read of standard input that still waits must not hold the process.
    runtime.shutdown_background();
    exit
}

fn told(failure: &Failure) -> Exit {
    // Nobody is left to be told when standard error is gone too.
    let _ = std::io::stderr().write_all(failure.text().as_bytes());
    failure.exit
}

async fn run(cli: Cli) -> Outcome {
    let cx = Context::new(cli.global);
    let Some(command) = cli.command else { return overview::run(&cx).await };
    match command {
        Command::Quickstart(args) => args.run(&cx).await,
        Command::Run(args) => args.run(&cx).await,
        Command::Test(args) => args.run(&cx).await,
        Command::Ps(args) => args.run(&cx).await,
        Command::Logs(args) => args.run(&cx).await,
        Command::Show(args) => args.run(&cx).await,
        Command::Cancel(args) => args.run(&cx).await,
        Command::Pause(args) => args.run(&cx).await,
        Command::Resume(args) => args.run(&cx).await,
        Command::Answer(args) => args.run(&cx).await,
        Command::Retry(args) => args.run(&cx).await,
        Command::Approvals(args) => args.run(&cx).await,
        Command::Approve(args) => args.run(&cx).await,
        Command::Ls(args) => args.run(&cx).await,
        Command::Apply(args) => args.run(&cx).await,
        Command::Validate(args) => args.run(&cx).await,
        Command::Diff(args) => args.run(&cx).await,
        Command::Export(args) => args.run(&cx).await,
        Command::Versions(args) => args.run(&cx).await,
        Command::Publish(args) => args.run(&cx).await,
        Command::Unpublish(args) => args.run(&cx).await,
        Command::Rollback(args) => args.run(&cx).await,
        Command::Trigger(args) => args.run(&cx).await,
        Command::Schedule(args) => args.run(&cx).await,
        Command::Node(args) => args.run(&cx).await,
        Command::Settings(args) => args.run(&cx).await,
        Command::Health(args) => args.run(&cx).await,
        Command::SafeMode(args) => args.run(&cx).await,
        Command::Metrics(args) => args.run(&cx).await,
        Command::Emit(args) => args.run(&cx).await,
        Command::Events(args) => args.run(&cx).await,
        Command::User(args) => args.run(&cx).await,
        Command::Audit(args) => args.run(&cx).await,
        Command::Tree(args) => args.run(&cx).await,
        Command::Verify(args) => args.run(&cx).await,
        Command::Info(args) => args.run(&cx).await,
        Command::Whoami(args) => args.run(&cx).await,
        Command::Rpc(args) => args.run(&cx).await,
        Command::Completions(args) => args.run(&cx),
        Command::Man(args) => args.run(&cx),
        Command::Pipe(args) => args.run(&cx).await,
        Command::Detach { words } => quickstart::detach(&words),
        Command::External(words) => external::run(&cx, &words),
    }
}
