//! The contracts known to this process, shared by everything that turns the exchange's decimals into ticks and lots.

use helios_core::instrument::{Instrument, Symbol};
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

/// A shared, growing map of instruments by symbol. Clones see the same map.
#[derive(Clone, Debug, Default)]
pub struct Instruments(Arc<RwLock<BTreeMap<Symbol, Arc<Instrument>>>>);

impl Instruments {
    /// None known.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds or replaces one.
    pub fn insert(&self, instrument: Instrument) {
        let mut map = self.0.write().unwrap_or_else(PoisonError::into_inner);
        map.insert(instrument.symbol.clone(), Arc::new(instrument));
    }

    /// The instrument of a symbol as the exchange spells it.
    pub fn get(&self, symbol: &str) -> Option<Arc<Instrument>> {
        let map = self.0.read().unwrap_or_else(PoisonError::into_inner);
        map.get(symbol).cloned()
    }

    /// All symbols known, in order.
    pub fn symbols(&self) -> Vec<Symbol> {
        let map = self.0.read().unwrap_or_else(PoisonError::into_inner);
        map.keys().cloned().collect()
    }
}

impl FromIterator<Instrument> for Instruments {
    fn from_iter<I: IntoIterator<Item = Instrument>>(iter: I) -> Self {
        let all = Self::new();
        for i in iter {
            all.insert(i);
        }
        all
    }
}
