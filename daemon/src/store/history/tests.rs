//! What moves to history is there once, whatever happens meanwhile, and nobody waits long for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use a2n_proto::execution::{ExecutionStatus, ScheduleStatus};

use super::mover::{self, Limits};
use super::*;
use crate::store::testing::{
    START, World, a_plan, a_trigger, an_execution, at, execution_id, options, trigger_id,
};
use crate::store::tx::SLICE_ROWS;
use crate::store::{
    Error, Observer, Options, Origin, Paging, Store, execution, execution_metrics,
    execution_schedule, verify, workflow_trigger,
};
use crate::system::disk::SimDisk;

const MINUTE: i64 = 60_000;
/// Long after everything that is written here.
const LATER: i64 = 100 * MINUTE;

fn origin() -> Origin {
    Origin::daemon(at(LATER), "RETENTION")
}

fn status(n: i64) -> ExecutionStatus {
    if n % 3 == 0 { ExecutionStatus::Failed } else { ExecutionStatus::Success }
}

/// Executions with values, one a minute, and a plan for each.
fn fill(world: &World, n: i64) {
    world.write(0, |tx| {
        workflow_trigger::put(tx, &a_trigger(1, "hourly"))?;
        workflow_trigger::put(tx, &a_trigger(2, "daily"))
    });
    for n in 0..n {
        world.write(n * MINUTE, move |tx| {
            let mut one = an_execution(n * MINUTE, status(n));
            one.trigger_id = Some(trigger_id(1));
            execution::insert(tx, &one, vec![7; 5000])?;
            let (n, done) = (u64::try_from(n).unwrap(), ScheduleStatus::Completed);
            let plan = a_plan(n * MINUTE.unsigned_abs() + 1, trigger_id(1 + n % 2), done);
            execution_schedule::put(tx, &plan)
        });
    }
}

fn move_all(store: &Store, batch: usize) -> Result<(), Error> {
    while mover::move_some(store, &origin(), &Limits { keep: 2, batch })?.more {}
    while ledger::move_some(store, &origin(), at(LATER), batch)? == batch {}
    while rollups::move_some(store, &origin(), at(LATER), batch)? == batch {}
    Ok(())
}

fn pages<T>(mut page: impl FnMut(&Paging) -> crate::store::Page<T>, newest_first: bool) -> Vec<T> {
    let mut paging = Paging { limit: 3, cursor: None, newest_first };
    let mut all = Vec::new();
    loop {
        let found = page(&paging);
        assert!(found.items.len() <= 3);
        all.extend(found.items);
        match found.next_cursor {
            Some(cursor) => paging.cursor = Some(cursor),
            None => break,
        }
    }
    if newest_first {
        all.reverse();
    }
    all
}

fn check_whole(world: &World, n: i64) {
    let read = world.read();
    let expected: Vec<_> = (0..n).map(|n| execution_id(n * MINUTE)).collect();
    for newest_first in [false, true] {
        let query = execution::Query::default();
        let found = pages(|p| execution::list(&read, &query, p).unwrap(), newest_first);
        assert_eq!(found.iter().map(|one| one.id).collect::<Vec<_>>(), expected);
        let query = execution_schedule::Query::default();
        let plans = pages(|p| execution_schedule::list(&read, &query, p).unwrap(), newest_first);
        let due: Vec<_> = plans.iter().map(|plan| plan.scheduled_time).collect();
        assert_eq!(due, (0..n).map(|n| at(n * MINUTE + 1)).collect::<Vec<_>>());
        for plan in plans.into_iter().step_by(5) {
            let trigger = plan.trigger_id.unwrap();
            let query = execution_schedule::Query { trigger: plan.trigger_id, ..query.clone() };
            let own = pages(|p| execution_schedule::list(&read, &query, p).unwrap(), newest_first);
            assert!(own.contains(&plan));
            assert_eq!(execution_schedule::get(&read, plan.id).unwrap().as_ref(), Some(&plan));
            let found = execution_schedule::find(&read, trigger, plan.scheduled_time).unwrap();
            assert_eq!(found, Some(plan));
        }
    }
    for name in ["execution.duration", "execution.success", "execution.failed"] {
        let found = execution_metrics::query(&read, name, None, at(-MINUTE), at(LATER), 1).unwrap();
        let counted: u64 = found.iter().map(|(_, rollup)| rollup.count).sum();
        let failed = u64::try_from((n + 2) / 3).unwrap();
        let all = u64::try_from(n).unwrap();
        let expected = match name {
            "execution.success" => all - failed,
            "execution.failed" => failed,
            _ => all,
        };
        assert_eq!(counted, expected, "{name}");
    }
    assert_eq!(verify::verify(&world.store).unwrap().problems, []);
}

