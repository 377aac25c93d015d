#![allow(clippy::unwrap_used)]
use super::*;
use proptest::prelude::*;

const NOW: i64 = 1_700_000_000_000;

fn candidate(name: &str, volatility_bp: f64) -> Candidate {
    Candidate {
        symbol: name.into(),
        status: ContractStatus::Trading,
        kind: ContractKind::Perpetual,
        quote_asset: "USDT".into(),
        volatility_bp,
        spread_bp: 1.0,
        taker_fee_bp: 5.0,
        quote_volume: 100e6,
        depth_20bp: Some(500e3),
        onboard_ms: Some(NOW - 100 * DAY_MS),
        delivery_ms: Some(4_133_404_800_000),
    }
}

fn params(size: usize) -> RankParams {
    RankParams::from(&WatchlistParams {
        size: size as u32,
        rescan_interval_seconds: 300,
        quote_asset: "USDT".into(),
        include: vec![],
        exclude: vec![],
        symbols: vec![],
    })
}

fn ranked(c: &[Candidate], p: &RankParams, current: &[&str], position: &[&str]) -> Ranking {
    let current: Vec<Symbol> = current.iter().map(|s| (*s).into()).collect();
    let position: BTreeSet<Symbol> = position.iter().map(|s| (*s).into()).collect();
    rank(c, p, NOW, &current, &position)
}

fn verdict(r: &Ranking, name: &str) -> Verdict {
    r.entries
        .iter()
        .find(|e| &*e.symbol == name)
        .unwrap()
        .verdict
}

#[test]
fn the_best_by_volatility_against_cost_and_liquidity_are_chosen_with_their_numbers() {
    let thin = Candidate {
        depth_20bp: Some(1e3),
        ..candidate("THIN", 90.0)
    };
    let dear = Candidate {
        spread_bp: 40.0,
        ..candidate("DEAR", 60.0)
    };
    let r = ranked(
        &[candidate("A", 30.0), dear, thin, candidate("B", 50.0)],
        &params(2),
        &[],
        &[],
    );
    assert_eq!(r.wanted(), ["B".into(), "A".into()]);
    let b = &r.entries[0];
    assert!((b.cost_bp - 12.0).abs() < 1e-9);
    assert!((b.liquidity - 500.0 / 550.0 * 100.0 / 120.0).abs() < 1e-9);
    assert!((b.score - 50.0 / 12.0 * b.liquidity).abs() < 1e-9);
    assert_eq!(verdict(&r, "THIN"), Verdict::Below);
}

#[test]
fn a_rescan_with_slightly_better_newcomers_keeps_the_incumbents() {
    let c = [candidate("OLD", 50.0), candidate("NEW", 60.0)];
    let r = ranked(&c, &params(1), &["OLD"], &[]);
    assert_eq!(r.wanted(), ["OLD".into()]);
    assert_eq!(verdict(&r, "OLD"), Verdict::Kept);
    let c = [candidate("OLD", 50.0), candidate("NEW", 63.0)];
    assert_eq!(
        ranked(&c, &params(1), &["OLD"], &[]).wanted(),
        ["NEW".into()]
    );
}

#[test]
fn a_symbol_with_a_position_is_drained_not_dropped() {
    let c = [candidate("A", 90.0), candidate("B", 10.0)];
    let r = ranked(&c, &params(1), &["B"], &["B", "GONE"]);
    assert_eq!(r.wanted(), ["A".into()]);
    assert_eq!(r.drained(), ["B".into(), "GONE".into()]);
    assert_eq!(r.preference(), ["A".into()]);
}

