//! From the firmware's jump to [`run`](crate::image::run): 64-bit mode, a stack, cleared statics, traps, arguments.
#![expect(unsafe_code, reason = "is entered from outside Rust")]

use core::{
    arch::global_asm,
    ffi::{CStr, c_char},
    ptr,
    sync::atomic::{AtomicPtr, Ordering},
};

use super::tables;

/// The string that the start information points to; null until known.
static COMMAND_LINE: AtomicPtr<c_char> = AtomicPtr::new(ptr::null_mut());

/// The words of `-append`.
///
/// # Panics
///
/// If they are not UTF-8.
pub(crate) fn command_line() -> &'static str {
    let words = COMMAND_LINE.load(Ordering::Relaxed);
    if words.is_null() {
        return "";
    }
    // SAFETY: the firmware's string ends in a zero byte, and nothing writes to the memory it is in.
    let words = unsafe { CStr::from_ptr(words) };
    words.to_str().expect("the command line is UTF-8")
}

// The note by which QEMU finds the entry point: XEN_ELFNOTE_PHYS32_ENTRY (Xen, public/elfnote.h). Its value has eight
// bytes because QEMU 7.2 reads that many.
global_asm!(
    r#"
    .pushsection .note.Xen, "a", @note
    .balign 4
    .long   4
    .long   8
    .long   18
    .asciz  "Xen"
    .quad   _start
    .popsection
    "#,
    options(att_syntax),
);

// PVH leaves the processor in 32-bit protected mode, paging and interrupts off, the start information's address in EBX
// (Xen, misc/pvh.pandoc). The way to 64-bit mode is SDM volume 3, section 9.8.5.
global_asm!(
    r#"
    .pushsection .text.entry, "ax"
    .code32
    .globl  _start
_start:
    cli
    cld
    movl    $page_map_level_4, %eax
    movl    %eax, %cr3
    movl    %cr4, %eax
    orl     $0x20, %eax                 # PAE
    movl    %eax, %cr4
    movl    $0xc0000080, %ecx           # IA32_EFER
    rdmsr
    orl     $0x100, %eax                # LME
    wrmsr
    movl    %cr0, %eax
    orl     $0x80000001, %eax           # PG, PE
    movl    %eax, %cr0
    lgdt    descriptors_pointer
    ljmp    $0x08, $1f                  # the code segment

    .code64
1:
    wbinvd                              # what the firmware left dirty in memory that is uncached now
    movl    $0x10, %eax                 # the data segment
    movl    %eax, %ds
    movl    %eax, %es
    movl    %eax, %fs
    movl    %eax, %gs
    movl    %eax, %ss
    movl    $task_state, %eax           # where the processor finds the trap stack
    movw    %ax, task_state_descriptor + 2
    shrl    $16, %eax
    movb    %al, task_state_descriptor + 4
    movb    %ah, task_state_descriptor + 7
    movl    $0x18, %eax
    ltr     %ax
    movl    ${stack_top}, %esp
    movl    $bss_start, %edi
    movl    $bss_end, %ecx
    subl    %edi, %ecx
    xorl    %eax, %eax
    rep stosb
    movl    %ebx, %edi
    xorl    %ebp, %ebp
    call    {start}
    ud2
    .popsection
    "#,
    start = sym start,
    stack_top = const tables::STACK_TOP,
    options(att_syntax),
);

/// The start of `hvm_start_info` (Xen, public/arch-x86/hvm/start_info.h).
#[derive(Debug)]
#[repr(C)]
struct StartInfo {
    magic: u32,
    version: u32,
    flags: u32,
    module_count: u32,
    module_list_phys: u64,
    command_line_phys: u64,
}

const START_INFO_MAGIC: u32 = 0x336e_c578;

extern "C" fn start(info: *const StartInfo) -> ! {
    super::trap::install();
    super::clock::start();

    // SAFETY: the boot protocol's structure, in memory that the page tables map and nobody writes to.
    let info = unsafe { &*info };
    assert!(info.magic == START_INFO_MAGIC, "not entered by PVH");
    let words = ptr::with_exposed_provenance_mut(info.command_line_phys as usize);
    COMMAND_LINE.store(words, Ordering::Relaxed);

    crate::image::run()
}
