//! Damage, full disks, failed syncs, and formats of tomorrow.

use std::io::ErrorKind;
use std::sync::Arc;

use a2n_segment::sim::SimDisk;
use a2n_segment::{Catalogue, Error, Options, Position, Writer};

use crate::{A, G, of, open, seqs, small};

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
