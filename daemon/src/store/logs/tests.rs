//! What the log store promises: order, visibility, paging, following, restarts, power cuts, a full
//! disk, retention.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::sync::Arc;

use a2n_proto::execution::LogLevel;
use a2n_proto::system::SystemLog;
use a2n_proto::{ExecutionId, Json, Timestamp, WorkflowId};
use a2n_segment::RESERVED;
use a2n_segment::sim::SimDisk;

use super::*;

const W: WorkflowId = WorkflowId::from_bytes([9; 16]);
const OTHER_W: WorkflowId = WorkflowId::from_bytes([8; 16]);

fn execution(n: u8) -> ExecutionId {
    ExecutionId::from_bytes([n; 16])
}

fn options(disk: &SimDisk, boot_id: &str) -> Options {
    Options {
        disk: Arc::new(disk.clone()),
        file_bytes: 16 * 1024,
        salt: 7,
        boot_id: boot_id.to_owned(),
        at: at(0),
        name: "logs",
        drive: crate::store::Drive::Thread,
    }
}

fn open(disk: &SimDisk, boot_id: &str, live: &[ExecutionId]) -> LogStore {
    let live: Vec<_> = live.iter().map(|&e| (e, W)).collect();
    LogStore::open(options(disk, boot_id), &live).expect("opens")
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(ms)
}

fn line(text: impl Into<String>) -> NewLine {
    NewLine::system(at(1), LogLevel::Info, text)
}

async fn put(logs: &LogStore, e: ExecutionId, texts: &[&str]) {
    let lines = texts.iter().map(|t| line(*t)).collect();
    logs.append(e, W, lines, &Masks::NONE).await.expect("appends");
}

fn shown(logs: &LogStore, query: Query) -> Vec<(u64, String)> {
    let found = logs.query(query, 100_000).expect("reads");
    found.items.into_iter().map(|l| (l.seq, l.message)).collect()
}

fn of(n: u8) -> Query {
    Query::of(Of::Execution(execution(n)))
}

#[tokio::test]
async fn lines_are_numbered_from_one_and_go_on_after_a_restart() {
    let disk = SimDisk::new();
    let logs = open(&disk, "boot", &[]);
    put(&logs, execution(1), &["a", "b"]).await;
    put(&logs, execution(2), &["x"]).await;
    logs.sync(execution(1)).await.unwrap();
    assert_eq!(shown(&logs, of(1)), [(1, "a".into()), (2, "b".into())]);
    assert_eq!(shown(&logs, Query { after_seq: 1, ..of(1) }), [(2, "b".into())]);
    logs.close().await;
    assert!(matches!(logs.sync(execution(1)).await, Err(Error::Closed)));

    let logs = open(&disk, "boot", &[execution(1)]);
    put(&logs, execution(1), &["c"]).await;
    logs.sync(execution(1)).await.unwrap();
    assert_eq!(shown(&logs, of(1))[2], (3, "c".into()));
    assert_eq!(logs.last_seq(execution(1)).unwrap(), 3);
    assert_eq!(logs.last_seq(execution(3)).unwrap(), 0);
    assert_eq!(logs.verify().unwrap().problems, []);
}

