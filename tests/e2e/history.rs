//! A long history costs nothing: what a call reads does not grow with what ended before.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use a2n_daemon::store::execution::{self, Query};
use a2n_daemon::store::{Paging, Snapshot, Store, execution_metrics, user, workflow};
use a2n_daemon::system::disk::{Backend, Disk, How, Lock, Place, RealDisk, Space};
use a2n_proto::execution::ExecutionStatus;
use a2n_proto::{ExecutionId, Timestamp};
use a2n_tests::daemon::World;
use a2n_tests::past;
use anyhow::{Context, Result};
use redb::{BackendError, StorageBackend};
use serde_json::json;

/// Rows of a page of a list.
const ROWS: u64 = 50;

/// The machine's disk, which counts how often a database reads.
#[derive(Debug, Clone, Default)]
struct Counting(Arc<AtomicU64>);

#[derive(Debug)]
struct Counted {
    file: Backend,
    reads: Arc<AtomicU64>,
}

impl StorageBackend for Counted {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.file.read(offset, out)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write(offset, data)
    }
    fn close(&self) -> io::Result<()> {
        self.file.close()
    }
    fn try_lock_range(
        &self,
        start: std::ops::Bound<u64>,
        end: std::ops::Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.file.try_lock_range(start, end)
    }
}

impl Disk for Counting {
    fn look(&self, path: &Path) -> io::Result<Place> {
        RealDisk.look(path)
    }
    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        RealDisk.list(folder)
    }
    fn make_folder(&self, path: &Path) -> io::Result<()> {
        RealDisk.make_folder(path)
    }
    fn read(&self, path: &Path, limit: usize) -> io::Result<Vec<u8>> {
        RealDisk.read(path, limit)
    }
    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        RealDisk.replace(path, bytes)
    }
    fn reserve(&self, path: &Path, bytes: u64) -> io::Result<()> {
        RealDisk.reserve(path, bytes)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }
    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        RealDisk.sync_folder(folder)
    }
    fn lock(&self, folder: &Path) -> io::Result<Option<Box<dyn Lock>>> {
        RealDisk.lock(folder)
    }
    fn space(&self, path: &Path) -> io::Result<Space> {
        RealDisk.space(path)
    }
    fn open(&self, path: &Path, how: How) -> io::Result<Backend> {
        let (file, reads) = (RealDisk.open(path, how)?, Arc::clone(&self.0));
        Ok(Backend::new(Counted { file, reads }))
    }
    fn forget(&self, path: &Path) -> io::Result<()> {
        RealDisk.forget(path)
    }
}

