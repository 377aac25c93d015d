//! The state on disk: written whole, read whole, refused when it belongs to another market.
//!
//! Sources are deterministic, so a resumed venue runs its source forward to the saved moment and goes on from there; the
//! books, orders and accounts are the engine's own.

use super::config::{Ledger, LedgerPosition, VenueServerError};
use super::path::PathSource;
use super::venue::Venue;
use crate::engine::{Engine, LedgerKind, SymbolId};
use crate::market::MarketSource as _;
use helios_core::fixed::Money;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

const FILE: &str = "venue.json";
const VERSION: u32 = 1;

/// What is saved.
#[derive(Serialize, Deserialize)]
pub(super) struct Saved<E> {
    version: u32,
    label: String,
    /// Market time, ms.
    pub(super) now_ms: i64,
    /// Price shifts in force, ticks.
    pub(super) shifts: Vec<i64>,
    /// Balance of the first start.
    pub(super) initial_balance: Money,
    /// Realised profit by contract.
    pub(super) realised: BTreeMap<SymbolId, Money>,
    /// The exchange.
    pub(super) engine: E,
}

fn wrong(path: &Path, why: impl ToString) -> VenueServerError {
    VenueServerError::State {
        path: path.to_owned(),
        why: why.to_string(),
    }
}

/// Reads the state of a directory; `None` when there is none yet.
///
/// # Errors
/// [`VenueServerError::State`] when it is unreadable or belongs to another market.
pub(super) fn load(
    dir: &Path,
    source: &PathSource,
) -> Result<Option<Saved<Engine>>, VenueServerError> {
    let path = dir.join(FILE);
    let text = match fs::read(&path) {
        Ok(t) => t,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(wrong(&path, e)),
    };
    let saved: Saved<Engine> = serde_json::from_slice(&text)
        .map_err(|e| wrong(&path, format!("not a saved venue: {e}")))?;
    if saved.version != VERSION {
        return Err(wrong(
            &path,
            format!("version {} is not {VERSION}", saved.version),
        ));
    }
    if saved.label != source.label() || saved.engine.config().symbols != source.symbols() {
        return Err(wrong(
            &path,
            format!(
                "it belongs to another market ({}; this one is {}): use the same source and seed, or another directory",
                saved.label,
                source.label()
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
        let saved = Saved {
            version: VERSION,
            label: self.source.label(),
            now_ms: self.clock.now_ms(),
            shifts: self.source.shifts(),
            initial_balance: self.initial_balance,
            realised: self.realised.clone(),
            engine: &self.engine,
        };
        write(dir, &saved)
    }

    /// The venue's books of the account.
    pub(super) fn ledger(&self) -> Ledger {
        let mut out = Ledger {
            initial_balance: self.initial_balance,
            wallet: Money::ZERO,
            realised: Money::ZERO,
            fees: Money::ZERO,
            other: -self.initial_balance,
            fills: self.engine.user_trades(self.account, None).count() as u64,
            positions: Vec::new(),
        };
        for l in self.engine.ledger(self.account) {
            match l.kind {
                LedgerKind::RealizedPnl => out.realised += l.amount,
                LedgerKind::Commission => out.fees -= l.amount,
                _ => out.other += l.amount,
            }
            out.wallet = l.balance;
        }
        for p in self.engine.positions(self.account).unwrap_or_default() {
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
    let mut f = fs::File::create(&fresh).map_err(io)?;
    f.write_all(&text).map_err(io)?;
    f.sync_all().map_err(io)?;
    fs::rename(&fresh, &path).map_err(io)
}
