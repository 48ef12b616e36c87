//! Lines of steps: how many a second are stored, and how soon a follower sees one.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use a2n_tests::daemon::World;
use anyhow::{Context, Result, ensure};
use serde_json::{Value as Json, json};

use crate::client::wall_us;
use crate::figures::{Figures, Target, Value};

const LINES: u64 = 1_000_000;
/// One every ten milliseconds.
const TICKS: u64 = 600;

pub(crate) fn measure(figures: &mut Figures) -> Result<()> {
    let world = World::started()?;
    let plain = plain(&world)?;
    let stored = stored(&world)?;
    figures.add(
        "log lines of a step, stored, durable and readable",
        Value::Rate(stored),
        Some(("`cat >> file` with as many syncs", Value::Rate(plain))),
        &Target::AtLeast(Value::Rate((plain / 2.0).max(200_000.0))),
    );
    let p99 = followed(&world)?;
    let most = Target::AtMost(Value::Time(Duration::from_millis(50)));
    figures.add("`a2n logs -f` shows a line, p99", Value::Time(p99), None, &most);
    Ok(())
}

fn this() -> Result<String> {
    Ok(std::env::current_exe()?.display().to_string())
}

/// Lines a second through a pipe into a file that is made durable as often as a step's lines are.
fn plain(world: &World) -> Result<f64> {
    let begun = Instant::now();
    let status = Command::new("sh")
        .args(["-c", r#""$0" play-flood "$1" | "$0" play-cat "$2""#])
        .args([&this()?, &LINES.to_string()])
        .arg(world.path().join("plain"))
        .status()?;
    ensure!(status.success(), "cat failed");
    Ok(LINES as f64 / begun.elapsed().as_secs_f64())
}

fn run(world: &World, name: &str, step: &[&str], wait: bool) -> Result<Json> {
    let command: Vec<&str> =
        std::iter::once(&*this()?.leak() as &str).chain(step.iter().copied()).collect();
    let node =
        json!({"id": "say", "type": "shell", "config": {"command": command, "output": "NONE"}});
    let document = json!({"name": name, "nodes": [node], "connections": []});
    let mut lines = world.lines()?;
    lines.call("workflow.create", json!({"definition": document, "publish": true}))?;
    lines.call("workflow.run", json!({"name": name, "wait": wait}))
}

/// Lines a second of a step, from its start to its end, which is committed after its lines.
fn stored(world: &World) -> Result<f64> {
    let begun = Instant::now();
    let execution = run(world, "flood", &["play-flood", &LINES.to_string()], true)?;
    let took = begun.elapsed();
    ensure!(execution["status"] == "SUCCESS", "{execution}");
    let params = json!({"executionId": execution["id"], "afterSeq": LINES - 10, "limit": 100});
    let found = world.lines()?.call("executionLog.query", params)?;
    let last = format!("{LINES:08} ");
    let seen = found["items"]
        .as_array()
        .into_iter()
        .flatten()
        .any(|line| line["message"].as_str().is_some_and(|message| message.starts_with(&last)));
    ensure!(seen, "the last line is not readable: {found}");
    Ok(LINES as f64 / took.as_secs_f64())
}

/// How long after it was printed a line comes out of `a2n logs -f`, 99th percentile.
fn followed(world: &World) -> Result<Duration> {
    let execution = run(world, "clock", &["play-clock", &TICKS.to_string()], false)?;
    let id = execution["id"].as_str().context("an id")?;
    let mut follower =
        world.command("a2n").args(["logs", "-f", id]).stdout(Stdio::piped()).spawn()?;
    let mut times = Vec::new();
    let mut begun = None;
    for line in BufReader::new(follower.stdout.take().context("piped")?).lines() {
        let (line, now) = (line?, wall_us());
        let Some((_, at)) = line.rsplit_once("printed at ") else { continue };
        let at: u128 = at.trim().parse()?;
        // What was there before it looked says nothing about how soon it sees what comes.
        if at > *begun.get_or_insert(now) {
            times.push(now.saturating_sub(at));
        }
    }
    ensure!(follower.wait()?.success(), "the follower failed");
    ensure!(times.len() as u64 > TICKS / 2, "the follower saw {} lines only", times.len());
    times.sort_unstable();
    Ok(Duration::from_micros(u64::try_from(times[(times.len() - 1) * 99 / 100])?))
}
