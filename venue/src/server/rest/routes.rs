//! The list of REST endpoints: what the router goes by, and what the documentation is held against.
//!
//! Each entry names who may ask, what it weighs, how many orders it counts as, and its handler. The WebSocket API's
//! methods point into this list, so that both ways in are one.

use super::{Answer, account, algo, batch, market, orders, settings, tickers, trades};
use crate::server::params::Params;
use crate::server::venue::Venue;

/// Who may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server) enum Security {
    /// Anybody.
    Public,
    /// The key's owner, unsigned.
    Key,
    /// The key's owner, signed.
    Signed,
}

type Weight = fn(&Params) -> u64;
type Handler = fn(&mut Venue, &Params) -> Answer;

/// What is done with a request.
#[derive(Clone, Copy)]
pub(in crate::server) struct Endpoint {
    pub(in crate::server) security: Security,
    pub(in crate::server) weight: Weight,
    pub(in crate::server) orders: u64,
    pub(in crate::server) run: Handler,
}

/// One endpoint by its name.
pub(in crate::server) struct Route {
    /// `GET`, `POST`, ...
    pub(in crate::server) method: &'static str,
    /// Whole path.
    pub(in crate::server) path: &'static str,
    /// What is done.
    pub(in crate::server) endpoint: Endpoint,
}

const fn at(
    method: &'static str,
    path: &'static str,
    security: Security,
    weight: Weight,
    run: Handler,
) -> Route {
    Route {
        method,
        path,
        endpoint: Endpoint {
            security,
            weight,
            orders: 0,
            run,
        },
    }
}

const fn public(path: &'static str, weight: Weight, run: Handler) -> Route {
    at("GET", path, Security::Public, weight, run)
}

const fn key(method: &'static str, path: &'static str, weight: Weight, run: Handler) -> Route {
    at(method, path, Security::Key, weight, run)
}

const fn get(path: &'static str, weight: Weight, run: Handler) -> Route {
    at("GET", path, Security::Signed, weight, run)
}

const fn post(path: &'static str, weight: Weight, run: Handler) -> Route {
    at("POST", path, Security::Signed, weight, run)
}

const fn delete(path: &'static str, run: Handler) -> Route {
    at("DELETE", path, Security::Signed, |_| 1, run)
}

/// Orders: `weight`, and so many order counts.
const fn order(
    method: &'static str,
    path: &'static str,
    (weight, orders): (Weight, u64),
    run: Handler,
) -> Route {
    let mut out = at(method, path, Security::Signed, weight, run);
    out.endpoint.orders = orders;
    out
}

/// One order: no weight.
const ONE: (Weight, u64) = (|_| 0, 1);
/// Several orders count as five.
const SEVERAL: (Weight, u64) = (|_| 5, 5);

/// Weight of a request for one symbol, and of one for all.
fn one_or(p: &Params, one: u64, all: u64) -> u64 {
    if p.get("symbol").is_some() { one } else { all }
}

/// Weight 1 with a symbol, 40 without.
fn all_or_one(p: &Params) -> u64 {
    one_or(p, 1, 40)
}

fn price_weight(p: &Params) -> u64 {
    one_or(p, 1, 2)
}

