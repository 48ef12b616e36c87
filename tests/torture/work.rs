//! One honest client: each start has a key, each acknowledgement is remembered, and whatever
//! happened in between, all that was acknowledged has to be there.

use std::time::{Duration, Instant};

use a2n_tests::daemon::{LIMIT, World};
use a2n_tests::lines::Lines;
use anyhow::{Result, ensure};
use serde_json::{Value, json};

/// What was acknowledged so far.
#[derive(Debug, Default)]
pub(crate) struct Work {
    next: usize,
    accepted: Vec<(usize, String)>,
    /// How many answers were errors.
    pub(crate) refused: usize,
}

impl Work {
    /// Publishes the workflow that is run.
    pub(crate) fn publish(world: &World) -> Result<Self> {
        let definition = json!({"name": "work", "nodes": [
            {"id": "a", "type": "set", "config": {"values": {"n": "{{ inputs.n }}"}}},
        ]});
        world
            .lines()?
            .call("workflow.create", json!({"definition": definition, "publish": true}))?;
        Ok(Self::default())
    }

    /// Starts one execution; an error must be one that says nothing was accepted, or that nobody
    /// knows. Answers whether it was acknowledged; if not, the next try has the same key.
    pub(crate) fn try_one(&mut self, lines: &mut Lines) -> Result<bool> {
        let n = self.next;
        let params = json!({"name": "work", "inputs": {"n": n}, "idempotencyKey": format!("w{n}")});
        let answer = lines.response("workflow.run", params)?;
        if let Some(id) = answer["result"]["id"].as_str() {
            self.accepted.push((n, id.to_owned()));
            self.next += 1;
            return Ok(true);
        }
        ensure!(answer["error"]["code"] == 507, "neither done nor refused by the store: {answer}");
        ensure!(answer["error"]["data"]["hint"].is_string(), "no hint: {answer}");
        self.refused += 1;
        Ok(false)
    }

    /// Tries until one is acknowledged; how long that took.
    pub(crate) fn until_accepted(&mut self, lines: &mut Lines) -> Result<Duration> {
        let began = Instant::now();
        while !self.try_one(lines)? {
            ensure!(began.elapsed() < LIMIT, "service did not return");
        }
        Ok(began.elapsed())
    }

    /// How many were acknowledged.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.len()
    }

    /// Everything that was acknowledged is there, came to its end, and is what was asked for.
    pub(crate) fn compare(&self, lines: &mut Lines) -> Result<()> {
        for (n, id) in &self.accepted {
            let ended = lines.call("execution.wait", json!({"id": id, "timeout": 60000}))?;
            ensure!(ended["status"] == "SUCCESS", "{n} ended so: {ended}");
            ensure!(ended["outputData"]["a"]["output"][0]["n"] == *n, "not {n}: {ended}");
        }
        let verified = lines.call("system.verify", json!({}))?;
        ensure!(verified["ok"] == true, "the store is not whole: {verified}");
        Ok(())
    }
}

/// What health says of one part.
pub(crate) fn health(lines: &mut Lines, part: &str) -> Result<Value> {
    let health = lines.call("system.health", json!({}))?;
    let checks = health["checks"].as_array().cloned().unwrap_or_default();
    Ok(checks.into_iter().find(|check| check["serviceName"] == part).unwrap_or_default())
}

/// Asks until health says so of one part; how long that took.
pub(crate) fn until_health(lines: &mut Lines, part: &str, status: &str) -> Result<Duration> {
    let began = Instant::now();
    loop {
        let found = health(lines, part)?;
        if found["status"] == status {
            return Ok(began.elapsed());
        }
        ensure!(began.elapsed() < LIMIT, "{part} is not {status}: {found}");
    }
}

/// A page of the daemon over HTTP: its status.
pub(crate) fn page(world: &World, path: &str) -> Result<u16> {
    use std::io::{Read, Write};
    let mut stream = std::os::unix::net::UnixStream::connect(world.socket())?;
    stream.set_read_timeout(Some(LIMIT))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: a2n\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let status = text.split(' ').nth(1).unwrap_or_default().parse();
    Ok(status?)
}
