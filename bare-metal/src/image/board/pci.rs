//! Functions of PCI bus 0, found by what they say they are, with their registers placed and able to master the bus.

use virtio_drivers::transport::pci::bus::{
    BarInfo, Command, ConfigurationAccess, DeviceFunction, DeviceFunctionInfo, PciRoot,
};

/// What one device may claim; a virtio-blk function of QEMU claims 16 KiB of it, an edu all.
const SPACE_PER_DEVICE: u32 = 1 << 20;

/// The `index`-th function, in bus order, of which `is_wanted` is true, or `None` if there are not that many.
///
/// Where no firmware has placed the memory BARs, `place_bars_from` is a PCI address: device `d` of the bus gets the
/// `d`-th [`SPACE_PER_DEVICE`] bytes from there on.
///
/// # Panics
///
/// If the function found has BARs that there is no room for, or of a type that does not exist.
pub(super) fn function<C: ConfigurationAccess>(
    access: C,
    place_bars_from: Option<u32>,
    index: usize,
    is_wanted: impl Fn(&DeviceFunctionInfo) -> bool,
) -> Option<(PciRoot<C>, DeviceFunction)> {
    let mut root = PciRoot::new(access);
    let (function, _) = root
        .enumerate_bus(0)
        .filter(|(_, info)| is_wanted(info))
        .nth(index)?;

    if let Some(base) = place_bars_from {
        place_bars(&mut root, function, base);
    }
    root.set_command(function, Command::MEMORY_SPACE | Command::BUS_MASTER);
    Some((root, function))
}

/// Where the registers behind a function's first BAR are on the bus, and how many bytes they have.
///
/// # Panics
///
/// If that is no memory BAR.
pub(super) fn registers<C: ConfigurationAccess>(
    root: &mut PciRoot<C>,
    function: DeviceFunction,
) -> (u64, usize) {
    let bar = root.bar_info(function, 0).ok().flatten();
    let (address, len) = bar
        .and_then(|bar| bar.memory_address_size())
        .expect("the function's first BAR is one of memory");
    (address, len as usize)
}

/// Places every memory BAR of `function` at a multiple of its size (PCI Local Bus 3.0, section 6.2.5.1).
///
/// I/O BARs stay unplaced: their decoding is never enabled.
fn place_bars<C: ConfigurationAccess>(root: &mut PciRoot<C>, function: DeviceFunction, base: u32) {
    let mut next = base + u32::from(function.device) * SPACE_PER_DEVICE;
    let end = next + SPACE_PER_DEVICE;

    let bars = root.bars(function).expect("a BAR has a type that exists");
    for (index, bar) in (0..).zip(&bars) {
        let Some(bar @ BarInfo::Memory { size, .. }) = bar else {
            continue;
        };
        let size = u32::try_from(*size).expect("a BAR of these devices is small");
        let address = next.next_multiple_of(size);
        next = address + size;
        assert!(
            next <= end,
            "the BARs of {function} need more than {SPACE_PER_DEVICE} bytes"
        );

        if bar.takes_two_entries() {
            root.set_bar_64(function, index, address.into());
        } else {
            root.set_bar_32(function, index, address);
        }
    }
}
