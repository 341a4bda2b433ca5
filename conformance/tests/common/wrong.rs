//! The simulated machine with one part that breaks one promise.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    ptr::NonNull,
};

use dma_api::{
    Alignment, Assembled, Block, BusMap, CoherentSource, DirectMap, DmaAddr, DmaAllocator, DmaSync,
    Error, Geometry, Ledger, LineRange, Machine, Parts, PhysAddr, PhysRange, Refused, Region,
    Request, Slot, Window,
};
use sim::{Config, SimCaches, SimMachine};

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    Nothing,
    /// Every operation writes back and discards, which is right.
    OperationsAreUpgraded,

    CleanDoesNothing,
    CleanDiscards,
    CleanMissesTheLastLine,
    InvalidateDoesNothing,
    InvalidateOnlyCleans,
    InvalidateMissesTheLastLine,
    InvalidateTakesOneLineMore,
    CleanAndInvalidateDoesNothing,
    CleanAndInvalidateOnlyCleans,
    CleanAndInvalidateTakesOneLineMore,
    /// As `cbo_op` in U-Boot's `arch/riscv/lib/cache.c`.
    LoopsRoundTheStartAndKeepTheLength,
    /// As `action_cache_range` in U-Boot's `arch/arm/cpu/armv7m/cache.c`.
    LoopsCountALineInWords,
    LoopsStepByTwoLines,
    NothingIsWaitedFor,
    NoBarrierBeforeTheDoorbell,
    NoBarrierAfterTheCompletion,
    TheGranuleIsUnderstated,
    LinesAreSaidToStayAway,

    BlocksAreHandedOutTwice,
    BlocksAreNotZeroed,
    BlocksBeginBesideAGranule,
    TheLowestAddressIsIgnored,
    TheHighestAddressIsIgnored,
    TheAlignmentIsIgnored,
    TheBoundaryIsIgnored,
    BlocksAreShorterThanTheRequest,
    BlocksAreNeverFree,
    EveryBlockIsTakenBack,
    WhatFitsLaterNeverFits,
    WhatNeverFitsFitsLater,

    TheBusHasAnotherOffset,
    TheDirectMapIsShifted,
    CoherentMemoryIsCached,
    CoherentMemoryIsNotZeroed,
    TheLedgerHasNoSlots,
}

/// A machine with something wrong. Use it by reference.
pub(crate) type WrongMachine<'m> = Assembled<'m, Caches<'m>, Memory<'m>, Source<'m>>;

static NO_SLOTS: Ledger<[Slot; 0]> = Ledger::<[Slot; 0]>::new();

/// `real`, which was made by `config`, with something wrong.
pub(crate) fn machine<'m>(real: &'m SimMachine, config: &Config, wrong: Wrong) -> WrongMachine<'m> {
    let (bus_shift, map_shift) = match wrong {
        Wrong::TheBusHasAnotherOffset => (0x100, 0),
        Wrong::TheDirectMapIsShifted => (0, 0x100),
        _ => (0, 0),
    };
    let window = real.bus().windows()[0];
    let dma = DmaAddr::new(window.dma().start().get() + bus_shift);
    let window = Window::new(config.phys, dma, window.phys().len_bytes()).unwrap();
    let first = PhysRange::new(config.phys, 1).unwrap();
    let cpu = real.direct_map().to_cpu(first).unwrap().cast();
    let phys = PhysAddr::new(config.phys.get() + map_shift);
    // SAFETY: the bytes are mapped while the machine lives; where they are said to be elsewhere, that is what is wrong.
    let region = unsafe { Region::new(cpu, phys, config.cached_len) }.unwrap();
    let parts = Parts {
        sync: Caches {
            real: real.sync(),
            line: config.line,
            granule: config.granule,
            end: config.phys.get() + config.cached_len as u64,
            wrong,
        },
        memory: Memory::new(real.memory(), wrong),
        coherent_source: Source { real, wrong },
        direct_map: DirectMap::one(Box::leak(Box::new(region))),
        bus: BusMap::one(Box::leak(Box::new(window))),
        ledger: match wrong {
            Wrong::TheLedgerHasNoSlots => &NO_SLOTS,
            _ => real.ledger(),
        },
    };
    // SAFETY: deliberately untrue in one way; the memory is a simulation's.
    unsafe { Assembled::new(parts) }
}

/// The simulated caches, with something wrong.
#[derive(Debug)]
pub(crate) struct Caches<'m> {
    real: &'m SimCaches,
    line: usize,
    granule: usize,
    /// Physical address behind the last byte of cached memory.
    end: u64,
    wrong: Wrong,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    Clean,
    Invalidate,
    Both,
}

