//! Market data at a glance: mark price and funding, 24 hours, last price, best bid and ask.

use super::{Answer, json, list, one_or_all, symbol};
use crate::server::params::Params;
use crate::server::text::fixed;
use crate::server::venue::Venue;
use helios_core::fixed::Qty;
use serde_json::{Value, json as object};

/// `GET /premiumIndex`.
pub(super) fn premium_index(v: &mut Venue, p: &Params) -> Answer {
    let (ids, one) = one_or_all(v, p)?;
    let rows = ids.iter().filter_map(|id| {
        let m = v.engine.mark(*id)?;
        let name = &v.text(*id)?.name;
        Some(object!({
            "symbol": name,
            "markPrice": fixed(m.mark, 8),
            "indexPrice": fixed(m.index, 8),
            "estimatedSettlePrice": fixed(m.index, 8),
            "lastFundingRate": fixed(m.funding_rate, 8),
            "interestRate": "0.00010000",
            "nextFundingTime": m.next_funding_ms,
            "time": m.event_ms,
        }))
    });
    list(rows.collect(), one)
}

/// `GET /fundingRate`: the running rate of each contract as if paid last; the simulated market keeps no history of rates.
pub(super) fn funding_rate(v: &mut Venue, p: &Params) -> Answer {
    let (ids, _) = one_or_all(v, p)?;
    let specs = &v.engine.config().symbols;
    let rows = ids.iter().filter_map(|id| {
        let m = v.engine.mark(*id)?;
        let spec = specs.get(usize::from(id.0))?;
        let interval = i64::from(spec.funding_hours.max(1)) * 3_600_000;
        Some(object!({
            "symbol": v.text(*id)?.name,
            "fundingRate": fixed(m.funding_rate, 8),
            "fundingTime": m.next_funding_ms - interval,
            "markPrice": fixed(m.mark, 8),
        }))
    });
    list(rows.collect(), false)
}

/// `GET /fundingInfo`.
pub(super) fn funding_info(v: &mut Venue, _: &Params) -> Answer {
    let specs = &v.engine.config().symbols;
    let rows = specs.iter().zip(&v.symbols).map(|(s, t)| {
        object!({
            "symbol": t.name,
            "adjustedFundingRateCap": "0.02000000",
            "adjustedFundingRateFloor": "-0.02000000",
            "fundingIntervalHours": s.funding_hours,
            "disclaimer": false,
        })
    });
    list(rows.collect::<Vec<Value>>(), false)
}

/// `GET /openInterest`: what the venue's accounts hold, the larger of longs and shorts. Sources have no accounts of their own.
pub(super) fn open_interest(v: &mut Venue, p: &Params) -> Answer {
    let id = symbol(v, p)?;
    let (mut longs, mut shorts) = (0_i64, 0_i64);
    for a in v.accounts.iter() {
        let held = v.engine.position(a.id, id)?.qty.0;
        longs = longs.saturating_add(held.max(0));
        shorts = shorts.saturating_sub(held.min(0));
    }
    let open = v.text(id).map(|t| t.q(Qty(longs.max(shorts))));
    json(&object!({"symbol": p.get("symbol"), "openInterest": open, "time": v.clock.now_ms()}))
}

/// `GET /ticker/24hr`. Sources count no trades: `count` is 0.
pub(super) fn day(v: &mut Venue, p: &Params) -> Answer {
    let (ids, one) = one_or_all(v, p)?;
    let rows = ids.iter().filter_map(|id| {
        let d = v.day(*id)?;
        let text = v.text(*id)?;
        Some(object!({
            "symbol": text.name,
            "priceChange": d.change(text),
            "priceChangePercent": d.percent(text),
            "weightedAvgPrice": d.average(text),
            "lastPrice": text.p(d.last),
            "lastQty": text.q(d.last_qty),
            "openPrice": text.p(d.open),
            "highPrice": text.p(d.high),
            "lowPrice": text.p(d.low),
            "volume": text.q(d.volume),
            "quoteVolume": d.quote_volume(),
            "openTime": d.open_ms,
            "closeTime": d.close_ms,
            "firstId": 0,
            "lastId": d.last_id,
            "count": 0,
        }))
    });
    list(rows.collect(), one)
}

/// `GET /ticker/price`.
pub(super) fn price(v: &mut Venue, p: &Params) -> Answer {
    let (ids, one) = one_or_all(v, p)?;
    let rows = ids.iter().filter_map(|id| {
        let text = v.text(*id)?;
        let last = v.engine.last_trade(*id).map(|t| (t.price, t.transact_ms));
        // Before the first trade of the run: the best bid stands in.
        let (price, ms) = last.or_else(|| {
            let bid = v.engine.best(*id).0?;
            Some((bid.0, v.clock.now_ms()))
        })?;
        Some(object!({"symbol": text.name, "price": text.p(price), "time": ms}))
    });
    list(rows.collect(), one)
}

/// `GET /ticker/bookTicker`.
pub(super) fn book(v: &mut Venue, p: &Params) -> Answer {
    let (ids, one) = one_or_all(v, p)?;
    let rows = ids.iter().filter_map(|id| {
        let text = v.text(*id)?;
        let book = v.engine.depth(*id, 1);
        let (bid, ask) = (book.bids.first()?, book.asks.first()?);
        Some(object!({
            "symbol": text.name,
            "bidPrice": text.p(bid.0),
            "bidQty": text.q(bid.1),
            "askPrice": text.p(ask.0),
            "askQty": text.q(ask.1),
            "time": book.event_ms,
            "lastUpdateId": book.last_id,
        }))
    });
    list(rows.collect(), one)
}
