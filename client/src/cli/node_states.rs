//! The nodes of an execution as `a2n show` tells of them.

use a2n_proto::execution::{Execution, ExecutionNodeState, NodeStatus, PausedReason, WaitingKind};

use super::ending::status_text;
use super::output::{Cell, Out, Style, Table, status_style, took};
use iterations::Shown;

mod iterations;

/// The nodes of an execution, one a row; of which one, where that is known.
pub(super) fn table(nodes: &[ExecutionNodeState], execution: Option<&Execution>) -> Table {
    let mut table = Table::new(&["", "NODE~", "TYPE", "STATUS", ">TRIES", ">TOOK", "NOTE~"]);
    for shown in iterations::grouped(nodes) {
        let node = match shown {
            Shown::One(node) => node,
            Shown::Many(many) => {
                table.row(many.row());
                continue;
            }
        };
        let status = status_text(node.status);
        let iteration = match node.iteration.as_str() {
            "" => String::new(),
            path => format!(" [{path}]"),
        };
        let tries = if node.start_time.is_some() { node.retry_count + 1 } else { 0 };
        let tries = (tries > 0).then(|| tries.to_string());
        table.row([
            Cell::styled(symbol(node), status_style(&status)),
            format!("{}{iteration}", node.node_id).into(),
            node.node_type.as_str().into(),
            Cell::status(&status),
            Cell::or_dash(tries),
            Cell::or_dash(node.duration.map(took)),
            note(node, execution),
        ]);
    }
    table
}

fn note(node: &ExecutionNodeState, execution: Option<&Execution>) -> Cell {
    if let Some(message) = &node.error_message {
        // It ended well in spite of it: by CONTINUE or BRANCH.
        return match node.status {
            NodeStatus::Success => Cell::styled(format!("went on after: {message}"), Style::Wary),
            _ => Cell::styled(message, Style::Bad),
        };
    }
    if execution.is_some_and(|execution| is_pinned(node, execution)) {
        return Cell::styled("its pinned output is used", Style::Dim);
    }
    if execution.is_some_and(|execution| is_taken_over(node, execution)) {
        return Cell::styled("taken over from the earlier execution", Style::Dim);
    }
    match (&node.waiting, node.progress_percentage) {
        (Some(waiting), _) if waiting.kind == WaitingKind::InDoubt => {
            Cell::styled("its outcome is not known after a crash", Style::Bad)
        }
        (Some(waiting), _) => {
            let until = waiting.until.map(|at| format!(" until {at}")).unwrap_or_default();
            let what = match (waiting.kind, &waiting.detail) {
                (WaitingKind::Event | WaitingKind::Limit, Some(detail)) => detail.clone(),
                (kind, _) => status_text(kind),
            };
            Cell::styled(format!("waits for {what}{until}"), Style::Wary)
        }
        (None, Some(percent)) if node.status == NodeStatus::Running => {
            format!("{percent} %").into()
        }
        _ => Cell::default(),
    }
}

/// A run of a draft names the nodes whose output was given.
fn is_pinned(node: &ExecutionNodeState, execution: &Execution) -> bool {
    let pinned = &execution.context_data.to_value()["pinned"];
    pinned.as_array().into_iter().flatten().any(|id| *id == *node.node_id)
}

/// A result that a retry took over keeps its times, which lie before the retry.
fn is_taken_over(node: &ExecutionNodeState, execution: &Execution) -> bool {
    execution.retry_of.is_some() && node.end_time.is_some_and(|at| at < execution.created_at)
}

/// What a person has to do about steps whose outcome nobody knows; nothing where there are none.
pub(super) fn in_doubt(out: &Out, execution: &Execution, nodes: &[ExecutionNodeState]) -> String {
    if execution.paused_reason != Some(PausedReason::InDoubt) {
        return String::new();
    }
    let doubtful = |node: &&ExecutionNodeState| {
        node.waiting.as_ref().is_some_and(|waiting| waiting.kind == WaitingKind::InDoubt)
    };
    let ids: Vec<String> =
        nodes.iter().filter(doubtful).map(|node| out.safe(&node.node_id)).collect();
    let Some(first) = ids.first() else { return String::new() };
    let named = ids.iter().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ");
    let title = out.styled(Style::Bad, "in doubt:");
    format!(
        "\n{title} whether {named} did its work is not known after a crash\n\
         hint: look, then `a2n answer {id} {first} done`, `failed` or `again`\n",
        id = execution.id,
    )
}

/// What people are asked, and how they decide; nothing where nobody is.
pub(super) fn asked(out: &Out, execution: &Execution, nodes: &[ExecutionNodeState]) -> String {
    let mut text = String::new();
    for node in nodes {
        let Some(waiting) = &node.waiting else { continue };
        if waiting.kind != WaitingKind::Approval || execution.status.is_ended() {
            continue;
        }
        let (id, title) = (out.safe(&node.node_id), out.styled(Style::Wary, "asks:"));
        let who = waiting.detail.as_deref().unwrap_or("somebody has to decide");
        let iteration = match node.iteration.as_str() {
            "" => String::new(),
            path => format!(" --iteration {}", out.safe(path)),
        };
        text.push_str(&format!(
            "\n{title} `{id}`: {who}\n\
             hint: `a2n approve {execution} {id}{iteration} --yes`, or `--no`; `a2n approvals` shows \
             what is asked\n",
            who = out.safe(who),
            execution = execution.id,
        ));
    }
    text
}

fn symbol(node: &ExecutionNodeState) -> &'static str {
    match node.status {
        NodeStatus::Running if node.waiting.is_some() => "◌",
        status => symbol_of(status),
    }
}

fn symbol_of(status: NodeStatus) -> &'static str {
    match status {
        NodeStatus::Pending => "○",
        NodeStatus::Running => "●",
        NodeStatus::Success => "✓",
        NodeStatus::Failed => "✗",
        NodeStatus::Skipped => "⊘",
        NodeStatus::Cancelled => "×",
    }
}
