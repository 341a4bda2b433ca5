//! EL2: what traps from EL1 goes to the monitor, with the MMU off and all interrupts masked.
#![expect(unsafe_code, reason = "a trap handler, its registers and its state")]

use core::arch::{asm, global_asm};

use super::tick;
use crate::image::board::arm_virt::{self, gic};
use crate::image::board::shadow::{Monitor, Operation};
use crate::image::calls;
use crate::image::console;
use crate::image::verdict::Verdict;

/// What the entry below saves of EL1, as far as the handler reads it.
#[repr(C)]
struct Registers {
    /// X0 to X30. The vector registers follow.
    x: [u64; 31],
}

// The vector table (Arm ARM, DDI 0487, part D, "Exception vectors"). All registers are saved, for the handler is compiled
// code and may use any.
global_asm!(
    ".pushsection .text.monitor, \"ax\", %progbits",
    ".balign 2048",
    ".globl monitor_vectors",
    "monitor_vectors:",
    ".irp number, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15",
    "    .balign 128",
    "    sub sp, sp, #784",
    "    stp x0, x1, [sp]",
    r"    mov x1, #\number",
    "    b monitor_entry",
    ".endr",
    ".balign 128",
    "monitor_entry:",
    ".irp n, 2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30",
    r"    str x\n, [sp, #8*\n]",
    ".endr",
    ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31",
    r"    str q\n, [sp, #256+16*\n]",
    ".endr",
    "    mrs x2, fpsr",
    "    mrs x3, fpcr",
    "    str x2, [sp, #768]",
    "    str x3, [sp, #776]",
    "    mov x0, sp",
    "    bl {monitor_trap}",
    "    ldr x2, [sp, #768]",
    "    ldr x3, [sp, #776]",
    "    msr fpsr, x2",
    "    msr fpcr, x3",
    ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31",
    r"    ldr q\n, [sp, #256+16*\n]",
    ".endr",
    ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30",
    r"    ldr x\n, [sp, #8*\n]",
    ".endr",
    "    add sp, sp, #784",
    "    eret",
    ".popsection",
    monitor_trap = sym monitor_trap,
);

/// Entries of the vector table for EL1 in AArch64 state.
const SYNCHRONOUS: u64 = 8;
const IRQ: u64 = 9;

/// Exception classes in ESR_EL2, bits 31:26 (Arm ARM, part D, "ESR_EL2").
const HVC: u64 = 0x16;
const SYSTEM_INSTRUCTION: u64 = 0x18;

/// HCR_EL2: RW, EL1 is AArch64; TPCP, maintenance to the point of coherency traps; IMO, interrupts come to EL2 whatever
/// EL1 masks.
const HCR: u64 = 1 << 31 | 1 << 23 | 1 << 4;

/// Does what trapped from EL1, and returns to it, or does not return.
extern "C" fn monitor_trap(registers: &mut Registers, vector: u64) {
    // SAFETY: EL2 runs on one processor with interrupts masked, and this is its handler.
    let monitor = unsafe { arm_virt::monitor() };

    let syndrome = syndrome();
    match (vector, syndrome >> 26) {
        (IRQ, _) => gic::interrupted(|| tick::set(monitor.tick())),
        (SYNCHRONOUS, HVC) => call(monitor, registers),
        (SYNCHRONOUS, SYSTEM_INSTRUCTION) => {
            let Some(operation) = operation(syndrome) else {
                unexpected(vector, syndrome);
            };
            let register = (syndrome >> 5 & 31) as usize;
            // 31 is the zero register.
            let address = registers.x.get(register).copied().unwrap_or(0);
            monitor.maintain(operation, address as usize);
            skip_instruction();
        }
        _ => unexpected(vector, syndrome),
    }
}

/// A call: X0 to X3 are the request, X0 and X1 the answer.
fn call(monitor: &mut Monitor, registers: &mut Registers) {
    let [number, first, second, third] = [0, 1, 2, 3].map(|index| registers.x[index] as usize);
    let answer = monitor.call([number, first, second, third]);
    [registers.x[0], registers.x[1]] = answer.map(|word| word as u64);
    if number == calls::START {
        // SAFETY: the traps that the monitor is for.
        unsafe { asm!("msr hcr_el2, {}", "isb", in(reg) HCR, options(nomem, nostack)) };
        tick::start(monitor.tick());
    }
}

/// The maintenance that a trapped system instruction is: ISS for EC 0x18 has Op0, Op2, Op1, CRn and CRm in bits 21:10 and
/// 4:1, and the direction in bit 0 (Arm ARM, part D, "ISS encoding for an exception from MSR, MRS, or System instruction
/// execution"); DC IVAC is S1_0_C7_C6_1, CVAC S1_3_C7_C10_1, CIVAC S1_3_C7_C14_1 (C5.3).
fn operation(syndrome: u64) -> Option<Operation> {
    const fn dc(op1: u64, crm: u64) -> u64 {
        let (op0, op2, crn) = (1, 1, 7);
        op0 << 20 | op2 << 17 | op1 << 14 | crn << 10 | crm << 1
    }
    const IVAC: u64 = dc(0, 6);
    const CVAC: u64 = dc(3, 10);
    const CIVAC: u64 = dc(3, 14);

    // All but the register.
    match syndrome & 0x3f_fc1f {
        IVAC => Some(Operation::Invalidate),
        CVAC => Some(Operation::Clean),
        CIVAC => Some(Operation::CleanAndInvalidate),
        _ => None,
    }
}

fn syndrome() -> u64 {
    let syndrome;
    // SAFETY: reads a register.
    unsafe { asm!("mrs {}, esr_el2", out(reg) syndrome, options(nomem, nostack)) };
    syndrome
}

/// EL1 goes on behind the instruction that trapped.
fn skip_instruction() {
    // SAFETY: the instruction was carried out by the monitor; it is four bytes long.
    unsafe {
        asm!(
            "mrs {from}, elr_el2",
            "add {from}, {from}, #4",
            "msr elr_el2, {from}",
            from = out(reg) _,
            options(nomem, nostack, preserves_flags),
        );
    }
}

/// Prints what happened and ends the image.
fn unexpected(vector: u64, syndrome: u64) -> ! {
    let (from, address): (u64, u64);
    // SAFETY: reads two registers.
    unsafe {
        asm!(
            "mrs {}, elr_el2",
            "mrs {}, far_el2",
            out(reg) from,
            out(reg) address,
            options(nomem, nostack),
        );
    }
    console::line(format_args!(
        "TRAP at EL2 (vector {vector}) esr {syndrome:#010x} elr {from:#018x} far {address:#018x}"
    ));
    Verdict::Trap.exit()
}