/// Every endpoint there is.
pub(in crate::server) static ROUTES: &[Route] = &[
    // Clients for the whole of Binance ask these first.
    public("/api/v3/ping", |_| 1, market::ping),
    public("/api/v3/time", |_| 1, market::time),
    get(
        "/sapi/v1/account/apiRestrictions",
        |_| 1,
        settings::restrictions,
    ),
    public("/fapi/v1/ping", |_| 1, market::ping),
    public("/fapi/v1/time", |_| 1, market::time),
    public("/fapi/v1/exchangeInfo", |_| 1, market::exchange_info),
    public("/fapi/v1/depth", market::depth_weight, market::depth),
    public("/fapi/v1/klines", market::klines_weight, market::klines),
    public(
        "/fapi/v1/continuousKlines",
        market::klines_weight,
        market::continuous_klines,
    ),
    public("/fapi/v1/trades", |_| 5, trades::recent),
    key(
        "GET",
        "/fapi/v1/historicalTrades",
        |_| 20,
        trades::historical,
    ),
    public("/fapi/v1/aggTrades", |_| 20, trades::aggregate),
    public(
        "/fapi/v1/premiumIndex",
        |p| one_or(p, 1, 10),
        tickers::premium_index,
    ),
    public("/fapi/v1/fundingRate", |_| 1, tickers::funding_rate),
    public("/fapi/v1/fundingInfo", |_| 1, tickers::funding_info),
    public("/fapi/v1/openInterest", |_| 1, tickers::open_interest),
    public("/fapi/v1/ticker/24hr", all_or_one, tickers::day),
    public("/fapi/v1/ticker/price", price_weight, tickers::price),
    public("/fapi/v2/ticker/price", price_weight, tickers::price),
    public(
        "/fapi/v1/ticker/bookTicker",
        |p| one_or(p, 2, 5),
        tickers::book,
    ),
    key(
        "POST",
        "/fapi/v1/listenKey",
        |_| 1,
        settings::listen_key_start,
    ),
    key(
        "PUT",
        "/fapi/v1/listenKey",
        |_| 1,
        settings::listen_key_keep,
    ),
    key(
        "DELETE",
        "/fapi/v1/listenKey",
        |_| 1,
        settings::listen_key_close,
    ),
    get("/fapi/v1/leverageBracket", |_| 1, account::leverage_bracket),
    get("/fapi/v1/commissionRate", |_| 20, account::commission_rate),
    get("/fapi/v2/account", |_| 5, account::account_v2),
    get("/fapi/v3/account", |_| 5, account::account_v3),
    get("/fapi/v2/balance", |_| 5, account::balance),
    get("/fapi/v3/balance", |_| 5, account::balance),
    get("/fapi/v2/positionRisk", |_| 5, account::position_risk_v2),
    get("/fapi/v3/positionRisk", |_| 5, account::position_risk_v3),
    get("/fapi/v1/symbolConfig", |_| 5, account::symbol_config),
    get("/fapi/v1/accountConfig", |_| 5, settings::account_config),
    get(
        "/fapi/v1/apiTradingStatus",
        |p| one_or(p, 1, 10),
        settings::trading_status,
    ),
    get("/fapi/v1/rateLimit/order", |_| 1, settings::order_limits),
    get(
        "/fapi/v1/positionSide/dual",
        |_| 30,
        settings::position_side,
    ),
    post(
        "/fapi/v1/positionSide/dual",
        |_| 1,
        settings::set_position_side,
    ),
    get("/fapi/v1/multiAssetsMargin", |_| 30, settings::multi_assets),
    post(
        "/fapi/v1/multiAssetsMargin",
        |_| 1,
        settings::set_multi_assets,
    ),
    get("/fapi/v1/feeBurn", |_| 30, settings::fee_burn),
    post("/fapi/v1/feeBurn", |_| 1, settings::set_fee_burn),
    get("/fapi/v1/adlQuantile", |_| 5, account::adl_quantile),
    post("/fapi/v1/leverage", |_| 1, settings::set_leverage),
    post("/fapi/v1/marginType", |_| 1, settings::set_margin_type),
    get("/fapi/v1/income", |_| 30, account::income),
    order("POST", "/fapi/v1/order", ONE, orders::place),
    post("/fapi/v1/order/test", |_| 1, orders::test),
    get("/fapi/v1/order", |_| 1, orders::query),
    order("PUT", "/fapi/v1/order", ONE, batch::modify),
    delete("/fapi/v1/order", orders::cancel),
    order("POST", "/fapi/v1/batchOrders", SEVERAL, batch::place),
    order("PUT", "/fapi/v1/batchOrders", SEVERAL, batch::modify_all),
    delete("/fapi/v1/batchOrders", batch::cancel),
    get("/fapi/v1/orderAmendment", |_| 1, batch::history),
    get("/fapi/v1/openOrder", |_| 1, orders::open_one),
    get("/fapi/v1/openOrders", all_or_one, orders::open_all),
    get("/fapi/v1/allOrders", |_| 5, orders::all),
    get(
        "/fapi/v1/forceOrders",
        |p| one_or(p, 20, 50),
        trades::force_orders,
    ),
    delete("/fapi/v1/allOpenOrders", orders::cancel_all),
    post("/fapi/v1/countdownCancelAll", |_| 10, orders::countdown),
    get("/fapi/v1/userTrades", |_| 5, trades::of_user),
    order("POST", "/fapi/v1/algoOrder", ONE, algo::place),
    get("/fapi/v1/algoOrder", |_| 1, algo::query),
    delete("/fapi/v1/algoOrder", algo::cancel),
    get("/fapi/v1/openAlgoOrders", all_or_one, algo::open),
    get("/fapi/v1/allAlgoOrders", |_| 5, algo::all),
    delete("/fapi/v1/algoOpenOrders", algo::cancel_all),
];

/// What is done at a path; `None` where there is nothing.
pub(in crate::server) fn find(method: &str, path: &str) -> Option<Endpoint> {
    let hit = ROUTES.iter().find(|r| r.path == path && r.method == method);
    hit.map(|r| r.endpoint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_endpoint_is_there_twice() {
        let names: BTreeSet<_> = ROUTES.iter().map(|r| (r.method, r.path)).collect();
        assert_eq!(names.len(), ROUTES.len());
        assert!(
            find("GET", "/fapi/v1/order").is_some() && find("PATCH", "/fapi/v1/order").is_none()
        );
    }
}
