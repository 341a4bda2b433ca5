//! Lending: the OS has free pages of a pool for what can be moved, until a device needs them.

use core::fmt;

use super::{Pool, Taken};
use crate::{
    addr::PhysRange,
    error::{Error, Refused},
    limits::Request,
    memory::{Block, DmaAllocator},
    pages::{Books, Claimed, Entries},
};

/// The answer of an OS that cannot give pages back now: somebody uses them, and they cannot be moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StillInUse;

impl<B: Entries> Pool<B> {
    /// Takes free pages for the OS, to be used for what it can move elsewhere when the pool wants them back. They hold what their
    /// last owner left in them.
    ///
    /// # Errors
    /// As [`DmaAllocator::allocate`].
    pub fn lend(&self, request: &Request) -> Result<PhysRange, Error> {
        self.books.with(|books| {
            let Taken { block, .. } = self.take(books, request)?;
            let books = books.as_mut().ok_or(Error::NoMemory)?;
            books.mark_lent(self.entries.entries(), block);
            Ok(books.frame.range(block.first, block.pages))
        })
    }

    /// The OS gives pages back that were lent to it: any part of them, also of several loans at once, as whole pages. Takes
    /// as long as there are pages.
    ///
    /// # Errors
    /// [`Error::NotLent`] if one of them is not lent to it now, also because it is being taken back; then nothing was changed.
    /// [`Error::NoMemory`] before the pool has been given its memory.
    ///
    /// # Safety
    /// Nobody uses the pages any more.
    #[expect(unsafe_code, reason = "that pages are not used is a promise")]
    pub unsafe fn unlend(&self, pages: PhysRange) -> Result<(), Error> {
        let entries = self.entries.entries();
        let done = self.with_books(|books| books.unlend(entries, pages));
        done.unwrap_or(Err(Error::NoMemory))
    }

    /// As [`DmaAllocator::allocate`], but where free memory does not suffice, pages that are lent are taken back.
    ///
    /// `reclaim` is called for each run of pages of one place after another that would meet the request, with nothing locked: it
    /// moves what is in them elsewhere and says `Ok`, or leaves it there and says [`StillInUse`]; then the next place is tried
    /// that does not contain these pages. Until it has answered, the pages are given to nobody, and
    /// [`unlend`](Self::unlend) refuses them. Of a place that is not had in the end, those pages that the OS has given
    /// up are free, and the others are lent as before.
    ///
    /// The search takes as long as there are pages and runs, for each place. If `reclaim` panics and the program goes on, the
    /// pages of that place stay with nobody.
    ///
    /// # Errors
    /// As [`DmaAllocator::allocate`]; [`Error::StillLent`] if `reclaim` refused each place there is.
    ///
    /// # Safety
    /// When `reclaim` has said `Ok` nobody uses the pages any more that it was called with.
    #[expect(unsafe_code, reason = "that pages are not used is a promise")]
    pub unsafe fn allocate_reclaiming(
        &self,
        request: &Request,
        reclaim: impl FnMut(PhysRange) -> Result<(), StillInUse>,
    ) -> Result<Block, Error> {
        self.zeroed(self.take_reclaiming(request, reclaim)?)
    }

    /// An allocator of the same memory that takes back pages from the OS where free memory does not suffice.
    ///
    /// # Safety
    /// As [`allocate_reclaiming`](Self::allocate_reclaiming).
    #[expect(unsafe_code, reason = "that pages are not used is a promise")]
    pub const unsafe fn reclaiming<F>(&self, reclaim: F) -> Reclaiming<'_, B, F>
    where
        F: Fn(PhysRange) -> Result<(), StillInUse>,
    {
        Reclaiming {
            pool: self,
            reclaim,
        }
    }

