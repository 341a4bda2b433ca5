//! Every bad input has an error of its own, with the numbers that refused it, and changes nothing.
#![expect(
    unsafe_code,
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    reason = "boards promise that their parts fit; a test states that its device is done, and panics"
)]

use core::{alloc::Layout, cell::RefCell, fmt, mem, num::NonZeroUsize, ptr::NonNull};
use std::alloc::{alloc_zeroed, dealloc};

use dma_api::{
    Alignment, Bidirectional, BitmapPool, Block, BusMap, CpuOwned, Device, DirectMap, Direction,
    DmaAddr, DmaAllocator, DmaMask, DmaRange, DmaSync, Error, FromDevice, Geometry, Ledger,
    LedgerCounts, Limits, LineRange, Machine, NoCoherentMemory, PhysAddr, PhysRange, Refused,
    Region, Request, Slot, Snooping, ToDevice, Window,
};
use sim::{Config, SimMachine};

const KIB: usize = 1024;
const NO_SNOOP: Snooping = Snooping::DoesNotSnoop;

// The simulated machine: 16 KiB of cached memory from 0x1000_0000 on for a device, then 4 KiB of uncached memory.

fn machine() -> SimMachine {
    SimMachine::new(Config::default()).unwrap()
}

fn limits(lowest: u64, highest: u64) -> Limits {
    let (lowest, highest) = (DmaAddr::new(lowest), DmaAddr::new(highest));
    Limits::UNLIMITED.window(lowest, highest).unwrap()
}

/// What is free and what the ledger holds.
fn books(machine: &SimMachine) -> (usize, usize, LedgerCounts) {
    let pool = machine.pool();
    (
        pool.free_bytes(),
        pool.largest_free(),
        machine.ledger().counts(),
    )
}

/// The error of a call that has to be refused, after which the machine must be as it was before.
fn refusal<T: fmt::Debug>(machine: &SimMachine, act: impl FnOnce() -> Result<T, Error>) -> Error {
    let before = books(machine);
    let error = act().unwrap_err();
    assert_eq!(
        books(machine),
        before,
        "{error:?} left something half done behind"
    );
    error
}

// A board of the test's own, for what the simulated machine does not have.

/// Pages that only the board's allocator hands out.
struct Ram {
    start: NonNull<u8>,
    layout: Layout,
}

impl Ram {
    fn new(len: usize) -> Self {
        let layout = Layout::from_size_align(len, 4 * KIB).unwrap();
        // SAFETY: no test asks for no memory.
        let start = NonNull::new(unsafe { alloc_zeroed(layout) }).unwrap();
        Self { start, layout }
    }

    fn at(&self, offset: usize, len: usize) -> NonNull<[u8]> {
        assert!(offset <= self.layout.size() && len <= self.layout.size() - offset);
        // SAFETY: the offset is inside the allocation.
        let start = unsafe { self.start.add(offset) };
        NonNull::slice_from_raw_parts(start, len)
    }
}

impl Drop for Ram {
    fn drop(&mut self) {
        // SAFETY: it was allocated with this layout, and the board is gone.
        unsafe { dealloc(self.start.as_ptr(), self.layout) };
    }
}

/// Caches of 64-byte lines that keep nothing.
struct WriteThrough;

