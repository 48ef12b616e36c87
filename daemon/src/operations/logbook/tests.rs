//! What becomes of a tracing record.

use std::sync::Arc;

use a2n_proto::Timestamp;
use a2n_proto::api::system_log::QueryParams;
use a2n_proto::execution::LogLevel;
use a2n_proto::system::{SystemLog, SystemLogCategory};
use a2n_segment::sim::SimDisk;
use tracing::Level;

use super::record::Entry;
use super::*;
use crate::store::logs::Options as LaneOptions;
use crate::system::sim::SimClock;

fn entry(message: &str, fields: serde_json::Value) -> Entry {
    let fields = match fields {
        serde_json::Value::Object(fields) => fields,
        _ => serde_json::Map::new(),
    };
    let at = Timestamp::from_unix_ms(0);
    Entry { at, level: Level::INFO, target: "a2n_daemon::x", message: message.into(), fields }
}

#[test]
fn a_record_is_one_line_in_each_form() {
    let entry = entry("execution started", serde_json::json!({"workflow": "disk report", "n": 3}));
    let check = |form, expected: &str| assert_eq!(text::line(&entry, form), expected);
    check(Form::Journal, "<6>execution started workflow=\"disk report\" n=3\n");
    check(
        Form::Text { colour: false },
        "1970-01-01T00:00:00.000Z INFO  execution started workflow=\"disk report\" n=3\n",
    );
    check(
        Form::Json,
        "{\"timestamp\":\"1970-01-01T00:00:00.000Z\",\"level\":\"INFO\",\
         \"message\":\"execution started\",\"source\":\"a2n_daemon::x\",\
         \"fields\":{\"workflow\":\"disk report\",\"n\":3}}\n",
    );
}

