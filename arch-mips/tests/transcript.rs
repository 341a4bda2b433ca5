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

use core::ptr::NonNull;

use arch_mips::{
    Error, Mips32Caches,
    insn::{
        ConfigRegisters,
        Executed::{self, Config1, Config2, HitInvalidateD, HitWritebackD, HitWritebackInvD, Sync},
        executed, pretend,
    },
    map,
};
use dma_api::{
    Alignment, Bidirectional, BitmapPool, Block, BusMap, CoherentSource, Device, DirectMap,
    DmaAllocator, DmaSync, FromDevice, Geometry, Ledger, Limits, LineRange, Machine, PhysAddr,
    PhysRange, Refused, Region, Request, Slot, Snooping, ToDevice, UncachedAlias, Window,
};

const LINE: usize = 32;
const PHYS: u64 = 0x0100_0000;

#[repr(C, align(4096))]
struct Memory([u8; 4096]);

/// A machine with 4 KiB of memory, all of it in the pool, and an alias of it at the same address.
struct Board {
    sync: Mips32Caches,
    pool: BitmapPool<4>,
    alias: UncachedAlias,
    direct_map: DirectMap<'static>,
    bus: BusMap<'static>,
    ledger: Ledger<[Slot; 4]>,
}

/// Leaks one of each, so that every test has its own.
fn board(sync: Mips32Caches) -> &'static Board {
    let memory = NonNull::from(Box::leak(Box::new(Memory([0; 4096])))).cast::<u8>();
    let phys = PhysAddr::new(PHYS);
    // SAFETY: the memory is leaked, and used through the board alone.
    let region = unsafe { Region::new(memory, phys, 4096) }.unwrap();
    let window = Window::identity(phys, 4096).unwrap();
    let pool = BitmapPool::new();
    // SAFETY: as above.
    unsafe { pool.adopt(memory, phys, 4096, Alignment::new(32).unwrap()) }.unwrap();
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

/// What the pretended 24K says of itself, and nothing more.
fn probed() -> Mips32Caches {
    // SAFETY: the host executes none of it.
    let caches = unsafe { Mips32Caches::probe() }.unwrap();
    assert_eq!(executed(), [Config1, Config2]);
    caches
}

/// A 24K, as one who has read its manual describes it.
fn known() -> Mips32Caches {
    // SAFETY: the host executes none of it.
    let caches = unsafe { probed().with_recommended_operations() };
    // SAFETY: as above.
    unsafe { caches.without_speculation() }
}

// SAFETY: all parts are the same at each call, and lie in the one piece of memory.
unsafe impl Machine for Board {
    type Sync = Mips32Caches;
    type Memory = BitmapPool<4>;
    type Coherent = UncachedAlias;

