//! Memory as the program under test sees it: real memory of the host, one allocation for each mapping, made to show what
//! loads would give, and looked through for what was stored.
#![expect(
    unsafe_code,
    reason = "the views are memory that the program under test accesses"
)]

use std::{
    alloc::{Layout, alloc_zeroed, dealloc},
    ptr::NonNull,
    slice,
};

use crate::layout::Mapping;

/// One mapping's view of all of memory.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) mapping: Mapping,
    /// Invariant: allocated with `layout`, reached through this pointer and by the program under test.
    start: NonNull<u8>,
    layout: Layout,
    /// What the view showed when the program went on.
    shown: Vec<u8>,
}

/// A run of bytes that the program has stored.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) at: usize,
    pub(crate) bytes: Vec<u8>,
}

impl View {
    /// A view of `len` bytes, at least 1.
    pub(crate) fn new(mapping: Mapping, len: usize) -> Self {
        let layout = Layout::from_size_align(len, 4096).expect("a simulated memory is small");
        assert!(len > 0, "a machine has memory");
        // SAFETY: the layout is not empty.
        let start = NonNull::new(unsafe { alloc_zeroed(layout) }).expect("the host has memory");
        Self {
            mapping,
            start,
            layout,
            shown: vec![0; len],
        }
    }

    pub(crate) const fn start(&self) -> NonNull<u8> {
        self.start
    }

    /// The offset of a pointer into the view.
    pub(crate) fn offset(&self, pointer: NonNull<u8>) -> Option<usize> {
        let offset = pointer.addr().get().checked_sub(self.start.addr().get())?;
        (offset < self.layout.size()).then_some(offset)
    }

    /// What the program has stored since [`show`](Self::show), in pieces that end at multiples of `line`. A store that
    /// changes no byte leaves no trace.
    pub(crate) fn stored(&self, line: usize) -> Vec<Stored> {
        // SAFETY: the invariant of `start`; the program under test does not run meanwhile.
        let now = unsafe { slice::from_raw_parts(self.start.as_ptr(), self.layout.size()) };
        let mut runs: Vec<Stored> = Vec::new();
        if now == self.shown {
            return runs;
        }
        for (at, (new, old)) in now.iter().zip(&self.shown).enumerate() {
            if new == old {
                continue;
            }
            match runs.last_mut() {
                Some(run) if run.at + run.bytes.len() == at && !at.is_multiple_of(line) => {
                    run.bytes.push(*new);
                }
                _ => runs.push(Stored {
                    at,
                    bytes: vec![*new],
                }),
            }
        }
        runs
    }

    /// Makes the view show what `look` writes.
    pub(crate) fn show(&mut self, look: impl FnOnce(&mut [u8])) {
        look(&mut self.shown);
        // SAFETY: the invariant of `start`; both are as long, and they are different allocations.
        unsafe {
            self.start
                .copy_from_nonoverlapping(NonNull::from(&self.shown[..]).cast(), self.shown.len());
        }
    }
}

impl Drop for View {
    fn drop(&mut self) {
        // SAFETY: the allocation was made with this layout and is freed once; the machine that lent it is gone.
        unsafe { dealloc(self.start.as_ptr(), self.layout) };
    }
}

// SAFETY: the pointer is the view's own; the bytes are shared with a program that every thread may be.
unsafe impl Send for View {}
