//! What is written down while a crash runs: what the guardian asked for, what it had been told, and how the account stood.

use super::path::CONTRACTS;
use crate::driver::Sim;
use helios_core::guardian::GuardianEffect;
use helios_core::messages::{Command, LadderLevel};
use helios_core::order::NewOrder;
use helios_venue::engine::{OrderOrigin, SymbolId};
use rust_decimal::Decimal;

/// The account at the venue, at one instant.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Account {
    /// Signed lots by contract.
    pub(crate) lots: [i64; CONTRACTS],
    /// Mark prices.
    pub(crate) marks: [Decimal; CONTRACTS],
    pub(crate) balance: Decimal,
    pub(crate) maintenance: Decimal,
    pub(crate) gross: Decimal,
}

impl Account {
    /// The design's margin ratio, percent; 100 when flat.
    pub(crate) fn ratio(&self) -> Decimal {
        let free = (self.balance - self.maintenance).max(Decimal::ZERO);
        (free * Decimal::ONE_HUNDRED)
            .checked_div(self.gross)
            .unwrap_or(Decimal::ONE_HUNDRED)
    }
}

/// One thing written down.
#[derive(Clone, Debug)]
pub(crate) enum Note {
    /// Visible depth within 20 bp as the guardian is told it.
    Depth {
        told_ms: i64,
        symbol: SymbolId,
        bids: Decimal,
        asks: Decimal,
    },
    /// A plain order of the guardian's, with the venue's account when it was asked for.
    Order {
        ms: i64,
        symbol: SymbolId,
        order: NewOrder,
        account: Box<Account>,
    },
    /// A worker is told to tighten.
    Tighten {
        ms: i64,
        symbol: SymbolId,
        account: Box<Account>,
    },
    /// A position without a stop: the guardian sees to it, and closes it where no stop can be placed.
    Bare { symbol: SymbolId },
    /// An order of the guardian's was refused.
    Refused { ms: i64, symbol: SymbolId },
    /// A step of the ladder.
    Level {
        ms: i64,
        level: LadderLevel,
        ratio: Decimal,
    },
}

impl Sim {
    pub(crate) fn note(&mut self, make: impl FnOnce(&Self) -> Note) {
        if self.notes.is_some() {
            let n = make(self);
            if let Some(notes) = &mut self.notes {
                notes.push(n);
            }
        }
    }

    pub(crate) fn note_effect(&mut self, e: &GuardianEffect) {
        if self.notes.is_none() {
            return;
        }
        let ms = self.now_ms;
        match e {
            GuardianEffect::Place { symbol, order, .. } => {
                if let Some(symbol) = self.id(symbol) {
                    let order = order.clone();
                    self.note(|s| Note::Order {
                        ms,
                        symbol,
                        order,
                        account: Box::new(s.at_venue()),
                    });
                }
            }
            GuardianEffect::Command(name, Command::TightenStop { .. }) => {
                if let Some(symbol) = self.id(name) {
                    self.note(|s| Note::Tighten {
                        ms,
                        symbol,
                        account: Box::new(s.at_venue()),
                    });
                }
            }
            GuardianEffect::Alert(a) if a.code == "UnprotectedPosition" => {
                if let Some(symbol) = a.symbol.as_deref().and_then(|n| self.id(n)) {
                    self.note(|_| Note::Bare { symbol });
                }
            }
            GuardianEffect::Ladder {
                level,
                margin_ratio,
            } => {
                let (level, ratio) = (*level, *margin_ratio);
                self.note(|_| Note::Level { ms, level, ratio });
            }
            _ => {}
        }
    }

    /// The account as the venue has it now.
    pub(crate) fn at_venue(&self) -> Account {
        let mut a = Account::default();
        let Ok(view) = self.engine.account(self.account) else {
            return a;
        };
        a.balance = view.margin_balance;
        a.maintenance = view.maint_margin;
        for p in &view.positions {
            let i = usize::from(p.symbol.0);
            if i < CONTRACTS {
                a.lots[i] = p.qty.0;
                a.marks[i] = p.mark;
                a.gross += p.notional.abs();
            }
        }
        a
    }

    /// The venue has taken over a position.
    pub(crate) fn liquidated(&self) -> bool {
        let all = self.engine.orders(self.account, None);
        all.iter().any(|o| o.origin == OrderOrigin::Liquidation)
    }
}
