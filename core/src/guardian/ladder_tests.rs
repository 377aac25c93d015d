#![allow(clippy::unwrap_used)]
use super::*;
use crate::guardian::testkit;
use crate::time::NS_PER_MS;
use proptest::prelude::*;

/// Gross 100,000 so that a ratio of r % is a balance of 1,000 r; no maintenance margin.
fn reading(ratio_tenths: i64) -> Reading {
    Reading {
        margin: Some(Margin {
            balance: Decimal::new(ratio_tenths * 1000, 1),
            maintenance: Decimal::ZERO,
            unrealised: Decimal::ZERO,
            gross_notional: Decimal::from(100_000),
        }),
        sure: true,
        ..Reading::default()
    }
}

fn at(ms: u64) -> Now {
    Now::new(0, ms * NS_PER_MS)
}

#[test]
fn levels_rise_at_the_thresholds_in_order() {
    let p = testkit::account();
    for (tenths, level) in [
        (301, LadderLevel::Normal),
        (300, LadderLevel::Warning),
        (151, LadderLevel::Warning),
        (150, LadderLevel::Critical),
        (0, LadderLevel::Emergency),
    ] {
        assert_eq!(judge(&p, &reading(tenths)), level, "{tenths}");
    }
}

#[test]
fn a_level_is_left_only_after_ten_seconds_at_five_points_above_warning() {
    let (p, mut l) = (testkit::account(), Ladder::default());
    assert!(l.step(at(0), &p, &reading(140)));
    assert_eq!(l.level(), LadderLevel::Critical);
    assert!(!l.step(at(1_000), &p, &reading(349)), "between is not calm");
    assert!(!l.step(at(2_000), &p, &reading(350)));
    assert!(!l.step(at(11_999), &p, &reading(350)));
    assert!(
        !l.step(at(11_999), &p, &reading(349)),
        "the 10 s start anew"
    );
    assert!(!l.step(at(12_500), &p, &reading(400)));
    assert!(l.step(at(22_500), &p, &reading(400)));
    assert_eq!(l.level(), LadderLevel::Normal);
}

#[test]
fn an_unknown_margin_never_lowers_a_level_and_blindness_raises_it_to_critical() {
    let (p, mut l) = (testkit::account(), Ladder::default());
    l.step(at(0), &p, &reading(200));
    for s in 1..60 {
        assert!(!l.step(at(s * 1000), &p, &Reading::default()));
    }
    assert!(l.step(
        at(61_000),
        &p,
        &Reading {
            blind: true,
            ..Reading::default()
        }
    ));
    assert_eq!(l.level(), LadderLevel::Critical);
}

#[test]
fn slices_that_do_not_bite_are_an_emergency_but_not_for_a_flat_account() {
    let p = testkit::account();
    let stuck = Reading {
        stuck: true,
        ..reading(200)
    };
    assert_eq!(judge(&p, &stuck), LadderLevel::Emergency);
    let flat = Reading {
        sure: true,
        margin: Some(Margin::default()),
        stuck: true,
        blind: false,
    };
    assert_eq!(judge(&p, &flat), LadderLevel::Normal);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn a_lower_ratio_never_asks_for_a_milder_level(a in 0i64..1200, b in 0i64..1200) {
        let p = testkit::account();
        let (low, high) = (a.min(b), a.max(b));
        prop_assert!(judge(&p, &reading(low)) >= judge(&p, &reading(high)));
    }

    #[test]
    fn the_level_is_never_below_what_the_reading_asks_and_falls_only_to_normal_after_calm(
        steps in prop::collection::vec((0u64..4_000, prop::option::of(0i64..600)), 1..80),
    ) {
        let (p, mut l, mut t) = (testkit::account(), Ladder::default(), 0);
        let mut calm_from: Option<u64> = None;
        for (dt, ratio) in steps {
            t += dt;
            let r = ratio.map_or(Reading::default(), reading);
            let before = l.level();
            l.step(at(t), &p, &r);
            prop_assert!(l.level() >= judge(&p, &r));
            if ratio.is_some_and(|x| x >= 350) { calm_from.get_or_insert(t); } else { calm_from = None; }
            if l.level() < before {
                prop_assert_eq!(l.level(), LadderLevel::Normal);
                prop_assert!(calm_from.is_some_and(|c| t - c >= 10_000));
            }
        }
    }
}
