//! Signed reads of the account and its settings; listenKeys.

use super::{Auth, Call, Lane, RestClient, wire};
use crate::error::{ApiError, CODE_NO_CHANGE};
use crate::sign::Query;
use helios_core::fixed::Money;
use helios_core::instrument::{Bracket, FeeRates, Instrument, Symbol, SymbolInfo};
use helios_core::order::Refusal;
use reqwest::Method;
use rust_decimal::Decimal;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The account's money in the margin asset; `None` is unknown, never zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountInfo {
    /// Wallet balance.
    pub wallet: Option<Money>,
    /// Cross wallet balance.
    pub cross_wallet: Option<Money>,
    /// Available balance.
    pub available: Option<Money>,
    /// The exchange's own total maintenance margin.
    pub maint_margin: Money,
    /// The exchange's own total margin balance.
    pub margin_balance: Money,
}

/// One row of `positionRisk`, in decimals (no grid needed).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PositionRisk {
    /// Contract.
    pub symbol: Symbol,
    /// Signed quantity, base asset.
    pub amount: Decimal,
    /// Average entry.
    pub entry_price: Decimal,
    /// Mark price.
    pub mark_price: Option<Decimal>,
    /// The exchange's liquidation price; `None` when it states none.
    pub liquidation_price: Option<Decimal>,
    /// Maintenance margin.
    pub maint_margin: Option<Decimal>,
    pub(crate) row: Arc<wire::PositionRisk>,
}

/// `symbolConfig` of one contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SymbolConfig {
    /// Contract.
    pub symbol: Symbol,
    /// Isolated margin in force.
    pub isolated: bool,
    /// Initial leverage in force.
    pub leverage: u32,
}

/// A row of the income history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Income {
    /// Contract, if it is about one.
    pub symbol: Option<Symbol>,
    /// `TRANSFER`, `REALIZED_PNL`, `FUNDING_FEE`, `COMMISSION`, ...
    pub kind: String,
    /// Signed amount.
    pub amount: Money,
    /// Its asset.
    pub asset: String,
    /// Venue ms.
    pub time_ms: i64,
    /// Transaction id, unique within a kind.
    pub id: u64,
}

impl RestClient {
    /// Balances and margin (weight 5).
    ///
    /// # Errors
    /// [`ApiError`] when there is no readable answer.
    pub async fn account(&self) -> Result<AccountInfo, ApiError> {
        let call = Call::get("account", "/fapi/v3/account", 5).auth(self.read_auth());
        let w: wire::Account = self.read(call).await?;
        Ok(account_info(w, &self.0.config.margin_asset))
    }

    /// Positions: of one symbol, or of all that have a position or open orders (weight 5).
    ///
    /// # Errors
    /// [`ApiError`] when there is no readable answer, or the account is in hedge mode.
    pub async fn positions(&self, symbol: Option<&str>) -> Result<Vec<PositionRisk>, ApiError> {
        let call = Call::get("positionRisk", "/fapi/v3/positionRisk", 5)
            .query(Query::new().with_opt("symbol", symbol))
            .auth(self.read_auth());
        let rows: Vec<wire::PositionRisk> = self.read(call).await?;
        positions(rows)
    }

    /// Leverage brackets of one symbol or of all, ascending (weight 1).
    ///
    /// # Errors
    /// [`ApiError`] when there is no readable answer.
    pub async fn leverage_brackets(
        &self,
        symbol: Option<&str>,
    ) -> Result<BTreeMap<Symbol, Vec<Bracket>>, ApiError> {
        let call = Call::get("leverageBracket", "/fapi/v1/leverageBracket", 1)
            .query(Query::new().with_opt("symbol", symbol))
            .auth(self.read_auth());
        // With a symbol the exchange has answered one object as well as a list of one.
        let v: serde_json::Value = self.read(call).await?;
        let list = match v {
            v @ serde_json::Value::Array(_) => v,
            one => serde_json::Value::Array(vec![one]),
        };
        let rows: Vec<wire::SymbolBrackets> =
            serde_json::from_value(list).map_err(|e| ApiError::Decode {
                what: "leverageBracket",
                why: e.to_string(),
            })?;
        Ok(rows.into_iter().map(brackets).collect())
    }

    /// Own fee rates of a symbol (weight 20).
    ///
    /// # Errors
    /// [`ApiError`] when there is no readable answer.
    pub async fn commission_rate(&self, symbol: &str) -> Result<FeeRates, ApiError> {
        let call = Call::get("commissionRate", "/fapi/v1/commissionRate", 20)
            .query(Query::new().with("symbol", symbol))
            .auth(self.read_auth());
        let r: wire::CommissionRate = self.read(call).await?;
        Ok(FeeRates {
            maker: r.maker_commission_rate.0,
            taker: r.taker_commission_rate.0,
        })
    }

