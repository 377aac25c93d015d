//! The machines' words to the engine's and back: requests, refusals, reads.

use helios_core::instrument::SymbolInfo;
use helios_core::order::{
    CancelTarget, NewOrder, NewStop, Refusal, VenuePosition, VenueReply, VenueState,
};
use helios_core::watchlist::{Candidate, ContractKind, ContractStatus};
use helios_venue::engine::{
    AccountId, Engine, OrderRef, Request, Response, SymbolId, SymbolSpec, VenueError,
};
use helios_venue::market::MarketSource;
use rust_decimal::prelude::ToPrimitive;

/// Fills a read brings along.
const RECENT_FILLS: usize = 50;
/// Kline intervals the venue serves, ms, longest first.
const INTERVALS_MS: [i64; 12] = [
    86_400_000, 43_200_000, 28_800_000, 21_600_000, 14_400_000, 7_200_000, 3_600_000, 1_800_000,
    900_000, 300_000, 180_000, 60_000,
];

pub(crate) fn place(symbol: SymbolId, o: &NewOrder) -> Request {
    Request::NewOrder {
        symbol,
        client_id: Some(o.client_id.clone()),
        side: o.side,
        kind: o.kind,
        qty: o.qty,
        reduce_only: o.reduce_only,
    }
}

pub(crate) fn place_stop(symbol: SymbolId, s: &NewStop) -> Request {
    Request::NewStop {
        symbol,
        client_id: Some(s.client_id.clone()),
        side: s.side,
        trigger: s.trigger,
        qty: s.qty,
        reduce_only: s.qty.is_some(),
        take_profit: false,
    }
}

pub(crate) fn cancel(symbol: SymbolId, t: &CancelTarget) -> Request {
    match t {
        CancelTarget::Order(c) => Request::Cancel(symbol, OrderRef::Client(c.clone())),
        CancelTarget::Stop(c) => Request::CancelStop(OrderRef::Client(c.clone())),
    }
}

pub(crate) fn query(e: &Engine, a: AccountId, s: SymbolId, t: &CancelTarget) -> VenueReply {
    let answer = match t {
        CancelTarget::Order(c) => e
            .order(a, s, &OrderRef::Client(c.clone()))
            .map(|v| VenueReply::Order(v.order)),
        CancelTarget::Stop(c) => e
            .stop(a, &OrderRef::Client(c.clone()))
            .map(|v| VenueReply::Stop(v.stop)),
    };
    answer.unwrap_or_else(|e| VenueReply::Refused(refusal(&e)))
}

/// What HTTP would answer: an id, never a fill.
pub(crate) fn reply(r: Result<Response, VenueError>) -> VenueReply {
    match r {
        Ok(Response::Order(o)) => VenueReply::Accepted { id: o.order_id },
        Ok(Response::Stop(s)) => VenueReply::Accepted { id: s.algo_id },
        Ok(Response::Done) => VenueReply::Accepted { id: 0 },
        Err(e) => VenueReply::Refused(refusal(&e)),
    }
}

fn refusal(e: &VenueError) -> Refusal {
    // As an answer of the exchange without `Retry-After`.
    Refusal::of_code(e.code, &e.msg, 10_000)
}

/// One contract as a reconcile reads it. `all_ids`: every client id ever used, for a machine that has none yet.
pub(crate) fn venue_state(e: &Engine, a: AccountId, s: SymbolId, all_ids: bool) -> VenueState {
    let position = e.position(a, s).map_or_else(
        |_| VenuePosition::default(),
        |p| VenuePosition {
            qty: p.qty,
            entry_price: p.entry_price,
            isolated: false,
            update_ms: p.update_ms,
        },
    );
    let orders: Vec<_> = e
        .open_orders(a, Some(s))
        .into_iter()
        .map(|v| v.order)
        .collect();
    let stops = e.open_stops(a, Some(s)).into_iter().map(|v| v.stop);
    let mut trades: Vec<_> = e
        .user_trades(a, Some(s))
        .rev()
        .take(RECENT_FILLS)
        .map(|t| (Some(t.client_id.clone()), t.fill.clone()))
        .collect();
    trades.reverse();
    let recent_ids = if all_ids {
        e.orders(a, Some(s))
            .into_iter()
            .map(|v| v.order.client_id)
            .collect()
    } else {
        let filled = trades.iter().filter_map(|t| t.0.clone());
        filled
            .chain(orders.iter().map(|o| o.client_id.clone()))
            .collect()
    };
    VenueState {
        venue_ms: e.now_ms(),
        position,
        stops: stops.collect(),
        orders,
        trades,
        recent_ids,
        ids_read: true,
        available: e.account(a).ok().map(|v| v.available),
    }
}

