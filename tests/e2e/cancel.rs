//! Cancel stops what runs, all of it.

use a2n_tests::daemon::World;
use anyhow::Result;
use serde_json::json;

#[test]
fn cancel_ends_the_step_and_its_children() -> Result<()> {
    let world = World::started()?;
    let pids = world.path().join("pids");
    let document = json!({
        "name": "long",
        "nodes": [
            {"id": "sleep", "type": "shell", "config": {"command": ["sh", "-c", "sleep 1000 & echo $! > \"$0\"; echo started; wait", pids]}},
            {"id": "after", "type": "noop"},
        ],
        "connections": [{"source": "sleep", "target": "after"}],
    });
    let mut lines = world.lines()?;
    lines.call("workflow.create", json!({"definition": document, "publish": true}))?;
    let run = lines.call("workflow.run", json!({"name": "long"}))?;
    lines.call(
        "executionLog.subscribe",
        json!({"executionId": run["id"], "afterSeq": 0, "follow": true}),
    )?;
    loop {
        let seen = lines.notification()?;
        if seen.to_string().contains("started") {
            break;
        }
    }
    let sleeper: i32 = std::fs::read_to_string(&pids)?.trim().parse()?;
    lines.call("execution.cancel", json!({"id": run["id"]}))?;
    let ended = lines.call("execution.wait", json!({"id": run["id"], "timeout": 60000}))?;
    assert_eq!(ended["status"], "CANCELLED", "{ended}");
    let states =
        lines.call("executionNodeState.list", json!({"filter": {"executionId": run["id"]}}))?;
    let by_node = |node: &str| {
        states["items"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|s| s["nodeId"] == node)
            .map(|s| s["status"].clone())
    };
    assert_eq!(by_node("sleep"), Some(json!("CANCELLED")), "{states}");
    // A killed orphan may stay a zombie for a while where nobody reaps (init of a container).
    let stat = std::fs::read_to_string(format!("/proc/{sleeper}/stat")).unwrap_or_default();
    let state = stat.rsplit(')').next().unwrap_or_default().trim_start().chars().next();
    assert!(matches!(state, None | Some('Z')), "the step's child lives on: {stat}");

    let error = lines.refused("execution.cancel", json!({"id": run["id"]}))?;
    assert_eq!(
        (&error["code"], &error["data"]["kind"]),
        (&json!(412), &json!("PRECONDITION")),
        "{error}"
    );
    Ok(())
}
