//! Who gets a symbol that several strategies wish: priority, then age, then name.
//!
//! One worker for one (account, symbol). A symbol with a position stays with the strategy that opened it until it is
//! flat, whatever the priorities; the loser gets its next symbol.

use crate::instrument::Symbol;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What one strategy wishes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// `namespace/name`.
    pub strategy: String,
    /// Higher wins.
    pub priority: i32,
    /// Older (smaller) wins among equals, venue ms.
    pub created_ms: i64,
    /// Symbols wanted at most.
    pub size: usize,
    /// Best first, longer than `size` where there is more to fall back on.
    pub preference: Vec<Symbol>,
}

/// Who got what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settlement {
    /// Wanted symbols by strategy, best first. Every claiming strategy has an entry.
    pub wanted: BTreeMap<String, Vec<Symbol>>,
    /// Symbols with a position whose owner does not want them (any more), or claims nothing, by owner.
    pub drained: BTreeMap<String, Vec<Symbol>>,
    /// Symbol and holder, by the strategy that would have had it (`SymbolTaken`).
    pub taken: BTreeMap<String, Vec<(Symbol, String)>>,
}

impl Settlement {
    /// The strategy that may add risk in a symbol.
    pub fn wanted_by(&self, symbol: &str) -> Option<&str> {
        self.wanted
            .iter()
            .find(|(_, v)| v.iter().any(|s| &**s == symbol))
            .map(|(k, _)| k.as_str())
    }

    /// Place of a symbol on its strategy's wanted list, 0 the best.
    pub fn place(&self, strategy: &str, symbol: &str) -> Option<usize> {
        self.wanted
            .get(strategy)?
            .iter()
            .position(|s| &**s == symbol)
    }
}

/// Settles claims. `held` are the symbols with a position and the strategy that owns each.
pub fn settle_claims(claims: &[Claim], held: &BTreeMap<Symbol, String>) -> Settlement {
    let mut order: Vec<&Claim> = claims.iter().collect();
    order.sort_by(|a, b| {
        b.priority
            .cmp(&a.priority)
            .then(a.created_ms.cmp(&b.created_ms))
            .then(a.strategy.cmp(&b.strategy))
    });
    let mut out = Settlement::default();
    let mut holder: BTreeMap<Symbol, String> = held.clone();
    for claim in order {
        let mut mine: Vec<Symbol> = Vec::new();
        let mut seen: BTreeSet<&Symbol> = BTreeSet::new();
        for symbol in &claim.preference {
            if mine.len() >= claim.size {
                break;
            }
            if !seen.insert(symbol) {
                continue;
            }
            match holder.get(symbol) {
                Some(h) if *h != claim.strategy => {
                    out.taken
                        .entry(claim.strategy.clone())
                        .or_default()
                        .push((symbol.clone(), h.clone()));
                }
                _ => {
                    holder.insert(symbol.clone(), claim.strategy.clone());
                    mine.push(symbol.clone());
                }
            }
        }
        out.wanted.insert(claim.strategy.clone(), mine);
    }
    for (symbol, owner) in held {
        let wanted = out.wanted.get(owner).is_some_and(|w| w.contains(symbol));
        if !wanted {
            out.drained
                .entry(owner.clone())
                .or_default()
                .push(symbol.clone());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn claim(name: &str, priority: i32, created_ms: i64, size: usize, symbols: &[&str]) -> Claim {
        Claim {
            strategy: name.into(),
            priority,
            created_ms,
            size,
            preference: symbols.iter().map(|s| (*s).into()).collect(),
        }
    }

    fn names(s: &Settlement, strategy: &str) -> Vec<String> {
        s.wanted[strategy].iter().map(|x| x.to_string()).collect()
    }

    #[test]
    fn priority_wins_then_age_then_name_and_the_loser_gets_its_next_symbol() {
        let held = BTreeMap::new();
        let s = settle_claims(
            &[
                claim("a/young", 0, 20, 2, &["BTC", "ETH", "SOL", "XRP"]),
                claim("a/old", 0, 10, 1, &["ETH", "BTC"]),
                claim("a/high", 5, 99, 1, &["BTC"]),
                claim("a/zz", 0, 20, 1, &["SOL", "XRP", "DOGE"]),
            ],
            &held,
        );
        assert_eq!(names(&s, "a/high"), ["BTC"]);
        assert_eq!(names(&s, "a/old"), ["ETH"]);
        assert_eq!(names(&s, "a/young"), ["SOL", "XRP"]);
        assert_eq!(names(&s, "a/zz"), ["DOGE"]);
        assert_eq!(s.taken["a/young"][0], ("BTC".into(), "a/high".to_string()));
        assert_eq!(s.wanted_by("DOGE"), Some("a/zz"));
        assert_eq!(s.place("a/young", "XRP"), Some(1));
    }

    #[test]
    fn a_symbol_with_a_position_stays_with_its_owner_whatever_the_priority_and_is_drained_when_unwanted()
     {
        let held: BTreeMap<Symbol, String> = [
            ("BTC".into(), "a/low".into()),
            ("ETH".into(), "a/low".into()),
        ]
        .into();
        let s = settle_claims(
            &[
                claim("a/low", 0, 1, 2, &["BTC", "SOL"]),
                claim("a/high", 9, 2, 1, &["ETH", "BTC", "XRP"]),
            ],
            &held,
        );
        assert_eq!(names(&s, "a/high"), ["XRP"]);
        assert_eq!(names(&s, "a/low"), ["BTC", "SOL"]);
        assert_eq!(s.drained["a/low"], ["ETH".into()]);
        let gone = settle_claims(&[], &held);
        assert_eq!(gone.drained["a/low"].len(), 2);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn no_symbol_is_ever_wanted_twice_and_sizes_hold(
            claims in prop::collection::vec((0i32..3, 0i64..3, 0usize..5, prop::collection::vec(0u8..8, 0..10)), 0..5),
            held in prop::collection::btree_map(0u8..8, 0usize..5, 0..5),
        ) {
            let claims: Vec<Claim> = claims.into_iter().enumerate().map(|(i, (p, c, size, pref))| Claim {
                strategy: format!("n/{i}"), priority: p, created_ms: c, size,
                preference: pref.iter().map(|s| format!("S{s}").as_str().into()).collect(),
            }).collect();
            let held: BTreeMap<Symbol, String> = held.into_iter()
                .map(|(s, o)| (format!("S{s}").as_str().into(), format!("n/{o}"))).collect();
            let s = settle_claims(&claims, &held);
            let mut all = BTreeSet::new();
            for c in &claims {
                prop_assert!(s.wanted[&c.strategy].len() <= c.size);
                for w in &s.wanted[&c.strategy] {
                    prop_assert!(all.insert(w.clone()), "{w} twice");
                    prop_assert!(held.get(w).is_none_or(|h| *h == c.strategy));
                }
            }
            let mut reversed = claims.clone();
            reversed.reverse();
            prop_assert_eq!(settle_claims(&reversed, &held), s);
        }
    }
}
