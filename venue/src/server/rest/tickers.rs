//! Market data at a glance: mark price and funding, 24 hours, last price, best bid and ask.

use super::{Answer, list, one_or_all};
use crate::engine::SymbolId;
use crate::market::MarketSource as _;
use crate::server::params::Params;
use crate::server::text::{fixed, plain};
use crate::server::venue::Venue;
use helios_core::fixed::Price;
use rust_decimal::Decimal;
use serde_json::{Value, json as object};

const DAY: i64 = 86_400_000;
const QUARTER: i64 = 900_000;

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

/// `GET /ticker/24hr`, from the last 96 closed quarters of an hour. Sources count no trades: `count` is 0.
pub(super) fn day(v: &mut Venue, p: &Params) -> Answer {
    let (ids, one) = one_or_all(v, p)?;
    list(ids.iter().filter_map(|id| day_of(v, *id)).collect(), one)
}

fn day_of(v: &Venue, id: SymbolId) -> Option<Value> {
    let now = v.clock.now_ms();
    let text = v.text(id)?;
    let bars = v.source.history(id, QUARTER, now, (DAY / QUARTER) as usize);
    let last_trade = v.engine.last_trade(id);
    let first = bars.first()?;
    let last = last_trade.map_or(bars.last()?.close, |t| t.price);
    let dec = |p: Price| {
        Decimal::from(p.0)
            .checked_mul(text.tick)
            .unwrap_or_default()
    };
    let mut volume = 0_i64;
    let mut quote = Decimal::ZERO;
    for b in &bars {
        volume = volume.saturating_add(b.volume.0);
        let q = Decimal::from(b.volume.0).checked_mul(text.step);
        let value = q.and_then(|q| q.checked_mul(dec(b.close)));
        quote = quote.saturating_add(value.unwrap_or_default());
    }
    let base = Decimal::from(volume)
        .checked_mul(text.step)
        .unwrap_or_default();
    let change = dec(last) - dec(first.open);
    let percent = change.checked_div(dec(first.open)).unwrap_or_default() * Decimal::ONE_HUNDRED;
    let high = bars.iter().map(|b| b.high).max()?.max(last);
    let low = bars.iter().map(|b| b.low).min()?.min(last);
    Some(object!({
        "symbol": text.name,
        "priceChange": fixed(change, text.price.decimals() as u32),
        "priceChangePercent": fixed(percent, 3),
        "weightedAvgPrice": plain(quote.checked_div(base).unwrap_or_default().round_dp(8)),
        "lastPrice": text.p(last),
        "lastQty": last_trade.map_or_else(|| "0".to_owned(), |t| text.q(t.qty)),
        "openPrice": text.p(first.open),
        "highPrice": text.p(high),
        "lowPrice": text.p(low),
        "volume": text.qty.text(volume),
        "quoteVolume": fixed(quote, 2),
        "openTime": first.open_ms,
        "closeTime": now,
        "firstId": 0,
        "lastId": last_trade.map_or(0, |t| t.id),
        "count": 0,
    }))
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
