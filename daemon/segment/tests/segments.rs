//! What a folder of segments promises, told through its public face: order, visibility, repair,
//! seqs that are never given twice, and that no bytes make it panic.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::sync::Arc;

use a2n_segment::sim::SimDisk;
use a2n_segment::{
    Catalogue, Disk, Error, Folder, Group, Options, Position, Query, RESERVED, Reader, Stream,
    Writer, above_reserved,
};
use proptest::prelude::*;

const A: Stream = Stream([1; 16]);
const B: Stream = Stream([2; 16]);
const G: Group = Group([9; 16]);
const H: Group = Group([8; 16]);

fn small() -> Options {
    Options { file_bytes: 4_000, file_blocks: 20, salt: 7 }
}

fn open(disk: &SimDisk, options: Options) -> Writer {
    Writer::open(Arc::new(disk.clone()), options).expect("opens")
}

fn all(mut reader: Reader) -> Vec<(u64, String)> {
    let mut found = Vec::new();
    while let Some(block) = reader.next_block().expect("reads") {
        found.extend(
            block.records().map(|r| (r.seq, String::from_utf8_lossy(r.bytes).into_owned())),
        );
    }
    found
}

fn of(stream: Stream) -> Query {
    Query { stream: Some(stream), ..Query::default() }
}

fn seqs(catalogue: &Catalogue, query: Query) -> Vec<u64> {
    all(catalogue.forwards(query, Position::START)).into_iter().map(|(seq, _)| seq).collect()
}

#[test]
fn records_are_seen_after_the_flush_in_order_and_by_stream() {
    let disk = SimDisk::new();
    let mut writer = open(&disk, small());
    let catalogue = writer.catalogue();
    for i in 0..200 {
        writer.append((A, G), i, 1, format!("a{i}").as_bytes()).unwrap();
        writer.append((B, H), i, 2, format!("b{i}").as_bytes()).unwrap();
        if i % 7 == 0 {
            let before = seqs(&catalogue, of(A)).len();
            writer.flush().unwrap();
            assert!(seqs(&catalogue, of(A)).len() > before);
        }
    }
    writer.flush().unwrap();
    assert!(catalogue.totals().n_files > 2, "it rolled: {:?}", catalogue.totals());
    assert_eq!(seqs(&catalogue, of(A)), (1..=200).collect::<Vec<_>>());
    assert_eq!(all(catalogue.forwards(of(B), Position::START))[199], (200, "b199".into()));
    let later = Query { after_seq: 150, ..of(A) };
    assert_eq!(seqs(&catalogue, later), (151..=200).collect::<Vec<_>>());
    let group = Query { group: Some(H), ..Query::default() };
    assert_eq!(seqs(&catalogue, group), (1..=200).collect::<Vec<_>>());
    let flagged = Query { any_flags: 2, ..Query::default() };
    assert_eq!(seqs(&catalogue, flagged).len(), 200);
    assert_eq!(seqs(&catalogue, Query::default()).len(), 400);
    let mut back = Vec::new();
    let mut reader = catalogue.backwards(of(A), Position::END);
    while let Some(block) = reader.next_block().unwrap() {
        back.extend(block.records().rev().map(|r| r.seq));
    }
    assert_eq!(back, (1..=200).rev().collect::<Vec<_>>());
    assert_eq!(catalogue.verify().unwrap().problems, []);
    assert_eq!(catalogue.verify().unwrap().n_records, 400);
    // Another process that only reads finds the same.
    let other = Catalogue::open(Arc::new(disk)).unwrap();
    assert_eq!(seqs(&other, of(A)).len(), 200);
}

#[test]
fn a_reader_goes_on_from_any_record_in_both_directions() {
    let disk = SimDisk::new();
    let mut writer = open(&disk, small());
    for i in 0..150u64 {
        writer.append((if i % 3 == 0 { B } else { A }, G), 0, 0, b"x").unwrap();
        if i % 10 == 9 {
            writer.flush().unwrap();
        }
    }
    let catalogue = writer.catalogue();
    let mut places = Vec::new();
    let mut reader = catalogue.forwards(Query::default(), Position::START);
    while let Some(block) = reader.next_block().unwrap() {
        places.extend(block.records().map(|r| r.position));
    }
    assert_eq!(places.len(), 150);
    assert!(places.is_sorted());
    for (i, place) in places.iter().enumerate() {
        let text = place.after().to_string();
        let from: Position = text.parse().unwrap();
        assert_eq!(all(catalogue.forwards(Query::default(), from)).len(), 149 - i);
        assert_eq!(all(catalogue.backwards(Query::default(), *place)).len(), i);
    }
    for bad in ["", "1-2", "1-2-3-4", "x-1-1", "1-1-1ffffffff", "-1-1", "+1-1-1"] {
        assert!(bad.parse::<Position>().is_err(), "{bad}");
    }
}

