//! The elector by hand, and many of them in a world that delays, loses, stops and deletes.
#![allow(clippy::unwrap_used)]

use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const S: u64 = NS_PER_S;
const MS: u64 = S / 1000;

fn at(mono_ns: u64) -> At {
    // A wall clock that goes backwards: nothing may depend on it.
    let wall = MicroTime::from_unix_us(1_700_000_000_000_000 - (mono_ns / 1000) as i64);
    At { mono_ns, wall }
}

fn elector(identity: &str) -> Elector {
    Elector::new(identity, Times::default()).unwrap()
}

fn v(s: &str) -> Version {
    Version(s.into())
}

fn held(by: Option<&str>, seconds: u32, transitions: u64) -> LeaseRecord {
    LeaseRecord {
        holder_identity: by.map(str::to_string),
        lease_duration_seconds: seconds,
        acquire_time: None,
        renew_time: None,
        lease_transitions: transitions,
    }
}

fn found(r: &LeaseRecord, version: &str) -> Input {
    Input::ReadDone(Ok(Some((r.clone(), v(version)))))
}

fn written(version: &str) -> Input {
    Input::WriteDone(Ok(v(version)))
}

fn write_of(out: &[Output]) -> (Option<Version>, LeaseRecord) {
    match out.last() {
        Some(Output::Write(expected, r)) => (expected.clone(), r.clone()),
        other => panic!("expected a write, got {other:?}"),
    }
}

/// An elector that leads term 4 since 10 s, renewal sent at 10 s.
fn leader() -> (Elector, LeaseRecord) {
    let mut e = elector("a");
    assert_eq!(e.step(at(10 * S), Input::Tick), [Output::Read]);
    let out = e.step(at(10 * S), found(&held(None, 1, 3), "3"));
    let (expected, r) = write_of(&out);
    assert_eq!((expected, r.lease_transitions), (Some(v("3")), 4));
    assert_eq!((r.holder(), r.lease_duration_seconds), (Some("a"), 6));
    let until = 13 * S;
    assert_eq!(
        e.step(at(10 * S + 50 * MS), written("4")),
        [Output::Became {
            transitions: 4,
            until
        }]
    );
    (e, r)
}

#[test]
fn a_held_lease_is_taken_only_after_the_whole_duration_without_a_change() {
    let mut e = elector("b");
    let r = held(Some("a"), 6, 3);
    e.step(at(100 * S), Input::Tick);
    // Seen first at 100.2 s, when the answer came.
    assert_eq!(e.step(at(100 * S + 200 * MS), found(&r, "x")), []);
    for s in 102..=105 {
        assert_eq!(e.step(at(s * S), Input::Tick), [Output::Read]);
        assert_eq!(e.step(at(s * S + 10 * MS), found(&r, "x")), [], "{s}");
    }
    // Renewed: from now on anew.
    assert_eq!(e.step(at(106 * S + 100 * MS), Input::Tick), [Output::Read]);
    assert_eq!(e.step(at(106 * S + 100 * MS), found(&r, "y")), []);
    assert_eq!(e.step(at(112 * S), Input::Tick), [Output::Read]);
    assert_eq!(e.step(at(112 * S + 50 * MS), found(&r, "y")), []);
    // The next look is asked for as soon as it can be taken, not a poll later.
    assert_eq!(e.next_ns(), 112 * S + 100 * MS);
    e.step(at(112 * S + 100 * MS), Input::Tick);
    let out = e.step(at(112 * S + 110 * MS), found(&r, "y"));
    let (expected, taken) = write_of(&out);
    assert_eq!(expected, Some(v("y")));
    assert_eq!((taken.holder(), taken.lease_transitions), (Some("b"), 4));
}

#[test]
fn the_longer_of_both_durations_counts() {
    let mut e = elector("b");
    let r = held(Some("a"), 20, 3);
    e.step(at(0), Input::Tick);
    e.step(at(0), found(&r, "x"));
    e.step(at(19 * S), Input::Tick);
    assert_eq!(e.step(at(19 * S), found(&r, "x")), []);
    e.step(at(20 * S), Input::Tick);
    write_of(&e.step(at(20 * S), found(&r, "x")));
}

