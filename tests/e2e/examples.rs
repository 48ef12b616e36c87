//! Every file in examples/ does on this machine what it says. (`quickstart` runs host-report.)

use std::path::Path;

use a2n_tests::command::a2n_ok;
use a2n_tests::daemon::World;
use anyhow::Result;
use serde_json::json;

#[test]
fn every_example_runs() -> Result<()> {
    let world = World::started()?;
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    a2n_ok(&world, &["apply", "-f", &examples.display().to_string()])?;
    let named = |name: &str| world.path().join(name).display().to_string();
    let run = |words: &[&str]| a2n_ok(&world, &[&["run", "--wait"], words].concat());

    std::fs::create_dir(world.path().join("logs"))?;
    let old = world.path().join("logs/an old one.log");
    std::fs::File::create(&old)?.set_modified(std::time::UNIX_EPOCH)?;
    let folder = format!("folder={}", named("logs"));
    run(&["log-cleanup", "-i", &folder])?;
    assert!(old.exists(), "looking removed it");
    run(&["log-cleanup", "-i", &folder, "-i", "mode=remove"])?;
    assert!(!old.exists(), "it is still there");

    let (from, to) = (format!("from={}", named("logs")), format!("to={}", named("home")));
    run(&["backup", "-i", &from, "-i", &to])?;
    let archives = std::fs::read_dir(world.home())?
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().ends_with(".tar.gz"))
        .count();
    assert_eq!(archives, 1);

    std::fs::create_dir(world.path().join("media"))?;
    std::fs::write(world.path().join("media/one"), "1")?;
    std::fs::write(world.path().join("media/two"), "2")?;
    let folder = format!("folder={}", named("media"));
    run(&["media-import", "-i", &folder])?;
    let tree = a2n_ok(&world, &["tree", "media-import"])?;
    assert_eq!(tree.matches("import-one").count(), 2, "{tree}");

    // Nobody listens at port 1: that is a finding, not a failure.
    let report = format!("report={}", named("certificates.txt"));
    run(&["certificates", "-i", "hosts:=[\"127.0.0.1:1\"]", "-i", &report])?;
    assert_eq!(std::fs::read_to_string(named("certificates.txt"))?, "127.0.0.1:1: no answer\n");
    let notes = format!("notes={}", named("watch.txt"));
    run(&["service-watch", "-i", "url=http://127.0.0.1:1/", "-i", &notes])?;
    assert!(std::fs::read_to_string(named("watch.txt"))?.contains("http://127.0.0.1:1/"));

    let mut lines = world.lines()?;
    lines.call("system.subscribe", json!({"topics": ["executionNodeState"]}))?;
    let run = lines.call("workflow.run", json!({"name": "deploy-approval"}))?["id"].clone();
    a2n_ok(&world, &["emit", "build.done", "-d", "{\"version\": \"1.2\"}"])?;
    while !lines.notification()?.to_string().contains("\"APPROVAL\"") {}
    let asked = a2n_ok(&world, &["approvals", "-o", "json"])?;
    assert!(asked.contains("Deploy 1.2?"), "{asked}");
    a2n_ok(&world, &["approve", "deploy-approval", "--yes", "-i", "window=now"])?;
    let ended = lines.call("execution.wait", json!({"id": run, "timeout": 60000}))?;
    assert_eq!(ended["status"], "SUCCESS", "{ended}");
    let told = a2n_ok(&world, &["events", "deploy.done", "-o", "name"])?;
    assert_eq!(told, "2\n");
    Ok(())
}
