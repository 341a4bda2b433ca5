//! What a cache does of its own accord, chosen by a policy and reproducible by its seed.

/// A cache's own moves, made between any two steps of the program and the devices: evicting dirty lines, refilling
/// clean ones, completing maintenance early, letting stores and posted writes through early.
#[derive(Clone, Debug)]
pub enum Adversary {
    /// Never moves: nothing happens that was not asked for. Finds what should have been asked for.
    Lazy,
    /// Moves everything at every step: all dirty lines are evicted, all clean ones refilled. Finds what should have
    /// been prevented.
    Eager,
    /// Moves each line at each step with a chance of one in eight.
    Random(fastrand::Rng),
}

impl Adversary {
    /// The random adversary with this seed.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self::Random(fastrand::Rng::with_seed(seed))
    }

    /// Lazy, eager, and `seeds` random ones: what a test runs its scenario under.
    pub fn all(seeds: u64) -> impl Iterator<Item = Self> {
        [Self::Lazy, Self::Eager]
            .into_iter()
            .chain((0..seeds).map(Self::seeded))
    }

    /// Whether it makes the move it could make now.
    pub(crate) fn moves(&mut self) -> bool {
        match self {
            Self::Lazy => false,
            Self::Eager => true,
            Self::Random(rng) => rng.u8(..8) == 0,
        }
    }
}
