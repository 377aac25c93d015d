//! Trades: those of the market, the account's own, and the orders of a liquidation.

use super::orders::{page, tell_all};
use super::{Answer, json, symbol, symbol_opt};
use crate::engine::{OrderOrigin, SymbolId};
use crate::server::frames::SymbolText;
use crate::server::params::{ApiError, Params};
use crate::server::text::{fixed, plain};
use crate::server::venue::Venue;
use crate::server::words;
use helios_core::fixed::Side;
use helios_core::market::AggTrade;
use serde_json::{Value, json as object};

/// `forceOrders` without a start: so far back from the end, ms.
const FORCED_MS: i64 = 7 * 86_400_000;

fn text(v: &Venue, id: SymbolId) -> Result<&SymbolText, ApiError> {
    v.text(id)
        .ok_or_else(|| ApiError::new(-1121, "Invalid symbol."))
}

/// Trades from an id on, or the latest; the venue keeps some of each contract.
fn market_trades(v: &Venue, p: &Params, from: Option<u64>, limit: usize) -> Answer {
    let id = symbol(v, p)?;
    let text = text(v, id)?;
    let kept = v.public.trades(id);
    let mut hit: Vec<&AggTrade> = kept.filter(|t| from.is_none_or(|f| t.id >= f)).collect();
    page(&mut hit, limit, from.is_some());
    let row = |t: &&AggTrade| {
        object!({
            "id": t.id,
            "price": text.p(t.price),
            "qty": text.q(t.qty),
            "quoteQty": plain(text.quote(t.price, t.qty)),
            "time": t.transact_ms,
            "isBuyerMaker": t.buyer_is_maker,
            "isRPITrade": false,
        })
    };
    json(&hit.iter().map(row).collect::<Vec<_>>())
}

/// `GET /trades`: the latest ones. One simulated trade is one aggregate.
pub(super) fn recent(v: &mut Venue, p: &Params) -> Answer {
    market_trades(v, p, None, p.limit(500, 1000)?)
}

/// `GET /historicalTrades`: of those that the venue still has.
pub(super) fn historical(v: &mut Venue, p: &Params) -> Answer {
    market_trades(v, p, p.uint("fromId")?, p.limit(100, 500)?)
}

/// `GET /forceOrders`: the account's liquidation orders.
pub(super) fn force_orders(v: &mut Venue, p: &Params) -> Answer {
    let id = symbol_opt(v, p)?;
    let liquidations = match p.get("autoCloseType") {
        None | Some("LIQUIDATION") => true,
        // Positions are taken over by liquidation only.
        Some("ADL") => false,
        Some(_) => {
            return Err(ApiError::new(
                -1130,
                "Data sent for parameter 'autoCloseType' is not valid.",
            ));
        }
    };
    let limit = p.limit(50, 100)?;
    let end = p.time("endTime")?.unwrap_or(i64::MAX);
    let start = p.time("startTime")?;
    let start = start.unwrap_or_else(|| end.min(v.clock.now_ms()).saturating_sub(FORCED_MS));
    let mut all = v.engine.orders(v.account, id);
    all.retain(|o| {
        liquidations
            && o.origin == OrderOrigin::Liquidation
            && (start..=end).contains(&o.created_ms)
    });
    page(&mut all, limit, false);
    tell_all(v, &all)
}

/// `GET /aggTrades`: the latest ones.
pub(super) fn aggregate(v: &mut Venue, p: &Params) -> Answer {
    let id = symbol(v, p)?;
    let limit = p.limit(500, 1000)?;
    let (from, start, end) = (p.uint("fromId")?, p.time("startTime")?, p.time("endTime")?);
    let text = text(v, id)?;
    let kept = v.public.trades(id);
    let mut hit: Vec<_> = kept
        .filter(|t| from.is_none_or(|f| t.id >= f))
        .filter(|t| start.is_none_or(|s| t.transact_ms >= s))
        .filter(|t| end.is_none_or(|e| t.transact_ms <= e))
        .collect();
    page(&mut hit, limit, from.is_some() || start.is_some());
    let rows: Vec<Value> = hit
        .iter()
        .map(|t| {
            let q = text.q(t.qty);
            object!({"a": t.id, "p": text.p(t.price), "q": q, "nq": q, "f": t.id, "l": t.id, "T": t.transact_ms, "m": t.buyer_is_maker})
        })
        .collect();
    json(&rows)
}

/// `GET /userTrades`.
pub(super) fn of_user(v: &mut Venue, p: &Params) -> Answer {
    let id = symbol(v, p)?;
    let text = text(v, id)?;
    let limit = p.limit(500, 1000)?;
    let (order, from) = (p.uint("orderId")?, p.uint("fromId")?);
    let (start, end) = (p.time("startTime")?, p.time("endTime")?);
    let hits = v.engine.user_trades(v.account, Some(id)).filter(|t| {
        order.is_none_or(|o| t.order_id == o)
            && from.is_none_or(|f| t.fill.trade_id >= f)
            && start.is_none_or(|s| t.time_ms >= s)
            && end.is_none_or(|e| t.time_ms <= e)
    });
    let mut all: Vec<_> = hits.collect();
    page(&mut all, limit, from.is_some());
    let rows: Vec<_> = all
        .iter()
        .map(|t| {
            let f = &t.fill;
            object!({
                "symbol": text.name,
                "id": f.trade_id,
                "orderId": t.order_id,
                "side": words::side(t.side),
                "price": text.p(f.price),
                "qty": text.q(f.qty),
                "realizedPnl": fixed(f.realised, 8),
                "marginAsset": "USDT",
                "quoteQty": plain(text.quote(f.price, f.qty)),
                "commission": fixed(f.fee, 8),
                "commissionAsset": &*f.fee_asset,
                "time": t.time_ms,
                "positionSide": "BOTH",
                "buyer": t.side == Side::Buy,
                "maker": f.maker,
            })
        })
        .collect();
    json(&rows)
}
