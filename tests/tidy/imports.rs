//! Who may import whom: modules of the daemon in the order of `daemon/src/lib.rs`, the pure half of
//! the engine, and the packages.

use std::collections::BTreeMap;

use crate::source::{Source, read, report, rust};

/// The packages of ours that each package may use.
const PACKAGES: [(&str, &[&str]); 7] = [
    ("proto", &[]),
    ("client", &["a2n-proto"]),
    ("daemon", &["a2n-proto", "a2n-segment"]),
    ("daemon/segment", &[]),
    ("tui", &["a2n-client", "a2n-proto"]),
    ("tests", &["a2n-client", "a2n-daemon", "a2n-proto", "a2n-segment", "a2n-tui"]),
    ("tests/bench", &["a2n-daemon", "a2n-proto", "a2n-segment", "a2n-tests"]),
];

#[test]
fn a_module_imports_only_those_before_it() {
    let order = order();
    let mut wrong = Vec::new();
    for source in rust("daemon/src").iter().filter(|s| !s.is_test()) {
        let Some(own) = module(&source.path).and_then(|m| order.get(m)) else { continue };
        for (line, name) in imports(source) {
            if let Some(other) = order.get(name.as_str())
                && other > own
            {
                wrong.push(format!("{}:{line}: uses crate::{name}", source.path));
            }
        }
    }
    report("a module of the daemon may use those that stand before it in lib.rs", &wrong);
}

#[test]
fn the_order_of_the_modules_is_told_in_the_architecture() {
    let order = order();
    let mut in_order: Vec<_> = order.iter().collect();
    in_order.sort_by_key(|(_, place)| **place);
    // `app` wires all of them and is told apart.
    let names = in_order.iter().map(|(name, _)| *name).filter(|name| *name != "app");
    let told: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    let line = told.join(" · ");
    assert!(
        read("ARCHITECTURE.md").contains(&line),
        "ARCHITECTURE.md, \"Who may import whom\", has to say: {line}"
    );
}

#[test]
fn nodes_never_see_the_store() {
    let mut wrong = Vec::new();
    for source in rust("daemon/src/nodes").iter().filter(|s| !s.is_test()) {
        for (line, name) in imports(source).filter(|(_, name)| name == "store") {
            wrong.push(format!("{}:{line}: uses crate::{name}", source.path));
        }
    }
    report("a node sees the world only through its context", &wrong);
}

#[test]
fn the_pure_half_of_the_engine_knows_no_world() {
    let mut wrong = Vec::new();
    for source in rust("daemon/src/engine").iter().filter(|s| !s.is_test()) {
        if source.path.starts_with("daemon/src/engine/driving/") {
            continue;
        }
        for (line, name) in imports(source).filter(|(_, name)| name != "engine") {
            wrong.push(format!("{}:{line}: uses crate::{name}", source.path));
        }
        for (line, code) in source.code() {
            for word in ["async fn", "async move", "std::time::Instant", "std::fs", "tokio::"] {
                if code.contains(word) {
                    wrong.push(format!("{}:{line}: {word}", source.path));
                }
            }
        }
    }
    report("what decides imports proto and the engine only, and does not wait", &wrong);
}

#[test]
fn packages_stand_in_their_order() {
    let mut wrong = Vec::new();
    for (package, may) in PACKAGES {
        let manifest = read(&format!("{package}/Cargo.toml"));
        for line in manifest.lines().filter(|l| l.starts_with("a2n-")) {
            let name = line.split(['.', ' ', '=']).next().unwrap_or_default();
            if !may.contains(&name) {
                wrong.push(format!("{package}/Cargo.toml: depends on {name}"));
            }
        }
    }
    report("tui → client → proto ← daemon; segment alone; tests → all", &wrong);
}

/// The daemon's modules and their places in `lib.rs`.
fn order() -> BTreeMap<String, usize> {
    let lib = read("daemon/src/lib.rs");
    let names = lib.lines().filter_map(|l| l.strip_prefix("pub mod ")?.strip_suffix(';'));
    names.enumerate().map(|(place, name)| (name.to_owned(), place)).collect()
}

/// The module that a file of the daemon belongs to; `None` for main and lib.
fn module(path: &str) -> Option<&str> {
    let below = path.strip_prefix("daemon/src/")?;
    match below.split_once('/') {
        Some((module, _)) => Some(module),
        None => below.strip_suffix(".rs").filter(|m| !["main", "lib"].contains(m)),
    }
}

/// The modules of the crate that a file names, with the line.
fn imports(source: &Source) -> impl Iterator<Item = (usize, String)> {
    source.code().flat_map(|(line, code)| {
        let after = code.split("crate::").skip(1);
        let names = after.flat_map(|rest| match rest.strip_prefix('{') {
            Some(group) => group.split(',').map(str::trim).collect::<Vec<_>>(),
            None => vec![rest],
        });
        let word = |text: &str| {
            text.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect::<String>()
        };
        names.map(word).map(move |name| (line, name)).collect::<Vec<_>>()
    })
}
