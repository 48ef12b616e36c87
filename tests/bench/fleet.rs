//! Client processes that begin together, play for a fixed time, and report.

use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

/// What a fleet did together.
#[derive(Default)]
pub(crate) struct Played {
    /// Rounds of all clients.
    pub(crate) n: usize,
    /// Rounds a second.
    pub(crate) per_second: f64,
    /// The median of the clients' median times for a round.
    pub(crate) p50: Duration,
    /// The median of their 99th percentiles.
    pub(crate) p99: Duration,
    /// What the rounds left.
    pub(crate) ids: Vec<String>,
}

/// This program in a role.
pub(crate) fn command(role: &str) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(role);
    Ok(command)
}

/// Plays a role `n_clients` times at once.
pub(crate) fn play(
    role: &str,
    n_clients: usize,
    socket: &Path,
    seconds: f64,
    extra: &[&str],
) -> Result<Played> {
    let mut clients = Vec::new();
    for _ in 0..n_clients {
        let mut child = command(role)?
            .arg(socket)
            .arg(seconds.to_string())
            .args(extra)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let out = BufReader::new(child.stdout.take().context("piped")?);
        clients.push((child, out));
    }
    for (_, out) in &mut clients {
        ensure!(line(out)? == "ready", "a client did not begin");
    }
    for (child, _) in &mut clients {
        child.stdin.as_mut().context("piped")?.write_all(b"go\n")?;
    }
    let mut played = Played::default();
    let (mut p50s, mut p99s) = (Vec::new(), Vec::new());
    for (child, out) in clients {
        let [n, p50, p99] = report(child, out, &mut played.ids)?;
        played.n += n;
        p50s.push(p50);
        p99s.push(p99);
    }
    let middle = |all: &mut Vec<usize>| {
        all.sort_unstable();
        Duration::from_nanos(all[all.len() / 2] as u64)
    };
    (played.p50, played.p99) = (middle(&mut p50s), middle(&mut p99s));
    played.per_second = played.n as f64 / seconds;
    Ok(played)
}

fn report(
    mut child: Child,
    mut out: BufReader<ChildStdout>,
    ids: &mut Vec<String>,
) -> Result<[usize; 3]> {
    let said = line(&mut out)?;
    let numbers: Vec<usize> = said.split(' ').filter_map(|word| word.parse().ok()).collect();
    for id in out.lines() {
        ids.push(id?);
    }
    ensure!(child.wait()?.success(), "a client failed");
    <[usize; 3]>::try_from(numbers).ok().with_context(|| format!("a client said {said}"))
}

fn line(out: &mut BufReader<ChildStdout>) -> Result<String> {
    let mut line = String::new();
    if out.read_line(&mut line)? == 0 {
        bail!("a client ended early");
    }
    Ok(line.trim().to_owned())
}

/// One client's side: rounds for a time, timed one by one.
pub(crate) struct Rounds;

impl Rounds {
    /// Says that it is ready, waits for the word, plays for so many seconds, reports.
    pub(crate) fn play(
        seconds: &str,
        mut round: impl FnMut(&mut Vec<String>) -> Result<()>,
    ) -> Result<()> {
        println!("ready");
        let mut word = String::new();
        std::io::stdin().read_line(&mut word)?;
        let until = Instant::now() + Duration::from_secs_f64(seconds.parse()?);
        let (mut times, mut ids) = (Vec::new(), Vec::new());
        let mut now = Instant::now();
        while now < until {
            round(&mut ids)?;
            let then = Instant::now();
            times.push(then - now);
            now = then;
        }
        times.sort_unstable();
        let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize].as_nanos();
        let mut out = BufWriter::new(std::io::stdout().lock());
        writeln!(out, "{} {} {}", times.len(), at(0.5), at(0.99))?;
        for id in ids {
            writeln!(out, "{id}")?;
        }
        Ok(out.flush()?)
    }
}
