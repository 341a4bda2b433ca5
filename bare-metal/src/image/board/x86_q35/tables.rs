//! What the processor walks by itself: page tables, segment descriptors, the task state that names the trap stack.
//!
//! All are data of the image, so that the boot code only has to point at them.
#![expect(
    unsafe_code,
    reason = "is data in assembly, where an address may be cut in pieces"
)]

use core::arch::global_asm;

const PAGE_LEN: usize = 0x1000;

/// End of the stack, 256 KiB above its guard page, and start of the image (`link/x86_64.ld`).
pub(super) const STACK_TOP: usize = 0x0020_0000;

/// A page that is not mapped, so that running out of stack traps.
const STACK_GUARD: usize = STACK_TOP - (256 << 10) - PAGE_LEN;

/// End of the stack that traps run on, which reaches down to wherever it must: 16 KiB are plenty.
const TRAP_STACK_TOP: usize = STACK_GUARD;

/// Which entry of the task state's interrupt stack table points to that.
pub(super) const TRAP_STACK: u8 = 1;

/// The 64-bit code segment.
pub(super) const CODE_SELECTOR: u16 = 8;

// The first and the fourth GiB, mapped to themselves (Intel SDM volume 3, section 4.5). The first 2 MiB are in small
// pages, which leaves out page 0 and the guard, and keeps a large page from covering the fixed-range MTRRs (section
// 11.11.9, "Large Page Size Considerations"). An entry's bits: 0 present, 1 writable, 3 PWT, 4 PCD (both: PAT entry 3,
// uncached), 7 large page. The coherent memory's page is uncached too.
global_asm!(
    r#"
    .pushsection .data.page_tables, "aw"
    .balign 4096
    .globl  page_map_level_4
page_map_level_4:
    .quad   page_directory_pointers + 0x3
    .fill   511, 8, 0
page_directory_pointers:
    .quad   first_directory + 0x3
    .quad   0
    .quad   0
    .quad   fourth_directory + 0x3
    .fill   508, 8, 0
first_directory:
    .quad   first_table + 0x3
    .set    address, 0x00200000
    .rept   511
    .if address == {coherent}
    .quad   address + 0x9b
    .else
    .quad   address + 0x83
    .endif
    .set    address, address + 0x00200000
    .endr
fourth_directory:
    .set    address, 0xc0000000
    .rept   512
    .quad   address + 0x9b
    .set    address, address + 0x00200000
    .endr
first_table:
    .quad   0
    .set    address, 0x1000
    .rept   511
    .if address == {stack_guard}
    .quad   0
    .else
    .quad   address + 0x3
    .endif
    .set    address, address + 0x1000
    .endr
    .popsection
    "#,
    stack_guard = const STACK_GUARD,
    coherent = const super::COHERENT_PHYS,
    options(att_syntax),
);

// Segment descriptors are SDM volume 3, sections 3.4.5 and 7.2.3; the task state is section 7.7. The boot code fills in
// the descriptor of the task state, whose base is in three places.
global_asm!(
    r#"
    .pushsection .data.descriptors, "aw"
    .balign 8
descriptors:
    .quad   0
    .quad   0x00209b0000000000          # 0x08: 64-bit code, privilege 0
    .quad   0x0000930000000000          # 0x10: data
    .globl  task_state_descriptor
task_state_descriptor:
    .quad   0x0000890000000067, 0       # 0x18: 64-bit task state, 104 bytes, base 0
descriptors_end:
    .globl  descriptors_pointer
descriptors_pointer:
    .word   descriptors_end - descriptors - 1
    .long   descriptors

    .balign 8
    .long   0                           # so that the quads below are aligned
    .globl  task_state
task_state:
    .long   0
    .quad   0, 0, 0, 0                  # stacks of privilege levels: there is only one level
    .quad   {trap_stack_top}            # interrupt stack table, entry 1
    .quad   0, 0, 0, 0, 0, 0, 0
    .word   0, 104                      # no I/O permission bitmap
    .popsection
    "#,
    trap_stack_top = const TRAP_STACK_TOP,
    options(att_syntax),
);
