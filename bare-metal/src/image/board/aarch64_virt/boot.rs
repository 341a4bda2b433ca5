//! From QEMU's entry to [`run`](crate::image::run): EL1, floating point, vectors, MMU and caches, stack, zeroed data.
#![expect(unsafe_code, reason = "boot code")]

use core::arch::global_asm;

use super::{mmu, semihosting};
use crate::image::board::arm_virt;
use crate::image::verdict::Verdict;

// QEMU enters with MMU and caches off and interrupts masked, at EL1, or at EL2 with `virtualization=on`. The
// caches hold nothing after its reset; a board's firmware would have to have seen to that. Nothing is stored
// before they are on.
global_asm!(
    ".pushsection .text.boot, \"ax\", %progbits",
    ".globl _start",
    ".type _start, %function",
    "_start:",
    "    mrs x9, CurrentEL",
    "    lsr x9, x9, #2",
    "    mov x20, x9", // for the Rust code
    "    cmp x9, #2",
    "    b.lo 1f",
    "    b.eq 2f",
    // EL3 (`secure=on`) is not a way this image is run: the exit code of a trap, by semihosting.
    "    mov x0, #{sys_exit}",
    "    adr x1, 3f",
    "    hlt #0xf000",
    "4:  wfi",
    "    b 4b",
    "    .balign 8",
    "3:  .quad {application_exit}, {trap}",

    // EL2: nothing of EL1's traps before the monitor is called, EL1 is AArch64 (HCR_EL2.RW), sees the real CPU and
    // the real counter (reset leaves most of these registers unknown). Then on at EL1 with its own stack pointer, all
    // masked.
    "2:  mov x9, #(1 << 31)",
    "    msr hcr_el2, x9",
    "    mov x9, #0x33ff", // CPTR_EL2: RES1 bits, no trap of floating point
    "    msr cptr_el2, x9",
    "    msr hstr_el2, xzr",
    "    msr vttbr_el2, xzr",
    "    mov x9, #3", // CNTHCTL_EL2: EL1PCEN, EL1PCTEN
    "    msr cnthctl_el2, x9",
    "    msr cntvoff_el2, xzr",
    "    msr mdcr_el2, xzr",
    "    mrs x9, midr_el1",
    "    msr vpidr_el2, x9",
    "    mrs x9, mpidr_el1",
    "    msr vmpidr_el2, x9",
    "    adrp x9, monitor_vectors",
    "    add x9, x9, :lo12:monitor_vectors",
    "    msr vbar_el2, x9",
    "    adrp x9, __monitor_stack_top",
    "    add x9, x9, :lo12:__monitor_stack_top",
    "    mov sp, x9",
    "    ldr x9, ={sctlr_off}",
    "    msr sctlr_el1, x9",
    "    mov x9, #0x3c5", // SPSR_EL2: D, A, I and F masked, EL1h
    "    msr spsr_el2, x9",
    "    adr x9, 1f",
    "    msr elr_el2, x9",
    "    eret",

    "1:  msr SPSel, #1",
    "    msr DAIFSet, #0xf",
    "    mov x9, #(3 << 20)", // CPACR_EL1.FPEN: core and compiler use the vector registers
    "    msr cpacr_el1, x9",
    "    adrp x9, exception_vectors",
    "    add x9, x9, :lo12:exception_vectors",
    "    msr vbar_el1, x9",

    // The tables, then the switch; the ISB makes what follows run under it (Arm ARM, part D, "SCTLR_EL1").
    "    ldr x9, ={mair}",
    "    msr mair_el1, x9",
    "    ldr x9, ={tcr}",
    "    msr tcr_el1, x9",
    "    adrp x9, {tables}",
    "    msr ttbr0_el1, x9",
    "    isb",
    "    tlbi vmalle1",
    "    ic iallu",
    "    dsb nsh",
    "    isb",
    "    ldr x9, ={sctlr_on}",
    "    msr sctlr_el1, x9",
    "    isb",

    "    adrp x9, __bss_start",
    "    add x9, x9, :lo12:__bss_start",
    "    adrp x10, __bss_end",
    "    add x10, x10, :lo12:__bss_end",
    "5:  cmp x9, x10",
    "    b.hs 6f",
    "    stp xzr, xzr, [x9], #16",
    "    b 5b",
    "6:  adrp x9, __stack_top",
    "    add x9, x9, :lo12:__stack_top",
    "    mov sp, x9",
    "    mov x29, xzr",
    "    mov x30, xzr",
    "    mov x0, x20",
    "    b {start}",
    "    .ltorg",
    ".size _start, . - _start",
    ".popsection",
    sys_exit = const semihosting::SYS_EXIT,
    application_exit = const arm_virt::ADP_STOPPED_APPLICATION_EXIT,
    trap = const Verdict::Trap as u64,
    sctlr_off = const mmu::SCTLR_OFF,
    sctlr_on = const mmu::SCTLR_ON,
    mair = const arm_virt::MAIR,
    tcr = const mmu::TCR,
    tables = sym mmu::TABLES,
    start = sym start,
);

/// The first Rust code: everything it may rely on is set up. `entered` is the exception level of QEMU's entry.
extern "C" fn start(entered: u64) -> ! {
    if entered == 2 {
        arm_virt::there_is_a_monitor();
    }
    // SAFETY: this function runs once, and nothing else runs yet.
    unsafe { arm_virt::keep_command_line(semihosting::call) };
    crate::image::run()
}
