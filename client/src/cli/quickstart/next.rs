//! What the quickstart says about the daemon's life, and what to try, stop and install next.

use std::path::{Path, PathBuf};

use super::super::Context;
use super::super::failure::Failure;
use super::super::output::Style;
use super::daemon::STOP_SERVICE;
use super::logout::Standing;

/// How long the daemon runs, in one line.
pub(super) fn how_long(standing: Standing) -> &'static str {
    match (standing.stays, standing.is_service) {
        (true, true) => "It is your own service: it stays when you log out.",
        (false, true) => {
            "It is your own service, and ends when you log out; `loginctl enable-linger` makes it stay."
        }
        (true, false) => "It survives logout: it runs until you stop it or the machine restarts.",
        (false, false) => {
            "It ends when you log out; `loginctl enable-linger` and `install.sh --user` make it stay."
        }
    }
}

/// The end of the story.
pub(super) fn tell(cx: &Context, id: &str, standing: Standing) -> Result<(), Failure> {
    let title = |text| cx.out.styled(Style::Bold, text);
    cx.out.note(&format!("\n{}", title("What to try next")))?;
    for (command, about) in [
        ("a2n ps -a", "what ran"),
        ("a2n show host-report", "the whole story of the newest execution"),
        ("a2n run host-report -i threshold:=1 --follow", "again, with another threshold"),
        ("a2n apply -f FILE", "a workflow of your own (examples/ has more)"),
    ] {
        cx.out.note(&format!("  {command:<46} {about}"))?;
    }
    cx.out.note(&format!("  a2n logs {id}"))?;
    cx.out.note(&format!("\n{}", title("Stop it (what it stored stays)")))?;
    if standing.is_service {
        return cx.out.note(&format!("  {STOP_SERVICE}"));
    }
    cx.out.note("  a2n quickstart --stop")?;
    cx.out.note(&title("Install it for good, with systemd (stop this one first)"))?;
    let (script, binaries) = installer();
    let script = quoted(&script);
    let (own, sudo) = match binaries {
        Some(folder) => {
            let set = format!("BINARIES={}", quoted(&folder));
            (format!("{set} "), format!("sudo env {set} "))
        }
        None => (String::new(), "sudo ".to_owned()),
    };
    cx.out
        .note(&format!("  {own}{script} --user          for yourself: the same store goes on"))?;
    cx.out.note(&format!("  {sudo}{script}            for the whole machine"))
}

/// The install script, in the source tree that this program was built in or beside an unpacked
/// release, and where the programs are when it would not find them by itself.
fn installer() -> (PathBuf, Option<PathBuf>) {
    let fallback = || (PathBuf::from("systemd/install.sh"), None);
    let Ok(exe) = std::env::current_exe() else { return fallback() };
    let Some(folder) = exe.parent() else { return fallback() };
    let targets = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    found(folder, targets.as_deref(), &|path| path.is_file()).unwrap_or_else(|| {
        let (script, _) = fallback();
        (script, Some(folder.to_owned()))
    })
}

fn found(
    folder: &Path,
    targets: Option<&Path>,
    is_file: &dyn Fn(&Path) -> bool,
) -> Option<(PathBuf, Option<PathBuf>)> {
    let root = folder.ancestors().take(4).find(|at| is_file(&at.join("systemd/install.sh")))?;
    let built = targets.map_or_else(|| root.join("target"), Path::to_owned).join("release");
    // The same two places, in the order in which the script looks.
    let looked = if is_file(&built.join("a2nd")) { built } else { root.join("bin") };
    let needed = (looked != folder).then(|| folder.to_owned());
    Some((root.join("systemd/install.sh"), needed))
}

/// A path as a shell reads it, quoted only where it has to be.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    if text.chars().all(|c| c.is_ascii_alphanumeric() || "/._+-".contains(c)) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The command that the quickstart printed failed in an unpacked release: the script looked for
    /// the programs in a source tree.
    #[test]
    fn the_install_command_finds_the_programs() {
        let look = |folder: &str, targets: Option<&str>, files: &[&str]| {
            let is_file = |path: &Path| files.iter().any(|file| Path::new(file) == path);
            found(Path::new(folder), targets.map(Path::new), &is_file).map(|(script, binaries)| {
                let set = binaries.map(|at| format!("BINARIES={} ", quoted(&at)));
                format!("{}{}", set.unwrap_or_default(), quoted(&script))
            })
        };
        let (release, source) = ("/opt/a 2n/systemd/install.sh", "/src/systemd/install.sh");
        let built = "/src/target/release/a2nd";
        let shown = look("/opt/a 2n/bin", None, &[release]);
        assert_eq!(shown.as_deref(), Some("'/opt/a 2n/systemd/install.sh'"));
        let shown = look("/opt/a 2n", None, &[release]);
        assert_eq!(shown.as_deref(), Some("BINARIES='/opt/a 2n' '/opt/a 2n/systemd/install.sh'"));
        assert_eq!(look("/src/target/release", None, &[source, built]).as_deref(), Some(source));
        let shown = look("/src/target/debug", None, &[source, built]);
        assert_eq!(shown, Some(format!("BINARIES=/src/target/debug {source}")));
        let shown = look("/src/bin", Some("/other"), &[source, "/other/release/a2nd"]);
        assert_eq!(shown, Some(format!("BINARIES=/src/bin {source}")));
        assert_eq!(look("/usr/bin", None, &[]), None);
    }
}
