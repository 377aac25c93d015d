//! Two coordinators lead one account, because each has a lock of its own: one stands down, and what it says counts no more.

use crate::rig::check::{DEADLINE, over_budget};
use crate::rig::clock::{S, now, secs, until};
use crate::rig::more::{Client, PATIENCE, heard, holding, latched, number};
use crate::rig::{Rig, Setup, holds, wait};
use helios_bus::nats::NatsConfig;

#[test]
fn of_two_leaders_one_stands_down_for_good_and_returns_when_the_other_is_gone() {
    let mut rig = Rig::bare(Setup {
        seed: 41,
        ..holding()
    });
    rig.add_coordinator("a", "state-a", "lock-a.json", &[]);
    rig.start_workers(&[]);
    rig.all_granted(now(), 2 * PATIENCE).unwrap();
    rig.wait_held();
    let first = rig.epoch();
    let client = Client::connect(NatsConfig::new(rig.nats.url())).unwrap();
    let fences = client.fences();

    rig.add_coordinator("b", "state-b", "lock-b.json", &[]);
    let s = rig.when("the second leads", 0, |s| {
        holds(s, "b") && number(s, "epoch") > first
    });
    // Either one: each outbids the epoch of the other that workers speak of, until one finds the other's fence above it.
    let down = wait("end of one of both", PATIENCE, || {
        let mut all = rig.coordinators.iter();
        all.position(|c| c.log().contains("standing down"))
    });
    let (loser, down) = (down.expect("both go on"), now());
    let winner = &rig.coordinators[1 - loser];
    let loser = &rig.coordinators[loser];
    eprintln!(
        "{} stood down {:.2} s after both led",
        loser.name(),
        secs(s.at, down)
    );
    // Neither knows what the other did: a person decides.
    rig.when("stateLost", s.at, |s| {
        holds(s, winner.name()) && latched(s, "stateLost") && s["known"] == true
    });
    until(now() + 4 * S);
    let released = now();
    rig.no_risk(s.at + DEADLINE, released, "two have led");
    rig.person(&["release", "state-lost"]);
    let back = rig.all_granted(released, PATIENCE).unwrap();
    eprintln!("granted {:.2} s after the release", secs(released, back));
    until(now() + 3 * S);

    // From then on there is one holder, and nobody heeds another.
    let written = heard(&fences);
    let later: Vec<_> = written.iter().filter(|f| f.0 > down + S).collect();
    assert!(later.len() >= 5, "{later:?}");
    for (_, f) in &later {
        assert!(f.holder.starts_with(winner.name()), "{f:?}");
    }
    assert!(!winner.log().contains("standing down"));
    rig.epochs_only_rise();
    let leverage = rig.setup.max_gross_leverage.parse().unwrap();
    let over = over_budget(&rig.venue.audit(), leverage);
    assert!(over.is_empty(), "{over:?}");
    rig.check();

    // The one that stood down is alive, and leads when nobody else does.
    let second = later.iter().map(|f| f.1.epoch).max().unwrap();
    winner.hold(true);
    let at = winner.kill();
    let s = rig.when("the other leads", at, |s| {
        holds(s, loser.name()) && number(s, "epoch") > second && s["known"] == true
    });
    if latched(&s.value, "stateLost") {
        rig.person(&["release", "state-lost"]);
    }
    let back = rig.all_granted(s.at, PATIENCE).unwrap();
    eprintln!(
        "{} led {:.2} s after the other was killed, granted after {:.2} s",
        loser.name(),
        secs(at, s.at),
        secs(at, back)
    );
    rig.epochs_only_rise();
    rig.check();
}
