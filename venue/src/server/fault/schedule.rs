//! Faults that come by themselves: at told times, or drawn from the whole menu by a seed.
//!
//! Times are market milliseconds since the venue's start, so that the same plan over the same market orders the same faults in
//! the same order, each when the market has caught up with its moment. What they hit depends on what clients do then.

use super::menu::{
    Answer, Clock, Delay, Disorder, Fault, Filters, Frames, Liquidation, ListenKey, Maintenance,
    Partial, Rules, Say, Sockets, Vanish, Which,
};
use crate::market::Rng;
use crate::server::venue::Venue;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// A fault and when it comes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timed {
    /// Market ms since the venue's start.
    pub at_ms: i64,
    /// And again each so many market ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every_ms: Option<i64>,
    /// The fault.
    #[serde(flatten)]
    pub fault: Fault,
}

/// What goes wrong, and when.
#[derive(Clone, Debug, PartialEq)]
pub enum FaultPlan {
    /// At told times.
    Timed(Vec<Timed>),
    /// Drawn: on average one in so many market ms.
    Drawn {
        /// The same seed draws the same faults.
        seed: u64,
        /// Mean of the time between two, market ms, at least 1.
        every_ms: u64,
    },
}

/// A plan that can't be followed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultPlanError {
    /// A time is before the start, or a repetition does not go on.
    #[error("fault {number}: at_ms must not be negative and every_ms must be at least 1")]
    BadTime {
        /// Which, from 1.
        number: usize,
    },
}

impl FaultPlan {
    /// A plan of told times.
    ///
    /// # Errors
    /// [`FaultPlanError::BadTime`].
    pub fn timed(all: Vec<Timed>) -> Result<Self, FaultPlanError> {
        let bad = |t: &Timed| t.at_ms < 0 || t.every_ms.is_some_and(|e| e < 1);
        match all.iter().position(bad) {
            Some(i) => Err(FaultPlanError::BadTime { number: i + 1 }),
            None => Ok(Self::Timed(all)),
        }
    }
}

/// A drawn fault that is later than that, market ms, was slept through: a saved venue that catches up, a machine that was away.
const SLEPT_MS: i64 = 600_000;

/// A plan being followed.
pub(in crate::server) struct Schedule {
    start_ms: i64,
    /// Ordered by time.
    told: VecDeque<Timed>,
    drawn: Option<Drawn>,
}

struct Drawn {
    rng: Rng,
    mean_ms: f64,
    /// When the next one comes.
    at_ms: i64,
}

impl Drawn {
    fn wait(&mut self) {
        self.at_ms += ((self.rng.exponential() * self.mean_ms) as i64).max(1);
    }
}

impl Schedule {
    /// From a market time on.
    pub(in crate::server) fn new(plan: FaultPlan, start_ms: i64) -> Self {
        let (mut told, drawn) = match plan {
            FaultPlan::Timed(all) => (all, None),
            FaultPlan::Drawn { seed, every_ms } => {
                let mut drawn = Drawn {
                    rng: Rng::new(seed, 0),
                    mean_ms: every_ms.max(1) as f64,
                    at_ms: 0,
                };
                drawn.wait();
                (Vec::new(), Some(drawn))
            }
        };
        told.sort_by_key(|t| t.at_ms);
        Self {
            start_ms,
            told: told.into(),
            drawn,
        }
    }

    /// When the next one comes, market ms.
    fn next_ms(&self) -> Option<i64> {
        let told = self.told.front().map(|t| t.at_ms);
        let drawn = self.drawn.as_ref().map(|d| d.at_ms);
        let next = [told, drawn].into_iter().flatten().min();
        next.map(|ms| self.start_ms.saturating_add(ms))
    }