#[test]
fn a_reader_that_follows_misses_nothing_across_files() {
    let disk = SimDisk::new();
    let mut writer = open(&disk, small());
    let mut reader = writer.catalogue().forwards(Query::default(), Position::START);
    let mut seen = Vec::new();
    for i in 0..300u64 {
        writer.append((A, G), 0, 0, &[b'x'; 50]).unwrap();
        if i % 5 == 4 {
            writer.flush().unwrap();
            while let Some(block) = reader.next_block().unwrap() {
                seen.extend(block.records().map(|r| r.seq));
            }
            assert_eq!(seen.len() as u64, i + 1);
        }
    }
    assert_eq!(seen, (1..=300).collect::<Vec<_>>());
}

#[test]
fn a_torn_tail_is_cut_off_and_damage_in_the_middle_is_told() {
    let disk = SimDisk::new();
    let mut writer = open(&disk, Options::new(7));
    for i in 0..30 {
        writer.append((A, G), 0, 0, format!("line {i}").as_bytes()).unwrap();
        writer.flush().unwrap();
    }
    drop(writer);
    let name = "0000000000000001.seg";
    disk.damage(name, |bytes| bytes.truncate(bytes.len() - 3));
    let reading = Catalogue::open(Arc::new(disk.clone())).unwrap();
    assert_eq!(seqs(&reading, of(A)).len(), 29, "a reader passes over the torn tail");
    let mut writer = open(&disk, Options::new(7));
    assert_eq!(writer.append((A, G), 0, 0, b"again").unwrap(), 30);
    writer.flush().unwrap();
    assert_eq!(writer.catalogue().verify().unwrap().problems, []);

    let at = disk.content(name).unwrap().windows(6).position(|w| w == b"line 7").unwrap();
    disk.damage(name, |bytes| bytes[at] ^= 1);
    let mut reader = writer.catalogue().forwards(of(A), Position::START);
    let mut n = 0;
    while let Some(block) = reader.next_block().unwrap() {
        n += block.records().count();
    }
    assert_eq!((n, reader.damage().len()), (29, 1));
    let writer = open(&disk, Options::new(7));
    assert_eq!(writer.damage().len(), 1, "{:?}", writer.damage());
    assert_eq!(seqs(&writer.catalogue(), of(A)).len(), 29);
    assert_eq!(writer.catalogue().verify().unwrap().problems.len(), 1);
}

#[test]
fn a_printed_block_is_not_taken_for_one() {
    let disk = SimDisk::new();
    let mut writer = open(&disk, Options::new(7));
    writer.append((A, G), 0, 0, b"honest").unwrap();
    writer.flush().unwrap();
    let name = "0000000000000001.seg";
    let forged = disk.content(name).unwrap()[32..].to_vec();
    writer.append((A, G), 0, 0, &forged).unwrap();
    writer.flush().unwrap();
    // The header of the block that carries it breaks, so the walk looks into its body.
    let start = 32 + forged.len();
    disk.damage(name, |bytes| bytes[start] ^= 1);
    assert_eq!(seqs(&open(&disk, Options::new(7)).catalogue(), of(A)), [1]);
}

