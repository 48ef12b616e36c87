//! Two editors: the one with the stale revision is told, nothing is overwritten.

use a2n_tests::daemon::World;
use anyhow::Result;
use serde_json::json;

#[test]
fn a_stale_save_is_refused_with_the_present_revision() -> Result<()> {
    let world = World::started()?;
    let (mut alice, mut bob) = (world.lines()?, world.lines()?);
    let document = |text: &str| json!({"name": "shared", "nodes": [{"id": "a", "type": "set", "config": {"values": {"by": text}}}]});
    let made = alice.call("workflow.create", json!({"definition": document("start")}))?;
    assert_eq!(made["publishedVersion"], json!(null));
    let saved = alice.call(
        "workflow.update",
        json!({"id": made["id"], "patch": {"definition": document("alice")}, "ifRevision": made["revision"]}),
    )?;
    assert_eq!(saved["version"], 2);
    let error = bob.refused(
        "workflow.update",
        json!({"id": made["id"], "patch": {"definition": document("bob")}, "ifRevision": made["revision"]}),
    )?;
    assert_eq!(error["data"]["kind"], "CONFLICT");
    assert_eq!(error["data"]["current"], saved["revision"]);
    assert!(error["data"]["hint"].is_string());
    let now = bob.call("workflow.get", json!({"id": made["id"]}))?;
    assert_eq!(now["definition"]["nodes"][0]["config"]["values"]["by"], "alice");
    // A save that changes nothing makes no version.
    let same = bob.call(
        "workflow.update",
        json!({"id": made["id"], "patch": {"definition": document("alice")}}),
    )?;
    assert_eq!(same["version"], 2);
    let versions =
        bob.call("workflowVersion.list", json!({"filter": {"workflowId": made["id"]}}))?;
    assert_eq!(versions["items"].as_array().map(Vec::len), Some(2), "{versions}");
    Ok(())
}
