//! What key and account may do and how they are set: the reads that a start is decided by, and listenKeys' end.

use super::{Auth, Call, Lane, RestClient, wire};
use crate::error::ApiError;
use crate::sign::Query;
use helios_core::fixed::Money;
use helios_core::instrument::Symbol;
use reqwest::Method;
use std::collections::BTreeMap;

/// `accountConfig`: modes of the whole account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountConfig {
    /// Orders are taken at all.
    pub can_trade: bool,
    /// Hedge mode, which Helios refuses.
    pub hedge: bool,
    /// Multi-assets mode, which Helios refuses.
    pub multi_assets: bool,
    /// Fee tier.
    pub fee_tier: u32,
}

/// `apiRestrictions`: what the key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyRights {
    /// Bound to a list of addresses.
    pub ip_restricted: bool,
    /// May trade futures.
    pub futures: bool,
    /// May withdraw: a key that trades must not.
    pub withdrawals: bool,
    /// May move money between the account's wallets.
    pub internal_transfer: bool,
}

/// A balance of one asset in the futures wallet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balance {
    /// Asset.
    pub asset: String,
    /// Wallet balance.
    pub wallet: Money,
    /// Available for orders.
    pub available: Money,
}

impl RestClient {
    /// Modes of the account (weight 5).
    ///
    /// # Errors
    /// [`ApiError`] when there is no readable answer.
    pub async fn account_config(&self) -> Result<AccountConfig, ApiError> {
        let call = Call::get("accountConfig", "/fapi/v1/accountConfig", 5).auth(self.read_auth());
        let r: wire::AccountConfig = self.read(call).await?;
        Ok(AccountConfig {
            can_trade: r.can_trade,
            hedge: r.dual_side_position,
            multi_assets: r.multi_assets_margin,
            fee_tier: u32::try_from(r.fee_tier.0).unwrap_or(0),
        })
    }

    /// Balances of all assets (weight 5).
    ///
    /// # Errors
    /// [`ApiError`] when there is no readable answer.
    pub async fn balances(&self) -> Result<Vec<Balance>, ApiError> {
        let call = Call::get("balance", "/fapi/v3/balance", 5).auth(self.read_auth());
        let rows: Vec<wire::Balance> = self.read(call).await?;
        Ok(rows.into_iter().map(balance).collect())
    }

    /// What the key may do. It is asked at the wallet's address, which has limits of its own; `None` where there is none.
    ///
    /// # Errors
    /// [`ApiError`] when there is no readable answer.
    pub async fn key_rights(&self) -> Result<Option<KeyRights>, ApiError> {
        let Some(wallet) = &self.0.endpoints.wallet else {
            return Ok(None);
        };
        let call = Call::get("apiRestrictions", "/sapi/v1/account/apiRestrictions", 0)
            .auth(self.read_auth());
        let body = self
            .send_to(wallet, &call, self.0.config.read_timeout)
            .await
            .body?;
        let r: wire::ApiRestrictions = super::decode(call.what, &body)?;
        Ok(Some(KeyRights {
            ip_restricted: r.ip_restrict,
            futures: r.enable_futures,
            withdrawals: r.enable_withdrawals,
            internal_transfer: r.enable_internal_transfer,
        }))
    }

    /// True when fees are paid in BNB while there is some (weight 30).
    ///
    /// # Errors
    /// [`ApiError`] when there is no readable answer.
    pub async fn fee_burn(&self) -> Result<bool, ApiError> {
        let call = Call::get("feeBurn", "/fapi/v1/feeBurn", 30).auth(self.read_auth());
        let r: wire::FeeBurn = self.read(call).await?;
        Ok(r.fee_burn)
    }

    /// Pays fees in BNB, or no longer.
    ///
    /// # Errors
    /// [`ApiError`] when it was refused or there is no answer.
    pub async fn set_fee_burn(&self, on: bool) -> Result<(), ApiError> {
        let call = Call::get("feeBurn", "/fapi/v1/feeBurn", 1)
            .method(Method::POST)
            .query(Query::new().with("feeBurn", on))
            .auth(self.read_auth());
        self.read_body(call).await.map(|_| ())
    }

    /// Where positions stand in the queue of auto-deleveraging, 0 (last) to 4 (first) (weight 5).
    ///
    /// # Errors
    /// [`ApiError`] when there is no readable answer.
    pub async fn adl_quantiles(&self) -> Result<BTreeMap<Symbol, u32>, ApiError> {
        let call = Call::get("adlQuantile", "/fapi/v1/adlQuantile", 5)
            .auth(self.read_auth())
            .lane(Lane::Background);
        let rows: Vec<wire::AdlQuantile> = self.read(call).await?;
        Ok(rows
            .into_iter()
            .filter_map(|r| {
                let worst = r.adl_quantile.values().map(|q| q.0).max()?;
                Some((r.symbol.as_str().into(), u32::try_from(worst).unwrap_or(4)))
            })
            .collect())
    }

    /// Ends the account's listenKey, for everybody who listens on it: for tools that tried one, never for a shell.
    ///
    /// # Errors
    /// [`ApiError`] when it was refused or there is no answer.
    pub async fn close_listen_key(&self) -> Result<(), ApiError> {
        let call = Call::get("listenKey", "/fapi/v1/listenKey", 1)
            .method(Method::DELETE)
            .auth(Auth::Key);
        self.read_body(call).await.map(|_| ())
    }
}

fn balance(r: wire::Balance) -> Balance {
    Balance {
        asset: r.asset,
        wallet: r.balance.0,
        available: r.available_balance.0,
    }
}
