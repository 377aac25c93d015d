//! The position as fills make it, and the round trip it belongs to.
//!
//! Fills are the one source of the local position ([`crate::order::Orders`] tells each exactly once); a read of the venue
//! corrects it. Amounts are exact: ticks × lots in `i128`, money in `Decimal`.

use crate::fixed::{Money, Price, Qty, Side};
use crate::instrument::Instrument;
use crate::messages::{ClosedTrade, ExitReason};
use crate::order::TradeFill;
use rust_decimal::Decimal;
use std::collections::VecDeque;

/// What is known of a fill beside its numbers.
#[derive(Clone, Debug)]
pub struct FillContext {
    /// Client id of the order.
    pub client_id: String,
    /// Mid at the decision behind it, or when it was seen.
    pub mid: Decimal,
    /// Why the position is left, should this fill leave it.
    pub reason: ExitReason,
    /// Venue ms of the trade.
    pub transact_ms: i64,
    /// Liveness time the stream told it; `None` when a read of the venue did.
    pub streamed_ns: Option<u64>,
}

/// A fill of the stream, kept to compare reads with.
#[derive(Clone, Copy, Debug)]
struct Recent {
    transact_ms: i64,
    streamed_ns: u64,
    signed: i64,
}

#[derive(Clone, Debug)]
struct Trip {
    entry_id: String,
    side: Side,
    opened_ms: i64,
    in_qty: i128,
    in_value: i128,
    out_qty: i128,
    out_value: i128,
    /// Σ mid × lots of the entering and of the leaving fills.
    in_mid: Decimal,
    out_mid: Decimal,
    /// Entry price of an adopted part, which had no fills here.
    adopted: Option<(i128, Decimal)>,
    fees: Money,
    gross: Money,
}

impl Trip {
    /// A round trip that has nothing yet.
    fn begin(side: Side, cx: &FillContext) -> Self {
        Self {
            entry_id: cx.client_id.clone(),
            side,
            opened_ms: cx.transact_ms,
            in_qty: 0,
            in_value: 0,
            out_qty: 0,
            out_value: 0,
            in_mid: Decimal::ZERO,
            out_mid: Decimal::ZERO,
            adopted: None,
            fees: Decimal::ZERO,
            gross: Decimal::ZERO,
        }
    }
}

/// Position and round trip of one symbol.
#[derive(Clone, Debug)]
pub struct Ledger {
    inst: Instrument,
    symbol: String,
    strategy: String,
    qty: i64,
    trip: Option<Trip>,
    recent: VecDeque<Recent>,
    fees: Money,
    gross: Money,
    round_trips: u32,
}

/// Quantities and values beyond this are no position of any exchange.
const MAX_LOTS: i64 = 1_000_000_000_000;
const RECENT: usize = 64;

impl Ledger {
    /// Flat.
    pub fn new(inst: Instrument, strategy: &str) -> Self {
        Self {
            symbol: inst.symbol.to_string(),
            inst,
            strategy: strategy.into(),
            qty: 0,
            trip: None,
            recent: VecDeque::with_capacity(RECENT),
            fees: Decimal::ZERO,
            gross: Decimal::ZERO,
            round_trips: 0,
        }
    }

    /// Signed position.
    pub fn qty(&self) -> Qty {
        Qty(self.qty)
    }

    /// First fill of the running trip, venue ms.
    pub fn opened_ms(&self) -> Option<i64> {
        self.trip.as_ref().map(|t| t.opened_ms)
    }

    /// Average entry of the running trip.
    pub fn entry_price(&self) -> Option<Decimal> {
        self.trip.as_ref().and_then(|t| t.entry_price(&self.inst))
    }

    /// Fees since birth.
    pub fn fees(&self) -> Money {
        self.fees
    }

    /// Realised since birth net of fees.
    pub fn realised_net(&self) -> Money {
        self.gross - self.fees
    }

    /// Round trips since birth.
    pub fn round_trips(&self) -> u32 {
        self.round_trips
    }

