//! Random bytes that are not random: SplitMix64 from a seed.

use std::sync::{Mutex, PoisonError};

use crate::system::Entropy;

/// The same bytes for the same seed.
#[derive(Debug)]
pub struct SimEntropy {
    state: Mutex<u64>,
}

impl SimEntropy {
    /// Bytes made of this seed.
    pub const fn new(seed: u64) -> Self {
        Self { state: Mutex::new(seed) }
    }
    /// The next number.
    pub fn number(&self) -> u64 {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    /// A number below `end`, which is not zero.
    pub fn below(&self, end: u64) -> u64 {
        self.number() % end.max(1)
    }
}

impl Entropy for SimEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        for piece in bytes.chunks_mut(8) {
            let n = piece.len();
            piece.copy_from_slice(&self.number().to_le_bytes()[..n]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_bytes() {
        let (mut a, mut b) = ([0u8; 13], [0u8; 13]);
        SimEntropy::new(7).fill(&mut a);
        SimEntropy::new(7).fill(&mut b);
        assert_eq!(a, b);
        assert_ne!(a, [0u8; 13]);
    }
}
