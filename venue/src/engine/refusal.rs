//! The exchange's refusals, by name: one constructor for each code the engine can answer with.
//!
//! Codes and meanings follow Binance's USDS-M error table; clients act on the code alone, the words are for people.

use super::types::VenueError;
use rust_decimal::Decimal;

fn refuse(code: i64, msg: impl Into<String>) -> VenueError {
    VenueError {
        code,
        msg: msg.into(),
    }
}

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $msg:literal;)*) => {
        $($(#[$doc])* #[must_use] pub fn $name() -> VenueError { refuse($code, $msg) })*
    };
}

refusals! {
    /// −1100: a client id with characters outside `.A-Z:/a-z0-9_-`.
    illegal_characters = -1100, "Illegal characters found in parameter 'clientOrderId'.";
    /// −1111: more decimals than the contract has.
    precision = -1111, "Precision is over the maximum defined for this asset.";
    /// −1121: no such contract.
    invalid_symbol = -1121, "Invalid symbol.";
    /// −2011: nothing open under this id.
    cancel_unknown = -2011, "Unknown order sent.";
    /// −2013: never seen, or already forgotten.
    no_such_order = -2013, "Order does not exist.";
    /// −2015: no such account.
    no_account = -2015, "Invalid API-key, IP, or permissions for action.";
    /// −2019: available balance does not cover the initial margin.
    margin_insufficient = -2019, "Margin is insufficient.";
    /// −2021: the mark price is already beyond the trigger.
    would_trigger = -2021, "Order would immediately trigger.";
    /// −2022: nothing to reduce in that direction.
    reduce_only_rejected = -2022, "ReduceOnly Order is rejected.";
    /// −2025: too many open plain orders.
    max_open_orders = -2025, "Reach max open order limit.";
    /// −2027: the position could exceed what the leverage allows.
    above_leverage_cap = -2027, "Exceeded the maximum allowable position at current leverage.";
    /// −2028: lower leverage needs more margin than there is.
    leverage_needs_margin = -2028, "Leverage is smaller than permitted: insufficient margin balance.";
    /// −4001: price not positive.
    price_not_positive = -4001, "Price less than 0.";
    /// −4003: quantity not positive.
    qty_not_positive = -4003, "Quantity less than or equal to zero.";
    /// −4004: below LOT_SIZE `minQty`.
    qty_too_small = -4004, "Quantity less than min quantity.";
    /// −4005: above LOT_SIZE or MARKET_LOT_SIZE `maxQty`.
    qty_too_large = -4005, "Quantity greater than max quantity.";
    /// −4006: trigger not positive.
    stop_not_positive = -4006, "Stop price less than or equal to zero.";
    /// −4014: price off the tick grid.
    off_tick = -4014, "Price not increased by tick size.";
    /// −4015: client id empty or longer than 36 characters.
    client_id_length = -4015, "Client order id length should be less than 36 chars.";
    /// −4023: quantity off the step grid.
    off_step = -4023, "Qty not increased by step size.";
    /// −4045: 200 conditional orders are open.
    max_stops = -4045, "Reach max stop order limit.";
    /// −4116: an order under this client id is open.
    duplicate_id = -4116, "ClientOrderId is duplicated.";
    /// −4118: open reduce-only orders already hold the whole position.
    reduce_only_held = -4118, "ReduceOnly Order Failed. Please check your existing position and open orders.";
    /// −4130: one closePosition order of that kind and direction is open.
    close_position_exists = -4130, "An open stop or take profit order with GTE and closePosition in the direction is existing.";
    /// −4131: the best opposite price is outside PERCENT_PRICE, or there is none.
    counterparty_price = -4131, "The counterparty's best price does not meet the PERCENT_PRICE filter limit.";
    /// −4509: closePosition with no position to close.
    no_position = -4509, "Time in Force (TIF) GTE can only be used with open positions. Please ensure that positions are available.";
    /// −5021: fill-or-kill that can't be filled at once.
    fok_unfillable = -5021, "Due to the order could not be filled immediately, the FOK order has been rejected. The order will not be recorded in the order history.";
    /// −5022: post-only that would take.
    would_take = -5022, "Due to the order could not be executed as maker, the Post Only order will be rejected. The order will not be recorded in the order history.";
}

/// −4016: above PERCENT_PRICE's bound.
#[must_use]
pub fn price_too_high(bound: Decimal) -> VenueError {
    refuse(
        -4016,
        format!("Limit price can't be higher than {}.", bound.normalize()),
    )
}

/// −4024: below PERCENT_PRICE's bound.
#[must_use]
pub fn price_too_low(bound: Decimal) -> VenueError {
    refuse(
        -4024,
        format!("Limit price can't be lower than {}.", bound.normalize()),
    )
}

/// −4028: outside 1 to the first bracket's leverage.
#[must_use]
pub fn bad_leverage(leverage: u32) -> VenueError {
    refuse(-4028, format!("Leverage {leverage} is not valid"))
}

/// −4164: below MIN_NOTIONAL, and not reduce-only.
#[must_use]
pub fn min_notional(min: Decimal) -> VenueError {
    refuse(
        -4164,
        format!(
            "Order's notional must be no smaller than {} (unless you choose reduce only).",
            min.normalize()
        ),
    )
}
