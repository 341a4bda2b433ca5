//! The queues of NVMe as they lie in memory (NVM Express Base Specification 2.0, figures 87 and 90 to 92), a driver with two of
//! them in cached memory, and a controller that has blocks to read.

use dma_api::{
    Device, DmaAddr, Error, FromDevice, Machine, ToDevice,
    ring::Ring,
    zerocopy::{
        FromBytes, Immutable, IntoBytes, KnownLayout,
        little_endian::{U16, U32, U64},
    },
};
use sim::{BusFault, DmaEngine, Started, Task};

/// A submission queue entry.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub(crate) struct Command {
    pub(crate) opcode: u8,
    pub(crate) flags: u8,
    pub(crate) id: U16,
    pub(crate) namespace: U32,
    pub(crate) reserved: U64,
    pub(crate) metadata: U64,
    pub(crate) prp: [U64; 2],
    /// Command dwords 10 to 15: for a read the first block, in two of them, and the number of blocks less 1.
    pub(crate) words: [U32; 6],
}
const _: () = assert!(size_of::<Command>() == 64);

/// A completion queue entry.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub(crate) struct Completion {
    pub(crate) result: U32,
    pub(crate) reserved: U32,
    pub(crate) sq_head: U16,
    pub(crate) sq_id: U16,
    pub(crate) id: U16,
    /// Bit 0 is the phase; it changes each time round.
    pub(crate) status: U16,
}
const _: () = assert!(size_of::<Completion>() == 16);

pub(crate) const READ: u8 = 2;
/// A controller's page is larger; a simulated memory is small.
pub(crate) const BLOCK: usize = 96;

/// What a block holds.
pub(crate) fn block(number: u32) -> Vec<u8> {
    let first = u8::try_from(number % 200).unwrap() + 1;
    (0..BLOCK)
        .map(|i| first ^ u8::try_from(i).unwrap())
        .collect()
}

/// The driver's side.
pub(crate) struct Driver<M: Machine> {
    pub(crate) commands: Ring<M, Command, ToDevice>,
    pub(crate) completions: Ring<M, Completion, FromDevice>,
    tail: u16,
    head: u16,
    phase: u16,
}

impl<M: Machine + Clone> Driver<M> {
    pub(crate) fn new(device: &Device<M>, entries: usize) -> Result<Self, Error> {
        Ok(Self {
            commands: device.allocate_ring_to(entries)?,
            completions: device.allocate_ring_from(entries)?,
            tail: 0,
            head: 0,
            phase: 1,
        })
    }

    /// Queues a read. Returns what the doorbell is to be told.
    pub(crate) fn read(&mut self, id: u16, number: u32, to: DmaAddr) -> Result<u16, Error> {
        let mut words = [U32::ZERO; 6];
        words[0] = U32::new(number);
        let command = Command {
            opcode: READ,
            id: U16::new(id),
            namespace: U32::new(1),
            prp: [U64::new(to.get()), U64::ZERO],
            words,
            ..Command::default()
        };
        self.commands.put(usize::from(self.tail), &command)?;
        self.tail = after(self.tail, self.commands.entries());
        Ok(self.tail)
    }

    /// The next completion, if there is one, and what its doorbell is to be told.
    pub(crate) fn completed(&mut self) -> Result<Option<(Completion, u16)>, Error> {
        let phase = self.phase;
        let is_new = |entry: &Completion| entry.status.get() & 1 == phase;
        let Some(entry) = self.completions.poll(usize::from(self.head), is_new)? else {
            return Ok(None);
        };
        self.head = after(self.head, self.completions.entries());
        if self.head == 0 {
            self.phase ^= 1;
        }
        self.completions.before_doorbell();
        Ok(Some((entry, self.head)))
    }
}

fn after(index: u16, entries: usize) -> u16 {
    (index + 1) % u16::try_from(entries).unwrap()
}

/// The device's side.
pub(crate) struct Controller<'m> {
    engine: DmaEngine<'m>,
    queues: [DmaAddr; 2],
    entries: u16,
    sq_head: u16,
    cq_tail: u16,
    /// As far as the driver has taken them: the controller never overtakes.
    cq_head: u16,
    phase: u16,
    under_way: Vec<Started>,
}

impl<'m> Controller<'m> {
    /// A controller that was told where its queues are.
    pub(crate) fn new<M: Machine>(engine: DmaEngine<'m>, driver: &Driver<M>) -> Self {
        Self {
            engine,
            queues: [driver.commands.dma_addr(), driver.completions.dma_addr()],
            entries: u16::try_from(driver.commands.entries()).unwrap(),
            sq_head: 0,
            cq_tail: 0,
            cq_head: 0,
            phase: 1,
            under_way: Vec::new(),
        }
    }

    /// The submission queue's doorbell. The commands are fetched at once; what they ask for is done some time from now on.
    pub(crate) fn submitted(&mut self, tail: u16) -> Result<(), BusFault> {
        self.engine.doorbell();
        while self.sq_head != tail {
            let entry = place(self.queues[0], self.sq_head, size_of::<Command>());
            let bytes = self.engine.read(entry, size_of::<Command>())?;
            let command = Command::read_from_bytes(&bytes).unwrap();
            assert_eq!((command.opcode, command.namespace.get()), (READ, 1));
            self.sq_head = (self.sq_head + 1) % self.entries;

            let data = block(command.words[0].get());
            let completion = self.next_completion(command.id);
            let to = place(self.queues[1], self.cq_tail, size_of::<Completion>());
            self.cq_tail = (self.cq_tail + 1) % self.entries;
            assert_ne!(self.cq_tail, self.cq_head, "the completion queue is full");
            if self.cq_tail == 0 {
                self.phase ^= 1;
            }
            let tasks = [
                Task::Write(DmaAddr::new(command.prp[0].get()), data),
                Task::Write(to, completion.as_bytes().to_vec()),
            ];
            self.under_way.push(self.engine.start(&tasks)?);
        }
        Ok(())
    }

    /// What is written when the command that was fetched last is done.
    pub(crate) fn next_completion(&self, id: U16) -> Completion {
        Completion {
            result: U32::new(0x1234_5678 ^ u32::from(id.get())),
            sq_head: U16::new(self.sq_head),
            id,
            status: U16::new(self.phase),
            ..Completion::default()
        }
    }

    /// The completion queue's doorbell.
    pub(crate) fn taken(&mut self, head: u16) {
        self.engine.doorbell();
        self.cq_head = head;
    }

    /// Time passes.
    pub(crate) fn finish(&mut self) {
        for job in self.under_way.drain(..) {
            self.engine.wait(job);
        }
    }
}

fn place(base: DmaAddr, index: u16, size: usize) -> DmaAddr {
    let offset = u64::from(index) * size as u64;
    base.checked_add(offset).unwrap()
}
