//! What a machine's demonstration printed, against what the host knows.

use std::time::Duration;

use anyhow::{Result, bail};

use crate::disk::Source;
use crate::guest::{self, Counts, Unasked};
use crate::machine::Devices;

/// What one machine did, and whether it was right.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) hash_agrees: bool,
    /// Nothing if there is no scratch disk.
    pub(crate) scratch_agrees: Option<bool>,
    pub(crate) counts: Counts,
    pub(crate) between: Between,
    /// What a monitor did, if there was one.
    pub(crate) unasked: Option<Unasked>,
    pub(crate) time: Duration,
    pub(crate) problems: Vec<String>,
}

/// What the host requires of the counters, beside the hash.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected {
    /// How much is to be transferred beside the source.
    pub(crate) written: u64,
    pub(crate) bounces: Bounces,
    pub(crate) devices: Devices,
    pub(crate) between: Between,
}

/// What keeps the stores of the CPU from devices until they are cleaned, and theirs from the CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Between {
    /// Nothing: an emulator has no caches.
    Nothing,
    /// The monitor under the image.
    Monitor,
    /// The caches of the simulated machine, which do not report.
    Simulation,
}

/// How many of the transfers go through other memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bounces {
    None,
    SomeButNotAll,
}

impl Outcome {
    /// What was counted if all was right, and what was wrong otherwise.
    pub(crate) fn verdict(&self) -> Result<String> {
        if !self.problems.is_empty() {
            bail!("{}", self.problems.join("\n"));
        }
        let Counts {
            transfers,
            bytes,
            bounces,
            maintained,
        } = self.counts;
        let unasked = match self.unasked {
            Some(Unasked {
                evictions, refills, ..
            }) => format!(", {evictions} evictions, {refills} refills"),
            None => String::new(),
        };
        Ok(format!(
            "{transfers} transfers, {bytes} bytes, {bounces} bounces, {maintained} lines maintained{unasked}"
        ))
    }
}

