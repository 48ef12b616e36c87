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
  - {type: WEBHOOK, name: hook, configuration: {webhook: {path: no slash}}}
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
        "triggers[1].configuration.webhook.path",
        "WEBHOOK_OPEN",
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

/// The story: in a folder of forty files one had a tab in it; that one line was all that was said,
/// and the next try told the next file.
#[test]
fn one_broken_file_hides_no_problem_of_the_others_and_nothing_is_applied() -> Result<()> {
    let world = World::started()?;
    let folder = world.path().join("workflows");
    std::fs::create_dir(&folder)?;
    let put = |name: &str, text: &str| std::fs::write(folder.join(name), text);
    put("a.yaml", "name: fine\nnodes:\n  - {id: a, type: noop}\n")?;
    put("b.yaml", "name: b\nnodes:\n\t- id: a\n")?;
    put("c.yaml", "name: c\nnodes:\n  - {id: a, id: b, type: noop}\n")?;
    put("d.yaml", "name: d\nnodes:\n  - {id: a, type: shel}\n")?;
    put("e.yaml", "name: e\nvariables: !!python/object:os.system {}\n")?;
    put("f.yaml", "")?;
    put("g.yaml", "- name: g\n")?;
    for command in ["apply", "validate"] {
        let ran = a2n(&world, &[command, "-f", "workflows"])?;
        assert_eq!(ran.code, Some(6), "{ran:?}");
        let told = format!("{}{}", ran.stdout, ran.stderr);
        for word in [
            "workflows/b.yaml:3:2: nodes: a tab",
            "workflows/c.yaml:3:13: nodes[0].id: `id` stands twice",
            "workflows/d.yaml:3: nodes[0].type: UNKNOWN_TYPE",
            "workflows/e.yaml:2:12: variables: the tag `!!python/object:os.system`",
            "workflows/f.yaml: there is no document",
            "workflows/g.yaml:1: ",
        ] {
            assert!(told.contains(word), "{command}: `{word}` is missing in\n{told}");
        }
    }
    let mut lines = world.lines()?;
    assert_eq!(lines.call("workflow.list", json!({}))?["items"], json!([]));
    // Who reads along on a machine without a daemon hears of the files all the same.
    let nowhere = ["--socket", "/nonexistent/a2nd.sock", "apply", "-f", "workflows"];
    let ran = a2n(&world, &nowhere)?;
    assert_eq!(ran.code, Some(6), "{ran:?}");
    assert!(ran.stderr.contains("c.yaml:3:13"), "{ran:?}");
    Ok(())
}

