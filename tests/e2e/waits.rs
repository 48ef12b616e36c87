//! Waiting for files, ports and answers: each comes when it comes, also to a daemon that died meanwhile.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;

use a2n_tests::command::a2n_ok;
use a2n_tests::daemon::World;
use a2n_tests::lines::Lines;
use anyhow::{Context, Result};
use serde_json::{Value, json};

fn publish(lines: &mut Lines, name: &str, config: &Value) -> Result<()> {
    let node = json!({"id": "w", "type": "wait", "config": config});
    let definition = json!({"name": name, "nodes": [node]});
    lines.call("workflow.create", json!({"definition": definition, "publish": true}))?;
    Ok(())
}

fn run(lines: &mut Lines, name: &str) -> Result<Value> {
    Ok(lines.call("workflow.run", json!({"name": name}))?["id"].clone())
}

fn ended(lines: &mut Lines, id: &Value) -> Result<Value> {
    lines.call("execution.wait", json!({"id": id, "timeout": 60_000}))
}

/// What the wait handed on.
fn seen(execution: &Value, member: &str) -> Value {
    execution["outputData"]["w"]["output"][0][member].clone()
}

/// Waits until what a wait keeps of what it saw has this in it.
fn notes(world: &World, id: &Value, wanted: &str) -> Result<()> {
    let mut lines = world.lines()?;
    lines.call("system.subscribe", json!({"topics": ["execution", "executionNodeState"]}))?;
    loop {
        let state = json!({"executionId": id, "nodeId": "w"});
        let state = lines.call("executionNodeState.get", state)?;
        if state["waiting"]["detail"].as_str().is_some_and(|detail| detail.contains(wanted)) {
            return Ok(());
        }
        lines.notification()?;
    }
}

fn is_waiting(lines: &mut Lines, id: &Value) -> Result<()> {
    let now = lines.call("execution.get", json!({"id": id}))?;
    assert_eq!((&now["status"], &now["pausedReason"]), (&json!("PAUSED"), &json!("WAITING")));
    Ok(())
}

fn restart(world: &mut World) -> Result<Lines> {
    world.kill()?;
    world.start()?;
    world.lines()
}

/// A file in a folder that is not there yet, one that changes, and one that goes.
#[test]
fn a_file_comes_changes_and_goes_also_while_the_daemon_is_dead() -> Result<()> {
    let mut world = World::started()?;
    let folder = world.path().join("in");
    let (ready, log) = (folder.join("deep/ready"), world.path().join("log"));
    std::fs::write(&log, "1")?;
    let mut lines = world.lines()?;
    // Looked at once an hour: what happens is noticed, or found by the start.
    let every = |file: Value| json!({"file": file, "every": "1h", "timeout": "1d"});
    publish(&mut lines, "comes", &every(json!({"path": ready})))?;
    publish(&mut lines, "changes", &every(json!({"path": log, "is": "CHANGED"})))?;
    publish(&mut lines, "goes", &every(json!({"path": log, "is": "GONE"})))?;
    let make = |path: &Path| -> Result<()> {
        std::fs::create_dir_all(path.parent().context("a folder")?)?;
        Ok(std::fs::write(path, "ok")?)
    };

    // While it runs.
    let first = run(&mut lines, "comes")?;
    is_waiting(&mut lines, &first)?;
    make(&ready)?;
    let came = seen(&ended(&mut lines, &first)?, "file");
    assert_eq!((&came["exists"], &came["size"]), (&json!(true), &json!(2)), "{came}");
    std::fs::remove_dir_all(&folder)?;

    // While it is dead.
    let (second, changes) = (run(&mut lines, "comes")?, run(&mut lines, "changes")?);
    let again = run(&mut lines, "changes")?;
    let mut lines = restart(&mut world)?;
    for one in [&second, &changes, &again] {
        is_waiting(&mut lines, one)?;
    }
    for one in [&changes, &again] {
        // What it was at first is kept.
        notes(&world, one, "(1 bytes so far)")?;
    }
    world.kill()?;
    make(&ready)?;
    std::fs::write(&log, "longer")?;
    world.start()?;
    let mut lines = world.lines()?;
    assert_eq!(ended(&mut lines, &second)?["status"], "SUCCESS");
    for one in [&changes, &again] {
        assert_eq!(seen(&ended(&mut lines, one)?, "file")["size"], 6);
    }
    let goes = run(&mut lines, "goes")?;
    is_waiting(&mut lines, &goes)?;
    std::fs::remove_file(&log)?;
    assert_eq!(seen(&ended(&mut lines, &goes)?, "file")["exists"], false);
    Ok(())
}

#[test]
fn a_port_is_waited_for_across_a_crash_and_the_wait_says_what_it_saw() -> Result<()> {
    let mut world = World::started()?;
    // A port that nobody has: the kernel gives it to nobody else while this is bound without listening.
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    drop(listener);
    let mut lines = world.lines()?;
    let port = json!({"host": "127.0.0.1", "port": address.port()});
    publish(&mut lines, "port", &json!({"port": port, "every": "1s"}))?;
    let waits = run(&mut lines, "port")?;
    notes(&world, &waits, "(last: no connection")?;
    is_waiting(&mut lines, &waits)?;
    let shown = a2n_ok(&world, &["show", waits.as_str().context("an id")?])?;
    assert!(shown.contains("an answer of port 127.0.0.1:"), "{shown}");
    let mut lines = restart(&mut world)?;
    is_waiting(&mut lines, &waits)?;
    let listener = TcpListener::bind(address)?;
    let end = ended(&mut lines, &waits)?;
    assert_eq!(seen(&end, "port"), port, "{end}");
    drop(listener);

    // Cancelled, it asks no more.
    let other = run(&mut lines, "port")?;
    notes(&world, &other, "(last: no connection")?;
    lines.call("execution.cancel", json!({"id": other}))?;
    assert_eq!(ended(&mut lines, &other)?["status"], "CANCELLED");
    Ok(())
}

