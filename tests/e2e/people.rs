//! Several people at one daemon: who is let in, who looks after whom, and who is locked out at once.

use std::io::{BufRead, BufReader, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use a2n_tests::command::a2n;
use a2n_tests::daemon::World;
use a2n_tests::several::{Several, skipped};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

const ROOT: u32 = 0;
const BOB: u32 = 61_001;
const ZOE: u32 = 61_002;

#[test]
fn a_daemon_of_ones_own_has_no_further_accounts() -> Result<()> {
    let world = World::started()?;
    let ran = a2n(&world, &["user", "add", "bob", "--uid", "61001"])?;
    assert_ne!(ran.code, Some(0));
    assert!(ran.stderr.contains("a daemon of your own has no further accounts"), "{}", ran.stderr);
    Ok(())
}

#[test]
fn accounts_by_uid_with_roles() -> Result<()> {
    let Some(several) = Several::started()? else { return Ok(()) };
    let none = several.refused(BOB, "workflow.list", &json!({}))?;
    assert!(none.contains("uid 61001 has no account here"), "{none}");
    several.call(BOB, "system.ping", &json!({}))?;
    several.ok(ROOT, &["user", "add", "bob", "--uid", "61001"])?;
    several.ok(ROOT, &["user", "add", "zoe", "--uid", "61002", "--role", "ADMIN"])?;
    assert_eq!(several.call(BOB, "auth.whoami", &json!({}))?["user"]["role"], "USER");
    let listed = several.ok(ZOE, &["user", "ls"])?;
    assert!(listed.contains("bob") && listed.contains("61002"), "{listed}");
    // A USER sees themselves only, and makes nobody.
    let seen = several.call(BOB, "user.list", &json!({}))?;
    assert_eq!(seen["items"].as_array().map(Vec::len), Some(1), "{seen}");
    let said = several.refused(BOB, "user.create", &json!({"name": "eve", "uid": 61003}))?;
    assert!(said.contains("needs the role ADMIN"), "{said}");
    // An ADMIN makes no OWNER, and the last OWNER stays one.
    let said = several.refused(ZOE, "user.create", &json!({"name": "eve", "role": "OWNER"}))?;
    assert!(said.contains("only an OWNER may make another OWNER"), "{said}");
    let ran = several.a2n(ROOT, &["user", "role", "0", "admin"])?;
    assert!(ran.stderr.contains("is the last OWNER"), "{}{}", ran.stdout, ran.stderr);
    // One uid is one user's.
    let ran = several.a2n(ROOT, &["user", "link", "zoe", "61001"])?;
    assert!(ran.stderr.contains("is taken by another account"), "{}", ran.stderr);
    // Every change is in the trail, with who did it.
    let rows = several.call(ROOT, "auditLog.list", &json!({"filter": {"action": "auth.link"}}))?;
    assert_eq!(rows["items"][0]["metadata"]["uid"], 0, "{rows}");
    assert!(several.call(ROOT, "auditLog.verify", &json!({}))?["ok"].as_bool().unwrap_or(false));
    Ok(())
}

/// A connection that another user opened and keeps, as far as the daemon can tell.
struct Kept {
    stream: BufReader<UnixStream>,
}

impl Kept {
    /// The kernel knows who called `connect`; what talks over the connection later is ours.
    fn opened_by(several: &Several, uid: u32) -> Result<Self> {
        let (near, far) = UnixStream::pair()?;
        let script = "import os, socket, sys, threading\n\
            there = socket.socket(socket.AF_UNIX)\nthere.connect(sys.argv[1])\n\
            def up():\n\
            \x20   for data in iter(lambda: os.read(0, 65536), b''): there.sendall(data)\n\
            \x20   there.shutdown(socket.SHUT_WR)\n\
            threading.Thread(target=up, daemon=True).start()\n\
            for data in iter(lambda: there.recv(65536), b''): os.write(1, data)\n";
        Command::new("python3")
            .args(["-c", script])
            .arg(several.world.socket())
            .stdin(OwnedFd::from(far.try_clone()?))
            .stdout(OwnedFd::from(far))
            .stderr(Stdio::null())
            .uid(uid)
            .gid(uid)
            .spawn()?;
        near.set_read_timeout(Some(a2n_tests::daemon::LIMIT))?;
        Ok(Self { stream: BufReader::new(near) })
    }

    fn send(&mut self, id: u32, method: &str, params: &Value) -> Result<()> {
        let call = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        Ok(self.stream.get_mut().write_all(format!("{call}\n").as_bytes())?)
    }

    fn read(&mut self) -> Result<Value> {
        let mut line = String::new();
        ensure!(self.stream.read_line(&mut line)? > 0, "closed");
        serde_json::from_str(&line).with_context(|| line)
    }
}

#[test]
fn who_is_suspended_is_locked_out_at_once_on_connections_that_are_open() -> Result<()> {
    let Some(several) = Several::started()? else { return Ok(()) };
    if Command::new("python3").arg("--version").output().is_err() {
        skipped("another user's connection takes python3");
        return Ok(());
    }
    several.ok(ROOT, &["user", "add", "bob", "--uid", "61001"])?;
    let waits = json!({"name": "waits", "nodes": [
        {"id": "w", "type": "wait", "config": {"duration": "1h"}},
    ]});
    several.call(BOB, "workflow.create", &json!({"definition": waits, "publish": true}))?;
    let run = several.call(BOB, "workflow.run", &json!({"name": "waits"}))?["id"].clone();
    let mut open = Kept::opened_by(&several, BOB)?;
    open.send(1, "system.subscribe", &json!({}))?;
    assert_eq!(open.read()?["id"], 1);
    let mut waiting = Kept::opened_by(&several, BOB)?;
    waiting.send(2, "execution.wait", &json!({"id": run}))?;
    waiting.send(3, "system.ping", &json!({}))?;
    assert_eq!(waiting.read()?["id"], 3);

    several.ok(ROOT, &["user", "suspend", "bob"])?;
    let said = several.refused(BOB, "workflow.list", &json!({}))?;
    assert!(said.contains("has no account here"), "{said}");
    // The subscription ends, and says why.
    loop {
        let note = open.read()?;
        if let Some(reason) = note["params"]["result"]["end"]["reason"].as_str() {
            assert_eq!(reason, "UNAUTHENTICATED", "{note}");
            break;
        }
    }
    open.send(4, "execution.list", &json!({}))?;
    assert_eq!(open.read()?["error"]["code"], 401);
    // What was asked before is not answered any more.
    several.call(ROOT, "execution.cancel", &json!({"id": run}))?;
    let answer = waiting.read()?;
    assert_eq!(answer["error"]["code"], 401, "{answer}");

    several.ok(ROOT, &["user", "resume", "bob"])?;
    open.send(5, "execution.list", &json!({}))?;
    assert!(open.read()?["result"]["items"].is_array());
    several.ok(ROOT, &["user", "rm", "bob"])?;
    open.send(6, "execution.list", &json!({}))?;
    assert_eq!(open.read()?["error"]["code"], 401);
    let archived = several.call(ROOT, "workflow.list", &json!({"filter": {"archived": true}}))?;
    assert_eq!(archived["items"][0]["name"], "waits", "{archived}");
    Ok(())
}
