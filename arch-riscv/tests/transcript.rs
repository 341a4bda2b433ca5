//! Whole transfers, instruction by instruction.
#![expect(
    unsafe_code,
    reason = "the test is the board, the driver and the device"
)]
#![expect(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    reason = "a panic is how a test fails"
)]

use core::{num::NonZeroUsize, ptr::NonNull};

use arch_riscv::{
    SnoopedHarts, ZicbomCaches,
    insn::{
        Executed::{self, CboClean, CboFlush, CboInval, FenceIorwIorw, FenceIrRw, FenceRwOw},
        executed,
    },
    map,
};
use dma_api::{
    Alignment, Bidirectional, BitmapPool, Block, BusMap, CoherentSource, Device, DirectMap,
    DmaAllocator, DmaSync, Error, FromDevice, Geometry, Ledger, Levels, Limits, LineRange, Machine,
    PhysAddr, PhysRange, Refused, Region, Request, Slot, Snooping, ToDevice, UncachedAlias, Window,
};

const BLOCK: usize = 64;
const PHYS: u64 = 0x8000_0000;

#[repr(C, align(4096))]
struct Memory([u8; 4096]);

/// A machine with 4 KiB of memory, all of it in the pool, and an alias of it at the same address.
struct Board<S> {
    sync: S,
    pool: BitmapPool<2>,
    alias: UncachedAlias,
    direct_map: DirectMap<'static>,
    bus: BusMap<'static>,
    ledger: Ledger<[Slot; 4]>,
}

/// Leaks one of each, so that every test has its own.
fn board<S>(sync: S) -> &'static Board<S> {
    let memory = NonNull::from(Box::leak(Box::new(Memory([0; 4096])))).cast::<u8>();
    let phys = PhysAddr::new(PHYS);
    // SAFETY: the memory is leaked, and used through the board alone.
    let region = unsafe { Region::new(memory, phys, 4096) }.unwrap();
    let window = Window::identity(phys, 4096).unwrap();
    let pool = BitmapPool::new();
    // SAFETY: as above.
    unsafe { pool.adopt(memory, phys, 4096, Alignment::new(64).unwrap()) }.unwrap();
    Box::leak(Box::new(Board {
        sync,
        pool,
        // SAFETY: on the host cached and uncached accesses are the same.
        alias: unsafe { UncachedAlias::new(region, memory) },
        direct_map: DirectMap::one(Box::leak(Box::new(region))),
        bus: BusMap::one(Box::leak(Box::new(window))),
        ledger: Ledger::new(),
    }))
}

fn zicbom() -> &'static Board<ZicbomCaches> {
    // SAFETY: the host executes none of it.
    board(unsafe { ZicbomCaches::new(64) }.unwrap())
}

fn snooped() -> &'static Board<SnoopedHarts> {
    // SAFETY: the only device is the test.
    board(unsafe { SnoopedHarts::new() })
}

// SAFETY: all parts are the same at each call, and lie in the one piece of memory.
unsafe impl<S: DmaSync> Machine for Board<S> {
    type Sync = S;
    type Memory = BitmapPool<2>;
    type Coherent = UncachedAlias;

    fn sync(&self) -> &S {
        &self.sync
    }
    fn memory(&self) -> &BitmapPool<2> {
        &self.pool
    }
    fn coherent_source(&self) -> &UncachedAlias {
        &self.alias
    }
    fn direct_map(&self) -> DirectMap<'_> {
        self.direct_map
    }
    fn bus(&self) -> BusMap<'_> {
        self.bus
    }
    fn ledger(&self) -> &Ledger {
        &self.ledger
    }
}

