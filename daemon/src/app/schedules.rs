//! Between the schedule service and the rest: starts what is due, and keeps armed what the store
//! says should be.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use a2n_proto::execution::{Execution, ExecutionMetadata};
use a2n_proto::workflow::{TriggerType, WorkflowTrigger};
use a2n_proto::{
    ChangeKind, ExecutionId, ExecutionScheduleId, Json, WorkflowId, WorkflowTriggerId,
};
use serde_json::json;

use crate::engine::driving::handle::{Accepted, Admission, Error as EngineError, Within};
use crate::engine::driving::start::{Error as NotStarted, Starter, Version, Wanted};
use crate::engine::input::Input;
use crate::operations::metrics::Metrics;
use crate::store::{
    Error, FeedRead, Origin, Paging, Read, Store, execution, workflow, workflow_trigger,
};
use crate::system::{Later, System};
use crate::triggers::schedule::Zone;
use crate::triggers::service::Handle;
use crate::triggers::{Armed, Plan, StartError, Started, Starts, ledger, why_never};

/// Which live executions each trigger has; told by the engine's observer.
#[derive(Debug, Default)]
pub(super) struct Running {
    by_trigger: Mutex<BTreeMap<WorkflowTriggerId, BTreeSet<ExecutionId>>>,
}

impl Running {
    /// What the store has of executions that schedules started and that have not ended: those that only
    /// wait are not in memory, so nobody tells of them.
    pub(super) fn look(&self, store: &Store) -> Result<(), Error> {
        let read = store.read()?;
        let query = workflow_trigger::Query {
            kind: Some(TriggerType::Schedule),
            ..workflow_trigger::Query::default()
        };
        let mut paging = Paging::first(1_000);
        loop {
            let page = workflow_trigger::list(&read, &query, &paging)?;
            for trigger in page.items {
                for one in execution::unfinished_of_trigger(&read, trigger.id)? {
                    self.began(&one);
                }
            }
            match page.next_cursor {
                Some(cursor) => paging.cursor = Some(cursor),
                None => return Ok(()),
            }
        }
    }
    pub(super) fn began(&self, execution: &Execution) {
        if let Some(trigger) = execution.trigger_id {
            let mut all = self.by_trigger.lock().unwrap_or_else(PoisonError::into_inner);
            all.entry(trigger).or_default().insert(execution.id);
        }
    }
    pub(super) fn ended(&self, execution: &Execution) {
        if let Some(trigger) = execution.trigger_id {
            let mut all = self.by_trigger.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(of) = all.get_mut(&trigger) {
                of.remove(&execution.id);
                if of.is_empty() {
                    all.remove(&trigger);
                }
            }
        }
    }
    fn of(&self, trigger: WorkflowTriggerId) -> Vec<ExecutionId> {
        let all = self.by_trigger.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&trigger).into_iter().flatten().copied().collect()
    }
}

/// Starts executions for schedules.
#[derive(Debug)]
pub(super) struct ScheduleStarts {
    pub(super) starter: Starter,
    pub(super) system: System,
    pub(super) running: Arc<Running>,
    pub(super) metrics: Metrics,
}

impl ScheduleStarts {
    fn origin(&self) -> Origin {
        Origin::daemon(self.system.now(), "SCHEDULE")
    }

    async fn begin(&self, plan: Plan) -> Result<Started, StartError> {
        let read = self.starter.store.read().map_err(|e| later(&e))?;
        let found = workflow::get(&read, plan.workflow).map_err(|e| later(&e))?;
        drop(read);
        let workflow =
            found.ok_or_else(|| StartError::Refused { reason: "its workflow is gone".into() })?;
        let wanted = Wanted {
            waiter: None,
            user: workflow.user_id,
            workflow,
            version: Version::Published,
            inputs: Json::object(),
            trigger_data: plan.payload.clone(),
            payload: plan.payload.clone(),
            trigger: Some(plan.trigger),
            priority: 0,
            metadata: ExecutionMetadata { source: Some("SCHEDULE".into()), ..Default::default() },
        };
        let row = ExecutionScheduleId::from_bytes(self.system.new_id());
        let claimed = plan.clone();
        let started = self
            .starter
            .start(wanted, self.origin(), move |id| {
                let within: Within = Box::new(move |tx| {
                    if ledger::claim(tx, &claimed, row, id)? {
                        Ok(Admission::New)
                    } else {
                        Ok(Admission::Already(id))
                    }
                });
                Some(within)
            })
            .await;
        match started {
            Ok(Accepted::New(execution)) => {
                self.metrics.schedule_fired(self.system.now().since(plan.at));
                Ok(Started::Accepted(execution.id))
            }
            Ok(Accepted::Already(_)) => Ok(Started::Before),
            Err(NotStarted::Engine(EngineError::Store(e)) | NotStarted::Store(e)) => Err(later(&e)),
            // As the workflow's own rule says; trying again would make a queue of its own.
            Err(NotStarted::Engine(
                e @ (EngineError::Rejected { .. } | EngineError::QueueFull { .. }),
            )) => Err(StartError::Refused { reason: e.to_string() }),
            Err(NotStarted::Engine(e)) => Err(StartError::Later { reason: e.to_string() }),
            Err(other) => Err(StartError::Refused { reason: other.to_string() }),
        }
    }
}

