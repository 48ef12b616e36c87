//! `a2n retry --failed`: every execution that failed lately and was not tried again yet, one by one.

use std::collections::BTreeSet;
use std::time::Duration;

use a2n_client::{Exit, Session};
use a2n_proto::api::Match;
use a2n_proto::api::execution::{Filter, List, Retry, RetryFrom, RetryParams};
use a2n_proto::execution::{Execution, ExecutionStatus};
use a2n_proto::{ExecutionId, Json};

use super::failure::Failure;
use super::output::{Style, Table};
use super::rows;
use super::{Context, Outcome, ask_raw, ps, which};

/// Ids in one filter.
const ASKED_AT_ONCE: usize = 100;

/// Which ones, and how.
#[derive(Debug)]
pub(super) struct All<'a> {
    pub(super) workflow: Option<&'a str>,
    pub(super) since: Option<Duration>,
    pub(super) limit: usize,
    pub(super) dry_run: bool,
    pub(super) from: RetryFrom,
    pub(super) inputs: Option<Json>,
}

impl All<'_> {
    pub(super) async fn run(self, cx: &Context) -> Outcome {
        let session = cx.session().await?;
        let workflow_id = match self.workflow {
            Some(word) => Some(Match::Is(which::workflow_id(&session, word).await?)),
            None => None,
        };
        let since = self.since.map(|since| cx.out.now().minus(since));
        let filter = Filter {
            status: Some(Match::Is(ExecutionStatus::Failed)),
            workflow_id,
            created_at: since.map(|from| Match::Range { gte: Some(from), lt: None }),
            ..Filter::default()
        };
        let found = rows::list::<List, _, _>(&session, filter, self.limit).await?;
        let again = tried_again(&session, &found.items).await?;
        let chosen: Vec<&Execution> =
            found.items.iter().filter(|one| !again.contains(&one.id)).collect();
        let mut left = String::new();
        if !again.is_empty() {
            left.push_str(&format!("{} left out: tried again already\n", again.len()));
        }
        if found.more {
            left.push_str(&format!("there are more than {}; -n raises that\n", self.limit));
        }
        if self.dry_run {
            let ids = || chosen.iter().map(|one| one.id.to_string()).collect();
            let json = Json::of(&chosen);
            cx.out.show(&json, ids, |out| {
                let all: Vec<Execution> = chosen.iter().map(|one| (*one).clone()).collect();
                let table =
                    ps::table(out, &all).text(out, "Nothing failed that was not tried again.");
                format!("{table}{} would be run again\n{left}", counted(chosen.len()))
            })?;
            return Ok(Exit::Done);
        }
        self.retry(cx, &session, &chosen, &left).await
    }

    async fn retry(
        &self,
        cx: &Context,
        session: &Session,
        chosen: &[&Execution],
        left: &str,
    ) -> Outcome {
        let mut table = Table::new(&["FAILED", "WORKFLOW~", "RUNS AGAIN AS~"]);
        let (mut answers, mut ids, mut refused) = (Vec::new(), Vec::new(), 0);
        for one in chosen {
            let params = RetryParams {
                id: one.id,
                from: Some(self.from.clone()),
                inputs: self.inputs.clone(),
                results: None,
                version: None,
                idempotency_key: None,
            };
            let cell = match ask_raw::<Retry>(session, &params).await {
                Ok(retry) => {
                    answers.push(retry.json);
                    ids.push(retry.value.id.to_string());
                    retry.value.id.to_string().into()
                }
                // One that can't is told and does not keep the others from it.
                Err(a2n_client::Error::Refused(why)) => {
                    refused += 1;
                    super::output::Cell::styled(&why.message, Style::Bad)
                }
                Err(other) => return Err(other.into()),
            };
            table.row([one.id.to_string().into(), one.workflow_name.as_str().into(), cell]);
        }
        cx.out.show(
            &Json::of(&answers),
            || ids,
            |out| {
                let table = table.text(out, "Nothing failed that was not tried again.");
                format!("{table}{} run again\n{left}", counted(answers.len()))
            },
        )?;
        Ok(if refused > 0 { Exit::Failed } else { Exit::Done })
    }
}

/// Those of which there is a retry already.
async fn tried_again(
    session: &Session,
    failed: &[Execution],
) -> Result<BTreeSet<ExecutionId>, Failure> {
    let mut again = BTreeSet::new();
    for some in failed.chunks(ASKED_AT_ONCE) {
        let ids = some.iter().map(|one| one.id).collect();
        let filter = Filter { retry_of: Some(Match::In(ids)), ..Filter::default() };
        let retries = rows::list::<List, _, _>(session, filter, usize::MAX).await?;
        again.extend(retries.items.iter().filter_map(|one: &Execution| one.retry_of));
    }
    Ok(again)
}

fn counted(n: usize) -> String {
    match n {
        1 => "1 execution".to_owned(),
        n => format!("{n} executions"),
    }
}
