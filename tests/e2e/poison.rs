//! An execution that makes the engine fail is put aside, and the others go on; a daemon that keeps
//! crashing starts in safe mode. The engine fails by a fail point that release builds do not have.

use a2n_tests::command::{a2n, a2n_ok};
use a2n_tests::daemon::World;
use a2n_tests::lines::Lines;
use anyhow::{Context, Result};
use serde_json::{Value, json};

/// A workflow whose second step makes the engine fail.
fn poison(name: &str, id: &str) -> Value {
    json!({
        "name": name,
        "nodes": [
            {"id": "first", "type": "shell", "config": {"command": ["true"]}, "repeat": "RETRYABLE"},
            {"id": id, "type": "noop"},
        ],
        "connections": [{"source": "first", "target": id}],
    })
}

fn save(lines: &mut Lines, document: &Value) -> Result<()> {
    lines.call("workflow.create", json!({"definition": document, "publish": true}))?;
    Ok(())
}

fn started() -> Result<World> {
    let mut world = World::new()?;
    world.env.push(("A2N_FAIL_POINTS".into(), "1".into()));
    world.start()?;
    Ok(world)
}

fn check(lines: &mut Lines, name: &str) -> Result<Value> {
    let health = lines.call("system.health", json!({}))?;
    let checks = health["checks"].as_array().context("checks")?;
    checks.iter().find(|one| one["serviceName"] == name).cloned().context("the check")
}

#[test]
fn a_panic_of_the_engine_puts_its_execution_aside_and_no_other() -> Result<()> {
    let mut world = started()?;
    let mut lines = world.lines()?;
    save(&mut lines, &poison("poison", "fail-point-panic"))?;
    save(
        &mut lines,
        &json!({"name": "good", "nodes": [{"id": "a", "type": "shell", "config": {"command": ["true"]}}]}),
    )?;
    lines.call("system.subscribe", json!({"topics": ["execution"]}))?;
    let bad = lines.call("workflow.run", json!({"name": "poison"}))?["id"].clone();
    let id = bad.as_str().context("an id")?.to_owned();
    let good = lines.call("workflow.run", json!({"name": "good", "wait": true}))?;
    assert_eq!(good["status"], "SUCCESS", "{good}");
    while !lines.notification()?.to_string().contains("QUARANTINED") {}
    let aside = lines.call("execution.get", json!({"id": bad}))?;
    assert_eq!(aside["status"], "PAUSED", "{aside}");
    let told = aside["errorMessage"].as_str().unwrap_or_default();
    assert!(told.starts_with("quarantined: it made the engine fail 3 times"), "{told}");
    assert!(told.contains("fail-point-panic"), "{told}");
    let health = check(&mut lines, "executions")?;
    assert!(health.to_string().contains("1 execution put aside"), "{health}");

    // It stays aside through a restart, and is tried afresh when a person says so.
    world.stop()?;
    world.start()?;
    let mut lines = world.lines()?;
    assert!(check(&mut lines, "executions")?.to_string().contains("put aside"));
    let refused = lines.refused("execution.pause", json!({"id": bad}))?;
    assert!(refused.to_string().contains("quarantined"), "{refused}");
    lines.call("system.subscribe", json!({"topics": ["execution"]}))?;
    a2n_ok(&world, &["resume", &id])?;
    while !lines.notification()?.to_string().contains("QUARANTINED") {}

    // Run again on a version that is mended: the old one ends, the results stand.
    let patch = json!({"definition": poison("poison", "fine")});
    lines.call("workflow.update", json!({"name": "poison", "patch": patch, "publish": true}))?;
    let retry = a2n_ok(&world, &["retry", &id, "--version", "published", "--wait"])?;
    assert!(retry.contains("SUCCESS"), "{retry}");
    let old = lines.call("execution.get", json!({"id": bad}))?;
    assert_eq!(old["status"], "CANCELLED", "{old}");
    assert_eq!(check(&mut lines, "executions")?["status"], "HEALTHY");
    assert_eq!(lines.call("system.verify", json!({}))?["ok"], true);
    Ok(())
}

