//! The accounts of a venue: who they are, with which keys they sign, and what the server keeps of each beside the engine.

use super::audit::Audit;
use super::config::{ApiCredentials, VenueServerError};
use super::limits::OrderCount;
use super::sign;
use crate::engine::{AccountId, SymbolId};
use ed25519_dalek::VerifyingKey;
use helios_core::fixed::Money;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Name of the one account of a venue that was given none.
pub const DEFAULT_ACCOUNT: &str = "default";

/// An account as a venue is told of it.
#[derive(Clone, Debug)]
pub struct AccountConfig {
    /// Its name at the administration port and in the saved state; no two are alike.
    pub name: String,
    /// Keys that trade for it, one or more.
    pub keys: Vec<ApiKey>,
    /// Wallet at its beginning, quote asset. A loaded state that knows the account overrides it.
    pub balance: Decimal,
    /// What `GET /sapi/v1/account/apiRestrictions` says of its keys.
    pub restrictions: ApiRestrictions,
}

/// What the exchange says of a key's permissions. It is told, not enforced: a simulated key may always trade futures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[allow(clippy::struct_excessive_bools)]
pub struct ApiRestrictions {
    /// Only listed addresses may use the key.
    pub ip_restrict: bool,
    /// When the key was made, ms.
    pub create_time: i64,
    /// It may read.
    pub enable_reading: bool,
    /// It may withdraw.
    pub enable_withdrawals: bool,
    /// It may transfer between the owner's accounts.
    pub enable_internal_transfer: bool,
    /// It may trade futures.
    pub enable_futures: bool,
    /// It may transfer between the owner's wallets.
    pub permits_universal_transfer: bool,
    /// It may trade options.
    pub enable_vanilla_options: bool,
    /// It may borrow.
    pub enable_margin: bool,
    /// It may trade spot.
    pub enable_spot_and_margin_trading: bool,
}

impl Default for ApiRestrictions {
    fn default() -> Self {
        Self {
            ip_restrict: false,
            create_time: 1_700_000_000_000,
            enable_reading: true,
            enable_withdrawals: false,
            enable_internal_transfer: false,
            enable_futures: true,
            permits_universal_transfer: false,
            enable_vanilla_options: false,
            enable_margin: false,
            enable_spot_and_margin_trading: false,
        }
    }
}

/// A key and how its requests are checked. `Debug` shows neither secret nor key.
#[derive(Clone)]
pub struct ApiKey {
    key: String,
    check: Check,
}

#[derive(Clone)]
enum Check {
    Hmac(String),
    Ed25519(Box<VerifyingKey>),
}

impl std::fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.check {
            Check::Hmac(_) => "ApiKey(HMAC, …)",
            Check::Ed25519(_) => "ApiKey(Ed25519, …)",
        })
    }
}

impl ApiKey {
    /// A key whose requests are signed with a secret by HMAC-SHA256.
    pub fn hmac(key: impl Into<String>, secret: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            check: Check::Hmac(secret.into()),
        }
    }

    /// A key whose requests are signed with the private key to this public one: PEM (`BEGIN PUBLIC KEY`), or base64 of its
    /// DER or of its 32 bytes.
    ///
    /// # Errors
    /// [`VenueServerError::BadAccount`] when that is no Ed25519 public key.
    pub fn ed25519(key: impl Into<String>, public: &str) -> Result<Self, VenueServerError> {
        let key = key.into();
        match sign::public_key(public) {
            Some(k) => Ok(Self {
                key,
                check: Check::Ed25519(Box::new(k)),
            }),
            None => Err(VenueServerError::BadAccount {
                why: "a public key is no Ed25519 key: write PEM (BEGIN PUBLIC KEY) or base64 of it"
                    .into(),
            }),
        }
    }

    /// What is sent in `X-MBX-APIKEY`.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The key with its secret, where it has one.
    pub(super) fn credentials(&self) -> Option<ApiCredentials> {
        match &self.check {
            Check::Hmac(secret) => Some(ApiCredentials {
                key: self.key.clone(),
                secret: secret.clone(),
            }),
            Check::Ed25519(_) => None,
        }
    }

    /// It signs by Ed25519.
    pub(super) const fn is_ed25519(&self) -> bool {
        matches!(self.check, Check::Ed25519(_))
    }

    /// True when `signature` (hex of an HMAC, base64 of an Ed25519 one) is this key's over `payload`.
    pub(super) fn verifies(&self, payload: &[u8], signature: &str) -> bool {
        match &self.check {
            Check::Hmac(secret) => sign::verify(secret, payload, signature),
            Check::Ed25519(public) => sign::verify_ed25519(public, payload, signature),
        }
    }
}

impl From<ApiCredentials> for ApiKey {
    fn from(c: ApiCredentials) -> Self {
        Self::hmac(c.key, c.secret)
    }
}

