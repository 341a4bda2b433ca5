//! A checked machine's allocators: those of the machine inside, and the rules for blocks.
#![expect(unsafe_code, reason = "blocks are passed on")]

use core::panic::Location;

use super::{
    Checked, Sink,
    book::{Found, Tables},
    finding::Finding,
};
use crate::{
    addr::PhysRange,
    error::{Error, Refused},
    limits::Request,
    machine::Machine,
    memory::{Block, DmaAllocator},
    source::CoherentSource,
    sync::DmaSync,
};

// SAFETY: everything is passed on to the allocator of the machine inside.
unsafe impl<M: Machine, const N: usize, S: Sink> DmaAllocator for Checked<M, N, S> {
    #[track_caller]
    fn allocate(&self, request: &Request) -> Result<Block, Error> {
        let caller = Location::caller();
        self.handed_out(self.inside.memory().allocate(request), caller)
    }

    #[track_caller]
    unsafe fn allocate_dirty(&self, request: &Request) -> Result<Block, Error> {
        let caller = Location::caller();
        // SAFETY: the caller's promise.
        let block = unsafe { self.inside.memory().allocate_dirty(request) };
        self.handed_out(block, caller)
    }

    #[track_caller]
    fn free(&self, block: Block) -> Result<(), Refused<Block>> {
        let give_back = |block| self.inside.memory().free(block);
        self.take_back(block, give_back, Location::caller())
    }
}

/// The machine's own maintenance of its coherent memory is not checked: the source inside is given the parts inside.
// SAFETY: everything is passed on to the source of the machine inside.
unsafe impl<M: Machine, const N: usize, S: Sink> CoherentSource for Checked<M, N, S> {
    #[track_caller]
    fn allocate<A: DmaAllocator, C: DmaSync>(
        &self,
        _memory: &A,
        _sync: &C,
        request: &Request,
    ) -> Result<Block, Error> {
        let (caller, inner) = (Location::caller(), &self.inside);
        let source = inner.coherent_source();
        let block = source.allocate(inner.memory(), inner.sync(), request);
        self.handed_out(block, caller)
    }

    #[track_caller]
    fn free<A: DmaAllocator, C: DmaSync>(
        &self,
        _memory: &A,
        _sync: &C,
        block: Block,
    ) -> Result<(), Refused<Block>> {
        let inner = &self.inside;
        let source = inner.coherent_source();
        let give_back = |block| source.free(inner.memory(), inner.sync(), block);
        self.take_back(block, give_back, Location::caller())
    }
}

impl<M: Machine, const N: usize, S: Sink> Checked<M, N, S> {
    fn handed_out(
        &self,
        block: Result<Block, Error>,
        caller: &'static Location<'static>,
    ) -> Result<Block, Error> {
        let block = block?;
        let phys = block.phys();
        self.apply(|tables, found| tables.hand_out(phys, caller, found));
        Ok(block)
    }

    fn take_back(
        &self,
        block: Block,
        give_back: impl FnOnce(Block) -> Result<(), Refused<Block>>,
        caller: &'static Location<'static>,
    ) -> Result<(), Refused<Block>> {
        let phys = block.phys();
        // The book first: as soon as the allocator has the block, somebody else may get it.
        let mut was_there = false;
        self.apply(|tables, found| was_there = tables.take_back(phys, caller, found));

        let outcome = give_back(block);
        self.apply(|tables, found| match &outcome {
            Ok(()) if was_there || tables.lost.blocks > 0 => {}
            Ok(()) => found.add(Finding::FreedUnknown {
                block: phys,
                caller,
            }),
            Err(refused) => {
                let error = refused.error;
                found.add(Finding::FreeRefused {
                    block: phys,
                    error,
                    caller,
                });
                if was_there {
                    tables.follow_block(phys);
                }
            }
        });
        outcome
    }
}

impl<const N: usize> Tables<N> {
    fn hand_out(
        &mut self,
        block: PhysRange,
        caller: &'static Location<'static>,
        found: &mut Found<'_>,
    ) {
        let blocks = self.blocks.iter().flatten().copied();
        let mut owners = blocks.chain(self.all().map(|life| life.phys));
        if let Some(taken) = owners.find(|taken| taken.overlaps(block)) {
            found.add(Finding::HandedOutTwice {
                block,
                taken,
                caller,
            });
        }
        self.follow_block(block);
    }

    /// Forgets a block that is about to go back. Whether it was there.
    fn take_back(
        &mut self,
        block: PhysRange,
        caller: &'static Location<'static>,
        found: &mut Found<'_>,
    ) -> bool {
        for life in self.all().filter(|life| life.phys.overlaps(block)) {
            let (subject, state) = (life.subject(), life.state);
            found.add(Finding::FreedInUse {
                block,
                subject,
                state,
                caller,
            });
        }
        let entry = self.blocks.iter_mut().find(|entry| **entry == Some(block));
        entry.and_then(Option::take).is_some()
    }
}
