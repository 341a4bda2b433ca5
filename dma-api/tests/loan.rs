//! Memory of others lent to a device, on every simulated machine under every adversary: the device sees the CPU's bytes,
//! the CPU the device's, and no other byte changes, with neighbours stored to during the transfer.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::std_instead_of_core,
    clippy::unwrap_used,
    reason = "a test reports by panicking"
)]
#![expect(unsafe_code, reason = "a test states that its engine is done")]

use core::{num::NonZeroUsize, ptr::NonNull};

use dma_api::{
    Block, BouncePool, Device, DmaAddr, DmaAllocator, FromDevice, Lender, Limits, Machine, Policy,
    Request, SlotWord, Snooping, ToDevice,
};
use sim::{Adversary, DmaEngine, ScatterGather, SimMachine, presets};

type Failure = Box<dyn std::error::Error>;
type Pool<'m> = BouncePool<&'m SimMachine, [SlotWord; 1]>;

const SLOT: usize = 512;

/// What each scenario is given.
struct Bench<'m> {
    machine: &'m SimMachine,
    device: Device<&'m SimMachine>,
    engine: ScatterGather<'m>,
    pool: Pool<'m>,
}

impl<'m> Bench<'m> {
    fn new(machine: &'m SimMachine, limits: Limits, snooping: Snooping) -> Self {
        let device = Device::new(machine, limits, snooping).unwrap();
        let pool = Pool::new(&device, 8 * SLOT, SLOT).unwrap();
        let engine = ScatterGather::new(DmaEngine::new(machine, limits, snooping));
        Self {
            machine,
            device,
            engine,
            pool,
        }
    }

    fn lender(&self) -> Lender<'_, &'m SimMachine> {
        Lender::new(&self.device, &self.pool).unwrap()
    }
}

/// Memory of somebody else's in the simulated machine.
struct Owned<'m> {
    machine: &'m SimMachine,
    block: Option<Block>,
}

impl<'m> Owned<'m> {
    fn new(machine: &'m SimMachine, len: usize) -> Self {
        let request = Request::anywhere(NonZeroUsize::new(len).unwrap());
        let block = Some(machine.memory().allocate(&request).unwrap());
        Self { machine, block }
    }

    fn pointer(&self, at: usize) -> NonNull<u8> {
        let start = self.block.as_ref().unwrap().memory().cast::<u8>();
        // SAFETY: callers stay inside the block.
        unsafe { start.add(at) }
    }

    fn part(&self, at: usize, len: usize) -> NonNull<[u8]> {
        NonNull::slice_from_raw_parts(self.pointer(at), len)
    }

    fn store(&self, at: usize, value: u8) {
        // SAFETY: inside the block, which is the test's.
        unsafe { self.pointer(at).write(value) };
    }

    fn fill(&self, at: usize, bytes: &[u8]) {
        bytes
            .iter()
            .enumerate()
            .for_each(|(i, byte)| self.store(at + i, *byte));
    }

    fn bytes(&self, at: usize, len: usize) -> Vec<u8> {
        // SAFETY: inside the block, which is the test's.
        (at..at + len)
            .map(|i| unsafe { self.pointer(i).read() })
            .collect()
    }
}

impl Drop for Owned<'_> {
    fn drop(&mut self) {
        let block = self.block.take().unwrap();
        self.machine.memory().free(block).unwrap();
    }
}

fn pattern(len: usize, salt: u8) -> Vec<u8> {
    (0..len)
        .map(|i| u8::try_from(i % 251).unwrap() ^ salt)
        .collect()
}

fn same(what: &str, found: &[u8], expected: &[u8]) -> Result<(), Failure> {
    if found == expected {
        return Ok(());
    }
    Err(format!("{what}: {found:02x?} instead of {expected:02x?}").into())
}