#[tokio::test]
async fn seqs_go_on_above_what_was_shown_only_after_a_power_cut() {
    let disk = SimDisk::new();
    let logs = open(&disk, "boot 1", &[]);
    put(&logs, execution(1), &["durable"]).await;
    logs.sync(execution(1)).await.unwrap();
    put(&logs, execution(1), &["shown"]).await;
    put(&logs, execution(2), &["shown"]).await;
    let mut follow = logs.follow(of(2)).unwrap();
    while follow.read(10).unwrap().items.is_empty() {
        follow.changed().await;
    }
    let killed = disk.after_power_cut(&mut || true);
    let cut = disk.after_power_cut(&mut || false);
    drop((logs, follow));

    let live = [execution(1), execution(2)];
    let logs = open(&killed, "boot 1", &live);
    put(&logs, execution(1), &["next"]).await;
    logs.sync(execution(1)).await.unwrap();
    assert_eq!(shown(&logs, of(1))[2].0, 3, "nothing was lost, so there is no gap");

    let logs = open(&cut, "boot 2", &live);
    for n in [1, 2] {
        put(&logs, execution(n), &["next"]).await;
        logs.sync(execution(n)).await.unwrap();
    }
    assert_eq!(shown(&logs, of(1)), [(1, "durable".into()), (RESERVED, "next".into())]);
    assert_eq!(shown(&logs, of(2)), [(RESERVED, "next".into())]);
    put(&logs, execution(3), &["new"]).await;
    logs.sync(execution(3)).await.unwrap();
    assert_eq!(shown(&logs, of(3))[0].0, 1, "a new execution begins at one");
}

#[tokio::test]
async fn where_the_boot_is_not_known_all_care_is_taken() {
    let disk = SimDisk::new();
    let logs = open(&disk, "", &[]);
    put(&logs, execution(1), &["one"]).await;
    logs.sync(execution(1)).await.unwrap();
    let killed = disk.after_power_cut(&mut || false);
    logs.close().await;
    for (disk, next) in [(killed, RESERVED), (disk, 2)] {
        let logs = open(&disk, "", &[execution(1)]);
        put(&logs, execution(1), &["next"]).await;
        logs.sync(execution(1)).await.unwrap();
        assert_eq!(shown(&logs, of(1))[1].0, next);
    }
}

#[tokio::test]
async fn a_workflows_lines_are_paged_by_a_cursor_that_outlives_the_daemon() {
    let disk = SimDisk::new();
    let logs = open(&disk, "boot", &[]);
    for i in 0..200 {
        put(&logs, execution(1 + i % 3), &[&format!("line {i}")]).await;
        if i % 10 == 0 {
            logs.sync(execution(1)).await.unwrap();
        }
    }
    logs.append(execution(9), OTHER_W, vec![line("other")], &Masks::NONE).await.unwrap();
    logs.close().await;
    let logs = open(&disk, "boot", &[]);
    let mut query = Query::of(Of::Workflow(W));
    let mut seen = BTreeSet::new();
    loop {
        let found = logs.query(query.clone(), 7).unwrap();
        assert!(found.items.len() <= 7 && found.gap.is_none());
        for line in &found.items {
            assert!(seen.insert((line.execution_id, line.seq)), "twice: {line:?}");
        }
        query.cursor = Some(found.cursor);
        if !found.more {
            break;
        }
    }
    assert_eq!(seen.len(), 200);
    assert!(logs.query(query.clone(), 7).unwrap().items.is_empty());
    put(&logs, execution(1), &["after"]).await;
    logs.sync(execution(1)).await.unwrap();
    assert_eq!(shown(&logs, query.clone())[0].1, "after");
    query.cursor = Some("nonsense".into());
    assert!(matches!(logs.query(query, 7), Err(Error::Cursor(_))));
}

#[tokio::test]
async fn a_follower_misses_nothing_and_sees_nothing_twice() {
    let disk = SimDisk::new();
    let logs = open(&disk, "boot", &[]);
    let mut follow = logs.follow(of(1)).unwrap();
    let mut of_workflow = logs.follow(Query::of(Of::Workflow(W))).unwrap();
    let writer = tokio::spawn({
        let logs = logs.clone();
        async move {
            for i in 0..3_000 {
                put(&logs, execution(1), &[&format!("line {i}")]).await;
                if i % 100 == 0 {
                    tokio::task::yield_now().await;
                }
            }
        }
    });
    let (mut seen, mut cursor) = (Vec::new(), None);
    while seen.len() < 2_000 {
        let batch = follow.read(100).unwrap();
        assert!(batch.items.len() <= 100);
        if batch.items.is_empty() {
            assert!(follow.changed().await);
        }
        seen.extend(batch.items.into_iter().map(|l| l.seq));
        cursor = Some(batch.cursor);
    }
    // It reconnects with its cursor.
    let mut follow = logs.follow(Query { cursor, ..of(1) }).unwrap();
    while seen.len() < 3_000 {
        let batch = follow.read(100).unwrap();
        if batch.items.is_empty() {
            assert!(follow.changed().await);
        }
        seen.extend(batch.items.into_iter().map(|l| l.seq));
    }
    writer.await.unwrap();
    assert_eq!(seen, (1..=3_000).collect::<Vec<_>>());
    assert!(of_workflow.changed().await);
    logs.close().await;
    assert!(!follow.changed().await || !follow.changed().await, "it ends with the store");
}

