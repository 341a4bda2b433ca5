//! What is where in the board's memory, once for the page tables, the linker script and the image.
#![expect(unsafe_code, reason = "assembler symbols for the linker script")]

use core::arch::global_asm;
use core::ptr::{self, NonNull};

use crate::image::board::ecam::HostBridge;

/// Where the image is linked, and where QEMU enters it: the page tables are one page on.
pub(super) const IMAGE_PHYS: u64 = 0x8000_0000;

/// The page tables. The linker script puts them there and checks that it is here.
pub(super) const PAGE_TABLES_PHYS: u64 = IMAGE_PHYS + 0x1000;

/// S-mode's stack. The linker script checks this one too.
const STACK_PHYS: u64 = 0x8220_0000;

/// The test device, the only one in the lowest 2 MiB: its page is mapped apart, so that address 0 is not.
pub(super) const TEST_DEVICE_PHYS: u64 = 0x0010_0000;

/// Memory for DMA, cached, apart from anything else.
pub(crate) const DMA_WINDOW_PHYS: u64 = 0x8400_0000;

/// The length of the window in bytes.
pub(crate) const DMA_WINDOW_LEN: usize = 32 << 20;

/// How much of the window is used when maintenance traps, which takes its time.
pub(crate) const SHADOWED_POOL_LEN: usize = 4 << 20;

/// What the caches hold of the window, if that is not what devices see; only M-mode knows it by this address.
pub(super) const CACHE_PHYS: u64 = 0x8800_0000;

/// What a line of the window held when cache and memory last agreed; M-mode's alone.
pub(super) const SYNCED_PHYS: u64 = 0x8a00_0000;

/// Memory up to beyond what an edu device with 32 address lines reaches; QEMU has it only if it is given so much.
const UPPER_PHYS: u64 = 0xffe0_0000;

/// Where the CPU sees it.
const UPPER_VIRT: u64 = 0xe000_0000;

/// The length of that memory in bytes: half of it is within reach.
const UPPER_LEN: usize = 4 << 20;

/// The PCI host bridge (QEMU's hw/riscv/virt.c: VIRT_PCIE_ECAM, VIRT_PCIE_MMIO).
pub(super) const HOST_BRIDGE: HostBridge = HostBridge {
    configuration: 0x3000_0000,
    memory: 0x4000_0000,
    memory_len: 32 << 20,
};

/// From a byte of the window to the same byte in the alias.
const ALIAS_OFFSET: u64 = 0x4000_0000;

/// The CPU pointer to the window's first byte.
pub(crate) fn dma_window() -> NonNull<u8> {
    const ADDRESS: usize = DMA_WINDOW_PHYS as usize;
    NonNull::new(ptr::with_exposed_provenance_mut(ADDRESS)).expect("the window is not at 0")
}

/// A second CPU pointer to the window's first byte; the whole window follows it.
///
/// Uncached where the CPU has Svpbmt, otherwise with the same attributes as the window: QEMU's board has no
/// uncached memory, and no cache. It leads to the memory that devices see even when the window does not.
pub(crate) fn uncached_alias() -> NonNull<u8> {
    const ADDRESS: usize = (DMA_WINDOW_PHYS + ALIAS_OFFSET) as usize;
    NonNull::new(ptr::with_exposed_provenance_mut(ADDRESS)).expect("the alias is not at 0")
}

/// The upper memory: the CPU's pointer to all of it, and its first physical address.
pub(crate) fn upper_memory() -> (NonNull<[u8]>, u64) {
    const ADDRESS: usize = UPPER_VIRT as usize;
    let first = NonNull::new(ptr::with_exposed_provenance_mut(ADDRESS));
    let first = first.expect("the memory is not at 0");
    (NonNull::slice_from_raw_parts(first, UPPER_LEN), UPPER_PHYS)
}

/// What may be done in a region.
#[derive(Clone, Copy)]
pub(super) enum Memory {
    /// Read and write.
    Data,
    /// Read and write; once the monitor has begun, at [`CACHE_PHYS`].
    Window,
    /// Read, write and execute.
    Code,
    /// Read and write, uncached if the CPU can.
    Alias,
}

/// One region. All numbers are multiples of 2 MiB.
pub(super) struct Region {
    /// Its first virtual address.
    pub(super) virt: u64,
    /// The physical one.
    pub(super) phys: u64,
    /// Its length in bytes.
    pub(super) len: u64,
    /// What may be done in it.
    pub(super) memory: Memory,
}

impl Region {
    /// A row of the map with VA = PA.
    const fn same(phys: u64, len: u64, memory: Memory) -> Self {
        Self {
            virt: phys,
            phys,
            len,
            memory,
        }
    }
}

/// All that is mapped, except for the test device's page.
pub(super) const MAP: [Region; 8] = [
    Region::same(0x1000_0000, 2 << 20, Memory::Data),
    Region::same(HOST_BRIDGE.configuration as u64, 2 << 20, Memory::Data),
    Region::same(
        HOST_BRIDGE.memory as u64,
        HOST_BRIDGE.memory_len as u64,
        Memory::Data,
    ),
    Region::same(IMAGE_PHYS, 32 << 20, Memory::Code),
    Region::same(STACK_PHYS, 2 << 20, Memory::Data),
    Region::same(DMA_WINDOW_PHYS, DMA_WINDOW_LEN as u64, Memory::Window),
    Region {
        virt: DMA_WINDOW_PHYS + ALIAS_OFFSET,
        phys: DMA_WINDOW_PHYS,
        len: DMA_WINDOW_LEN as u64,
        memory: Memory::Alias,
    },
    Region {
        virt: UPPER_VIRT,
        phys: UPPER_PHYS,
        len: UPPER_LEN as u64,
        memory: Memory::Data,
    },
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
