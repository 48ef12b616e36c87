//! The repository's files as text.

use std::fmt::Write;
use std::path::{Path, PathBuf};

/// A Rust file of ours.
pub(crate) struct Source {
    /// From the root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Source {
    /// The lines that are shipped, with their numbers: no comments, no test module at the end.
    pub(crate) fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let tests = self.text.find("#[cfg(test)]\nmod tests {").unwrap_or(self.text.len());
        let lines = self.text[..tests].lines().enumerate().map(|(i, line)| (i + 1, line));
        lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
    }
    /// Whether the file is there for tests only.
    pub(crate) fn is_test(&self) -> bool {
        let folder = |name: &str| self.path.contains(&format!("/{name}/"));
        let file = self.path.rsplit('/').next().unwrap_or_default();
        folder("tests")
            || folder("tidy")
            || folder("e2e")
            || file.ends_with("_tests.rs")
            || ["tests.rs", "testing.rs", "scenario.rs", "bench.rs", "conformance.rs", "docs.rs"]
                .contains(&file)
            || self.path.starts_with("tests/")
    }
}

/// The repository's folder.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The text of a file of the repository.
pub(crate) fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// All Rust files below a folder of the repository, sorted.
pub(crate) fn rust(folder: &str) -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(root().join(&folder)) else { continue };
        for entry in entries.flatten() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            let path = format!("{folder}/{name}");
            if entry.path().is_dir() {
                if name != "target" && !name.starts_with('.') {
                    folders.push(path);
                }
            } else if name.ends_with(".rs") {
                let text = read(&path);
                found.push(Source { path, text });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// Every package's sources.
pub(crate) fn all() -> Vec<Source> {
    ["proto", "client", "daemon", "tui", "tests", "fuzz"].into_iter().flat_map(rust).collect()
}

/// Fails with everything that is wrong.
pub(crate) fn report(rule: &str, wrong: &[String]) {
    let mut text = String::new();
    for line in wrong {
        let _ = writeln!(text, "  {line}");
    }
    assert!(wrong.is_empty(), "{rule}\n{text}");
}
