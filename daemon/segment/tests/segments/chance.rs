//! Power cuts, damaged files and strange bytes by chance.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::sync::Arc;

use a2n_segment::sim::SimDisk;
use a2n_segment::{Catalogue, Disk, Position, Query, RESERVED, Stream, Writer, above_reserved};
use proptest::prelude::*;

use crate::{A, B, G, of, open, seqs, small};

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
