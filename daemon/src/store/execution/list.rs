//! Lists of executions, joined over state and the history files, in the order of their ids.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use a2n_proto::execution::{Execution, ExecutionStatus, PausedReason};
use a2n_proto::{ExecutionId, Timestamp, UserId, WorkflowId, WorkflowTriggerId};

use super::{Kept, forget_gone, waiting};
use crate::store::history::{FileName, History, Kind, month_of};
use crate::store::keys::{Key, KeyRange, last_id};
use crate::store::read::Source;
use crate::store::rows::{self, Page, Paging};
use crate::store::schema::{
    EXECUTION, EXECUTION_BY_PARENT, EXECUTION_BY_RETRY, EXECUTION_BY_STATUS, EXECUTION_BY_TRIGGER,
    EXECUTION_BY_USER, EXECUTION_BY_WORKFLOW, EXECUTION_BY_WORKFLOW_STATUS, EXECUTION_IN_DOUBT,
    EXECUTION_QUEUED, Table,
};
use crate::store::{Error, Read};

/// Which executions a list wants; all conditions have to hold. Where several values are named, one
/// of them has to fit; where a list of them is empty, nothing does.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// Where they stand.
    pub status: Option<Vec<ExecutionStatus>>,
    /// Of these workflows.
    pub workflow: Option<Vec<WorkflowId>>,
    /// With these users' rights.
    pub user: Option<Vec<UserId>>,
    /// Started by these triggers.
    pub trigger: Option<Vec<WorkflowTriggerId>>,
    /// Started by a node of these.
    pub parent: Option<Vec<ExecutionId>>,
    /// Retrying these.
    pub retry_of: Option<Vec<ExecutionId>>,
    /// Started (or, where it has not started, accepted) at or after.
    pub from: Option<Timestamp>,
    /// Started (or, where it has not started, accepted) before.
    pub to: Option<Timestamp>,
    /// Accepted at or after.
    pub created_from: Option<Timestamp>,
    /// Accepted before.
    pub created_to: Option<Timestamp>,
}

/// Nothing waits longer than this between being accepted and its start without being found by
/// other filters than its start: a day, in milliseconds.
const LONGEST_WAIT: u64 = 24 * 3_600_000;
/// An id's time and its execution's `createdAt` are read one after the other, and ids go on from
/// where they were while the clock is set back: by no more than this, a minute, in milliseconds.
const APART: u64 = 60_000;
/// Rows that one page may look at. A filter that leaves out more than these in a row gets a page
/// that is not full, with a cursor.
const WALK: usize = 100_000;

/// Executions that fit, without their data, newest first unless asked otherwise.
pub fn list(read: &impl Read, query: &Query, paging: &Paging) -> Result<Page<Execution>, Error> {
    list_where(read, query, paging, &mut |_| Ok(true))
}

/// The same, without those that `sees` leaves out.
pub(crate) fn list_where(
    read: &impl Read,
    query: &Query,
    paging: &Paging,
    sees: &mut dyn FnMut(&Execution) -> Result<bool, Error>,
) -> Result<Page<Execution>, Error> {
    let mut walk = Walk::new(read, query, paging)?;
    let mut items: Vec<Execution> = Vec::new();
    let mut looked_at = 0;
    loop {
        let wanted = (paging.limit - items.len()).clamp(16, 1000);
        let (found, is_end) = walk.next(wanted)?;
        for (id, execution) in found {
            if items.len() >= paging.limit {
                return Ok(Page { items, next_cursor: walk.cursor() });
            }
            walk.last = Some(id);
            looked_at += 1;
            if let Some(execution) = execution
                && fits(&execution, query)
                && sees(&execution)?
            {
                items.push(execution);
            }
        }
        if is_end {
            return Ok(Page { items, next_cursor: None });
        }
        if looked_at >= WALK {
            return Ok(Page { items, next_cursor: walk.cursor() });
        }
    }
}

fn fits(execution: &Execution, query: &Query) -> bool {
    let start = execution.start_time.unwrap_or(execution.created_at);
    one_of(&query.status, Some(&execution.status))
        && one_of(&query.workflow, Some(&execution.workflow_id))
        && one_of(&query.user, Some(&execution.user_id))
        && one_of(&query.trigger, execution.trigger_id.as_ref())
        && one_of(&query.parent, execution.parent_execution_id.as_ref())
        && one_of(&query.retry_of, execution.retry_of.as_ref())
        && query.from.is_none_or(|from| start >= from)
        && query.to.is_none_or(|to| start < to)
        && query.created_from.is_none_or(|from| execution.created_at >= from)
        && query.created_to.is_none_or(|to| execution.created_at < to)
}

fn one_of<T: PartialEq>(wanted: &Option<Vec<T>>, value: Option<&T>) -> bool {
    wanted.as_ref().is_none_or(|wanted| value.is_some_and(|value| wanted.contains(value)))
}

/// Ids in order, from every place that has some.
struct Walk<'r, R: Read> {
    read: &'r R,
    table: Table,
    prefixes: Vec<Key>,
    descending: bool,
    /// Ids are from here (included) to there (left out).
    from: Option<[u8; 16]>,
    to: Option<[u8; 16]>,
    last: Option<[u8; 16]>,
    /// The files that may have some of these statuses.
    kinds: Vec<Kind>,
    sources: BTreeMap<u32, Vec<Source>>,
}

