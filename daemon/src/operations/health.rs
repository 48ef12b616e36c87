//! How the daemon is: each probe is asked when somebody asks, all at once, none for long.
//!
//! `app` adds the probes; the judgements about disk, queue and timers stand here, pure. The whole
//! is as bad as its worst part.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use a2n_proto::api::system::{HealthAnswer, HealthReport};
use a2n_proto::system::HealthStatus;
use a2n_proto::{ExecutionId, Timestamp};
use futures_util::future::join_all;

use crate::system::{Clock, Later, Space};
use crate::triggers::service::Lag;

/// A probe that takes longer is not well.
const PATIENCE: Duration = Duration::from_secs(3);

/// What a probe found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How it is.
    pub status: HealthStatus,
    /// For people, one line.
    pub message: String,
}

impl Finding {
    /// As it should be.
    pub fn healthy(message: impl Into<String>) -> Self {
        Self { status: HealthStatus::Healthy, message: message.into() }
    }
    /// Works, but not as it should.
    pub fn degraded(message: impl Into<String>) -> Self {
        Self { status: HealthStatus::Degraded, message: message.into() }
    }
    /// Does not work.
    pub fn unhealthy(message: impl Into<String>) -> Self {
        Self { status: HealthStatus::Unhealthy, message: message.into() }
    }
}

/// Looks after one part of the daemon.
pub type Probe = Box<dyn Fn() -> Later<'static, Finding> + Send + Sync>;

/// All probes; cheap to clone.
#[derive(Clone)]
pub struct Health {
    clock: Arc<dyn Clock>,
    probes: Arc<[(&'static str, Probe)]>,
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.probes.iter().map(|(name, _)| name)).finish()
    }
}

