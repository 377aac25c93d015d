//! The exchange itself, as one deterministic machine: it is told market data and requests, and says what happened.
//!
//! [`Engine`] holds every contract's combined book (the source's outside book plus own resting orders), the accounts,
//! plain orders and conditional orders. It is pure: time is an argument and never runs backwards, nothing is random, no
//! map is unordered; the same calls give byte-identical events. The whole of it can be serialised and taken up again.
//!
//! Rooms: `book` (levels and queues), `matching` (who trades with whom), `orders` (requests), `filters` and `refusal`
//! (what is refused and how), `terms` and `modify` (what orders may ask for, and their changes), `conditional`, `stops` and
//! `trigger` (conditional orders), `account` and `margin` (money), `funding`, `liquidation`, `queries` (what a server may
//! ask), `history` (for how long), `faults` (what goes wrong on order).

mod account;
mod book;
mod conditional;
mod faults;
mod feed;
mod fills;
mod filters;
mod funding;
mod history;
mod liquidation;
pub mod margin;
mod matching;
mod modify;
mod orders;
mod queries;
pub mod refusal;
mod requests;
mod risk;
mod state;
mod stops;
mod switches;
mod terms;
mod trigger;
mod types;
mod views;

#[cfg(test)]
mod tests;

pub use account::{LedgerEntry, LedgerKind, MONEY_DECIMALS, UserTrade, round_money};
pub use conditional::{NewConditional, Trail, Trigger, WorkingType, conditional_type};
pub use faults::FilterChange;
pub use filters::{MAX_PRICE_TICKS, MIN_PRICE_TICKS, price_on_grid, qty_on_grid};
pub use history::{ORDER_MS, TRADE_MS, UNFILLED_MS};
pub use modify::{Amendment, AmendmentView, ModifyOrder};
pub use state::OrderOrigin;
pub use switches::Switches;
pub use terms::{
    GOOD_TILL_END_MS, GOOD_TILL_LEAD_MS, OrderTerms, PlaceOrder, PriceMatch, SelfTrade,
};
pub use trigger::trigger_protect;
pub use types::{
    AccountId, EngineConfig, EngineEvent, MarketInput, OrderRef, Request, Response, SymbolId,
    SymbolSpec, UserEvent, VenueError,
};
pub use views::{AccountView, OrderView, PositionView, StopView, Touch};

use account::{Account, AccountSymbol, LedgerKind as Kind, Position};
use helios_core::fixed::Money;
use requests::Wanted;
use serde::{Deserialize, Serialize};
use state::{Market, Order, Stop};
use std::collections::{BTreeMap, BTreeSet};

/// Initial leverage of a contract nobody has set, where its brackets allow it.
pub const DEFAULT_LEVERAGE: u32 = 20;
/// Open plain orders an account may have in one contract.
pub const MAX_OPEN_ORDERS: usize = 200;
/// Conditional orders an account may have open over all contracts.
pub const MAX_STOPS: usize = 200;
/// Changes one order may go through.
pub const MAX_AMENDMENTS: usize = 10_000;
/// Market time between a trigger and the order it makes, ms.
pub const TRIGGER_DELAY_MS: i64 = 10;

const fn first_amendment() -> u64 {
    1
}

/// The simulated exchange.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Engine {
    config: EngineConfig,
    now_ms: i64,
    markets: Vec<Market>,
    accounts: Vec<Account>,
    orders: BTreeMap<u64, Order>,
    stops: BTreeMap<u64, Stop>,
    next_order: u64,
    next_stop: u64,
    #[serde(default = "first_amendment")]
    next_amendment: u64,
    /// Open orders and conditional orders with a date: (ms, id).
    #[serde(default)]
    good_till: BTreeSet<(i64, u64)>,
    /// Day of market time on which was last forgotten.
    #[serde(default)]
    forgot_day: i64,
    /// Triggered conditional orders waiting to become orders: (due ms, algo id), oldest first.
    triggering: Vec<(i64, u64)>,
    /// Earliest market time at which something happens by itself.
    next_due: Option<i64>,
    /// Untriggered reduce-only stops count against what plain reduce-only orders may still reduce.
    stops_hold_reduce_only: bool,
    /// Orphaned stops end as CANCELED instead of EXPIRED.
    #[serde(default)]
    orphan_stops_canceled: bool,
    #[serde(skip)]
    faults: faults::Faults,
    /// Whose position changed in the running call and must be looked at before it returns.
    #[serde(skip)]
    touched: Vec<(AccountId, SymbolId)>,
}