    fn sync(&self) -> &Mips32Caches {
        &self.sync
    }
    fn memory(&self) -> &BitmapPool<4> {
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

impl Board {
    fn device(&'static self, snooping: Snooping) -> Device<&'static Self> {
        Device::new(self, Limits::UNLIMITED, snooping).unwrap()
    }

    /// Where the CPU sees the byte at a DMA address.
    fn cpu(&self, dma: u64) -> NonNull<u8> {
        let byte = PhysRange::new(PhysAddr::new(dma), 1).unwrap();
        self.direct_map.to_cpu(byte).unwrap().cast()
    }
}

/// The operation on each line from `start` on, then the SYNC that completes it.
fn lines(operation: fn(usize) -> Executed, start: usize, count: usize) -> Vec<Executed> {
    let operations = (0..count).map(|index| operation(start + index * LINE));
    operations.chain([Sync]).collect()
}

#[test]
fn to_device_writes_each_line_back_once_then_syncs_and_hand_back_only_syncs() {
    let board = board(probed());
    let device = board.device(Snooping::DoesNotSnoop);
    let mut buffer = device.allocate::<ToDevice>(40).unwrap();
    buffer.write(0, b"sector").unwrap();
    assert_eq!(executed(), []);

    let lent = buffer.sync_for_device();
    let start = board.cpu(lent.dma_addr().get()).addr().get();
    assert_eq!(
        executed(),
        [
            HitWritebackInvD(start),
            HitWritebackInvD(start + 32),
            Sync, // completes the maintenance
            Sync, // orders the doorbell
        ]
    );

    // SAFETY: there is no device.
    drop(unsafe { lent.sync_for_cpu() });
    assert_eq!(executed(), [Sync]);
}

#[test]
fn from_device_is_maintained_before_and_after() {
    let board = board(probed());
    assert!(board.sync.invalidate_may_write_back() && board.sync.fills_speculatively());
    assert!(board.sync.has_data_cache());
    let device = board.device(Snooping::DoesNotSnoop);

    let lent = device.allocate::<FromDevice>(65).unwrap().sync_for_device();
    let start = board.cpu(lent.dma_addr().get()).addr().get();
    let before = [lines(HitWritebackInvD, start, 3), vec![Sync]].concat();
    assert_eq!(executed(), before);

    // SAFETY: there is no device.
    drop(unsafe { lent.sync_for_cpu() });
    let after = [vec![Sync], lines(HitWritebackInvD, start, 3)].concat();
    assert_eq!(executed(), after);
}

#[test]
fn bidirectional_is_maintained_before_and_after() {
    let board = board(probed());
    let device = board.device(Snooping::DoesNotSnoop);

    let lent = device
        .allocate::<Bidirectional>(32)
        .unwrap()
        .sync_for_device();
    let start = board.cpu(lent.dma_addr().get()).addr().get();
    assert_eq!(executed(), [HitWritebackInvD(start), Sync, Sync]);

    // SAFETY: there is no device.
    drop(unsafe { lent.sync_for_cpu() });
    assert_eq!(executed(), [Sync, HitWritebackInvD(start), Sync]);
}

#[test]
fn a_known_processor_keeps_what_it_cleans_and_does_nothing_afterwards() {
    let board = board(known());
    let device = board.device(Snooping::DoesNotSnoop);

    let to = device.allocate::<ToDevice>(32).unwrap().sync_for_device();
    let start = board.cpu(to.dma_addr().get()).addr().get();
    assert_eq!(executed(), [HitWritebackD(start), Sync, Sync]);

    let from = device.allocate::<FromDevice>(32).unwrap().sync_for_device();
    assert_eq!(executed(), [HitWritebackInvD(start + 32), Sync, Sync]);
    // SAFETY: there is no device.
    drop(unsafe { from.sync_for_cpu() });
    assert_eq!(executed(), [Sync]);
}

#[test]
fn the_recommended_operations_invalidate_without_writing_back() {
    // SAFETY: the host executes none of it.
    let sync = unsafe { probed().with_recommended_operations() };
    let board = board(sync);
    let device = board.device(Snooping::DoesNotSnoop);
    assert!(!sync.invalidate_may_write_back() && sync.fills_speculatively());

    let lent = device
        .allocate::<Bidirectional>(64)
        .unwrap()
        .sync_for_device();
    let start = board.cpu(lent.dma_addr().get()).addr().get();
    let before = [lines(HitWritebackD, start, 2), vec![Sync]].concat();
    assert_eq!(executed(), before);
    // SAFETY: there is no device.
    drop(unsafe { lent.sync_for_cpu() });
    let after = [vec![Sync], lines(HitInvalidateD, start, 2)].concat();
    assert_eq!(executed(), after);
}

#[test]
fn memory_lent_in_place_has_both_its_end_lines_maintained() {
    let board = board(probed());
    let device = board.device(Snooping::DoesNotSnoop);
    let start = board.cpu(PHYS + 0x1f);
    let memory = NonNull::slice_from_raw_parts(start, 34);
    let first = start.addr().get() - 0x1f;

    // SAFETY: the memory is the pool's, of which nobody has asked for any.
    let lent = unsafe { device.lend_in_place::<ToDevice>(memory) }.unwrap();
    let before = [lines(HitWritebackInvD, first, 3), vec![Sync]].concat();
    assert_eq!(executed(), before);
    assert_eq!(lent.dma_addr().get(), PHYS + 0x1f);

    // SAFETY: as above.
    let refused = unsafe { device.lend_in_place::<FromDevice>(memory) };
    assert_eq!(
        refused.map(|_| ()).unwrap_err(),
        dma_api::Error::SharedLine {
            cpu: first + 0x1f,
            len: 34,
            granule: 32,
        }
    );
    assert_eq!(executed(), []);
}

#[test]
fn coherent_memory_leaves_the_cache_before_its_alias_is_used() {
    let board = board(probed());
    let device = board.device(Snooping::DoesNotSnoop);

    let private = device.allocate_coherent(40).unwrap();
    let start = board.cpu(PHYS).addr().get();
    assert_eq!(executed(), lines(HitWritebackInvD, start, 2));

    let mut ring = private.publish();
    assert_eq!(executed(), [Sync]);
    ring.write(0, &7_u32).unwrap();
    ring.before_doorbell();
    assert_eq!(executed(), [Sync]);
    ring.after_completion();
    assert_eq!(executed(), [Sync]);
}

#[test]
fn a_device_that_snoops_costs_its_syncs_only() {
    let device = board(probed()).device(Snooping::Snoops);

    let lent = device
        .allocate::<Bidirectional>(256)
        .unwrap()
        .sync_for_device();
    assert_eq!(executed(), [Sync]);
    // SAFETY: there is no device.
    drop(unsafe { lent.sync_for_cpu() });
    assert_eq!(executed(), [Sync]);
}

/// Hands out the first line of memory at 16 MiB in KSEG0, which the host does not have.
struct Kseg0Line;

// SAFETY: nothing here or in the test accesses the memory.
unsafe impl DmaAllocator for Kseg0Line {
    fn allocate(&self, _: &Request) -> Result<Block, dma_api::Error> {
        let phys = PhysRange::new(PhysAddr::new(PHYS), 32)?;
        let start = map::kseg0(phys).unwrap();
        // SAFETY: as above.
        unsafe { Block::new(NonNull::slice_from_raw_parts(start, 32), phys.start()) }
    }

    fn free(&self, block: Block) -> Result<(), Refused<Block>> {
        assert_eq!(block.memory().addr().get(), map::KSEG0 | 0x0100_0000);
        Ok(())
    }
}

#[test]
fn the_alias_of_kseg0_is_kseg1_and_maintenance_is_by_the_cached_address() {
    let memory = PhysRange::new(PhysAddr::new(PHYS), 4096).unwrap();
    // SAFETY: nothing accesses the memory.
    let alias = unsafe { map::kseg1_alias(memory) }.unwrap();
    let sync = probed();
    let request = Request::anywhere(core::num::NonZeroUsize::new(32).unwrap());

    let block = alias.allocate(&Kseg0Line, &sync, &request).unwrap();
    assert_eq!(block.memory().addr().get(), map::KSEG1 | 0x0100_0000);
    let cached = map::KSEG0 | 0x0100_0000;
    assert_eq!(executed(), [HitWritebackInvD(cached), Sync]);

    alias.free(&Kseg0Line, &sync, block).unwrap();
    assert_eq!(executed(), [Sync]);
}

#[test]
fn config2_is_read_only_if_config1_says_that_it_exists() {
    pretend(ConfigRegisters {
        config1: 0x1ee3_519e,
        config2: u32::MAX,
    });
    // SAFETY: the host executes none of it.
    let caches = unsafe { Mips32Caches::probe() }.unwrap();
    assert_eq!(executed(), [Config1]);
    assert_eq!(caches.geometry(), Geometry::new(32, 32).unwrap());
}

#[test]
fn a_processor_with_an_outer_cache_is_refused() {
    let probe = |config2| {
        pretend(ConfigRegisters {
            config2,
            ..ConfigRegisters::MIPS_24K
        });
        // SAFETY: the host executes none of it.
        unsafe { Mips32Caches::probe() }.map(|_| ())
    };
    let outer = |level, line| Err(Error::OuterCache { level, line });
    assert_eq!(probe(0x8000_0447), outer(2, 32));
    assert_eq!(probe(0x0050_0000), outer(3, 64));
    assert_eq!(probe(0), Ok(()));
}

#[test]
fn without_a_data_cache_only_syncs_remain() {
    pretend(ConfigRegisters {
        config1: 0,
        config2: 0,
    });
    // SAFETY: the host executes none of it.
    let sync = unsafe { Mips32Caches::probe() }.unwrap();
    assert!(!sync.has_data_cache() && !sync.fills_speculatively());
    let _ = executed();
    let device = board(sync).device(Snooping::DoesNotSnoop);
    assert_eq!(device.granule().get(), 1);

    let lent = device.allocate::<FromDevice>(65).unwrap().sync_for_device();
    assert_eq!(executed(), [Sync, Sync]);
    // SAFETY: there is no device.
    drop(unsafe { lent.sync_for_cpu() });
    assert_eq!(executed(), [Sync]);
}

#[test]
fn a_range_at_the_end_of_kseg0_has_its_last_line_maintained() {
    let memory = PhysRange::new(PhysAddr::new(0x1fff_ffc1), 0x3f).unwrap();
    let start = map::kseg0(memory).unwrap();
    let bytes = NonNull::slice_from_raw_parts(start, 0x3f);
    // SAFETY: nothing accesses the memory.
    let range = unsafe { LineRange::new(bytes, memory.start()) }.unwrap();

    probed().clean(range);
    let first = map::KSEG0 | 0x1fff_ffc0;
    assert_eq!(
        executed(),
        [HitWritebackInvD(first), HitWritebackInvD(first + 32)]
    );
}

#[test]
fn every_text_contains_its_numbers() {
    let (level, line) = (2, 32);
    let cases: [(Error, &[&str]); 3] = [
        (
            Error::Reserved {
                field: "Config1.DL",
                value: 7,
            },
            &["Config1.DL", "7"],
        ),
        (Error::OuterCache { level, line }, &["2", "32"]),
        (
            Error::BeyondKseg {
                first: 0x1234,
                last: 0x5678,
            },
            &["0x1234", "0x5678"],
        ),
    ];

    for (error, numbers) in cases {
        let text = error.to_string();
        assert!(numbers.iter().all(|number| text.contains(number)), "{text}");
    }
}

#[test]
fn each_thread_has_its_own_transcript() {
    arch_mips::insn::sync();
    let other = std::thread::spawn(executed).join().unwrap();
    assert_eq!((other, executed()), (vec![], vec![Sync]));
}
