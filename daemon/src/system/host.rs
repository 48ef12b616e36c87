//! Facts about the machine and this process that do not change while it runs.

use nix::sys::resource::{Resource, getrlimit};
use nix::unistd::{Gid, Group, Uid, User, getgrouplist, getuid};
use std::ffi::CString;

/// The kernel's id of this boot; empty where it can't be read.
pub fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|text| text.trim().to_owned())
        .unwrap_or_default()
}

/// The user of the operating system that this process runs as.
pub fn uid() -> u32 {
    getuid().as_raw()
}

/// This process.
pub fn pid() -> u32 {
    std::process::id()
}

/// The login name of a user; its number where it has none.
pub fn login_name(uid: u32) -> String {
    known_login_name(uid).unwrap_or_else(|| format!("uid-{uid}"))
}

/// The login name of a user, where the operating system knows one.
pub fn known_login_name(uid: u32) -> Option<String> {
    User::from_uid(Uid::from_raw(uid)).ok().flatten().map(|user| user.name)
}

/// The names of the groups that a user of the operating system is in now, the own one included.
pub fn groups_of(uid: u32) -> Vec<String> {
    let Ok(Some(user)) = User::from_uid(Uid::from_raw(uid)) else { return Vec::new() };
    let Ok(name) = CString::new(user.name) else { return Vec::new() };
    let all = getgrouplist(&name, user.gid).unwrap_or_else(|_| vec![user.gid]);
    let named = |gid: Gid| Group::from_gid(gid).ok().flatten().map(|group| group.name);
    all.into_iter().filter_map(named).collect()
}

/// How many descriptors this process may have open at once.
pub fn descriptor_limit() -> u64 {
    getrlimit(Resource::RLIMIT_NOFILE).map_or(1024, |(soft, _)| soft)
}

/// Ignores SIGXFSZ and SIGPIPE: what they tell comes back as an error too.
pub fn ignore_file_signals() {
    use nix::sys::signal::{SigHandler, Signal, signal};
    for one in [Signal::SIGXFSZ, Signal::SIGPIPE] {
        #[expect(unsafe_code, reason = "setting a signal's disposition is unsafe in nix")]
        // SAFETY: SIG_IGN runs no code of ours.
        let _ = unsafe { signal(one, SigHandler::SigIgn) };
    }
}
