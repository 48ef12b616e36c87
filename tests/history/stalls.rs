//! How long others wait for a write while the cleaner works: one small write after the other, alone
//! and beside the mover, the purge of a deleted workflow, and the removal of a file.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use a2n_daemon::store::history::{mover, past, purge};
use a2n_daemon::store::{
    Error, Origin, Paging, Store, execution, idempotency, tombstone, workflow,
};
use a2n_proto::{ExecutionId, Timestamp};
use a2n_tests::daemon::World;
use a2n_tests::past as generator;
use anyhow::{Context, Result};

/// Executions that wait in the live store to be moved.
const WAITING: u64 = 40_000;
/// How long each part is measured at least.
const LONG: Duration = Duration::from_secs(5);

/// Prints the table.
pub(crate) fn measure() -> Result<()> {
    let mut world = World::new()?;
    generator::seed(&mut world)?;
    let store = generator::open(&world.data_dir(), |_| {})?;
    fill(&store)?;
    let origin = Origin::daemon(Timestamp::from_unix_ms(0), "RETENTION");
    println!("\n| a small write beside | writes | p50 | p99 | longest |\n|---|---|---|---|---|");
    while_busy("nothing", &store, || {
        std::thread::sleep(LONG);
        Ok(())
    })?;
    while_busy("the mover", &store, || {
        let limits = mover::Limits { keep: 1000, batch: 500 };
        while mover::move_some(&store, &origin, &limits)?.more {}
        Ok(())
    })?;
    while_busy("the purge of a deleted workflow", &store, || {
        let all = workflow::list(&store.read()?, &workflow::Query::default(), &Paging::first(3))?;
        for one in all.items {
            let id = one.id;
            store.write_blocking(origin.clone(), move |tx| workflow::remove(tx, id, true))?;
        }
        while store.write_blocking(origin.clone(), |tx| tombstone::carry_out(tx, 500))? > 0 {}
        while purge::purge_some(&store, &origin, 500)? > 0 {}
        Ok(())
    })?;
    while_busy("the removal of files", &store, || {
        for name in store.history().files() {
            store.history().drop_file(name)?;
        }
        Ok(())
    })?;
    store.close();
    Ok(())
}

/// Ended executions as the daemon leaves them in the live store.
fn fill(store: &Store) -> Result<()> {
    let read = store.read()?;
    let page = execution::list(&read, &execution::Query::default(), &Paging::first(20))?;
    let mut templates = Vec::new();
    for one in page.items {
        let state = execution::state(&read, one.id)?.context("a state")?;
        let execution = execution::require(&read, one.id)?;
        templates.push(past::Past { execution, state, measured: Vec::new() });
    }
    drop(read);
    for from in (0..WAITING).step_by(500) {
        let templates = templates.clone();
        let origin = Origin::daemon(Timestamp::from_unix_ms(0), "GENERATOR");
        store.write_blocking::<_, Error, _>(origin, move |tx| {
            for n in from..from + 500 {
                let mut one = templates[n as usize % templates.len()].clone();
                let mut random = [0; 10];
                random[2..].copy_from_slice(&n.to_be_bytes());
                let ms = one.execution.id.unix_ms() - n;
                one.execution.id = ExecutionId::from_parts(ms, random);
                execution::insert(tx, &one.execution, one.state)?;
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// Writes while `busy` works, and prints how long the writes took.
fn while_busy(
    what: &str,
    store: &Store,
    busy: impl FnOnce() -> Result<(), anyhow::Error>,
) -> Result<()> {
    let over = AtomicBool::new(false);
    let (worked, times) = std::thread::scope(|scope| {
        let writer = scope.spawn(|| write(store, &over));
        let began = Instant::now();
        let worked = busy().map(|()| began.elapsed());
        over.store(true, Ordering::Relaxed);
        (worked, writer.join().expect("the writer"))
    });
    let (worked, mut times) = (worked?, times?);
    times.sort();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    println!(
        "| {what} ({:.1} s) | {} | {:.2} ms | {:.2} ms | {:.2} ms |",
        worked.as_secs_f64(),
        times.len(),
        at(0.5),
        at(0.99),
        at(1.0)
    );
    Ok(())
}

fn write(store: &Store, over: &AtomicBool) -> Result<Vec<Duration>> {
    let mut times = Vec::new();
    while !over.load(Ordering::Relaxed) || times.len() < 100 {
        let key = format!("key {}", times.len() % 1000);
        let origin = Origin::daemon(Timestamp::from_unix_ms(0), "BENCH");
        let began = Instant::now();
        store.write_blocking::<_, Error, _>(origin, move |tx| {
            idempotency::put(tx, "bench", "write", &key, [7; 32], "id")
        })?;
        times.push(began.elapsed());
    }
    Ok(times)
}
