//! The command line itself: its shape, and the help of every command.

use clap::{CommandFactory as _, Parser as _};

use std::ffi::OsString;
use std::path::PathBuf;

use super::Cli;

#[test]
fn the_command_line_is_well_formed() {
    Cli::command().debug_assert();
}

#[test]
fn options_win_over_the_environment() {
    let place = |words: &[&str], env: &[(&str, &str)]| {
        let words = std::iter::once("a2n").chain(words.iter().copied()).chain(["pipe"]);
        let global = Cli::try_parse_from(words).unwrap().global;
        global.place(&|name| {
            env.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value))
        })
    };
    let socket = |path: &str| Some(PathBuf::from(path));
    let env = [("A2N_SOCKET", "/env.sock"), ("A2N_HOST", "ada@box")];
    assert_eq!(place(&[], &env).socket, socket("/env.sock"));
    assert_eq!(place(&[], &env).host.as_deref(), Some("ada@box"));
    assert_eq!(place(&["--socket", "/x.sock"], &env).socket, socket("/x.sock"));
    assert_eq!(place(&["--user"], &env).socket, None);
    assert_eq!(place(&["--system", "--host", "b"], &env).host.as_deref(), Some("b"));
    assert_eq!(place(&[], &[("A2N_SOCKET", "")]).socket, None);
    assert!(Cli::try_parse_from(["a2n", "--user", "--system", "pipe"]).is_err());
}

/// Every command with the words that lead to it, the root first.
fn commands(command: &clap::Command, path: &str, all: &mut Vec<(String, clap::Command)>) {
    all.push((path.to_owned(), command.clone()));
    for below in command.get_subcommands().filter(|c| c.get_name() != "help") {
        commands(below, &format!("{path} {}", below.get_name()), all);
    }
}

fn all_commands() -> Vec<(String, clap::Command)> {
    let mut root = Cli::command().term_width(80);
    root.build();
    let mut all = Vec::new();
    commands(&root, "a2n", &mut all);
    all
}

#[test]
fn every_command_has_examples_and_exit_codes() {
    for (path, mut command) in all_commands() {
        let help = command.render_help().to_string();
        assert!(help.contains("Exit codes:\n  0 done"), "{path} names no exit codes:\n{help}");
        let examples = help
            .lines()
            .skip_while(|line| *line != "Examples:")
            .take_while(|line| !line.is_empty())
            .filter(|line| line.contains("a2n"))
            .count();
        let least = if path.split(' ').count() == 2 && !command.is_hide_set() { 2 } else { 1 };
        assert!(examples >= least, "{path} has {examples} examples:\n{help}");
        assert!(command.get_about().is_some(), "{path} does not say what it does");
        for line in help.lines() {
            assert!(a2n_client::safe_text::width(line) <= 80, "{path}: too wide: {line}");
        }
    }
}

#[test]
fn the_help_of_every_command_is_as_reviewed() {
    let mut text = String::new();
    for (path, mut command) in all_commands() {
        if !command.is_hide_set() {
            text.push_str(&format!("━━ {path}\n{}\n", command.render_help()));
        }
    }
    // The options for every command are the same everywhere: shown once, with the root.
    let mut shown = false;
    let mut lines = Vec::new();
    let mut within = false;
    for line in text.lines() {
        if line == "Options for every command:" {
            within = true;
        } else if within && (line == "Examples:" || line.starts_with("━━")) {
            within = false;
            shown = true;
        }
        if !(within && shown) {
            lines.push(line);
        }
    }
    insta::assert_snapshot!("help", lines.join("\n"));
}

#[test]
fn odd_command_lines_are_refused() {
    for words in [
        &["run"][..],
        &["run", "x", "-i", "novalue"],
        &["apply"],
        &["logs", "x", "--level", "loud"],
        &["cancel", "not-an-id"],
        &["schedule", "preview", "* * * * *", "--every", "5m"],
        &["metrics", "x", "--metric", "y"],
        &["ps", "-n", "-1"],
        &["ps", "-n", "0"],
        &["export", "x", "--format", "xml"],
    ] {
        let error = Cli::try_parse_from(std::iter::once("a2n").chain(words.iter().copied()));
        let error = error.expect_err(&format!("{words:?} is taken"));
        assert_eq!(error.exit_code(), 2, "{words:?}");
    }
}
