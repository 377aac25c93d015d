#![allow(clippy::unwrap_used)]

use super::super::testkit::document;
use super::*;
use proptest::prelude::*;

fn wanted(generation: u64, threshold: f64) -> ParamsDocument {
    let mut d = document(generation);
    d.stable.signals.nobi_trigger_threshold = threshold;
    d
}

fn symbols(n: usize) -> Vec<String> {
    (0..n).map(|i| format!("S{i}")).collect()
}

fn change<'a>(
    w: &'a ParamsDocument,
    p: Option<&'a ParamsDocument>,
    running: &'a [String],
) -> Change<'a> {
    Change {
        wanted: w,
        published: p,
        canary_symbols: 2,
        running,
        soaked: false,
        breached: false,
        taken_back: false,
        unproven: false,
        last_step: 0,
        lost: false,
    }
}

/// Published at generation 1, then changed at generation 2: soaking on S0 and S1.
fn soaking() -> (ParamsDocument, ParamsDocument) {
    let (first, second) = (wanted(1, 0.4), wanted(2, 0.5));
    let (published, _) = next(change(&first, None, &symbols(5)));
    let (document, stage) = next(change(&second, Some(&published), &symbols(5)));
    assert_eq!(stage, Stage::Soaking);
    (second, document)
}

#[test]
fn the_first_parameters_and_those_of_a_recreated_strategy_are_for_all_at_once() {
    let w = wanted(1, 0.4);
    assert_eq!(
        next(change(&w, None, &symbols(5))),
        (w.clone(), Stage::Settled)
    );
    let mut old = wanted(7, 0.9);
    old.strategy_uid = "another".into();
    let (d, stage) = next(change(&w, Some(&old), &symbols(5)));
    assert_eq!((d, stage), (w, Stage::Settled));
}

#[test]
fn a_change_runs_on_canaries_first_and_is_promoted_after_the_soak() {
    let (second, d) = soaking();
    let canary = d.canary.as_ref().unwrap();
    assert_eq!(canary.symbols, ["S0", "S1"]);
    assert_eq!(d.for_symbol("S1").signals.nobi_trigger_threshold, 0.5);
    assert_eq!(d.for_symbol("S2").signals.nobi_trigger_threshold, 0.4);
    let running = symbols(5);
    let again = next(change(&second, Some(&d), &running));
    assert_eq!(
        again,
        (d.clone(), Stage::Soaking),
        "nothing new, nothing changes"
    );
    let (promoted, stage) = next(Change {
        soaked: true,
        ..change(&second, Some(&d), &running)
    });
    assert_eq!(stage, Stage::Settled);
    assert_eq!(
        (promoted.canary.clone(), promoted.stable.clone()),
        (None, second.stable.clone())
    );
    assert!(promoted.order() > d.order());
    assert_eq!(
        next(change(&second, Some(&promoted), &running)),
        (promoted.clone(), Stage::Settled)
    );
}

#[test]
fn a_breach_takes_the_change_back_until_the_object_changes_again() {
    let (second, d) = soaking();
    let running = symbols(5);
    let (back, stage) = next(Change {
        breached: true,
        soaked: true,
        ..change(&second, Some(&d), &running)
    });
    assert_eq!(stage, Stage::RolledBack);
    assert_eq!(back.for_symbol("S0").signals.nobi_trigger_threshold, 0.4);
    assert!(back.order() > d.order());
    let again = next(Change {
        soaked: true,
        taken_back: true,
        ..change(&second, Some(&back), &running)
    });
    assert_eq!(again, (back.clone(), Stage::RolledBack));
    let third = wanted(3, 0.6);
    let (d, stage) = next(change(&third, Some(&back), &running));
    assert_eq!(stage, Stage::Soaking);
    assert_eq!(d.for_symbol("S4").signals.nobi_trigger_threshold, 0.4);
}

#[test]
fn other_parameters_of_the_same_object_are_a_change_and_not_one_that_was_taken_back() {
    let (before, now) = (wanted(1, 0.4), wanted(1, 0.5));
    let (d, stage) = next(change(&now, Some(&before), &symbols(5)));
    assert_eq!(stage, Stage::Soaking);
    assert!(d.order() > before.order());
    let (d, stage) = next(Change {
        canary_symbols: 0,
        ..change(&now, Some(&before), &symbols(5))
    });
    assert_eq!((&d.stable, stage), (&now.stable, Stage::Settled));
    assert!(d.order() > before.order());
}

