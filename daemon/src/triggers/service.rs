//! The schedule service: waits for the earliest instant, decides what is due, has it started.
//!
//! A thin shell around [`Keeper::tick`]: the loop only waits for the stop, its inbox or the one
//! timer. There is no timer where nothing is armed. Everything that comes due at one instant is
//! handed over together, so that it shares a commit.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use a2n_proto::execution::{ExecutionSchedule, ScheduleOutcome, ScheduleStatus};
use a2n_proto::{Json, Timestamp, WorkflowTriggerId};
use futures_util::future::join_all;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::planner::{Armed, Due, Planner};
use super::schedule::{Decision, Overlap};
use super::starts::{Plan, StartError, Started, Starts};
use crate::system::Clock;

/// Room for every edit of a busy moment; who sends more waits, nothing is lost.
const INBOX: usize = 1024;
/// How long after a full disk or a drain a start is tried again.
const AGAIN: Duration = Duration::from_secs(10);

/// What the service is made of.
#[derive(Debug)]
pub struct Config {
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Who starts executions.
    pub starts: Arc<dyn Starts>,
    /// How many missed runs are started a second (setting `schedule.catchUpPerSecond`).
    pub catch_up_per_second: u64,
}

/// Talks to the running service; cheap to clone.
#[derive(Debug, Clone)]
pub struct Handle {
    inbox: mpsc::Sender<Input>,
}

#[derive(Debug)]
enum Input {
    Arm(Box<Armed>),
    Disarm(WorkflowTriggerId),
    Ended(WorkflowTriggerId),
    Waits(Due),
    NextOf(WorkflowTriggerId, oneshot::Sender<Option<Timestamp>>),
    Lag(oneshot::Sender<Lag>),
}

/// How far behind the service is, for the health check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lag {
    /// How many schedules are armed.
    pub armed: usize,
    /// Missed runs that still wait to be made up for.
    pub backlog: usize,
    /// How long the earliest instant is overdue; zero where none is.
    pub overdue: Duration,
}

impl Handle {
    /// Arms a schedule, or replaces the one its trigger had. Call after the commit.
    pub async fn arm(&self, armed: Armed) {
        self.send(Input::Arm(Box::new(armed))).await;
    }
    /// Forgets a trigger's schedule. Call after the commit.
    pub async fn disarm(&self, trigger: WorkflowTriggerId) {
        self.send(Input::Disarm(trigger)).await;
    }
    /// An execution of this trigger has ended: one that waited may start.
    pub async fn ended(&self, trigger: WorkflowTriggerId) {
        self.send(Input::Ended(trigger)).await;
    }
    /// The same from where nothing may wait (the store's writer). False where the inbox is full:
    /// the caller then hands it over from a task.
    pub fn try_ended(&self, trigger: WorkflowTriggerId) -> bool {
        !matches!(
            self.inbox.try_send(Input::Ended(trigger)),
            Err(mpsc::error::TrySendError::Full(_))
        )
    }
    /// Takes over a ledger row that waited (PENDING, with a trigger) when the daemon stopped.
    pub async fn waits(&self, row: &ExecutionSchedule) {
        let Some(trigger) = row.trigger_id else { return };
        let due = Due {
            trigger,
            workflow: row.workflow_id,
            user: row.user_id,
            at: row.scheduled_time,
            decision: Decision::Fire,
            and_older: false,
            catch_up: false,
            overlap: Overlap::Queue,
            may_wait: 1,
        };
        self.send(Input::Waits(due)).await;
    }
    /// When a trigger starts next, its jitter included.
    pub async fn next_of(&self, trigger: WorkflowTriggerId) -> Option<Timestamp> {
        let (answer, asked) = oneshot::channel();
        self.send(Input::NextOf(trigger, answer)).await;
        asked.await.ok().flatten()
    }
    /// How far behind the service is; none where it has stopped.
    pub async fn lag(&self) -> Option<Lag> {
        let (answer, asked) = oneshot::channel();
        self.send(Input::Lag(answer)).await;
        asked.await.ok()
    }
    async fn send(&self, input: Input) {
        // A service that has stopped needs no news: the next start reads the store.
        let _ = self.inbox.send(input).await;
    }
}

