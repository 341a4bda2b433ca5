//! From QEMU's entry to [`run`](crate::image::run): M-mode's traps and what it grants, page tables, S-mode, stack.
#![expect(unsafe_code, reason = "boot code")]

use core::arch::global_asm;
use core::slice;

use super::mmu::Pbmt;
use super::{command_line, device_tree, mmu};

// QEMU enters every hart here, in M-mode, with a0 = hart and a1 = device tree. Chapters and names of registers
// are those of the RISC-V privileged specification (20211203).
global_asm!(
    ".pushsection .text.boot, \"ax\", @progbits",
    ".option push",
    ".option arch, rv64gc",
    ".globl _start",
    "_start:",
    "    csrw mie, zero",
    "    csrr t0, mhartid",
    "    beqz t0, 2f",
    "1:  wfi",
    "    j 1b",

    "2:  la sp, __machine_stack_top",
    "    la t0, __bss_start",
    "    la t1, __bss_end",
    "3:  bgeu t0, t1, 4f",
    "    sd zero, 0(t0)",
    "    addi t0, t0, 8",
    "    j 3b",

    // menvcfg (3.1.18): S-mode may use cbo.inval as such (CBIE = 11), cbo.clean and cbo.flush (CBCFE), and
    // page-based memory types (PBMTE). A CPU before version 1.12 does not have it and traps: to the next line.
    "4:  la t0, 5f",
    "    csrw mtvec, t0",
    "    li t0, 1 << 62 | 1 << 6 | 3 << 4",
    "    csrw 0x30a, t0",
    "    .balign 4",
    "5:  la t0, machine_trap_entry",
    "    csrw mtvec, t0",
    "    csrw mscratch, sp",
    // Every trap comes to M-mode (3.1.8). A CPU without S-mode has no such registers: this one has it.
    "    csrw medeleg, zero",
    "    csrw mideleg, zero",
    // All physical memory for S-mode: one NAPOT region of everything, RWX (3.7.1).
    "    li t0, -1",
    "    srli t0, t0, 10",
    "    csrw pmpaddr0, t0",
    "    li t0, 0x1f",
    "    csrw pmpcfg0, t0",
    // `time`, `cycle` and `instret` for S-mode (3.1.11).
    "    li t0, 7",
    "    csrw mcounteren, t0",
    // mstatus (3.1.6): floating point on (FS = 1), and mret goes to S-mode (MPP = 1) with interrupts off; MPRV, SUM,
    // MXR, TVM, TW and TSR (bits 17 to 22) may be anything after reset.
    "    li t0, 0x3f << 17 | 3 << 13 | 3 << 11 | 1 << 7 | 1 << 5",
    "    csrc mstatus, t0",
    "    li t0, 1 << 13 | 1 << 11",
    "    csrs mstatus, t0",
    "    fscsr zero",

    "    mv a0, a1",
    "    call {prepare}",
    "    csrw satp, a0",
    "    sfence.vma",
    "    la t0, {start}",
    "    csrw mepc, t0",
    "    la sp, __stack_top",
    "    li ra, 0",
    "    li s0, 0",
    "    mret",
    ".option pop",
    ".popsection",
    prepare = sym prepare,
    start = sym start,
);

/// Reads the device tree while all of memory is in sight, and returns the value for `satp`.
extern "C" fn prepare(tree: *const u8) -> u64 {
    // SAFETY: QEMU left a device tree there, outside the image, and nothing writes it.
    let header = unsafe { tree.cast::<[u8; 8]>().read() };
    // SAFETY: as before; its header says how long it is.
    let tree = unsafe { slice::from_raw_parts(tree, device_tree::total_size(header)) };

    let words = device_tree::property(tree, "chosen", "bootargs");
    // SAFETY: this function runs once, before S-mode does.
    unsafe { command_line::keep(words.map_or("", device_tree::text)) };

    let extensions = device_tree::property(tree, "cpu@0", "riscv,isa");
    let alias = match extensions.map(device_tree::text) {
        Some(text) if text.contains("_svpbmt") => Pbmt::Nc,
        _ => Pbmt::Pma,
    };
    mmu::satp(alias)
}

/// The first Rust code in S-mode: everything it may rely on is set up.
extern "C" fn start() -> ! {
    crate::image::run()
}
