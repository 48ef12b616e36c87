//! The roles that this program plays as a process of its own.

use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use a2n_segment::RESERVED;
use anyhow::{Context, Result, bail};

use crate::fleet::Rounds;
use crate::wire::{self, Wire};

pub(crate) type Role = fn(&[String]) -> Result<()>;

/// What a first argument asks this process to be.
pub(crate) fn role(name: &str) -> Option<Role> {
    Some(match name {
        "play-echo" => echo,
        "play-echo-client" => echo_client,
        "play-ping" => ping,
        "play-ping-websocket" => ping_websocket,
        "play-run" => run,
        "play-run-and-wait" => run_and_wait,
        "play-flood" => flood,
        "play-cat" => cat,
        "play-clock" => clock,
        _ => return None,
    })
}

const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"system.ping"}"#;

/// Answers what comes, line by line: the limit of any server on this socket.
fn echo(args: &[String]) -> Result<()> {
    let listener = UnixListener::bind(&args[0])?;
    println!("ready");
    for stream in listener.incoming() {
        let mut stream = stream?;
        std::thread::spawn(move || {
            let mut bytes = vec![0; 16 << 10];
            while let Ok(n @ 1..) = stream.read(&mut bytes) {
                if stream.write_all(&bytes[..n]).is_err() {
                    break;
                }
            }
        });
    }
    Ok(())
}

fn echo_client(args: &[String]) -> Result<()> {
    let mut wire = Wire::lines(Path::new(&args[0]))?;
    let line = format!("{PING}\n");
    Rounds::play(&args[1], |_| wire.ask(line.as_bytes()).map(|_| ()))
}

fn ping(args: &[String]) -> Result<()> {
    let mut wire = Wire::lines(Path::new(&args[0]))?;
    let line = format!("{PING}\n");
    Rounds::play(&args[1], |_| right(wire.ask(line.as_bytes())?, "\"result\""))
}

fn ping_websocket(args: &[String]) -> Result<()> {
    let mut wire = Wire::websocket(Path::new(&args[0]))?;
    let frame = wire::frame(PING);
    Rounds::play(&args[1], |_| right(wire.ask_frame(&frame)?, "\"result\""))
}

/// One call for each execution, which answers when it has ended.
fn run(args: &[String]) -> Result<()> {
    let mut wire = Wire::lines(Path::new(&args[0]))?;
    let line = call("workflow.run", &format!(r#""id":"{}","wait":true"#, args[2]));
    Rounds::play(&args[1], |ids| {
        let answer = wire.ask(line.as_bytes())?;
        right(answer, r#""status":"SUCCESS""#)?;
        ids.push(execution_id(answer)?);
        Ok(())
    })
}

/// One call that answers when it is accepted, durably, and one that answers when it has ended.
fn run_and_wait(args: &[String]) -> Result<()> {
    let mut wire = Wire::lines(Path::new(&args[0]))?;
    let line = call("workflow.run", &format!(r#""id":"{}""#, args[2]));
    Rounds::play(&args[1], |ids| {
        let id = execution_id(wire.ask(line.as_bytes())?)?;
        let wait = call("execution.wait", &format!(r#""id":"{id}""#));
        right(wire.ask(wait.as_bytes())?, r#""status":"SUCCESS""#)?;
        ids.push(id);
        Ok(())
    })
}

pub(crate) fn call(method: &str, params: &str) -> String {
    format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"{method}\",\"params\":{{{params}}}}}\n")
}

fn execution_id(answer: &[u8]) -> Result<String> {
    let id = wire::between(answer, r#""result":{"id":""#, b'"')
        .with_context(|| format!("no execution: {}", String::from_utf8_lossy(answer)))?;
    Ok(String::from_utf8_lossy(id).into_owned())
}

pub(crate) fn right(answer: &[u8], wanted: &str) -> Result<()> {
    if answer.windows(wanted.len()).any(|part| part == wanted.as_bytes()) {
        return Ok(());
    }
    bail!("{wanted} is missing in {}", String::from_utf8_lossy(answer))
}

/// Prints numbered lines as fast as they are taken.
fn flood(args: &[String]) -> Result<()> {
    let mut out = BufWriter::with_capacity(64 << 10, std::io::stdout().lock());
    for n in 1..=args[0].parse::<u64>()? {
        writeln!(out, "{n:08} a line of a step that has a lot to say and says it quickly")?;
    }
    Ok(out.flush()?)
}

/// `cat >> file` that makes the file durable as often as a step's lines are.
fn cat(args: &[String]) -> Result<()> {
    let mut file = File::options().create(true).append(true).open(&args[0])?;
    let (mut input, mut bytes) = (std::io::stdin().lock(), vec![0; 128 << 10]);
    let mut n_lines = 0;
    while let n @ 1.. = input.read(&mut bytes)? {
        file.write_all(&bytes[..n])?;
        let before = n_lines / RESERVED;
        n_lines += memchr::memchr_iter(b'\n', &bytes[..n]).count() as u64;
        if n_lines / RESERVED > before {
            file.sync_data()?;
        }
    }
    Ok(file.sync_data()?)
}

/// Prints what time it is, every ten milliseconds.
fn clock(args: &[String]) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let begun = Instant::now();
    for n in 1..=args[0].parse::<u32>()? {
        writeln!(out, "printed at {}", wall_us())?;
        out.flush()?;
        let next = Duration::from_millis(10) * n;
        std::thread::sleep(next.saturating_sub(begun.elapsed()));
    }
    Ok(())
}

/// The wall clock in microseconds, which processes have in common.
pub(crate) fn wall_us() -> u128 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |now| now.as_micros())
}
