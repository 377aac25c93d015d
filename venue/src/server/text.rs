//! Integers to decimal text, for the frames that go out thousands of times a second.
//!
//! Prices and quantities are counts of a step; the text has exactly the step's own number of decimals, as the exchange's
//! has (`tickSize` "0.10" prints "61234.50"). No floating point, no formatting machinery.

use rust_decimal::Decimal;

const PAIRS: &[u8; 200] = b"0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243444546474849\
5051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899";

/// How counts of one step are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Grid {
    mult: i64,
    scale: usize,
}

impl Grid {
    /// The grid of a step; `None` when it is not positive or has more digits than a count can be multiplied by.
    pub(super) fn of(step: Decimal) -> Option<Self> {
        let mult = i64::try_from(step.mantissa()).ok()?;
        let scale = usize::try_from(step.scale()).ok()?;
        (mult > 0 && mult < 1_000_000_000 && scale <= 18).then_some(Self { mult, scale })
    }

    /// Decimals after the point.
    pub(super) const fn decimals(self) -> usize {
        self.scale
    }

    /// Appends `units × step`.
    pub(super) fn write(self, out: &mut Vec<u8>, units: i64) {
        match units.checked_mul(self.mult) {
            Some(v) => {
                if v < 0 {
                    out.push(b'-');
                }
                write_scaled(out, v.unsigned_abs(), self.scale);
            }
            // Beyond 64 bits: never on a real book, yet it must not be wrong.
            None => {
                let v = Decimal::from(units)
                    .checked_mul(Decimal::new(self.mult, self.scale as u32))
                    .unwrap_or(Decimal::MAX);
                out.extend_from_slice(v.to_string().as_bytes());
            }
        }
    }

    /// The same as a string.
    pub(super) fn text(self, units: i64) -> String {
        let mut out = Vec::with_capacity(24);
        self.write(&mut out, units);
        String::from_utf8(out).unwrap_or_default()
    }
}

/// Appends an unsigned integer.
pub(super) fn write_u64(out: &mut Vec<u8>, v: u64) {
    write_scaled(out, v, 0);
}

/// Appends a signed integer.
pub(super) fn write_i64(out: &mut Vec<u8>, v: i64) {
    if v < 0 {
        out.push(b'-');
    }
    write_scaled(out, v.unsigned_abs(), 0);
}

/// Appends `v / 10^scale` with exactly `scale` decimals.
fn write_scaled(out: &mut Vec<u8>, mut v: u64, scale: usize) {
    let mut buf = [b'0'; 40];
    let mut at = buf.len();
    while v >= 100 {
        let p = (v % 100) as usize * 2;
        v /= 100;
        at -= 2;
        buf[at] = PAIRS[p];
        buf[at + 1] = PAIRS[p + 1];
    }
    let p = v as usize * 2;
    if v >= 10 {
        at -= 2;
        buf[at] = PAIRS[p];
        buf[at + 1] = PAIRS[p + 1];
    } else {
        at -= 1;
        buf[at] = PAIRS[p + 1];
    }
    if scale == 0 {
        out.extend_from_slice(&buf[at..]);
        return;
    }
    // At least one digit before the point; the buffer's fill supplies leading zeros.
    let point = buf.len() - scale;
    let start = at.min(point - 1);
    out.extend_from_slice(&buf[start..point]);
    out.push(b'.');
    out.extend_from_slice(&buf[point..]);
}

/// A decimal with exactly `places` decimals, as the exchange prints balances ("126.72469206").
pub(super) fn fixed(v: Decimal, places: u32) -> String {
    let mut v =
        v.round_dp_with_strategy(places, rust_decimal::RoundingStrategy::MidpointAwayFromZero);
    v.rescale(places);
    if v.is_zero() {
        v = Decimal::new(0, places);
    }
    v.to_string()
}

/// A decimal without trailing zeros ("0.0002"), "0" for zero.
pub(super) fn plain(v: Decimal) -> String {
    v.normalize().to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn grid(s: &str) -> Grid {
        Grid::of(s.parse().unwrap()).unwrap()
    }

    #[test]
    fn prints_the_decimals_of_the_step() {
        assert_eq!(grid("0.10").text(612_345), "61234.50");
        assert_eq!(grid("0.001").text(0), "0.000");
        assert_eq!(grid("0.001").text(-7), "-0.007");
        assert_eq!(grid("5").text(3), "15");
        assert_eq!(grid("0.05").text(1), "0.05");
        assert_eq!(grid("1").text(100), "100");
    }

    #[test]
    fn a_step_that_is_not_positive_has_no_grid() {
        assert!(Grid::of(Decimal::ZERO).is_none());
        assert!(Grid::of(Decimal::NEGATIVE_ONE).is_none());
    }

    #[test]
    fn decimals_are_padded_or_trimmed() {
        assert_eq!(fixed(Decimal::new(5, 1), 8), "0.50000000");
        assert_eq!(fixed(-Decimal::new(0, 0), 2), "0.00");
        assert_eq!(plain(Decimal::new(20, 5)), "0.0002");
        assert_eq!(plain(Decimal::new(0, 5)), "0");
    }

    proptest! {
        #[test]
        fn text_reads_back_as_the_exact_product(units in any::<i64>(), mult in 1_i64..1_000_000, scale in 0_u32..12) {
            let step = Decimal::new(mult, scale);
            let text = Grid::of(step).unwrap().text(units);
            let back: Decimal = text.parse().unwrap();
            prop_assert_eq!(back, Decimal::from(units) * step);
            let decimals = text.split_once('.').map_or(0, |(_, d)| d.len());
            prop_assert_eq!(decimals, scale as usize);
        }

        #[test]
        fn integers_read_back(v in any::<i64>(), u in any::<u64>()) {
            let mut out = Vec::new();
            write_i64(&mut out, v);
            out.push(b' ');
            write_u64(&mut out, u);
            prop_assert_eq!(String::from_utf8(out).unwrap(), format!("{v} {u}"));
        }
    }
}
