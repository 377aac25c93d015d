//! A pod, as far as decisions look at it: a few hundred bytes instead of the whole object, for there may be 10,000.

use super::bare::{BarePod, BarePodStatus};
use crate::names;

/// The life of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PodLife {
    /// Not started yet.
    Pending,
    /// Runs.
    Running,
    /// All its containers have ended and none comes back.
    Over,
}

/// A pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodFact {
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// `namespace/name` of the account.
    pub account: String,
    /// `namespace/name` of the strategy; empty for a coordinator's.
    pub strategy: String,
    /// Contract; empty for a coordinator's.
    pub symbol: String,
    /// Hash of what it was built from.
    pub spec_hash: String,
    /// It is a worker.
    pub worker: bool,
    /// Its life.
    pub life: PodLife,
    /// It says that it does its work.
    pub ready: bool,
    /// Deletion was asked for.
    pub deleting: bool,
    /// Where it runs.
    pub node: String,
    /// A container of it has ended again and again, and is held back before it is started once more.
    pub crash_loop: bool,
    /// Why it does not run, in words.
    pub trouble: Option<String>,
}

impl PodFact {
    /// Reads a pod; `None` for one that is not of Helios, and for a simulated exchange's: nothing is decided by that.
    pub fn of(pod: &BarePod) -> Option<Self> {
        let m = &pod.metadata;
        let namespace = m.namespace.as_deref()?;
        let label = |key: &str| m.labels.as_ref().and_then(|l| l.get(key));
        let noted = |key: &str| m.annotations.as_ref().and_then(|a| a.get(key)).cloned();
        let full = |name: &String| format!("{namespace}/{name}");
        let account = full(label(names::ACCOUNT)?);
        let component = label(names::COMPONENT).map(String::as_str);
        let worker = match component {
            Some(names::VENUE) => return None,
            c => c == Some(names::WORKER),
        };
        let status = pod.status.as_ref();
        let life = match status.and_then(|s| s.phase.as_deref()) {
            Some("Failed" | "Succeeded") => PodLife::Over,
            Some("Running") => PodLife::Running,
            _ => PodLife::Pending,
        };
        Some(Self {
            name: m.name.clone()?,
            uid: m.uid.clone()?,
            account,
            strategy: label(names::STRATEGY).map(full).unwrap_or_default(),
            symbol: noted(names::SYMBOL).unwrap_or_default(),
            spec_hash: noted(names::SPEC_HASH).unwrap_or_default(),
            worker,
            life,
            ready: life == PodLife::Running && status.is_some_and(ready),
            deleting: m.deletion_timestamp.is_some(),
            node: pod
                .spec
                .as_ref()
                .and_then(|s| s.node_name.clone())
                .unwrap_or_default(),
            crash_loop: status.is_some_and(crash_loop),
            trouble: status.and_then(|s| trouble(s, life)),
        })
    }
}

fn ready(s: &BarePodStatus) -> bool {
    s.conditions
        .iter()
        .flatten()
        .any(|c| c.type_ == "Ready" && c.status == "True")
}

fn crash_loop(s: &BarePodStatus) -> bool {
    let containers = s.container_statuses.iter().flatten();
    let mut waiting = containers.filter_map(|c| c.state.as_ref()?.waiting.as_ref());
    waiting.any(|w| w.reason.as_deref() == Some("CrashLoopBackOff"))
}

/// Why it does not run: the pod's own reason, a container that can't start, or no node that takes it.
fn trouble(s: &BarePodStatus, life: PodLife) -> Option<String> {
    let said = |reason: &Option<String>, message: &Option<String>| {
        let reason = reason.as_deref().filter(|r| !r.is_empty())?;
        let message = message.as_deref().filter(|m| !m.is_empty());
        Some(message.map_or(reason.to_string(), |m| format!("{reason}: {}", short(m))))
    };
    if life == PodLife::Over {
        return Some(said(&s.reason, &s.message).unwrap_or_else(|| "ended".into()));
    }
    let containers = s.container_statuses.iter().flatten();
    let waiting = containers
        .filter_map(|c| c.state.as_ref()?.waiting.as_ref())
        .filter(|w| {
            w.reason
                .as_deref()
                .is_some_and(|r| !["ContainerCreating", "PodInitializing"].contains(&r))
        })
        .find_map(|w| said(&w.reason, &w.message));
    let unscheduled = || {
        s.conditions
            .iter()
            .flatten()
            .find(|c| c.type_ == "PodScheduled" && c.status == "False")
            .and_then(|c| said(&c.reason, &c.message))
    };
    waiting.or_else(unscheduled)
}

/// The first 160 characters: enough for a person, and the same for pods that differ in a trailing id only.
fn short(text: &str) -> String {
    text.chars().take(160).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn pod(status: serde_json::Value) -> PodFact {
        let pod = json!({
            "metadata": {
                "name": "hw-a-btcusdt-1", "namespace": "n", "uid": "u",
                "labels": {names::ACCOUNT: "a", names::STRATEGY: "s", names::COMPONENT: "worker"},
                "annotations": {names::SYMBOL: "BTCUSDT", names::SPEC_HASH: "h"},
            },
            "spec": {"nodeName": "node-1", "containers": []},
            "status": status,
        });
        PodFact::of(&serde_json::from_value(pod).unwrap()).unwrap()
    }

    #[test]
    fn a_worker_pod_tells_whose_it_is_and_how_it_does() {
        let p =
            pod(json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}));
        assert_eq!((p.account.as_str(), p.strategy.as_str()), ("n/a", "n/s"));
        assert_eq!((p.symbol.as_str(), p.spec_hash.as_str()), ("BTCUSDT", "h"));
        assert!(p.worker && p.ready && !p.deleting && p.trouble.is_none());
    }

    #[test]
    fn the_pod_of_a_simulated_exchange_is_no_coordinator() {
        let pod = |component: &str| {
            let pod = json!({
                "metadata": {"name": "p", "namespace": "n", "uid": "u",
                    "labels": {names::ACCOUNT: "a", names::COMPONENT: component}},
            });
            PodFact::of(&serde_json::from_value(pod).unwrap())
        };
        assert!(pod(names::VENUE).is_none());
        assert!(!pod(names::COORDINATOR).unwrap().worker);
    }

    #[test]
    fn a_pod_that_does_not_run_says_why() {
        let why = |status| pod(status).trouble.unwrap();
        let evicted = why(json!({"phase": "Failed", "reason": "Evicted", "message": "memory"}));
        assert_eq!(evicted, "Evicted: memory");
        let waiting = json!({"name": "w", "image": "i", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}});
        let pull = why(json!({"phase": "Pending", "containerStatuses": [waiting]}));
        assert_eq!(pull, "ImagePullBackOff: no such image");
        let loops = |reason: &str| {
            let waiting = json!({"state": {"waiting": {"reason": reason}}});
            pod(json!({"phase": "Running", "containerStatuses": [waiting]})).crash_loop
        };
        assert!(loops("CrashLoopBackOff") && !loops("ImagePullBackOff"));
        let unscheduled = json!({"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"});
        let nodes = why(json!({"phase": "Pending", "conditions": [unscheduled]}));
        assert_eq!(nodes, "Unschedulable: 0/1 nodes");
        assert!(
            !pod(json!({"phase": "Failed", "conditions": [{"type": "Ready", "status": "True"}]}))
                .ready
        );
    }
}
