//! A real `a2nd` in a temporary world: its own home, data folder and socket.

use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::lines::Lines;

/// How long anything may take before a test fails with what it saw. Generous, because two cores
/// may be busy with other tests; nothing waits for it in the good case.
pub const LIMIT: Duration = Duration::from_secs(60);

/// A folder for one test, and the daemon that may run in it.
#[derive(Debug)]
pub struct World {
    folder: tempfile::TempDir,
    running: Option<Running>,
    /// Environment variables that the daemon gets besides the fixed ones.
    pub env: Vec<(String, String)>,
    /// Words before the daemon's own command line: a program that sets something up and then
    /// becomes the daemon (`prlimit`, `nsenter`, `strace -D`).
    pub within: Vec<String>,
    /// Whose daemon it is: `--user`, or `--system` for several people.
    pub mode: &'static str,
}

#[derive(Debug)]
struct Running {
    pid: Pid,
    ended: mpsc::Receiver<std::io::Result<ExitStatus>>,
    notify: UnixDatagram,
}

/// Where cargo put the binaries: beside the folder of this test binary.
pub fn binary(name: &str) -> PathBuf {
    let mut path = std::env::current_exe().expect("a test has a path");
    path.pop();
    if path.ends_with("deps") {
        path.pop();
    }
    let path = path.join(name);
    assert!(path.exists(), "{} is not built: run `cargo test --workspace`", path.display());
    path
}

