//! Caches that count the lines they maintain, for the report at the end, and leave out what the command line says.
#![expect(unsafe_code, reason = "the promises are those of the caches inside")]

use core::{
    ptr::NonNull,
    sync::atomic::{AtomicUsize, Ordering},
};

use dma_api::{DmaSync, Geometry, LineRange};

use super::{
    board,
    words::{self, Step},
};

/// An architecture's caches, and how many lines of each operation they were given.
#[derive(Debug)]
pub(crate) struct Counted<S> {
    caches: S,
    without: Option<Step>,
    cleaned: AtomicUsize,
    invalidated: AtomicUsize,
    cleaned_invalidated: AtomicUsize,
}

/// Lines that were maintained since boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lines {
    pub(crate) cleaned: usize,
    pub(crate) invalidated: usize,
    pub(crate) cleaned_invalidated: usize,
}

impl Lines {
    /// All of them.
    pub(crate) const fn total(self) -> usize {
        self.cleaned + self.invalidated + self.cleaned_invalidated
    }
}

impl<S: DmaSync> Counted<S> {
    /// Counts for `caches`, from 0 on. What `without=` names is neither executed nor counted.
    pub(crate) fn new(caches: S) -> Self {
        Self {
            caches,
            without: words::without(board::command_line()).expect("the words were checked"),
            cleaned: AtomicUsize::new(0),
            invalidated: AtomicUsize::new(0),
            cleaned_invalidated: AtomicUsize::new(0),
        }
    }

    /// The counts now.
    pub(crate) fn lines(&self) -> Lines {
        Lines {
            cleaned: self.cleaned.load(Ordering::Relaxed),
            invalidated: self.invalidated.load(Ordering::Relaxed),
            cleaned_invalidated: self.cleaned_invalidated.load(Ordering::Relaxed),
        }
    }

    fn executes(&self, operation: Step) -> bool {
        self.without != Some(operation)
    }

    fn count(&self, counter: &AtomicUsize, range: &LineRange<'_>) {
        let lines = range.pointers(self.caches.geometry()).count();
        counter.fetch_add(lines, Ordering::Relaxed);
    }
}

// SAFETY: every method is that of the caches inside, which keep the promises; counting touches no buffer. With
// `without=` they are broken on purpose, in an emulator, to see that data are lost.
unsafe impl<S: DmaSync> DmaSync for Counted<S> {
    fn geometry(&self) -> Geometry {
        self.caches.geometry()
    }

    fn fills_speculatively(&self) -> bool {
        self.caches.fills_speculatively()
    }

    fn invalidate_may_write_back(&self) -> bool {
        self.caches.invalidate_may_write_back()
    }

    fn clean(&self, range: LineRange<'_>) {
        if self.executes(Step::Clean) {
            self.count(&self.cleaned, &range);
            self.caches.clean(range);
        }
    }

    unsafe fn invalidate(&self, range: LineRange<'_>) {
        if self.executes(Step::Invalidate) {
            self.count(&self.invalidated, &range);
            // SAFETY: passed on to the caller.
            unsafe { self.caches.invalidate(range) };
        }
    }

    fn clean_and_invalidate(&self, range: LineRange<'_>) {
        if self.executes(Step::CleanAndInvalidate) {
            self.count(&self.cleaned_invalidated, &range);
            self.caches.clean_and_invalidate(range);
        }
    }

    fn complete(&self) {
        self.caches.complete();
    }

    fn before_doorbell(&self, memory: NonNull<u8>) {
        self.caches.before_doorbell(memory);
    }

    fn after_completion(&self, memory: NonNull<u8>) {
        self.caches.after_completion(memory);
    }
}