impl Engine {
    /// An exchange with no accounts and empty books.
    #[must_use]
    pub fn new(config: EngineConfig) -> Self {
        let markets = config.symbols.iter().map(|_| Market::new()).collect();
        Self {
            config,
            now_ms: 0,
            markets,
            accounts: Vec::new(),
            orders: BTreeMap::new(),
            stops: BTreeMap::new(),
            next_order: 1_000_000_001,
            next_stop: 2_000_000_000_001,
            next_amendment: first_amendment(),
            good_till: BTreeSet::new(),
            forgot_day: 0,
            triggering: Vec::new(),
            next_due: None,
            stops_hold_reduce_only: false,
            orphan_stops_canceled: false,
            faults: faults::Faults::default(),
            touched: Vec::new(),
        }
    }

    /// Makes untriggered reduce-only stops hold position quantity as plain reduce-only orders do (the real exchange has
    /// been described both ways): a market exit beside a full-size trail is then refused with −4118.
    pub fn set_stops_hold_reduce_only(&mut self, hold: bool) {
        self.stops_hold_reduce_only = hold;
    }

    /// Opens an account with a deposit, booked at the latest time seen.
    pub fn open_account(&mut self, initial: Money) -> AccountId {
        let id = AccountId(self.accounts.len() as u32);
        let symbols = self
            .config
            .symbols
            .iter()
            .map(|s| AccountSymbol {
                position: Position::default(),
                leverage: DEFAULT_LEVERAGE.min(margin::max_leverage(&s.brackets)),
                open: BTreeSet::new(),
                orders: Vec::new(),
                by_client: BTreeMap::new(),
                countdown: None,
            })
            .collect();
        let mut account = Account {
            id,
            wallet: Money::ZERO,
            symbols,
            stop_by_client: BTreeMap::new(),
            open_stops: BTreeSet::new(),
            stops: Vec::new(),
            ledger: Vec::new(),
            trades: Vec::new(),
            margin_called: false,
        };
        account.book(self.now_ms, Kind::Transfer, None, initial, None);
        self.accounts.push(account);
        id
    }

    /// Books a deposit (positive) or withdrawal.
    ///
    /// # Errors
    /// −2015 for an unknown account, −2019 for a withdrawal of more than is available.
    pub fn deposit(
        &mut self,
        now_ms: i64,
        account: AccountId,
        amount: Money,
        out: &mut Vec<EngineEvent>,
    ) -> Result<(), VenueError> {
        self.check_account(account)?;
        self.pass_time(now_ms, out);
        if amount < Money::ZERO && -amount > self.account(account)?.available {
            return Err(refusal::margin_insufficient());
        }
        let now = self.now_ms;
        self.account_mut(account)
            .book(now, Kind::Transfer, None, amount, None);
        let reason = if amount < Money::ZERO {
            "WITHDRAW"
        } else {
            "DEPOSIT"
        };
        self.emit_wallet(account, SymbolId(0), reason, out);
        self.check_margin(account, out);
        self.settle(out);
        Ok(())
    }

    /// Market data from the source.
    pub fn on_market(
        &mut self,
        now_ms: i64,
        symbol: SymbolId,
        input: MarketInput,
        out: &mut Vec<EngineEvent>,
    ) {
        if usize::from(symbol.0) >= self.markets.len() {
            return;
        }
        self.pass_time(now_ms, out);
        match input {
            MarketInput::Snapshot(s) => self.on_snapshot(symbol, &s, out),
            MarketInput::Depth(d) => self.on_depth(symbol, d, out),
            MarketInput::Trade(t) => self.on_trade(symbol, t, out),
            MarketInput::Mark(m) => self.on_mark(symbol, m, out),
        }
        self.settle(out);
    }

