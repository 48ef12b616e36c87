//! Load as eight scripts would make it: each starts executions under keys of its own, one after the
//! other, and tries a key again until it is acknowledged, over every end of the daemon.
//!
//! Half of a client's executions write to a witness: a file outside that gets one durable line with
//! the key from the step itself. What was acknowledged is compared with the daemon and the witness
//! once all is over.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::thread::JoinHandle;

use a2n_tests::daemon::World;
use a2n_tests::lines::Lines;
use anyhow::{Result, bail, ensure};
use serde_json::{Value, json};

/// How many clients there are.
const CLIENTS: usize = 8;

/// One acknowledged execution.
#[derive(Debug, Clone)]
pub(crate) struct Accepted {
    key: String,
    id: String,
    has_witness: bool,
}

/// The clients, running.
#[derive(Debug)]
pub(crate) struct Load {
    shared: Arc<Shared>,
    clients: Vec<JoinHandle<Result<Vec<Accepted>>>>,
    heard: mpsc::Receiver<()>,
    witness: PathBuf,
}

#[derive(Debug)]
struct Shared {
    socket: PathBuf,
    /// Counts the daemon's starts; zero while it is down.
    up: Mutex<usize>,
    changed: Condvar,
    is_over: AtomicBool,
}

/// What was found at the end.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Executions that were acknowledged.
    #[expect(dead_code, reason = "it is printed")]
    pub(crate) accepted: usize,
    /// Those of them whose step was seen to have run, exactly once.
    pub(crate) witnessed: usize,
    /// Those whose step was running when the daemon ended, and whose outcome nobody knows.
    pub(crate) in_doubt: usize,
    /// Those whose step was stopped together with the daemon, and which say so.
    pub(crate) interrupted: usize,
}

impl Load {
    /// Publishes the workflows and starts the clients.
    pub(crate) fn start(world: &World) -> Result<Self> {
        let witness = world.path().join("witness");
        let write =
            "printf '%s\\n' \"$1\" | dd of=\"$0\" oflag=append conv=notrunc,fsync status=none";
        let mut lines = world.lines()?;
        let quick = json!({"name": "quick", "nodes": [
            {"id": "a", "type": "set", "config": {"values": {"key": "{{ inputs.key }}"}}},
        ]});
        let slow = json!({"name": "witness", "nodes": [
            {"id": "step", "type": "shell", "config":
                {"command": ["sh", "-c", write, &witness, "{{ inputs.key }}"]}},
            {"id": "a", "type": "set", "config": {"values": {"key": "{{ inputs.key }}"}}},
        ], "connections": [{"source": "step", "target": "a"}]});
        for definition in [quick, slow] {
            lines.call("workflow.create", json!({"definition": definition, "publish": true}))?;
        }
        let shared = Arc::new(Shared {
            socket: world.socket(),
            up: Mutex::new(1),
            changed: Condvar::new(),
            is_over: AtomicBool::new(false),
        });
        let (tell, heard) = mpsc::channel();
        let clients = (0..CLIENTS)
            .map(|n| {
                let (shared, tell) = (Arc::clone(&shared), tell.clone());
                std::thread::spawn(move || shared.talk(n, &tell))
            })
            .collect();
        Ok(Self { shared, clients, heard, witness })
    }

    /// Waits until so many more executions were acknowledged.
    pub(crate) fn hear(&self, n: usize) -> Result<()> {
        for _ in 0..n {
            self.heard.recv_timeout(a2n_tests::daemon::LIMIT)?;
        }
        Ok(())
    }

    /// The daemon is about to go: clients that lose it wait for [`Load::is_up`].
    pub(crate) fn goes_down(&self) {
        *self.shared.up.lock().expect("no client panics here") = 0;
    }
    /// The daemon is back for the `n`-th time.
    pub(crate) fn is_up(&self, n: usize) {
        *self.shared.up.lock().expect("no client panics here") = n + 1;
        self.shared.changed.notify_all();
    }