/// The service before it runs.
#[derive(Debug)]
pub struct Service {
    config: Config,
    inbox: mpsc::Receiver<Input>,
}

impl Service {
    /// A service and its handle. What is armed through the handle before [`Service::run`] waits in
    /// the inbox; hand many over from a task beside it.
    pub fn new(config: Config) -> (Self, Handle) {
        let (sender, inbox) = mpsc::channel(INBOX);
        (Self { config, inbox }, Handle { inbox: sender })
    }

    /// Runs until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let clock = Arc::clone(&self.config.clock);
        let mut keeper = Keeper::new(self.config.starts, self.config.catch_up_per_second);
        loop {
            let wake = keeper.next();
            let timer = async {
                match wake {
                    Some(at) => clock.sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                input = self.inbox.recv() => {
                    let Some(input) = input else { return };
                    keeper.take(input, clock.now());
                    // Many arrive together at the start; each is cheap, a tick may not be.
                    while let Ok(input) = self.inbox.try_recv() {
                        keeper.take(input, clock.now());
                    }
                }
                () = timer => {}
            }
            keeper.tick(clock.now()).await;
        }
    }
}

/// The service's memory: what is armed, what waits for the one before, what is to be made up for.
#[derive(Debug)]
struct Keeper {
    starts: Arc<dyn Starts>,
    planner: Planner,
    /// By trigger, instants that wait until the execution before has ended.
    waiting: BTreeMap<WorkflowTriggerId, VecDeque<Due>>,
    /// Triggers whose execution has ended since the last tick.
    ended: Vec<WorkflowTriggerId>,
    /// Missed instants to be started, a few a second.
    backlog: VecDeque<Due>,
    backlog_from: Timestamp,
    /// What could not be written, and when it is tried again.
    again: VecDeque<(Timestamp, Due)>,
    per_second: usize,
}

impl Keeper {
    fn new(starts: Arc<dyn Starts>, per_second: u64) -> Self {
        Self {
            starts,
            planner: Planner::default(),
            waiting: BTreeMap::new(),
            ended: Vec::new(),
            backlog: VecDeque::new(),
            backlog_from: Timestamp::default(),
            again: VecDeque::new(),
            per_second: usize::try_from(per_second).unwrap_or(usize::MAX).max(1),
        }
    }

    fn take(&mut self, input: Input, now: Timestamp) {
        match input {
            Input::Arm(armed) => self.planner.arm(*armed, now),
            Input::Disarm(trigger) => {
                self.planner.disarm(trigger);
                self.waiting.remove(&trigger);
                self.backlog.retain(|due| due.trigger != trigger);
                self.again.retain(|(_, due)| due.trigger != trigger);
            }
            Input::Ended(trigger) => self.ended.push(trigger),
            Input::Waits(due) => {
                self.waiting.entry(due.trigger).or_default().push_back(due);
                // Its execution may have ended while nobody looked.
                self.ended.push(due.trigger);
            }
            Input::NextOf(trigger, answer) => {
                let _ = answer.send(self.planner.next_of(trigger));
            }
            Input::Lag(answer) => {
                let overdue = self.planner.next().map(|next| now.since(next)).unwrap_or_default();
                let (armed, backlog) = (self.planner.len(), self.backlog.len());
                let _ = answer.send(Lag { armed, backlog, overdue });
            }
        }
    }

    /// When to tick at the latest; never where nothing is armed or left to do.
    fn next(&self) -> Option<Timestamp> {
        if !self.ended.is_empty() {
            return Some(Timestamp::default());
        }
        let backlog = (!self.backlog.is_empty()).then_some(self.backlog_from);
        let again = self.again.iter().map(|(at, _)| *at).min();
        [self.planner.next(), backlog, again].into_iter().flatten().min()
    }

