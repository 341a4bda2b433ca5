//! Devices made of an engine: one that takes lists of segments, and one that is told by a ring of descriptors.

use std::{cell::RefCell, collections::VecDeque};

use dma_api::{DmaAddr, DmaRange};
use zerocopy::{
    FromBytes, Immutable, IntoBytes, KnownLayout,
    little_endian::{U32, U64},
};

use crate::engine::{BusFault, DmaEngine, Manners, Task};

/// An engine that takes a transfer in several segments.
#[derive(Clone, Copy, Debug)]
pub struct ScatterGather<'m> {
    engine: DmaEngine<'m>,
}

impl<'m> ScatterGather<'m> {
    /// A device around an engine, of whose limits it refuses segments that break one.
    #[must_use]
    pub const fn new(engine: DmaEngine<'m>) -> Self {
        Self { engine }
    }

    /// Reads all segments, one after the other.
    ///
    /// # Errors
    /// [`BusFault`] if there are more segments than the device takes, or one breaks a limit or lies nowhere on the bus:
    /// then no byte was transferred.
    pub fn gather(&self, segments: &[DmaRange]) -> Result<Vec<u8>, BusFault> {
        self.check(segments)?;
        let mut bytes = Vec::new();
        for segment in segments {
            bytes.extend(self.engine.read(segment.start(), len(*segment))?);
        }
        Ok(bytes)
    }

    /// Writes bytes to the segments, the first ones first, as far as there are bytes. Returns how many it wrote, which an
    /// engine of [`Manners::Short`] makes fewer.
    ///
    /// # Errors
    /// As [`gather`](Self::gather).
    pub fn scatter(&self, segments: &[DmaRange], bytes: &[u8]) -> Result<usize, BusFault> {
        self.check(segments)?;
        let room: usize = segments.iter().map(|segment| len(*segment)).sum();
        let mut rest = &bytes[..self.engine.manners().part(bytes.len().min(room))];
        let written = rest.len();
        for segment in segments {
            let (now, later) = rest.split_at(rest.len().min(len(*segment)));
            if !now.is_empty() {
                self.engine.write(segment.start(), now)?;
            }
            rest = later;
        }
        Ok(written)
    }

    fn check(&self, segments: &[DmaRange]) -> Result<(), BusFault> {
        self.engine.limits().check_all(segments).map_err(BusFault)
    }
}

fn len(range: DmaRange) -> usize {
    usize::try_from(range.len_bytes()).expect("a simulated memory is small")
}

/// A descriptor of a [`RingDevice`], as it lies in memory: 16 bytes, little endian.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Descriptor {
    /// Where the buffer is.
    pub addr: U64,
    /// Its length in bytes; when the device is done, how many it transferred.
    pub len: U32,
    /// [`OWNED`](Self::OWNED), [`WRITES`](Self::WRITES) and [`DONE`](Self::DONE).
    pub control: U32,
}

impl Descriptor {
    /// The descriptor is the device's. The driver sets it last, the device clears it last.
    pub const OWNED: u32 = 1;
    /// The device is to write to the buffer.
    pub const WRITES: u32 = 2;
    /// The device has done what it was told.
    pub const DONE: u32 = 4;
    /// Bytes from one descriptor to the next.
    pub const SIZE: usize = size_of::<Self>();
    /// Where `control` is in it.
    pub const CONTROL: usize = 12;

    /// A descriptor for a buffer, owned by the device.
    #[must_use]
    pub fn new(buffer: DmaRange, device_writes: bool) -> Self {
        let writes = if device_writes { Self::WRITES } else { 0 };
        Self {
            addr: U64::new(buffer.start().get()),
            len: U32::new(u32::try_from(buffer.len_bytes()).expect("a simulated memory is small")),
            control: U32::new(Self::OWNED | writes),
        }
    }
}

/// A device that works through a ring of descriptors, one after the other, as long as they are its own: it reads a
/// descriptor, transfers the buffer, and writes the descriptor back with its state, after the data.
#[derive(Debug)]
pub struct RingDevice<'m> {
    engine: DmaEngine<'m>,
    base: DmaAddr,
    entries: usize,
    state: RefCell<Registers>,
}

