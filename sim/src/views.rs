//! The copies of memory that the parts of the machine see, and every way a byte gets from one to another.
//!
//! | copy | who sees it |
//! |---|---|
//! | `cached` | the CPU: the contents of the cache, and of lines that are in no cache what a load would have fetched |
//! | `filled` | nobody: `cached` as it was when the line last agreed with memory; a line is dirty if they differ |
//! | `memory` | what clean, evict, invalidate and refill exchange with |
//! | `ordered` | devices that do not snoop: `memory` behind the CPU's store and maintenance buffers |
//! | `drained` | devices that snoop, and all devices in uncached memory: `cached` behind the CPU's store buffers |
#![expect(
    unsafe_code,
    reason = "the cache's contents are memory that the program under test accesses"
)]

use std::{
    alloc::{Layout, alloc_zeroed, dealloc},
    ops::Range,
    ptr::{self, NonNull},
};

use dma_api::Geometry;

/// How a device's accesses are routed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// Through the caches, or to memory no cache holds.
    Cached,
    /// Past the caches.
    Memory,
}

/// Maintenance of one range, issued and not yet complete.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Operation {
    Clean,
    Invalidate,
    CleanAndInvalidate,
}

#[derive(Debug)]
pub(crate) struct Views {
    /// Invariant: `len` bytes allocated with `layout`, reached through this pointer and by the program under test.
    cached: NonNull<u8>,
    layout: Layout,
    filled: Vec<u8>,
    memory: Vec<u8>,
    ordered: Vec<u8>,
    drained: Vec<u8>,
    /// For each line that is in no cache, the first byte of the maintenance that discarded it. A store brings it back, and so
    /// does the load that follows the completion of a transfer; other loads are not seen.
    absent: Vec<Option<usize>>,
    posted: Vec<(Route, usize, Vec<u8>)>,
    granule: usize,
    line: usize,
}

impl Views {
    /// Copies of `len` bytes (a multiple of the granule) that agree in nothing: memory is `0xa5`, the cache `0x5a`.
    pub(crate) fn new(len: usize, geometry: Geometry) -> Self {
        let granule = geometry.granule();
        let layout = Layout::from_size_align(len, 4096).expect("a simulated memory is small");
        assert!(
            len > 0 && len.is_multiple_of(granule),
            "whole granules of memory"
        );
        // SAFETY: the layout is not empty.
        let cached = NonNull::new(unsafe { alloc_zeroed(layout) }).expect("the host has memory");
        // SAFETY: the allocation has `len` bytes.
        unsafe { cached.write_bytes(0x5a, len) };
        Self {
            cached,
            layout,
            filled: vec![0x5a; len],
            memory: vec![0xa5; len],
            ordered: vec![0xa5; len],
            drained: vec![0x5a; len],
            absent: vec![None; len / geometry.line()],
            posted: Vec::new(),
            granule,
            line: geometry.line(),
        }
    }

    pub(crate) const fn cpu(&self) -> NonNull<u8> {
        self.cached
    }

    pub(crate) const fn len(&self) -> usize {
        self.layout.size()
    }

    /// Every granule, as a range of offsets.
    pub(crate) fn granules(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let granule = self.granule;
        (0..self.len() / granule).map(move |index| index * granule..(index + 1) * granule)
    }

    pub(crate) fn is_dirty(&self, unit: &Range<usize>) -> bool {
        let start = self.cached.as_ptr().wrapping_add(unit.start);
        // SAFETY: the range is inside the allocation, and the program under test does not run meanwhile.
        let cached = unsafe { std::slice::from_raw_parts(start, unit.len()) };
        cached != &self.filled[unit.clone()]
    }

    /// Executes maintenance of the lines that hold a byte of `bytes`. Returns how many.
    ///
    /// Operations take lines; only the cache's own moves take granules.
    pub(crate) fn maintain(&mut self, operation: Operation, bytes: Range<usize>) -> usize {
        let first = bytes.start / self.line;
        let last = (bytes.end - 1) / self.line;
        for index in first..=last {
            let line = index * self.line..(index + 1) * self.line;
            match operation {
                Operation::Clean => self.write_back(&line),
                Operation::Invalidate => self.fill(&line),
                Operation::CleanAndInvalidate => {
                    self.write_back(&line);
                    self.fill(&line);
                }
            }
            if !matches!(operation, Operation::Clean) {
                self.absent[index] = Some(bytes.start);
            }
        }
        last - first + 1
    }

