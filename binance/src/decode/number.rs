//! Decimal text to ticks and lots, exactly, from the ASCII digits: no `Decimal`, no `f64`.

use helios_core::instrument::Instrument;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

/// Why a number was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// No digits at all.
    #[error("empty")]
    Empty,
    /// Anything but digits with at most one point: `NaN`, `inf`, `1e5`, blanks.
    #[error("not a plain decimal number")]
    NotANumber,
    /// Starts with a minus.
    #[error("negative")]
    Negative,
    /// No whole number of ticks or lots.
    #[error("off the grid")]
    OffGrid,
    /// More than 64 bits of ticks or lots.
    #[error("too large")]
    Overflow,
}

/// A grid step `unit × 10^−decimals`, ready for parsing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    decimals: usize,
    unit: i64,
}

impl Scale {
    /// From a tick or step size; `None` when it is not positive or needs more than 64 bits.
    pub fn new(step: Decimal) -> Option<Self> {
        let s = step.normalize();
        let unit = s.mantissa().to_i64().filter(|u| *u > 0)?;
        Some(Self {
            decimals: s.scale() as usize,
            unit,
        })
    }

    /// A whole number of steps from text such as `61800.20`.
    ///
    /// # Errors
    /// [`NumberError`]; trailing zeros beyond the grid are fine, other digits beyond it are [`NumberError::OffGrid`].
    pub fn parse(self, text: &[u8]) -> Result<i64, NumberError> {
        let (mut value, mut fraction, mut point) = (0i64, 0usize, false);
        let mut digits = 0usize;
        for &c in text {
            match c {
                b'0'..=b'9' => {
                    digits += 1;
                    let d = i64::from(c - b'0');
                    if point {
                        if fraction == self.decimals {
                            if d != 0 {
                                return Err(off_grid_or_garbage(text));
                            }
                            continue;
                        }
                        fraction += 1;
                    }
                    value = match value.checked_mul(10).and_then(|v| v.checked_add(d)) {
                        Some(v) => v,
                        None if text.iter().all(|c| c.is_ascii_digit() || *c == b'.') => {
                            return Err(NumberError::Overflow);
                        }
                        None => return Err(NumberError::NotANumber),
                    };
                }
                b'.' if !point => point = true,
                b'-' if digits == 0 && !point && text.len() > 1 => {
                    return Err(NumberError::Negative);
                }
                _ => return Err(NumberError::NotANumber),
            }
        }
        if digits == 0 {
            return Err(if text.is_empty() {
                NumberError::Empty
            } else {
                NumberError::NotANumber
            });
        }
        for _ in fraction..self.decimals {
            value = value.checked_mul(10).ok_or(NumberError::Overflow)?;
        }
        if self.unit == 1 {
            return Ok(value);
        }
        if value % self.unit != 0 {
            return Err(NumberError::OffGrid);
        }
        Ok(value / self.unit)
    }
}

/// A digit beyond the grid: off it, unless the rest shows that this is no number at all.
fn off_grid_or_garbage(text: &[u8]) -> NumberError {
    let points = text.iter().filter(|c| **c == b'.').count();
    if points <= 1 && text.iter().all(|c| c.is_ascii_digit() || *c == b'.') {
        NumberError::OffGrid
    } else {
        NumberError::NotANumber
    }
}

/// Price and quantity scales of one contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Ticks.
    pub price: Scale,
    /// Lots.
    pub qty: Scale,
}

impl Grid {
    /// The grid of an instrument; `None` when tick or step is not positive or needs more than 64 bits.
    pub fn of(instrument: &Instrument) -> Option<Self> {
        Some(Self {
            price: Scale::new(instrument.tick)?,
            qty: Scale::new(instrument.step)?,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn scale(s: &str) -> Scale {
        Scale::new(s.parse().unwrap()).unwrap()
    }

    #[test]
    fn known_texts_give_known_steps_or_their_reason() {
        use NumberError::*;
        for (step, text, want) in [
            ("0.10", "61800.20", Ok(618_002)),
            ("0.001", "2.507", Ok(2507)),
            ("0.001", "2", Ok(2000)),
            ("1", "1001", Ok(1001)),
            ("1", "7.000", Ok(7)),
            ("0.5", "1.5", Ok(3)),
            ("0.5", "1.25", Err(OffGrid)),
            ("0.25", "1.20", Err(OffGrid)),
            ("10", "120", Ok(12)),
            ("10", "125", Err(OffGrid)),
            ("0.1", "0.000", Ok(0)),
            ("0.1", ".5", Ok(5)),
            ("0.1", "5.", Ok(50)),
            ("0.1", "0.25", Err(OffGrid)),
            ("0.1", "", Err(Empty)),
            ("0.1", ".", Err(NotANumber)),
            ("0.1", "-", Err(NotANumber)),
            ("0.1", "-1.0", Err(Negative)),
            ("0.1", "-0.0", Err(Negative)),
            ("0.1", "NaN", Err(NotANumber)),
            ("0.1", "1e5", Err(NotANumber)),
            ("0.1", "1.2.3", Err(NotANumber)),
            ("0.1", "1.23x", Err(NotANumber)),
            ("0.1", " 1", Err(NotANumber)),
            ("0.1", "+1", Err(NotANumber)),
            ("0.1", "Infinity", Err(NotANumber)),
            ("0.001", "9223372036854775.808", Err(Overflow)),
            ("0.001", "9223372036854775.807", Ok(i64::MAX)),
            ("0.001", "9223372036854775807", Err(Overflow)),
        ] {
            assert_eq!(scale(step).parse(text.as_bytes()), want, "{text} on {step}");
        }
        assert_eq!(Scale::new(Decimal::ZERO), None);
        assert_eq!(Scale::new(Decimal::NEGATIVE_ONE), None);
    }

    proptest! {
        #[test]
        fn parsing_agrees_with_decimal_arithmetic(m in 0i64..100_000_000_000, s in 0u32..8, unit in 1i64..50, us in 0u32..8) {
            let (value, step) = (Decimal::new(m, s), Decimal::new(unit, us));
            let instrument = Instrument::with_grid("X", step, step).unwrap();
            let got = Scale::new(step).unwrap().parse(value.to_string().as_bytes()).ok();
            prop_assert_eq!(got, instrument.price(value).ok().map(|p| p.0));
        }

        #[test]
        fn no_text_panics(text in prop::collection::vec(any::<u8>(), 0..40), d in 0u32..9) {
            let _ = Scale::new(Decimal::new(1, d)).unwrap().parse(&text);
        }
    }
}
