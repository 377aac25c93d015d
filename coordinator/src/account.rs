//! The account's own inputs: contracts, user stream, marks of the symbols that matter.

use helios_binance::error::ApiError;
use helios_binance::instruments::Instruments;
use helios_binance::rest::{Owners, RestClient};
use helios_core::guardian::GuardianEvent;
use helios_core::instrument::{FeeRates, Symbol, SymbolInfo};
use helios_core::messages::AccountSnapshot;
use std::collections::{BTreeMap, BTreeSet};

/// Contracts that the account can be guarded on: filters, brackets, fees, leverage.
#[derive(Clone, Debug, Default)]
pub(crate) struct Contracts {
    /// By symbol.
    pub(crate) infos: BTreeMap<Symbol, SymbolInfo>,
    /// Their grids, shared with the streams.
    pub(crate) instruments: Instruments,
    /// The account's own fees (of the first tradable contract: the exchange's tiers are the account's).
    pub(crate) fees: Option<FeeRates>,
}

impl Contracts {
    /// Reads all tradable perpetual contracts with their brackets. Three requests, whatever their number.
    pub(crate) async fn load(rest: &RestClient) -> Result<Self, ApiError> {
        let info = rest.exchange_info().await?;
        let mut brackets = rest.leverage_brackets(None).await?;
        let mut all = Self::default();
        for c in info
            .contracts
            .into_iter()
            .filter(helios_binance::rest::ListedContract::is_tradable_perpetual)
        {
            let symbol = c.instrument.symbol.clone();
            let Some(brackets) = brackets.remove(&symbol).filter(|b| !b.is_empty()) else {
                tracing::debug!(%symbol, "no leverage brackets: not guarded, not traded");
                continue;
            };
            let fees = match all.fees {
                Some(f) => f,
                None => *all.fees.insert(rest.commission_rate(&symbol).await?),
            };
            // The worker sets the leverage; what the guardian reckons with are the brackets.
            let leverage = brackets.first().map_or(1, |b| b.initial_leverage);
            all.instruments.insert(c.instrument.clone());
            all.infos.insert(
                symbol,
                SymbolInfo {
                    instrument: c.instrument,
                    brackets,
                    fees,
                    leverage,
                },
            );
        }
        Ok(all)
    }
}

/// Symbols whose marks the guardian needs: wanted, drained or with a position.
pub(crate) fn symbols_that_matter(s: &AccountSnapshot) -> BTreeSet<Symbol> {
    let lists = s.wanted.values().chain(s.drained.values()).flatten();
    lists
        .chain(s.positions.keys())
        .map(|n| Symbol::from(n.as_str()))
        .collect()
}

/// A whole read of the account, as the guardian hears it.
pub(crate) async fn read(
    rest: &RestClient,
    instruments: &Instruments,
    owners: &Owners,
    asked_at: u64,
) -> GuardianEvent {
    match rest.account_state(instruments, owners).await {
        Ok(state) => {
            if !state.unknown_symbols.is_empty() {
                tracing::error!(symbols = ?state.unknown_symbols, "positions or orders in contracts that can't be guarded");
            }
            state.event(asked_at)
        }
        Err(e) => {
            tracing::warn!(error = %e, "account not read");
            GuardianEvent::ReconcileFailed { asked_at }
        }
    }
}
