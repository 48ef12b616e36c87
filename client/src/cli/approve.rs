//! `a2n approve` and `a2n approvals`: decide what workflows ask, and see what waits for you.

use a2n_client::{Exit, Session};
use a2n_proto::api::Match;
use a2n_proto::api::execution::{ApprovalFilter, Approvals, Approve, ApproveParams, OpenApproval};
use a2n_proto::execution::Decision;
use a2n_proto::{ExecutionId, Json};

use super::failure::Failure;
use super::inputs::{self, Input};
use super::output::{Cell, Out, Style, Table};
use super::{Context, Outcome, ask, examples, rows, which};

/// Say yes or no to what a workflow asks
#[derive(Debug, clap::Args)]
#[command(after_help = examples!(
    "a2n approve deploy --yes"
    "a2n approve deploy sure --no -m 'not on a Friday'"
    "a2n approve 0199f1c2-7d3a-7c11-9b1e-3f2a5c6d7e8f --yes -i window=tonight -i hosts:='[\"a\"]'"
))]
pub(super) struct Args {
    /// The execution's id, or a workflow's name for its newest one
    #[arg(value_name = "EXEC")]
    execution: String,
    /// The node that asks; needed where several do
    node: Option<String>,
    /// Yes
    #[arg(long, conflicts_with = "no", required_unless_present = "no")]
    yes: bool,
    /// No
    #[arg(long)]
    no: bool,
    /// Why
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,
    /// What the form asks for: name=text or name:=json
    #[arg(short, long = "input", value_name = "NAME=VALUE")]
    inputs: Vec<Input>,
    /// Only for this item, counted from 0
    #[arg(long)]
    item: Option<u32>,
    /// The iteration of a loop, as 2 or 2.5
    #[arg(long)]
    iteration: Option<String>,
}

impl Args {
    pub(super) async fn run(self, cx: &Context) -> Outcome {
        let form = Some(inputs::collect(None, &self.inputs)?).filter(|form| !form.is_null());
        let session = cx.session().await?;
        let id = which::execution(&session, &self.execution).await?;
        let (node_id, iteration) = match self.node {
            Some(node) => (node, self.iteration),
            None => only_one(&session, id, self.iteration).await?,
        };
        let decision = if self.yes { Decision::Approve } else { Decision::Reject };
        let params = ApproveParams {
            id,
            node_id: node_id.clone(),
            decision,
            comment: self.message,
            form,
            iteration,
            item: self.item,
            idempotency_key: None,
        };
        let told = ask::<Approve>(&session, &params).await?;
        let word = if self.yes { "approved" } else { "rejected" };
        cx.out.show(
            &told.json,
            || vec![id.to_string()],
            |out| format!("you {word} {} of {id}\n", out.safe(&node_id)),
        )?;
        Ok(Exit::Done)
    }
}

/// The one node of the execution that asks.
async fn only_one(
    session: &Session,
    id: ExecutionId,
    iteration: Option<String>,
) -> Result<(String, Option<String>), Failure> {
    let filter = ApprovalFilter { execution_id: Some(Match::Is(id)), ..ApprovalFilter::default() };
    let open = rows::list::<Approvals, _, OpenApproval>(session, filter, 1_000).await?.items;
    let mut places: Vec<(String, String)> =
        open.into_iter().map(|one| (one.node_id, one.iteration)).collect();
    places.retain(|(_, of)| iteration.as_ref().is_none_or(|wanted| wanted == of));
    places.dedup();
    match places.as_slice() {
        [(node, iteration)] => Ok((node.clone(), Some(iteration.clone()))),
        [] => Err(Failure::not_found(format!("execution {id} waits for no decision"))
            .hint("`a2n approvals` shows what waits for you; `a2n show` where it stands")),
        several => {
            let names: Vec<String> = several
                .iter()
                .map(|(node, iteration)| match iteration.as_str() {
                    "" => node.clone(),
                    iteration => format!("{node} (iteration {iteration})"),
                })
                .collect();
            Err(Failure::usage(format!("several nodes ask: {}", names.join(", ")))
                .hint("name one: a2n approve EXEC NODE --yes"))
        }
    }
}

/// Show what waits for your decision
#[derive(Debug, clap::Args)]
#[command(after_help = examples!(
    "a2n approvals"
    "a2n approvals --all         what others decide too, where you may see it"
    "a2n approvals -o json       with the forms"
))]
pub(super) struct ListArgs {
    /// What others decide too, where you may see it
    #[arg(short, long)]
    all: bool,
    /// How many at most
    #[arg(short = 'n', long, value_name = "N", default_value_t = 50, value_parser = rows::how_many)]
    limit: usize,
}

impl ListArgs {
    pub(super) async fn run(self, cx: &Context) -> Outcome {
        let session = cx.session().await?;
        let mine = (!self.all).then_some(true);
        let filter = ApprovalFilter { mine, ..ApprovalFilter::default() };
        let open = rows::list::<Approvals, _, OpenApproval>(&session, filter, self.limit).await?;
        let names = || open.items.iter().map(|one| one.execution_id.to_string()).collect();
        let nothing =
            if self.all { "Nothing waits for a decision." } else { "Nothing waits for you." };
        cx.out.show(&open.json, names, |out| {
            let mut text = table(out, &open.items).text(out, nothing);
            if open.more {
                text.push_str(&format!("(the newest {}; -n shows more)\n", open.items.len()));
            }
            text
        })?;
        Ok(Exit::Done)
    }
}

fn table(out: &Out, open: &[OpenApproval]) -> Table {
    let mut columns = vec!["EXECUTION", "WORKFLOW~", "NODE~", ">YES", "UNTIL", "WHAT~"];
    if out.is_wide() {
        columns.extend(["WHO~", "FORM~"]);
    }
    let mut table = Table::new(&columns);
    for one in open {
        let yes = one.votes.iter().filter(|vote| vote.decision == Decision::Approve).count();
        let place = match (one.iteration.as_str(), one.item) {
            ("", None) => one.node_id.clone(),
            ("", Some(item)) => format!("{}#{item}", one.node_id),
            (iteration, None) => format!("{}/{iteration}", one.node_id),
            (iteration, Some(item)) => format!("{}/{iteration}#{item}", one.node_id),
        };
        let what = match &one.refusal {
            None => Cell::styled(one.message.as_str(), Style::Bold),
            Some(_) => Cell::styled(one.message.as_str(), Style::Dim),
        };
        table.row([
            one.execution_id.to_string().into(),
            one.workflow_name.as_str().into(),
            place.into(),
            format!("{yes}/{}", one.quorum).into(),
            Cell::or_dash(one.until.map(|at| out.distance(at))),
            what,
            one.approvers.as_str().into(),
            Cell::or_dash(one.form.as_ref().map(Json::as_str)),
        ]);
    }
    table
}
