//! Once per attempt: what a request does to the store, and its answer, are one write. Asked again, the
//! answer is found and nothing is done.

use crate::engine::job::JobKey;
use crate::engine::request::Reply;
use crate::store::execution_reply::{self, Asker};
use crate::store::{self, Tx, execution};

/// Does `act` unless this attempt has its answer already. None where the execution is over.
pub(in crate::engine::driving) fn once(
    tx: &mut Tx<'_>,
    key: &JobKey,
    act: impl FnOnce(&mut Tx<'_>) -> Result<Reply, store::Error>,
) -> Result<Option<Reply>, store::Error> {
    let asker = asker(key);
    if let Some(before) = execution_reply::get(tx, asker)?.and_then(|bytes| unpack(&bytes)) {
        return Ok(Some(before));
    }
    let asks = execution::head(tx, key.execution)?;
    if asks.is_none_or(|execution| execution.status.is_ended()) {
        return Ok(None);
    }
    let reply = act(tx)?;
    execution_reply::put(tx, asker, &pack(&reply))?;
    Ok(Some(reply))
}

pub(in crate::engine::driving) fn asker(key: &JobKey) -> Asker<'_> {
    Asker {
        execution: key.execution,
        node: &key.node,
        iteration: &key.iteration,
        item: key.item,
        attempt: key.attempt,
    }
}

fn pack(reply: &Reply) -> Vec<u8> {
    bincode::serde::encode_to_vec(reply, bincode::config::standard())
        .expect("a reply has only types that bincode carries")
}

fn unpack(bytes: &[u8]) -> Option<Reply> {
    bincode::serde::decode_from_slice(
        bytes,
        bincode::config::standard().with_limit::<{ 1 << 30 }>(),
    )
    .ok()
    .map(|(reply, _)| reply)
}
