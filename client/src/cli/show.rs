//! `a2n show EXEC`: the whole story of one execution.

use a2n_client::{Exit, Session};
use a2n_proto::api::{Match, execution, execution_node_state};
use a2n_proto::execution::{Execution, ExecutionNodeState};
use serde_json::Value;

use super::ending::status_text;
use super::failure::Failure;
use super::items;
use super::node_states;
use super::output::{Cell, Out, Style, Table, status_style, took};
use super::rows;
use super::{Context, Outcome, ask, examples, which};

/// Show one execution: its nodes, their attempts and times, why it failed, what came out
#[derive(Debug, clap::Args)]
#[command(after_help = examples!(
    "a2n show 0199f1c2-7d3a-7c11-9b1e-3f2a5c6d7e8f"
    "a2n show host-report                    the newest one of that workflow"
    "a2n show host-report --node disk        one node with what went in and came out"
    "a2n show patch-all --node host --iteration 7"
    "a2n show host-report -o json"
))]
pub(super) struct Args {
    /// The execution's id, or a workflow's name for its newest one
    #[arg(value_name = "EXEC")]
    execution: String,
    /// One node of it, with its input and output
    #[arg(long, value_name = "ID")]
    node: Option<String>,
    /// Which iteration of that node, for one in a loop: 2, or 2.5 in a loop within a loop
    #[arg(long, value_name = "PATH", requires = "node")]
    iteration: Option<String>,
}

impl Args {
    pub(super) async fn run(self, cx: &Context) -> Outcome {
        let session = cx.session().await?;
        let id = which::execution(&session, &self.execution).await?;
        if let Some(node) = self.node {
            return show_node(cx, &session, id, node, self.iteration).await;
        }
        let got = ask::<execution::Get>(&session, &execution::One { id }).await?;
        let nodes = if cx.out.is_for_people() { nodes(&session, id).await? } else { Vec::new() };
        let names = || vec![id.to_string()];
        cx.out.show(&got.json, names, |out| text(out, &got.value, &nodes))?;
        Ok(Exit::Done)
    }
}

/// The node states of an execution, in the document's order.
pub(super) async fn nodes(
    session: &Session,
    id: a2n_proto::ExecutionId,
) -> Result<Vec<ExecutionNodeState>, Failure> {
    let filter =
        execution_node_state::Filter { execution_id: Some(Match::Is(id)), ..Default::default() };
    let rows = rows::list::<execution_node_state::List, _, _>(session, filter, 10_000).await?;
    Ok(rows.items)
}

fn text(out: &Out, execution: &Execution, nodes: &[ExecutionNodeState]) -> String {
    let mut text = header(out, execution).text(out, "");
    text.push('\n');
    text.push_str(&node_states::table(nodes, Some(execution)).text(out, "No node has started."));
    if let Some(message) = &execution.error_message {
        text.push_str(&format!("\n{} {}\n", out.styled(Style::Bad, "why:"), out.safe(message)));
        let causes = execution.error_details.iter().flat_map(|details| &details.cause);
        // The message of a failed step ends with its cause already.
        for cause in causes.filter(|cause| !message.ends_with(cause.as_str())) {
            text.push_str(&format!("  because {}\n", out.safe(cause)));
        }
        text.push_str(&format!("hint: `a2n retry {}` goes on from there\n", execution.id));
    }
    text.push_str(&node_states::in_doubt(out, execution, nodes));
    text.push_str(&node_states::asked(out, execution, nodes));
    if let Value::Object(outputs) = execution.output_data.to_value() {
        for (node, handles) in outputs {
            text.push_str(&items::of_node(out, &node, &handles));
        }
    }
    text
}

fn header(out: &Out, execution: &Execution) -> Table {
    let mut table = Table::new(&["", "~"]);
    let mut put = |name: &str, value: Cell| table.row([Cell::styled(name, Style::Dim), value]);
    put("execution", execution.id.to_string().into());
    let workflow = format!("{} (version {})", execution.workflow_name, execution.workflow_version);
    put("workflow", workflow.into());
    let status = status_text(execution.status);
    let reason = execution.paused_reason.map(|reason| format!(": {}", status_text(reason)));
    let shown = format!("{status}{}", reason.unwrap_or_default());
    put("status", Cell::styled(shown, status_style(&status)));
    if let Some(what) = execution.context_data.to_value()["waiting"]["detail"].as_str() {
        put("waiting", what.into());
    }
    if let Some(at) = execution.start_time {
        put("started", out.full_date(at).into());
    }
    if let Some(at) = execution.end_time {
        let duration = execution.duration.map(|ms| format!(", after {}", took(ms)));
        put("ended", format!("{}{}", out.full_date(at), duration.unwrap_or_default()).into());
    }
    if let Some(source) = &execution.metadata.source {
        put("source", source.into());
    }
    if let Some(of) = execution.retry_of {
        put("retry of", of.to_string().into());
    }
    if !matches!(execution.input_data.as_str(), "null" | "{}") {
        put("inputs", execution.input_data.as_str().into());
    }
    table
}

