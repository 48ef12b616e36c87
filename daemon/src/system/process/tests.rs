//! Real processes of this very machine: only `/bin/sh`, `cat`, `env`, `sleep` and the like.

use super::*;
use crate::system::{Clock, RealClock};

struct Heard {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    progress: Vec<u8>,
    exit: Exit,
}

fn order(argv: &[&str]) -> Order {
    Order {
        argv: argv.iter().map(|&a| a.to_owned()).collect(),
        env: BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]),
        cwd: "/".into(),
        stdin: None,
        progress: None,
        grace: Duration::from_millis(200),
    }
}

async fn hear(mut running: Running) -> Heard {
    let (mut stdout, mut stderr, mut progress) = (Vec::new(), Vec::new(), Vec::new());
    while let Some(said) = running.next().await {
        match said {
            Said::Piece(Stream::Stdout, bytes) => stdout.extend_from_slice(&bytes),
            Said::Piece(Stream::Stderr, bytes) => stderr.extend_from_slice(&bytes),
            Said::Progress(bytes) => progress.extend_from_slice(&bytes),
        }
    }
    Heard { stdout, stderr, progress, exit: running.end().await }
}

async fn run(order: Order) -> Heard {
    hear(RealProcess::new().start(order).expect("starts")).await
}

/// Reads output until `needle` has come.
async fn until(running: &mut Running, needle: &str) -> String {
    let mut text = String::new();
    while !text.contains(needle) {
        match running.next().await {
            Some(Said::Piece(_, bytes)) => text.push_str(&String::from_utf8_lossy(&bytes)),
            Some(Said::Progress(_)) => {}
            None => panic!("ended before `{needle}`: {text}"),
        }
    }
    text
}

fn is_alive(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit_once(')').is_some_and(|(_, rest)| rest.starts_with(" Z")))
}

#[tokio::test]
async fn output_and_exit_code_arrive() {
    let heard = run(order(&["sh", "-c", "echo out; echo err >&2; exit 7"])).await;
    assert_eq!((&heard.stdout[..], &heard.stderr[..]), (&b"out\n"[..], &b"err\n"[..]));
    assert_eq!(heard.exit.how, Ended::Code(7));
    assert!(heard.exit.peak_memory_bytes > 0);
    assert!(!heard.exit.left_behind);
}

#[tokio::test]
async fn a_signal_is_told_from_a_code() {
    let heard = run(order(&["sh", "-c", "kill -SEGV $$"])).await;
    assert_eq!(heard.exit.how, Ended::Signal(11));
    assert_eq!(heard.exit.how.code(), Some(139));
}

#[tokio::test]
async fn environment_descriptors_and_stdin_are_clean() {
    let mut asked = order(&["env"]);
    asked.env.insert("A".into(), "b c\n\u{1f600}".into());
    let heard = run(asked).await;
    assert_eq!(String::from_utf8(heard.stdout).unwrap(), "A=b c\n\u{1f600}\nPATH=/usr/bin:/bin\n");
    let leak = std::fs::File::open("/dev/null").unwrap();
    let heard = run(order(&["sh", "-c", "ls /proc/self/fd | wc -l; cat; umask"])).await;
    drop(leak);
    // 0, 1, 2 and the folder that ls itself reads.
    assert_eq!(String::from_utf8(heard.stdout).unwrap().trim(), "4\n0022");
}

#[tokio::test]
async fn large_input_and_output_flow_at_the_same_time() {
    let bytes: Vec<u8> = (0..3_000_000u32).map(|n| (n % 251) as u8).collect();
    let heard = run(Order { stdin: Some(bytes.clone()), ..order(&["cat"]) }).await;
    assert!(heard.stdout == bytes);
    // One that never reads its input ends all the same.
    let heard = run(Order { stdin: Some(bytes), ..order(&["true"]) }).await;
    assert_eq!(heard.exit.how, Ended::Code(0));
}

#[tokio::test]
async fn stop_kills_who_ignores_term_with_its_background_children() {
    let script = "trap '' TERM; sh -c \"trap '' TERM; while :; do sleep 60; done\" & \
                  set -m; sleep 61 & echo pids $! $$; while :; do sleep 60; done";
    let mut running = RealProcess::new().start(order(&["sh", "-c", script])).expect("starts");
    let text = until(&mut running, "\n").await;
    let began = RealClock::new().monotonic();
    running.stop();
    let heard = hear(running).await;
    assert_eq!(heard.exit.how, Ended::Signal(9));
    let took = RealClock::new().monotonic() - began;
    assert!(took < Duration::from_secs(5), "{took:?}");
    for pid in text.split_ascii_whitespace().skip(1) {
        assert!(!is_alive(pid), "{pid} lives");
    }
}

#[tokio::test]
async fn dropping_ends_it() {
    let mut running =
        RealProcess::new().start(order(&["sh", "-c", "echo $$; sleep 60"])).expect("starts");
    let pid = until(&mut running, "\n").await;
    let stop = running.stop.clone();
    let (ended, waits) = (open_pidfd(pid.trim()), stop.cancelled());
    drop(running);
    waits.await;
    let _readable = ended.readable().await.expect("ends");
}

