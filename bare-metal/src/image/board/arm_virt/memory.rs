//! What is where in the board's memory, once for the page tables, the linker script and the image.
#![expect(unsafe_code, reason = "assembler symbols for the linker script")]

use core::arch::global_asm;
use core::ptr::{self, NonNull};

use crate::image::board::ecam::HostBridge;

/// Where the image is linked: the boot code first, the page tables one page on.
pub(super) const IMAGE_PHYS: u64 = 0x4020_0000;

/// The page tables. The linker script puts them there and checks that it is here.
pub(super) const PAGE_TABLES_PHYS: u64 = IMAGE_PHYS + 0x1000;

/// The stack. The linker script checks this one too.
const STACK_PHYS: u64 = 0x4220_0000;

/// Memory for DMA, cached, apart from anything else.
pub(crate) const DMA_WINDOW_PHYS: u64 = 0x4400_0000;

/// The length of the window in bytes.
pub(crate) const DMA_WINDOW_LEN: usize = 30 << 20;

/// Memory that CPU and device may use at once: it is mapped Non-cacheable and nowhere else.
pub(crate) const COHERENT_PHYS: u64 = DMA_WINDOW_PHYS + DMA_WINDOW_LEN as u64;

/// The length of the coherent memory in bytes.
pub(crate) const COHERENT_LEN: usize = 2 << 20;

/// How much of the window is used when maintenance traps, which takes its time.
pub(crate) const SHADOWED_POOL_LEN: usize = 4 << 20;

/// What the caches hold of the window, if they are not what devices see; only the monitor knows it by this address.
pub(super) const CACHE_PHYS: u64 = 0x4800_0000;

/// What a line of the window held when cache and memory last agreed; the monitor's alone.
pub(super) const SYNCED_PHYS: u64 = 0x4a00_0000;

/// Memory up to beyond what an edu device with 31 address lines reaches, cached; QEMU has it only if it is given so much.
const UPPER_PHYS: u64 = 0x7fe0_0000;

/// The length of that memory in bytes: half of it is within reach.
const UPPER_LEN: usize = 4 << 20;

/// The PCI host bridge with `highmem=off` (QEMU's hw/arm/virt.c: VIRT_PCIE_ECAM, VIRT_PCIE_MMIO).
pub(super) const HOST_BRIDGE: HostBridge = HostBridge {
    configuration: 0x3f00_0000,
    memory: 0x1000_0000,
    memory_len: 32 << 20,
};

/// The cached CPU pointer to the window's first byte.
pub(crate) fn dma_window() -> NonNull<u8> {
    const ADDRESS: usize = DMA_WINDOW_PHYS as usize;
    NonNull::new(ptr::with_exposed_provenance_mut(ADDRESS)).expect("the window is not at 0")
}

/// The uncached CPU pointer, the only one, to the coherent memory's first byte.
pub(crate) fn coherent_memory() -> NonNull<u8> {
    const ADDRESS: usize = COHERENT_PHYS as usize;
    NonNull::new(ptr::with_exposed_provenance_mut(ADDRESS)).expect("the memory is not at 0")
}

/// The upper memory: the CPU's pointer to all of it, and its first physical address.
pub(crate) fn upper_memory() -> (NonNull<[u8]>, u64) {
    const ADDRESS: usize = UPPER_PHYS as usize;
    let first = NonNull::new(ptr::with_exposed_provenance_mut(ADDRESS));
    let first = first.expect("the memory is not at 0");
    (NonNull::slice_from_raw_parts(first, UPPER_LEN), UPPER_PHYS)
}

/// How a region behaves.
#[derive(Clone, Copy)]
pub(super) enum Memory {
    /// Registers: Device-nGnRE.
    Device,
    /// Normal write-back, executable.
    Code,
    /// Normal write-back.
    Cached,
    /// Normal write-back; once the monitor has begun, at [`CACHE_PHYS`].
    Window,
    /// Normal Non-cacheable.
    Uncached,
}

/// One region, mapped VA = PA save for a shadowed window. Both numbers are multiples of 2 MiB.
pub(super) struct Region {
    /// Its first address.
    pub(super) phys: u64,
    /// Its length in bytes.
    pub(super) len: u64,
    /// How it behaves.
    pub(super) memory: Memory,
}

impl Region {
    /// One row of the map.
    const fn new(phys: u64, len: u64, memory: Memory) -> Self {
        Self { phys, len, memory }
    }
}

/// All that is mapped.
pub(super) const MAP: [Region; 8] = [
    Region::new(0x0800_0000, 128 << 20, Memory::Device),
    Region::new(
        HOST_BRIDGE.memory as u64,
        HOST_BRIDGE.memory_len as u64,
        Memory::Device,
    ),
    Region::new(HOST_BRIDGE.configuration as u64, 2 << 20, Memory::Device),
    Region::new(IMAGE_PHYS, 30 << 20, Memory::Code),
    Region::new(STACK_PHYS, 2 << 20, Memory::Cached),
    Region::new(DMA_WINDOW_PHYS, DMA_WINDOW_LEN as u64, Memory::Window),
    Region::new(COHERENT_PHYS, COHERENT_LEN as u64, Memory::Uncached),
    Region::new(UPPER_PHYS, UPPER_LEN as u64, Memory::Cached),
];

// What the linker script compares its own numbers with.
global_asm!(
    ".globl BOARD_PAGE_TABLES, BOARD_STACK, BOARD_DMA_WINDOW",
    ".set BOARD_PAGE_TABLES, {page_tables}",
    ".set BOARD_STACK, {stack}",
    ".set BOARD_DMA_WINDOW, {window}",
    page_tables = const PAGE_TABLES_PHYS,
    stack = const STACK_PHYS,
    window = const DMA_WINDOW_PHYS,
);
