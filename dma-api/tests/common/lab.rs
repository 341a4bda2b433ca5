//! A machine for loans: memory that devices reach beside memory that they do not, and caches that write down what they
//! are asked. The devices of this machine are functions.
#![allow(dead_code, reason = "not every test needs all of it")]

use core::{
    cell::{Cell, RefCell},
    ptr::NonNull,
};

use dma_api::{
    Alignment, BitmapPool, BusMap, Costs, DirectMap, DmaAddr, DmaRange, DmaSync, Geometry, Ledger,
    LineRange, Machine, NoCoherentMemory, PhysAddr, PhysRange, Region, Slot, Window,
};

/// Bytes of each of the three stretches of memory: the pool's, near and far.
pub(crate) const STRETCH: usize = 0x1_0000;

/// Where near memory goes on at other addresses of the bus.
pub(crate) const SEAM: usize = 0x8000;

const PHYS: PhysAddr = PhysAddr::new(0x8000_0000);
const DMA: DmaAddr = DmaAddr::new(0x1000_0000);
const FAR: PhysAddr = PhysAddr::new(0x4_0000_0000);

/// What the caches and barriers were asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Clean,
    Invalidate,
    CleanAndInvalidate,
    Complete,
    BeforeDoorbell,
    AfterCompletion,
}

/// One call, with what memory held then.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) asked: Asked,
    pub(crate) phys: Option<PhysRange>,
    pub(crate) bytes: Vec<u8>,
    /// What the watched memory held.
    pub(crate) watched: Vec<u8>,
}

/// Caches of 32-byte lines and 64-byte granules, written through.
#[derive(Debug, Default)]
pub(crate) struct Scribe {
    steps: RefCell<Vec<Step>>,
    watched: Cell<Option<NonNull<[u8]>>>,
}

impl Scribe {
    fn note(&self, asked: Asked, range: Option<LineRange<'_>>) {
        let bytes = range.map_or(Vec::new(), |range| {
            bytes_at(range.start(), range.len_bytes())
        });
        let watched = self.watched.get();
        let watched = watched.map_or(Vec::new(), |memory| bytes_at(memory.cast(), memory.len()));
        let phys = range.map(|range| range.phys());
        self.steps.borrow_mut().push(Step {
            asked,
            phys,
            bytes,
            watched,
        });
    }
}

// SAFETY: nothing is cached.
unsafe impl DmaSync for Scribe {
    fn geometry(&self) -> Geometry {
        Geometry::new(32, 64).unwrap()
    }
    fn clean(&self, range: LineRange<'_>) {
        self.note(Asked::Clean, Some(range));
    }
    unsafe fn invalidate(&self, range: LineRange<'_>) {
        self.note(Asked::Invalidate, Some(range));
    }
    fn clean_and_invalidate(&self, range: LineRange<'_>) {
        self.note(Asked::CleanAndInvalidate, Some(range));
    }
    fn complete(&self) {
        self.note(Asked::Complete, None);
    }
    fn before_doorbell(&self, _: NonNull<u8>) {
        self.note(Asked::BeforeDoorbell, None);
    }
    fn after_completion(&self, _: NonNull<u8>) {
        self.note(Asked::AfterCompletion, None);
    }
}

/// The machine.
#[derive(Debug)]
pub(crate) struct Lab {
    sync: Scribe,
    memory: BitmapPool<64>,
    regions: [Region; 2],
    windows: [Window; 2],
    ledger: Ledger<[Slot; 8]>,
    costs: Option<Costs>,
}

