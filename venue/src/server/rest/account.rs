//! The account: balances, positions, brackets, fees, income.

use super::{Answer, json, one_or_all, symbol, symbol_opt};
use crate::engine::{AccountView, PositionView, SymbolId};
use crate::server::params::{ApiError, Params};
use crate::server::text::{fixed, plain};
use crate::server::venue::Venue;
use crate::server::words;
use helios_core::fixed::Money;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde_json::{Value, json as object};

fn m(v: Money) -> String {
    fixed(v, 8)
}

/// A number as the exchange sends it in brackets: an integer where it is one.
fn number(d: Decimal) -> Value {
    match (d.fract().is_zero(), d.to_i64(), d.to_f64()) {
        (true, Some(i), _) => object!(i),
        (_, _, Some(f)) => object!(f),
        _ => Value::Null,
    }
}

/// `GET /leverageBracket`: always a list.
pub(super) fn leverage_bracket(v: &mut Venue, p: &Params) -> Answer {
    let (ids, _) = one_or_all(v, p)?;
    let specs = &v.engine.config().symbols;
    let rows: Vec<Value> = ids
        .iter()
        .filter_map(|id| {
            let spec = specs.get(usize::from(id.0))?;
            let brackets: Vec<Value> = spec
                .brackets
                .iter()
                .enumerate()
                .map(|(i, b)| {
                    object!({
                        "bracket": i + 1,
                        "initialLeverage": b.initial_leverage,
                        "notionalCap": number(b.notional_cap),
                        "notionalFloor": number(b.notional_floor),
                        "maintMarginRatio": number(b.maint_margin_ratio),
                        "cum": b.cum.to_f64(),
                    })
                })
                .collect();
            Some(object!({"symbol": v.text(*id)?.name, "brackets": brackets}))
        })
        .collect();
    json(&rows)
}

/// `GET /commissionRate`.
pub(super) fn commission_rate(v: &mut Venue, p: &Params) -> Answer {
    let id = symbol(v, p)?;
    let spec = v.engine.config().symbols.get(usize::from(id.0));
    let fees = spec
        .ok_or_else(|| ApiError::new(-1121, "Invalid symbol."))?
        .fees;
    json(&object!({
        "symbol": p.get("symbol"),
        "makerCommissionRate": plain(fees.maker),
        "takerCommissionRate": plain(fees.taker),
        "rpiCommissionRate": "0.00005",
    }))
}

/// What every account answer begins with.
fn totals(a: &AccountView) -> Value {
    object!({
        "totalInitialMargin": m(a.initial_margin),
        "totalMaintMargin": m(a.maint_margin),
        "totalWalletBalance": m(a.wallet),
        "totalUnrealizedProfit": m(a.unrealised),
        "totalMarginBalance": m(a.margin_balance),
        "totalPositionInitialMargin": m(a.position_initial_margin),
        "totalOpenOrderInitialMargin": m(a.open_order_initial_margin),
        "totalCrossWalletBalance": m(a.wallet),
        "totalCrossUnPnl": m(a.unrealised),
        "availableBalance": m(a.available),
        "maxWithdrawAmount": m(a.available.min(a.wallet).max(Money::ZERO)),
        "assets": [{
            "asset": "USDT",
            "walletBalance": m(a.wallet),
            "unrealizedProfit": m(a.unrealised),
            "marginBalance": m(a.margin_balance),
            "maintMargin": m(a.maint_margin),
            "initialMargin": m(a.initial_margin),
            "positionInitialMargin": m(a.position_initial_margin),
            "openOrderInitialMargin": m(a.open_order_initial_margin),
            "crossWalletBalance": m(a.wallet),
            "crossUnPnl": m(a.unrealised),
            "availableBalance": m(a.available),
            "maxWithdrawAmount": m(a.available.min(a.wallet).max(Money::ZERO)),
            "marginAvailable": true,
            "updateTime": a.update_ms,
        }],
    })
}

