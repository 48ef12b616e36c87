//! What a logout does to a daemon: read from where the kernel keeps its process, and from what
//! systemd-logind does at the end of a session. Asked only by the quickstart.
//!
//! A process in a session's scope ends with the session where logind has `KillUserProcesses=yes`;
//! one below the user's own service manager ends with that, which stays where the user lingers.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

/// A bus that does not answer must not hold the quickstart.
const ASK: Duration = Duration::from_secs(2);
/// From the weakest to the strongest, as systemd reads them.
const CONFIGURATION: [&str; 4] =
    ["/usr/lib/systemd", "/usr/local/lib/systemd", "/run/systemd", "/etc/systemd"];

/// How a daemon runs, as far as a person who logs out has to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    /// Whether it goes on when its user has logged out.
    pub(super) stays: bool,
    /// Whether the user's own service manager runs it as `a2nd.service`.
    pub(super) is_service: bool,
}

/// What holds for this process. Where nothing is known of sessions, nothing ends with them.
pub(super) async fn standing(pid: u32) -> Standing {
    let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    let name = nix::unistd::User::from_uid(nix::unistd::geteuid()).ok().flatten();
    let name = name.map(|user| user.name).unwrap_or_default();
    let stays = match keeper(&groups) {
        Keeper::Session => !logind().await.ends_sessions_of(&name),
        Keeper::Manager => Path::new("/var/lib/systemd/linger").join(&name).exists(),
        Keeper::Nobody => true,
    };
    Standing { stays, is_service: is_service(&groups) }
}

/// What a process goes away with.
#[derive(Debug, PartialEq)]
enum Keeper {
    Session,
    Manager,
    Nobody,
}

fn parts(groups: &str) -> impl Iterator<Item = &str> {
    groups.lines().flat_map(|line| line.rsplit(':').next().unwrap_or("").split('/'))
}

fn keeper(groups: &str) -> Keeper {
    // Below a manager first: its own group lies in no session.
    for part in parts(groups) {
        if part.starts_with("user@") && part.ends_with(".service") {
            return Keeper::Manager;
        }
        if part.starts_with("session-") && part.ends_with(".scope") {
            return Keeper::Session;
        }
    }
    Keeper::Nobody
}

fn is_service(groups: &str) -> bool {
    keeper(groups) == Keeper::Manager && parts(groups).any(|part| part == "a2nd.service")
}

/// What logind does with processes that are left when a session ends.
#[derive(Debug, Default, PartialEq)]
struct Logind {
    kills: bool,
    excluded: Vec<String>,
    only: Vec<String>,
}

impl Logind {
    fn ends_sessions_of(&self, name: &str) -> bool {
        let named = |list: &[String]| list.iter().any(|one| one == name);
        self.kills && !named(&self.excluded) && (self.only.is_empty() || named(&self.only))
    }

    /// From the answer of `busctl`, a property a line: `b true`, `as 1 "root"`, `as 0`.
    fn from_bus(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let kills = lines.next()?.strip_prefix("b ")?.trim() == "true";
        let mut names = || -> Option<Vec<String>> {
            let words = lines.next()?.strip_prefix("as ")?.split_whitespace().skip(1);
            Some(words.map(|word| word.trim_matches('"').to_owned()).collect())
        };
        Some(Self { kills, excluded: names()?, only: names()? })
    }

    /// From configuration files, the strongest last.
    fn from_files<'a>(texts: impl Iterator<Item = &'a str>) -> Self {
        // logind's own default where nothing is said.
        let mut found = Self { excluded: vec!["root".into()], ..Self::default() };
        for line in texts.flat_map(str::lines) {
            let Some((name, value)) = line.split_once('=') else { continue };
            let names = || value.split_whitespace().map(str::to_owned).collect();
            match name.trim() {
                "KillUserProcesses" => {
                    let value = value.trim().to_ascii_lowercase();
                    found.kills = ["yes", "true", "on", "1", "y", "t"].contains(&value.as_str());
                }
                // How a distribution's own file tells what it was built with.
                "#KillUserProcesses" => found.kills = value.trim() == "yes",
                "KillExcludeUsers" => found.excluded = names(),
                "KillOnlyUsers" => found.only = names(),
                _ => {}
            }
        }
        found
    }
}

