//! Waits for events: each looks in the store from the number that it remembers, then at each new
//! event as it is told. Asked again after a start, it finds the same one.
//!
//! One task looks for all waits, so that the driver never reads for them. Between events it does
//! nothing; a wait is an entry in a map.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use a2n_proto::UserId;
use a2n_proto::event::Event;
use a2n_proto::identity::Role;
use tokio::sync::{mpsc, watch};

use super::asking::{Asked, replied};
use crate::engine::driving::driver::Back;
use crate::engine::driving::inbox::Inbox;
use crate::engine::job::JobKey;
use crate::engine::request::event::EventRequest;
use crate::store::{Error, Read, Store, event, user};

/// Events looked at between two looks at what else is asked.
const SLICE: usize = 500;

/// The door to the task; it is started with the first wait.
#[derive(Debug, Default)]
pub(super) struct Waits {
    orders: OnceLock<mpsc::UnboundedSender<Order>>,
}

#[derive(Debug)]
enum Order {
    Wait(Asked, Box<EventRequest>),
    Forget(JobKey),
}

impl Waits {
    /// Answers when the event has come. Unbounded as a channel, bounded by the requests of live
    /// executions.
    pub(super) fn wait(
        &self,
        (store, inbox, back): (&Store, &Inbox, &mpsc::UnboundedSender<Back>),
        asked: Asked,
        request: Box<EventRequest>,
    ) {
        let orders = self.orders.get_or_init(|| {
            let (orders, taken) = mpsc::unbounded_channel();
            let looker = Looker {
                store: store.clone(),
                back: back.clone(),
                waits: BTreeMap::new(),
                types: BTreeMap::new(),
                seen: 0,
            };
            tokio::spawn(looker.run(taken, inbox.bell()));
            orders
        });
        // The task ends with its door only.
        let _ = orders.send(Order::Wait(asked, request));
    }

    /// Nobody needs this wait any more.
    pub(super) fn forget(&self, key: &JobKey) {
        if let Some(orders) = self.orders.get() {
            let _ = orders.send(Order::Forget(key.clone()));
        }
    }
}

#[derive(Debug)]
struct Looker {
    store: Store,
    back: mpsc::UnboundedSender<Back>,
    /// By sort of event.
    waits: BTreeMap<String, BTreeMap<JobKey, Waiting>>,
    /// For which sort each waits.
    types: BTreeMap<JobKey, String>,
    /// The last event that all waits were shown.
    seen: u64,
}

#[derive(Debug)]
struct Waiting {
    owner: UserId,
    request: Box<EventRequest>,
}

impl Looker {
    async fn run(
        mut self,
        mut orders: mpsc::UnboundedReceiver<Order>,
        mut bell: watch::Receiver<u64>,
    ) {
        self.seen = *bell.borrow_and_update();
        loop {
            let newest = *bell.borrow();
            tokio::select! {
                biased;
                order = orders.recv() => match order {
                    Some(Order::Wait(asked, request)) => self.begin(asked, request).await,
                    Some(Order::Forget(key)) => self.forget(&key),
                    None => return,
                },
                () = tokio::task::yield_now(), if self.seen < newest => self.look(newest),
                rung = bell.changed(), if self.seen >= newest => if rung.is_err() { return },
            }
        }
    }

    /// Looks whether it came already; else it waits from there on.
    async fn begin(&mut self, asked: Asked, mut request: Box<EventRequest>) {
        let key = asked.key;
        self.forget(&key);
        loop {
            let before = request.after;
            match self.came(asked.owner, &request) {
                Ok((Some(event), _)) => return self.answer(key, &request, &event),
                Ok((None, seen)) => request.after = seen,
                Err(error) => return self.failed(&key, error),
            }
            if request.after == before {
                break;
            }
            tokio::task::yield_now().await;
        }
        let event_type = request.event_type.clone();
        self.types.insert(key.clone(), event_type.clone());
        let waiting = Waiting { owner: asked.owner, request };
        self.waits.entry(event_type).or_default().insert(key, waiting);
    }

    fn came(&self, owner: UserId, request: &EventRequest) -> Result<(Option<Event>, u64), Error> {
        let read = self.store.read()?;
        let fits = &mut |event: &Event| Ok(request.is_met(event) && sees(&read, owner, event)?);
        event::first_after(&read, &request.event_type, request.after, SLICE, fits)
    }

    fn forget(&mut self, key: &JobKey) {
        let Some(event_type) = self.types.remove(key) else { return };
        if let Some(waits) = self.waits.get_mut(&event_type) {
            waits.remove(key);
            if waits.is_empty() {
                self.waits.remove(&event_type);
            }
        }
    }

    /// Shows new events to those who wait for their sort.
    fn look(&mut self, newest: u64) {
        let to = newest.min(self.seen.saturating_add(SLICE as u64));
        if self.waits.is_empty() {
            self.seen = newest;
            return;
        }
        let read = match self.store.read() {
            Ok(read) => read,
            Err(error) => return self.fail_all(&error, newest),
        };
        for seq in self.seen.saturating_add(1)..=to {
            let event = match event::get(&read, seq) {
                Ok(Some(event)) => event,
                // Damage is noted where it is read; what is gone by age nobody waits for.
                Ok(None) | Err(Error::Damaged { .. }) => continue,
                Err(error) => return self.fail_all(&error, newest),
            };
            let Some(waits) = self.waits.get(&event.event_type) else { continue };
            let mut met = Vec::new();
            for (key, waiting) in waits {
                if waiting.request.is_met(&event) {
                    match sees(&read, waiting.owner, &event) {
                        Ok(true) => met.push(key.clone()),
                        Ok(false) => {}
                        Err(error) => return self.fail_all(&error, newest),
                    }
                }
            }
            for key in met {
                let waiting = self.waits.get_mut(&event.event_type).and_then(|w| w.remove(&key));
                self.types.remove(&key);
                if let Some(waiting) = waiting {
                    self.answer(key, &waiting.request, &event);
                }
            }
        }
        self.seen = to;
    }

    fn answer(&self, key: JobKey, request: &EventRequest, event: &Event) {
        // The driver is gone only when the daemon has stopped; the next start asks again.
        let _ = self.back.send(replied(&key, request.met(event)));
    }

    /// The execution is read again, and asks again.
    fn failed(&self, key: &JobKey, error: Error) {
        let _ = self.back.send(Back::Unanswered(key.execution, error));
    }

    fn fail_all(&mut self, error: &Error, newest: u64) {
        for key in std::mem::take(&mut self.types).into_keys() {
            self.failed(&key, error.clone());
        }
        self.waits.clear();
        self.seen = newest;
    }
}

/// Whether the workflows of a user see an event: their own, what is shared, and everything where
/// their role reaches all.
fn sees(read: &impl Read, owner: UserId, event: &Event) -> Result<bool, Error> {
    if event.shared || event.user_id == owner {
        return Ok(true);
    }
    Ok(user::get(read, owner)?.is_some_and(|user| user.role >= Role::Admin))
}
