//! The command line: options for every command, and the list of commands.

use std::ffi::OsString;
use std::path::PathBuf;

use a2n_client::connect::{Place, Whose};
use clap::{Parser, Subcommand};

use super::output::Format;
use super::{
    apply, approve, audit, cancel, completions, diff, event, export, health, info, logs, ls, man,
    metrics, node, pipe, ps, publish, quickstart, retry, rpc, run, safe_mode, schedule, settings,
    show, steer, test, tree, trigger, user, validate, verify, versions,
};

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
pub(super) use examples;

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
pub(super) struct Cli {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: Option<Command>,
}

/// Options that every command takes.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Options for every command")]
pub(super) struct Global {
    /// The daemon's socket; else $A2N_SOCKET, else your own daemon's, else the system's
    #[arg(long, global = true, value_name = "PATH")]
    pub(super) socket: Option<PathBuf>,
    /// Your own daemon
    #[arg(long, global = true, conflicts_with = "system")]
    pub(super) user: bool,
    /// The system's daemon
    #[arg(long, global = true)]
    pub(super) system: bool,
    /// A daemon on another machine, over ssh; else $A2N_HOST
    #[arg(long, global = true, value_name = "USER@SERVER")]
    pub(super) host: Option<String>,
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
    pub(super) output: Format,
    /// No colour, as with $NO_COLOR
    #[arg(long, global = true)]
    pub(super) no_color: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    Quickstart(quickstart::Args),
    Run(run::Args),
    Test(test::Args),
    Ps(ps::Args),
    Logs(logs::Args),
    Show(show::Args),
    Tree(tree::Args),
    Cancel(cancel::Args),
    Pause(steer::PauseArgs),
    Resume(steer::ResumeArgs),
    Answer(steer::AnswerArgs),
    Retry(retry::Args),
    Approvals(approve::ListArgs),
    Approve(approve::Args),
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
    SafeMode(safe_mode::Args),
    Metrics(metrics::Args),
    Emit(event::EmitArgs),
    Events(event::EventsArgs),
    User(user::Args),
    Audit(audit::Args),
    Verify(verify::Args),
    Info(info::Args),
    Whoami(info::WhoamiArgs),
    Rpc(rpc::Args),
    Completions(completions::Args),
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

impl Global {
    /// Options win over the environment; --user and --system win over `$A2N_SOCKET`.
    pub(super) fn place(&self, env: &dyn Fn(&str) -> Option<OsString>) -> Place {
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
