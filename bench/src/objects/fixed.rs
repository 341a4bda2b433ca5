//! An allocator of objects of one length, as a peer whose pages are bytes.
#![expect(unsafe_code, reason = "lines are put out of the cache")]

use core::ptr::NonNull;

use anyhow::Result;

use crate::mapping::Mapping;
use crate::peer::{PAGE, Peer, Row, Size};

/// Bytes of the region.
pub const REGION: usize = 256 << 10;

/// An allocator of small objects in one region.
pub trait Objects: Sized {
    /// What the tables say of it.
    const ROW: Row;

    /// A region of [`REGION`] bytes for objects of that many bytes, a power of two and at least 64.
    ///
    /// # Errors
    /// The allocator cannot have such a region.
    fn new(bytes: usize) -> Result<Self>;

    /// Allocates an object of that many bytes, and says where it is in the region.
    fn take(&mut self, bytes: usize) -> Option<u32>;

    /// Frees one.
    fn give(&mut self, offset: u32, bytes: usize);

    /// The region, if there is memory.
    fn memory(&self) -> Option<NonNull<[u8]>>;
}

/// A peer whose blocks are objects of `BYTES`, and whose block numbers are offsets in bytes.
#[derive(Debug)]
pub struct Fixed<O, const BYTES: usize>(O);

impl<O: Objects, const BYTES: usize> Peer for Fixed<O, BYTES> {
    const ROW: Row = O::ROW;

    fn new(_pages: u32, _limits: &[u32]) -> Result<Self> {
        Ok(Self(O::new(BYTES)?))
    }

    #[inline]
    fn take(&mut self, _size: Size) -> Option<u32> {
        self.0.take(BYTES)
    }

    #[inline]
    fn give(&mut self, offset: u32, _size: Size) {
        self.0.give(offset, BYTES);
    }

    fn chill(&self) {
        if let Some(memory) = self.0.memory() {
            put_out(memory);
        }
    }
}

/// Whether this program can put lines out of this processor's caches.
pub const CAN_CHILL: bool = cfg!(target_arch = "x86_64");

/// Puts all lines of that memory out of all caches.
#[cfg(target_arch = "x86_64")]
fn put_out(memory: NonNull<[u8]>) {
    use core::arch::x86_64::{_mm_clflush, _mm_mfence};

    /// No processor's lines are shorter.
    const LINE: usize = 32;
    let start = memory.cast::<u8>();
    for offset in (0..memory.len()).step_by(LINE) {
        // SAFETY: the offset is less than the length.
        let line = unsafe { start.add(offset) };
        // SAFETY: every processor of this architecture has the instruction, and it changes no memory.
        unsafe { _mm_clflush(line.as_ptr()) };
    }
    // SAFETY: as above.
    unsafe { _mm_mfence() };
}

/// There is no such instruction, and nothing is measured cold.
#[cfg(not(target_arch = "x86_64"))]
const fn put_out(_memory: NonNull<[u8]>) {}

/// Memory of one region.
///
/// # Errors
/// The system has none.
pub fn region() -> Result<Mapping> {
    Mapping::new((REGION / PAGE) as u32, 0)
}

/// The pointer to an offset in a region.
///
/// # Panics
/// It lies outside.
#[must_use]
pub fn at(mapping: &Mapping, offset: u32) -> NonNull<u8> {
    assert!((offset as usize) < REGION, "offset {offset}");
    // SAFETY: the mapping is as long as a region.
    unsafe { mapping.start().add(offset as usize) }
}

/// Where in a region a pointer lies.
#[must_use]
pub fn offset(mapping: &Mapping, pointer: NonNull<u8>) -> u32 {
    (pointer.addr().get() - mapping.start().addr().get()) as u32
}
