//! Order and visibility: what a reader sees, and when.

use std::sync::Arc;

use a2n_segment::sim::SimDisk;
use a2n_segment::{Catalogue, Disk, Folder, Position, Query, Stream, Writer};

use crate::{A, B, G, H, all, of, open, seqs, small};

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
