//! The venue's own log of orders, fills and protective stops, and what it says about unprotected time.
//!
//! Client and venue must not share a stopwatch: the time from a position-opening fill to its anchor's NEW is measured here,
//! on the venue's side, in wall and in market time. `line` writes the log down, `report` says what it comes to.

mod line;
mod report;

pub use report::{AuditReport, Protection};

use crate::engine::SymbolId;
use helios_core::fixed::{Money, Qty, Side};
use helios_core::order::AlgoStatus;
use line::{Line, Lines};
use rust_decimal::Decimal;
use std::collections::BTreeMap;
use std::fs::File;

/// When something happened, on the venue's two clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct At {
    /// Market time, ms.
    pub(super) market_ms: i64,
    /// Wall time since the venue's start, ns.
    pub(super) wall_ns: u64,
}

/// What is open in one symbol, and since when it is bare.
#[derive(Debug, Default)]
struct Watched {
    position: i64,
    /// Working `closePosition` stops by id, with their direction.
    anchors: BTreeMap<u64, Side>,
    /// Bare since, and the opening it goes back to (none when an anchor was lost).
    bare: Option<(At, Option<usize>)>,
}

impl Watched {
    fn covered(&self) -> bool {
        Qty(self.position)
            .position_side()
            .is_some_and(|held| self.anchors.values().any(|s| *s == held.opposite()))
    }
}

/// The log and what follows from it.
#[derive(Debug, Default)]
pub(super) struct Audit {
    symbols: BTreeMap<SymbolId, Watched>,
    openings: Vec<Protection>,
    fills: u64,
    algo_new: u64,
    flat_first: u64,
    max_wall_ns: u64,
    max_market_ms: i64,
    lines: Lines,
}

/// A fill or conditional order's change, as the log wants it.
pub(super) struct Named<'a> {
    /// Contract.
    pub(super) symbol: SymbolId,
    /// Its name.
    pub(super) name: &'a str,
    /// Client id of the order.
    pub(super) client_id: &'a str,
}

/// A fill and what the account came to after its request.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Filled {
    /// Quantity.
    pub(super) qty: Qty,
    /// Price, quote asset.
    pub(super) price: Decimal,
    /// Wallet and unrealised profit.
    pub(super) equity: Money,
    /// Sum of |notional| at mark.
    pub(super) gross: Money,
}

/// A conditional order as it is now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stop {
    /// The venue's id.
    pub(super) id: u64,
    /// Direction of the closing trade.
    pub(super) side: Side,
    /// Status.
    pub(super) status: AlgoStatus,
    /// It is a `closePosition` stop (not a take-profit).
    pub(super) anchor: bool,
    /// Trigger, quote asset.
    pub(super) trigger: Decimal,
}

impl Audit {
    /// A log that is also appended to a file, each line with the account's name where one is given, and that knows the positions and anchors of a loaded state.
    pub(super) fn new(file: Option<File>, account: Option<String>) -> Self {
        Self {
            lines: Lines::new(file, account),
            ..Self::default()
        }
    }

    /// A position and its anchors that were there before the log began.
    pub(super) fn seed(
        &mut self,
        symbol: SymbolId,
        position: Qty,
        anchors: &[(u64, Side)],
        at: At,
    ) {
        let w = self.symbols.entry(symbol).or_default();
        w.position = position.0;
        w.anchors = anchors.iter().copied().collect();
        if position.0 != 0 && !w.covered() {
            w.bare = Some((at, None));
        }
    }

    /// A plain order of the account arrived.
    pub(super) fn order(
        &mut self,
        who: &Named<'_>,
        side: Side,
        qty: Qty,
        reduce_only: bool,
        at: At,
    ) {
        self.lines.write(&Line::Order {
            market_ms: at.market_ms,
            wall_ns: at.wall_ns,
            symbol: who.name,
            side,
            qty: qty.0,
            reduce_only,
            client_id: who.client_id,
        });
    }

    /// That order was refused.
    pub(super) fn refused(&mut self, who: &Named<'_>, code: i64, at: At) {
        self.lines.write(&Line::Refused {
            market_ms: at.market_ms,
            wall_ns: at.wall_ns,
            symbol: who.name,
            client_id: who.client_id,
            code,
        });
    }

    /// A fill of the account.
    pub(super) fn fill(&mut self, who: &Named<'_>, side: Side, filled: Filled, at: At) {
        let qty = filled.qty;
        self.fills += 1;
        let w = self.symbols.entry(who.symbol).or_default();
        let before = w.position;
        w.position += qty.0 * side.sign();
        let after = w.position;
        self.lines.write(&Line::Fill {
            market_ms: at.market_ms,
            wall_ns: at.wall_ns,
            symbol: who.name,
            side,
            qty: qty.0,
            position: after,
            client_id: who.client_id,
            price: filled.price,
            equity: filled.equity,
            gross: filled.gross,
        });
        if before != 0 && before.signum() != after.signum() {
            self.settle(who.symbol, at, false);
        }
        if after != 0 && before.signum() != after.signum() {
            let covered = self.symbols.get(&who.symbol).is_some_and(Watched::covered);
            self.openings.push(Protection {
                symbol: who.name.to_owned(),
                fill_market_ms: at.market_ms,
                fill_wall_ns: at.wall_ns,
                unprotected_wall_ms: 0.0,
                unprotected_market_ms: 0,
                protected: covered,
                open: !covered,
            });
            let opening = self.openings.len() - 1;
            if let Some(w) = self.symbols.get_mut(&who.symbol).filter(|_| !covered) {
                w.bare = Some((at, Some(opening)));
            }
        }
    }

