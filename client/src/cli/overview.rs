//! `a2n` alone: the terminal client where there is one, else what runs, what is due, and the help.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::Command;

use a2n_client::{Error, Exit, Session};
use a2n_proto::api::execution_schedule::{Upcoming, UpcomingParams};
use a2n_proto::api::{execution, execution_schedule};
use clap::CommandFactory as _;

use super::failure::Failure;
use super::output::Style;
use super::{Cli, Context, Outcome, ps, rows, schedule};

/// The exit code by which `a2n-tui` says that it can't be the terminal client (EX_UNAVAILABLE).
const NOT_HERE: i32 = 69;
/// Rows of each list.
const FEW: usize = 10;

/// Shows what is going on.
pub(super) async fn run(cx: &Context) -> Outcome {
    if cx.out.terminal
        && std::io::stdin().is_terminal()
        && let Some(exit) = terminal_client(cx)?
    {
        return Ok(exit);
    }
    match cx.open(cx.place.clone()).await {
        Ok(session) => match what_goes_on(cx, &session).await {
            // Who may not look still gets the help.
            Err(failure) if failure.exit == Exit::NotAllowed => {
                cx.out.write(&failure.text())?;
            }
            other => other?,
        },
        Err(error @ Error::Unreachable { .. }) => {
            cx.out.line(&format!("No daemon answers: {}.", told(cx, &error)))?;
            cx.out.line("`a2n quickstart` starts your own.")?;
        }
        Err(error @ Error::Refused(_)) if error.exit() == Exit::NotAllowed => {
            cx.out.write(&Failure::from(error).text())?;
        }
        Err(error) => return Err(error.into()),
    }
    cx.out.write(&format!("\n{}", Cli::command().render_help()))?;
    Ok(Exit::Done)
}

fn told(cx: &Context, error: &Error) -> String {
    let Error::Unreachable { tried } = error else { return error.to_string() };
    cx.out.safe(&tried.to_string())
}

async fn what_goes_on(cx: &Context, session: &Session) -> Result<(), Failure> {
    let out = &cx.out;
    let filter = execution::Filter { status: Some(ps::unfinished()), ..Default::default() };
    let running = rows::list::<execution::List, _, _>(session, filter, FEW).await?;
    out.line(&out.styled(Style::Bold, "What runs"))?;
    out.write(&ps::table(out, &running.items).text(out, "Nothing. `a2n ps -a` shows what ran."))?;
    let params = UpcomingParams { limit: u32::try_from(FEW).ok(), ..Default::default() };
    let due: a2n_proto::api::Page<execution_schedule::UpcomingRun> =
        session.call::<Upcoming>(&params).await?;
    out.line(&format!("\n{}", out.styled(Style::Bold, "What is due in the next 24 hours")))?;
    out.write(&schedule::table(&due.items, out).text(out, "Nothing."))
}

/// Runs the terminal client; `None` where there is none.
fn terminal_client(cx: &Context) -> Result<Option<Exit>, Failure> {
    let Some(program) = beside("a2n-tui") else { return Ok(None) };
    let mut command = Command::new(program);
    super::external::daemon_in_environment(cx, &mut command);
    // So that one that can't be the terminal client leaves the telling to us.
    command.env("A2N_FROM", "a2n");
    let status =
        command.status().map_err(|error| Failure::failed(format!("can't run a2n-tui: {error}")))?;
    Ok(match status.code() {
        Some(0) => Some(Exit::Done),
        Some(NOT_HERE) => None,
        Some(130) | None => Some(Exit::Interrupted),
        Some(_) => Some(Exit::Failed),
    })
}

/// A program of ours in the folder that this one is in.
pub(super) fn beside(name: &str) -> Option<PathBuf> {
    let path = std::env::current_exe().ok()?.parent()?.join(name);
    path.is_file().then_some(path)
}
