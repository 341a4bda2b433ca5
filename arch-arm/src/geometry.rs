//! Line and granule, decoded from the cache type register.

use dma_api::{Error, Geometry};

/// The granule where the register does not tell it: 512 words.
///
/// The architecture leaves two ways then, to assume this maximum or to ask every cache for its line (DDI 0487,
/// "CTR_EL0", and DDI 0406, "CTR", field CWG), of which the second misses caches that the core cannot ask. Linux assumes
/// 128 bytes, because no machine it runs on has more; a granule that is too small is unsound here, so whoever knows
/// better says so with [`with_geometry`](crate::Caches::with_geometry).
pub const UNKNOWN_GRANULE: usize = 2048;

/// The geometry that a value of CTR_EL0, or of Armv7's CTR, stands for: the smallest line of any level (DminLine) and the
/// largest memory an eviction can write (CWG).
///
/// The granule is not below the line even where evictions are, as in a Cortex-A8 that writes back quarters of a line:
/// what is invalidated is the line. Values of CWG above 9 are reserved; they are read as the larger granule they would
/// be.
///
/// # Errors
/// [`Error::GranuleBelowLine`] if the register contradicts itself: it does not tell the granule, and its line is longer
/// than any granule is.
pub const fn decode(ctr: u64) -> Result<Geometry, Error> {
    let line = bytes(ctr >> 16);
    let granule = match bytes(ctr >> 24) {
        4 => UNKNOWN_GRANULE,
        smaller if smaller < line => line,
        known => known,
    };
    Geometry::new(line, granule)
}

/// The lowest four bits are the logarithm of a number of words of 4 bytes.
const fn bytes(field: u64) -> usize {
    4 << (field & 0xf)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(ctr: u64) -> Result<(usize, usize), Error> {
        decode(ctr).map(|geometry| (geometry.line(), geometry.granule()))
    }

    #[test]
    fn real_cores_are_decoded() {
        let cores = [
            ("Cortex-A53", 0x8444_8004, 64, 64),
            ("Cortex-A72", 0x8444_c004, 64, 64),
            ("Neoverse N1", 0x8444_c004, 64, 64),
            ("Neoverse V1", 0x9444_c004, 64, 64),
            ("A64FX", 0x8666_8006, 256, 256),
            ("Cortex-A5", 0x8333_8003, 32, 32),
            ("Cortex-A7", 0x8444_8003, 64, 64),
            ("Cortex-A8", 0x8204_8004, 64, 64),
            ("Cortex-A9", 0x8333_8003, 32, 32),
            ("Cortex-A15", 0x8444_c004, 64, 64),
        ];
        for (core, ctr, line, granule) in cores {
            assert_eq!(decoded(ctr), Ok((line, granule)), "{core}");
        }
    }

    #[test]
    fn line_and_granule_come_from_different_fields() {
        assert_eq!(decoded(0x8544_c004), Ok((64, 128)));
        assert_eq!(decoded(0x8943_c004), Ok((32, 2048)));
        assert_eq!(decoded(0x8100_c004), Ok((4, 8)));
    }

    #[test]
    fn a_granule_is_at_least_a_line() {
        assert_eq!(decoded(0x8344_c004), Ok((64, 64)));
        assert_eq!(decoded(0x814a_c004), Ok((4096, 4096)));
    }

    #[test]
    fn an_unknown_granule_is_the_largest_there_can_be() {
        assert_eq!(decoded(0x8044_c004), Ok((64, 2048)));
        let (line, granule) = (4096, UNKNOWN_GRANULE);
        assert_eq!(
            decoded(0x804a_c004),
            Err(Error::GranuleBelowLine { line, granule })
        );
    }

    #[test]
    fn every_value_is_decoded_or_refused_and_only_the_two_fields_matter() {
        for line in 0..16 {
            for granule in 0..16 {
                let ctr = granule << 24 | line << 16;
                assert_eq!(decode(ctr), decode(ctr | 0xffff_ffff_f0f0_ffff));
                let fits = granule > 0 || line <= 9;
                assert_eq!(decode(ctr).is_ok(), fits, "{ctr:#x}");
            }
        }
    }
}
