//! Which positions a strategy leaves behind that is to go, and whether they are closed first. Pure.
//!
//! The same symbols that the planner would release: those that the snapshot lists for the strategy, wanted or drained, and
//! that hold something.

use crate::manifests::Objects;
use helios_core::instrument::Symbol;
use helios_core::messages::AccountSnapshot;
use helios_crds::{HeliosStrategy, OnDelete};
use std::collections::BTreeSet;

/// A strategy that goes is left with its stops, whatever onDelete says.
const SKIP_FLATTEN: &str = "helios.trading/skip-flatten";

/// Symbols with a position of a strategy that goes and is to be flattened first.
pub(super) fn to_flatten(objects: &Objects, s: &AccountSnapshot) -> BTreeSet<Symbol> {
    let skips = |h: &HeliosStrategy| {
        let asked = h.metadata.annotations.get(SKIP_FLATTEN);
        asked.is_some_and(|v| v == "true")
    };
    let going = objects.strategies.iter().filter(|(_, c)| {
        c.deleting && c.object.spec.on_delete == OnDelete::Flatten && !skips(&c.object)
    });
    let of_it = |name: &String| {
        let lists = [&s.wanted, &s.drained];
        let all = lists.into_iter().filter_map(move |l| l.get(name));
        all.flatten().cloned().collect::<Vec<String>>()
    };
    going
        .flat_map(|(name, _)| of_it(name))
        .filter(|symbol| s.positions.get(symbol).is_some_and(|q| !q.is_zero()))
        .map(Symbol::from)
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use helios_crds::manifest;
    use rust_decimal::Decimal;

    fn objects(strategy: &str) -> Objects {
        let text = format!(
            "apiVersion: helios.trading/v1alpha1\nkind: HeliosAccount\nmetadata: {{name: a}}\nspec: {{venue: Simulated}}\n---\n\
apiVersion: helios.trading/v1alpha1\nkind: HeliosStrategy\n{strategy}\n"
        );
        let mut o = Objects::default();
        o.accept(&manifest::parse(&[("f.yaml".into(), text)]).unwrap(), true);
        o
    }

    const PLAIN: &str = "metadata: {name: s}\nspec: {accountRef: {name: a}}";

    fn snapshot() -> AccountSnapshot {
        let mut s = AccountSnapshot::default();
        let list = |all: &[&str]| all.iter().map(|x| (*x).to_string()).collect::<Vec<_>>();
        s.wanted.insert("default/s".into(), list(&["FLAT", "LONG"]));
        s.drained.insert("default/s".into(), list(&["SHORT"]));
        s.wanted.insert("default/other".into(), list(&["OTHERS"]));
        for (symbol, qty) in [("LONG", 1), ("SHORT", -1), ("OTHERS", 1), ("FOREIGN", 1)] {
            s.positions.insert(symbol.into(), Decimal::from(qty));
        }
        s.positions.insert("FLAT".into(), Decimal::ZERO);
        s
    }

    fn going(strategy: &str) -> Vec<String> {
        let mut o = objects(strategy);
        o.strategies.get_mut("default/s").unwrap().deleting = true;
        let all = to_flatten(&o, &snapshot());
        all.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_strategy_that_goes_leaves_none_of_its_own_positions_and_touches_no_others() {
        assert!(to_flatten(&objects(PLAIN), &snapshot()).is_empty());
        assert_eq!(going(PLAIN), ["LONG", "SHORT"]);
    }

    #[test]
    fn who_asks_for_protection_instead_gets_it() {
        let keep = "metadata: {name: s}\nspec: {accountRef: {name: a}, onDelete: KeepProtected}";
        assert!(going(keep).is_empty());
        let skip = |v: &str| {
            format!(
                "metadata: {{name: s, annotations: {{helios.trading/skip-flatten: {v}}}}}\nspec: {{accountRef: {{name: a}}}}"
            )
        };
        assert!(going(&skip("'true'")).is_empty());
        assert_eq!(going(&skip("'false'")).len(), 2);
    }
}