impl Lab {
    pub(crate) fn new() -> &'static Self {
        Self::with_costs(None)
    }

    pub(crate) fn with_costs(costs: Option<Costs>) -> &'static Self {
        let (reached, far) = (leak(2 * STRETCH), leak(STRETCH));
        let memory = BitmapPool::new();
        let unit = Alignment::new(64).unwrap();
        // SAFETY: the memory is leaked, and this part of it the pool's alone.
        unsafe { memory.adopt(reached, PHYS, STRETCH, unit) }.unwrap();
        // SAFETY: it is leaked.
        let reached = unsafe { Region::new(reached, PHYS, 2 * STRETCH) }.unwrap();
        // SAFETY: as above.
        let far = unsafe { Region::new(far, FAR, STRETCH) }.unwrap();
        let (first, second) = ((STRETCH + SEAM) as u64, (STRETCH - SEAM) as u64);
        let behind = |start: u64| PhysAddr::new(start + first);
        let windows = [
            Window::new(PHYS, DMA, first),
            Window::new(behind(PHYS.get()), DmaAddr::new(0x7000_0000), second),
        ];
        Box::leak(Box::new(Self {
            sync: Scribe::default(),
            memory,
            regions: [reached, far],
            windows: windows.map(Result::unwrap),
            ledger: Ledger::new(),
            costs,
        }))
    }

    /// Memory that devices reach.
    pub(crate) fn near(&self, at: usize, len: usize) -> NonNull<[u8]> {
        part(self.regions[0].cpu(), STRETCH + at, len)
    }

    /// Memory that no device reaches.
    pub(crate) fn far(&self, at: usize, len: usize) -> NonNull<[u8]> {
        part(self.regions[1].cpu(), at, len)
    }

    /// What was asked since this was called last.
    pub(crate) fn steps(&self) -> Vec<Step> {
        self.sync.steps.take()
    }

    /// The same without what memory held.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.steps().iter().map(|step| step.asked).collect()
    }

    pub(crate) fn watch(&self, memory: NonNull<[u8]>) {
        self.sync.watched.set(Some(memory));
    }

    fn device_memory(&self, segment: DmaRange) -> NonNull<[u8]> {
        let phys = self.bus().to_phys(segment).unwrap();
        self.direct_map().to_cpu(phys).unwrap()
    }

    /// What a device reads.
    pub(crate) fn gather(&self, segments: impl IntoIterator<Item = DmaRange>) -> Vec<u8> {
        let memory = segments
            .into_iter()
            .map(|segment| self.device_memory(segment));
        memory.flat_map(bytes).collect()
    }

    /// A device writes.
    pub(crate) fn scatter(&self, segments: impl IntoIterator<Item = DmaRange>, data: &[u8]) {
        let mut rest = data;
        for segment in segments {
            let memory = self.device_memory(segment);
            let (now, later) = rest.split_at(rest.len().min(memory.len()));
            fill(memory, now);
            rest = later;
        }
        assert!(rest.is_empty(), "{} bytes too many", rest.len());
    }
}

// SAFETY: the parts were made for one another.
unsafe impl Machine for Lab {
    type Sync = Scribe;
    type Memory = BitmapPool<64>;
    type Coherent = NoCoherentMemory;

    fn sync(&self) -> &Scribe {
        &self.sync
    }
    fn memory(&self) -> &BitmapPool<64> {
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
    fn costs(&self) -> Option<Costs> {
        self.costs
    }
}

/// Zeroed memory at a multiple of 4096.
fn leak(len: usize) -> NonNull<u8> {
    let memory = Box::leak(vec![0_u8; len + 0x1000].into_boxed_slice());
    let start = NonNull::from(&mut memory[..]).cast::<u8>();
    // SAFETY: there are 4096 bytes more than needed.
    unsafe { start.add(start.align_offset(0x1000)) }
}

fn part(start: NonNull<u8>, at: usize, len: usize) -> NonNull<[u8]> {
    // SAFETY: tests stay inside their stretch.
    NonNull::slice_from_raw_parts(unsafe { start.add(at) }, len)
}

/// Stores to memory of the machine.
pub(crate) fn fill(memory: NonNull<[u8]>, data: &[u8]) {
    assert!(data.len() <= memory.len());
    let from = data.as_ptr();
    // SAFETY: it has room for the bytes, and nobody holds a reference to it.
    unsafe { from.copy_to_nonoverlapping(memory.cast::<u8>().as_ptr(), data.len()) };
}

/// What memory of the machine holds.
pub(crate) fn bytes(memory: NonNull<[u8]>) -> Vec<u8> {
    bytes_at(memory.cast(), memory.len())
}

fn bytes_at(start: NonNull<u8>, len: usize) -> Vec<u8> {
    let place = |i| start.as_ptr().wrapping_add(i);
    // SAFETY: the memory is the machine's, and only one thread uses it.
    (0..len).map(|i| unsafe { place(i).read() }).collect()
}

/// Bytes that tell where they are, and another `salt` from others.
pub(crate) fn pattern(len: usize, salt: u8) -> Vec<u8> {
    (0..len)
        .map(|i| u8::try_from(i % 251).unwrap() ^ salt)
        .collect()
}
