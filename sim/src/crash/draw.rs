//! What stands before the crash: which contracts, how much of each, who minds them.

use super::market::{Start, decimal};
use super::path::{CONTRACTS, between, log_uniform};
use crate::driver::SimError;
use helios_core::fixed::{Money, Price, Side};
use helios_core::order::filters;
use helios_venue::market::{DEMO_SYMBOLS, Rng, demo_contract};
use rust_decimal::Decimal;

/// Where an account stands when the crash begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CrashSet {
    /// Margin ratio one point above the warning ratio (31 %), as after a fall of the prices.
    Warned,
    /// Gross leverage 5, a margin ratio of about 20 %: between warning and critical.
    Leveraged,
}

impl CrashSet {
    /// Margin balance that puts the account there.
    pub(crate) fn balance(self, gross: Money, maintenance: Money) -> Money {
        match self {
            Self::Warned => gross * Decimal::new(31, 2) + maintenance,
            Self::Leveraged => gross / Decimal::from(5),
        }
    }

    /// Bounds of the common fall, as fractions.
    pub(crate) const fn fall(self) -> (f64, f64) {
        match self {
            Self::Warned => (0.25, 0.60),
            Self::Leveraged => (0.15, 0.50),
        }
    }

    /// Nobody but the coordinator minds the account: so many paths of a hundred.
    const fn alone(self) -> f64 {
        match self {
            Self::Warned => 0.3,
            Self::Leveraged => 0.6,
        }
    }
}

/// One position.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    /// Signed lots.
    pub(crate) lots: i64,
    pub(crate) entry: Decimal,
    /// Trigger of the stop under it.
    pub(crate) anchor: Price,
}

/// The account before the crash.
#[derive(Clone, Debug)]
pub(crate) struct Portfolio {
    pub(crate) starts: Vec<Start>,
    pub(crate) held: Vec<Held>,
    /// About Σ|notional|.
    pub(crate) gross: Money,
    pub(crate) stand: CrashSet,
    /// Shorts in a squeeze, not longs in a fall.
    pub(crate) up: bool,
    /// Contracts whose worker is dead.
    pub(crate) deserted: Vec<bool>,
}

impl Portfolio {
    /// Draws an account whose five positions the crash hits: longs in a fall, now and then shorts in a squeeze, with one
    /// small position on the other side in some.
    pub(crate) fn draw(rng: &mut Rng, stand: CrashSet, start_ms: i64) -> Result<Self, SimError> {
        let mut names = DEMO_SYMBOLS.to_vec();
        for i in (1..names.len()).rev() {
            names.swap(i, (rng.bits() % (i as u64 + 1)) as usize);
        }
        let up = rng.chance(0.2);
        let gross = log_uniform(rng, 20_000.0, 400_000.0);
        let mut weights = [0.0; CONTRACTS];
        for w in &mut weights {
            *w = between(rng, 0.5, 1.5);
        }
        let hedged = rng.chance(0.15);
        if hedged {
            weights[CONTRACTS - 1] = 0.25;
        }
        let sum: f64 = weights.iter().sum();
        let (mut starts, mut held) = (Vec::new(), Vec::new());
        for (i, name) in names.into_iter().take(CONTRACTS).enumerate() {
            let notional = gross * weights[i] / sum;
            let Some((spec, listed)) = demo_contract(name, start_ms - 400 * 86_400_000) else {
                return Err(SimError::Config(format!("{name} is not listed")));
            };
            let price = (listed * decimal(between(rng, 0.9, 1.1))).round_dp(6);
            let inst = &spec.instrument;
            let long = up == (hedged && i == CONTRACTS - 1);
            let side = if long { Side::Buy } else { Side::Sell };
            let sign = Decimal::from(side.sign());
            let lots = inst.qty_floor(decimal(notional) / price).0.max(1) * side.sign();
            // What it has lost since it was opened, and a stop beyond where the account is liquidated.
            let lost = decimal(between(rng, 0.03, 0.15));
            let beyond = decimal(between(rng, 0.47, 0.60));
            let trigger = price * (Decimal::ONE - sign * beyond);
            let anchor = filters::stop_trigger(inst, side.opposite(), trigger);
            held.push(Held {
                lots,
                entry: (price * (Decimal::ONE + sign * lost)).round_dp(6),
                anchor,
            });
            starts.push(Start {
                price,
                visible: notional * log_uniform(rng, 3.0, 12.0),
                range: between(rng, 0.003, 0.012),
                spec,
            });
        }
        let deserted = if rng.chance(stand.alone()) {
            vec![true; CONTRACTS]
        } else {
            let share = rng.uniform() * 0.6;
            (0..CONTRACTS).map(|_| rng.chance(share)).collect()
        };
        Ok(Self {
            starts,
            held,
            gross: decimal(gross),
            stand,
            up,
            deserted,
        })
    }

    /// Contracts that a worker minds.
    pub(crate) fn minded(&self) -> usize {
        self.deserted.iter().filter(|d| !**d).count()
    }
}
