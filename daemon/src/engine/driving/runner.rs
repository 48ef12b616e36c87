//! Carries jobs out: one task per attempt, its voice into the log, its end back to the driver.
//!
//! All lines of an attempt are stored and synced before its end is reported, so a committed result
//! never has fewer lines than the step wrote.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use a2n_proto::WorkflowId;
use a2n_proto::execution::{LogLevel, LogSource, LogStream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::driver::Back;
use crate::engine::job::{Executor, Job, JobEnd, JobKey, JobVoice, Printed};
use crate::store::logs::{LogStore, Masks, NewLine};
use crate::system::System;

/// Starts attempts.
#[derive(Debug)]
pub(super) struct Runner {
    executor: Arc<dyn Executor>,
    logs: LogStore,
    system: System,
    back: mpsc::UnboundedSender<Back>,
}

impl Runner {
    pub(super) fn new(
        executor: Arc<dyn Executor>,
        logs: LogStore,
        system: System,
        back: mpsc::UnboundedSender<Back>,
    ) -> Self {
        Self { executor, logs, system, back }
    }

    /// Starts an attempt whose start is committed. `stop` ends it.
    pub(super) fn start(&self, job: Job, workflow: WorkflowId, stop: CancellationToken) {
        let voice = Arc::new(Voice {
            key: job.key.clone(),
            workflow,
            node_id: Arc::from(job.key.node.as_str()),
            node_name: Arc::from(job.node_name.as_str()),
            logs: self.logs.clone(),
            system: self.system.clone(),
            back: self.back.clone(),
        });
        let (key, execution) = (job.key.clone(), job.key.execution);
        let run = self.executor.run(job, voice, stop);
        let (logs, back) = (self.logs.clone(), self.back.clone());
        tokio::spawn(async move {
            let end: JobEnd = run.await;
            if let Err(error) = logs.sync(execution).await {
                tracing::warn!(execution_id = %execution, %error, "lines of a step are not durable");
            }
            // The driver is gone only when the daemon has stopped; nobody is left to tell.
            let _ = back.send(Back::JobEnded(key, Box::new(end)));
        });
    }
}

/// What an attempt says, on its way into the log.
#[derive(Debug)]
struct Voice {
    key: JobKey,
    workflow: WorkflowId,
    node_id: Arc<str>,
    node_name: Arc<str>,
    logs: LogStore,
    system: System,
    back: mpsc::UnboundedSender<Back>,
}

impl JobVoice for Voice {
    fn lines<'a>(
        &'a self,
        level: LogLevel,
        stream: Option<LogStream>,
        printed: Printed,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async move {
            let like = NewLine {
                node_id: Some(Arc::clone(&self.node_id)),
                node_name: Some(Arc::clone(&self.node_name)),
                iteration: self.key.iteration.clone(),
                item: self.key.item,
                attempt: Some(self.key.attempt),
                source: LogSource::Node,
                stream,
                ..NewLine::system(self.system.now(), level, "")
            };
            let (execution, lines) = (self.key.execution, printed.iter());
            let stored =
                self.logs.append_all(execution, self.workflow, &like, lines, &Masks::NONE).await;
            if let Err(error) = stored {
                tracing::warn!(execution_id = %execution, %error, "lines of a step not stored");
            }
        })
    }

    fn progress(&self, percent: u8, detail: Option<String>) {
        let _ = self.back.send(Back::Progress(self.key.clone(), percent, detail));
    }
}
