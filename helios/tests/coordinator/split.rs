//! Two coordinators lead one account, because each has a lock of its own: one stands down, and what it says counts no more.

use crate::rig::check::{Ban, DEADLINE, new_risk};
use crate::rig::clock::{Ns, S, now, secs, until};
use crate::rig::more::{Client, Heard, PATIENCE, heard, holding, latched, number};
use crate::rig::{Rig, Setup, holds, wait};
use helios_bus::Message;
use helios_bus::codec::Codec;
use helios_bus::nats::NatsConfig;
use helios_core::messages::GrantReply;

/// A report of before may be read so late.
const SAID: Ns = 3 * S;

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

/// Answers to grant questions heard so far.
fn answers(all: &Heard<Message>) -> Vec<(Ns, GrantReply)> {
    let codec = Codec::default();
    let all = heard(all).into_iter();
    all.filter_map(|(at, m)| {
        let reply = codec.decode(&m.subject, &m.payload).ok()?;
        Some((at, reply))
    })
    .collect()
}

#[test]
fn of_two_leaders_that_both_grant_workers_refuse_the_lower_epochs_grants() {
    let mut rig = Rig::bare(Setup {
        seed: 42,
        ..holding()
    });
    rig.add_coordinator("a", "state-a", "lock-a.json", &[]);
    rig.start_workers(&[]);
    rig.all_granted(now(), 2 * PATIENCE).unwrap();
    rig.wait_held();
    let low = rig.epoch();
    // So far above that the first does not believe in it and outbid it; its state is known, so no latch keeps it from granting.
    let text = std::fs::read_to_string(rig.path("state-a/guardian.json")).unwrap();
    let mut state: serde_json::Value = serde_json::from_str(&text).unwrap();
    let high = low + 2_000_000;
    state["state"]["epoch"] = high.into();
    std::fs::create_dir(rig.path("state-b")).unwrap();
    std::fs::write(rig.path("state-b/guardian.json"), state.to_string()).unwrap();
    let client = Client::connect(NatsConfig::new(rig.nats.url())).unwrap();
    let inboxes = client.hear("_INBOX_helios.>");

    rig.add_coordinator("b", "state-b", "lock-b.json", &[]);
    let (first, second) = (&rig.coordinators[0], &rig.coordinators[1]);
    // It dies once a worker honours its epoch, before its fence told the first leader, who goes on granting.
    let grants = || {
        let all = answers(&inboxes).into_iter();
        all.filter_map(|(at, r)| match r {
            GrantReply::Granted(g) => Some((at, g)),
            GrantReply::Denied { .. } => None,
        })
    };
    let honours = |symbol: &str| {
        rig.report(symbol)
            .is_some_and(|r| number(&r.value, "epoch") > high)
    };
    let taken = wait("grant of the second", PATIENCE, || {
        grants()
            .find(|(_, g)| g.epoch > high && honours(&g.symbol))
            .map(|(_, g)| g.symbol)
    });
    second.hold(true);
    let killed = second.kill();
    let symbol = taken.expect("the second's grants are not honoured");
    let worker = &rig.workers[&symbol];
    until(killed + 8 * S);
    let end = now();
    let log = first.log();
    assert!(
        !log.contains("standing down"),
        "its fence was quicker: {log}"
    );

    // What the second granted has ended; the lower epoch's grants go on, to this worker too, and give it nothing.
    let from_then = killed + SAID;
    let lower = grants()
        .filter(|(at, g)| *at >= from_then && *at < end && g.symbol == symbol && g.epoch < high);
    let lower = lower.count();
    eprintln!("{symbol} was granted {lower} times under the lower epoch");
    assert!(lower >= 5, "{lower} grants were there to be refused");
    let said = worker.history(from_then);
    assert!(!said.is_empty(), "{symbol} reports nothing");
    for s in &said {
        let took = number(&s.value, "epoch") <= high || s.value["view"]["granted"] == true;
        assert!(!took, "{symbol} took a lower epoch's grant: {}", s.value);
    }
    let ban = Ban {
        from: killed + DEADLINE,
        to: end,
        symbol: Some(symbol.clone()),
        why: "only a lower epoch grants".into(),
    };
    let broken = new_risk(&rig.venue.audit(), &[ban]);
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    // No latch had to be released: neither guardian lost its state.
    assert_eq!(
        rig.coordinators[0].newest(|_| true).unwrap().value["latches"],
        serde_json::json!([])
    );

    // The second comes back: everyone is granted under the higher epoch.
    let back = now();
    second.hold(false);
    rig.when("the second leads", back, |s| {
        holds(s, "b") && number(s, "epoch") > high && s["known"] == true
    });
    let all = wait("grants of the second", PATIENCE, || {
        let granted =
            |v: &serde_json::Value| number(v, "epoch") > high && v["view"]["granted"] == true;
        let mut all = rig.workers.values();
        all.all(|w| w.history(back).iter().any(|s| granted(&s.value)))
            .then_some(())
    });
    assert!(all.is_some(), "the higher epoch's grants are not taken");
    rig.epochs_only_rise();
}
