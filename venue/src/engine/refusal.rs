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
    /// −1115: a date with a time in force that is not GTD.
    bad_time_in_force = -1115, "Invalid timeInForce.";
    /// −1117: an amendment that names the other side than the order's.
    wrong_side = -1117, "Invalid side.";
    /// −1121: no such contract.
    invalid_symbol = -1121, "Invalid symbol.";
    /// −1128: fields that don't go together (a trailing stop with a limit).
    bad_combination = -1128, "Combination of optional parameters invalid.";
    /// −4108: trading in the contract stands.
    not_trading = -4108, "Symbol is on delivering or delivered or settling or closed or pre-trading.";
    /// −2007: callback rate outside 0.1 to 20 %.
    bad_callback_rate = -2007, "Invalid callBack rate.";
    /// −2011: nothing open under this id.
    cancel_unknown = -2011, "Unknown order sent.";
    /// −2013: never seen, or already forgotten.
    no_such_order = -2013, "Order does not exist.";
    /// −2015: no such account.
    no_account = -2015, "Invalid API-key, IP, or permissions for action.";
    /// −2019: available balance does not cover the initial margin.
    margin_insufficient = -2019, "Margin is insufficient.";
    /// −2021: the price that is watched is already beyond the trigger, or on the wrong side of an activation price.
    would_trigger = -2021, "Order would immediately trigger.";
    /// −2022: nothing to reduce in that direction.
    reduce_only_rejected = -2022, "ReduceOnly Order is rejected.";
    /// −2022 in the words of a conditional order that went off with nothing to reduce.
    nothing_to_reduce = -2022, "Reduce Only reject";
    /// −2025: too many open plain orders.
    max_open_orders = -2025, "Reach max open order limit.";
    /// −2027: the position could exceed what the leverage allows.
    above_leverage_cap = -2027, "Exceeded the maximum allowable position at current leverage.";
    /// −2028: lower leverage needs more margin than there is.
    leverage_needs_margin = -2028, "Leverage is smaller than permitted: insufficient margin balance.";
    /// −4001: price not positive.
    price_not_positive = -4001, "Price less than 0.";
    /// −4002: above PRICE_FILTER `maxPrice`.
    price_above_max = -4002, "Price greater than max price.";
    /// −4003: quantity not positive.
    qty_not_positive = -4003, "Quantity less than or equal to zero.";
    /// −4004: below LOT_SIZE `minQty`.
    qty_too_small = -4004, "Quantity less than min quantity.";
    /// −4005: above LOT_SIZE or MARKET_LOT_SIZE `maxQty`.
    qty_too_large = -4005, "Quantity greater than max quantity.";
    /// −4006: trigger not positive.
    stop_not_positive = -4006, "Stop price less than or equal to zero.";
    /// −4007: trigger above PRICE_FILTER `maxPrice`.
    stop_above_max = -4007, "Stop price greater than max price.";
    /// −4013: below PRICE_FILTER `minPrice`.
    price_below_min = -4013, "Price less than min price.";
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
    /// −4136: `closePosition` for anything but STOP_MARKET and TAKE_PROFIT_MARKET.
    close_needs_market = -4136, "Target strategy invalid for orderType, closePosition true.";
    /// −4183: limit of a conditional order above trigger × `multiplierUp`.
    above_stop_cap = -4183, "Price is higher than stop price multiplier cap.";
    /// −4184: limit of a conditional order below trigger × `multiplierDown`.
    below_stop_floor = -4184, "Price is lower than stop price multiplier floor.";
    /// −4509: closePosition with no position to close.
    no_position = -4509, "Time in Force (TIF) GTE can only be used with open positions. Please ensure that positions are available.";
    /// −5021: fill-or-kill that can't be filled at once.
    fok_unfillable = -5021, "Due to the order could not be filled immediately, the FOK order has been rejected. The order will not be recorded in the order history.";
    /// −5022: post-only that would take.
    would_take = -5022, "Due to the order could not be executed as maker, the Post Only order will be rejected. The order will not be recorded in the order history.";
    /// −5025: an amendment of something that is no limit order.
    limit_only = -5025, "Only limit order is supported.";
    /// −5026: amended 10,000 times already.
    too_many_amendments = -5026, "Exceed maximum modify order limit.";
    /// −5027: price and quantity are what the order has.
    same_order = -5027, "No need to modify the order.";
    /// −5037: a price sent beside a price match.
    bad_price_match = -5037, "Invalid price match.";
    /// −5038: a price match for a market order.
    match_needs_limit = -5038, "Price match only supports order type: LIMIT, STOP AND TAKE_PROFIT.";
    /// −5040: `goodTillDate` less than 600 s ahead, or past the end of time.
    good_till_date = -5040, "The goodTillDate timestamp must be greater than the current time plus 600 seconds and smaller than 253402300799000.";
    /// −5041: the book has no level where the price match points.
    no_matching_depth = -5041, "No depth matches this BBO order.";
}

/// −5029: an amendment below MIN_NOTIONAL of an order that is not reduce-only.
#[must_use]
pub fn amended_notional(min: Decimal) -> VenueError {
    refuse(
        -5029,
        format!(
            "Order's notional must be no smaller than {}.",
            min.normalize()
        ),
    )
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