impl<S: DmaSync> Board<S> {
    fn device(&'static self, snooping: Snooping) -> Device<&'static Self> {
        Device::new(self, Limits::UNLIMITED, snooping).unwrap()
    }

    /// Where the CPU sees the byte at a DMA address.
    fn cpu(&self, dma: u64) -> NonNull<u8> {
        let byte = PhysRange::new(PhysAddr::new(dma), 1).unwrap();
        self.direct_map.to_cpu(byte).unwrap().cast()
    }
}

/// The operation on each block from `start` on, then the fence that completes it.
fn blocks(operation: fn(usize) -> Executed, start: usize, count: usize) -> Vec<Executed> {
    let operations = (0..count).map(|index| operation(start + index * BLOCK));
    operations.chain([FenceIorwIorw]).collect()
}

#[test]
fn to_device_cleans_each_block_once_then_fences_and_hand_back_only_fences() {
    let board = zicbom();
    let device = board.device(Snooping::DoesNotSnoop);
    let mut buffer = device.allocate::<ToDevice>(100).unwrap();
    buffer.write(0, b"sector").unwrap();
    assert_eq!(executed(), []);

    let lent = buffer.sync_for_device();
    let start = board.cpu(lent.dma_addr().get()).addr().get();
    assert_eq!(
        executed(),
        [
            CboClean(start),
            CboClean(start + 64),
            FenceIorwIorw, // completes the maintenance
            FenceIorwIorw, // orders the doorbell
        ]
    );

    // SAFETY: there is no device.
    drop(unsafe { lent.sync_for_cpu() });
    assert_eq!(executed(), [FenceIorwIorw]);
}

#[test]
fn from_device_cleans_before_and_invalidates_after() {
    let board = zicbom();
    let device = board.device(Snooping::DoesNotSnoop);

    let lent = device
        .allocate::<FromDevice>(130)
        .unwrap()
        .sync_for_device();
    let start = board.cpu(lent.dma_addr().get()).addr().get();
    let before = [blocks(CboClean, start, 3), vec![FenceIorwIorw]].concat();
    assert_eq!(executed(), before);

    // SAFETY: there is no device.
    drop(unsafe { lent.sync_for_cpu() });
    let after = [vec![FenceIorwIorw], blocks(CboInval, start, 3)].concat();
    assert_eq!(executed(), after);
}

#[test]
fn bidirectional_cleans_before_and_invalidates_after() {
    let board = zicbom();
    let device = board.device(Snooping::DoesNotSnoop);

    let lent = device
        .allocate::<Bidirectional>(64)
        .unwrap()
        .sync_for_device();
    let start = board.cpu(lent.dma_addr().get()).addr().get();
    assert_eq!(executed(), [CboClean(start), FenceIorwIorw, FenceIorwIorw]);

    // SAFETY: there is no device.
    drop(unsafe { lent.sync_for_cpu() });
    assert_eq!(executed(), [FenceIorwIorw, CboInval(start), FenceIorwIorw]);
}

#[test]
fn memory_lent_in_place_has_both_its_end_blocks_maintained() {
    let board = zicbom();
    let device = board.device(Snooping::DoesNotSnoop);
    let start = board.cpu(PHYS + 0x3f);
    let memory = NonNull::slice_from_raw_parts(start, 66);
    let first = start.addr().get() - 0x3f;

    // SAFETY: the memory is the pool's, of which nobody has asked for any.
    let lent = unsafe { device.lend_in_place::<ToDevice>(memory) }.unwrap();
    let before = [blocks(CboClean, first, 3), vec![FenceIorwIorw]].concat();
    assert_eq!(executed(), before);
    assert_eq!(lent.dma_addr().get(), PHYS + 0x3f);

    // SAFETY: as above.
    let refused = unsafe { device.lend_in_place::<FromDevice>(memory) };
    assert_eq!(
        refused.map(|_| ()).unwrap_err(),
        Error::SharedLine {
            cpu: first + 0x3f,
            len: 66,
            granule: 64,
        }
    );
    assert_eq!(executed(), []);
}

#[test]
fn a_split_buffer_is_maintained_in_its_parts() {
    let board = zicbom();
    let device = board.device(Snooping::DoesNotSnoop);
    let (head, tail) = device
        .allocate::<FromDevice>(192)
        .unwrap()
        .split_at(64)
        .unwrap();

    let tail = tail.sync_for_device();
    let start = board.cpu(tail.dma_addr().get()).addr().get();
    let before = [blocks(CboClean, start, 2), vec![FenceIorwIorw]].concat();
    assert_eq!(executed(), before);

    drop((head, tail));
    assert_eq!(executed(), []);
}

#[test]
fn coherent_memory_leaves_the_caches_before_its_alias_is_used() {
    let board = zicbom();
    let device = board.device(Snooping::DoesNotSnoop);

    let private = device.allocate_coherent(70).unwrap();
    let start = board.cpu(PHYS).addr().get();
    assert_eq!(executed(), blocks(CboFlush, start, 2));

    let mut ring = private.publish();
    assert_eq!(executed(), [FenceIorwIorw]);
    ring.write(0, &7_u32).unwrap();
    ring.before_doorbell();
    assert_eq!(executed(), [FenceIorwIorw]);
    ring.after_completion();
    assert_eq!(executed(), [FenceIorwIorw]);
}

/// Hands out the first block of the memory at 0x1000, which the CPU is said to see at 0x1_1000.
struct Block0x1000;

// SAFETY: nothing here or in the test accesses the memory.
unsafe impl DmaAllocator for Block0x1000 {
    fn allocate(&self, _: &Request) -> Result<Block, Error> {
        let start = NonNull::new(core::ptr::without_provenance_mut(0x1_1000)).unwrap();
        let memory = NonNull::slice_from_raw_parts(start, BLOCK);
        // SAFETY: as above.
        unsafe { Block::new(memory, PhysAddr::new(0x1000)) }
    }

