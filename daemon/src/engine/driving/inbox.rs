//! The inbox of events: stores each before it is answered, and wakes who waits for one.
//!
//! Waiters look in the store from the number that they remember, so an event is seen whether it
//! came before they waited, while nobody ran, or now; the bell only says that a look is worth it.

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
    pub fn open(store: Store) -> Result<Self, Error> {
        let last = event::last(&store.read()?)?;
        Ok(Self { store, bell: watch::Sender::new(last) })
    }

    /// Stores an event; it is durable, and seen by all who wait for it, when this answers. `within`
    /// is written with it.
    pub async fn emit<W>(&self, origin: Origin, what: Event, within: W) -> Result<Event, Error>
    where
        W: FnOnce(&mut Tx<'_>, &Event) -> Result<(), Error> + Send + 'static,
    {
        let write = move |tx: &mut Tx<'_>| {
            let made = event::emit(tx, what)?;
            within(tx, &made)?;
            Ok::<_, Error>(made)
        };
        let made = self.store.write(origin, write).await?;
        self.ring(made.seq);
        Ok(made)
    }

    /// An event with this number is stored.
    pub(super) fn ring(&self, seq: u64) {
        self.bell.send_if_modified(|last| {
            let is_new = seq > *last;
            *last = seq.max(*last);
            is_new
        });
    }

    /// The number of the newest event that was told. One that is stored this very moment may not
    /// count yet, so who remembers this number misses none.
    pub fn last(&self) -> u64 {
        *self.bell.borrow()
    }

    /// Rings for each event with the number of the newest.
    pub fn bell(&self) -> watch::Receiver<u64> {
        self.bell.subscribe()
    }
}
