//! M-mode takes every trap: it counts the cache block operations and has the monitor carry them out, answers calls and
//! the timer, and any other trap ends the image.
#![expect(unsafe_code, reason = "a trap handler and its registers")]

use core::arch::{asm, global_asm};
use core::sync::atomic::{AtomicU64, Ordering};

use super::cbo::Cbo;
use super::memory::{CACHE_PHYS, DMA_WINDOW_LEN, DMA_WINDOW_PHYS, SYNCED_PHYS, TEST_DEVICE_PHYS};
use super::test_device::FAIL;
use super::tick;
use crate::image::board::shadow::{Copies, Monitor};
use crate::image::calls;
use crate::image::console;
use crate::image::verdict::Verdict;

/// M-mode's alone.
#[unsafe(link_section = ".data.monitor")]
static mut MONITOR: Monitor = Monitor::new(COPIES);

// SAFETY: the linker script keeps everything out of the window and of both copies, which are RAM of the board's 256 MiB
// below the device tree.
const COPIES: Copies = unsafe {
    Copies::new(
        DMA_WINDOW_PHYS as usize,
        DMA_WINDOW_PHYS as usize,
        CACHE_PHYS as usize,
        SYNCED_PHYS as usize,
        DMA_WINDOW_LEN,
        DMA_WINDOW_LEN,
    )
};

/// What the entry below saves of the interrupted code, as far as the handler reads it.
#[repr(C)]
struct Registers {
    /// The integer registers, `x[0]` being 0. The floating-point registers follow.
    x: [u64; 32],
}

// `mscratch` holds the top of M-mode's stack while other code runs, and 0 while the handler does. A trap inside
// the handler has nothing to stand on: it ends the emulator with the code of `Verdict::Trap`. All registers are
// saved, for the handler is compiled code and may use any. `mtvec` in direct mode wants four bytes of alignment
// (RISC-V privileged specification 20211203, 3.1.7).
global_asm!(
    ".pushsection .text.machine, \"ax\", @progbits",
    ".option push",
    ".option arch, rv64gc",
    ".balign 4",
    ".globl machine_trap_entry",
    "machine_trap_entry:",
    "    csrrw sp, mscratch, sp",
    "    beqz sp, 1f",
    "    addi sp, sp, -512",
    "    sd zero, 0(sp)",
    ".irp n, 1,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31",
    r"    sd x\n, 8*\n(sp)",
    ".endr",
    ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31",
    r"    fsd f\n, 256+8*\n(sp)",
    ".endr",
    "    csrrw t0, mscratch, zero",
    "    sd t0, 16(sp)", // x2, the interrupted stack pointer
    "    mv a0, sp",
    "    call {machine_trap}",
    "    addi t0, sp, 512",
    "    csrw mscratch, t0",
    ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31",
    r"    fld f\n, 256+8*\n(sp)",
    ".endr",
    ".irp n, 1,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,2",
    r"    ld x\n, 8*\n(sp)",
    ".endr",
    "    mret",
    "1:  li t0, {test_device}",
    "    li t1, {trap} << 16 | {fail}",
    "    sw t1, 0(t0)",
    "2:  j 2b",
    ".option pop",
    ".popsection",
    machine_trap = sym machine_trap,
    test_device = const TEST_DEVICE_PHYS,
    trap = const Verdict::Trap as u64,
    fail = const FAIL,
);

/// Values of `mcause`: privileged specification 3.1.15.
const ILLEGAL_INSTRUCTION: u64 = 2;
const CALL_FROM_S_MODE: u64 = 9;
const TIMER_INTERRUPT: u64 = 1 << 63 | 7;

/// The address of the last operation that was skipped, for the report of a trap that may come of it.
static LAST_CBO: AtomicU64 = AtomicU64::new(0);

/// Does what trapped, and returns to S-mode, or does not return.
extern "C" fn machine_trap(registers: &mut Registers) {
    let monitor = &raw mut MONITOR;
    // SAFETY: M-mode runs on one hart with interrupts off, and nothing but this function uses the static.
    let monitor = unsafe { &mut *monitor };

    let trap = Trap::taken();
    match trap.cause {
        TIMER_INTERRUPT => return tick::set(monitor.tick()),
        CALL_FROM_S_MODE => {
            call(monitor, registers);
            return trap.skip_instruction();
        }
        ILLEGAL_INSTRUCTION => {
            // `mtval` may hold the instruction (3.1.16), and in QEMU does; where it is 0 no operation is recognised.
            if let Some(cbo) = Cbo::decode(trap.value as u32, &registers.x) {
                cbo.count();
                LAST_CBO.store(cbo.address, Ordering::Relaxed);
                monitor.maintain(cbo.operation(), cbo.address as usize);
                return trap.skip_instruction();
            }
        }
        _ => {}
    }

    console::line(format_args!(
        "TRAP mcause {:#x} mepc {:#018x} mtval {:#018x} sp {:#018x} last cbo {:#018x}",
        trap.cause,
        trap.from,
        trap.value,
        registers.x[2],
        LAST_CBO.load(Ordering::Relaxed),
    ));
    Verdict::Trap.exit()
}

/// A call: a0 to a3 are the request, a0 and a1 the answer.
fn call(monitor: &mut Monitor, registers: &mut Registers) {
    let [number, first, second, third] = [10, 11, 12, 13].map(|index| registers.x[index] as usize);
    let answer = monitor.call([number, first, second, third]);
    [registers.x[10], registers.x[11]] = answer.map(|word| word as u64);
    if number == calls::START {
        tick::start(monitor.tick());
    }
}

/// What the CPU says about the trap.
struct Trap {
    /// `mcause`: why.
    cause: u64,
    /// `mepc`: the instruction that trapped.
    from: u64,
    /// `mtval`: the address or the instruction word that is at fault, if the CPU tells.
    value: u64,
}

impl Trap {
    /// The trap that is being handled.
    fn taken() -> Self {
        let (cause, from, value): (u64, u64, u64);
        // SAFETY: reads three registers that M-mode may always read.
        unsafe {
            asm!(
                "csrr {}, mcause",
                "csrr {}, mepc",
                "csrr {}, mtval",
                out(reg) cause,
                out(reg) from,
                out(reg) value,
                options(nomem, nostack, preserves_flags),
            );
        }
        Self { cause, from, value }
    }
    /// S-mode goes on behind the instruction that trapped.
    fn skip_instruction(self) {
        // SAFETY: what the instruction asks for was done, and those that come here are four bytes long.
        unsafe { asm!("csrw mepc, {}", in(reg) self.from + 4, options(nomem, nostack)) };
    }
}
