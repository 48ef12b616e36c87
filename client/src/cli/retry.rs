//! `a2n retry EXEC`: a new execution that takes over what is done already. With `--failed`, all that
//! failed lately and were not tried again yet.

use std::path::PathBuf;
use std::time::Duration;

use a2n_proto::Json;
use a2n_proto::api::execution::{Retry, RetryFrom, RetryParams};
use a2n_proto::execution::Execution;
use clap::ArgGroup;

use super::documents;
use super::failure::Failure;
use super::inputs::{self, Input};
use super::retry_all;
use super::run::{WatchArgs, started_with};
use super::{Context, Outcome, ask, examples, moments, rows, which};

/// Run an execution again, from where it failed or from the start
#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("which").required(true).args(["execution", "failed"]))]
#[command(after_help = examples!(
    "a2n retry 0199f1c2-7d3a-7c11-9b1e-3f2a5c6d7e8f --follow"
    "a2n retry backup                   the newest execution of that workflow"
    "a2n retry backup --from START -i folder=/srv"
    "a2n retry import --from FAILED_ITEMS    only the items that failed"
    "a2n retry import --from load --results fixed.json"
    "a2n retry --failed --workflow import --since 1h --dry-run"
))]
pub(super) struct Args {
    /// The execution's id, or a workflow's name for its newest one
    #[arg(value_name = "EXEC")]
    execution: Option<String>,
    /// All that failed and were not tried again yet
    #[arg(long)]
    failed: bool,
    /// START, FAILED_NODE, FAILED_ITEMS or a node's id
    #[arg(long, value_name = "WHERE", default_value = "FAILED_NODE")]
    from: String,
    /// Another input than before, for what runs again: name=text, or name:=json
    #[arg(short, long = "input", value_name = "NAME=VALUE")]
    inputs: Vec<Input>,
    /// Inputs as a JSON or YAML object; - reads standard input
    #[arg(long = "inputs", value_name = "FILE")]
    file: Option<PathBuf>,
    /// What nodes are to have sent, instead of running: a list of items by node and output
    #[arg(long, value_name = "FILE")]
    results: Option<PathBuf>,
    /// Another version than before: its number, or `published`
    #[arg(long, value_name = "N", value_parser = wanted_version)]
    version: Option<Version>,
    /// With --failed: only those of this workflow
    #[arg(long, value_name = "NAME", requires = "failed")]
    workflow: Option<String>,
    /// With --failed: only those that were accepted within so long
    #[arg(long, value_name = "LENGTH", value_parser = moments::length, requires = "failed")]
    since: Option<Duration>,
    /// With --failed: how many at most, the newest first
    #[arg(short = 'n', long, value_name = "N", default_value_t = 100,
          value_parser = rows::how_many, requires = "failed")]
    limit: usize,
    /// With --failed: only list them
    #[arg(long, requires = "failed")]
    dry_run: bool,
    #[command(flatten)]
    watch: WatchArgs,
}

#[derive(Debug, Clone, Copy)]
enum Version {
    Number(u32),
    Published,
}

fn wanted_version(text: &str) -> Result<Version, String> {
    match text.parse() {
        Ok(number) => Ok(Version::Number(number)),
        Err(_) if text == "published" => Ok(Version::Published),
        Err(_) => Err("write a version's number (`a2n versions`) or `published`".to_owned()),
    }
}

impl Args {
    pub(super) async fn run(self, cx: &Context) -> Outcome {
        let inputs = inputs::collect(self.file.as_deref(), &self.inputs)?;
        let inputs = (!inputs.is_null()).then_some(inputs);
        let results = self.results.as_deref().map(documents::read_object).transpose()?;
        let from = RetryFrom::from(self.from.clone());
        let Some(word) = &self.execution else {
            if results.is_some() || self.version.is_some() || self.watch.watch().is_some() {
                return Err(Failure::usage("--failed goes with --from and inputs only")
                    .hint("for the rest name one execution"));
            }
            let all = retry_all::All {
                workflow: self.workflow.as_deref(),
                since: self.since,
                limit: self.limit,
                dry_run: self.dry_run,
                from,
                inputs,
            };
            return all.run(cx).await;
        };
        let session = cx.session().await?;
        let id = which::execution(&session, word).await?;
        let version = match self.version {
            None => None,
            Some(Version::Number(number)) => Some(number),
            Some(Version::Published) => Some(which::published_version(&session, id).await?),
        };
        let params = RetryParams {
            id,
            from: Some(from),
            inputs,
            results: results.map(|results| Json::of(&results)),
            version,
            idempotency_key: None,
        };
        let retry = ask::<Retry>(&session, &params).await?;
        let told = |out: &super::output::Out| told(out, &retry.value);
        started_with(cx, &session, &retry.json, &retry.value, self.watch.watch(), told).await
    }
}

/// What it takes over and what did not fit.
fn told(out: &super::output::Out, execution: &Execution) -> String {
    let context = execution.context_data.to_value();
    let mut text = String::new();
    let nodes: Vec<_> = context["takenOver"].as_array().into_iter().flatten().collect();
    let named: Vec<String> =
        nodes.iter().filter_map(|id| id.as_str()).map(|id| out.safe(id)).collect();
    match named.as_slice() {
        [] => {}
        [..] if named.len() <= 5 => {
            text.push_str(&format!("takes over the results of {}\n", named.join(", ")));
        }
        [..] => text.push_str(&format!("takes over the results of {} nodes\n", named.len())),
    }
    for (node, n) in context["itemsTakenOver"].as_object().into_iter().flatten() {
        let items = if n == 1 { "item" } else { "items" };
        text.push_str(&format!("takes over {n} {items} of {}\n", out.safe(node)));
    }
    for note in context["retryNotes"].as_array().into_iter().flatten() {
        text.push_str(&format!("note: {}\n", out.safe(note.as_str().unwrap_or_default())));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::output::{Format, Out};
    use super::*;

    #[test]
    fn what_is_taken_over_is_told() {
        let mut execution = super::super::show::tests::an_execution();
        let told = |execution: &Execution| super::told(&Out::kept(Format::Table), execution);
        assert_eq!(told(&execution), "");
        execution.context_data = Json::of(&serde_json::json!({
            "takenOver": ["a", "b"], "itemsTakenOver": {"c": 1, "d": 7},
            "retryNotes": ["node `e` runs again: its type changed"],
        }));
        insta::assert_snapshot!(told(&execution), @r"
        takes over the results of a, b
        takes over 1 item of c
        takes over 7 items of d
        note: node `e` runs again: its type changed
        ");
    }
}
