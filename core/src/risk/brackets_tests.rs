#![allow(clippy::unwrap_used)]
use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// A continuous table from (width, ratio step in 1e-4, leverage) rows.
pub(crate) fn table(rows: &[(i64, i64, u32)]) -> Vec<Bracket> {
    let (mut floor, mut ratio, mut cum) = (Decimal::ZERO, Decimal::ZERO, Decimal::ZERO);
    rows.iter()
        .enumerate()
        .map(|(i, &(width, step, leverage))| {
            let next = ratio + Decimal::new(step, 4);
            if i > 0 {
                cum += floor * (next - ratio);
            }
            ratio = next;
            let b = Bracket {
                notional_floor: floor,
                notional_cap: floor + Decimal::from(width),
                maint_margin_ratio: ratio,
                cum,
                initial_leverage: leverage,
            };
            floor = b.notional_cap;
            b
        })
        .collect()
}

/// The exchange's tables as recorded, by symbol; `None` (said aloud) where the data is not at hand.
pub(crate) fn recorded() -> Option<BTreeMap<String, Vec<Bracket>>> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../shared/data/brackets/freqtrade_binance_leverage_tiers_2024-10-24.json"
    );
    let Ok(text) = std::fs::read_to_string(path) else {
        eprintln!("SKIPPED: no recorded brackets at {path}");
        return None;
    };
    let doc: BTreeMap<String, Vec<serde_json::Value>> = serde_json::from_str(&text).unwrap();
    let field = |v: &serde_json::Value, k: &str| -> Decimal {
        let s = v["info"][k].as_str().unwrap();
        Decimal::from_str_exact(s)
            .or_else(|_| Decimal::from_scientific(s))
            .unwrap()
            .normalize()
    };
    Some(
        doc.into_iter()
            .map(|(symbol, rows)| {
                let rows = rows
                    .iter()
                    .map(|r| Bracket {
                        notional_floor: field(r, "notionalFloor"),
                        notional_cap: field(r, "notionalCap"),
                        maint_margin_ratio: field(r, "maintMarginRatio"),
                        cum: field(r, "cum"),
                        initial_leverage: field(r, "initialLeverage").try_into().unwrap(),
                    })
                    .collect();
                (symbol, rows)
            })
            .collect(),
    )
}

#[test]
fn all_recorded_brackets_are_valid_continuous_and_monotone() {
    let Some(tables) = recorded() else { return };
    let mut n = 0;
    for (symbol, b) in &tables {
        validate(b).unwrap_or_else(|e| panic!("{symbol}: {e}"));
        n += b.len();
        for pair in b.windows(2) {
            let edge = pair[0].notional_cap;
            let below = maintenance_margin(b, edge).unwrap();
            let above = edge * pair[1].maint_margin_ratio - pair[1].cum;
            assert_eq!(below, above, "{symbol} at {edge}");
            let cent = Decimal::new(1, 2);
            assert!(maintenance_margin(b, edge - cent).unwrap() < below);
            assert!(maintenance_margin(b, edge + cent).unwrap() > below);
            assert_eq!(bracket_for(b, edge), Some(&pair[0]), "the cap is inclusive");
            assert_eq!(bracket_for(b, edge + cent), Some(&pair[1]));
        }
    }
    assert_eq!((tables.len(), n), (349, 2805));
}

#[test]
fn a_leverage_allows_the_cap_of_the_last_bracket_that_carries_it() {
    let b = table(&[(5_000, 40, 125), (45_000, 10, 100), (450_000, 50, 50)]);
    assert_eq!(max_notional(&b, 125), Decimal::from(5_000));
    assert_eq!(max_notional(&b, 101), Decimal::from(5_000));
    assert_eq!(max_notional(&b, 10), Decimal::from(500_000));
    assert_eq!(max_notional(&b, 126), Decimal::ZERO);
    assert_eq!(max_notional(&[], 1), Decimal::ZERO);
    assert_eq!(maintenance_margin(&[], Decimal::ONE), None);
}

#[test]
fn every_kind_of_broken_table_is_refused() {
    let good = table(&[(5_000, 40, 125), (45_000, 10, 100)]);
    assert_eq!(validate(&good), Ok(()));
    assert_eq!(validate(&[]), Err(BracketError::Empty));
    let mut b = good.clone();
    b[1].notional_floor += Decimal::ONE;
    assert!(matches!(
        validate(&b),
        Err(BracketError::Gap { index: 1, .. })
    ));
    let mut b = good.clone();
    b[1].cum += Decimal::new(1, 8);
    assert!(matches!(
        validate(&b),
        Err(BracketError::Cum { index: 1, .. })
    ));
    let mut b = good.clone();
    b[0].cum = Decimal::ONE;
    assert!(matches!(
        validate(&b),
        Err(BracketError::Cum { index: 0, .. })
    ));
    let mut b = good.clone();
    b[1].maint_margin_ratio = Decimal::new(1, 4);
    assert!(matches!(
        validate(&b),
        Err(BracketError::Ratio { index: 1, .. })
    ));
    let mut b = good;
    b[1].initial_leverage = 126;
    assert!(matches!(
        validate(&b),
        Err(BracketError::Ratio { index: 1, .. })
    ));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn maintenance_margin_rises_with_notional_and_never_reaches_it(
        rows in prop::collection::vec((1i64..1_000_000, 1i64..300, 1u32..=1), 1..8),
        a in 0i64..10_000_000, more in 1i64..1_000_000,
    ) {
        let b = table(&rows);
        prop_assert_eq!(validate(&b), Ok(()));
        let (a, c) = (Decimal::new(a, 2), Decimal::new(a + more, 2));
        let (low, high) = (maintenance_margin(&b, a).unwrap(), maintenance_margin(&b, c).unwrap());
        prop_assert!(low < high && low >= Decimal::ZERO);
        prop_assert!(high < c);
    }
}