#[test]
fn no_value_can_forge_a_line_or_reach_the_terminal() {
    let evil = "x\n<0>forged\r\x1b[2J\u{9b}31m\u{2028}\u{202e}\" a=b\0\x7f";
    let value = serde_json::json!({"path": evil, "list": [evil]});
    let entry = entry(evil, value);
    for form in [Form::Journal, Form::Text { colour: false }, Form::Json] {
        let line = text::line(&entry, form);
        let (last, body) = line.chars().next_back().zip(line.strip_suffix('\n')).unwrap();
        assert_eq!(last, '\n');
        for c in body.chars() {
            assert!(!c.is_control() && !"\u{2028}\u{202e}".contains(c), "{form:?}: {c:?} {line}");
        }
    }
    let line = text::line(&entry, Form::Journal);
    assert!(line.contains(r#"path="x\n<0>forged\r\u{1b}[2J\u{9b}31m"#), "{line}");
}

fn logs(disk: &SimDisk) -> SystemLogs {
    let options = LaneOptions {
        disk: Arc::new(disk.clone()),
        file_bytes: 1 << 20,
        salt: 1,
        boot_id: "boot".into(),
        at: Timestamp::from_unix_ms(0),
        name: "logs",
        drive: crate::store::Drive::Thread,
    };
    SystemLogs::open(options).expect("opens")
}

fn all(logs: &SystemLogs) -> Vec<SystemLog> {
    query(logs, QueryParams::default()).expect("reads").items
}

#[tokio::test]
async fn records_are_kept_with_their_spans_from_the_first_one_on() {
    let disk = SimDisk::new();
    let logs = logs(&disk);
    let sinks = Arc::new(Sinks::new(None, None));
    let clock = Arc::new(SimClock::new(Timestamp::from_unix_ms(5)));
    let (book, subscriber) = Logbook::over("INFO", sinks, clock);
    let guard = tracing::subscriber::set_default(subscriber);
    tracing::info!(category = "STARTUP", version = "0.1.0", "starting");
    book.keep_in(logs.clone());
    let span =
        tracing::info_span!("rpc", method = "workflow.run", request_id = "r1", user_id = "x");
    let subject = Subject { method: "workflow.get", caller: 1000 };
    subject.during(|| tracing::error!(correlation_id = "c2", "call failed"));
    span.in_scope(|| {
        tracing::warn!(took_ms = 12, correlation_id = "c1", method = "inner wins", "slow");
        tracing::debug!("not at this level");
    });
    tracing::error!(target: "hyper", error = "gone", "connection failed");
    tracing::info!(target: "hyper", "libraries are quiet");
    book.set_level("DEBUG");
    tracing::debug!("at this level");
    drop(guard);
    logs.sync().await.unwrap();

    let all = all(&logs);
    let texts: Vec<_> = all.iter().map(|r| r.message.as_str()).collect();
    assert_eq!(texts, ["at this level", "connection failed", "slow", "call failed", "starting"]);
    assert_eq!(all[4].category, Some(SystemLogCategory::Startup));
    assert_eq!(all[4].details.as_str(), r#"{"version":"0.1.0"}"#);
    assert_eq!(all[4].timestamp.as_unix_ms(), 5);
    assert_eq!(all[3].details.as_str(), r#"{"method":"workflow.get","caller":1000}"#);
    assert_eq!((all[2].level, all[2].duration), (LogLevel::Warn, Some(12)));
    assert_eq!(all[2].correlation_id.as_deref(), Some("c1"));
    assert_eq!(all[2].request_id.as_deref(), Some("r1"));
    assert_eq!(all[2].details.as_str(), r#"{"method":"inner wins"}"#);
    assert_eq!(all[1].category, Some(SystemLogCategory::Error));
    assert_eq!(all[1].source, "hyper");
    assert_eq!(book.dropped(), 0);
}

#[tokio::test]
async fn what_finds_no_room_is_counted_and_told() {
    let disk = SimDisk::new();
    let logs = logs(&disk);
    let sinks = Arc::new(Sinks::new(None, None));
    let clock = Arc::new(SimClock::new(Timestamp::from_unix_ms(5)));
    let (book, subscriber) = Logbook::over("INFO", sinks, clock);
    let guard = tracing::subscriber::set_default(subscriber);
    for n in 0..1_010 {
        tracing::info!(n, "before the segments are open");
    }
    assert_eq!(book.dropped(), 10);
    book.keep_in(logs.clone());
    drop(guard);
    logs.sync().await.unwrap();
    let told = QueryParams { text: Some("dropped".into()), ..QueryParams::default() };
    let told = query(&logs, told).unwrap().items;
    assert_eq!(told[0].details.as_str(), r#"{"records":10}"#);
}

#[test]
fn the_journal_is_recognised_by_its_own_stream_only() {
    assert!(!is_journal(None));
    assert!(!is_journal(Some("nonsense")));
    assert!(!is_journal(Some("0:0")));
    let own = nix::sys::stat::fstat(std::io::stderr()).unwrap();
    assert!(is_journal(Some(&format!("{}:{}", own.st_dev, own.st_ino))));
}

#[test]
fn a_log_file_gets_plain_lines() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        level: "INFO".into(),
        file: None,
        files: 2,
        json: false,
        journal_stream: None,
        colour: true,
    };
    let file = sinks::File::open(&folder.path().join("a2nd.log"), &options).unwrap();
    let sinks = Sinks::new(None, Some(file));
    sinks.take(&entry("ready", serde_json::json!({"pid": 7})));
    drop(sinks);
    let files: Vec<_> = std::fs::read_dir(folder.path()).unwrap().flatten().collect();
    assert_eq!(files.len(), 1);
    let name = files[0].file_name().into_string().unwrap();
    assert!(name.starts_with("a2nd.log."), "{name}");
    let text = std::fs::read_to_string(files[0].path()).unwrap();
    assert_eq!(text, "1970-01-01T00:00:00.000Z INFO  ready pid=7\n");
    assert!(matches!(
        sinks::File::open(std::path::Path::new("/"), &options),
        Err(Error::Path { .. })
    ));
}
