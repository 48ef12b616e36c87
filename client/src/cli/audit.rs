//! `a2n audit`: who changed what, and whether the trail is whole.

use a2n_client::Exit;
use a2n_proto::Timestamp;
use a2n_proto::api::Match;
use a2n_proto::api::audit_log::{Filter, List, Verify, VerifyParams};
use a2n_proto::system::AuditLog;
use clap::Subcommand;
use serde_json::Value;

use super::output::{Cell, Style, Table, cut};
use super::rows;
use super::{Context, Outcome, ask, examples, moments};

/// Show who changed what, and check that nothing was tampered with
#[derive(Debug, clap::Args)]
#[command(after_help = examples!(
    "a2n audit"
    "a2n audit list --resource workflow --since -7d"
    "a2n audit verify"
))]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List changes, newest first
    #[command(visible_alias = "ls", after_help = examples!(
        "a2n audit list -n 100"
        "a2n audit list --action workflow.publish -o json"
    ))]
    List {
        /// Of this entity, as workflow
        #[arg(long, value_name = "ENTITY")]
        resource: Option<String>,
        /// Of this action
        #[arg(long)]
        action: Option<String>,
        /// From this moment: RFC 3339, now, -2h
        #[arg(long, value_name = "WHEN", value_parser = moments::moment, allow_hyphen_values = true)]
        since: Option<Timestamp>,
        /// How many at most
        #[arg(short = 'n', long, value_name = "N", default_value_t = 50, value_parser = rows::how_many)]
        limit: usize,
    },
    /// Check that no row was changed, removed or reordered; exit 1 where one was
    #[command(after_help = examples!("a2n audit verify" "a2n audit verify --from 1000"))]
    Verify {
        /// From this number
        #[arg(long, value_name = "SEQ")]
        from: Option<u64>,
        /// Up to and with this number
        #[arg(long, value_name = "SEQ")]
        to: Option<u64>,
    },
}

impl Args {
    pub(super) async fn run(self, cx: &Context) -> Outcome {
        let newest = Verb::List { resource: None, action: None, since: None, limit: 50 };
        match self.verb.unwrap_or(newest) {
            Verb::List { resource, action, since, limit } => {
                let filter = Filter {
                    resource: resource.map(Match::Is),
                    action: action.map(Match::Is),
                    timestamp: since.map(|from| Match::Range { gte: Some(from), lt: None }),
                    ..Default::default()
                };
                list(cx, filter, limit).await
            }
            Verb::Verify { from, to } => verify(cx, VerifyParams { from, to }).await,
        }
    }
}

async fn list(cx: &Context, filter: Filter, limit: usize) -> Outcome {
    let session = cx.session().await?;
    let rows = rows::list::<List, _, _>(&session, filter, limit).await?;
    let names = || rows.items.iter().map(|row| row.seq.to_string()).collect();
    cx.out.show(&rows.json, names, |out| {
        let mut columns = vec![">SEQ", "WHEN", "ACTION", "RESOURCE", "BY", "WHAT~"];
        if out.is_wide() {
            columns.extend(["ID", "SOURCE"]);
        }
        let mut table = Table::new(&columns);
        for row in &rows.items {
            let uid = row.metadata.uid.map(|uid| format!("uid {uid}"));
            table.row([
                row.seq.to_string().into(),
                out.date(row.timestamp).into(),
                row.action.as_str().into(),
                row.resource.as_str().into(),
                Cell::or_dash(uid.or_else(|| row.user_id.map(|id| id.to_string()))),
                what(row, out.is_wide()).into(),
                row.resource_id.as_str().into(),
                Cell::or_dash(row.metadata.source.as_deref()),
            ]);
        }
        table.text(out, "No changes.")
    })?;
    Ok(Exit::Done)
}

/// What a row says of the change: the name of what is new, else the members that changed.
fn what(row: &AuditLog, all: bool) -> String {
    let values = row.new_values.to_value();
    let name = values.get("name").and_then(Value::as_str);
    match (&values, name) {
        _ if all => row.new_values.as_str().to_owned(),
        (_, Some(name)) => name.to_owned(),
        (Value::Object(members), None) if row.old_values.is_null() => {
            let telling = |text: &&str| text.len() != 36 && text.parse::<Timestamp>().is_err();
            members.values().filter_map(Value::as_str).filter(telling).collect::<Vec<_>>().join(" ")
        }
        (Value::Object(members), None) => {
            members.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
        }
        _ => cut(row.new_values.as_str(), 60),
    }
}

async fn verify(cx: &Context, params: VerifyParams) -> Outcome {
    let session = cx.session().await?;
    let answer = ask::<Verify>(&session, &params).await?;
    let found = &answer.value;
    cx.out.show(&answer.json, Vec::new, |out| {
        let mut text = String::new();
        for problem in &found.problems {
            let line = format!("row {}: {}: {}", problem.seq, problem.code, problem.message);
            text.push_str(&out.styled(Style::Bad, &out.safe(&line)));
            text.push('\n');
        }
        let verdict = if found.ok {
            out.styled(Style::Good, "whole")
        } else {
            out.styled(Style::Bad, "broken")
        };
        text.push_str(&format!(
            "the audit trail is {verdict}: {} rows read, {} to {}\n",
            found.rows, found.from, found.to
        ));
        text
    })?;
    Ok(if found.ok { Exit::Done } else { Exit::Failed })
}
