//! `a2n ps`: what runs, or what ran.

use std::time::Duration;

use a2n_client::feed::{Feed, Notice};
use a2n_client::{Exit, Session};
use a2n_proto::api::{Match, execution};
use a2n_proto::execution::{Execution, ExecutionStatus};

use super::ending::status_text;
use super::failure::Failure;
use super::output::{Cell, Out, Style, Table, status_style, took};
use super::rows::{self, Rows};
use super::{Context, Outcome, examples, which};

/// While watching: changes that come this close together are drawn once.
const CALM: Duration = Duration::from_millis(100);

/// List executions
#[derive(Debug, clap::Args)]
#[command(after_help = examples!(
    "a2n ps                       what runs or waits now"
    "a2n ps -a -n 20              the last 20, ended ones too"
    "a2n ps -w                    stay, and draw again when something changes"
    "a2n ps -a --status failed --workflow backup -o json"
))]
pub(super) struct Args {
    /// Ended ones too
    #[arg(short, long)]
    all: bool,
    /// Stay, and draw again when something changes
    #[arg(short, long)]
    watch: bool,
    /// Only those of this workflow
    #[arg(long, value_name = "NAME")]
    workflow: Option<String>,
    /// Only those that stand here: pending, running, success, failed, cancelled or paused
    #[arg(long, value_parser = status)]
    status: Option<ExecutionStatus>,
    /// How many at most
    #[arg(short = 'n', long, value_name = "N", default_value_t = 50, value_parser = rows::how_many)]
    limit: usize,
}

fn status(text: &str) -> Result<ExecutionStatus, String> {
    serde_json::from_value(text.to_uppercase().into())
        .map_err(|_| "write pending, running, success, failed, cancelled or paused".to_owned())
}

impl Args {
    pub(super) async fn run(self, cx: &Context) -> Outcome {
        let session = cx.session().await?;
        let filter = self.filter(&session).await?;
        if self.watch {
            return self.stay(cx, &session, filter).await;
        }
        let rows = rows::list::<execution::List, _, _>(&session, filter, self.limit).await?;
        let names = || rows.items.iter().map(|execution| execution.id.to_string()).collect();
        cx.out.show(&rows.json, names, |out| self.text(out, &rows))?;
        Ok(Exit::Done)
    }

    async fn filter(&self, session: &Session) -> Result<execution::Filter, Failure> {
        let status = match (self.status, self.all) {
            (Some(status), _) => Some(Match::Is(status)),
            (None, true) => None,
            (None, false) => Some(unfinished()),
        };
        let workflow_id = match &self.workflow {
            Some(word) => Some(Match::Is(which::workflow_id(session, word).await?)),
            None => None,
        };
        Ok(execution::Filter { status, workflow_id, ..Default::default() })
    }

    fn text(&self, out: &Out, rows: &Rows<Execution>) -> String {
        let nothing = if self.all || self.status.is_some() {
            "No executions."
        } else {
            "Nothing runs. `a2n ps -a` shows what ran."
        };
        let mut text = table(out, &rows.items).text(out, nothing);
        if rows.more {
            text.push_str(&format!("(the newest {}; -n shows more)\n", rows.items.len()));
        }
        text
    }

    async fn stay(&self, cx: &Context, session: &Session, filter: execution::Filter) -> Outcome {
        let mut feed = Feed::of_changes(session, &["execution"], None);
        // The first notice only says that changes come from now on: then the snapshot.
        feed.next().await?;
        loop {
            let rows =
                rows::list::<execution::List, _, _>(session, filter.clone(), self.limit).await?;
            let out = Out::stdout(cx.out.format, !cx.out.has_colour());
            out.clear()?;
            let names = || rows.items.iter().map(|execution| execution.id.to_string()).collect();
            out.show(&rows.json, names, |out| self.text(out, &rows))?;
            if let Notice::End(_) = feed.next().await? {
                return Ok(Exit::Done);
            }
            while let Ok(notice) = tokio::time::timeout(CALM, feed.next()).await {
                if let Notice::End(_) = notice? {
                    return Ok(Exit::Done);
                }
            }
        }
    }
}

/// The statuses of what has not ended.
pub(super) fn unfinished() -> Match<ExecutionStatus> {
    Match::In(ExecutionStatus::ALL.into_iter().filter(|status| !status.is_ended()).collect())
}

/// Executions for people.
pub(super) fn table(out: &Out, executions: &[Execution]) -> Table {
    let mut columns = vec!["ID", "WORKFLOW~", "STATUS", "STARTED", ">TOOK"];
    if out.is_wide() {
        columns.extend([">VERSION", ">RETRIES", "SOURCE", "ERROR~"]);
    }
    let mut table = Table::new(&columns);
    for execution in executions {
        let since = execution.start_time.unwrap_or(execution.created_at);
        let so_far = || {
            let running = execution.status == ExecutionStatus::Running;
            running.then(|| out.now().since(since).as_millis().try_into().unwrap_or(u64::MAX))
        };
        table.row([
            execution.id.to_string().into(),
            execution.workflow_name.as_str().into(),
            status_cell(execution),
            out.distance(since).into(),
            Cell::or_dash(execution.duration.or_else(so_far).map(took)),
            execution.workflow_version.to_string().into(),
            execution.retry_count.to_string().into(),
            Cell::or_dash(execution.metadata.source.as_deref()),
            Cell::styled(execution.error_message.as_deref().unwrap_or(""), Style::Bad),
        ]);
    }
    table
}

/// The status, and where it is paused what for: a person is waited for, or time alone.
pub(super) fn status_cell(execution: &Execution) -> Cell {
    let status = status_text(execution.status);
    match execution.paused_reason {
        Some(reason) => {
            Cell::styled(format!("{status} ({})", status_text(reason)), status_style(&status))
        }
        None => Cell::status(status),
    }
}
