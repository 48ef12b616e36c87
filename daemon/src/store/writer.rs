//! The writer: the one owner of the write side. Everything waiting when a commit starts shares it.
//!
//! A loop around [`Writer::commit_batch`], which a simulation calls by hand. Each closure runs under
//! the transaction's undo log and a catch of panics; its `done` is called after the commit. After a
//! failure of the disk nothing is tried again on that handle: it is dropped, the file is opened
//! anew with an integrity check, and its last commit is compared with what was acknowledged.
//! Idle, the thread sleeps on its channel.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;

use redb::{Database, Durability};

use super::audit::Head;
use super::lanes::{Lane, Lanes};
use super::shared::{Refusal, Shared};
use super::tx::Batch;
use super::{Error, Origin, Tx, feed, meta, open};

/// Writes that may wait: about forty commits' worth under full load. Beyond it callers are told
/// *overloaded* instead of memory growing without bound.
pub(crate) const QUEUE: usize = 4096;
/// Writes that share one commit; more would only make the first ones wait.
pub(crate) const MOST_WRITES: usize = 1000;
/// Bytes that share one commit.
const MOST_BYTES: usize = 8 << 20;

type Body = Box<dyn FnOnce(&mut Tx<'_>) -> bool + Send>;
type Done = Box<dyn FnOnce(Result<(), Error>) + Send>;

/// One write: what to do inside the shared transaction, and whom to tell after the commit.
pub struct Write {
    origin: Origin,
    lane: Lane,
    body: Body,
    done: Done,
}

impl Write {
    /// A write that is kept if `body` answers true, and `done` that hears of the commit on the
    /// writer's thread. A `body` that answers false is undone; `done` then hears `Ok`, and the body
    /// itself knows why.
    pub fn new(
        origin: Origin,
        body: impl FnOnce(&mut Tx<'_>) -> bool + Send + 'static,
        done: impl FnOnce(Result<(), Error>) + Send + 'static,
    ) -> Self {
        Self { origin, lane: None, body: Box::new(body), done: Box::new(done) }
    }

    /// The same among the writes of a workflow, whose order it keeps; workflows take turns.
    pub fn in_lane(self, workflow: [u8; 16]) -> Self {
        Self { lane: Some(workflow), ..self }
    }

    pub(crate) fn lane(&self) -> Lane {
        self.lane
    }

    #[cfg(test)]
    pub(crate) fn at(&self) -> a2n_proto::Timestamp {
        self.origin.at
    }

    /// Tells whoever waits that it was not accepted.
    pub(crate) fn refuse(self, error: Error) {
        (self.done)(Err(error));
    }
}

impl fmt::Debug for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Write").field("origin", &self.origin).finish_non_exhaustive()
    }
}

/// The write side.
#[derive(Debug)]
pub(crate) struct Writer {
    shared: Arc<Shared>,
    /// The number of the last commit.
    commit: u64,
    /// The number of the next change.
    next_change: u64,
    /// The end of the audit chain.
    audit: Head,
}

/// A transaction that was lost.
struct Failure {
    error: Error,
    /// Whether the commit itself was tried: then it may be on the disk all the same.
    at_commit: bool,
}

impl Failure {
    fn before_commit(error: Error) -> Self {
        Self { error, at_commit: false }
    }
}

/// How one write fared before the commit.
struct Ran {
    done: Done,
    /// `Ok` where its rows are in the transaction, or where it undid itself.
    result: Result<(), Error>,
    /// Whether it has rows in the transaction.
    kept: bool,
    /// How many rows and index entries it changed.
    n_touched: usize,
}

impl Writer {
    /// The write side of an open store.
    pub(crate) fn new(shared: Arc<Shared>, heads: meta::Heads) -> Self {
        let meta::Heads { commit, last_change, audit } = heads;
        Self { shared, commit, next_change: last_change + 1, audit }
    }

    /// The thread's loop: ends when every sender is gone.
    pub(crate) fn run(mut self, inbox: &Receiver<Write>) {
        let mut waiting = Lanes::default();
        loop {
            if waiting.is_empty() {
                match inbox.recv() {
                    Ok(write) => waiting.push(write),
                    Err(_) => return,
                }
            }
            while waiting.len() < QUEUE {
                match inbox.try_recv() {
                    Ok(write) => waiting.push(write),
                    Err(_) => break,
                }
            }
            self.commit_batch(&mut waiting);
        }
    }

