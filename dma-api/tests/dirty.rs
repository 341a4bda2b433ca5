//! Memory that is not zeroed: who hands it out, that the safe way never does, and that transfers of it are as any other.
#![expect(
    unsafe_code,
    clippy::unwrap_used,
    reason = "a test promises that its pools fit and its engine is done, looks at what it left itself, and panics"
)]

use core::{num::NonZeroUsize, slice};

use dma_api::{
    Alignment, Block, Checked, Device, DmaAllocator, DmaSync, Error, FromDevice, Limits, Machine,
    PerCpu, Pool, Request, SearchOrder, Snooping, ToDevice, WithMemory,
    check::Finding,
    pages::{PageEntry, entries},
};
use sim::{Adversary, Config, DmaEngine, SimMachine, SimPool, presets};

/// Bytes of a page of these pools, and how many there are.
const PAGE: usize = 256;
const PAGES: usize = 8;

type Pages = Pool<[PageEntry; entries(PAGES, 1)]>;
type Own<'m, A = Pages> = WithMemory<'m, &'m SimMachine, A>;

const NO_SNOOP: Snooping = Snooping::DoesNotSnoop;

/// The machines of the field, each under every adversary.
fn machines() -> impl Iterator<Item = SimMachine> {
    presets::all().into_iter().flat_map(|config| {
        Adversary::all(2).map(move |adversary| SimMachine::new(config.under(adversary)).unwrap())
    })
}

fn request(len: usize) -> Request {
    Request::anywhere(NonZeroUsize::new(len).unwrap())
}

/// A pool of pages of the machine's memory, which has been theirs since.
fn pages(machine: &SimMachine) -> Pages {
    let memory = machine.memory().allocate(&Request {
        alignment: Alignment::new(PAGE as u64).unwrap(),
        ..request(PAGE * PAGES)
    });
    let memory = memory.unwrap();
    let (pool, page) = (Pages::new(), Alignment::new(PAGE as u64).unwrap());
    let (cpu, phys) = (memory.memory().cast(), memory.phys().start());
    // SAFETY: the block is dropped without being given back: the memory is the pool's.
    unsafe { pool.adopt(cpu, phys, PAGE * PAGES, page, &[]) }.unwrap();
    pool
}

fn with<'m, A: DmaAllocator>(machine: &'m SimMachine, memory: &'m A) -> Own<'m, A> {
    // SAFETY: the pools of these tests have the machine's own memory, in pages of whole granules.
    unsafe { WithMemory::new(machine, memory) }
}

fn device<M: Machine + Clone>(machine: M) -> Device<M> {
    Device::new(machine, Limits::UNLIMITED, NO_SNOOP).unwrap()
}

fn bytes(block: &Block) -> &[u8] {
    let memory = block.memory();
    // SAFETY: the block has its memory for itself, which no device ever had.
    unsafe { slice::from_raw_parts(memory.cast().as_ptr(), memory.len()) }
}

/// Fills all of an allocator's next block with `byte`, the rounding tail too, and gives it back.
fn soil<A: DmaAllocator>(memory: &A, byte: u8) {
    let block = memory.allocate(&request(PAGE * PAGES - 1)).unwrap();
    assert_eq!(bytes(&block), [0; PAGE * PAGES]);
    let start = block.memory().cast::<u8>();
    // SAFETY: the block has its memory for itself.
    unsafe { start.write_bytes(byte, block.len_bytes()) };
    memory.free(block).unwrap();
}

/// What is in an allocator's next block of a page less one byte, the rounding tail too, which is given back.
fn next_dirty<A: DmaAllocator>(memory: &A) -> Vec<u8> {
    // SAFETY: the tests look at what they left themselves, and no device ever had it.
    let block = unsafe { memory.allocate_dirty(&request(PAGE - 1)) }.unwrap();
    let found = bytes(&block).to_vec();
    memory.free(block).unwrap();
    found
}

/// The same of one that is zeroed, and soiled before it is given back.
fn next_clean<A: DmaAllocator>(memory: &A) -> Vec<u8> {
    let block = memory.allocate(&request(PAGE - 1)).unwrap();
    let found = bytes(&block).to_vec();
    let start = block.memory().cast::<u8>();
    // SAFETY: the block has its memory for itself.
    unsafe { start.write_bytes(0xa5, block.len_bytes()) };
    memory.free(block).unwrap();
    found
}

