//! Random bytes from the kernel, and ids made of them.
//!
//! Ids are UUIDv7 (RFC 9562 §5.7, method 1 of §6.2): within one process each is greater than the
//! one before, also when the wall clock is set back.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use a2n_proto::Timestamp;
use nix::libc;

/// Random bytes.
pub trait Entropy: Send + Sync + fmt::Debug {
    /// Fills `bytes`.
    fn fill(&self, bytes: &mut [u8]);
}

/// The kernel's random bytes.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealEntropy;

impl RealEntropy {
    /// The kernel's random bytes.
    pub const fn new() -> Self {
        Self
    }
}

impl Entropy for RealEntropy {
    fn fill(&self, mut bytes: &mut [u8]) {
        while !bytes.is_empty() {
            #[expect(unsafe_code, reason = "nix has no getrandom")]
            // SAFETY: pointer and length are those of one live, writable slice.
            let got = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
            match usize::try_from(got) {
                Ok(n) => bytes = &mut bytes[n..],
                // Only EINTR is possible here: no flag asks for a pool that may be missing.
                Err(_) => continue,
            }
        }
    }
}

/// Makes ids that sort by creation.
#[derive(Debug, Default)]
pub struct Ids {
    last: Mutex<Last>,
}

#[derive(Debug, Default)]
struct Last {
    unix_ms: u64,
    /// Twelve bits that count within one millisecond.
    count: u16,
}

impl Ids {
    /// The bytes of the next id.
    pub fn next(&self, now: Timestamp, entropy: &dyn Entropy) -> [u8; 16] {
        let mut random = [0u8; 10];
        entropy.fill(&mut random);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let now = u64::try_from(now.as_unix_ms()).unwrap_or(0);
        // A random start in the lower half leaves room to count up within the millisecond.
        let fresh = u16::from_be_bytes([random[8], random[9]]) & 0x07ff;
        if now > last.unix_ms {
            *last = Last { unix_ms: now, count: fresh };
        } else if last.count < 0x0fff {
            last.count += 1;
        } else {
            *last = Last { unix_ms: last.unix_ms + 1, count: fresh };
        }
        let mut id = [0u8; 16];
        id[..6].copy_from_slice(&last.unix_ms.to_be_bytes()[2..]);
        id[6..8].copy_from_slice(&(0x7000 | last.count).to_be_bytes());
        id[8..].copy_from_slice(&random[..8]);
        id[8] = 0x80 | (id[8] & 0x3f);
        id
    }
}

#[cfg(test)]
mod tests {
    use a2n_proto::ExecutionId;

    use super::*;

    #[test]
    fn ids_only_grow_even_when_the_clock_goes_back() {
        let ids = Ids::default();
        let at = |ms| Timestamp::from_unix_ms(ms);
        let mut before = [0u8; 16];
        for n in 0..20_000 {
            let id = ids.next(at(1_700_000_000_000 - n / 7000), &RealEntropy);
            assert!(id > before, "id {n}");
            before = id;
        }
        let text = ExecutionId::from_bytes(before).to_string();
        assert_eq!(&text[14..15], "7", "{text}");
    }

    #[test]
    fn long_pieces_are_filled_to_the_end() {
        let mut bytes = vec![0u8; 100_000];
        RealEntropy.fill(&mut bytes);
        assert!(bytes.chunks(64).all(|c| c.iter().any(|b| *b != 0)));
    }
}