    /// Ends the clients, each after what it is doing, and compares everything.
    pub(crate) fn finish(self, world: &World) -> Result<Found> {
        self.shared.is_over.store(true, Ordering::Release);
        let mut all = Vec::new();
        for client in self.clients {
            match client.join() {
                Ok(accepted) => all.extend(accepted?),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        let mut found = Found { accepted: all.len(), ..Found::default() };
        let mut lines = world.lines()?;
        let mut must_have_run = Vec::new();
        for one in &all {
            let is_success = judge(&mut lines, one, &mut found)?;
            if one.has_witness && is_success {
                must_have_run.push(&*one.key);
            }
        }
        // Only now all steps have ended.
        let written = std::fs::read_to_string(&self.witness).unwrap_or_default();
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        for key in written.lines() {
            *seen.entry(key).or_default() += 1;
        }
        if let Some((key, n)) = seen.iter().find(|(_, n)| **n > 1) {
            bail!("the step of {key} ran {n} times");
        }
        for key in must_have_run {
            ensure!(seen.contains_key(key), "{key} is a success and never ran");
            found.witnessed += 1;
        }
        compare_with_list(&mut lines, &all)?;
        let verified = lines.call("system.verify", json!({}))?;
        ensure!(verified["ok"] == true, "the store is not whole: {verified}");
        Ok(found)
    }
}

/// An acknowledged execution must have come to an end that it may have; whether to success.
fn judge(lines: &mut Lines, one: &Accepted, found: &mut Found) -> Result<bool> {
    let now = lines.call("execution.get", json!({"id": one.id}))?;
    if one.has_witness && now["pausedReason"] == "IN_DOUBT" {
        found.in_doubt += 1;
        return Ok(false);
    }
    let ended = lines.call("execution.wait", json!({"id": one.id, "timeout": 60000}))?;
    if one.has_witness && ended["status"] == "FAILED" {
        ensure!(ended.to_string().contains("INTERRUPTED"), "{} failed: {ended}", one.key);
        found.interrupted += 1;
        return Ok(false);
    }
    ensure!(ended["status"] == "SUCCESS", "{} ended so: {ended}", one.key);
    ensure!(ended["outputData"]["a"]["output"][0]["key"] == *one.key, "not {}: {ended}", one.key);
    Ok(true)
}

/// The daemon has exactly what was acknowledged: nothing is missing, nothing was recorded twice.
fn compare_with_list(lines: &mut Lines, all: &[Accepted]) -> Result<()> {
    let wanted: BTreeSet<&str> = all.iter().map(|one| &*one.id).collect();
    ensure!(wanted.len() == all.len(), "two keys were given the same execution");
    let (mut listed, mut cursor) = (BTreeSet::new(), Value::Null);
    loop {
        let page = lines.call("execution.list", json!({"limit": 1000, "cursor": cursor}))?;
        for item in page["items"].as_array().into_iter().flatten() {
            let id = item["id"].as_str().unwrap_or_default().to_owned();
            ensure!(wanted.contains(&*id), "nobody was told of execution {id}");
            ensure!(listed.insert(id), "an execution is listed twice: {item}");
        }
        cursor = page["nextCursor"].clone();
        if cursor.is_null() {
            break;
        }
    }
    ensure!(listed.len() == wanted.len(), "{} of {} are listed", listed.len(), wanted.len());
    Ok(())
}

impl Shared {
    /// The loop of one client.
    fn talk(&self, number: usize, tell: &mpsc::Sender<()>) -> Result<Vec<Accepted>> {
        let mut accepted = Vec::new();
        let mut lines = None;
        for n in 0.. {
            if self.is_over.load(Ordering::Acquire) {
                break;
            }
            let (key, has_witness) = (format!("c{number}-{n}"), (number + n).is_multiple_of(4));
            let name = if has_witness { "witness" } else { "quick" };
            let params = json!({"name": name, "inputs": {"key": key}, "idempotencyKey": key});
            let id = loop {
                if let Some(id) = self.call(&mut lines, &params)? {
                    break id;
                }
            };
            accepted.push(Accepted { key, id, has_witness });
            let _ = tell.send(());
        }
        Ok(accepted)
    }

    /// One try; `None` where the daemon went away before it answered, or was about to.
    fn call(&self, lines: &mut Option<Lines>, params: &Value) -> Result<Option<String>> {
        if lines.is_none() {
            let mut up = self.up.lock().expect("nobody panics here");
            while *up == 0 {
                up = self.changed.wait(up).expect("nobody panics here");
            }
            *lines = Lines::connect(&self.socket).ok();
        }
        let Some(open) = lines else { return Ok(None) };
        match open.response("workflow.run", params.clone()) {
            Ok(answer) => match answer["result"]["id"].as_str() {
                Some(id) => Ok(Some(id.to_owned())),
                // A daemon that is stopping says so and accepts nothing.
                None if [412, 503].contains(&answer["error"]["code"].as_i64().unwrap_or(0)) => {
                    *lines = None;
                    Ok(None)
                }
                None => bail!("refused: {answer}"),
            },
            Err(_) => {
                *lines = None;
                Ok(None)
            }
        }
    }
}
