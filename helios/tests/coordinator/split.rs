//! Two coordinators lead one account, because each has a lock of its own: one stands down, and what it says counts no more.

use crate::rig::check::DEADLINE;
use crate::rig::clock::{Ns, S, now, secs, until};
use crate::rig::more::{Client, PATIENCE, heard, holding, latched, number};
use crate::rig::{Rig, Setup, holds, wait};
use helios_bus::nats::NatsConfig;
use helios_core::messages::{Grant, GrantReply, KellyStats};
use rust_decimal::Decimal;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

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

/// Grants everything it is asked for, under its own epoch, until it is told to end; returns how often it did.
struct Rogue {
    end: oneshot::Sender<()>,
    granted: JoinHandle<u32>,
}

impl Rogue {
    fn start(client: &Client, epoch: u64) -> Self {
        let account = client.account();
        let (end, mut ended) = oneshot::channel();
        let granted = client.spawn(async move {
            let mut questions = account.serve_grants().await.unwrap();
            let mut granted = 0;
            loop {
                let q = tokio::select! {
                    _ = &mut ended => return granted,
                    q = questions.next() => q.expect("the bus is closed"),
                };
                let money = Decimal::from(10_000);
                let grant = Grant {
                    seq: q.request.seq,
                    epoch,
                    task_uid: q.request.task_uid.clone(),
                    symbol: q.request.symbol.clone(),
                    ceiling: money,
                    equity: money,
                    available: money,
                    kelly: KellyStats::default(),
                    length_ms: 2_000,
                    share: None,
                };
                q.answer(&GrantReply::Granted(grant)).unwrap();
                granted += 1;
            }
        });
        Self { end, granted }
    }

    fn end(self, client: &Client) -> u32 {
        self.end.send(()).unwrap();
        client.block(self.granted).unwrap()
    }
}

#[test]
fn grants_of_a_lower_epoch_than_a_worker_has_honoured_give_it_nothing() {
    let mut rig = Rig::bare(Setup {
        seed: 42,
        ..holding()
    });
    rig.add_coordinator("a", "state", "lock.json", &[]);
    rig.start_workers(&[]);
    rig.all_granted(now(), 2 * PATIENCE).unwrap();
    rig.wait_held();
    let epoch = rig.epoch();
    let client = Client::connect(NatsConfig::new(rig.nats.url())).unwrap();

    let leader = &rig.coordinators[0];
    leader.hold(true);
    let killed = leader.kill();
    let lower = Rogue::start(&client, epoch - 1);
    until(killed + 8 * S);
    let end = now();
    let granted = lower.end(&client);
    assert!(granted >= 20, "{granted} grants were there to be refused");
    rig.no_grant(killed + SAID, end, "only a lower epoch grants");
    rig.no_risk(killed + DEADLINE, end, "only a lower epoch grants");

    // The same grants under a higher epoch are taken: nothing else was wrong with them.
    let higher = Rogue::start(&client, epoch + 1);
    rig.all_granted(end, PATIENCE).unwrap();
    higher.end(&client);

    // And whoever leads then outbids what workers have honoured.
    let back = now();
    rig.coordinators[0].hold(false);
    rig.when("the leader is back", back, |s| {
        number(s, "epoch") > epoch + 1 && s["known"] == true
    });
    rig.all_granted(back, 2 * PATIENCE).unwrap();
    rig.epochs_only_rise();
}

#[test]
fn a_second_leader_of_a_higher_epoch_takes_the_fence_from_one_that_goes_on_writing() {
    let mut rig = Rig::bare(Setup {
        seed: 43,
        ..holding()
    });
    rig.add_coordinator("a", "state-a", "lock-a.json", &[]);
    rig.start_workers(&[]);
    rig.all_granted(now(), 2 * PATIENCE).unwrap();
    let low = rig.epoch();
    // So far above that the first does not believe in it and outbid it.
    let text = std::fs::read_to_string(rig.path("state-a/guardian.json")).unwrap();
    let mut state: serde_json::Value = serde_json::from_str(&text).unwrap();
    let high = low + 2_000_000;
    state["state"]["epoch"] = high.into();
    std::fs::create_dir(rig.path("state-b")).unwrap();
    std::fs::write(rig.path("state-b/guardian.json"), state.to_string()).unwrap();
    let at = now();
    rig.add_coordinator("b", "state-b", "lock-b.json", &[]);
    let first = &rig.coordinators[0];
    let stood_down = wait("the first stands down", PATIENCE, || {
        first.log().contains("standing down").then_some(())
    });
    assert!(stood_down.is_some(), "both lead");
    let all = wait("grants of the second", PATIENCE, || {
        let granted =
            |v: &serde_json::Value| number(v, "epoch") > high && v["view"]["granted"] == true;
        let mut all = rig.workers.values();
        all.all(|w| w.history(at).iter().any(|s| granted(&s.value)))
            .then_some(())
    });
    assert!(all.is_some(), "the higher epoch's grants are not taken");
    rig.epochs_only_rise();
    rig.check();
}
