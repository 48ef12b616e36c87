//! Looks at the world until it is as somebody waits for: files, ports, answers over HTTP.
//!
//! One task looks for all waits; each is an entry in a map and a moment. Looks fall on a grid that
//! begins with the wait, so a daemon that starts again keeps the rhythm; it looks once more at its start,
//! because what was waited for may have come meanwhile. Files are also looked at when something happens
//! to them. What is worth keeping (what a file was at first, what was seen last) goes back to the
//! execution as the same request in other words.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use a2n_proto::Timestamp;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{mpsc, watch};

use super::asking::{Asked, replied};
use super::looking::{self, Found};
use crate::engine::driving::alarm::Alarm;
use crate::engine::driving::driver::Back;
use crate::engine::driving::handle::Tuning;
use crate::engine::job::JobKey;
use crate::engine::request::look::{LookRequest, Target};
use crate::system::watch::Watch;
use crate::system::{Later, System};

/// Looks under way at once: a start of the daemon with a million waits must not open a million
/// connections. Others wait their turn.
const AT_ONCE: usize = 32;
/// How soon after something was noted of a wait something else is: each note is a write.
const NOTE_EVERY: Duration = Duration::from_secs(60);

/// The door to the task; it is started with the first wait.
#[derive(Debug, Default)]
pub(super) struct Looks {
    orders: OnceLock<mpsc::UnboundedSender<Order>>,
}

#[derive(Debug)]
enum Order {
    Look(Box<(JobKey, Timestamp, LookRequest)>),
    Forget(JobKey),
}

impl Looks {
    /// Answers when it is as wanted. Unbounded as a channel, bounded by the requests of live executions.
    pub(super) fn look(
        &self,
        (system, tuning, back): (
            &System,
            &watch::Receiver<Arc<Tuning>>,
            &mpsc::UnboundedSender<Back>,
        ),
        asked: Asked,
        request: LookRequest,
    ) {
        let orders = self.orders.get_or_init(|| {
            let (orders, taken) = mpsc::unbounded_channel();
            let looker = Looker::new(system.clone(), tuning.clone(), back.clone());
            tokio::spawn(looker.run(taken));
            orders
        });
        // The task ends with its door only.
        let _ = orders.send(Order::Look(Box::new((asked.key, asked.at, request))));
    }

    /// Nobody needs this wait any more.
    pub(super) fn forget(&self, key: &JobKey) {
        if let Some(orders) = self.orders.get() {
            let _ = orders.send(Order::Forget(key.clone()));
        }
    }
}

/// One look: whose, which of them, and what was found.
type Done = (JobKey, u64, Found);

struct Looker {
    system: System,
    tuning: watch::Receiver<Arc<Tuning>>,
    back: mpsc::UnboundedSender<Back>,
    waits: BTreeMap<JobKey, Wait>,
    due: BTreeSet<(Timestamp, JobKey)>,
    /// Whose turn it is, as soon as there is room.
    ready: VecDeque<JobKey>,
    under_way: FuturesUnordered<Later<'static, Done>>,
    /// What notices changes of files; none before the first, or where the system has none to give.
    watch: Option<Arc<dyn Watch>>,
    paths: BTreeMap<PathBuf, BTreeSet<JobKey>>,
    /// How many waits began.
    begun: u64,
}

struct Wait {
    since: Timestamp,
    request: LookRequest,
    /// Tells it from an earlier wait of the same attempt.
    number: u64,
    at: Stage,
    /// Where the file is.
    path: Option<PathBuf>,
    /// When something was last noted of it.
    noted: Option<Timestamp>,
}

/// Where a wait stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Until this moment nothing is done.
    Idle(Timestamp),
    /// In the queue.
    Ready,
    /// A look is under way; whether another one is wanted after it.
    Looking { again: bool },
}

