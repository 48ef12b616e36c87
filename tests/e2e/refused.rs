//! Bad workflows: all problems at once, each with path, code and hint; nothing is stored.

use a2n_tests::command::a2n;
use a2n_tests::daemon::World;
use anyhow::Result;
use serde_json::{Value, json};

const EVERY_FAULT: &str = r#"
name: broken
surprise: 1
nodes:
  - {id: a, type: shel, config: {command: [df]}}
  - {id: b, type: filter, config: {where: "{{ item.x > }}"}}
  - {id: b, type: noop}
  - {id: c, type: http, config: {method: FETCH}}
  - {id: d, type: set, config: {values: {x: "{{ nodes['e'].item.y }}"}}}
  - {id: e, type: noop}
  - {id: f, type: shell, config: {script: "echo {{ item.x }}", interpreter: sh}}
  - {id: g, type: set, config: {values: {x: "{{ secrets.key }}"}}}
connections:
  - {source: d, target: e}
  - {source: d, target: e}
  - {source: e, target: nowhere}
  - {source: e, target: g, sourceHandle: "true"}
triggers:
  - {type: SCHEDULE, name: bad, configuration: {schedule: {cron: "61 * * * *", timezone: Europe/Berln}}}
"#;

#[test]
fn every_fault_is_named_at_once_and_nothing_is_stored() -> Result<()> {
    let world = World::started()?;
    std::fs::write(world.path().join("broken.yaml"), EVERY_FAULT)?;
    let ran = a2n(&world, &["validate", "-f", "broken.yaml", "-o", "json"])?;
    assert_eq!(ran.code, Some(6), "{ran:?}");
    let ran = a2n(&world, &["apply", "-f", "broken.yaml"])?;
    assert_eq!(ran.code, Some(6), "{ran:?}");
    let told = format!("{}{}", ran.stdout, ran.stderr);
    for word in [
        "surprise",
        "shel",
        "nodes[1].config.where",
        "nodes[2].id",
        "nodes[3].config",
        "nodes[4]",
        "nodes[6].config.script",
        "nodes[7]",
        "triggers[0].configuration.schedule.cron",
        "connections[1]",
        "connections[2].target",
        "connections[3].sourceHandle",
        "cron",
        "Europe/Berlin",
    ] {
        assert!(told.contains(word), "`{word}` is missing in\n{told}");
    }
    let mut lines = world.lines()?;
    assert_eq!(lines.call("workflow.list", json!({}))?["items"], json!([]));
    Ok(())
}

#[test]
fn what_this_version_cannot_run_is_saved_and_refused_when_published_or_run() -> Result<()> {
    let world = World::started()?;
    let mut lines = world.lines()?;
    let cycle = json!({
        "name": "cycle",
        "nodes": [
            {"id": "start", "type": "noop"},
            {"id": "ask", "type": "noop"},
            {"id": "done", "type": "if", "config": {"where": "{{ true }}"}},
        ],
        "connections": [
            {"source": "start", "target": "ask"},
            {"source": "ask", "target": "done"},
            {"source": "done", "target": "ask", "sourceHandle": "false"},
        ],
    });
    let join = json!({
        "name": "join",
        "nodes": [{"id": "a", "type": "noop"}, {"id": "b", "type": "noop", "join": "ANY"}],
        "connections": [{"source": "a", "target": "b"}],
    });
    let finally = json!({"name": "finally", "nodes": [{"id": "a", "type": "noop"}, {"id": "b", "type": "noop", "finally": true}]});
    let queue = json!({
        "name": "queue",
        "nodes": [{"id": "a", "type": "noop"}],
        "settings": {"concurrency": {"maxInstances": 1, "policy": "QUEUE"}},
    });
    for definition in [cycle, join, finally, queue] {
        let name = definition["name"].clone();
        let checked = lines.call("workflow.validate", json!({"definition": definition}))?;
        let errors: Vec<&Value> = checked["problems"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|p| p["severity"] == "ERROR")
            .collect();
        assert!(errors.is_empty(), "{name}: {errors:?}");
        let made = lines.call("workflow.create", json!({"definition": definition}))?;
        let error = lines.refused("workflow.publish", json!({"id": made["id"]}))?;
        assert_eq!(
            (&error["code"], &error["data"]["kind"]),
            (&json!(501), &json!("UNSUPPORTED")),
            "{error}"
        );
        let error = lines.refused("workflow.run", json!({"id": made["id"], "draft": true}))?;
        assert_eq!(error["code"], 501, "{error}");
    }
    Ok(())
}

#[test]
fn wrong_calls_are_refused_with_the_protocol_s_own_errors() -> Result<()> {
    let world = World::started()?;
    let mut lines = world.lines()?;
    for (sent, code) in [
        ("{\"jsonrpc\":\"2.0\",", -32700),
        ("{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"system.ping\"}", -32600),
        ("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"no.such\"}", -32601),
        ("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"workflow.get\",\"params\":[1]}", -32602),
        (
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"workflow.get\",\"params\":{\"idd\":1}}",
            -32602,
        ),
    ] {
        lines.send(format!("{sent}\n").as_bytes())?;
        let answer = lines.read()?.expect("an answer");
        assert_eq!(answer["error"]["code"], code, "{sent} → {answer}");
    }
    assert_eq!(lines.call("system.ping", json!({}))?["pong"], true);
    Ok(())
}
