//! Notes of executions that failed and for which their error workflow is still to be started.

use a2n_proto::ExecutionId;

use super::keys::{Key, KeyRange, last_id};
use super::rows;
use super::schema::EXECUTION_FAILED;
use super::{Error, Read, Tx};

fn key(id: ExecutionId) -> Key {
    Key::of_id(id.as_bytes())
}

/// The error workflow of this one, as its document names it; none where there is no note.
pub fn get(read: &impl Read, id: ExecutionId) -> Result<Option<String>, Error> {
    rows::get_as(read, EXECUTION_FAILED, key(id).as_bytes())
}

/// Every execution with a note, oldest first.
pub fn list(read: &impl Read) -> Result<Vec<ExecutionId>, Error> {
    let keys = rows::some_keys(read, EXECUTION_FAILED, &KeyRange::all(), usize::MAX)?;
    Ok(keys.iter().filter_map(|key| last_id(key)).map(ExecutionId::from_bytes).collect())
}

/// Notes one, in the write that ends it.
pub fn put(tx: &mut Tx<'_>, id: ExecutionId, workflow: &str) -> Result<(), Error> {
    rows::put_as(tx, EXECUTION_FAILED, &key(id), workflow)
}

/// Takes a note away. Answers whether there was one.
pub fn remove(tx: &mut Tx<'_>, id: ExecutionId) -> Result<bool, Error> {
    rows::remove(tx, EXECUTION_FAILED, &key(id))
}