/// A server that says 503, then that it is busy, then that it is done.
fn server() -> Result<(u16, std::thread::JoinHandle<()>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let serve = move || {
        for (n, stream) in listener.incoming().flatten().enumerate() {
            let mut stream = stream;
            let _ = stream.read(&mut [0; 4096]);
            let (status, body) = match n {
                0 => ("503 Service Unavailable", "{}"),
                1 => ("200 OK", r#"{"jobs": [{"state": "busy"}]}"#),
                _ => ("200 OK", r#"{"jobs": [{"state": "done"}]}"#),
            };
            let head = "content-type: application/json\r\nconnection: close";
            let length = body.len();
            let answer =
                format!("HTTP/1.1 {status}\r\n{head}\r\ncontent-length: {length}\r\n\r\n{body}");
            let _ = stream.write_all(answer.as_bytes());
            if n >= 2 {
                return;
            }
        }
    };
    Ok((port, std::thread::spawn(serve)))
}

#[test]
fn an_answer_is_waited_for_until_an_expression_over_it_is_true() -> Result<()> {
    let mut world = World::started()?;
    let (port, serving) = server()?;
    let mut lines = world.lines()?;
    let http = json!({
        "url": format!("http://127.0.0.1:{port}/jobs?key=hidden"),
        "where": "{{ answer.body.jobs | map(attribute='state') | list == ['done'] }}",
    });
    publish(&mut lines, "job", &json!({"http": http, "every": "1s", "timeout": "1h"}))?;
    let waits = run(&mut lines, "job")?;
    notes(&world, &waits, "(last: status 503)")?;
    let mut lines = restart(&mut world)?;
    let end = ended(&mut lines, &waits)?;
    let answer = seen(&end, "http");
    assert_eq!(
        (&answer["status"], &answer["body"]["jobs"][0]["state"]),
        (&json!(200), &json!("done"))
    );
    serving.join().ok().context("the server")?;
    let shown = a2n_ok(&world, &["show", waits.as_str().context("an id")?, "--node", "w"])?;
    assert!(!shown.contains("waits for"), "{shown}");

    // Nobody serves any more: the limit of the wait says what was seen last.
    let late = json!({"http": http, "every": "1s", "timeout": "3s"});
    publish(&mut lines, "late", &late)?;
    let late = run(&mut lines, "late")?;
    let end = ended(&mut lines, &late)?;
    assert_eq!(end["errorDetails"]["code"], "TIMEOUT", "{end}");
    let why = end["errorMessage"].as_str().unwrap_or_default();
    assert!(
        why.contains(&format!("the answer of http://127.0.0.1:{port}/jobs was not seen")),
        "{why}"
    );
    assert!(why.contains("; last: no connection") && !why.contains("hidden"), "{why}");
    Ok(())
}

#[test]
fn what_can_not_be_waited_for_is_refused_with_its_path() -> Result<()> {
    let world = World::started()?;
    let mut lines = world.lines()?;
    for (config, path) in [
        (json!({"file": {"path": ""}}), "nodes[0].config.file.path"),
        (json!({"file": {"path": "x\u{0}"}}), "nodes[0].config.file.path"),
        (json!({"file": {"path": "x", "is": "THERE"}}), "nodes[0].config.file.is"),
        (json!({"file": {}}), "nodes[0].config.file.path"),
        (json!({"port": {"port": 70_000}}), "nodes[0].config.port.port"),
        (json!({"port": {"port": 1, "host": "http://x"}}), "nodes[0].config.port.host"),
        (json!({"http": {"url": "gopher://x"}}), "nodes[0].config.http.url"),
        (json!({"http": {"url": "http://x", "method": "POST"}}), "nodes[0].config.http.method"),
        (json!({"http": {"url": "http://x", "where": "yes"}}), "nodes[0].config.http.where"),
        (
            json!({"http": {"url": "http://x", "where": "{{ item.id }}"}}),
            "nodes[0].config.http.where",
        ),
        (
            json!({"http": {"url": "http://x", "where": "{{ answer. }}"}}),
            "nodes[0].config.http.where",
        ),
        (json!({"file": {"path": "x"}, "every": "5ms"}), "nodes[0].config.every"),
        (json!({"duration": 5, "every": "5s"}), "nodes[0].config.every"),
        (json!({"file": {"path": "x"}, "port": {"port": 1}}), "nodes[0].config.port"),
    ] {
        let definition =
            json!({"name": "n", "nodes": [{"id": "w", "type": "wait", "config": config}]});
        let found = lines.call("workflow.validate", json!({"definition": definition}))?;
        let problems = found["problems"].as_array().context("problems")?;
        assert!(problems.iter().any(|one| one["path"] == path), "{config}: {found}");
        assert!(problems.iter().all(|one| one["message"].as_str().is_some()), "{found}");
        lines.refused("workflow.create", json!({"definition": definition}))?;
    }
    assert_eq!(lines.call("workflow.list", json!({}))?["items"], json!([]));
    Ok(())
}
