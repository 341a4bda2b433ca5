//! Runs of images that make device models do what drivers of good manners avoid: requests in pieces of any length and
//! alignment, and memory that the device does not reach.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::disk::{self, Scratch, Source};
use crate::guest::{self, Unasked};
use crate::machine::{Attached, Caches, Disks, Machine};
use crate::qemu::{self, Run};
use crate::seeds::{Failure, side_by_side, sum};

/// The longest piece of a disk's request.
const LONGEST: u64 = 4097;

/// Bytes of a sector.
const SECTOR: u64 = 512;

/// Bytes of a request beside its data: header and status.
const BESIDE_DATA: u64 = 17;

/// The image reads the pattern from this word on, and writes it from the first on.
const SOURCE_FROM: u64 = (1 << 30) / 8;

/// Runs with emulated caches that must pass.
const SEEDS: u64 = 2;

/// How many lengths of memory such a run lends to an edu device, for which the clock is too slow to lend all.
const SAMPLE: u64 = 20;

/// What QEMU says of an edu device that is told an address it cannot drive.
const CLAMPED: &str = "EDU: clamping DMA";

/// One run.
const LIMIT: Duration = Duration::from_secs(180);

/// What the images' tasks are, and the line that each of them ends with if it passed.
const PIECES: &str = "pieces";
const PIECES_LINE: &str = "PIECES ";
const EDU: &str = "edu";
const EDU_LINE: &str = "EDU ";

/// A machine, and what its runs need.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stand<'a> {
    pub(crate) machine: &'a Machine,
    pub(crate) image: &'a Path,
    /// From [`pattern_disk`].
    pub(crate) source: &'a Source,
}

/// The disk that images read in pieces.
pub(crate) fn pattern_disk() -> Result<Source> {
    disk::from_pattern("pattern-disk.bin", SOURCE_FROM, data())
}

/// How many bytes are read, and written: for each length of the first piece, at least one byte more, in whole sectors.
fn data() -> u64 {
    (1..=LONGEST)
        .map(|first| (first + 1).next_multiple_of(SECTOR))
        .sum()
}

impl Stand<'_> {
    /// Requests in pieces, one length after the other, with all bytes in their places on either side.
    pub(crate) fn pieces(&self) -> Result<String> {
        self.pass_pieces(Caches::None).map(|(said, _)| said)
    }

    /// The same with the caches of several seeds.
    pub(crate) fn pieces_shadowed(&self) -> Result<String> {
        let all = side_by_side(SEEDS, |seed| {
            let (_, output) = self.pass_pieces(Caches::Shadowed { seed })?;
            unasked(&output)
        })?;
        Ok(sum(&all))
    }

    /// Without this step of every transfer the requests fail.
    pub(crate) fn pieces_fail_without(&self, step: &str) -> Result<String> {
        let scratch = Scratch::of(usize::try_from(data())?)?;
        let words = [PIECES.to_owned(), format!("without={step}")];
        let caches = Caches::Shadowed { seed: 1 };
        self.fails(&self.run(&words, caches, Attached::Nothing, &scratch), step)
    }

    /// Memory of every length, lent to an edu device that reaches some of it, all of it or none.
    pub(crate) fn edu(&self) -> Result<String> {
        let scratch = Scratch::new()?;
        let words = [EDU.to_owned()];
        let run = self.run(&words, Caches::None, Attached::Edu, &scratch);
        lent(&run.pass()?)
    }

    /// The same for some lengths, with the caches of several seeds.
    pub(crate) fn edu_shadowed(&self) -> Result<String> {
        let all = side_by_side(SEEDS, |seed| {
            let scratch = Scratch::new()?;
            let words = [EDU.to_owned(), format!("sample={SAMPLE}")];
            let caches = Caches::Shadowed { seed };
            let output = self.run(&words, caches, Attached::Edu, &scratch).pass()?;
            lent(&output)?;
            unasked(&output)
        })?;
        Ok(sum(&all))
    }

    /// Without this step of every transfer the loans fail; with no caches the step is that the device's reach is heeded.
    pub(crate) fn edu_fails_without(&self, step: &str, caches: Caches) -> Result<String> {
        let scratch = Scratch::new()?;
        let words = [
            EDU.to_owned(),
            format!("sample={SAMPLE}"),
            format!("without={step}"),
        ];
        self.fails(&self.run(&words, caches, Attached::Edu, &scratch), step)
    }

    /// Runs the image, and looks at the disk it wrote and at what it printed, which is in the second place.
    fn pass_pieces(&self, caches: Caches) -> Result<(String, String)> {
        let length = usize::try_from(data())?;
        let scratch = Scratch::of(length)?;
        let words = [PIECES.to_owned()];
        let run = self.run(&words, caches, Attached::Nothing, &scratch);
        let output = run.pass()?;
        scratch.check(length)?;
        Ok((crossed(&output)?, output))
    }

    fn fails(&self, run: &Run<'_>, step: &str) -> Result<String> {
        let finished = run.finish()?;
        let failure = Failure::of(&finished, step, |_| bail!("the image passed"));
        let why = || qemu::report(self.machine, &finished, "no failure that is looked for");
        Ok(failure.with_context(why)?.to_string())
    }

    fn run<'a>(
        &'a self,
        words: &'a [String],
        caches: Caches,
        attached: Attached,
        scratch: &'a Scratch,
    ) -> Run<'a> {
        Run {
            machine: self.machine,
            image: self.image,
            words,
            caches,
            attached,
            disks: Disks {
                source: &self.source.path,
                scratch: scratch.path(),
            },
            limit: LIMIT,
        }
    }
}

