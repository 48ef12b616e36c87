//! The loop of one connection with frames both ways: lines, or a WebSocket after its handshake.
//!
//! One task reads, drives the calls and writes; nothing is spawned for a call. Calls run side by
//! side and are answered as they end. A client that asks again as soon as it is answered goes to
//! [`dialogue`] while it does. While the client leaves more than [`HIGH_WATER`] unread,
//! nothing is read, driven or taken from subscriptions; if that lasts, it is dropped. So a client
//! that never reads costs a bounded buffer and stalls nobody.

use std::future::{Future, poll_fn};
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::net::UnixStream;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::Sleep;
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::caller::Way;
use super::dialogue;
use super::dispatcher::{Handling, Reply};
use super::framing::{Cut, Ending, Framing};
use super::pace::Pace;
use super::server::Hub;
use super::session::{Note, Session};
use crate::system::listen;
use crate::system::peer::Peer;

/// Unread output above which a connection does nothing but write: a few answers of usual size.
const HIGH_WATER: usize = 256 << 10;
/// How much is read at once, and the size that an idle connection's buffers go back to.
const READ_BYTES: usize = 16 << 10;
/// After a frame that is too large: how long the client may go on sending what nobody reads, so
/// that it gets to the answer.
const LINGER: Duration = Duration::from_secs(10);

/// A connection with its state.
pub(crate) struct Connection {
    hub: Arc<Hub>,
    framing: Framing,
    session: Arc<Session>,
    notes: mpsc::Receiver<Note>,
    calls: FuturesUnordered<Pin<Box<dyn Future<Output = Reply> + Send>>>,
    input: BytesMut,
    /// Whether frames wait in `input` because the client has too much unread.
    is_input_held: bool,
    /// Whether the client has ended its side; frames may still be in `input`.
    is_input_over: bool,
    /// All bytes that were read.
    received: u64,
    /// How many reads in a row were answered at once.
    n_quick: u32,
    /// Runs while a message has begun and its rest is missing.
    pace: Pace,
    output: Vec<u8>,
    /// How much of `output` is written.
    written: usize,
    /// Whether tokio was told that the stream can't be written though it can, so as to hear of a
    /// close: the next write does not ask tokio first.
    is_readiness_spent: bool,
    /// Runs while the client leaves output unread.
    stall: Option<Pin<Box<Sleep>>>,
    stop: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Set once nothing more is read.
    ending: Option<Ending>,
}

/// What the loop woke up for.
enum Wake {
    Readable,
    Writable,
    Reply(Reply),
    Note(Note),
    Stopping,
    /// A message has begun and does not get on.
    Late,
    /// The client is gone, or did not read for too long.
    Gone,
}

/// Why the loop was left.
enum Left {
    /// All is said, or the client is gone.
    Done,
    /// The client asks quickly, and there is a place for it among those that do.
    ForDialogue(OwnedSemaphorePermit),
}

impl Connection {
    pub(crate) fn new(
        hub: Arc<Hub>,
        peer: Peer,
        way: Way,
        user_agent: Option<Arc<str>>,
        read_already: BytesMut,
    ) -> Self {
        let max_bytes = hub.dispatcher.limits().max_frame_in_bytes;
        let framing = match way {
            Way::WebSocket => Framing::websocket(max_bytes),
            Way::Lines | Way::Http => Framing::lines(max_bytes),
        };
        // One of its own: it is asked at every turn, and connections should not wait for each other.
        let stopping = hub.stop.child_token();
        let stop = Box::pin(stopping.clone().cancelled_owned());
        let (session, notes) = Session::new(peer, way, user_agent, stopping);
        Self {
            hub,
            framing,
            session,
            notes,
            calls: FuturesUnordered::new(),
            input: read_already,
            is_input_held: false,
            is_input_over: false,
            received: 0,
            n_quick: 0,
            pace: Pace::default(),
            output: Vec::new(),
            written: 0,
            // HTTP, where a WebSocket begins, may have spent it.
            is_readiness_spent: way == Way::WebSocket,
            stall: None,
            stop,
            ending: None,
        }
    }

    /// Talks until either end has had enough.
    pub(crate) async fn run(mut self, mut stream: UnixStream) {
        let session = Arc::clone(&self.session);
        let ended = loop {
            match self.talk(&stream).await {
                Ok(Left::Done) => break Ok(()),
                Ok(Left::ForDialogue(place)) => match dialogue::hold(self, stream, place).await {
                    Ok(back) => (self, stream) = back,
                    Err(error) => break Err(error),
                },
                Err(error) => break Err(error),
            }
        };
        if let Err(error) = ended {
            tracing::debug!(uid = session.peer.uid, %error, "connection lost");
        }
        session.close();
    }

