//! `a2n pause`, `resume` and `answer`: a person's word to executions that have not ended.

use a2n_client::Exit;
use a2n_proto::api::execution::{
    Answer, AnswerParams, Outcome as How, Pause, PauseParams, Resume, ResumeParams,
};
use a2n_proto::execution::{Execution, ExecutionStatus};
use a2n_proto::{ExecutionId, Json};

use super::ending::{self, status_text};
use super::failure::Failure;
use super::output::Out;
use super::{Answered, Context, Outcome, ask, examples, which};

/// Pause executions: running steps may end, nothing new starts
#[derive(Debug, clap::Args)]
#[command(after_help = examples!(
    "a2n pause 0199f1c2-7d3a-7c11-9b1e-3f2a5c6d7e8f"
    "a2n pause $(a2n ps -o name) --reason 'the disk is full'"
))]
pub(super) struct PauseArgs {
    /// The executions' ids, or a workflow's name for its newest one
    #[arg(required = true, value_name = "EXEC")]
    executions: Vec<String>,
    /// Kept in the audit, for people
    #[arg(long)]
    reason: Option<String>,
}

/// Let executions that were paused or quarantined go on
#[derive(Debug, clap::Args)]
#[command(after_help = examples!(
    "a2n resume 0199f1c2-7d3a-7c11-9b1e-3f2a5c6d7e8f"
    "a2n resume $(a2n ps --status paused -o name)"
))]
pub(super) struct ResumeArgs {
    /// The executions' ids, or a workflow's name for its newest one
    #[arg(required = true, value_name = "EXEC")]
    executions: Vec<String>,
}

/// Say how a step in doubt ended: look first what it did
#[derive(Debug, clap::Args)]
#[command(after_help = examples!(
    "a2n answer 0199f1c2-7d3a-7c11-9b1e-3f2a5c6d7e8f copy done"
    "a2n answer backup copy done --items '[{\"copied\": 12}]'"
    "a2n answer backup copy again --comment 'nothing was copied'"
))]
pub(super) struct AnswerArgs {
    /// The execution's id, or a workflow's name for its newest one
    #[arg(value_name = "EXEC")]
    execution: String,
    /// The node that is in doubt (`a2n show`)
    #[arg(value_name = "NODE")]
    node: String,
    /// How it ended, or `again` to run it again with the same idempotency key
    #[arg(value_name = "HOW")]
    how: Word,
    /// One item only; every one in doubt without it
    #[arg(long, value_name = "N")]
    item: Option<u32>,
    /// Path of loop iterations, as `a2n show` has it
    #[arg(long, value_name = "PATH")]
    iteration: Option<String>,
    /// With `done`, what it sent: a JSON array of items, or one value
    #[arg(long, value_name = "JSON", value_parser = json)]
    items: Option<Json>,
    /// Kept in the audit, for people
    #[arg(long)]
    comment: Option<String>,
}

/// How a step in doubt ended.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Word {
    Done,
    Failed,
    Again,
}

fn json(text: &str) -> Result<Json, String> {
    Json::parse(text).map_err(|fault| fault.to_string())
}

impl PauseArgs {
    pub(super) async fn run(self, cx: &Context) -> Outcome {
        let session = cx.session().await?;
        for word in &self.executions {
            let id = which::execution(&session, word).await?;
            let reason = self.reason.clone();
            let params = PauseParams { id, reason, if_revision: None, idempotency_key: None };
            tell(cx, &ask::<Pause>(&session, &params).await?, |_, told| match told.status {
                ExecutionStatus::Paused => format!("{id} is paused\n"),
                ExecutionStatus::Pending => format!("{id} is paused as soon as its turn comes\n"),
                _ => format!("{id} is paused as soon as its running steps have ended\n"),
            })?;
        }
        Ok(Exit::Done)
    }
}

impl ResumeArgs {
    pub(super) async fn run(self, cx: &Context) -> Outcome {
        let session = cx.session().await?;
        for word in &self.executions {
            let id = which::execution(&session, word).await?;
            let params = ResumeParams { id, if_revision: None, idempotency_key: None };
            tell(cx, &ask::<Resume>(&session, &params).await?, goes_on)?;
        }
        Ok(Exit::Done)
    }
}

impl AnswerArgs {
    pub(super) async fn run(self, cx: &Context) -> Outcome {
        let outcome = match self.how {
            Word::Done => How::Done,
            Word::Failed => How::Failed,
            Word::Again => How::RunAgain,
        };
        if self.items.is_some() && outcome != How::Done {
            return Err(Failure::usage("--items goes with `done` only"));
        }
        let session = cx.session().await?;
        let params = AnswerParams {
            id: which::execution(&session, &self.execution).await?,
            node_id: self.node,
            iteration: self.iteration,
            item: self.item,
            outcome,
            output: self.items,
            comment: self.comment,
            if_revision: None,
            idempotency_key: None,
        };
        tell(cx, &ask::<Answer>(&session, &params).await?, goes_on)?;
        Ok(Exit::Done)
    }
}

fn goes_on(out: &Out, told: &Execution) -> String {
    let id: ExecutionId = told.id;
    match (told.status, told.paused_reason) {
        (status, _) if status.is_ended() => ending::line(out, told),
        (ExecutionStatus::Paused, Some(reason)) => {
            format!("{id} is PAUSED: {}\n", status_text(reason))
        }
        (status, _) => format!("{id} goes on: {}\n", status_text(status)),
    }
}

fn tell(
    cx: &Context,
    told: &Answered<Execution>,
    text: impl Fn(&Out, &Execution) -> String,
) -> Result<(), Failure> {
    let ids = || vec![told.value.id.to_string()];
    cx.out.show(&told.json, ids, |out| text(out, &told.value))
}
