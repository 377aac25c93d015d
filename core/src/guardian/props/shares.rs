//! I10: whatever workers come, go, move and open, the shares in force stay within what is not kept for exits.

use crate::guardian::scenarios::report;
use crate::guardian::testkit::*;
use crate::guardian::*;
use crate::messages::{GrantReply, RateReport, RateShare};
use proptest::prelude::*;

const NAMES: [&str; 5] = ["AUSDT", "BUSDT", "CUSDT", "DUSDT", "EUSDT"];
const EGRESS: [&str; 3] = ["", "n1", "n2"];

#[derive(Clone, Debug)]
enum Step {
    Ask(usize),
    Pass(u64),
    /// A report from the worker's true way out, or (0) one without.
    Report(usize, bool),
    Open(usize),
    Close(usize),
    /// Suspends or resumes the symbols of the list from this one on.
    List(usize),
    HandOver,
}

fn step() -> impl Strategy<Value = Step> {
    let i = || 0..NAMES.len();
    prop_oneof![
        8 => i().prop_map(Step::Ask),
        4 => prop_oneof![Just(100u64), Just(500), Just(1_900), Just(4_200)].prop_map(Step::Pass),
        3 => (i(), any::<bool>()).prop_map(|(i, b)| Step::Report(i, b)),
        2 => i().prop_map(Step::Open),
        2 => i().prop_map(Step::Close),
        1 => (1..=NAMES.len()).prop_map(Step::List),
        1 => Just(Step::HandOver),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]
    #[test]
    fn the_sum_of_shares_in_force_is_never_above_eighty_percent(
        steps in prop::collection::vec(step(), 5..60),
        ways in prop::collection::vec(1usize..3, NAMES.len()),
    ) {
        let mut r = Rig::new(&NAMES);
        r.send(&GuardianEvent::Start);
        r.lead(1, 1_000_000_000);
        r.pass(100);
        // Every share told to a worker, and until when it may use it: the newest is not always heard.
        let mut told: Vec<(usize, RateShare, u64)> = Vec::new();
        for s in steps {
            match s {
                Step::Ask(i) => {
                    if let GrantReply::Granted(g) = r.ask(NAMES[i], NAMES[i], "100") {
                        told.push((i, g.share.unwrap(), r.now.mono_ns + ms(g.length_ms)));
                    }
                }
                Step::Pass(n) => { r.pass(n); }
                Step::Report(i, known) => {
                    let mut rep = report(NAMES[i]);
                    rep.ready = false;
                    rep.rates = known.then(|| RateReport { egress: EGRESS[ways[i]].into(), ..RateReport::default() });
                    r.send(&GuardianEvent::Report(Box::new(rep)));
                }
                Step::Open(i) => {
                    if r.g.picture.symbols.get(NAMES[i]).is_none_or(|v| v.qty.is_zero()) {
                        r.protected(NAMES[i], 1_000, "100");
                    }
                }
                Step::Close(i) => {
                    if let Some(v) = r.venue.get_mut(NAMES[i]) {
                        v.stops.clear();
                        r.position(NAMES[i], 0, "0");
                    }
                }
                Step::List(n) => {
                    let mut c = r.g.config.clone();
                    c.strategies[0].watchlist.symbols = NAMES[..n].iter().map(|s| (*s).into()).collect();
                    r.send(&GuardianEvent::Config(Box::new(c)));
                }
                Step::HandOver => {
                    let state = written(&r.send(&GuardianEvent::Follow));
                    let mut next = Rig::with(r.g.config.clone(), GuardianState::default());
                    (next.now, next.wallet, next.venue) = (r.now, r.wallet, r.venue.clone());
                    next = next.standby();
                    let epoch = state.epoch + 1;
                    next.send(&GuardianEvent::State(Box::new(state)));
                    next.lead(epoch, 1_000_000_000);
                    r = next;
                }
            }
            told.retain(|t| r.now.mono_ns < t.2);
            for way in 1..3 {
                let weight: u32 = (0..NAMES.len())
                    .filter(|i| ways[*i] == way)
                    .map(|i| told.iter().filter(|t| t.0 == i).map(|t| t.1.weight_1m).max().unwrap_or(0))
                    .sum();
                prop_assert!(weight <= 1200, "{weight} of 2400 on one IP");
            }
            let most = |of: fn(&RateShare) -> u32| -> u32 {
                let each = (0..NAMES.len()).map(|i| told.iter().filter(|t| t.0 == i).map(|t| of(&t.1)).max().unwrap_or(0));
                each.sum()
            };
            prop_assert!(most(|s| s.orders_10s) <= 240);
            prop_assert!(most(|s| s.orders_1m) <= 960);
        }
    }
}