    /// One round: everything that is due now is decided, written and started.
    async fn tick(&mut self, now: Timestamp) {
        let mut fire = Vec::new();
        let mut rows = Vec::new();
        for due in self.planner.tick(now) {
            match due.decision {
                Decision::Fire if due.catch_up => self.backlog.push_back(due),
                Decision::Fire => fire.push(due),
                Decision::Coalesced => {
                    rows.push(left_out(
                        &due,
                        now,
                        ScheduleOutcome::Coalesced,
                        "a newer one stands for it (misfire RUN_ONCE)",
                    ));
                }
                Decision::Missed => {
                    rows.push(left_out(
                        &due,
                        now,
                        ScheduleOutcome::Missed,
                        "the daemon was not there, and the schedule does not catch it up",
                    ));
                }
            }
        }
        if now >= self.backlog_from && !self.backlog.is_empty() {
            let some = self.backlog.len().min(self.per_second);
            fire.extend(self.backlog.drain(..some));
            self.backlog_from = now.plus(Duration::from_secs(1));
        }
        let (ready, rest): (Vec<_>, Vec<_>) = self.again.drain(..).partition(|(at, _)| *at <= now);
        self.again = rest.into();
        fire.extend(ready.into_iter().map(|(_, due)| due));
        let mut plans = Vec::new();
        for trigger in std::mem::take(&mut self.ended) {
            if self.starts.running_of(trigger).is_empty() {
                plans.extend(self.next_waiting(trigger));
            }
        }
        for due in fire {
            if let Some(due) = self.admit(due, now, &plans, &mut rows).await {
                plans.push(due);
            }
        }
        if !rows.is_empty()
            && let Err(error) = self.starts.record(rows).await
        {
            tracing::warn!(%error, "schedule ledger not written");
        }
        self.start_all(plans, now).await;
    }

    fn next_waiting(&mut self, trigger: WorkflowTriggerId) -> Option<Due> {
        let queue = self.waiting.get_mut(&trigger)?;
        let due = queue.pop_front();
        if queue.is_empty() {
            self.waiting.remove(&trigger);
        }
        due
    }

    /// Applies the overlap rule: the instant to start now, or none where it waits or is left out.
    async fn admit(
        &mut self,
        due: Due,
        now: Timestamp,
        starting: &[Due],
        rows: &mut Vec<Plan>,
    ) -> Option<Due> {
        let running = self.starts.running_of(due.trigger);
        let another = starting.iter().any(|one| one.trigger == due.trigger);
        let waiting = self.waiting.get(&due.trigger).map_or(0, VecDeque::len);
        if due.overlap == Overlap::Allow || (running.is_empty() && !another && waiting == 0) {
            return Some(due);
        }
        match due.overlap {
            Overlap::Allow => Some(due),
            Overlap::Skip => {
                rows.push(left_out(
                    &due,
                    now,
                    ScheduleOutcome::Skipped,
                    "the one before still runs (overlap SKIP)",
                ));
                None
            }
            Overlap::Replace => {
                self.starts.cancel(running).await;
                Some(due)
            }
            Overlap::Queue if waiting < due.may_wait => {
                let mut plan = plan(&due, now);
                plan.status = ScheduleStatus::Pending;
                plan.outcome = None;
                plan.reason = Some("waits until the one before has ended (overlap QUEUE)".into());
                rows.push(plan);
                self.waiting.entry(due.trigger).or_default().push_back(due);
                None
            }
            Overlap::Queue => {
                rows.push(left_out(
                    &due,
                    now,
                    ScheduleOutcome::Coalesced,
                    "one waits already (overlap QUEUE)",
                ));
                None
            }
        }
    }

