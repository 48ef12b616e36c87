//! A store in memory with a user and a workflow in it, for the tests of the store's files.

use std::path::PathBuf;
use std::sync::Arc;

use a2n_proto::execution::{
    Execution, ExecutionMetadata, ExecutionSchedule, ExecutionStatus, ScheduleStatus,
};
use a2n_proto::identity::Role;
use a2n_proto::workflow::{TriggerType, Visibility, Workflow, WorkflowTrigger};
use a2n_proto::{
    AccountId, ExecutionId, ExecutionScheduleId, InstallId, Json, Timestamp, UserId, WorkflowId,
    WorkflowTriggerId,
};

use super::{
    Caller, Drive, Error, Limits, Options, Origin, Snapshot, Store, Tx, account, workflow,
};
use crate::system::disk::{Disk, SimDisk};

/// The time at which tests begin.
pub(crate) const START: i64 = 1_800_000_000_000;

pub(crate) fn at(ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(START + ms)
}

/// Ten bytes that make an id of a number.
pub(crate) fn random(n: u64) -> [u8; 10] {
    let mut random = [0; 10];
    random[2..].copy_from_slice(&n.to_be_bytes());
    random
}

fn unix_ms(n: i64) -> u64 {
    u64::try_from(START + n).unwrap()
}

pub(crate) fn options(disk: &SimDisk) -> Options {
    Options {
        disk: Arc::new(disk.clone()),
        drive: Drive::ByHand,
        cache_bytes: 4 << 20,
        ballast_bytes: 1 << 20,
        limits: Limits { least_free_bytes: 1 << 20, least_free_percent: 50, ..Limits::default() },
        ..Options::new(PathBuf::from("/data"), InstallId::from_parts(unix_ms(0), random(7)), at(0))
    }
}

/// A store on a disk in memory, driven by the calls of the test.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) disk: SimDisk,
    pub(crate) store: Store,
}

impl World {
    /// A new store with alice as its OWNER and her workflow `report`.
    pub(crate) fn new() -> Self {
        let world = Self::on(SimDisk::new());
        world.write(0, |tx| {
            account::first_start(
                tx,
                1000,
                "alice",
                (user(1), AccountId::from_parts(1, random(1))),
            )?;
            workflow::put(tx, &a_workflow(1, "report"))
        });
        world
    }

    /// The store on a disk, made where there is none.
    pub(crate) fn on(disk: SimDisk) -> Self {
        let store = Store::open(options(&disk)).unwrap();
        Self { disk, store }
    }

    pub(crate) fn write<T: Send + 'static>(
        &self,
        ms: i64,
        body: impl FnOnce(&mut Tx<'_>) -> Result<T, Error> + Send + 'static,
    ) -> T {
        self.try_write(ms, body).unwrap()
    }

    pub(crate) fn try_write<T: Send + 'static>(
        &self,
        ms: i64,
        body: impl FnOnce(&mut Tx<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.store.write_blocking(Origin::daemon(at(ms), "TEST"), body)
    }

    pub(crate) fn read(&self) -> Snapshot {
        self.store.read().unwrap()
    }

    /// Closes the store and opens it again.
    pub(crate) fn reopened(self) -> Self {
        self.store.close();
        let disk = self.disk.clone();
        drop(self);
        Self::on(disk)
    }

    /// Flips one bit of a stored value, behind the store's back.
    pub(crate) fn flip(&self, table: super::Table, key: super::Key) {
        self.write(0, move |tx| {
            let mut bytes = tx.rows_of(table)[key.as_bytes()].clone();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            tx.put_raw(table, &key, &bytes)
        });
    }

    pub(crate) fn state_bytes(&self) -> Vec<u8> {
        self.disk.bytes(&PathBuf::from("/data/store/state.redb")).unwrap()
    }
}

/// Bytes of every file on a disk, to show that nothing was touched.
pub(crate) fn everything(disk: &SimDisk) -> Vec<(PathBuf, Option<Vec<u8>>)> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::from("/data")];
    while let Some(folder) = folders.pop() {
        for name in disk.list(&folder).unwrap_or_default() {
            let path = folder.join(name);
            let bytes = disk.bytes(&path);
            if bytes.is_none() {
                folders.push(path.clone());
            }
            found.push((path, bytes));
        }
    }
    found.sort();
    found
}

pub(crate) fn user(n: u64) -> UserId {
    UserId::from_parts(unix_ms(0), random(n))
}

pub(crate) fn workflow_id(n: u64) -> WorkflowId {
    WorkflowId::from_parts(unix_ms(0), random(n))
}

