//! Rings in cached memory on the simulated machine, under every adversary: what one side has written the other sees, whole, and
//! no step can be left out.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::std_instead_of_core,
    clippy::unwrap_used,
    reason = "a test reports by panicking"
)]

mod checked;
mod left_out;
mod nic;
mod nvme;
mod torn;
mod transfers;
mod without;
mod words;

use dma_api::Snooping;
use sim::{Adversary, Config, SimMachine, presets};

type Outcome = Result<(), Box<dyn std::error::Error>>;

const SEEDS: u64 = 8;

/// The machines of the field, as small as they may be.
fn configs() -> impl Iterator<Item = Config> {
    presets::all().into_iter().map(|config| Config {
        cached_len: 4 << 10,
        uncached_len: config.uncached_len.min(1 << 10),
        ..config
    })
}

/// Each of them under every adversary.
fn machines() -> impl Iterator<Item = SimMachine> {
    configs().flat_map(|config| {
        Adversary::all(SEEDS)
            .map(move |adversary| SimMachine::new(config.under(adversary)).unwrap())
    })
}

const BOTH: [Snooping; 2] = [Snooping::Snoops, Snooping::DoesNotSnoop];
