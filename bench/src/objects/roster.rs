//! Who is compared, for each length of objects.

use dma_api::{BitmapPool, ObjectPool, Reserve};

use crate::lane::Entry;
use crate::objects::fixed::{Fixed, Objects};
use crate::objects::heaps::{BuddyHeap, InBandTalc, InBandTlsf, LinkedList};
use crate::objects::slabs::global::{Pool64, Pool256, Pool1024, Pool2048};
use crate::objects::slabs::{AcidSlab, Boxed, SlabHeap};
use crate::objects::stacks::{DmaPool, Ours, Zeroing};
use crate::peer::Nothing;

/// Lengths of objects in bytes, with all entries for each.
#[must_use]
pub fn all() -> [(usize, Vec<Entry>); 4] {
    [
        (64, entries::<64, Boxed<Pool64, 64>>()),
        (256, entries::<256, Boxed<Pool256, 256>>()),
        (1024, entries::<1024, Boxed<Pool1024, 1024>>()),
        (2048, entries::<2048, Boxed<Pool2048, 2048>>()),
    ]
}

fn entries<const BYTES: usize, B: Objects + 'static>() -> Vec<Entry> {
    vec![
        Entry::of::<Nothing>(),
        entry::<Zeroing, BYTES>(),
        entry::<Ours<ObjectPool<BitmapPool<4>, 64>>, BYTES>(),
        entry::<Ours<Reserve<BitmapPool<4>, 256>>, BYTES>(),
        entry::<DmaPool, BYTES>(),
        entry::<AcidSlab, BYTES>(),
        entry::<B, BYTES>(),
        entry::<SlabHeap, BYTES>(),
        entry::<InBandTlsf, BYTES>(),
        entry::<InBandTalc, BYTES>(),
        entry::<LinkedList, BYTES>(),
        entry::<BuddyHeap, BYTES>(),
    ]
}

const fn entry<O: Objects + 'static, const BYTES: usize>() -> Entry {
    Entry::of::<Fixed<O, BYTES>>()
}
