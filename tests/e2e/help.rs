//! The examples in the help: what needs nothing but a daemon works as it is written.

use a2n_tests::command::a2n_ok;
use a2n_tests::daemon::{World, binary};
use anyhow::Result;

/// The commands whose examples need no workflow, no file and no other machine.
const ALONE: [&[&str]; 21] = [
    &["settings"],
    &["settings", "ls"],
    &["settings", "get"],
    &["settings", "set"],
    &["settings", "reset"],
    &["schedule", "preview"],
    &["node"],
    &["node", "ls"],
    &["node", "show"],
    &["trigger", "ls"],
    &["health"],
    &["approvals"],
    &["emit"],
    &["events"],
    &["user", "ls"],
    &["audit"],
    &["audit", "list"],
    &["verify"],
    &["info"],
    &["whoami"],
    &["rpc"],
];
/// Words by which an example of these needs something more, or does not end.
const MORE: [&str; 4] = ["backup", "--system", ".subscribe", "--seq"];

/// The examples of a help text, without what is said about them.
fn examples(help: &str) -> Vec<String> {
    help.lines()
        .skip_while(|line| *line != "Examples:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  a2n") || line.starts_with("  echo"))
        .map(|line| line.trim().split("   ").next().unwrap_or_default().to_owned())
        .collect()
}

/// `settings set engine.maxConcurrent 8` named a setting that there is not, and others failed too.
#[test]
fn examples_that_need_a_daemon_only_work_as_they_are_written() -> Result<()> {
    let world = World::started()?;
    let folder = binary("a2n").parent().expect("a folder").display().to_string();
    let mut ran = 0;
    for words in ALONE {
        let help = a2n_ok(&world, &[words, &["--help"]].concat())?;
        for example in examples(&help) {
            if MORE.iter().any(|word| example.contains(word)) {
                continue;
            }
            let output = world
                .command("a2n")
                .get_envs()
                .fold(&mut std::process::Command::new("sh"), |sh, (name, value)| match value {
                    Some(value) => sh.env(name, value),
                    None => sh,
                })
                .arg("-c")
                .arg(format!("PATH={folder}:$PATH; {example}"))
                .current_dir(world.path())
                .output()?;
            assert!(output.status.success(), "{example}: {output:?}");
            ran += 1;
        }
    }
    assert!(ran >= 25, "only {ran} examples ran");
    Ok(())
}