async fn show_node(
    cx: &Context,
    session: &Session,
    id: a2n_proto::ExecutionId,
    node: String,
    iteration: Option<String>,
) -> Outcome {
    let one = execution_node_state::One {
        execution_id: Some(id),
        node_id: Some(node),
        iteration,
        ..Default::default()
    };
    let got = ask::<execution_node_state::Get>(session, &one).await?;
    let state = &got.value;
    cx.out.show(
        &got.json,
        || vec![state.id.clone()],
        |out| {
            let mut text = node_states::table(std::slice::from_ref(state), None).text(out, "");
            let taken: Vec<String> = state
                .units
                .iter()
                .filter(|unit| unit.taken_over)
                .map(|unit| unit.item.to_string())
                .collect();
            if !taken.is_empty() {
                let taken = taken.join(", ");
                text.push_str(&format!("  taken over from the earlier execution: item {taken}\n"));
            }
            for unit in state.units.iter().filter(|unit| unit.attempts.len() > 1) {
                for attempt in &unit.attempts {
                    text.push_str(&format!(
                        "  item {}, attempt {} at {}: {}\n",
                        unit.item,
                        attempt.n,
                        out.clock(attempt.started_at),
                        out.safe(attempt.error.as_deref().unwrap_or("done")),
                    ));
                }
            }
            text.push_str(&items::of_node(out, "input", &state.input_data.to_value()));
            text.push_str(&items::of_node(out, "output", &state.output_data.to_value()));
            text
        },
    )?;
    Ok(Exit::Done)
}

#[cfg(test)]
pub(crate) mod tests {
    use a2n_proto::Json;
    use a2n_proto::execution::{Waiting, WaitingKind};

    use super::super::output::Format;
    use super::*;

    fn execution(changed: serde_json::Value) -> Execution {
        let mut whole = serde_json::json!({
            "id": "0199f1c2-7d3a-7c11-9b1e-3f2a5c6d7e8f", "revision": 4,
            "createdAt": "2026-11-22T11:59:00Z", "updatedAt": "2026-11-22T11:59:04Z",
            "status": "FAILED", "startTime": "2026-11-22T11:59:00Z",
            "endTime": "2026-11-22T11:59:04.250Z", "duration": 4250, "triggerData": null,
            "inputData": {"who": "\u{1b}[31malice"},
            "outputData": {"shout": {"output": [{"line": "one", "n": 1}, {"line": "two", "n": 2}]}},
            "errorMessage": "exit code 1 of `cat /nonexistent`",
            "errorDetails": {"code": "EXIT", "nodeId": "read", "retryCount": 2,
                "cause": ["exit code 1 of `cat /nonexistent`", "cat: /nonexistent: No such file or directory"]},
            "retryCount": 2, "maxRetries": 2, "priority": 0, "parentExecutionId": null,
            "retryOf": null, "pausedReason": null, "contextData": {},
            "metadata": {"source": "CLI", "userAgent": null, "ipAddress": null,
                "correlationId": null, "environment": null, "idempotencyKey": null},
            "workflowId": "0199f1c2-7d3a-7c11-9b1e-3f2a5c6d7e80", "workflowName": "greet",
            "workflowVersion": 3, "userId": "0199f1c2-7d3a-7c11-9b1e-3f2a5c6d7e81",
            "triggerId": null,
        });
        whole.as_object_mut().unwrap().extend(changed.as_object().unwrap().clone());
        Json::of(&whole).to().unwrap()
    }

    fn node(id: &str, status: &str, error: Option<&str>) -> ExecutionNodeState {
        Json::of(&serde_json::json!({
            "id": format!("x/{id}/"), "nodeId": id, "nodeName": id, "nodeType": "shell",
            "status": status, "startTime": "2026-11-22T11:59:00Z", "endTime": null,
            "duration": 12, "inputData": null, "outputData": null, "errorMessage": error,
            "errorDetails": null, "retryCount": 2, "maxRetries": 2,
            "progressPercentage": null, "position": 0, "configuration": null, "iteration": "",
            "waiting": null, "units": [],
            "executionId": "0199f1c2-7d3a-7c11-9b1e-3f2a5c6d7e8f",
        }))
        .to()
        .unwrap()
    }

