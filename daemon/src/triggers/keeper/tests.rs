//! Stories of the keeper with a ledger in memory, and of the service around it.

use std::sync::Mutex;

use a2n_proto::{ExecutionId, UserId, WorkflowId};
use serde_json::{Value, json};

use super::*;
use crate::system::Later;
use crate::triggers::planner::Armed;
use crate::triggers::schedule::{Schedule, Zone};
use crate::triggers::service::{Config, Service};
use tokio_util::sync::CancellationToken;

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
    let config =
        Config { clock: Arc::new(clock.clone()), starts: ledger.clone(), catch_up_per_second: 10 };
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
