//! Before the first event: what the exchange says of the contract, and the startup assertions on the account's modes.

use helios_binance::error::ApiError;
use helios_binance::rest::RestClient;
use helios_core::instrument::SymbolInfo;

/// Why a symbol can't be traded now. All of it is "no trading for this symbol", never a reason to stop another.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A read failed.
    #[error("{symbol}: {source}")]
    Api {
        /// Contract.
        symbol: String,
        /// What failed.
        source: ApiError,
    },
    /// The exchange does not list it as tradable.
    #[error("{symbol} is not listed as a tradable perpetual contract: take it off the watchlist")]
    NotTradable {
        /// Contract.
        symbol: String,
    },
    /// The account is in a mode that the risk model does not cover.
    #[error("the account is in {mode} mode: switch it off at the exchange while flat")]
    Mode {
        /// "hedge" or "multi-assets".
        mode: &'static str,
    },
    /// Isolated margin, with a position or orders that keep it from being changed.
    #[error(
        "{symbol} is on isolated margin and not flat: close its position and orders, or switch it to cross margin at the exchange"
    )]
    Isolated {
        /// Contract.
        symbol: String,
    },
    /// The exchange has no brackets for it, so margin can't be reckoned.
    #[error("{symbol}: no leverage brackets: margin is unknown, so it can't be traded")]
    NoBrackets {
        /// Contract.
        symbol: String,
    },
}

/// Reads filters, brackets and fees, asserts one-way and single-asset mode, and sets cross margin and the wanted leverage.
/// Both are changed only while flat: a position keeps what it was opened under, isolated margin refuses.
///
/// # Errors
/// [`SetupError`], in words that say what to do.
pub async fn load_symbol(
    rest: &RestClient,
    symbol: &str,
    leverage: u32,
) -> Result<SymbolInfo, SetupError> {
    let api = |source| SetupError::Api {
        symbol: symbol.into(),
        source,
    };
    let info = rest.exchange_info().await.map_err(api)?;
    let contract = info
        .contracts
        .into_iter()
        .find(|c| &*c.instrument.symbol == symbol && c.is_tradable_perpetual());
    let contract = contract.ok_or_else(|| SetupError::NotTradable {
        symbol: symbol.into(),
    })?;
    if rest.position_mode_is_hedge().await.map_err(api)? {
        return Err(SetupError::Mode { mode: "hedge" });
    }
    if rest.multi_assets_mode().await.map_err(api)? {
        return Err(SetupError::Mode {
            mode: "multi-assets",
        });
    }
    let mut brackets = rest.leverage_brackets(Some(symbol)).await.map_err(api)?;
    let brackets = brackets.remove(symbol).filter(|b| !b.is_empty());
    let brackets = brackets.ok_or_else(|| SetupError::NoBrackets {
        symbol: symbol.into(),
    })?;
    let fees = rest.commission_rate(symbol).await.map_err(api)?;
    let config = rest.symbol_config(symbol).await.map_err(api)?;
    let config = config.into_iter().next();
    let held = rest.positions(Some(symbol)).await.map_err(api)?;
    let flat = held.iter().all(|p| p.amount.is_zero());
    if config.as_ref().is_some_and(|c| c.isolated) {
        if !flat {
            return Err(SetupError::Isolated {
                symbol: symbol.into(),
            });
        }
        tracing::info!(symbol, "isolated margin: switched to cross");
        match rest.set_cross_margin(symbol).await {
            Ok(()) => {}
            // Open orders, or a position of this moment, stand in the way.
            Err(e) if matches!(e.code(), Some(-4047 | -4048)) => {
                return Err(SetupError::Isolated {
                    symbol: symbol.into(),
                });
            }
            Err(e) => return Err(api(e)),
        }
    }
    let in_force = config.map_or(0, |c| c.leverage);
    let highest = brackets.first().map_or(1, |b| b.initial_leverage);
    let wanted = leverage.min(highest);
    let leverage = if in_force == wanted {
        in_force
    } else if !flat && in_force > 0 {
        tracing::warn!(
            symbol,
            in_force,
            wanted,
            "leverage stays as it is while there is a position"
        );
        in_force
    } else {
        match rest.set_leverage(symbol, wanted).await {
            Ok(l) => l,
            Err(e) if in_force > 0 => {
                tracing::warn!(symbol, error = %e, in_force, wanted, "leverage stays as it is");
                in_force
            }
            Err(e) => return Err(api(e)),
        }
    };
    Ok(SymbolInfo {
        instrument: contract.instrument,
        brackets,
        fees,
        leverage,
    })
}