fn open_pidfd(pid: &str) -> tokio::io::unix::AsyncFd<std::os::fd::OwnedFd> {
    let fd = shim::tree::open(pid.parse().unwrap()).expect("is alive");
    crate::system::ready::watch(fd).expect("can be watched")
}

#[tokio::test]
async fn what_is_left_behind_ends_with_the_step() {
    let heard = run(order(&["sh", "-c", "sleep 60 >/dev/null 2>&1 & echo $!"])).await;
    assert_eq!(heard.exit.how, Ended::Code(0));
    assert!(heard.exit.left_behind);
    assert!(!is_alive(String::from_utf8(heard.stdout).unwrap().trim()));
}

/// Ways out of a session: a new one, a new one without any of the step's environment, and a double
/// fork whose parent is gone. Each says its number.
const RUNAWAYS: &str = "setsid sh -c 'echo $$; exec sleep 60' & \
     env -i setsid -f sh -c 'echo $$; exec sleep 60' & \
     (setsid setsid sh -c 'echo $$; exec sleep 60' &) ; \
     sh -c 'trap \"\" TERM; echo $$; while :; do sleep 60; done' &";

async fn runaways(running: &mut Running) -> Vec<String> {
    let mut text = String::new();
    while text.lines().count() < 4 {
        text += &until(running, "\n").await;
    }
    text.lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn stop_reaches_who_left_the_session() {
    let script = format!("{RUNAWAYS} wait; sleep 60");
    let mut running = RealProcess::new().start(order(&["sh", "-c", &script])).expect("starts");
    let pids = runaways(&mut running).await;
    running.stop();
    hear(running).await;
    for pid in pids {
        assert!(!is_alive(&pid), "{pid} lives");
    }
}

#[tokio::test]
async fn who_left_the_session_ends_with_the_step() {
    let script = format!("exec 2>/dev/null; {RUNAWAYS} read go");
    let stdin = Some(b"\n".to_vec());
    let heard = run(Order { stdin, ..order(&["sh", "-c", &script]) }).await;
    assert!(heard.exit.left_behind);
    for pid in String::from_utf8(heard.stdout).unwrap().lines() {
        assert!(!is_alive(pid), "{pid} lives");
    }
}

#[test]
fn all_end_when_the_daemon_does() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let script = format!("{RUNAWAYS} wait; sleep 60");
    let (running, pids) = runtime.block_on(async {
        let mut running = RealProcess::new().start(order(&["sh", "-c", &script])).expect("starts");
        let pids = runaways(&mut running).await;
        (running, pids)
    });
    let ends: Vec<_> =
        pids.iter().map(|pid| shim::tree::open(pid.parse().unwrap()).unwrap()).collect();
    // The keeper's task is dropped unfinished, as if the daemon had been killed.
    drop(runtime);
    for end in ends {
        use std::os::fd::AsFd;
        let mut waits = [nix::poll::PollFd::new(end.as_fd(), nix::poll::PollFlags::POLLIN)];
        assert_eq!(nix::poll::poll(&mut waits, 20_000u16), Ok(1), "one lives on");
    }
    drop(running);
}

#[tokio::test]
async fn memory_is_the_steps_own() {
    // The daemon's may be large: none of it counts.
    let ballast = vec![1u8; 256 << 20];
    let heard = run(order(&["true"])).await;
    assert!(ballast.iter().all(|byte| *byte == 1));
    assert!(heard.exit.peak_memory_bytes < 64 << 20, "{:?}", heard.exit);
}

#[tokio::test]
async fn progress_arrives_through_its_pipe() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("progress");
    let mut asked = order(&["sh", "-c", "echo 40 copying > $P; echo 80 done > $P; echo end"]);
    asked.env.insert("P".into(), path.to_string_lossy().into_owned());
    asked.progress = Some(path);
    let heard = run(asked).await;
    assert_eq!(String::from_utf8(heard.progress).unwrap(), "40 copying\n80 done\n");
}

#[tokio::test]
async fn what_can_not_start_says_why() {
    let check = |order: Order| RealProcess::new().start(order).expect_err("refused").to_string();
    assert_eq!(
        check(order(&["no-such-program-here"])),
        "program `no-such-program-here` was not found (PATH is /usr/bin:/bin)"
    );
    assert_eq!(
        check(order(&["/etc/passwd"])),
        "program `/etc/passwd` may not be executed: permission denied"
    );
    assert_eq!(
        check(order(&["true", "a\0b"])),
        "argument 1 holds a character that can't be passed to a process"
    );
    assert_eq!(check(order(&[])), "the command is empty");
    let elsewhere = Order { cwd: "/no/such/folder".into(), ..order(&["true"]) };
    assert_eq!(check(elsewhere), "folder /no/such/folder can't be used");
    let long = "x".repeat(3_000_000);
    assert!(check(order(&["true", &long])).starts_with("arguments and environment are too long"));
}
