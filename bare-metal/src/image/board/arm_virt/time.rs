//! The generic timer's ticks as time, and back.

/// Microseconds for so many ticks of a counter of that frequency in hertz.
pub(crate) const fn micros(ticks: u64, frequency: u64) -> u64 {
    // The whole seconds apart, so that no product overflows.
    ticks / frequency * 1_000_000 + ticks % frequency * 1_000_000 / frequency
}

/// Ticks of a counter of that frequency in hertz in so many nanoseconds.
pub(crate) const fn ticks(nanos: u32, frequency: u32) -> u64 {
    nanos as u64 * frequency as u64 / 1_000_000_000
}