#[test]
fn a_failed_look_takes_nothing() {
    let mut e = elector("b");
    e.step(at(0), Input::Tick);
    e.step(at(0), found(&held(Some("a"), 6, 3), "x"));
    for s in [5, 50, 500] {
        assert_eq!(e.step(at(s * S), Input::Tick), [Output::Read]);
        let damaged = Input::ReadDone(Err(LeaseError::Damaged("f".into())));
        assert_eq!(e.step(at(s * S), damaged), []);
    }
}

#[test]
fn a_leader_renews_and_its_end_counts_from_the_sending() {
    let (mut e, first) = leader();
    assert_eq!(e.next_ns(), 11 * S);
    let (expected, r) = write_of(&e.step(at(11 * S), Input::Tick));
    assert_eq!(expected, Some(v("4")));
    assert_eq!(r.acquire_time, first.acquire_time);
    assert_ne!(r.renew_time, first.renew_time);
    assert_eq!(r.lease_transitions, 4);
    let until = 14 * S;
    assert_eq!(
        e.step(at(11 * S + 900 * MS), written("5")),
        [Output::Renewed { until }]
    );
}

#[test]
fn without_a_renewal_the_lead_ends_by_itself() {
    let (mut e, _) = leader();
    write_of(&e.step(at(11 * S), Input::Tick));
    assert_eq!(
        e.next_ns(),
        13 * S,
        "with a write under way, the end is next"
    );
    assert_eq!(e.step(at(13 * S - 1), Input::Tick), []);
    assert_eq!(
        e.step(at(13 * S), Input::Tick),
        [Output::Lost { why: Why::Deadline }]
    );
    assert_eq!(e.lead(), None);
}

#[test]
fn after_a_pause_the_loss_comes_before_the_answer_that_waited_and_the_next_term_has_a_new_number() {
    let (mut e, _) = leader();
    let (_, renewal) = write_of(&e.step(at(11 * S), Input::Tick));
    let out = e.step(at(30 * S), written("5"));
    assert_eq!(out[0], Output::Lost { why: Why::Deadline });
    // Nobody took it: it is still its own, so it need not be observed. But first it looks.
    assert_eq!(out[1..], [Output::Write(Some(v("5")), write_of(&out).1)]);
    let (_, again) = write_of(&out);
    assert_eq!(again.lease_transitions, renewal.lease_transitions + 1);
    // The same, but somebody took it.
    let (mut e, _) = leader();
    write_of(&e.step(at(11 * S), Input::Tick));
    let out = e.step(at(30 * S), Input::WriteDone(Err(LeaseError::Conflict)));
    assert_eq!(out, [Output::Lost { why: Why::Deadline }]);
    assert_eq!(e.step(at(31 * S), Input::Tick), [Output::Read]);
    assert_eq!(e.step(at(31 * S), found(&held(Some("b"), 6, 5), "9")), []);
    assert_eq!(e.holder(), Some("b"));
}

#[test]
fn a_renewal_whose_answer_was_lost_is_recognised() {
    let (mut e, _) = leader();
    let (_, renewal) = write_of(&e.step(at(11 * S), Input::Tick));
    let lost = Input::WriteDone(Err(LeaseError::Timeout));
    assert_eq!(e.step(at(11 * S + 700 * MS), lost), []);
    assert_eq!(e.step(at(12 * S), Input::Tick), [Output::Read]);
    let out = e.step(at(12 * S), found(&renewal, "5"));
    assert_eq!(write_of(&out).0, Some(v("5")));
    assert_eq!(out.len(), 1, "seeing it is no renewal");
}

