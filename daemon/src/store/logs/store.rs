//! The lines of executions.

use std::collections::BTreeSet;

use a2n_proto::{ExecutionId, Timestamp, WorkflowId};
use a2n_segment::{Expired, Group, Position, Query as BlockQuery, Report, Stream, Totals};

use super::error::Error;
use super::follow::Follow;
use super::lane::{Encoded, Expire, Lane, Options};
use super::line::{self, NewLine};
use super::mask::Masks;
use super::query::{Found, Lines, Of, Query};
use super::watch::{Key, Watch};

/// Says which executions have not ended.
pub(crate) type Live<'l> =
    dyn FnMut() -> Result<Vec<(ExecutionId, WorkflowId)>, crate::store::Error> + 'l;

/// What steps print. A cheap clone.
#[derive(Debug, Clone)]
pub struct LogStore {
    lane: Lane,
}

impl LogStore {
    /// Opens the folder and repairs it. `live` are the executions that have not ended: after a
    /// power cut their seqs go on above anything a reader may have seen.
    pub fn open(options: Options, live: &[(ExecutionId, WorkflowId)]) -> Result<Self, Error> {
        Self::open_asking(options, &mut || Ok(live.to_vec()))
    }
    /// The same where it costs something to say which are live: asked only after a power cut.
    pub(crate) fn open_asking(options: Options, live: &mut Live<'_>) -> Result<Self, Error> {
        let mut keys = || {
            let live = live().map_err(|why| Error::Live(why.to_string()))?;
            Ok(live.iter().map(|&(e, w)| key(e, w)).collect())
        };
        Ok(Self { lane: Lane::open(options, &mut keys, notice)? })
    }
    /// Takes lines of one execution, in order, masked; waits while too much is on its way to the
    /// disk. They are shown once they are in their segment, moments later.
    pub async fn append(
        &self,
        execution: ExecutionId,
        workflow: WorkflowId,
        lines: Vec<NewLine>,
        masks: &Masks,
    ) -> Result<(), Error> {
        let records = lines.iter().map(|l| line::encode(l, masks)).collect();
        self.lane.append(key(execution, workflow), records).await
    }
    /// The same for lines that differ in their messages only, of which there may be millions.
    pub async fn append_all<'l>(
        &self,
        execution: ExecutionId,
        workflow: WorkflowId,
        like: &NewLine,
        messages: impl Iterator<Item = &'l str>,
        masks: &Masks,
    ) -> Result<(), Error> {
        let records = line::encode_all(like, messages, masks);
        self.lane.append(key(execution, workflow), records).await
    }
    /// Waits until all lines that the execution has got so far are durable. An error says that some
    /// are not; it is told once.
    pub async fn sync(&self, execution: ExecutionId) -> Result<(), Error> {
        self.lane.sync(Stream(*execution.as_bytes())).await
    }
    /// One page of lines. Reads files, so an async caller lends it a thread that may block.
    pub fn query(&self, query: Query, limit: usize) -> Result<Found, Error> {
        Lines::new(self.lane.catalogue(), query)?.page(limit)
    }
    /// The lines that are there and then those that come.
    pub fn follow(&self, query: Query) -> Result<Follow, Error> {
        // The watch first: what is written between the two is then seen by both.
        let watch = self.watch(query.of);
        Ok(Follow::new(Lines::new(self.lane.catalogue(), query)?, watch))
    }
    /// Sleeps until there are new lines.
    pub fn watch(&self, of: Of) -> Watch {
        self.lane.watch(match of {
            Of::Execution(id) => Key::One(Stream(*id.as_bytes())),
            Of::Workflow(id) => Key::Group(Group(*id.as_bytes())),
        })
    }
    /// The highest seq that the execution has shown; 0 where it has no lines.
    pub fn last_seq(&self, execution: ExecutionId) -> Result<u64, Error> {
        Ok(self.lane.catalogue().last_seq(Stream(*execution.as_bytes()))?.unwrap_or(0))
    }
    /// Removes whole files: those with only lines from before `before`, and the oldest ones while
    /// there are more than `max_bytes`. `live` are the executions that have not ended.
    pub async fn expire(
        &self,
        before: Option<Timestamp>,
        max_bytes: Option<u64>,
        live: &BTreeSet<ExecutionId>,
    ) -> Result<Expired, Error> {
        let live = live.iter().map(|id| Stream(*id.as_bytes())).collect();
        let before = before.map(Timestamp::as_unix_ms);
        self.lane.expire(Expire { before, max_bytes, live }).await
    }
    /// Reads and checks everything: checksums, indexes, order of seqs, and that each line can be
    /// read. Takes as long as reading all files takes.
    pub fn verify(&self) -> Result<Report, Error> {
        let catalogue = self.lane.catalogue();
        let mut report = catalogue.verify()?;
        let mut reader = catalogue.forwards(BlockQuery::default(), Position::START);
        while let Some(block) = reader.next_block()? {
            let execution = ExecutionId::from_bytes(block.stream().0);
            let unread = block
                .records()
                .filter(|r| line::decode(execution, r.seq, r.time, r.bytes).is_none());
            report.problems.extend(unread.map(|record| a2n_segment::Damage {
                file: format!("{:016x}.seg", record.position.segment),
                offset: record.position.offset,
                bytes: record.bytes.len() as u64,
                what: "a line that this version can't read",
            }));
        }
        Ok(report)
    }
    /// How much there is.
    pub fn totals(&self) -> Totals {
        self.lane.totals()
    }
    /// Lines lost since the start, because the disk refused them.
    pub fn lost(&self) -> u64 {
        self.lane.lost()
    }
    /// Lines that were stored since the start.
    pub fn stored(&self) -> u64 {
        self.lane.stored()
    }
    /// Writes and syncs what waits and ends the thread.
    pub async fn close(&self) {
        self.lane.close().await;
    }
}

fn key(execution: ExecutionId, workflow: WorkflowId) -> (Stream, Group) {
    (Stream(*execution.as_bytes()), Group(*workflow.as_bytes()))
}

fn notice(lines: u64, why: &str, time: i64) -> Encoded {
    use a2n_proto::execution::LogLevel;
    let text = format!("{lines} log lines were lost here: {why}");
    let line = NewLine::system(Timestamp::from_unix_ms(time), LogLevel::Warn, text);
    line::encode(&line, &Masks::NONE)
}
