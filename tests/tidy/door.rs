//! The world comes in through one door: outside `system/` nothing reads clocks or chance, opens files
//! or sockets, starts processes or reads the environment. The exceptions are listed with their reason.

use crate::source::{report, rust};

/// What is looked for.
const DOORS: [&str; 14] = [
    "SystemTime::now",
    "Instant::now",
    "std::fs::",
    "tokio::fs::",
    "Command::new",
    "TcpStream::connect",
    "TcpListener::bind",
    "UnixStream::connect",
    "UnixListener::bind",
    "env::var",
    "thread::sleep",
    "time::sleep",
    "tokio::spawn",
    "process::exit",
];

/// Where, what, why.
const EXCEPTIONS: [(&str, &str, &str); 13] = [
    (
        "daemon/src/app",
        "tokio::spawn",
        "starts the engine, the server and the signals, and ends them",
    ),
    ("daemon/src/app/signals.rs", "process::exit", "a person who asks three times wants it gone"),
    (
        "daemon/src/engine/driving/runner.rs",
        "tokio::spawn",
        "one for each attempt, ended by its token",
    ),
    (
        "daemon/src/engine/driving/desk",
        "tokio::spawn",
        "one for each start of an execution by another, one for all waits for events, one for all looks",
    ),
    ("daemon/src/config", "env::var", "the one place that reads the environment"),
    ("daemon/src/config", "std::fs::", "reads the configuration file before there is a system"),
    ("daemon/src/main.rs", "process::exit", "only main ends the process"),
    ("daemon/src/tasks.rs", "tokio::spawn", "the one place that spawns"),
    ("daemon/src/rpc/pace.rs", "time::sleep", "time limits of connections are the kernel's time"),
    ("daemon/src/rpc/server.rs", "time::sleep", "time limits of connections are the kernel's time"),
    ("daemon/src/rpc/stream.rs", "time::sleep", "time limits of connections are the kernel's time"),
    ("daemon/src/rpc", "tokio::spawn", "connections have a tracker of their own"),
    ("daemon/src/nodes/network", "UnixStream::connect", "behind the HTTP port"),
];

#[test]
fn the_world_comes_in_through_one_door() {
    let mut wrong = Vec::new();
    for source in rust("daemon/src").iter().filter(|s| !s.is_test()) {
        if source.path.starts_with("daemon/src/system/") {
            continue;
        }
        let may = |door: &str| {
            EXCEPTIONS.iter().any(|(path, what, _)| source.path.starts_with(path) && *what == door)
        };
        for (line, code) in source.code() {
            for door in DOORS.iter().filter(|door| code.contains(**door) && !may(door)) {
                wrong.push(format!("{}:{line}: {door}", source.path));
            }
        }
    }
    report(
        "only daemon/src/system reaches the world: add a port, or an exception with a reason",
        &wrong,
    );
}
