//! A dry run starts and stores nothing; a tried node works for real and leaves no execution.

use a2n_tests::command::{a2n, a2n_ok};
use a2n_tests::daemon::World;
use anyhow::Result;
use serde_json::{Value, json};

fn document(witness: &std::path::Path) -> Value {
    json!({
        "name": "report",
        "nodes": [
            {"id": "pick", "type": "set", "config": {"values": {"who": "{{ inputs.who | upper }}"}}},
            {"id": "ask", "type": "shell", "pinned": {"output": [{"line": "recorded"}]},
             "config": {"command": ["sh", "-c", "echo ran >> \"$0\"; echo $1; echo aside >&2", witness, "{{ item.who }}"], "output": "LINES"}},
            {"id": "end", "type": "set", "config": {"values": {"said": "{{ item.line }}"}}},
        ],
        "connections": [{"source": "pick", "target": "ask"}, {"source": "ask", "target": "end"}],
    })
}

#[test]
fn a_dry_run_says_what_would_run_and_starts_nothing() -> Result<()> {
    let world = World::started()?;
    let witness = world.path().join("witness");
    let mut lines = world.lines()?;
    lines.call("workflow.create", json!({"definition": document(&witness), "publish": true}))?;
    let plan = lines.call("workflow.plan", json!({"name": "report", "inputs": {"who": "ada"}}))?;
    let nodes = &plan["nodes"];
    assert_eq!(nodes[0]["output"]["output"][0]["who"], "ADA", "{plan}");
    assert_eq!(nodes[1]["configuration"][0]["command"][4], "ADA", "{plan}");
    assert_eq!((&nodes[1]["runs"], &nodes[1]["output"]), (&json!("YES"), &Value::Null), "{plan}");
    assert_eq!((&nodes[2]["runs"], &nodes[2]["wave"]), (&json!("UNKNOWN"), &json!(3)), "{plan}");
    assert_eq!(nodes[2]["isResolved"], false, "{plan}");

    let told = a2n_ok(&world, &["run", "report", "-i", "who=ada", "--dry-run"])?;
    assert!(told.contains("nothing is started") && told.contains("it works outside"), "{told}");
    // What stands below the table is only wrapped where a terminal says how wide it is.
    let table = told.split("\npick\n").next().unwrap_or_default();
    assert!(table.lines().all(|line| line.chars().count() <= 80), "{told}");
    // A draft's run goes on with what is recorded.
    let draft = lines
        .call("workflow.plan", json!({"name": "report", "draft": true, "inputs": {"who": "x"}}))?;
    assert_eq!(draft["nodes"][2]["output"]["output"][0]["said"], "recorded", "{draft}");
    let wrong = a2n(&world, &["run", "report", "--dry-run"])?;
    assert_eq!(wrong.code, Some(1), "{wrong:?}");
    assert!(wrong.stdout.contains("fails: node `pick`"), "{wrong:?}");

    assert!(!witness.exists(), "a dry run ran something");
    assert_eq!(lines.call("execution.list", json!({}))?["items"], json!([]));
    Ok(())
}

#[test]
fn pinned_output_is_for_drafts_and_tests_only() -> Result<()> {
    let world = World::started()?;
    let witness = world.path().join("witness");
    let mut lines = world.lines()?;
    let problems = lines.call("workflow.validate", json!({"definition": document(&witness)}))?;
    assert!(problems.to_string().contains("\"PINNED\""), "{problems}");
    lines.call("workflow.create", json!({"definition": document(&witness), "publish": true}))?;
    let run = |lines: &mut a2n_tests::lines::Lines, draft: bool| {
        let params =
            json!({"name": "report", "draft": draft, "wait": true, "inputs": {"who": "ada"}});
        lines.call("workflow.run", params)
    };
    let drafted = run(&mut lines, true)?;
    assert_eq!(drafted["outputData"]["end"]["output"][0]["said"], "recorded", "{drafted}");
    assert_eq!(drafted["contextData"]["pinned"], json!(["ask"]), "{drafted}");
    assert!(!witness.exists(), "a pinned node ran");
    let real = run(&mut lines, false)?;
    assert_eq!(real["outputData"]["end"]["output"][0]["said"], "ADA", "{real}");
    let mut wrong = document(&witness);
    wrong["nodes"][1]["pinned"] = json!({"out": []});
    let problems = lines.call("workflow.validate", json!({"definition": wrong}))?;
    assert!(problems.to_string().contains("has no output `out`"), "{problems}");
    Ok(())
}

#[test]
fn one_node_is_tried_for_real_and_leaves_no_execution() -> Result<()> {
    let world = World::started()?;
    let witness = world.path().join("witness");
    let mut lines = world.lines()?;
    let params = |more: Value| {
        let mut params = json!({"definition": document(&witness), "nodeId": "ask"});
        params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        params
    };
    let tried =
        lines.call("workflow.testNode", params(json!({"inputs": [{"who": "a"}, {"who": "b"}]})))?;
    assert_eq!(tried["status"], "SUCCESS", "{tried}");
    assert_eq!(tried["output"]["output"], json!([{"line": "a"}, {"line": "b"}]), "{tried}");
    assert!(tried["lines"].to_string().contains("aside"), "{tried}");
    // What comes in is computed where it can be.
    let tried = lines.call("workflow.testNode", params(json!({"runInputs": {"who": "ada"}})))?;
    assert_eq!(tried["output"]["output"], json!([{"line": "ADA"}]), "{tried}");
    assert_eq!(std::fs::read_to_string(&witness)?, "ran\nran\nran\n");
    let failed = lines.call("workflow.testNode", params(json!({"inputs": [{}]})))?;
    assert_eq!(failed["status"], "FAILED", "{failed}");
    let refused = lines.refused("workflow.testNode", params(json!({"nodeId": "nope"})))?;
    assert_eq!(refused["data"]["kind"], "NOT_FOUND", "{refused}");

    let file = world.path().join("report.json");
    std::fs::write(&file, document(&witness).to_string())?;
    let told = a2n_ok(&world, &["test", "report.json", "end"])?;
    assert!(told.contains("recorded") && told.contains("no execution is kept"), "{told}");
    assert_eq!(lines.call("execution.list", json!({}))?["items"], json!([]));
    let audit = lines.call("auditLog.list", json!({"filter": {"action": "workflow.testNode"}}))?;
    assert!(audit["items"].as_array().is_some_and(|rows| rows.len() >= 3), "{audit}");
    Ok(())
}