/// What a call does, and how many files of history it may open.
type Call = (&'static str, usize, fn(&Snapshot, &Seen) -> Result<()>);

/// Whom the calls ask about.
struct Seen {
    oldest: ExecutionId,
    workflow: a2n_proto::WorkflowId,
    user: a2n_proto::UserId,
    now: Timestamp,
}

fn list(read: &Snapshot, query: Query, newest_first: bool) -> Result<()> {
    let paging = Paging { limit: ROWS as usize, cursor: None, newest_first };
    let found = execution::list(read, &query, &paging)?.items;
    anyhow::ensure!(!found.is_empty(), "nothing fits {query:?}");
    Ok(())
}

/// Those that need many months to fill a page may open all of them: there are seven, of two kinds.
const CALLS: [Call; 9] = [
    ("the newest", 4, |read, _| list(read, Query::default(), true)),
    ("the oldest", 4, |read, _| list(read, Query::default(), false)),
    ("failed ones", 14, |read, _| {
        list(read, Query { status: Some(vec![ExecutionStatus::Failed]), ..Query::default() }, true)
    }),
    ("those of a workflow", 14, |read, seen| {
        list(read, Query { workflow: Some(vec![seen.workflow]), ..Query::default() }, true)
    }),
    ("failed ones of a workflow", 14, |read, seen| {
        let (workflow, status) = (Some(vec![seen.workflow]), Some(vec![ExecutionStatus::Failed]));
        list(read, Query { workflow, status, ..Query::default() }, true)
    }),
    ("failed ones of a user", 14, |read, seen| {
        let (user, status) = (Some(vec![seen.user]), Some(vec![ExecutionStatus::Failed]));
        list(read, Query { user, status, ..Query::default() }, true)
    }),
    ("one from long ago", 2, |read, seen| {
        execution::get(read, seen.oldest)?.context("the oldest").map(|_| ())
    }),
    ("a day of values", 2, |read, seen| {
        let from = seen.now.minus(std::time::Duration::from_secs(86_400));
        execution_metrics::query(read, "execution.duration", None, from, seen.now, 60)?;
        Ok(())
    }),
    ("what goes on", 0, |read, _| {
        read.row_counts()?;
        execution::unfinished(read)?;
        Ok(())
    }),
];

/// How often a database reads for a start, and for each call on a store that was just opened.
fn costs(n: u64) -> Result<Vec<(&'static str, u64)>> {
    let mut world = World::new()?;
    // All of it is to be kept, however old.
    for kind in ["SUCCESS", "FAILED"] {
        world.env.push((format!("A2N_SETTING__RETENTION__{kind}_DAYS"), "36500".into()));
    }
    past::seed(&mut world)?;
    past::multiply(&world.data_dir(), n)?;
    let disk = Counting::default();
    let open = || -> Result<Store> {
        past::open(&world.data_dir(), |options| options.disk = Arc::new(disk.clone()))
    };
    let reads = |since: u64| disk.0.load(Ordering::Relaxed) - since;
    let store = open()?;
    let mut costs = vec![("a start", reads(0))];
    assert_eq!(store.history().n_open(), 0, "a start opens no file of history");
    let seen = look_around(&store.read()?)?;
    store.close();
    for (what, most_files, call) in CALLS {
        let store = open()?;
        let before = reads(0);
        call(&store.read()?, &seen).context(what)?;
        costs.push((what, reads(before)));
        let files = store.history().n_open();
        assert!(files <= most_files, "{what}: {files} files were opened");
        store.close();
    }
    if n < 10_000 {
        world.start()?;
        let mut lines = world.lines()?;
        assert_eq!(lines.call("system.verify", json!({}))?["ok"], true);
        let of_oldest = json!({"filter": {"executionId": seen.oldest}});
        let states = lines.call("executionNodeState.list", of_oldest)?;
        assert!(states["items"].as_array().is_some_and(|all| !all.is_empty()), "{states}");
        world.stop()?;
    }
    Ok(costs)
}

fn look_around(read: &Snapshot) -> Result<Seen> {
    let paging = Paging { limit: 1, cursor: None, newest_first: false };
    let oldest = execution::list(read, &Query::default(), &paging)?.items;
    let newest = execution::list(read, &Query::default(), &Paging::first(1))?.items;
    let workflow = workflow::list(read, &workflow::Query::default(), &paging)?.items;
    let user = user::list(read, None, None, &paging)?.items;
    Ok(Seen {
        oldest: oldest.first().context("an execution")?.id,
        workflow: workflow.first().context("a workflow")?.id,
        user: user.first().context("a user")?.id,
        now: newest.first().context("an execution")?.created_at,
    })
}

#[test]
fn what_is_read_does_not_grow_with_history() -> Result<()> {
    let (few, many) = (costs(2_000)?, costs(20_000)?);
    let shown: Vec<String> = few
        .iter()
        .zip(&many)
        .map(|((what, few), (_, many))| {
            format!("{what}: {few} reads with 2,000, {many} with 20,000")
        })
        .collect();
    let shown = shown.join("\n");
    println!("{shown}");
    for ((what, few), (_, many)) in few.iter().zip(&many) {
        // Trees ten times as large are a level deeper; a page has as many rows as ever.
        assert!(*many <= few + 4 * ROWS, "{what}:\n{shown}");
    }
    Ok(())
}