    /// The next fault that is due; `symbols` are the contracts one may be drawn for.
    fn due(&mut self, now_ms: i64, symbols: &[String]) -> Option<Fault> {
        let since = now_ms - self.start_ms;
        if let Some(t) = self.told.pop_front_if(|t| t.at_ms <= since) {
            if let Some(every) = t.every_ms {
                // What was slept through comes once.
                let missed = (since - t.at_ms) / every;
                let again = Timed {
                    at_ms: t.at_ms.saturating_add(every.saturating_mul(missed + 1)),
                    ..t.clone()
                };
                let place = self.told.partition_point(|o| o.at_ms <= again.at_ms);
                self.told.insert(place, again);
            }
            return Some(t.fault);
        }
        let drawn = self.drawn.as_mut().filter(|d| d.at_ms <= since)?;
        // Of a time that was slept through one fault comes.
        if since - drawn.at_ms > SLEPT_MS {
            drawn.at_ms = since;
        }
        drawn.wait();
        Some(draw(&mut drawn.rng, symbols))
    }
}

impl Venue {
    /// Orders what the plan says is due.
    pub(in crate::server) fn fail_by_plan(&mut self) {
        let now = self.clock.now_ms();
        let Some(mut plan) = self.plan.take() else {
            return;
        };
        if plan.next_ms().is_some_and(|t| t <= now) {
            let symbols: Vec<String> = self.upper.keys().cloned().collect();
            self.account = self.first;
            while let Some(fault) = plan.due(now, &symbols) {
                let shown = serde_json::to_string(&fault).unwrap_or_default();
                match self.fault(fault) {
                    Ok(_) => tracing::info!(market_ms = now, "fault by plan: {shown}"),
                    // A liquidation without a position, a user stream without a key.
                    Err((_, why)) => {
                        tracing::info!("a fault by plan found nothing to hit ({why}): {shown}")
                    }
                }
            }
        }
        self.plan = Some(plan);
    }
}

/// Requests that faults are drawn for: those that change something, and any.
const REQUESTS: [Option<&str>; 6] = [
    Some("POST /fapi/v1/order"),
    Some("POST /fapi/v1/algoOrder"),
    Some("DELETE /fapi/v1/order"),
    Some("DELETE /fapi/v1/algoOrder"),
    Some("GET /fapi/v1/openAlgoOrders"),
    None,
];

