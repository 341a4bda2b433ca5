//! Runs of pages sorted by length into classes: exact for short ones, an eighth apart for long ones.

/// Binary logarithm of the classes between one power of two and the next.
const STEP_BITS: u32 = 3;

/// Most pages a run may have.
pub(crate) const MOST_PAGES: u32 = (1 << 28) - 2;

/// The classes of all runs up to [`MOST_PAGES`].
pub(crate) const CLASSES: u32 = class_of(MOST_PAGES) + 1;

/// The classes that runs of up to so many pages belong to.
pub(crate) const fn lists(pages: usize) -> usize {
    if pages == 0 {
        return 0;
    }
    if pages >= MOST_PAGES as usize {
        return CLASSES as usize;
    }
    #[expect(clippy::cast_possible_truncation, reason = "judged above")]
    let class = class_of(pages as u32) as usize;
    class.saturating_add(1)
}

/// The class that a run of `pages`, not 0, belongs to: all lengths of a class are below all lengths of the next.
#[expect(clippy::arithmetic_side_effects, reason = "see each line")]
pub(crate) const fn class_of(pages: u32) -> u32 {
    // At least 3, since a bit is set there: the subtractions stay above 0.
    let power = (pages | 1 << STEP_BITS).ilog2();
    let step = power - STEP_BITS;
    // Not 0, since `pages` is not; and below 2^9.
    (step << STEP_BITS) + (pages >> step) - 1
}

/// The lowest class all of whose runs have at least `pages`, not 0 and at most [`MOST_PAGES`].
#[expect(clippy::arithmetic_side_effects, reason = "below 2^29")]
pub(crate) const fn class_of_at_least(pages: u32) -> u32 {
    let power = (pages | 1 << STEP_BITS).ilog2();
    class_of(pages + (1 << (power - STEP_BITS)) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_in_order_of_length_without_a_gap() {
        let mut last = 0;
        assert_eq!(class_of(1), 0);
        for pages in 2..100_000 {
            let class = class_of(pages);
            assert!(class == last || class == last + 1, "{pages}");
            last = class;
        }
        assert_eq!(class_of(MOST_PAGES) + 1, CLASSES);
    }

    #[test]
    fn runs_of_up_to_sixteen_pages_have_a_class_of_their_own_and_longer_ones_are_within_an_eighth()
    {
        for pages in 1..16 {
            assert_eq!((class_of(pages), class_of(pages + 1)), (pages - 1, pages));
        }
        for pages in 16..100_000_u32 {
            let shortest = (1..=pages)
                .rev()
                .find(|p| class_of(*p) != class_of(pages))
                .unwrap()
                + 1;
            assert!(pages - shortest < shortest / 8, "{pages}");
        }
    }

    #[test]
    fn every_run_of_a_class_of_at_least_so_many_pages_has_them_and_of_the_class_below_not_every_one()
     {
        for pages in (1..100_000).chain([MOST_PAGES - 1, MOST_PAGES]) {
            let class = class_of_at_least(pages);
            assert!(
                class_of(pages.saturating_sub(1).max(1)) < class || pages == 1,
                "{pages}"
            );
            assert!(
                class_of(pages) == class || class_of(pages) + 1 == class,
                "{pages}"
            );
        }
    }
}