impl Caches<'_> {
    fn execute(&self, operation: Operation, range: LineRange<'_>) {
        match operation {
            Operation::Clean => self.real.clean(range),
            // SAFETY: the memory is a simulation's.
            Operation::Invalidate => unsafe { self.real.invalidate(range) },
            Operation::Both => self.real.clean_and_invalidate(range),
        }
    }

    /// Executes the operation on bytes that are given by their distance from the range's start.
    fn execute_at(&self, operation: Operation, range: LineRange<'_>, offset: isize, len: usize) {
        let first = range
            .phys()
            .start()
            .get()
            .wrapping_add_signed(offset as i64);
        if len == 0 || first + len as u64 > self.end {
            return;
        }
        let start = NonNull::new(range.start().as_ptr().wrapping_offset(offset)).unwrap();
        let bytes = NonNull::slice_from_raw_parts(start, len);
        // SAFETY: the bytes are those of the simulation, at the address that the simulation has them at.
        let part = unsafe { LineRange::new(bytes, PhysAddr::new(first)) }.unwrap();
        self.execute(operation, part);
    }

    fn wrongly(&self, operation: Operation, range: LineRange<'_>) {
        use Operation::{Both, Clean, Invalidate};
        use Wrong::*;

        let (line, len) = (self.line, range.len_bytes());
        let before = range.start().addr().get() % line;
        let lines = (before + len).div_ceil(line);
        match (self.wrong, operation) {
            (CleanDoesNothing, Clean)
            | (InvalidateDoesNothing, Invalidate)
            | (CleanAndInvalidateDoesNothing, Both) => {}
            (OperationsAreUpgraded, _) => self.execute(Both, range),
            (CleanDiscards, Clean) => self.execute(Invalidate, range),
            (InvalidateOnlyCleans, Invalidate) | (CleanAndInvalidateOnlyCleans, Both) => {
                self.execute(Clean, range);
            }
            (CleanMissesTheLastLine, Clean) | (InvalidateMissesTheLastLine, Invalidate) => {
                let most = ((lines - 1) * line).saturating_sub(before);
                self.execute_at(operation, range, 0, most);
            }
            (InvalidateTakesOneLineMore, Invalidate)
            | (CleanAndInvalidateTakesOneLineMore, Both) => {
                self.execute(operation, range);
                let behind = lines * line - before;
                self.execute_at(Invalidate, range, behind as isize, 1);
            }
            (LoopsRoundTheStartAndKeepTheLength, _) => {
                for at in (0..len).step_by(line) {
                    self.execute_at(operation, range, at as isize - before as isize, 1);
                }
            }
            (LoopsCountALineInWords, _) => {
                let words = line / 4;
                let mut left = len;
                while left > words {
                    self.execute_at(operation, range, (len - left) as isize, 1);
                    left -= words;
                }
            }
            (LoopsStepByTwoLines, _) => {
                let start = range.start().as_ptr().addr();
                for line in range.pointers(self.geometry()) {
                    self.execute_at(
                        operation,
                        range,
                        line.addr().wrapping_sub(start) as isize,
                        1,
                    );
                }
            }
            _ => self.execute(operation, range),
        }
    }
}

// SAFETY: it deliberately breaks a promise; the memory is a simulation's.
unsafe impl DmaSync for Caches<'_> {
    fn geometry(&self) -> Geometry {
        let (line, granule) = (self.line, self.granule);
        match self.wrong {
            Wrong::TheGranuleIsUnderstated => Geometry::new(line, line),
            Wrong::LoopsStepByTwoLines => Geometry::new(line * 2, granule.max(line * 2)),
            _ => Geometry::new(line, granule),
        }
        .unwrap()
    }
    fn fills_speculatively(&self) -> bool {
        self.wrong != Wrong::LinesAreSaidToStayAway && self.real.fills_speculatively()
    }
    fn invalidate_may_write_back(&self) -> bool {
        true
    }
    fn clean(&self, range: LineRange<'_>) {
        self.wrongly(Operation::Clean, range);
    }
    unsafe fn invalidate(&self, range: LineRange<'_>) {
        self.wrongly(Operation::Invalidate, range);
    }
    fn clean_and_invalidate(&self, range: LineRange<'_>) {
        self.wrongly(Operation::Both, range);
    }
    fn complete(&self) {
        if self.wrong != Wrong::NothingIsWaitedFor {
            self.real.complete();
        }
    }
    fn before_doorbell(&self, memory: NonNull<u8>) {
        if self.wrong != Wrong::NoBarrierBeforeTheDoorbell {
            self.real.before_doorbell(memory);
        }
    }
    fn after_completion(&self, memory: NonNull<u8>) {
        if self.wrong != Wrong::NoBarrierAfterTheCompletion {
            self.real.after_completion(memory);
        }
    }
}

/// The simulated machine's pool, with something wrong.
pub(crate) struct Memory<'m> {
    real: &'m dyn DmaAllocator,
    wrong: Wrong,
    earlier: Cell<Option<(NonNull<[u8]>, PhysAddr)>>,
    /// What the pool handed out for blocks that begin or end elsewhere, by their physical address.
    moved: RefCell<HashMap<u64, Block>>,
}

