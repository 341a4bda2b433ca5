//! The published crate `virtio-drivers` on top of this library: all its memory comes from here, and every buffer it
//! shares is handed over and taken back.
#![expect(
    unsafe_code,
    reason = "virtio-drivers passes raw pointers and states when its device is done"
)]

use core::{
    ops::AddAssign,
    ptr::NonNull,
    sync::atomic::{AtomicUsize, Ordering},
};

use dma_api::{
    Bidirectional, BounceCounts, BouncePool, Coherent, Device, Direction, Error, FromDevice,
    Lender, Limits, Loan, Policy, SlotWord, ToDevice, slots::SLOTS_PER_WORD,
};
use heapless::Vec;
use spin::{Lazy, Mutex};
use virtio_drivers::{BufferDirection, Hal, PAGE_SIZE, PhysAddr};

use super::{
    board::{self, Board},
    in_place::InPlace,
    words::{self, Step},
};

type Machine = &'static Board;

/// The board's virtio devices. They are several bus masters in one value, which would not do for
/// [`Device::assert_quiet`]; nothing here drops what a device owns.
pub(crate) static DEVICE: Lazy<Device<Machine>> = Lazy::new(|| {
    // The driver takes one address for each buffer.
    let limits = Limits::UNLIMITED.max_segments(1);
    let limits = limits.expect("one is more than none");
    Device::new(board::machine(), limits, board::SNOOPING)
        .expect("the board's bus reaches its memory")
});

/// What buffers bounce through that cannot be lent where they are: the longest request of all, and the small ones beside
/// it, several times over.
static SLOTS: Lazy<BouncePool<Machine, [SlotWord; SLOT_WORDS]>> = Lazy::new(|| {
    let len = SLOT_WORDS * SLOTS_PER_WORD * SLOT;
    BouncePool::<_, [SlotWord; SLOT_WORDS]>::new(&DEVICE, len, SLOT)
        .expect("the board has so much memory")
});

/// Bytes in a slot, and the words of the pool's books: 256 KiB.
const SLOT: usize = 512;
const SLOT_WORDS: usize = 16;

/// How the driver's buffers are lent.
static LENDER: Lazy<Lender<'static, Machine>> =
    Lazy::new(|| Lender::new(&DEVICE, &*SLOTS).expect("the pool is one of the device's machine"));

/// Ring memory in use: two areas for each queue, one queue for each disk.
static RINGS: Mutex<Vec<Coherent<Machine>, 16>> = Mutex::new(Vec::new());

/// Buffers the device owns now: at most as many as all queues have descriptors.
static LENT: Mutex<Vec<Lent, 64>> = Mutex::new(Vec::new());

static TRANSFERS: AtomicUsize = AtomicUsize::new(0);
static BYTES: AtomicUsize = AtomicUsize::new(0);
static BOUNCES: AtomicUsize = AtomicUsize::new(0);

/// What crossed between driver and device since boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Traffic {
    /// Buffers handed over and taken back.
    pub(crate) transfers: usize,
    /// Bytes in them.
    pub(crate) bytes: usize,
    /// Buffers that went through a copy, because they could not be lent where they were.
    pub(crate) bounces: usize,
    /// Bytes that went into such copies, and out of them.
    pub(crate) copied_in: u64,
    pub(crate) copied_out: u64,
}

impl Traffic {
    /// What has crossed since then.
    pub(crate) fn since(self, then: Self) -> Self {
        Self {
            transfers: self.transfers - then.transfers,
            bytes: self.bytes - then.bytes,
            bounces: self.bounces - then.bounces,
            copied_in: self.copied_in - then.copied_in,
            copied_out: self.copied_out - then.copied_out,
        }
    }
}

impl AddAssign for Traffic {
    fn add_assign(&mut self, more: Self) {
        self.transfers += more.transfers;
        self.bytes += more.bytes;
        self.bounces += more.bounces;
        self.copied_in += more.copied_in;
        self.copied_out += more.copied_out;
    }
}

/// The traffic so far.
pub(crate) fn traffic() -> Traffic {
    Traffic {
        transfers: TRANSFERS.load(Ordering::Relaxed),
        bytes: BYTES.load(Ordering::Relaxed),
        bounces: BOUNCES.load(Ordering::Relaxed),
        copied_in: bounced().copied_in,
        copied_out: bounced().copied_out,
    }
}

/// Whether the driver has given back everything it was given, and nothing is left of what bounced.
pub(crate) fn is_idle() -> bool {
    RINGS.lock().is_empty() && LENT.lock().is_empty() && bounced().in_use == 0
}

/// What bounced so far.
fn bounced() -> BounceCounts {
    let slots: &BouncePool<Machine> = &*SLOTS;
    slots.counts()
}

/// Whether the doorbell is rung, as it is unless `without=doorbell` says not to.
pub(crate) fn rings_doorbell() -> bool {
    !without(Step::Doorbell)
}

/// Orders what was written to the rings before the doorbell.
pub(crate) fn before_doorbell() {
    // Any ring will do: the barrier is for all of memory.
    if let Some(ring) = RINGS.lock().first() {
        ring.before_doorbell();
    }
}

