//! Settings: what holds now, what waits for a restart, and what is refused with its place.

use a2n_tests::command::{a2n, a2n_ok};
use a2n_tests::daemon::World;
use anyhow::Result;
use serde_json::json;

#[test]
fn a_value_and_its_source_are_of_the_same_moment() -> Result<()> {
    let mut world = World::started()?;
    let shown = |world: &World| -> Result<serde_json::Value> {
        let text = a2n_ok(world, &["settings", "get", "rpc.maxBatch", "-o", "json"])?;
        Ok(serde_json::from_str(&text)?)
    };
    a2n_ok(&world, &["settings", "set", "rpc.maxBatch", "7"])?;
    let before = shown(&world)?;
    assert_eq!((&before["value"], &before["source"]), (&json!(100), &json!("DEFAULT")), "{before}");
    assert_eq!((&before["storeValue"], &before["needsRestart"]), (&json!(7), &json!(true)));
    world.stop()?;
    world.start()?;
    let after = shown(&world)?;
    assert_eq!((&after["value"], &after["source"]), (&json!(7), &json!("STORE")), "{after}");
    assert_eq!(after["needsRestart"], false);
    a2n_ok(&world, &["settings", "reset", "rpc.maxBatch"])?;
    let reset = shown(&world)?;
    assert_eq!((&reset["value"], &reset["source"]), (&json!(7), &json!("STORE")), "{reset}");
    assert_eq!((&reset["storeValue"], &reset["needsRestart"]), (&json!(null), &json!(true)));
    Ok(())
}

#[test]
fn what_is_out_of_range_is_refused_with_its_place_and_a_hint() -> Result<()> {
    let world = World::started()?;
    let mut lines = world.lines()?;
    let refused = lines.refused("appSetting.set", json!({"key": "rpc.maxBatch", "value": 0}))?;
    assert_eq!((&refused["code"], &refused["data"]["path"]), (&json!(422), &json!("value")));
    assert_eq!(refused["data"]["hint"], "the default is 100", "{refused}");
    for (method, params, path) in [
        ("appSetting.list", json!({"limit": 0}), "limit"),
        ("workflow.list", json!({"limit": 1001}), "limit"),
        ("executionSchedule.preview", json!({"schedule": {"every": "1h"}, "count": 5000}), "count"),
    ] {
        let refused = lines.refused(method, params)?;
        assert_eq!((&refused["code"], &refused["data"]["path"]), (&json!(-32602), &json!(path)));
    }
    // Before there is a store to look into.
    let checked = world
        .command("a2nd")
        .args(["--check-config"])
        .env("A2N_SETTING__RPC__MAX_BATCH", "9")
        .output()?;
    let told = String::from_utf8(checked.stdout)?;
    assert!(checked.status.success() && told.contains("rpc.maxBatch = 9 (environment)"), "{told}");
    assert!(told.contains(world.data_dir().to_str().expect("utf-8")), "{told}");
    Ok(())
}

#[test]
fn a_name_that_looks_like_an_id_and_a_key_that_is_taken_are_refused_in_their_own_words()
-> Result<()> {
    let world = World::started()?;
    let mut lines = world.lines()?;
    let named = |name: &str| {
        json!({
            "name": name, "connections": [],
            "nodes": [{"id": "a", "type": "set", "config": {"values": {"n": "{{ inputs.n }}"}}}],
        })
    };
    let id = "0199f1c2-7d3a-7c11-9b1e-3f2a5c6d7e8f";
    let refused = lines.refused("workflow.create", json!({"definition": named(id)}))?;
    assert_eq!((&refused["code"], &refused["data"]["path"]), (&json!(422), &json!("name")));
    lines.call("workflow.create", json!({"definition": named("n"), "publish": true}))?;
    a2n_ok(&world, &["run", "n", "--key", "k1", "-i", "n=1", "--wait"])?;
    let other = a2n(&world, &["run", "n", "--key", "k1", "-i", "n=2"])?;
    assert_eq!(other.code, Some(1), "{other:?}");
    assert!(other.stderr.contains("key `k1` was used with other params"), "{other:?}");
    assert!(other.stderr.contains("hint: take a new key"), "{other:?}");
    Ok(())
}

/// The bounds are on what is shown after the end, never on what the next node gets. An input whose
/// items were cut away was shown as if nothing had come in, and `a2n show` passed over what was cut.
#[test]
fn an_output_that_is_too_large_to_keep_is_handed_on_whole_and_marked_after_the_end() -> Result<()> {
    let mut world = World::new()?;
    for name in ["OUTPUT_KEPT_BYTES", "NODE_STATE_KEPT_BYTES"] {
        world.env.push((format!("A2N_SETTING__ENGINE__{name}"), "1024".into()));
    }
    world.start()?;
    let count = json!({"values": {"n": "{{ item.stdout | length }}"}, "drop": ["stdout"]});
    let document = json!({
        "name": "large",
        "nodes": [
            {"id": "prints", "type": "shell", "config": {"command": ["printf", "%03000d", "7"]}},
            {"id": "counts", "type": "set", "config": count},
            {"id": "copies", "type": "noop"},
        ],
        "connections": [
            {"source": "prints", "target": "counts"},
            {"source": "prints", "target": "copies"},
        ],
    });
    let mut lines = world.lines()?;
    lines.call("workflow.create", json!({"definition": document, "publish": true}))?;
    let id = lines.call("workflow.run", json!({"name": "large"}))?["id"].clone();
    lines.call("execution.wait", json!({"id": id, "timeout": 60000}))?;
    // Once as it is after the end, once as it was stored.
    for _ in 0..2 {
        let ended = lines.call("execution.get", json!({"id": id}))?;
        assert_eq!(ended["status"], "SUCCESS", "{ended}");
        let output = &ended["outputData"];
        assert_eq!(output["counts"]["output"][0]["n"], 3000, "{output}");
        assert_eq!(output["copies"]["cut"], true, "{output}");
        let bytes = output["copies"]["bytes"].as_u64().expect("a size");
        assert!((3000..3100).contains(&bytes), "{output}");
        let mut node = |node: &str| {
            lines.call("executionNodeState.get", json!({"executionId": id, "nodeId": node}))
        };
        let (prints, counts) = (node("prints")?, node("counts")?);
        let cut = |data: &serde_json::Value| {
            let bytes = data["bytes"].as_u64().unwrap_or_default();
            data["cut"] == true && (3000..3100).contains(&bytes)
        };
        assert!(cut(&prints["outputData"]), "{prints}");
        assert!(cut(&counts["inputData"]), "{counts}");
        assert_eq!(counts["outputData"]["output"][0]["n"], 3000, "{counts}");
        world.stop()?;
        world.start()?;
        lines = world.lines()?;
    }
    let shown = a2n_ok(&world, &["show", id.as_str().expect("an id")])?;
    assert!(shown.contains("copies · too large to keep: 30"), "{shown}");
    // A result that is gone can't be built on; the way out is said.
    let again = lines.refused("execution.retry", json!({"id": id, "from": "counts"}))?;
    let told = again["data"]["message"].as_str().unwrap_or_default();
    assert!(told.contains("`prints` was cut away") && told.contains("START"), "{again}");
    Ok(())
}
