//! When the contracts are read anew: brackets are what the account is measured by, and the exchange changes them.
//!
//! Every ten minutes, and soon after the exchange's own maintenance margin was found far from ours. What changed goes to the
//! guardian; a contract whose grid changed keeps the old one until a restart, as positions are counted in its lots.

use crate::account::Contracts;
use std::time::Duration;
use tokio::time::Instant;

/// Between two reads.
const EVERY: Duration = Duration::from_secs(600);
/// Between two reads while something says that they have changed.
const AGAIN: Duration = Duration::from_secs(30);

/// Paces the reads.
#[derive(Debug)]
pub(crate) struct Renew {
    read_at: Instant,
    doubted: bool,
}

impl Renew {
    /// They were just read.
    pub(crate) fn new() -> Self {
        Self {
            read_at: Instant::now(),
            doubted: false,
        }
    }

    /// The exchange reckons with other brackets than we do.
    pub(crate) const fn doubt(&mut self) {
        self.doubted = true;
    }

    /// True when they are to be read now; they are then noted as read.
    pub(crate) fn due(&mut self) -> bool {
        let pause = if self.doubted { AGAIN } else { EVERY };
        let due = self.read_at.elapsed() >= pause;
        if due {
            *self = Self::new();
        }
        due
    }
}

impl Contracts {
    /// Takes in what was read anew; true when anything is other than before. Contracts that are gone stay: a position may
    /// still be held in them.
    pub(crate) fn renew(&mut self, fresh: Self) -> bool {
        let mut changed = false;
        self.fees = fresh.fees.or(self.fees);
        for (symbol, info) in fresh.infos {
            match self.infos.get_mut(&symbol) {
                Some(old) if *old == info => continue,
                Some(old) => {
                    let (a, b) = (&old.instrument, &info.instrument);
                    if (a.tick, a.step) != (b.tick, b.step) {
                        tracing::warn!(%symbol, tick = %b.tick, step = %b.step, "the exchange changed the contract's grid: restart to take it in");
                        continue;
                    }
                    tracing::info!(%symbol, "the contract's rules or brackets have changed");
                    self.instruments.insert(info.instrument.clone());
                    *old = info;
                }
                None => {
                    tracing::info!(%symbol, "a new contract");
                    self.instruments.insert(info.instrument.clone());
                    self.infos.insert(symbol, info);
                }
            }
            changed = true;
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use helios_core::instrument::{Bracket, FeeRates, Instrument, SymbolInfo};
    use rust_decimal::Decimal;
    use tokio::time::advance;

    #[tokio::test(start_paused = true)]
    async fn contracts_are_read_every_ten_minutes_and_within_thirty_seconds_of_a_doubt() {
        let mut r = Renew::new();
        advance(EVERY - Duration::from_secs(1)).await;
        assert!(!r.due());
        advance(Duration::from_secs(1)).await;
        assert!(r.due() && !r.due());
        r.doubt();
        assert!(!r.due());
        advance(AGAIN).await;
        assert!(r.due());
        advance(AGAIN).await;
        assert!(!r.due(), "it was read, the doubt is answered");
    }

    fn contracts(all: &[(&str, &str, &str)]) -> Contracts {
        let mut c = Contracts::default();
        for (symbol, step, rate) in all {
            let d = |s: &str| s.parse::<Decimal>().unwrap();
            let instrument = Instrument::with_grid(symbol, d("0.1"), d(step)).unwrap();
            c.instruments.insert(instrument.clone());
            let info = SymbolInfo {
                instrument,
                brackets: vec![Bracket {
                    notional_floor: Decimal::ZERO,
                    notional_cap: d("50000"),
                    initial_leverage: 20,
                    maint_margin_ratio: d(rate),
                    cum: Decimal::ZERO,
                }],
                fees: FeeRates {
                    maker: d("0.0002"),
                    taker: d("0.0005"),
                },
                leverage: 20,
            };
            c.infos.insert((*symbol).into(), info);
        }
        c
    }

    #[test]
    fn dearer_brackets_and_new_contracts_are_taken_in_and_a_changed_grid_is_not() {
        let mut c = contracts(&[
            ("AUSDT", "0.1", "0.01"),
            ("BUSDT", "0.1", "0.01"),
            ("CUSDT", "1", "0.01"),
        ]);
        let shared = c.instruments.clone();
        let same = contracts(&[("AUSDT", "0.1", "0.01")]);
        assert!(!c.renew(same), "gone ones stay, equal ones are no change");
        let fresh = [
            ("AUSDT", "0.1", "0.02"),
            ("CUSDT", "0.1", "0.02"),
            ("DUSDT", "1", "0.01"),
        ];
        assert!(c.renew(contracts(&fresh)));
        let rate = |s: &str| c.infos[s].brackets[0].maint_margin_ratio.to_string();
        assert_eq!(
            (rate("AUSDT"), rate("BUSDT"), rate("CUSDT")),
            ("0.02".into(), "0.01".into(), "0.01".into())
        );
        assert!(
            shared.get("DUSDT").is_some(),
            "streams and orders know it too"
        );
        assert_eq!(shared.get("CUSDT").unwrap().step.to_string(), "1");
    }
}
