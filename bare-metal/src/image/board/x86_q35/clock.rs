//! Time is the high precision event timer's main counter: 64 bits wide, and it states its own rate.
//!
//! Why not the TSC: its rate would have to be measured against another timer at every boot, and under emulation that
//! measurement is as good as the host's scheduling.
#![expect(unsafe_code, reason = "accesses device registers")]

/// Where the ICH9 has the timer (IA-PC HPET 1.0a; ICH9 data sheet, section 20).
const HPET_PHYS: u64 = 0xfed0_0000;
const HPET_LEN: usize = 0x400;
/// Femtoseconds per tick: the upper half of the capabilities register (IA-PC HPET 1.0a, section 2.3.4).
const COUNTER_CLK_PERIOD: usize = 0x004;
/// General configuration register (2.3.5); its bit 0 lets the counter run.
const CONFIGURATION: usize = 0x010;
const ENABLE_CNF: u32 = 1;
/// Main counter (2.3.7).
const COUNTER_LOW: usize = 0x0f0;
const COUNTER_HIGH: usize = 0x0f4;

/// The longest period the specification allows, 100 ns.
const MAX_PERIOD_FEMTOS: u32 = 0x05f5_e100;
const FEMTOS_PER_MICRO: u128 = 1_000_000_000;

/// Lets the counter run, from where the firmware left it.
///
/// # Panics
///
/// If there is no timer.
pub(super) fn start() {
    let period = read(COUNTER_CLK_PERIOD);
    assert!(
        (1..=MAX_PERIOD_FEMTOS).contains(&period),
        "no HPET at {HPET_PHYS:#x}"
    );

    let configuration = super::device_registers(HPET_PHYS, HPET_LEN);
    // SAFETY: inside the timer's registers.
    let configuration = unsafe { configuration.add(CONFIGURATION) }.cast::<u32>();
    // SAFETY: an aligned register; no comparator of the timer is in use, so running it does nothing but count.
    unsafe { configuration.write_volatile(read(CONFIGURATION) | ENABLE_CNF) };
}

/// Microseconds since the machine started or a little later.
pub(crate) fn now_micros() -> u64 {
    let femtos = u128::from(counter()) * u128::from(read(COUNTER_CLK_PERIOD));
    (femtos / FEMTOS_PER_MICRO) as u64
}

/// The counter by halves, since not every timer takes a 64-bit read (section 2.4.7).
fn counter() -> u64 {
    let mut high = read(COUNTER_HIGH);
    loop {
        let low = read(COUNTER_LOW);
        let high_after = read(COUNTER_HIGH);
        if high == high_after {
            return u64::from(high) << 32 | u64::from(low);
        }
        high = high_after;
    }
}

fn read(offset: usize) -> u32 {
    let registers = super::device_registers(HPET_PHYS, HPET_LEN);
    // SAFETY: every offset above is inside the timer's registers.
    let register = unsafe { registers.add(offset) }.cast::<u32>();
    // SAFETY: an aligned register, which reading does not change.
    unsafe { register.read_volatile() }
}