#[test]
fn a_leader_that_sees_another_term_ends_at_once_even_under_its_own_name() {
    for by in ["b", "a"] {
        let (mut e, _) = leader();
        write_of(&e.step(at(11 * S), Input::Tick));
        e.step(at(11 * S), Input::WriteDone(Err(LeaseError::Conflict)));
        e.step(at(12 * S), Input::Tick);
        let why = Why::Taken(Some(by.to_string()));
        assert_eq!(
            e.step(at(12 * S), found(&held(Some(by), 6, 4), "9")),
            [Output::Lost { why }]
        );
    }
}

#[test]
fn a_record_that_vanished_is_written_again_by_its_leader_and_led_by_nobody_else_for_the_duration() {
    let (mut e, _) = leader();
    e.step(at(11 * S), Input::Tick);
    e.step(at(11 * S), Input::WriteDone(Err(LeaseError::Conflict)));
    e.step(at(12 * S), Input::Tick);
    let (expected, r) = write_of(&e.step(at(12 * S), Input::ReadDone(Ok(None))));
    assert_eq!((expected, r.lease_transitions), (None, 4));

    let mut b = elector("b");
    b.step(at(12 * S), Input::Tick);
    let (expected, vacant) = write_of(&b.step(at(12 * S), Input::ReadDone(Ok(None))));
    assert_eq!((expected, vacant.holder()), (None, None));
    assert_eq!(b.step(at(12 * S), written("v")), []);
    b.step(at(17 * S), Input::Tick);
    assert_eq!(b.step(at(17 * S), found(&vacant, "v")), []);
    b.step(at(18 * S), Input::Tick);
    write_of(&b.step(at(18 * S), found(&vacant, "v")));
}

#[test]
fn a_released_record_from_an_older_term_proves_nothing() {
    let mut e = elector("b");
    e.step(at(0), Input::Tick);
    e.step(at(0), found(&held(Some("a"), 6, 7), "x"));
    e.step(at(S), Input::Tick);
    assert_eq!(e.step(at(S), found(&held(None, 1, 6), "old")), []);
    // Term 7's own release does.
    e.step(at(2 * S), Input::Tick);
    let (_, r) = write_of(&e.step(at(2 * S), found(&held(None, 1, 7), "y")));
    assert_eq!(r.lease_transitions, 8);
}

#[test]
fn a_release_ends_the_lead_first_and_then_frees_the_record() {
    let (mut e, _) = leader();
    let out = e.step(at(10 * S + 500 * MS), Input::Release);
    assert_eq!(out[0], Output::Lost { why: Why::Released });
    let (expected, r) = write_of(&out);
    assert_eq!(expected, Some(v("4")));
    assert_eq!(
        (r.holder(), r.lease_duration_seconds, r.lease_transitions),
        (None, 1, 4)
    );
    assert!(!e.is_done());
    assert_eq!(e.step(at(11 * S), written("5")), []);
    assert!(e.is_done());
}

#[test]
fn a_release_during_a_renewal_waits_for_its_answer() {
    let (mut e, _) = leader();
    write_of(&e.step(at(11 * S), Input::Tick));
    assert_eq!(
        e.step(at(11 * S), Input::Release),
        [Output::Lost { why: Why::Released }]
    );
    let (expected, r) = write_of(&e.step(at(11 * S + 100 * MS), written("5")));
    assert_eq!((expected, r.holder()), (Some(v("5")), None));
}

#[test]
fn a_candidate_that_is_released_just_ends() {
    let mut e = elector("b");
    assert_eq!(e.step(at(0), Input::Release), []);
    assert!(e.is_done());
}

#[test]
fn impossible_setups_are_refused() {
    assert!(matches!(
        Elector::new("", Times::default()),
        Err(SetupError::EmptyIdentity)
    ));
    let bad = |duration, renew_every, renew_deadline| Times {
        duration: Duration::from_millis(duration),
        renew_every: Duration::from_millis(renew_every),
        renew_deadline: Duration::from_millis(renew_deadline),
    };
    for t in [
        bad(6000, 1000, 6000),
        bad(6000, 3000, 3000),
        bad(6000, 0, 3000),
        bad(6500, 1000, 3000),
        bad(1000, 100, 500),
    ] {
        assert!(Elector::new("a", t).is_err(), "{t:?}");
    }
}