impl Looker {
    fn new(
        system: System,
        tuning: watch::Receiver<Arc<Tuning>>,
        back: mpsc::UnboundedSender<Back>,
    ) -> Self {
        Self {
            system,
            tuning,
            back,
            waits: BTreeMap::new(),
            due: BTreeSet::new(),
            ready: VecDeque::new(),
            under_way: FuturesUnordered::new(),
            watch: None,
            paths: BTreeMap::new(),
            begun: 0,
        }
    }

    async fn run(mut self, mut orders: mpsc::UnboundedReceiver<Order>) {
        let mut alarm = Alarm::default();
        loop {
            self.begin_looks();
            alarm.set(self.due.first().map(|(at, _)| *at), None, &self.system);
            let watch = self.watch.clone();
            tokio::select! {
                biased;
                order = orders.recv() => match order {
                    Some(Order::Look(look)) => {
                        let (key, since, request) = *look;
                        self.begin(key, since, request);
                    }
                    Some(Order::Forget(key)) => self.forget(&key),
                    None => return,
                },
                Some((key, number, found)) = self.under_way.next() => {
                    self.done(key, number, found);
                }
                paths = noticed(watch.as_deref()) => {
                    for path in paths {
                        for key in self.paths.get(&path).cloned().unwrap_or_default() {
                            self.want(&key);
                        }
                    }
                }
                () = alarm.ring() => self.take_due(),
            }
        }
    }

    /// A wait begins, begins again after a start, or goes on in other words.
    fn begin(&mut self, key: JobKey, since: Timestamp, request: LookRequest) {
        if let Some(wait) = self.waits.get_mut(&key)
            && wait.since == since
        {
            let is_other = wait.request.at != request.at;
            wait.request = request;
            if is_other {
                self.want(&key);
            }
            return;
        }
        self.forget(&key);
        self.begun += 1;
        let path = match &request.at {
            Target::File { path, .. } => Some(self.system.process.account().home.join(path)),
            Target::Port { .. } | Target::Http(_) => None,
        };
        if let Some(path) = &path {
            self.paths.entry(path.clone()).or_default().insert(key.clone());
        }
        let (number, noted) = (self.begun, None);
        let wait = Wait { since, request, number, at: Stage::Ready, path, noted };
        self.waits.insert(key.clone(), wait);
        self.ready.push_back(key);
    }

    fn forget(&mut self, key: &JobKey) {
        let Some(wait) = self.waits.remove(key) else { return };
        if let Stage::Idle(at) = wait.at {
            self.due.remove(&(at, key.clone()));
        }
        // What is in the queue or under way is not found any more when its turn comes.
        let Some(path) = wait.path else { return };
        if let Some(keys) = self.paths.get_mut(&path) {
            keys.remove(key);
            if keys.is_empty() {
                self.paths.remove(&path);
                if let Some(watch) = &self.watch {
                    watch.forget(&path);
                }
            }
        }
    }

    /// Has a wait looked for as soon as there is room.
    fn want(&mut self, key: &JobKey) {
        let Some(wait) = self.waits.get_mut(key) else { return };
        match wait.at {
            Stage::Idle(at) => {
                self.due.remove(&(at, key.clone()));
                wait.at = Stage::Ready;
                self.ready.push_back(key.clone());
            }
            Stage::Ready => {}
            Stage::Looking { .. } => wait.at = Stage::Looking { again: true },
        }
    }

    fn take_due(&mut self) {
        let now = self.system.now();
        while let Some((_, key)) = self.due.first().filter(|(at, _)| *at <= now).cloned() {
            self.want(&key);
        }
    }

    fn begin_looks(&mut self) {
        while self.under_way.len() < AT_ONCE
            && let Some(key) = self.ready.pop_front()
        {
            let watch = self.watch();
            let private = self.tuning.borrow().private_addresses;
            let Some(wait) = self.waits.get_mut(&key).filter(|wait| wait.at == Stage::Ready) else {
                continue;
            };
            wait.at = Stage::Looking { again: false };
            let (system, number) = (self.system.clone(), wait.number);
            let (at, path) = (wait.request.at.clone(), wait.path.clone());
            self.under_way.push(Box::pin(async move {
                if let (Some(watch), Some(path)) = (watch, &path) {
                    // Where it can't be watched, it is looked at from time to time all the same.
                    if let Err(error) = watch.watch(path).await {
                        tracing::debug!(path = %path.display(), %error, "file not watched");
                    }
                }
                let found = looking::look(&system, private, &at, path.as_deref()).await;
                (key, number, found)
            }));
        }
    }

