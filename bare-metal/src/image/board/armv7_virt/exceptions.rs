//! Every exception is one that nobody expected: it is printed and ends the image.
#![expect(unsafe_code, reason = "exception vectors and fault registers")]

use core::arch::{asm, global_asm};

use crate::image::board::arm_virt;

// The vector table: 8 instructions, 32-byte aligned (Arm ARM, DDI 0406, B1.8.1, "Exception vectors and the exception base
// address"). None comes back, so nothing is saved; each mode has a stack pointer of its own, and none has been set.
global_asm!(
    ".pushsection .text.exceptions, \"ax\", %progbits",
    ".balign 32",
    ".globl exception_vectors",
    "exception_vectors:",
    ".irp number, 0, 1, 2, 3, 4, 5, 6, 7",
    r"    b exception_\number",
    ".endr",
    ".irp number, 0, 1, 2, 3, 4, 5, 6, 7",
    r"exception_\number:",
    r"    mov r0, #\number",
    "    b exception_entry",
    ".endr",
    "exception_entry:",
    "    mov r1, lr",
    "    ldr sp, =__exception_stack_top",
    "    b {exception}",
    "    .ltorg",
    ".popsection",
    exception = sym exception,
);

/// What an entry of the table is for.
const KINDS: [&str; 8] = [
    "reset",
    "undefined instruction",
    "supervisor call",
    "prefetch abort",
    "data abort",
    "hypervisor call",
    "IRQ",
    "FIQ",
];

/// Prints what happened and ends the image. `link` is 4 or 8 bytes behind the instruction that did not complete.
extern "C" fn exception(number: usize, link: usize) -> ! {
    let (data_status, data_address, fetch_status, fetch_address): (u32, u32, u32, u32);
    // SAFETY: reads DFSR, DFAR, IFSR and IFAR, which PL1 may always read.
    unsafe {
        asm!(
            "mrc p15, 0, {}, c5, c0, 0",
            "mrc p15, 0, {}, c6, c0, 0",
            "mrc p15, 0, {}, c5, c0, 1",
            "mrc p15, 0, {}, c6, c0, 2",
            out(reg) data_status,
            out(reg) data_address,
            out(reg) fetch_status,
            out(reg) fetch_address,
            options(nomem, nostack, preserves_flags),
        );
    }
    arm_virt::end(format_args!(
        "{} (vector {number}) lr {link:#010x} dfsr {data_status:#010x} dfar {data_address:#010x} \
         ifsr {fetch_status:#010x} ifar {fetch_address:#010x}",
        KINDS[number % KINDS.len()],
    ))
}
