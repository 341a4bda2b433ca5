//! The simulated caches and barriers, as the library is given them.
#![expect(unsafe_code, reason = "the caches promise what `DmaSync` demands")]

use std::{
    ops::Range,
    ptr::NonNull,
    sync::{Mutex, MutexGuard, PoisonError},
};

use dma_api::{DmaSync, Geometry, LineRange, PhysAddr};

use crate::{
    adversary::Adversary,
    views::{Operation, Route, Views},
};

/// How often each thing happened that the program asked for, whatever the adversary made of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StepCounts {
    /// Lines cleaned.
    pub cleaned: usize,
    /// Lines invalidated.
    pub invalidated: usize,
    /// Lines cleaned and invalidated.
    pub cleaned_and_invalidated: usize,
    /// Completion barriers.
    pub completions: usize,
    /// Barriers before a doorbell.
    pub doorbells: usize,
    /// Barriers after a completion.
    pub hand_backs: usize,
}

/// One level of cache over all of a simulated machine's memory.
#[derive(Debug)]
pub struct SimCaches {
    geometry: Geometry,
    fills: bool,
    phys: PhysAddr,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    views: Views,
    issued: Vec<(Operation, Range<usize>)>,
    adversary: Adversary,
    counts: StepCounts,
}

impl SimCaches {
    pub(crate) fn new(
        geometry: Geometry,
        fills: bool,
        phys: PhysAddr,
        len: usize,
        adversary: Adversary,
    ) -> Self {
        let views = Views::new(len, geometry);
        let counts = StepCounts::default();
        let state = Mutex::new(State {
            views,
            issued: Vec::new(),
            adversary,
            counts,
        });
        Self {
            geometry,
            fills,
            phys,
            state,
        }
    }

    /// How often each thing happened so far.
    #[must_use]
    pub fn counts(&self) -> StepCounts {
        self.lock().counts
    }

    pub(crate) fn cpu(&self) -> NonNull<u8> {
        self.lock().views.cpu()
    }

    /// What a device reads from physical memory at `offset` into it.
    pub(crate) fn device_reads(&self, route: Route, bytes: Range<usize>) -> Vec<u8> {
        let mut state = self.step();
        let read = state.views.device_reads(route, bytes).to_vec();
        self.act(&mut state);
        read
    }

    /// What a device writes, a few bytes at a time.
    pub(crate) fn device_writes(&self, route: Route, offset: usize, bytes: &[u8]) {
        for (index, burst) in bytes.chunks(16).enumerate() {
            let mut state = self.step();
            state.views.device_writes(route, offset + index * 16, burst);
            self.act(&mut state);
        }
    }

    /// Lets all that devices have written land, the oldest first.
    pub(crate) fn device_settles(&self) {
        let mut state = self.step();
        while state.views.has_posted() {
            state.views.land_one();
        }
        self.act(&mut state);
    }

    fn issue(&self, operation: Operation, range: LineRange<'_>) {
        let mut state = self.step();
        let first = range.phys().start();
        let offset = usize::try_from(first.get() - self.phys.get()).expect("in simulated memory");
        let bytes = offset..offset + range.len_bytes();
        assert!(
            bytes.end <= state.views.len(),
            "maintenance outside memory: {range:?}"
        );
        assert_eq!(
            state.views.cpu().as_ptr().wrapping_add(offset),
            range.start().as_ptr(),
            "CPU pointer and physical address name different bytes"
        );
        state.issued.push((operation, bytes));
        self.act(&mut state);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a step of the program or a device; the adversary moves first.
    fn step(&self) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        self.act(&mut state);
        state
    }

    /// Lets the adversary make any of its moves.
    fn act(&self, state: &mut State) {
        let State {
            views,
            issued,
            adversary,
            counts,
        } = state;
        // Of two operations on the same line the earlier comes first, so early completion goes from the front.
        while !issued.is_empty() && adversary.moves() {
            let (operation, bytes) = issued.remove(0);
            execute(views, counts, adversary, operation, bytes);
        }
        while views.has_posted() && adversary.moves() {
            views.land_one();
        }
        for granule in views.granules() {
            if adversary.moves() {
                if views.is_dirty(&granule) {
                    views.write_back(&granule);
                } else if self.fills {
                    views.fill(&granule);
                }
            } else if self.fills && adversary.hoards() && views.lacks_lines(&granule) {
                views.fill(&granule);
            }
            if adversary.moves() {
                views.order(&granule);
            }
        }
    }
}

fn execute(
    views: &mut Views,
    counts: &mut StepCounts,
    adversary: &mut Adversary,
    operation: Operation,
    bytes: Range<usize>,
) {
    let executed = if adversary.moves() {
        Operation::CleanAndInvalidate
    } else {
        operation
    };
    let lines = views.maintain(executed, bytes);
    match operation {
        Operation::Clean => counts.cleaned += lines,
        Operation::Invalidate => counts.invalidated += lines,
        Operation::CleanAndInvalidate => counts.cleaned_and_invalidated += lines,
    }
}

// SAFETY: the operations reach the only cache there is, on every line of the range; what is issued is executed by
// `complete` at the latest; a lock is a compiler barrier.
unsafe impl DmaSync for SimCaches {
    fn geometry(&self) -> Geometry {
        self.geometry
    }

    fn fills_speculatively(&self) -> bool {
        self.fills
    }

    fn invalidate_may_write_back(&self) -> bool {
        true
    }

    fn clean(&self, range: LineRange<'_>) {
        self.issue(Operation::Clean, range);
    }

    unsafe fn invalidate(&self, range: LineRange<'_>) {
        self.issue(Operation::Invalidate, range);
    }

    fn clean_and_invalidate(&self, range: LineRange<'_>) {
        self.issue(Operation::CleanAndInvalidate, range);
    }

    fn complete(&self) {
        let mut state = self.step();
        let State {
            views,
            issued,
            adversary,
            counts,
        } = &mut *state;
        for (operation, bytes) in issued.drain(..) {
            execute(views, counts, adversary, operation, bytes);
        }
        counts.completions += 1;
        self.act(&mut state);
    }

    fn before_doorbell(&self, _memory: NonNull<u8>) {
        let mut state = self.step();
        state
            .views
            .granules()
            .for_each(|granule| state.views.order(&granule));
        state.counts.doorbells += 1;
        self.act(&mut state);
    }

    fn after_completion(&self, memory: NonNull<u8>) {
        let mut state = self.step();
        while state.views.has_posted() {
            state.views.land_one();
        }
        let start = state.views.cpu().addr().get();
        if let Some(offset) = memory.addr().get().checked_sub(start) {
            state.views.fill_absent(offset);
        }
        state.counts.hand_backs += 1;
        self.act(&mut state);
    }
}
