//! `a2n run NAME --dry-run`: what a run would do, wave by wave. Nothing is started.

use a2n_client::Exit;
use a2n_proto::api::workflow::{Plan, PlanAnswer, PlanParams, PlannedNode, WouldRun};

use super::output::{Cell, Out, Style, Table, cut, wrapped as wrap};
use super::{Context, Outcome, ask};

/// Rows of the terminal that one value may take.
const MOST_ROWS: usize = 4;

/// Shows what a run would do.
pub(super) async fn show(cx: &Context, params: &PlanParams) -> Outcome {
    let session = cx.session().await?;
    let plan = ask::<Plan>(&session, params).await?;
    let names = || plan.value.nodes.iter().map(|node| node.node_id.clone()).collect();
    cx.out.show(&plan.json, names, |out| text(out, &plan.value))?;
    let fails =
        plan.value.unsupported.is_some() || plan.value.nodes.iter().any(|n| n.error.is_some());
    Ok(if fails { Exit::Failed } else { Exit::Done })
}

fn text(out: &Out, plan: &PlanAnswer) -> String {
    let version = plan.version.map(|n| format!(" (version {n})")).unwrap_or_default();
    let mut text = format!("{}{version}: nothing is started\n\n", out.safe(&plan.workflow_name));
    if let Some(what) = &plan.unsupported {
        let what = out.safe(what);
        text.push_str(&format!("{} {what}\n\n", out.styled(Style::Bad, "can't be run:")));
    }
    let mut table = Table::new(&[">WAVE", "NODE~", "TYPE", "RUNS", ">ITEMS", "SENDS~"]);
    for node in &plan.nodes {
        let (runs, style) = match node.runs {
            _ if node.error.is_some() => ("fails", Style::Bad),
            WouldRun::Yes => ("yes", Style::Good),
            WouldRun::No => ("no", Style::Dim),
            WouldRun::Unknown => ("perhaps", Style::Wary),
        };
        table.row([
            node.wave.to_string().into(),
            node.node_id.as_str().into(),
            node.node_type.as_str().into(),
            Cell::styled(runs, style),
            Cell::or_dash(node.items.map(|n| n.to_string())),
            sends(node).into(),
        ]);
    }
    text.push_str(&table.text(out, "No nodes."));
    for node in &plan.nodes {
        text.push_str(&details(out, node));
    }
    text
}

/// `3 true, 1 false`; what is not known is `?`.
fn sends(node: &PlannedNode) -> String {
    let Some(output) = &node.output else {
        return if node.runs == WouldRun::No { "-".into() } else { "?".into() };
    };
    let value = output.to_value();
    let by_handle = value.as_object().into_iter().flatten();
    let told: Vec<String> = by_handle
        .map(|(handle, items)| format!("{} {handle}", items.as_array().map_or(0, Vec::len)))
        .collect();
    if told.is_empty() { "nothing".into() } else { told.join(", ") }
}

fn details(out: &Out, node: &PlannedNode) -> String {
    let mut lines = Vec::new();
    if let Some(why) = &node.why {
        lines.push(out.safe(why));
    }
    if let Some(error) = &node.error {
        lines.push(format!("fails: {}", out.safe(error)));
    }
    lines.extend(node.unknown.iter().map(|what| format!("not known: {}", out.safe(what))));
    lines.extend(node.notes.iter().map(|note| out.safe(note)));
    if node.runs != WouldRun::No {
        let value = node.configuration.to_value();
        match value.as_array().filter(|_| node.is_resolved) {
            Some(all) => {
                lines.extend(all.iter().take(3).map(|one| out.safe(&one.to_string())));
                if all.len() > 3 {
                    lines.push(format!("… and so on for {} items (-o json)", all.len() - 3));
                }
            }
            None => lines.push(format!("as written: {}", out.safe(&value.to_string()))),
        }
    }
    if let Some(output) = &node.output
        && !matches!(output.as_str(), "{}")
    {
        lines.push(format!("sends {}", out.safe(output.as_str())));
    }
    let mut text = format!("\n{}\n", out.styled(Style::Dim, &out.safe(&node.node_id)));
    for line in lines {
        text.push_str(&wrapped(out, &line));
    }
    text
}

/// A line with an indent, filled to the terminal's width; a long one is cut there.
fn wrapped(out: &Out, line: &str) -> String {
    let cells = out.width().unwrap_or(usize::MAX).saturating_sub(2).max(40);
    let longest = cells.saturating_mul(MOST_ROWS);
    let filled = wrap(&cut(line, longest), cells);
    filled.lines().map(|row| format!("  {}\n", cut(row, cells))).collect()
}
