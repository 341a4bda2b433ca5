//! Violations and failures, word for word.

use dma_api::DataDirection::FromDevice;
use sim::{Adversary, Cpu, SimMachine, Violation, steps::Owner, trial};

use crate::bench::{fill, l1, plain, run};

#[test]
fn a_failure_shows_what_is_wrong_and_everything_that_came_before() {
    let failure = trial::find(&plain(), [Adversary::Hoarding], |machine| {
        let cpu = Cpu::new(machine);
        cpu.own(0, 16);
        cpu.store(0, &[1; 16]);
        cpu.done(0, 16);
        cpu.clean(0, 16);
        cpu.invalidate(0, 16);
        cpu.before_doorbell();
        cpu.lend(0, 16, FromDevice);
        let engine = sim::DmaEngine::new(
            machine,
            dma_api::Limits::UNLIMITED,
            dma_api::Snooping::DoesNotSnoop,
        );
        engine.write(cpu.dma(0), &[2; 16])?;
        cpu.after_completion();
        cpu.take_back(0, 16);
        Ok(())
    })
    .unwrap_err();

    let expected = "\
V7: a stale line is still cached when the bytes come back (invalidate after the transfer is missing); bytes 0x0..0x1, \
owner: the device, to write; found 0x01 instead of 0x02; in L1; at step 11
machine: bench; adversary: Hoarding; history:
   0  CPU uses bytes 0x0..0x10
   1  CPU stores bytes 0x0..0x10
   2  CPU is done with bytes 0x0..0x10
   3  issue clean of bytes 0x0..0x10
   4  wait for maintenance
   5  issue invalidate of bytes 0x0..0x10
   6  wait for maintenance
          ~ L1 fills line 0x0
   7  barrier before the doorbell
   8  hand bytes 0x0..0x10 to the device, to write
   9  device writes bytes 0x0..0x10
  10  barrier after the completion
  11  take bytes 0x0..0x10 back
";
    assert_eq!(failure.to_string(), expected);
    assert_eq!(failure.history.violation(), Some(failure.violation));
}

#[test]
fn a_violation_is_one_sentence_after_another() {
    let ran = run(&plain(), |bench| {
        bench.cpu.own(0, 16);
        bench.store(0, 16, 1);
        bench.hardware(fill(l1(), 1));
        bench.cpu.lend(0, 16, FromDevice);
    });
    let violation = ran.violation.unwrap();
    assert_eq!(
        violation.to_string(),
        "V9: a barrier is missing; bytes 0x0..0x10, owner: the CPU; between the last store or maintenance and the doorbell; at \
         step 2"
    );
    let bare = Violation {
        owner: Owner::Padding,
        values: Some((0, 255)),
        detail: String::new(),
        ..violation
    };
    assert_eq!(
        bare.to_string(),
        "V9: a barrier is missing; bytes 0x0..0x10, owner: the rest of a lent granule; found 0x00 instead of 0xff; at step 2"
    );
}

#[test]
fn every_oracle_and_every_owner_has_words_of_its_own() {
    use dma_api::DataDirection::{Bidirectional, ToDevice};
    use sim::Oracle;

    let oracles = [
        (Oracle::CpuSeesStale, "V1: "),
        (Oracle::DeviceSeesStale, "V2: "),
        (Oracle::LostAtTheEnd, "V3: "),
        (Oracle::NeighbourLost, "V4: "),
        (Oracle::CpuTouchedDevices, "V5: "),
        (Oracle::DirtyOverDevice, "V6: "),
        (Oracle::StaleAtHandBack, "V7: "),
        (Oracle::DiscardedForeign, "V8: "),
        (Oracle::MissingBarrier, "V9: "),
        (Oracle::Reused, "V10: "),
        (Oracle::Leaked, "V11: "),
        (Oracle::OutsideAnyBuffer, "V12: "),
        (Oracle::DeviceStrayed, "the device touched"),
        (Oracle::DriverFailed, "the driver's own"),
    ];
    for (oracle, start) in oracles {
        assert!(oracle.meaning().starts_with(start), "{oracle:?}");
    }
    let owners = [
        (Owner::Nobody, "nobody"),
        (Owner::Program, "whoever allocated them"),
        (Owner::Cpu, "the CPU"),
        (Owner::Device(ToDevice), "the device, to read"),
        (Owner::Device(FromDevice), "the device, to write"),
        (
            Owner::Device(Bidirectional),
            "the device, to read and write",
        ),
        (Owner::Both, "CPU and device"),
        (Owner::Ring(ToDevice), "a ring that the CPU writes"),
        (Owner::Ring(FromDevice), "a ring that the device writes"),
        (Owner::Ring(Bidirectional), "a ring that both write"),
        (Owner::Quarantine, "quarantine"),
        (Owner::Padding, "the rest of a lent granule"),
    ];
    for (owner, words) in owners {
        assert_eq!(owner.to_string(), words);
    }
}

#[test]
fn an_adversary_is_named_with_what_it_takes_to_have_it_again() {
    let names = Adversary::named().map(|adversary| adversary.to_string());
    assert_eq!(names[..3], ["Lazy", "Hoarding", "Eager"]);
    assert_eq!(Adversary::seeded(7).to_string(), "random, seed 7");
    let scripted = Adversary::Scripted(Vec::new().into());
    assert_eq!(scripted.to_string(), "0 chosen moves");
    let machine = SimMachine::new(plain().under(Adversary::Eager)).unwrap();
    assert_eq!(format!("{machine:?}"), "SimMachine(bench, Eager)");
}