fn everywhere(scenario: impl Fn(&Bench<'_>) -> Result<(), Failure>) {
    for config in presets::all() {
        for adversary in Adversary::all(4) {
            let machine = SimMachine::new(config.under(adversary)).unwrap();
            for snooping in [Snooping::Snoops, Snooping::DoesNotSnoop] {
                let bench = Bench::new(&machine, Limits::UNLIMITED, snooping);
                let outcome = scenario(&bench);
                assert!(outcome.is_ok(), "{outcome:?} {snooping:?} on {machine:?}");
                assert_eq!(bench.pool.counts().in_use, 0);
            }
        }
    }
}

/// Starts and lengths around lines, granules and slots.
const PLACES: [(usize, usize); 12] = [
    (0, 128),
    (0, 256),
    (128, 64),
    (0, 1),
    (1, 1),
    (127, 2),
    (1, 127),
    (3, 200),
    (64, 200),
    (5, 507),
    (130, 256),
    (0, 700),
];

#[test]
fn the_device_reads_the_owners_bytes() {
    everywhere(|bench| {
        let owned = Owned::new(bench.machine, 1024);
        for (at, len) in PLACES {
            owned.fill(0, &pattern(1024, 1));
            owned.fill(at, &pattern(len, 2));
            // SAFETY: nobody else uses the memory.
            let loan = unsafe { bench.lender().lend_raw::<ToDevice>(owned.part(at, len)) }?;
            assert_eq!(loan.cost().bytes_copied, 0, "{at} {len}");
            owned.store((at + len) % 1024, 0x77);
            let segments: Vec<_> = loan.segments().collect();
            same("device", &bench.engine.gather(&segments)?, &pattern(len, 2))?;
            // SAFETY: the engine does nothing by itself.
            unsafe { loan.sync_for_cpu() };
            same("owner", &owned.bytes(at, len), &pattern(len, 2))?;
        }
        Ok(())
    });
}

/// What a loan must leave in memory that was `before`, of which the device wrote so many bytes from `at` on.
fn after(before: &[u8], at: usize, written: &[u8]) -> Vec<u8> {
    let mut expected = before.to_vec();
    expected[at..at + written.len()].copy_from_slice(written);
    expected
}

fn receives(bench: &Bench<'_>, at: usize, len: usize, written: usize) -> Result<(), Failure> {
    let owned = Owned::new(bench.machine, 1024);
    let mut before = pattern(1024, 3);
    owned.fill(0, &before);
    // SAFETY: nobody else uses the memory.
    let loan = unsafe { bench.lender().lend_raw::<FromDevice>(owned.part(at, len)) }?;
    let segments: Vec<_> = loan.segments().collect();
    let answer = pattern(written, 4);
    // Both neighbours are stored to, before the device writes and after.
    for (neighbour, value) in [(at.wrapping_sub(1), 0x81), (at + len, 0x82)] {
        if neighbour < 1024 {
            owned.store(neighbour, value);
            before[neighbour] = value;
        }
    }
    bench.engine.scatter(&segments, &answer)?;
    if at > 1 {
        owned.store(at - 2, 0x83);
        before[at - 2] = 0x83;
    }
    // SAFETY: the engine does nothing by itself.
    unsafe { loan.sync_for_cpu_short(written) }?;
    same("owner", &owned.bytes(0, 1024), &after(&before, at, &answer))
}

#[test]
fn the_owner_reads_what_the_device_wrote_and_nothing_else_changed() {
    everywhere(|bench| {
        PLACES.iter().try_for_each(|(at, len)| {
            [0, 1, len / 2, *len]
                .iter()
                .try_for_each(|written| receives(bench, *at, *len, *written))
        })
    });
}

#[test]
fn no_more_is_copied_than_the_edges() {
    let machine = SimMachine::new(presets::aarch64()).unwrap();
    let bench = Bench::new(&machine, Limits::UNLIMITED, Snooping::DoesNotSnoop);
    let granule = usize::try_from(bench.device.granule().get()).unwrap();
    let owned = Owned::new(&machine, 4 * granule);
    for at in 0..2 * granule {
        for len in 1..2 * granule {
            let head = at.next_multiple_of(granule) - at;
            let tail = (at + len) % granule;
            let edges = if head + tail >= len { len } else { head + tail };
            // SAFETY: nobody else uses the memory.
            let loan = unsafe { bench.lender().lend_raw::<FromDevice>(owned.part(at, len)) };
            let loan = loan.unwrap();
            let expected = (edges, 2 * edges);
            let cost = loan.cost();
            assert_eq!(
                (cost.bytes_bounced, cost.bytes_copied),
                expected,
                "{at} {len}"
            );
            let before = bench.pool.counts();
            // SAFETY: no engine was told of it.
            unsafe { loan.sync_for_cpu() };
            let counts = bench.pool.counts();
            let copied = (
                counts.copied_in - before.copied_in,
                counts.copied_out - before.copied_out,
            );
            assert_eq!(copied, (edges as u64, edges as u64), "{at} {len}");
        }
    }
}

#[test]
fn what_is_out_of_reach_bounces_both_ways_or_is_refused_with_the_reason() {
    for config in presets::all() {
        let machine = SimMachine::new(config).unwrap();
        let probe = Device::new(&machine, Limits::UNLIMITED, Snooping::DoesNotSnoop).unwrap();
        let first = probe.allocate::<ToDevice>(SLOT).unwrap().sync_for_device();
        let lowest = loan_limit(&machine);
        let limits = Limits::UNLIMITED
            .window(DmaAddr::new(0), DmaAddr::new(lowest - 1))
            .unwrap();
        // SAFETY: no engine was told of it.
        drop(unsafe { first.sync_for_cpu() });
        let bench = Bench::new(&machine, limits, Snooping::DoesNotSnoop);
        // Memory above the highest address: what is left when the lower part is taken.
        let mut taken = Vec::new();
        let high = loop {
            let owned = Owned::new(&machine, 1024);
            let start = machine.direct_map().to_phys(owned.part(0, 1)).unwrap();
            let dma = machine.bus().to_dma(start).unwrap();
            if dma.start().get() >= lowest {
                break owned;
            }
            taken.push(owned);
        };
        for (at, len) in PLACES {
            high.fill(0, &pattern(1024, 5));
            let memory = high.part(at, len);
            // SAFETY: nobody else uses the memory.
            let rejected = unsafe {
                bench
                    .lender()
                    .with_policy(Policy::Reject)
                    .lend_raw::<ToDevice>(memory)
            };
            let error = rejected.err().unwrap();
            assert!(
                matches!(error, dma_api::Error::AboveHighest { .. }),
                "{error:?}"
            );
            // SAFETY: as above.
            let loan =
                unsafe { bench.lender().lend_raw::<dma_api::Bidirectional>(memory) }.unwrap();
            assert_eq!(loan.cost().bytes_bounced, len);
            let segments: Vec<_> = loan.segments().collect();
            let sent = bench.engine.gather(&segments).unwrap();
            same("device", &sent, &pattern(1024, 5)[at..at + len]).unwrap();
            bench.engine.scatter(&segments, &pattern(len, 6)).unwrap();
            // SAFETY: the engine does nothing by itself.
            unsafe { loan.sync_for_cpu() };
            let expected = after(&pattern(1024, 5), at, &pattern(len, 6));
            same("owner", &high.bytes(0, 1024), &expected).unwrap();
        }
    }
}

/// A device address in the middle of the machine's cached memory.
fn loan_limit(machine: &SimMachine) -> u64 {
    let window = machine.bus().windows()[0].dma();
    let pool = machine.pool().free_bytes() as u64;
    window.start().get() + ((pool / 2) & !0xfff)
}

#[test]
fn neighbours_that_keep_still_are_not_lost_and_do_not_overwrite_what_the_device_writes() {
    everywhere(|bench| {
        let owned = Owned::new(bench.machine, 1024);
        // SAFETY: nothing is stored while the device owns the loan.
        let lender = unsafe { bench.lender().with_still_neighbours() };
        for (at, len) in [(256 + 64, 64), (256 + 32, 64), (256 + 3, 100)] {
            let before = pattern(1024, 7);
            owned.fill(0, &before);
            // SAFETY: nobody else uses the memory.
            let loan = unsafe { lender.lend_raw::<FromDevice>(owned.part(at, len)) }?;
            assert_eq!(loan.cost().bytes_bounced, 0);
            let segments: Vec<_> = loan.segments().collect();
            bench.engine.scatter(&segments, &pattern(len, 8))?;
            // SAFETY: the engine does nothing by itself.
            unsafe { loan.sync_for_cpu() };
            let expected = after(&before, at, &pattern(len, 8));
            same("owner", &owned.bytes(0, 1024), &expected)?;
        }
        Ok(())
    });
}