    /// Takes a fill; returns the round trip it ends.
    pub fn fill(&mut self, side: Side, fill: &TradeFill, cx: &FillContext) -> Option<ClosedTrade> {
        let lots = fill.qty.0;
        if !(1..=MAX_LOTS).contains(&lots) || !(1..=MAX_LOTS).contains(&fill.price.0) {
            return None;
        }
        let signed = side.sign() * lots;
        if let Some(streamed_ns) = cx.streamed_ns {
            if self.recent.len() == RECENT {
                self.recent.pop_front();
            }
            self.recent.push_back(Recent {
                transact_ms: cx.transact_ms,
                streamed_ns,
                signed,
            });
        }
        // Commission in another asset (BNB) is no money of this ledger.
        let fee = if self.symbol.ends_with(&*fill.fee_asset) {
            sane(fill.fee)
        } else {
            Decimal::ZERO
        };
        let realised = sane(fill.realised);
        self.fees = self.fees.saturating_add(fee);
        self.gross = self.gross.saturating_add(realised);
        let before = self.qty;
        self.qty = before.saturating_add(signed).clamp(-MAX_LOTS, MAX_LOTS);
        let leaving = if before.signum() == -signed.signum() {
            lots.min(before.abs())
        } else {
            0
        };
        let entering = lots - leaving;
        let part = |n: i64| fee * Decimal::from(n) / Decimal::from(lots);
        let mut closed = None;
        if leaving > 0 {
            if let Some(t) = &mut self.trip {
                t.leave(leaving, fill.price, cx.mid);
                t.fees += if entering == 0 { fee } else { part(leaving) };
                t.gross = t.gross.saturating_add(realised);
            }
            if leaving == before.abs() {
                closed = self.close(cx);
            }
        }
        if entering > 0 {
            let t = self.trip.get_or_insert_with(|| Trip::begin(side, cx));
            t.enter(entering, fill.price, cx.mid);
            t.fees += if leaving == 0 { fee } else { part(entering) };
        }
        closed
    }

    /// The quantity that a read of the venue from `as_of_ms` must show if nothing was missed: later fills taken off.
    pub fn qty_as_of(&self, as_of_ms: i64) -> Qty {
        let later: i64 = self
            .recent
            .iter()
            .filter(|r| r.transact_ms > as_of_ms)
            .map(|r| r.signed)
            .sum();
        Qty(self.qty - later)
    }

    /// True when the stream told a fill after this liveness time.
    pub fn filled_since(&self, mono_ns: u64) -> bool {
        self.recent.back().is_some_and(|r| r.streamed_ns > mono_ns)
    }

    /// Takes over the venue's position as of `as_of_ms` (fills seen later stay on top). What closes or shrinks unseen is
    /// booked at `mid`; what appears unseen is a trip at the venue's entry price. Returns a round trip that ended unseen.
    pub fn adopt(
        &mut self,
        venue_qty: Qty,
        entry_price: Decimal,
        as_of_ms: i64,
        fees: Money,
        cx: &FillContext,
    ) -> Option<ClosedTrade> {
        let later = self.qty - self.qty_as_of(as_of_ms).0;
        let target = venue_qty
            .0
            .clamp(-MAX_LOTS, MAX_LOTS)
            .saturating_add(later)
            .clamp(-MAX_LOTS, MAX_LOTS);
        let (entry_price, fees) = (sane(entry_price), sane(fees));
        let before = self.qty;
        if target == before {
            return None;
        }
        let same_side = before != 0 && target.signum() == before.signum();
        self.qty = target;
        if same_side && target.abs() < before.abs() {
            let gone = before.abs() - target.abs();
            let price = self.price_of(cx.mid);
            if let Some(t) = &mut self.trip {
                t.leave(gone, price, cx.mid);
            }
            return None;
        }
        let closed = if before != 0 && !same_side {
            let price = self.price_of(cx.mid);
            let gross = self.trip.as_ref().and_then(|t| {
                let entry = t.entry_price(&self.inst)?;
                let lots = self.inst.qty_dec(Qty(before));
                Some((cx.mid - entry).saturating_mul(lots))
            });
            if let Some(t) = &mut self.trip {
                t.leave(before.abs(), price, cx.mid);
                t.gross = t.gross.saturating_add(gross.unwrap_or(Decimal::ZERO));
            }
            self.close(cx)
        } else {
            None
        };
        if target != 0 {
            let extra = i128::from(target.abs())
                - if same_side {
                    i128::from(before.abs())
                } else {
                    0
                };
            let side = if target > 0 { Side::Buy } else { Side::Sell };
            let t = self.trip.get_or_insert_with(|| Trip::begin(side, cx));
            t.fees += fees;
            let had = t.adopted.map_or(0, |a| a.0);
            t.adopted = Some((had + extra, entry_price));
            t.in_mid = t
                .in_mid
                .saturating_add(entry_price.saturating_mul(Decimal::from(extra as i64)));
        }
        closed
    }

