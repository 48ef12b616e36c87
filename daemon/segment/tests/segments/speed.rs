//! How many lines a second it takes.

use std::sync::Arc;

use a2n_segment::{Disk, Folder, Options, Position, Writer};

use crate::{A, G, of};

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