// ---------------------------------------------------------------------------------------------------------------------

struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % below.max(1)
    }

    fn one_in(&mut self, n: u64) -> bool {
        n > 0 && self.roll(n) == 0
    }
}

/// How hostile the world is; 0 = never.
#[derive(Clone, Copy, Debug)]
struct Faults {
    pause_one_in: u64,
    lose_one_in: u64,
    late_one_in: u64,
    kill_one_in: u64,
    release_one_in: u64,
    delete_one_in: u64,
    /// All candidates have one name, which nobody should do.
    one_name: bool,
    /// Rates of the candidates' clocks differ by up to this many percent of the true one.
    drift_percent: u64,
}

enum Event {
    /// Node, its life, the number of its call (for an answer), what to feed.
    Feed(usize, u64, Option<u64>, Input),
    /// A read or write arrives at the store; `None` answer time: the answer is lost.
    Effect(usize, u64, u64, Output, Option<u64>),
}

struct Node {
    elector: Elector,
    life: u64,
    call: u64,
    paused_until: u64,
    offset: u64,
    rate_percent: u64,
    /// True time at which it ceases to believe that it leads.
    believes_until: u64,
}

impl Node {
    fn local(&self, t: u64) -> u64 {
        self.offset + t / 100 * self.rate_percent
    }

    fn true_time(&self, local: u64) -> u64 {
        (local - self.offset) / self.rate_percent * 100
    }
}

struct World {
    dice: Dice,
    faults: Faults,
    times: Times,
    nodes: Vec<Node>,
    queue: BTreeMap<(u64, u64), Event>,
    queued: u64,
    record: Option<(LeaseRecord, Version)>,
    writes: u64,
    terms: BTreeSet<u64>,
    became: u64,
}

const CALL_TIMEOUT: u64 = 750 * MS;
const HOSTILE: u64 = 150 * S;
const CALM: u64 = 70 * S;

impl World {
    fn new(seed: u64, nodes: usize, times: Times, faults: Faults) -> Self {
        let mut w = Self {
            dice: Dice(seed),
            faults,
            times,
            nodes: Vec::new(),
            queue: BTreeMap::new(),
            queued: 0,
            record: None,
            writes: 0,
            terms: BTreeSet::new(),
            became: 0,
        };
        for i in 0..nodes {
            let n = w.birth(i, 0);
            w.nodes.push(n);
            let t = w.dice.roll(3 * S);
            w.push(t, Event::Feed(i, 0, None, Input::Tick));
        }
        w
    }

    fn birth(&mut self, i: usize, life: u64) -> Node {
        let name = if self.faults.one_name {
            "same".to_string()
        } else {
            format!("{i}.{life}")
        };
        let d = self.faults.drift_percent;
        Node {
            elector: Elector {
                times: self.times,
                ..elector(&name)
            },
            life,
            call: 0,
            paused_until: 0,
            offset: self.dice.roll(1000 * S),
            rate_percent: 100 - d + self.dice.roll(2 * d + 1),
            believes_until: 0,
        }
    }

    fn push(&mut self, t: u64, e: Event) {
        self.queued += 1;
        self.queue.insert((t, self.queued), e);
    }

    fn delay(&mut self, hostile: bool) -> u64 {
        match self.dice.roll(20) {
            0 if hostile => self.dice.roll(2 * S),
            _ => self.dice.roll(40 * MS),
        }
    }

