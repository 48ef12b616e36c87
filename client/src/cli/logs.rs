//! `a2n logs`: what the steps of an execution, or of all executions of a workflow, printed.

use a2n_client::feed::{Feed, Notice};
use a2n_client::{Exit, Session};
use a2n_proto::api::execution_node_state;
use a2n_proto::execution::{ExecutionLog, LogLevel};
use a2n_proto::workflow::Workflow;
use a2n_proto::{ExecutionId, Json};

use super::ending;
use super::failure::Failure;
use super::log_view::{LogView, gap};
use super::output::Format;
use super::{Context, Outcome, examples, which};

/// Show log lines
#[derive(Debug, clap::Args)]
#[command(after_help = examples!(
    "a2n logs 0199f1c2-7d3a-7c11-9b1e-3f2a5c6d7e8f"
    "a2n logs -f host-report          every execution of it, as it happens"
    "a2n logs backup --level warn --text timeout -o json"
))]
pub(super) struct Args {
    /// An execution's id, or a workflow's name for all executions of it
    #[arg(value_name = "EXEC|WORKFLOW")]
    of: String,
    /// Stay, and write lines as they come; goes on after a restart of the daemon
    #[arg(short, long)]
    follow: bool,
    /// At least this level: debug, info, warn, error or fatal
    #[arg(long, value_parser = level)]
    level: Option<LogLevel>,
    /// With these words
    #[arg(long)]
    text: Option<String>,
    /// Of this node
    #[arg(long, value_name = "ID")]
    node: Option<String>,
}

fn level(text: &str) -> Result<LogLevel, String> {
    serde_json::from_value(text.to_uppercase().into())
        .map_err(|_| "write debug, info, warn, error or fatal".to_owned())
}

impl Args {
    pub(super) async fn run(self, cx: &Context) -> Outcome {
        let session = cx.session().await?;
        let execution: Option<ExecutionId> = self.of.parse().ok();
        let feed = match execution {
            Some(id) => {
                self.check_node(&session, id).await?;
                Feed::of_execution(&session, id, 0, self.follow)
            }
            None => {
                let workflow = which::find_workflow(&session, &self.of).await?;
                self.check_node_of(&workflow)?;
                Feed::of_workflow(&session, workflow.id, self.follow)
            }
        };
        let level = self.level.map(ending::status_text);
        let feed = feed.only("level", level.as_deref());
        let feed = feed.only("text", self.text.as_deref()).only("nodeId", self.node.as_deref());
        let view = LogView::new(execution.is_none());
        match cx.out.format {
            Format::Json if !self.follow => all_as_json(cx, feed).await,
            _ => one_by_one(cx, feed, view).await,
        }
    }
}

impl Args {
    /// A node that the execution does not have printed nothing, and never will.
    async fn check_node(&self, session: &Session, id: ExecutionId) -> Result<(), Failure> {
        let Some(node) = &self.node else { return Ok(()) };
        let one = execution_node_state::One {
            execution_id: Some(id),
            node_id: Some(node.clone()),
            ..Default::default()
        };
        match session.call::<execution_node_state::Get>(&one).await {
            Err(error) if ending::is_not_found(&error) => Err(error.into()),
            // Whatever else is wrong is told where the lines are asked for.
            _ => Ok(()),
        }
    }

    /// The same for a workflow; an earlier version may have had the node.
    fn check_node_of(&self, workflow: &Workflow) -> Result<(), Failure> {
        let Some(node) = &self.node else { return Ok(()) };
        let definition = workflow.definition.to_value();
        let mut nodes = definition["nodes"].as_array().into_iter().flatten();
        if workflow.version > 1 || nodes.any(|one| one["id"].as_str() == Some(node.as_str())) {
            return Ok(());
        }
        Err(Failure::not_found(format!("the workflow `{}` has no node `{node}`", workflow.name))
            .hint(format!("`a2n export {}` shows its nodes", workflow.name)))
    }
}

/// One array of all lines.
async fn all_as_json(cx: &Context, mut feed: Feed<ExecutionLog>) -> Outcome {
    let mut all = Vec::new();
    loop {
        match feed.next().await? {
            Notice::Items(lines) => all.extend(lines),
            Notice::Gap { from, to } => cx.out.aside(&gap(from, to)),
            Notice::Resumed => {}
            Notice::End(reason) => {
                cx.out.show(&Json::of(&all), Vec::new, |_| String::new())?;
                return ended(&reason);
            }
        }
    }
}

/// Line by line, as they come.
async fn one_by_one(cx: &Context, mut feed: Feed<ExecutionLog>, mut view: LogView) -> Outcome {
    loop {
        match feed.next().await? {
            Notice::Items(lines) => {
                for line in &lines {
                    cx.out.write(&shown(cx, &mut view, line))?;
                }
            }
            Notice::Gap { from, to } => cx.out.aside(&gap(from, to)),
            Notice::Resumed => {
                cx.out.aside("(the connection was lost and is back; nothing is missing)");
            }
            Notice::End(reason) => return ended(&reason),
        }
    }
}

fn shown(cx: &Context, view: &mut LogView, line: &ExecutionLog) -> String {
    match cx.out.format {
        Format::Table | Format::Wide => format!("{}\n", view.line(&cx.out, line)),
        Format::Json => format!("{}\n", cx.out.safe(Json::of(line).as_str())),
        Format::Yaml => format!("- {}\n", cx.out.safe(Json::of(line).as_str())),
        Format::Name => format!("{}/{}\n", line.execution_id, line.seq),
    }
}

fn ended(reason: &str) -> Outcome {
    match reason {
        "ACCESS_LOST" => Err(Failure::new(Exit::NotAllowed, "you may no longer read this log")),
        "INTERNAL" => Err(Failure::failed("the daemon gave up on this log")
            .hint("the daemon's own log says why; ask again with `a2n logs`")),
        _ => Ok(Exit::Done),
    }
}
