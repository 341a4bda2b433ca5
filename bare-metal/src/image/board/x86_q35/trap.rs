//! Every exception ends the image with what the processor says about it.
#![expect(unsafe_code, reason = "installs an interrupt descriptor table")]

use core::{
    arch::{asm, global_asm},
    cell::UnsafeCell,
    sync::atomic::{AtomicBool, Ordering},
};

use super::tables;
use crate::image::{board, console, verdict::Verdict};

/// The vectors that exceptions use (Intel SDM volume 3, table 6-1).
const VECTORS: usize = 32;
/// Bytes from one stub to the next.
const STUB_LEN: usize = 16;
/// Present, privilege 0, 64-bit interrupt gate (SDM volume 3, section 6.14.1).
const INTERRUPT_GATE: u8 = 0x8e;

unsafe extern "C" {
    /// One for each vector, `STUB_LEN` bytes apart.
    static trap_stubs: [[u8; STUB_LEN]; VECTORS];
}

// Vectors 8, 10 to 14, 17, 21, 29 and 30 come with an error code (SDM volume 3, section 6.15; AMD APM volume 2,
// section 8.2); the stubs of the others push a 0 in its place.
global_asm!(
    r#"
    .pushsection .text.trap, "ax"
    .balign 16
    .globl  trap_stubs
trap_stubs:
    .irp vector, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    .balign 16
    .if ((0x60227d00 >> \vector) & 1) == 0
    pushq   $0
    .endif
    pushq   $\vector
    jmp     trap_common
    .endr

trap_common:
    cld
    movq    %rsp, %rdi
    movq    %cr2, %rsi
    andq    $-16, %rsp
    call    {trap}
    ud2
    .popsection
    "#,
    trap = sym trap,
    options(att_syntax),
);

/// What the stub and the processor pushed, lowest address first (SDM volume 3, section 6.14.2).
#[derive(Debug)]
#[repr(C)]
struct Frame {
    vector: u64,
    error_code: u64,
    rip: u64,
    cs: u64,
    rflags: u64,
    rsp: u64,
    ss: u64,
}

#[derive(Clone, Copy, Debug)]
#[repr(C)]
struct Gate {
    offset_low: u16,
    selector: u16,
    stack_table: u8,
    kind: u8,
    offset_middle: u16,
    offset_high: u32,
    reserved: u32,
}

impl Gate {
    const EMPTY: Self = Self {
        offset_low: 0,
        selector: 0,
        stack_table: 0,
        kind: 0,
        offset_middle: 0,
        offset_high: 0,
        reserved: 0,
    };

    fn new(handler: usize) -> Self {
        Self {
            offset_low: handler as u16,
            selector: tables::CODE_SELECTOR,
            stack_table: tables::TRAP_STACK,
            kind: INTERRUPT_GATE,
            offset_middle: (handler >> 16) as u16,
            offset_high: (handler >> 32) as u32,
            ..Self::EMPTY
        }
    }
}

#[derive(Debug)]
#[repr(C, align(16))]
struct Table(UnsafeCell<[Gate; VECTORS]>);

// SAFETY: only `install` writes to it, before there is anything it could race with.
unsafe impl Sync for Table {}

static TABLE: Table = Table(UnsafeCell::new([Gate::EMPTY; VECTORS]));

/// The operand of LIDT.
#[derive(Debug)]
#[repr(C, packed)]
struct Descriptor {
    limit: u16,
    base: u64,
}

/// Fills the table and gives it to the processor.
///
/// To be called once, from the boot code.
pub(super) fn install() {
    let stubs = (&raw const trap_stubs).addr();
    let gates = core::array::from_fn(|vector| Gate::new(stubs + vector * STUB_LEN));
    // SAFETY: nobody else writes to it or has a reference into it, and the processor does not know it yet.
    unsafe { TABLE.0.get().write(gates) };

    let descriptor = Descriptor {
        limit: (size_of::<Table>() - 1) as u16,
        base: TABLE.0.get().expose_provenance() as u64,
    };
    // SAFETY: the table lives for ever and every gate leads to a stub. Not `nomem`: the processor reads both.
    unsafe {
        asm!("lidt [{}]", in(reg) &raw const descriptor, options(nostack, preserves_flags));
    }
}

extern "C" fn trap(frame: &Frame, cr2: u64) -> ! {
    static TRAPPED: AtomicBool = AtomicBool::new(false);
    if TRAPPED.swap(true, Ordering::Relaxed) {
        // Printing trapped, so say no more.
        board::exit(Verdict::Trap as u8);
    }
    console::line(format_args!(
        "TRAP {} vector {} error code {:#x} RIP {:#018x} CR2 {cr2:#018x}",
        exception(frame.vector),
        frame.vector,
        frame.error_code,
        frame.rip,
    ));
    Verdict::Trap.exit()
}

/// An exception by its mnemonic (SDM volume 3, table 6-1).
fn exception(vector: u64) -> &'static str {
    match vector {
        0 => "#DE",
        1 => "#DB",
        2 => "NMI",
        3 => "#BP",
        4 => "#OF",
        5 => "#BR",
        6 => "#UD",
        7 => "#NM",
        8 => "#DF",
        10 => "#TS",
        11 => "#NP",
        12 => "#SS",
        13 => "#GP",
        14 => "#PF",
        16 => "#MF",
        17 => "#AC",
        18 => "#MC",
        19 => "#XM",
        21 => "#CP",
        _ => "other",
    }
}
