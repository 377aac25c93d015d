//! Conditions: their types and reasons, and how a set follows from the set before.
//!
//! `Ready` sums up, `Progressing`, `Degraded` and `Paused` say more, `Reconciling` and `Stalled` are kstatus' words for tools
//! that wait (true only while something is not as it should be). All are always there, in one order, each with the
//! generation it speaks about. A transition time changes only with the status, so that the same finding is the same bytes.

use helios_crds::kube::Condition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// The conditions, in their order.
pub const TYPES: [&str; 6] = [
    "Ready",
    "Progressing",
    "Degraded",
    "Paused",
    "Reconciling",
    "Stalled",
];

/// What is found of one condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// It holds.
    pub holds: bool,
    /// Why, as one word.
    pub reason: &'static str,
    /// In words.
    pub message: String,
}

impl Finding {
    /// It holds.
    pub fn yes(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            holds: true,
            reason,
            message: message.into(),
        }
    }

    /// It does not.
    pub fn no(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            holds: false,
            ..Self::yes(reason, message)
        }
    }
}

/// What is found of all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Findings {
    /// See the module.
    pub ready: Finding,
    /// See the module.
    pub progressing: Finding,
    /// See the module.
    pub degraded: Finding,
    /// See the module.
    pub paused: Finding,
    /// Reason and words of what only a change of the spec mends.
    pub stalled: Option<(&'static str, String)>,
}

impl Findings {
    fn all(&self) -> [(&'static str, Finding); 6] {
        let reconciling = match (&self.stalled, self.progressing.holds) {
            // What is stalled does not move by itself.
            (None, true) => self.progressing.clone(),
            _ => Finding::no("Settled", ""),
        };
        let stalled = match &self.stalled {
            Some((reason, words)) => Finding::yes(reason, words.clone()),
            None => Finding::no("AsWanted", ""),
        };
        [
            (TYPES[0], self.ready.clone()),
            (TYPES[1], self.progressing.clone()),
            (TYPES[2], self.degraded.clone()),
            (TYPES[3], self.paused.clone()),
            (TYPES[4], reconciling),
            (TYPES[5], stalled),
        ]
    }
}

/// The set that follows `before` by what is found now.
pub fn merge(
    before: &[Condition],
    found: &Findings,
    generation: i64,
    wall_s: i64,
) -> Vec<Condition> {
    let now = k8s_openapi::jiff::Timestamp::from_second(wall_s).unwrap_or_default();
    let all = found.all().into_iter().map(|(type_, f)| {
        let status = if f.holds { "True" } else { "False" };
        let old = before.iter().find(|c| c.type_ == type_);
        let since = old
            .filter(|c| c.status == status)
            .map(|c| c.last_transition_time.clone());
        Condition {
            type_: type_.into(),
            status: status.into(),
            reason: f.reason.into(),
            message: f.message,
            observed_generation: Some(generation),
            last_transition_time: since.unwrap_or(Time(now)),
        }
    });
    all.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(ready: bool) -> Findings {
        Findings {
            ready: Finding {
                holds: ready,
                ..Finding::yes("Trading", "")
            },
            progressing: Finding::no("Settled", ""),
            degraded: Finding::no("AsWanted", ""),
            paused: Finding::no("Running", ""),
            stalled: None,
        }
    }

    #[test]
    fn the_same_finding_is_the_same_bytes_and_a_change_has_its_time() {
        let first = merge(&[], &found(true), 1, 1000);
        assert_eq!(
            first.iter().map(|c| c.type_.as_str()).collect::<Vec<_>>(),
            TYPES
        );
        assert_eq!(merge(&first, &found(true), 1, 2000), first);
        let second = merge(&first, &found(false), 2, 3000);
        assert_eq!(second[0].last_transition_time.0.as_second(), 3000);
        assert_eq!(second[1].last_transition_time.0.as_second(), 1000);
        assert!(second.iter().all(|c| c.observed_generation == Some(2)));
    }

    #[test]
    fn what_is_stalled_is_not_reconciling() {
        let mut f = found(false);
        f.progressing = Finding::yes("WorkersStarting", "");
        let status = |f: &Findings, type_: &str| {
            let all = merge(&[], f, 1, 1);
            all.iter()
                .find(|c| c.type_ == type_)
                .is_some_and(|c| c.status == "True")
        };
        assert!(status(&f, "Reconciling") && !status(&f, "Stalled"));
        f.stalled = Some(("Invalid", "spec.x".into()));
        assert!(!status(&f, "Reconciling") && status(&f, "Stalled"));
    }
}
