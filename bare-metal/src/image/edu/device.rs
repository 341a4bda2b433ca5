//! QEMU's educational device: a DMA engine that copies between memory and a buffer of its own, and drives fewer address
//! lines than memory has.
//!
//! Its registers are in QEMU's docs/specs/edu.txt. What it does with an address that has more bits than its lines is to
//! leave them out: it then accesses other memory than it was told.
#![expect(unsafe_code, reason = "accesses device registers")]

use core::{fmt, iter, ptr::NonNull};

use dma_api::DmaRange;

use crate::image::{board, console, verdict::Verdict};

/// Who it says it is.
const VENDOR: u16 = 0x1234;
const DEVICE: u16 = 0x11e8;

/// Registers, by offset, and what the first one holds: "edu", version 1.0.
const IDENTIFICATION: usize = 0x00;
const LIVENESS: usize = 0x04;
const DMA_SOURCE: usize = 0x80;
const DMA_DESTINATION: usize = 0x88;
const DMA_COUNT: usize = 0x90;
const DMA_COMMAND: usize = 0x98;
const VERSION_1: u32 = 0x0100_00ed;

/// Bytes of registers, up to the last.
const REGISTERS: usize = 0xa0;

/// Bits of the command register: begin, or not done yet; and from the device's buffer to memory.
const RUN: u32 = 1;
const TO_MEMORY: u32 = 1 << 1;

/// Where the device has its buffer, in addresses of its own.
const BUFFER_START: usize = 0x4_0000;

/// How many bytes of the buffer are used, around its end. It holds one more, but QEMU 7.2 takes a transfer of the last one
/// for one beyond it, and stops.
pub(super) const BUFFER: usize = 0xfff;

/// How long a transfer may take, by the board's clock; the device's own takes it 100 ms.
const PATIENCE_MICROS: u64 = 30_000_000;

/// How often something else is done before the device is asked again, for which the emulator takes its time.
const AT_ONCE: usize = 32;

/// Why the device cannot be used.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    /// There is none.
    None,
    /// Its first register is another device's.
    Unknown(u32),
    /// It does not invert what is written to its liveness register.
    Dead,
    /// The address does not fit in its register.
    TooLarge(DmaRange),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("there is no edu device"),
            Self::Unknown(word) => write!(f, "an edu device says it is {word:#010x}"),
            Self::Dead => f.write_str("the edu device does not invert its liveness register"),
            Self::TooLarge(range) => write!(f, "{range:?} cannot be said to the edu device"),
        }
    }
}

/// The device.
pub(super) struct Edu {
    /// Invariant: [`REGISTERS`] bytes of the device's, mapped.
    registers: NonNull<u8>,
}

/// Which way bytes go, and where they are in the device's buffer.
#[derive(Clone, Copy, Debug)]
pub(super) enum Transfer {
    /// From memory to the buffer, from this byte of it on.
    In(usize),
    /// From the buffer to memory.
    Out(usize),
}

impl Transfer {
    /// Cuts one of `len` bytes at the end of the buffer: what is done before, and how many bytes, by turns.
    fn runs(self, len: usize) -> impl Iterator<Item = (Self, usize, usize)> {
        let mut done = 0;
        iter::from_fn(move || {
            let rest = self.behind(done);
            let (Self::In(at) | Self::Out(at)) = rest;
            let run = (len - done).min(BUFFER - at);
            let before = done;
            done += run;
            (run > 0).then_some((rest, before, run))
        })
    }

    /// The same, so many bytes on.
    fn behind(self, done: usize) -> Self {
        match self {
            Self::In(first) => Self::In((first + done) % BUFFER),
            Self::Out(first) => Self::Out((first + done) % BUFFER),
        }
    }
}

impl Edu {
    /// The board's, if it is alive.
    ///
    /// # Errors
    ///
    /// [`Fault::None`], [`Fault::Unknown`], [`Fault::Dead`].
    pub(super) fn find() -> Result<Self, Fault> {
        let (registers, len) = board::pci_registers(VENDOR, DEVICE).ok_or(Fault::None)?;
        assert!(len >= REGISTERS, "an edu device has more registers");
        let edu = Self { registers };
        let word = edu.read(IDENTIFICATION);
        if word != VERSION_1 {
            return Err(Fault::Unknown(word));
        }
        edu.write(LIVENESS, 0x1234_5678);
        if edu.read(LIVENESS) != !0x1234_5678 {
            return Err(Fault::Dead);
        }
        Ok(edu)
    }

    /// Has the device copy between its buffer and `memory`, one segment after the other, and does `meanwhile` again and
    /// again until it has.
    ///
    /// If the device does not finish, the image ends: there is no way to get the memory back.
    ///
    /// # Errors
    ///
    /// [`Fault::TooLarge`], of a segment that the device was told nothing of.
    ///
    /// # Safety
    ///
    /// The memory is the device's to read, and for [`Transfer::Out`] to write, and whoever gave it has ordered that before
    /// what the device is told here.
    pub(super) unsafe fn transfer(
        &self,
        transfer: Transfer,
        memory: impl IntoIterator<Item = DmaRange>,
        mut meanwhile: impl FnMut(),
    ) -> Result<(), Fault> {
        let mut rest = transfer;
        for segment in memory {
            let too_large = Fault::TooLarge(segment);
            let address = usize::try_from(segment.start().get()).map_err(|_| too_large)?;
            let len = usize::try_from(segment.len_bytes()).map_err(|_| too_large)?;
            for (run, before, len) in rest.runs(len) {
                self.begin(run, address + before, len);
                self.wait(&mut meanwhile);
            }
            rest = rest.behind(len);
        }
        Ok(())
    }

    fn wait(&self, mut meanwhile: impl FnMut()) {
        let started = board::now_micros();
        while self.read(DMA_COMMAND) & RUN != 0 {
            (0..AT_ONCE).for_each(|_| meanwhile());
            if board::now_micros() - started > PATIENCE_MICROS {
                console::line(format_args!(
                    "ERROR time-out: the edu device does not finish"
                ));
                Verdict::TimeOut.exit();
            }
        }
    }

    /// Begins a transfer that does not go around the end of the buffer.
    fn begin(&self, transfer: Transfer, address: usize, len: usize) {
        let (source, destination, command) = match transfer {
            Transfer::In(at) => (address, BUFFER_START + at, RUN),
            Transfer::Out(at) => (BUFFER_START + at, address, RUN | TO_MEMORY),
        };
        self.write_wide(DMA_SOURCE, source);
        self.write_wide(DMA_DESTINATION, destination);
        self.write_wide(DMA_COUNT, len);
        self.write(DMA_COMMAND, command);
    }

    fn read(&self, register: usize) -> u32 {
        let register = self.register(register).cast::<u32>();
        // SAFETY: one of the device's registers, aligned, by the invariant; reading it has no effect.
        unsafe { register.read_volatile() }
    }

    fn write(&self, register: usize, word: u32) {
        let register = self.register(register).cast::<u32>();
        // SAFETY: as above; the command register is written only when the memory is the device's.
        unsafe { register.write_volatile(word) }
    }

    /// Writes a register of 64 bits, all of it: a narrower word sets its upper half to 0.
    fn write_wide(&self, register: usize, word: usize) {
        let register = self.register(register).cast::<usize>();
        // SAFETY: as above; nothing happens before the command is given.
        unsafe { register.write_volatile(word) }
    }

    fn register(&self, offset: usize) -> NonNull<u8> {
        // SAFETY: all offsets are below `REGISTERS`.
        unsafe { self.registers.add(offset) }
    }
}
