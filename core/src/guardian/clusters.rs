//! Symbols that move together: their risk counts as one.

use crate::instrument::Symbol;
use std::collections::{BTreeMap, BTreeSet};

/// Correlation at or above this makes a cluster.
const CLUSTER_CORRELATION: f64 = 0.7;

/// Symbols that move together.
#[derive(Clone, Debug, Default)]
pub(super) struct Clusters {
    root: BTreeMap<Symbol, Symbol>,
}

impl Clusters {
    /// Connected components of the pairs that correlate.
    pub fn of(pairs: &[(Symbol, Symbol, f64)]) -> Self {
        let mut c = Self::default();
        for (a, b, _) in pairs.iter().filter(|p| p.2 >= CLUSTER_CORRELATION) {
            let (ra, rb) = (c.root_of(a), c.root_of(b));
            let (to, from) = if ra <= rb { (ra, rb) } else { (rb, ra) };
            for s in [a, b] {
                c.root.entry(s.clone()).or_insert_with(|| s.clone());
            }
            for r in c.root.values_mut().filter(|r| **r == from) {
                *r = to.clone();
            }
        }
        c
    }

    fn root_of(&self, s: &Symbol) -> Symbol {
        self.root.get(s).unwrap_or(s).clone()
    }

    /// Every symbol in a cluster with `s`, itself not.
    pub fn mates(&self, s: &Symbol) -> BTreeSet<Symbol> {
        let Some(root) = self.root.get(s) else {
            return BTreeSet::new();
        };
        let mates = self.root.iter().filter(|(k, r)| *r == root && *k != s);
        mates.map(|(k, _)| k.clone()).collect()
    }
}
