//! A system's daemon that several people use: the daemon under a uid of its own, root its OWNER,
//! and calls as whoever is wanted. It takes root; without it a test that needs this says so and
//! passes.

use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::command::Ran;
use crate::daemon::{World, binary};

/// The daemon's own user: it has no account, and nobody else has this number.
const DAEMON: u32 = 61_234;

/// Says why a test did nothing.
pub fn skipped(why: &str) {
    let _ = writeln!(std::io::stderr(), "skipped: {why}");
}

/// A running daemon for several people.
#[derive(Debug)]
pub struct Several {
    /// The daemon's world.
    pub world: World,
}

impl Several {
    /// Starts it; none where this is not root.
    pub fn started() -> Result<Option<Self>> {
        if !nix::unistd::getuid().is_root() {
            skipped("several users take root");
            return Ok(None);
        }
        let mut world = World::new()?;
        for path in [world.path().to_owned(), world.home()] {
            chown(&path, Some(DAEMON), Some(DAEMON))?;
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755))?;
        }
        // Where the build lies need not be open to everybody.
        for name in ["a2nd", "a2n", "a2n-shim"] {
            let copy = world.path().join(name);
            std::fs::copy(binary(name), &copy)?;
            std::fs::set_permissions(&copy, PermissionsExt::from_mode(0o755))?;
        }
        let daemon = world.path().join("a2nd").display().to_string();
        // The harness adds the path of the build, which may be out of reach: the copy is started.
        let script = format!(
            "shift; exec setpriv --reuid {DAEMON} --regid {DAEMON} --clear-groups \"$0\" \"$@\""
        );
        world.within = ["sh", "-c", &script, &daemon].map(str::to_owned).to_vec();
        world.mode = "--system";
        let mut several = Self { world };
        several.start()?;
        Ok(Some(several))
    }

    /// Starts the daemon (again) and opens its socket to everybody: who may what is the daemon's to
    /// say.
    pub fn start(&mut self) -> Result<()> {
        self.world.start()?;
        let run = self.world.socket().parent().context("a folder")?.to_owned();
        std::fs::set_permissions(run, PermissionsExt::from_mode(0o755))?;
        Ok(std::fs::set_permissions(self.world.socket(), PermissionsExt::from_mode(0o666))?)
    }

    /// Runs `a2n` as a user of the operating system.
    pub fn a2n(&self, uid: u32, args: &[&str]) -> Result<Ran> {
        let plain = self.world.command("a2n");
        let mut command = std::process::Command::new(self.world.path().join("a2n"));
        command.env_clear().stdin(Stdio::null()).current_dir("/").args(args);
        for (name, value) in plain.get_envs() {
            if let Some(value) = value {
                command.env(name, value);
            }
        }
        Ok(command.uid(uid).gid(uid).output()?.into())
    }

    /// The same, which must end with 0; answers standard output.
    pub fn ok(&self, uid: u32, args: &[&str]) -> Result<String> {
        let ran = self.a2n(uid, args)?;
        if ran.code != Some(0) {
            bail!(
                "a2n {args:?} by uid {uid} ended with {:?}\n{}{}",
                ran.code,
                ran.stdout,
                ran.stderr
            );
        }
        Ok(ran.stdout)
    }

    /// Calls a method as a user of the operating system; it must succeed.
    pub fn call(&self, uid: u32, method: &str, params: &Value) -> Result<Value> {
        Ok(serde_json::from_str(&self.ok(uid, &["rpc", method, &params.to_string()])?)?)
    }

    /// The same, which must be refused; answers what it said.
    pub fn refused(&self, uid: u32, method: &str, params: &Value) -> Result<String> {
        let ran = self.a2n(uid, &["rpc", method, &params.to_string()])?;
        if ran.code == Some(0) {
            bail!("{method} by uid {uid} was not refused: {}", ran.stdout);
        }
        Ok(ran.stderr)
    }
}
