//! From accepted to finished: a workflow of three `set` nodes, as many executions as the daemon takes.

use std::time::Duration;

use a2n_tests::daemon::World;
use anyhow::{Result, ensure};
use serde_json::json;

use crate::client::{call, right};
use crate::figures::{Figures, Target, Value};
use crate::wire::Wire;
use crate::{fleet, limits, machine};

const CLIENTS: usize = 64;
/// Seconds of each measurement.
const SECONDS: f64 = 8.0;
/// Seconds before the first one, so that caches and the file have their size.
const WARM_UP: f64 = 2.0;

pub(crate) fn measure(figures: &mut Figures) -> Result<()> {
    let mut world = World::started()?;
    let document = json!({
        "name": "three",
        "nodes": [
            {"id": "a", "type": "set", "config": {"values": {"n": 1}}},
            {"id": "b", "type": "set", "config": {"values": {"n": "{{ item.n + 1 }}"}}},
            {"id": "c", "type": "set", "config": {"values": {"n": "{{ item.n + 1 }}"}}},
        ],
        "connections": [{"source": "a", "target": "b"}, {"source": "b", "target": "c"}],
    });
    let made =
        world.lines()?.call("workflow.create", json!({"definition": document, "publish": true}))?;
    let id = made["id"].as_str().unwrap_or_default();
    let socket = world.socket();
    let play = |role, n, seconds| fleet::play(role, n, &socket, seconds, &[id]);

    let mut ids = play("play-run", CLIENTS, WARM_UP)?.ids;
    let raw_one = limits::one_commit(world.path(), 1_000)?;
    let one = play("play-run", 1, SECONDS / 2.0)?;
    let raw = limits::group_commit(world.path(), CLIENTS, Duration::from_secs_f64(SECONDS))?;
    let before = machine::cpu(world.pid())?;
    let many = play("play-run", CLIENTS, SECONDS)?;
    let cpu = (machine::cpu(world.pid())? - before) / u32::try_from(many.n)?;
    let twice = play("play-run-and-wait", CLIENTS, SECONDS)?;
    for played in [&one, &many, &twice] {
        ids.extend(played.ids.iter().cloned());
    }

    let limit = Some(("raw group commit", Value::Rate(raw)));
    let least = Target::AtLeast(Value::Rate((raw / 6.0).max(4000.0)));
    let rate = Value::Rate(many.per_second);
    figures.add("executions, `workflow.run` with `wait`, 64 clients", rate, limit, &least);
    let rate = Value::Rate(twice.per_second);
    figures.add(
        "executions, `workflow.run`, then `execution.wait`, 64 clients",
        rate,
        limit,
        &least,
    );
    let most = Target::AtMost(Value::Time(Duration::from_micros(400)));
    figures.add("daemon's processor time for an execution", Value::Time(cpu), None, &most);
    figures.add(
        "one client, p50",
        Value::Time(one.p50),
        Some(("one durable commit", Value::Time(raw_one))),
        &Target::AtMost(Value::Time(raw_one * 3 + Duration::from_millis(1))),
    );
    figures.add("64 clients, p50", Value::Time(many.p50), None, &Target::None);
    figures.add("64 clients, p99", Value::Time(many.p99), None, &Target::None);
    let resident = machine::resident(world.pid())?;
    figures.add("resident after the load", Value::MiB(resident), None, &Target::None);

    world.kill()?;
    world.start()?;
    let kept = succeeded(&world, &ids)?;
    ensure!(kept == ids.len(), "{kept} of {} executions are SUCCESS after kill -9", ids.len());
    let all = Value::Count(ids.len() as f64);
    figures.add(
        "executions that are SUCCESS after `kill -9`",
        Value::Count(kept as f64),
        Some(("seen as SUCCESS", all)),
        &Target::AtLeast(all),
    );
    Ok(())
}

/// How many of the executions the daemon says have succeeded.
fn succeeded(world: &World, ids: &[String]) -> Result<usize> {
    let mut wire = Wire::lines(&world.socket())?;
    let mut n = 0;
    for some in ids.chunks(16) {
        let asked: String =
            some.iter().map(|id| call("execution.get", &format!(r#""id":"{id}""#))).collect();
        wire.send(asked.as_bytes())?;
        for _ in some {
            n += usize::from(right(wire.next_line()?, r#""status":"SUCCESS""#).is_ok());
        }
    }
    Ok(n)
}
