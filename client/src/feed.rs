//! A subscription that survives: after a lost connection or a daemon restart it goes on where it
//! was, without a gap and without a double.
//!
//! What was seen last is remembered as the daemon's own cursor, or as a line's number where one
//! execution is followed. `lagged` (the daemon left something out for a slow reader) resumes the
//! same way, so a reader only ever sees [`Notice::Gap`] for what is really gone.

use std::time::Duration;

use a2n_proto::api::Notice as WireNotice;
use a2n_proto::execution::ExecutionLog;
use a2n_proto::{Change, ExecutionId, Json, WorkflowId};
use jsonrpsee::core::client::Subscription;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::error::Error;
use crate::session::Session;

/// First wait between two attempts to connect again; doubled up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_millis(20);
/// Longest wait between two attempts.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// What a feed brings.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice<T> {
    /// These, in order, each once.
    Items(Vec<T>),
    /// These numbers are older than what is kept: read a snapshot, then go on.
    Gap {
        /// First number that is gone.
        from: u64,
        /// Last number that is gone.
        to: u64,
    },
    /// The connection was lost and is back; nothing was missed.
    Resumed,
    /// Nothing more will come, for this reason.
    End(String),
}

/// Something with a number in its stream.
pub trait Numbered {
    /// Its number, ascending within the stream.
    fn number(&self) -> u64;
}

impl Numbered for ExecutionLog {
    fn number(&self) -> u64 {
        self.seq
    }
}
impl Numbered for Change {
    fn number(&self) -> u64 {
        self.seq
    }
}

/// A resuming subscription.
#[derive(Debug)]
pub struct Feed<T> {
    session: Session,
    entity: &'static str,
    params: Map<String, Value>,
    at: At,
    patience: Duration,
    subscription: Option<Subscription<Json>>,
    _item: std::marker::PhantomData<fn() -> T>,
}

/// Where a feed stands.
#[derive(Debug, Clone)]
enum At {
    /// After this number; doubles are told by it.
    Number(u64),
    /// After this cursor and, within one connection and across them, after this number.
    Cursor(Option<String>, u64),
    /// After this cursor, over several numbered streams.
    Streams(Option<String>),
}

impl Feed<ExecutionLog> {
    /// The log of one execution, from after line `after`; with `follow` until it ends.
    pub fn of_execution(session: &Session, id: ExecutionId, after: u64, follow: bool) -> Self {
        let mut params = Map::new();
        params.insert("executionId".into(), id.to_string().into());
        params.insert("follow".into(), follow.into());
        Self::new(session, "executionLog", params, At::Number(after))
    }

    /// The logs of all executions of a workflow.
    pub fn of_workflow(session: &Session, id: WorkflowId, follow: bool) -> Self {
        let mut params = Map::new();
        params.insert("workflowId".into(), id.to_string().into());
        params.insert("follow".into(), follow.into());
        Self::new(session, "executionLog", params, At::Streams(None))
    }

    /// Only lines whose `member` (`level`, `text`, `nodeId`) is as said; all where nothing is.
    pub fn only(mut self, member: &str, value: Option<&str>) -> Self {
        if let Some(value) = value {
            self.params.insert(member.to_owned(), value.into());
        }
        self
    }
}

impl Feed<Change> {
    /// Every state change of these entities (all where empty), from after `cursor` or from now.
    /// Without a cursor the first notice is `Items` of nothing: read the snapshot after it.
    pub fn of_changes(session: &Session, topics: &[&str], cursor: Option<String>) -> Self {
        let mut params = Map::new();
        if !topics.is_empty() {
            params.insert("topics".into(), topics.iter().copied().collect());
        }
        Self::new(session, "system", params, At::Cursor(cursor, 0))
    }
}

impl<T: DeserializeOwned + Numbered> Feed<T> {
    fn new(session: &Session, entity: &'static str, params: Map<String, Value>, at: At) -> Self {
        Self {
            session: session.clone(),
            entity,
            params,
            at,
            patience: Duration::from_secs(60),
            subscription: None,
            _item: std::marker::PhantomData,
        }
    }

    /// How long to try to reach a daemon that went away.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// What the daemon calls the place up to which everything was seen.
    pub fn cursor(&self) -> Option<&str> {
        match &self.at {
            At::Number(_) => None,
            At::Cursor(cursor, _) | At::Streams(cursor) => cursor.as_deref(),
        }
    }

