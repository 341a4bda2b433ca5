//! Who is compared.

use anyhow::{Result, bail};

use crate::lane::Entry;
use crate::peer::Nothing;
use crate::peers::bitmap;
use crate::peers::buddy_frames::BuddyFrames;
use crate::peers::buddy_in_band::InBandBuddy;
use crate::peers::buddy_slab::BuddySlab;
use crate::peers::cma::Cma;
use crate::peers::offsets::Offsets;
use crate::peers::ours::Ours;
use crate::peers::ours_through::{OursBitmap, OursLocked};
use crate::peers::ranges::Ranges;
use crate::peers::talc::InBandTalc;
use crate::peers::tlsf::InBandTlsf;

/// What all others are compared with.
pub const OURS: &str = "ours";

/// All of them, the harness's own cost first, then this workspace's, then those of others.
#[must_use]
pub fn all() -> Vec<Entry> {
    vec![
        Entry::of::<Nothing>(),
        Entry::of::<Ours>(),
        Entry::of::<OursLocked>(),
        Entry::of::<OursBitmap>(),
        Entry::of::<BuddyFrames>(),
        Entry::of::<Offsets>(),
        bitmap::entry(),
        Entry::of::<BuddySlab>(),
        Entry::of::<Ranges>(),
        Entry::of::<Cma>(),
        Entry::of::<InBandTlsf>(),
        Entry::of::<InBandTalc>(),
        Entry::of::<InBandBuddy>(),
    ]
}

/// Those of that name or whose name begins so, in the order of the tables; all if none is named.
///
/// # Errors
/// A name is nobody's.
pub fn named(names: &[String]) -> Result<Vec<Entry>> {
    let all = all();
    let called = |entry: &Entry, name: &String| entry.row.name.starts_with(name.as_str());
    for name in names {
        if !all.iter().any(|entry| called(entry, name)) {
            let known: Vec<&str> = all.iter().map(|entry| entry.row.name).collect();
            bail!("nobody is called {name}; there are {}", known.join(", "));
        }
    }
    // A whole name is that one's alone, even where another's begins with it.
    let chosen = |entry: &Entry, name: &String| {
        if all.iter().any(|entry| entry.row.name == name) {
            entry.row.name == name
        } else {
            called(entry, name)
        }
    };
    Ok(all
        .iter()
        .filter(|entry| names.is_empty() || names.iter().any(|name| chosen(entry, name)))
        .copied()
        .collect())
}
