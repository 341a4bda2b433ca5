//! Which lines a cache writes back or fills next: those that would hurt most, by chance and by seed.

/// How many lines are remembered.
const RECENT: usize = 64;

/// How far from a line that was maintained the next victim may lie.
const NEAR: u32 = 16;

/// A cache's choices.
///
/// Those made at traps and those made at timer interrupts come from two generators, so that a device that takes its time
/// changes only the latter.
#[derive(Debug)]
pub(super) struct Adversary {
    at_traps: Random,
    at_ticks: Random,
    /// Lines that were maintained last.
    recent: [u32; RECENT],
    oldest: usize,
    /// No line from here on was maintained yet.
    end: u32,
}

/// The moment of a choice.
#[derive(Clone, Copy, Debug)]
pub(super) enum Moment {
    /// The image asked the monitor for something.
    Trap,
    /// It was interrupted.
    Tick,
}

impl Adversary {
    pub(super) const fn new(seed: u64) -> Self {
        Self {
            at_traps: Random(seed),
            at_ticks: Random(!seed),
            recent: [0; RECENT],
            oldest: 0,
            end: 1,
        }
    }

    /// Remembers that a line was maintained.
    pub(super) fn note(&mut self, line: usize) {
        let line = line as u32;
        self.recent[self.oldest] = line;
        self.oldest = (self.oldest + 1) % RECENT;
        self.end = self.end.max(line + 1);
    }

    /// A line out of `lines`: mostly one near those that were maintained last, else any that ever was.
    pub(super) fn victim(&mut self, moment: Moment, lines: usize) -> usize {
        let line = if self.below(moment, 4) == 0 {
            self.below(moment, self.end)
        } else {
            let centre = self.recent[self.below(moment, RECENT as u32) as usize];
            (centre + self.below(moment, 2 * NEAR)).saturating_sub(NEAR)
        };
        (line as usize).min(lines - 1)
    }

    /// A number below `end`, which is not 0.
    pub(super) fn below(&mut self, moment: Moment, end: u32) -> u32 {
        let random = match moment {
            Moment::Trap => &mut self.at_traps,
            Moment::Tick => &mut self.at_ticks,
        };
        random.below(end)
    }
}

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators").
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn below(&mut self, end: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        // The upper half, as a fraction of `end`.
        (((z >> 32) * u64::from(end)) >> 32) as u32
    }
}