async fn logind() -> Logind {
    if let Some(told) = ask_bus().await {
        return told;
    }
    let texts: Vec<String> =
        files().iter().filter_map(|path| std::fs::read_to_string(path).ok()).collect();
    Logind::from_files(texts.iter().map(String::as_str))
}

async fn ask_bus() -> Option<Logind> {
    let mut command = tokio::process::Command::new("busctl");
    command
        .args(["--system", "get-property", "org.freedesktop.login1", "/org/freedesktop/login1"])
        .args(["org.freedesktop.login1.Manager"])
        .args(["KillUserProcesses", "KillExcludeUsers", "KillOnlyUsers"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let answer = tokio::time::timeout(ASK, command.output()).await.ok()?.ok()?;
    Logind::from_bus(&String::from_utf8_lossy(&answer.stdout))
}

/// The files of `logind.conf`, the strongest last: the main ones, then the additions by their names.
fn files() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        CONFIGURATION.iter().map(|folder| Path::new(folder).join("logind.conf")).collect();
    let mut added: Vec<PathBuf> = CONFIGURATION
        .iter()
        .filter_map(|folder| std::fs::read_dir(Path::new(folder).join("logind.conf.d")).ok())
        .flat_map(|entries| entries.filter_map(Result::ok).map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "conf"))
        .collect();
    added.sort_by(|a, b| a.file_name().cmp(&b.file_name()));
    files.extend(added);
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_process_goes_away_with_is_read_from_its_groups() {
        let session = "0::/user.slice/user-1000.slice/session-3.scope\n";
        let service = "0::/user.slice/user-1000.slice/user@1000.service/app.slice/a2nd.service\n";
        let window = "0::/user.slice/user-1000.slice/user@1000.service/app.slice/term.scope\n";
        assert_eq!(keeper(session), Keeper::Session);
        assert_eq!(keeper(service), Keeper::Manager);
        assert_eq!(keeper(window), Keeper::Manager);
        assert_eq!(keeper("0::/\n"), Keeper::Nobody);
        assert_eq!(keeper("0::/system.slice/a2nd.service\n"), Keeper::Nobody);
        let old =
            "12:memory:/user.slice\n1:name=systemd:/user.slice/user-0.slice/session-c1.scope\n";
        assert_eq!(keeper(old), Keeper::Session);
        assert!(is_service(service));
        assert!(!is_service(window) && !is_service("0::/system.slice/a2nd.service\n"));
    }

    /// logind that ends everything of a session took the daemon along, and the quickstart had said
    /// that it survives.
    #[test]
    fn logind_says_whose_processes_end_with_a_session() {
        let told = Logind::from_bus("b true\nas 1 \"root\"\nas 0\n").unwrap();
        assert!(told.ends_sessions_of("ada") && !told.ends_sessions_of("root"));
        let told = Logind::from_bus("b true\nas 0\nas 2 \"eve\" \"bob\"\n").unwrap();
        assert!(told.ends_sessions_of("bob") && !told.ends_sessions_of("ada"));
        let told = Logind::from_bus("b false\nas 1 \"root\"\nas 0\n").unwrap();
        assert!(!told.ends_sessions_of("ada"));
        assert_eq!(Logind::from_bus("Failed to connect\n"), None);

        let files = |texts: &[&str]| Logind::from_files(texts.iter().copied());
        assert!(!files(&[]).ends_sessions_of("ada"));
        assert!(files(&["[Login]\n#KillUserProcesses=yes\n"]).ends_sessions_of("ada"));
        let both = files(&["#KillUserProcesses=no\n", "[Login]\nKillUserProcesses=yes\n"]);
        assert!(both.ends_sessions_of("ada") && !both.ends_sessions_of("root"));
        let spared = files(&["KillUserProcesses=yes\nKillExcludeUsers=root ada\n"]);
        assert!(!spared.ends_sessions_of("ada") && spared.ends_sessions_of("bob"));
    }
}