#[test]
fn retention_takes_old_files_and_never_gives_their_seqs_again() {
    let disk = SimDisk::new();
    let mut writer = open(&disk, small());
    writer.append((A, G), 5, 0, b"early").unwrap();
    writer.append((B, G), 5, 0, b"early").unwrap();
    for i in 0..200 {
        writer.append((Stream([3; 16]), G), 100 + i, 0, &[b'x'; 50]).unwrap();
        writer.flush().unwrap();
    }
    let before = writer.catalogue().totals();
    let expired = writer.expire(Some(150), None, &|s| *s == A).unwrap();
    assert!(expired.n_files >= 1);
    assert_eq!(writer.catalogue().totals().n_files, before.n_files - expired.n_files);
    assert_eq!(seqs(&writer.catalogue(), of(A)), [] as [u64; 0]);
    drop(writer);
    let mut writer = open(&disk, small());
    assert_eq!(writer.next_seq(A).unwrap(), 2, "a live stream goes on");
    assert_eq!(writer.next_seq(B).unwrap(), 1, "one that has ended is forgotten");
    let expired = writer.expire(None, Some(0), &|_| true).unwrap();
    assert!(expired.bytes > 0);
    assert_eq!(writer.catalogue().totals().n_files, 1, "the one being written stays");
    assert_eq!(writer.next_seq(A).unwrap(), 2);
    assert_eq!(writer.catalogue().verify().unwrap().problems, []);
}

#[test]
fn a_full_disk_loses_what_waited_and_the_writer_goes_on() {
    let disk = SimDisk::new();
    let mut writer = open(&disk, Options::new(7));
    writer.append((A, G), 0, 0, b"one").unwrap();
    writer.sync().unwrap();
    disk.fail_after(0, Some(ErrorKind::StorageFull));
    writer.append((A, G), 0, 0, b"two").unwrap();
    assert!(writer.flush().unwrap_err().is_full());
    disk.fail_after(0, None);
    assert_eq!(writer.append((A, G), 0, 0, b"three").unwrap(), 3);
    writer.sync().unwrap();
    assert_eq!(seqs(&writer.catalogue(), of(A)), [1, 3]);
    assert_eq!(seqs(&open(&disk, Options::new(7)).catalogue(), of(A)), [1, 3]);
}

#[test]
fn after_a_failed_sync_nothing_is_written_until_it_is_reopened() {
    let disk = SimDisk::new();
    let mut writer = open(&disk, Options::new(7));
    writer.append((A, G), 0, 0, b"one").unwrap();
    writer.flush().unwrap();
    disk.fail_after(0, Some(ErrorKind::Other));
    assert!(writer.sync().is_err());
    disk.fail_after(0, None);
    assert!(matches!(writer.sync(), Err(Error::Failed)));
    writer.reopen().unwrap();
    assert_eq!(writer.append((A, G), 0, 0, b"two").unwrap(), 2);
    writer.sync().unwrap();
    assert_eq!(seqs(&writer.catalogue(), of(A)), [1, 2]);
}

#[test]
fn every_write_and_sync_may_fail() {
    for n in 0..60 {
        let disk = SimDisk::new();
        let mut writer = open(&disk, small());
        disk.fail_after(n, Some(ErrorKind::StorageFull));
        for _ in 0..100 {
            let wrote = writer.append((A, G), 0, 0, &[b'x'; 300]).and_then(|_| writer.sync());
            if wrote.is_err() {
                disk.fail_after(0, None);
                if matches!(writer.sync(), Err(Error::Failed)) {
                    writer.reopen().unwrap();
                }
            }
        }
        let found = seqs(&writer.catalogue(), of(A));
        assert!(found.len() >= 98 && found.is_sorted(), "{n}: {}", found.len());
        drop(writer);
        let writer = open(&disk, small());
        assert_eq!(seqs(&writer.catalogue(), of(A)), found, "{n}");
    }
}

#[test]
fn a_real_folder_does_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(Folder::create(folder.path().join("logs")).unwrap());
    let mut writer = Writer::open(disk.clone(), small()).unwrap();
    for i in 0..100 {
        writer.append((A, G), i, 0, &[b'x'; 100]).unwrap();
        writer.flush().unwrap();
    }
    writer.sync().unwrap();
    drop(writer);
    let mut writer = Writer::open(disk, small()).unwrap();
    assert_eq!(writer.append((A, G), 0, 0, b"on").unwrap(), 101);
    writer.flush().unwrap();
    assert_eq!(seqs(&writer.catalogue(), of(A)).len(), 101);
}

