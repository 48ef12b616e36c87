//! People's decisions: votes come as inputs and are part of the state.

use crate::engine::scenario::check;

const TWO: &str = "a: sure {\"quorum\": 2}\nb: all\nc: all\na.approved -> b\na.rejected -> c";

#[test]
fn a_vote_outlives_a_start_of_the_daemon_and_the_second_one_decides() {
    let script = "begin\nvote a ann yes\nrecover\nvote a ann yes\nvote a bob yes\nvote a cid no";
    let journal = check(TWO, script);
    let after = |line: &str| journal.split_once(line).map(|(_, rest)| rest.to_owned()).unwrap();
    // The question is asked again with the vote that it had.
    let recovered = after("> recover");
    assert!(recovered.contains("! ask a#0 1: 1 of 2 approved; role USER may decide"), "{journal}");
    let second = after("> vote a bob yes");
    assert!(second.trim_start().starts_with("a#0 attempt 1 ended ok"), "{journal}");
    assert!(second.contains("! withdraw a#0 1"), "{journal}");
    assert!(second.contains("Success a=Success b=Success c=Skipped"), "{journal}");
    // Nobody listens any more.
    assert!(after("> vote a cid no").trim_start().starts_with("Success a=Success"), "{journal}");
}

/// What became of each node.
fn ends(script: &str) -> String {
    let journal = check(TWO, script);
    journal.lines().rev().find(|line| line.contains("a=")).unwrap_or_default().to_owned()
}

#[test]
fn one_no_decides_and_what_comes_late_changes_nothing() {
    let no = "begin\nvote a ann yes\nvote a bob no";
    assert_eq!(ends(no), "Success a=Success b=Skipped c=Success");
    assert_eq!(ends(&format!("{no}\nvote a cid yes\nvote a bob yes")), ends(no));
    assert_eq!(ends("begin\nvote a ann yes\nvote a ann no"), ends(no));
}

#[test]
fn each_item_is_decided_by_itself_or_all_at_once() {
    let text = "a: list {\"of\": [1, 2, 3]}\nb: sure\nc: all\na -> b\nb.approved -> c";
    let journal = check(text, "begin\nvote b#1 ann no\nvote b ann yes");
    assert!(journal.contains("  b#1 attempt 1 ended ok"), "{journal}");
    assert!(journal.contains("  b Success approved:2 rejected:1"), "{journal}");
    assert!(journal.contains("Success a=Success b=Success c=Success"), "{journal}");
}

#[test]
fn time_decides_by_the_wall_clock_also_after_a_start() {
    let on = |word: &str| {
        let text =
            format!("a: sure {{\"ms\": 500, \"onExpiry\": \"{word}\"}}\nb: all\na.approved -> b");
        check(&text, "begin\nrecover\ntick 499\ntick 1")
    };
    for (word, end) in [
        ("APPROVE", "Success a=Success b=Success"),
        ("REJECT", "Success a=Success b=Skipped"),
        ("FAIL", "Failed a=Failed"),
    ] {
        let journal = on(word);
        assert!(journal.contains(end), "{journal}");
        assert!(journal.contains("! withdraw a#0 1"), "{journal}");
    }
    assert!(on("FAIL").contains("nobody decided in time: 0 of 1 approved"), "{}", on("FAIL"));
}
