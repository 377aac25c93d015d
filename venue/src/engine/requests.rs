//! Requests by what they want: the short forms of orders and stops mean the long ones with the defaults.

use super::Engine;
use super::conditional::{NewConditional, Trigger, WorkingType};
use super::orders::Ask;
use super::terms::OrderTerms;
use super::types::{AccountId, Request, VenueError};
use helios_core::order::OrderKind;

/// A request, sorted.
pub(super) enum Wanted {
    /// A plain order.
    Order(Ask),
    /// A conditional order.
    Conditional(NewConditional),
    /// Anything else.
    Other(Request),
}

/// Sorts a request of an account.
pub(super) fn wanted(account: AccountId, request: Request) -> Wanted {
    match request {
        Request::NewOrder {
            symbol,
            client_id,
            side,
            kind,
            qty,
            reduce_only,
        } => Wanted::Order(Ask {
            account,
            symbol,
            client_id,
            side,
            kind,
            qty: qty.0,
            reduce_only,
            terms: OrderTerms::default(),
        }),
        Request::Place(o) => Wanted::Order(Ask::of(account, o)),
        Request::NewStop {
            symbol,
            client_id,
            side,
            trigger,
            qty,
            reduce_only,
            take_profit,
        } => Wanted::Conditional(NewConditional {
            symbol,
            client_id,
            side,
            trigger: Trigger::Level {
                price: trigger,
                take_profit,
            },
            working: WorkingType::MarkPrice,
            kind: OrderKind::Market,
            qty,
            reduce_only,
            price_protect: false,
            terms: OrderTerms::default(),
        }),
        Request::NewConditional(c) => Wanted::Conditional(c),
        other => Wanted::Other(other),
    }
}

impl Engine {
    /// What `order/test` asks: whether an order or a conditional order would be accepted now. Nothing is placed. Other
    /// requests are only looked at for their account.
    ///
    /// # Errors
    /// The refusal that the request itself would get.
    pub fn check_only(&self, account: AccountId, request: Request) -> Result<(), VenueError> {
        self.check_account(account)?;
        match wanted(account, request) {
            Wanted::Order(mut ask) => self.check_new(&mut ask),
            Wanted::Conditional(c) => {
                self.spec(c.symbol)?;
                self.check_stop(&self.stop_of(account, c))
            }
            Wanted::Other(_) => Ok(()),
        }
    }
}