    fn free(&self, block: Block) -> Result<(), Refused<Block>> {
        assert_eq!(block.memory().addr().get(), 0x1_1000);
        Ok(())
    }
}

#[test]
fn both_addresses_of_memory_with_an_alias_are_in_the_direct_map() {
    let memory = PhysRange::new(PhysAddr::new(0x1000), 0x1000).unwrap();
    // SAFETY: nothing accesses the memory.
    let alias = unsafe { map::uncached_alias(memory, PhysAddr::new(0x9000), 0x1_0000) }.unwrap();
    // SAFETY: the host executes none of it.
    let sync = unsafe { ZicbomCaches::new(64) }.unwrap();
    let request = Request::anywhere(NonZeroUsize::new(BLOCK).unwrap());

    let block = alias.allocate(&Block0x1000, &sync, &request).unwrap();
    assert_eq!(block.memory().addr().get(), 0x1_9000);
    assert_eq!(executed(), [CboFlush(0x1_1000), FenceIorwIorw]);

    alias.free(&Block0x1000, &sync, block).unwrap();
    assert_eq!(executed(), [FenceIorwIorw]);
}

#[test]
fn a_device_that_snoops_costs_a_zicbom_machine_its_fences_only() {
    let device = zicbom().device(Snooping::Snoops);

    let lent = device
        .allocate::<Bidirectional>(256)
        .unwrap()
        .sync_for_device();
    assert_eq!(executed(), [FenceIorwIorw]);
    // SAFETY: there is no device.
    drop(unsafe { lent.sync_for_cpu() });
    assert_eq!(executed(), [FenceIorwIorw]);
}

#[test]
fn where_everything_snoops_two_weaker_fences_are_all() {
    let device = snooped().device(Snooping::Snoops);

    let lent = device
        .allocate::<Bidirectional>(256)
        .unwrap()
        .sync_for_device();
    assert_eq!(executed(), [FenceRwOw]);
    // SAFETY: there is no device.
    drop(unsafe { lent.sync_for_cpu() });
    assert_eq!(executed(), [FenceIrRw]);

    let ring = device.allocate_coherent(64).unwrap().publish();
    assert_eq!(executed(), [FenceRwOw]);
    ring.after_completion();
    assert_eq!(executed(), [FenceIrRw]);
}

#[test]
fn maintenance_where_everything_snoops_is_no_instruction() {
    // SAFETY: the only device is the test.
    let sync = unsafe { SnoopedHarts::new() };
    let mut memory = [0_u8; 200];
    // SAFETY: the array outlives the range, and no operation is executed on it.
    let range = unsafe { LineRange::new(NonNull::from(&mut memory[..]), PhysAddr::new(0)) };
    let range = range.unwrap();

    sync.clean(range);
    // SAFETY: the array is the test's own.
    unsafe { sync.invalidate(range) };
    sync.clean_and_invalidate(range);
    sync.complete();
    assert_eq!(executed(), []);
    assert_eq!(sync.geometry(), Geometry::new(1, 1).unwrap());
    assert!(!sync.invalidate_may_write_back());
}

#[test]
fn a_second_level_begins_when_the_first_is_complete() {
    // SAFETY: the host executes none of it.
    let inner = unsafe { ZicbomCaches::new(32) }.unwrap();
    // SAFETY: as above.
    let outer = unsafe { ZicbomCaches::new(64) }.unwrap();
    let levels = Levels::new(inner, outer);
    assert_eq!(
        (levels.geometry().line(), levels.geometry().granule()),
        (32, 64)
    );
    let mut memory = Memory([0; 4096]);
    let bytes = NonNull::from(&mut memory.0[..64]);
    let start = bytes.cast::<u8>().addr().get();
    // SAFETY: the array outlives the range.
    let range = unsafe { LineRange::new(bytes, PhysAddr::new(0)) }.unwrap();

    levels.clean(range);
    levels.complete();
    assert_eq!(
        executed(),
        [
            CboClean(start),
            CboClean(start + 32),
            FenceIorwIorw,
            CboClean(start),
            FenceIorwIorw,
            FenceIorwIorw,
        ]
    );
}

#[test]
fn a_block_that_is_refused_is_refused_with_its_size() {
    // SAFETY: no value is made.
    let refused = unsafe { ZicbomCaches::new(48) }.map(|_| ());

    let error = arch_riscv::Error::BlockSize { bytes: 48 };
    assert_eq!(refused, Err(error));
    assert_eq!(error.to_string(), "a cache block does not have 48 bytes");
}

#[test]
fn each_thread_has_its_own_transcript() {
    arch_riscv::insn::fence_rw_ow();
    let other = std::thread::spawn(executed).join().unwrap();
    assert_eq!((other, executed()), (vec![], vec![FenceRwOw]));
}