#[test]
fn everything_that_moved_is_seen_once() {
    let world = World::new();
    fill(&world, 12);
    check_whole(&world, 12);
    move_all(&world.store, 5).unwrap();
    check_whole(&world, 12);
    let rows = world.read().row_counts().unwrap();
    assert_eq!((rows["execution"], rows["execution_schedule"], rows["metric_rollup"]), (2, 2, 0));
    check_whole(&world.reopened(), 12);
}

#[test]
fn a_power_cut_at_any_moment_of_a_move_loses_and_doubles_nothing() {
    let world = World::new();
    fill(&world, 6);
    let filled = world.disk.after_power_cut(&mut || true);
    let mut cuts = 0;
    loop {
        let world = World::on(filled.after_power_cut(&mut || true));
        let mut bits = START.unsigned_abs().wrapping_mul(cuts + 1);
        let mut coin = || {
            bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            bits >> 63 == 1
        };
        world.disk.fail_after(Some(cuts));
        let done = move_all(&world.store, 4).is_ok();
        let image = world.disk.after_power_cut(&mut coin);
        drop(world);
        let world = World::on(image);
        check_whole(&world, 6);
        move_all(&world.store, 4).unwrap();
        check_whole(&world, 6);
        if done {
            break;
        }
        // Every third moment, which is not in step with anything that a move does.
        cuts += 3;
    }
    assert!(cuts > 50, "a move has more steps than {cuts}");
}

/// Remembers the largest write.
#[derive(Debug, Default)]
struct Largest(AtomicUsize);

impl Observer for Largest {
    fn running_time(&self) -> Duration {
        Duration::ZERO
    }
    fn committed(&self, _: Duration, _: u64) {}
    fn wrote(&self, source: &str, rows: usize) {
        if source == "RETENTION" {
            self.0.fetch_max(rows, Ordering::Relaxed);
        }
    }
}

#[test]
fn no_write_of_a_move_changes_more_rows_than_a_slice() {
    let largest = Arc::new(Largest::default());
    let disk = SimDisk::new();
    drop(World::on(disk.clone()).reopened());
    let observer: Arc<dyn Observer> = largest.clone();
    let store = Store::open(Options { observer: Some(observer), ..options(&disk) }).unwrap();
    let world = World { disk, store };
    world.write(0, |tx| {
        crate::store::account::first_start(
            tx,
            1000,
            "alice",
            (crate::store::testing::user(1), a2n_proto::AccountId::from_parts(1, [1; 10])),
        )?;
        crate::store::workflow::put(tx, &crate::store::testing::a_workflow(1, "report"))?;
        for n in 0..400 {
            execution::insert(tx, &an_execution(n * MINUTE / 8, status(n)), vec![])?;
        }
        Ok(())
    });
    move_all(&world.store, 1000).unwrap();
    let rows = world.read().row_counts().unwrap();
    assert_eq!((rows["execution"], rows["metric_rollup"]), (2, 0));
    let largest = largest.0.load(Ordering::Relaxed);
    // The last thing of a slice may go over it: an execution has a dozen rows and entries.
    assert!((100..SLICE_ROWS + 16).contains(&largest), "{largest}");
}

#[test]
fn files_that_nobody_reads_are_closed() {
    let world = World::new();
    let history = world.store.history();
    for month in 202_601..202_601 + 3 * u32::try_from(MOST_OPEN).unwrap() / 2 {
        history.write(FileName { month, kind: Kind::Rollup }, &Rows::default()).unwrap();
        assert!(history.n_open() <= MOST_OPEN);
    }
    let held = history.source(history.files()[3]).unwrap().unwrap();
    for name in history.files() {
        history.source(name).unwrap().unwrap();
    }
    assert!(rows_of(&held).is_empty());
}

fn rows_of(source: &Source) -> Vec<Vec<u8>> {
    let range = crate::store::keys::KeyRange::all();
    crate::store::rows::some_keys(source, crate::store::schema::ROLLUP, &range, 9).unwrap()
}

#[test]
fn what_the_disk_refuses_is_tried_again_on_a_fresh_handle() {
    let world = World::new();
    fill(&world, 6);
    let mut failed = 0;
    for fails_at in 0..40 {
        world.disk.fail_after(Some(fails_at));
        failed += usize::from(move_all(&world.store, 2).is_err());
        world.disk.fail_after(None);
        check_whole(&world, 6);
    }
    move_all(&world.store, 2).unwrap();
    assert!(failed > 0);
    check_whole(&world, 6);
}
