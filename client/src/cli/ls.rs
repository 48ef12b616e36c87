//! `a2n ls`: the workflows.

use a2n_client::Exit;
use a2n_proto::api::{Match, workflow};
use a2n_proto::workflow::Workflow;

use super::output::{Cell, Out, Style, Table, took};
use super::rows;
use super::{Context, Outcome, examples};

/// List workflows
#[derive(Debug, clap::Args)]
#[command(after_help = examples!(
    "a2n ls"
    "a2n ls disk                with these words in name or description"
    "a2n ls --tag nightly -o name"
))]
pub(super) struct Args {
    /// With these words in name or description
    text: Option<String>,
    /// With this tag
    #[arg(long)]
    tag: Option<String>,
    /// The archived ones instead
    #[arg(long)]
    archived: bool,
    /// How many at most
    #[arg(short = 'n', long, value_name = "N", default_value_t = 1_000, value_parser = rows::how_many)]
    limit: usize,
}

impl Args {
    pub(super) async fn run(self, cx: &Context) -> Outcome {
        let session = cx.session().await?;
        let narrowed = self.text.is_some() || self.tag.is_some();
        let archived = self.archived;
        let filter = workflow::Filter {
            text: self.text,
            tag: self.tag.map(Match::Is),
            archived: self.archived.then_some(true),
            ..Default::default()
        };
        let rows = rows::list::<workflow::List, _, _>(&session, filter, self.limit).await?;
        let names = || rows.items.iter().map(|workflow| workflow.name.clone()).collect();
        cx.out.show(&rows.json, names, |out| {
            let nothing = match (narrowed, archived) {
                (true, _) => "No such workflows. `a2n ls` shows all.",
                (false, true) => "No archived workflows.",
                (false, false) => "No workflows. `a2n apply -f FILE` saves one.",
            };
            let mut text = table(out, &rows.items).text(out, nothing);
            if rows.more {
                text.push_str(&format!("(the newest {}; -n shows more)\n", rows.items.len()));
            }
            text
        })?;
        Ok(Exit::Done)
    }
}

fn table(out: &Out, workflows: &[Workflow]) -> Table {
    let mut columns = vec!["NAME~", "VERSION", "ACTIVE", ">RUNS", ">FAILED", "LAST RUN", ">AVG"];
    if out.is_wide() {
        columns.extend(["ID", "TAGS~", "DESCRIPTION~"]);
    }
    let mut table = Table::new(&columns);
    for workflow in workflows {
        table.row([
            workflow.name.as_str().into(),
            version(workflow),
            if workflow.is_active { "yes".into() } else { Cell::styled("no", Style::Wary) },
            workflow.execution_count.to_string().into(),
            match workflow.failure_count {
                0 => Cell::styled("0", Style::Dim),
                n => Cell::styled(n.to_string(), Style::Bad),
            },
            Cell::or_dash(workflow.last_executed_at.map(|at| out.distance(at))),
            Cell::or_dash(workflow.avg_execution_time.map(average)),
            workflow.id.to_string().into(),
            workflow.tags.join(",").into(),
            workflow.description.as_deref().unwrap_or("").into(),
        ]);
    }
    table
}

/// The published version, and the draft where there is a newer one.
fn version(workflow: &Workflow) -> Cell {
    match workflow.published_version {
        Some(published) if published == workflow.version => published.to_string().into(),
        Some(published) => format!("{published} (draft {})", workflow.version).into(),
        None => Cell::styled(format!("draft {}", workflow.version), Style::Wary),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a mean of durations is positive, and `as` saturates"
)]
fn average(ms: f64) -> String {
    took(ms.round() as u64)
}
