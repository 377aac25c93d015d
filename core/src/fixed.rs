//! Exact numbers: prices in ticks, quantities in lots, money in decimals.
//!
//! A [`Price`] or [`Qty`] has a meaning only together with the [`crate::instrument::Instrument`] whose tick and step it
//! counts. Conversions to and from decimals live there; arithmetic inside the system is integer arithmetic.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// Exact money in the quote asset (USDT). Never `f64`.
pub type Money = Decimal;

/// A price as a count of the instrument's ticks.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Price(pub i64);

/// A quantity as a count of the instrument's lots (step size). Signed where it is a position: long is positive.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Qty(pub i64);

impl Qty {
    /// No quantity; a flat position.
    pub const ZERO: Self = Self(0);

    /// True when nothing is held or asked.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Size without direction.
    pub const fn abs(self) -> Self {
        Self(self.0.abs())
    }

    /// The side that opened a position of this sign; `None` when flat.
    pub const fn position_side(self) -> Option<Side> {
        match self.0 {
            0 => None,
            q if q > 0 => Some(Side::Buy),
            _ => Some(Side::Sell),
        }
    }
}

impl std::ops::Neg for Qty {
    type Output = Self;
    fn neg(self) -> Self {
        Self(-self.0)
    }
}

impl std::ops::Add for Qty {
    type Output = Self;
    fn add(self, o: Self) -> Self {
        Self(self.0 + o.0)
    }
}

impl std::ops::Sub for Qty {
    type Output = Self;
    fn sub(self, o: Self) -> Self {
        Self(self.0 - o.0)
    }
}

/// Which way an order goes; also the direction of a position (`Buy` = long).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Side {
    /// Buys; a long position.
    Buy,
    /// Sells; a short position.
    Sell,
}

impl Side {
    /// The other side.
    pub const fn opposite(self) -> Self {
        match self {
            Self::Buy => Self::Sell,
            Self::Sell => Self::Buy,
        }
    }

    /// +1 for buy, −1 for sell.
    pub const fn sign(self) -> i64 {
        match self {
            Self::Buy => 1,
            Self::Sell => -1,
        }
    }
}
