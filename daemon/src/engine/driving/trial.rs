//! Trying one node: its units of work are carried out one after the other, nothing is stored.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use a2n_proto::execution::{LogLevel, LogStream};
use a2n_proto::{ExecutionId, Json};
use tokio_util::sync::CancellationToken;

use crate::engine::execution::UnitKey;
use crate::engine::job::{Executor, Job, JobVoice, Measured, Printed};
use crate::engine::kind::{Handles, NodeError, Outcome, TRY};
use crate::engine::plan::{Plan, PlanNode};
use crate::engine::step::rehearse::TrialUnit;
use crate::system::System;

/// Lines that are kept; the rest is only counted.
const LINES: usize = 1_000;

/// What one unit of work came to.
#[derive(Debug)]
pub struct Tried {
    /// Which.
    pub unit: UnitKey,
    /// Its resolved configuration.
    pub config: Option<serde_json::Value>,
    /// What came out.
    pub result: Result<Handles, NodeError>,
    /// What was measured.
    pub measured: Vec<Measured>,
    /// How long it took.
    pub took: Duration,
}

/// One line that was printed.
#[derive(Debug, Clone)]
pub struct Line {
    /// The item's index.
    pub item: Option<u32>,
    /// How much it matters.
    pub level: LogLevel,
    /// Which output of a process.
    pub stream: Option<LogStream>,
    /// The text.
    pub message: String,
}

/// What was printed, and what else is to be said.
#[derive(Debug, Default)]
pub struct Heard {
    /// The first lines.
    pub lines: Vec<Line>,
    /// How many more there were.
    pub left_out: u64,
    /// In sentences.
    pub notes: Vec<String>,
}

/// Carries the units of a node out. `execution` names them to the outside; there is no such one.
pub async fn carry_out(
    executor: &dyn Executor,
    system: &System,
    plan: &Plan,
    node: &PlanNode,
    execution: ExecutionId,
    units: Vec<TrialUnit>,
) -> (Vec<Tried>, Heard) {
    let heard = Arc::new(Mutex::new(Heard::default()));
    let mut all = Vec::with_capacity(units.len());
    // Ends what it started where the caller goes away.
    let stop = CancellationToken::new();
    let _guard = stop.clone().drop_guard();
    for TrialUnit { key, work } in units {
        let began = system.clock.monotonic();
        let (mut config, mut measured) = (None, Vec::new());
        let outcome = match work {
            Err(error) => Err(error),
            Ok(work) => {
                config = Some(work.config.clone());
                if node.is_inline() {
                    let computed = catch_unwind(AssertUnwindSafe(|| node.kind.compute(&work)));
                    let panicked = || Err(NodeError::new("PANIC", "the node definition panicked"));
                    computed.unwrap_or_else(|_| panicked())
                } else {
                    let job = Job {
                        key: key.job(execution, 1),
                        kind: node.reference.clone(),
                        node_name: node.name.clone(),
                        workflow: plan.name().to_owned(),
                        config: work.config,
                        items: work.items,
                        timeout: node.timeout,
                        idempotency_key: format!("test-{execution}-{:?}", key.item),
                        run_as: node.run_as.clone(),
                    };
                    let voice = Voice { item: key.item, heard: Arc::clone(&heard) };
                    let end = executor.run(job, Arc::new(voice), stop.clone()).await;
                    measured = end.measured;
                    end.result
                }
            }
        };
        let result = outcome.and_then(|outcome| settled(outcome, &heard));
        let took = system.clock.monotonic().saturating_sub(began);
        let is_over = result.is_err() && node.on_error == a2n_proto::document::OnError::Stop;
        all.push(Tried { unit: key, config, result, measured, took });
        if is_over {
            break;
        }
    }
    let heard = std::mem::take(&mut *heard.lock().unwrap_or_else(PoisonError::into_inner));
    (all, heard)
}

/// What an outcome passes on; waits are not waited for.
fn settled(outcome: Outcome, heard: &Mutex<Heard>) -> Result<Handles, NodeError> {
    let note = |text: String| {
        let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
        if !heard.notes.contains(&text) {
            heard.notes.push(text);
        }
    };
    Ok(match outcome {
        Outcome::Items(items) | Outcome::Release(_, items) => items,
        Outcome::Request(_) => {
            let message = "what it asks of the daemon is only done in a run";
            return Err(NodeError::new("NOT_IN_TESTS", message));
        }
        Outcome::WaitUntil(until, then) => {
            note(format!("in a run it would wait until {until}"));
            then
        }
        Outcome::Loop(_) => {
            note("in a run it would repeat what comes after its handle `loop`".to_owned());
            Handles::new()
        }
        Outcome::Try(items) => Handles::from([(TRY.to_owned(), items)]),
        Outcome::Break(_) => {
            note("in a run it would end the loop around it".to_owned());
            Handles::new()
        }
        Outcome::Stop(status, message) => {
            let status = Json::of(&status);
            let message = message.map(|message| format!(": {message}")).unwrap_or_default();
            let status = status.as_str().trim_matches('"');
            note(format!("in a run it would end the execution as {status}{message}"));
            Handles::new()
        }
    })
}

#[derive(Debug)]
struct Voice {
    item: Option<u32>,
    heard: Arc<Mutex<Heard>>,
}

impl JobVoice for Voice {
    fn lines<'a>(
        &'a self,
        level: LogLevel,
        stream: Option<LogStream>,
        lines: Printed,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        for line in lines.iter() {
            if heard.lines.len() < LINES {
                let message = line.to_owned();
                heard.lines.push(Line { item: self.item, level, stream, message });
            } else {
                heard.left_out += 1;
            }
        }
        Box::pin(async {})
    }
    fn progress(&self, _: u8, _: Option<String>) {}
}
