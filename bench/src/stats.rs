//! Medians and quartiles.

/// The middle of some figures, and how far they spread.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// A quarter of the figures is below.
    pub low: f64,
    /// Half of them is.
    pub median: f64,
    /// Three quarters are.
    pub high: f64,
}

impl Spread {
    /// Of those figures, if there are any.
    #[must_use]
    pub fn of(figures: &[f64]) -> Option<Self> {
        let mut sorted = figures.to_vec();
        sorted.sort_by(f64::total_cmp);
        Some(Self {
            low: at(&sorted, 0.25)?,
            median: at(&sorted, 0.5)?,
            high: at(&sorted, 0.75)?,
        })
    }
}

/// The figure below which that share of the sorted figures lies, between two of them in proportion.
#[must_use]
pub fn at(sorted: &[f64], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let place = share * last as f64;
    let below = place.floor();
    let (lower, upper) = (sorted[below as usize], sorted[place.ceil() as usize]);
    Some(lower + (upper - lower) * (place - below))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_lie_between_figures_in_proportion_and_order_does_not_matter() {
        let spread = |figures: &[f64]| Spread::of(figures).map(|s| (s.low, s.median, s.high));

        assert_eq!(spread(&[]), None);
        assert_eq!(spread(&[3.0]), Some((3.0, 3.0, 3.0)));
        assert_eq!(spread(&[4.0, 1.0, 2.0, 3.0]), Some((1.75, 2.5, 3.25)));
        assert_eq!(spread(&[5.0, 1.0, 4.0, 2.0, 3.0]), Some((2.0, 3.0, 4.0)));
    }

    #[test]
    fn a_percentile_is_reached_by_that_share() {
        let sorted: Vec<f64> = (0..=1000).map(f64::from).collect();

        assert_eq!(at(&sorted, 0.99), Some(990.0));
        assert_eq!(at(&sorted, 0.0), Some(0.0));
        assert_eq!(at(&sorted, 1.0), Some(1000.0));
    }
}
