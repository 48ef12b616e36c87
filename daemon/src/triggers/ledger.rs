//! The ledger of due instants in the store: what [`super::Starts`] writes, in the caller's
//! transaction.
//!
//! An instant is claimed in the same transaction that accepts its execution. Invariant: a claim
//! succeeds once for each (trigger, nominal instant), across crashes and steps of the clock.

use a2n_proto::execution::{ExecutionSchedule, ScheduleStatus};
use a2n_proto::workflow::WorkflowTrigger;
use a2n_proto::{ChangeKind, ExecutionId, ExecutionScheduleId, Json, Timestamp};
use serde_json::json;

use super::starts::Plan;
use crate::store::{Error, Paging, Read, Tx, execution_schedule, workflow_trigger};

/// Where a trigger's metadata says since when it is armed.
const ARMED_AT: &str = "armedAt";

/// Writes that `execution` was started for the plan's instant, and counts it on the trigger.
/// False where the instant was dealt with before: then nothing is written, and the caller must
/// accept nothing.
pub fn claim(
    tx: &mut Tx<'_>,
    plan: &Plan,
    id: ExecutionScheduleId,
    execution: ExecutionId,
) -> Result<bool, Error> {
    let now = tx.at();
    let row = match execution_schedule::find(tx, plan.trigger, plan.at)? {
        None => plan.row(id, now, Some(execution)),
        Some(waited) if waited.status == ScheduleStatus::Pending => ExecutionSchedule {
            revision: waited.revision + 1,
            created_at: waited.created_at,
            attempts: waited.attempts + 1,
            reason: waited.reason.or_else(|| plan.reason.clone()),
            ..plan.row(waited.id, now, Some(execution))
        },
        Some(_) => return Ok(false),
    };
    write(tx, &row)?;
    if let Some(mut trigger) = workflow_trigger::get(tx, plan.trigger)? {
        trigger.trigger_count += 1;
        trigger.last_triggered_at = Some(now);
        workflow_trigger::put(tx, &trigger)?;
        let fields = json!({"triggerCount": trigger.trigger_count, "lastTriggeredAt": now});
        tx.change(
            "workflowTrigger",
            trigger.id,
            trigger.revision,
            ChangeKind::Updated,
            fields.into(),
            None,
            Some(trigger.workflow_id),
        );
    }
    Ok(true)
}

/// Writes instants that start nothing, or wait. One that waited is settled by this; any other row
/// of an instant stays as it is.
pub fn record(
    tx: &mut Tx<'_>,
    plans: impl IntoIterator<Item = (ExecutionScheduleId, Plan)>,
) -> Result<(), Error> {
    let now = tx.at();
    for (id, plan) in plans {
        // A trigger that was removed meanwhile has no ledger any more.
        if workflow_trigger::get(tx, plan.trigger)?.is_none() {
            continue;
        }
        let row = match execution_schedule::find(tx, plan.trigger, plan.at)? {
            None => plan.row(id, now, None),
            Some(waited)
                if waited.status == ScheduleStatus::Pending
                    && plan.status != ScheduleStatus::Pending =>
            {
                ExecutionSchedule {
                    revision: waited.revision + 1,
                    created_at: waited.created_at,
                    ..plan.row(waited.id, now, None)
                }
            }
            Some(_) => continue,
        };
        write(tx, &row)?;
    }
    Ok(())
}

/// The instant up to which a trigger's schedule is decided: for arming it at a start.
pub fn since(read: &impl Read, trigger: &WorkflowTrigger) -> Result<Timestamp, Error> {
    let last = execution_schedule::last_instant(read, trigger.id)?;
    let armed = trigger.metadata.to_value()[ARMED_AT].as_str().and_then(|text| text.parse().ok());
    Ok(match (last, armed) {
        (Some(last), Some(armed)) => last.max(armed),
        (Some(last), None) => last,
        (None, Some(armed)) => armed,
        (None, None) => trigger.updated_at,
    })
}

/// A trigger's metadata with the moment when it was armed: to be written whenever it is switched
/// on, published or its schedule is changed, so that times before are not taken for missed.
pub fn armed_at(metadata: &Json, now: Timestamp) -> Json {
    let mut members = match metadata.to_value() {
        serde_json::Value::Object(members) => members,
        _ => serde_json::Map::new(),
    };
    members.insert(ARMED_AT.into(), json!(now));
    Json::of(&members)
}

/// The instants that waited for the one before when the daemon stopped, oldest first.
pub fn waiting(read: &impl Read) -> Result<Vec<ExecutionSchedule>, Error> {
    let query = execution_schedule::Query {
        status: Some(ScheduleStatus::Pending),
        ..execution_schedule::Query::default()
    };
    let mut found = Vec::new();
    let mut paging = Paging { limit: 1000, cursor: None, newest_first: false };
    loop {
        let page = execution_schedule::list(read, &query, &paging)?;
        found.extend(page.items.into_iter().filter(|row| row.trigger_id.is_some()));
        match page.next_cursor {
            Some(cursor) => paging.cursor = Some(cursor),
            None => return Ok(found),
        }
    }
}

