//! `a2n tree EXEC`: an execution with those that its nodes started, and theirs.

use a2n_client::Exit;
use a2n_proto::api::execution::{Branch, One, Tree, TreeAnswer};
use a2n_proto::execution::ExecutionStatus;

use super::output::{Cell, Out, Style, Table, took};
use super::{Context, Outcome, ask, examples, ps, which};

/// Show an execution and those that its nodes started
#[derive(Debug, clap::Args)]
#[command(after_help = examples!(
    "a2n tree 0199f1c2-7d3a-7c11-9b1e-3f2a5c6d7e8f"
    "a2n tree nightly                 the newest one of that workflow"
    "a2n tree nightly -o json"
))]
pub(super) struct Args {
    /// The execution's id, or a workflow's name for its newest one
    #[arg(value_name = "EXEC")]
    execution: String,
}

impl Args {
    pub(super) async fn run(self, cx: &Context) -> Outcome {
        let session = cx.session().await?;
        let id = which::execution(&session, &self.execution).await?;
        let answer = ask::<Tree>(&session, &One { id }).await?;
        let found = &answer.value;
        let names = || found.items.iter().map(|branch| branch.execution.id.to_string()).collect();
        cx.out.show(&answer.json, names, |out| text(out, found))?;
        Ok(Exit::Done)
    }
}

fn text(out: &Out, tree: &TreeAnswer) -> String {
    let mut table = Table::new(&["ID", "WORKFLOW~", "NODE", "STATUS", "STARTED", ">TOOK"]);
    for (number, branch) in tree.items.iter().enumerate() {
        let execution = &branch.execution;
        let since = execution.start_time.unwrap_or(execution.created_at);
        let so_far = || {
            let running = execution.status == ExecutionStatus::Running;
            running.then(|| out.now().since(since).as_millis().try_into().unwrap_or(u64::MAX))
        };
        table.row([
            execution.id.to_string().into(),
            format!("{}{}", lines(&tree.items, number), execution.workflow_name).into(),
            Cell::or_dash(origin(branch)),
            ps::status_cell(execution),
            out.distance(since).into(),
            Cell::or_dash(execution.duration.or_else(so_far).map(took)),
        ]);
    }
    let mut text = table.text(out, "");
    for branch in &tree.items {
        if let Some(error) = &branch.execution.error_message {
            let line = format!("{}: {error}", branch.execution.workflow_name);
            text.push_str(&out.styled(Style::Bad, &out.safe(&line)));
            text.push('\n');
        }
    }
    if tree.cut {
        text.push_str("(there are more; `a2n tree` of one of them shows those below it)\n");
    }
    text
}

/// What started it.
fn origin(branch: &Branch) -> Option<String> {
    if branch.handles_error {
        return Some("(error)".to_owned());
    }
    let node = branch.node_id.as_ref()?;
    Some(branch.item.map_or_else(|| node.clone(), |item| format!("{node}#{item}")))
}

/// The lines from the branches above: one runs on where another one of the same depth follows.
fn lines(all: &[Branch], number: usize) -> String {
    let depth = all[number].depth;
    let goes_on = |at: u32| {
        let below = all[number + 1..].iter().take_while(|later| later.depth >= at);
        below.into_iter().any(|later| later.depth == at)
    };
    let above = (1..depth).map(|at| if goes_on(at) { "│  " } else { "   " });
    let own = match depth {
        0 => "",
        _ if goes_on(depth) => "├─ ",
        _ => "└─ ",
    };
    above.chain([own]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_run_on_where_another_one_follows() {
        let execution = r#"{"id":"0199f1c2-7d3a-7c11-9b1e-3f2a5c6d7e8f","revision":1,
            "createdAt":"2026-11-22T12:00:00.000Z","updatedAt":"2026-11-22T12:00:00.000Z",
            "status":"SUCCESS","startTime":null,"endTime":null,"duration":null,"triggerData":null,
            "inputData":null,"outputData":null,"errorMessage":null,"errorDetails":null,
            "retryCount":0,"maxRetries":0,"priority":0,"parentExecutionId":null,"retryOf":null,
            "pausedReason":null,"contextData":{},"metadata":{},
            "workflowId":"0199f1c2-7d3a-7c11-9b1e-3f2a5c6d7e8f","workflowName":"w",
            "workflowVersion":1,"userId":"0199f1c2-7d3a-7c11-9b1e-3f2a5c6d7e8f","triggerId":null}"#;
        let branch = |depth| Branch {
            depth,
            node_id: None,
            item: None,
            handles_error: false,
            execution: serde_json::from_str(execution).unwrap(),
        };
        let all: Vec<Branch> = [0, 1, 2, 2, 1, 2].map(branch).into();
        let drawn: Vec<String> = (0..all.len()).map(|number| lines(&all, number) + "w").collect();
        assert_eq!(drawn, ["w", "├─ w", "│  ├─ w", "│  └─ w", "└─ w", "   └─ w"]);
    }
}