/// One fault of the menu.
fn draw(rng: &mut Rng, symbols: &[String]) -> Fault {
    let mut up_to = |n: u64| ((rng.uniform() * n as f64) as u64).min(n.saturating_sub(1));
    let symbol = |i: u64| symbols.get(i as usize).cloned().unwrap_or_default();
    let some = up_to(symbols.len() as u64);
    let symbol = symbol(some);
    let kind = ["public", "market", "private"][up_to(3) as usize];
    let on = Which {
        request: REQUESTS[up_to(6) as usize].map(str::to_owned),
        params: BTreeMap::new(),
    };
    let retry_after = 1 + up_to(3);
    match up_to(26) {
        0..=1 => Fault::Drop(Sockets {
            kind: Some(kind.into()),
            symbol: None,
            ms: None,
        }),
        2..=3 => Fault::Stall(Sockets {
            kind: Some(kind.into()),
            symbol: None,
            ms: Some(500 + up_to(9500)),
        }),
        4..=8 => Fault::Frames(Frames {
            stream: if up_to(2) == 0 {
                "user".into()
            } else {
                format!("{}@depth", symbol.to_lowercase())
            },
            account: None,
            event: None,
            to: [Disorder::Lose, Disorder::Duplicate, Disorder::Reorder][up_to(3) as usize],
            times: 1 + up_to(4),
        }),
        9..=14 => {
            let effect = up_to(2) == 0;
            let (say, effect) = match up_to(8) {
                0 => (Say::Silence, effect),
                1 => (Say::Cut, effect),
                2 => (Say::Unavailable, effect),
                3 | 4 => (Say::Timeout, effect),
                5 => (Say::Unexpected, effect),
                6 => (Say::Throttled, false),
                _ => (Say::TooMany { retry_after }, false),
            };
            Fault::Answer(Answer {
                on,
                say,
                effect,
                times: 1,
            })
        }
        15..=16 => Fault::Delay(Delay {
            on,
            before_ms: up_to(2000),
            after_ms: up_to(2000),
            times: 1 + up_to(3),
        }),
        17..=18 => Fault::Vanish(Vanish {
            symbol,
            account: None,
            standing: up_to(2) == 0,
            after_ms: up_to(2000) as i64,
            told: up_to(2) == 0,
            times: 1,
        }),
        19 => Fault::Partial(Partial {
            symbol,
            percent: up_to(100) as u8,
            times: 1,
        }),
        20 => Fault::Clock(Clock {
            ms: [0, 0, -3000, 3000][up_to(4) as usize],
        }),
        21 => Fault::Filters(Filters {
            symbol,
            min_notional: Some(Decimal::from(5 + up_to(20))),
            ..Filters::default()
        }),
        22 => Fault::Maintenance(Maintenance {
            ms: 500 + up_to(4500),
        }),
        23 => Fault::ListenKey(ListenKey {
            account: None,
            told: up_to(3),
        }),
        24 => {
            let mut either = || Some(up_to(2) == 0);
            Fault::Rules(Rules {
                auto_cancel_orphan_stops: either(),
                orphan_stops_canceled: either(),
                countdown_cancels_algo: either(),
                stops_hold_reduce_only: either(),
                trigger_reject_event: either(),
            })
        }
        _ => Fault::Liquidation(Liquidation {
            symbol,
            account: None,
        }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn timed(text: &str) -> Vec<Timed> {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn told_times_are_kept_and_repeated_ones_go_on() {
        let all = timed(
            r#"[{"at_ms": 50, "fault": "clock", "ms": 2},
                {"at_ms": 10, "every_ms": 30, "fault": "clock", "ms": 1}]"#,
        );
        let mut s = Schedule::new(FaultPlan::timed(all).unwrap(), 1000);
        let mut seen = Vec::new();
        for now in [1000, 1010, 1049, 1080, 1081] {
            while let Some(f) = s.due(now, &[]) {
                let Fault::Clock(c) = f else { unreachable!() };
                seen.push((now, c.ms));
            }
        }
        assert_eq!(seen, [(1010, 1), (1049, 1), (1080, 2), (1080, 1)]);
    }

    #[test]
    fn a_plan_that_can_t_be_followed_is_refused() {
        let bad = timed(
            r#"[{"at_ms": 0, "fault": "clock", "ms": 0}, {"at_ms": 1, "every_ms": 0, "fault": "clock", "ms": 0}]"#,
        );
        assert_eq!(
            FaultPlan::timed(bad),
            Err(FaultPlanError::BadTime { number: 2 })
        );
        let unknown = r#"[{"at_ms": 0, "fault": "clock", "ms": 0, "hours": 1}]"#;
        assert!(serde_json::from_str::<Vec<Timed>>(unknown).is_err());
    }

    #[test]
    fn a_seed_draws_the_same_faults_and_in_time_the_whole_menu() {
        let symbols = ["BTCUSDT".to_owned(), "ETHUSDT".to_owned()];
        let all = |seed: u64| -> Vec<(i64, Fault)> {
            let mut s = Schedule::new(
                FaultPlan::Drawn {
                    seed,
                    every_ms: 100,
                },
                0,
            );
            (0..50_000)
                .step_by(10)
                .filter_map(|now| Some((now, s.due(now, &symbols)?)))
                .collect()
        };
        assert_eq!(all(1), all(1));
        assert_ne!(all(1), all(2));
        let drawn = all(1);
        assert!((350..650).contains(&drawn.len()), "{}", drawn.len());
        let names: std::collections::BTreeSet<String> = drawn
            .iter()
            .map(|(_, f)| {
                let v = serde_json::to_value(f).unwrap();
                assert_eq!(serde_json::from_value::<Fault>(v.clone()).unwrap(), *f);
                v["fault"].as_str().unwrap().to_owned()
            })
            .collect();
        let menu = "answer clock delay drop filters frames liquidation listen-key maintenance partial rules stall vanish";
        assert_eq!(names.into_iter().collect::<Vec<_>>().join(" "), menu);
    }
}
