#![allow(clippy::unwrap_used)]
use super::*;
use crate::risk::brackets::tests::table;
use proptest::prelude::*;

fn d(s: &str) -> Decimal {
    Decimal::from_str_exact(s).unwrap()
}

#[test]
fn belief_ends_at_ten_to_the_fifteen() {
    assert_eq!(BELIEF, Decimal::from(1_000_000_000_000_000i64));
}

#[test]
fn a_flat_account_has_a_ratio_of_one_hundred_and_an_exchange_ratio_of_zero() {
    let m = Margin::of(d("10000"), &[]).unwrap();
    assert_eq!((m.ratio(), m.exchange_ratio()), (HUNDRED, Decimal::ZERO));
}

#[test]
fn the_ratio_is_the_uniform_adverse_move_that_liquidates() {
    // Long 2 at 100, short 3 at 50: gross 350, maintenance 0.4 % of it = 1.4.
    let b = table(&[(1_000_000, 40, 125)]);
    let at = |long: &str, short: &str| {
        let p = |qty: &str, entry: &str, mark: &str| CrossPosition {
            qty: d(qty),
            entry: d(entry),
            mark: d(mark),
            brackets: &b,
        };
        Margin::of(d("106.4"), &[p("2", "100", long), p("-3", "50", short)]).unwrap()
    };
    let m = at("100", "50");
    assert_eq!(m.maintenance, d("1.4"));
    assert_eq!(m.ratio(), d("30"));
    let moved = at("70", "65");
    assert_eq!(
        moved.balance,
        d("1.4"),
        "a move of 30 % against both leaves what maintenance was"
    );
    assert!(moved.exchange_ratio() > d("95"));
    assert_eq!(at("60", "70").ratio(), Decimal::ZERO, "never below 0");
    assert_eq!(at("1", "99").exchange_ratio(), HUNDRED);
}

#[test]
fn an_open_position_with_an_unknown_number_makes_the_account_unknown() {
    let b = table(&[(1_000_000, 40, 125)]);
    let good = CrossPosition {
        qty: d("1"),
        entry: d("10"),
        mark: d("11"),
        brackets: &b,
    };
    assert!(Margin::of(d("5"), &[good]).is_some());
    for bad in [
        CrossPosition {
            mark: Decimal::ZERO,
            ..good
        },
        CrossPosition {
            entry: Decimal::ZERO,
            ..good
        },
        CrossPosition {
            brackets: &[],
            ..good
        },
        CrossPosition {
            mark: Decimal::MAX,
            ..good
        },
        CrossPosition {
            qty: Decimal::MIN,
            ..good
        },
    ] {
        assert_eq!(Margin::of(d("5"), &[bad]), None);
    }
    let flat = CrossPosition {
        qty: Decimal::ZERO,
        mark: Decimal::ZERO,
        ..good
    };
    assert_eq!(Margin::of(d("5"), &[flat]).unwrap().ratio(), HUNDRED);
}

#[test]
fn a_position_that_was_really_liquidated_has_the_price_the_exchange_gave_it() {
    // Short 33.5 THEUSDT in the first bracket (1.5 %), mark 0.2928: the exchange said maintenance 0.147132 and
    // liquidation at 0.29411212. Wallet and entry are the pair those figures imply.
    let b = table(&[(5_000, 150, 50), (45_000, 50, 25)]);
    let p = CrossPosition {
        qty: d("-33.5"),
        entry: d("0.2927"),
        mark: d("0.2928"),
        brackets: &b,
    };
    assert_eq!(p.notional(), Some(d("9.8088")));
    assert_eq!(p.maintenance(), Some(d("0.147132")));
    let lp = liquidation_price(d("0.19509736"), &Margin::default(), &p).unwrap();
    assert_eq!(lp.round_dp(8), d("0.29411212"));
    let there = Margin::of(d("0.19509736"), &[CrossPosition { mark: lp, ..p }]).unwrap();
    assert_eq!(there.balance.round_dp(4), d("0.1478"));
    assert_eq!(there.maintenance.round_dp(4), d("0.1478"));
}

#[test]
fn a_long_with_more_cash_than_it_can_lose_has_no_liquidation_price() {
    let b = table(&[(5_000, 150, 50)]);
    let p = CrossPosition {
        qty: d("1"),
        entry: d("100"),
        mark: d("100"),
        brackets: &b,
    };
    assert_eq!(liquidation_price(d("100"), &Margin::default(), &p), None);
    assert!(liquidation_price(d("99"), &Margin::default(), &p).is_some());
    let short = CrossPosition { qty: d("-1"), ..p };
    assert!(liquidation_price(d("100"), &Margin::default(), &short).is_some());
}