    fn run(&mut self) -> Result<(), String> {
        while let Some(((t, _), event)) = self.queue.pop_first() {
            if t > HOSTILE + CALM {
                break;
            }
            let hostile = t < HOSTILE;
            if hostile && self.dice.one_in(self.faults.delete_one_in) {
                self.record = None;
            }
            match event {
                Event::Effect(i, life, call, op, answer_at) => {
                    let input = self.effect(op)?;
                    if let Some(a) = answer_at {
                        self.push(a, Event::Feed(i, life, Some(call), input));
                    }
                }
                Event::Feed(i, life, call, input) => self.feed(t, hostile, i, life, call, input)?,
            }
        }
        let end = HOSTILE + CALM;
        let leaders = self.nodes.iter().filter(|n| n.believes_until > end).count();
        if leaders == 1 {
            Ok(())
        } else {
            Err(format!("{leaders} leaders after a calm time"))
        }
    }

    fn effect(&mut self, op: Output) -> Result<Input, String> {
        let Output::Write(expected, new) = op else {
            return Ok(Input::ReadDone(Ok(self.record.clone())));
        };
        if self.record.as_ref().map(|(_, v)| v) != expected.as_ref() {
            return Ok(Input::WriteDone(Err(LeaseError::Conflict)));
        }
        if let Some((old, _)) = &self.record {
            if new.lease_transitions < old.lease_transitions {
                return Err(format!("transitions went back: {old:?} to {new:?}"));
            }
            // Kubernetes makes no new version of equal content.
            if *old == new {
                return Err(format!("a write that changes nothing: {new:?}"));
            }
        }
        self.writes += 1;
        let version = Version(self.writes.to_string());
        self.record = Some((new, version.clone()));
        Ok(Input::WriteDone(Ok(version)))
    }

    fn feed(
        &mut self,
        t: u64,
        hostile: bool,
        i: usize,
        life: u64,
        call: Option<u64>,
        mut input: Input,
    ) -> Result<(), String> {
        if self.nodes[i].life != life || call.is_some_and(|c| c != self.nodes[i].call) {
            return Ok(());
        }
        if t < self.nodes[i].paused_until {
            // All that waited comes in any order.
            let again = self.nodes[i].paused_until + self.dice.roll(MS);
            self.push(again, Event::Feed(i, life, call, input));
            return Ok(());
        }
        if hostile && self.dice.one_in(self.faults.pause_one_in) {
            self.nodes[i].paused_until = t + self.dice.roll(20 * S);
            self.push(t, Event::Feed(i, life, call, input));
            return Ok(());
        }
        let reborn = hostile && self.dice.one_in(self.faults.kill_one_in);
        if reborn || self.nodes[i].elector.is_done() {
            // Dead: it believes nothing any more; what it sent is still under way.
            let n = self.birth(i, life + 1);
            self.nodes[i] = n;
            self.push(t + S, Event::Feed(i, life + 1, None, Input::Tick));
            return Ok(());
        }
        if call.is_some() {
            // The answer of a call; a later one to the same call (its timeout) means nothing.
            self.nodes[i].call += 1;
        } else if hostile && self.dice.one_in(self.faults.release_one_in) {
            input = Input::Release;
        }
        self.step(t, hostile, i, input)
    }

