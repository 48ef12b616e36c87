//! A schedule fires by itself, once for each due instant, and the ledger says so.

use a2n_tests::command::a2n_ok;
use a2n_tests::daemon::World;
use anyhow::Result;
use serde_json::json;

#[test]
fn a_schedule_fires() -> Result<()> {
    let world = World::started()?;
    let mut lines = world.lines()?;
    let document = json!({
        "name": "ticking",
        "nodes": [{"id": "a", "type": "set", "config": {"values": {"at": "{{ now }}"}}}],
        "triggers": [{"type": "SCHEDULE", "name": "each-second", "configuration": {"schedule": {"cron": "* * * * * *", "timezone": "UTC"}}}],
    });
    lines.call("system.subscribe", json!({"topics": ["execution"]}))?;
    let made = lines.call("workflow.create", json!({"definition": document, "publish": true}))?;
    let triggers =
        lines.call("workflowTrigger.list", json!({"filter": {"workflowId": made["id"]}}))?;
    assert_eq!(triggers["items"][0]["name"], "each-second", "{triggers}");
    let mut fired = 0;
    while fired < 2 {
        let seen = lines.notification()?;
        for change in seen["params"]["result"]["items"].as_array().into_iter().flatten() {
            fired += usize::from(change["change"] == "CREATED");
        }
    }
    let list = lines.call("execution.list", json!({"filter": {"workflowId": made["id"]}}))?;
    assert!(list["items"][0]["triggerId"] == triggers["items"][0]["id"], "{list}");
    let next = lines
        .call("workflowTrigger.next", json!({"id": triggers["items"][0]["id"], "count": 3}))?;
    assert_eq!(next["times"].as_array().map(Vec::len), Some(3), "{next}");

    // Off takes effect at once.
    lines.call(
        "workflowTrigger.update",
        json!({"id": triggers["items"][0]["id"], "patch": {"isActive": false}}),
    )?;
    let upcoming = lines.call(
        "executionSchedule.upcoming",
        json!({"from": "2026-01-01T00:00:00Z", "to": "2099-01-01T00:00:00Z"}),
    )?;
    assert_eq!(upcoming["items"], json!([]), "{upcoming}");
    let counted = lines.call("workflowTrigger.get", json!({"id": triggers["items"][0]["id"]}))?;
    assert!(counted["triggerCount"].as_u64() >= Some(2), "{counted}");
    Ok(())
}

/// The story: what can never fire (kinds that this version does not arm, a time that has passed, a
/// workflow that is not published) was listed as armed.
#[test]
fn what_never_fires_does_not_look_armed() -> Result<()> {
    let world = World::started()?;
    let mut lines = world.lines()?;
    let document = json!({"name": "later", "nodes": [{"id": "a", "type": "noop"}]});
    let made = lines.call("workflow.create", json!({"definition": document}))?;
    let mut add = |name: &str, kind: &str, configuration: serde_json::Value| {
        let params = json!({"workflow": "later", "name": name, "type": kind, "configuration": configuration});
        lines.call("workflowTrigger.create", params)
    };
    let hourly = json!({"schedule": {"cron": "0 * * * *"}});
    let draft = add("draft", "SCHEDULE", hourly)?;
    assert_eq!(draft["armError"], "its workflow is not published", "{draft}");
    let hook = add("hook", "WEBHOOK", json!({"webhook": {"path": "/a"}}))?;
    assert_eq!(hook["armError"], "this version does not arm WEBHOOK and EVENT triggers");
    let listed = a2n_ok(&world, &["trigger", "ls"])?;
    assert!(listed.contains("no: its workflow is not published"), "{listed}");

    lines.call("system.subscribe", json!({"topics": ["workflowTrigger"]}))?;
    lines.call("workflow.publish", json!({"id": made["id"]}))?;
    let get = json!({"id": draft["id"]});
    while !lines.call("workflowTrigger.get", get.clone())?["armError"].is_null() {
        lines.notification()?;
    }
    let params = json!({"workflow": "later", "name": "past", "type": "SCHEDULE", "configuration": {"schedule": {"at": "2001-01-01T00:00:00Z"}}});
    let past = lines.call("workflowTrigger.create", params)?;
    assert_eq!(past["armError"], "it is not due any more: its time has passed", "{past}");
    Ok(())
}