    /// Margin type and leverage in force (weight 5).
    ///
    /// # Errors
    /// [`ApiError`] when there is no readable answer.
    pub async fn symbol_config(&self, symbol: &str) -> Result<Vec<SymbolConfig>, ApiError> {
        let call = Call::get("symbolConfig", "/fapi/v1/symbolConfig", 5)
            .query(Query::new().with("symbol", symbol))
            .auth(self.read_auth());
        let rows: Vec<wire::SymbolConfig> = self.read(call).await?;
        Ok(rows
            .into_iter()
            .map(|r| SymbolConfig {
                symbol: r.symbol.as_str().into(),
                isolated: r.margin_type.eq_ignore_ascii_case("isolated"),
                leverage: u32::try_from(r.leverage.0).unwrap_or(0),
            })
            .collect())
    }

    /// Sets the initial leverage; answers what is in force.
    ///
    /// # Errors
    /// [`ApiError`] when it was refused or there is no readable answer.
    pub async fn set_leverage(&self, symbol: &str, leverage: u32) -> Result<u32, ApiError> {
        let call = self.setting("leverage", "/fapi/v1/leverage").query(
            Query::new()
                .with("symbol", symbol)
                .with("leverage", leverage),
        );
        let r: wire::Leverage = self.read(call).await?;
        Ok(u32::try_from(r.leverage.0).unwrap_or(0))
    }

    /// Everything static a trader must know of its contract; sets the initial leverage first when one is given (weight 27).
    ///
    /// # Errors
    /// [`ApiError`] of the first call that failed, or when there are no brackets: unknown, so not tradable.
    pub async fn symbol_info(
        &self,
        instrument: &Instrument,
        leverage: Option<u32>,
    ) -> Result<SymbolInfo, ApiError> {
        let symbol = &instrument.symbol;
        let leverage = match leverage {
            Some(wanted) => self.set_leverage(symbol, wanted).await?,
            None => {
                let rows = self.symbol_config(symbol).await?;
                let row = rows.iter().find(|c| c.symbol == *symbol);
                row.map_or(0, |c| c.leverage)
            }
        };
        let (mut brackets, fees) = tokio::try_join!(
            self.leverage_brackets(Some(symbol)),
            self.commission_rate(symbol)
        )?;
        let brackets = brackets.remove(symbol).unwrap_or_default();
        if brackets.is_empty() || leverage == 0 {
            return Err(ApiError::Decode {
                what: "symbol_info",
                why: format!("{symbol}: brackets or leverage are missing"),
            });
        }
        Ok(SymbolInfo {
            instrument: instrument.clone(),
            brackets,
            fees,
            leverage,
        })
    }

    /// Sets cross margin; already cross is fine.
    ///
    /// # Errors
    /// [`ApiError`] when it was refused (open orders or a position stand in the way) or there is no answer.
    pub async fn set_cross_margin(&self, symbol: &str) -> Result<(), ApiError> {
        let call = self.setting("marginType", "/fapi/v1/marginType").query(
            Query::new()
                .with("symbol", symbol)
                .with("marginType", "CROSSED"),
        );
        match self.read_body(call).await {
            Ok(_) => Ok(()),
            Err(e) if e.code().is_some_and(|c| CODE_NO_CHANGE.contains(&c)) => Ok(()),
            Err(e) => Err(e),
        }
    }

    /// True in hedge mode (which Helios refuses).
    ///
    /// # Errors
    /// [`ApiError`] when there is no readable answer.
    pub async fn position_mode_is_hedge(&self) -> Result<bool, ApiError> {
        let call =
            Call::get("positionSide/dual", "/fapi/v1/positionSide/dual", 30).auth(self.read_auth());
        let r: wire::PositionMode = self.read(call).await?;
        Ok(r.dual_side_position)
    }

    /// True in multi-assets mode (which Helios refuses).
    ///
    /// # Errors
    /// [`ApiError`] when there is no readable answer.
    pub async fn multi_assets_mode(&self) -> Result<bool, ApiError> {
        let call =
            Call::get("multiAssetsMargin", "/fapi/v1/multiAssetsMargin", 30).auth(self.read_auth());
        let r: wire::MultiAssets = self.read(call).await?;
        Ok(r.multi_assets_margin)
    }

