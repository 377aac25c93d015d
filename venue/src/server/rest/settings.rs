//! Modes, leverage and listen keys. One-way, cross margin and single asset are the only modes of the simulated exchange.

use super::{Answer, engine, json, symbol, symbol_opt};
use crate::engine::Request;
use crate::server::accounts::ListenKey;
use crate::server::limits::{ORDERS_1M, ORDERS_10S};
use crate::server::params::{ApiError, Params};
use crate::server::text::plain;
use crate::server::venue::{LISTEN_KEY_MS, Venue};
use crate::server::{sign, user};
use serde_json::json as object;

/// `POST /listenKey`: the active key, extended; a new one without.
pub(super) fn listen_key_start(v: &mut Venue, _: &Params) -> Answer {
    let until = v.clock.now_ms().saturating_add(LISTEN_KEY_MS);
    let key = v.active_key(v.account);
    let key = key.unwrap_or_else(|| sign::token("listenKey"));
    v.accounts.of_mut(v.account).listen_key = Some(ListenKey {
        key: key.clone(),
        until_ms: until,
    });
    json(&object!({"listenKey": key}))
}

/// `PUT /listenKey`.
pub(super) fn listen_key_keep(v: &mut Venue, _: &Params) -> Answer {
    let until = v.clock.now_ms().saturating_add(LISTEN_KEY_MS);
    match &mut v.accounts.of_mut(v.account).listen_key {
        Some(active) => {
            active.until_ms = until;
            json(&object!({"listenKey": active.key}))
        }
        None => Err(ApiError::new(-1125, "This listenKey does not exist.")),
    }
}

/// `DELETE /listenKey`.
pub(super) fn listen_key_close(v: &mut Venue, _: &Params) -> Answer {
    match v.accounts.of_mut(v.account).listen_key.take() {
        Some(_) => Ok(b"{}".to_vec()),
        None => Err(ApiError::new(-1125, "This listenKey does not exist.")),
    }
}

/// `GET /accountConfig`.
pub(super) fn account_config(_: &mut Venue, _: &Params) -> Answer {
    json(&object!({
        "feeTier": 0,
        "canTrade": true,
        "canDeposit": true,
        "canWithdraw": false,
        "dualSidePosition": false,
        "updateTime": 0,
        "multiAssetsMargin": false,
        "tradeGroupId": -1,
    }))
}

/// `GET /apiTradingStatus`: the simulated exchange has no such rules, so none is broken.
pub(super) fn trading_status(v: &mut Venue, p: &Params) -> Answer {
    symbol_opt(v, p)?;
    json(&object!({"indicators": {}, "updateTime": v.clock.now_ms()}))
}

/// `GET /rateLimit/order`.
pub(super) fn order_limits(v: &mut Venue, _: &Params) -> Answer {
    let limit = |interval: &str, n: u32, limit: u64| object!({"rateLimitType": "ORDERS", "interval": interval, "intervalNum": n, "limit": v.limits.in_force(limit)});
    json(&[
        limit("SECOND", 10, ORDERS_10S),
        limit("MINUTE", 1, ORDERS_1M),
    ])
}

/// `GET /positionSide/dual`: one-way mode only.
pub(super) fn position_side(_: &mut Venue, _: &Params) -> Answer {
    json(&object!({"dualSidePosition": false}))
}

/// `POST /positionSide/dual`: one-way is what it is; the simulated exchange has no hedge mode.
pub(super) fn set_position_side(_: &mut Venue, p: &Params) -> Answer {
    match p.flag("dualSidePosition")? {
        None => Err(ApiError::missing("dualSidePosition")),
        Some(false) => Err(ApiError::new(-4059, "No need to change position side.")),
        Some(true) => Err(ApiError::new(
            -4067,
            "Position side cannot be changed: the simulated exchange has one-way mode only.",
        )),
    }
}

/// `GET /multiAssetsMargin`: single-asset mode only.
pub(super) fn multi_assets(_: &mut Venue, _: &Params) -> Answer {
    json(&object!({"multiAssetsMargin": false}))
}

/// `POST /multiAssetsMargin`.
pub(super) fn set_multi_assets(_: &mut Venue, p: &Params) -> Answer {
    match p.flag("multiAssetsMargin")? {
        None => Err(ApiError::missing("multiAssetsMargin")),
        Some(false) => Err(ApiError::new(
            -4171,
            "No need to change multi-assets margin mode.",
        )),
        Some(true) => Err(ApiError::new(
            -4168,
            "Unable to adjust to Multi-Assets mode: the simulated exchange has single-asset mode only.",
        )),
    }
}

/// `GET /sapi/v1/account/apiRestrictions`: what the account was configured with.
pub(super) fn restrictions(v: &mut Venue, _: &Params) -> Answer {
    json(&v.accounts.of(v.account).restrictions)
}

/// `GET /feeBurn`.
pub(super) fn fee_burn(v: &mut Venue, _: &Params) -> Answer {
    json(&object!({"feeBurn": v.accounts.of(v.account).fee_burn}))
}

/// `POST /feeBurn`: remembered; a wallet without BNB pays its fees in the quote asset either way, as at the exchange.
pub(super) fn set_fee_burn(v: &mut Venue, p: &Params) -> Answer {
    let on = p.flag("feeBurn")?;
    v.accounts.of_mut(v.account).fee_burn = on.ok_or_else(|| ApiError::missing("feeBurn"))?;
    json(&object!({"code": 200, "msg": "success"}))
}

/// `POST /leverage`.
pub(super) fn set_leverage(v: &mut Venue, p: &Params) -> Answer {
    let id = symbol(v, p)?;
    let leverage = p
        .uint("leverage")?
        .ok_or_else(|| ApiError::missing("leverage"))?;
    let leverage = u32::try_from(leverage).map_err(|_| ApiError::illegal("leverage"))?;
    let before = v.engine.leverage(v.account, id);
    engine(v, Request::SetLeverage(id, leverage))?;
    if before != Some(leverage)
        && let (Some(key), Some(text)) = (v.active_key(v.account), v.text(id))
    {
        let event = user::leverage_changed(v.clock.now_ms(), text, leverage);
        v.publish_user(v.account, &key, "ACCOUNT_CONFIG_UPDATE", event);
    }
    let max = v.engine.position(v.account, id)?.max_notional;
    json(&object!({
        "leverage": leverage,
        "maxNotionalValue": plain(max.unwrap_or_default()),
        "symbol": p.get("symbol"),
    }))
}

/// `POST /marginType`: cross is what it is; the simulated exchange has no isolated margin.
pub(super) fn set_margin_type(v: &mut Venue, p: &Params) -> Answer {
    symbol(v, p)?;
    match p.need("marginType")? {
        "CROSSED" => Err(ApiError::new(-4046, "No need to change margin type.")),
        "ISOLATED" => Err(ApiError::new(
            -4048,
            "Margin type cannot be changed: the simulated exchange has cross margin only.",
        )),
        _ => Err(ApiError::missing("marginType")),
    }
}
