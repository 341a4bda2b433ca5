//! The same memory twice: cached, and through the uncached alias that some SoCs give it.
#![expect(unsafe_code, reason = "that memory is mapped is the board's promise")]

use dma_api::{Error, PhysAddr, PhysRange, Region, UncachedAlias, pointer_at_offset};

/// The second, uncached physical address that some SoCs give their memory, as coherent memory.
///
/// * `memory`: its cached physical addresses, in the direct map at `offset`;
/// * `alias`: where the uncached ones begin, in the same direct map.
///
/// The StarFive JH7100 has one: the memory at 0x8000_0000 is uncached at
/// [`JH7100_UNCACHED`](crate::masks::JH7100_UNCACHED).
/// ```
/// use arch_riscv::{map, masks};
/// use dma_api::{PhysAddr, PhysRange};
/// # fn main() -> Result<(), Box<dyn core::error::Error>> {
/// let memory = PhysRange::new(PhysAddr::new(0x8000_0000), 16 << 20)?;
/// // SAFETY: the machine runs without an MMU, and the manual gives the two addresses of its memory.
/// let alias = unsafe { map::uncached_alias(memory, masks::JH7100_UNCACHED, 0) };
/// # if cfg!(target_pointer_width = "64") { alias?; }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::RangeWraps`] for the alias; [`Error::NotInDirectMap`] for either range if the CPU cannot address it there.
///
/// # Safety
/// For as long as the value exists both are mapped there, and are the same memory; accesses to the alias bypass every
/// cache, and it is fit for use when the block was cleaned and invalidated through the cached address.
pub const unsafe fn uncached_alias(
    memory: PhysRange,
    alias: PhysAddr,
    offset: usize,
) -> Result<UncachedAlias, Error> {
    let uncached = match PhysRange::new(alias, memory.len_bytes()) {
        Ok(uncached) => uncached,
        Err(error) => return Err(error),
    };
    // SAFETY: passed on to the caller.
    let cached = unsafe { Region::at_offset(memory, offset) };
    match (cached, pointer_at_offset(uncached, offset)) {
        (Ok(cached), Ok(uncached)) => {
            // SAFETY: the caller's promise is the same.
            Ok(unsafe { UncachedAlias::new(cached, uncached) })
        }
        (Err(error), _) | (_, Err(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_that_the_cpu_cannot_address_is_refused() {
        let memory = PhysRange::new(PhysAddr::new(0x1000), 0x1000).unwrap();
        // SAFETY: no value is made.
        let wraps = unsafe { uncached_alias(memory, PhysAddr::new(u64::MAX - 0xff), 0) };
        let expected = Error::RangeWraps {
            start: u64::MAX - 0xff,
            len: 0x1000,
        };
        assert_eq!(wraps.map(|_| ()), Err(expected));

        // SAFETY: as above.
        let null = unsafe { uncached_alias(memory, PhysAddr::new(0), 0) };
        assert_eq!(
            null.map(|_| ()),
            Err(Error::NotInDirectMap {
                first: 0,
                last: 0xfff
            })
        );
    }
}