    /// Starts them together, so that their transactions share a commit.
    async fn start_all(&mut self, due: Vec<Due>, now: Timestamp) {
        let starts = Arc::clone(&self.starts);
        let results = join_all(due.iter().map(|due| starts.start(plan(due, now)))).await;
        let mut refused = Vec::new();
        for (due, result) in due.into_iter().zip(results) {
            match result {
                Ok(Started::Accepted(execution)) => {
                    tracing::debug!(trigger = %due.trigger, %execution, at = %due.at, "schedule fired");
                }
                // Decided before, by this daemon or an earlier one: one instant, one execution.
                Ok(Started::Before) => self.ended.extend(self.waits(due.trigger)),
                Err(StartError::Refused { reason }) => {
                    tracing::warn!(trigger = %due.trigger, at = %due.at, %reason, "schedule refused");
                    let mut plan = plan(&due, now);
                    plan.status = ScheduleStatus::Failed;
                    plan.outcome = Some(ScheduleOutcome::Refused);
                    plan.reason = Some(reason);
                    refused.push(plan);
                    self.ended.extend(self.waits(due.trigger));
                }
                Err(StartError::Later { reason }) => {
                    tracing::warn!(trigger = %due.trigger, at = %due.at, %reason, "schedule put off");
                    self.again.push_back((now.plus(AGAIN), due));
                }
            }
        }
        if !refused.is_empty()
            && let Err(error) = self.starts.record(refused).await
        {
            tracing::warn!(%error, "schedule ledger not written");
        }
    }

    fn waits(&self, trigger: WorkflowTriggerId) -> Option<WorkflowTriggerId> {
        self.waiting.contains_key(&trigger).then_some(trigger)
    }
}

/// An instant that is started now.
fn plan(due: &Due, now: Timestamp) -> Plan {
    let late = now.since(due.at);
    let late_by = u64::try_from(late.as_millis()).unwrap_or(u64::MAX);
    Plan {
        trigger: due.trigger,
        workflow: due.workflow,
        user: due.user,
        at: due.at,
        status: ScheduleStatus::Completed,
        outcome: Some(ScheduleOutcome::Fired),
        reason: due.catch_up.then(|| "made up for: the daemon was not there".to_owned()),
        late_by,
        payload: payload(due),
    }
}

fn left_out(due: &Due, now: Timestamp, outcome: ScheduleOutcome, why: &str) -> Plan {
    let why = if due.and_older { format!("{why}; so are older ones") } else { why.to_owned() };
    Plan { outcome: Some(outcome), reason: Some(why), ..plan(due, now) }
}