fn small() -> SimMachine {
    SimMachine::new(Config::default()).unwrap()
}

#[test]
fn a_pool_zeroes_what_is_not_asked_for_dirty() {
    let machine = small();
    let pool = pages(&machine);
    soil(&pool, 0xa5);

    assert_eq!(next_dirty(&pool), [0xa5; PAGE]);
    assert_eq!(next_clean(&pool), [0; PAGE]);
}

#[test]
fn what_was_handed_out_dirty_is_zeroed_for_the_next_though_it_was_zero_at_first() {
    let machine = small();
    let memory = machine.memory().allocate(&request(PAGE * PAGES)).unwrap();
    let (pool, page) = (Pages::new(), Alignment::new(PAGE as u64).unwrap());
    let (cpu, phys) = (memory.memory().cast(), memory.phys().start());
    // SAFETY: the block is dropped without being given back; an allocator's memory is zero.
    unsafe { pool.adopt_zeroed(cpu, phys, PAGE * PAGES, page, &[]) }.unwrap();

    // SAFETY: it is filled at once.
    let block = unsafe { pool.allocate_dirty(&request(PAGE * PAGES)) }.unwrap();
    assert_eq!(bytes(&block), [0; PAGE * PAGES]);
    // SAFETY: the block has its memory for itself.
    unsafe { block.memory().cast::<u8>().write_bytes(0x5a, PAGE * PAGES) };
    pool.free(block).unwrap();

    assert_eq!(next_clean(&pool), [0; PAGE]);
}

#[test]
fn whoever_passes_requests_on_passes_on_that_they_are_dirty() {
    let machine = small();
    let pool = pages(&machine);
    soil(&pool, 0xa5);

    assert_eq!(next_dirty(&&pool), [0xa5; PAGE]);
    assert_eq!(next_dirty(&pool.without_waiting()), [0xa5; PAGE]);
    // SAFETY: nothing is lent.
    let reclaiming = unsafe { pool.reclaiming(|_| Ok(())) };
    assert_eq!(next_dirty(&reclaiming), [0xa5; PAGE]);
    let members: [&(dyn DmaAllocator + Sync); 2] = [&Pages::new(), &pool];
    assert_eq!(next_dirty(&SearchOrder::new(&members)), [0xa5; PAGE]);
    assert_eq!(next_dirty(&PerCpu::new(&members, || 1)), [0xa5; PAGE]);
    let found = |finding: &Finding| panic!("{finding}");
    let checked = Checked::<_, 8, _>::new(with(&machine, &pool), found);
    assert_eq!(next_dirty(&checked), [0xa5; PAGE]);

    assert_eq!(next_clean(&&pool), [0; PAGE]);
    assert_eq!(next_clean(&pool.without_waiting()), [0; PAGE]);
    assert_eq!(next_clean(&reclaiming), [0; PAGE]);
    assert_eq!(next_clean(&SearchOrder::new(&members)), [0; PAGE]);
    assert_eq!(next_clean(&PerCpu::new(&members, || 1)), [0; PAGE]);
    assert_eq!(next_clean(&checked), [0; PAGE]);
}

#[test]
fn pages_taken_back_from_the_os_are_zeroed_unless_asked_for_dirty() {
    let machine = small();
    let pool = pages(&machine);
    soil(&pool, 0xa5);
    // SAFETY: the OS of this test uses none of its pages.
    let reclaiming = unsafe { pool.reclaiming(|_| Ok(())) };

    let all = pool.lend(&request(PAGE * PAGES)).unwrap();
    assert_eq!(all.len_bytes(), (PAGE * PAGES) as u64);
    assert_eq!(next_dirty(&reclaiming), [0xa5; PAGE]);
    // One page was taken back, and is free now.
    let counts = pool.counts();
    let (lent, free) = ((PAGE * (PAGES - 1)) as u64, PAGE as u64);
    assert_eq!((counts.lent, counts.free), (lent, free));
    let _ = pool.lend(&request(PAGE)).unwrap();
    assert_eq!(next_clean(&reclaiming), [0; PAGE]);
}

