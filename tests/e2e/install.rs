//! What is installed: exactly these files with these modes, units that systemd takes, and on a real
//! systemd a daemon that answers on its socket.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use a2n_tests::daemon::binary;
use anyhow::{Context, Result};

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../systemd")
}

/// Says on the test's output why there is nothing to see.
fn skip(why: &str) -> Result<()> {
    Ok(writeln!(std::io::stderr(), "skipped: {why}")?)
}

fn install(destination: &Path, words: &[&str]) -> Result<Output> {
    let binaries = binary("a2nd");
    let output = Command::new("sh")
        .arg(source().join("install.sh"))
        .args(words)
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
        .env("HOME", "/home/someone")
        .env("DESTDIR", destination)
        .env("BINARIES", binaries.parent().context("a folder")?)
        .output()?;
    assert!(output.status.success(), "{output:?}");
    Ok(output)
}

/// Every file below a folder: its mode and its path.
fn files(folder: &Path) -> Result<Vec<String>> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
                continue;
            }
            let path = entry.path();
            let mode = entry.metadata()?.permissions().mode() & 0o7777;
            found.push(format!("{mode:04o} /{}", path.strip_prefix(folder)?.display()));
        }
    }
    found.sort_by(|a, b| a[5..].cmp(&b[5..]));
    Ok(found)
}

/// Manual pages are one for each command: the first stands for them. The terminal client is installed
/// where it is built.
fn without_pages(mut files: Vec<String>) -> Vec<String> {
    assert!(files.iter().any(|line| line.ends_with("/share/man/man1/a2n.1")), "{files:?}");
    files.retain(|line| !line.contains("/share/man/man1/") && !line.ends_with("/bin/a2n-tui"));
    files
}

#[test]
fn exactly_these_files_are_installed_and_taken_away_again() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let said = install(folder.path(), &[])?;
    assert!(String::from_utf8_lossy(&said.stdout).contains("Nothing was started"));
    let wanted = [
        "0755 /usr/local/bin/a2n",
        "0755 /usr/local/bin/a2n-shim",
        "0755 /usr/local/bin/a2nd",
        "0644 /usr/local/lib/systemd/system/a2nd.service",
        "0644 /usr/local/lib/systemd/system/a2nd.socket",
        "0644 /usr/local/lib/sysusers.d/a2n.conf",
        "0644 /usr/local/lib/tmpfiles.d/a2n.conf",
        "0644 /usr/local/share/bash-completion/completions/a2n",
        "0644 /usr/local/share/fish/vendor_completions.d/a2n.fish",
        "0644 /usr/local/share/zsh/site-functions/_a2n",
    ];
    assert_eq!(without_pages(files(folder.path())?), wanted);
    install(folder.path(), &["uninstall"])?;
    assert_eq!(files(folder.path())?, [""; 0]);

    install(folder.path(), &["--user"])?;
    let wanted = [
        "0644 /home/someone/.config/systemd/user/a2nd.service",
        "0644 /home/someone/.config/systemd/user/a2nd.socket",
        "0755 /home/someone/.local/bin/a2n",
        "0755 /home/someone/.local/bin/a2n-shim",
        "0755 /home/someone/.local/bin/a2nd",
        "0644 /home/someone/.local/share/bash-completion/completions/a2n",
        "0644 /home/someone/.local/share/fish/vendor_completions.d/a2n.fish",
        "0644 /home/someone/.local/share/zsh/site-functions/_a2n",
    ];
    assert_eq!(without_pages(files(folder.path())?), wanted);
    install(folder.path(), &["--user", "uninstall"])?;
    assert_eq!(files(folder.path())?, [""; 0]);
    Ok(())
}