/// `GET /v3/account`: positions only where there is one or an order.
pub(super) fn account_v3(v: &mut Venue, _: &Params) -> Answer {
    let a = v.engine.account(v.account)?;
    let rows = a.positions.iter().filter_map(|p| {
        let s = v.text(p.symbol)?;
        Some(object!({
            "symbol": s.name,
            "positionSide": "BOTH",
            "positionAmt": s.q(p.qty),
            "unrealizedProfit": m(p.unrealised),
            "isolatedMargin": "0",
            "notional": plain(p.notional),
            "isolatedWallet": "0",
            "initialMargin": m(p.position_initial_margin + p.open_order_initial_margin),
            "maintMargin": m(p.maint_margin),
            "updateTime": p.update_ms,
        }))
    });
    let mut out = totals(&a);
    out["positions"] = Value::Array(rows.collect());
    json(&out)
}

/// `GET /v2/account`: every contract.
pub(super) fn account_v2(v: &mut Venue, _: &Params) -> Answer {
    let a = v.engine.account(v.account)?;
    let rows = every_position(v)?.into_iter().filter_map(|p| {
        let s = v.text(p.symbol)?;
        Some(object!({
            "symbol": s.name,
            "initialMargin": m(p.position_initial_margin + p.open_order_initial_margin),
            "maintMargin": m(p.maint_margin),
            "unrealizedProfit": m(p.unrealised),
            "positionInitialMargin": m(p.position_initial_margin),
            "openOrderInitialMargin": m(p.open_order_initial_margin),
            "leverage": p.leverage.to_string(),
            "isolated": false,
            "entryPrice": words::price(s, p.entry_price),
            "breakEvenPrice": words::price(s, p.break_even_price),
            "maxNotional": plain(p.max_notional.unwrap_or_default()),
            "bidNotional": plain(p.bid_notional),
            "askNotional": plain(p.ask_notional),
            "positionSide": "BOTH",
            "positionAmt": s.q(p.qty),
            "notional": plain(p.notional),
            "isolatedWallet": "0",
            "updateTime": p.update_ms,
        }))
    });
    let mut out = totals(&a);
    out["positions"] = Value::Array(rows.collect());
    for (k, val) in [
        ("feeTier", object!(0)),
        ("feeBurn", object!(v.accounts.of(v.account).fee_burn)),
        ("canTrade", object!(true)),
        ("canDeposit", object!(true)),
        ("canWithdraw", object!(false)),
        ("updateTime", object!(0)),
        ("multiAssetsMargin", object!(false)),
        ("tradeGroupId", object!(-1)),
    ] {
        out[k] = val;
    }
    json(&out)
}

fn every_position(v: &Venue) -> Result<Vec<PositionView>, ApiError> {
    let ids = v.upper.values();
    ids.map(|id| v.engine.position(v.account, *id).map_err(ApiError::from))
        .collect()
}

/// `GET /balance`.
pub(super) fn balance(v: &mut Venue, _: &Params) -> Answer {
    let a = v.engine.account(v.account)?;
    json(&object!([{
        "accountAlias": "SgsR",
        "asset": "USDT",
        "balance": m(a.wallet),
        "crossWalletBalance": m(a.wallet),
        "crossUnPnl": m(a.unrealised),
        "availableBalance": m(a.available),
        "maxWithdrawAmount": m(a.available.min(a.wallet).max(Money::ZERO)),
        "marginAvailable": true,
        "updateTime": a.update_ms,
    }]))
}

fn positions(v: &Venue, p: &Params) -> Result<Vec<PositionView>, ApiError> {
    match symbol_opt(v, p)? {
        Some(id) => Ok(vec![v.engine.position(v.account, id)?]),
        None => every_position(v),
    }
}

fn liquidation(p: &PositionView) -> String {
    p.liquidation_price
        .map_or_else(|| "0".to_owned(), |l| fixed(l, 8))
}

/// `GET /v2/positionRisk`: every contract.
pub(super) fn position_risk_v2(v: &mut Venue, p: &Params) -> Answer {
    let rows = positions(v, p)?.into_iter().filter_map(|p| {
        let s = v.text(p.symbol)?;
        Some(object!({
            "symbol": s.name,
            "positionAmt": s.q(p.qty),
            "entryPrice": words::price(s, p.entry_price),
            "breakEvenPrice": words::price(s, p.break_even_price),
            "markPrice": m(p.mark),
            "unRealizedProfit": m(p.unrealised),
            "liquidationPrice": liquidation(&p),
            "leverage": p.leverage.to_string(),
            "maxNotionalValue": plain(p.max_notional.unwrap_or_default()),
            "marginType": "cross",
            "isolatedMargin": "0.00000000",
            "isAutoAddMargin": "false",
            "positionSide": "BOTH",
            "notional": plain(p.notional),
            "isolatedWallet": "0",
            "updateTime": p.update_ms,
        }))
    });
    json(&rows.collect::<Vec<_>>())
}

