//! What the command says is true, names commands and not methods, and says it once.

use a2n_tests::command::{a2n, a2n_ok, a2n_with_input};
use a2n_tests::daemon::World;
use anyhow::{Context, Result};
use serde_json::json;

const FAILS: &str = "
name: fails
nodes:
  - {id: soft, type: shell, onError: CONTINUE, config: {command: [sh, -c, 'exit 1']}}
  - {id: hard, type: shell, config: {command: [sh, -c, 'exit 7']}}
connections:
  - {source: soft, target: hard}
";

fn with_a_failure() -> Result<(World, String)> {
    let world = World::started()?;
    let ran = a2n_with_input(&world, &["apply", "-f", "-"], FAILS)?;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let ran = a2n(&world, &["run", "fails", "--wait"])?;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let id = a2n_ok(&world, &["ps", "-a", "-o", "name"])?.trim().to_owned();
    assert!(ran.stdout.contains("\n  node `hard` failed: exit code 7"), "{ran:?}");
    Ok((world, id))
}

/// `a: node `a` failed: …` named the node twice, and a step that went on looked like one that failed.
#[test]
fn a_failure_is_told_once() -> Result<()> {
    let (world, id) = with_a_failure()?;
    let shown = a2n_ok(&world, &["show", &id, "-o", "wide"])?;
    assert!(shown.contains("went on after: exit code 1"), "{shown}");
    // A retry says what it did not do itself.
    let ran = a2n(&world, &["retry", &id, "--wait"])?;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let shown = a2n_ok(&world, &["show", "fails", "-o", "wide"])?;
    assert!(shown.contains("retry of"), "{shown}");
    Ok(())
}

/// Inputs were taken and then not used: what is taken over does not see them, and that is said.
#[test]
fn other_inputs_are_for_what_runs_again() -> Result<()> {
    let (world, id) = with_a_failure()?;
    let told = a2n_ok(&world, &["retry", &id, "--from", "hard", "-i", "x=1"])?;
    assert!(told.contains("was done with the earlier inputs"), "{told}");
    let mut lines = world.lines()?;
    let params = json!({"id": id, "from": "FAILED_NODE", "inputs": [1]});
    let refused = lines.refused("execution.retry", params)?;
    assert_eq!((&refused["code"], &refused["data"]["path"]), (&json!(422), &json!("inputs")));
    a2n_ok(&world, &["retry", &id, "--from", "START", "-i", "x=1"])?;
    Ok(())
}

/// A word without a match read as if there were no workflows, a node that is not there as if it had
/// printed nothing, and hints named methods of the socket.
#[test]
fn what_is_not_there_is_told_as_that() -> Result<()> {
    let (world, id) = with_a_failure()?;
    assert_eq!(a2n_ok(&world, &["ls", "zz"])?, "No such workflows. `a2n ls` shows all.\n");
    for of in [id.as_str(), "fails"] {
        let ran = a2n(&world, &["logs", of, "--node", "zz"])?;
        assert_eq!(ran.code, Some(3), "{ran:?}");
        assert!(ran.stderr.contains("no node `zz`"), "{ran:?}");
        assert!(ran.stderr.contains("hint: `a2n "), "{ran:?}");
        a2n_ok(&world, &["logs", of, "--node", "hard"])?;
    }
    let ran = a2n(&world, &["show", "nowhere"])?;
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert!(ran.stderr.contains("hint: `a2n ls` shows what you may see"), "{ran:?}");
    Ok(())
}

/// A document may have a local time in the schedule's own zone; the option refused it.
#[test]
fn a_trigger_is_due_once_at_a_local_time() -> Result<()> {
    let (world, _) = with_a_failure()?;
    let at = ["--at", "2127-01-01T00:00:00", "--tz", "Europe/Berlin"];
    a2n_ok(&world, &[&["trigger", "add", "fails", "new-year"][..], &at].concat())?;
    let next = a2n_ok(&world, &["trigger", "next", "fails/new-year", "-o", "name"])?;
    assert!(next.starts_with("2126-12-31T23:00:00"), "{next}");
    let preview = a2n_ok(&world, &[&["schedule", "preview", "-o", "name"][..], &at].concat())?;
    assert_eq!(preview.lines().next().context("a line")?, next.lines().next().context("a line")?);
    Ok(())
}
