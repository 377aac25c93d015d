//! An account: wallet, positions, and the ledger in which every change of the wallet stands with its reason.
//!
//! Cost basis: a position carries Σ price × quantity of what is open, exactly. Reducing it takes the cost in proportion,
//! rounded to 8 decimals, and the last lot takes whatever is left: over any flat-to-flat trip Σ realised is exactly
//! Σ sold − Σ bought. The wallet never changes except by [`Account::book`].

use super::types::{AccountId, SymbolId};
use helios_core::fixed::{Money, Side};
use helios_core::instrument::Instrument;
use helios_core::order::{ClientId, TradeFill};
use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Decimals of money booked to a wallet.
pub const MONEY_DECIMALS: u32 = 8;

/// Rounds an amount to what a wallet can hold, half away from zero.
#[must_use]
pub fn round_money(m: Money) -> Money {
    m.round_dp_with_strategy(MONEY_DECIMALS, RoundingStrategy::MidpointAwayFromZero)
}

/// Why a wallet changed (`incomeType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LedgerKind {
    /// Deposit or withdrawal.
    Transfer,
    /// Profit or loss of a reduced position, before fees.
    RealizedPnl,
    /// Trading fee, negative.
    Commission,
    /// Funding paid (negative) or received.
    FundingFee,
    /// Liquidation fee (negative), or the insurance fund covering a bankrupt wallet (positive).
    InsuranceClear,
}

impl LedgerKind {
    /// The exchange's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Transfer => "TRANSFER",
            Self::RealizedPnl => "REALIZED_PNL",
            Self::Commission => "COMMISSION",
            Self::FundingFee => "FUNDING_FEE",
            Self::InsuranceClear => "INSURANCE_CLEAR",
        }
    }
}

/// One change of a wallet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerEntry {
    /// `tranId`, unique in the account.
    pub id: u64,
    /// Venue time, ms.
    pub time_ms: i64,
    /// Reason.
    pub kind: LedgerKind,
    /// Contract, when it is about one.
    pub symbol: Option<SymbolId>,
    /// Signed amount.
    pub amount: Money,
    /// Wallet after it.
    pub balance: Money,
    /// Trade it belongs to.
    pub trade_id: Option<u64>,
}

/// One fill of an account (`userTrades`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserTrade {
    /// Contract.
    pub symbol: SymbolId,
    /// Venue order id.
    pub order_id: u64,
    /// Client id of the order.
    pub client_id: ClientId,
    /// Direction.
    pub side: Side,
    /// Venue time, ms.
    pub time_ms: i64,
    /// The fill.
    pub fill: TradeFill,
}

impl LedgerEntry {
    /// What it is of fees paid: of trading, and of being liquidated.
    #[must_use]
    pub fn fee(&self) -> Money {
        let cost = match self.kind {
            LedgerKind::Commission => true,
            // The other way round the insurance fund pays.
            LedgerKind::InsuranceClear => self.amount < Money::ZERO,
            _ => false,
        };
        if cost { -self.amount } else { Money::ZERO }
    }
}

/// What is open in one contract.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position {
    /// Signed lots.
    pub qty: i64,
    /// Σ price × quantity of the open lots, never negative.
    pub cost: Money,
    pub update_ms: i64,
}

impl Position {
    /// Adds a fill; what it realised.
    pub fn apply(&mut self, inst: &Instrument, side: Side, price: i64, lots: i64) -> Money {
        let signed = lots * side.sign();
        let unit = Decimal::from(price) * inst.tick * inst.step;
        let mut realised = Money::ZERO;
        let mut open = lots;
        if self.qty != 0 && (self.qty > 0) != (signed > 0) {
            let held = self.qty.abs();
            let closed = lots.min(held);
            open = lots - closed;
            let part = if closed == held {
                self.cost
            } else {
                round_money(self.cost * Decimal::from(closed) / Decimal::from(held))
            };
            self.cost -= part;
            realised = (unit * Decimal::from(closed) - part) * Decimal::from(self.qty.signum());
        }
        self.cost += unit * Decimal::from(open);
        self.qty += signed;
        realised
    }

    /// Average entry, 0 when flat.
    pub fn entry_price(&self, inst: &Instrument) -> Decimal {
        let size = Decimal::from(self.qty.abs()) * inst.step;
        self.cost
            .checked_div(size)
            .map_or(Decimal::ZERO, |p| p.round_dp(12).normalize())
    }

    /// |quantity| × mark.
    pub fn notional(&self, inst: &Instrument, mark: Decimal) -> Money {
        Decimal::from(self.qty.abs()) * inst.step * mark
    }

    /// Profit at a mark price, before fees.
    pub fn unrealised(&self, inst: &Instrument, mark: Decimal) -> Money {
        (self.notional(inst, mark) - self.cost) * Decimal::from(self.qty.signum())
    }
}

/// One contract of one account.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct AccountSymbol {
    pub position: Position,
    pub leverage: u32,
    /// Open plain orders.
    pub open: BTreeSet<u64>,
    /// Every plain order, oldest first.
    pub orders: Vec<u64>,
    /// Latest plain order under a client id; an open one is always the latest.
    pub by_client: BTreeMap<ClientId, u64>,
    /// When `countdownCancelAll` strikes, ms.
    pub countdown: Option<i64>,
}

/// An account.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Account {
    pub id: AccountId,
    pub wallet: Money,
    pub symbols: Vec<AccountSymbol>,
    /// Latest conditional order under a client id.
    pub stop_by_client: BTreeMap<ClientId, u64>,
    /// Working and triggering conditional orders.
    pub open_stops: BTreeSet<u64>,
    /// Every conditional order, oldest first.
    pub stops: Vec<u64>,
    pub ledger: Vec<LedgerEntry>,
    pub trades: Vec<UserTrade>,
    /// MARGIN_CALL was sent and the account has not recovered since.
    pub margin_called: bool,
}

impl Account {
    /// The only way a wallet changes. Amounts of zero leave no trace.
    pub fn book(
        &mut self,
        time_ms: i64,
        kind: LedgerKind,
        symbol: Option<SymbolId>,
        amount: Money,
        trade_id: Option<u64>,
    ) {
        if amount.is_zero() {
            return;
        }
        self.wallet += amount;
        self.ledger.push(LedgerEntry {
            id: self.ledger.len() as u64 + 1,
            time_ms,
            kind,
            symbol,
            amount,
            balance: self.wallet,
            trade_id,
        });
    }

    pub fn at(&self, symbol: SymbolId) -> &AccountSymbol {
        &self.symbols[usize::from(symbol.0)]
    }

    pub fn at_mut(&mut self, symbol: SymbolId) -> &mut AccountSymbol {
        &mut self.symbols[usize::from(symbol.0)]
    }
}
