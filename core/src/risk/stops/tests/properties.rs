//! The invariants I1 to I7 and I12 over random lives of positions in a bad network.

use super::model::{Chaos, Counts, World};
use crate::fixed::Side;
use proptest::prelude::*;

fn live(seed: u64, chaos: Chaos, ms: i64) -> Counts {
    let mut w = World::new(seed, chaos);
    let until = w.t + ms;
    while w.t < until {
        w.tick();
        if w.t % 100 == 0 {
            let jump = if w.rng.chance(5) { 150 } else { 12 };
            let mark = w.mark + w.rng.below(2 * jump + 1) - jump;
            w.move_mark(mark);
        }
        if w.can_enter() && w.rng.chance(20) {
            let side = if w.rng.chance(500) {
                Side::Buy
            } else {
                Side::Sell
            };
            let size = 1 + w.rng.below(20);
            w.enter(side, size);
        }
        if w.pos != 0 && w.rng.chance(1) {
            w.leave();
        }
        if w.rng.chance(chaos.restart) {
            w.restart();
        }
        if w.rng.chance(chaos.meddle) {
            w.meddle();
        }
    }
    // Faults stop, the market rests: everything must come to order by itself.
    w.calm();
    for i in 0..1_000 {
        w.tick();
        if i % 10 == 0 {
            w.move_mark(w.mark);
        }
    }
    if w.pos == 0 {
        assert!(
            w.keeper.clear_for_entry(),
            "not clear 10 s after the last fault"
        );
    } else {
        assert!(
            w.keeper.anchor_confirmed(),
            "no anchor 10 s after the last fault"
        );
        assert_eq!(w.keeper.position().0, w.pos);
    }
    w.count
}

fn any_chaos() -> impl Strategy<Value = Chaos> {
    (
        (1i64..250, 0i64..300, 0i64..150, 0i64..200, 0i64..60),
        (
            0i64..3,
            0i64..200,
            0i64..3,
            any::<bool>(),
            any::<bool>(),
            any::<bool>(),
        ),
    )
        .prop_map(
            |(
                (delay_ms, duplicate, unknown, lose_algo, vanish),
                (restart, coordinator, meddle, refuse_exit, reopen, auto_cancel),
            )| Chaos {
                delay_ms,
                duplicate,
                unknown,
                lose_algo,
                vanish,
                restart: restart / 2,
                coordinator,
                meddle: meddle / 2,
                refuse_exit,
                reopen,
                auto_cancel,
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 250, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn positions_stay_guarded_and_stops_tidy_whatever_the_network_does(seed in any::<u64>(), chaos in any_chaos()) {
        live(seed, chaos, 40_000);
    }

    #[test]
    fn in_a_good_network_no_exit_is_forced_and_the_trail_works(seed in any::<u64>()) {
        let chaos = Chaos { delay_ms: 60, ..Chaos::default() };
        let n = live(seed, chaos, 60_000);
        prop_assert!(n.max_unprotected_ms <= 400, "{n:?}");
    }
}

#[test]
fn the_model_exercises_what_it_judges() {
    let mut sum = Counts::default();
    for seed in 0..20 {
        let chaos = Chaos {
            delay_ms: 100,
            duplicate: 100,
            unknown: 50,
            lose_algo: 50,
            vanish: 20,
            restart: 1,
            ..Chaos::default()
        };
        let n = live(seed, chaos, 60_000);
        sum.positions += n.positions;
        sum.anchors += n.anchors;
        sum.trails += n.trails;
        sum.replaced += n.replaced;
        sum.fired += n.fired;
        sum.exits += n.exits;
        sum.restarts += n.restarts;
    }
    eprintln!("{sum:?}");
    assert!(
        sum.positions > 50 && sum.anchors > 50 && sum.fired > 20,
        "{sum:?}"
    );
    assert!(
        sum.replaced > 50 && sum.exits > 20 && sum.restarts > 20,
        "{sum:?}"
    );
}

#[test]
fn a_flat_moment_heard_of_too_late_throws_doubt_on_the_anchor_that_the_venue_took_off_then() {
    let chaos = Chaos {
        delay_ms: 231,
        duplicate: 234,
        lose_algo: 179,
        auto_cancel: true,
        ..Chaos::default()
    };
    live(4_006_263_023_716_473_757, chaos, 40_000);
}
