//! Every exception is one that nobody expected: it is printed and ends the image.
#![expect(unsafe_code, reason = "exception vectors and syndrome registers")]

use core::arch::{asm, global_asm};

use crate::image::board::arm_virt;

// The vector table: 16 entries of 128 bytes, 2 KiB aligned (Arm ARM, DDI 0487, part D, "Exception vectors"). None comes
// back, so nothing is saved; the stack is fresh because the old one may be the fault.
global_asm!(
    ".pushsection .text.exceptions, \"ax\", %progbits",
    ".balign 2048",
    ".globl exception_vectors",
    "exception_vectors:",
    ".irp number, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15",
    "    .balign 128",
    r"    mov x0, #\number",
    "    b exception_entry",
    ".endr",
    ".balign 128",
    "exception_entry:",
    "    adrp x1, __exception_stack_top",
    "    add x1, x1, :lo12:__exception_stack_top",
    "    mov sp, x1",
    "    b {exception}",
    ".popsection",
    exception = sym exception,
);

/// What an entry of the table is for, by the two low bits of its number.
const KINDS: [&str; 4] = ["synchronous", "IRQ", "FIQ", "SError"];

/// Prints what happened and ends the image.
extern "C" fn exception(number: usize) -> ! {
    let (syndrome, from, address): (u64, u64, u64);
    // SAFETY: reads three registers that EL1 may always read.
    unsafe {
        asm!(
            "mrs {}, esr_el1",
            "mrs {}, elr_el1",
            "mrs {}, far_el1",
            out(reg) syndrome,
            out(reg) from,
            out(reg) address,
            options(nomem, nostack, preserves_flags),
        );
    }
    arm_virt::end(format_args!(
        "{} (vector {number}) esr {syndrome:#010x} elr {from:#018x} far {address:#018x}",
        KINDS[number % KINDS.len()],
    ))
}