#[tokio::test]
async fn level_words_node_and_stream_choose_lines() {
    let disk = SimDisk::new();
    let logs = open(&disk, "boot", &[]);
    for (level, text) in [
        (LogLevel::Info, "Mounting /srv"),
        (LogLevel::Warn, "Disk is FULL"),
        (LogLevel::Error, "disk gone"),
    ] {
        let mut line = NewLine::system(at(1), level, text);
        line.node_id = Some(if level == LogLevel::Info { "mount" } else { "df" }.into());
        logs.append(execution(1), W, vec![line], &Masks::NONE).await.unwrap();
    }
    logs.sync(execution(1)).await.unwrap();
    let seqs = |query| shown(&logs, query).into_iter().map(|(seq, _)| seq).collect::<Vec<_>>();
    assert_eq!(seqs(Query { level: Some(LogLevel::Warn), ..of(1) }), [2, 3]);
    assert_eq!(seqs(Query { text: Some("full disk".into()), ..of(1) }), [2]);
    assert_eq!(seqs(Query { node_id: Some("df".into()), ..of(1) }), [2, 3]);
    assert_eq!(
        seqs(Query { stream: Some(a2n_proto::execution::LogStream::Stdout), ..of(1) }),
        [] as [u64; 0]
    );
}

#[tokio::test]
async fn a_full_disk_is_told_to_sync_and_in_the_log() {
    let disk = SimDisk::new();
    let logs = open(&disk, "boot", &[]);
    put(&logs, execution(1), &["one"]).await;
    logs.sync(execution(1)).await.unwrap();
    disk.fail_after(0, Some(ErrorKind::StorageFull));
    put(&logs, execution(1), &["two", "three"]).await;
    let told = logs.sync(execution(1)).await.unwrap_err();
    assert!(matches!(told, Error::Lost { lines: 2, .. }), "{told:?}");
    disk.fail_after(0, None);
    logs.sync(execution(1)).await.unwrap();
    put(&logs, execution(1), &["four"]).await;
    logs.sync(execution(1)).await.unwrap();
    let lines = shown(&logs, of(1));
    assert_eq!(lines.len(), 3);
    assert!(lines[1].1.starts_with("2 log lines were lost here"), "{lines:?}");
    assert_eq!(lines[2].1, "four");
    assert!(lines.is_sorted_by_key(|(seq, _)| *seq));
    assert_eq!(logs.lost(), 2);
}

#[tokio::test]
async fn a_failed_sync_is_told_to_everyone_it_concerns_and_then_work_goes_on() {
    let disk = SimDisk::new();
    let logs = open(&disk, "boot", &[]);
    put(&logs, execution(1), &["one"]).await;
    put(&logs, execution(2), &["one"]).await;
    let mut follow = logs.follow(of(2)).unwrap();
    while follow.read(10).unwrap().items.is_empty() {
        follow.changed().await;
    }
    disk.fail_after(0, Some(ErrorKind::Other));
    assert!(logs.sync(execution(1)).await.is_err());
    disk.fail_after(0, None);
    assert!(matches!(logs.sync(execution(2)).await, Err(Error::Lost { lines: 1, .. })));
    put(&logs, execution(1), &["two"]).await;
    logs.sync(execution(1)).await.unwrap();
    assert_eq!(shown(&logs, of(1)), [(1, "one".into()), (2, "two".into())]);
}

