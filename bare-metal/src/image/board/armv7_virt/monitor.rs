//! Hyp mode: what traps from SVC mode goes to the monitor, with the MMU off and all interrupts masked.
#![expect(unsafe_code, reason = "a trap handler, its registers and its state")]

use core::arch::{asm, global_asm};

use super::tick;
use crate::image::board::arm_virt::{self, gic};
use crate::image::board::shadow::{Monitor, Operation};
use crate::image::calls;
use crate::image::console;
use crate::image::verdict::Verdict;

/// What the entry below saves.
#[repr(C)]
struct Registers {
    /// R0 to R12, which SVC mode shares.
    r: [u32; 13],
    /// The link register of User mode, which is Hyp mode's too; SVC mode has its own.
    lr: u32,
}

// The vector table (Arm ARM, DDI 0406, B1.8.1, "Exception vectors and the exception base address"). All registers are
// saved that both modes have; the target has no floating-point ones.
global_asm!(
    ".pushsection .text.monitor, \"ax\", %progbits",
    ".arch_extension virt",
    ".balign 32",
    ".globl monitor_vectors",
    "monitor_vectors:",
    ".irp number, 0, 1, 2, 3, 4, 5, 6, 7",
    r"    b monitor_\number",
    ".endr",
    ".irp number, 0, 1, 2, 3, 4, 5, 6, 7",
    r"monitor_\number:",
    "    push {{r0-r12, lr}}",
    r"    mov r1, #\number",
    "    b monitor_entry",
    ".endr",
    "monitor_entry:",
    "    mov r0, sp",
    "    bl {monitor_trap}",
    "    pop {{r0-r12, lr}}",
    "    eret",
    ".popsection",
    monitor_trap = sym monitor_trap,
);

/// Entries of the vector table: traps and calls from below, and interrupts.
const TRAP: u32 = 5;
const IRQ: u32 = 6;

/// Exception classes in HSR, bits 31:26 (Arm ARM, part B, "HSR, Hyp Syndrome Register").
const CP15: u32 = 0x03;
const HVC: u32 = 0x12;

/// HCR: TPC, maintenance to the point of coherency traps; IMO, interrupts come to Hyp mode whatever SVC mode masks.
const HCR: u32 = 1 << 23 | 1 << 4;

/// HSTR: T7, all of CP15's register c7 traps, for QEMU's Armv7 processors take no notice of HCR.TPC.
const HSTR: u32 = 1 << 7;

/// Does what trapped from SVC mode, and returns to it, or does not return.
extern "C" fn monitor_trap(registers: &mut Registers, vector: u32) {
    // SAFETY: Hyp mode runs on one processor with interrupts masked, and this is its handler.
    let monitor = unsafe { arm_virt::monitor() };

    let syndrome = syndrome();
    match (vector, syndrome >> 26) {
        (IRQ, _) => gic::interrupted(|| tick::set(monitor.tick())),
        (TRAP, HVC) => call(monitor, registers),
        (TRAP, CP15) => {
            let (Some(operation), Some(address)) =
                (operation(syndrome), address(syndrome, registers))
            else {
                unexpected(vector, syndrome);
            };
            monitor.maintain(operation, address as usize);
            skip_instruction();
        }
        _ => unexpected(vector, syndrome),
    }
}

/// A call: R0 to R3 are the request, R0 and R1 the answer.
fn call(monitor: &mut Monitor, registers: &mut Registers) {
    let [number, first, second, third] = [0, 1, 2, 3].map(|index| registers.r[index] as usize);
    let answer = monitor.call([number, first, second, third]);
    [registers.r[0], registers.r[1]] = answer.map(|word| word as u32);
    if number == calls::START {
        // SAFETY: the traps that the monitor is for.
        unsafe {
            asm!(
                "mcr p15, 4, {}, c1, c1, 0",
                "mcr p15, 4, {}, c1, c1, 3",
                "isb",
                in(reg) HCR,
                in(reg) HSTR,
                options(nomem, nostack),
            );
        }
        tick::start(monitor.tick());
    }
}

/// The maintenance that a trapped MCR is: ISS for EC 0x03 has Opc2, Opc1 and CRn in bits 19:10, CRm in 4:1, and the
/// direction in bit 0 (Arm ARM, part B, "ISS encoding for MCR or MRC accesses to CP15"). QEMU traps no instruction whose
/// condition fails.
fn operation(syndrome: u32) -> Option<Operation> {
    const fn dc(crm: u32) -> u32 {
        let (opc2, opc1, crn) = (1, 0, 7);
        opc2 << 17 | opc1 << 14 | crn << 10 | crm << 1
    }
    const DCIMVAC: u32 = dc(6);
    const DCCMVAC: u32 = dc(10);
    const DCCIMVAC: u32 = dc(14);

    // All but the condition and the register.
    match syndrome & 0xf_fc1f {
        DCIMVAC => Some(Operation::Invalidate),
        DCCMVAC => Some(Operation::Clean),
        DCCIMVAC => Some(Operation::CleanAndInvalidate),
        _ => None,
    }
}

/// The register that a trapped MCR wrote, Rt in bits 8:5: R13 and R14 are those of SVC mode.
fn address(syndrome: u32, registers: &Registers) -> Option<u32> {
    let register = syndrome >> 5 & 15;
    let banked: u32;
    match register {
        13 => {
            // SAFETY: reads a register.
            unsafe {
                asm!(".arch_extension virt", "mrs {}, sp_svc", out(reg) banked, options(nomem, nostack));
            }
            Some(banked)
        }
        14 => {
            // SAFETY: as above.
            unsafe {
                asm!(".arch_extension virt", "mrs {}, lr_svc", out(reg) banked, options(nomem, nostack));
            }
            Some(banked)
        }
        _ => registers.r.get(register as usize).copied(),
    }
}

fn syndrome() -> u32 {
    let syndrome;
    // SAFETY: reads HSR.
    unsafe { asm!("mrc p15, 4, {}, c5, c2, 0", out(reg) syndrome, options(nomem, nostack)) };
    syndrome
}

/// SVC mode goes on behind the instruction that trapped.
fn skip_instruction() {
    // SAFETY: the instruction was carried out by the monitor; an MCR is four bytes long in T32, too.
    unsafe {
        asm!(
            ".arch_extension virt",
            "mrs {from}, elr_hyp",
            "add {from}, {from}, #4",
            "msr elr_hyp, {from}",
            from = out(reg) _,
            options(nomem, nostack, preserves_flags),
        );
    }
}

/// Prints what happened and ends the image.
fn unexpected(vector: u32, syndrome: u32) -> ! {
    let (from, address): (u32, u32);
    // SAFETY: reads two registers, of which the second is HDFAR.
    unsafe {
        asm!(
            ".arch_extension virt",
            "mrs {}, elr_hyp",
            "mrc p15, 4, {}, c6, c0, 0",
            out(reg) from,
            out(reg) address,
            options(nomem, nostack),
        );
    }
    console::line(format_args!(
        "TRAP in Hyp mode (vector {vector}) hsr {syndrome:#010x} elr {from:#010x} hdfar {address:#010x}"
    ));
    Verdict::Trap.exit()
}
