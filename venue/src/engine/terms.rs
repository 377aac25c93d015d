//! What an order may ask for beyond side, price and quantity: self-trade prevention, a date it lives to, a price taken
//! from the book.

use super::types::SymbolId;
use super::{Engine, VenueError, refusal};
use helios_core::fixed::{Price, Qty, Side};
use helios_core::order::{ClientId, OrderKind, TimeInForce};
use serde::{Deserialize, Serialize};

/// How far ahead `goodTillDate` must lie at least, ms.
pub const GOOD_TILL_LEAD_MS: i64 = 600_000;
/// `goodTillDate` must lie before this, ms.
pub const GOOD_TILL_END_MS: i64 = 253_402_300_799_000;

/// What happens when an order meets one of its own account (`selfTradePreventionMode`); the taker's mode decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SelfTrade {
    /// They trade.
    None,
    /// What is left of the taker expires.
    ExpireTaker,
    /// The resting order expires, the taker goes on.
    #[default]
    ExpireMaker,
    /// Both expire.
    ExpireBoth,
}

impl SelfTrade {
    /// The exchange's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::ExpireTaker => "EXPIRE_TAKER",
            Self::ExpireMaker => "EXPIRE_MAKER",
            Self::ExpireBoth => "EXPIRE_BOTH",
        }
    }

    /// The mode under the exchange's word; `None` for any other word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        let all = [
            Self::None,
            Self::ExpireTaker,
            Self::ExpireMaker,
            Self::ExpireBoth,
        ];
        all.into_iter().find(|m| m.as_str() == word)
    }

    /// A taker under this mode goes no further than its account's own order.
    pub(super) const fn stops_taker(self) -> bool {
        matches!(self, Self::ExpireTaker | Self::ExpireBoth)
    }
}

/// A limit price to be read off the book (`priceMatch`): the n-th level (1, 5, 10 or 20) of the opposite side or of the own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceMatch {
    /// The side one would trade with (OPPONENT) instead of the own (QUEUE).
    opponent: bool,
    /// 1 is the best.
    level: u8,
}

/// The exchange's words for price matches, with side (opponent) and level.
const MATCHES: [(&str, bool, u8); 8] = [
    ("OPPONENT", true, 1),
    ("OPPONENT_5", true, 5),
    ("OPPONENT_10", true, 10),
    ("OPPONENT_20", true, 20),
    ("QUEUE", false, 1),
    ("QUEUE_5", false, 5),
    ("QUEUE_10", false, 10),
    ("QUEUE_20", false, 20),
];

impl PriceMatch {
    /// The match under the exchange's word; `None` for any other word (`NONE` too, which is no match).
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        let (_, opponent, level) = *MATCHES.iter().find(|m| m.0 == word)?;
        Some(Self { opponent, level })
    }

    /// The exchange's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        MATCHES
            .iter()
            .find(|m| m.1 == self.opponent && m.2 == self.level)
            .map_or("NONE", |m| m.0)
    }
}

/// Further terms of an order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderTerms {
    /// Self-trade prevention.
    #[serde(default)]
    pub self_trade: SelfTrade,
    /// `goodTillDate` of a GTD order, venue ms; 0 without. Such an order's time in force reads GTC inside the engine.
    #[serde(default)]
    pub good_till_ms: i64,
    /// Where the limit price comes from, when none is sent.
    #[serde(default)]
    pub price_match: Option<PriceMatch>,
}

impl OrderTerms {
    /// The terms as the exchange keeps them: a date has whole seconds. One within the first second of 1970 stays what it
    /// is, or it would read as none and not be refused.
    pub(super) const fn kept(mut self) -> Self {
        if self.good_till_ms >= 1000 {
            self.good_till_ms -= self.good_till_ms % 1000;
        }
        self
    }
}

/// `POST /order` with everything it may say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaceOrder {
    /// Contract.
    pub symbol: SymbolId,
    /// Client id; `None` lets the venue make one.
    pub client_id: Option<ClientId>,
    /// Direction.
    pub side: Side,
    /// Market or limit; with a price match the limit's price is 0.
    pub kind: OrderKind,
    /// Quantity.
    pub qty: Qty,
    /// Reduce-only.
    pub reduce_only: bool,
    /// Further terms.
    pub terms: OrderTerms,
}

impl Engine {
    /// Checks the terms against time and kind, and puts the price that is to be read off the book into `kind`.
    ///
    /// # Errors
    /// −5040 a date too near, too far or without a limit order that can rest; −5037 a price sent beside a match; −5038 a
    /// match for an order without a limit; −5041 when the book has no such level.
    pub(super) fn resolve_terms(
        &self,
        symbol: SymbolId,
        side: Side,
        kind: &mut OrderKind,
        terms: &OrderTerms,
    ) -> Result<(), VenueError> {
        self.check_good_till(kind, terms.good_till_ms)?;
        let Some(m) = terms.price_match else {
            return Ok(());
        };
        match kind {
            OrderKind::Market => Err(refusal::match_needs_limit()),
            OrderKind::Limit { price, .. } if price.0 != 0 => Err(refusal::bad_price_match()),
            OrderKind::Limit { price, .. } => {
                *price = self.matched_price(symbol, side, m)?;
                Ok(())
            }
        }
    }

    /// −5040, −1115: see [`Engine::resolve_terms`].
    pub(super) fn check_good_till(&self, kind: &OrderKind, date: i64) -> Result<(), VenueError> {
        if date == 0 {
            return Ok(());
        }
        let rests = matches!(kind, OrderKind::Limit { tif, .. } if *tif == TimeInForce::Gtc);
        if !rests {
            return Err(refusal::bad_time_in_force());
        }
        if date <= self.now_ms.saturating_add(GOOD_TILL_LEAD_MS) || date >= GOOD_TILL_END_MS {
            return Err(refusal::good_till_date());
        }
        Ok(())
    }

    /// The price of the level that a match names.
    pub(super) fn matched_price(
        &self,
        symbol: SymbolId,
        side: Side,
        m: PriceMatch,
    ) -> Result<Price, VenueError> {
        let of = if m.opponent { side.opposite() } else { side };
        let level = usize::from(m.level);
        let levels = self.market(symbol).side(of).levels(level);
        levels
            .get(level - 1)
            .map(|l| l.0)
            .ok_or_else(refusal::no_matching_depth)
    }
}
