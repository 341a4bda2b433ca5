//! Runs of pages sorted by length into classes: exact for short ones, at most a sixteenth apart for long ones.

/// Binary logarithm of the classes between one power of two and the next.
const STEP_BITS: u32 = 4;

/// What is added to a length before it is sorted. It makes 0 of the class of a single page, and keeps the lengths that
/// are most usual, powers of two, away from where one class ends and the next begins.
const BIAS: u32 = (1 << STEP_BITS) - 1;

/// Runs of up to so many pages are alone in their class, whose number is one below.
pub(crate) const EXACT: u32 = 1 << STEP_BITS;

/// Most pages a run may have: so many that the heads of all lists behind their entries have numbers below 2^28 too.
pub(crate) const MOST_PAGES: u32 = (1 << 28) - (1 << 11);

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
#[inline(always)]
#[expect(clippy::arithmetic_side_effects, reason = "see each line")]
pub(crate) const fn class_of(pages: u32) -> u32 {
    // Below 2^29, and at least 2^4, so that the subtractions stay above 0.
    let biased = pages + BIAS;
    let step = biased.ilog2() - STEP_BITS;
    (step << STEP_BITS) + (biased >> step) - (1 << STEP_BITS)
}

/// Whether both lengths, of which `more` is not below `less`, belong to one class.
#[inline(always)]
#[expect(clippy::arithmetic_side_effects, reason = "as in `class_of`")]
pub(crate) const fn are_alike(less: u32, more: u32) -> bool {
    let step = (more + BIAS).ilog2() - STEP_BITS;
    (less + BIAS) >> step == (more + BIAS) >> step
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
    fn there_is_a_list_for_each_class_that_a_run_of_all_pages_or_fewer_has() {
        for (pages, count) in [
            (0, 0),
            (1, 1),
            (9, 9),
            (16, 16),
            (17, 17),
            (18, 17),
            (19, 18),
        ] {
            assert_eq!(lists(pages), count, "{pages}");
        }
        let most = usize::try_from(MOST_PAGES).unwrap();
        for pages in [most - 1, most, most + 1, usize::MAX] {
            assert_eq!(lists(pages), usize::try_from(CLASSES).unwrap());
        }
    }

    #[test]
    fn lengths_are_alike_if_their_classes_are_the_same() {
        for less in 1..600 {
            for more in less..1200 {
                let same = class_of(less) == class_of(more);
                assert_eq!(are_alike(less, more), same, "{less} {more}");
            }
        }
    }

    #[test]
    fn runs_of_up_to_sixteen_pages_have_a_class_of_their_own_and_longer_ones_are_within_a_sixteenth()
     {
        for pages in 1..=EXACT {
            assert_eq!((class_of(pages), class_of(pages + 1)), (pages - 1, pages));
        }
        assert_eq!(class_of(EXACT + 1), class_of(EXACT + 2));
        let mut shortest = 1;
        for pages in 2..100_000_u32 {
            if class_of(pages) != class_of(pages - 1) {
                shortest = pages;
            }
            assert!((pages - shortest) * 16 < shortest + BIAS, "{pages}");
        }
    }
}
