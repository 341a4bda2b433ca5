//! What the simulator can show: for each move of the adversary a small driver that is wrong, and which adversaries show
//! that it is. A move that is never made, or made where it should not be, fails a test here.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::std_instead_of_core,
    clippy::unwrap_used,
    reason = "a test reports by panicking"
)]
#![expect(
    unsafe_code,
    reason = "wrong drivers reach past the library, to memory that is a simulation's"
)]

use core::ptr::NonNull;

use dma_api::{
    DmaAddr, DmaMask, DmaSync, Error, Limits, LineRange, Machine, PhysAddr, PhysRange, Snooping,
};
use sim::{Adversary, BusFault, Config, DmaEngine, SimMachine};

const SEEDS: u64 = 200;
const PHYS: u64 = 0x8000_0000;
const DMA: u64 = 0x1000_0000;
const CACHED: u64 = 4096;

const OLD: u8 = 1;
const NEW: u8 = 2;
const CPU: u8 = 3;

/// A machine whose memory is named by offsets, without the library's buffers in between.
struct Board(SimMachine);

impl Board {
    fn store(&self, at: u64, bytes: &[u8]) {
        let target = self.memory(at, bytes.len()).cast::<u8>();
        // SAFETY: the direct map has that many bytes there, and `bytes` is not among them.
        unsafe { target.copy_from_nonoverlapping(NonNull::from(bytes).cast(), bytes.len()) };
    }

    fn load(&self, at: u64, len: usize) -> Vec<u8> {
        let memory = self.memory(at, len);
        // SAFETY: the direct map has that many bytes there, and nothing stores to them meanwhile.
        unsafe { memory.as_ref() }.to_vec()
    }

    fn memory(&self, at: u64, len: usize) -> NonNull<[u8]> {
        let phys = PhysRange::new(PhysAddr::new(PHYS + at), len as u64).unwrap();
        self.0.direct_map().to_cpu(phys).unwrap()
    }

    fn lines(&self, at: u64, len: usize) -> LineRange<'_> {
        // SAFETY: the direct map says that the bytes are mapped there.
        unsafe { LineRange::new(self.memory(at, len), PhysAddr::new(PHYS + at)) }.unwrap()
    }

    fn clean(&self, at: u64, len: usize) {
        self.0.sync().clean(self.lines(at, len));
        self.0.sync().complete();
    }

    fn invalidate(&self, at: u64, len: usize) {
        self.issue_invalidate(at, len);
        self.0.sync().complete();
    }

    fn issue_invalidate(&self, at: u64, len: usize) {
        // SAFETY: the memory is a simulation's; what is lost is what the test looks for.
        unsafe { self.0.sync().invalidate(self.lines(at, len)) };
    }

    fn before_doorbell(&self) {
        self.0.sync().before_doorbell(self.memory(0, 1).cast());
    }

    fn after_completion(&self, at: u64) {
        self.0.sync().after_completion(self.memory(at, 1).cast());
    }

    fn engine(&self, snooping: Snooping) -> DmaEngine<'_> {
        DmaEngine::new(&self.0, Limits::UNLIMITED, snooping)
    }

    /// What a device that does not snoop reads.
    fn device_reads(&self, at: u64, len: usize) -> Vec<u8> {
        let engine = self.engine(Snooping::DoesNotSnoop);
        engine.read(DmaAddr::new(DMA + at), len).unwrap()
    }

    /// What a device that does not snoop writes.
    fn device_writes(&self, at: u64, bytes: &[u8]) {
        let engine = self.engine(Snooping::DoesNotSnoop);
        engine.write(DmaAddr::new(DMA + at), bytes).unwrap();
    }

    fn settle(&self) {
        self.engine(Snooping::DoesNotSnoop).settle();
    }

    /// The CPU and memory agree that `len` bytes are `value`; the lines may be cached.
    fn prepare(&self, at: u64, len: usize, value: u8) {
        self.store(at, &vec![value; len]);
        self.clean(at, len);
        self.before_doorbell();
    }
}

/// The caches of a machine: line, granule, and whether they fill lines speculatively.
#[derive(Clone, Copy)]
struct Kind(usize, usize, bool);

const SPECULATES: Kind = Kind(64, 64, true);
const FILLS_ON_ACCESS: Kind = Kind(64, 64, false);