    /// A conditional order changed.
    pub(super) fn algo(&mut self, who: &Named<'_>, stop: &Stop, at: At) {
        let Stop {
            id,
            side,
            status,
            anchor,
            trigger,
        } = *stop;
        self.lines.write(&Line::Algo {
            market_ms: at.market_ms,
            wall_ns: at.wall_ns,
            symbol: who.name,
            side,
            status,
            anchor,
            trigger,
            client_id: who.client_id,
        });
        if status.is_working() {
            self.algo_new += 1;
        }
        if !anchor {
            return;
        }
        let w = self.symbols.entry(who.symbol).or_default();
        if status.is_working() {
            w.anchors.insert(id, side);
            if w.covered() {
                self.settle(who.symbol, at, true);
            }
        } else {
            w.anchors.remove(&id);
            if w.position != 0 && !w.covered() && w.bare.is_none() {
                w.bare = Some((at, None));
            }
        }
    }

    /// A bare span ends, by a stop or by going flat.
    fn settle(&mut self, symbol: SymbolId, at: At, protected: bool) {
        let Some((since, opening)) = self.symbols.get_mut(&symbol).and_then(|w| w.bare.take())
        else {
            return;
        };
        let wall_ns = at.wall_ns.saturating_sub(since.wall_ns);
        let market_ms = at.market_ms - since.market_ms;
        self.max_wall_ns = self.max_wall_ns.max(wall_ns);
        self.max_market_ms = self.max_market_ms.max(market_ms);
        if let Some(p) = opening.and_then(|i| self.openings.get_mut(i)) {
            p.unprotected_wall_ms = wall_ns as f64 / 1e6;
            p.unprotected_market_ms = market_ms;
            p.protected = protected;
            p.open = false;
            self.flat_first += u64::from(!protected);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: SymbolId = SymbolId(0);
    const WHO: Named<'static> = Named {
        symbol: S,
        name: "BTCUSDT",
        client_id: "x",
    };

    fn stop(id: u64, side: Side, status: AlgoStatus, anchor: bool) -> Stop {
        Stop {
            id,
            side,
            status,
            anchor,
            trigger: Decimal::ONE,
        }
    }

    fn lots(n: i64) -> Filled {
        Filled {
            qty: Qty(n),
            ..Filled::default()
        }
    }

    fn at(ms: u64) -> At {
        At {
            market_ms: ms as i64 * 60,
            wall_ns: ms * 1_000_000,
        }
    }

    #[test]
    fn the_time_from_an_opening_fill_to_its_anchor_is_measured() {
        let mut a = Audit::default();
        a.fill(&WHO, Side::Buy, lots(5), at(10));
        a.fill(&WHO, Side::Buy, lots(5), at(12));
        a.algo(&WHO, &stop(1, Side::Buy, AlgoStatus::New, true), at(13));
        a.algo(&WHO, &stop(2, Side::Sell, AlgoStatus::New, false), at(14));
        assert_eq!(a.report(at(15)).still_bare, 1);
        a.algo(&WHO, &stop(3, Side::Sell, AlgoStatus::New, true), at(17));
        let r = a.report(at(100));
        assert_eq!(
            (r.fills, r.openings, r.protected, r.still_bare),
            (2, 1, 1, 0)
        );
        assert!((r.fill_to_stop_p99_ms - 7.0).abs() < 1e-9);
        assert_eq!(r.fill_to_stop_max_market_ms, 420);
        assert!((r.max_unprotected_ms - 7.0).abs() < 1e-9);
    }

    #[test]
    fn a_lost_anchor_a_flat_exit_and_a_flip_count() {
        let mut a = Audit::default();
        a.fill(&WHO, Side::Sell, lots(5), at(0));
        a.fill(&WHO, Side::Buy, lots(5), at(3));
        assert_eq!(a.report(at(9)).flat_first, 1);
        a.fill(&WHO, Side::Sell, lots(5), at(10));
        a.algo(&WHO, &stop(1, Side::Buy, AlgoStatus::New, true), at(11));
        a.algo(
            &WHO,
            &stop(1, Side::Buy, AlgoStatus::Canceled, true),
            at(20),
        );
        assert!((a.report(at(25)).max_unprotected_ms - 5.0).abs() < 1e-9);
        a.fill(&WHO, Side::Buy, lots(9), at(28));
        let r = a.report(at(30));
        assert_eq!((r.openings, r.protected, r.still_bare), (3, 1, 1));
        assert!((r.max_unprotected_ms - 8.0).abs() < 1e-9);
    }

    #[test]
    fn an_anchor_that_stood_already_protects_at_once() {
        let mut a = Audit::default();
        a.seed(S, Qty(3), &[(7, Side::Sell)], at(0));
        a.fill(&WHO, Side::Buy, lots(1), at(1));
        a.algo(
            &WHO,
            &stop(7, Side::Sell, AlgoStatus::Triggering, true),
            at(5),
        );
        a.fill(&WHO, Side::Sell, lots(4), at(6));
        let r = a.report(at(9));
        assert_eq!((r.openings, r.still_bare), (0, 0));
        assert!((r.max_unprotected_ms - 1.0).abs() < 1e-9);
    }
}
