//! Texts with which people got out of other template languages, of the n8n, Jenkins and Jinja kind,
//! and texts that ask for too much. Each ends in an error or in plain data, within its budget.
//!
//! They are evaluated in a process of their own whose thread may do nothing but ask for memory: a
//! system call outside of the list, more memory or more time ends it with a signal. Controls show
//! that it would be seen.
#![expect(clippy::unwrap_used, reason = "what goes wrong here is a failed test")]

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};

use a2n_tests::fuzz::expression::resolve;

/// Texts of the folder of fixtures, one a line.
const TEXTS: &str = include_str!("../fixtures/escapes.txt");

/// Says in the child what it is to do.
const ROLE: &str = "A2N_ESCAPES";
/// Stands in the child's environment and must not come out.
const CANARY: &str = "canary-7f3d21";
/// Memory that all texts one after the other may take, address space and all: the test program
/// itself has most of it.
const MEMORY_BYTES: u64 = 2 << 30;
/// Seconds of processor time for all of them, in a build without optimisation.
const CPU_SECONDS: u64 = 120;

/// Long texts, which would not fit on a line for people: the same thing within itself.
fn long_texts() -> Vec<String> {
    let nested = |open: &str, within: &str, close: &str, n: usize| {
        format!("{{{{ {}{within}{} }}}}", open.repeat(n), close.repeat(n))
    };
    vec![
        nested("(", "1", ")", 5000),
        nested("[", "", "]", 5000),
        nested("{'a': ", "1", "}", 3000),
        nested("not ", "1", "", 20_000),
        nested("-", "1", "", 20_000),
        nested("", "1", " + 1", 20_000),
        nested("", "1", " ~ 1", 20_000),
        nested("", "1", " and 1", 20_000),
        nested("", "1", " ** 1", 5000),
        nested("", "1", " < 1", 20_000),
        nested("", "1", "|abs", 5000),
        nested("", "1", " if 1 else 1", 5000),
        nested("1 if ", "1", " else 1", 5000),
        nested("", "item", ".a", 5000),
        nested("", "item", "[0]", 5000),
        nested("", "item", "()", 5000),
        nested("item[", "1", "]", 5000),
        nested("item(", "1", ")", 5000),
        format!("{}{}", "{% if 1 %}".repeat(3000), "{% endif %}".repeat(3000)),
        format!("{}{}", "{% for x in [1] %}".repeat(3000), "{% endfor %}".repeat(3000)),
        format!("{}x{}", "{% filter upper %}".repeat(3000), "{% endfilter %}".repeat(3000)),
    ]
}

/// Runs this test program again in a role, and answers how it ended.
fn child(role: &str) -> (ExitStatus, String) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "escapes::in_a_process_of_its_own", "--ignored", "--nocapture"])
        .env(ROLE, role)
        // With arenas of their own threads, glibc asks the kernel's settings whether to give memory
        // back, which is a file.
        .env("MALLOC_ARENA_MAX", "1")
        .env("A2N_CANARY", CANARY)
        .output()
        .unwrap();
    let told = [output.stdout, output.stderr].concat();
    (output.status, String::from_utf8_lossy(&told).into_owned())
}

#[test]
fn nothing_gets_out_of_an_expression() {
    let (status, told) = child("texts");
    assert!(status.success(), "{status}: {told}");
    assert!(told.contains("all texts ended"), "{told}");
}

/// Not bounded yet: minijinja's operators count a list's own elements and not what is within those,
/// and what a repeated list comes to as text not at all.
const OPEN: [&str; 3] = [
    "{{ ([1] * 1000000000) ~ '' }}",
    "{{ [[[1] * 10000] * 10000] * 10000 == [[[1] * 10000] * 10000] * 10000 }}",
    "{% set x = [1] * 10000 %}{% set x = [x] * 10000 %}{% set x = [x] * 10000 %}{{ {x: 1} }}",
];

#[test]
#[ignore = "each of these takes all memory or never ends, until operators count as filters do"]
fn operators_keep_to_the_budget() {
    let (status, told) = child("operators");
    assert!(status.success(), "{status}: {told}");
}

#[test]
fn what_gets_out_would_be_seen() {
    for (role, signal) in [("file", nix::libc::SIGSYS), ("socket", nix::libc::SIGSYS)] {
        let (status, told) = child(role);
        assert_eq!(status.signal(), Some(signal), "{role}: {told}");
    }
    let (status, told) = child("memory");
    assert!(!status.success(), "{told}");
}

#[test]
#[ignore = "only the tests above run it, in a process of its own"]
fn in_a_process_of_its_own() {
    let role = std::env::var(ROLE).expect("a role");
    let thread = std::thread::Builder::new().stack_size(2 << 20);
    let ended = thread.spawn(move || play(&role)).unwrap().join();
    ended.unwrap();
    println!("all texts ended");
}

fn play(role: &str) {
    use nix::sys::resource::{Resource, setrlimit};
    // What is made once (the scope, the language, a thread's random state) is made before.
    resolve("{{ item.n + 1 }} {{ nodes | list }} {{ dict(a=1) }}").unwrap();
    // A panic that is caught says so on stderr, which is a system call.
    std::panic::set_hook(Box::new(|_| {}));
    setrlimit(Resource::RLIMIT_AS, MEMORY_BYTES, MEMORY_BYTES).unwrap();
    setrlimit(Resource::RLIMIT_CPU, CPU_SECONDS, CPU_SECONDS).unwrap();
    seccompiler::apply_filter(&filter()).unwrap();
    match role {
        "texts" => all_texts(),
        "operators" => OPEN.iter().for_each(|text| drop(resolve(text))),
        "file" => drop(std::fs::read("/etc/hostname")),
        "socket" => drop(std::net::UdpSocket::bind("127.0.0.1:0")),
        "memory" => drop(std::hint::black_box(vec![1u8; 4 << 30])),
        other => panic!("role {other}"),
    }
}

fn all_texts() {
    let texts = TEXTS.lines().map(str::to_owned).chain(long_texts());
    for (n, text) in texts.enumerate() {
        let plain = match resolve(&text) {
            Ok(value) => value.to_string(),
            Err(fault) => fault,
        };
        for leaked in [CANARY, "root:x:0", "uid=0", "HOME=/", "<class", "[native code]"] {
            assert!(!plain.contains(leaked), "text {n}: {plain:.300}");
        }
    }
}

/// Only what memory, locks and the end of a thread need; anything else is SIGSYS.
fn filter() -> seccompiler::BpfProgram {
    use nix::libc;
    let allowed = [
        libc::SYS_brk,
        libc::SYS_exit,
        libc::SYS_futex,
        libc::SYS_madvise,
        libc::SYS_mmap,
        libc::SYS_mprotect,
        libc::SYS_mremap,
        libc::SYS_munmap,
        libc::SYS_rt_sigprocmask,
        libc::SYS_sigaltstack,
        libc::SYS_sched_yield,
    ];
    let rules = allowed.into_iter().map(|call| (call, Vec::new())).collect();
    let filter = seccompiler::SeccompFilter::new(
        rules,
        seccompiler::SeccompAction::KillProcess,
        seccompiler::SeccompAction::Allow,
        std::env::consts::ARCH.try_into().unwrap(),
    );
    filter.unwrap().try_into().unwrap()
}