#[test]
fn an_allocator_that_does_not_know_the_difference_zeroes() {
    let machine = small();
    let pool: &SimPool = machine.pool();
    let block = pool.allocate(&request(PAGE)).unwrap();
    // SAFETY: the block has its memory for itself.
    unsafe { block.memory().cast::<u8>().write_bytes(0xa5, PAGE) };
    pool.free(block).unwrap();

    // SAFETY: the test looks at what it left itself.
    let block = unsafe { pool.allocate_dirty(&request(PAGE)) }.unwrap();
    assert_eq!(bytes(&block), [0; PAGE]);
    pool.free(block).unwrap();
}

#[test]
fn refusals_are_those_of_zeroed_memory() {
    let machine = small();
    let (pool, none) = (pages(&machine), Pages::new());
    let device = device(with(&machine, &pool));
    let dirty = |len| {
        // SAFETY: nobody reads it.
        let buffer = unsafe { device.allocate_dirty::<ToDevice>(len) };
        buffer.map(|buffer| buffer.len_bytes())
    };
    let clean = |len| device.allocate::<ToDevice>(len).map(|b| b.len_bytes());

    assert_eq!(dirty(0), Err(Error::ZeroLength));
    for len in [0, 1, PAGE * PAGES, PAGE * PAGES + 1] {
        assert_eq!(dirty(len), clean(len));
    }
    // SAFETY: there is nothing to read.
    let refused = unsafe { none.allocate_dirty(&request(1)) };
    let (len, capacity) = (1, 0);
    assert_eq!(refused.unwrap_err(), Error::NeverFits { len, capacity });
    assert_eq!(pool.counts().free, (PAGE * PAGES) as u64);
}

/// Sends and receives in buffers that hold what the round before left there.
fn exchange<M: Machine + Clone>(device: &Device<M>, engine: &DmaEngine<'_>, round: u8) {
    // SAFETY: all of it is stored to next.
    let mut question = unsafe { device.allocate_dirty::<ToDevice>(40) }.unwrap();
    question.as_mut_slice().fill(round);
    // SAFETY: the engine writes 24 bytes, and the others are not read.
    let answer = unsafe { device.allocate_dirty::<FromDevice>(64) }.unwrap();

    let (question, answer) = (question.sync_for_device(), answer.sync_for_device());
    let sent = engine.read(question.dma_addr(), 40).unwrap();
    let received = [round ^ 0x55; 24];
    engine.write(answer.dma_addr(), &received).unwrap();

    assert_eq!(sent, [round; 40]);
    // SAFETY: the engine has written what it was to write.
    let answer = unsafe { answer.sync_for_cpu_short(24) }.map_err(|refused| refused.error);
    assert_eq!(answer.unwrap().received(), received);
    // SAFETY: the engine has read what it was to read.
    drop(unsafe { question.sync_for_cpu() });
}

#[test]
fn dirty_buffers_are_sent_and_received_on_every_machine() {
    for machine in machines() {
        let pool = pages(&machine);
        soil(&pool, 0xa5);
        let found = |finding: &Finding| panic!("{finding}");
        let checked = Checked::<_, 8, _>::new(with(&machine, &pool), found).with_sums();
        let device = device(&checked);
        let engine = DmaEngine::new(&machine, Limits::UNLIMITED, NO_SNOOP);

        for round in 1..4 {
            exchange(&device, &engine, round);
        }
        assert_eq!(pool.counts().free, (PAGE * PAGES) as u64);
        assert_eq!(machine.ledger().counts().refused, 0);
    }
}

#[test]
fn a_dirty_buffer_holds_what_was_there_and_a_clean_one_zeros() {
    for machine in machines() {
        let pool = pages(&machine);
        let device = device(with(&machine, &pool));
        soil(&pool, 0xa5);

        // SAFETY: the test looks at what it left itself, and no device ever had it.
        let mut buffer = unsafe { device.allocate_dirty::<ToDevice>(40) }.unwrap();
        assert_eq!(buffer.as_mut_slice(), [0xa5; 40]);
        drop(buffer);
        let mut buffer = device.allocate::<ToDevice>(40).unwrap();
        assert_eq!(buffer.as_mut_slice(), [0; 40]);
    }
}

