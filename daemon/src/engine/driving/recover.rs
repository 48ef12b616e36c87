//! Recovery: what every start of the daemon does. Unfinished executions are read from the store and
//! brought to the driver like any other input.

use a2n_proto::execution::PausedReason;
use a2n_proto::{ExecutionId, Timestamp};

use super::handle::{Engine, Error, Revived};
use super::persist;
use super::plans::{self, Plans};
use super::stuck::{self, Stuck, Why};
use crate::engine::driving::driver;
use crate::store::{self, Origin, Snapshot, Store, Tx, execution, workflow_version};

/// Takes up all unfinished executions and says how many; those that can't go on stay as they are
/// stored, are listed in `stuck`, and the log names each.
pub async fn recover(
    store: &Store,
    plans: &Plans,
    engine: &Engine,
    stuck: &Stuck,
) -> Result<usize, Error> {
    let revived = read(store, plans, stuck).map_err(Error::Store)?;
    let live = revived.len();
    engine.recover(revived).await?;
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
        Ok(revived) => {
            stuck.remove(id);
            engine.recover(vec![revived]).await
        }
        Err(why) => {
            stuck.add(id, why);
            Ok(())
        }
    }
}

fn read(store: &Store, plans: &Plans, stuck: &Stuck) -> Result<Vec<Revived>, store::Error> {
    let snapshot = store.read()?;
    let mut revived = Vec::new();
    for id in execution::unfinished_ids(&snapshot)? {
        match read_one(&snapshot, plans, id)? {
            Ok(one) => revived.push(one),
            Err(why) => stuck.add(id, why),
        }
    }
    Ok(revived)
}

/// One execution as it can go on, or why it can't. Damage is a reason here and not an error: the
/// others go on.
fn read_one(
    snapshot: &Snapshot,
    plans: &Plans,
    id: ExecutionId,
) -> Result<Result<Revived, Why>, store::Error> {
    let Some(execution) = intact(execution::get(snapshot, id))?.flatten() else {
        return Ok(Err(Why::Record));
    };
    if execution.paused_reason == Some(PausedReason::Quarantined) {
        return Ok(Err(Why::Quarantined(execution.error_message.unwrap_or_default())));
    }
    let state = intact(execution::state(snapshot, id))?.flatten();
    let Some(state) = state.and_then(|bytes| persist::unpack(&bytes)) else {
        return Ok(Err(Why::State));
    };
    let (workflow, version) = (execution.workflow_id, execution.workflow_version);
    let definition = intact(workflow_version::definition(snapshot, workflow, version))?.flatten();
    let Some(definition) = definition else { return Ok(Err(Why::NoVersion(version))) };
    Ok(match plans.make(workflow, version, &definition) {
        Ok(plan) => {
            let recoveries = execution::recoveries(snapshot, id)?;
            Ok(Revived { execution, plan, state, recoveries })
        }
        Err(error) => Err(Why::NoPlan { version, reason: told(&error) }),
    })
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
