//! The bench on which definitions are tried: text in, text out.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use a2n_proto::execution::{LogLevel, LogStream};
use a2n_proto::{ExecutionId, Json, Timestamp};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::{Context, Nodes, Registry, Settings};
use crate::engine::job::{Executor, Job, JobEnd, JobKey, JobVoice, Printed};
use crate::engine::kind::{Handles, InboxAt, Kinds, NodeError, Outcome, Work};
use crate::system::System;
use crate::system::attachments::{Attachments, Limits};

/// One unit of work of a pure definition on one item.
#[track_caller]
pub(super) fn check_each(kind: &str, config: &str, item: &str, wanted: &str) {
    check_all(kind, config, &[("input", &format!("[{item}]"))], wanted);
}

/// One unit of work of a pure definition on items by handle.
#[track_caller]
pub(super) fn check_all(kind: &str, config: &str, items: &[(&str, &str)], wanted: &str) {
    let items = items.iter().map(|(handle, list)| {
        let list: Vec<Json> = serde_json::from_str(list).unwrap();
        ((*handle).to_owned(), list)
    });
    let work = Work {
        config: serde_json::from_str(config).unwrap(),
        items: items.collect(),
        now: "2026-11-22T12:00:00Z".parse::<Timestamp>().unwrap(),
        inbox: InboxAt { start: 3, now: 7 },
    };
    let done = Registry::built_in().find(kind).unwrap().compute(&work);
    assert_eq!(told(&done), wanted, "{kind} with {config}");
}

/// An end as text.
pub(super) fn told(done: &Result<Outcome, NodeError>) -> String {
    let handles = |handles: &Handles| {
        let lines = handles.iter().filter(|(_, items)| !items.is_empty()).map(|(handle, items)| {
            let items: Vec<&str> = items.iter().map(Json::as_str).collect();
            format!("{handle}: {}", items.join(" "))
        });
        lines.collect::<Vec<_>>().join("\n")
    };
    match done {
        Ok(Outcome::Items(items)) => handles(items),
        Ok(Outcome::WaitUntil(at, items)) => format!("until {at}, then {}", handles(items)),
        Ok(Outcome::Stop(status, message)) => {
            format!("stop {status:?}: {}", message.as_deref().unwrap_or(""))
        }
        Ok(Outcome::Loop(how)) => format!("loop {how:?}"),
        Ok(Outcome::Try(items)) => format!("try {}", Json::of(items)),
        Ok(Outcome::Break(items)) => format!("break {}", Json::of(items)),
        Ok(Outcome::Release(name, then)) => {
            format!("gives back {name}, then {}", handles(then))
        }
        Ok(Outcome::Request(request)) => format!("asks {request:?}"),
        Err(e) => {
            let doubt = if e.in_doubt { " (in doubt)" } else { "" };
            format!("{}: {}{doubt}", e.kind, e.message)
        }
    }
}

/// Hears what an attempt says.
#[derive(Debug, Default)]
pub(super) struct Ears {
    lines: Mutex<Vec<String>>,
    /// Told of every line.
    pub(super) spoke: tokio::sync::Notify,
}

impl Ears {
    /// `out one`, `err two`, `- the daemon's own`, `40% copying`.
    pub(super) fn heard(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }
}

impl JobVoice for Ears {
    fn lines<'a>(
        &'a self,
        _level: LogLevel,
        stream: Option<LogStream>,
        lines: Printed,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        let from = match stream {
            Some(LogStream::Stdout) => "out",
            Some(LogStream::Stderr) => "err",
            None => "-",
        };
        let told = lines.iter().map(|message| format!("{from} {message}"));
        self.lines.lock().unwrap().extend(told);
        self.spoke.notify_one();
        Box::pin(std::future::ready(()))
    }
    fn progress(&self, percent: u8, detail: Option<String>) {
        self.lines.lock().unwrap().push(format!("{percent}% {}", detail.unwrap_or_default()));
    }
}

const UNLIMITED: Limits = Limits {
    each_bytes: 1 << 30,
    total_bytes: 1 << 30,
    least_free_bytes: 0,
    least_free_percent: 0,
};

/// A folder of attachments without limits to speak of.
pub(super) fn attachments(folder: &Path, system: &System) -> Attachments {
    Attachments::open(folder, UNLIMITED, Arc::clone(&system.clock)).unwrap()
}

/// A real machine with a folder of its own for attempts.
pub(super) struct Bench {
    pub(super) folder: tempfile::TempDir,
    pub(super) nodes: Nodes,
    pub(super) ears: Arc<Ears>,
    pub(super) stop: CancellationToken,
}

impl Bench {
    pub(super) fn new() -> Self {
        Self::with(System::real(), |_| {})
    }
    pub(super) fn with(system: System, turn: impl FnOnce(&mut Settings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Self::settings(&folder);
        turn(&mut settings);
        let registry = Arc::new(Registry::built_in());
        let attachments = attachments(&folder.path().join("attachments"), &system);
        let nodes = Nodes::new(system, registry, attachments, settings);
        Self { folder, nodes, ears: Arc::default(), stop: CancellationToken::new() }
    }
    /// On a real machine, with attachments of at most so many bytes.
    pub(super) fn with_limit(each_bytes: u64) -> Self {
        let mut bench = Self::new();
        let (folder, system) = (bench.folder.path().join("attachments"), System::real());
        let attachments = attachments(&folder, &system);
        attachments.set_limits(Limits { each_bytes, ..UNLIMITED });
        let (registry, settings) = (Arc::new(Registry::built_in()), Self::settings(&bench.folder));
        bench.nodes = Nodes::new(system, registry, attachments, settings);
        bench
    }
    fn settings(folder: &tempfile::TempDir) -> Settings {
        let mut settings = Settings::new(folder.path().join("steps"));
        settings.grace = Duration::from_millis(200);
        settings.private_addresses = true;
        settings
    }
    pub(super) fn job(kind: &str, config: Value, item: &str) -> Job {
        Job {
            key: JobKey {
                execution: ExecutionId::from_bytes([7; 16]),
                node: "step".into(),
                iteration: String::new(),
                item: Some(0),
                attempt: 1,
            },
            kind: kind.into(),
            node_name: "step".into(),
            workflow: "bench".into(),
            config,
            items: BTreeMap::from([("input".into(), vec![Json::parse(item).unwrap()])]),
            timeout: None,
            idempotency_key: "key-1".into(),
            run_as: None,
        }
    }
    /// What a definition is given for this job.
    pub(super) fn context(&self, job: Job) -> Context {
        let voice = Arc::clone(&self.ears) as Arc<dyn JobVoice>;
        self.nodes.context(job, voice)
    }
    pub(super) async fn end(&self, job: Job) -> JobEnd {
        let voice = Arc::clone(&self.ears) as Arc<dyn JobVoice>;
        self.nodes.run(job, voice, self.stop.clone()).await
    }
    /// Runs one attempt and tells its end.
    pub(super) async fn run(&self, kind: &str, config: Value, item: &str) -> String {
        told(&self.end(Self::job(kind, config, item)).await.result)
    }
}