fn board(Kind(line, granule, fills_speculatively): Kind, adversary: Adversary) -> Board {
    let config = Config {
        line,
        granule,
        fills_speculatively,
        cached_len: usize::try_from(CACHED).unwrap(),
        uncached_len: 0,
        phys: PhysAddr::new(PHYS),
        dma: DmaAddr::new(DMA),
        unit: 256,
        adversary,
    };
    Board(SimMachine::new(config).unwrap())
}

/// What a driver saw under each adversary.
#[derive(Debug)]
struct Seen<T> {
    lazy: T,
    hoarding: T,
    eager: T,
    random: Vec<T>,
}

impl<T: Copy + PartialEq> Seen<T> {
    fn of(kind: Kind, driver: impl Fn(&Board) -> T) -> Self {
        let run = |adversary| driver(&board(kind, adversary));
        Self {
            lazy: run(Adversary::Lazy),
            hoarding: run(Adversary::Hoarding),
            eager: run(Adversary::Eager),
            random: (0..SEEDS).map(Adversary::seeded).map(run).collect(),
        }
    }

    fn named(&self) -> [T; 3] {
        [self.lazy, self.hoarding, self.eager]
    }

    /// How many of the random adversaries made the driver see `what`.
    fn random(&self, what: T) -> usize {
        self.random.iter().filter(|seen| **seen == what).count()
    }

    fn always(&self, what: T) -> bool {
        self.named() == [what; 3] && self.random(what) == self.random.len()
    }
}

/// The one value that all bytes have; 0 if they differ.
fn uniform(bytes: &[u8]) -> u8 {
    match bytes {
        [first, rest @ ..] if rest.iter().all(|byte| byte == first) => *first,
        _ => 0,
    }
}

#[test]
fn what_is_not_cleaned_reaches_memory_only_by_eviction() {
    let seen = Seen::of(SPECULATES, |board| {
        board.prepare(0, 64, OLD);
        board.store(0, &[NEW; 64]);
        board.before_doorbell();
        uniform(&board.device_reads(0, 64))
    });

    assert_eq!(seen.named(), [OLD, OLD, NEW]);
    let (old, new) = (seen.random(OLD), seen.random(NEW));
    assert!(old > 100 && new > 10 && old + new == 200, "{old} {new}");
}

/// As shipped by NuttX for its STM32 card reader (apache/nuttx, pull request 19506).
#[test]
fn invalidating_only_before_the_transfer_is_shown_by_a_refill_before_the_devices_write() {
    let driver = |board: &Board| {
        board.prepare(0, 64, OLD);
        board.invalidate(0, 64);
        board.before_doorbell();
        board.device_writes(0, &[NEW; 64]);
        board.after_completion(0);
        uniform(&board.load(0, 64))
    };

    let seen = Seen::of(SPECULATES, driver);
    // The eager one refills again after the write, and so hides it.
    assert_eq!(seen.named(), [NEW, OLD, NEW]);
    assert!(seen.random(OLD) > 10, "{seen:?}");
    assert!(seen.random(NEW) > 10, "{seen:?}");

    let without_speculation = Seen::of(FILLS_ON_ACCESS, driver);
    assert!(without_speculation.always(NEW), "{without_speculation:?}");
}

#[test]
fn a_refill_shows_the_cpu_what_it_did_not_ask_for() {
    let driver = |board: &Board| {
        board.prepare(0, 64, OLD);
        board.device_writes(0, &[NEW; 64]);
        board.settle();
        uniform(&board.load(0, 64))
    };

    let seen = Seen::of(SPECULATES, driver);
    assert_eq!(seen.named(), [OLD, OLD, NEW]);
    assert!(seen.random(OLD) > 10, "{seen:?}");
    assert!(seen.random(NEW) > 10, "{seen:?}");
}

#[test]
fn without_speculation_a_line_that_stays_cached_is_not_refilled() {
    let seen = Seen::of(FILLS_ON_ACCESS, |board| {
        board.store(0, &[OLD; 64]);
        board.device_writes(0, &[NEW; 64]);
        board.settle();
        board.after_completion(0);
        uniform(&board.load(0, 64))
    });
    // The eager one writes the dirty line back first, and has no cause to read it again.
    assert!(seen.always(OLD), "{seen:?}");
}

/// The device has the first line of a granule; the CPU stores to the second during the transfer.
fn shares_a_granule(board: &Board) -> u8 {
    board.prepare(0, 128, OLD);
    board.store(32, &[CPU; 32]);
    board.device_writes(0, &[NEW; 32]);
    board.after_completion(0);
    board.invalidate(0, 32);
    uniform(&board.load(0, 32))
}

