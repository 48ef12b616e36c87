//! Pages and code say the same: what is generated is checked by its generator's test, what is
//! written by hand is compared here.

use crate::source::{all, read, report, root};

#[test]
fn every_page_of_docs_is_generated_by_a_test_or_a_decision() {
    let sources: Vec<_> = all().into_iter().filter(|s| !s.path.starts_with("tests/tidy")).collect();
    let mut wrong = Vec::new();
    for entry in std::fs::read_dir(root().join("docs")).unwrap().flatten() {
        let Ok(name) = entry.file_name().into_string() else { continue };
        if !name.ends_with(".md") || name == "performance.md" {
            continue;
        }
        // Its generator is the source file that writes it, and fails where it is older.
        let page = format!("docs/{name}");
        if !sources.iter().any(|s| s.text.contains(&page) && s.text.contains("UPDATE_DOCS")) {
            wrong.push(format!("{page}: no test writes it"));
        }
    }
    report("a page below docs/ is written from the code by a test (UPDATE_DOCS=1)", &wrong);
}

#[test]
fn every_decision_is_listed() {
    let list = read("docs/decisions/README.md");
    let mut wrong = Vec::new();
    for entry in std::fs::read_dir(root().join("docs/decisions")).unwrap().flatten() {
        let Ok(name) = entry.file_name().into_string() else { continue };
        if name != "README.md" && !list.contains(&format!("({name})")) {
            wrong.push(format!("docs/decisions/{name}: not in README.md"));
        }
    }
    report("docs/decisions/README.md lists every page", &wrong);
}

#[test]
fn the_architecture_names_every_folder_of_the_daemon() {
    let page = read("ARCHITECTURE.md");
    let mut wrong = Vec::new();
    for entry in std::fs::read_dir(root().join("daemon/src")).unwrap().flatten() {
        let Ok(name) = entry.file_name().into_string() else { continue };
        if entry.path().is_dir() && !page.contains(&format!("{name}/")) {
            wrong.push(format!("daemon/src/{name}: not in ARCHITECTURE.md, \"The tree\""));
        }
    }
    report("the tree in ARCHITECTURE.md is the real one", &wrong);
}

#[test]
fn links_between_our_pages_lead_somewhere() {
    let mut wrong = Vec::new();
    let pages = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "docs/decisions/README.md"];
    for page in pages.into_iter().filter(|page| root().join(page).exists()) {
        let folder = root().join(page);
        let folder = folder.parent().expect("a page is in a folder");
        for rest in read(page).split("](").skip(1) {
            let target = rest.split(')').next().unwrap_or_default();
            let path = target.split('#').next().unwrap_or_default();
            if !path.is_empty() && !path.contains("://") && !folder.join(path).exists() {
                wrong.push(format!("{page}: {target}"));
            }
        }
    }
    report("links lead to files of the repository", &wrong);
}

#[test]
fn the_units_say_what_the_promises_need() {
    let service = read("systemd/a2nd.service");
    let mut wrong = Vec::new();
    for line in ["Type=notify", "User=a2n", "RestartPreventExitStatus=78", "StateDirectory=a2n"] {
        if !service.lines().any(|l| l == line) {
            wrong.push(format!("systemd/a2nd.service: no {line}"));
        }
    }
    // The folder of the socket outlives the service; behind PrivateUsers= every peer is nobody;
    // ProcSubset= hides the boot id, by which a power cut is known.
    for setting in ["RuntimeDirectory=", "PrivateUsers=yes", "ProcSubset=", "WatchdogSec="] {
        if service.lines().any(|l| l.starts_with(setting)) {
            wrong.push(format!("systemd/a2nd.service: {setting}"));
        }
    }
    let socket = read("systemd/a2nd.socket");
    for line in ["ListenStream=/run/a2n/a2nd.sock", "SocketMode=0660", "SocketGroup=a2n"] {
        if !socket.lines().any(|l| l == line) {
            wrong.push(format!("systemd/a2nd.socket: no {line}"));
        }
    }
    report("the units are as ARCHITECTURE.md and the decisions say", &wrong);
}

#[test]
fn recipes_call_cargo_or_a_script_that_is_there() {
    let mut wrong = Vec::new();
    for (i, line) in read("justfile").lines().enumerate() {
        let Some(command) = line.strip_prefix("    ") else { continue };
        let program = command.split_whitespace().find(|word| !word.contains('='));
        let program = program.unwrap_or_default();
        if program != "cargo" && !root().join(program).exists() {
            wrong.push(format!("justfile:{}: {command}", i + 1));
        }
    }
    report("a recipe is one line that calls cargo or a script of ours", &wrong);
}