impl Health {
    /// These probes, by the name of what they look at: store, disk, queue, timers, socket, logs.
    pub fn new(clock: Arc<dyn Clock>, probes: Vec<(&'static str, Probe)>) -> Self {
        Self { clock, probes: probes.into() }
    }

    /// Asks every probe.
    pub async fn check(&self) -> HealthAnswer {
        let checks = join_all(self.probes.iter().map(|(name, probe)| self.ask(name, probe))).await;
        let status = checks.iter().map(|check| check.status).max_by_key(|status| badness(*status));
        HealthAnswer { status: status.unwrap_or(HealthStatus::Unknown), checks }
    }

    /// Whether `/healthz` says yes: nothing is broken, though not all may be as it should.
    pub async fn is_alive(&self) -> bool {
        self.check().await.status != HealthStatus::Unhealthy
    }

    async fn ask(&self, name: &str, probe: &Probe) -> HealthReport {
        let began = self.clock.monotonic();
        let limit = self.clock.sleep(PATIENCE);
        let found = tokio::select! {
            biased;
            found = probe() => found,
            () = limit => Finding::unhealthy(format!("no answer in {} s", PATIENCE.as_secs())),
        };
        let took = self.clock.monotonic().saturating_sub(began);
        HealthReport {
            service_name: name.to_owned(),
            status: found.status,
            message: found.message,
            last_check_at: self.clock.now(),
            response_time: Some(u64::try_from(took.as_millis()).unwrap_or(u64::MAX)),
        }
    }
}

fn badness(status: HealthStatus) -> u8 {
    match status {
        HealthStatus::Healthy => 0,
        HealthStatus::Unknown => 1,
        HealthStatus::Degraded => 2,
        HealthStatus::Unhealthy => 3,
    }
}

/// With less than this a commit may fail, whatever the settings let through.
const FULL: u64 = 1 << 20;

/// Judges the room on the data folder's disk; `min` is what the store asks for before it accepts
/// anything new.
pub fn disk(space: Result<Space, std::io::Error>, min: u64) -> Finding {
    let space = match space {
        Ok(space) => space,
        Err(error) => return Finding::unhealthy(format!("can't be read: {error}")),
    };
    let free = mib(space.free_bytes);
    if space.free_bytes < FULL {
        Finding::unhealthy(format!("{free} free: the disk is full, nothing can be written"))
    } else if space.free_bytes < min {
        Finding::unhealthy(format!("{free} free, below {}: nothing new is accepted", mib(min)))
    } else if space.free_bytes < min.saturating_mul(2) {
        Finding::degraded(format!("{free} free, nothing new is accepted below {}", mib(min)))
    } else {
        Finding::healthy(format!("{free} free of {}", mib(space.total_bytes)))
    }
}

fn mib(bytes: u64) -> String {
    match bytes >> 20 {
        mib if mib >= 10 * 1024 => format!("{} GiB", mib >> 10),
        mib => format!("{mib} MiB"),
    }
}

/// Judges the queue: how many attempts wait for a slot, since when the oldest does.
pub fn queue(waiting: u64, oldest: Option<Timestamp>, now: Timestamp) -> Finding {
    let lag = oldest.map(|oldest| now.since(oldest)).unwrap_or_default();
    let text = match waiting {
        0 => "nothing waits for a slot".to_owned(),
        1 => format!("1 step waits for a slot, for {} s", lag.as_secs()),
        n => format!("{n} steps wait for a slot, the oldest for {} s", lag.as_secs()),
    };
    if lag > Duration::from_secs(600) { Finding::degraded(text) } else { Finding::healthy(text) }
}

/// Executions that a finding names one by one.
const NAMED: usize = 5;

/// Judges what does not go on by itself: what the start could not take up again, and what waits for
/// a person to say how a step ended. Which executions, why, and what to do.
pub fn executions<W: fmt::Display>(
    stuck: &[(ExecutionId, W)],
    quarantined: &[(ExecutionId, W)],
    in_doubt: &[ExecutionId],
) -> Finding {
    let mut parts = Vec::new();
    if !quarantined.is_empty() {
        let named = some(quarantined.iter().map(|(id, why)| format!("{id} ({why})")));
        parts.push(format!(
            "{} put aside: {named}; `a2n resume ID` tries it again, `a2n retry ID` runs it again \
             as a new one, `a2n cancel ID` ends it",
            counted(quarantined.len(), "execution"),
        ));
    }
    if !stuck.is_empty() {
        let named = stuck.iter().map(|(id, why)| format!("{id} ({why})"));
        parts.push(format!(
            "{} can't go on: {}; end them with `a2n cancel ID`, then run them again with \
             `a2n retry ID --from START`",
            counted(stuck.len(), "execution"),
            some(named)
        ));
    }
    if !in_doubt.is_empty() {
        let named = some(in_doubt.iter().map(ToString::to_string));
        let executions = counted(in_doubt.len(), "execution");
        parts.push(format!(
            "{executions} with a step in doubt (did it end?): {named}; say it with \
             `a2n answer ID NODE done`, `failed` or `again`"
        ));
    }
    if parts.is_empty() {
        return Finding::healthy("all that had not ended go on");
    }
    Finding::degraded(parts.join("; "))
}

/// The first few, and how many more there are.
fn some(all: impl ExactSizeIterator<Item = String>) -> String {
    let more = match all.len().saturating_sub(NAMED) {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    all.take(NAMED).collect::<Vec<_>>().join(", ") + &more
}

/// `1 step`, `2 steps`.
pub fn counted(n: impl TryInto<u64>, noun: &str) -> String {
    match n.try_into().unwrap_or(u64::MAX) {
        1 => format!("1 {noun}"),
        n => format!("{n} {noun}s"),
    }
}

/// Judges the schedules' timer by its service's answer; none where the service has stopped.
pub fn timers(lag: Option<Lag>) -> Finding {
    let Some(lag) = lag else {
        return Finding::unhealthy("the schedule service does not answer");
    };
    let mut text = match lag.armed {
        0 => "no schedule is armed".to_owned(),
        1 => "1 schedule is armed".to_owned(),
        n => format!("{n} schedules are armed"),
    };
    if lag.backlog > 0 {
        text.push_str(&format!(", {} missed runs are being made up for", lag.backlog));
    }
    if lag.overdue > Duration::from_secs(5) {
        let late = lag.overdue.as_secs();
        return Finding::degraded(format!("{text}, the earliest is {late} s overdue"));
    }
    Finding::healthy(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::sim::SimClock;

    fn probe(finding: Finding) -> Probe {
        Box::new(move || {
            let finding = finding.clone();
            Box::pin(async move { finding })
        })
    }

    #[tokio::test]
    async fn the_whole_is_as_bad_as_its_worst_part() {
        let clock = Arc::new(SimClock::new(Timestamp::from_unix_ms(1_000)));
        let health = Health::new(
            clock.clone(),
            vec![
                ("store", probe(Finding::healthy("writes and reads"))),
                ("disk", probe(Finding::degraded("little room"))),
            ],
        );
        let answer = health.check().await;
        assert_eq!(answer.status, HealthStatus::Degraded);
        assert_eq!(answer.checks[0].service_name, "store");
        assert!(health.is_alive().await);
    }

    #[tokio::test]
    async fn a_probe_that_hangs_is_not_waited_for() {
        let clock = Arc::new(SimClock::new(Timestamp::from_unix_ms(0)));
        let hangs: Probe = Box::new(|| Box::pin(std::future::pending()));
        let health = Health::new(clock.clone(), vec![("store", hangs)]);
        let (answer, ()) = tokio::join!(health.check(), async {
            tokio::task::yield_now().await;
            clock.advance(PATIENCE);
        });
        assert_eq!(answer.status, HealthStatus::Unhealthy);
        assert_eq!(answer.checks[0].message, "no answer in 3 s");
    }

    #[test]
    fn judgements_say_what_will_happen() {
        let gib = 1 << 30;
        let at = |free_bytes| Ok(Space { free_bytes, total_bytes: 100 * gib });
        assert_eq!(disk(at(50 * gib), 5 * gib).status, HealthStatus::Healthy);
        assert_eq!(disk(at(gib * 4), 5 * gib).status, HealthStatus::Unhealthy);
        assert_eq!(disk(at(gib * 7), 5 * gib).status, HealthStatus::Degraded);
        assert_eq!(disk(at(gib * 7), 0).status, HealthStatus::Healthy);
        assert_eq!(disk(at(1000), 0).status, HealthStatus::Unhealthy);
        let now = Timestamp::from_unix_ms(3_600_000);
        assert_eq!(queue(0, None, now).status, HealthStatus::Healthy);
        assert_eq!(
            queue(2, Some(Timestamp::default()), now),
            Finding::degraded("2 steps wait for a slot, the oldest for 3600 s")
        );
        let lag = Lag { armed: 1, backlog: 3, overdue: Duration::ZERO };
        assert_eq!(
            timers(Some(lag)),
            Finding::healthy("1 schedule is armed, 3 missed runs are being made up for")
        );
        assert_eq!(timers(None).status, HealthStatus::Unhealthy);
        let all: Vec<_> = (1..8).map(|n| (ExecutionId::from_bytes([n; 16]), "torn")).collect();
        assert_eq!(executions(&all[..0], &[], &[]).status, HealthStatus::Healthy);
        let one = executions(&all[..1], &[], &[]);
        assert_eq!(one.status, HealthStatus::Degraded);
        assert!(one.message.starts_with("1 execution can't go on: 01010101-"), "{}", one.message);
        assert!(executions(&all, &[], &[]).message.contains("(torn) and 2 more; end them with"));
        let aside = executions(&[], &all[..1], &[]);
        assert!(aside.message.starts_with("1 execution put aside: "), "{aside:?}");
        let doubt = executions(&all[..0], &[], &[all[0].0, all[1].0]);
        assert_eq!(doubt.status, HealthStatus::Degraded);
        assert!(doubt.message.starts_with("2 executions with a step in doubt"), "{doubt:?}");
    }
}
