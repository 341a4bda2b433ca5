//! The size of a cache block is what firmware says: no register holds it.

use dma_api::Geometry;

use crate::error::Error;

/// Smallest block that is believed, in bytes. Smaller ones are placeholders (Linux sets 1 until a driver of a
/// non-standard cache is there), and an understated block would let two owners share one.
pub const MIN_BLOCK: u32 = 16;

/// Largest block that is believed, in bytes: an operation has one address, translated and protected by pages of at
/// least 4096.
pub const MAX_BLOCK: u32 = 4096;

/// Line and granule from the device tree's `riscv,cbom-block-size`, in bytes, which ACPI's RHCT table has too. A block
/// is both, and the same on every hart ("CMO" extensions, "Cache-Block Size").
///
/// # Errors
/// [`Error::BlockSize`] unless it is a power of two from [`MIN_BLOCK`] to [`MAX_BLOCK`].
pub const fn cbom_block(bytes: u32) -> Result<Geometry, Error> {
    if bytes < MIN_BLOCK || bytes > MAX_BLOCK {
        return Err(Error::BlockSize { bytes });
    }
    // At most 4096.
    match Geometry::new(bytes as usize, bytes as usize) {
        Ok(geometry) => Ok(geometry),
        Err(_) => Err(Error::BlockSize { bytes }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_real_processors_are_line_and_granule() {
        // The profile RVA22 demands 64, which SpacemiT's X60 has; configurable cores have others.
        for bytes in [16, 32, 64, 128, 4096] {
            let geometry = cbom_block(bytes).unwrap();
            assert_eq!(
                (geometry.line(), geometry.granule()),
                (bytes as usize, bytes as usize)
            );
        }
    }

    #[test]
    fn a_size_that_cannot_be_is_refused() {
        for bytes in [0, 1, 8, 15, 17, 48, 65, 96, 4095, 4097, 8192, u32::MAX] {
            assert_eq!(cbom_block(bytes), Err(Error::BlockSize { bytes }));
        }
    }
}
