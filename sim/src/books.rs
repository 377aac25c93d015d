//! Position and cash as the user stream told them, held against the venue's own ledger to the last digit.

use crate::driver::{Sim, SimError};
use helios_core::fixed::{Money, Qty};
use helios_core::order::OrderUpdate;
use helios_venue::engine::{AccountId, Engine, LedgerKind, SymbolId};

/// What the user stream told of one contract.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Told {
    pub(crate) qty: Qty,
    pub(crate) realised: Money,
    pub(crate) fees: Money,
}

impl Told {
    /// What had been told before a simulation took up a saved venue: its positions and its ledger.
    pub(crate) fn found(engine: &Engine, account: AccountId, symbol: SymbolId) -> Self {
        let (realised, fees) = booked(engine, account, symbol);
        Self {
            qty: engine
                .position(account, symbol)
                .map_or(Qty::ZERO, |p| p.qty),
            realised,
            fees,
        }
    }

    pub(crate) fn on_order(&mut self, u: &OrderUpdate) {
        if let Some(f) = &u.fill {
            self.qty = self.qty + Qty(u.side.sign() * f.qty.0);
            self.realised += f.realised;
            self.fees += f.fee;
        }
    }
}

/// Profit and fees of a contract as the venue's ledger has them.
fn booked(engine: &Engine, account: AccountId, symbol: SymbolId) -> (Money, Money) {
    let all = engine.ledger(account).iter();
    let mut sums = (Money::ZERO, Money::ZERO);
    for e in all.filter(|e| e.symbol == Some(symbol)) {
        if e.kind == LedgerKind::RealizedPnl {
            sums.0 += e.amount;
        }
        sums.1 += e.fee();
    }
    sums
}

/// Compares what was told with what the venue has booked; in words what differs.
fn compare(
    engine: &Engine,
    account: AccountId,
    symbol: SymbolId,
    name: &str,
    told: &Told,
    trader: Option<Qty>,
) -> Result<(), String> {
    let venue = engine
        .position(account, symbol)
        .map_err(|e| e.to_string())?;
    if venue.qty != told.qty {
        return Err(format!(
            "{name}: the venue holds {:?}, the stream told {:?}",
            venue.qty, told.qty
        ));
    }
    if let Some(q) = trader
        && q != venue.qty
    {
        return Err(format!(
            "{name}: the venue holds {:?}, the trader believes {q:?}",
            venue.qty
        ));
    }
    let (realised, fees) = booked(engine, account, symbol);
    if (realised, fees) != (told.realised, told.fees) {
        return Err(format!(
            "{name}: the ledger has realised {realised} and fees {fees}, the stream told {} and {}",
            told.realised, told.fees
        ));
    }
    Ok(())
}

impl Sim {
    /// Position and cash, machine by machine, against the venue.
    ///
    /// # Errors
    /// [`SimError::Books`], in words.
    pub fn check_books(&self) -> Result<(), SimError> {
        self.check_positions()?;
        self.check_cash().map_err(SimError::Books)
    }

    /// Position, realised profit and fees of every contract as the machines were told them, against the venue.
    pub(crate) fn check_positions(&self) -> Result<(), SimError> {
        for (i, told) in self.told.iter().enumerate() {
            let trader = self.by_symbol[i].map(|k| &self.slots[k].trader);
            let position = trader.map(|t| t.position());
            let symbol = SymbolId(i as u16);
            compare(
                &self.engine,
                self.account,
                symbol,
                &self.names[i],
                told,
                position,
            )
            .map_err(SimError::Books)?;
        }
        Ok(())
    }

    /// Σ of the traders' round trips is what the venue has booked, for every contract that is flat.
    fn check_cash(&self) -> Result<(), String> {
        for (i, told) in self.told.iter().enumerate() {
            if !told.qty.is_zero() {
                continue;
            }
            let name: &str = &self.names[i];
            let of = self.trades.iter().filter(|t| t.symbol == name);
            let (gross, fees) = of.fold((Money::ZERO, Money::ZERO), |a, t| {
                (a.0 + t.gross, a.1 + t.fees)
            });
            if (gross, fees) != (told.realised, told.fees) {
                return Err(format!(
                    "{name}: round trips come to {gross} and fees {fees}, the venue booked {} and {}",
                    told.realised, told.fees
                ));
            }
        }
        Ok(())
    }
}
