//! Start, reads and throughput of a daemon with and without history, in turns, so that what else the
//! machine does hits both.

use std::time::{Duration, Instant};

use a2n_tests::daemon::World;
use a2n_tests::lines::Lines;
use a2n_tests::past;
use anyhow::{Context, Result};
use serde_json::{Value, json};

/// Turns of each measurement.
const TURNS: usize = 9;
/// Calls of one kind in a turn.
const CALLS: usize = 60;
/// Clients that run workflows.
const CLIENTS: usize = 16;
/// How long they do.
const LONG: Duration = Duration::from_secs(4);

/// Prints the table.
pub(crate) fn compare(empty: &mut World, full: &mut World, n: u64) -> Result<()> {
    println!("| what | empty | with {n} | ratio |\n|---|---|---|---|");
    let (mut starts_empty, mut starts_full) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        starts_empty.push(start(empty)?);
        starts_full.push(start(full)?);
    }
    row("start to ready", &mut starts_empty, &mut starts_full);
    empty.start()?;
    full.start()?;
    // The first calls open files; what is measured is what a person who works with it sees.
    let names = calls(empty)?;
    let old = calls(full)?;
    for ((what, method, of_empty), (_, _, of_full)) in names.into_iter().zip(old) {
        let (mut times_empty, mut times_full) = (Vec::new(), Vec::new());
        let first = time(full, method, &of_full)?;
        for _ in 0..TURNS {
            times_empty.extend(times(empty, method, &of_empty)?);
            times_full.extend(times(full, method, &of_full)?);
        }
        row(&format!("{what} (first: {})", text(first)), &mut times_empty, &mut times_full);
    }
    let (mut rates_empty, mut rates_full) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        rates_empty.push(rate(empty)?);
        rates_full.push(rate(full)?);
    }
    let (least, most) = (median(&mut rates_empty), median(&mut rates_full));
    println!("| executions/s, {CLIENTS} clients | {least:.0} | {most:.0} | {:.2} |", most / least);
    empty.stop()?;
    full.stop()
}

fn row(what: &str, empty: &mut [Duration], full: &mut [Duration]) {
    let (empty, full) = (median(empty), median(full));
    let ratio = full.as_secs_f64() / empty.as_secs_f64();
    println!("| {what} | {} | {} | {ratio:.2} |", text(empty), text(full));
}

fn text(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}

fn median<T: Copy + PartialOrd>(all: &mut [T]) -> T {
    all.sort_by(|a, b| a.partial_cmp(b).expect("a number"));
    all[all.len() / 2]
}

fn start(world: &mut World) -> Result<Duration> {
    let began = Instant::now();
    world.start()?;
    let took = began.elapsed();
    world.stop()?;
    Ok(took)
}

type Call = (&'static str, &'static str, Value);

/// What is asked. Where there is history, lists begin where it does: behind the newest executions,
/// which are in the live store.
fn calls(world: &World) -> Result<Vec<Call>> {
    let mut lines = world.lines()?;
    let newest = lines.call("execution.list", json!({"limit": 1}))?;
    let oldest = lines.call("execution.list", json!({"limit": 1, "sort": "createdAt"}))?;
    let oldest = oldest["items"][0].clone();
    let id = oldest["id"].as_str().context("an execution")?;
    let workflow = newest["items"][0]["workflowId"].clone();
    let user = newest["items"][0]["userId"].clone();
    let list = |filter: Value| json!({"limit": 20, "filter": filter});
    Ok(vec![
        ("newest 20", "execution.list", list(json!({}))),
        ("oldest 20", "execution.list", json!({"limit": 20, "sort": "createdAt"})),
        ("failed 20", "execution.list", list(json!({"status": "FAILED"}))),
        ("20 of a workflow", "execution.list", list(json!({"workflowId": workflow}))),
        ("20 of a user", "execution.list", list(json!({"userId": user}))),
        (
            "failed 20 of a user",
            "execution.list",
            list(json!({"userId": user, "status": "FAILED"})),
        ),
        ("the oldest one", "execution.get", json!({"id": id})),
        ("its node states", "executionNodeState.list", json!({"filter": {"executionId": id}})),
        ("a day of values", "executionMetrics.query", json!({"metric": "execution.duration"})),
        ("numbers", "system.stats", json!({})),
    ])
}

fn time(world: &World, method: &str, params: &Value) -> Result<Duration> {
    let mut lines = world.lines()?;
    let began = Instant::now();
    lines.call(method, params.clone())?;
    Ok(began.elapsed())
}

fn times(world: &World, method: &str, params: &Value) -> Result<Vec<Duration>> {
    let mut lines = world.lines()?;
    let mut times = Vec::new();
    for _ in 0..CALLS {
        let began = Instant::now();
        lines.call(method, params.clone())?;
        times.push(began.elapsed());
    }
    Ok(times)
}

/// Executions that end in a second.
fn rate(world: &World) -> Result<f64> {
    let (began, socket) = (Instant::now(), world.socket());
    let socket = &socket;
    let ended: Result<Vec<usize>> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|n| {
                scope.spawn(move || -> Result<usize> {
                    let mut lines = Lines::connect(socket)?;
                    let (name, inputs) = (past::name(n % past::WORKFLOWS), json!({"n": 7}));
                    let params = json!({"name": name, "inputs": inputs, "wait": true});
                    let mut ended = 0;
                    while began.elapsed() < LONG {
                        lines.call("workflow.run", params.clone())?;
                        ended += 1;
                    }
                    Ok(ended)
                })
            })
            .collect();
        clients.into_iter().map(|client| client.join().expect("a client")).collect()
    });
    Ok(ended?.iter().sum::<usize>() as f64 / began.elapsed().as_secs_f64())
}