    /// A request of an account.
    ///
    /// # Errors
    /// The exchange's refusal; it has had no effect.
    pub fn request(
        &mut self,
        now_ms: i64,
        account: AccountId,
        request: Request,
        out: &mut Vec<EngineEvent>,
    ) -> Result<Response, VenueError> {
        self.check_account(account)?;
        self.pass_time(now_ms, out);
        let answer = match requests::wanted(account, request) {
            Wanted::Order(ask) => self.new_order(ask, out),
            Wanted::Conditional(ask) => self.new_stop(account, ask, out),
            Wanted::Other(other) => self.serve(account, other, out),
        };
        self.settle(out);
        // The order may have changed while positions were settled (orphans, liquidation): answer what it is now.
        answer.map(|a| self.refresh(a))
    }

    /// Everything but new orders.
    fn serve(
        &mut self,
        account: AccountId,
        request: Request,
        out: &mut Vec<EngineEvent>,
    ) -> Result<Response, VenueError> {
        match request {
            Request::Modify(m) => self.modify_order(account, &m, out),
            Request::Cancel(symbol, which) => self.cancel_order(account, symbol, &which, out),
            Request::CancelAll(symbol) => self.cancel_all(account, symbol, out),
            Request::CancelStop(which) => self.cancel_stop(account, &which, out),
            Request::CancelAllStops(symbol) => self.cancel_all_stops(account, symbol, out),
            Request::SetLeverage(symbol, leverage) => self.set_leverage(account, symbol, leverage),
            Request::Countdown(symbol, ms) => self.set_countdown(account, symbol, ms),
            // Sorted out before.
            Request::NewOrder { .. }
            | Request::Place(_)
            | Request::NewStop { .. }
            | Request::NewConditional(_) => Ok(Response::Done),
        }
    }

    /// Lets market time pass: funding, countdowns, triggered stops becoming orders.
    pub fn advance(&mut self, now_ms: i64, out: &mut Vec<EngineEvent>) {
        self.pass_time(now_ms, out);
        self.settle(out);
    }

    /// Earliest market time (ms) at which [`Engine::advance`] has something to do.
    #[must_use]
    pub fn next_due_ms(&self) -> Option<i64> {
        self.next_due
    }

    fn refresh(&self, answer: Response) -> Response {
        match answer {
            Response::Order(o) => match self.orders.get(&o.order_id) {
                Some(now) => Response::Order(now.view()),
                None => Response::Order(o),
            },
            Response::Stop(s) => match self.stops.get(&s.algo_id) {
                Some(now) => Response::Stop(now.view()),
                None => Response::Stop(s),
            },
            Response::Done => Response::Done,
        }
    }

    fn check_account(&self, account: AccountId) -> Result<(), VenueError> {
        if (account.0 as usize) < self.accounts.len() {
            Ok(())
        } else {
            Err(refusal::no_account())
        }
    }

    fn spec(&self, symbol: SymbolId) -> Result<&SymbolSpec, VenueError> {
        self.config
            .symbols
            .get(usize::from(symbol.0))
            .ok_or_else(refusal::invalid_symbol)
    }

    fn market(&self, symbol: SymbolId) -> &Market {
        &self.markets[usize::from(symbol.0)]
    }

    fn market_mut(&mut self, symbol: SymbolId) -> &mut Market {
        &mut self.markets[usize::from(symbol.0)]
    }

    fn acct(&self, id: AccountId) -> &Account {
        &self.accounts[id.0 as usize]
    }

    fn account_mut(&mut self, id: AccountId) -> &mut Account {
        &mut self.accounts[id.0 as usize]
    }

    /// The filters and brackets of a symbol id that was checked on entry.
    fn listed(&self, symbol: SymbolId) -> &SymbolSpec {
        &self.config.symbols[usize::from(symbol.0)]
    }
}
