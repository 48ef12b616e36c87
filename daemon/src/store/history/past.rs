//! Executions that ended elsewhere, put straight into history: how a store with years of history is
//! made to be measured. One large transaction for each file, and none over all of them: what is
//! interrupted begins again with a new store.

use std::collections::BTreeMap;

use a2n_proto::execution::{Execution, ExecutionMetric};

use super::{FileName, Kind, Rows, month_of, rollups};
use crate::store::execution::{Bytes, Packed, Pieces, marks};
use crate::store::keys::Key;
use crate::store::schema::{EXECUTION, EXECUTION_DATA, EXECUTION_METRICS, EXECUTION_STATE};
use crate::store::tally::{Ended, Tally};
use crate::store::{Error, Origin, Store, rows};

/// One that ended.
#[derive(Debug, Clone)]
pub struct Past {
    /// With its data.
    pub execution: Execution,
    /// The engine's packed state.
    pub state: Vec<u8>,
    /// What was measured.
    pub measured: Vec<ExecutionMetric>,
}

/// Puts them into the files of their months, and counts them. Waits for the disk.
pub fn put(store: &Store, origin: &Origin, past: Vec<Past>) -> Result<(), Error> {
    let mut files: BTreeMap<FileName, Rows> = BTreeMap::new();
    let mut tally = Tally::default();
    for Past { execution, state, measured } in past {
        let ended = Ended::of(&execution);
        tally.ended(ended);
        tally.measured(ended, &measured);
        let kind = Kind::of(execution.status);
        let name = FileName { month: month_of(execution.id.unix_ms()), kind };
        let file = files.entry(name).or_default();
        let id = execution.id.as_bytes();
        let key = Key::of_id(id);
        let Packed { kept, data, state } = Packed::of_ended(&execution, state)?;
        file.put(EXECUTION, id, rows::encode_row(&key, &kept)?);
        if let Some(data) = &data {
            file.put(EXECUTION_DATA, id, rows::encode(EXECUTION_DATA, &key, 1, data)?);
        }
        if let Some(state) = state.map(Pieces::joined) {
            file.put(EXECUTION_STATE, id, rows::encode(EXECUTION_STATE, &key, 1, &Bytes(state))?);
        }
        if !measured.is_empty() {
            file.put(EXECUTION_METRICS, id, rows::encode(EXECUTION_METRICS, &key, 1, &measured)?);
        }
        marks(&execution).iter().for_each(|(table, key)| file.mark(*table, key));
    }
    for (name, rows) in files {
        store.history().write(name, &rows)?;
    }
    let rollups = tally.rollups();
    store.write_blocking(origin.clone(), move |tx| tally.write_counters(tx))?;
    rollups::put(store, store.health().commit, rollups)
}
