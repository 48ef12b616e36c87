//! Recovery: what every start of the daemon does. Unfinished executions are read from the store and
//! brought to the driver like any other input.

use std::collections::BTreeSet;
use std::sync::Arc;

use a2n_proto::execution::{ExecutionStatus, PausedReason};
use a2n_proto::{ExecutionId, Timestamp, WorkflowId};

use super::handle::{Engine, Error, Found, Revived};
use super::packed;
use super::parked::WINDOW;
use super::places::Rule;
use super::plans::{self, Plans};
use super::stuck::{self, Stuck, Why};
use crate::engine::driving::driver;
use crate::store::{self, Origin, Snapshot, Store, Tx, execution, workflow_version};

/// How many of those that only wait are looked at before the daemon is ready, for whether they can go
/// on; the others are when their moment comes.
const LOOKED_AT: usize = 200;

/// Takes up all unfinished executions: those that run are read, of those that only wait no more than
/// their places in the indexes. Those that can't go on are listed in `stuck`. Answers how many run.
pub async fn recover(
    store: &Store,
    plans: &Plans,
    engine: &Engine,
    stuck: &Stuck,
) -> Result<usize, Error> {
    let found = read(store, plans, stuck).map_err(Error::Store)?;
    let live = found.running.len();
    engine.recover(found).await?;
    if live > 0 {
        // What that decided is handed over already: once a write behind it is committed, whoever
        // asks sees it.
        store.write(Origin::default(), |_| Ok(())).await.map_err(Error::Store)?;
    }
    Ok(live)
}

/// Counts the execution that the engine was deciding about when the process died, before it is taken
/// up again. Says whether that was one time too many: then it is put aside.
pub async fn suspect(
    store: &Store,
    id: ExecutionId,
    quarantine_after: u32,
    now: Timestamp,
) -> Result<bool, store::Error> {
    let count = move |tx: &mut Tx<'_>| {
        if execution::head(tx, id)?.is_none_or(|head| head.status.is_ended()) {
            return Ok(false);
        }
        let n = execution::count_recovery(tx, id)?;
        let is_one_too_many = quarantine_after > 0 && n >= quarantine_after;
        if is_one_too_many {
            stuck::quarantine(tx, id, &driver::told(n, "the daemon died in its step"))?;
        }
        Ok(is_one_too_many)
    };
    store.write(Origin::daemon(now, "ENGINE"), count).await
}

/// Takes up one execution whose quarantine is lifted.
pub async fn one(
    store: &Store,
    plans: &Plans,
    engine: &Engine,
    stuck: &Stuck,
    id: ExecutionId,
) -> Result<(), Error> {
    let snapshot = store.read().map_err(Error::Store)?;
    match read_one(&snapshot, plans, id).map_err(Error::Store)? {
        Some(Ok(revived)) => {
            stuck.remove(id);
            let workflow = revived.execution.workflow_id;
            let rule = rule(&snapshot, plans, workflow).map_err(Error::Store)?;
            let own = || Rule { revision: 0, concurrency: revived.plan.concurrency().clone() };
            let rules = vec![(workflow, rule.unwrap_or_else(own))];
            engine.recover(Found { running: vec![revived], rules, ..Found::default() }).await
        }
        Some(Err(why)) => {
            stuck.add(id, why);
            Ok(())
        }
        None => Ok(()),
    }
}

fn read(store: &Store, plans: &Plans, stuck: &Stuck) -> Result<Found, store::Error> {
    let snapshot = store.read()?;
    let mut found = Found::default();
    let mut to_read = execution::with_status(&snapshot, ExecutionStatus::Running, usize::MAX)?;
    to_read.extend(execution::asking(&snapshot)?);
    for id in to_read {
        match read_one(&snapshot, plans, id)? {
            Some(Ok(one)) => found.running.push(one),
            Some(Err(why)) => stuck.add(id, why),
            None => {}
        }
    }
    found.queued = execution::queued(&snapshot, usize::MAX)?;
    found.timers = execution::by_due(&snapshot, None, WINDOW)?;
    let paused = execution::with_status(&snapshot, ExecutionStatus::Paused, LOOKED_AT)?;
    let waiting = found.queued.iter().take(LOOKED_AT).map(|one| one.id).chain(paused);
    for id in waiting {
        if let Some(Err(why)) = read_one(&snapshot, plans, id)? {
            stuck.add(id, why);
        }
    }
    found.queued.retain(|one| stuck.why(one.id).is_none());
    let running = found.running.iter().map(|one| one.execution.workflow_id);
    let workflows: BTreeSet<WorkflowId> =
        running.chain(found.queued.iter().map(|one| one.workflow)).collect();
    for id in workflows {
        let rule = match rule(&snapshot, plans, id)? {
            Some(rule) => Some(rule),
            None => found.rule_of_one(&snapshot, plans, id)?,
        };
        found.rules.extend(rule.map(|rule| (id, rule)));
    }
    Ok(found)
}