pub(crate) fn execution_id(n: i64) -> ExecutionId {
    ExecutionId::from_parts(unix_ms(n), random(u64::try_from(n).unwrap()))
}

pub(crate) fn trigger_id(n: u64) -> WorkflowTriggerId {
    WorkflowTriggerId::from_parts(unix_ms(0), random(n))
}

pub(crate) fn caller(n: u64, role: Role) -> Caller {
    let via = a2n_proto::api::auth::Via::Unix;
    Caller { user: user(n), name: format!("user{n}"), role, uid: None, via }
}

pub(crate) fn a_workflow(n: u64, name: &str) -> Workflow {
    Workflow {
        id: workflow_id(n),
        revision: 1,
        created_at: at(0),
        updated_at: at(0),
        name: name.to_owned(),
        description: Some(format!("About {name}")),
        definition: Json::of(&serde_json::json!({"name": name, "nodes": []})),
        is_active: true,
        is_template: false,
        visibility: Visibility::Private,
        version: 1,
        published_version: None,
        tags: vec!["daily".into()],
        category: Some("ops".into()),
        variables: Json::object(),
        settings: a2n_proto::workflow::WorkflowSettings::default(),
        execution_count: 0,
        success_count: 0,
        failure_count: 0,
        last_executed_at: None,
        avg_execution_time: None,
        published_at: None,
        archived_at: None,
        user_id: user(1),
    }
}

pub(crate) fn a_trigger(n: u64, name: &str) -> WorkflowTrigger {
    WorkflowTrigger {
        id: trigger_id(n),
        revision: 1,
        created_at: at(0),
        updated_at: at(0),
        kind: TriggerType::Schedule,
        name: name.to_owned(),
        description: None,
        is_active: true,
        configuration: Json::object(),
        metadata: Json::object(),
        arm_error: None,
        trigger_count: 0,
        last_triggered_at: None,
        workflow_id: workflow_id(1),
        user_id: user(1),
    }
}

/// An execution of workflow 1, accepted `n` milliseconds after the start.
pub(crate) fn an_execution(n: i64, status: ExecutionStatus) -> Execution {
    Execution {
        id: execution_id(n),
        revision: 1,
        created_at: at(n),
        updated_at: at(n),
        status,
        start_time: Some(at(n)),
        end_time: status.is_ended().then(|| at(n + 5)),
        duration: status.is_ended().then_some(5),
        trigger_data: Json::null(),
        input_data: Json::of(&serde_json::json!({"n": n})),
        output_data: Json::null(),
        error_message: None,
        error_details: None,
        retry_count: 0,
        max_retries: 0,
        priority: 0,
        parent_execution_id: None,
        retry_of: None,
        paused_reason: None,
        context_data: Json::object(),
        metadata: ExecutionMetadata::default(),
        workflow_id: workflow_id(1),
        workflow_name: "report".into(),
        workflow_version: 1,
        user_id: user(1),
        trigger_id: None,
    }
}

/// A plan of workflow 1 for `n` milliseconds after the start.
pub(crate) fn a_plan(
    n: u64,
    trigger: WorkflowTriggerId,
    status: ScheduleStatus,
) -> ExecutionSchedule {
    let due = at(i64::try_from(n).unwrap());
    ExecutionSchedule {
        id: ExecutionScheduleId::from_parts(unix_ms(0) + n, random(n)),
        revision: 1,
        created_at: due,
        updated_at: due,
        scheduled_time: due,
        status,
        attempts: 1,
        max_attempts: 1,
        last_attempt_at: Some(due),
        next_attempt_at: None,
        execution_data: Json::null(),
        error_message: None,
        outcome: None,
        reason: None,
        late_by: None,
        workflow_id: workflow_id(1),
        trigger_id: Some(trigger),
        user_id: user(1),
        execution_id: None,
    }
}

/// A seed's numbers, the same each time (splitmix64).
#[derive(Debug)]
pub(super) struct Numbers(pub(super) u64);

impl Numbers {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
    pub(super) fn coin(&mut self) -> bool {
        self.next() & 1 == 1
    }
}

/// How often something is done to the store: few times in a plain run, more where `A2N_TORTURE` says
/// `full` or `long`, and as often as the variable `A2N_TORTURE_<name>` says where there is one.
pub(super) fn count(name: &str, short: u64, full: u64, long: u64) -> u64 {
    if let Ok(text) = std::env::var(format!("A2N_TORTURE_{name}")) {
        return text.parse().expect("a count is a whole number");
    }
    match std::env::var("A2N_TORTURE").as_deref() {
        Ok("full") => full,
        Ok("long") => long,
        _ => short,
    }
}
