//! The inbox of events: stores each before it is answered, and wakes who waits for one.
//!
//! Waiters look in the store from the number that they remember, so an event is seen whether it
//! came before they waited, while nobody ran, or now; the bell only says that a look is worth it.

use a2n_proto::ExecutionId;
use a2n_proto::event::Event;
use tokio::sync::watch;

use crate::store::{Error, Origin, Store, Tx, event};

/// Where events are told; cheap to clone.
#[derive(Debug, Clone)]
pub struct Inbox {
    store: Store,
    bell: watch::Sender<u64>,
}

impl Inbox {
    /// The inbox of a store.
    pub fn new(store: Store) -> Self {
        Self { store, bell: watch::Sender::new(0) }
    }

    /// Stores an event; it is durable, and seen by all who wait for it, when this answers. `unit` is
    /// the unit of work that emits it, which does so once; `within` is written with it.
    pub async fn emit<W>(
        &self,
        origin: Origin,
        what: Event,
        unit: Option<(ExecutionId, String)>,
        within: W,
    ) -> Result<Event, Error>
    where
        W: FnOnce(&mut Tx<'_>, &Event) -> Result<(), Error> + Send + 'static,
    {
        let write = move |tx: &mut Tx<'_>| {
            let made = event::emit(tx, what, unit)?;
            within(tx, &made)?;
            Ok::<_, Error>(made)
        };
        let made = self.store.write(origin, write).await?;
        self.bell.send_if_modified(|last| {
            let is_new = made.seq > *last;
            *last = made.seq.max(*last);
            is_new
        });
        Ok(made)
    }

    /// Rings for each event: the number of the newest one that was told since the start.
    pub fn bell(&self) -> watch::Receiver<u64> {
        self.bell.subscribe()
    }
}