#[test]
fn a_change_that_was_on_trial_is_not_promoted_by_losing_what_stood_published() {
    let (second, d) = soaking();
    let running = symbols(5);
    let (kept, stage) = next(Change {
        unproven: true,
        last_step: d.rollout_step,
        ..change(&second, None, &running)
    });
    assert_eq!(stage, Stage::Lost);
    assert!(kept.stable.suspend && kept.canary.is_none());
    assert!(kept.order() > d.order(), "workers take it");
    let noted = |w, running| Change {
        taken_back: true,
        unproven: true,
        soaked: true,
        lost: true,
        ..change(w, Some(&kept), running)
    };
    let again = next(noted(&second, &running));
    assert_eq!(again, (kept.clone(), Stage::Lost), "until it changes again");
    let third = wanted(3, 0.6);
    let after = next(noted(&third, &running));
    assert_eq!(after, (third.clone(), Stage::Settled));
}

#[test]
fn suspension_waits_for_no_canary() {
    let first = wanted(1, 0.4);
    let mut second = wanted(2, 0.5);
    second.stable.suspend = true;
    let (d, stage) = next(change(&second, Some(&first), &symbols(5)));
    assert_eq!(stage, Stage::Soaking);
    assert!(d.stable.suspend && d.for_symbol("S0").suspend);
    second.stable.signals = first.stable.signals.clone();
    let (d, stage) = next(change(&second, Some(&first), &symbols(5)));
    assert_eq!((d, stage), (second, Stage::Settled));
}

#[test]
fn without_enough_workers_there_is_no_canary_and_with_canaries_gone_others_are_chosen() {
    let (first, second) = (wanted(1, 0.4), wanted(2, 0.5));
    for n in [0, 1] {
        let (d, stage) = next(change(&second, Some(&first), &symbols(n)));
        assert_eq!((d, stage), (second.clone(), Stage::Settled));
    }
    let (second, d) = soaking();
    let left = symbols(5)[2..].to_vec();
    let (moved, stage) = next(Change {
        soaked: true,
        ..change(&second, Some(&d), &left)
    });
    assert_eq!(stage, Stage::Soaking);
    assert_eq!(moved.canary.as_ref().unwrap().symbols, ["S2", "S3"]);
    assert!(moved.order() > d.order());
}

#[test]
fn an_account_that_changes_meanwhile_does_not_touch_the_rollout() {
    let (mut second, d) = soaking();
    second.account_generation = 2;
    let (renewed, stage) = next(change(&second, Some(&d), &symbols(5)));
    assert_eq!(stage, Stage::Soaking);
    assert_eq!(
        (renewed.canary.clone(), renewed.rollout_step),
        (d.canary.clone(), d.rollout_step)
    );
    assert!(renewed.order() > d.order());
}

proptest! {
    /// Whatever happens, documents only grow, the same question has the same answer, and an answer is stable.
    #[test]
    fn documents_only_grow_and_rest(steps in proptest::collection::vec((0u8..4, 0usize..4, 0usize..5, any::<bool>(), any::<bool>()), 1..30)) {
        let mut w = wanted(1, 0.1);
        let mut published: Option<ParamsDocument> = None;
        let mut taken_back = false;
        for (kind, canary_symbols, n, soaked, breached) in steps {
            match kind {
                0 => { w.generation += 1; w.stable.signals.nobi_trigger_threshold += 0.01; }
                1 => w.account_generation += 1,
                2 => { w.generation += 1; w.stable.suspend = !w.stable.suspend; }
                _ => {}
            }
            let running = symbols(n);
            let c = Change { canary_symbols, soaked, breached, taken_back, ..change(&w, published.as_ref(), &running) };
            let (d, stage) = next(c);
            if let Some(p) = &published {
                prop_assert!(d.order() >= p.order());
                prop_assert!(d.order() > p.order() || d == *p, "{:?} -> {:?}", p, d);
            }
            taken_back = stage == Stage::RolledBack;
            let (again, stage2) = next(Change { published: Some(&d), soaked: false, breached: false, taken_back, ..c });
            prop_assert_eq!((&again, stage2), (&d, stage));
            prop_assert_eq!(stage == Stage::Settled, d.canary.is_none() && d.stable == w.stable);
            published = Some(d);
        }
    }
}
