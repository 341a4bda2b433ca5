//! The line and the instructions that there are for it, decoded from CPUID.

use dma_api::{Error, Geometry};

use crate::insn::Leaf;

/// The instruction that cleans and invalidates a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CleanAndInvalidate {
    /// CLFLUSH, each ordered with the one before: the slow one that every processor has.
    Clflush,
    /// CLFLUSHOPT, in any order.
    Clflushopt,
}

/// The instruction that cleans a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clean {
    /// CLWB, after which the line may stay in the cache.
    Clwb,
    /// None: the line is cleaned and invalidated.
    AndInvalidate,
}

/// What a processor says of its caches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features {
    /// Line and granule, which are the same: what an x86 cache writes back is the line that CPUID tells, even where lines are
    /// filled in pairs (SDM volume 3, "Characteristics of the Caches": sectors of the Pentium 4, adjacent line prefetch).
    pub geometry: Geometry,
    /// How lines are cleaned and invalidated.
    pub clean_and_invalidate: CleanAndInvalidate,
    /// How lines are cleaned.
    pub clean: Clean,
}

/// What three leaves of CPUID say (SDM volume 2, "CPUID").
///
/// * `leaf0`: EAX is the highest leaf there is;
/// * `leaf1`: EDX bit 19 is CLFLUSH, and then EBX bits 15 to 8 the size of its line in units of 8 bytes;
/// * `leaf7`: EBX bit 23 is CLFLUSHOPT, bit 24 CLWB. Not looked at if there is no such leaf.
///
/// # Errors
/// [`Error::NotPowerOfTwo`] if the line is none; it is 0 for a processor without CLFLUSH, whose caches nothing
/// but WBINVD reaches.
pub fn decode(leaf0: Leaf, leaf1: Leaf, leaf7: Leaf) -> Result<Features, Error> {
    let line = match bit(leaf1.edx, 19) {
        true => usize::from(leaf1.ebx.to_le_bytes()[1]).saturating_mul(8),
        false => 0,
    };
    let extended = if leaf0.eax >= 7 { leaf7.ebx } else { 0 };

    Ok(Features {
        geometry: Geometry::new(line, line)?,
        clean_and_invalidate: match bit(extended, 23) {
            true => CleanAndInvalidate::Clflushopt,
            false => CleanAndInvalidate::Clflush,
        },
        clean: match bit(extended, 24) {
            true => Clean::Clwb,
            false => Clean::AndInvalidate,
        },
    })
}

const fn bit(register: u32, number: u32) -> bool {
    register >> (number & 31) & 1 != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(highest: u32, ebx1: u32, edx1: u32, ebx7: u32) -> Result<Features, Error> {
        let leaf = Leaf::default();
        decode(
            Leaf {
                eax: highest,
                ..leaf
            },
            Leaf {
                ebx: ebx1,
                edx: edx1,
                ..leaf
            },
            Leaf { ebx: ebx7, ..leaf },
        )
    }

    #[test]
    fn real_processors_are_decoded() {
        use Clean::*;
        use CleanAndInvalidate::*;
        let processors = [
            (
                "Pentium 4",
                (5, 0x0001_0809, 0xbfeb_fbff, 0),
                (Clflush, AndInvalidate),
            ),
            (
                "Haswell",
                (13, 0x0010_0800, 0xbfeb_fbff, 0x0000_27ab),
                (Clflush, AndInvalidate),
            ),
            (
                "Skylake",
                (0x16, 0x0010_0800, 0xbfeb_fbff, 0x029c_6fbf),
                (Clflushopt, AndInvalidate),
            ),
            (
                "Skylake-SP",
                (0x16, 0x0010_0800, 0xbfeb_fbff, 0xd39f_fffb),
                (Clflushopt, Clwb),
            ),
            (
                "Zen 2",
                (16, 0x0010_0800, 0x178b_fbff, 0x219c_91a9),
                (Clflushopt, Clwb),
            ),
        ];
        for (name, (highest, ebx1, edx1, ebx7), (clean_and_invalidate, clean)) in processors {
            let geometry = Geometry::new(64, 64).unwrap();
            let expected = Features {
                geometry,
                clean_and_invalidate,
                clean,
            };
            assert_eq!(decoded(highest, ebx1, edx1, ebx7), Ok(expected), "{name}");
        }
    }

    #[test]
    fn a_leaf_that_is_not_there_says_nothing() {
        let features = decoded(6, 0x0800, 1 << 19, u32::MAX).unwrap();
        assert_eq!(features.clean_and_invalidate, CleanAndInvalidate::Clflush);
        assert_eq!(features.clean, Clean::AndInvalidate);
    }

    #[test]
    fn each_instruction_has_its_bit() {
        let only = |ebx7| {
            let features = decoded(7, 0x0400, 1 << 19, ebx7).unwrap();
            assert_eq!(features.geometry, Geometry::new(32, 32).unwrap());
            (features.clean_and_invalidate, features.clean)
        };
        assert_eq!(
            only(1 << 23),
            (CleanAndInvalidate::Clflushopt, Clean::AndInvalidate)
        );
        assert_eq!(only(1 << 24), (CleanAndInvalidate::Clflush, Clean::Clwb));
        assert_eq!(
            only(!(1 << 23 | 1 << 24)),
            (CleanAndInvalidate::Clflush, Clean::AndInvalidate)
        );
    }

    #[test]
    fn without_clflush_there_is_no_line() {
        let value = 0;
        assert_eq!(
            decoded(7, 0x0800, !(1 << 19), u32::MAX),
            Err(Error::NotPowerOfTwo { value })
        );
        let value = 24;
        assert_eq!(
            decoded(7, 0x0300, 1 << 19, 0),
            Err(Error::NotPowerOfTwo { value })
        );
    }
}