#[test]
fn a_newer_format_is_refused_and_left_alone() {
    let disk = SimDisk::new();
    drop(open(&disk, small()));
    let name = "0000000000000001.seg";
    disk.damage(name, |bytes| {
        bytes[8] = 2;
        let sum = xxhash_rust::xxh3::xxh3_64_with_seed(&bytes[..24], 1);
        bytes[24..32].copy_from_slice(&sum.to_le_bytes());
    });
    let before = disk.content(name);
    let refused = Writer::open(Arc::new(disk.clone()), small()).map(|_| ());
    assert!(matches!(refused, Err(Error::Newer { version: 2, .. })), "{refused:?}");
    assert_eq!(disk.content(name), before);
}

/// A small generator, so that a case is repeated by its seed.
fn dice(mut state: u64) -> impl FnMut() -> u64 {
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    }
}

/// Cases of each property below: power cuts with a second one during repair, damaged files, strange
/// bytes. `A2N_TORTURE=full` (or `long`) asks for more, `A2N_TORTURE_SEGMENTS` for a number.
fn cases() -> u32 {
    if let Ok(text) = std::env::var("A2N_TORTURE_SEGMENTS") {
        return text.parse().expect("a count is a whole number");
    }
    match std::env::var("A2N_TORTURE").as_deref() {
        Ok("full") => 2000,
        Ok("long") => 20_000,
        _ => 64,
    }
}

