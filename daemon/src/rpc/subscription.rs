//! What a subscription's body sends with, and the task around it.
//!
//! The body reads from something durable by cursor and waits in [`Sink`] while its client is slow;
//! nothing is buffered for it beyond a few notes. However it ends (by itself, unsubscribed, daemon
//! stopping, panic), the last note is `{end:{reason}}`, except where the connection is gone.

use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use a2n_proto::RpcError;
use futures_util::FutureExt;
use serde::Serialize;
use tokio::sync::{mpsc, oneshot};

use super::session::{Note, Session};

/// Most items in one note.
pub const MAX_ITEMS: usize = 100;
/// Most bytes of items in one note; a single larger item goes alone.
pub const MAX_ITEM_BYTES: usize = 64 << 10;

/// Where a subscription's notes go. Every method waits while the client does not read.
#[derive(Debug)]
pub struct Sink {
    id: u64,
    notification: &'static str,
    notes: mpsc::Sender<Note>,
}

/// Why a body ended by itself: a stable name such as `EXECUTION_ENDED`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended(pub &'static str);

/// Why a body could not go on.
#[derive(Debug)]
pub enum Stopped {
    /// The client is gone.
    Gone,
    /// Something failed; the client is told the kind as the reason.
    Failed(RpcError),
}

impl From<RpcError> for Stopped {
    fn from(error: RpcError) -> Self {
        Self::Failed(error)
    }
}

impl Sink {
    /// Sends items, each with the cursor after it, in as few notes as the contract allows.
    pub async fn items<T: Serialize, C: fmt::Display>(
        &self,
        items: impl IntoIterator<Item = (T, C)>,
    ) -> Result<(), Stopped> {
        let mut text = Vec::new();
        let mut n_items = 0;
        let mut last = None;
        for (item, cursor) in items {
            let start = text.len();
            if n_items > 0 {
                text.push(b',');
            }
            serde_json::to_writer(&mut text, &item).expect("our types are JSON");
            if n_items > 0 && (text.len() > MAX_ITEM_BYTES || n_items == MAX_ITEMS) {
                let next = text.split_off(start + 1);
                text.truncate(start);
                self.send_items(&text, last.take()).await?;
                text = next;
                n_items = 0;
            }
            n_items += 1;
            last = Some(cursor);
        }
        if n_items > 0 { self.send_items(&text, last).await } else { Ok(()) }
    }

    /// Sends no items, only where the reader stands: the first note of a feed without cursor.
    pub async fn start(&self, cursor: impl fmt::Display) -> Result<(), Stopped> {
        self.send_items(b"", Some(cursor)).await
    }

    /// Says that `n` items were left out, which are to be had from `cursor`.
    pub async fn lagged(&self, n: u64, cursor: impl fmt::Display) -> Result<(), Stopped> {
        let cursor = json_text(&cursor);
        self.send(format!(r#"{{"lagged":{n},"cursor":{cursor}}}"#).as_bytes(), None).await
    }

    /// Says that the items numbered `from` to `to` are no longer kept.
    pub async fn gap(&self, from: u64, to: u64, cursor: impl fmt::Display) -> Result<(), Stopped> {
        let cursor = json_text(&cursor);
        let text = format!(r#"{{"gap":{{"from":{from},"to":{to}}},"cursor":{cursor}}}"#);
        self.send(text.as_bytes(), None).await
    }

    /// Resolves when the client is gone.
    pub async fn closed(&self) {
        self.notes.closed().await;
    }

    async fn send_items(
        &self,
        items: &[u8],
        cursor: Option<impl fmt::Display>,
    ) -> Result<(), Stopped> {
        let cursor = cursor.map_or_else(|| "null".to_owned(), |cursor| json_text(&cursor));
        let result = [br#"{"items":["#, items, br#"],"cursor":"#, cursor.as_bytes(), b"}"].concat();
        self.send(&result, None).await
    }

    async fn send(&self, result: &[u8], ended: Option<u64>) -> Result<(), Stopped> {
        let mut text = format!(
            r#"{{"jsonrpc":"2.0","method":"{}","params":{{"subscription":{},"result":"#,
            self.notification, self.id
        )
        .into_bytes();
        text.extend_from_slice(result);
        text.extend_from_slice(b"}}");
        self.notes.send(Note { text, ended }).await.map_err(|_| Stopped::Gone)
    }
}

fn json_text(value: &impl fmt::Display) -> String {
    serde_json::to_string(&value.to_string()).expect("a text is JSON")
}

/// A subscription that was accepted; [`Opened::run`] is spawned once its id has been answered.
pub(crate) struct Opened<B> {
    pub(crate) session: Arc<Session>,
    pub(crate) sink: Arc<Sink>,
    pub(crate) end: oneshot::Receiver<&'static str>,
    pub(crate) body: B,
}

impl Sink {
    pub(crate) fn new(id: u64, notification: &'static str, session: &Session) -> Self {
        Self { id, notification, notes: session.notes() }
    }
}

impl<B: Future<Output = Result<Ended, Stopped>> + Send> Opened<B> {
    /// Drives the body until it ends or is asked to, then says why.
    pub(crate) async fn run(self) {
        let Self { session, sink, mut end, body } = self;
        session.started(sink.id);
        let body = AssertUnwindSafe(body).catch_unwind();
        let reason = tokio::select! {
            biased;
            // The sender is dropped without a word when the connection is gone.
            asked = &mut end => asked.ok(),
            outcome = body => match outcome {
                Ok(Ok(Ended(reason))) => Some(reason),
                Ok(Err(Stopped::Gone)) => None,
                Ok(Err(Stopped::Failed(error))) => {
                    tracing::warn!(notification = sink.notification, %error, "subscription failed");
                    Some(error.kind.as_str())
                }
                Err(_) => {
                    tracing::error!(notification = sink.notification, "subscription panicked");
                    Some("INTERNAL")
                }
            },
        };
        let Some(reason) = reason else { return session.forget(sink.id) };
        let end = format!(r#"{{"end":{{"reason":"{reason}"}}}}"#);
        // A failure means that the connection is gone, and with it whoever would read this.
        let _ = sink.send(end.as_bytes(), Some(sink.id)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rpc::caller::Way;
    use crate::system::peer::Peer;
    use tokio_util::sync::CancellationToken;

    #[tokio::test]
    async fn items_are_packed_by_count_and_by_size() {
        let peer = Peer { uid: 0, gid: 0, pid: None };
        let (session, mut notes) = Session::new(peer, Way::Lines, None, CancellationToken::new());
        let sink = Sink::new(3, "executionLog.lines", &session);
        let text = "x".repeat(40 << 10);
        sink.items((1..=150).map(|n| (n, n))).await.unwrap();
        sink.items([(&*text, 1), (&*text, 2)]).await.unwrap();
        sink.items(Vec::<(u64, u64)>::new()).await.unwrap();
        sink.start("s").await.unwrap();
        let mut seen = Vec::new();
        while let Ok(note) = notes.try_recv() {
            let value: serde_json::Value = serde_json::from_slice(&note.text).unwrap();
            let result = &value["params"]["result"];
            seen.push((
                result["items"].as_array().unwrap().len(),
                result["cursor"].as_str().unwrap().to_owned(),
            ));
        }
        let expect = [(100, "100"), (50, "150"), (1, "1"), (1, "2"), (0, "s")];
        assert_eq!(seen, expect.map(|(n, cursor)| (n, cursor.to_owned())));
    }
}