impl<'m> Memory<'m> {
    pub(crate) fn new(real: &'m dyn DmaAllocator, wrong: Wrong) -> Self {
        Self {
            real,
            wrong,
            earlier: Cell::new(None),
            moved: RefCell::default(),
        }
    }

    /// A part of a block, handed out instead of it.
    fn part(&self, block: Block, offset: usize, len: usize) -> Result<Block, Error> {
        let start = block.memory().cast::<u8>().as_ptr().wrapping_add(offset);
        let memory = NonNull::slice_from_raw_parts(NonNull::new(start).unwrap(), len);
        let phys = PhysAddr::new(block.phys().start().get() + offset as u64);
        self.moved.borrow_mut().insert(phys.get(), block);
        // SAFETY: the bytes are part of a block that is kept from everybody.
        unsafe { Block::new(memory, phys) }
    }
}

// SAFETY: it deliberately breaks a promise; the memory is a simulation's.
unsafe impl DmaAllocator for Memory<'_> {
    fn allocate(&self, request: &Request) -> Result<Block, Error> {
        let len = request.len.get();
        let mut asked = *request;
        match self.wrong {
            Wrong::TheLowestAddressIsIgnored => asked.lowest = PhysAddr::new(0),
            Wrong::TheHighestAddressIsIgnored => asked.highest = PhysAddr::new(u64::MAX),
            Wrong::TheAlignmentIsIgnored => asked.alignment = Alignment::ONE,
            Wrong::TheBoundaryIsIgnored => asked.boundary = None,
            Wrong::BlocksBeginBesideAGranule => {
                asked.len = asked.len.saturating_add(64);
                asked.boundary = None;
            }
            Wrong::BlocksAreHandedOutTwice => {
                if let Some((memory, phys)) = self.earlier.take()
                    && memory.len() >= len
                {
                    // SAFETY: deliberately untrue.
                    return unsafe { Block::new(memory, phys) };
                }
            }
            _ => {}
        }
        let block = match (self.real.allocate(&asked), self.wrong) {
            (Err(Error::Exhausted { len, .. }), Wrong::WhatFitsLaterNeverFits) => {
                return Err(Error::NeverFits { len, capacity: 0 });
            }
            (Err(Error::NeverFits { len, .. }), Wrong::WhatNeverFitsFitsLater) => {
                let largest_free = 0;
                return Err(Error::Exhausted { len, largest_free });
            }
            (other, _) => other?,
        };
        match self.wrong {
            Wrong::BlocksAreHandedOutTwice => {
                self.earlier
                    .set(Some((block.memory(), block.phys().start())));
            }
            Wrong::BlocksAreNotZeroed => soil(&block),
            Wrong::BlocksBeginBesideAGranule => return self.part(block, 8, len),
            Wrong::BlocksAreShorterThanTheRequest if len > 1 => {
                return self.part(block, 0, len / 2);
            }
            _ => {}
        }
        Ok(block)
    }

    fn free(&self, block: Block) -> Result<(), Refused<Block>> {
        let phys = block.phys().start();
        if self.earlier.get().is_some_and(|(_, start)| start == phys) {
            self.earlier.set(None);
        }
        let whole = self.moved.borrow_mut().remove(&phys.get());
        match self.wrong {
            Wrong::BlocksAreNeverFree => Ok(()),
            Wrong::EveryBlockIsTakenBack => self.real.free(block).or(Ok(())),
            _ => self.real.free(whole.unwrap_or(block)),
        }
    }
}

/// The simulated machine's coherent memory, with something wrong.
#[derive(Debug)]
pub(crate) struct Source<'m> {
    real: &'m SimMachine,
    wrong: Wrong,
}

// SAFETY: as above.
unsafe impl CoherentSource for Source<'_> {
    fn allocate<A: DmaAllocator, S: DmaSync>(
        &self,
        memory: &A,
        sync: &S,
        request: &Request,
    ) -> Result<Block, Error> {
        if self.wrong == Wrong::CoherentMemoryIsCached {
            return memory.allocate(request);
        }
        let block = self
            .real
            .coherent_source()
            .allocate(memory, sync, request)?;
        if self.wrong == Wrong::CoherentMemoryIsNotZeroed {
            soil(&block);
        }
        Ok(block)
    }

    fn free<A: DmaAllocator, S: DmaSync>(
        &self,
        memory: &A,
        sync: &S,
        block: Block,
    ) -> Result<(), Refused<Block>> {
        if self.wrong == Wrong::CoherentMemoryIsCached {
            return memory.free(block);
        }
        self.real.coherent_source().free(memory, sync, block)
    }
}

/// Leaves something in a block.
fn soil(block: &Block) {
    let first = block.memory().cast::<u8>();
    // SAFETY: the block is valid for writes over its length, and this allocator's until it is returned.
    unsafe { first.write_bytes(0xa5, block.len_bytes()) };
}