/// `GET /v3/positionRisk`: contracts with a position or an order.
pub(super) fn position_risk_v3(v: &mut Venue, p: &Params) -> Answer {
    let asked = symbol_opt(v, p)?;
    let a = v.engine.account(v.account)?;
    let used = a.positions.into_iter();
    let rows = used
        .filter(|p| asked.is_none_or(|s| s == p.symbol))
        .filter_map(|p| {
            let s = v.text(p.symbol)?;
            Some(object!({
                "symbol": s.name,
                "positionSide": "BOTH",
                "positionAmt": s.q(p.qty),
                "entryPrice": words::price(s, p.entry_price),
                "breakEvenPrice": words::price(s, p.break_even_price),
                "markPrice": m(p.mark),
                "unRealizedProfit": m(p.unrealised),
                "liquidationPrice": liquidation(&p),
                "isolatedMargin": "0",
                "notional": plain(p.notional),
                "marginAsset": "USDT",
                "isolatedWallet": "0",
                "initialMargin": m(p.position_initial_margin + p.open_order_initial_margin),
                "maintMargin": m(p.maint_margin),
                "positionInitialMargin": m(p.position_initial_margin),
                "openOrderInitialMargin": m(p.open_order_initial_margin),
                "adl": 1,
                "bidNotional": plain(p.bid_notional),
                "askNotional": plain(p.ask_notional),
                "updateTime": p.update_ms,
            }))
        });
    json(&rows.collect::<Vec<_>>())
}

/// `GET /adlQuantile`: open positions. One at a profit is in the second of the five places, any other in the first: with a
/// source that has no accounts of its own there is no queue to stand in.
pub(super) fn adl_quantile(v: &mut Venue, p: &Params) -> Answer {
    let rows = positions(v, p)?.into_iter().filter_map(|p| {
        let name = &v.text(p.symbol)?.name;
        let place = i32::from(p.unrealised > Money::ZERO);
        let row = object!({"symbol": name, "adlQuantile": {"LONG": 0, "SHORT": 0, "BOTH": place}});
        (!p.qty.is_zero()).then_some(row)
    });
    json(&rows.collect::<Vec<_>>())
}

/// `GET /symbolConfig`.
pub(super) fn symbol_config(v: &mut Venue, p: &Params) -> Answer {
    let rows = positions(v, p)?.into_iter().filter_map(|p| {
        Some(object!({
            "symbol": v.text(p.symbol)?.name,
            "marginType": "CROSSED",
            "isAutoAddMargin": false,
            "leverage": p.leverage,
            "maxNotionalValue": plain(p.max_notional.unwrap_or_default()),
        }))
    });
    json(&rows.collect::<Vec<_>>())
}

/// `GET /income`.
pub(super) fn income(v: &mut Venue, p: &Params) -> Answer {
    let asked = symbol_opt(v, p)?;
    let kind = p.get("incomeType");
    let limit = p.limit(100, 1000)?;
    let (start, end) = (p.time("startTime")?, p.time("endTime")?);
    let name = |id: Option<SymbolId>| {
        id.and_then(|id| v.text(id))
            .map_or(String::new(), |s| s.name.clone())
    };
    let mut hits: Vec<_> = v
        .engine
        .ledger(v.account)
        .iter()
        .filter(|l| asked.is_none() || l.symbol == asked)
        .filter(|l| kind.is_none_or(|k| k == l.kind.as_str()))
        .filter(|l| start.is_none_or(|s| l.time_ms >= s) && end.is_none_or(|e| l.time_ms <= e))
        .collect();
    super::orders::page(&mut hits, limit, start.is_some());
    let rows: Vec<Value> = hits
        .iter()
        .map(|l| {
            object!({
                "symbol": name(l.symbol),
                "incomeType": l.kind.as_str(),
                "income": m(l.amount),
                "asset": "USDT",
                "info": l.trade_id.map_or_else(|| l.kind.as_str().to_owned(), |t| t.to_string()),
                "time": l.time_ms,
                "tranId": l.id,
                "tradeId": l.trade_id.map(|t| t.to_string()).unwrap_or_default(),
            })
        })
        .collect();
    json(&rows)
}