/// Were this not to fail, the property of power cuts would see nothing.
#[test]
fn a_disk_that_lies_about_syncs_is_seen() {
    let disk = SimDisk::new();
    disk.lie_about_syncs();
    let mut writer = open(&disk, small());
    for i in 0..100 {
        writer.append((A, G), i, 0, &[b'x'; 100]).unwrap();
        writer.sync().unwrap();
    }
    drop(writer);
    let left = disk.after_power_cut(&mut || false);
    let catalogue = Catalogue::open(Arc::new(left)).unwrap();
    assert_eq!(seqs(&catalogue, of(A)), [] as [u64; 0], "what was synced is lost");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    /// Story: lines are shown before they are durable, so a power cut may take lines back that a
    /// reader has seen. The seqs of those must stay theirs, or a reader that resumes by seq would
    /// take other lines for the ones it has.
    #[test]
    fn no_seq_is_given_twice_across_power_cuts(seed in 1u64.., rounds in 1usize..6) {
        let mut roll = dice(seed);
        let mut disk = SimDisk::new();
        // What a reader has seen: the text of every seq.
        let mut seen = BTreeMap::<(Stream, u64), String>::new();
        let mut durable = BTreeMap::<(Stream, u64), String>::new();
        let mut line = 0u64;
        for _ in 0..rounds {
            let mut writer = open(&disk, small());
            for stream in [A, B] {
                let last = writer.next_seq(stream).unwrap() - 1;
                writer.mark((stream, G), above_reserved(last) - 1, 0).unwrap();
            }
            writer.sync().unwrap();
            for _ in 0..roll() % 60 {
                let stream = if roll().is_multiple_of(2) { A } else { B };
                if roll().is_multiple_of(40) {
                    // Near the end of a reserved run, so that crossing it is tried too.
                    let next = writer.next_seq(stream).unwrap();
                    let edge = (next / RESERVED + 1) * RESERVED - 3;
                    writer.mark((stream, G), edge, 0).unwrap();
                    writer.sync().unwrap();
                }
                line += 1;
                writer.append((stream, G), 0, 0, format!("line {line}").as_bytes()).unwrap();
                match roll() % 4 {
                    0 => writer.flush().unwrap(),
                    1 => writer.sync().unwrap(),
                    _ => continue,
                }
                let mut reader = writer.catalogue().forwards(Query::default(), Position::START);
                let synced = roll().is_multiple_of(4);
                if synced {
                    writer.sync().unwrap();
                }
                while let Some(block) = reader.next_block().unwrap() {
                    for record in block.records() {
                        let text = String::from_utf8(record.bytes.to_vec()).unwrap();
                        let key = (block.stream(), record.seq);
                        let old = seen.insert(key, text.clone());
                        prop_assert!(old.is_none_or(|old| old == text), "{key:?} twice");
                        if synced {
                            durable.insert(key, text);
                        }
                    }
                }
            }
            drop(writer);
            disk = disk.after_power_cut(&mut || roll().is_multiple_of(2));
            if roll().is_multiple_of(2) {
                // And again while it is mended.
                disk.fail_after(roll() % 6, Some(ErrorKind::Other));
                drop(Writer::open(Arc::new(disk.clone()), small()));
                disk = disk.after_power_cut(&mut || roll().is_multiple_of(2));
            }
            let catalogue = Catalogue::open(Arc::new(disk.clone())).unwrap();
            let mut found = BTreeMap::new();
            let mut reader = catalogue.forwards(Query::default(), Position::START);
            while let Some(block) = reader.next_block().unwrap() {
                for record in block.records() {
                    let text = String::from_utf8(record.bytes.to_vec()).unwrap();
                    found.insert((block.stream(), record.seq), text);
                }
            }
            for (key, text) in &durable {
                prop_assert_eq!(found.get(key), Some(text), "{:?} was synced", key);
            }
        }
    }

    #[test]
    fn no_bytes_make_it_panic_or_tell_wrong_records(
        seed in 1u64..,
        flips in 1usize..40,
        cut in prop::option::of(0.0f64..1.0),
    ) {
        let mut roll = dice(seed);
        let disk = SimDisk::new();
        let mut writer = open(&disk, small());
        for i in 1..=60u64 {
            writer.append((A, G), i as i64, 0, format!("line {i}").as_bytes()).unwrap();
            if roll().is_multiple_of(3) {
                writer.flush().unwrap();
            }
        }
        writer.sync().unwrap();
        drop(writer);
        for name in disk.list().unwrap() {
            disk.damage(&name, |bytes| {
                for _ in 0..flips {
                    let at = roll() as usize % bytes.len();
                    bytes[at] = roll() as u8;
                }
                if let Some(cut) = cut {
                    bytes.truncate((bytes.len() as f64 * cut) as usize);
                }
            });
        }
        let check = |catalogue: &Catalogue| {
            if let Ok(Some(_)) | Ok(None) = catalogue.last_seq(A) {}
            let _ = catalogue.verify();
            let mut reader = catalogue.forwards(of(A), Position::START);
            while let Ok(Some(block)) = reader.next_block() {
                for record in block.records() {
                    assert_eq!(record.bytes, format!("line {}", record.seq).as_bytes());
                }
            }
        };
        if let Ok(catalogue) = Catalogue::open(Arc::new(disk.clone())) {
            check(&catalogue);
        }
        if let Ok(mut writer) = Writer::open(Arc::new(disk), small()) {
            check(&writer.catalogue());
            writer.append((B, G), 0, 0, b"on").unwrap();
            writer.flush().unwrap();
        }
    }

    #[test]
    fn bytes_that_never_were_a_segment_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let disk = SimDisk::new();
        drop(open(&disk, small()));
        disk.damage("0000000000000001.seg", |content| content.extend_from_slice(&bytes));
        let mut writer = open(&disk, small());
        writer.append((A, G), 0, 0, b"one").unwrap();
        writer.flush().unwrap();
        assert_eq!(seqs(&writer.catalogue(), of(A)), [1]);
        disk.damage("0000000000000001.seg", |content| *content = bytes.clone());
        if let Ok(mut writer) = Writer::open(Arc::new(disk), small()) {
            writer.append((A, G), 0, 0, b"one").unwrap();
            writer.flush().unwrap();
        }
    }
}

/// `cargo test --release -p a2n-segment -- --ignored --nocapture speed`
#[test]
#[ignore = "measures; needs an optimised build"]
#[expect(clippy::disallowed_methods, reason = "it measures")]
fn speed() {
    let folder = tempfile::tempdir().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(Folder::create(folder.path()).unwrap());
    let mut writer = Writer::open(disk, Options::new(7)).unwrap();
    let line = [b'x'; 100];
    let n = 2_000_000u64;
    let start = std::time::Instant::now();
    for i in 0..n {
        writer.append((A, G), i as i64, 0, &line).unwrap();
        if i % 500 == 0 {
            writer.flush().unwrap();
        }
    }
    writer.sync().unwrap();
    let wrote = start.elapsed();
    let start = std::time::Instant::now();
    let mut reader = writer.catalogue().forwards(of(A), Position::START);
    let mut read = 0;
    while let Some(block) = reader.next_block().unwrap() {
        read += block.records().count() as u64;
    }
    assert_eq!(read, n);
    println!(
        "wrote {:.0} lines/s, read {:.0} lines/s",
        n as f64 / wrote.as_secs_f64(),
        n as f64 / start.elapsed().as_secs_f64()
    );
}