    fn price_of(&self, mid: Decimal) -> Price {
        self.inst.price_floor(mid.max(Decimal::ZERO))
    }

    fn close(&mut self, cx: &FillContext) -> Option<ClosedTrade> {
        let t = self.trip.take()?;
        self.round_trips += 1;
        let lots = t.in_qty + t.adopted.map_or(0, |a| a.0);
        let qty = self
            .inst
            .qty_dec(Qty(i64::try_from(lots).unwrap_or(MAX_LOTS)));
        let entry_price = t.entry_price(&self.inst).unwrap_or(cx.mid);
        let exit_price = ratio(t.out_value, t.out_qty).map_or(cx.mid, |p| p * self.inst.tick);
        let mean = |sum: Decimal, n: i128| {
            i64::try_from(n)
                .ok()
                .filter(|n| *n > 0)
                .map_or(cx.mid, |n| sum / Decimal::from(n))
        };
        let entry_mid = mean(t.in_mid, lots);
        let exit_mid = mean(t.out_mid, t.out_qty);
        Some(ClosedTrade {
            symbol: self.symbol.clone(),
            strategy: self.strategy.clone(),
            entry_id: t.entry_id,
            side: t.side,
            opened_ms: t.opened_ms,
            closed_ms: cx.transact_ms,
            qty,
            entry_price,
            exit_price,
            entry_mid,
            exit_mid,
            fees: t.fees,
            gross: t.gross,
            gross_mid: (Decimal::from(t.side.sign()) * (exit_mid - entry_mid)).saturating_mul(qty),
            exit: cx.reason,
            shadow: false,
        })
    }
}

impl Trip {
    fn enter(&mut self, lots: i64, price: Price, mid: Decimal) {
        self.in_qty += i128::from(lots);
        self.in_value += i128::from(lots) * i128::from(price.0);
        self.in_mid = self.in_mid.saturating_add(mid.saturating_mul(lots.into()));
    }

    fn leave(&mut self, lots: i64, price: Price, mid: Decimal) {
        self.out_qty += i128::from(lots);
        self.out_value += i128::from(lots) * i128::from(price.0);
        self.out_mid = self.out_mid.saturating_add(mid.saturating_mul(lots.into()));
    }

    fn entry_price(&self, inst: &Instrument) -> Option<Decimal> {
        let filled = ratio(self.in_value, self.in_qty).map(|p| p * inst.tick);
        match (filled, self.adopted) {
            (Some(p), Some((n, a))) => {
                let (f, n) = (
                    Decimal::from(i64::try_from(self.in_qty).ok()?),
                    Decimal::from(i64::try_from(n).ok()?),
                );
                Some(p.saturating_mul(f).saturating_add(a.saturating_mul(n)) / (f + n))
            }
            (p, a) => p.or(a.map(|a| a.1)),
        }
    }
}

/// Amounts beyond this are no money of any account; they are booked as nothing.
fn sane(v: Money) -> Money {
    if v.abs() < Decimal::from(1_000_000_000_000_000_i64) {
        v
    } else {
        Decimal::ZERO
    }
}

fn ratio(value: i128, qty: i128) -> Option<Decimal> {
    if qty == 0 {
        return None;
    }
    let v = Decimal::try_from_i128_with_scale(value, 0).ok()?;
    Some(v / Decimal::from(i64::try_from(qty).ok()?))
}
