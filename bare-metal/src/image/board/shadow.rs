//! A machine whose devices do not see what its caches hold, made on an emulator that has no caches.
//!
//! A *monitor*, one privilege level above the image, keeps three copies of the image's DMA window:
//!
//! | copy | who accesses it |
//! |---|---|
//! | memory | devices, uncached mappings of the image, and the monitor |
//! | cache | the image, whose cached mapping of the window leads here, and the monitor |
//! | synced | the monitor: what a line held when cache and memory last agreed |
//!
//! A line whose cache differs from its synced copy is *dirty*: the image has stored to it. Every line is always cached.
//! The image's maintenance instructions trap, and the monitor carries them out: cleaning copies a dirty line to memory,
//! all of it; invalidating copies it from memory. An [`adversary`] does the same unasked, as caches may: it writes back
//! lines that are dirty and fills lines that are not, after every trap and at the interrupts of a timer that only the
//! monitor sees, hence between any two instructions of the image. It never drops a dirty line, and never writes back
//! one that is not.
//!
//! # For a board
//!
//! A board that has a privilege level to spare adds:
//! 1. [`Copies`]: where the three copies are, outside of what the image uses; and a second translation table, in which
//!    the cached window leads to the cache;
//! 2. a static [`Monitor`] outside the window, in `.data.monitor`, which the image never touches;
//! 3. a trap entry that saves every register, floating point included, and tells the monitor of maintenance by address
//!    ([`Monitor::maintain`]), of calls ([`Monitor::call`]) and of the timer ([`Monitor::tick`], which returns when the
//!    next interrupt is due). After [`calls::START`](crate::image::calls::START) it lets maintenance trap and sets the
//!    timer;
//! 4. `hypercall`, the image's way into [`Monitor::call`], and `shadow_window`, which changes to the second translation
//!    table;
//! 5. [`Soiled`] around the pool of the window, and [`soil`] for all that the pool was given.
//!
//! The monitor runs with translation off, so that it sees every copy, and with interrupts off. The image's own memory is at
//! the same address for both.
//!
//! # What can be repeated
//!
//! With QEMU's `-icount shift=N,sleep=off` the timer counts instructions. Then a seed and an image give the same run, to the
//! last eviction, as long as the image waits for no device: the conformance suite is such a run. QEMU's disks answer after
//! the time that their host takes. The image waits for them for more or fewer instructions, hence ticks; what the adversary
//! does at traps is drawn apart from what it does at ticks and stays the same, save that both pick among the lines that
//! were maintained last. Without `-icount` the ticks come by the host's clock and nothing can be repeated.
//!
//! # What it does not show
//!
//! There is one level of cache, without limit to its size, and no order of accesses: barriers are not tested here.
//! Operations by set and way do nothing; neither do those on addresses outside the window.
//!
//! A store of what the line held anyway does not make it dirty here. That is no difference where memory holds the same;
//! where a device, or an uncached access, has changed memory since, and nobody invalidated the line because the memory was
//! given back, the store would be lost. So what is given back is made dirty ([`Soiled`]), as it may be on real machines.

mod lines;

mod adversary;

mod soiled;

mod monitor;

pub(super) use lines::Copies;
pub(super) use monitor::{Monitor, Operation};
pub(super) use soiled::{Soiled, soil};
