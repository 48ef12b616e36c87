//! Approvals: the votes are in the execution's own state and come as inputs; here is only kept where
//! one is open, so that the list of what waits for a person reads no execution that asks nobody.

use super::asking::{Asked, Desk};
use super::once::asker;
use crate::engine::job::JobKey;
use crate::store::{Error, Tx, execution, execution_approval};

pub(super) fn ask(desk: &Desk, asked: Asked) {
    let key = asked.key;
    let write = move |tx: &mut Tx<'_>| {
        let asks = execution::head(tx, key.execution)?;
        if asks.is_some_and(|execution| !execution.status.is_ended()) {
            execution_approval::put(tx, asker(&key))?;
        }
        Ok::<_, Error>(())
    };
    desk.store.hand_over(desk.origin(), write, |result| {
        if let Err(error) = result {
            tracing::warn!(%error, "an open approval is not listed before the next start");
        }
    });
}

pub(super) fn withdraw(desk: &Desk, key: &JobKey) {
    let key = key.clone();
    let write = move |tx: &mut Tx<'_>| execution_approval::remove(tx, asker(&key));
    desk.store.hand_over(desk.origin(), write, |result: Result<bool, Error>| {
        if let Err(error) = result {
            tracing::warn!(%error, "an approval that is over stays in the table of open ones");
        }
    });
}