    /// Income since `start_ms`, oldest first, at most 1000 rows; `kind` e.g. `TRANSFER` (weight 30).
    ///
    /// # Errors
    /// [`ApiError`] when there is no readable answer.
    pub async fn income(&self, kind: Option<&str>, start_ms: i64) -> Result<Vec<Income>, ApiError> {
        let call = Call::get("income", "/fapi/v1/income", 30)
            .query(
                Query::new()
                    .with_opt("incomeType", kind)
                    .with("startTime", start_ms)
                    .with("limit", 1_000),
            )
            .auth(self.read_auth())
            .lane(Lane::Background);
        let rows: Vec<wire::Income> = self.read(call).await?;
        Ok(rows.into_iter().map(income).collect())
    }

    /// The account's listenKey: the active one (extended) or a new one.
    ///
    /// # Errors
    /// [`ApiError`] when there is no readable answer.
    pub async fn create_listen_key(&self) -> Result<String, ApiError> {
        let call = Call::get("listenKey", "/fapi/v1/listenKey", 1)
            .method(Method::POST)
            .auth(Auth::Key)
            .lane(Lane::Exit);
        let k: wire::ListenKey = self.read(call).await?;
        Ok(k.listen_key)
    }

    /// Extends the listenKey by an hour; [`crate::error::CODE_LISTEN_KEY`] means that it is gone.
    ///
    /// # Errors
    /// [`ApiError`] when it was refused or there is no answer.
    pub async fn keepalive_listen_key(&self) -> Result<(), ApiError> {
        let call = Call::get("listenKey", "/fapi/v1/listenKey", 1)
            .method(Method::PUT)
            .auth(Auth::Key)
            .lane(Lane::Exit);
        self.read_body(call).await.map(|_| ())
    }

    fn setting(&self, what: &'static str, path: &'static str) -> Call {
        Call::get(what, path, 1)
            .method(Method::POST)
            .auth(self.read_auth())
    }
}

impl ApiError {
    /// True when a keepalive found its listenKey gone.
    pub fn is_listen_key_gone(&self) -> bool {
        matches!(
            self.refusal(),
            Some(Refusal::Other {
                code: crate::error::CODE_LISTEN_KEY,
                ..
            })
        )
    }
}

pub(super) fn account_info(w: wire::Account, asset: &str) -> AccountInfo {
    let row = w.assets.iter().find(|a| a.asset == asset);
    AccountInfo {
        wallet: row.map(|a| a.wallet_balance.0),
        cross_wallet: row.map(|a| a.cross_wallet_balance.0),
        available: row.map(|a| a.available_balance.0),
        maint_margin: w.total_maint_margin.0,
        margin_balance: w.total_margin_balance.0,
    }
}

pub(super) fn positions(rows: Vec<wire::PositionRisk>) -> Result<Vec<PositionRisk>, ApiError> {
    let positive = |d: Option<wire::Dec>| d.map(|d| d.0).filter(|d| *d > Decimal::ZERO);
    rows.into_iter()
        .map(|r| {
            if !r.position_amt.0.is_zero() && !matches!(r.position_side.as_str(), "BOTH" | "") {
                return Err(ApiError::Decode {
                    what: "positionRisk",
                    why: format!("{} is held in hedge mode ({})", r.symbol, r.position_side),
                });
            }
            Ok(PositionRisk {
                symbol: r.symbol.as_str().into(),
                amount: r.position_amt.0,
                entry_price: r.entry_price.0,
                mark_price: positive(r.mark_price),
                liquidation_price: positive(r.liquidation_price),
                maint_margin: r.maint_margin.map(|d| d.0),
                row: Arc::new(r),
            })
        })
        .collect()
}

pub(super) fn brackets(r: wire::SymbolBrackets) -> (Symbol, Vec<Bracket>) {
    let mut list: Vec<Bracket> = r
        .brackets
        .iter()
        .map(|b| Bracket {
            notional_floor: b.notional_floor.0,
            notional_cap: b.notional_cap.0,
            maint_margin_ratio: b.maint_margin_ratio.0,
            cum: b.cum.0,
            initial_leverage: u32::try_from(b.initial_leverage.0).unwrap_or(0),
        })
        .collect();
    list.sort_by_key(|b| b.notional_floor);
    (r.symbol.as_str().into(), list)
}

fn income(r: wire::Income) -> Income {
    Income {
        symbol: r
            .symbol
            .filter(|s| !s.is_empty())
            .map(|s| s.as_str().into()),
        kind: r.income_type,
        amount: r.income.0,
        asset: r.asset,
        time_ms: r.time,
        id: r.tran_id.map_or(0, |i| i.0),
    }
}
