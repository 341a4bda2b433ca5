//! How long the blocks are that workloads ask for.

use fastrand::Rng;

use crate::peer::Size;

/// One request in this many is aligned.
const ALIGNED_ONE_IN: u32 = 8;

/// How likely which length is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sizes {
    /// One page.
    One,
    /// 1, 2, 4 … 32 pages, each half as likely as the one before.
    PowersLight,
    /// 1 to 64 pages, each three quarters as likely as the one before: 4 on average, 16 or fewer in 99 of 100.
    AnyLight,
    /// 1 to 256 pages: as many requests are for at least `n` pages as one in `n`.
    AnyHeavy,
}

impl Sizes {
    /// The next length and alignment.
    pub fn next(self, rng: &mut Rng) -> Size {
        match self {
            Self::One => Size::pages(1),
            Self::PowersLight => {
                let pages = 1 << steps(rng, 0.5, 5);
                let align = if is_aligned(rng) { pages } else { 1 };
                Size { pages, align }
            }
            Self::AnyLight => Size {
                pages: 1 + steps(rng, 0.75, 63),
                align: alignment(rng, 4),
            },
            Self::AnyHeavy => Size {
                pages: loop {
                    let pages = (1.0 / (1.0 - rng.f64())) as u64;
                    if pages <= 256 {
                        break pages as u32;
                    }
                },
                align: alignment(rng, 6),
            },
        }
    }
}

/// How often in a row something of that probability happens, at most `most` times.
fn steps(rng: &mut Rng, probability: f64, most: u32) -> u32 {
    let mut steps = 0;
    while steps < most && rng.f64() < probability {
        steps += 1;
    }
    steps
}

fn is_aligned(rng: &mut Rng) -> bool {
    rng.u32(0..ALIGNED_ONE_IN) == 0
}

/// None, or one of the powers of two from 2 to `2^most` pages.
fn alignment(rng: &mut Rng, most: u32) -> u32 {
    if is_aligned(rng) {
        1 << rng.u32(1..=most)
    } else {
        1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(sizes: Sizes) -> Vec<Size> {
        let mut rng = Rng::with_seed(7);
        (0..20_000).map(|_| sizes.next(&mut rng)).collect()
    }

    fn share(drawn: &[Size], of: impl Fn(&Size) -> bool) -> f64 {
        drawn.iter().filter(|size| of(size)).count() as f64 / drawn.len() as f64
    }

    #[test]
    fn powers_of_two_are_aligned_to_their_length_or_not_at_all() {
        let drawn = draw(Sizes::PowersLight);

        assert!(drawn.iter().all(|size| size.pages.is_power_of_two()));
        assert!(
            drawn
                .iter()
                .all(|size| size.align == 1 || size.align == size.pages)
        );
        assert_eq!(drawn.iter().map(|size| size.pages).max(), Some(32));
        let one = share(&drawn, |size| size.pages == 1);
        assert!((0.48..0.52).contains(&one), "{one}");
    }

    #[test]
    fn light_tails_end_at_64_pages_and_mostly_before_17() {
        let drawn = draw(Sizes::AnyLight);

        assert!(drawn.iter().all(|size| (1..=64).contains(&size.pages)));
        let short = share(&drawn, |size| size.pages <= 16);
        assert!((0.985..0.995).contains(&short), "{short}");
        let aligned = share(&drawn, |size| size.align > 1);
        assert!((0.11..0.14).contains(&aligned), "{aligned}");
    }

    #[test]
    fn heavy_tails_reach_256_pages() {
        let drawn = draw(Sizes::AnyHeavy);

        assert!(drawn.iter().all(|size| (1..=256).contains(&size.pages)));
        let long = share(&drawn, |size| size.pages >= 64);
        assert!((0.010..0.015).contains(&long), "{long}");
        assert!(drawn.iter().any(|size| size.pages > 200));
    }
}
