//! What a cache does of its own accord, chosen by a policy and reproducible by its seed.

/// A cache's own moves, made between any two steps of the program and the devices: evicting dirty lines, refilling
/// clean ones, executing a clean or an invalidate as both, completing maintenance early, letting stores and posted writes
/// through early.
#[derive(Clone, Debug)]
pub enum Adversary {
    /// Never moves: nothing happens that was not asked for. Finds what should have been asked for.
    Lazy,
    /// Refills lines as soon as they are in no cache, and does nothing else. Finds what relies on a line's staying away.
    Hoarding,
    /// Moves everything at every step: all dirty lines are evicted, all clean ones refilled. Finds what relies on
    /// something's staying as it is. What a single move spoils between two others it does not find: it makes those, too.
    Eager,
    /// Makes each move that is possible at a step with a chance of one in eight. Finds what the others find and what a
    /// single move spoils, each with some of its seeds.
    Random(fastrand::Rng),
}

impl Adversary {
    /// The random adversary with this seed.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self::Random(fastrand::Rng::with_seed(seed))
    }

    /// Lazy, hoarding, eager, and `seeds` random ones: what a test runs its scenario under.
    pub fn all(seeds: u64) -> impl Iterator<Item = Self> {
        [Self::Lazy, Self::Hoarding, Self::Eager]
            .into_iter()
            .chain((0..seeds).map(Self::seeded))
    }

    /// Whether it makes the move it could make now.
    pub(crate) fn moves(&mut self) -> bool {
        match self {
            Self::Lazy | Self::Hoarding => false,
            Self::Eager => true,
            Self::Random(rng) => rng.u8(..8) == 0,
        }
    }

    /// Whether it refills lines as soon as they are in no cache.
    pub(crate) const fn hoards(&self) -> bool {
        matches!(self, Self::Hoarding)
    }
}
