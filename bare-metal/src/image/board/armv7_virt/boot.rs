//! From QEMU's entry to [`run`](crate::image::run): SVC mode, vectors, MMU and caches, stack, zeroed data.
#![expect(unsafe_code, reason = "boot code")]

use core::arch::global_asm;

use super::{mmu, semihosting};
use crate::image::board::arm_virt;
use crate::image::verdict::Verdict;

/// Modes of the processor, in the lowest five bits of CPSR (Arm ARM, DDI 0406, B1.3.1, "ARM processor modes").
const SVC: u32 = 0x13;
const HYP: u32 = 0x1a;

// QEMU enters with MMU and caches off and interrupts masked, in SVC mode, or in Hyp mode with `virtualization=on`. The
// caches hold nothing after its reset; a board's firmware would have to have seen to that. Nothing is stored
// before they are on.
global_asm!(
    ".pushsection .text.boot, \"ax\", %progbits",
    ".arch_extension virt",
    ".globl _start",
    ".type _start, %function",
    "_start:",
    "    mrs r0, cpsr",
    "    and r0, r0, #0x1f",
    "    mov r10, r0", // for the Rust code
    "    cmp r0, #{svc}",
    "    beq 1f",
    "    cmp r0, #{hyp}",
    "    beq 2f",
    // No other mode is a way this image is run: the exit code of a trap, by semihosting.
    "    mov r0, #{sys_exit_extended}",
    "    adr r1, 3f",
    "    svc #0x123456",
    "4:  wfi",
    "    b 4b",
    "3:  .word {application_exit}, {trap}",

    // Hyp mode: nothing of PL1's traps before the monitor is called, it sees the real CPU and the real counter (reset
    // leaves most of these registers unknown). Then on in SVC mode, all masked.
    "2:  mov r0, #0",
    "    mcr p15, 4, r0, c1, c1, 0", // HCR
    "    mcr p15, 4, r0, c1, c1, 3", // HSTR
    "    ldr r1, =0x33ff",
    "    mcr p15, 4, r1, c1, c1, 2", // HCPTR: the bits that are RAO, no trap
    "    mrc p15, 4, r1, c1, c1, 1",
    "    and r1, r1, #0x1f",
    "    mcr p15, 4, r1, c1, c1, 1", // HDCR: all event counters (HPMN) as they were, no trap
    "    mov r1, #3",
    "    mcr p15, 4, r1, c14, c1, 0", // CNTHCTL: PL1PCEN, PL1PCTEN
    "    mcrr p15, 4, r0, r0, c14",   // CNTVOFF
    "    mcrr p15, 6, r0, r0, c2",    // VTTBR
    "    mrc p15, 0, r1, c0, c0, 0",
    "    mcr p15, 4, r1, c0, c0, 0", // VPIDR: MIDR
    "    mrc p15, 0, r1, c0, c0, 5",
    "    mcr p15, 4, r1, c0, c0, 5", // VMPIDR: MPIDR
    "    ldr r1, =monitor_vectors",
    "    mcr p15, 4, r1, c12, c0, 0", // HVBAR
    "    ldr sp, =__monitor_stack_top",
    "    mov r1, #0x1d3",            // A, I and F masked, SVC mode
    "    msr spsr_cxsf, r1",
    "    adr r1, 1f",
    "    msr elr_hyp, r1",
    "    eret",

    "1:  cpsid aif",
    "    ldr r0, ={sctlr_off}",
    "    mcr p15, 0, r0, c1, c0, 0", // SCTLR: V = 0, so that VBAR counts
    "    ldr r0, =exception_vectors",
    "    mcr p15, 0, r0, c12, c0, 0", // VBAR

    // The tables, then the switch; the ISB makes what follows run under it (Arm ARM, part B, "SCTLR").
    "    ldr r0, ={mair}",
    "    mcr p15, 0, r0, c10, c2, 0", // MAIR0
    "    ldr r0, ={ttbcr}",
    "    mcr p15, 0, r0, c2, c0, 2", // TTBCR
    "    ldr r0, ={tables}",
    "    mov r1, #0",
    "    mcrr p15, 0, r0, r1, c2", // TTBR0
    "    isb",
    "    mcr p15, 0, r1, c8, c7, 0", // TLBIALL
    "    mcr p15, 0, r1, c7, c5, 0", // ICIALLU
    "    mcr p15, 0, r1, c7, c5, 6", // BPIALL
    "    dsb",
    "    isb",
    "    ldr r0, ={sctlr_on}",
    "    mcr p15, 0, r0, c1, c0, 0", // SCTLR
    "    isb",

    "    ldr r0, =__bss_start",
    "    ldr r1, =__bss_end",
    "    mov r2, #0",
    "    mov r3, #0",
    "    mov r4, #0",
    "    mov r5, #0",
    "5:  cmp r0, r1",
    "    stmialo r0!, {{r2-r5}}",
    "    blo 5b",
    "    ldr sp, =__stack_top",
    "    mov r11, #0",
    "    mov lr, #0",
    "    mov r0, r10",
    "    b {start}",
    "    .ltorg",
    ".size _start, . - _start",
    ".popsection",
    svc = const SVC,
    hyp = const HYP,
    sys_exit_extended = const semihosting::SYS_EXIT_EXTENDED,
    application_exit = const arm_virt::ADP_STOPPED_APPLICATION_EXIT,
    trap = const Verdict::Trap as u32,
    sctlr_off = const mmu::SCTLR_OFF,
    sctlr_on = const mmu::SCTLR_ON,
    mair = const arm_virt::MAIR,
    ttbcr = const mmu::TTBCR,
    tables = sym mmu::TABLES,
    start = sym start,
);

/// The first Rust code: everything it may rely on is set up. `entered` is the mode of QEMU's entry.
extern "C" fn start(entered: u32) -> ! {
    if entered == HYP {
        arm_virt::there_is_a_monitor();
    }
    // SAFETY: this function runs once, and nothing else runs yet.
    unsafe { arm_virt::keep_command_line(semihosting::call) };
    crate::image::run()
}
