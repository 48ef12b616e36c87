//! The user that processes run as: what `login` would have put into the environment.

use std::env;
use std::path::PathBuf;

use nix::unistd::{Uid, User};

/// A Unix user as processes see themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The number.
    pub uid: u32,
    /// The login name.
    pub name: String,
    /// HOME.
    pub home: PathBuf,
    /// SHELL.
    pub shell: String,
    /// LANG.
    pub lang: String,
    /// TZ, where the host's zone is not simply `/etc/localtime`.
    pub tz: Option<String>,
}

impl Account {
    /// The user that runs the daemon. HOME is the daemon's own, since a person who starts a daemon
    /// with another home means its steps too.
    pub fn current() -> Self {
        let uid = Uid::effective();
        let user = User::from_uid(uid).ok().flatten();
        let text = |name| env::var(name).ok().filter(|value| !value.is_empty());
        let own_home = env::var_os("HOME").map(PathBuf::from).filter(|home| home.is_absolute());
        Self {
            uid: uid.as_raw(),
            home: own_home
                .or_else(|| user.as_ref().map(|u| u.dir.clone()))
                .unwrap_or_else(|| "/".into()),
            shell: user
                .as_ref()
                .map(|u| u.shell.to_string_lossy().into_owned())
                .filter(|shell| !shell.is_empty())
                .unwrap_or_else(|| "/bin/sh".into()),
            name: user.map_or_else(|| uid.to_string(), |u| u.name),
            lang: text("LANG").unwrap_or_else(|| "C.UTF-8".into()),
            tz: text("TZ").or_else(|| jiff::tz::TimeZone::system().iana_name().map(str::to_owned)),
        }
    }
}