    /// Writes a line or a granule to memory, all of it, if a store has changed it: clean, or evict.
    pub(crate) fn write_back(&mut self, unit: &Range<usize>) {
        if self.is_dirty(unit) {
            self.copy_cached_to(unit, |views| &mut views.memory);
            self.copy_cached_to(unit, |views| &mut views.filled);
            let lines = self.lines(unit);
            self.absent[lines].fill(None);
        }
    }

    /// Reads a line or a granule from memory, whatever the cache held: invalidate, or refill.
    pub(crate) fn fill(&mut self, unit: &Range<usize>) {
        let bytes = self.memory[unit.clone()].to_vec();
        self.filled[unit.clone()].copy_from_slice(&bytes);
        self.store_to_cached(unit.start, &bytes);
        let lines = self.lines(unit);
        self.absent[lines].fill(None);
    }

    /// Whether the granule could be filled: a line of it is in no cache, and none is dirty.
    pub(crate) fn lacks_lines(&self, granule: &Range<usize>) -> bool {
        self.absent[self.lines(granule)].iter().any(Option::is_some) && !self.is_dirty(granule)
    }

    /// Reads the lines that the CPU is about to miss: those discarded together with the one that holds `offset`.
    pub(crate) fn fill_absent(&mut self, offset: usize) {
        let Some(Some(together)) = self.absent.get(offset / self.line).copied() else {
            return;
        };
        for index in 0..self.absent.len() {
            let line = index * self.line..(index + 1) * self.line;
            // A store has brought a dirty line back already.
            if self.absent[index] == Some(together) && !self.is_dirty(&line) {
                self.fill(&line);
            }
            if self.absent[index] == Some(together) {
                self.absent[index] = None;
            }
        }
    }

    /// The indices of a unit's lines.
    fn lines(&self, unit: &Range<usize>) -> Range<usize> {
        unit.start / self.line..unit.end / self.line
    }

    /// Lets what has reached memory, and what the CPU has stored, reach devices.
    pub(crate) fn order(&mut self, granule: &Range<usize>) {
        let bytes = self.memory[granule.clone()].to_vec();
        self.ordered[granule.clone()].copy_from_slice(&bytes);
        self.copy_cached_to(granule, |views| &mut views.drained);
    }

    /// What a device reads.
    pub(crate) fn device_reads(&self, route: Route, bytes: Range<usize>) -> &[u8] {
        match route {
            Route::Cached => &self.drained[bytes],
            Route::Memory => &self.ordered[bytes],
        }
    }

    /// What a device writes; it is under way until it lands.
    pub(crate) fn device_writes(&mut self, route: Route, offset: usize, bytes: &[u8]) {
        self.posted.push((route, offset, bytes.to_vec()));
    }

    pub(crate) fn has_posted(&self) -> bool {
        !self.posted.is_empty()
    }

    /// Lets the oldest device write reach where it goes.
    pub(crate) fn land_one(&mut self) {
        if self.posted.is_empty() {
            return;
        }
        let (route, offset, bytes) = self.posted.remove(0);
        let range = offset..offset + bytes.len();
        match route {
            Route::Memory => {
                self.memory[range.clone()].copy_from_slice(&bytes);
                self.ordered[range].copy_from_slice(&bytes);
            }
            Route::Cached => {
                for copy in [
                    &mut self.filled,
                    &mut self.memory,
                    &mut self.ordered,
                    &mut self.drained,
                ] {
                    copy[range.clone()].copy_from_slice(&bytes);
                }
                self.store_to_cached(offset, &bytes);
            }
        }
    }

    fn copy_cached_to(&mut self, bytes: &Range<usize>, copy: fn(&mut Self) -> &mut Vec<u8>) {
        let source = self.cached.as_ptr().wrapping_add(bytes.start);
        let target = copy(self)[bytes.clone()].as_mut_ptr();
        // SAFETY: both ranges are inside their allocations, which are different ones.
        unsafe { ptr::copy_nonoverlapping(source, target, bytes.len()) };
    }

    fn store_to_cached(&mut self, offset: usize, bytes: &[u8]) {
        assert!(offset + bytes.len() <= self.len(), "inside the memory");
        let target = self.cached.as_ptr().wrapping_add(offset);
        // SAFETY: the range was just checked, and `bytes` is another allocation.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), target, bytes.len()) };
    }
}

impl Drop for Views {
    fn drop(&mut self) {
        // SAFETY: the allocation was made with this layout and is freed once; the machine that lent it is gone.
        unsafe { dealloc(self.cached.as_ptr(), self.layout) };
    }
}

// SAFETY: the pointer is the views' own; the bytes are shared with a program that every thread may be.
unsafe impl Send for Views {}
