//! Heaps of any length, asked for one: `rlsf`, `talc`, `linked_list_allocator`, `buddy_system_allocator`.
#![expect(
    unsafe_code,
    reason = "the allocators are given memory, and pointers back"
)]

use core::alloc::Layout;
use core::ptr::NonNull;

use anyhow::{Context, Result};
use rlsf::Tlsf;
use talc::DefaultBinning;
use talc::base::Talc;
use talc::source::Manual;

use crate::mapping::Mapping;
use crate::objects::fixed::{Objects, REGION, at, offset, region};
use crate::peer::{Books, Row};

/// Objects are aligned to a line.
const ALIGNMENT: usize = 64;

fn layout(bytes: usize) -> Option<Layout> {
    Layout::from_size_align(bytes, ALIGNMENT).ok()
}

macro_rules! heap {
    (
        $(#[$attribute:meta])* $name:ident($heap:ty), $row:literal, $package:literal, $note:literal,
        $new:expr, $take:expr, $give:expr
    ) => {
        $(#[$attribute])*
        pub struct $name {
            heap: $heap,
            mapping: Mapping,
        }

        impl Objects for $name {
            const ROW: Row = Row {
                name: $row,
                package: Some($package),
                books: Books::InBand,
                note: $note,
            };

            fn new(_bytes: usize) -> Result<Self> {
                let mapping = region()?;
                let new: fn(&Mapping) -> Result<$heap> = $new;
                Ok(Self { heap: new(&mapping)?, mapping })
            }

            #[inline]
            fn take(&mut self, bytes: usize) -> Option<u32> {
                let take: fn(&mut $heap, Layout) -> Option<NonNull<u8>> = $take;
                let pointer = take(&mut self.heap, layout(bytes)?)?;
                Some(offset(&self.mapping, pointer))
            }

            #[inline]
            fn give(&mut self, offset: u32, bytes: usize) {
                let give: fn(&mut $heap, NonNull<u8>, Layout) = $give;
                if let Some(layout) = layout(bytes) {
                    give(&mut self.heap, at(&self.mapping, offset), layout);
                }
            }

            fn memory(&self) -> Option<NonNull<[u8]>> {
                Some(self.mapping.bytes())
            }
        }
    };
}

heap!(
    /// Two-level segregated fit.
    InBandTlsf(Tlsf<'static, u32, u32, 16, 32>),
    "rlsf",
    "rlsf",
    "a header before each object",
    |mapping| {
        let mut heap = Tlsf::new();
        // SAFETY: the mapping is the heap's alone and lives as long as it.
        unsafe { heap.insert_free_block_ptr(mapping.bytes()) }.context("too little memory")?;
        Ok(heap)
    },
    |heap, layout| heap.allocate(layout),
    // SAFETY: the harness gives back what it took.
    |heap, pointer, layout| unsafe { heap.deallocate(pointer, layout.align()) }
);

heap!(
    /// Bins of free blocks.
    InBandTalc(Talc<Manual, DefaultBinning>),
    "talc",
    "talc",
    "a tag behind each object",
    |mapping| {
        let mut heap = Talc::new(Manual);
        // SAFETY: the mapping is the heap's alone and lives as long as it.
        unsafe { heap.claim(mapping.start().as_ptr(), mapping.len_bytes()) }.context("too little memory")?;
        Ok(heap)
    },
    // SAFETY: the length is not 0.
    |heap, layout| unsafe { heap.allocate(layout) },
    // SAFETY: the harness gives back what it took.
    |heap, pointer, layout| unsafe { heap.deallocate(pointer.as_ptr(), layout) }
);

heap!(
    /// A list of free blocks, in order of address.
    LinkedList(linked_list_allocator::Heap),
    "linked-list",
    "linked_list_allocator",
    "the free blocks in a list in order of address",
    |mapping| {
        // SAFETY: the mapping is the heap's alone and lives as long as it.
        Ok(unsafe { linked_list_allocator::Heap::new(mapping.start().as_ptr(), REGION) })
    },
    |heap, layout| heap.allocate_first_fit(layout).ok(),
    // SAFETY: the harness gives back what it took.
    |heap, pointer, layout| unsafe { heap.deallocate(pointer, layout) }
);

heap!(
    /// Powers of two, a list of free blocks each.
    BuddyHeap(buddy_system_allocator::Heap<32>),
    "buddy-heap",
    "buddy_system_allocator",
    "a list of free blocks for each power of two, which a free searches for its buddy",
    |mapping| {
        let mut heap = buddy_system_allocator::Heap::new();
        // SAFETY: the mapping is the heap's alone and lives as long as it.
        unsafe { heap.init(mapping.start().as_ptr().expose_provenance(), REGION) };
        Ok(heap)
    },
    |heap, layout| heap.alloc(layout).ok(),
    // SAFETY: the harness gives back what it took.
    |heap, pointer, layout| unsafe { heap.dealloc(pointer, layout) }
);