    fn step(&mut self, t: u64, hostile: bool, i: usize, input: Input) -> Result<(), String> {
        let now = self.nodes[i].local(t);
        // A wall clock of one's own that is off by days and stands still now and then.
        let wall =
            1_600_000_000_000_000 + (i as i64) * 86_400_000_000 + (t / S / 5 * 5_000_000) as i64;
        let at = At {
            mono_ns: now,
            wall: MicroTime::from_unix_us(wall),
        };
        let outputs = self.nodes[i].elector.step(at, input);
        for (k, o) in outputs.into_iter().enumerate() {
            match o {
                Output::Lost { .. } if k > 0 => return Err("a loss must come first".into()),
                Output::Lost { .. } => self.nodes[i].believes_until = 0,
                Output::Became { transitions, until } => {
                    self.became += 1;
                    let newest = self.terms.last().copied().unwrap_or(0);
                    if self.faults.delete_one_in == 0 && transitions <= newest {
                        return Err(format!("term {transitions} after {newest}"));
                    }
                    self.terms.insert(transitions);
                    self.leads(t, i, until)?;
                }
                Output::Renewed { until } => self.leads(t, i, until)?,
                op @ (Output::Read | Output::Write(..)) => {
                    let (life, call) = (self.nodes[i].life, self.nodes[i].call);
                    let late = hostile && self.dice.one_in(self.faults.late_one_in);
                    let arrives = t + if late {
                        self.dice.roll(15 * S)
                    } else {
                        self.delay(hostile)
                    };
                    let answer = arrives + self.delay(hostile);
                    let lost = hostile && self.dice.one_in(self.faults.lose_one_in);
                    if !(lost && self.dice.one_in(2)) {
                        let answer = (!lost).then_some(answer);
                        let e = Event::Effect(i, life, call, op.clone(), answer);
                        self.push(arrives, e);
                    }
                    let timeout = match op {
                        Output::Read => Input::ReadDone(Err(LeaseError::Timeout)),
                        _ => Input::WriteDone(Err(LeaseError::Timeout)),
                    };
                    let e = Event::Feed(i, life, Some(call), timeout);
                    self.push(t + CALL_TIMEOUT, e);
                }
            }
        }
        let n = &self.nodes[i];
        if n.elector.lead().is_some_and(|(_, until)| until <= now) {
            return Err(format!("{i} still leads past its end"));
        }
        let (life, next) = (n.life, n.elector.next_ns());
        let tick = if n.elector.is_done() {
            t + S
        } else if next == u64::MAX {
            return Ok(());
        } else {
            n.true_time(next.max(now) + 2 * MS).max(t + MS)
        };
        self.push(tick, Event::Feed(i, life, None, Input::Tick));
        Ok(())
    }

    fn leads(&mut self, t: u64, i: usize, until: u64) -> Result<(), String> {
        self.nodes[i].believes_until = self.nodes[i].true_time(until);
        for (j, n) in self.nodes.iter().enumerate() {
            if j != i && n.believes_until > t {
                return Err(format!("{i} and {j} both believe that they lead"));
            }
        }
        Ok(())
    }
}

fn faults() -> impl Strategy<Value = Faults> {
    let rate = || prop_oneof![Just(0), 10_u64..200];
    (
        (rate(), rate(), rate()),
        (rate(), rate(), rate()),
        any::<bool>(),
        0_u64..15,
    )
        .prop_map(
            |((pause, lose, late), (kill, release, delete), one_name, drift_percent)| Faults {
                pause_one_in: pause,
                lose_one_in: lose,
                late_one_in: late,
                kill_one_in: kill,
                release_one_in: release,
                delete_one_in: delete,
                one_name,
                drift_percent,
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn no_two_ever_believe_that_they_lead_terms_only_grow_and_calm_brings_a_leader(
        seed in any::<u64>(), nodes in 1_usize..5, faults in faults()
    ) {
        let mut w = World::new(seed, nodes, Times::default(), faults);
        if let Err(e) = w.run() {
            return Err(TestCaseError::fail(e));
        }
    }
}

/// Among many worlds, how many broke the promise that this sentence is about.
fn broken(times: Times, faults: Faults, sentence: &str) -> usize {
    (0..60)
        .filter_map(|seed| World::new(seed, 3, times, faults).run().err())
        .filter(|e| e.contains(sentence))
        .count()
}

#[test]
fn the_property_sees_two_leaders_when_the_deadline_is_longer_than_the_observation() {
    let faults = Faults {
        pause_one_in: 60,
        lose_one_in: 10,
        late_one_in: 50,
        kill_one_in: 0,
        release_one_in: 0,
        delete_one_in: 0,
        one_name: false,
        drift_percent: 0,
    };
    let both = "both believe";
    assert_eq!(broken(Times::default(), faults, both), 0);
    let long = Times {
        renew_deadline: Duration::from_secs(9),
        ..Times::default()
    };
    assert!(broken(long, faults, both) > 5);
    let drift_percent = 80;
    assert!(
        broken(
            Times::default(),
            Faults {
                drift_percent,
                ..faults
            },
            both
        ) > 5
    );
}
