//! On a real folder: what is kept, what is refused, what is left of what broke off.

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::system::sim::SimClock;
use crate::system::whole;

const PLENTY: Limits = Limits {
    each_bytes: 1 << 20,
    total_bytes: 1 << 20,
    least_free_bytes: 0,
    least_free_percent: 0,
};

struct World {
    folder: tempfile::TempDir,
    clock: SimClock,
    attachments: Attachments,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = SimClock::new(a2n_proto::Timestamp::from_unix_ms(0));
        let attachments = open(&folder, &clock);
        Self { folder, clock, attachments }
    }
    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path().join("a")).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
    async fn put(&self, bytes: &'static [u8]) -> Result<Stored, String> {
        let taken = self.attachments.take_in::<String>(whole(bytes)).await;
        taken.map_err(|e| match e {
            NotTaken::From(e) => e,
            NotTaken::Here(e) => e.to_string(),
        })
    }
}

fn open(folder: &tempfile::TempDir, clock: &SimClock) -> Attachments {
    Attachments::open(&folder.path().join("a"), PLENTY, Arc::new(clock.clone())).unwrap()
}

async fn all(attachments: &Attachments, hash: ContentHash) -> Result<Vec<u8>, String> {
    let mut pieces = attachments.read(hash).await.map_err(|e| e.to_string())?.pieces;
    let mut bytes = Vec::new();
    while let Some(piece) = pieces.next().await.map_err(|e| e.to_string())? {
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

#[tokio::test]
async fn bytes_are_kept_once_under_their_hash_for_their_owner_only() {
    let world = World::new();
    let stored = world.put(b"abc").await.unwrap();
    let of_abc = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!((stored.hash.to_string(), stored.size), (of_abc.to_owned(), 3));
    assert_eq!(world.put(b"abc").await.unwrap(), stored);
    assert_eq!(world.names(), [stored.hash.to_hex()]);
    assert_eq!(all(&world.attachments, stored.hash).await.unwrap(), b"abc");
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let folder = world.folder.path().join("a");
    assert_eq!((mode(&folder), mode(&folder.join(stored.hash.to_hex()))), (0o700, 0o600));
    assert_eq!(world.put(b"").await.unwrap().size, 0);
}

#[tokio::test]
async fn what_is_too_much_is_refused_and_leaves_nothing() {
    let world = World::new();
    let limits = Limits { each_bytes: 4, total_bytes: 6, ..PLENTY };
    world.attachments.set_limits(limits);
    let said = world.put(b"12345").await.unwrap_err();
    assert_eq!(said, "it is longer than the 4 bytes that an attachment may have");
    assert!(world.names().is_empty());
    let first = world.put(b"1234").await.unwrap();
    let said = world.put(b"567").await.unwrap_err();
    assert_eq!(said, "attachments would take more than 6 bytes together");
    world.clock.advance(FRESH);
    assert!(world.attachments.remove(first.hash).unwrap());
    world.put(b"567").await.unwrap();
    let full = Limits { least_free_bytes: u64::MAX, least_free_percent: 100, ..PLENTY };
    world.attachments.set_limits(full);
    let said = world.put(b"8").await.unwrap_err();
    assert_eq!(said, "the disk has no room left for attachments");
    assert_eq!(world.names().len(), 1);
}

/// Fails, or never comes to an end, after one piece.
#[derive(Debug)]
struct Odd {
    left: u8,
    fails: bool,
}

impl Pieces<String> for Odd {
    fn next(&mut self) -> Later<'_, Result<Option<Bytes>, String>> {
        if self.left > 0 {
            self.left -= 1;
            return Box::pin(async { Ok(Some(vec![7; GATHER_BYTES].into())) });
        }
        match self.fails {
            true => Box::pin(async { Err("line cut".to_owned()) }),
            false => Box::pin(std::future::pending()),
        }
    }
}

#[tokio::test]
async fn what_breaks_off_leaves_nothing() {
    let world = World::new();
    let failed = world.attachments.take_in(Box::new(Odd { left: 1, fails: true })).await;
    assert!(matches!(failed, Err(NotTaken::From(e)) if e == "line cut"));
    assert!(world.names().is_empty());
    let coming = world.attachments.take_in(Box::new(Odd { left: 1, fails: false }));
    let gone_on = tokio::select! {
        biased;
        _ = coming => true,
        () = async { while world.names().is_empty() { tokio::task::yield_now().await } } => false,
    };
    assert!(!gone_on);
    // The file of a piece that is just being written goes with the end of its write.
    while !world.names().is_empty() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_start_removes_what_a_crash_left_half_done() {
    let world = World::new();
    let stored = world.put(b"abc").await.unwrap();
    std::fs::write(world.folder.path().join("a").join(".new-7"), b"half").unwrap();
    let again = open(&world.folder, &world.clock);
    assert_eq!(world.names(), [stored.hash.to_hex()]);
    assert_eq!(again.list().unwrap(), [stored.hash]);
    assert_eq!(again.lock().total_bytes, 3);
}

#[tokio::test]
async fn what_was_just_put_in_stays() {
    let world = World::new();
    let stored = world.put(b"abc").await.unwrap();
    assert!(!world.attachments.remove(stored.hash).unwrap());
    world.clock.advance(FRESH / 2);
    world.put(b"abc").await.unwrap();
    world.clock.advance(FRESH / 2);
    assert!(!world.attachments.remove(stored.hash).unwrap());
    world.clock.advance(FRESH / 2);
    assert!(world.attachments.remove(stored.hash).unwrap());
    let said = all(&world.attachments, stored.hash).await.unwrap_err();
    assert_eq!(said, format!("attachment {} is not kept any longer", stored.hash));
}

#[tokio::test]
async fn damage_is_found_before_it_is_believed() {
    let world = World::new();
    let stored = world.put(b"abc").await.unwrap();
    assert!(world.attachments.is_whole(stored.hash).unwrap());
    std::fs::write(world.folder.path().join("a").join(stored.hash.to_hex()), b"abd").unwrap();
    assert!(!world.attachments.is_whole(stored.hash).unwrap());
    let said = all(&world.attachments, stored.hash).await.unwrap_err();
    assert!(said.contains("the attachment is damaged"), "{said}");
}