fn payload(due: &Due) -> Json {
    Json::from(serde_json::json!({"scheduledTime": due.at, "triggerId": due.trigger}))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use a2n_proto::{ExecutionId, UserId, WorkflowId};
    use serde_json::{Value, json};

    use super::*;
    use crate::system::Later;
    use crate::triggers::schedule::{Schedule, Zone};

    /// A ledger in memory that refuses an instant twice, as the store does.
    #[derive(Debug, Default)]
    struct Ledger {
        rows: Mutex<BTreeMap<(WorkflowTriggerId, Timestamp), Plan>>,
        running: Mutex<Vec<ExecutionId>>,
        fail: Mutex<Option<StartError>>,
    }

    impl Starts for Ledger {
        fn running_of(&self, _: WorkflowTriggerId) -> Vec<ExecutionId> {
            self.running.lock().unwrap().clone()
        }
        fn start(&self, plan: Plan) -> Later<'_, Result<Started, StartError>> {
            Box::pin(async move {
                if let Some(error) = self.fail.lock().unwrap().clone() {
                    return Err(error);
                }
                let key = (plan.trigger, plan.at);
                let mut rows = self.rows.lock().unwrap();
                let waits = |plan: &Plan| plan.status == ScheduleStatus::Pending;
                if rows.get(&key).is_some_and(|row| !waits(row)) {
                    return Ok(Started::Before);
                }
                rows.insert(key, plan);
                let n = u8::try_from(rows.len()).unwrap();
                let execution = ExecutionId::from_bytes([n; 16]);
                self.running.lock().unwrap().push(execution);
                Ok(Started::Accepted(execution))
            })
        }
        fn record(&self, plans: Vec<Plan>) -> Later<'_, Result<(), StartError>> {
            Box::pin(async move {
                for plan in plans {
                    self.rows.lock().unwrap().entry((plan.trigger, plan.at)).or_insert(plan);
                }
                Ok(())
            })
        }
        fn cancel(&self, executions: Vec<ExecutionId>) -> Later<'_, ()> {
            Box::pin(async move {
                self.running.lock().unwrap().retain(|one| !executions.contains(one));
            })
        }
    }

    impl Ledger {
        fn lines(&self) -> Vec<String> {
            let rows = self.rows.lock().unwrap();
            rows.values()
                .map(|plan| {
                    let outcome =
                        plan.outcome.map_or("waits".to_owned(), |outcome| format!("{outcome:?}"));
                    format!("{} {outcome}", &plan.at.to_string()[11..16])
                })
                .collect()
        }
        fn end_all(&self) {
            self.running.lock().unwrap().clear();
        }
    }

    const TRIGGER: WorkflowTriggerId = WorkflowTriggerId::from_bytes([1; 16]);

    fn at(text: &str) -> Timestamp {
        format!("2026-01-01T{text}:00Z").parse().unwrap()
    }

    fn keeper(rule: Value, since: &str, now: &str) -> (Keeper, Arc<Ledger>) {
        let ledger = Arc::new(Ledger::default());
        let mut keeper = Keeper::new(ledger.clone(), 10);
        let armed = Armed {
            trigger: TRIGGER,
            workflow: WorkflowId::from_bytes([1; 16]),
            user: UserId::from_bytes([1; 16]),
            schedule: Schedule::parse(&rule, &Zone::utc()).unwrap(),
            since: at(since),
        };
        keeper.take(Input::Arm(Box::new(armed)), at(now));
        (keeper, ledger)
    }

    #[tokio::test]
    async fn overlap_decides_while_the_one_before_runs() {
        for (overlap, expected) in [
            ("ALLOW", ["01:00 Fired", "02:00 Fired", "03:00 Fired"]),
            ("QUEUE", ["01:00 Fired", "02:00 waits", "03:00 Coalesced"]),
            ("SKIP", ["01:00 Fired", "02:00 Skipped", "03:00 Skipped"]),
            ("REPLACE", ["01:00 Fired", "02:00 Fired", "03:00 Fired"]),
        ] {
            let rule = json!({"cron": "0 * * * *", "overlap": overlap});
            let (mut keeper, ledger) = keeper(rule, "00:30", "00:30");
            for hour in ["01:00", "02:00", "03:00"] {
                keeper.tick(at(hour)).await;
            }
            assert_eq!(ledger.lines(), expected, "{overlap}");
            let running = ledger.running.lock().unwrap().len();
            assert_eq!(running, if overlap == "ALLOW" { 3 } else { 1 }, "{overlap}");
        }
    }

    #[tokio::test]
    async fn what_waits_starts_when_the_one_before_has_ended() {
        let (mut keeper, ledger) = keeper(json!({"cron": "0 * * * *"}), "00:30", "00:30");
        keeper.tick(at("01:00")).await;
        keeper.tick(at("02:00")).await;
        keeper.take(Input::Ended(TRIGGER), at("02:10"));
        keeper.tick(at("02:10")).await;
        assert_eq!(ledger.lines(), ["01:00 Fired", "02:00 waits"], "it still runs");
        ledger.end_all();
        keeper.take(Input::Ended(TRIGGER), at("02:20"));
        keeper.tick(at("02:20")).await;
        assert_eq!(ledger.lines(), ["01:00 Fired", "02:00 Fired"]);
        let rows = ledger.rows.lock().unwrap();
        assert_eq!(rows[&(TRIGGER, at("02:00"))].late_by, 20 * 60_000);
    }

    #[tokio::test]
    async fn one_instant_starts_one_execution_through_a_step_back_of_the_clock() {
        let rule = json!({"cron": "0 * * * *", "overlap": "ALLOW"});
        let (mut keeper, ledger) = keeper(rule, "00:30", "00:30");
        for hour in ["01:00", "02:00", "00:45", "01:00", "02:00", "03:00"] {
            keeper.tick(at(hour)).await;
        }
        assert_eq!(ledger.lines(), ["01:00 Fired", "02:00 Fired", "03:00 Fired"]);
        assert_eq!(ledger.running.lock().unwrap().len(), 3);
    }

    #[tokio::test]
    async fn run_all_after_downtime_starts_each_one_after_the_other() {
        let rule = json!({"cron": "0 * * * *", "misfire": "RUN_ALL"});
        let (mut keeper, ledger) = keeper(rule, "00:30", "03:30");
        keeper.tick(at("03:30")).await;
        assert_eq!(ledger.lines(), ["01:00 Fired", "02:00 waits", "03:00 waits"]);
        for minute in ["03:31", "03:32"] {
            ledger.end_all();
            keeper.take(Input::Ended(TRIGGER), at(minute));
            keeper.tick(at(minute)).await;
        }
        assert_eq!(ledger.lines(), ["01:00 Fired", "02:00 Fired", "03:00 Fired"]);
    }

    #[tokio::test]
    async fn making_up_is_paced() {
        let rule = json!({"every": "1m", "misfire": "RUN_ALL", "overlap": "ALLOW"});
        let (mut keeper, ledger) = keeper(rule, "00:00", "00:30");
        keeper.tick(at("00:30")).await;
        assert_eq!(ledger.lines().len(), 11, "ten of the missed, and the one that is due now");
        assert_eq!(keeper.next(), Some(at("00:30").plus(Duration::from_secs(1))));
    }

    #[tokio::test]
    async fn a_full_disk_puts_off_and_a_refusal_is_written_down() {
        let (mut keeper, ledger) = keeper(json!({"cron": "0 * * * *"}), "00:30", "00:30");
        let later = StartError::Later { reason: "disk full".into() };
        *ledger.fail.lock().unwrap() = Some(later);
        keeper.tick(at("01:00")).await;
        assert!(ledger.lines().is_empty());
        assert_eq!(keeper.next(), Some(at("01:00").plus(AGAIN)));
        let refused = StartError::Refused { reason: "not published".into() };
        *ledger.fail.lock().unwrap() = Some(refused);
        keeper.tick(at("01:01")).await;
        assert_eq!(ledger.lines(), ["01:00 Refused"]);
    }

    #[tokio::test]
    async fn the_service_wakes_for_its_instant_and_stops_when_told() {
        use crate::system::sim::SimClock;
        let clock = SimClock::new(at("00:59"));
        let ledger = Arc::new(Ledger::default());
        let config = Config {
            clock: Arc::new(clock.clone()),
            starts: ledger.clone(),
            catch_up_per_second: 10,
        };
        let (service, handle) = Service::new(config);
        let stop = CancellationToken::new();
        let running = service.run(stop.clone());
        let story = async {
            handle
                .arm(Armed {
                    trigger: TRIGGER,
                    workflow: WorkflowId::from_bytes([1; 16]),
                    user: UserId::from_bytes([1; 16]),
                    schedule: Schedule::parse(&json!({"cron": "0 * * * *"}), &Zone::utc()).unwrap(),
                    since: at("00:59"),
                })
                .await;
            assert_eq!(handle.next_of(TRIGGER).await, Some(at("01:00")));
            clock.advance(Duration::from_secs(60));
            let lag = handle.lag().await.unwrap();
            assert_eq!(lag.armed, 1);
            // The answer to a second question comes after the round that the first one ended.
            handle.lag().await.unwrap();
            assert_eq!(ledger.lines(), ["01:00 Fired"]);
            stop.cancel();
        };
        tokio::join!(running, story);
    }
}