    /// What a person has to do about a step in doubt was said nowhere, results of an earlier run
    /// looked like those of this one, and a step that went on in spite of an error was shown in red.
    #[test]
    fn nodes_tell_what_is_special_about_them() {
        let execution = execution(serde_json::json!({
            "status": "PAUSED", "pausedReason": "IN_DOUBT", "endTime": null, "duration": null,
            "errorMessage": null, "errorDetails": null, "outputData": {}, "inputData": {},
            "retryOf": "0199f1c2-7d3a-7c11-9b1e-3f2a5c6d7e80",
        }));
        let mut nodes = [
            node("old", "SUCCESS", None),
            node("went", "SUCCESS", Some("exit code 1")),
            node("a", "RUNNING", None),
        ];
        nodes[0].start_time = Some("2026-11-22T11:58:00Z".parse().unwrap());
        nodes[0].end_time = Some("2026-11-22T11:58:01Z".parse().unwrap());
        nodes[2].waiting = Some(Waiting { kind: WaitingKind::InDoubt, until: None, detail: None });
        let shown = text(&Out::kept(Format::Wide), &execution, &nodes);
        insta::assert_snapshot!(shown, @r"
        execution  0199f1c2-7d3a-7c11-9b1e-3f2a5c6d7e8f
        workflow   greet (version 3)
        status     PAUSED: IN_DOUBT
        started    2026-11-22 11:59:00 +00:00
        source     CLI
        retry of   0199f1c2-7d3a-7c11-9b1e-3f2a5c6d7e80

           NODE  TYPE   STATUS   TRIES  TOOK  NOTE
        ✓  old   shell  SUCCESS      3  12ms  taken over from the earlier execution
        ✓  went  shell  SUCCESS      3  12ms  went on after: exit code 1
        ◌  a     shell  RUNNING      3  12ms  its outcome is not known after a crash

        in doubt: whether `a` did its work is not known after a crash
        hint: look, then `a2n answer 0199f1c2-7d3a-7c11-9b1e-3f2a5c6d7e8f a done`, `failed` or `again`
        ");
    }

    /// An open question looked like any wait: how to decide, and who may, stood nowhere.
    #[test]
    fn an_open_question_tells_who_may_decide_and_how() {
        let execution = execution(serde_json::json!({
            "status": "PAUSED", "pausedReason": "WAITING", "endTime": null, "duration": null,
            "errorMessage": null, "errorDetails": null, "outputData": {}, "inputData": {},
        }));
        let mut nodes = [node("sure", "RUNNING", None)];
        let detail = Some("0 of 1 approved; bert may decide".to_owned());
        nodes[0].waiting = Some(Waiting { kind: WaitingKind::Approval, until: None, detail });
        let shown = text(&Out::kept(Format::Wide), &execution, &nodes);
        let (_, asked) = shown.split_once("\n\nasks: ").unwrap();
        insta::assert_snapshot!(asked, @r"
        `sure`: 0 of 1 approved; bert may decide
        hint: `a2n approve 0199f1c2-7d3a-7c11-9b1e-3f2a5c6d7e8f sure --yes`, or `--no`; `a2n approvals` shows what is asked
        ");
    }

    /// An execution for tests of other commands.
    pub(crate) fn an_execution() -> Execution {
        execution(serde_json::json!({}))
    }

    #[test]
    fn an_execution_tells_its_story_in_80_columns() {
        let execution = execution(serde_json::json!({}));
        let nodes = [
            node("say", "SUCCESS", None),
            node("read", "FAILED", Some("exit code 1 of `cat /nonexistent` in the folder /home")),
            node("a-node-with-quite-a-long-name-that-goes-on", "SKIPPED", None),
        ];
        let shown = text(&Out::kept(Format::Table), &execution, &nodes);
        assert!(shown.lines().all(|line| a2n_client::safe_text::width(line) <= 80), "{shown}");
        insta::assert_snapshot!(shown, @r#"
        execution  0199f1c2-7d3a-7c11-9b1e-3f2a5c6d7e8f
        workflow   greet (version 3)
        status     FAILED
        started    2026-11-22 11:59:00 +00:00
        ended      2026-11-22 11:59:04 +00:00, after 4.2s
        source     CLI
        inputs     {"who":"\u001b[31malice"}

           NODE                     TYPE   STATUS   TRIES  TOOK  NOTE
        ✓  say                      shell  SUCCESS      3  12ms
        ✗  read                     shell  FAILED       3  12ms  exit code 1 of `cat /n…
        ⊘  a-node-with-quite-a-lo…  shell  SKIPPED      3  12ms

        why: exit code 1 of `cat /nonexistent`
          because cat: /nonexistent: No such file or directory
        hint: `a2n retry 0199f1c2-7d3a-7c11-9b1e-3f2a5c6d7e8f` goes on from there

        shout · output (2 items)
        line  n
        one   1
        two   2
        "#);
    }
}