#[test]
fn what_this_version_cannot_run_is_saved_and_refused_when_published_or_run() -> Result<()> {
    let world = World::started()?;
    let mut lines = world.lines()?;
    let shell = |member: &str, value: Value| {
        let mut node = json!({"id": "a", "type": "shell", "config": {"command": ["true"]}});
        node[member] = value;
        json!({"name": member, "nodes": [node]})
    };
    let user = shell("runAs", json!("nobody"));
    let limits = shell("limits", json!({"memory": 1 << 20}));
    for definition in [user, limits] {
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

/// What happened: nobody noticed a slip in the name of the workflow that is started on a failure,
/// until a failure. The document alone can't tell; whoever has the store can.
#[test]
fn an_error_workflow_that_is_not_there_is_told_wherever_a_document_comes_in() -> Result<()> {
    let world = World::started()?;
    let mut lines = world.lines()?;
    let document = |name: &str, error: Option<&str>| {
        let mut definition = json!({"name": name, "nodes": [{"id": "a", "type": "noop"}]});
        if let Some(error) = error {
            definition["settings"] = json!({"errorWorkflow": error});
        }
        definition
    };
    let slip = document("report", Some("alrm"));
    let checked = lines.call("workflow.validate", json!({"definition": slip}))?;
    let told = &checked["problems"][0];
    assert_eq!(
        (&told["path"], &told["code"], &told["severity"]),
        (&json!("settings.errorWorkflow"), &json!("UNKNOWN_WORKFLOW"), &json!("ERROR")),
        "{checked}"
    );
    for (method, params) in [
        ("workflow.create", json!({"definition": slip})),
        ("workflow.apply", json!({"documents": [slip], "draft": true})),
        ("workflow.apply", json!({"documents": [slip], "draft": true, "dryRun": true})),
    ] {
        let error = lines.refused(method, params)?;
        let (code, path) = (&error["code"], &error["data"]["path"]);
        assert_eq!((code, path), (&json!(422), &json!("settings.errorWorkflow")), "{error}");
    }
    // What comes to be in the same commit is there.
    let both = json!([document("report", Some("alarm")), document("alarm", None)]);
    lines.call("workflow.apply", json!({"documents": both, "draft": true}))?;
    let patch = json!({"name": "report", "patch": {"settings": {"errorWorkflow": "alrm"}}});
    let error = lines.refused("workflow.update", patch)?;
    assert_eq!(error["data"]["hint"], "did you mean `alarm`?", "{error}");
    Ok(())
}

#[test]
fn a_topic_that_no_change_has_is_refused() -> Result<()> {
    let world = World::started()?;
    let mut lines = world.lines()?;
    let topics = json!({"topics": ["execution", "workflo"]});
    let error = lines.refused("system.subscribe", topics)?;
    assert_eq!((&error["code"], &error["data"]["path"]), (&json!(422), &json!("topics[1]")));
    assert!(error["data"]["hint"].as_str().is_some_and(|h| h.contains("`workflow`")), "{error}");
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

#[test]
fn what_a_step_asks_for_in_vain_is_refused_before_anything_runs() -> Result<()> {
    let world = World::started()?;
    let mut lines = world.lines()?;
    for (n, (member, value, path)) in [
        ("credentials", json!({"token": "mine"}), "nodes[1].credentials"),
        ("runAs", json!("nobody"), "nodes[1].runAs"),
        ("runOn", json!("elsewhere"), "nodes[1].runOn"),
        ("limits", json!({"time": 5, "memory": 1_000_000}), "nodes[1].limits.memory"),
        ("limits", json!({"cpu": 50}), "nodes[1].limits.cpu"),
        ("limits", json!({"tasks": 5}), "nodes[1].limits.tasks"),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("wish{n}");
        let mut node = json!({"id": "b", "type": "noop"});
        node[member] = value;
        let nodes = json!([{"id": "a", "type": "noop"}, node]);
        let definition = json!({"name": name, "nodes": nodes});
        let publish = json!({"definition": definition, "publish": true});
        let draft = json!({"definition": definition});
        let run = json!({"name": name, "draft": true});
        for (method, params, refused) in [
            ("workflow.create", publish, true),
            ("workflow.create", draft, false),
            ("workflow.publish", json!({"name": name}), true),
            ("workflow.run", run, true),
        ] {
            let answer = lines.response(method, params)?;
            assert_eq!(answer["error"].is_object(), refused, "{method}: {answer}");
            if refused {
                let (code, data) = (&answer["error"]["code"], &answer["error"]["data"]);
                assert_eq!((code, &data["path"]), (&json!(501), &json!(path)), "{answer}");
                assert!(data["hint"].is_string(), "{answer}");
            }
        }
    }
    assert_eq!(lines.call("execution.list", json!({}))?["items"], json!([]));
    Ok(())
}

/// Two documents of one name were both taken: the second became version 2 of the first.
#[test]
fn documents_with_one_name_are_refused_with_both_places() -> Result<()> {
    let world = World::started()?;
    let folder = world.path().join("workflows");
    std::fs::create_dir(&folder)?;
    let put = |name: &str, text: &str| std::fs::write(folder.join(name), text);
    put("a.yaml", "name: dd\nnodes:\n  - {id: a, type: noop}\n")?;
    put("b.yaml", "name: ee\nnodes:\n  - {id: a, type: shel}\n---\nname: dd\nnodes: []\n")?;
    for command in ["apply", "validate"] {
        let ran = a2n(&world, &[command, "-f", "workflows"])?;
        assert_eq!(ran.code, Some(6), "{command}: {ran:?}");
        let told = "workflows/b.yaml:5: name: DUPLICATE_NAME: the document in workflows/a.yaml:1";
        assert_eq!(ran.stderr.matches(told).count(), 1, "{command}: {ran:?}");
        assert_eq!(ran.stderr.matches("DUPLICATE_NAME").count(), 1, "{command}: {ran:?}");
        assert!(format!("{}{}", ran.stdout, ran.stderr).contains("nodes[0].type"), "{ran:?}");
    }
    let mut lines = world.lines()?;
    let one = json!({"name": "dd", "nodes": [{"id": "a", "type": "noop"}]});
    let refused = lines.refused("workflow.apply", json!({"documents": [one, one]}))?;
    assert_eq!(refused["code"], 422, "{refused}");
    let problem = &refused["data"]["problems"][0];
    assert_eq!(
        (&problem["path"], &problem["code"]),
        (&json!("documents[1].name"), &json!("DUPLICATE_NAME"))
    );
    assert_eq!(problem["message"], "documents[0] is named `dd` too");
    assert_eq!(lines.call("workflow.list", json!({}))?["items"], json!([]));
    Ok(())
}

/// What this version can't run was told without saying in which of the documents.
#[test]
fn what_is_not_built_yet_is_told_with_its_document_file_and_line() -> Result<()> {
    let world = World::started()?;
    let text = "name: a\nnodes:\n  - {id: a, type: noop}\n---\nname: b\nnodes:\n  - id: a\n    type: noop\n    runAs: nobody\n";
    std::fs::write(world.path().join("two.yaml"), text)?;
    let ran = a2n(&world, &["apply", "-f", "two.yaml"])?;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let told = "a2n: two.yaml:9: nodes[0].runAs: runAs, which node `a` asks for, is not built";
    assert!(ran.stderr.contains(told), "{ran:?}");
    Ok(())
}
