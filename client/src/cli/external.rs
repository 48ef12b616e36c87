//! `a2n FOO` where FOO is not ours: runs `a2n-FOO` from the PATH, as git does.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use a2n_client::connect::Whose;
use clap::CommandFactory as _;

use super::failure::Failure;
use super::{Cli, Context, Outcome};

/// Becomes `a2n-FOO` with the words after FOO. Where to find the daemon goes along in the
/// environment.
pub(super) fn run(cx: &Context, words: &[OsString]) -> Outcome {
    let Some((name, rest)) = words.split_first() else {
        return Err(Failure::usage("there is no command"));
    };
    let shown = name.to_string_lossy();
    // A name with a slash would run a file of that folder, not a command from the PATH.
    if shown.contains('/') || shown.is_empty() {
        return Err(unknown(&shown));
    }
    let mut program = OsString::from("a2n-");
    program.push(name);
    let mut command = Command::new(&program);
    command.args(rest);
    daemon_in_environment(cx, &mut command);
    let error = command.exec();
    if error.kind() == std::io::ErrorKind::NotFound {
        return Err(unknown(&shown));
    }
    Err(Failure::failed(format!(
        "can't run {}: {error}",
        AsRef::<OsStr>::as_ref(&program).display()
    )))
}

/// Tells a program of ours which daemon is meant.
pub(super) fn daemon_in_environment(cx: &Context, command: &mut Command) {
    if let Some(socket) = &cx.place.socket {
        command.env("A2N_SOCKET", socket);
    } else if cx.place.whose != Whose::Either
        && let Some(socket) = cx.place.candidates().first()
    {
        command.env("A2N_SOCKET", socket);
    }
    if let Some(host) = &cx.place.host {
        command.env("A2N_HOST", host);
    }
}

fn unknown(name: &str) -> Failure {
    let failure =
        Failure::usage(format!("there is no command `{name}`, and no a2n-{name} on the PATH"));
    let command = Cli::command();
    let nearest = command
        .get_subcommands()
        .filter(|c| !c.is_hide_set())
        .map(|c| (distance(name, c.get_name()), c.get_name()))
        .min();
    match nearest {
        Some((n, near)) if n <= 2 => failure.hint(format!("did you mean `a2n {near}`?")),
        _ => failure.hint("`a2n --help` lists the commands"),
    }
}

/// How many letters have to change to make one word the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().take(64).enumerate() {
        let mut before = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let change = before + usize::from(from != *to);
            before = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(before + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_understood() {
        assert_eq!(distance("aply", "apply"), 1);
        assert_eq!(distance("", "ls"), 2);
        let failure = unknown("complections");
        assert_eq!(failure.exit.code(), 2);
        assert_eq!(failure.hint.as_deref(), Some("did you mean `a2n completions`?"));
    }
}