    /// Takes pages that meet the request, from the OS where free memory does not suffice.
    fn take_reclaiming(
        &self,
        request: &Request,
        mut reclaim: impl FnMut(PhysRange) -> Result<(), StillInUse>,
    ) -> Result<Taken, Error> {
        let (mut from, mut refused) = (0, None);
        loop {
            match self.take_or_hold(request, from)? {
                Found::Free(taken) => return Ok(taken),
                Found::Held(place) => match self.reclaim_all(place, &mut reclaim) {
                    Ok(taken) => return Ok(taken),
                    Err(busy) => {
                        from = busy.first.wrapping_add(busy.pages);
                        refused = Some(self.refusal(request, busy, refused));
                    }
                },
                Found::Nothing(error) => return Err(refused.unwrap_or(error)),
            }
        }
    }

    fn take_or_hold(&self, request: &Request, from: u32) -> Result<Found, Error> {
        let entries = self.entries.entries();
        self.books.with(|place| {
            let error = match self.take(place, request) {
                Ok(taken) => return Ok(Found::Free(taken)),
                Err(error @ Error::Exhausted { .. }) => error,
                Err(error) => return Err(error),
            };
            let books = place.as_mut().ok_or(Error::NoMemory)?;
            let Some(place) = books.find_lent(entries, request, from) else {
                return Ok(Found::Nothing(error));
            };
            books.hold(entries, place);
            Ok(Found::Held(place))
        })
    }

    /// Has the OS give up all pages of a held place that it uses; or says which it does not.
    fn reclaim_all(
        &self,
        place: Claimed,
        reclaim: &mut impl FnMut(PhysRange) -> Result<(), StillInUse>,
    ) -> Result<Taken, Claimed> {
        let entries = self.entries.entries();
        let range = |pages: Claimed| {
            let memory = self.memory.get();
            memory.map(|memory| memory.frame.range(pages.first, pages.pages))
        };
        let mut from = place.first;
        while let Some(lent) = Books::still_lent(entries, place, from) {
            let given = range(lent).map_or(Err(StillInUse), &mut *reclaim);
            if given.is_err() {
                self.with_books(|books| books.let_go(entries, place));
                return Err(lent);
            }
            Books::make_ready(entries, lent);
            from = lent.first.wrapping_add(lent.pages);
        }
        self.with_books(|books| {
            books.keep(entries, place);
            books.touch(place);
            books.note_use();
        });
        let (block, dirty) = (place, place.first);
        Ok(Taken { block, dirty })
    }

    fn refusal(&self, request: &Request, busy: Claimed, before: Option<Error>) -> Error {
        let places = match before {
            Some(Error::StillLent { places, .. }) => places,
            _ => 0,
        };
        let phys = self.memory.get().map_or(0, |memory| {
            let range = memory.frame.range(busy.first, busy.pages);
            range.start().get()
        });
        Error::StillLent {
            len: request.len.get(),
            places: places.saturating_add(1),
            phys,
        }
    }
}

/// What there is for a request.
enum Found {
    Free(Taken),
    Held(Claimed),
    Nothing(Error),
}

/// A [`Pool`] that takes back what it has lent: [`Pool::reclaiming`].
pub struct Reclaiming<'p, B, F> {
    pool: &'p Pool<B>,
    reclaim: F,
}

// SAFETY: it is the pool's memory, by the pool's books, zeroed as there; that reclaimed pages are not used was promised.
#[expect(unsafe_code, reason = "allocators promise what `DmaAllocator` demands")]
unsafe impl<B, F> DmaAllocator for Reclaiming<'_, B, F>
where
    B: Entries,
    F: Fn(PhysRange) -> Result<(), StillInUse>,
{
    fn allocate(&self, request: &Request) -> Result<Block, Error> {
        // SAFETY: promised when this was made.
        unsafe { self.pool.allocate_reclaiming(request, &self.reclaim) }
    }

    unsafe fn allocate_dirty(&self, request: &Request) -> Result<Block, Error> {
        self.pool
            .block(self.pool.take_reclaiming(request, &self.reclaim)?)
    }

    fn free(&self, block: Block) -> Result<(), Refused<Block>> {
        self.pool.free(block)
    }
}

impl<B, F> fmt::Debug for Reclaiming<'_, B, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reclaiming")
    }
}
