//! Stored bytes: no bytes make a row's reader panic or take much memory, what is read and written
//! again stays the same, and a changed byte is found by the checksum.

use a2n_daemon::engine::driving::packed;
use a2n_daemon::store::strange;

/// Tries one body; the first byte says as what.
pub fn run(data: &[u8]) {
    let Some((&kind, body)) = data.split_first() else { return };
    strange::read_row(kind, body);
    let _ = packed::unpack(body);
}