impl Found {
    /// Where a workflow has no published version, one of its executions says the rule.
    fn rule_of_one(
        &self,
        snapshot: &Snapshot,
        plans: &Plans,
        id: WorkflowId,
    ) -> Result<Option<Rule>, store::Error> {
        let mut running = self.running.iter().filter(|one| one.execution.workflow_id == id);
        let plan = match running.next() {
            Some(one) => Some(Arc::clone(&one.plan)),
            None => match self.queued.iter().find(|one| one.workflow == id) {
                Some(one) => match read_one(snapshot, plans, one.id)? {
                    Some(Ok(one)) => Some(one.plan),
                    _ => None,
                },
                None => None,
            },
        };
        Ok(plan.map(|plan| Rule { revision: 0, concurrency: plan.concurrency().clone() }))
    }
}

/// One execution as it can go on, or why it can't; none where it has ended or is gone. Damage is a
/// reason here and not an error: the others go on.
pub(super) fn read_one(
    snapshot: &Snapshot,
    plans: &Plans,
    id: ExecutionId,
) -> Result<Option<Result<Revived, Why>>, store::Error> {
    let execution = match intact(execution::get(snapshot, id))? {
        Some(Some(execution)) if execution.status.is_ended() => return Ok(None),
        Some(Some(execution)) => execution,
        Some(None) if !execution::is_listed(snapshot, id)? => return Ok(None),
        Some(None) | None => return Ok(Some(Err(Why::Record))),
    };
    if execution.paused_reason == Some(PausedReason::Quarantined) {
        return Ok(Some(Err(Why::Quarantined(execution.error_message.unwrap_or_default()))));
    }
    let state = intact(execution::state(snapshot, id))?.flatten();
    let Some((state, size)) = state.and_then(|bytes| packed::read(&bytes)) else {
        return Ok(Some(Err(Why::State)));
    };
    let (workflow, version) = (execution.workflow_id, execution.workflow_version);
    let plan = match plans.kept(workflow, version) {
        Some(plan) => plan,
        None => {
            let found = intact(workflow_version::definition(snapshot, workflow, version))?;
            let Some(definition) = found.flatten() else {
                return Ok(Some(Err(Why::NoVersion(version))));
            };
            match plans.make(workflow, version, &definition) {
                Ok(plan) => plan,
                Err(error) => {
                    return Ok(Some(Err(Why::NoPlan { version, reason: told(&error) })));
                }
            }
        }
    };
    let recoveries = execution::recoveries(snapshot, id)?;
    Ok(Some(Ok(Revived { execution, plan, state, size, recoveries })))
}

/// How many of a workflow's executions may run at once, as its published version says; none where it
/// has none that can be read.
pub fn rule(
    snapshot: &Snapshot,
    plans: &Plans,
    id: WorkflowId,
) -> Result<Option<Rule>, store::Error> {
    let Some(workflow) = intact(store::workflow::head(snapshot, id))?.flatten() else {
        return Ok(None);
    };
    let Some(version) = workflow.published_version else { return Ok(None) };
    let plan = match plans.kept(id, version) {
        Some(plan) => Some(plan),
        None => intact(workflow_version::definition(snapshot, id, version))?
            .flatten()
            .and_then(|definition| plans.make(id, version, &definition).ok()),
    };
    let revision = workflow.revision;
    Ok(plan.map(|plan| Rule { revision, concurrency: plan.concurrency().clone() }))
}

fn told(error: &plans::Error) -> String {
    match error {
        plans::Error::Problems(problems) => match problems.first() {
            Some(first) => format!("{}: {}", first.path, first.message),
            None => error.to_string(),
        },
        plans::Error::Unreadable(_) => error.to_string(),
    }
}

/// None where what was read is damaged.
fn intact<T>(read: Result<T, store::Error>) -> Result<Option<T>, store::Error> {
    match read {
        Ok(found) => Ok(Some(found)),
        Err(store::Error::Damaged { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