#[derive(Debug, Default)]
struct Registers {
    next: usize,
    /// What it will write to buffers, one after the other.
    incoming: VecDeque<Vec<u8>>,
    /// What it has read from buffers.
    outgoing: Vec<Vec<u8>>,
    /// Buffers it has been told to write to before.
    told: Vec<(DmaAddr, usize)>,
}

impl<'m> RingDevice<'m> {
    /// A device that was told where its ring is, and how many descriptors it has.
    #[must_use]
    pub fn new(engine: DmaEngine<'m>, base: DmaAddr, entries: usize) -> Self {
        Self {
            engine,
            base,
            entries,
            state: RefCell::default(),
        }
    }

    /// Something arrives from outside, for the next buffer the device may write to.
    pub fn receive(&self, bytes: &[u8]) {
        self.state.borrow_mut().incoming.push_back(bytes.to_vec());
    }

    /// What the device has read, buffer by buffer, since it was asked last.
    pub fn sent(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.state.borrow_mut().outgoing)
    }

    /// The doorbell: the device works through the descriptors that are its own. Returns how many it finished.
    ///
    /// # Errors
    /// [`BusFault`] if the ring or a buffer lies where the device cannot reach; it stops there.
    pub fn ring(&self) -> Result<usize, BusFault> {
        self.engine.doorbell();
        let mut finished = 0;
        while finished < self.entries && self.one()? {
            finished += 1;
        }
        Ok(finished)
    }

    /// Does what the next descriptor says, if it is the device's and there is something to do.
    fn one(&self) -> Result<bool, BusFault> {
        let mut state = self.state.borrow_mut();
        let offset = (state.next * Descriptor::SIZE) as u64;
        let place = DmaAddr::new(self.base.get() + offset);
        let bytes = self.engine.read(place, Descriptor::SIZE)?;
        let Ok(mut descriptor) = Descriptor::read_from_bytes(&bytes) else {
            return Ok(false);
        };
        let control = descriptor.control.get();
        if control & Descriptor::OWNED == 0 {
            return Ok(false);
        }

        let addr = DmaAddr::new(descriptor.addr.get());
        let len = usize::try_from(descriptor.len.get()).expect("an address space of 32 bits");
        let done = if control & Descriptor::WRITES != 0 {
            let Some(incoming) = state.incoming.pop_front() else {
                return Ok(false);
            };
            state.told.push((addr, len));
            self.deliver(&state, addr, &incoming[..incoming.len().min(len)])?
        } else {
            let part = self.engine.manners().part(len);
            let read = match part {
                0 => Vec::new(),
                _ => self.engine.read(addr, part)?,
            };
            state.outgoing.push(read);
            part
        };

        let claimed = match self.engine.manners() {
            Manners::Hostile => u32::MAX,
            _ => u32::try_from(done).expect("no more than the descriptor's length"),
        };
        descriptor.len = U32::new(claimed);
        descriptor.control = U32::new(control & !Descriptor::OWNED | Descriptor::DONE);
        self.engine.write(place, descriptor.as_bytes())?;
        state.next = (state.next + 1) % self.entries;
        Ok(true)
    }

    /// Writes to a buffer, as the device's manners are. Returns how many bytes it says it wrote.
    fn deliver(&self, state: &Registers, addr: DmaAddr, bytes: &[u8]) -> Result<usize, BusFault> {
        let part = &bytes[..self.engine.manners().part(bytes.len())];
        match self.engine.manners() {
            _ if part.is_empty() => {}
            Manners::Honest | Manners::Short(_) => self.engine.write(addr, part)?,
            Manners::Late => {
                let _never_waited_for = self.engine.start(&[Task::Write(addr, part.to_vec())])?;
            }
            Manners::Hostile => {
                for (told, len) in &state.told {
                    self.engine.write(*told, &vec![0xee; *len])?;
                }
                self.engine.write(addr, part)?;
            }
        }
        Ok(part.len())
    }
}
