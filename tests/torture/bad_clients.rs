//! R21: clients that never read, close half, send a byte at a time, or connect and vanish. None of
//! them costs more than a bounded buffer, and the others don't notice.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use a2n_tests::daemon::{LIMIT, World};
use a2n_tests::usage;
use anyhow::{Result, ensure};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde_json::{Value, json};

use crate::counts::{VANISHING, say};

/// R21: who asks and never reads is dropped, in bounded memory; a neighbour is served throughout.
#[test]
fn a_client_that_never_reads_is_dropped() -> Result<()> {
    let mut world = World::new()?;
    world.env.push(("A2N_SETTING__RPC__SEND_TIMEOUT_SECONDS".into(), "1".into()));
    world.start()?;
    let mut neighbour = world.lines()?;
    neighbour.call("rpc.discover", json!({}))?;
    let before = usage::resident_bytes(world.pid())?;
    let n_clients = 16;
    let mut deaf = Vec::new();
    for _ in 0..n_clients {
        let mut stream = UnixStream::connect(world.socket())?;
        stream.set_nonblocking(true)?;
        // Asks for the largest answer there is until the daemon takes no more.
        let ask = b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"rpc.discover\"}\n".repeat(100);
        while stream.write_all(&ask).is_ok() {
            ensure!(neighbour.call("system.ping", json!({}))?["pong"] == true, "no ping");
        }
        deaf.push(stream);
    }
    let most = usage::most_resident_bytes(world.pid())?;
    // Nothing is read: the only thing to wait for is that the other end closes.
    for stream in &deaf {
        let mut wanted = [PollFd::new(stream.as_fd(), PollFlags::empty())];
        ensure!(poll(&mut wanted, PollTimeout::try_from(LIMIT)?)? == 1, "it was not dropped");
        ensure!(neighbour.call("system.ping", json!({}))?["pong"] == true, "no ping");
    }
    let each = most.saturating_sub(before) / n_clients;
    say(format!("{n_clients} clients that never read: {} KiB each, all dropped", each >> 10));
    ensure!(each < 2 << 20, "{each} bytes for each client that does not read");
    world.stop()
}

/// R21: a large request is bounded too, also many of them that are never finished.
#[test]
fn requests_that_never_end_are_bounded() -> Result<()> {
    let mut world = World::started()?;
    let mut neighbour = world.lines()?;
    let before = usage::resident_bytes(world.pid())?;
    let mut open = Vec::new();
    for _ in 0..8 {
        let mut stream = UnixStream::connect(world.socket())?;
        stream.set_write_timeout(Some(LIMIT))?;
        stream.write_all(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"")?;
        // More than a request may have: the daemon answers so and reads on only for a while.
        let filler = [b'x'; 64 << 10];
        for _ in 0..160 {
            if stream.write_all(&filler).is_err() {
                break;
            }
        }
        open.push(stream);
    }
    ensure!(neighbour.call("system.ping", json!({}))?["pong"] == true, "no ping");
    let each = usage::most_resident_bytes(world.pid())?.saturating_sub(before) / 8;
    for stream in &mut open {
        stream.set_read_timeout(Some(LIMIT))?;
        let mut said = [0; 1000];
        let n = stream.read(&mut said)?;
        ensure!(String::from_utf8_lossy(&said[..n]).contains("TOO_LARGE"), "not told");
    }
    say(format!("requests that never end: {} KiB each", each >> 10));
    ensure!(each < 12 << 20, "{each} bytes for each request that never ends");
    world.stop()
}

/// R21: half of a connection closed ends reading only; what was asked is answered.
#[test]
fn a_half_open_socket_is_answered_and_closed() -> Result<()> {
    let mut world = World::started()?;
    let before = usage::descriptors(world.pid())?;
    let mut ends = Vec::new();
    for sent in [
        &b""[..],
        b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"system.ping\"}",
        b"{\"jsonrpc\"",
        b"POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\n{",
        b"GET / HTTP/1.1\r\n",
    ] {
        let mut stream = UnixStream::connect(world.socket())?;
        stream.set_read_timeout(Some(LIMIT))?;
        stream.write_all(sent)?;
        stream.shutdown(Shutdown::Write)?;
        let mut said = String::new();
        stream.read_to_string(&mut said)?;
        ensure!(!sent.ends_with(b"}") || said.contains("pong"), "asked and not answered: {said}");
        ends.push(stream);
    }
    back_to(&world, before)?;
    world.stop()
}

/// R21: a byte at a time is a request like any other, and holds nobody up.
#[test]
fn a_byte_at_a_time_is_served_and_harms_nobody() -> Result<()> {
    let mut world = World::started()?;
    let mut neighbour = world.lines()?;
    let mut slow = [UnixStream::connect(world.socket())?, UnixStream::connect(world.socket())?];
    let body = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"system.ping\"}";
    let head =
        format!("POST / HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    let texts = [format!("{body}\n"), format!("{head}{body}")];
    for i in 0..texts[1].len() {
        for (stream, text) in slow.iter_mut().zip(&texts) {
            if let Some(byte) = text.as_bytes().get(i) {
                stream.write_all(&[*byte])?;
            }
        }
        ensure!(neighbour.call("system.ping", json!({}))?["pong"] == true, "no ping");
    }
    for mut stream in slow {
        stream.set_read_timeout(Some(LIMIT))?;
        stream.shutdown(Shutdown::Write)?;
        let mut said = String::new();
        stream.read_to_string(&mut said)?;
        ensure!(said.contains("pong"), "not answered: {said}");
    }
    world.stop()
}

/// R21: a hundred thousand clients that connect and vanish, in the middle of whatever they say.
#[test]
fn clients_that_vanish_leave_nothing_behind() -> Result<()> {
    let mut world = World::started()?;
    let mut neighbour = world.lines()?;
    neighbour.call("rpc.discover", json!({}))?;
    let (fds, rss) = (usage::descriptors(world.pid())?, usage::resident_bytes(world.pid())?);
    let openings: [&[u8]; 6] = [
        b"",
        b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"rpc.discover\"}\n",
        b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"system.subscribe\",\"params\":{}}\n",
        b"{\"json",
        b"GET / HTTP/1.1\r\nHost: a2n\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
          Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\x81",
        b"POST / HTTP/1.1\r\nContent-Length: 1000\r\n\r\n{",
    ];
    let n = VANISHING.get();
    for i in 0..n {
        let mut stream = UnixStream::connect(world.socket())?;
        match stream.write_all(openings[i % openings.len()]) {
            Err(e) if e.kind() != ErrorKind::BrokenPipe => return Err(e.into()),
            _ => drop(stream),
        }
        if i % 100 == 0 {
            ensure!(neighbour.call("system.ping", json!({}))?["pong"] == true, "no ping");
        }
    }
    back_to(&world, fds)?;
    let grown = usage::resident_bytes(world.pid())?.saturating_sub(rss);
    say(format!("{n} clients vanished: no descriptor left, {} KiB grown", grown >> 10));
    ensure!(grown < 32 << 20, "grown by {grown} bytes");
    world.stop()
}

/// Asks until the daemon has no more descriptors open than before.
fn back_to(world: &World, descriptors: usize) -> Result<()> {
    let mut lines = world.lines()?;
    let began = std::time::Instant::now();
    // One is our own.
    while usage::descriptors(world.pid())? > descriptors + 1 {
        let _: Value = lines.call("system.ping", json!({}))?;
        let open = usage::descriptors(world.pid())?;
        ensure!(began.elapsed() < LIMIT, "{open} descriptors are open, {descriptors} were");
    }
    Ok(())
}