/// What went between driver and disk, if it is as much as there was to go, and if some of it bounced but not all.
fn crossed(output: &str) -> Result<String> {
    let said = guest::only(output, PIECES_LINE)?;
    let values = guest::values(output, PIECES_LINE)?;
    let (requests, bytes) = (2 * LONGEST, 2 * (data() + LONGEST * BESIDE_DATA));
    ensure!(
        (values.get("requests")?, values.get("bytes")?) == (requests, bytes),
        "there were to be {requests} requests of {bytes} bytes: {said}"
    );
    let (transfers, bounces) = (values.get("transfers")?, values.get("bounces")?);
    ensure!(
        bounces > 0 && bounces < transfers,
        "some pieces bounce, and not all of them: {said}"
    );
    Ok(said.to_owned())
}

/// What was lent to an edu device, if it bounced in part, and if the device was told nothing that it could not drive.
fn lent(output: &str) -> Result<String> {
    ensure!(
        !output.contains(CLAMPED),
        "the device was told of memory that it does not reach"
    );
    let said = guest::only(output, EDU_LINE)?;
    let values = guest::values(output, EDU_LINE)?;
    let (loans, bounced) = (values.get("loans")?, values.get("bounced")?);
    ensure!(
        bounced > 0 && bounced < loans,
        "some loans bounce, and not all of them: {said}"
    );
    ensure!(values.get("in_use")? == 0, "copies are left in use: {said}");
    Ok(said.to_owned())
}

/// What a monitor did unasked, if it did something.
fn unasked(output: &str) -> Result<(u64, u64)> {
    let Unasked {
        evictions, refills, ..
    } = guest::unasked(output)?;
    ensure!(
        evictions > 0 && refills > 0,
        "the caches did nothing unasked: {evictions} evictions, {refills} refills"
    );
    Ok((evictions, refills))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_requests_and_bytes_are_to_cross_as_there_are_lengths() {
        let line = |requests, bytes, bounces| {
            crossed(&format!(
                "PIECES requests={requests} transfers=9 bytes={bytes} bounces={bounces}\n"
            ))
        };
        // 4,097 lengths; each has a byte more than its own, in whole sectors.
        assert_eq!(data(), 9_445_888);
        let bytes = 2 * (9_445_888 + 4097 * 17);

        assert!(line(8194, bytes, 1).is_ok());
        assert!(line(8193, bytes, 1).is_err());
        assert!(line(8194, bytes - 1, 1).is_err());
        assert!(line(8194, bytes, 0).is_err());
        assert!(line(8194, bytes, 9).is_err());
        assert!(crossed("").is_err());
    }

    #[test]
    fn some_loans_bounce_and_the_device_hears_of_no_address_beyond_its_lines() {
        let line = |bounced, in_use| {
            format!("EDU loans=3 bounced={bounced} copied_in=1 copied_out=1 in_use={in_use}\n")
        };

        assert!(lent(&line(1, 0)).is_ok());
        assert!(lent(&line(0, 0)).is_err());
        assert!(lent(&line(3, 0)).is_err());
        assert!(lent(&line(1, 1)).is_err());
        let clamped = "EDU: clamping DMA 0x0000000010000000 to 0000000000000000!\n";
        assert!(lent(&format!("{clamped}{}", line(1, 0))).is_err());
        assert!(lent("").is_err());
    }
}
