//! `system.ping` beside a raw echo of the same bytes.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use a2n_tests::daemon::World;
use anyhow::{Context, Result};

use crate::figures::{Figures, Target, Value};
use crate::fleet;

/// Seconds of each measurement.
const SECONDS: f64 = 3.0;
const CLIENTS: usize = 16;

pub(crate) fn measure(figures: &mut Figures) -> Result<()> {
    let world = World::started()?;
    let echo_socket = world.path().join("echo.sock");
    let mut echo = fleet::command("play-echo")?.arg(&echo_socket).stdout(Stdio::piped()).spawn()?;
    let mut ready = String::new();
    BufReader::new(echo.stdout.take().context("piped")?).read_line(&mut ready)?;

    let socket = world.socket();
    let play = |role, n, socket| fleet::play(role, n, socket, SECONDS, &[]);
    let echo_one = play("play-echo-client", 1, &echo_socket)?.p50;
    let lines = play("play-ping", 1, &socket)?.p50;
    let websocket = play("play-ping-websocket", 1, &socket)?.p50;
    let echo_rate = play("play-echo-client", CLIENTS, &echo_socket)?.per_second;
    let rate = play("play-ping", CLIENTS, &socket)?.per_second;
    echo.kill()?;
    echo.wait()?;

    let limit = Some(("echo", Value::Time(echo_one)));
    let most = |times| Target::AtMost(Value::Time(echo_one * times));
    figures.add("`system.ping` on lines, p50", Value::Time(lines), limit, &most(2));
    figures.add("`system.ping` on WebSocket, p50", Value::Time(websocket), limit, &most(4));
    figures.add(
        "`system.ping` on lines, 16 clients",
        Value::Rate(rate),
        Some(("echo", Value::Rate(echo_rate))),
        &Target::AtLeast(Value::Rate(0.6 * echo_rate)),
    );
    Ok(())
}