    /// What notices changes, once there is a file to be waited for.
    fn watch(&mut self) -> Option<Arc<dyn Watch>> {
        if self.watch.is_none() && !self.paths.is_empty() {
            match self.system.files.watch() {
                Ok(watch) => self.watch = Some(watch),
                Err(error) => {
                    tracing::debug!(%error, "changes of files are not noticed; they are looked at");
                }
            }
        }
        self.watch.clone()
    }

    fn done(&mut self, key: JobKey, number: u64, found: Found) {
        let Some(wait) = self.waits.get_mut(&key).filter(|wait| wait.number == number) else {
            // It was forgotten meanwhile; so is what it watched.
            return self.forget_unused();
        };
        let reply = match found {
            Found::Met(seen) => wait.request.met(&seen),
            Found::Wrong(error) => Err(error),
            Found::NotYet(said) => return self.go_on(&key, said),
            Found::First(at) => {
                // From now on it counts, kept or not: another first look would miss what changed since.
                wait.request.at = at;
                let request = wait.request.clone();
                self.rest(&key);
                return self.tell(&key, request.go_on());
            }
        };
        self.forget(&key);
        self.tell(&key, reply);
    }

    /// Rests until its next moment, and notes why it was not as wanted where that is news.
    fn go_on(&mut self, key: &JobKey, said: Option<String>) {
        let now = self.system.now();
        self.rest(key);
        let Some(wait) = self.waits.get_mut(key) else { return };
        let is_soon = wait.noted.is_some_and(|at| now.since(at) < NOTE_EVERY && at <= now);
        if said.is_none() || said == wait.request.said || is_soon {
            return;
        }
        wait.noted = Some(now);
        let request = LookRequest { said, ..wait.request.clone() };
        self.tell(key, request.go_on());
    }

    fn rest(&mut self, key: &JobKey) {
        let now = self.system.now();
        let Some(wait) = self.waits.get_mut(key) else { return };
        if wait.at == (Stage::Looking { again: true }) {
            wait.at = Stage::Ready;
            return self.ready.push_back(key.clone());
        }
        let at = next(wait.since, wait.request.every, now);
        wait.at = Stage::Idle(at);
        self.due.insert((at, key.clone()));
    }

    /// A look that ended after its wait may have watched a path anew that nobody waits for.
    fn forget_unused(&self) {
        let Some(watch) = &self.watch else { return };
        for path in watch.paths() {
            if !self.paths.contains_key(&path) {
                watch.forget(&path);
            }
        }
    }

    fn tell(&self, key: &JobKey, reply: crate::engine::request::Reply) {
        // The driver is gone only when the daemon has stopped; the next start asks again.
        let _ = self.back.send(replied(key, reply));
    }
}

async fn noticed(watch: Option<&dyn Watch>) -> Vec<PathBuf> {
    match watch {
        Some(watch) => watch.noticed().await,
        None => std::future::pending().await,
    }
}

/// The first moment after `now` of those that are whole multiples of `every` from `since`; never more
/// than `every` away, however the clock was set.
fn next(since: Timestamp, every: Duration, now: Timestamp) -> Timestamp {
    let every_ms = u64::try_from(every.as_millis()).unwrap_or(u64::MAX).max(1);
    let age = u64::try_from(now.since(since).as_millis()).unwrap_or(u64::MAX);
    let rounds = Duration::from_millis((age / every_ms + 1).saturating_mul(every_ms));
    since.plus(rounds).min(now.plus(every))
}

#[cfg(test)]
mod tests;
