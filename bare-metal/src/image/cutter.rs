//! Memory cut into buffers with other data between them, which the CPU writes while a device has the buffers.

use core::{hint, mem};

use heapless::Vec;

/// The most that is between buffers: before each of them, and behind the last of an arena.
const BETWEEN: usize = 16;

/// An arena from which buffers are cut in ascending order.
pub(crate) struct Cutter<'a> {
    rest: &'a mut [u8],
    between: Between<'a>,
}

/// What is left between buffers.
#[derive(Default)]
pub(crate) struct Between<'a> {
    places: Vec<&'a mut [u8], BETWEEN>,
    stored: u8,
}

impl<'a> Cutter<'a> {
    /// Cuts from the front of `arena`. What is `between` already stays there.
    pub(crate) fn new(arena: &'a mut [u8], between: Between<'a>) -> Self {
        Self {
            rest: arena,
            between,
        }
    }

    /// The next `len` bytes whose address leaves `remainder` when divided by `modulus`, a power of two; at least one byte
    /// is left before them.
    pub(crate) fn cut(&mut self, modulus: usize, remainder: usize, len: usize) -> &'a mut [u8] {
        let first_possible = self.rest.as_ptr().addr() + 1;
        let skipped = 1 + (remainder.wrapping_sub(first_possible) & (modulus - 1));
        let buffer = mem::take(&mut self.rest);
        let (between, buffer) = buffer.split_at_mut(skipped);
        let (buffer, rest) = buffer.split_at_mut(len);
        self.between.add(between);
        self.rest = rest;
        buffer
    }

    /// What was left between the buffers; a byte behind the last one, and up to the end of a line, is among it.
    pub(crate) fn finish(mut self) -> Between<'a> {
        self.cut(64, 0, 0);
        self.between
    }
}

impl<'a> Between<'a> {
    /// These places.
    pub(crate) fn of(places: impl IntoIterator<Item = &'a mut [u8]>) -> Self {
        let mut between = Self::default();
        places.into_iter().for_each(|place| between.add(place));
        between
    }

    fn add(&mut self, place: &'a mut [u8]) {
        assert!(
            self.places.push(place).is_ok(),
            "there are fewer buffers in a request"
        );
    }

    /// Stores something else everywhere than was stored before.
    pub(crate) fn store(&mut self) {
        self.stored = self.stored.wrapping_add(1);
        for place in &mut self.places {
            // Byte by byte, which the emulator is quick at, and the compiler is not to know that nobody else looks there.
            for byte in place.iter_mut() {
                *hint::black_box(byte) = self.stored;
            }
        }
    }

    /// Whether everything is there that was stored last.
    pub(crate) fn is_as_stored(&mut self) -> bool {
        self.places.iter_mut().all(|place| {
            hint::black_box(&mut **place)
                .iter()
                .all(|byte| *byte == self.stored)
        })
    }
}
