//! Every exception, cache errors included, ends the image with what CP0 says about it.
#![expect(unsafe_code, reason = "installs exception vectors")]

use arch_mips::map::KSEG0;
use core::{
    arch::{asm, global_asm},
    ptr,
    sync::atomic::{AtomicBool, Ordering},
};

use crate::image::{board, console, verdict::Verdict};

/// TLB refill, XTLB refill, cache error, general, interrupt (MIPS32 PRA, MD00090, "Exception Vector
/// Locations"), as offsets from EBase.
const VECTORS: [usize; 5] = [0x000, 0x080, 0x100, 0x180, 0x200];
const STUB_WORDS: usize = 4;

unsafe extern "C" {
    /// Position-independent; it jumps to `trap_entry`.
    static trap_stub: [u32; STUB_WORDS];
}

global_asm!(
    r#"
    .pushsection .text.trap, "ax"
    .set push
    .set mips32r2              # module-level assembly knows no target features
    .set noreorder
    .set noat
    .balign 16
    .globl  trap_stub
trap_stub:
    lui     $k0, %hi(trap_entry)
    addiu   $k0, $k0, %lo(trap_entry)
    jr      $k0
    nop

trap_entry:
    la      $sp, trap_stack_top
    addiu   $sp, $sp, -16           # the caller's part of an o32 frame
    mfc0    $a0, $13                # Cause
    mfc0    $a1, $14                # EPC
    mfc0    $a2, $8                 # BadVAddr
    la      $t9, {trap}
    jr      $t9
    move    $ra, $zero
    .set pop
    .popsection
    "#,
    trap = sym trap,
);

/// Copies the stub to every vector and sends exceptions there rather than to the boot ROM.
///
/// To be called once, from the boot code.
pub(super) fn install() {
    let stub = (&raw const trap_stub).cast::<u32>();
    for vector in VECTORS {
        let start = super::cached(vector as u64, STUB_WORDS * 4).cast::<u32>();
        // SAFETY: the vectors' memory is nobody else's (see the board's table), aligned, and as long as the stub.
        unsafe { ptr::copy_nonoverlapping(stub, start.as_ptr(), STUB_WORDS) };
        // A stub is 16 aligned bytes: never more than one line.
        // SAFETY: a cached address; SYNCI makes what was written there fetchable.
        unsafe {
            asm!(
                ".set push",
                ".set noat",
                "synci 0({start})",
                ".set pop",
                start = in(reg) start.as_ptr(),
                options(nostack, preserves_flags),
            );
        }
    }

    // SAFETY: the vectors are in place. EBase may be written only while Status.BEV (bit 22) is set (MIPS32 PRA, MD00090,
    // "EBase Register"), which a monitor may have cleared; clearing BEV afterwards and, with it, KSU, ERL, EXL and IE
    // (bits 4..0) keeps the processor in kernel mode with interrupts off.
    unsafe {
        asm!(
            ".set push",
            ".set noat",
            "sync",
            "mfc0 {status}, $12",
            "or   {status}, {status}, {bev}",
            "mtc0 {status}, $12",
            "ehb",
            "mtc0 {ebase}, $15, 1",
            "and  {status}, {status}, {keep}",
            "mtc0 {status}, $12",
            "ehb",
            ".set pop",
            ebase = in(reg) KSEG0,
            bev = in(reg) 1_u32 << 22,
            keep = in(reg) !(1_u32 << 22 | 0x1f),
            status = out(reg) _,
            options(nostack, preserves_flags),
        );
    }
}

extern "C" fn trap(cause: u32, epc: u32, bad_address: u32) -> ! {
    static TRAPPED: AtomicBool = AtomicBool::new(false);
    if TRAPPED.swap(true, Ordering::Relaxed) {
        // Printing trapped, so say no more.
        board::exit(Verdict::Trap as u8);
    }
    let code = cause >> 2 & 0x1f;
    console::line(format_args!(
        "TRAP {} Cause {cause:#010x} EPC {epc:#010x} BadVAddr {bad_address:#010x}",
        exception(code)
    ));
    Verdict::Trap.exit()
}

/// Cause.ExcCode by its mnemonic (MIPS32 PRA, MD00090, "Cause Register").
fn exception(code: u32) -> &'static str {
    match code {
        0 => "Int",
        1 => "Mod",
        2 => "TLBL",
        3 => "TLBS",
        4 => "AdEL",
        5 => "AdES",
        6 => "IBE",
        7 => "DBE",
        8 => "Sys",
        9 => "Bp",
        10 => "RI",
        11 => "CpU",
        12 => "Ov",
        13 => "Tr",
        24 => "MCheck",
        30 => "CacheErr",
        _ => "other",
    }
}