/// Stands for the starts until they are made: nothing is due before the service runs.
#[derive(Debug, Default)]
pub(super) struct LateStarts {
    starts: std::sync::OnceLock<ScheduleStarts>,
}

impl LateStarts {
    pub(super) fn set(&self, starts: ScheduleStarts) {
        let before = self.starts.set(starts);
        debug_assert!(before.is_ok(), "the starts are made once");
    }
    fn get(&self) -> &ScheduleStarts {
        self.starts.get().expect("the service runs only after the starts are made")
    }
}

impl Starts for LateStarts {
    fn running_of(&self, trigger: WorkflowTriggerId) -> Vec<ExecutionId> {
        self.get().running_of(trigger)
    }
    fn start(&self, plan: Plan) -> Later<'_, Result<Started, StartError>> {
        self.get().start(plan)
    }
    fn record(&self, plans: Vec<Plan>) -> Later<'_, Result<(), StartError>> {
        self.get().record(plans)
    }
    fn cancel(&self, executions: Vec<ExecutionId>) -> Later<'_, ()> {
        self.get().cancel(executions)
    }
}

fn later(error: &Error) -> StartError {
    StartError::Later { reason: error.to_string() }
}

impl Starts for ScheduleStarts {
    fn running_of(&self, trigger: WorkflowTriggerId) -> Vec<ExecutionId> {
        self.running.of(trigger)
    }
    fn start(&self, plan: Plan) -> Later<'_, Result<Started, StartError>> {
        Box::pin(self.begin(plan))
    }
    fn record(&self, plans: Vec<Plan>) -> Later<'_, Result<(), StartError>> {
        Box::pin(async move {
            let rows: Vec<(ExecutionScheduleId, Plan)> = plans
                .into_iter()
                .map(|plan| (ExecutionScheduleId::from_bytes(self.system.new_id()), plan))
                .collect();
            let store = &self.starter.store;
            store
                .write(self.origin(), move |tx| ledger::record(tx, rows))
                .await
                .map_err(|e| later(&e))
        })
    }
    fn cancel(&self, executions: Vec<ExecutionId>) -> Later<'_, ()> {
        Box::pin(async move {
            for id in executions {
                let input = Input::Cancel {
                    by: None,
                    reason: Some("replaced by the next run of its schedule".into()),
                };
                let within: Within = Box::new(move |tx| {
                    let why = Json::from(json!({"reason": "overlap REPLACE"}));
                    tx.audit("execution.cancel", "execution", id, Json::null(), why);
                    Ok(Admission::New)
                });
                // One that has ended meanwhile needs no cancelling.
                let _ = self.starter.engine.tell(id, input, self.origin(), within).await;
            }
        })
    }
}

/// Keeps the service's schedules as the store has them: all of them at the start, then those of
/// each workflow that changes.
#[derive(Debug)]
pub(super) struct Arming {
    pub(super) store: Store,
    pub(super) schedules: Handle,
    pub(super) zone: Zone,
    pub(super) system: System,
}

