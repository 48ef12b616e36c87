//! How often an execution was taken up again after it had made the engine fail, without getting on
//! since. Counted in a commit before it is taken up; forgotten as soon as it gets on.

use a2n_proto::ExecutionId;

use crate::store::keys::Key;
use crate::store::schema::EXECUTION_RECOVERY;
use crate::store::{Error, Read, Tx, rows};

fn key(id: ExecutionId) -> Key {
    Key::of_id(id.as_bytes())
}

/// How often so far.
pub fn recoveries(read: &impl Read, id: ExecutionId) -> Result<u32, Error> {
    Ok(rows::get_as(read, EXECUTION_RECOVERY, id.as_bytes())?.unwrap_or(0))
}

/// One more; answers how often now.
pub fn count_recovery(tx: &mut Tx<'_>, id: ExecutionId) -> Result<u32, Error> {
    let n = recoveries(tx, id)?.saturating_add(1);
    rows::put_as(tx, EXECUTION_RECOVERY, &key(id), &n)?;
    Ok(n)
}

/// It got on, or a person wants it tried afresh.
pub fn forget_recoveries(tx: &mut Tx<'_>, id: ExecutionId) -> Result<(), Error> {
    rows::remove(tx, EXECUTION_RECOVERY, &key(id)).map(|_| ())
}
