//! NOBI: normalised order book imbalance, the signal's raw number.
//!
//! `(depth_ask − depth_bid) / (depth_ask + depth_bid)`, depth = Σ price × quantity over the best L levels of a side. Positive
//! is ask-heavy. Tick and step are common to both sides and cancel, so the sums stay integers and no instrument is needed.

use super::Book;
use crate::fixed::{Price, Qty};

/// NOBI over the best `depth` levels a side (fewer where the book has fewer), in [−1, 1].
///
/// `None` when a side is empty or `depth` is 0: an imbalance against nothing is no signal.
pub fn nobi(book: &Book, depth: usize) -> Option<f64> {
    let bid = value(book.bids(), depth);
    let ask = value(book.asks(), depth);
    if bid == 0 || ask == 0 {
        return None;
    }
    Some((ask - bid) as f64 / (ask + bid) as f64)
}

/// Σ price × quantity in tick-lots, exact.
fn value(levels: impl Iterator<Item = (Price, Qty)>, depth: usize) -> i128 {
    levels
        .take(depth)
        .map(|(p, q)| i128::from(p.0) * i128::from(q.0))
        .sum()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::fixed::Side;
    use proptest::prelude::*;

    type Side2 = Vec<(i64, i64)>;

    fn book(bids: &Side2, asks: &Side2) -> Book {
        let mut b = Book::new();
        for &(p, q) in bids {
            b.set(Side::Buy, Price(p), Qty(q)).unwrap();
        }
        for &(p, q) in asks {
            b.set(Side::Sell, Price(p), Qty(q)).unwrap();
        }
        b
    }

    fn levels() -> impl Strategy<Value = Side2> {
        prop::collection::vec((1i64..1_000_000, 1i64..1_000_000_000), 1..30)
    }

    proptest! {
        #[test]
        fn nobi_lies_within_one_and_ignores_the_quantity_scale(b in levels(), a in levels(), l in 1usize..40, k in 1i64..1000) {
            let n = nobi(&book(&b, &a), l).unwrap();
            prop_assert!((-1.0..=1.0).contains(&n));
            let scale = |s: &Side2| s.iter().map(|&(p, q)| (p, q * k)).collect::<Side2>();
            let scaled = nobi(&book(&scale(&b), &scale(&a)), l).unwrap();
            prop_assert!((n - scaled).abs() < 1e-12);
        }

        #[test]
        fn swapping_the_sides_flips_the_sign(b in levels(), a in levels()) {
            // Mirrored prices would change the values, so the swap is taken over all levels, where order does not matter.
            let x = nobi(&book(&b, &a), usize::MAX).unwrap();
            let y = nobi(&book(&a, &b), usize::MAX).unwrap();
            prop_assert_eq!(x, -y);
        }

        #[test]
        fn only_the_best_levels_count(b in levels(), a in levels(), l in 1usize..10) {
            let full = book(&b, &a);
            let s = full.snapshot(l, 0, 0);
            let mut cut = Book::new();
            cut.load(&s).unwrap();
            prop_assert_eq!(nobi(&full, l), nobi(&cut, l));
        }
    }

    #[test]
    fn a_known_book_gives_the_known_number() {
        let b = book(&vec![(100, 3), (99, 1)], &vec![(101, 1), (102, 100)]);
        assert_eq!(nobi(&b, 1), Some((101.0 - 300.0) / 401.0));
        assert_eq!(nobi(&b, 0), None);
        assert_eq!(nobi(&book(&vec![(1, 1)], &vec![]), 5), None);
        let big = book(&vec![(1 << 53, 1 << 53)], &vec![((1 << 53) - 1, 1 << 53)]);
        assert!(nobi(&big, 1).unwrap().abs() < 1e-9);
    }
}
