//! What the configuration registers say of the caches.
//!
//! MIPS32 Architecture for Programmers, volume III, Configuration Register 1 and 2.

use dma_api::Geometry;

use crate::error::Error;

/// The primary data cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataCache {
    /// Line and granule.
    geometry: Geometry,
    sets: u32,
    ways: u32,
}

impl DataCache {
    /// The line size, which is the granule too.
    #[must_use]
    pub const fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// Sets in a way.
    #[must_use]
    pub const fn sets(&self) -> u32 {
        self.sets
    }

    /// Ways, at least 1.
    #[must_use]
    pub const fn ways(&self) -> u32 {
        self.ways
    }

    /// Bytes in a way. If they are more than a page, two virtual addresses of one byte can lie in different lines
    /// unless the processor prevents it (Config7.AR): maintenance then needs the address that the byte was used by.
    #[must_use]
    pub const fn way_len_bytes(&self) -> usize {
        self.geometry.line().saturating_mul(self.sets as usize)
    }
}

/// Whether Config1 says that there is a Config2.
#[must_use]
pub const fn has_config2(config1: u32) -> bool {
    config1 >> 31 == 1
}

/// The primary data cache, or `None` if there is none: fields DL, DS and DA of Config1.
///
/// # Errors
/// [`Error::Reserved`] for a reserved line size.
pub const fn data_cache(config1: u32) -> Result<Option<DataCache>, Error> {
    let line = field(config1, 10, 3);
    let (sets, ways) = (
        field(config1, 13, 3),
        field(config1, 7, 3).saturating_add(1),
    );
    if line == 0 {
        return Ok(None);
    }
    let reserved = Error::Reserved {
        field: "Config1.DL",
        value: line,
    };
    let Some(line) = line_size(line, 6) else {
        return Err(reserved);
    };
    match Geometry::new(line, line) {
        Ok(geometry) => Ok(Some(DataCache {
            geometry,
            // 64 << DS, save that 7 stands for 32.
            sets: 32 << (sets.wrapping_add(1) & 7),
            ways,
        })),
        Err(_) => Err(reserved),
    }
}

/// The line size in bytes of the secondary cache, or `None` if there is none: field SL of Config2.
///
/// # Errors
/// [`Error::Reserved`] for a reserved line size.
pub const fn secondary_line(config2: u32) -> Result<Option<usize>, Error> {
    outer_line(field(config2, 4, 4), "Config2.SL")
}

/// The line size in bytes of the tertiary cache, or `None` if there is none: field TL of Config2.
///
/// # Errors
/// [`Error::Reserved`] for a reserved line size.
pub const fn tertiary_line(config2: u32) -> Result<Option<usize>, Error> {
    outer_line(field(config2, 20, 4), "Config2.TL")
}

const fn outer_line(value: u32, field: &'static str) -> Result<Option<usize>, Error> {
    match line_size(value, 7) {
        _ if value == 0 => Ok(None),
        Some(line) => Ok(Some(line)),
        None => Err(Error::Reserved { field, value }),
    }
}

/// 2 << `value`, if that is not above the largest value defined.
const fn line_size(value: u32, largest: u32) -> Option<usize> {
    if value > largest {
        return None;
    }
    2_usize.checked_shl(value)
}

/// `bits` (fewer than 32) bits of a register from `lowest` (below 32) up.
const fn field(register: u32, lowest: u32, bits: u32) -> u32 {
    register.wrapping_shr(lowest) & 1_u32.wrapping_shl(bits).wrapping_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Line, sets and ways.
    fn decoded(config1: u32) -> Option<(usize, u32, u32)> {
        let cache = data_cache(config1).unwrap()?;
        assert_eq!(cache.geometry().line(), cache.geometry().granule());
        Some((cache.geometry().line(), cache.sets(), cache.ways()))
    }

    /// Config1 with nothing but these fields.
    const fn config1(ds: u32, dl: u32, da: u32) -> u32 {
        (ds << 13) | (dl << 10) | (da << 7)
    }

    #[test]
    fn real_processors_have_the_caches_their_manuals_say() {
        // 24Kc in Atheros' routers, as firmware prints the register: 32 KiB, 4 ways of 8 KiB.
        assert_eq!(decoded(0x9ee3_519e), Some((32, 256, 4)));
        // 24Kf and 4KEc, 5KEf and P5600 as QEMU has them.
        assert_eq!(decoded(config1(0, 3, 1)), Some((16, 64, 2)));
        assert_eq!(decoded(config1(1, 4, 1)), Some((32, 128, 2)));
        assert_eq!(decoded(config1(2, 4, 3)), Some((32, 256, 4)));
        // Loongson 3A1000.
        assert_eq!(decoded(config1(3, 4, 3)), Some((32, 512, 4)));
        // Direct mapped, the fewest sets; the most of everything.
        assert_eq!(decoded(config1(7, 1, 0)), Some((4, 32, 1)));
        assert_eq!(decoded(config1(6, 6, 7)), Some((128, 4096, 8)));
    }

    #[test]
    fn the_instruction_caches_fields_are_not_the_data_caches() {
        let instruction = (7 << 22) | (5 << 19) | (7 << 16) | 0x7f;
        assert_eq!(decoded(instruction), None);
        assert_eq!(decoded(instruction | config1(1, 4, 1)), Some((32, 128, 2)));
    }

    #[test]
    fn no_line_is_no_cache_and_a_reserved_one_is_refused() {
        assert_eq!(data_cache(config1(7, 0, 7)), Ok(None));
        let reserved = Error::Reserved {
            field: "Config1.DL",
            value: 7,
        };
        assert_eq!(data_cache(config1(0, 7, 0)), Err(reserved));
    }

    #[test]
    fn a_way_is_sets_times_lines() {
        let cache = data_cache(0x9ee3_519e).unwrap().unwrap();
        assert_eq!(cache.way_len_bytes(), 8192);
    }

    #[test]
    fn outer_caches_are_in_config2() {
        // Loongson 3A1000 (32 bytes x 8192 x 4) and a 1004K with 256 KiB.
        assert_eq!(secondary_line(0x743), Ok(Some(32)));
        assert_eq!(secondary_line(0x8000_0447), Ok(Some(32)));
        assert_eq!(secondary_line(0x8ff0_ff0f), Ok(None));
        assert_eq!(secondary_line(0x70), Ok(Some(256)));
        let reserved = |field| Error::Reserved { field, value: 8 };
        assert_eq!(secondary_line(0x80), Err(reserved("Config2.SL")));

        assert_eq!(tertiary_line(0x0050_0000), Ok(Some(64)));
        assert_eq!(tertiary_line(0xff0f_ffff), Ok(None));
        assert_eq!(tertiary_line(0x0080_0000), Err(reserved("Config2.TL")));
    }

    #[test]
    fn the_top_bit_says_whether_there_is_a_config2() {
        assert!(has_config2(0x9ee3_519e) && !has_config2(0x1ee3_519e));
    }
}
