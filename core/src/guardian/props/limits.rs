//! I9, I14 and I17: no interleaving of questions, late answers, fills, lost frames, replaced tasks, slow reads, expiries,
//! stopped, dying and handing-over leaders lets an order be sent that breaches a limit, and no sum of promises does either.
//! The workers here do not even look at the epoch.

use super::model::{Model, NAMES, Step, Told};
use crate::guardian::testkit::account;
use proptest::prelude::*;
use rust_decimal::Decimal;

fn step() -> impl Strategy<Value = Step> {
    let symbol = || 0..NAMES.len();
    let told = || {
        (prop::bool::weighted(0.8), prop::bool::weighted(0.7))
            .prop_map(|(order, position)| Told { order, position })
    };
    let ago = || prop_oneof![4 => Just(0u32), 1 => Just(1)];
    let pass = prop_oneof![
        6 => Just(50u64), 6 => Just(300), 4 => Just(1_000), 3 => Just(1_900), 2 => Just(2_500), 2 => Just(4_100), 1 => Just(9_500),
    ];
    let wish = prop_oneof![1 => Just(0i64), 1 => Just(300), 2 => Just(4_000), 3 => Just(25_000)];
    let late = prop::option::weighted(0.85, prop_oneof![2 => Just(0u64), 1 => 0u64..2_500]);
    let part = prop_oneof![Just(100i64), 1i64..=100];
    let window = prop_oneof![Just(0u64), Just(100), 0u64..=100];
    prop_oneof![
        5 => pass.prop_map(Step::Pass),
        7 => (symbol(), ago(), wish, 0i64..300, late, prop::bool::weighted(0.15))
            .prop_map(|(symbol, ago, wish, risk, delay, astray)| Step::Ask { symbol, ago, wish, risk, delay, astray }),
        7 => (symbol(), ago(), part, window, prop::bool::weighted(0.3), told())
            .prop_map(|(symbol, ago, part, delay, rest, told)| Step::Send { symbol, ago, part, delay, rest, told }),
        2 => (symbol(), any::<bool>(), told()).prop_map(|(symbol, fill, told)| Step::Touch { symbol, fill, told }),
        2 => (symbol(), told()).prop_map(|(symbol, told)| Step::Leave { symbol, told }),
        1 => symbol().prop_map(|symbol| Step::Replace { symbol }),
        2 => Just(Step::Nudge),
        1 => (0usize..2, prop_oneof![Just(500u64), Just(2_500), Just(4_000), Just(8_000)])
            .prop_map(|(seat, millis)| Step::Freeze { seat, millis }),
        1 => Just(Step::HandOver),
        1 => (0usize..2).prop_map(|seat| Step::Crash { seat }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 250, max_shrink_iters: 3000, ..ProptestConfig::default() })]
    #[test]
    fn what_is_held_sent_and_granted_never_breaches_a_limit(
        steps in prop::collection::vec(step(), 5..100),
        delays in prop::collection::vec((0u64..2_500, prop_oneof![3 => 0u64..2_500, 1 => 2_500u64..9_000]), 1..6),
        gross in 5u32..25, symbol in prop_oneof![Just(40u32), Just(250)], most in 1u32..4,
    ) {
        let mut p = account();
        p.max_gross_leverage = Decimal::new(i64::from(gross), 1);
        p.max_symbol_notional_percent = Decimal::from(symbol);
        p.max_open_positions = most;
        let mut m = Model::new(p, delays);
        m.pass(200);
        for s in &steps {
            m.step(s);
            m.check()?;
        }
    }
}

#[test]
fn the_model_trades() {
    let mut m = Model::new(account(), vec![(0, 0)]);
    m.pass(200);
    m.step(&Step::Ask {
        symbol: 0,
        ago: 0,
        wish: 5_000,
        risk: 10,
        delay: Some(0),
        astray: false,
    });
    m.step(&Step::Send {
        symbol: 0,
        ago: 0,
        part: 100,
        delay: 0,
        rest: false,
        told: Told {
            order: true,
            position: true,
        },
    });
    assert_eq!(m.truth[0].position, 50_000);
    m.check().unwrap();
}

/// The model's worker asks and gets an answer at once; true when it was granted something.
fn asks(m: &mut Model, symbol: usize) -> bool {
    let seq = m.granted(symbol);
    m.step(&Step::Ask {
        symbol,
        ago: 0,
        wish: 4_000,
        risk: 10,
        delay: Some(0),
        astray: false,
    });
    m.granted(symbol) > seq
}

#[test]
fn the_model_hands_over_without_a_gap_and_fails_over_in_time() {
    let mut m = Model::new(account(), vec![(0, 50)]);
    m.pass(200);
    assert!(asks(&mut m, 0));
    m.step(&Step::HandOver);
    m.pass(500);
    assert!(asks(&mut m, 0), "in time for the worker's next question");
    m.step(&Step::Freeze {
        seat: 0,
        millis: 20_000,
    });
    m.step(&Step::Freeze {
        seat: 1,
        millis: 4_000,
    });
    let mut waited = 0;
    while !asks(&mut m, 0) {
        m.pass(500);
        waited += 500;
        assert!(waited < 11_000);
    }
    assert!(waited >= 4_000);
    m.check().unwrap();
}