#[tokio::test]
async fn retention_drops_files_and_a_cursor_into_them_says_so() {
    let disk = SimDisk::new();
    let logs = open(&disk, "boot", &[]);
    put(&logs, execution(1), &["early"]).await;
    logs.sync(execution(1)).await.unwrap();
    let early = logs.query(Query::of(Of::Workflow(W)), 1).unwrap().cursor;
    for _ in 0..40 {
        let late = NewLine::system(at(1_000), LogLevel::Info, "x".repeat(1_000));
        logs.append(execution(2), W, vec![late], &Masks::NONE).await.unwrap();
    }
    let live = BTreeSet::from([execution(1)]);
    let expired = logs.expire(Some(at(2_000)), None, &live).await.unwrap();
    assert!(expired.n_files >= 1, "{expired:?}");
    let found = logs.query(Query { cursor: Some(early), ..Query::of(Of::Workflow(W)) }, 5).unwrap();
    assert!(found.gap.is_some());
    put(&logs, execution(1), &["later"]).await;
    logs.sync(execution(1)).await.unwrap();
    assert_eq!(shown(&logs, of(1)), [(2, "later".into())]);
}

#[tokio::test]
async fn much_at_once_waits_and_arrives() {
    let disk = SimDisk::new();
    let logs = LogStore::open(Options { file_bytes: 1 << 26, ..options(&disk, "boot") }, &[]);
    let logs = logs.unwrap();
    let lines: Vec<_> = (0..30_000).map(|i| line(format!("{i} {}", "x".repeat(1_000)))).collect();
    logs.append(execution(1), W, lines, &Masks::NONE).await.unwrap();
    logs.sync(execution(1)).await.unwrap();
    let mut follow = logs.follow(of(1)).unwrap();
    let mut n = 0;
    loop {
        let batch = follow.read(1_000).unwrap();
        if batch.items.is_empty() {
            break;
        }
        for line in batch.items {
            n += 1;
            assert_eq!(line.seq, n);
        }
    }
    assert_eq!(n, 30_000);
}

#[tokio::test]
async fn the_daemons_records_come_newest_first_in_pages() {
    let disk = SimDisk::new();
    let logs = SystemLogs::open(options(&disk, "boot")).unwrap();
    for i in 0..100i64 {
        let record = NewRecord {
            level: if i % 10 == 0 { LogLevel::Warn } else { LogLevel::Info },
            message: format!("record {i}"),
            source: "a2n::store".into(),
            category: None,
            details: Json::object(),
            correlation_id: None,
            user_id: None,
            request_id: None,
            duration: None,
        };
        assert!(logs.try_append(at(i), record));
        if i % 9 == 0 {
            logs.sync().await.unwrap();
        }
    }
    logs.sync().await.unwrap();
    let all = |query: SystemQuery| {
        let (mut found, mut query) = (Vec::<SystemLog>::new(), query);
        loop {
            let (items, next) = logs.query(&query, 7).unwrap();
            found.extend(items);
            query.cursor = next;
            if query.cursor.is_none() {
                return found.iter().map(|r| r.timestamp.as_unix_ms()).collect::<Vec<_>>();
            }
        }
    };
    assert_eq!(all(SystemQuery::default()), (0..100).rev().collect::<Vec<_>>());
    let warned = SystemQuery { level: Some(LogLevel::Warn), ..SystemQuery::default() };
    assert_eq!(all(warned), [90, 80, 70, 60, 50, 40, 30, 20, 10, 0]);
    let between = SystemQuery { from: Some(at(5)), to: Some(at(8)), ..SystemQuery::default() };
    assert_eq!(all(between), [7, 6, 5]);
    let text = SystemQuery { text: Some("STORE 42".into()), ..SystemQuery::default() };
    assert_eq!(all(text), [42]);
}