    /// Waits for what comes next. After [`Notice::End`] nothing more comes.
    ///
    /// # Errors
    /// What the daemon refuses, and a daemon that stays away longer than the patience.
    pub async fn next(&mut self) -> Result<Notice<T>, Error> {
        loop {
            let Some(subscription) = &mut self.subscription else {
                self.subscription = Some(self.session.subscribe(self.entity, &self.ask()).await?);
                continue;
            };
            let Some(notification) = subscription.next().await else {
                self.resume().await?;
                return Ok(Notice::Resumed);
            };
            let notification = notification.map_err(|error| self.not_understood(&error))?;
            let notice = notification.to().map_err(|error| self.not_understood(&error))?;
            match notice {
                WireNotice::End { end } if is_pause(&end.reason) => {
                    self.resume().await?;
                    return Ok(Notice::Resumed);
                }
                WireNotice::End { end } => return Ok(Notice::End(end.reason)),
                // Our own place is before what was left out: from there it comes again.
                WireNotice::Lagged { .. } => self.subscription = None,
                WireNotice::Gap { gap, cursor } => {
                    self.at.pass(gap.to, cursor);
                    return Ok(Notice::Gap { from: gap.from, to: gap.to });
                }
                WireNotice::Items { items, cursor } => {
                    return Ok(Notice::Items(self.at.take(items, cursor)));
                }
            }
        }
    }

    /// Connects again and subscribes from where we are, within the patience.
    async fn resume(&mut self) -> Result<(), Error> {
        self.subscription = None;
        let deadline = tokio::time::Instant::now() + self.patience;
        let mut wait = FIRST_WAIT;
        loop {
            match self.session.subscribe(self.entity, &self.ask()).await {
                Ok(subscription) => {
                    self.subscription = Some(subscription);
                    return Ok(());
                }
                Err(error) if error.is_passing() => {
                    if tokio::time::Instant::now() + wait > deadline {
                        return Err(error);
                    }
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(LONGEST_WAIT);
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn ask(&self) -> Json {
        let mut params = self.params.clone();
        match &self.at {
            At::Number(seq) => {
                params.insert("afterSeq".into(), (*seq).into());
            }
            At::Cursor(Some(cursor), _) | At::Streams(Some(cursor)) => {
                params.insert("cursor".into(), cursor.as_str().into());
            }
            At::Cursor(None, _) | At::Streams(None) => {}
        }
        Json::of(&params)
    }

    fn not_understood(&self, error: &serde_json::Error) -> Error {
        Error::Answer { method: format!("{}.subscribe", self.entity), reason: error.to_string() }
    }
}

impl At {
    /// Moves on past these, and leaves out what was seen before.
    fn take<T: Numbered>(&mut self, mut items: Vec<T>, fresh: String) -> Vec<T> {
        match self {
            At::Number(last) | At::Cursor(_, last) => items.retain(|item| {
                let new = item.number() > *last;
                *last = item.number().max(*last);
                new
            }),
            At::Streams(_) => {}
        }
        self.remember(fresh);
        items
    }

    fn pass(&mut self, to: u64, fresh: String) {
        match self {
            At::Number(last) | At::Cursor(_, last) => *last = to.max(*last),
            At::Streams(_) => {}
        }
        self.remember(fresh);
    }

    fn remember(&mut self, fresh: String) {
        if let At::Cursor(cursor, _) | At::Streams(cursor) = self {
            *cursor = Some(fresh);
        }
    }
}

/// Whether a subscription's end only means that the daemon goes away for a moment.
fn is_pause(reason: &str) -> bool {
    matches!(reason, "SHUTDOWN" | "SHUTTING_DOWN" | "INPUT_ENDED")
}

#[cfg(test)]
mod tests {
    use super::*;

    struct N(u64);
    impl Numbered for N {
        fn number(&self) -> u64 {
            self.0
        }
    }

    fn taken(at: &mut At, items: &[u64], cursor: &str) -> Vec<u64> {
        let items = items.iter().map(|n| N(*n)).collect();
        at.take(items, cursor.to_owned()).iter().map(|n| n.0).collect()
    }

    #[test]
    fn what_comes_twice_is_shown_once() {
        let mut at = At::Number(0);
        assert_eq!(taken(&mut at, &[1, 2, 3], "x"), [1, 2, 3]);
        assert_eq!(taken(&mut at, &[2, 3, 4], "x"), [4]);
        assert_eq!(taken(&mut at, &[9], "x"), [9]);
        assert!(matches!(at, At::Number(9)));
    }

    #[test]
    fn several_streams_go_on_by_cursor_alone() {
        let mut at = At::Streams(None);
        assert_eq!(taken(&mut at, &[1, 2], "a"), [1, 2]);
        assert_eq!(taken(&mut at, &[1], "b"), [1]);
        assert!(matches!(at, At::Streams(Some(cursor)) if cursor == "b"));
    }
}
