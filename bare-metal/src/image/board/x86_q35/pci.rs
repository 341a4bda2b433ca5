//! PCI configuration goes through ports 0xcf8 and 0xcfc, and the firmware has placed every BAR.
//!
//! Why not the memory-mapped space: its base depends on the firmware, the ports do not.
#![expect(unsafe_code, reason = "accesses device registers")]

use core::ptr::NonNull;

use virtio_drivers::{
    Hal,
    transport::pci::{
        PciTransport,
        bus::{ConfigurationAccess, DeviceFunction, DeviceFunctionInfo},
    },
};

use super::{
    super::{pci, virtio_pci},
    port::{in_32, out_32},
};

/// What drives a virtio disk on this board.
pub(crate) type DiskTransport = PciTransport;

/// The `index`-th virtio disk of PCI bus 0, which is the order of the `-device` options.
pub(crate) fn disk_transport<H: Hal>(index: usize) -> Option<DiskTransport> {
    virtio_pci::disk::<H, _>(ConfigurationPorts, None, index)
}

/// The registers of the first PCI function with these numbers, if there is one, and how many bytes they have.
pub(crate) fn pci_registers(vendor: u16, device: u16) -> Option<(NonNull<u8>, usize)> {
    let is_wanted =
        |info: &DeviceFunctionInfo| (info.vendor_id, info.device_id) == (vendor, device);
    let (mut root, function) = pci::function(ConfigurationPorts, None, 0, is_wanted)?;
    let (address, len) = pci::registers(&mut root, function);
    Some((super::device_registers(address, len), len))
}

/// CONFIG_ADDRESS and CONFIG_DATA (PCI Local Bus 3.0, section 3.2.2.3.2).
const CONFIG_ADDRESS: u16 = 0xcf8;
const CONFIG_DATA: u16 = 0xcfc;

/// PCI's configuration mechanism #1.
#[derive(Debug)]
struct ConfigurationPorts;

impl ConfigurationAccess for ConfigurationPorts {
    fn read_word(&self, function: DeviceFunction, register: u8) -> u32 {
        select(function, register);
        // SAFETY: a configuration read has no effect; one that no function answers gives all ones.
        unsafe { in_32(CONFIG_DATA) }
    }

    fn write_word(&mut self, function: DeviceFunction, register: u8, word: u32) {
        select(function, register);
        // SAFETY: the caller says which function's register takes the word.
        unsafe { out_32(CONFIG_DATA, word) }
    }

    unsafe fn unsafe_clone(&self) -> Self {
        Self
    }
}

/// Names the configuration register that the data port stands for from now on.
fn select(function: DeviceFunction, register: u8) {
    let DeviceFunction {
        bus,
        device,
        function,
    } = function;
    let address = 1 << 31
        | u32::from(bus) << 16
        | u32::from(device) << 11
        | u32::from(function) << 8
        | u32::from(register & !3);
    // SAFETY: writing the address port does nothing by itself.
    unsafe { out_32(CONFIG_ADDRESS, address) };
}