    /// One commit with as many of the waiting writes as may share it, and its answers. Answers how
    /// many writes it took.
    pub(crate) fn commit_batch(&mut self, waiting: &mut Lanes) -> usize {
        if waiting.is_empty() {
            return 0;
        }
        if let Some(refusal) = self.shared.refusal()
            && (refusal.for_good || !self.reopen())
        {
            let taken = waiting.len();
            for write in waiting.drain() {
                write.refuse(self.shared.refused());
            }
            return taken;
        }
        let mut ran = Vec::new();
        let observer = self.shared.options.observer.clone();
        let began = observer.as_ref().map(|observer| observer.running_time());
        // What redb's own guards let through, a transaction dropped half way above all.
        let attempt = catch_unwind(AssertUnwindSafe(|| self.attempt(waiting, &mut ran)));
        let outcome = attempt.unwrap_or_else(|panic| {
            let source = redb::Error::Corrupted(panic_message(&*panic));
            Err(Failure { error: Error::storage("committing", source), at_commit: true })
        });
        let taken = ran.len();
        let outcome = match outcome {
            Ok(batch) => {
                if let (Some(_), Some(observer), Some(began)) = (&batch, &observer, began) {
                    let writes = ran.iter().filter(|one| one.kept).count() as u64;
                    observer.committed(observer.running_time().saturating_sub(began), writes);
                }
                self.publish(batch);
                Ok(())
            }
            Err(failure) => self.mend(failure),
        };
        for Ran { done, result, kept, .. } in ran {
            // A write that wrote nothing does not depend on the commit.
            let result = if kept { outcome.clone() } else { result };
            if catch_unwind(AssertUnwindSafe(|| done(result))).is_err() {
                tracing::error!("the callback of a write panicked");
            }
        }
        taken
    }

    /// Runs writes in one transaction and commits it.
    fn attempt(
        &mut self,
        waiting: &mut Lanes,
        ran: &mut Vec<Ran>,
    ) -> Result<Option<Batch>, Failure> {
        let shared = Arc::clone(&self.shared);
        let guard = shared.database();
        let begun = guard.as_ref().ok_or_else(|| shared.refused()).and_then(begin);
        let transaction = match begun {
            Ok(transaction) => transaction,
            Err(e) => {
                ran.extend(waiting.drain().map(|write| failed(write.done, &e)));
                return Err(Failure::before_commit(e));
            }
        };
        let mut tx = Tx::new(&transaction, &shared, self.next_change, self.audit.clone());
        waiting.begin();
        while ran.len() < MOST_WRITES && tx.batch().bytes < MOST_BYTES {
            let Some(write) = waiting.next() else { break };
            match run(&mut tx, write) {
                Ok(one) => {
                    if one.kept
                        && let Some(observer) = &shared.options.observer
                    {
                        observer.wrote(&tx.origin().source, one.n_touched);
                    }
                    ran.push(one);
                }
                Err((done, e)) => {
                    // The transaction is lost, and with it what the others wrote.
                    ran.push(failed(done, &e));
                    return Err(Failure::before_commit(e));
                }
            }
        }
        if !ran.iter().any(|one| one.kept) {
            drop(tx);
            let aborted = transaction.abort();
            return aborted.map(|()| None).map_err(|e| {
                Failure::before_commit(Error::storage("giving up a write", redb::Error::from(e)))
            });
        }
        let finished = finish(&mut tx, self.commit + 1);
        let batch = tx.into_batch();
        if let Err(e) = finished {
            return Err(Failure::before_commit(e));
        }
        match Error::guarded("committing", || transaction.commit()) {
            Ok(()) => Ok(Some(batch)),
            Err(error) => Err(Failure { error, at_commit: true }),
        }
    }

    /// A commit is durable: remember it, then show its changes.
    fn publish(&mut self, batch: Option<Batch>) {
        let Some(batch) = batch else { return };
        self.commit += 1;
        self.next_change = batch.next_change;
        self.audit = batch.audit;
        self.shared.acknowledged.store(self.commit, Ordering::Release);
        self.shared.forget_snapshot();
        self.shared.live.publish(batch.changes);
    }

    /// After a failure: reopen, and see what the disk really has. A commit that failed on its last
    /// step may be there all the same; then it counts.
    fn mend(&mut self, failure: Failure) -> Result<(), Error> {
        let Failure { error: failure, at_commit } = failure;
        tracing::error!(error = %failure, "store failed, reopening");
        self.shared.set_refusal(Some(Refusal {
            reason: format!("after a failure ({failure}) it is being reopened"),
            for_good: false,
        }));
        if matches!(failure, Error::Full) {
            open::free_ballast(&self.shared.options);
        }
        let before = self.commit;
        if !self.reopen() {
            // Without the file nobody can say whether the last step of the commit was done.
            return Err(if at_commit { Error::unknown(failure) } else { failure });
        }
        if at_commit && self.commit == before + 1 { Ok(()) } else { Err(failure) }
    }