/// Compares what was printed with the source and with what is expected of the machine.
pub(crate) fn judge(
    source: &Source,
    output: &str,
    time: Duration,
    expected: Expected,
) -> Result<Outcome> {
    let hash = guest::hash(output)?;
    let counts = guest::counts(output)?;
    let mut problems = Vec::new();
    if hash != source.hash {
        problems.push(format!(
            "the machine read {hash}, the file is {}",
            source.hash
        ));
    }
    let least = source.length + expected.written;
    if counts.transfers == 0 || counts.bytes < least {
        problems.push(format!(
            "{least} bytes were to be transferred, and these were: {counts:?}"
        ));
    }
    let Counts {
        transfers, bounces, ..
    } = counts;
    let bounces_are_right = match expected.bounces {
        Bounces::None => bounces == 0,
        Bounces::SomeButNotAll => bounces > 0 && bounces < transfers,
    };
    if !bounces_are_right {
        problems.push(format!(
            "{bounces} of {transfers} transfers bounced, expected: {:?}",
            expected.bounces
        ));
    }
    let maintenance_is_right = match expected.devices {
        Devices::Snoop => counts.maintained == 0,
        Devices::DoNotSnoop => counts.maintained > 0,
    };
    if !maintenance_is_right {
        problems.push(format!(
            "{} lines were maintained for devices that {:?}",
            counts.maintained, expected.devices
        ));
    }
    let unasked = match expected.between {
        Between::Monitor => Some(guest::unasked(output)?),
        Between::Nothing | Between::Simulation => None,
    };
    if let Some(unasked) = unasked {
        // Operations that do not trap are not carried out; a cache that does nothing by itself proves nothing, nor does one
        // that interrupts the image at its own instructions alone.
        let is_idle = unasked.evictions == 0 || unasked.refills == 0 || unasked.ticks < 2;
        if unasked.traps != counts.maintained || is_idle {
            problems.push(format!(
                "{} lines were maintained, and the monitor says {unasked:?}",
                counts.maintained
            ));
        }
    }
    Ok(Outcome {
        hash_agrees: hash == source.hash,
        scratch_agrees: None,
        counts,
        between: expected.between,
        unasked,
        time,
        problems,
    })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn source() -> Source {
        Source {
            path: PathBuf::from("/disk"),
            length: 1000,
            hash: "0a".repeat(32),
        }
    }

    const EMULATED: Expected = Expected {
        written: 24,
        bounces: Bounces::SomeButNotAll,
        devices: Devices::DoNotSnoop,
        between: Between::Nothing,
    };

    fn printed(hash: &str, bytes: u64, bounces: u64, cleaned: u64) -> String {
        format!(
            "SHA256 {hash}\nCOUNTS transfers=3 bytes={bytes} bounces={bounces} cleaned={cleaned} invalidated=0\n"
        )
    }

    fn judged(printed: &str, expected: Expected) -> Outcome {
        judge(&source(), printed, Duration::ZERO, expected).expect("it can be read")
    }

    #[test]
    fn the_same_bytes_agree() {
        let outcome = judged(&printed(&source().hash, 1024, 1, 6), EMULATED);

        assert!(outcome.hash_agrees);
        let said = outcome.verdict().expect("all is right");
        assert_eq!(
            said,
            "3 transfers, 1024 bytes, 1 bounces, 6 lines maintained"
        );
    }

    #[test]
    fn another_hash_or_too_few_bytes_do_not() {
        let other = judged(&printed(&"0b".repeat(32), 1024, 1, 6), EMULATED);
        let few = judged(&printed(&source().hash, 1023, 1, 6), EMULATED);

        assert!(!other.hash_agrees && other.verdict().is_err());
        assert!(few.hash_agrees && few.verdict().is_err());
    }

    #[test]
    fn some_transfers_bounce_and_not_all_of_them() {
        let agrees = |bounces, expected| {
            let printed = printed(&source().hash, 1024, bounces, 6);
            judged(&printed, expected).verdict().is_ok()
        };

        assert_eq!(
            [0, 1, 2, 3].map(|bounces| agrees(bounces, EMULATED)),
            [false, true, true, false]
        );
        let none = Expected {
            bounces: Bounces::None,
            ..EMULATED
        };
        assert!(agrees(0, none) && !agrees(1, none));
    }

    #[test]
    fn what_was_maintained_has_trapped_and_the_caches_did_something_unasked() {
        let agrees = |traps, evictions, refills, ticks| {
            let printed = printed(&source().hash, 1024, 1, 6)
                + &format!(
                    "MONITOR cleans={traps} invalidates=0 cleans_and_invalidates=0 evictions={evictions} refills={refills} ticks={ticks}\n"
                );
            let between = Between::Monitor;
            let expected = Expected {
                between,
                ..EMULATED
            };
            judged(&printed, expected).verdict()
        };

        let said = agrees(6, 1, 2, 2).expect("all is right");
        assert!(said.ends_with(", 1 evictions, 2 refills"), "{said}");
        assert!(agrees(5, 1, 2, 2).is_err());
        assert!(agrees(6, 0, 2, 2).is_err());
        assert!(agrees(6, 1, 0, 2).is_err());
        assert!(agrees(6, 1, 2, 1).is_err());
    }

    #[test]
    fn a_monitor_that_says_nothing_is_an_error() {
        let expected = Expected {
            between: Between::Monitor,
            ..EMULATED
        };
        let printed = printed(&source().hash, 1024, 1, 6);

        assert!(judge(&source(), &printed, Duration::ZERO, expected).is_err());
    }

    #[test]
    fn caches_are_maintained_exactly_where_devices_do_not_snoop() {
        let agrees = |cleaned, devices| {
            let printed = printed(&source().hash, 1024, 1, cleaned);
            let expected = Expected {
                devices,
                ..EMULATED
            };
            judged(&printed, expected).verdict().is_ok()
        };

        assert!(agrees(1, Devices::DoNotSnoop) && !agrees(0, Devices::DoNotSnoop));
        assert!(agrees(0, Devices::Snoop) && !agrees(1, Devices::Snoop));
    }
}
