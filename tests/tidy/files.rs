//! How files look and where they stand.

use crate::source::{all, read, report, root};

/// Names that say nothing: a helper lives with its noun.
const NAMELESS: [&str; 7] = ["utils", "util", "helpers", "common", "misc", "imp", "manager"];

#[test]
fn a_file_begins_by_saying_what_it_is() {
    let mut wrong = Vec::new();
    for source in all() {
        let first = source.text.lines().next().unwrap_or_default();
        if !first.starts_with("//! ") {
            wrong.push(format!("{}:1: no head comment", source.path));
        } else if first == "//! Skeleton." {
            wrong.push(format!("{}:1: still a skeleton", source.path));
        }
    }
    report("a file begins with `//!`: what this is, who drives it, the invariant", &wrong);
}

#[test]
fn names_of_files_say_something() {
    let wrong: Vec<String> = all()
        .into_iter()
        .filter(|source| {
            let mut parts = source.path.trim_end_matches(".rs").split('/');
            parts.any(|part| NAMELESS.contains(&part))
        })
        .map(|source| source.path)
        .collect();
    report("a file is named after its noun", &wrong);
}

#[test]
fn every_test_file_is_listed() {
    let manifest = read("tests/Cargo.toml");
    let mut wrong = Vec::new();
    for entry in std::fs::read_dir(root().join("tests")).unwrap().flatten() {
        let Ok(floor) = entry.file_name().into_string() else { continue };
        if !entry.path().is_dir() || ["src", "fixtures", "target"].contains(&floor.as_str()) {
            continue;
        }
        // A package of its own: cargo builds what its main.rs lists.
        if entry.path().join("Cargo.toml").exists() {
            continue;
        }
        if !manifest.contains(&format!("path = \"{floor}/main.rs\"")) {
            wrong.push(format!("tests/{floor}: no [[test]] in tests/Cargo.toml"));
            continue;
        }
        let main = read(&format!("tests/{floor}/main.rs"));
        for file in std::fs::read_dir(entry.path()).unwrap().flatten() {
            let Ok(name) = file.file_name().into_string() else { continue };
            let module = match name.strip_suffix(".rs") {
                Some("main") => continue,
                Some(module) => module.to_owned(),
                None if file.path().join("mod.rs").exists() => name,
                None => continue,
            };
            if !main.lines().any(|line| line == format!("mod {module};")) {
                wrong.push(format!(
                    "tests/{floor}/{module}: not listed in main.rs, so it never runs"
                ));
            }
        }
    }
    report("each folder of tests is one test, and its main.rs lists every file", &wrong);
}

#[test]
fn nothing_unreviewed_is_checked_in() {
    let mut wrong = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.path().is_dir() {
                if !["target", ".git"].contains(&name.as_str()) {
                    folders.push(entry.path());
                }
            } else if name.ends_with(".snap.new")
                || name.ends_with(".pending-snap")
                || name.ends_with(".orig")
            {
                wrong.push(entry.path().display().to_string());
            }
        }
    }
    report("snapshots are reviewed and leftovers of merges removed", &wrong);
}
