//! The node's random numbers: ChaCha20, seeded by the machine's entropy sources (decision D10).

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// Bytes of a seed.
pub const SEED_SIZE: usize = 32;

/// A generator whose output nobody can foresee who does not know its seed.
pub struct Random {
    generator: ChaCha20Rng,
}

impl Random {
    /// Starts from `seed`, which must come from an entropy source.
    pub fn new(seed: [u8; SEED_SIZE]) -> Self {
        Self { generator: ChaCha20Rng::from_seed(seed) }
    }

    /// Starts anew from what it would have said next and `fresh` together: as hard to foresee as
    /// the better of the two.
    pub fn stir(&mut self, mut fresh: [u8; SEED_SIZE]) {
        let mut next = [0; SEED_SIZE];
        self.fill(&mut next);
        fresh.iter_mut().zip(next).for_each(|(byte, random)| *byte ^= random);
        *self = Self::new(fresh);
    }

    /// Fills `buffer` with random bytes.
    pub fn fill(&mut self, buffer: &mut [u8]) {
        self.generator.fill_bytes(buffer);
    }

    /// A random number.
    pub fn next_u64(&mut self) -> u64 {
        self.generator.next_u64()
    }
}
