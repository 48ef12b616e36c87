//! What the disk and redb give at most: the store's own commits without anything of A2N.

use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::Result;
use redb::{Database, Durability, TableDefinition};

const ROWS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("rows");
/// What is written at once.
const VALUE: [u8; 300] = [7; 300];

/// Acknowledged writes of 300 bytes a second: many writers, one thread that commits all that wait.
pub(crate) fn group_commit(folder: &Path, n_writers: usize, time: Duration) -> Result<f64> {
    let database = Database::create(folder.join("group.redb"))?;
    let (sender, inbox) = mpsc::channel::<([u8; 16], mpsc::SyncSender<()>)>();
    let until = Instant::now() + time;
    let writers: Vec<_> = (0..n_writers)
        .map(|writer| {
            let sender = sender.clone();
            std::thread::spawn(move || write(&sender, writer as u64, until))
        })
        .collect();
    drop(sender);
    while let Ok(first) = inbox.recv() {
        let mut waiting = vec![first];
        waiting.extend(inbox.try_iter());
        commit(&database, waiting.iter().map(|(key, _)| key))?;
        for (_, done) in waiting {
            // A writer hears of its last write or has ended.
            let _ = done.send(());
        }
    }
    let n: u64 = writers.into_iter().filter_map(|writer| writer.join().ok()).sum();
    Ok(n as f64 / time.as_secs_f64())
}

fn write(
    sender: &mpsc::Sender<([u8; 16], mpsc::SyncSender<()>)>,
    writer: u64,
    until: Instant,
) -> u64 {
    let (done, told) = mpsc::sync_channel(1);
    let mut n = 0;
    while Instant::now() < until {
        if sender.send((key(n, writer), done.clone())).is_err() || told.recv().is_err() {
            break;
        }
        n += 1;
    }
    n
}

/// The median time of one durable commit of 300 bytes.
pub(crate) fn one_commit(folder: &Path, n: u64) -> Result<Duration> {
    let database = Database::create(folder.join("one.redb"))?;
    let mut times = Vec::new();
    for round in 0..n {
        let begun = Instant::now();
        commit(&database, [key(round, 0)].iter())?;
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    Ok(times[times.len() / 2])
}

/// As the store commits: on the disk when it returns, and quick to repair.
fn commit<'k>(database: &Database, keys: impl Iterator<Item = &'k [u8; 16]>) -> Result<()> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    transaction.set_quick_repair(true);
    let mut rows = transaction.open_table(ROWS)?;
    for key in keys {
        rows.insert(key.as_slice(), VALUE.as_slice())?;
    }
    drop(rows);
    transaction.commit()?;
    Ok(())
}

/// Keys grow, as ids of executions do.
fn key(n: u64, writer: u64) -> [u8; 16] {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&n.to_be_bytes());
    key[8..].copy_from_slice(&writer.to_be_bytes());
    key
}
