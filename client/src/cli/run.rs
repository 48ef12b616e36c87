//! `a2n run NAME`: starts an execution, and waits for it or follows it where asked to.

use std::path::PathBuf;
use std::time::Duration;

use a2n_client::Exit;
use a2n_proto::Json;
use a2n_proto::api::workflow::{PlanParams, Run, RunParams};

use super::ending::{self, Watch};
use super::inputs::{self, Input};
use super::output::Out;
use super::{Context, Outcome, ask, examples, moments, plan, which};

/// Run a workflow
#[derive(Debug, clap::Args)]
#[command(after_help = examples!(
    "a2n run host-report --follow"
    "a2n run backup -i folder=/etc -i keep:=7 --wait --timeout 10m"
    "a2n run import --inputs rows.json -o name"
    "a2n run import --inputs rows.json --dry-run     what it would do"
))]
pub(super) struct Args {
    /// The workflow's name or id
    #[arg(value_name = "NAME")]
    workflow: String,
    /// An input: name=text, or name:=json
    #[arg(short, long = "input", value_name = "NAME=VALUE")]
    inputs: Vec<Input>,
    /// Inputs as a JSON or YAML object; - reads standard input
    #[arg(long = "inputs", value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    watch: WatchArgs,
    /// Only say what it would do: nothing is started, nothing stored
    #[arg(long, conflicts_with_all = ["trigger", "priority", "key", "wait", "follow", "timeout"])]
    dry_run: bool,
    /// The newest draft instead of the published version; pinned output is used
    #[arg(long)]
    draft: bool,
    /// The MANUAL trigger whose parameters the inputs have to fit
    #[arg(long, value_name = "NAME")]
    trigger: Option<String>,
    /// Higher first
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    priority: Option<i32>,
    /// The same key and inputs start one execution, however often it is asked
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
}

/// How long to stay with an execution.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct WatchArgs {
    /// Wait for the end; exit 1 where it failed
    #[arg(long)]
    wait: bool,
    /// Write its log lines as they come, then how it ended
    #[arg(short, long)]
    follow: bool,
    /// Give up waiting after so long, with exit 124; the execution goes on
    #[arg(long, value_name = "LENGTH", value_parser = moments::length)]
    timeout: Option<Duration>,
}

impl WatchArgs {
    pub(super) fn watch(&self) -> Option<Watch> {
        let wanted = self.wait || self.follow || self.timeout.is_some();
        wanted.then_some(Watch { follow: self.follow, timeout: self.timeout })
    }
}

impl Args {
    pub(super) async fn run(self, cx: &Context) -> Outcome {
        let inputs = inputs::collect(self.file.as_deref(), &self.inputs)?;
        let (id, name) = which::workflow(&self.workflow);
        if self.dry_run {
            let params = PlanParams {
                id,
                name,
                definition: None,
                draft: self.draft.then_some(true),
                inputs: (!inputs.is_null()).then_some(inputs),
            };
            return plan::show(cx, &params).await;
        }
        let session = cx.session().await?;
        let params = RunParams {
            id,
            name,
            inputs: (!inputs.is_null()).then_some(inputs),
            trigger: self.trigger,
            priority: self.priority,
            draft: self.draft.then_some(true),
            idempotency_key: self.key,
            ..RunParams::default()
        };
        let started = ask::<Run>(&session, &params).await?;
        let watch = self.watch.watch();
        self::started(cx, &session, &started.json, &started.value, watch).await
    }
}

/// Shows or watches a started execution; `retry` and `trigger fire` end with it too.
pub(super) async fn started(
    cx: &Context,
    session: &a2n_client::Session,
    json: &Json,
    execution: &a2n_proto::execution::Execution,
    watch: Option<Watch>,
) -> Outcome {
    started_with(cx, session, json, execution, watch, |_| String::new()).await
}

/// The same with more to say before the hint.
pub(super) async fn started_with(
    cx: &Context,
    session: &a2n_client::Session,
    json: &Json,
    execution: &a2n_proto::execution::Execution,
    watch: Option<Watch>,
    more: impl Fn(&Out) -> String,
) -> Outcome {
    match watch {
        Some(watch) => ending::watch(&cx.out, session, execution.id, &watch).await,
        None => {
            cx.out.show(
                json,
                || vec![execution.id.to_string()],
                |out| {
                    let name = out.safe(&execution.workflow_name);
                    format!(
                        "{name} (version {}) started: {id}\n{}hint: `a2n logs -f {id}` follows it\n",
                        execution.workflow_version,
                        more(out),
                        id = execution.id,
                    )
                },
            )?;
            Ok(Exit::Done)
        }
    }
}
