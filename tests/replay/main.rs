//! Goes through the corpus of fuzzing without a fuzzer: every file that ever taught something, each
//! finding of the past among them, still passes. The story of a finding is told by its file's name.

#[cfg(target_os = "linux")]
mod escapes;

use std::path::{Path, PathBuf};

use a2n_tests::fuzz::SUBJECTS;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus")
}

#[test]
fn every_file_of_every_corpus_passes() {
    for (subject, run) in SUBJECTS {
        let mut n_files = 0;
        let entries = std::fs::read_dir(corpus().join(subject)).unwrap();
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        for file in files {
            let data = std::fs::read(&file).unwrap();
            let ended = std::panic::catch_unwind(|| run(&data));
            assert!(ended.is_ok(), "{subject}: {} fails", file.display());
            n_files += 1;
        }
        assert!(n_files > 0, "{subject} has no corpus");
    }
}

#[test]
fn every_subject_has_its_target_and_every_corpus_its_subject() {
    let manifest = std::fs::read_to_string(corpus().join("../Cargo.toml")).unwrap();
    for (subject, _) in SUBJECTS {
        assert!(manifest.contains(&format!("fuzz_targets/{subject}.rs")), "{subject}");
    }
    for entry in std::fs::read_dir(corpus()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(SUBJECTS.iter().any(|(subject, _)| *subject == name), "{name}");
    }
}
