//! People decide: two of them, not the one who asked, in time, and whatever crashes in between.

use a2n_tests::command::{a2n, a2n_ok};
use a2n_tests::daemon::World;
use a2n_tests::several::Several;
use anyhow::Result;
use serde_json::{Value, json};

const ROOT: u32 = 0;
const BOB: u32 = 61_001;
const ZOE: u32 = 61_002;
const EVE: u32 = 61_003;

fn document(name: &str, config: &Value) -> Value {
    json!({
        "name": name,
        "nodes": [
            {"id": "sure", "type": "approval", "config": config},
            {"id": "go", "type": "noop"},
            {"id": "stop", "type": "stop", "config": {"status": "FAILED", "message": "refused"}},
        ],
        "connections": [
            {"source": "sure", "sourceHandle": "approved", "target": "go"},
            {"source": "sure", "sourceHandle": "rejected", "target": "stop"},
        ],
    })
}

#[test]
fn two_people_approve_and_a_crash_between_their_votes_loses_none() -> Result<()> {
    let Some(mut several) = Several::started()? else { return Ok(()) };
    several.ok(ROOT, &["user", "add", "bob", "--uid", "61001"])?;
    several.ok(ROOT, &["user", "add", "zoe", "--uid", "61002"])?;
    several.ok(ROOT, &["user", "add", "eve", "--uid", "61003"])?;
    let config = json!({
        "message": "Deploy {{ item.version }}?", "quorum": 2,
        "approvers": {"users": ["bob", "zoe", "eve"]},
    });
    let create = json!({"definition": document("deploy", &config), "publish": true});
    several.call(EVE, "workflow.create", &create)?;
    let inputs = json!({"name": "deploy", "inputs": {"version": "1.10"}});
    let run = several.call(EVE, "workflow.run", &inputs)?["id"].clone();
    let id = run.as_str().unwrap_or_default().to_owned();

    // Who started it may see it wait, but not decide; who is asked sees the question.
    let own = several.a2n(EVE, &["approve", &id, "--yes"])?;
    assert_eq!(own.code, Some(4), "{}", own.stderr);
    assert!(own.stderr.contains("you started this execution"), "{}", own.stderr);
    let asked = several.ok(BOB, &["approvals"])?;
    assert!(asked.contains("Deploy 1.10?") && asked.contains("0/2"), "{asked}");
    // Bob neither owns nor shares the workflow: he may decide, not read.
    let hidden = several.a2n(BOB, &["rpc", "execution.get", &json!({"id": run}).to_string()])?;
    assert_eq!(hidden.code, Some(3), "{}", hidden.stderr);
    let answer = several.call(
        BOB,
        "execution.approve",
        &json!({"id": run, "nodeId": "sure", "decision": "APPROVE", "comment": "fine"}),
    )?;
    assert_eq!((&answer["status"], &answer["triggerData"]), (&json!("PAUSED"), &Value::Null));
    several.world.kill()?;
    several.start()?;
    let waiting =
        several.call(EVE, "executionNodeState.get", &json!({"id": format!("{id}/sure/")}))?;
    assert_eq!(waiting["waiting"]["kind"], "APPROVAL", "{waiting}");
    assert_eq!(waiting["waiting"]["detail"], "1 of 2 approved; bob, zoe, eve may decide");
    // The same person twice is one person.
    several.ok(BOB, &["approve", &id, "sure", "--yes", "-m", "still fine"])?;
    several.ok(ZOE, &["approve", &id, "--yes"])?;
    let ended = several.call(EVE, "execution.wait", &json!({"id": run, "timeout": 60000}))?;
    assert_eq!(ended["status"], "SUCCESS", "{ended}");
    let state = several.call(EVE, "executionNodeState.get", &json!({"id": format!("{id}/go/")}))?;
    let approval = &state["inputData"]["input"][0]["approval"];
    assert_eq!(approval["decision"], "APPROVED", "{state}");
    let who: Vec<&Value> = (0..2).map(|n| &approval["decisions"][n]["by"]).collect();
    assert_eq!(who, [&json!("bob"), &json!("zoe")]);
    assert_eq!(approval["decisions"][0]["comment"], "still fine");
    // Too late: it says who decided.
    let late = several.a2n(BOB, &["approve", &id, "sure", "--no"])?;
    assert_ne!(late.code, Some(0));
    assert!(several.ok(ROOT, &["approvals", "--all"])?.contains("Nothing waits"));
    // Each vote is in the trail with who gave it.
    let filter = json!({"filter": {"action": "execution.approve"}, "sort": "createdAt"});
    let rows = several.call(ROOT, "auditLog.list", &filter)?;
    let uids: Vec<&Value> =
        rows["items"].as_array().into_iter().flatten().map(|row| &row["metadata"]["uid"]).collect();
    assert_eq!(uids, [&json!(BOB), &json!(BOB), &json!(ZOE)], "{rows}");
    Ok(())
}

