//! The JSON gate against the public suite of JSON texts: `y_` is accepted, `n_` refused, `i_`
//! either, and nothing panics. Our own rule is stricter in one place: a member that stands twice
//! in one object is refused with its path.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "tests tell by panic and by print")]

use std::path::PathBuf;

use a2n_proto::Json;
use a2n_proto::json::Fault;

/// Where the suite is: `A2N_CORPORA`, else beside the repository; `None` where it is absent.
fn suite() -> Option<PathBuf> {
    let corpora = std::env::var_os("A2N_CORPORA").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/corpora")),
        PathBuf::from,
    );
    let suite = corpora.join("conformance/json-test-suite");
    if suite.is_dir() {
        return Some(suite);
    }
    eprintln!("skipped: {} is not there", suite.display());
    None
}

fn files(folder: &str) -> Vec<(String, Vec<u8>)> {
    let Some(suite) = suite() else { return Vec::new() };
    let mut files: Vec<_> = std::fs::read_dir(suite.join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read(path).unwrap())
        })
        .collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

/// `None` where the bytes are not even text.
fn parse(bytes: &[u8]) -> Option<Result<Json, Fault>> {
    std::str::from_utf8(bytes).ok().map(Json::parse)
}

#[test]
fn each_file_behaves_as_its_name_says() {
    let mut wrong = Vec::new();
    for (name, bytes) in files("test_parsing") {
        let read = parse(&bytes);
        let as_named = match (&name[..2], &read) {
            ("y_", Some(Err(Fault::Duplicate { path }))) => {
                name.starts_with("y_object_duplicated_key") && path == "a"
            }
            ("y_", Some(Ok(_))) => !name.starts_with("y_object_duplicated_key"),
            ("n_", None | Some(Err(Fault::Syntax { .. } | Fault::TooDeep { .. }))) => true,
            ("i_", _) => true,
            _ => false,
        };
        if !as_named {
            wrong.push(format!("{name}: {read:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_is_accepted_keeps_its_text_and_is_read_again() {
    for (name, bytes) in files("test_parsing").into_iter().chain(files("test_transform")) {
        if let Some(Ok(json)) = parse(&bytes) {
            let text = std::str::from_utf8(&bytes).unwrap();
            let kept: String = json.as_str().split_whitespace().collect();
            assert_eq!(kept, text.split_whitespace().collect::<String>(), "{name}");
            assert_eq!(Json::parse(json.as_str()).unwrap(), json, "{name}");
            assert!(!json.as_str().contains('\n'), "{name}");
            let value: serde_json::Value = json.to().unwrap();
            assert_eq!(value, serde_json::from_str::<serde_json::Value>(text).unwrap(), "{name}");
        }
    }
}
