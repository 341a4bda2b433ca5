//! Three copies of a window, line by line.
#![expect(
    unsafe_code,
    reason = "the copies are memory that Rust knows nothing of"
)]

use core::{array, ops::Range, ptr};

/// Bytes in a line. A write-back writes all of them: it is the granule, too.
const LINE: usize = 64;

/// The words of a line.
const WORDS: usize = LINE / size_of::<usize>();

/// Where the copies of a window are.
#[derive(Debug)]
pub(crate) struct Copies {
    /// Where the image sees the window cached.
    cached: usize,
    /// Invariant: `len` bytes of RAM for devices and the monitor, as are the two others.
    memory: usize,
    cache: usize,
    synced: usize,
    /// Invariant: a multiple of [`LINE`], as are the four addresses.
    len: usize,
    /// Invariant: so many bytes from `memory` on are RAM; at least `len`.
    reach: usize,
}

/// What a cache did to a line unasked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mischief {
    /// Nothing: it is clean and holds what memory holds.
    None,
    /// It was dirty and was written back.
    Evicted,
    /// It was clean and was filled with something else.
    Refilled,
}

impl Copies {
    /// The copies of a window of `len` bytes that the image sees at the virtual address `cached`.
    ///
    /// * `memory`, `cache`, `synced`: the monitor's addresses of the three;
    /// * `reach`: how many bytes from `memory` on the monitor accesses as a device would; at least `len`.
    ///
    /// # Safety
    /// Each is `len` bytes, the first one `reach`, of RAM that the monitor may access, and no object of the program. The
    /// first five numbers are multiples of a line.
    pub(crate) const unsafe fn new(
        cached: usize,
        memory: usize,
        cache: usize,
        synced: usize,
        len: usize,
        reach: usize,
    ) -> Self {
        assert!(len <= reach);
        Self {
            cached,
            memory,
            cache,
            synced,
            len,
            reach,
        }
    }

    /// How many lines the window has.
    pub(super) const fn lines(&self) -> usize {
        self.len / LINE
    }

    /// The line that holds the byte at this virtual address.
    pub(super) fn line_at(&self, address: usize) -> Option<usize> {
        let offset = address.checked_sub(self.cached)?;
        (offset < self.len).then_some(offset / LINE)
    }

    /// The lines of `len` bytes from this virtual address on.
    pub(super) fn lines_at(&self, address: usize, len: usize) -> Option<Range<usize>> {
        let last = address.checked_add(len.checked_sub(1)?)?;
        Some(self.line_at(address)?..self.line_at(last)? + 1)
    }

    /// Writes the line to memory if it is dirty: if cache and synced copy differ.
    pub(super) fn write_back(&self, line: usize) {
        let held = self.read(self.cache, line);
        if held != self.read(self.synced, line) {
            self.write(self.memory, line, held);
            self.write(self.synced, line, held);
        }
    }

    /// Drops what the cache holds of the line, and fills it from memory.
    pub(super) fn fill(&self, line: usize) {
        // Read once: a device may be writing to it.
        let found = self.read(self.memory, line);
        self.write(self.cache, line, found);
        self.write(self.synced, line, found);
    }

    /// Writes the line back if it is dirty, and fills it if it is not.
    pub(super) fn disturb(&self, line: usize) -> Mischief {
        let held = self.read(self.cache, line);
        if held != self.read(self.synced, line) {
            self.write(self.memory, line, held);
            self.write(self.synced, line, held);
            return Mischief::Evicted;
        }
        let found = self.read(self.memory, line);
        if found == held {
            return Mischief::None;
        }
        self.write(self.cache, line, found);
        self.write(self.synced, line, found);
        Mischief::Refilled
    }

    /// Makes the line dirty, with this word all over.
    pub(super) fn soil(&self, line: usize, word: usize) {
        self.write(self.cache, line, [word; WORDS]);
        self.write(self.synced, line, [!word; WORDS]);
    }

    /// The first of `len` bytes that a device sees at `address`, if they are there.
    pub(super) fn for_device(&self, address: usize, len: usize) -> Option<*mut u8> {
        let offset = address.checked_sub(self.memory)?;
        let end = offset.checked_add(len)?;
        (end <= self.reach).then(|| ptr::with_exposed_provenance_mut(address))
    }

    /// The first of `len` bytes that the image has at `address`, outside the window, where the monitor has them, too.
    pub(super) fn for_image(&self, address: usize, len: usize) -> Option<*mut u8> {
        let end = address.checked_add(len)?;
        let apart = end <= self.cached || self.cached + self.len <= address;
        apart.then(|| ptr::with_exposed_provenance_mut(address))
    }

    fn read(&self, copy: usize, line: usize) -> [usize; WORDS] {
        let first = self.first_word(copy, line);
        array::from_fn(|index| {
            let word = first.wrapping_add(index);
            // SAFETY: a word of one of the copies, which are memory by `new`'s contract.
            unsafe { word.read_volatile() }
        })
    }

    fn write(&self, copy: usize, line: usize, words: [usize; WORDS]) {
        let first = self.first_word(copy, line);
        for (index, value) in words.into_iter().enumerate() {
            let word = first.wrapping_add(index);
            // SAFETY: as above, and the image does not run meanwhile.
            unsafe { word.write_volatile(value) };
        }
    }

    fn first_word(&self, copy: usize, line: usize) -> *mut usize {
        assert!(line < self.lines(), "line {line} is outside the window");
        ptr::with_exposed_provenance_mut(copy + line * LINE)
    }
}
