//! The state on disk: written whole, read whole, refused when it belongs to another market.
//!
//! Sources are deterministic, so a resumed venue runs its source forward to the saved moment and goes on from there; the
//! books, orders and accounts are the engine's own.

use super::accounts::{Account, SavedAccount};
use super::config::{Ledger, LedgerPosition, VenueServerError};
use super::path::PathSource;
use super::venue::Venue;
use crate::engine::{AccountId, Engine, LedgerKind, SymbolId};
use crate::market::{GeneratorConfig, MarketSource as _};
use helios_core::fixed::Money;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

const FILE: &str = "venue.json";
const VERSION: u32 = 2;
/// One account, without its listen key; read still.
const VERSION_ONE_ACCOUNT: u32 = 1;

/// What is saved.
#[derive(Serialize, Deserialize)]
pub(super) struct Saved<E> {
    version: u32,
    label: String,
    /// Where its market began, ms. Version 1 did not say: as every generated market then.
    #[serde(default = "first_start")]
    start_ms: i64,
    /// Market time kept in step with the system's clock.
    #[serde(default)]
    in_step: bool,
    /// Market time, ms.
    pub(super) now_ms: i64,
    /// Price shifts in force, ticks.
    pub(super) shifts: Vec<i64>,
    /// The accounts, in the engine's order.
    #[serde(default)]
    pub(super) accounts: Vec<SavedAccount>,
    /// The exchange.
    pub(super) engine: E,
    /// Version 1: balance of the first start of the one account.
    #[serde(default, skip_serializing)]
    initial_balance: Option<Money>,
    /// Version 1: its realised profit by contract.
    #[serde(default, skip_serializing)]
    realised: BTreeMap<SymbolId, Money>,
}

const fn first_start() -> i64 {
    GeneratorConfig::START_MS
}

fn wrong(path: &Path, why: impl ToString) -> VenueServerError {
    VenueServerError::State {
        path: path.to_owned(),
        why: why.to_string(),
    }
}

fn text(path: &Path) -> Result<Option<Vec<u8>>, VenueServerError> {
    match fs::read(path) {
        Ok(t) => Ok(Some(t)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(wrong(path, e)),
    }
}

/// How the market of a saved state began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct SavedStart {
    /// Its first moment, ms. A generated market must be made with this start to go on from that state.
    #[serde(default = "first_start")]
    pub start_ms: i64,
    /// Its time kept in step with the system's clock when it was saved.
    #[serde(default)]
    pub in_step: bool,
}

/// How the market of the state in a directory began; `None` when there is no state yet.
///
/// # Errors
/// [`VenueServerError::State`] when the file is unreadable.
pub fn saved_start(dir: &Path) -> Result<Option<SavedStart>, VenueServerError> {
    let path = dir.join(FILE);
    let Some(text) = text(&path)? else {
        return Ok(None);
    };
    let start = serde_json::from_slice(&text)
        .map_err(|e| wrong(&path, format!("not a saved venue: {e}")))?;
    Ok(Some(start))
}

/// Reads the state of a directory; `None` when there is none yet. A state of version 1 has its one account under the name
/// `first`.
///
/// # Errors
/// [`VenueServerError::State`] when it is unreadable or belongs to another market.
pub(super) fn load(
    dir: &Path,
    source: &PathSource,
    first: &str,
) -> Result<Option<Saved<Engine>>, VenueServerError> {
    let path = dir.join(FILE);
    let Some(text) = text(&path)? else {
        return Ok(None);
    };
    let mut saved: Saved<Engine> = serde_json::from_slice(&text)
        .map_err(|e| wrong(&path, format!("not a saved venue: {e}")))?;
    if ![VERSION, VERSION_ONE_ACCOUNT].contains(&saved.version) {
        return Err(wrong(
            &path,
            format!(
                "version {} is neither {VERSION} nor {VERSION_ONE_ACCOUNT}",
                saved.version
            ),
        ));
    }
    if saved.label != source.label() || saved.engine.config().symbols != source.symbols() {
        return Err(wrong(
            &path,
            format!(
                "it belongs to another market ({}; this one is {}): use the same source, seed and start, or another directory",
                saved.label,
                source.label()
            ),
        ));
    }
    if saved.version == VERSION_ONE_ACCOUNT {
        let initial_balance = saved
            .initial_balance
            .ok_or_else(|| wrong(&path, "not a saved venue: it has no initial_balance"))?;
        saved.accounts = vec![SavedAccount {
            realised: std::mem::take(&mut saved.realised),
            ..SavedAccount::new(first.to_owned(), initial_balance)
        }];
    }
    let accounts = saved.engine.accounts().count();
    if saved.accounts.len() != accounts {
        return Err(wrong(
            &path,
            format!(
                "not a saved venue: {} accounts of {accounts} are told of",
                saved.accounts.len()
            ),
        ));
    }
    Ok(Some(saved))
}

impl Venue {
    /// Writes the state, if a directory is configured.
    pub(super) fn save(&self) -> Result<(), VenueServerError> {
        let Some(dir) = &self.state_dir else {
            return Ok(());
        };
        // A venue that is started again on it is a sound one.
        let engine = self.engine.sound();
        let saved = Saved {
            version: VERSION,
            label: self.source.label(),
            now_ms: self.clock.now_ms(),
            shifts: self.source.shifts(),
            start_ms: self.source.start_ms(),
            in_step: self.clock.is_in_step(),
            accounts: self.accounts.iter().map(Account::saved).collect(),
            engine: &*engine,
            initial_balance: None,
            realised: BTreeMap::new(),
        };
        write(dir, &saved)
    }

    /// The venue's books of an account.
    pub(super) fn ledger(&self, account: AccountId) -> Ledger {
        let initial_balance = self.accounts.of(account).initial_balance;
        let mut out = Ledger {
            initial_balance,
            wallet: Money::ZERO,
            realised: Money::ZERO,
            fees: Money::ZERO,
            other: -initial_balance,
            fills: self.engine.user_trades(account, None).count() as u64,
            positions: Vec::new(),
        };
        for l in self.engine.ledger(account) {
            match l.kind {
                LedgerKind::RealizedPnl => out.realised += l.amount,
                _ if !l.fee().is_zero() => out.fees += l.fee(),
                _ => out.other += l.amount,
            }
            out.wallet = l.balance;
        }
        for p in self.engine.positions(account).unwrap_or_default() {
            let spec = self.engine.config().symbols.get(usize::from(p.symbol.0));
            if let Some(spec) = spec {
                out.positions.push(LedgerPosition {
                    symbol: spec.instrument.symbol.to_string(),
                    qty: spec.instrument.qty_dec(p.qty),
                    entry_price: p.entry_price,
                    unrealised: p.unrealised,
                });
            }
        }
        out
    }
}

fn write<E: Serialize>(dir: &Path, saved: &Saved<E>) -> Result<(), VenueServerError> {
    let path: PathBuf = dir.join(FILE);
    let io = |e: std::io::Error| wrong(&path, e);
    fs::create_dir_all(dir).map_err(io)?;
    let text = serde_json::to_vec(saved).map_err(|e| wrong(&path, e))?;
    // Whole or not at all: a new file beside the old one takes its name.
    let fresh = dir.join(format!("{FILE}.new"));
    // Listen keys are in it.
    let mut open = fs::OpenOptions::new();
    open.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut open, 0o600);
    let mut f = open.open(&fresh).map_err(io)?;
    f.write_all(&text).map_err(io)?;
    f.sync_all().map_err(io)?;
    fs::rename(&fresh, &path).map_err(io)
}