fn write(tx: &mut Tx<'_>, row: &ExecutionSchedule) -> Result<(), Error> {
    execution_schedule::put(tx, row)?;
    let kind = if row.revision == 1 { ChangeKind::Created } else { ChangeKind::Updated };
    let fields = json!({
        "scheduledTime": row.scheduled_time, "status": row.status, "outcome": row.outcome,
        "reason": row.reason, "lateBy": row.late_by, "triggerId": row.trigger_id,
    });
    tx.change(
        "executionSchedule",
        row.id,
        row.revision,
        kind,
        fields.into(),
        row.execution_id,
        Some(row.workflow_id),
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::Arc;

    use a2n_proto::execution::ScheduleOutcome;
    use a2n_proto::workflow::Workflow;
    use a2n_proto::{AccountId, InstallId, UserId, WorkflowId, WorkflowTriggerId};

    use super::*;
    use crate::store::{Drive, Limits, Options, Origin, Store, account, workflow};
    use crate::system::disk::SimDisk;

    const TRIGGER: WorkflowTriggerId = WorkflowTriggerId::from_bytes([3; 16]);
    const USER: UserId = UserId::from_bytes([1; 16]);
    const WORKFLOW: WorkflowId = WorkflowId::from_bytes([2; 16]);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_unix_ms(1_800_000_000_000 + second * 1000)
    }

    fn store() -> Store {
        let install = InstallId::from_bytes([9; 16]);
        let store = Store::open(Options {
            disk: Arc::new(SimDisk::new()),
            drive: Drive::ByHand,
            cache_bytes: 4 << 20,
            ballast_bytes: 1 << 20,
            limits: Limits { least_free_bytes: 1 << 20, ..Limits::default() },
            ..Options::new(PathBuf::from("/data"), install, at(0))
        })
        .unwrap();
        write(&store, 0, |tx| {
            account::first_start(tx, 1000, "ada", (USER, AccountId::from_bytes([1; 16])))?;
            let made: Workflow = serde_json::from_value(json!({
                "id": WORKFLOW, "revision": 1, "createdAt": at(0), "updatedAt": at(0),
                "name": "w", "definition": {}, "isActive": true, "isTemplate": false,
                "visibility": "PRIVATE", "version": 1, "tags": [], "variables": {},
                "settings": {}, "executionCount": 0, "successCount": 0, "failureCount": 0,
                "userId": USER,
            }))
            .unwrap();
            workflow::put(tx, &made)?;
            let trigger: WorkflowTrigger = serde_json::from_value(json!({
                "id": TRIGGER, "revision": 1, "createdAt": at(0), "updatedAt": at(0),
                "type": "SCHEDULE", "name": "t", "isActive": true, "configuration": {},
                "metadata": {"origin": "DOCUMENT"}, "triggerCount": 0,
                "workflowId": WORKFLOW, "userId": USER,
            }))
            .unwrap();
            workflow_trigger::put(tx, &trigger)
        });
        store
    }

    fn write<T: Send + 'static>(
        store: &Store,
        second: i64,
        body: impl FnOnce(&mut Tx<'_>) -> Result<T, Error> + Send + 'static,
    ) -> T {
        store.write_blocking(Origin::daemon(at(second), "TEST"), body).unwrap()
    }

    fn plan(second: i64) -> Plan {
        Plan {
            trigger: TRIGGER,
            workflow: WORKFLOW,
            user: USER,
            at: at(second),
            status: ScheduleStatus::Completed,
            outcome: Some(ScheduleOutcome::Fired),
            reason: None,
            late_by: 3,
            payload: Json::object(),
        }
    }

    fn id(n: u8) -> ExecutionScheduleId {
        ExecutionScheduleId::from_bytes([n; 16])
    }

    #[test]
    fn an_instant_is_claimed_once() {
        let store = store();
        let execution = ExecutionId::from_bytes([7; 16]);
        assert!(write(&store, 11, move |tx| claim(tx, &plan(10), id(1), execution)));
        assert!(!write(&store, 12, move |tx| claim(tx, &plan(10), id(2), execution)));
        let read = store.read().unwrap();
        let row = execution_schedule::find(&read, TRIGGER, at(10)).unwrap().unwrap();
        assert_eq!((row.id, row.execution_id), (id(1), Some(execution)));
        let trigger = workflow_trigger::require(&read, TRIGGER).unwrap();
        assert_eq!((trigger.trigger_count, trigger.last_triggered_at), (1, Some(at(11))));
        assert_eq!(since(&read, &trigger).unwrap(), at(10));
    }

    #[test]
    fn what_waited_is_taken_over_and_other_rows_stay() {
        let store = store();
        let waits = Plan { status: ScheduleStatus::Pending, outcome: None, ..plan(20) };
        let skipped = Plan { outcome: Some(ScheduleOutcome::Skipped), ..plan(30) };
        write(&store, 31, move |tx| record(tx, [(id(1), waits), (id(2), skipped)]));
        let found = waiting(&store.read().unwrap()).unwrap();
        assert_eq!(found.iter().map(|row| row.scheduled_time).collect::<Vec<_>>(), [at(20)]);
        let execution = ExecutionId::from_bytes([7; 16]);
        assert!(write(&store, 40, move |tx| claim(tx, &plan(20), id(3), execution)));
        assert!(!write(&store, 40, move |tx| claim(tx, &plan(30), id(4), execution)));
        let read = store.read().unwrap();
        assert_eq!(waiting(&read).unwrap(), []);
        let row = execution_schedule::find(&read, TRIGGER, at(20)).unwrap().unwrap();
        assert_eq!((row.id, row.revision, row.status), (id(1), 2, ScheduleStatus::Completed));
    }

    #[test]
    fn times_before_it_was_armed_are_not_missed() {
        let store = store();
        let read = store.read().unwrap();
        let mut trigger = workflow_trigger::require(&read, TRIGGER).unwrap();
        assert_eq!(since(&read, &trigger).unwrap(), at(0));
        trigger.metadata = armed_at(&trigger.metadata, at(500));
        assert_eq!(since(&read, &trigger).unwrap(), at(500));
        assert_eq!(trigger.metadata.to_value()["origin"], "DOCUMENT");
    }
}