/// An unpacked release has `bin/` beside `systemd/`; the script looked in a source tree only.
#[test]
fn an_unpacked_release_is_installed_from_its_own_folder() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (release, destination) = (folder.path().join("a2n"), folder.path().join("there"));
    std::fs::create_dir_all(release.join("bin"))?;
    std::fs::create_dir(release.join("systemd"))?;
    for name in ["install.sh", "user"] {
        let from = source().join(name).canonicalize()?;
        let copied =
            Command::new("cp").arg("-r").arg(from).arg(release.join("systemd")).status()?;
        assert!(copied.success());
    }
    for name in ["a2nd", "a2n-shim", "a2n"] {
        std::os::unix::fs::symlink(binary(name), release.join("bin").join(name))?;
    }
    let output = Command::new("sh")
        .arg(release.join("systemd/install.sh"))
        .arg("--user")
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
        .env("HOME", "/home/someone")
        .env("DESTDIR", &destination)
        .output()?;
    assert!(output.status.success(), "{output:?}");
    assert!(destination.join("home/someone/.local/bin/a2nd").exists());
    Ok(())
}

#[test]
fn systemd_takes_the_units_without_a_word_and_finds_them_locked_in() -> Result<()> {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        return skip("there is no systemd-analyze here");
    }
    let folder = tempfile::tempdir()?;
    // `verify` looks for the program that a unit starts.
    for name in ["a2nd.service", "a2nd.socket"] {
        let unit = std::fs::read_to_string(source().join(name))?;
        let unit = unit.replace("/usr/local/bin/a2nd", &binary("a2nd").display().to_string());
        std::fs::write(folder.path().join(name), unit)?;
    }
    let unit = folder.path().join("a2nd.service");
    let verified =
        Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&unit).output()?;
    // An unknown key is only a warning there.
    let ours = String::from_utf8_lossy(&verified.stderr).into_owned();
    let ours: Vec<&str> = ours.lines().filter(|line| line.contains("a2nd")).collect();
    assert!(verified.status.success() && ours.is_empty(), "{ours:?}");
    let locked = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--threshold=12"])
        .arg(&unit)
        .output()?;
    let said = String::from_utf8_lossy(&locked.stdout).into_owned();
    assert!(locked.status.success(), "{}", said.lines().last().unwrap_or_default());
    Ok(())
}

const INSIDE: &str = r#"
sh /systemd/install.sh
systemctl is-active a2nd.socket a2nd.service
stat -c '%a %U %G' /run/a2n /run/a2n/a2nd.sock /var/lib/a2n
a2n health >/dev/null
a2n rpc auth.whoami | grep -q OWNER
pid=$(systemctl show -P MainPID a2nd.service)
kill -9 "$pid"
a2n health >/dev/null
systemctl stop a2nd.service
a2n rpc system.ping >/dev/null
sh /systemd/install.sh uninstall
systemctl is-active a2nd.socket || true
"#;

#[test]
fn a_real_systemd_starts_it_restarts_it_and_lets_it_go() -> Result<()> {
    let corpora = std::env::var_os("A2N_CORPORA")
        .map_or_else(|| source().join("../../shared/corpora"), PathBuf::from);
    let tool = corpora.join("../tools/with-systemd.sh");
    if !tool.exists() {
        return skip("the tools beside the corpora are not here");
    }
    let binaries = binary("a2nd");
    let binaries = binaries.parent().context("a folder")?;
    let bind = |from: &Path, to: &str| format!("{}:{to}", from.display());
    let ran = Command::new(&tool)
        .args(["--timeout", "120", "--no-install", "--setenv", "BINARIES=/binaries"])
        .args(["--bind-ro", &bind(&source().canonicalize()?, "/systemd")])
        .args(["--bind-ro", &bind(&binaries.canonicalize()?, "/binaries")])
        .args(["--", "bash", "-euc", INSIDE])
        .output()?;
    if ran.status.code() == Some(77) {
        return skip("this machine can't run a systemd of its own");
    }
    let (said, wrong) =
        (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{said}\n{wrong}");
    for wanted in ["active\nactive\n", "750 root a2n", "660 root a2n", "700 a2n a2n"] {
        assert!(said.contains(wanted), "`{wanted}` is missing in\n{said}\n{wrong}");
    }
    assert!(said.trim_end().ends_with("inactive"), "{said}");
    Ok(())
}
