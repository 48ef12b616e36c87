//! `a2n versions NAME`: what was saved when.

use a2n_client::Exit;
use a2n_proto::api::{Match, workflow_version};

use super::output::{Cell, Style, Table};
use super::rows;
use super::{Context, Outcome, examples, which};

/// List the versions of a workflow
#[derive(Debug, clap::Args)]
#[command(after_help = examples!(
    "a2n versions host-report"
    "a2n versions host-report -o json"
))]
pub(super) struct Args {
    /// The workflow's name or id
    #[arg(value_name = "NAME")]
    workflow: String,
    /// How many at most
    #[arg(short = 'n', long, value_name = "N", default_value_t = 50, value_parser = rows::how_many)]
    limit: usize,
}

impl Args {
    pub(super) async fn run(self, cx: &Context) -> Outcome {
        let session = cx.session().await?;
        let id = which::workflow_id(&session, &self.workflow).await?;
        let filter =
            workflow_version::Filter { workflow_id: Some(Match::Is(id)), ..Default::default() };
        let rows = rows::list::<workflow_version::List, _, _>(&session, filter, self.limit).await?;
        let names = || rows.items.iter().map(|version| version.version.to_string()).collect();
        cx.out.show(&rows.json, names, |out| {
            let mut table = Table::new(&[">VERSION", "PUBLISHED", "SAVED", "WHAT CHANGED~"]);
            for version in &rows.items {
                table.row([
                    version.version.to_string().into(),
                    if version.is_published { Cell::styled("yes", Style::Good) } else { "".into() },
                    out.date(version.created_at).into(),
                    version.change_log.as_deref().unwrap_or("").into(),
                ]);
            }
            table.text(out, "No versions.")
        })?;
        Ok(Exit::Done)
    }
}