/// A shared buffer, in the direction the driver asked for.
enum Lent {
    To(Loan<'static, Machine, ToDevice>),
    From(Loan<'static, Machine, FromDevice>),
    Both(Loan<'static, Machine, Bidirectional>),
    InPlace(InPlace),
}

impl Lent {
    fn paddr(&self) -> PhysAddr {
        let segment = match self {
            Self::To(loan) => loan.segment(),
            Self::From(loan) => loan.segment(),
            Self::Both(loan) => loan.segment(),
            Self::InPlace(lent) => return lent.dma_addr().get(),
        };
        let segment = segment.expect("the device's limits allow one segment");
        segment.start().get()
    }

    /// Whether the device has a copy of the driver's memory.
    fn is_bounced(&self) -> bool {
        let cost = match self {
            Self::To(loan) => loan.cost(),
            Self::From(loan) => loan.cost(),
            Self::Both(loan) => loan.cost(),
            Self::InPlace(_) => return false,
        };
        cost.bytes_bounced > 0
    }
}

/// The hardware that `virtio-drivers` asks for.
#[derive(Debug)]
pub(crate) struct DmaHal;

// SAFETY: ring memory is coherent, published by the library, page aligned, zeroed and nobody else's until it is given
// back; registers are mapped by the board.
unsafe impl Hal for DmaHal {
    fn dma_alloc(pages: usize, _direction: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        let page = Limits::UNLIMITED
            .alignment(PAGE_SIZE as u64)
            .expect("a page is a power of two");
        let ring = DEVICE
            .narrowed(page)
            .and_then(|device| device.allocate_coherent(pages * PAGE_SIZE))
            .unwrap_or_else(|error| panic!("ring memory: {error}"))
            .publish();
        let (paddr, vaddr) = (ring.dma_addr().get(), ring.as_ptr());
        RINGS.lock().push(ring).expect("two rings for each disk");
        (paddr, vaddr)
    }

    unsafe fn dma_dealloc(paddr: PhysAddr, _vaddr: NonNull<u8>, _pages: usize) -> i32 {
        let mut rings = RINGS.lock();
        let Some(index) = rings.iter().position(|ring| ring.dma_addr().get() == paddr) else {
            return -1;
        };
        let ring = rings.swap_remove(index);
        // SAFETY: `VirtIOBlk` drops its transport before its queue, and that drop resets the device.
        drop(unsafe { ring.unpublish() });
        0
    }

    unsafe fn mmio_phys_to_virt(paddr: PhysAddr, size: usize) -> NonNull<u8> {
        board::device_registers(paddr, size)
    }

    unsafe fn share(buffer: NonNull<[u8]>, direction: BufferDirection) -> PhysAddr {
        let lent = match direction {
            // SAFETY: the driver's buffer stays valid, and untouched, until it is unshared.
            BufferDirection::DriverToDevice => unsafe { lend(buffer, Lent::To) },
            // SAFETY: as above.
            BufferDirection::DeviceToDriver => unsafe { lend(buffer, Lent::From) },
            // SAFETY: as above.
            BufferDirection::Both => unsafe { lend(buffer, Lent::Both) },
        };
        TRANSFERS.fetch_add(1, Ordering::Relaxed);
        BYTES.fetch_add(buffer.len(), Ordering::Relaxed);
        BOUNCES.fetch_add(usize::from(lent.is_bounced()), Ordering::Relaxed);
        let paddr = lent.paddr();
        assert!(
            LENT.lock().push(lent).is_ok(),
            "more buffers shared than queues have descriptors"
        );
        paddr
    }

    unsafe fn unshare(paddr: PhysAddr, _buffer: NonNull<[u8]>, _direction: BufferDirection) {
        let lent = {
            let mut all = LENT.lock();
            let index = all.iter().position(|lent| lent.paddr() == paddr);
            all.swap_remove(index.expect("only what was shared is unshared"))
        };
        match lent {
            // SAFETY: the driver unshares a buffer when the device has used it, and does not use it meanwhile.
            Lent::To(loan) => unsafe { loan.sync_for_cpu() },
            // SAFETY: as above.
            Lent::From(loan) => unsafe { loan.sync_for_cpu() },
            // SAFETY: as above.
            Lent::Both(loan) => unsafe { loan.sync_for_cpu() },
            // SAFETY: the device has finished; that the lines' other data may be lost is what is to be seen.
            Lent::InPlace(lent) => unsafe { lent.take_back(board::machine()) },
        }
    }
}

/// Hands a buffer over where it is, or a copy of it if it shares cache lines with other memory or lies where devices
/// cannot reach. With `without=shared-lines` only the latter is copied.
///
/// # Safety
/// As [`Lender::lend_raw`].
unsafe fn lend<D: Direction>(
    buffer: NonNull<[u8]>,
    lent: fn(Loan<'static, Machine, D>) -> Lent,
) -> Lent {
    let cannot = |error: Error| -> Lent { panic!("a buffer that cannot be shared: {error}") };
    if without(Step::SharedLines) {
        let lender = LENDER.clone().with_policy(Policy::Reject);
        // SAFETY: passed on to the caller.
        match unsafe { lender.lend_raw(buffer) } {
            Ok(loan) => return lent(loan),
            Err(Error::SharedLine { .. }) => {
                let loan = InPlace::lend(board::machine(), buffer);
                return loan.map_or_else(cannot, Lent::InPlace);
            }
            Err(_) => {}
        }
    }
    // SAFETY: passed on to the caller.
    unsafe { LENDER.lend_raw(buffer) }.map_or_else(cannot, lent)
}

/// Whether the command line says to leave the step out.
fn without(step: Step) -> bool {
    words::without(board::command_line()) == Ok(Some(step))
}
