//! Staying with an execution until it has ended, and telling how it did.

use std::convert::Infallible;
use std::time::Duration;

use a2n_client::{Error, Exit, Session};
use a2n_proto::api::execution::{Wait, WaitParams};
use a2n_proto::execution::{Execution, ExecutionStatus};
use a2n_proto::{ErrorKind, ExecutionId, Json};
use tokio::time::Instant;

use super::failure::Failure;
use super::log_view;
use super::output::{Out, status_style, took};
use super::{Answered, Outcome};

/// How long a daemon may be away while we wait.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two attempts to reach it again.
const PAUSE: Duration = Duration::from_millis(100);
const SECOND: Duration = Duration::from_secs(1);

/// How to stay with an execution.
#[derive(Debug, Clone)]
pub(super) struct Watch {
    /// Also write its log lines.
    pub(super) follow: bool,
    /// For how long at most.
    pub(super) timeout: Option<Duration>,
}

/// Waits for the end and tells it: exit 0 on SUCCESS, 1 on anything else. Ctrl-C and the time-out
/// leave the execution running and say so.
pub(super) async fn watch(out: &Out, session: &Session, id: ExecutionId, how: &Watch) -> Outcome {
    let work = async {
        if how.follow {
            log_view::follow(out, session, id).await?;
        }
        wait(session, id).await
    };
    // Far enough away to be never.
    let limit = how.timeout.unwrap_or(Duration::from_secs(100 * 365 * 86_400));
    let ended = tokio::select! {
        ended = work => ended,
        never = still(out, id, how) => match never {},
        _ = tokio::signal::ctrl_c() => {
            out.passed();
            out.aside("");
            return Err(left(Exit::Interrupted, "detached", id));
        }
        () = tokio::time::sleep(limit) => {
            out.passed();
            return Err(left(Exit::TimedOut, &format!("not ended within {}", brief(limit)), id));
        }
    };
    out.passed();
    let ended = ended?;
    let execution = &ended.value;
    out.show(&ended.json, || vec![id.to_string()], |out| line(out, execution))?;
    Ok(if execution.status == ExecutionStatus::Success { Exit::Done } else { Exit::Failed })
}

/// Says on a terminal, second by second, that it is still waited for; a log says enough by itself.
async fn still(out: &Out, id: ExecutionId, how: &Watch) -> Infallible {
    if how.follow {
        return std::future::pending().await;
    }
    let began = Instant::now();
    loop {
        out.passing(&format!(
            "{id} runs, {}s (Ctrl-C leaves it running)",
            began.elapsed().as_secs()
        ));
        tokio::time::sleep(SECOND).await;
    }
}

/// The ended execution; goes on waiting through a stop, a crash or a restart of the daemon.
async fn wait(session: &Session, id: ExecutionId) -> Result<Answered<Execution>, Failure> {
    let mut away_since = None;
    loop {
        let asked = Instant::now();
        match super::ask_raw::<Wait>(session, &WaitParams { id, timeout: None }).await {
            Ok(ended) => return Ok(ended),
            Err(error) if error.is_passing() => {
                // It was there as long as it let us wait.
                if asked.elapsed() > SECOND {
                    away_since = None;
                }
                let since = *away_since.get_or_insert_with(Instant::now);
                if since.elapsed() > PATIENCE {
                    return Err(error.into());
                }
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn left(exit: Exit, what: &str, id: ExecutionId) -> Failure {
    Failure::new(exit, format!("{what}: {id} goes on"))
        .hint(format!("`a2n logs -f {id}` follows it, `a2n cancel {id}` stops it"))
}

fn brief(length: Duration) -> String {
    took(u64::try_from(length.as_millis()).unwrap_or(u64::MAX))
}

/// `host-report SUCCESS in 1.2s (0199…)`, and why where it failed.
pub(super) fn line(out: &Out, execution: &Execution) -> String {
    let status = status_text(execution.status);
    let mut text = format!(
        "{} {}{} ({})\n",
        out.safe(&execution.workflow_name),
        out.styled(status_style(&status), &status),
        execution.duration.map(|ms| format!(" in {}", took(ms))).unwrap_or_default(),
        execution.id,
    );
    if let Some(message) = &execution.error_message {
        let node = execution.error_details.as_ref().and_then(|details| details.node_id.as_deref());
        // Most messages name their node themselves.
        let node = node.filter(|_| !message.starts_with("node `"));
        let node = node.map(|node| format!("{}: ", out.safe(node))).unwrap_or_default();
        text.push_str(&format!("  {node}{}\n", out.safe(message)));
        text.push_str(&format!("hint: `a2n show {}` has the details\n", execution.id));
    }
    text
}

/// A status as it is on the wire.
pub(super) fn status_text<T: serde::Serialize>(status: T) -> String {
    Json::of(&status).as_str().trim_matches('"').to_owned()
}

/// Whether the daemon says that there is none.
pub(super) fn is_not_found(error: &Error) -> bool {
    matches!(error, Error::Refused(refused) if refused.kind == ErrorKind::NotFound)
}