type Found = Vec<([u8; 16], Option<Execution>)>;

impl<'r, R: Read> Walk<'r, R> {
    fn new(read: &'r R, query: &Query, paging: &Paging) -> Result<Self, Error> {
        let (table, prefixes) = index_for(query);
        let last = match &paging.cursor {
            Some(text) => {
                let id: ExecutionId = text.parse().map_err(|_| Error::BadCursor)?;
                Some(*id.as_bytes())
            }
            None => None,
        };
        let bound = |ms: u64| *ExecutionId::from_parts(ms, [0; 10]).as_bytes();
        let ms = |at: Timestamp| u64::try_from(at.as_unix_ms()).unwrap_or(0);
        let from = [
            query.from.map(|from| ms(from).saturating_sub(LONGEST_WAIT)),
            query.created_from.map(|from| ms(from).saturating_sub(APART)),
        ];
        let to = [query.to.map(ms), query.created_to.map(|to| ms(to).saturating_add(APART))];
        Ok(Self {
            read,
            table,
            prefixes,
            descending: paging.newest_first,
            from: from.into_iter().flatten().max().map(bound),
            to: to.into_iter().flatten().min().map(bound),
            last,
            kinds: kinds_for(query),
            sources: BTreeMap::new(),
        })
    }

    fn cursor(&self) -> Option<String> {
        self.last.map(|id| ExecutionId::from_bytes(id).to_string())
    }

    /// Up to `wanted` rows after the last one, and whether these are the last.
    fn next(&mut self, wanted: usize) -> Result<(Found, bool), Error> {
        // From id to the month whose files have it; `None` is state, which wins.
        let mut ids: BTreeMap<[u8; 16], Option<(u32, usize)>> = BTreeMap::new();
        for id in self.ids_in(self.read, wanted)? {
            ids.insert(id, None);
        }
        if let Some(history) = self.read.history() {
            for month in self.months(history) {
                if self.has_enough(&ids, wanted, month) {
                    break;
                }
                self.open(history, month)?;
                for (place, source) in self.sources[&month].iter().enumerate() {
                    for id in self.ids_in(source, wanted)? {
                        ids.entry(id).or_insert(Some((month, place)));
                    }
                }
            }
        }
        let is_end = ids.len() <= wanted;
        let mut found = Vec::new();
        let ordered: Vec<_> = if self.descending {
            ids.into_iter().rev().take(wanted).collect()
        } else {
            ids.into_iter().take(wanted).collect()
        };
        for (id, place) in ordered {
            found.push((id, self.row(id, place)?));
        }
        Ok((found, is_end))
    }