fn rows() -> impl Strategy<Value = Vec<(i64, i64, u32)>> {
    prop::collection::vec((1_000i64..500_000, 5i64..300, 1u32..=1), 1..7)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn at_the_liquidation_price_margin_balance_equals_maintenance(
        rows in rows(), other_rows in rows(), qty in prop_oneof![-100_000i64..-1, 1i64..100_000], entry in 1i64..1_000_000,
        wallet in 1i64..100_000_000, other in -5_000i64..5_000, other_entry in 1i64..10_000, other_mark in 1i64..10_000,
    ) {
        let (b, ob) = (table(&rows), table(&other_rows));
        let wallet = Decimal::new(wallet, 2);
        let other = CrossPosition { qty: Decimal::new(other, 1), entry: Decimal::new(other_entry, 2), mark: Decimal::new(other_mark, 2), brackets: &ob };
        let mine = CrossPosition { qty: Decimal::new(qty, 3), entry: Decimal::new(entry, 2), mark: Decimal::new(entry, 2), brackets: &b };
        let others = Margin::of(Decimal::ZERO, &[other]).unwrap();
        match liquidation_price(wallet, &others, &mine) {
            Some(lp) => {
                let m = Margin::of(wallet, &[CrossPosition { mark: lp, ..mine }, other]).unwrap();
                prop_assert!((m.balance - m.maintenance).abs() < Decimal::new(1, 9), "{} vs {}", m.balance, m.maintenance);
            }
            None => {
                // Only a position that survives even a price of (almost) nothing has none; a short never does unless lost already.
                let m = Margin::of(wallet, &[CrossPosition { mark: Decimal::new(1, 12), ..mine }, other]).unwrap();
                prop_assert!((qty > 0) == (m.balance > m.maintenance) , "{} vs {}", m.balance, m.maintenance);
            }
        }
    }

    #[test]
    fn the_notional_granted_at_a_ratio_keeps_it_and_a_cent_more_does_not(
        rows in rows(), wallet in 1_000i64..10_000_000, floor in 1u32..60, gross in 0i64..1_000_000, fee in 0i64..10,
    ) {
        let b = table(&rows);
        let others = Margin { balance: Decimal::from(wallet), maintenance: Decimal::from(gross) / HUNDRED, unrealised: Decimal::ZERO, gross_notional: Decimal::from(gross) };
        let fee = Decimal::new(fee, 4);
        let floor = Decimal::from(floor);
        let x = max_notional_at_ratio(&others, &b, fee, floor);
        let with = |x: Decimal| Margin {
            balance: others.balance - x * fee,
            maintenance: others.maintenance + maintenance_margin(&b, x).unwrap(),
            gross_notional: others.gross_notional + x,
            ..others
        };
        let hair = Decimal::new(1, 12);
        if x > Decimal::ZERO {
            prop_assert!(with(x).ratio() >= floor - hair);
        } else if gross > 0 {
            prop_assert!(others.ratio() <= floor);
        }
        prop_assert!(with(x + Decimal::ONE).ratio() < floor);
    }

    #[test]
    fn an_adverse_move_never_raises_the_ratio(
        rows in rows(), qty in prop_oneof![-100_000i64..-1, 1i64..100_000], entry in 100i64..100_000, wallet in 1i64..100_000, moved in 1i64..90,
    ) {
        let b = table(&rows);
        let p = CrossPosition { qty: Decimal::new(qty, 3), entry: Decimal::from(entry), mark: Decimal::from(entry), brackets: &b };
        let wallet = Decimal::from(wallet);
        let worse = CrossPosition { mark: p.mark - Decimal::from(qty.signum()) * p.mark * Decimal::new(moved, 2), ..p };
        let (a, z) = (Margin::of(wallet, &[p]).unwrap(), Margin::of(wallet, &[worse]).unwrap());
        // A long's notional and maintenance margin shrink as it falls: the ratio falls while what is free is less than the
        // notional by more than the steepest bracket (50 %) frees, and the exchange's own may fall at a bracket's edge.
        if qty < 0 || a.balance * Decimal::TWO <= a.gross_notional {
            prop_assert!(z.ratio() <= a.ratio() + Decimal::new(1, 20));
        }
        if qty < 0 {
            prop_assert!(z.exchange_ratio() >= a.exchange_ratio().min(HUNDRED) || z.balance <= Decimal::ZERO);
        }
    }

    #[test]
    fn no_number_panics(q in any::<i64>(), e in any::<i64>(), m in any::<i64>(), w in any::<i64>(), s in 0u32..20) {
        let b = table(&[(5_000, 150, 50)]);
        let p = CrossPosition { qty: Decimal::new(q, s), entry: Decimal::new(e, s), mark: Decimal::new(m, s), brackets: &b };
        let margin = Margin::of(Decimal::new(w, s), &[p, p]);
        if let Some(x) = margin {
            let _ = (x.ratio(), x.exchange_ratio(), liquidation_price(Decimal::new(w, s), &x, &p));
            let _ = max_notional_at_ratio(&x, &b, Decimal::new(5, 4), Decimal::from(35));
        }
        let _ = liquidation_price(Decimal::new(w, s), &Margin::default(), &p);
    }
}
