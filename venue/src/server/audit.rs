//! The venue's own log of orders, fills and protective stops, and what it says about unprotected time.
//!
//! Client and venue must not share a stopwatch: the time from a position-opening fill to its anchor's NEW is measured here,
//! on the venue's side, in wall and in market time.

use crate::engine::SymbolId;
use helios_core::fixed::{Money, Qty, Side};
use helios_core::order::AlgoStatus;
use rust_decimal::Decimal;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;

/// When something happened, on the venue's two clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct At {
    /// Market time, ms.
    pub(super) market_ms: i64,
    /// Wall time since the venue's start, ns.
    pub(super) wall_ns: u64,
}

/// One line of the log.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Line<'a> {
    /// A plain order arrived.
    Order {
        market_ms: i64,
        wall_ns: u64,
        symbol: &'a str,
        side: Side,
        qty: i64,
        reduce_only: bool,
        client_id: &'a str,
    },
    /// It was refused.
    Refused {
        market_ms: i64,
        wall_ns: u64,
        symbol: &'a str,
        client_id: &'a str,
        code: i64,
    },
    /// A fill; price, equity (wallet and unrealised profit) and gross notional in quote asset, on marks after its request.
    Fill {
        market_ms: i64,
        wall_ns: u64,
        symbol: &'a str,
        side: Side,
        qty: i64,
        position: i64,
        client_id: &'a str,
        price: Decimal,
        equity: Money,
        gross: Money,
    },
    Algo {
        market_ms: i64,
        wall_ns: u64,
        symbol: &'a str,
        side: Side,
        status: AlgoStatus,
        anchor: bool,
        trigger: Decimal,
        client_id: &'a str,
    },
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
    file: Option<File>,
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
    /// A log that is also appended to a file, and that knows the positions and anchors of a loaded state.
    pub(super) fn new(file: Option<File>) -> Self {
        Self {
            file,
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
        self.write(&Line::Order {
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
        self.write(&Line::Refused {
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
        self.write(&Line::Fill {
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
        self.write(&Line::Algo {
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

    /// What the log says now.
    pub(super) fn report(&self, now: At) -> AuditReport {
        let mut openings = self.openings.clone();
        let (mut max_wall, mut max_market) = (self.max_wall_ns, self.max_market_ms);
        for (since, opening) in self.symbols.values().filter_map(|w| w.bare) {
            let wall = now.wall_ns.saturating_sub(since.wall_ns);
            let market = now.market_ms - since.market_ms;
            max_wall = max_wall.max(wall);
            max_market = max_market.max(market);
            if let Some(p) = opening.and_then(|i| openings.get_mut(i)) {
                p.unprotected_wall_ms = wall as f64 / 1e6;
                p.unprotected_market_ms = market;
            }
        }
        let done = || openings.iter().filter(|p| p.protected);
        let mut walls: Vec<f64> = done().map(|p| p.unprotected_wall_ms).collect();
        walls.sort_by(f64::total_cmp);
        // Nearest rank: the smallest value that at least this share does not exceed.
        let rank = |share: f64| {
            let n = (share * walls.len() as f64).ceil() as usize;
            walls.get(n.max(1) - 1).copied().unwrap_or(0.0)
        };
        AuditReport {
            fills: self.fills,
            openings: openings.len() as u64,
            protected: walls.len() as u64,
            flat_first: self.flat_first,
            still_bare: self.symbols.values().filter(|w| w.bare.is_some()).count() as u64,
            algo_new: self.algo_new,
            fill_to_stop_p50_ms: rank(0.5),
            fill_to_stop_p99_ms: rank(0.99),
            fill_to_stop_max_ms: rank(1.0),
            fill_to_stop_max_market_ms: done().map(|p| p.unprotected_market_ms).max().unwrap_or(0),
            max_unprotected_ms: max_wall as f64 / 1e6,
            max_unprotected_market_ms: max_market,
            openings_log: openings,
        }
    }

    fn write(&mut self, line: &Line<'_>) {
        let Some(file) = &mut self.file else {
            return;
        };
        let mut text = match serde_json::to_vec(line) {
            Ok(t) => t,
            Err(_) => return,
        };
        text.push(b'\n');
        if let Err(e) = file.write_all(&text) {
            tracing::error!(error = %e, "the venue's audit file can't be written; the log goes on in memory");
            self.file = None;
        }
    }
}

/// How one position-opening fill was protected.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Protection {
    /// Contract.
    pub symbol: String,
    /// Market time of the fill that opened the position, ms.
    pub fill_market_ms: i64,
    /// Wall time of that fill since the venue's start, ns.
    pub fill_wall_ns: u64,
    /// Wall ms until the position was protected or flat (or until the report was made); 0 when a stop stood already.
    pub unprotected_wall_ms: f64,
    /// The same in market ms.
    pub unprotected_market_ms: i64,
    /// A `closePosition` stop in the closing direction became NEW; otherwise the position went flat, or is still bare.
    pub protected: bool,
    /// Neither protected nor flat yet.
    pub open: bool,
}

/// What the log says.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct AuditReport {
    /// Fills of the account.
    pub fills: u64,
    /// Fills that opened a position from flat (or through zero).
    pub openings: u64,
    /// Openings whose anchor became NEW.
    pub protected: u64,
    /// Openings that went flat before an anchor became NEW.
    pub flat_first: u64,
    /// Positions without a working `closePosition` stop now, a lost anchor included.
    pub still_bare: u64,
    /// Conditional orders that became NEW.
    pub algo_new: u64,
    /// Median wall ms from the opening fill to the anchor's NEW, over protected openings.
    pub fill_to_stop_p50_ms: f64,
    /// 99th percentile of the same.
    pub fill_to_stop_p99_ms: f64,
    /// Maximum of the same.
    pub fill_to_stop_max_ms: f64,
    /// Maximum market ms of the same.
    pub fill_to_stop_max_market_ms: i64,
    /// Longest wall ms any position stood without a working `closePosition` stop, bare ones and lost anchors included.
    pub max_unprotected_ms: f64,
    /// The same in market ms.
    pub max_unprotected_market_ms: i64,
    /// Each opening, in order.
    pub openings_log: Vec<Protection>,
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