#[test]
fn a_dirty_neighbour_in_the_granule_is_evicted_over_what_the_device_wrote() {
    let seen = Seen::of(Kind(32, 128, true), shares_a_granule);
    // The eager one evicts the neighbour too early to do harm.
    assert_eq!(seen.named(), [NEW; 3]);
    assert!(seen.random(OLD) > 5, "{seen:?}");
    assert!(seen.random(NEW) > 100, "{seen:?}");
}

#[test]
fn a_dirty_neighbour_in_another_granule_does_no_harm() {
    let seen = Seen::of(Kind(32, 32, true), shares_a_granule);
    assert!(seen.always(NEW), "{seen:?}");
}

#[test]
fn a_line_left_dirty_before_the_transfer_is_evicted_over_what_the_device_wrote() {
    let seen = Seen::of(SPECULATES, |board| {
        board.store(0, &[CPU; 64]);
        board.before_doorbell();
        board.device_writes(0, &[NEW; 64]);
        board.after_completion(0);
        board.invalidate(0, 64);
        uniform(&board.load(0, 64))
    });

    // The eager one evicts the line before the device writes.
    assert_eq!(seen.named(), [NEW; 3]);
    assert!(seen.random(CPU) > 10, "{seen:?}");
    assert!(seen.random(NEW) > 10, "{seen:?}");
}

#[test]
fn maintenance_may_complete_early_and_otherwise_does_at_the_barrier() {
    // Nothing is refilled, so only the invalidate can show the CPU the device's bytes.
    let driver = |completes: bool| {
        move |board: &Board| {
            board.prepare(0, 64, OLD);
            board.device_writes(0, &[NEW; 64]);
            board.settle();
            board.issue_invalidate(0, 64);
            if completes {
                board.0.sync().complete();
            }
            uniform(&board.load(0, 64))
        }
    };

    let unfinished = Seen::of(FILLS_ON_ACCESS, driver(false));
    assert_eq!(unfinished.named(), [OLD, OLD, NEW]);
    assert!(unfinished.random(OLD) > 100, "{unfinished:?}");
    assert!(unfinished.random(NEW) > 10, "{unfinished:?}");

    let finished = Seen::of(FILLS_ON_ACCESS, driver(true));
    assert!(finished.always(NEW), "{finished:?}");
}

#[test]
fn maintenance_of_one_line_takes_effect_in_the_order_it_was_issued() {
    let seen = Seen::of(SPECULATES, |board| {
        board.prepare(0, 64, OLD);
        board.store(0, &[NEW; 64]);
        board.0.sync().clean(board.lines(0, 64));
        board.issue_invalidate(0, 64);
        board.0.sync().complete();
        uniform(&board.load(0, 64))
    });
    assert!(seen.always(NEW), "{seen:?}");
}

#[test]
fn a_clean_may_take_the_line_away_as_well() {
    let seen = Seen::of(FILLS_ON_ACCESS, |board| {
        board.prepare(0, 64, OLD);
        board.device_writes(0, &[NEW; 64]);
        board.after_completion(0);
        uniform(&board.load(0, 64))
    });

    assert_eq!(seen.named(), [OLD, OLD, NEW]);
    let (old, new) = (seen.random(OLD), seen.random(NEW));
    assert!(old > 100 && new > 10 && old + new == 200, "{old} {new}");
}

#[test]
fn an_invalidate_may_write_its_own_lines_back() {
    let seen = Seen::of(Kind(32, 128, false), |board| {
        board.prepare(0, 128, OLD);
        board.device_writes(32, &[NEW; 32]);
        board.settle();
        board.store(0, &[CPU; 32]);
        board.invalidate(0, 32);
        board.before_doorbell();
        [0, 32].map(|line| uniform(&board.device_reads(line, 32)))
    });

    let (discarded, evicted, upgraded) = ([OLD, NEW], [CPU, OLD], [CPU, NEW]);
    // The eager one evicts the whole granule before it could write back a line of it.
    assert_eq!(seen.named(), [discarded, discarded, evicted]);
    for outcome in [discarded, evicted, upgraded] {
        assert!(seen.random(outcome) > 5, "{outcome:?} of {seen:?}");
    }
    assert!(
        board(SPECULATES, Adversary::Lazy)
            .0
            .sync()
            .invalidate_may_write_back()
    );
}