// SAFETY: nothing is cached, so nothing is to be maintained; no device runs.
unsafe impl DmaSync for WriteThrough {
    fn geometry(&self) -> Geometry {
        Geometry::new(64, 64).unwrap()
    }
    fn clean(&self, _: LineRange<'_>) {}
    unsafe fn invalidate(&self, _: LineRange<'_>) {}
    fn clean_and_invalidate(&self, _: LineRange<'_>) {}
    fn complete(&self) {}
    fn before_doorbell(&self, _: NonNull<u8>) {}
    fn after_completion(&self, _: NonNull<u8>) {}
}

struct Board<A> {
    memory: A,
    regions: Vec<Region>,
    windows: Vec<Window>,
    ledger: Ledger<[Slot; 2]>,
    ram: Ram,
}

const BASE: u64 = 0x10_0000;

impl<A> Board<A> {
    /// `len` bytes at physical `BASE`, seen through `windows`: physical and DMA address, and length.
    fn new(len: usize, windows: &[(u64, u64, u64)], memory: impl FnOnce(&Ram) -> A) -> Self {
        let ram = Ram::new(len);
        // SAFETY: the memory is there for as long as the board is.
        let region = unsafe { Region::new(ram.start, PhysAddr::new(BASE), len) }.unwrap();
        let windows = windows
            .iter()
            .map(|(phys, dma, len)| {
                Window::new(PhysAddr::new(*phys), DmaAddr::new(*dma), *len).unwrap()
            })
            .collect();
        Self {
            memory: memory(&ram),
            regions: vec![region],
            windows,
            ledger: Ledger::<[Slot; 2]>::new(),
            ram,
        }
    }
}

/// A board whose pool has all of its memory.
fn board(len: usize, windows: &[(u64, u64, u64)]) -> Board<BitmapPool<8>> {
    Board::new(len, windows, |ram| {
        let pool = BitmapPool::new();
        let unit = Alignment::new(64).unwrap();
        // SAFETY: the board's memory, which nothing else hands out.
        unsafe { pool.adopt(ram.start, PhysAddr::new(BASE), len, unit) }.unwrap();
        pool
    })
}

// SAFETY: the parts were made for one another, and are always the same.
unsafe impl<A: DmaAllocator> Machine for Board<A> {
    type Sync = WriteThrough;
    type Memory = A;
    type Coherent = NoCoherentMemory;

    fn sync(&self) -> &WriteThrough {
        &WriteThrough
    }
    fn memory(&self) -> &A {
        &self.memory
    }
    fn coherent_source(&self) -> &NoCoherentMemory {
        &NoCoherentMemory
    }
    fn direct_map(&self) -> DirectMap<'_> {
        DirectMap::new(&self.regions).unwrap()
    }
    fn bus(&self) -> BusMap<'_> {
        BusMap::new(&self.windows).unwrap()
    }
    fn ledger(&self) -> &Ledger {
        &self.ledger
    }
}

// Lengths.

#[test]
fn a_length_of_zero_is_refused() {
    let machine = machine();
    let device = Device::new(&machine, Limits::UNLIMITED, NO_SNOOP).unwrap();

    let streaming = refusal(&machine, || device.allocate::<ToDevice>(0));
    let coherent = refusal(&machine, || device.allocate_coherent(0));

    assert_eq!(
        (streaming, coherent),
        (Error::ZeroLength, Error::ZeroLength)
    );
}

#[test]
fn a_length_above_the_pool_never_fits() {
    let machine = machine();
    let device = Device::new(&machine, Limits::UNLIMITED, NO_SNOOP).unwrap();

    let streaming = refusal(&machine, || device.allocate::<ToDevice>(16 * KIB + 1));
    let coherent = refusal(&machine, || device.allocate_coherent(4 * KIB + 1));

    let never = |len, capacity| Error::NeverFits { len, capacity };
    assert_eq!(streaming, never(16 * KIB + 64, 16 * KIB));
    assert_eq!(coherent, never(4 * KIB + 64, 4 * KIB));
}

#[test]
fn what_does_not_fit_now_says_so_and_fits_after_a_drop() {
    let machine = machine();
    let device = Device::new(&machine, Limits::UNLIMITED, NO_SNOOP).unwrap();
    let first = device.allocate::<ToDevice>(8 * KIB).unwrap();
    let second = device.allocate::<ToDevice>(4 * KIB).unwrap();
    let third = device.allocate::<ToDevice>(4 * KIB).unwrap();

    let exhausted = |len, largest_free| Error::Exhausted { len, largest_free };
    let none = refusal(&machine, || device.allocate::<FromDevice>(1));
    assert_eq!(none, exhausted(64, 0));

    drop(second);
    let some = refusal(&machine, || device.allocate::<FromDevice>(4 * KIB + 1));
    assert_eq!(some, exhausted(4 * KIB + 64, 4 * KIB));

    drop(first);
    let joined = device.allocate::<FromDevice>(12 * KIB).unwrap();
    assert_eq!(joined.len_bytes(), 12 * KIB);
    drop((joined, third));
    assert_eq!(books(&machine).0, 16 * KIB);
}

#[test]
fn coherent_memory_is_exhausted_and_comes_back_too() {
    let machine = machine();
    let device = Device::new(&machine, Limits::UNLIMITED, NO_SNOOP).unwrap();

    let whole = device.allocate_coherent(4 * KIB).unwrap();
    let exhausted = refusal(&machine, || device.allocate_coherent(1));
    drop(whole);
    let again = device.allocate_coherent(4 * KIB).map(drop);

    let expected = Error::Exhausted {
        len: 64,
        largest_free: 0,
    };
    assert_eq!((exhausted, again), (expected, Ok(())));
}

#[test]
fn a_length_that_cannot_be_rounded_up_overflows() {
    let machine = machine();
    let longest = |multiple| Error::LengthOverflow {
        len: usize::MAX as u64,
        multiple,
    };

    // The granule is 64 bytes, and so is the pool's unit, which is all that matters to a device that snoops.
    for snooping in [NO_SNOOP, Snooping::Snoops] {
        let device = Device::new(&machine, Limits::UNLIMITED, snooping).unwrap();
        let streaming = refusal(&machine, || device.allocate::<ToDevice>(usize::MAX));
        let coherent = refusal(&machine, || device.allocate_coherent(usize::MAX));
        assert_eq!((streaming, coherent), (longest(64), longest(64)));
    }
    let three = NonZeroUsize::new(usize::MAX - 2).unwrap();
    assert_eq!(
        Alignment::new(4).unwrap().round_up(three),
        Err(Error::LengthOverflow {
            len: usize::MAX as u64 - 2,
            multiple: 4
        })
    );
}

#[test]
fn a_segment_longer_than_the_device_accepts_is_refused() {
    let machine = machine();
    let too_long = Error::SegmentTooLong {
        len: 1025,
        max: 1024,
    };

    for limits in [
        Limits::UNLIMITED.max_segment_len(1024).unwrap(),
        Limits::UNLIMITED.boundary(1024).unwrap(),
    ] {
        let device = Device::new(&machine, limits, NO_SNOOP).unwrap();
        let streaming = refusal(&machine, || device.allocate::<ToDevice>(1025));
        let coherent = refusal(&machine, || device.allocate_coherent(1025));
        assert_eq!((streaming, coherent), (too_long, too_long));
        assert_eq!(device.allocate::<ToDevice>(1024).map(drop), Ok(()));
    }
}

// Limits.

#[test]
fn limits_are_powers_of_two_and_not_empty() {
    for value in [0, 3, 65, u64::MAX] {
        let wrong = Error::NotPowerOfTwo { value };
        assert_eq!(Limits::UNLIMITED.alignment(value), Err(wrong));
        assert_eq!(Limits::UNLIMITED.boundary(value), Err(wrong));
        assert_eq!(Alignment::new(value), Err(wrong));
    }
    assert_eq!(Limits::UNLIMITED.max_segment_len(0), Err(Error::ZeroLength));
    assert_eq!(Limits::UNLIMITED.max_segments(0), Err(Error::ZeroLength));
    assert_eq!(DmaMask::bits(65), Err(Error::MaskBits { bits: 65 }));
    let empty = Error::EmptyLimits {
        lowest: 1,
        highest: 0,
    };
    let window = Limits::UNLIMITED.window(DmaAddr::new(1), DmaAddr::new(0));
    assert_eq!(window, Err(empty));
}

#[test]
fn a_mask_below_all_memory_makes_no_device() {
    let machine = machine();
    let masked = |bits| {
        let limits = Limits::new(DmaMask::bits(bits).unwrap());
        Device::new(&machine, limits, NO_SNOOP).map(|device| *device.limits())
    };

    let unreachable = Error::Unreachable {
        lowest: 0,
        highest: 0x0fff_ffff,
    };
    assert_eq!(masked(28), Err(unreachable));
    assert_eq!(
        masked(29).map(|limits| limits.highest().get()),
        Ok(0x1fff_ffff)
    );
}

#[test]
fn limits_above_all_memory_make_no_device_and_narrow_none() {
    let machine = machine();
    let first_behind = 0x1000_0000 + 20 * KIB as u64;
    let above = limits(first_behind, u64::MAX);

    let made = Device::new(&machine, above, NO_SNOOP).map(drop);
    let device = Device::new(&machine, limits(0, first_behind), NO_SNOOP).unwrap();
    let narrowed = device.narrowed(above).map(drop);
    let emptied = device
        .narrowed(limits(first_behind + 1, u64::MAX))
        .map(drop);

    let unreachable = |lowest, highest| Err(Error::Unreachable { lowest, highest });
    assert_eq!(made, unreachable(first_behind, u64::MAX));
    assert_eq!(narrowed, unreachable(first_behind, first_behind));
    let empty = Error::EmptyLimits {
        lowest: first_behind + 1,
        highest: first_behind,
    };
    assert_eq!(emptied, Err(empty));
}

#[test]
fn a_narrowed_device_has_the_narrower_limits() {
    let machine = machine();
    let device = Device::new(&machine, Limits::UNLIMITED, NO_SNOOP).unwrap();
    let page = Limits::UNLIMITED.alignment(4096).unwrap();
    let first = device.allocate::<ToDevice>(64).unwrap();

    let narrowed = device.narrowed(page).unwrap();

    assert_eq!(*narrowed.limits(), page);
    let lent = narrowed.allocate::<ToDevice>(64).unwrap().sync_for_device();
    assert_eq!(lent.dma_addr().get(), 0x1000_1000);
    // SAFETY: no device runs.
    drop((first, unsafe { lent.sync_for_cpu() }));
}

#[test]
fn memory_is_asked_for_inside_the_reachable_part_of_a_window() {
    let machine = machine();
    let upper = limits(0x1000_1000, u64::MAX);
    let device = Device::new(&machine, upper, NO_SNOOP).unwrap();

    let lent = device.allocate::<ToDevice>(64).unwrap().sync_for_device();

    assert_eq!(lent.dma_addr(), upper.lowest());
    // SAFETY: no device runs.
    drop(unsafe { lent.sync_for_cpu() });
}

#[test]
fn a_device_that_is_refused_takes_no_number() {
    let machine = machine();
    let isa = Limits::new(DmaMask::bits(24).unwrap());
    assert!(Device::new(&machine, isa, NO_SNOOP).is_err());

    let device = Device::new(&machine, Limits::UNLIMITED, NO_SNOOP).unwrap();

    assert_eq!(device.id().get(), 1);
}

#[test]
fn the_last_byte_may_lie_on_the_mask_and_not_one_above() {
    // Half of the pool lies below 2^28.
    let config = Config {
        dma: DmaAddr::new(0x0fff_e000),
        ..Config::default()
    };
    let machine = SimMachine::new(config).unwrap();
    let masked = Limits::new(DmaMask::bits(28).unwrap());
    let device = Device::new(&machine, masked, NO_SNOOP).unwrap();

    let above = refusal(&machine, || device.allocate::<ToDevice>(8 * KIB + 1));
    let lent = device
        .allocate::<ToDevice>(8 * KIB)
        .unwrap()
        .sync_for_device();
    let exhausted = refusal(&machine, || device.allocate::<ToDevice>(1));

    let never = Error::NeverFits {
        len: 8 * KIB + 64,
        capacity: 16 * KIB,
    };
    assert_eq!(above, never);
    assert_eq!(lent.segment().last(), masked.highest());
    let expected = Error::Exhausted {
        len: 64,
        largest_free: 8 * KIB,
    };
    assert_eq!(exhausted, expected);
}

#[test]
fn the_coherent_memory_above_the_mask_never_fits() {
    let machine = machine();
    let cached_only = limits(0, 0x1000_0000 + 16 * KIB as u64 - 1);
    let device = Device::new(&machine, cached_only, NO_SNOOP).unwrap();

    let coherent = refusal(&machine, || device.allocate_coherent(100));

    let never = Error::NeverFits {
        len: 128,
        capacity: 4 * KIB,
    };
    assert_eq!(coherent, never);
}

#[test]
fn a_pool_that_lies_wholly_above_the_mask_never_fits_though_the_window_is_reached() {
    let board = board(4 * KIB, &[(0, 0, BASE + 4 * KIB as u64)]);
    let below = Limits::new(DmaMask::bits(20).unwrap());
    let device = Device::new(&board, below, NO_SNOOP).unwrap();

    let never = device.allocate::<ToDevice>(1).map(drop);

    let expected = Error::NeverFits {
        len: 64,
        capacity: 4 * KIB,
    };
    assert_eq!(never, Err(expected));
}

// Tables and ranges.

#[test]
fn tables_that_overlap_or_are_out_of_order_are_refused() {
    let window = |phys, dma, len| Window::new(PhysAddr::new(phys), DmaAddr::new(dma), len).unwrap();
    let bus = |windows: &[Window]| BusMap::new(windows).map(drop);
    let order = |first, second| Err(Error::WindowOrder { first, second });

    assert_eq!(bus(&[]), Err(Error::NoWindows));
    assert_eq!(bus(&[window(0, 0, 9), window(8, 16, 8)]), order(0, 1));
    assert_eq!(bus(&[window(8, 0, 8), window(0, 16, 8)]), order(0, 1));
    let dma_overlap = [window(0, 32, 8), window(8, 0, 8), window(16, 7, 8)];
    assert_eq!(bus(&dma_overlap), order(1, 2));

    let ram = Ram::new(4 * KIB);
    // SAFETY: the memory is there; nothing is accessed.
    let region = |phys, len| unsafe { Region::new(ram.start, PhysAddr::new(phys), len) }.unwrap();
    let direct = |regions: &[Region]| DirectMap::new(regions).map(drop);
    assert_eq!(direct(&[]), Err(Error::NoWindows));
    assert_eq!(direct(&[region(0, 65), region(64, 64)]), order(0, 1));
    assert_eq!(direct(&[region(64, 64), region(0, 64)]), order(0, 1));
}

#[test]
fn ranges_that_wrap_are_refused() {
    let (start, len) = (u64::MAX - 63, 65);
    let (phys, dma) = (PhysAddr::new(start), DmaAddr::new(start));
    let wraps = Error::RangeWraps { start, len };
    let ram = Ram::new(4 * KIB);
    let bytes = ram.at(0, 65);

    assert_eq!(PhysRange::new(phys, len), Err(wraps));
    assert_eq!(DmaRange::new(dma, len), Err(wraps));
    assert_eq!(Window::new(phys, DmaAddr::new(0), len), Err(wraps));
    assert_eq!(Window::new(PhysAddr::new(0), dma, len), Err(wraps));
    assert_eq!(Window::identity(phys, len), Err(wraps));
    // SAFETY: the bytes are there; their physical address is whatever the test says.
    let region = unsafe { Region::new(ram.start, phys, 65) };
    assert_eq!(region.map(drop), Err(wraps));
    // SAFETY: as above.
    let lines = unsafe { LineRange::new(bytes, phys) };
    assert_eq!(lines.map(drop), Err(wraps));
    // SAFETY: as above.
    let block = unsafe { Block::new(bytes, phys) };
    assert_eq!(block.map(drop), Err(wraps));
    assert_eq!(
        DmaRange::new(dma, 64).map(|range| range.last().get()),
        Ok(u64::MAX)
    );
}

// What a machine does not have.

#[test]
fn a_machine_on_which_everything_snoops_has_no_device_that_does_not() {
    let snooped = machine().snooped();

    let refused = Device::new(&snooped, Limits::UNLIMITED, NO_SNOOP).map(drop);
    let first = Device::new(&snooped, Limits::UNLIMITED, Snooping::Snoops).unwrap();

    assert_eq!(refused, Err(Error::EverythingSnoops));
    assert_eq!(first.id().get(), 1);
}

#[test]
fn without_a_source_there_is_coherent_memory_for_those_that_snoop_only() {
    let board = board(4 * KIB, &[(BASE, 0, 4 * KIB as u64)]);
    let coherent = |snooping| {
        let device = Device::new(&board, Limits::UNLIMITED, snooping).unwrap();
        device.allocate_coherent(64).map(drop)
    };

    assert_eq!(coherent(NO_SNOOP), Err(Error::NoCoherentMemory));
    assert_eq!(board.memory.free_bytes(), 4 * KIB);
    assert_eq!(coherent(Snooping::Snoops), Ok(()));
}

// Splitting.

#[test]
fn a_split_is_refused_where_a_part_would_be_empty_or_share_a_granule() {
    let machine = machine();
    let device = Device::new(&machine, Limits::UNLIMITED, NO_SNOOP).unwrap();
    let mut buffer = device.allocate::<Bidirectional>(200).unwrap();
    buffer.as_mut_slice().fill(7);

    for at in [0, 1, 63, 96, 199, 200, 256, usize::MAX] {
        let before = books(&machine);
        let Refused { error, value } = buffer.split_at(at).unwrap_err();
        let expected = Error::SplitPoint {
            at,
            unit: 64,
            len: 200,
        };
        assert_eq!((error, books(&machine)), (expected, before));
        assert_eq!(value.as_slice(), [7; 200]);
        buffer = value;
    }

    let (first, second) = buffer.split_at(192).unwrap();
    assert_eq!((first.len_bytes(), second.len_bytes()), (192, 8));
}

#[test]
fn a_part_is_split_where_the_whole_buffer_could_be() {
    let machine = machine();
    let device = Device::new(&machine, Limits::UNLIMITED, NO_SNOOP).unwrap();
    let buffer = device.allocate::<ToDevice>(256).unwrap();
    let (first, second) = buffer.split_at(128).unwrap();

    for part in [first, second] {
        let Refused { error, value } = part.split_at(32).unwrap_err();
        let expected = Error::SplitPoint {
            at: 32,
            unit: 64,
            len: 128,
        };
        assert_eq!(error, expected);
        assert!(value.split_at(64).is_ok());
    }
}

#[test]
fn a_split_is_refused_below_the_devices_alignment() {
    let machine = machine();
    let aligned = Limits::UNLIMITED.alignment(256).unwrap();
    let device = Device::new(&machine, aligned, NO_SNOOP).unwrap();
    let buffer = device.allocate::<ToDevice>(512).unwrap();

    let Refused { error, value } = buffer.split_at(128).unwrap_err();
    let (first, second) = value.split_at(256).unwrap();

    let expected = Error::SplitPoint {
        at: 128,
        unit: 256,
        len: 512,
    };
    assert_eq!(error, expected);
    assert_eq!((first.len_bytes(), second.len_bytes()), (256, 256));
}

#[test]
fn for_a_device_that_snoops_a_split_has_no_granule() {
    let machine = machine();
    let device = Device::new(&machine, Limits::UNLIMITED, Snooping::Snoops).unwrap();

    let (first, second) = device
        .allocate::<FromDevice>(3)
        .unwrap()
        .split_at(1)
        .unwrap();

    assert_eq!((first.len_bytes(), second.len_bytes()), (1, 2));
}

#[test]
fn a_split_without_a_ledger_slot_gives_the_buffer_back() {
    let machine = machine();
    let device = Device::new(&machine, Limits::UNLIMITED, NO_SNOOP).unwrap();
    let split = || {
        let mut buffer = device.allocate::<FromDevice>(256).unwrap();
        buffer.as_mut_slice().fill(9);
        buffer.split_at(128)
    };
    let mut parts: Vec<_> = (0..32).map(|_| split().unwrap()).collect();

    let Refused { error, value } = split().unwrap_err();

    assert_eq!(error, Error::LedgerFull { slots: 32 });
    assert_eq!(value.as_slice(), [9; 256]);
    assert_eq!(machine.ledger().counts().shared, 32);

    // What is in parts already needs no slot for one more; what is not needs one that is free.
    let (first, second) = parts.pop().unwrap();
    let quarters = first.split_at(64).unwrap();
    let Refused { error, value } = value.split_at(64).unwrap_err();
    assert_eq!(error, Error::LedgerFull { slots: 32 });
    drop((quarters, second));
    let halves = value.split_at(64).unwrap();
    drop((halves, parts));
    assert_eq!(
        books(&machine),
        (16 * KIB, 16 * KIB, LedgerCounts::default())
    );
}

// Accesses.

#[test]
fn a_transfer_longer_than_the_buffer_gives_the_buffer_back() {
    let machine = machine();
    let device = Device::new(&machine, Limits::UNLIMITED, NO_SNOOP).unwrap();

    for written in [101, 128, usize::MAX] {
        let mut buffer = device.allocate::<FromDevice>(100).unwrap();
        buffer.as_mut_slice().fill(3);
        let lent = buffer.sync_for_device();
        // SAFETY: no device runs.
        let Refused { error, value } = unsafe { lent.sync_for_cpu_short(written) }.unwrap_err();

        let overlong = Error::OverlongTransfer {
            written,
            buffer_len: 100,
        };
        assert_eq!(error, overlong);
        assert_eq!(
            (value.as_slice(), value.received()),
            (&[3; 100][..], &[][..])
        );
        drop(value);
        assert_eq!(books(&machine).0, 16 * KIB);
    }
}

fn out(offset: usize, len: usize, buffer_len: usize) -> Error {
    Error::OutOfBounds {
        offset,
        len,
        buffer_len,
    }
}

#[test]
fn a_write_beyond_the_buffer_is_refused_and_writes_nothing() {
    let machine = machine();
    let device = Device::new(&machine, Limits::UNLIMITED, NO_SNOOP).unwrap();
    let mut buffer = device.allocate::<Bidirectional>(100).unwrap();

    for (offset, len) in [
        (97, 4),
        (100, 4),
        (101, 4),
        (usize::MAX, 4),
        (usize::MAX - 3, 4),
    ] {
        let refused = buffer.write(offset, &u32::MAX);
        assert_eq!(refused, Err(out(offset, len, 100)));
    }
    assert_eq!(buffer.write(0, &[1_u8; 101][..]), Err(out(0, 101, 100)));
    assert_eq!(buffer.write(101, &[0_u8; 0]), Err(out(101, 0, 100)));
    assert_eq!(buffer.as_slice(), [0; 100]);

    assert_eq!(buffer.write(96, &u32::MAX), Ok(()));
    assert_eq!(buffer.write(100, &[0_u8; 0]), Ok(()));
    assert_eq!(buffer.as_slice()[96..], [0xff; 4]);
}

/// A buffer of which the device wrote `written` bytes.
fn received<D>(device: &Device<&'_ SimMachine>, len: usize, written: usize) -> usize
where
    D: Direction + dma_api::DeviceWrites,
{
    let lent = device.allocate::<D>(len).unwrap().sync_for_device();
    // SAFETY: no device runs.
    let buffer = unsafe { lent.sync_for_cpu_short(written) }.unwrap();
    buffer.received().len()
}

#[test]
fn a_read_beyond_what_was_received_is_refused() {
    let machine = machine();
    let device = Device::new(&machine, Limits::UNLIMITED, NO_SNOOP).unwrap();
    let lent = device
        .allocate::<FromDevice>(100)
        .unwrap()
        .sync_for_device();
    // SAFETY: no device runs.
    let buffer = unsafe { lent.sync_for_cpu_short(10) }.unwrap();

    for offset in [7, 10, 11, 96, 100, usize::MAX, usize::MAX - 3] {
        assert_eq!(buffer.read::<u32>(offset), Err(out(offset, 4, 10)));
        assert_eq!(buffer.view::<[u8; 4]>(offset), Err(out(offset, 4, 10)));
    }
    assert_eq!(buffer.read::<u32>(6), Ok(0));
    assert_eq!(buffer.view::<[u8; 4]>(6), Ok(&[0; 4]));
    assert_eq!(buffer.read::<[u8; 0]>(10), Ok([]));
    assert_eq!(buffer.read::<[u8; 0]>(11), Err(out(11, 0, 10)));
    assert_eq!(received::<Bidirectional>(&device, 100, 0), 0);
}

#[test]
fn a_view_is_aligned_and_a_read_need_not_be() {
    let machine = machine();
    let device = Device::new(&machine, Limits::UNLIMITED, NO_SNOOP).unwrap();
    let lent = device
        .allocate::<FromDevice>(100)
        .unwrap()
        .sync_for_device();
    // SAFETY: no device runs.
    let buffer: CpuOwned<_, _> = unsafe { lent.sync_for_cpu() };

    let addr = buffer.as_slice().as_ptr().addr() as u64 + 6;
    let misaligned = Error::Misaligned { addr, alignment: 4 };
    assert_eq!(buffer.view::<u32>(6), Err(misaligned));
    assert_eq!(
        (buffer.view::<u32>(8), buffer.read::<u32>(6)),
        (Ok(&0), Ok(0))
    );
}

#[test]
fn coherent_accesses_outside_the_memory_or_misaligned_are_refused() {
    let machine = machine();
    let device = Device::new(&machine, Limits::UNLIMITED, NO_SNOOP).unwrap();
    let mut ring = device.allocate_coherent(100).unwrap().publish();

    for offset in [97, 100, 101, usize::MAX, usize::MAX - 3] {
        assert_eq!(ring.read::<u32>(offset), Err(out(offset, 4, 100)));
        assert_eq!(ring.write(offset, &u32::MAX), Err(out(offset, 4, 100)));
    }
    assert_eq!(
        ring.read::<[u8; 0]>(usize::MAX),
        Err(out(usize::MAX, 0, 100))
    );
    let addr = ring.as_ptr().addr().get() as u64 + 2;
    let misaligned = Error::Misaligned { addr, alignment: 4 };
    assert_eq!(ring.read::<u32>(2), Err(misaligned));
    assert_eq!(ring.write(2, &u32::MAX), Err(misaligned));

    assert_eq!(ring.read::<[u8; 100]>(0), Ok([0; 100]));
    assert_eq!(ring.write(96, &u32::MAX), Ok(()));
    assert_eq!(ring.read::<u32>(96), Ok(u32::MAX));
    // SAFETY: no device runs.
    drop(unsafe { ring.unpublish() });
}

// Memory lent in place.

/// What `lend_in_place` says of `len` bytes at `offset` of the machine's memory.
fn lend<D: Direction, A: DmaAllocator>(
    board: &Board<A>,
    limits: Limits,
    offset: usize,
    len: usize,
) -> Result<DmaRange, Error> {
    let device = Device::new(board, limits, NO_SNOOP)?;
    // SAFETY: the board's memory outlives the handle, and no test hands out the same bytes otherwise.
    let lent = unsafe { device.lend_in_place::<D>(board.ram.at(offset, len)) }?;
    let segment = lent.segment();
    // SAFETY: no device runs.
    drop(unsafe { lent.sync_for_cpu() });
    assert_eq!(board.ledger().counts(), LedgerCounts::default());
    Ok(segment)
}

fn dma_range(start: u64, len: u64) -> DmaRange {
    DmaRange::new(DmaAddr::new(start), len).unwrap()
}

#[test]
fn only_memory_the_device_reads_may_share_its_lines() {
    let board = board(4 * KIB, &[(BASE, 0x8000, 4 * KIB as u64)]);
    let cpu = board.ram.start.addr().get();

    for (offset, len) in [(1, 63), (32, 64), (32, 96), (64, 65), (128, 1)] {
        let shared = Err(Error::SharedLine {
            cpu: cpu + offset,
            len,
            granule: 64,
        });
        let range = Ok(dma_range(0x8000 + offset as u64, len as u64));
        assert_eq!(
            lend::<FromDevice, _>(&board, Limits::UNLIMITED, offset, len),
            shared
        );
        assert_eq!(
            lend::<Bidirectional, _>(&board, Limits::UNLIMITED, offset, len),
            shared
        );
        assert_eq!(
            lend::<ToDevice, _>(&board, Limits::UNLIMITED, offset, len),
            range
        );
    }
    let whole = lend::<FromDevice, _>(&board, Limits::UNLIMITED, 64, 128);
    assert_eq!(whole, Ok(dma_range(0x8040, 128)));
}

#[test]
fn memory_that_is_not_mapped_or_not_on_the_bus_is_not_lent() {
    // The window shows the second of three pages only.
    let board = board(12 * KIB, &[(BASE + 4096, 0x8000, 4096)]);
    let device = Device::new(&board, Limits::UNLIMITED, NO_SNOOP).unwrap();
    let mut elsewhere = [0_u8; 64];
    let first = elsewhere.as_ptr().addr() as u64;
    let unmapped = Error::NotInDirectMap {
        first,
        last: first + 63,
    };
    // SAFETY: the array outlives the call, which hands out no handle.
    let lent = unsafe { device.lend_in_place::<ToDevice>(NonNull::from(&mut elsewhere[..])) };
    assert_eq!(lent.map(drop), Err(unmapped));

    let off_the_bus = |first, last| {
        let (first, last) = (BASE + first, BASE + last);
        Err(Error::NotInWindow { first, last })
    };
    let lend = |offset, len| lend::<ToDevice, _>(&board, Limits::UNLIMITED, offset, len);
    assert_eq!(lend(0, 64), off_the_bus(0, 63));
    assert_eq!(lend(4095, 2), off_the_bus(4095, 4096));
    assert_eq!(lend(8191, 2), off_the_bus(8191, 8192));
    assert_eq!(lend(4096, 4096), Ok(dma_range(0x8000, 4096)));
    assert_eq!(lend(4096, 0), Err(Error::ZeroLength));
}

#[test]
fn memory_is_lent_within_the_devices_limits_only() {
    let board = board(4 * KIB, &[(BASE, 0x8000, 4096)]);
    let lend = |limits, offset, len| lend::<ToDevice, _>(&board, limits, offset, len);
    let unlimited = Limits::UNLIMITED;

    let below = Error::BelowLowest {
        first: 0x803f,
        lowest: 0x8040,
    };
    assert_eq!(lend(limits(0x8040, u64::MAX), 63, 64), Err(below));
    let above = Error::AboveHighest {
        last: 0x8080,
        highest: 0x807f,
    };
    assert_eq!(lend(limits(0, 0x807f), 64, 65), Err(above));
    let misaligned = Error::Misaligned {
        addr: 0x8040,
        alignment: 128,
    };
    assert_eq!(
        lend(unlimited.alignment(128).unwrap(), 64, 64),
        Err(misaligned)
    );
    let crosses = Error::CrossesBoundary {
        first: 0x80ff,
        last: 0x8100,
        boundary: 256,
    };
    assert_eq!(lend(unlimited.boundary(256).unwrap(), 255, 2), Err(crosses));
    let too_long = Error::SegmentTooLong { len: 65, max: 64 };
    assert_eq!(
        lend(unlimited.max_segment_len(64).unwrap(), 0, 65),
        Err(too_long)
    );
}

// Windows.

#[test]
fn alignment_and_boundary_are_the_devices_where_the_bus_has_an_offset() {
    let config = Config {
        dma: DmaAddr::new(0x1000_0f00),
        ..Config::default()
    };
    let machine = SimMachine::new(config).unwrap();
    let segment = |limits| {
        let device = Device::new(&machine, limits, NO_SNOOP).unwrap();
        let lent = device.allocate::<ToDevice>(512).unwrap().sync_for_device();
        let segment = lent.segment();
        // SAFETY: no device runs.
        drop(unsafe { lent.sync_for_cpu() });
        segment
    };

    assert_eq!(segment(Limits::UNLIMITED), dma_range(0x1000_0f00, 512));
    let aligned = Limits::UNLIMITED.alignment(4096).unwrap();
    assert_eq!(segment(aligned), dma_range(0x1000_1000, 512));
    let bounded = Limits::UNLIMITED.boundary(4096).unwrap();
    assert_eq!(segment(bounded), dma_range(0x1000_1000, 512));
}

#[test]
fn an_offset_that_is_no_multiple_of_the_granule_leaves_no_place_rather_than_a_shared_line() {
    let board = board(4 * KIB, &[(BASE, 0x20, 4096)]);
    let device = Device::new(&board, Limits::UNLIMITED, NO_SNOOP).unwrap();

    let never = Error::NeverFits {
        len: 64,
        capacity: 4 * KIB,
    };
    assert_eq!(device.allocate::<FromDevice>(64).map(drop), Err(never));
}

#[test]
fn what_the_first_window_has_no_place_for_comes_through_the_second() {
    let board = board(
        8 * KIB,
        &[(BASE, 0x9000_0000, 4096), (BASE + 4096, 0x1000, 4096)],
    );
    let device = Device::new(&board, Limits::UNLIMITED, NO_SNOOP).unwrap();
    let lend = |device: &Device<_>, len| {
        let buffer = device.allocate::<ToDevice>(len)?;
        Ok(buffer.sync_for_device())
    };

    // A block never lies in both, since it would not be contiguous for the device.
    let never = Error::NeverFits {
        len: 4160,
        capacity: 8 * KIB,
    };
    assert_eq!(lend(&device, 4097).map(drop), Err(never));

    let first = lend(&device, 4096).unwrap();
    let second = lend(&device, 4000).unwrap();
    assert_eq!(first.segment(), dma_range(0x9000_0000, 4096));
    assert_eq!(second.segment(), dma_range(0x1000, 4000));
    let exhausted = Error::Exhausted {
        len: 128,
        largest_free: 64,
    };
    assert_eq!(lend(&device, 100).map(drop), Err(exhausted));

    // SAFETY: no device runs.
    drop(unsafe { first.sync_for_cpu() });
    // SAFETY: as above.
    drop(unsafe { second.sync_for_cpu() });
    let masked = Limits::new(DmaMask::bits(16).unwrap());
    let small = Device::new(&board, masked, NO_SNOOP).unwrap();
    let second = lend(&small, 64).unwrap();
    assert_eq!(second.segment(), dma_range(0x1000, 64));
    // SAFETY: no device runs.
    drop(unsafe { second.sync_for_cpu() });
}

#[test]
fn not_now_in_one_window_says_more_than_never_in_another() {
    let len = 4 * KIB as u64;
    // Memory of the first window, or of the second, and none in the other.
    for windows in [
        [(BASE, 0, len), (BASE + len, len, len)],
        [(BASE - len, 0, len), (BASE, len, len)],
    ] {
        let board = board(4 * KIB, &windows);
        let device = Device::new(&board, Limits::UNLIMITED, NO_SNOOP).unwrap();
        let whole = device.allocate::<ToDevice>(4 * KIB).unwrap();

        let refused = device.allocate::<ToDevice>(1).map(drop);

        let exhausted = Error::Exhausted {
            len: 64,
            largest_free: 0,
        };
        assert_eq!(refused, Err(exhausted));
        drop(whole);
        assert_eq!(device.allocate::<ToDevice>(1).map(drop), Ok(()));
    }
}

// An allocator that breaks its promise.

/// Answers every request with the same bytes, whatever was asked for.
struct Liar {
    memory: NonNull<[u8]>,
    phys: PhysAddr,
    takes_back: bool,
    /// What was given back.
    freed: RefCell<Vec<PhysRange>>,
}

// SAFETY: it deliberately does not keep the promises; no device runs.
unsafe impl DmaAllocator for Liar {
    fn allocate(&self, _: &Request) -> Result<Block, Error> {
        // SAFETY: the board's memory, of which there is one block at a time in these tests.
        unsafe { Block::new(self.memory, self.phys) }
    }

    fn free(&self, block: Block) -> Result<(), Refused<Block>> {
        if !self.takes_back {
            let (phys, len) = (block.phys().start().get(), block.len_bytes());
            return Err(Refused::new(Error::NotAllocated { phys, len }, block));
        }
        self.freed.borrow_mut().push(block.phys());
        Ok(())
    }
}

/// A board whose allocator answers with `len` bytes at `offset`, which it says to lie at `phys`.
fn lying(offset: usize, len: usize, phys: u64) -> Board<Liar> {
    Board::new(16 * KIB, &[(BASE, 0, 16 * KIB as u64)], |ram| Liar {
        memory: ram.at(offset, len),
        phys: PhysAddr::new(phys),
        takes_back: true,
        freed: RefCell::default(),
    })
}

#[test]
fn memory_that_does_not_keep_the_request_is_refused_and_given_back() {
    let unlimited = Limits::UNLIMITED;
    let at = |offset: usize, len| lying(offset, len, BASE + offset as u64);
    let shared = |board: &Board<Liar>| {
        let (cpu, len) = (board.memory.memory.addr().get(), board.memory.memory.len());
        Error::SharedLine {
            cpu,
            len,
            granule: 64,
        }
    };
    let cases: [(Board<Liar>, Limits, Option<Error>); 8] = [
        (at(32, 256), unlimited, None),
        (at(64, 208), unlimited, None),
        (at(64, 128), unlimited, Some(out(0, 256, 128))),
        (
            at(192, 256),
            limits(0, 390),
            Some(Error::AboveHighest {
                last: 391,
                highest: 390,
            }),
        ),
        (
            at(192, 256),
            limits(193, u64::MAX),
            Some(Error::BelowLowest {
                first: 192,
                lowest: 193,
            }),
        ),
        (
            at(192, 256),
            unlimited.alignment(128).unwrap(),
            Some(Error::Misaligned {
                addr: 192,
                alignment: 128,
            }),
        ),
        (
            at(192, 256),
            unlimited.boundary(256).unwrap(),
            Some(Error::CrossesBoundary {
                first: 192,
                last: 391,
                boundary: 256,
            }),
        ),
        (
            lying(0, 256, BASE - 64),
            unlimited,
            Some(Error::NotInWindow {
                first: BASE - 64,
                last: BASE + 135,
            }),
        ),
    ];

    for (board, limits, expected) in cases {
        let expected = expected.unwrap_or_else(|| shared(&board));
        let device = Device::new(&board, limits, NO_SNOOP).unwrap();

        let refused = device.allocate::<FromDevice>(200).map(drop);

        assert_eq!(refused, Err(expected));
        let block = PhysRange::new(board.memory.phys, board.memory.memory.len() as u64).unwrap();
        assert_eq!(*board.memory.freed.borrow(), [block]);
        assert_eq!(board.ledger().counts(), LedgerCounts::default());
    }
}

#[test]
fn a_block_that_is_refused_by_both_sides_is_counted() {
    let mut board = lying(32, 256, BASE + 32);
    board.memory.takes_back = false;
    let device = Device::new(&board, Limits::UNLIMITED, NO_SNOOP).unwrap();

    let refused = device.allocate::<FromDevice>(200).map(drop);

    assert!(matches!(refused, Err(Error::SharedLine { .. })));
    assert_eq!(board.ledger().counts().refused, 1);
}

#[test]
fn memory_that_keeps_the_request_is_taken_from_the_same_allocator() {
    let board = lying(192, 256, BASE + 192);
    let device = Device::new(&board, Limits::UNLIMITED, NO_SNOOP).unwrap();

    let lent = device
        .allocate::<FromDevice>(200)
        .unwrap()
        .sync_for_device();

    assert_eq!(lent.segment(), dma_range(192, 200));
    // SAFETY: no device runs.
    drop(unsafe { lent.sync_for_cpu() });
    assert_eq!(board.memory.freed.borrow().len(), 1);
}

// Pools.

#[test]
fn a_pool_adopts_aligned_memory_that_it_can_account_for_once() {
    let ram = Ram::new(8 * KIB);
    let unit = Alignment::new(64).unwrap();
    let adopt = |pool: &BitmapPool<1>, offset, phys, len, unit| {
        let cpu = ram.at(offset, 0).cast();
        // SAFETY: the pools are dropped before the memory, and never allocate.
        unsafe { pool.adopt(cpu, PhysAddr::new(phys), len, unit) }
    };
    let pool = BitmapPool::<1>::new();
    let addr = ram.start.addr().get() as u64 + 32;
    let misaligned = |addr| {
        Err(Error::Misaligned {
            addr,
            alignment: 64,
        })
    };

    assert_eq!(adopt(&pool, 32, 0, 64, unit), misaligned(addr));
    assert_eq!(adopt(&pool, 0, 0x1020, 64, unit), misaligned(0x1020));
    assert_eq!(adopt(&pool, 0, 0, 63, unit), Err(Error::ZeroLength));
    assert_eq!(adopt(&pool, 0, 0, 0, unit), Err(Error::ZeroLength));
    let too_large = Error::PoolTooLarge {
        units: 65,
        capacity: 64,
    };
    assert_eq!(adopt(&pool, 0, 0, 65 * 64, unit), Err(too_large));
    let start = u64::MAX - 63;
    let wraps = Error::RangeWraps { start, len: 128 };
    assert_eq!(adopt(&pool, 0, start, 128, unit), Err(wraps));
    let huge = Alignment::new(1 << 63).unwrap();
    let unaligned = Error::Misaligned {
        addr: ram.start.addr().get() as u64,
        alignment: 1 << 63,
    };
    assert_eq!(adopt(&pool, 0, 0, 64, huge), Err(unaligned));

    // None of that took the pool's place; then it adopts, without what is left over behind the last unit.
    assert_eq!((pool.free_bytes(), pool.largest_free()), (0, 0));
    assert_eq!(adopt(&pool, 0, start - 64, 128 + 63, unit), Ok(()));
    assert_eq!((pool.free_bytes(), pool.largest_free()), (128, 128));
    assert_eq!(adopt(&pool, 0, 0, 64, unit), Err(Error::PoolInUse));
    assert_eq!(pool.free_bytes(), 128);
}

#[test]
fn a_pool_without_memory_never_fits_anything() {
    let pool = BitmapPool::<1>::new();

    let request = Request::anywhere(NonZeroUsize::MIN);
    let refused = pool.allocate(&request).map(mem::forget);

    let never = Error::NeverFits {
        len: 1,
        capacity: 0,
    };
    assert_eq!(refused, Err(never));
}

// Text.

#[test]
fn every_text_contains_its_numbers() {
    let cases: [(Error, &[&str]); 29] = [
        (
            Error::RangeWraps {
                start: 0x1234,
                len: 77,
            },
            &["0x1234", "77"],
        ),
        (
            Error::LengthOverflow {
                len: 1234,
                multiple: 64,
            },
            &["1234", "64"],
        ),
        (Error::NotPowerOfTwo { value: 65 }, &["65"]),
        (Error::MaskBits { bits: 65 }, &["65"]),
        (
            Error::EmptyLimits {
                lowest: 0x20,
                highest: 0x1f,
            },
            &["0x20", "0x1f"],
        ),
        (
            Error::GranuleBelowLine {
                line: 64,
                granule: 32,
            },
            &["64", "32"],
        ),
        (
            Error::WindowOrder {
                first: 3,
                second: 5,
            },
            &["3", "5"],
        ),
        (
            Error::NotInWindow {
                first: 0x20,
                last: 0x3f,
            },
            &["0x20", "0x3f"],
        ),
        (
            Error::NotInDirectMap {
                first: 0x20,
                last: 0x3f,
            },
            &["0x20", "0x3f"],
        ),
        (
            Error::Unreachable {
                lowest: 0x20,
                highest: 0x3f,
            },
            &["0x20", "0x3f"],
        ),
        (
            Error::BelowLowest {
                first: 0x20,
                lowest: 0x3f,
            },
            &["0x20", "0x3f"],
        ),
        (
            Error::AboveHighest {
                last: 0x40,
                highest: 0x3f,
            },
            &["0x40", "0x3f"],
        ),
        (
            Error::Misaligned {
                addr: 0x44,
                alignment: 16,
            },
            &["0x44", "16"],
        ),
        (
            Error::CrossesBoundary {
                first: 0xff,
                last: 0x101,
                boundary: 0x80,
            },
            &["0xff", "0x101", "0x80"],
        ),
        (Error::SegmentTooLong { len: 77, max: 66 }, &["77", "66"]),
        (
            Error::TooManySegments {
                segments: 77,
                max: 66,
            },
            &["77", "66"],
        ),
        (
            Error::NeverFits {
                len: 77,
                capacity: 66,
            },
            &["77", "66"],
        ),
        (
            Error::Exhausted {
                len: 77,
                largest_free: 66,
            },
            &["77", "66"],
        ),
        (
            Error::PoolTooLarge {
                units: 77,
                capacity: 66,
            },
            &["77", "66"],
        ),
        (
            Error::ForeignBlock {
                phys: 0x1234,
                len: 66,
            },
            &["0x1234", "66"],
        ),
        (
            Error::NotAllocated {
                phys: 0x1234,
                len: 66,
            },
            &["0x1234", "66"],
        ),
        (out(11, 22, 33), &["11", "22", "33"]),
        (
            Error::OverlongTransfer {
                written: 77,
                buffer_len: 66,
            },
            &["77", "66"],
        ),
        (
            Error::SplitPoint {
                at: 11,
                unit: 22,
                len: 33,
            },
            &["11", "22", "33"],
        ),
        (
            Error::SharedLine {
                cpu: 0x1234,
                len: 22,
                granule: 33,
            },
            &["0x1234", "22", "33"],
        ),
        (
            Error::GranuleAboveAssumed {
                granule: 128,
                assumed: 64,
            },
            &["128", "64"],
        ),
        (Error::LedgerFull { slots: 77 }, &["77"]),
        (Error::TooManyDevices { devices: 77 }, &["77"]),
        (Error::ZeroLength, &["zero"]),
    ];

    for (error, numbers) in cases {
        let text = error.to_string();
        for number in numbers {
            assert!(text.contains(number), "{text:?} does not contain {number}");
        }
        assert!(
            !text.ends_with('.') && !text.starts_with(char::is_uppercase),
            "{text:?}"
        );
        assert_eq!(Refused::new(error, ()).to_string(), text);
    }
}