#[test]
fn a_form_is_checked_and_the_item_carries_it() -> Result<()> {
    let world = World::started()?;
    let config = json!({
        "message": "When?", "reason": "REQUIRED",
        "form": {
            "type": "object", "required": ["window"], "additionalProperties": false,
            "properties": {"window": {"enum": ["now", "tonight"]}},
        },
    });
    let mut lines = world.lines()?;
    let create = json!({"definition": document("ask", &config), "publish": true});
    lines.call("workflow.create", create)?;
    let run = lines.call("workflow.run", json!({"name": "ask"}))?["id"].clone();
    let vote = |form: Value, comment: Value| json!({"id": run, "nodeId": "sure", "decision": "APPROVE", "form": form, "comment": comment});
    for (params, code, path) in [
        (vote(json!({"window": "now"}), Value::Null), 422, "comment"),
        (vote(Value::Null, json!("go")), 422, "form"),
        (vote(json!({"window": "{{ secrets }}"}), json!("go")), 422, "form.window"),
        (vote(json!({"window": "now", "x": 1}), json!("go")), 422, "form"),
        (vote(json!({"window": "x".repeat(100_000)}), json!("go")), 413, "form"),
    ] {
        let error = lines.refused("execution.approve", params)?;
        assert_eq!(
            (&error["code"], &error["data"]["path"]),
            (&json!(code), &json!(path)),
            "{error}"
        );
    }
    let ran = a2n(&world, &["approve", "ask", "--yes", "-m", "go", "-i", "window=tonight"])?;
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let ended = lines.call("execution.wait", json!({"id": run, "timeout": 60000}))?;
    assert_eq!(ended["status"], "SUCCESS", "{ended}");
    let late = lines.refused("execution.approve", vote(json!({"window": "now"}), json!("go")))?;
    assert_eq!(late["code"], 412, "{late}");
    let message = late["data"]["message"].as_str().unwrap_or_default();
    assert!(message.contains("decided already: approved by"), "{message}");
    Ok(())
}

#[test]
fn time_decides_where_nobody_does_and_one_no_is_enough() -> Result<()> {
    let world = World::started()?;
    let mut lines = world.lines()?;
    let expiry = json!({"message": "?", "expiry": "50ms", "onExpiry": "APPROVE"});
    let create = json!({"definition": document("quick", &expiry), "publish": true});
    lines.call("workflow.create", create)?;
    let run = lines.call("workflow.run", json!({"name": "quick"}))?["id"].clone();
    let ended = lines.call("execution.wait", json!({"id": run, "timeout": 60000}))?;
    assert_eq!(ended["status"], "SUCCESS", "{ended}");
    let late = json!({"id": run, "nodeId": "sure", "decision": "REJECT"});
    let late = lines.refused("execution.approve", late)?;
    let message = late["data"]["message"].as_str().unwrap_or_default().to_owned();
    assert!(message.contains("approved, since nobody decided in time"), "{message}");

    let two = json!({"message": "?", "quorum": 2});
    let create = json!({"definition": document("two", &two), "publish": true});
    lines.call("workflow.create", create)?;
    let run = lines.call("workflow.run", json!({"name": "two"}))?["id"].clone();
    a2n_ok(&world, &["approve", "two", "--no", "-m", "no way"])?;
    let ended = lines.call("execution.wait", json!({"id": run, "timeout": 60000}))?;
    assert_eq!((&ended["status"], &ended["errorMessage"]), (&json!("FAILED"), &json!("refused")));
    Ok(())
}