impl World {
    /// A fresh folder; nothing runs yet.
    pub fn new() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("a2n-").tempdir()?;
        std::fs::create_dir(folder.path().join("home"))?;
        Ok(Self { folder, running: None, env: Vec::new(), within: Vec::new(), mode: "--user" })
    }

    /// A fresh folder with a running, ready daemon.
    pub fn started() -> Result<Self> {
        let mut world = Self::new()?;
        world.start()?;
        Ok(world)
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
    /// The daemon's home, where steps start.
    pub fn home(&self) -> PathBuf {
        self.path().join("home")
    }
    /// The daemon's data folder.
    pub fn data_dir(&self) -> PathBuf {
        self.path().join("data")
    }
    /// The daemon's socket.
    pub fn socket(&self) -> PathBuf {
        self.path().join("run/a2nd.sock")
    }
    /// What the daemon wrote to its standard error so far.
    pub fn stderr(&self) -> String {
        std::fs::read_to_string(self.path().join("stderr")).unwrap_or_default()
    }

    /// A command for a binary of ours, with a clean environment that points at this world.
    pub fn command(&self, name: &str) -> Command {
        self.dress(Command::new(binary(name)))
    }

    /// The daemon, within what the world says.
    fn daemon(&self) -> Command {
        let Some((first, rest)) = self.within.split_first() else { return self.command("a2nd") };
        let mut command = Command::new(first);
        command.args(rest).arg(binary("a2nd"));
        self.dress(command)
    }

    fn dress(&self, mut command: Command) -> Command {
        command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
            .env("HOME", self.home())
            .env("LANG", "C.UTF-8")
            .env("TZ", "UTC")
            .env("A2N_SOCKET", self.socket())
            .env("A2N_DATA_DIR", self.data_dir())
            // How full the machine's own disk is must not matter; tests of it have a disk of theirs.
            .env("A2N_SETTING__STORE__MIN_FREE_BYTES", "0")
            .env("A2N_SETTING__STORE__MIN_FREE_PERCENT", "0")
            // Stories kill the daemon often; the one of safe mode says otherwise.
            .env("A2N_SETTING__ENGINE__SAFE_MODE_AFTER", "0")
            .current_dir(self.path());
        for (name, value) in &self.env {
            command.env(name, value);
        }
        command
    }

    /// Listens for the daemon, as a service manager does, and hands the socket on at its start.
    pub fn pass_socket(&mut self) -> Result<UnixListener> {
        std::fs::create_dir_all(self.socket().parent().context("a folder")?)?;
        let listener = UnixListener::bind(self.socket())?;
        fcntl(&listener, FcntlArg::F_SETFD(FdFlag::empty()))?;
        let number = listener.as_raw_fd();
        let script = format!("exec 3<&{number}; exec env LISTEN_PID=$$ LISTEN_FDS=1 \"$@\"");
        self.within = ["sh", "-c", &script, "sh"].map(str::to_owned).to_vec();
        Ok(listener)
    }

    /// Starts the daemon and waits until it says it is ready; its exit instead is an error.
    pub fn start(&mut self) -> Result<()> {
        assert!(self.running.is_none(), "a daemon runs already");
        let notify = self.path().join("notify");
        let _ = std::fs::remove_file(&notify);
        let ready = UnixDatagram::bind(&notify)?;
        // The daemon may run as somebody else.
        std::fs::set_permissions(&notify, PermissionsExt::from_mode(0o777))?;
        ready.set_read_timeout(Some(LIMIT))?;
        let stderr =
            std::fs::File::options().create(true).append(true).open(self.path().join("stderr"))?;
        let mut child = self
            .daemon()
            .args([self.mode, "--socket"])
            .arg(self.socket())
            .arg("--data-dir")
            .arg(self.data_dir())
            .env("NOTIFY_SOCKET", &notify)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .context("spawn a2nd")?;
        let pid = Pid::from_raw(i32::try_from(child.id())?);
        // A daemon that exits before it is ready must not cost the whole limit: its end is a
        // message on the same socket.
        let herald = UnixDatagram::unbound()?;
        herald.connect(&notify)?;
        let (tell, ended) = mpsc::channel();
        std::thread::spawn(move || {
            let status = child.wait();
            let _ = tell.send(status);
            let _ = herald.send(b"EXITED");
        });
        loop {
            let text = received(&ready)
                .with_context(|| format!("a2nd is not ready; it said:\n{}", self.stderr()))?;
            if text == "EXITED" {
                bail!("a2nd ended with {:?}; it said:\n{}", ended.recv()??, self.stderr());
            }
            if text.lines().any(|line| line == "READY=1") {
                break;
            }
        }
        self.running = Some(Running { pid, ended, notify: ready });
        Ok(())
    }

    /// Waits until the daemon tells its service manager `line`.
    pub fn told(&self, line: &str) -> Result<()> {
        let running = self.running.as_ref().expect("a daemon runs");
        loop {
            let text = received(&running.notify)
                .with_context(|| format!("no {line}; a2nd said:\n{}", self.stderr()))?;
            if text == "EXITED" {
                bail!("a2nd ended without {line}; it said:\n{}", self.stderr());
            }
            if text.lines().any(|told| told == line) {
                return Ok(());
            }
        }
    }

    /// The daemon's process id.
    pub fn pid(&self) -> Pid {
        self.running.as_ref().expect("a daemon runs").pid
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        Ok(kill(self.pid(), signal)?)
    }

    /// Whether the daemon is still there.
    pub fn is_running(&self) -> bool {
        self.running.as_ref().is_some_and(|running| kill(running.pid, None).is_ok())
    }

    /// The most memory that the daemon has held at once since the last call, in bytes.
    pub fn peak_memory(&self) -> Result<u64> {
        let folder = PathBuf::from(format!("/proc/{}", self.pid()));
        let status = std::fs::read_to_string(folder.join("status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = line.and_then(|line| line.trim().strip_suffix(" kB")).context("VmHWM")?;
        // Sets the mark back to what is held now.
        std::fs::write(folder.join("clear_refs"), "5")?;
        Ok(peak.parse::<u64>()? * 1024)
    }

    /// Sends a signal and waits for the daemon's end.
    pub fn end_by(&mut self, signal: Signal) -> Result<ExitStatus> {
        self.signal(signal)?;
        self.ended().with_context(|| format!("after {signal}"))
    }

    /// Waits for the daemon's end.
    pub fn ended(&mut self) -> Result<ExitStatus> {
        let running = self.running.take().expect("a daemon runs");
        match running.ended.recv_timeout(LIMIT) {
            Ok(status) => Ok(status?),
            Err(_) => bail!("a2nd did not end; it said:\n{}", self.stderr()),
        }
    }
    /// Stops the daemon as systemd does; it must end well.
    pub fn stop(&mut self) -> Result<()> {
        let status = self.end_by(Signal::SIGTERM)?;
        if !status.success() {
            bail!("a2nd ended with {status}; it said:\n{}", self.stderr());
        }
        Ok(())
    }
    /// Ends the daemon as a crash does.
    pub fn kill(&mut self) -> Result<()> {
        self.end_by(Signal::SIGKILL).map(|_| ())
    }

    /// A new conversation on the line protocol.
    pub fn lines(&self) -> Result<Lines> {
        Lines::connect(&self.socket())
            .with_context(|| format!("connect; a2nd said:\n{}", self.stderr()))
    }
}

/// The next message that the service manager would get.
fn received(notify: &UnixDatagram) -> Result<String> {
    let mut buffer = [0u8; 4096];
    let n = notify.recv(&mut buffer)?;
    Ok(String::from_utf8_lossy(&buffer[..n]).into_owned())
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            let _ = kill(running.pid, Signal::SIGKILL);
            let _ = running.ended.recv_timeout(LIMIT);
        }
        if std::thread::panicking() {
            let said = self.stderr();
            let _ = std::io::Write::write_all(&mut std::io::stderr(), said.as_bytes());
        }
    }
}