#[test]
fn a_devices_write_is_under_way_until_it_lands() {
    let driver = |settles: bool| {
        move |board: &Board| {
            board.prepare(0, 64, OLD);
            board.device_writes(0, &[NEW; 64]);
            if settles {
                board.settle();
            }
            uniform(&board.device_reads(0, 64))
        }
    };

    let posted = Seen::of(SPECULATES, driver(false));
    assert_eq!(posted.named(), [OLD, OLD, NEW]);
    let partly = 0;
    for outcome in [OLD, partly] {
        assert!(posted.random(outcome) > 10, "{outcome} of {posted:?}");
    }

    let settled = Seen::of(SPECULATES, driver(true));
    assert!(settled.always(NEW), "{settled:?}");
}

#[test]
fn a_devices_writes_land_in_order_and_before_the_cpu_knows_of_the_completion() {
    let seen = Seen::of(SPECULATES, |board| {
        board.device_writes(0, &[OLD; 64]);
        board.device_writes(0, &[NEW; 64]);
        board.after_completion(0);
        uniform(&board.device_reads(0, 64))
    });
    assert!(seen.always(NEW), "{seen:?}");
}

#[test]
fn a_device_that_snoops_sees_stores_at_the_doorbell_barrier_and_perhaps_before() {
    let driver = |barrier: bool| {
        move |board: &Board| {
            let engine = board.engine(Snooping::Snoops);
            board.store(0, &[OLD; 64]);
            board.before_doorbell();
            board.store(0, &[NEW; 64]);
            if barrier {
                board.before_doorbell();
            }
            uniform(&engine.read(DmaAddr::new(DMA), 64).unwrap())
        }
    };

    let early = Seen::of(SPECULATES, driver(false));
    assert_eq!(early.named(), [OLD, OLD, NEW]);
    assert!(early.random(OLD) > 100, "{early:?}");
    assert!(early.random(NEW) > 10, "{early:?}");

    let ordered = Seen::of(SPECULATES, driver(true));
    assert!(ordered.always(NEW), "{ordered:?}");
}

#[test]
fn what_was_cleaned_reaches_a_device_that_does_not_snoop_at_the_doorbell_barrier() {
    let driver = |barrier: bool| {
        move |board: &Board| {
            board.prepare(0, 64, OLD);
            board.store(0, &[NEW; 64]);
            board.clean(0, 64);
            if barrier {
                board.before_doorbell();
            }
            uniform(&board.device_reads(0, 64))
        }
    };

    let early = Seen::of(SPECULATES, driver(false));
    assert_eq!(early.named(), [OLD, OLD, NEW]);
    assert!(early.random(OLD) > 10, "{early:?}");

    let ordered = Seen::of(SPECULATES, driver(true));
    assert!(ordered.always(NEW), "{ordered:?}");
}

#[test]
fn only_the_discarded_lines_of_a_granule_are_fetched_again() {
    let seen = Seen::of(Kind(32, 128, false), |board| {
        board.prepare(0, 128, OLD);
        board.invalidate(0, 32);
        board.store(32, &[CPU; 32]);
        board.device_writes(0, &[NEW; 32]);
        board.device_writes(64, &[NEW; 32]);
        board.after_completion(0);
        [0, 32, 64, 96].map(|line| uniform(&board.load(line, 32)))
    });

    let expected = [NEW, CPU, OLD, OLD];
    assert_eq!((seen.lazy, seen.hoarding), (expected, expected));
    let kept = |lines: &[u8; 4]| lines[1] == CPU;
    assert!(
        seen.named().iter().chain(&seen.random).all(kept),
        "{seen:?}"
    );
}

#[test]
fn a_store_brings_a_discarded_line_back_and_is_not_lost() {
    for fills in [true, false] {
        let seen = Seen::of(Kind(32, 128, fills), |board| {
            board.prepare(0, 128, OLD);
            board.invalidate(0, 128);
            board.store(32, &[CPU; 32]);
            board.after_completion(0);
            uniform(&board.load(32, 32))
        });
        assert!(seen.always(CPU), "{seen:?}");
    }
}