    /// A commit that failed on its last step may be there all the same: then it counts, and its
    /// changes are shown like any other's.
    fn catch_up(&self) {
        self.shared.acknowledged.store(self.commit, Ordering::Release);
        let known = self.shared.live.last();
        let missed = self.shared.snapshot().and_then(|read| feed::stored_after(&read, known));
        match missed {
            Ok(changes) => self.shared.live.publish(changes),
            Err(e) => tracing::error!(error = %e, "changes not shown"),
        }
    }

    /// Drops the handle and opens the file anew, with an integrity check. Afterwards `commit` and
    /// the heads are what the disk has. Answers whether writes are accepted again.
    fn reopen(&mut self) -> bool {
        let shared = Arc::clone(&self.shared);
        let mut place = shared.database.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        // Closing writes to the failed handle and may panic over it; the file is judged below.
        let old = place.take();
        shared.forget_snapshot();
        let _ = catch_unwind(AssertUnwindSafe(|| drop(old)));
        let opened = open::reopen(&shared.options).and_then(|database| {
            let heads = meta::heads_of(&database, &shared.quarantine)?;
            Ok((database, heads))
        });
        let (database, heads) = match opened {
            Ok(opened) => opened,
            Err(e) => {
                let reason = format!("it can't be reopened: {e}");
                tracing::error!(error = %e, "store not reopened");
                shared.set_refusal(Some(Refusal { reason, for_good: false }));
                return false;
            }
        };
        *place = Some(database);
        shared.trust();
        drop(place);
        let acknowledged = shared.acknowledged();
        let lost = heads.commit < acknowledged;
        let refusal = lost.then(|| Refusal {
            reason: format!(
                "the disk lost commits {} to {acknowledged}, which were acknowledged; restore a \
                 backup or accept the loss",
                heads.commit + 1
            ),
            for_good: true,
        });
        shared.set_refusal(refusal);
        *self = Self::new(Arc::clone(&shared), heads);
        if !lost {
            self.catch_up();
        }
        open::restore_ballast(&shared.options, shared.limits());
        tracing::warn!(commit = self.commit, lost, "store reopened");
        !lost
    }
}

/// Begins a transaction of which every commit is durable and quick to repair.
fn begin(database: &Database) -> Result<redb::WriteTransaction, Error> {
    Error::guarded("beginning a write", || {
        let mut transaction = database.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        transaction.set_quick_repair(true);
        Ok::<_, redb::Error>(transaction)
    })
}

/// Runs one write; an error means that the whole transaction is lost.
fn run(tx: &mut Tx<'_>, write: Write) -> Result<Ran, (Done, Error)> {
    let Write { origin, body, done, .. } = write;
    tx.begin(origin);
    let kept = catch_unwind(AssertUnwindSafe(|| body(tx)));
    if let Some(broken) = tx.broken() {
        return Err((done, broken.clone()));
    }
    let n_touched = tx.n_touched();
    let (result, kept) = match kept {
        Ok(true) => (tx.seal(), true),
        Ok(false) => (Ok(()), false),
        Err(panic) => (Err(Error::Panicked { message: panic_message(&*panic) }), false),
    };
    match &result {
        Err(e) if e.is_storage() => return Err((done, e.clone())),
        Ok(()) if kept => return Ok(Ran { done, result, kept, n_touched }),
        _ => {}
    }
    match tx.unroll() {
        Ok(()) => Ok(Ran { done, result, kept: false, n_touched: 0 }),
        Err(e) => Err((done, e)),
    }
}

/// What every commit writes besides its writes: joined counts, the feed, the commit's number.
fn finish(tx: &mut Tx<'_>, commit: u64) -> Result<(), Error> {
    let tally = tx.take_tally();
    tally.write(tx, commit)?;
    let changes = tx.take_changes();
    feed::append(tx, &changes)?;
    tx.give_changes(changes);
    meta::put_commit(tx, commit)
}

fn failed(done: Done, error: &Error) -> Ran {
    Ran { done, result: Err(error.clone()), kept: false, n_touched: 0 }
}

/// What a panic said.
fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no message").to_owned()
}
