//! The demo without an emulator: a simulated disk's whole contents read by DMA on the simulated machine, under a cache
//! that evicts and refills lines at random.
//!
//! `cargo run -p sim --example demo -- FILE` prints the same lines as an image does.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a panic is this program's way to report failure"
)]
#![expect(unsafe_code, reason = "the demo states that its engine is done")]

use core::error::Error;
use std::{env, fs::File, io::Read, process::ExitCode};

use dma_api::{Device, FromDevice, Limits, Machine, Snooping};
use sha2::{Digest, Sha256};
use sim::{Adversary, Config, DmaEngine, SimMachine};

/// Bytes in a request.
const REQUEST: usize = 4096;

fn main() -> ExitCode {
    let Some(path) = env::args_os().nth(1) else {
        eprintln!("usage: demo FILE");
        return ExitCode::FAILURE;
    };
    match File::open(path).map_err(Into::into).and_then(read_all) {
        Ok(()) => {
            println!("VERDICT Pass");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            println!("VERDICT Fail");
            ExitCode::FAILURE
        }
    }
}

fn read_all(mut disk: File) -> Result<(), Box<dyn Error>> {
    println!("IMAGE simulated demo");
    let machine = SimMachine::new(Config {
        adversary: Adversary::seeded(1),
        // Of a disk of any size.
        records: false,
        ..Config::default()
    })?;
    let device = Device::new(&machine, Limits::UNLIMITED, Snooping::DoesNotSnoop)?;
    let engine = DmaEngine::new(&machine, Limits::UNLIMITED, Snooping::DoesNotSnoop);
    let (mut hash, mut own_hash) = (Sha256::new(), Sha256::new());
    let (mut transfers, mut bytes) = (0_usize, 0_usize);

    let mut buffer = device.allocate::<FromDevice>(REQUEST)?;
    let mut contents = [0; REQUEST];
    loop {
        let len = disk.read(&mut contents)?;
        if len == 0 {
            break;
        }
        own_hash.update(&contents[..len]);
        let lent = buffer.sync_for_device();
        engine.write(lent.dma_addr(), &contents[..len])?;
        // SAFETY: the engine does nothing by itself.
        buffer = unsafe { lent.sync_for_cpu_short(len) }.map_err(|refused| refused.error)?;
        hash.update(buffer.received());
        (transfers, bytes) = (transfers + 1, bytes + len);
    }

    let digest = hash.finalize();
    println!(
        "SHA256 {}",
        digest
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    );
    println!("READ bytes={bytes}");
    let counts = machine.sync().counts();
    println!(
        "COUNTS transfers={transfers} bytes={bytes} bounces=0 cleaned={} invalidated={} \
         cleaned_invalidated={}",
        counts.cleaned, counts.invalidated, counts.cleaned_and_invalidated,
    );
    if digest == own_hash.finalize() {
        Ok(())
    } else {
        Err("the bytes that arrived differ".into())
    }
}
