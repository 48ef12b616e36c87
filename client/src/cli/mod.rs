//! The `a2n` command: one file per command, all with the same shape.
//!
//! A command is a `clap` struct with `run(self, &Context) -> Outcome`. It asks the daemon through a
//! [`Session`], shows the answer through [`Out`], and fails with a [`Failure`] that carries the exit
//! code. To add one: a file here and its line in [`Command`].

mod apply;
mod audit;
mod cancel;
mod completions;
mod diff;
mod documents;
mod ending;
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
mod output;
mod overview;
mod pipe;
mod ps;
mod publish;
mod quickstart;
mod retry;
mod rows;
mod rpc;
mod run;
mod schedule;
mod settings;
mod show;
mod trigger;
mod validate;
mod verify;
mod versions;
mod which;

use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;

use a2n_client::connect::{Place, Whose};
use a2n_client::{Error, Exit, Session};
use a2n_proto::Json;
use a2n_proto::api::Method;
use clap::{Parser, Subcommand};

use failure::Failure;
use output::{Format, Out};

/// How a command ended.
type Outcome = Result<Exit, Failure>;

/// The text under a command's options: examples and the exit codes.
macro_rules! examples {
    ($($line:literal)*) => {
        concat!(
            "Examples:\n", $("  ", $line, "\n",)*
            "\nExit codes:\n  0 done, 1 failed, 2 usage, 3 not found, 4 not allowed,\n  \
             5 can't reach the daemon, 6 invalid document, 124 timed out, 130 interrupted"
        )
    };
}
use examples;

/// Workflows on this machine: apply them, run them, watch them.
#[derive(Debug, Parser)]
#[command(
    name = "a2n",
    version,
    subcommand_value_name = "COMMAND",
    after_help = examples!(
        "a2n quickstart              a daemon of your own with a real sample workflow"
        "a2n apply -f workflow.yaml  save and publish what the file says"
        "a2n run NAME --follow       run it and watch its log"
        "a2n ps -a                   what ran lately"
    )
)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Option<Command>,
}

/// Options that every command takes.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Options for every command")]
struct Global {
    /// The daemon's socket; else $A2N_SOCKET, else your own daemon's, else the system's
    #[arg(long, global = true, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Your own daemon
    #[arg(long, global = true, conflicts_with = "system")]
    user: bool,
    /// The system's daemon
    #[arg(long, global = true)]
    system: bool,
    /// A daemon on another machine, over ssh; else $A2N_HOST
    #[arg(long, global = true, value_name = "USER@SERVER")]
    host: Option<String>,
    /// The form of the answer
    #[arg(
        short,
        long,
        global = true,
        value_enum,
        value_name = "FORM",
        default_value = "table",
        hide_default_value = true
    )]
    output: Format,
    /// No colour, as with $NO_COLOR
    #[arg(long, global = true)]
    no_color: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    Quickstart(quickstart::Args),
    Run(run::Args),
    Ps(ps::Args),
    Logs(logs::Args),
    Show(show::Args),
    Cancel(cancel::Args),
    Retry(retry::Args),
    Ls(ls::Args),
    Apply(apply::Args),
    Validate(validate::Args),
    Diff(diff::Args),
    Export(export::Args),
    Versions(versions::Args),
    Publish(publish::Args),
    Unpublish(publish::UnpublishArgs),
    Rollback(publish::RollbackArgs),
    Trigger(trigger::Args),
    Schedule(schedule::Args),
    Node(node::Args),
    Settings(settings::Args),
    Health(health::Args),
    Metrics(metrics::Args),
    Audit(audit::Args),
    Verify(verify::Args),
    Info(info::Args),
    Whoami(info::WhoamiArgs),
    Rpc(rpc::Args),
    Completions(completions::Args),
    #[command(hide = true)]
    Man(man::Args),
    #[command(hide = true)]
    Pipe(pipe::Args),
    /// Become a program in a session of its own (`a2n quickstart` does)
    #[command(hide = true, after_help = examples!("a2n detach /usr/bin/a2nd --user"))]
    Detach {
        /// The program and its arguments
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<OsString>,
    },
    #[command(external_subcommand)]
    External(Vec<OsString>),
}

/// What every command gets.
#[derive(Debug)]
struct Context {
    place: Place,
    out: Out,
}

impl Context {
    fn new(global: Global) -> Self {
        let place = global.place(&|name| std::env::var_os(name));
        Self { place, out: Out::stdout(global.output, global.no_color) }
    }

    /// Connects to the daemon.
    async fn session(&self) -> Result<Session, Failure> {
        Ok(Session::open(self.place.clone()).await?)
    }
}

/// An answer as it came and as the type it stands for.
#[derive(Debug)]
struct Answered<T> {
    json: Json,
    value: T,
}

/// Calls a method and keeps the answer's own text beside its type.
async fn ask<M: Method>(
    session: &Session,
    params: &M::Params,
) -> Result<Answered<M::Answer>, Failure> {
    Ok(ask_raw::<M>(session, params).await?)
}

/// The same where the caller tells the error itself.
async fn ask_raw<M: Method>(
    session: &Session,
    params: &M::Params,
) -> Result<Answered<M::Answer>, Error> {
    let json = session.call_json(M::NAME, &Json::of(params)).await?;
    let value = json.to().map_err(|error: serde_json::Error| Error::Answer {
        method: M::NAME.to_owned(),
        reason: error.to_string(),
    })?;
    Ok(Answered { json, value })
}

impl Global {
    /// Options win over the environment; --user and --system win over `$A2N_SOCKET`.
    fn place(&self, env: &dyn Fn(&str) -> Option<OsString>) -> Place {
        let given = |name: &str| env(name).filter(|value| !value.is_empty());
        let whose = match (self.user, self.system) {
            (true, _) => Whose::User,
            (_, true) => Whose::System,
            _ => Whose::Either,
        };
        let from_env = || match whose {
            Whose::Either => given("A2N_SOCKET").map(PathBuf::from),
            Whose::User | Whose::System => None,
        };
        Place {
            socket: self.socket.clone().or_else(from_env),
            whose,
            host: self
                .host
                .clone()
                .or_else(|| given("A2N_HOST").map(|host| host.to_string_lossy().into_owned())),
        }
    }
}

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
        Command::Ps(args) => args.run(&cx).await,
        Command::Logs(args) => args.run(&cx).await,
        Command::Show(args) => args.run(&cx).await,
        Command::Cancel(args) => args.run(&cx).await,
        Command::Retry(args) => args.run(&cx).await,
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
        Command::Metrics(args) => args.run(&cx).await,
        Command::Audit(args) => args.run(&cx).await,
        Command::Verify(args) => args.run(&cx).await,
        Command::Info(args) => args.run(&cx).await,
        Command::Whoami(args) => args.run(&cx).await,
        Command::Rpc(args) => args.run(&cx).await,
        Command::Completions(args) => args.run(&cx),
        Command::Man(args) => args.run(&cx),
        Command::Pipe(args) => args.run(&cx).await,
        Command::Detach { words } => quickstart::daemon::detach(&words),
        Command::External(words) => external::run(&cx, &words),
    }
}

#[cfg(test)]
mod tests;
