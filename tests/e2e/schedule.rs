//! A schedule fires by itself, once for each due instant, and the ledger says so.

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
