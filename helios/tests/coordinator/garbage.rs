//! Messages that are none, from a client that may say anything: counted, ignored, and survived.

use crate::rig::clock::{Ns, S, now, until};
use crate::rig::more::{Client, number};
use crate::rig::{ACCOUNT, Rig, STRATEGY, Setup, sample};
use helios_bus::Bus;
use helios_bus::codec::MAX_BYTES;
use helios_bus::nats::NatsConfig;
use helios_bus::subject as s;
use helios_core::messages::SCHEMA;
use std::time::Duration;

/// What a server takes at most, by default.
const MOST: usize = 1024 * 1024;
/// Longest that a worker may be without permission for it.
const SHORT: Ns = 4 * S;
/// Nobody answers what is no question.
const MOMENT: Duration = Duration::from_millis(20);

/// Kinds, as they are counted, with their messages.
fn garbage() -> Vec<(&'static str, Vec<u8>)> {
    let deep = "[".repeat(100_000).into_bytes();
    let large = |n: usize| vec![b' '; n];
    let version = |n: u32| format!("{{\"schema\":{n},\"body\":{{\"epoch\":9}}}}").into_bytes();
    vec![
        ("malformed", vec![]),
        ("malformed", b"\xff\xfe\x00".to_vec()),
        ("malformed", b"{}".to_vec()),
        ("malformed", format!("{{\"schema\":{SCHEMA}}}").into_bytes()),
        (
            "malformed",
            format!("{{\"schema\":{SCHEMA},\"body\":{{\"do\":\"dance\",\"epoch\":-1}}}}")
                .into_bytes(),
        ),
        ("malformed", deep),
        ("huge", large(MAX_BYTES + 1)),
        ("huge", large(MOST)),
        ("wrongVersion", version(0)),
        ("wrongVersion", version(SCHEMA + 1)),
        ("wrongVersion", version(u32::MAX)),
    ]
}

fn counted(rig: &Rig, coordinator: &str, kind: &str) -> f64 {
    let label = format!("kind=\"{kind}\"");
    sample(
        &rig.metrics(coordinator),
        "helios_bus_refused_total",
        &[&label],
    )
}

/// A client whose inbox is one that is answered to.
fn client(rig: &Rig, inbox: String) -> Client {
    let config = NatsConfig {
        inbox_prefix: inbox,
        ..NatsConfig::new(rig.nats.url())
    };
    Client::connect(config).unwrap()
}

#[test]
fn malformed_huge_and_wrong_version_messages_are_counted_and_change_nothing() {
    let rig = Rig::start(Setup {
        seed: 61,
        ..Setup::default()
    });
    let (epoch, leader) = (rig.epoch(), rig.leader().name().to_string());
    let kinds = ["malformed", "huge", "wrongVersion"];
    let before = kinds.map(|k| counted(&rig, &leader, k));
    let worker = client(&rig, s::worker_inbox(ACCOUNT, "BTCUSDT"));
    let person = client(&rig, s::admin_inbox(ACCOUNT));
    let from = now();
    let mut sent = 0.0;
    for round in 0..3 {
        for (_, m) in garbage() {
            for symbol in ["BTCUSDT", "ETHUSDT", "NOSUCHUSDT"] {
                worker.publish(&s::report(ACCOUNT, symbol), &m);
                worker.publish(&s::command(ACCOUNT, symbol), &m);
            }
            worker.publish(&s::alerts(ACCOUNT), &m);
            let bytes = || bytes::Bytes::from(m.clone());
            let grant = s::grant(ACCOUNT, "BTCUSDT");
            let asked = worker.block(worker.bus.request(&grant, bytes(), MOMENT));
            assert!(asked.is_err(), "{asked:?}");
            let asked = person.block(person.bus.request(&s::admin(ACCOUNT), bytes(), MOMENT));
            assert!(asked.is_err(), "{asked:?}");
            for key in [
                s::snapshot_key(ACCOUNT),
                s::fence_key(ACCOUNT),
                s::params_key(ACCOUNT, STRATEGY),
            ] {
                // Its own writers may be quicker, or the server too slow for so much: the next one comes.
                let _ = worker.block(worker.bus.put(&key, bytes()));
            }
            sent += 1.0;
        }
        eprintln!(
            "round {round}: {:?}",
            kinds.map(|k| counted(&rig, &leader, k))
        );
    }
    let to = now();
    rig.all_granted(to, Duration::from_nanos(SHORT)).unwrap();
    until(to + 2 * S);

    assert!(sent > 0.0);
    for (kind, before) in kinds.iter().zip(before) {
        // Three reports, an alert, a question and a person's request are the least that the leader hears of each.
        let of_it = garbage().iter().filter(|g| g.0 == *kind).count() as f64;
        let least = 3.0 * of_it * 6.0;
        let now = counted(&rig, &leader, kind);
        assert!(
            now - before >= least,
            "{kind}: {before}, then {now}, at least {least} more"
        );
    }
    assert_eq!(rig.epoch(), epoch, "the epoch was moved");
    assert_eq!(rig.leader().name(), leader, "the lead changed hands");
    rig.nobody_crashed();
    for w in rig.workers.values() {
        let mut without = None;
        for r in w.history(from) {
            if r.value["view"]["granted"] == true {
                without = None;
                continue;
            }
            let since = *without.get_or_insert(r.at);
            assert!(
                r.at - since < SHORT,
                "{} had no permission for long: {}",
                w.name(),
                r.value
            );
        }
        let last = w.newest(|_| true).unwrap().value;
        assert_eq!(number(&last, "epoch"), epoch);
    }
    rig.wait_entry(to);
    rig.check();
}