#[test]
fn the_device_finds_zeros_behind_a_clean_buffer_and_the_old_bytes_behind_a_dirty_one() {
    for machine in machines() {
        let pool = pages(&machine);
        let device = device(with(&machine, &pool));
        let engine = DmaEngine::new(&machine, Limits::UNLIMITED, NO_SNOOP);
        let granule = machine.sync().geometry().granule();
        let tail = |dirty: bool| {
            soil(&pool, 0xa5);
            let mut buffer = match dirty {
                // SAFETY: all of it is stored to next; the engine looks at what the test left behind it.
                true => unsafe { device.allocate_dirty::<ToDevice>(granule - 1) }.unwrap(),
                false => device.allocate(granule - 1).unwrap(),
            };
            buffer.as_mut_slice().fill(1);
            let lent = buffer.sync_for_device();
            let read = engine.read(lent.dma_addr(), granule).unwrap();
            // SAFETY: the engine has read what it was to read.
            drop(unsafe { lent.sync_for_cpu() });
            read.last().copied()
        };
        assert_eq!((tail(false), tail(true)), (Some(0), Some(0xa5)));
    }
}

/// Memory that a device wrote to when it was called quiet is had again, while old lines of it are cached, and the device
/// writes its front. What is behind that changes when the lines are discarded, though nobody wrote it.
fn reuse_of_quarantine<M: Machine + Clone>(device: &Device<M>, engine: &DmaEngine<'_>) {
    let lent = device.allocate::<FromDevice>(PAGE).unwrap();
    let lent = lent.sync_for_device();
    engine.settle();
    engine.write(lent.dma_addr(), &[0xee; PAGE]).unwrap();
    drop(lent);
    // SAFETY: the engine does nothing by itself.
    let quiet = unsafe { device.assert_quiet() };
    assert_eq!(quiet.release_quarantine(), 1);

    // SAFETY: only what the engine writes is read.
    let again = unsafe { device.allocate_dirty::<FromDevice>(PAGE) }.unwrap();
    let again = again.sync_for_device();
    engine.write(again.dma_addr(), &[0x11; 8]).unwrap();
    // SAFETY: the engine has written what it was to write.
    let again = unsafe { again.sync_for_cpu_short(8) }.map_err(|refused| refused.error);
    assert_eq!(again.unwrap().received(), [0x11; 8]);
}

#[test]
fn a_checked_machine_does_not_take_old_lines_for_a_devices_writes() {
    for machine in machines() {
        let pool = pages(&machine);
        let found = |finding: &Finding| panic!("{}: {finding}", machine.config().name);
        let checked = Checked::<_, 8, _>::new(with(&machine, &pool), found).with_sums();
        let engine = DmaEngine::new(&machine, Limits::UNLIMITED, NO_SNOOP);
        reuse_of_quarantine(&device(&checked), &engine);
        assert_eq!(checked.counts().findings(), 0);
    }
}

#[test]
fn a_checked_machine_sums_a_dirty_buffer_as_any_other_once_its_lines_were_discarded() {
    for (transfers, expected) in [(1, 0), (2, 1)] {
        let machine = small();
        let pool = pages(&machine);
        let checked = Checked::<_, 8, _>::new(with(&machine, &pool), |_: &Finding| {}).with_sums();
        let device = device(&checked);
        let engine = DmaEngine::new(&machine, Limits::UNLIMITED, NO_SNOOP);

        // SAFETY: only what the engine writes is read.
        let mut buffer = unsafe { device.allocate_dirty::<FromDevice>(64) }.unwrap();
        for round in 1..=transfers {
            let lent = buffer.sync_for_device();
            engine.write(lent.dma_addr(), &[round; 64]).unwrap();
            // The device says less than it did.
            // SAFETY: the engine has written.
            let back = unsafe { lent.sync_for_cpu_short(8) };
            buffer = back.map_err(|refused| refused.error).unwrap();
        }
        drop(buffer);
        assert_eq!(checked.counts().findings(), expected);
    }
}
