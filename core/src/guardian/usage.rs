//! What a symbol takes up of the account: its position and what may still come of its entries.
//!
//! Asked of every symbol for each worker's question, so the idle ones, which are most, cost next to nothing.

use super::picture::SymbolView;
use crate::fixed::{Money, Qty};
use crate::instrument::{Symbol, SymbolInfo};
use crate::risk::margin::believable;
use rust_decimal::Decimal;
use std::cmp::Ordering;
use std::collections::BTreeMap;

impl SymbolView {
    /// No position, no entry, no fill without its position.
    pub fn is_idle(&self) -> bool {
        self.qty.is_zero()
            && self.unbooked.is_empty()
            && self.orders.values().all(|o| o.reduce_only)
    }

    /// Nothing of it is at the venue, as far as is known: its price moves nothing.
    pub fn is_bare(&self) -> bool {
        self.qty.is_zero()
            && self.unbooked.is_empty()
            && self.orders.is_empty()
            && self.stops.is_empty()
    }

    /// |position| at mark plus what open entries may add, quote asset. `None`: unknown.
    pub fn usage(&self, info: Option<&SymbolInfo>) -> Option<Money> {
        if self.is_idle() {
            return Some(Decimal::ZERO);
        }
        let inst = &info?.instrument;
        let worth = |q: Qty, p: Decimal| {
            let q = inst.qty_dec(q.abs());
            (believable(q) && believable(p))
                .then(|| q.checked_mul(p))
                .flatten()
                .filter(|n| believable(*n))
        };
        let mut sum = match self.qty.is_zero() {
            true => Decimal::ZERO,
            false => worth(self.qty, self.value()?)?,
        };
        for f in &self.unbooked {
            sum += worth(f.qty, f.price.max(self.value().unwrap_or_default()))?;
        }
        for o in self.orders.values().filter(|o| !o.reduce_only) {
            sum += worth(
                o.left,
                o.price
                    .or(self.value())?
                    .max(self.value().unwrap_or_default()),
            )?;
        }
        Some(sum)
    }
}

/// Two ordered maps side by side, each symbol of either once, without a search for any.
pub(super) fn both<'a, A, B>(
    a: &'a BTreeMap<Symbol, A>,
    b: &'a BTreeMap<Symbol, B>,
) -> impl Iterator<Item = (&'a Symbol, Option<&'a A>, Option<&'a B>)> {
    let (mut a, mut b) = (a.iter().peekable(), b.iter().peekable());
    std::iter::from_fn(move || {
        let order = match (a.peek(), b.peek()) {
            (Some(x), Some(y)) => x.0.cmp(y.0),
            (Some(_), None) => Ordering::Less,
            (None, _) => Ordering::Greater,
        };
        match order {
            Ordering::Less => a.next().map(|(s, x)| (s, Some(x), None)),
            Ordering::Greater => b.next().map(|(s, y)| (s, None, Some(y))),
            Ordering::Equal => {
                let y = b.next().map(|(_, y)| y);
                a.next().map(|(s, x)| (s, Some(x), y))
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_maps_side_by_side_show_each_symbol_once_and_in_order() {
        let map = |names: &[&str]| -> BTreeMap<Symbol, usize> {
            let named = names.iter().enumerate();
            named.map(|(i, s)| ((*s).into(), i)).collect()
        };
        let (a, b) = (map(&["A", "C", "D"]), map(&["B", "C", "E", "F"]));
        let seen: Vec<_> = both(&a, &b)
            .map(|(s, x, y)| (s.to_string(), x.copied(), y.copied()))
            .collect();
        let expected = [
            ("A", Some(0), None),
            ("B", None, Some(0)),
            ("C", Some(1), Some(1)),
            ("D", Some(2), None),
            ("E", None, Some(2)),
            ("F", None, Some(3)),
        ];
        assert_eq!(seen, expected.map(|(s, x, y)| (s.to_string(), x, y)));
        assert_eq!(both(&a, &map(&[])).count(), 3);
        assert_eq!(both(&map(&[]), &b).count(), 4);
    }
}
