//! Rows of other implementations: Cronos' tests, and what cronsim and croniter agree on.
//!
//! A small sample is kept beside the tests; the whole corpus is read where the checkout has it.
//! Rows that differ because they follow another rule than ours are left out, each with the rule.

use std::collections::BTreeMap;
use std::path::Path;

use a2n_proto::Timestamp;
use serde_json::json;

use super::*;

struct Row {
    expression: String,
    base: String,
    zone: String,
    expected: Vec<String>,
    inclusive: bool,
    note: String,
}

/// Why a row is not ours; none where it is.
fn other_rule(row: &Row) -> Option<&'static str> {
    let note = row.note.as_str();
    let fields: Vec<&str> = row.expression.split_ascii_whitespace().collect();
    let (minute, hour) = match fields.len() {
        5 => (fields[0], fields[1]),
        6 => (fields[1], fields[2]),
        _ => ("0", "0"),
    };
    let ours_elapsed = minute.starts_with('*') || hour.starts_with('*');
    // Cronos: a range or step in second, minute or hour makes an interval.
    let second = if fields.len() == 6 { fields[0] } else { "0" };
    let theirs_elapsed = [second, minute, hour].iter().any(|field| field.contains(['*', '-', '/']));
    if note.starts_with("H seed") {
        Some("H is Cronos' own hash; jitter does it here")
    } else if note.starts_with("dom-and-dow=AND") {
        Some("Cronos needs both day fields; crontab takes either")
    } else if row.expression.to_ascii_lowercase().starts_with("@every") {
        Some("Cronos' own nickname; `every` does it here")
    } else if row.expression.starts_with('?') {
        Some("? stands only in day fields here")
    } else if note.contains("dst-overlap") && theirs_elapsed && !ours_elapsed {
        Some("only a leading * in minute or hour makes an interval that runs in both passes")
    } else if note.contains("dst-gap") && ours_elapsed {
        Some("an interval has no missed time to make up for at the end of a gap")
    } else if note.contains("dst-gap") && row.inclusive && row.base.contains("T01:00:00+03:00") {
        Some("Cronos does not take the end of a gap as an inclusive start")
    } else if note.contains("croniter 7.0.0 differs: 2026-04-05T02:0") {
        Some("cronsim is half an hour late at Lord Howe; croniter agrees with us")
    } else {
        None
    }
}

/// What our schedule answers for a row, as instants.
fn ours(row: &Row) -> Result<Vec<Timestamp>, String> {
    let rule = json!({"cron": row.expression, "timezone": row.zone});
    let schedule = match Schedule::parse(&rule, &Zone::utc()) {
        Ok(schedule) => schedule,
        Err(problems) if problems[0].message.contains("never comes") => return Ok(Vec::new()),
        Err(problems) => return Err(problems[0].message.clone()),
    };
    // Bases have up to seven digits of fraction; a part of a millisecond is later than its start.
    let base = row.base.parse::<jiff::Timestamp>().map_err(|e| e.to_string())?;
    let floor = Timestamp::from(base);
    let whole = base.subsec_nanosecond() % 1_000_000 == 0;
    let from = if row.inclusive && whole {
        Timestamp::from_unix_ms(floor.as_unix_ms() - 1)
    } else {
        floor
    };
    Ok(schedule.upcoming(from, row.expected.len().max(1)))
}

fn rows(text: &str) -> Vec<Row> {
    text.lines()
        .skip(1)
        .map(|line| {
            let cells = cells(line);
            Row {
                expression: cells[0].clone(),
                base: cells[1].clone(),
                zone: cells[2].clone(),
                expected: cells[3].split_ascii_whitespace().map(str::to_owned).collect(),
                inclusive: cells[5] == "1",
                note: cells[7].clone(),
            }
        })
        .collect()
}

/// One line of CSV; a quoted cell has no quotes inside here.
fn cells(line: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(String::new()),
            c => cells.last_mut().expect("there is one").push(c),
        }
    }
    cells
}

/// (passed, left out by rule), panicking with every row that differs.
#[track_caller]
fn check(text: &str) -> (usize, BTreeMap<&'static str, usize>) {
    let (mut passed, mut left_out, mut wrong) = (0, BTreeMap::new(), Vec::new());
    for row in rows(text) {
        let expected: Vec<Timestamp> =
            row.expected.iter().map(|text| text.parse().expect("rows have times")).collect();
        match ours(&row) {
            Ok(times) if times == expected => passed += 1,
            other => match other_rule(&row) {
                Some(rule) => *left_out.entry(rule).or_insert(0) += 1,
                None => wrong.push(format!(
                    "{} from {} in {} [{}]: expected {expected:?}, got {other:?}",
                    row.expression, row.base, row.zone, row.note
                )),
            },
        }
    }
    assert!(wrong.is_empty(), "{} rows differ:\n{}", wrong.len(), wrong.join("\n"));
    (passed, left_out)
}

/// A file of the shared corpora, which stand beside the checkout or its worktrees' folder.
fn corpus(name: &str) -> Option<String> {
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = ["../shared", "../../shared"].iter().find_map(|shared| {
        std::fs::read_to_string(checkout.join(shared).join("corpora").join(name)).ok()
    });
    if text.is_none() {
        println!("skipped: the corpus {name} is not beside this checkout");
    }
    text
}

#[test]
fn the_sample_beside_the_tests() {
    let (passed, _) = check(include_str!("../../../tests/fixtures/cron/rows.csv"));
    assert!(passed >= 80, "{passed}");
}

#[test]
fn the_whole_corpus_where_it_is() {
    let Some(text) = corpus("conformance/cron-next-run/rows.csv") else { return };
    let (passed, left_out) = check(&text);
    println!("{passed} rows as expected; left out: {left_out:#?}");
    assert!(passed >= 790, "{passed}");
}

#[test]
fn what_others_refuse_is_refused() {
    let Some(text) = corpus("conformance/cron-next-run/refused.csv") else { return };
    for line in text.lines().skip(1) {
        let cells = cells(line);
        // Several W days in one list are clear enough to be taken.
        let ours = cells[0].to_ascii_uppercase().contains("1,2W");
        let read = Schedule::parse(&json!({"cron": cells[0]}), &Zone::utc());
        assert_eq!(read.is_ok(), ours, "{} [{}]", cells[0], cells[2]);
    }
}

#[test]
fn expressions_seen_in_the_wild_are_read_or_refused_with_a_reason() {
    let Some(text) = corpus("cron-expressions/expressions.csv") else { return };
    let (mut read, mut refused) = (0, Vec::new());
    for line in text.lines().skip(1) {
        let expression = &cells(line)[0];
        match Schedule::parse(&json!({"cron": expression}), &Zone::utc()) {
            Ok(schedule) => {
                assert!(!schedule.describe().is_empty());
                read += 1;
            }
            Err(problems) => {
                assert!(problems[0].hint.is_some(), "{expression}");
                refused.push(format!("{expression}: {}", problems[0].message));
            }
        }
    }
    println!("{read} read, {} refused:\n{}", refused.len(), refused.join("\n"));
    assert!(read >= 4000, "{read}");
}