#[test]
fn an_execution_that_kills_the_daemon_is_put_aside_after_three_times() -> Result<()> {
    let mut world = started()?;
    let mut lines = world.lines()?;
    save(&mut lines, &poison("poison", "fail-point-abort"))?;
    save(
        &mut lines,
        &json!({"name": "good", "nodes": [{"id": "a", "type": "wait", "config": {"duration": "2h"}}]}),
    )?;
    let good = lines.call("workflow.run", json!({"name": "good"}))?["id"].clone();
    let bad = lines.call("workflow.run", json!({"name": "poison"}))?["id"].clone();
    // It dies in that step, and again each time that it takes it up.
    let (mut deaths, mut runs) = (0, true);
    loop {
        if runs {
            world.ended()?;
        }
        deaths += 1;
        assert!(deaths <= 4, "it dies for ever");
        // A start that ends before it says that it is ready is a death too.
        runs = world.start().is_ok();
        let now = world.lines().and_then(|mut l| l.call("execution.get", json!({"id": bad})));
        if runs && now.is_ok_and(|now| now["pausedReason"] == "QUARANTINED") {
            break;
        }
    }
    assert_eq!(deaths, 3);
    let mut lines = world.lines()?;
    let still = lines.call("execution.get", json!({"id": good}))?;
    assert_eq!((&still["status"], &still["pausedReason"]), (&json!("PAUSED"), &json!("WAITING")));
    let ended = lines.call("execution.cancel", json!({"id": bad, "reason": "poison"}))?;
    assert_eq!(ended["status"], "CANCELLED", "{ended}");
    world.stop()
}

#[test]
fn three_crashes_lead_to_safe_mode_and_a_person_leads_out() -> Result<()> {
    let mut world = World::new()?;
    world.env.push(("A2N_SETTING__ENGINE__SAFE_MODE_AFTER".into(), "3".into()));
    world.start()?;
    let mut lines = world.lines()?;
    let document =
        json!({"name": "wait", "nodes": [{"id": "a", "type": "wait", "config": {"duration": 1}}]});
    let long = json!({"name": "long", "nodes": [{"id": "a", "type": "wait", "config": {"duration": "2h"}}]});
    save(&mut lines, &document)?;
    save(&mut lines, &long)?;
    let waits = lines.call("workflow.run", json!({"name": "long"}))?["id"].clone();
    for crash in 1..=3 {
        let mode = lines.call("system.info", json!({}))?["safeMode"].clone();
        assert_eq!(mode, false, "before crash {crash}");
        world.kill()?;
        world.start()?;
        lines = world.lines()?;
    }
    assert_eq!(lines.call("system.info", json!({}))?["safeMode"], true);
    let queue = check(&mut lines, "queue")?;
    assert_eq!(queue["status"], "UNHEALTHY", "{queue}");
    assert!(queue.to_string().contains("a2n safe-mode off"), "{queue}");
    // The service of the schedules has not begun: that is what it says, not that it does not answer.
    let timers = check(&mut lines, "timers")?;
    assert!(timers.to_string().contains("safe mode: no schedule"), "{timers}");
    let refused = lines.refused("workflow.run", json!({"name": "wait"}))?;
    assert_eq!(refused["data"]["kind"], "PRECONDITION", "{refused}");
    assert!(refused.to_string().contains("crashed 3 times"), "{refused}");
    let refused = lines.refused("execution.wait", json!({"id": waits, "timeout": 10}))?;
    assert_eq!(refused["data"]["kind"], "PRECONDITION", "{refused}");
    assert!(a2n_ok(&world, &["safe-mode"])?.starts_with("on: "));

    assert!(a2n_ok(&world, &["safe-mode", "off"])?.contains("safe mode is off"));
    assert!(a2n_ok(&world, &["safe-mode"])?.starts_with("off"));
    lines.call("execution.pause", json!({"id": waits}))?;
    lines.call("workflow.run", json!({"name": "wait", "wait": true}))?;
    let again = a2n(&world, &["safe-mode", "off"])?;
    assert!(again.stderr.contains("not in safe mode"), "{again:?}");
    // An orderly stop wipes the slate.
    world.stop()?;
    world.start()?;
    assert_eq!(world.lines()?.call("system.info", json!({}))?["safeMode"], false);
    Ok(())
}
