//! How soon a status is worth a write: at once, later and later, or only if it lasts.

use crate::config::Patience;
use crate::memory::Written;
use helios_crds::kube::{Condition, StrategyStatus};
use std::time::Duration;

/// How soon a status is worth a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Haste {
    /// As soon as it may be.
    Soon,
    /// A strategy is on its way to what was committed, as its generation says already: only if it has not arrived soon.
    OnItsWay,
    /// Nothing but counts moves.
    Further,
    /// Nothing but counts moves of what has settled: only if it lasts, as a moment without readiness is no news.
    Blip,
}

/// Between two writes of a status: counts alone are worth less each time, as a strategy of many workers starts for long and
/// every one of them is news.
pub(super) fn pause(last: Written, haste: Haste, patience: &Patience) -> Duration {
    match haste {
        Haste::Further => patience.counts_every * (1 << last.further.min(3)),
        _ => patience.status_every,
    }
}

impl Haste {
    /// It is written only if it lasts for a while.
    pub(super) fn waits(self) -> bool {
        matches!(self, Self::OnItsWay | Self::Blip)
    }

    /// Of a strategy's status. One that goes on as it was said to, or sets out for what was committed with nothing else to say,
    /// can wait: of 50 strategies that start, or are changed by one commit, that is most of the news and the least of it.
    pub(super) fn of(before: &StrategyStatus, after: &StrategyStatus) -> Self {
        let going = |c: &Condition| {
            let reasons = ["WorkersStarting", "ParametersPending"];
            c.type_ == "Reconciling" && c.status == "True" && reasons.contains(&c.reason.as_str())
        };
        let same = (&before.symbols, &before.taken, &before.rollout)
            == (&after.symbols, &after.taken, &after.rollout);
        if !same {
            return Self::Soon;
        }
        if !after.conditions.iter().any(going) {
            let settled = |c: &Condition| c.type_ == "Progressing" && c.reason == "Settled";
            let alone = before.conditions == after.conditions
                && after.conditions.iter().any(settled)
                && before.observed_generation == after.observed_generation
                && before.wanted_workers == after.wanted_workers;
            return if alone { Self::Blip } else { Self::Soon };
        }
        let said = |s: &StrategyStatus, besides: &[&str]| {
            let all = s.conditions.iter();
            let all = all.filter(|c| !besides.contains(&c.type_.as_str()));
            all.map(|c| (c.type_.clone(), c.status.clone(), c.reason.clone()))
                .collect::<Vec<_>>()
        };
        if said(before, &[]) == said(after, &[])
            && before.observed_generation == after.observed_generation
        {
            return Self::Further;
        }
        let way = ["Reconciling", "Progressing"];
        if before.observed_generation < after.observed_generation
            && said(before, &way) == said(after, &way)
        {
            return Self::OnItsWay;
        }
        Self::Soon
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_alone_are_written_less_and_less_often_and_anything_else_soon() {
        let patience = Patience::default();
        let seconds = |further, haste| {
            let last = Written { at_ms: 0, further };
            pause(last, haste, &patience).as_secs()
        };
        let pauses: Vec<u64> = (0..6).map(|n| seconds(n, Haste::Further)).collect();
        assert_eq!(pauses, [5, 10, 20, 40, 40, 40]);
        assert_eq!(seconds(5, Haste::Soon), 1);
    }
}