/// An active listen key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ListenKey {
    /// The key.
    pub(super) key: String,
    /// When it expires, market ms.
    pub(super) until_ms: i64,
}

/// One account as the server keeps it.
pub(super) struct Account {
    /// Its place in the engine.
    pub(super) id: AccountId,
    pub(super) name: String,
    pub(super) keys: Vec<ApiKey>,
    /// Wallet at its beginning.
    pub(super) initial_balance: Money,
    pub(super) listen_key: Option<ListenKey>,
    /// Wallet as last seen by the user stream.
    pub(super) seen_wallet: Money,
    /// Realised profit by contract.
    pub(super) realised: BTreeMap<SymbolId, Money>,
    /// Orders of the running windows.
    pub(super) orders: OrderCount,
    pub(super) audit: Audit,
    pub(super) restrictions: ApiRestrictions,
    /// Fees are wanted in BNB.
    pub(super) fee_burn: bool,
}

/// What is saved of an account.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct SavedAccount {
    pub(super) name: String,
    pub(super) initial_balance: Money,
    #[serde(default)]
    pub(super) realised: BTreeMap<SymbolId, Money>,
    #[serde(default)]
    pub(super) listen_key: Option<ListenKey>,
    #[serde(default)]
    pub(super) fee_burn: bool,
}

impl SavedAccount {
    /// An account at its beginning.
    pub(super) fn new(name: String, initial_balance: Money) -> Self {
        Self {
            name,
            initial_balance,
            realised: BTreeMap::new(),
            listen_key: None,
            fee_burn: false,
        }
    }
}

impl Account {
    /// An account as it was saved, without keys.
    pub(super) fn restored(id: AccountId, s: SavedAccount, orders: OrderCount) -> Self {
        Self {
            id,
            name: s.name,
            keys: Vec::new(),
            initial_balance: s.initial_balance,
            listen_key: s.listen_key,
            seen_wallet: Money::ZERO,
            realised: s.realised,
            orders,
            audit: Audit::default(),
            restrictions: ApiRestrictions::default(),
            fee_burn: s.fee_burn,
        }
    }

    /// What is saved of it.
    pub(super) fn saved(&self) -> SavedAccount {
        SavedAccount {
            name: self.name.clone(),
            initial_balance: self.initial_balance,
            realised: self.realised.clone(),
            listen_key: self.listen_key.clone(),
            fee_burn: self.fee_burn,
        }
    }
}

/// The accounts by their place in the engine; there is one at least.
#[derive(Default)]
pub(super) struct Accounts(Vec<Account>);

impl Accounts {
    /// Adds the account of the next place.
    pub(super) fn push(&mut self, a: Account) {
        self.0.push(a);
    }

    /// An account.
    pub(super) fn of(&self, id: AccountId) -> &Account {
        &self.0[id.0 as usize]
    }

    /// An account, to be changed.
    pub(super) fn of_mut(&mut self, id: AccountId) -> &mut Account {
        &mut self.0[id.0 as usize]
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Account> {
        self.0.iter()
    }

    /// All of them, to be changed.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Account> {
        self.0.iter_mut()
    }

    /// The account of a name.
    pub(super) fn named(&self, name: &str) -> Option<&Account> {
        self.0.iter().find(|a| a.name == name)
    }

    /// Whose key this is, and how it signs.
    pub(super) fn owner(&self, key: &str) -> Option<(AccountId, &ApiKey)> {
        let own = |a: &&Account| a.keys.iter().any(|k| k.key == key);
        let a = self.0.iter().find(own)?;
        Some((a.id, a.keys.iter().find(|k| k.key == key)?))
    }
}

/// Refuses accounts that can't be told apart, have no key, or begin with a debt.
///
/// # Errors
/// [`VenueServerError::BadAccount`].
pub(super) fn check(accounts: &[AccountConfig]) -> Result<(), VenueServerError> {
    let bad = |why: String| Err(VenueServerError::BadAccount { why });
    for (i, a) in accounts.iter().enumerate() {
        let name = &a.name;
        if name.is_empty() || accounts[..i].iter().any(|b| b.name == *name) {
            return bad(format!("account {name:?}: its name is empty or used twice"));
        }
        if a.keys.is_empty() {
            return bad(format!("account {name}: it has no key"));
        }
        if a.balance < Decimal::ZERO {
            return bad(format!("account {name}: its balance is below zero"));
        }
        for k in &a.keys {
            let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
            if k.key.is_empty() || !k.key.bytes().all(plain) {
                return bad(format!(
                    "account {name}: a key must be letters and digits, at least one"
                ));
            }
            let uses = accounts[..=i].iter().flat_map(|b| &b.keys);
            if uses.filter(|o| o.key == k.key).count() > 1 {
                return bad(format!("account {name}: one of its keys is there twice"));
            }
        }
    }
    Ok(())
}
