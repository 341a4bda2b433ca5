//! From the loader's jump to [`run`](crate::image::run): caches on, a stack, cleared statics, vectors, arguments.
#![expect(unsafe_code, reason = "is entered from outside Rust")]

use core::{
    arch::global_asm,
    ffi::{CStr, c_char},
    ptr,
    sync::atomic::{AtomicPtr, Ordering},
};

/// The loader's second argument string; null until known.
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
    // SAFETY: the loader's string ends in a zero byte, and nothing writes to the memory it is in.
    let words = unsafe { CStr::from_ptr(words) };
    words.to_str().expect("the command line is UTF-8")
}

// Config.K0 (CP0 16, select 0, bits 2..0) is the cacheability of KSEG0 and undefined after reset; 3 is cacheable,
// non-coherent, write-back, write-allocate (MIPS32 PRA, MD00090, "Config Register" and "Cacheability and Coherency
// Attributes"; MIPS32 24K software user's manual, MD00343). It must not be changed by code that runs in KSEG0. The
// caches themselves must have been initialised, as a Malta's boot monitor does.
global_asm!(
    r#"
    .pushsection .text.entry, "ax"
    .set push
    .set mips32r2              # module-level assembly knows no target features
    .set noreorder
    .set noat
    .globl  _start
_start:
    la      $t0, 1f
    lui     $t1, 0x2000             # KSEG0 to KSEG1
    or      $t0, $t0, $t1
    jr      $t0
    nop
1:
    mfc0    $t0, $16
    ori     $t0, $t0, 7
    xori    $t0, $t0, 4
    mtc0    $t0, $16                # Config.K0 = 3
    la      $t0, 2f
    jr.hb   $t0
    nop
2:
    la      $t0, bss_start
    la      $t1, bss_end
    beq     $t0, $t1, 4f
    nop
3:
    addiu   $t0, $t0, 4
    bne     $t0, $t1, 3b
    sw      $zero, -4($t0)
4:
    la      $sp, stack_top
    addiu   $sp, $sp, -16           # the caller's part of an o32 frame
    la      $t9, {start}
    jr      $t9
    move    $ra, $zero
    .set pop
    .popsection
    "#,
    start = sym start,
);

/// What QEMU's loader passes: `argv[0]` is the image's file name and `argv[1]` the words of `-append`, in an array that
/// ends in a null pointer. `argc` is 2, but -1 under `-semihosting`, which leaves the array as it is.
extern "C" fn start(_argc: isize, argv: *const *mut c_char) -> ! {
    super::trap::install();

    // SAFETY: the loader's array has at least two entries.
    let words = unsafe { argv.add(1) };
    // SAFETY: aligned, in memory that nothing has written to since.
    let words = unsafe { words.read() };
    COMMAND_LINE.store(words, Ordering::Relaxed);

    crate::image::run()
}
