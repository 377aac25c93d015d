//! What a conditional order is: when it goes off, and what order it becomes.
//!
//! Level orders go off when the watched price reaches their trigger: a stop on the losing side, a take profit on the
//! winning one. A trailing stop waits for its activation price, then keeps the best price seen since and goes off when
//! the price has come back from it by the callback rate. The watched price is the mark or the last trade.

use super::terms::OrderTerms;
use super::types::SymbolId;
use helios_core::fixed::{Price, Qty, Side};
use helios_core::order::{ClientId, OrderKind};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// The price a conditional order watches (`workingType`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum WorkingType {
    /// The mark price.
    #[default]
    MarkPrice,
    /// The last trade's price, the venue's own trades included. What the exchange takes when nothing is said.
    ContractPrice,
}

impl WorkingType {
    /// The exchange's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MarkPrice => "MARK_PRICE",
            Self::ContractPrice => "CONTRACT_PRICE",
        }
    }

    /// The type under the exchange's word; `None` for any other word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::MarkPrice, Self::ContractPrice]
            .into_iter()
            .find(|w| w.as_str() == word)
    }
}

/// When a conditional order goes off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Trigger {
    /// At a price.
    Level {
        /// `triggerPrice`.
        price: Price,
        /// On the winning side instead of the losing one.
        take_profit: bool,
    },
    /// After coming back from the best price.
    Trailing {
        /// `activatePrice`; `None` activates at once.
        activation: Option<Price>,
        /// `callbackRate`, percent, 0.1 to 20.
        callback: Decimal,
    },
}

/// `POST /algoOrder`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewConditional {
    /// Contract.
    pub symbol: SymbolId,
    /// `clientAlgoId`; `None` lets the venue make one.
    pub client_id: Option<ClientId>,
    /// Direction of the order it becomes.
    pub side: Side,
    /// When it goes off.
    pub trigger: Trigger,
    /// What is watched.
    pub working: WorkingType,
    /// What it becomes: market, or a limit with its time in force (STOP, TAKE_PROFIT).
    pub kind: OrderKind,
    /// `None` with `closePosition`.
    pub qty: Option<Qty>,
    /// Reduce-only (implied by `closePosition`).
    pub reduce_only: bool,
    /// Expires instead of going off while last price and mark are too far apart.
    pub price_protect: bool,
    /// Further terms of the order it becomes; a date ends the wait as well.
    pub terms: OrderTerms,
}

/// How far a trailing stop has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trail {
    /// `activatePrice` as sent.
    pub activation: Option<Price>,
    /// `callbackRate`, percent.
    pub callback: Decimal,
    /// `ia`: the activation price was reached.
    pub activated: bool,
    /// Best price since then (lowest for buys, highest for sells), ticks; 0 before.
    pub extreme: Decimal,
}

/// What a price means to a conditional order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reaction {
    /// Nothing happens.
    Waits,
    /// A trailing stop starts to trail.
    Activates,
    /// It goes off.
    GoesOff,
}

impl Trail {
    /// A trailing stop that has seen nothing yet.
    pub(super) const fn new(activation: Option<Price>, callback: Decimal) -> Self {
        Self {
            activation,
            callback,
            activated: false,
            extreme: Decimal::ZERO,
        }
    }

    /// Whether an activation price lies where the price has still to go: below it for buys, above for sells.
    pub(super) fn is_ahead(&self, side: Side, ticks: Decimal) -> bool {
        self.activation.is_none_or(|a| match side {
            Side::Buy => Decimal::from(a.0) < ticks,
            Side::Sell => Decimal::from(a.0) > ticks,
        })
    }

    /// Takes in a price (ticks).
    pub(super) fn follow(&mut self, side: Side, ticks: Decimal) -> Reaction {
        if !self.activated {
            let reached = self.activation.is_none_or(|a| match side {
                Side::Buy => ticks <= Decimal::from(a.0),
                Side::Sell => ticks >= Decimal::from(a.0),
            });
            if !reached {
                return Reaction::Waits;
            }
            self.activated = true;
            self.extreme = ticks;
            return Reaction::Activates;
        }
        let part = self.callback / Decimal::ONE_HUNDRED;
        let back = match side {
            Side::Buy => {
                self.extreme = self.extreme.min(ticks);
                ticks >= self.extreme * (Decimal::ONE + part)
            }
            Side::Sell => {
                self.extreme = self.extreme.max(ticks);
                ticks <= self.extreme * (Decimal::ONE - part)
            }
        };
        if back {
            Reaction::GoesOff
        } else {
            Reaction::Waits
        }
    }
}

/// The exchange's word for a kind of conditional order.
#[must_use]
pub const fn conditional_type(trailing: bool, take_profit: bool, limit: bool) -> &'static str {
    match (trailing, take_profit, limit) {
        (true, _, _) => "TRAILING_STOP_MARKET",
        (false, false, false) => "STOP_MARKET",
        (false, false, true) => "STOP",
        (false, true, false) => "TAKE_PROFIT_MARKET",
        (false, true, true) => "TAKE_PROFIT",
    }
}
