//! Recovery: what every start of the daemon does. Unfinished executions are read from the store and
//! brought to the driver like any other input.

use super::handle::{Engine, Error, Revived};
use super::persist;
use super::plans::{self, Plans};
use super::stuck::{Stuck, Why};
use crate::store::{self, Origin, Snapshot, Store, execution, workflow_version};

/// What a recovery found.
#[derive(Debug, Clone, Default)]
pub struct Recovered {
    /// Executions that go on.
    pub live: usize,
    /// Executions that can't. They stay as they are stored, and the log names each.
    pub stuck: Stuck,
}

/// Takes up all unfinished executions.
pub async fn recover(store: &Store, plans: &Plans, engine: &Engine) -> Result<Recovered, Error> {
    let (revived, stuck) = read(store, plans).map_err(Error::Store)?;
    let live = revived.len();
    engine.recover(revived).await?;
    if live > 0 {
        // What that decided is handed over already: once a write behind it is committed, whoever
        // asks sees it.
        store.write(Origin::default(), |_| Ok(())).await.map_err(Error::Store)?;
    }
    Ok(Recovered { live, stuck })
}

fn read(store: &Store, plans: &Plans) -> Result<(Vec<Revived>, Stuck), store::Error> {
    let snapshot = store.read()?;
    let (mut revived, stuck) = (Vec::new(), Stuck::default());
    for id in execution::unfinished_ids(&snapshot)? {
        match read_one(&snapshot, plans, id)? {
            Ok(one) => revived.push(one),
            Err(why) => stuck.add(id, why),
        }
    }
    Ok((revived, stuck))
}

/// One execution as it can go on, or why it can't. Damage is a reason here and not an error: the
/// others go on.
fn read_one(
    snapshot: &Snapshot,
    plans: &Plans,
    id: a2n_proto::ExecutionId,
) -> Result<Result<Revived, Why>, store::Error> {
    let Some(execution) = intact(execution::get(snapshot, id))?.flatten() else {
        return Ok(Err(Why::Record));
    };
    let state = intact(execution::state(snapshot, id))?.flatten();
    let Some(state) = state.and_then(|bytes| persist::unpack(&bytes)) else {
        return Ok(Err(Why::State));
    };
    let (workflow, version) = (execution.workflow_id, execution.workflow_version);
    let definition = intact(workflow_version::definition(snapshot, workflow, version))?.flatten();
    let Some(definition) = definition else { return Ok(Err(Why::NoVersion(version))) };
    Ok(match plans.make(workflow, version, &definition) {
        Ok(plan) => Ok(Revived { execution, plan, state }),
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
