//! How much there is of everything.

use anyhow::{Context, Result, ensure};

/// Symbols of a strategy.
const SYMBOLS: usize = 10;
/// Strategies of an account: 500 symbols, about what an exchange lists.
const STRATEGIES: usize = 50;
/// What `make bench` measures.
const USUAL: usize = 2000;

#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Accounts.
    pub accounts: usize,
    /// Strategies of each.
    pub strategies: usize,
    /// Symbols of each strategy.
    pub symbols: usize,
}

impl Size {
    /// As HELIOS_BENCH_SYMBOLS says.
    pub fn asked() -> Result<Self> {
        let symbols = match std::env::var("HELIOS_BENCH_SYMBOLS") {
            Ok(n) => n.parse().context("HELIOS_BENCH_SYMBOLS")?,
            Err(_) => USUAL,
        };
        let strategies = symbols / SYMBOLS;
        let accounts = strategies.div_ceil(STRATEGIES).max(1);
        let size = Self {
            accounts,
            strategies: strategies / accounts,
            symbols: SYMBOLS,
        };
        ensure!(
            symbols > 0 && size.all_symbols() == symbols,
            "HELIOS_BENCH_SYMBOLS={symbols}: a multiple of 10, and of 500 from 500 on"
        );
        Ok(size)
    }

    pub const fn all_strategies(self) -> usize {
        self.accounts * self.strategies
    }

    pub const fn all_symbols(self) -> usize {
        self.all_strategies() * self.symbols
    }

    /// More than a bench of minutes has time for.
    pub const fn is_large(self) -> bool {
        self.all_symbols() > USUAL
    }

    /// Fake nodes: as many as Kubernetes would want for so many pods (110 each is its limit).
    pub const fn nodes(self) -> usize {
        let nodes = self.all_symbols() / 100;
        if nodes < 4 { 4 } else { nodes }
    }
}