    async fn talk(&mut self, stream: &UnixStream) -> io::Result<Left> {
        self.take_frames();
        loop {
            self.write(stream)?;
            if self.is_input_held && self.unread() <= HIGH_WATER {
                self.take_frames();
                continue;
            }
            if self.is_done() {
                break;
            }
            if let Some(place) = self.place_for_dialogue() {
                return Ok(Left::ForDialogue(place));
            }
            match poll_fn(|cx| self.poll_wake(stream, cx)).await {
                Wake::Readable => self.read(stream)?,
                Wake::Writable => {}
                Wake::Reply(reply) => {
                    self.reply(reply);
                    self.take_frames();
                }
                Wake::Note(note) => self.note(&note),
                Wake::Stopping => self.end(Ending::Stopping),
                Wake::Late => self.refuse(self.hub.dispatcher.overdue(), Ending::Overdue),
                Wake::Gone => return Ok(Left::Done),
            }
        }
        let ending = self.ending.unwrap_or(Ending::Done);
        self.framing.finish(ending, &mut self.output);
        self.write(stream)?;
        if ending == Ending::TooLarge {
            self.linger(stream).await;
        }
        Ok(Left::Done)
    }

    /// A place among those that ask quickly, once this client has shown that it does.
    fn place_for_dialogue(&mut self) -> Option<OwnedSemaphorePermit> {
        if self.n_quick < dialogue::AFTER || !self.is_quick() {
            return None;
        }
        self.n_quick = 0;
        Arc::clone(&self.hub.dialogues).try_acquire_owned().ok()
    }

    /// Whether all that came is answered and nothing but a further call is waited for.
    pub(super) fn is_quick(&self) -> bool {
        self.ending.is_none()
            && self.calls.is_empty()
            && self.input.is_empty()
            && self.unread() == 0
            && self.session.n_subscriptions() == 0
            && !self.session.stopping.is_cancelled()
    }

    /// Takes the next bytes from `receive` and answers what is whole, by way of `send`.
    pub(super) fn turn(
        &mut self,
        receive: impl FnOnce(&mut BytesMut) -> io::Result<usize>,
        send: impl FnMut(&[u8]) -> io::Result<usize>,
    ) -> io::Result<()> {
        let n = receive(&mut self.input)?;
        self.received(n);
        self.write_by(send)
    }

    /// Whether all is said: nothing more comes in, and all that was asked is answered and written.
    fn is_done(&mut self) -> bool {
        if self.ending.is_none() || !self.calls.is_empty() {
            return false;
        }
        let reason = match self.ending {
            Some(Ending::Stopping) => "SHUTTING_DOWN",
            _ => "INPUT_ENDED",
        };
        self.session.end_all(reason);
        self.session.n_subscriptions() == 0 && self.output.is_empty()
    }

    fn end(&mut self, ending: Ending) {
        self.ending.get_or_insert(ending);
        if ending == Ending::Stopping {
            self.session.end_all("SHUTTING_DOWN");
        }
    }

    fn poll_wake(&mut self, stream: &UnixStream, cx: &mut Context<'_>) -> Poll<Wake> {
        let unread = self.unread();
        if unread > 0 {
            if stream.poll_write_ready(cx).is_ready() {
                return Poll::Ready(Wake::Writable);
            }
            let limit = self.hub.dispatcher.limits().write_stall;
            let stall = self.stall.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
            if stall.as_mut().poll(cx).is_ready() {
                tracing::warn!(uid = self.session.peer.uid, "client does not read; dropped");
                return Poll::Ready(Wake::Gone);
            }
        }
        if self.ending != Some(Ending::Stopping) && self.stop.as_mut().poll(cx).is_ready() {
            self.ending = None;
            return Poll::Ready(Wake::Stopping);
        }
        if unread > HIGH_WATER {
            self.pace.rest();
            return Poll::Pending;
        }
        if let Poll::Ready(Some(note)) = self.notes.poll_recv(cx) {
            return Poll::Ready(Wake::Note(note));
        }
        if let Poll::Ready(Some(reply)) = self.calls.poll_next_unpin(cx) {
            return Poll::Ready(Wake::Reply(reply));
        }
        let most = self.hub.dispatcher.limits().max_in_flight_per_connection;
        if self.ending.is_none() && !self.is_input_over {
            if self.calls.len() < most {
                if stream.poll_read_ready(cx).is_ready() {
                    return Poll::Ready(Wake::Readable);
                }
                return self.poll_late(cx);
            }
            self.pace.rest();
        } else if unread == 0 && self.poll_gone(stream, cx) {
            return Poll::Ready(Wake::Gone);
        }
        Poll::Pending
    }

