//! Segment files of any bytes: readers and the writer's repair give errors or fewer records, never
//! a record that was not written. A recipe damages a real file; other bytes are a file of their own.

use std::sync::Arc;

use a2n_segment::sim::SimDisk;
use a2n_segment::{Catalogue, Disk, Error, Group, Options, Position, Query, Stream, Writer};
use arbitrary::Unstructured;

use super::MADE;

const A: Stream = Stream([1; 16]);
const B: Stream = Stream([2; 16]);
const GROUP: Group = Group([9; 16]);
const FIRST: &str = "0000000000000001.seg";

/// Tries one folder.
pub fn run(data: &[u8]) {
    let disk = written();
    match data.split_first() {
        Some((&MADE, recipe)) => damage(&disk, &mut Unstructured::new(recipe)),
        _ => disk.damage(FIRST, |content| *content = data.to_vec()),
    }
    // Bytes that are a whole file by themselves may hold any records: their sums fit.
    let ours = data.first() == Some(&MADE);
    if let Ok(catalogue) = Catalogue::open(Arc::new(disk.clone())) {
        read_all(&catalogue, ours);
    }
    let Ok(mut writer) = Writer::open(Arc::new(disk.clone()), options()) else { return };
    read_all(&writer.catalogue(), ours);
    let Ok(seq) = writer.append((B, GROUP), 7, 0, b"line after") else { return };
    if writer.sync().is_err() {
        return;
    }
    let last = writer.catalogue().last_seq(B).expect("our own file can be read");
    assert_eq!(last, Some(seq), "what was written is the last");
    drop(writer);
    let writer = Writer::open(Arc::new(disk), options()).expect("what we mended stays open");
    let last = writer.catalogue().last_seq(B).expect("our own file can be read");
    assert_eq!(last, Some(seq), "what was written stays");
}

fn options() -> Options {
    let mut options = Options::new(7);
    options.file_bytes = 2_000;
    options
}

/// A folder with two sealed files and one that is being written; every line tells its seq.
fn written() -> SimDisk {
    let disk = SimDisk::new();
    let mut writer = Writer::open(Arc::new(disk.clone()), options()).expect("an empty folder");
    for n in 1..=40i64 {
        let line = format!("line {n} {}", "x".repeat(60));
        writer.append((A, GROUP), n, 1 << (n % 3), line.as_bytes()).expect("the disk is well");
        if n % 3 == 0 {
            writer.flush().expect("the disk is well");
        }
    }
    writer.sync().expect("the disk is well");
    disk
}

fn damage(disk: &SimDisk, u: &mut Unstructured<'_>) {
    let names = disk.list().unwrap_or_default();
    for _ in 0..u.int_in_range(1..=6).unwrap_or(1) {
        let Ok(name) = u.choose(&names) else { return };
        disk.damage(name, |bytes| {
            if bytes.is_empty() {
                return;
            }
            let at = u.choose_index(bytes.len()).unwrap_or(0);
            match u.int_in_range(0..=5).unwrap_or(0) {
                0 => bytes.truncate(at),
                1 => bytes[at] = u.arbitrary().unwrap_or(0),
                2 => bytes.extend_from_slice(u.arbitrary().unwrap_or_default()),
                3 => {
                    let end = bytes.len().min(at + 512);
                    bytes[at..end].fill(0);
                }
                4 => {
                    let to = u.choose_index(bytes.len()).unwrap_or(0);
                    let n = bytes.len() - at.max(to);
                    bytes.copy_within(at..at + n, to);
                }
                _ => bytes[at] ^= 1 << u.int_in_range(0..=7).unwrap_or(0),
            }
        });
    }
}

fn read_all(catalogue: &Catalogue, ours: bool) {
    let _ = catalogue.verify();
    let _ = catalogue.last_seq(A);
    let queries = [
        Query::default(),
        Query { stream: Some(A), after_seq: 5, ..Query::default() },
        Query { any_flags: 2, from_time: Some(3), to_time: Some(30), ..Query::default() },
    ];
    for query in queries {
        let mut forwards = catalogue.forwards(query, Position::START);
        let mut backwards = catalogue.backwards(query, Position::END);
        for reader in [&mut forwards, &mut backwards] {
            // A damaged file may end the walk with an error; the walk itself always ends.
            while let Ok::<_, Error>(Some(block)) = reader.next_block() {
                for record in block.records() {
                    let text = String::from_utf8_lossy(record.bytes);
                    let known =
                        text.starts_with(&format!("line {} ", record.seq)) || text == "line after";
                    assert!(!ours || known, "{}: {text:?}", record.seq);
                }
            }
        }
    }
}
