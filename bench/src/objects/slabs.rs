//! Pools of one length: `acid_alloc`'s slab, `slab_allocator_rs`, `heapless`'s boxed pool.
#![expect(
    unsafe_code,
    reason = "the allocators are given memory, and pointers back"
)]

use core::alloc::Layout;
use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::ptr::NonNull;
use std::cell::RefCell;
use std::collections::BTreeMap;

use acid_alloc::{Raw, Slab};
use anyhow::{Result, anyhow};
use heapless::pool::boxed::{Box as Pooled, BoxBlock, BoxPool};

use crate::mapping::Mapping;
use crate::objects::fixed::{Objects, REGION, at, offset, region};
use crate::peer::{Books, Row};

/// `acid_alloc::Slab`.
#[derive(Debug)]
pub struct AcidSlab {
    slab: Slab<Raw>,
    mapping: Mapping,
}

impl Objects for AcidSlab {
    const ROW: Row = Row {
        name: "acid-slab",
        package: Some("acid_alloc"),
        books: Books::InBand,
        note: "a list in the free objects",
    };

    fn new(bytes: usize) -> Result<Self> {
        let mapping = region()?;
        // SAFETY: the mapping is the slab's alone, as long as all its objects, and lives as long as it.
        let slab = unsafe { Slab::new_raw(mapping.start(), bytes, REGION / bytes) };
        Ok(Self {
            slab: slab.map_err(|error| anyhow!("{error:?}"))?,
            mapping,
        })
    }

    #[inline]
    fn take(&mut self, _bytes: usize) -> Option<u32> {
        let block = self.slab.allocate_block().ok()?;
        Some(offset(&self.mapping, block.cast()))
    }

    #[inline]
    fn give(&mut self, offset: u32, _bytes: usize) {
        let pointer = at(&self.mapping, offset);
        // SAFETY: the harness gives back what it took.
        unsafe { self.slab.deallocate(pointer) };
    }

    fn memory(&self) -> Option<NonNull<[u8]>> {
        Some(self.mapping.bytes())
    }
}

/// `slab_allocator_rs`: an eighth of its memory for each length.
pub struct SlabHeap {
    heap: slab_allocator_rs::Heap,
    mapping: Mapping,
}

impl Objects for SlabHeap {
    const ROW: Row = Row {
        name: "slab-heap",
        package: Some("slab_allocator_rs"),
        books: Books::InBand,
        note: "a list in the free objects; one length has an eighth of the region, so that it refuses the rest",
    };

    fn new(_bytes: usize) -> Result<Self> {
        let mapping = region()?;
        let start = mapping.start().as_ptr().expose_provenance();
        // SAFETY: the mapping is the heap's alone and lives as long as it.
        let heap = unsafe { slab_allocator_rs::Heap::new(start, REGION) };
        Ok(Self { heap, mapping })
    }

    #[inline]
    fn take(&mut self, bytes: usize) -> Option<u32> {
        let layout = Layout::from_size_align(bytes, 64).ok()?;
        let pointer = self.heap.allocate(layout).ok()?;
        Some(offset(&self.mapping, pointer))
    }

    #[inline]
    fn give(&mut self, offset: u32, bytes: usize) {
        if let Ok(layout) = Layout::from_size_align(bytes, 64) {
            let pointer = at(&self.mapping, offset);
            // SAFETY: the harness gives back what it took.
            unsafe { self.heap.deallocate(pointer, layout) };
        }
    }

    fn memory(&self) -> Option<NonNull<[u8]>> {
        Some(self.mapping.bytes())
    }
}

/// An object of the boxed pool, of which nothing is written.
#[derive(Debug)]
#[repr(align(64))]
pub struct Object<const BYTES: usize>(MaybeUninit<[u8; BYTES]>);

/// The globals.
#[expect(missing_docs, reason = "a macro of another crate makes them")]
pub mod global {
    use super::Object;
    use heapless::box_pool;

    box_pool!(Pool64: Object<64>);
    box_pool!(Pool256: Object<256>);
    box_pool!(Pool1024: Object<1024>);
    box_pool!(Pool2048: Object<2048>);
}

/// `heapless`'s boxed pool, which is a global of the program: its region is made once.
pub struct Boxed<P, const BYTES: usize> {
    mapping: &'static Mapping,
    pool: PhantomData<P>,
}

thread_local! {
    /// The regions that pools have, by the length of their objects. Only one thread measures.
    static REGIONS: RefCell<BTreeMap<usize, &'static Mapping>> = const { RefCell::new(BTreeMap::new()) };
}

impl<P, const BYTES: usize> Objects for Boxed<P, BYTES>
where
    P: BoxPool<Data = Object<BYTES>>,
{
    const ROW: Row = Row {
        name: "heapless-box",
        package: Some("heapless"),
        books: Books::InBand,
        note: "a stack in the free objects that threads share without a lock; nothing is written to what is handed out",
    };

    fn new(_bytes: usize) -> Result<Self> {
        let mapping = REGIONS.with_borrow_mut(|regions| match regions.get(&BYTES) {
            Some(&mapping) => Ok(mapping),
            None => {
                let mapping: &'static Mapping = Box::leak(Box::new(region()?));
                manage::<P, BYTES>(mapping);
                regions.insert(BYTES, mapping);
                anyhow::Ok(mapping)
            }
        })?;
        let pool = PhantomData;
        Ok(Self { mapping, pool })
    }

    #[inline]
    fn take(&mut self, _bytes: usize) -> Option<u32> {
        let object = P::alloc(Object(MaybeUninit::uninit())).ok()?;
        let pointer = NonNull::new(Pooled::into_raw(object).cast())?;
        Some(offset(self.mapping, pointer))
    }

    #[inline]
    fn give(&mut self, offset: u32, _bytes: usize) {
        let pointer = at(self.mapping, offset).as_ptr();
        // SAFETY: the harness gives back what it took.
        drop(unsafe { Pooled::<P>::from_raw(pointer.cast()) });
    }

    fn memory(&self) -> Option<NonNull<[u8]>> {
        Some(self.mapping.bytes())
    }
}

/// Gives a pool all of a region.
fn manage<P, const BYTES: usize>(mapping: &'static Mapping)
where
    P: BoxPool<Data = Object<BYTES>>,
{
    let mut block = mapping.start().cast::<BoxBlock<Object<BYTES>>>();
    for _ in 0..REGION / size_of::<BoxBlock<Object<BYTES>>>() {
        // SAFETY: the block lies in the mapping, which is as aligned as it must be, and nobody else has it.
        unsafe { block.write(BoxBlock::new()) };
        // SAFETY: as above; the mapping is never unmapped.
        P::manage(unsafe { block.as_mut() });
        // SAFETY: so many blocks fit.
        block = unsafe { block.add(1) };
    }
}