#[test]
fn without_speculation_a_discarded_line_that_was_stored_to_stays_cached_evicted_or_not() {
    let seen = Seen::of(FILLS_ON_ACCESS, |board| {
        board.prepare(0, 64, OLD);
        board.invalidate(0, 64);
        board.store(0, &[CPU; 64]);
        board.device_writes(0, &[NEW; 64]);
        board.after_completion(0);
        uniform(&board.load(0, 64))
    });
    assert!(seen.always(CPU), "{seen:?}");
}

#[test]
fn a_refill_of_a_granule_discards_no_store() {
    let seen = Seen::of(Kind(32, 128, true), |board| {
        board.prepare(0, 128, OLD);
        board.store(32, &[CPU; 32]);
        board.invalidate(0, 32);
        board.settle();
        uniform(&board.load(32, 32))
    });
    assert!(seen.always(CPU), "{seen:?}");
}

#[test]
fn without_speculation_the_completion_of_one_transfer_fetches_nothing_of_another() {
    let seen = Seen::of(FILLS_ON_ACCESS, |board| {
        board.prepare(0, 256, OLD);
        board.invalidate(0, 128);
        board.invalidate(128, 128);
        board.device_writes(0, &[NEW; 128]);
        board.after_completion(0);
        board.device_writes(128, &[NEW; 128]);
        board.after_completion(128);
        uniform(&board.load(0, 256))
    });
    assert!(seen.always(NEW), "{seen:?}");
}

#[test]
fn maintenance_is_counted_in_lines_and_as_it_was_asked_for() {
    for adversary in Adversary::all(20) {
        let board = board(Kind(32, 128, true), adversary);
        board.clean(0, 128);
        board.invalidate(31, 2);
        board.0.sync().clean_and_invalidate(board.lines(96, 1));
        board.0.sync().complete();

        let counts = board.0.caches().counts();
        let lines = (
            counts.cleaned,
            counts.invalidated,
            counts.cleaned_and_invalidated,
        );
        assert_eq!((lines, counts.completions), ((4, 2, 1), 3));
    }
}

#[test]
fn an_engine_reaches_the_last_byte_of_its_mask_and_not_the_next() {
    let machine = SimMachine::new(Config {
        dma: DmaAddr::new(0x0fff_f000),
        ..Config::default()
    })
    .unwrap();
    let limits = Limits::new(DmaMask::bits(28).unwrap());
    let engine = DmaEngine::new(&machine, limits, Snooping::DoesNotSnoop);
    let at = DmaAddr::new(0x0fff_fff0);

    engine.write(at, &[NEW; 16]).unwrap();
    engine.settle();
    let fault = BusFault(Error::AboveHighest {
        last: 0x1000_0000,
        highest: 0x0fff_ffff,
    });
    assert_eq!(engine.write(at, &[CPU; 17]), Err(fault));
    assert_eq!(engine.read(at, 17), Err(fault));
    engine.settle();
    assert_eq!(engine.read(at, 16), Ok(vec![NEW; 16]));
}

#[test]
fn an_engine_reaches_its_lowest_address_and_not_the_one_below() {
    let machine = SimMachine::new(Config::default()).unwrap();
    let (lowest, highest) = (DmaAddr::new(DMA + 16), DmaAddr::new(DMA + 31));
    let limits = Limits::UNLIMITED.window(lowest, highest).unwrap();
    let engine = DmaEngine::new(&machine, limits, Snooping::Snoops);

    engine.write(lowest, &[NEW; 16]).unwrap();
    let fault = BusFault(Error::BelowLowest {
        first: DMA + 15,
        lowest: DMA + 16,
    });
    let below = DmaAddr::new(DMA + 15);
    assert_eq!(engine.write(below, &[NEW; 2]), Err(fault));
    assert_eq!(engine.read(below, 2), Err(fault));
}

#[test]
fn an_engine_reaches_the_ends_of_the_window_and_nothing_outside() {
    let board = board(SPECULATES, Adversary::Lazy);
    let engine = board.engine(Snooping::DoesNotSnoop);
    let end = DMA + CACHED;

    for inside in [DMA, end - 1] {
        engine.write(DmaAddr::new(inside), &[NEW]).unwrap();
    }
    for (first, len) in [(DMA - 1, 1), (DMA - 1, 2), (end - 1, 2), (end, 1)] {
        let last = first + len as u64 - 1;
        let fault = BusFault(Error::NotInWindow { first, last });
        let first = DmaAddr::new(first);
        assert_eq!(engine.read(first, len), Err(fault));
        assert_eq!(engine.write(first, &vec![CPU; len]), Err(fault));
    }
}
