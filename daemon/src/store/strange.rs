//! Bytes that nobody vouches for, read as rows: what fuzzing asks of the codec and of the types
//! that are kept with it. Nothing else calls this.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::execution::Kept;
use super::idempotency::Answered;
use super::logs;
use super::rows::Stored;
use super::{Counters, Identity, codec};
use a2n_proto::execution::{ExecutionMetric, ExecutionSchedule};
use a2n_proto::identity::{Account, User};
use a2n_proto::system::{AppSetting, AuditLog, HealthCheck, SchemaMigration, SystemNotification};
use a2n_proto::workflow::{
    Workflow, WorkflowComment, WorkflowShare, WorkflowTrigger, WorkflowVersion,
};
use a2n_proto::{Change, Json};

/// A key that strange rows are tried under.
const KEY: &[u8] = b"strange";

/// Reads `body` as a row, `kind` says of which type; where it is one, its bytes come back the same
/// once they were written by us, and are refused once one of them is changed.
///
/// # Panics
/// Where that does not hold.
pub fn read_row(kind: u8, body: &[u8]) {
    let row: [fn(&[u8]); 20] = [
        stored::<Workflow>,
        stored::<WorkflowVersion>,
        stored::<WorkflowTrigger>,
        stored::<WorkflowShare>,
        stored::<WorkflowComment>,
        stored::<ExecutionSchedule>,
        stored::<Kept>,
        stored::<User>,
        stored::<Account>,
        stored::<AppSetting>,
        stored::<AuditLog>,
        stored::<HealthCheck>,
        stored::<SystemNotification>,
        stored::<SchemaMigration>,
        stored::<Counters>,
        stored::<Answered>,
        value::<Json>,
        value::<Vec<ExecutionMetric>>,
        value::<Change>,
        value::<Identity>,
    ];
    row[usize::from(kind) % row.len()](body);
    sealed(body);
    logs::read_strange(body);
}

/// A type with versions of its own.
fn stored<T: Stored>(body: &[u8]) {
    if let Some(row) = T::read(T::VERSION, body) {
        stays(&row);
    }
}

fn value<T: Serialize + DeserializeOwned>(body: &[u8]) {
    if let Ok(value) = codec::body::<T>(body) {
        stays(&value);
    }
}

fn stays<T: Serialize + DeserializeOwned>(value: &T) {
    let first = codec::pack(value).expect("what was read can be written");
    let again: T = codec::body(&first).expect("what we wrote can be read");
    let second = codec::pack(&again).expect("what was read can be written");
    assert_eq!(first, second, "a row does not stay the same");
}

/// Any bytes as a stored value: refused, unless the checksum was made for them; then one changed
/// bit is found.
fn sealed(body: &[u8]) {
    let _ = codec::open("strange", KEY, body);
    let mut bytes = codec::encode("strange", KEY, 1, body).expect("a small value");
    assert!(codec::open("strange", KEY, &bytes).is_ok(), "our own value");
    let at = body.iter().fold(0, |sum, byte| sum * 31 % 65_521 + usize::from(*byte)) % bytes.len();
    bytes[at] ^= 1 << (at % 8);
    assert!(codec::open("strange", KEY, &bytes).is_err(), "a changed bit is believed");
}
