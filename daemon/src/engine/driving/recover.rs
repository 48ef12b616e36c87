//! Recovery: what every start of the daemon does. Unfinished executions are read from the store and
//! brought to the driver like any other input.

use super::handle::{Engine, Error, Revived};
use super::persist;
use super::plans::Plans;
use crate::store::{self, Origin, Store, execution, workflow_version};

/// What a recovery found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Executions that go on.
    pub live: usize,
    /// Executions that can't: their record is damaged, or their version has no plan any more.
    /// They stay as they are stored, and the log names each.
    pub stuck: usize,
}

/// Takes up all unfinished executions.
pub async fn recover(store: &Store, plans: &Plans, engine: &Engine) -> Result<Recovered, Error> {
    let (revived, stuck) = read(store, plans).map_err(Error::Store)?;
    let live = revived.len();
    if live > 0 {
        engine.recover(revived).await?;
        // What that decided is handed over already: once a write behind it is committed, whoever
        // asks sees it.
        store.write(Origin::default(), |_| Ok(())).await.map_err(Error::Store)?;
    }
    Ok(Recovered { live, stuck })
}

fn read(store: &Store, plans: &Plans) -> Result<(Vec<Revived>, usize), store::Error> {
    let snapshot = store.read()?;
    let mut revived = Vec::new();
    let mut stuck = 0;
    for execution in execution::unfinished(&snapshot)? {
        let id = execution.id;
        let state = execution::state(&snapshot, id)?.and_then(|bytes| persist::unpack(&bytes));
        let definition = workflow_version::definition(
            &snapshot,
            execution.workflow_id,
            execution.workflow_version,
        )?;
        let plan = definition.map(|definition| {
            plans.make(execution.workflow_id, execution.workflow_version, &definition)
        });
        match (state, plan) {
            (Some(state), Some(Ok(plan))) => revived.push(Revived { execution, plan, state }),
            (None, _) => {
                stuck += 1;
                tracing::error!(execution_id = %id, "execution can't go on: its state is damaged");
            }
            (_, Some(Err(error))) => {
                stuck += 1;
                tracing::error!(execution_id = %id, %error, "execution can't go on: its version has no plan");
            }
            (_, None) => {
                stuck += 1;
                tracing::error!(execution_id = %id, "execution can't go on: its version is gone");
            }
        }
    }
    Ok((revived, stuck))
}
