//! A machine with one call left out that a ring makes to its caches and barriers, and with a device that does something at
//! one of them.
#![expect(
    unsafe_code,
    reason = "a wrapper around caches keeps, or here breaks, their promises"
)]

use core::{
    cell::{Cell, RefCell},
    fmt,
    ptr::NonNull,
};

use dma_api::{
    BusMap, DeviceNotice, DirectMap, DmaSync, Event, Geometry, Ledger, LineRange, Machine, Notice,
};

/// What a ring is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum During {
    Put,
    FirstLook,
    SecondLook,
    /// An entry was copied, and nothing of a ring was done since.
    Copied,
    /// Anything else, of which nothing is left out.
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Clean,
    Invalidate,
    CleanAndInvalidate,
    Complete,
    BeforeDoorbell,
    AfterCompletion,
}

type Hook<'m> = RefCell<Option<Box<dyn FnMut(During, Call) + 'm>>>;

/// The machine. Everything but its caches is that of the one inside.
pub(crate) struct Without<'m, I> {
    inside: I,
    left_out: Option<(During, Call)>,
    during: Cell<During>,
    /// Told of each call after it was made, or left out.
    hook: Hook<'m>,
    /// Whatever it was told of rings.
    pub(crate) told: RefCell<Vec<Event>>,
}

impl<'m, I: Machine> Without<'m, I> {
    pub(crate) fn new(inside: I, left_out: Option<(During, Call)>) -> Self {
        Self {
            inside,
            left_out,
            during: Cell::new(During::Other),
            hook: RefCell::default(),
            told: RefCell::default(),
        }
    }

    /// Calls `hook` after each call from now on.
    pub(crate) fn hook(&self, hook: impl FnMut(During, Call) + 'm) {
        *self.hook.borrow_mut() = Some(Box::new(hook));
    }

    fn real(&self) -> &I::Sync {
        self.inside.sync()
    }

    fn call(&self, call: Call, real: impl FnOnce(&I::Sync)) {
        let now = (self.during.get(), call);
        if self.left_out != Some(now) {
            real(self.real());
        }
        if let Some(hook) = self.hook.borrow_mut().as_mut() {
            hook(now.0, call);
        }
    }
}

impl<I: fmt::Debug> fmt::Debug for Without<'_, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} without {:?}", self.inside, self.left_out)
    }
}

// SAFETY: it deliberately does not keep the promises; the memory is a simulation's.
unsafe impl<I: Machine> DmaSync for Without<'_, I> {
    fn geometry(&self) -> Geometry {
        self.real().geometry()
    }
    fn fills_speculatively(&self) -> bool {
        self.real().fills_speculatively()
    }
    fn invalidate_may_write_back(&self) -> bool {
        self.real().invalidate_may_write_back()
    }
    fn clean(&self, range: LineRange<'_>) {
        self.call(Call::Clean, |real| real.clean(range));
    }
    unsafe fn invalidate(&self, range: LineRange<'_>) {
        // SAFETY: passed on to the caller.
        self.call(Call::Invalidate, |real| unsafe { real.invalidate(range) });
    }
    fn clean_and_invalidate(&self, range: LineRange<'_>) {
        self.call(Call::CleanAndInvalidate, |real| {
            real.clean_and_invalidate(range)
        });
    }
    fn complete(&self) {
        self.call(Call::Complete, DmaSync::complete);
    }
    fn before_doorbell(&self, memory: NonNull<u8>) {
        self.call(Call::BeforeDoorbell, |real| real.before_doorbell(memory));
    }
    fn after_completion(&self, memory: NonNull<u8>) {
        self.call(Call::AfterCompletion, |real| real.after_completion(memory));
    }
}

// SAFETY: the parts are those of one machine.
unsafe impl<I: Machine> Machine for Without<'_, I> {
    type Sync = Self;
    type Memory = I::Memory;
    type Coherent = I::Coherent;

    const OBSERVED: bool = true;

    fn sync(&self) -> &Self {
        self
    }
    fn memory(&self) -> &Self::Memory {
        self.inside.memory()
    }
    fn coherent_source(&self) -> &Self::Coherent {
        self.inside.coherent_source()
    }
    fn direct_map(&self) -> DirectMap<'_> {
        self.inside.direct_map()
    }
    fn bus(&self) -> BusMap<'_> {
        self.inside.bus()
    }
    fn ledger(&self) -> &Ledger {
        self.inside.ledger()
    }
    fn observe(&self, notice: &Notice) {
        self.told.borrow_mut().push(notice.event);
        self.during.set(match notice.event {
            Event::Putting { .. } => During::Put,
            Event::Looking { .. } => During::FirstLook,
            Event::Looked { .. } => During::SecondLook,
            Event::Fetched { .. } => During::Copied,
            _ => During::Other,
        });
        self.inside.observe(notice);
    }
    fn observe_device(&self, notice: &DeviceNotice) {
        self.inside.observe_device(notice);
    }
}