    /// While the rest of a message is waited for: whether it still comes.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<Wake> {
        if !self.framing.has_begun(&self.input) {
            self.pace.rest();
            return Poll::Pending;
        }
        let within = self.hub.dispatcher.limits().message_within;
        self.pace.poll_late(cx, self.received, within).map(|()| Wake::Late)
    }

    /// After the end of input: whether the client has closed for good, so that nobody waits for the
    /// calls in flight any more.
    fn poll_gone(&mut self, stream: &UnixStream, cx: &mut Context<'_>) -> bool {
        self.is_readiness_spent = true;
        listen::poll_gone(stream, cx).is_ready()
    }

    /// How much of the output the client has not taken yet.
    fn unread(&self) -> usize {
        self.output.len() - self.written
    }

    fn read(&mut self, stream: &UnixStream) -> io::Result<()> {
        match listen::receive(stream, &mut self.input) {
            Ok(n) => self.received(n),
            Err(e) if is_again(&e) => {}
            Err(e) => return Err(e),
        }
        Ok(())
    }

    /// That many bytes came; none are the end of input.
    fn received(&mut self, n: usize) {
        self.is_input_over = n == 0;
        self.received += n as u64;
        self.take_frames();
        self.n_quick = if self.calls.is_empty() { self.n_quick.saturating_add(1) } else { 0 };
    }

    /// Takes the frames that are here, as many as may be answered at once; the others wait for a
    /// reply to go out.
    fn take_frames(&mut self) {
        let most = self.hub.dispatcher.limits().max_in_flight_per_connection;
        self.is_input_held = false;
        while self.ending.is_none() && self.calls.len() < most {
            if self.unread() > HIGH_WATER {
                self.is_input_held = true;
                return;
            }
            match self.framing.cut(&mut self.input, &mut self.output) {
                Cut::Frame(frame) => self.frame(&frame),
                Cut::More if self.is_input_over => self.end_input(),
                Cut::More => break,
                Cut::TooLarge => self.refuse(self.hub.dispatcher.too_large(), Ending::TooLarge),
                Cut::Close => self.leave(),
            }
        }
        if self.input.is_empty() && self.input.capacity() > 4 * READ_BYTES {
            self.input = BytesMut::new();
        }
    }

    /// Says why the message that comes is not taken; nothing more is read.
    fn refuse(&mut self, error: Vec<u8>, ending: Ending) {
        self.framing.put(&error, &mut self.output);
        self.end(ending);
        self.input = BytesMut::new();
    }

    /// Nothing more comes. On lines only reading ends; a WebSocket is over without a goodbye.
    fn end_input(&mut self) {
        if self.session.way == Way::WebSocket {
            return self.leave();
        }
        if let Some(rest) = self.framing.rest(&mut self.input) {
            self.frame(&rest);
        }
        self.end(Ending::Done);
    }

    /// The client has left: nobody waits for calls or subscriptions any more.
    fn leave(&mut self) {
        self.calls.clear();
        self.session.close();
        self.end(Ending::Done);
    }

    fn frame(&mut self, frame: &[u8]) {
        if self.session.way == Way::Lines && frame.trim_ascii().is_empty() {
            return;
        }
        match self.hub.dispatcher.handle(&self.session, frame) {
            Handling::Nothing => {}
            Handling::Ready(reply) => self.reply(reply),
            Handling::Pending(mut call) => {
                // Most calls only read and are done at once: those need no place among the others.
                match call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                    Poll::Ready(reply) => self.reply(reply),
                    Poll::Pending => self.calls.push(call),
                }
            }
        }
    }

    fn reply(&mut self, reply: Reply) {
        if !reply.text.is_empty() {
            self.framing.put(&reply.text, &mut self.output);
        }
        for start in reply.starts {
            self.hub.tracker.spawn(start);
        }
    }

    fn note(&mut self, note: &Note) {
        self.framing.put(&note.text, &mut self.output);
        if let Some(id) = note.ended {
            self.session.forget(id);
        }
    }

    /// Writes as much as the client takes now.
    fn write(&mut self, stream: &UnixStream) -> io::Result<()> {
        let is_readiness_spent = self.is_readiness_spent;
        self.write_by(|rest| {
            if is_readiness_spent { listen::send_now(stream, rest) } else { stream.try_write(rest) }
        })
    }

    fn write_by(&mut self, mut send: impl FnMut(&[u8]) -> io::Result<usize>) -> io::Result<()> {
        while self.written < self.output.len() {
            match send(&self.output[self.written..]) {
                Ok(n) => {
                    self.written += n;
                    self.stall = None;
                }
                Err(e) if is_again(&e) => {
                    self.is_readiness_spent = false;
                    return Ok(());
                }
                Err(e) => return Err(e),
            }
        }
        self.written = 0;
        self.output.clear();
        self.output.shrink_to(READ_BYTES);
        Ok(())
    }

    /// Lets a client that sent too much get to our answer: its further input is thrown away.
    async fn linger(&mut self, stream: &UnixStream) {
        let discard = async {
            loop {
                self.input.clear();
                self.input.reserve(4 * READ_BYTES);
                stream.readable().await?;
                match stream.try_read_buf(&mut self.input) {
                    Ok(0) => return Ok::<(), io::Error>(()),
                    Ok(n) => self.input.advance(n),
                    Err(e) if is_again(&e) => {}
                    Err(e) => return Err(e),
                }
            }
        };
        let _ = tokio::time::timeout(LINGER, discard).await;
    }
}

pub(super) fn is_again(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
