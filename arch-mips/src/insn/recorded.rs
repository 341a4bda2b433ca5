//! The same functions on an operating system: each thread writes down what it would have executed, on a processor
//! that it may choose.
#![expect(unsafe_code, reason = "signatures are those of the real instructions")]

use core::{
    cell::{Cell, RefCell},
    hint::black_box,
    ptr::NonNull,
};

/// One instruction, with the address of the line it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Executed {
    /// CACHE Hit_Writeback_D.
    HitWritebackD(usize),
    /// CACHE Hit_Writeback_Inv_D.
    HitWritebackInvD(usize),
    /// CACHE Hit_Invalidate_D.
    HitInvalidateD(usize),
    /// SYNC 0.
    Sync,
    /// MFC0 of Config1.
    Config1,
    /// MFC0 of Config2.
    Config2,
}

/// What a processor says of its caches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfigRegisters {
    /// Config1, which every processor has.
    pub config1: u32,
    /// Config2, to be read if Config1.M is set.
    pub config2: u32,
}

impl ConfigRegisters {
    /// A 24Kc with 32 KiB of data cache in 4 ways, lines of 32 bytes and no outer cache: Config1 as the firmware of
    /// Atheros routers prints it.
    pub const MIPS_24K: Self = Self {
        config1: 0x9ee3_519e,
        config2: 0x8000_0000,
    };
}

std::thread_local! {
    static TRANSCRIPT: RefCell<Vec<Executed>> = const { RefCell::new(Vec::new()) };
    static REGISTERS: Cell<ConfigRegisters> = const { Cell::new(ConfigRegisters::MIPS_24K) };
}

/// What this thread has executed since it last asked, in order.
///
/// The transcript grows until somebody asks.
#[must_use = "what was executed is not told again"]
pub fn executed() -> Vec<Executed> {
    TRANSCRIPT.take()
}

/// Chooses what [`config1`] and [`config2`] return on this thread: a [`ConfigRegisters::MIPS_24K`] unless told.
pub fn pretend(registers: ConfigRegisters) {
    REGISTERS.set(registers);
}

fn record(instruction: Executed) {
    TRANSCRIPT.with_borrow_mut(|transcript| transcript.push(instruction));
}

/// Records [`Executed::HitWritebackD`].
pub fn hit_writeback_d(line: *mut u8) {
    record(Executed::HitWritebackD(line.addr()));
}

/// Records [`Executed::HitWritebackInvD`].
pub fn hit_writeback_inv_d(line: *mut u8) {
    record(Executed::HitWritebackInvD(line.addr()));
}

/// Records [`Executed::HitInvalidateD`].
///
/// # Safety
/// Stores to the line that have not reached memory would be lost. The whole line belongs to the caller, who does
/// without them.
pub unsafe fn hit_invalidate_d(line: *mut u8) {
    record(Executed::HitInvalidateD(line.addr()));
}

/// Records [`Executed::Sync`].
pub fn sync() {
    record(Executed::Sync);
}

/// Records [`Executed::Config1`].
#[must_use]
pub fn config1() -> u32 {
    record(Executed::Config1);
    REGISTERS.get().config1
}

/// Records [`Executed::Config2`].
#[must_use]
pub fn config2() -> u32 {
    record(Executed::Config2);
    REGISTERS.get().config2
}

/// No instruction, so nothing is recorded: from here on the compiler must believe that others know the address.
pub fn escape(memory: NonNull<u8>) {
    black_box(memory);
}
