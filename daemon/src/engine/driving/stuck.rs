//! Executions that a start could not take up again: each with its reason, until somebody ends it.
//!
//! They stay as they are stored; health names them. The engine does not hold them, so their end is
//! a write of its own, and only for those that are listed here: nothing else can be at work on one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use a2n_proto::execution::{ErrorDetails, Execution, ExecutionStatus, PausedReason};
use a2n_proto::{ChangeKind, ExecutionId, Json, UserId};
use serde_json::json;

use super::packed;
use crate::engine::execution::Start;
use crate::store::{self, Snapshot, Tx, execution};

/// Why an execution can't go on; reads after "it can't go on: ".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// Its row, or the one with its data, does not hold.
    #[error("its record is damaged")]
    Record,
    /// Its state can't be read.
    #[error("its state is damaged")]
    State,
    /// The version that it runs is not there any more.
    #[error("version {0} of its workflow is gone")]
    NoVersion(u32),
    /// The version that it runs can't be run any more.
    #[error("version {version} of its workflow has no plan any more: {reason}")]
    NoPlan {
        /// Which version.
        version: u32,
        /// What is wrong with it.
        reason: String,
    },
    /// It made the engine fail again and again: a sentence that begins with `quarantined: `.
    #[error("{0}")]
    Quarantined(String),
    /// The daemon is in safe mode: nothing is taken up.
    #[error("the daemon is in safe mode")]
    SafeMode,
}

/// The list; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Stuck(Arc<Mutex<BTreeMap<ExecutionId, Why>>>);

impl Stuck {
    /// Why this execution can't go on; none where it is not listed.
    pub fn why(&self, id: ExecutionId) -> Option<Why> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    /// Those that have not been ended or removed meanwhile.
    pub fn unfinished(&self, read: &Snapshot) -> Vec<(ExecutionId, Why)> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|id, _| match execution::head(read, *id) {
            Ok(found) => found.is_some_and(|execution| !execution.status.is_ended()),
            Err(_) => true,
        });
        all.iter().map(|(id, why)| (*id, why.clone())).collect()
    }

    /// It goes on after all.
    pub(super) fn remove(&self, id: ExecutionId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }

    pub(super) fn add(&self, id: ExecutionId, why: Why) {
        tracing::error!(execution_id = %id, %why, "execution can't go on");
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id, why);
    }
}

/// Puts an execution aside that made the engine fail: PAUSED until a person resumes, retries or
/// cancels it. Its state stays as it is stored.
pub(super) fn quarantine(tx: &mut Tx<'_>, id: ExecutionId, told: &str) -> Result<(), store::Error> {
    let mut header = execution::require(tx, id)?;
    header.status = ExecutionStatus::Paused;
    header.paused_reason = Some(PausedReason::Quarantined);
    header.error_message = Some(told.to_owned());
    header.error_details = Some(ErrorDetails {
        code: "QUARANTINED".into(),
        node_id: None,
        retry_count: header.retry_count,
        cause: Vec::new(),
    });
    save_aside(tx, header)
}

/// Lets a quarantined execution go on from where it is stored; its failures are forgotten.
pub fn release(tx: &mut Tx<'_>, id: ExecutionId) -> Result<Execution, store::Error> {
    let mut header = execution::require(tx, id)?;
    let state = execution::state(tx, id)?.and_then(|bytes| packed::unpack(&bytes));
    if header.paused_reason != Some(PausedReason::Quarantined) {
        let message = format!("execution {id} is not quarantined any more");
        return Err(store::Error::Precondition { message, hint: None });
    }
    let Some(state) = state else {
        let message = format!("execution {id} can't go on: {}", Why::State);
        let hint = Some(format!("end it with `a2n cancel {id}`"));
        return Err(store::Error::Precondition { message, hint });
    };
    header.status = state.status();
    header.paused_reason = state.paused_reason();
    header.error_message = None;
    header.error_details = None;
    execution::forget_recoveries(tx, id)?;
    save_aside(tx, header.clone())?;
    header.revision += 1;
    Ok(header)
}

