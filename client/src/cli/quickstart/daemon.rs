//! The user's own daemon: started in a session of its own, and stopped.
//!
//! It is ready when it says so on the socket that systemd would listen on (`NOTIFY_SOCKET`), so
//! nothing here guesses how long that takes.

use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use a2n_client::Exit;
use a2n_client::connect::{self, Place};
use a2n_proto::api::Nothing;
use a2n_proto::api::system::{Info, InfoAnswer};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::net::UnixDatagram;
use tokio::process::Child;

use super::super::failure::Failure;
use super::super::overview::beside;
use super::super::{Context, Outcome};
use super::logout;

/// How long a start may take; a store that has to be repaired takes longest.
const START: Duration = Duration::from_secs(60);
/// How long a stop may take: running steps get time to end.
const STOP: Duration = Duration::from_secs(60);
/// How a service of one's own is stopped.
pub(super) const STOP_SERVICE: &str = "systemctl --user stop a2nd.socket a2nd.service";
/// Between two looks at a process that is about to end.
const LOOK: Duration = Duration::from_millis(10);

/// Starts `a2nd --user` and waits until it is ready; answers its socket.
pub(super) async fn start(place: &Place) -> Result<PathBuf, Failure> {
    let program = program()?;
    let state = match std::env::var_os("A2N_DATA_DIR").filter(|path| !path.is_empty()) {
        Some(path) => PathBuf::from(path),
        None => connect::user_state_dir()
            .ok_or_else(|| Failure::failed("there is no home folder: set HOME"))?,
    };
    // Below the state folder and not in $XDG_RUNTIME_DIR, which goes away at logout.
    let socket = place.socket.clone().unwrap_or_else(|| state.join("run/a2nd.sock"));
    let run = socket.parent().unwrap_or(Path::new("/")).to_path_buf();
    for folder in [&state, &run] {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|error| failed("make the folder", folder, &error))?;
    }
    let log = state.join("a2nd.log");
    let herald = run.join(format!("ready-{}.sock", std::process::id()));
    let ready =
        UnixDatagram::bind(&herald).map_err(|error| failed("listen at", &herald, &error))?;
    let started = wait_until_ready(&program, &state, &socket, &log, &herald, &ready).await;
    let _ = std::fs::remove_file(&herald);
    started.map(|()| socket)
}

async fn wait_until_ready(
    program: &Path,
    state: &Path,
    socket: &Path,
    log: &Path,
    herald: &Path,
    ready: &UnixDatagram,
) -> Result<(), Failure> {
    let mut child = spawn(program, state, socket, log, herald)?;
    let pid = child.id().unwrap_or(0);
    let said_ready = async {
        let mut buffer = [0; 4_096];
        loop {
            let n = ready.recv(&mut buffer).await?;
            let text = String::from_utf8_lossy(&buffer[..n]);
            if text.lines().any(|line| line == "READY=1") {
                return io::Result::Ok(());
            }
        }
    };
    tokio::select! {
        ready = said_ready => ready.map_err(|error| failed("listen at", herald, &error))?,
        ended = child.wait() => {
            let how = ended.map_or_else(|error| error.to_string(), |status| status.to_string());
            return Err(Failure::failed(format!("a2nd ended at once ({how}): {}", last_line(log)))
                .hint(format!("its log is {}", log.display())));
        }
        () = tokio::time::sleep(START) => {
            return Err(Failure::new(Exit::TimedOut, format!("a2nd (pid {pid}) is not ready yet"))
                .hint(format!("its log is {}", log.display())));
        }
    }
    Ok(())
}

