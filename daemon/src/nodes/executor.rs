//! Carries attempts out: finds the definition, bounds its time, ends it, survives its panic.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use a2n_proto::execution::MetricType;
use futures_util::FutureExt;
use tokio_util::sync::CancellationToken;

use super::context::Context;
use super::definition::CarryOut;
use super::registry::Registry;
use super::settings::Settings;
use crate::engine::job::{Executor, Job, JobEnd, JobVoice};
use crate::engine::kind::{InboxAt, NodeError, Outcome, Work};
use crate::system::System;
use crate::system::attachments::Attachments;

/// How long an attempt that was told to end may take beyond the grace, before it is abandoned.
/// Only a kernel that can't kill a process (dead disk, dead NFS) brings it so far.
const PATIENCE: Duration = Duration::from_secs(30);

/// Carries attempts out with the definitions of a registry.
#[derive(Debug)]
pub struct Nodes {
    system: System,
    registry: Arc<Registry>,
    attachments: Attachments,
    settings: Mutex<Arc<Settings>>,
}

impl Nodes {
    /// An executor of these definitions on this machine.
    pub fn new(
        system: System,
        registry: Arc<Registry>,
        attachments: Attachments,
        settings: Settings,
    ) -> Self {
        Self { system, registry, attachments, settings: Mutex::new(Arc::new(settings)) }
    }
    /// Takes new settings; attempts that run keep theirs.
    pub fn set_settings(&self, settings: Settings) {
        *self.settings.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
    }
    /// What a definition is given for this job.
    pub(super) fn context(&self, job: Job, voice: Arc<dyn JobVoice>) -> Context {
        Context {
            system: self.system.clone(),
            attachments: self.attachments.clone(),
            settings: self.settings(),
            job: Arc::new(job),
            voice,
            stop: CancellationToken::new(),
            measured: Arc::default(),
        }
    }
    fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Executor for Nodes {
    fn run(
        &self,
        job: Job,
        voice: Arc<dyn JobVoice>,
        stop: CancellationToken,
    ) -> Pin<Box<dyn Future<Output = JobEnd> + Send>> {
        let carry_out = self.registry.definition(&job.kind).map(|found| found.carry_out);
        let context = self.context(job, voice);
        Box::pin(async move {
            let began = context.system.clock.monotonic();
            let result = match carry_out {
                Some(carry_out) => bounded(carry_out, &context, stop).await,
                None => Err(unknown(&context.job.kind)),
            };
            let took = context.system.clock.monotonic().saturating_sub(began);
            context.measure("step.wall_time", ms(took), MetricType::Timer, "ms");
            let mut measured = context.measured.lock().unwrap_or_else(PoisonError::into_inner);
            JobEnd { result, measured: std::mem::take(&mut *measured) }
        })
    }
}

async fn bounded(
    carry_out: CarryOut,
    context: &Context,
    stop: CancellationToken,
) -> Result<Outcome, NodeError> {
    let clock = Arc::clone(&context.system.clock);
    let mut work = Box::pin(AssertUnwindSafe(begin(carry_out, context.clone())).catch_unwind());
    let reason = tokio::select! {
        biased;
        done = &mut work => return done.unwrap_or_else(|panic| Err(panicked(panic.as_ref()))),
        () = stop.cancelled() => NodeError::new("CANCELLED", "cancelled while it ran"),
        after = limit(context) => {
            NodeError::new("TIMEOUT", format!("took longer than {} ms", after.as_millis()))
        }
    };
    context.stop.cancel();
    let patience = clock.sleep(context.settings.grace * 2 + PATIENCE);
    let done = tokio::select! {
        biased;
        done = &mut work => done.unwrap_or_else(|panic| Err(panicked(panic.as_ref()))),
        () = patience => Err(Context::stopped()),
    };
    // What was done all the same (a file written) is told as done.
    done.map_err(|_| reason)
}

async fn begin(carry_out: CarryOut, context: Context) -> Result<Outcome, NodeError> {
    let compute = match carry_out {
        CarryOut::Outside(work) => return work(context).await,
        CarryOut::Inline(compute) | CarryOut::Flow(_, compute) => compute,
        CarryOut::Look(looking) => looking.compute,
    };
    compute(&Work {
        config: context.job.config.clone(),
        items: context.job.items.clone(),
        now: context.system.now(),
        inbox: InboxAt::default(),
    })
}

async fn limit(context: &Context) -> Duration {
    match context.job.timeout {
        Some(after) => {
            context.system.clock.sleep(after).await;
            after
        }
        None => std::future::pending().await,
    }
}

fn unknown(kind: &str) -> NodeError {
    NodeError::new("UNKNOWN_TYPE", format!("there is no node definition `{kind}`"))
}

fn panicked(panic: &(dyn Any + Send)) -> NodeError {
    let said = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    NodeError::new("PANIC", format!("the node definition has a fault, please report it: {said}"))
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

#[cfg(test)]
#[path = "executor_tests.rs"]
mod tests;