#[test]
fn new_delisting_halted_and_session_contracts_are_skipped_each_with_its_reason() {
    let base = |n: &str| candidate(n, 50.0);
    let c = [
        Candidate {
            onboard_ms: Some(NOW - 13 * DAY_MS),
            ..base("YOUNG")
        },
        Candidate {
            onboard_ms: None,
            ..base("AGELESS")
        },
        Candidate {
            delivery_ms: Some(NOW + 6 * DAY_MS),
            ..base("LEAVING")
        },
        Candidate {
            status: ContractStatus::Ending,
            ..base("SETTLING")
        },
        Candidate {
            status: ContractStatus::Pending,
            ..base("PENDING")
        },
        Candidate {
            kind: ContractKind::TradFi,
            ..base("TSLA")
        },
        Candidate {
            kind: ContractKind::Other,
            ..base("DATED")
        },
        Candidate {
            quote_asset: "USDC".into(),
            ..base("BTCUSDC")
        },
        Candidate {
            volatility_bp: f64::NAN,
            ..base("NAN")
        },
        Candidate {
            quote_volume: 0.0,
            ..base("DEAD")
        },
        base("OUT"),
    ];
    let mut p = params(20);
    p.exclude = vec!["OUT".into()];
    let r = ranked(&c, &p, &[], &[]);
    assert!(r.wanted().is_empty());
    for (name, reason) in [
        ("YOUNG", SkipReason::NewListing),
        ("AGELESS", SkipReason::NewListing),
        ("LEAVING", SkipReason::Delisting),
        ("SETTLING", SkipReason::Delisting),
        ("PENDING", SkipReason::NotTrading),
        ("TSLA", SkipReason::TradFi),
        ("DATED", SkipReason::Delisting),
        ("BTCUSDC", SkipReason::QuoteAsset),
        ("NAN", SkipReason::Unknown),
        ("DEAD", SkipReason::Unknown),
        ("OUT", SkipReason::Excluded),
    ] {
        assert_eq!(verdict(&r, name), Verdict::Skipped(reason), "{name}");
    }
}

#[test]
fn included_symbols_come_first_and_fixed_symbols_replace_the_ranking() {
    let young = Candidate {
        onboard_ms: Some(NOW),
        ..candidate("YOUNG", 5.0)
    };
    let c = [candidate("A", 90.0), candidate("B", 10.0), young];
    let mut p = params(2);
    p.include = vec!["YOUNG".into(), "NOWHERE".into()];
    let r = ranked(&c, &p, &[], &[]);
    assert_eq!(r.wanted(), ["YOUNG".into(), "A".into()]);
    assert_eq!(
        verdict(&r, "NOWHERE"),
        Verdict::Skipped(SkipReason::Unknown)
    );
    p.symbols = vec!["B".into(), "B".into(), "A".into(), "YOUNG".into()];
    let r = ranked(&c, &p, &[], &[]);
    assert_eq!(r.preference(), ["B".into(), "A".into(), "YOUNG".into()]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn a_rescan_of_the_same_market_changes_nothing_and_every_position_has_a_place(
        rows in prop::collection::vec((0u8..20, 0.0f64..200.0, 0.0f64..30.0, prop::option::of(0.0f64..1e6)), 0..20),
        size in 0usize..8, position in prop::collection::btree_set(0u8..25, 0..4),
    ) {
        let c: Vec<Candidate> = rows.into_iter().map(|(i, v, s, d)| Candidate {
            spread_bp: s, depth_20bp: d, ..candidate(&format!("S{i}"), v)
        }).collect();
        let position: BTreeSet<Symbol> = position.into_iter().map(|i| format!("S{i}").as_str().into()).collect();
        let once = rank(&c, &params(size), NOW, &[], &position);
        let twice = rank(&c, &params(size), NOW, &once.wanted(), &position);
        prop_assert_eq!(once.wanted(), twice.wanted());
        prop_assert!(once.wanted().len() <= size);
        for p in &position {
            prop_assert!(once.wanted().contains(p) || once.drained().contains(p));
        }
        let names: BTreeSet<&Symbol> = once.entries.iter().map(|e| &e.symbol).collect();
        prop_assert_eq!(names.len(), once.entries.len());
    }
}

#[test]
fn a_named_symbol_that_the_scan_did_not_look_at_closely_is_wanted_and_a_dead_one_is_not() {
    let unread = |name: &str| Candidate {
        volatility_bp: f64::NAN,
        depth_20bp: None,
        ..candidate(name, 1.0)
    };
    let c = [
        unread("FAR"),
        Candidate {
            spread_bp: f64::NAN,
            ..unread("ONESIDED")
        },
        Candidate {
            quote_volume: 0.0,
            ..unread("DEAD")
        },
    ];
    let mut p = params(5);
    p.symbols = vec!["FAR".into(), "ONESIDED".into(), "DEAD".into()];
    let r = ranked(&c, &p, &[], &[]);
    assert_eq!(r.wanted(), ["FAR".into()]);
    p.symbols.clear();
    assert!(ranked(&c, &p, &[], &[]).wanted().is_empty());
}
