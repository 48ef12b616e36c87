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

/// Values that come to twice as much again and again, and whoever walks all of one.
fn doubled() -> Vec<String> {
    let ways = [
        "[x, x]",
        "(x, x)",
        "x + x",
        "x[:] + x[::-1]",
        "x * 2",
        "{'a': x, 'b': x}",
        "dict(a=x, b=x)",
        "x | zip(x)",
        "x | chain(x)",
        "[1] | batch(3, x)",
        "[1] | slice(2, x)",
        "[x, x] | sum(start=[])",
        "[{}, {}] | map(attribute='a', default=x)",
        "x ~ x",
    ];
    let walks = [
        "{{ x }}",
        "{{ x ~ '' }}",
        "{{ x == y }}",
        "{{ x != y }}",
        "{{ x < y }}",
        "{{ 1 < x < y }}",
        "{{ x in [y] }}",
        "{{ x in 'text' }}",
        "{{ {x: 1} }}",
        "{{ {'a': 1, 'b': 2}[x] }}",
        "{{ {'a': 1, 'b': 2}[[x][0]] }}",
        "{{ {'a': 1, 'b': 2}.get(x) }}",
        "{{ {'a': 1, 'b': 2} | attr(x) }}",
        "{{ [{'a': 1}] | map(attribute=x) }}",
        "{{ x is eq(y) }}",
        "{{ x is in([y]) }}",
        "{{ x is startingwith('a') }}",
        "{{ [x] | select('==', y) | list }}",
        "{{ [x] | select(x) | list }}",
        "{{ x | string }}",
        "{{ x | pprint }}",
        "{{ x | tojson }}",
        "{{ x | upper }}",
        "{{ x | e }}",
        "{{ x | indent }}",
        "{{ x | replace('a', x) }}",
        "{{ [x] | map('upper') | list }}",
        "{{ [x] | join }}",
        "{{ [1, 2] | join(x) }}",
        "{{ '%s' | format(x) }}",
        "{{ [x, y] | sort }}",
        "{{ [x, y] | max }}",
        "{{ [x, y] | unique }}",
        "{{ [{'a': x}, {'a': y}] | groupby('a') }}",
        "{{ {'a': x, 'b': y} | dictsort(by='value') }}",
        "{{ x | list | reverse | first }}",
        "{% for e in x %}{{ e }}{% endfor %}",
        "{% for a, b in x %}{{ a }}{% endfor %}",
        "{% for i in [1, 2] %}{{ loop.changed(x if i == 1 else y) }}{% endfor %}",
        "{% for i in range(9) %}{% if x == y %}{% endif %}{% endfor %}",
        "{% autoescape true %}{{ x ~ ('<' | safe) }}{% endautoescape %}",
        "{% filter upper %}{{ x }}{% endfilter %}",
    ];
    let text = |way: &str, walk: &str| {
        let twice = format!("{{% set x = {way} %}}{{% set y = {} %}}", way.replace('x', "y"));
        format!("{{% set x = [1] %}}{{% set y = [1] %}}{}{walk}", twice.repeat(40))
    };
    let mut texts = Vec::new();
    for walk in walks {
        texts.extend([text(ways[0], walk), text(ways[2], walk)]);
    }
    for way in ways {
        texts.extend(walks.iter().take(3).map(|walk| text(way, walk)));
    }
    texts
}

/// What costs little to say and much to do, once or many times.
fn costly() -> Vec<String> {
    let nested = "[".repeat(40) + "x" + &"]".repeat(40);
    let mut texts: Vec<String> = [
        "{{ ([1] * 1000000000) ~ '' }}",
        "{{ ([1] * 100000000) ~ '' }}",
        "{{ [1] * 100000000 == [1] * 100000000 }}",
        "{{ 2 in [1] * 100000000 }}",
        "{{ [[[1] * 10000] * 10000] * 10000 == [[[1] * 10000] * 10000] * 10000 }}",
        "{% set x = [1] * 10000 %}{% set x = [x] * 10000 %}{% set x = [x] * 10000 %}{{ {x: 1} }}",
        "{% set x = [1] * 10000 %}{% set x = [x] * 10000 %}{% set x = [x] * 10000 %}{{ x }}",
        "{% set s = 'x' * 6000000 %}{{ [s] * 10000 | join }}",
        "{% set s = 'x' * 6000000 %}{{ ([s] * 10000) | join }}",
        "{% set s = 'x' * 6000000 %}{{ ([s] * 10000) | sort | length }}",
        "{% set s = 'x' * 6000000 %}{{ ([s] * 10000) | unique | length }}",
        "{% set s = 'x' * 6000000 %}{{ ([s] * 10000) | sum(start='') | length }}",
        "{% set s = 'x' * 6000000 %}{{ {s: 1} }}",
        "{{ [[1] * 100000] * 1000 | sum(start=[]) }}",
        "{{ ([[1] * 100000] * 1000) | sum(start=[]) }}",
        "{% set s = 'x' * 6000000 %}{{ ('%(a)s' * 9000) | format(a=s) | length }}",
        "{{ [1] | batch(399999, 1) | length }}",
        "{% for i in range(90000) %}{% if [1] | batch(399999, 1) %}{% endif %}{% endfor %}",
    ]
    .map(str::to_owned)
    .to_vec();
    for often in [
        "s is lower",
        "s == t",
        "s < t",
        "s[1:] == t",
        "{s: 1}",
        "s ~ t",
        "s is sameas(t)",
        "s in m",
        "s is iterable",
        "x[99999:]",
        "x[::-1]",
        "x == y",
        "x in [y]",
        "x[i]",
        "m[x]",
        "m.get(s)",
        "dict(m)",
        "x | first",
        "x | last",
        "x + x",
        "x * 2",
        "m | first",
        "item | first",
    ] {
        texts.push(format!(
            "{{% set s = 'x' * 5000000 %}}{{% set t = 'x' * 5000000 %}}{{% set m = {{'a': 1, 'b': 2}} %}}\
             {{% set x = [1] * 100000 %}}{{% set y = [1] * 100000 %}}\
             {{% for i in range(90000) %}}{{% if {often} %}}{{% endif %}}{{% endfor %}}"
        ));
    }
    texts.extend([
        format!(
            "{{% set x = [] %}}{}{{% for e in x %}}{{% endfor %}}",
            "{% set x = x + x %}".repeat(60)
        ),
        format!("{{% set x = 1 %}}{}{{{{ x }}}}", format!("{{% set x = {nested} %}}").repeat(400)),
        format!("{{% for x in [1] recursive %}}{{{{ loop([{nested}]) }}}}{{% endfor %}}"),
    ]);
    texts
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
        "file" => drop(std::fs::read("/etc/hostname")),
        "socket" => drop(std::net::UdpSocket::bind("127.0.0.1:0")),
        "memory" => drop(std::hint::black_box(vec![1u8; 4 << 30])),
        other => panic!("role {other}"),
    }
}

fn all_texts() {
    let texts =
        TEXTS.lines().map(str::to_owned).chain(long_texts()).chain(doubled()).chain(costly());
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