impl Arming {
    /// Arms everything, then follows the feed for as long as the daemon runs.
    pub(super) async fn run(self) {
        let feed = self.store.feed();
        let mut watch = feed.watch();
        let mut next = feed.last() + 1;
        if let Err(error) = self.arm_all().await {
            tracing::error!(%error, "schedules not armed");
        }
        while watch.changed().await.is_ok() {
            loop {
                let mut workflows = BTreeSet::new();
                let mut triggers = BTreeSet::new();
                match feed.read_from(next, 1_000) {
                    Ok(FeedRead::Items(items)) if items.is_empty() => break,
                    Ok(FeedRead::Items(items)) => {
                        next = items.last().map_or(next, |change| change.seq + 1);
                        for change in &items {
                            match change.entity.as_str() {
                                "workflow" => workflows.extend(change.workflow_id),
                                "workflowTrigger" if !is_only_counted(&change.fields) => {
                                    triggers.extend(change.id.parse::<WorkflowTriggerId>().ok());
                                    workflows.extend(change.workflow_id);
                                }
                                _ => {}
                            }
                        }
                    }
                    Ok(FeedRead::Gap { to, .. }) => {
                        next = to + 1;
                        if let Err(error) = self.arm_all().await {
                            tracing::error!(%error, "schedules not armed");
                        }
                    }
                    Err(error) => {
                        tracing::error!(%error, "feed not read");
                        break;
                    }
                }
                for id in workflows {
                    if let Err(error) = self.arm_workflow(id, &mut triggers).await {
                        tracing::error!(workflow_id = %id, %error, "schedules not armed");
                    }
                }
                // What is left was removed, or its workflow was.
                for id in triggers {
                    self.schedules.disarm(id).await;
                }
            }
        }
    }

    async fn arm_all(&self) -> Result<(), Error> {
        let read = self.store.read()?;
        let query =
            workflow_trigger::Query { is_active: Some(true), ..workflow_trigger::Query::default() };
        let mut paging = Paging::first(1_000);
        loop {
            let page = workflow_trigger::list(&read, &query, &paging)?;
            for trigger in page.items {
                self.arm(&read, &trigger).await?;
            }
            match page.next_cursor {
                Some(cursor) => paging.cursor = Some(cursor),
                None => break,
            }
        }
        for row in ledger::waiting(&read)? {
            self.schedules.waits(&row).await;
        }
        Ok(())
    }

    async fn arm_workflow(
        &self,
        id: WorkflowId,
        triggers: &mut BTreeSet<WorkflowTriggerId>,
    ) -> Result<(), Error> {
        let read = self.store.read()?;
        for trigger in workflow_trigger::of_workflow(&read, id)? {
            triggers.remove(&trigger.id);
            self.arm(&read, &trigger).await?;
        }
        Ok(())
    }

    /// Arms one trigger, or disarms it where it should not start anything.
    async fn arm(&self, read: &impl Read, trigger: &WorkflowTrigger) -> Result<(), Error> {
        if !trigger.is_active {
            self.schedules.disarm(trigger.id).await;
            return self.note(trigger, None).await;
        }
        let workflow = workflow::head(read, trigger.workflow_id)?;
        if let Some(why) = why_never(trigger.kind, workflow.as_ref()) {
            self.schedules.disarm(trigger.id).await;
            return self.note(trigger, Some(why)).await;
        }
        if trigger.kind != TriggerType::Schedule {
            return self.note(trigger, None).await;
        }
        let since = ledger::since(read, trigger)?;
        match Armed::of(trigger, since, &self.zone) {
            Ok(armed) => {
                self.schedules.arm(armed).await;
                self.note(trigger, None).await
            }
            Err(why) => {
                self.schedules.disarm(trigger.id).await;
                if trigger.arm_error.as_ref() != Some(&why) {
                    tracing::warn!(trigger_id = %trigger.id, %why, "trigger not armed");
                }
                self.note(trigger, Some(why)).await
            }
        }
    }

    /// Keeps why a trigger is not armed, for people to see.
    async fn note(&self, trigger: &WorkflowTrigger, why: Option<String>) -> Result<(), Error> {
        if trigger.arm_error == why {
            return Ok(());
        }
        let id = trigger.id;
        let origin = Origin::daemon(self.system.now(), "SCHEDULE");
        self.store
            .write(origin, move |tx| {
                // One that was removed meanwhile needs no reason.
                let Some(mut trigger) = workflow_trigger::get(tx, id)? else { return Ok(()) };
                let fields = json!({"armError": why});
                trigger.arm_error = why;
                workflow_trigger::put(tx, &trigger)?;
                tx.change(
                    "workflowTrigger",
                    id,
                    trigger.revision,
                    ChangeKind::Updated,
                    Json::from(fields),
                    None,
                    Some(trigger.workflow_id),
                );
                Ok(())
            })
            .await
    }
}

/// Whether a trigger was only counted, or told why it is not armed: what it does is the same.
fn is_only_counted(fields: &Json) -> bool {
    a2n_proto::merge_patch::members(fields).is_some_and(|members| {
        !members.is_empty()
            && members.iter().all(|(name, _)| {
                matches!(name.as_str(), "triggerCount" | "lastTriggeredAt" | "armError")
            })
    })
}
