//! `a2n retry EXEC`: a new execution that takes over what is done already.

use std::path::PathBuf;

use a2n_proto::api::execution::{Retry, RetryFrom, RetryParams};

use super::failure::Failure;
use super::inputs::{self, Input};
use super::run::{WatchArgs, started};
use super::{Context, Outcome, ask, examples, which};

/// Run an execution again, from where it failed or from the start
#[derive(Debug, clap::Args)]
#[command(after_help = examples!(
    "a2n retry 0199f1c2-7d3a-7c11-9b1e-3f2a5c6d7e8f --follow"
    "a2n retry backup                   the newest execution of that workflow"
    "a2n retry backup --from START -i folder=/srv"
))]
pub(super) struct Args {
    /// The execution's id, or a workflow's name for its newest one
    #[arg(value_name = "EXEC")]
    execution: String,
    /// START, FAILED_NODE or a node's id
    #[arg(long, value_name = "WHERE", default_value = "FAILED_NODE")]
    from: String,
    /// Another input than before (with --from START): name=text, or name:=json
    #[arg(short, long = "input", value_name = "NAME=VALUE")]
    inputs: Vec<Input>,
    /// Inputs as a JSON or YAML object; - reads standard input
    #[arg(long = "inputs", value_name = "FILE")]
    file: Option<PathBuf>,
    /// Another version than before
    #[arg(long, value_name = "N")]
    version: Option<u32>,
    #[command(flatten)]
    watch: WatchArgs,
}

impl Args {
    pub(super) async fn run(self, cx: &Context) -> Outcome {
        let inputs = inputs::collect(self.file.as_deref(), &self.inputs)?;
        if !inputs.is_null() && self.from != "START" {
            return Err(Failure::usage("other inputs go with --from START only")
                .hint("what was done already was done with the earlier inputs"));
        }
        let session = cx.session().await?;
        let params = RetryParams {
            id: which::execution(&session, &self.execution).await?,
            from: Some(RetryFrom::from(self.from)),
            inputs: (!inputs.is_null()).then_some(inputs),
            version: self.version,
            idempotency_key: None,
        };
        let retry = ask::<Retry>(&session, &params).await?;
        started(cx, &session, &retry.json, &retry.value, self.watch.watch()).await
    }
}
