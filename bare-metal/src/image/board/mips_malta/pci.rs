//! PCI configuration goes through the GT-64120's address and data registers, and no firmware has placed a BAR.
#![expect(unsafe_code, reason = "accesses device registers")]

use core::ptr::NonNull;

use virtio_drivers::{
    Hal,
    transport::pci::{
        PciTransport,
        bus::{ConfigurationAccess, DeviceFunction, DeviceFunctionInfo},
    },
};

use super::super::{pci, virtio_pci};

/// What drives a virtio disk on this board.
pub(crate) type DiskTransport = PciTransport;

/// The `index`-th virtio disk of PCI bus 0, which is the order of the `-device` options.
pub(crate) fn disk_transport<H: Hal>(index: usize) -> Option<DiskTransport> {
    virtio_pci::disk::<H, _>(Gt64120, Some(PCI_MEMORY), index)
}

/// The registers of the first PCI function with these numbers, if there is one, and how many bytes they have.
pub(crate) fn pci_registers(vendor: u16, device: u16) -> Option<(NonNull<u8>, usize)> {
    let is_wanted =
        |info: &DeviceFunctionInfo| (info.vendor_id, info.device_id) == (vendor, device);
    let (mut root, function) = pci::function(Gt64120, Some(PCI_MEMORY), 0, is_wanted)?;
    let (address, len) = pci::registers(&mut root, function);
    Some((super::device_registers(address, len), len))
}

/// Start of the bridge's first PCI memory window: the same address on the CPU's bus and on PCI.
const PCI_MEMORY: u32 = 0x1000_0000;

/// Where the Malta's boot code puts the bridge's registers.
const REGISTERS_PHYS: u64 = 0x1be0_0000;
const REGISTERS_LEN: usize = 0x1000;
/// PCI_0 Configuration Address (GT-64120 data sheet, "PCI Internal Registers").
const CONFIGURATION_ADDRESS: usize = 0xcf8;
/// PCI_0 Configuration Data Virtual.
const CONFIGURATION_DATA: usize = 0xcfc;

/// The bridge's configuration mechanism.
#[derive(Debug)]
struct Gt64120;

impl ConfigurationAccess for Gt64120 {
    fn read_word(&self, function: DeviceFunction, register: u8) -> u32 {
        let Some(data) = select(function, register) else {
            return u32::MAX;
        };
        // SAFETY: the data register; a cycle that no function answers reads as all ones.
        unsafe { data.read_volatile() }
    }

    fn write_word(&mut self, function: DeviceFunction, register: u8, word: u32) {
        if let Some(data) = select(function, register) {
            // SAFETY: the data register; the caller says which function's register takes the word.
            unsafe { data.write_volatile(word) }
        }
    }

    unsafe fn unsafe_clone(&self) -> Self {
        Self
    }
}

/// Names a configuration register to the bridge; gives its data register, or `None` where an access would do harm.
fn select(function: DeviceFunction, register: u8) -> Option<NonNull<u32>> {
    let DeviceFunction {
        bus,
        device,
        function,
    } = function;
    // A bug of the bridge: it may hang on device 31 of bus 0 (Linux, arch/mips/pci/ops-gt64xxx_pci0.c).
    if (bus, device) == (0, 31) {
        return None;
    }
    let address = 1 << 31
        | u32::from(bus) << 16
        | u32::from(device) << 11
        | u32::from(function) << 8
        | u32::from(register & !3);

    let registers = super::device_registers(REGISTERS_PHYS, REGISTERS_LEN);
    // SAFETY: inside the bridge's registers.
    let address_register = unsafe { registers.add(CONFIGURATION_ADDRESS) }.cast::<u32>();
    // SAFETY: the address register is aligned and takes any word; it only names what the next data access means.
    unsafe { address_register.write_volatile(address) };
    // SAFETY: inside the bridge's registers.
    let data_register = unsafe { registers.add(CONFIGURATION_DATA) };
    Some(data_register.cast())
}
