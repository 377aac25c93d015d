//! When the venue is read: at the start, after every doubt, and now and then while there is something to lose.
//!
//! One read at a time; a doubt that arises while one is under way asks for another. An answer that comes after its question was
//! given up is still worth what it tells of its own time. Pacing is liveness time, because each
//! read weighs on the account's request budget.

use crate::time::{NS_PER_MS, NS_PER_S, Now};

const IN_POSITION_NS: u64 = 10 * NS_PER_S;
/// In position without the user stream: the fallback for its fills.
const BLIND_NS: u64 = 2 * NS_PER_S;
const FLAT_NS: u64 = 60 * NS_PER_S;
const SPACING_NS: u64 = 250 * NS_PER_MS;
const ANSWER_NS: u64 = 10 * NS_PER_S;
const LONGEST_PAUSE_NS: u64 = 5 * NS_PER_S;

/// What the pace depends on.
#[derive(Clone, Copy, Debug)]
pub struct Situation {
    /// A position is held.
    pub in_position: bool,
    /// The user stream is up.
    pub user_up: bool,
}

/// Paces the reads of one symbol.
#[derive(Clone, Debug, Default)]
pub struct Recon {
    wanted: bool,
    in_flight: bool,
    sent_ns: Option<u64>,
    /// When the newest read that was answered was sent.
    shown_ns: Option<u64>,
    done_ns: Option<u64>,
    fails: u32,
    not_before_ns: u64,
}

impl Recon {
    /// A doubt arose.
    pub fn want(&mut self) {
        self.wanted = true;
    }

    /// True when a read is to be sent now; it is then noted as sent.
    pub fn send(&mut self, now: Now, s: Situation) -> bool {
        if self.in_flight {
            let sent = self.sent_ns.unwrap_or(0);
            if now.mono_since(sent) < ANSWER_NS {
                return false;
            }
            self.failed(now, sent);
        }
        let period = match (s.in_position, s.user_up) {
            (true, true) => IN_POSITION_NS,
            (true, false) => BLIND_NS,
            (false, _) => FLAT_NS,
        };
        let stale = self.done_ns.is_some_and(|t| now.mono_since(t) >= period);
        if !(self.wanted || stale) || now.mono_ns < self.not_before_ns {
            return false;
        }
        self.wanted = false;
        self.in_flight = true;
        self.sent_ns = Some(now.mono_ns);
        true
    }

    /// The read that was sent at this liveness time arrived. False when a newer one has overtaken it: it tells nothing.
    pub fn answered(&mut self, now: Now, sent_ns: u64) -> bool {
        if self.shown_ns.is_some_and(|t| t > sent_ns) || sent_ns > now.mono_ns {
            return false;
        }
        self.shown_ns = Some(sent_ns);
        if self.sent_ns.is_none_or(|t| t == sent_ns) {
            self.in_flight = false;
            self.fails = 0;
            self.done_ns = Some(now.mono_ns);
            self.not_before_ns = now.mono_ns + SPACING_NS;
        }
        true
    }

    /// The read that was sent at this liveness time failed: asked again after a pause that doubles.
    pub fn failed(&mut self, now: Now, sent_ns: u64) {
        if self.sent_ns.is_some_and(|t| t != sent_ns) || !self.in_flight {
            return;
        }
        self.in_flight = false;
        self.wanted = true;
        self.fails = (self.fails + 1).min(8);
        let pause = (SPACING_NS << self.fails).min(LONGEST_PAUSE_NS);
        self.not_before_ns = now.mono_ns + pause;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLAT: Situation = Situation {
        in_position: false,
        user_up: true,
    };

    fn at(ms: u64) -> Now {
        Now::new(0, ms * NS_PER_MS)
    }

    #[test]
    fn a_doubt_during_a_read_asks_for_another_after_it() {
        let mut r = Recon::default();
        assert!(!r.send(at(0), FLAT));
        r.want();
        assert!(r.send(at(0), FLAT));
        r.want();
        assert!(!r.send(at(10), FLAT));
        assert!(r.answered(at(20), 0));
        assert!(!r.send(at(100), FLAT));
        assert!(r.send(at(270), FLAT));
    }

    #[test]
    fn failures_pause_longer_each_time_and_a_lost_answer_is_a_failure() {
        let mut r = Recon::default();
        r.want();
        assert!(r.send(at(0), FLAT));
        r.failed(at(0), 0);
        assert!(!r.send(at(499), FLAT));
        assert!(r.send(at(500), FLAT));
        assert!(!r.send(at(10_400), FLAT));
        assert!(!r.send(at(10_500), FLAT));
        assert!(r.send(at(11_500), FLAT));
    }

    #[test]
    fn an_answer_after_its_question_was_given_up_tells_of_its_own_time_only() {
        let mut r = Recon::default();
        r.want();
        assert!(r.send(at(0), FLAT));
        assert!(!r.send(at(10_000), FLAT), "given up, asked after a pause");
        assert!(r.send(at(10_500), FLAT));
        assert!(r.answered(at(10_600), 0), "the first one, very late");
        r.want();
        assert!(
            !r.send(at(11_000), FLAT),
            "the second is still under way, and is what a doubt waits for"
        );
        assert!(r.answered(at(11_100), at(10_500).mono_ns));
        assert!(!r.answered(at(11_200), 0), "overtaken");
        assert!(!r.answered(at(11_200), at(11_201).mono_ns), "never asked");
        r.failed(at(11_200), at(10_500).mono_ns);
        assert!(r.send(at(11_500), FLAT), "the doubt is asked for, unharmed");
    }

    #[test]
    fn a_position_is_read_each_ten_seconds_and_each_two_without_the_user_stream() {
        let mut r = Recon::default();
        r.want();
        assert!(r.send(at(0), FLAT));
        assert!(r.answered(at(0), 0));
        let held = Situation {
            in_position: true,
            user_up: true,
        };
        assert!(!r.send(at(9_999), held));
        let blind = Situation {
            user_up: false,
            ..held
        };
        assert!(r.send(at(2_000), blind));
        assert!(r.answered(at(2_000), at(2_000).mono_ns));
        assert!(r.send(at(12_000), held));
    }
}