    fn row(&self, id: [u8; 16], place: Option<(u32, usize)>) -> Result<Option<Execution>, Error> {
        let kept = match place {
            None => rows::get::<Kept>(self.read, &id),
            Some((month, place)) => rows::get::<Kept>(&self.sources[&month][place], &id),
        };
        match kept {
            Ok(Some(kept)) => {
                let mut execution = kept.execution;
                if place.is_some() && !forget_gone(self.read, &mut execution)? {
                    return Ok(None);
                }
                Ok(Some(execution))
            }
            Ok(None) => {
                // An index entry that leads nowhere is damage; the list goes on without it.
                let _ = self.read.damaged(self.table, &id);
                Ok(None)
            }
            Err(Error::Damaged { .. }) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// One more than `wanted` ids of each prefix, after the last one.
    fn ids_in(&self, read: &impl Read, wanted: usize) -> Result<Vec<[u8; 16]>, Error> {
        let mut ids = Vec::new();
        for prefix in &self.prefixes {
            let mut range = prefix.clone().under();
            if let Some(from) = &self.from {
                range = range.starting_at(&prefix.clone().id(from));
            }
            if let Some(to) = &self.to {
                range = range.before(&prefix.clone().id(to));
            }
            range = self.after_last(range, prefix);
            let mut n = 0;
            read.scan(self.table, &range, self.descending, &mut |key, _| {
                ids.extend(last_id(key));
                n += 1;
                Ok(if n > wanted { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
            })?;
        }
        Ok(ids)
    }

    fn after_last(&self, range: KeyRange, prefix: &Key) -> KeyRange {
        match &self.last {
            Some(last) if self.descending => range.before(&prefix.clone().id(last)),
            Some(last) => range.after(&prefix.clone().id(last)),
            None => range,
        }
    }

    /// The months that may have more, in the order of the list.
    fn months(&self, history: &History) -> Vec<u32> {
        let month = |id: &[u8; 16]| month_of(ExecutionId::from_bytes(*id).unix_ms());
        let (mut least, mut most) = (self.from.as_ref().map(month), self.to.as_ref().map(month));
        match (&self.last, self.descending) {
            (Some(last), true) => most = Some(most.map_or(month(last), |m| m.min(month(last)))),
            (Some(last), false) => least = Some(least.map_or(month(last), |m| m.max(month(last)))),
            (None, _) => {}
        }
        let mut months: Vec<u32> = history
            .files()
            .into_iter()
            .filter(|name| self.kinds.contains(&name.kind))
            .map(|name| name.month)
            .filter(|m| least.is_none_or(|least| *m >= least))
            .filter(|m| most.is_none_or(|most| *m <= most))
            .collect();
        months.dedup();
        if !self.descending {
            months.reverse();
        }
        months
    }

    /// Whether everything in this month's files comes after what was already found.
    fn has_enough<P>(&self, ids: &BTreeMap<[u8; 16], P>, wanted: usize, month: u32) -> bool {
        let month_of_id = |id: &[u8; 16]| month_of(ExecutionId::from_bytes(*id).unix_ms());
        let last =
            if self.descending { ids.keys().rev().nth(wanted) } else { ids.keys().nth(wanted) };
        last.is_some_and(|id| {
            if self.descending { month_of_id(id) > month } else { month_of_id(id) < month }
        })
    }

    fn open(&mut self, history: &History, month: u32) -> Result<(), Error> {
        if self.sources.contains_key(&month) {
            return Ok(());
        }
        let mut sources = Vec::new();
        for kind in &self.kinds {
            sources.extend(history.source(FileName { month, kind: *kind })?);
        }
        self.sources.insert(month, sources);
        Ok(())
    }
}

/// The kinds of history files that have executions with these statuses.
fn kinds_for(query: &Query) -> Vec<Kind> {
    let Some(statuses) = &query.status else { return Kind::EXECUTIONS.to_vec() };
    let ended = statuses.iter().filter(|status| status.is_ended());
    let wanted: Vec<Kind> = ended.map(|status| Kind::of(*status)).collect();
    let fits = |kind: &Kind| wanted.contains(kind);
    Kind::EXECUTIONS.into_iter().filter(fits).collect()
}

/// The index that leaves the fewest rows to look at, and where in it.
fn index_for(query: &Query) -> (Table, Vec<Key>) {
    fn of<T>(ids: &[T], bytes: fn(&T) -> &[u8; 16]) -> Vec<Key> {
        ids.iter().map(|id| Key::of_id(bytes(id))).collect()
    }
    let with_status = |starts: Vec<Key>, all: &[ExecutionStatus]| -> Vec<Key> {
        let of = |start: Key| all.iter().map(move |status| start.clone().u8(*status as u8));
        starts.into_iter().flat_map(of).collect()
    };
    match query {
        Query { parent: Some(ids), .. } => (EXECUTION_BY_PARENT, of(ids, ExecutionId::as_bytes)),
        Query { retry_of: Some(ids), .. } => (EXECUTION_BY_RETRY, of(ids, ExecutionId::as_bytes)),
        Query { trigger: Some(ids), .. } => {
            (EXECUTION_BY_TRIGGER, of(ids, WorkflowTriggerId::as_bytes))
        }
        Query { workflow: Some(ids), status: Some(all), .. } => {
            (EXECUTION_BY_WORKFLOW_STATUS, with_status(of(ids, WorkflowId::as_bytes), all))
        }
        Query { workflow: Some(ids), .. } => (EXECUTION_BY_WORKFLOW, of(ids, WorkflowId::as_bytes)),
        Query { user: Some(ids), .. } => (EXECUTION_BY_USER, of(ids, UserId::as_bytes)),
        Query { status: Some(all), .. } => {
            (EXECUTION_BY_STATUS, with_status(vec![Key::new()], all))
        }
        _ => (EXECUTION, vec![Key::new()]),
    }
}

/// The index entries of an execution.
pub(crate) fn marks(execution: &Execution) -> Vec<(Table, Key)> {
    let id = execution.id.as_bytes();
    let workflow = execution.workflow_id.as_bytes();
    let status = execution.status as u8;
    let mut marks = Vec::with_capacity(7);
    marks.push((EXECUTION_BY_STATUS, Key::new().u8(status).id(id)));
    marks.push((EXECUTION_BY_WORKFLOW, Key::of_id(workflow).id(id)));
    marks.push((EXECUTION_BY_WORKFLOW_STATUS, Key::of_id(workflow).u8(status).id(id)));
    marks.push((EXECUTION_BY_USER, Key::of_id(execution.user_id.as_bytes()).id(id)));
    if let Some(trigger) = execution.trigger_id {
        marks.push((EXECUTION_BY_TRIGGER, Key::of_id(trigger.as_bytes()).id(id)));
    }
    if let Some(parent) = execution.parent_execution_id {
        marks.push((EXECUTION_BY_PARENT, Key::of_id(parent.as_bytes()).id(id)));
    }
    if let Some(retried) = execution.retry_of {
        marks.push((EXECUTION_BY_RETRY, Key::of_id(retried.as_bytes()).id(id)));
    }
    if execution.status == ExecutionStatus::Pending {
        marks.push((EXECUTION_QUEUED, waiting::turn(execution)));
    }
    if execution.paused_reason == Some(PausedReason::InDoubt) {
        marks.push((EXECUTION_IN_DOUBT, Key::of_id(id)));
    }
    marks
}
