//! A conversation on the line protocol: one JSON object a line, as a script would hold it.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use serde_json::{Value, json};

use crate::daemon::LIMIT;

/// One connection.
#[derive(Debug)]
pub struct Lines {
    reader: BufReader<UnixStream>,
    next_id: u64,
    notifications: VecDeque<Value>,
}

impl Lines {
    /// Connects to the socket.
    pub fn connect(socket: &Path) -> Result<Self> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(LIMIT))?;
        stream.set_write_timeout(Some(LIMIT))?;
        Ok(Self { reader: BufReader::new(stream), next_id: 1, notifications: VecDeque::new() })
    }
    /// The socket itself, for tests that break the protocol.
    pub fn stream(&mut self) -> &mut UnixStream {
        self.reader.get_mut()
    }
    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.stream().write_all(bytes)?)
    }
    /// The next line; `None` where the daemon closed the connection.
    pub fn read(&mut self) -> Result<Option<Value>> {
        let mut line = String::new();
        if self.reader.read_line(&mut line).context("read a line")? == 0 {
            return Ok(None);
        }
        Ok(Some(serde_json::from_str(&line).with_context(|| format!("not JSON: {line}"))?))
    }
    /// Calls a method and answers the whole response object.
    pub fn response(&mut self, method: &str, params: Value) -> Result<Value> {
        let id = self.next_id;
        self.next_id += 1;
        let mut line =
            json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string();
        line.push('\n');
        self.send(line.as_bytes())?;
        loop {
            let answer =
                self.read()?.ok_or_else(|| anyhow!("closed while waiting for {method}"))?;
            if answer.get("id") == Some(&json!(id)) {
                return Ok(answer);
            }
            self.notifications.push_back(answer);
        }
    }
    /// Calls a method that must succeed.
    pub fn call(&mut self, method: &str, params: Value) -> Result<Value> {
        let mut answer = self.response(method, params)?;
        match answer.get_mut("result") {
            Some(result) => Ok(result.take()),
            None => bail!("{method} failed: {answer}"),
        }
    }
    /// Calls a method that must fail, and answers the error object.
    pub fn refused(&mut self, method: &str, params: Value) -> Result<Value> {
        let mut answer = self.response(method, params)?;
        match answer.get_mut("error") {
            Some(error) => Ok(error.take()),
            None => bail!("{method} was not refused: {answer}"),
        }
    }
    /// The next notification.
    pub fn notification(&mut self) -> Result<Value> {
        if let Some(seen) = self.notifications.pop_front() {
            return Ok(seen);
        }
        self.read()?.ok_or_else(|| anyhow!("closed while waiting for a notification"))
    }
}
