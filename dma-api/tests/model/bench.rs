//! A pool beside its model: both are asked the same, and must agree.

use core::{num::NonZeroUsize, ops::Range, ptr::NonNull};

use dma_api::{Alignment, BitmapPool, Block, DmaAllocator, Error, PhysAddr, Refused, Request};

use crate::model::{
    Model,
    ram::{Ram, soil},
};

/// A pool that can be put on the bench.
pub(crate) trait Subject: DmaAllocator + Sized {
    /// Whether it takes the lowest place that meets a request. One that does not may take any such place.
    const FIRST_FIT: bool;

    /// Whether it is exhausted only if there is no such place.
    const THOROUGH: bool = Self::FIRST_FIT;

    /// A pool with that memory, of which the last `len % unit` bytes stay unused.
    ///
    /// # Safety
    /// The memory is the pool's for as long as it or one of its blocks is used.
    unsafe fn with_memory(cpu: NonNull<u8>, phys: PhysAddr, len: usize, unit: Alignment) -> Self;

    /// Free bytes, and those of the longest run.
    fn free_now(&self) -> (usize, usize);
}

impl<const WORDS: usize> Subject for BitmapPool<WORDS> {
    const FIRST_FIT: bool = true;

    unsafe fn with_memory(cpu: NonNull<u8>, phys: PhysAddr, len: usize, unit: Alignment) -> Self {
        let pool = Self::new();
        // SAFETY: by this function's contract.
        unsafe { pool.adopt(cpu, phys, len, unit) }.unwrap();
        pool
    }

    fn free_now(&self) -> (usize, usize) {
        (self.free_bytes(), self.largest_free())
    }
}

/// A pool, the memory it has, and what the model knows of it.
pub(crate) struct Bench<P> {
    pub(crate) pool: P,
    pub(crate) model: Model,
    /// Blocks that are handed out, as the model has them.
    pub(crate) blocks: Vec<Block>,
    ram: Ram,
}

impl<P: Subject> Bench<P> {
    /// `extra` bytes are too few for one more unit.
    pub(crate) fn new(unit: usize, units: usize, extra: usize, base: u64) -> Self {
        assert!(extra < unit);
        let len = units * unit + extra;
        let ram = Ram::new(len, unit.max(4096));
        let alignment = Alignment::new(unit as u64).unwrap();
        // SAFETY: the memory is the pool's alone for as long as the bench exists.
        let pool = unsafe { P::with_memory(ram.start, PhysAddr::new(base), len, alignment) };
        let model = Model {
            base,
            unit,
            units,
            taken: Vec::new(),
        };
        Self {
            pool,
            model,
            blocks: Vec::new(),
            ram,
        }
    }

    /// Allocates from both; they must agree, and the bytes be zero. Then they are soiled.
    pub(crate) fn allocate(&mut self, request: &Request) {
        let expected = self.model.expected(request);
        let block = self.pool.allocate(request);
        let found = match &block {
            Ok(block) => {
                let start = block.memory().cast::<u8>().addr().get() - self.ram.start.addr().get();
                assert_eq!(block.phys().start(), self.model.at(start), "{request:?}");
                Ok(start..start + block.len_bytes())
            }
            Err(error) => Err(*error),
        };
        match &found {
            Ok(bytes) if !P::FIRST_FIT => {
                let mut places = self.model.places(request);
                assert!(places.any(|place| place == *bytes), "{request:?} {bytes:?}");
                assert!(self.model.is_free(bytes), "{request:?} {bytes:?}");
            }
            Err(error) if !P::THOROUGH => assert_eq!(*error, self.model.refusal(request)),
            _ => assert_eq!(found, expected, "{request:?}"),
        }

        if let (Ok(mut block), Ok(bytes)) = (block, found) {
            soil(&mut block);
            self.model.taken.push(bytes);
            self.blocks.push(block);
        }
        self.agree();
    }

    /// Takes the block with this index out of the books of the model.
    pub(crate) fn forget(&mut self, index: usize) -> Block {
        self.model.taken.swap_remove(index);
        self.blocks.swap_remove(index)
    }

    /// Gives back the block with this index, if there is one.
    pub(crate) fn free_one(&mut self, index: usize) {
        if self.blocks.is_empty() {
            return;
        }
        let block = self.forget(index % self.blocks.len());
        let returned = self.pool.free(block).map_err(|refused| refused.error);
        assert_eq!(returned, Ok(()));
        self.agree();
    }

    /// Offers the pool a block it never handed out. It must come back, and nothing change.
    pub(crate) fn refuse(&self, offset: isize, len: usize, shift: usize) {
        let Some(memory_len) = NonZeroUsize::new(len) else {
            return;
        };
        let start = self
            .ram
            .start
            .as_ptr()
            .wrapping_offset(offset)
            .wrapping_add(shift);
        let memory = NonNull::new(start).unwrap();
        let memory = NonNull::slice_from_raw_parts(memory, memory_len.get());
        let phys = self.model.base.checked_add_signed(offset as i64);
        // SAFETY: deliberately none of it is true; nobody accesses the bytes, since the pool is to refuse them.
        let block = phys.and_then(|phys| unsafe { Block::new(memory, PhysAddr::new(phys)) }.ok());
        let Some(block) = block else {
            return;
        };

        let inside = usize::try_from(offset).is_ok_and(|start| start + len <= self.model.len());
        let phys = block.phys().start().get();
        let Refused { error, value } = self.pool.free(block).unwrap_err();

        let expected = if inside && shift == 0 {
            Error::NotAllocated { phys, len }
        } else {
            Error::ForeignBlock { phys, len }
        };
        assert_eq!(error, expected);
        assert_eq!((value.memory(), value.phys().start().get()), (memory, phys));
        self.agree();
    }

    /// Offers wrong variations of a block that is handed out, and bytes that are free.
    pub(crate) fn refuse_around(&self, index: usize, by: usize) {
        let taken = &self.model.taken;
        let Some(bytes) = taken.get(index % taken.len().max(1)) else {
            return;
        };
        let (start, len) = (bytes.start.cast_signed(), bytes.len());
        for by in [by, self.model.unit] {
            let near = by.cast_signed();
            let forgeries = [
                (start, len + by, 0),
                (start, len.saturating_sub(by), 0),
                (start + near, len, 0),
                (start - near, len, 0),
                (start + near, len.saturating_sub(by), 0),
                (start - near, len + by, 0),
                // The right physical address and another pointer, and memory behind the pool.
                (start, len, by),
                (self.model.len().cast_signed(), len, 0),
                (start + self.model.len().cast_signed(), len, 0),
            ];
            for (offset, len, shift) in forgeries {
                let bytes = usize::try_from(offset).map(|start| start..start + len);
                let real = |other: &Range<usize>| bytes.as_ref() == Ok(other);
                if shift != 0 || !taken.iter().any(real) {
                    self.refuse(offset, len, shift);
                }
            }
        }
    }

    pub(crate) fn agree(&self) {
        assert_eq!(self.pool.free_now(), self.model.free());
    }
}