/// Saves a header whose state stays as it is.
fn save_aside(tx: &mut Tx<'_>, mut header: Execution) -> Result<(), store::Error> {
    header.revision += 1;
    header.updated_at = tx.at();
    execution::save_header(tx, &header)?;
    let fields = Json::from(json!({
        "status": header.status,
        "pausedReason": header.paused_reason,
        "errorMessage": header.error_message,
        "errorDetails": header.error_details,
    }));
    let (id, workflow) = (header.id, header.workflow_id);
    tx.change(
        "execution",
        id,
        header.revision,
        ChangeKind::Updated,
        fields,
        Some(id),
        Some(workflow),
    );
    Ok(())
}

/// Ends an execution that can't go on as CANCELLED, and says why it could not. What can still be
/// read of it is kept.
pub fn cancel(
    tx: &mut Tx<'_>,
    id: ExecutionId,
    why: &Why,
    by: &str,
    reason: Option<&str>,
) -> Result<Execution, store::Error> {
    let whole = match execution::get(tx, id) {
        // Its data does not hold: the header is enough.
        Err(store::Error::Damaged { .. }) => execution::head(tx, id)?,
        other => other?,
    };
    let missing = || store::Error::NotFound { entity: "execution", id: id.to_string() };
    let mut ended = whole.ok_or_else(missing)?;
    if ended.status.is_ended() {
        let message = format!("execution {id} has ended already");
        return Err(store::Error::Precondition { message, hint: None });
    }
    let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
    ended.revision += 1;
    ended.updated_at = tx.at();
    ended.status = ExecutionStatus::Cancelled;
    ended.paused_reason = None;
    ended.end_time = Some(tx.at());
    let lasted = tx.at().since(ended.start_time.unwrap_or(tx.at()));
    ended.duration = Some(u64::try_from(lasted.as_millis()).unwrap_or(u64::MAX));
    ended.error_message = Some(format!("cancelled by {by}{reason}; it could not go on: {why}"));
    ended.error_details = Some(ErrorDetails {
        code: "CANCELLED".into(),
        node_id: None,
        retry_count: ended.retry_count,
        cause: vec![why.to_string()],
    });
    let state = match execution::state(tx, id) {
        Ok(state) => state.and_then(|bytes| packed::unpack(&bytes)),
        Err(store::Error::Damaged { .. }) => None,
        Err(error) => return Err(error),
    };
    let state = state.map(|state| packed::pack(&state)).unwrap_or_default();
    execution::save(tx, &ended, state)?;
    execution::forget_recoveries(tx, id)?;
    let fields = Json::from(json!({
        "status": ended.status,
        "pausedReason": ended.paused_reason,
        "endTime": ended.end_time,
        "duration": ended.duration,
        "errorMessage": ended.error_message,
        "errorDetails": ended.error_details,
    }));
    let (revision, workflow) = (ended.revision, Some(ended.workflow_id));
    tx.change("execution", id, revision, ChangeKind::Updated, fields, Some(id), workflow);
    Ok(ended)
}

/// How an execution of a workflow of this owner began, from its header alone, with other inputs where
/// these are given; none where there are none.
pub fn beginning(header: &Execution, owner: UserId, inputs: Option<&Json>) -> Option<Start> {
    let inputs = inputs.unwrap_or(&header.input_data).clone();
    let trigger = header.trigger_data.clone();
    if inputs.is_null() {
        return None;
    }
    Some(Start {
        execution: header.id,
        workflow: header.workflow_id,
        owner,
        started_by: None,
        inbox: 0,
        version: header.workflow_version,
        created_at: header.created_at,
        payload: if trigger.is_null() { inputs.clone() } else { trigger.clone() },
        trigger,
        inputs,
        retry_of: header.retry_of,
        parent: None,
        carried: BTreeMap::new(),
        done_before: BTreeMap::new(),
    })
}