fn spawn(
    program: &Path,
    state: &Path,
    socket: &Path,
    log: &Path,
    herald: &Path,
) -> Result<Child, Failure> {
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(log)
        .map_err(|error| failed("open the log", log, &error))?;
    let errors = file.try_clone().map_err(|error| failed("open the log", log, &error))?;
    let itself = std::env::current_exe()
        .map_err(|error| failed("find the program", Path::new("a2n"), &error))?;
    let mut command = tokio::process::Command::new(itself);
    command
        .arg("detach")
        .arg(program)
        .args(["--user", "--data-dir"])
        .arg(state)
        .arg("--socket")
        .arg(socket)
        .env("NOTIFY_SOCKET", herald)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(file)
        .stderr(errors);
    // What a service manager told our parents is not meant for the daemon.
    for name in [
        "LISTEN_FDS",
        "LISTEN_PID",
        "LISTEN_FDNAMES",
        "WATCHDOG_USEC",
        "WATCHDOG_PID",
        "JOURNAL_STREAM",
        "INVOCATION_ID",
    ] {
        command.env_remove(name);
    }
    command.spawn().map_err(|error| failed("start", program, &error))
}

/// Becomes the given program in a session of its own: no terminal, no logout reaches it.
pub(in super::super) fn detach(words: &[std::ffi::OsString]) -> Outcome {
    let Some((program, rest)) = words.split_first() else {
        return Err(Failure::usage("what to start is missing"));
    };
    // Fails only where we lead a process group; then we are out of the terminal's reach already.
    let _ = nix::unistd::setsid();
    let error = std::process::Command::new(program).args(rest).exec();
    Err(failed("start", Path::new(program), &error))
}

/// `a2nd` beside this program, else on the PATH.
fn program() -> Result<PathBuf, Failure> {
    if let Some(path) = beside("a2nd") {
        return Ok(path);
    }
    std::env::var_os("PATH")
        .iter()
        .flat_map(std::env::split_paths)
        .map(|folder| folder.join("a2nd"))
        .find(|path| path.is_absolute() && path.is_file())
        .ok_or_else(|| {
            Failure::failed("a2nd is neither beside a2n nor on the PATH")
                .hint("`cargo build --release` makes both")
        })
}

/// Stops the user's own daemon and waits until it is gone.
pub(super) async fn stop(cx: &Context, place: &Place) -> Outcome {
    let Ok(session) = cx.open(place.clone()).await else {
        cx.out.note("Your own daemon does not run.")?;
        return Ok(Exit::Done);
    };
    let info = session.call::<Info>(&Nothing {}).await?;
    drop(session);
    // Only what really answers there, and only what is ours: the kernel says who it is.
    let (_, uid) = connect::peer(place).await?;
    if uid != nix::unistd::geteuid().as_raw() {
        return Err(Failure::new(Exit::NotAllowed, format!("the daemon at {place} is not yours"))
            .hint("the system's is stopped with `systemctl stop a2nd.socket a2nd.service`"));
    }
    // Its manager would only start it again.
    if is_service(place, &info).await? || logout::standing(info.pid).await.is_service {
        return Err(Failure::failed(format!("the daemon at {place} is your own service"))
            .hint(format!("stop it with `{STOP_SERVICE}`")));
    }
    let process = Pid::from_raw(i32::try_from(info.pid).unwrap_or(i32::MAX));
    kill(process, Signal::SIGTERM)
        .map_err(|error| Failure::failed(format!("can't stop pid {process}: {error}")))?;
    let gone = async {
        while kill(process, None) != Err(Errno::ESRCH) {
            tokio::time::sleep(LOOK).await;
        }
    };
    if tokio::time::timeout(STOP, gone).await.is_err() {
        return Err(Failure::new(Exit::TimedOut, format!("a2nd (pid {process}) still stops")));
    }
    cx.out.note(&format!(
        "a2nd (pid {process}) is stopped; what it stored stays in {}",
        info.data_dir
    ))?;
    Ok(Exit::Done)
}

/// Whether a service manager of the same user listens there and passes what comes on to the daemon:
/// then the kernel names the manager and not the daemon at the other end.
pub(super) async fn is_service(place: &Place, info: &InfoAnswer) -> Result<bool, Failure> {
    let (pid, uid) = connect::peer(place).await?;
    Ok(uid == nix::unistd::geteuid().as_raw() && pid != Some(info.pid))
}

fn last_line(log: &Path) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text[text.len().saturating_sub(4_096)..]).into_owned();
    text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing").to_owned()
}

fn failed(what: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::failed(format!("can't {what} {}: {error}", path.display()))
}