pub(crate) fn symbol_info(spec: &SymbolSpec, leverage: u32) -> SymbolInfo {
    let most = spec.brackets.iter().map(|b| b.initial_leverage).max();
    SymbolInfo {
        instrument: spec.instrument.clone(),
        brackets: spec.brackets.clone(),
        fees: spec.fees,
        leverage: leverage.min(most.unwrap_or(leverage)),
    }
}

/// Bars as the shell fetches them: of the longest kline interval that divides the wanted length.
pub(crate) fn bars(
    source: &dyn MarketSource,
    s: SymbolId,
    now_ms: i64,
    bar_ms: i64,
    bars: u32,
) -> Vec<helios_core::market::Bar> {
    let Some(&interval) = INTERVALS_MS
        .iter()
        .find(|i| bar_ms > 0 && bar_ms % **i == 0)
    else {
        return Vec::new();
    };
    let n = i64::from(bars) * (bar_ms / interval);
    source.history(s, interval, now_ms, n.clamp(0, 1_500) as usize)
}

/// Quote-asset depth within 20 bp of mid, bid side and ask side, in lots × ticks × tick × step.
pub(crate) fn depth_20bp(e: &Engine, s: SymbolId) -> (i128, i128) {
    let (Some((bid, _)), Some((ask, _))) = e.best(s) else {
        return (0, 0);
    };
    let reach = (bid.0 + ask.0) / 2 / 500;
    let d = e.depth(s, 1_000);
    let sum = |l: &helios_core::market::BookLevels| -> i128 {
        l.iter()
            .filter(|(p, _)| p.0 >= bid.0 - reach && p.0 <= ask.0 + reach)
            .map(|(p, q)| i128::from(p.0) * i128::from(q.0))
            .sum()
    };
    (sum(&d.bids), sum(&d.asks))
}

/// A contract as a market scan finds it.
pub(crate) fn candidate(
    e: &Engine,
    source: &dyn MarketSource,
    spec: &SymbolSpec,
    s: SymbolId,
    now_ms: i64,
) -> Candidate {
    let i = &spec.instrument;
    let f = |d: rust_decimal::Decimal| d.to_f64().unwrap_or(f64::NAN);
    let unit = f(i.tick) * f(i.step);
    let hours = source.history(s, 3_600_000, now_ms, 24);
    let ranges = hours
        .iter()
        .map(|b| (b.high.0 - b.low.0) as f64 / b.close.0 as f64);
    let volatility = ranges.sum::<f64>() / hours.len().max(1) as f64 * 1e4;
    let volume: f64 = hours
        .iter()
        .map(|b| b.volume.0 as f64 * b.close.0 as f64 * unit)
        .sum();
    let spread = match e.best(s) {
        (Some((b, _)), Some((a, _))) => (a.0 - b.0) as f64 / (0.5 * (a.0 + b.0) as f64) * 1e4,
        _ => f64::NAN,
    };
    let (bids, asks) = depth_20bp(e, s);
    Candidate {
        symbol: i.symbol.clone(),
        status: ContractStatus::Trading,
        kind: ContractKind::Perpetual,
        quote_asset: "USDT".into(),
        volatility_bp: volatility,
        spread_bp: spread,
        taker_fee_bp: f(spec.fees.taker) * 1e4,
        quote_volume: volume,
        depth_20bp: Some(bids.min(asks) as f64 * unit),
        onboard_ms: Some(spec.onboard_ms),
        delivery_ms: None,
    }
}
