//! Parameters on the bus: the leader sees to it that what its manifests say is what stands published.
//!
//! A document's number (generation) must only grow for the workers to take it, over changes of leader and over message
//! stores that were rolled back. Nobody keeps it: it follows from what stands published, from what this process published,
//! and from what workers have acknowledged.

use crate::manifests;
use crate::metrics::CoordinatorMetrics;
use helios_bus::typed::AccountBus;
use helios_core::messages::{AccountSnapshot, ParamsDocument};
use helios_crds::{HeliosStrategy, convert};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How often it is looked at what stands published.
const LOOK: Duration = Duration::from_secs(1);
/// An acknowledgement this far above all known numbers is none: a broken worker must not use the numbers up.
const BELIEVABLE: u64 = 1_000_000;

/// What the leader publishes from, newest values.
#[derive(Debug)]
pub struct Wanted {
    /// Strategies of the account, by full name.
    pub strategies: watch::Receiver<BTreeMap<String, HeliosStrategy>>,
    /// Whether this process leads.
    pub leads: watch::Receiver<bool>,
    /// Highest generation that workers have acknowledged, by strategy.
    pub acknowledged: watch::Receiver<BTreeMap<String, u64>>,
}

/// Publishes while this process leads, for as long as whoever wants it is there.
pub async fn publish(bus: AccountBus, mut wanted: Wanted, metrics: Arc<CoordinatorMetrics>) {
    let mut ours: BTreeMap<String, ParamsDocument> = BTreeMap::new();
    let mut state = bus.transport().state();
    loop {
        if *wanted.leads.borrow_and_update() {
            let strategies = wanted.strategies.borrow_and_update().clone();
            let acknowledged = wanted.acknowledged.borrow().clone();
            for (name, strategy) in &strategies {
                let acknowledged = acknowledged.get(name).copied().unwrap_or(0);
                match one(&bus, name, strategy, &mut ours, acknowledged).await {
                    Ok(generation) => metrics.params(name, generation),
                    // The bus says itself that it is down; the next look is due soon.
                    Err(e) => {
                        tracing::debug!(strategy = name, error = %e, "parameters not published")
                    }
                }
            }
        }
        let gone = tokio::select! {
            r = wanted.strategies.changed() => r.is_err(),
            r = wanted.leads.changed() => r.is_err(),
            // A store that came back, perhaps with old data.
            r = state.changed() => r.is_err(),
            () = tokio::time::sleep(LOOK) => false,
        };
        if gone {
            return;
        }
    }
}

/// Sees to one strategy; returns the generation that stands.
async fn one(
    bus: &AccountBus,
    name: &str,
    strategy: &HeliosStrategy,
    ours: &mut BTreeMap<String, ParamsDocument>,
    acknowledged: u64,
) -> Result<u64, helios_bus::BusError> {
    let found = bus.read_params(name).await?;
    let Some(document) = due(strategy, found.as_ref(), ours.get(name), acknowledged) else {
        let found = found.map_or(0, |f| f.generation);
        return Ok(found);
    };
    bus.publish_params(name, &document).await?;
    let generation = document.generation;
    tracing::info!(
        strategy = name,
        generation,
        sha256 = document.sha256,
        "parameters published"
    );
    ours.insert(name.into(), document);
    Ok(generation)
}

/// What is to be published, if what stands is not what the manifest says or may be older than what workers run.
fn due(
    strategy: &HeliosStrategy,
    found: Option<&ParamsDocument>,
    ours: Option<&ParamsDocument>,
    acknowledged: u64,
) -> Option<ParamsDocument> {
    let uid = manifests::uid(strategy);
    let make = |generation| convert::params_document(strategy, &uid, generation, 1);
    let says = |d: &ParamsDocument| *d == make(d.generation);
    let number = |d: Option<&ParamsDocument>| d.map_or(0, |d| d.generation);
    let mut known = number(found).max(number(ours));
    if acknowledged <= known.saturating_add(BELIEVABLE) {
        known = known.max(acknowledged);
    }
    if found.is_some_and(|f| f.generation >= known && says(f)) {
        return None;
    }
    // Lost again after it was published: the same number, since workers may run it already.
    match ours {
        Some(o) if o.generation >= known && says(o) && number(found) < o.generation => {
            Some(o.clone())
        }
        _ => Some(make(known.saturating_add(1))),
    }
}

/// The highest generation that workers of each strategy acknowledge in a snapshot (`strategy/symbol`).
pub fn acknowledged(s: &AccountSnapshot) -> BTreeMap<String, u64> {
    let mut all = BTreeMap::new();
    for (key, generation) in &s.acknowledged {
        if let Some((strategy, _)) = key.rsplit_once('/') {
            let highest = all.entry(strategy.to_string()).or_insert(0);
            *highest = (*highest).max(*generation);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use helios_bus::memory::MemoryBus;
    use helios_crds::manifest;

    fn strategy(size: u32) -> HeliosStrategy {
        let text = format!(
            "apiVersion: helios.trading/v1alpha1\nkind: HeliosAccount\nmetadata: {{name: a}}\nspec: {{venue: Simulated}}\n---\n\
apiVersion: helios.trading/v1alpha1\nkind: HeliosStrategy\nmetadata: {{name: s}}\nspec: {{accountRef: {{name: a}}, risk: {{leverage: {size}}}}}\n"
        );
        let m = manifest::parse(&[("f.yaml".into(), text)]).unwrap();
        m.strategies[0].object.clone()
    }

    fn generation(d: Option<ParamsDocument>) -> Option<u64> {
        d.map(|d| d.generation)
    }

    #[test]
    fn a_number_only_grows_and_only_when_the_content_is_another() {
        let (old, new) = (strategy(2), strategy(3));
        let first = due(&old, None, None, 0).unwrap();
        assert_eq!(first.generation, 1);
        assert_eq!(due(&old, Some(&first), None, 0), None);
        let second = due(&new, Some(&first), Some(&first), 1).unwrap();
        assert_eq!(second.generation, 2);
        assert_eq!(second.stable.risk.leverage, 3);
        assert_eq!(
            generation(due(&old, Some(&second), Some(&second), 2)),
            Some(3)
        );
    }

    #[test]
    fn a_store_that_went_back_gets_the_same_document_with_the_same_number_again() {
        let (old, new) = (strategy(2), strategy(3));
        let first = due(&old, None, None, 0).unwrap();
        let second = due(&new, Some(&first), Some(&first), 0).unwrap();
        assert_eq!(
            due(&new, Some(&first), Some(&second), 2),
            Some(second.clone())
        );
        assert_eq!(due(&new, None, Some(&second), 2), Some(second));
    }

    #[test]
    fn a_new_leader_goes_above_what_workers_run_although_the_store_forgot_it() {
        let (old, new) = (strategy(2), strategy(3));
        let first = due(&old, None, None, 0).unwrap();
        assert_eq!(generation(due(&new, Some(&first), None, 7)), Some(8));
        // The same content under a lower number would leave workers on what nobody knows.
        assert_eq!(generation(due(&old, Some(&first), None, 7)), Some(8));
        assert_eq!(generation(due(&old, Some(&first), None, u64::MAX)), None);
    }

    #[test]
    fn two_contents_under_one_number_are_told_apart() {
        let (mine, theirs) = (strategy(2), strategy(3));
        let (a, b) = (
            due(&mine, None, None, 0).unwrap(),
            due(&theirs, None, None, 0).unwrap(),
        );
        assert_eq!(a.generation, b.generation);
        assert_eq!(generation(due(&mine, Some(&b), Some(&a), 1)), Some(2));
    }

    #[test]
    fn acknowledgements_count_by_strategy() {
        let mut s = AccountSnapshot::default();
        for (k, g) in [("d/s/BTCUSDT", 2), ("d/s/ETHUSDT", 3), ("d/t/X", 1)] {
            s.acknowledged.insert(k.into(), g);
        }
        let all = acknowledged(&s);
        assert_eq!((all["d/s"], all["d/t"], all.len()), (3, 1, 2));
    }

    /// What stands published, as soon as it is what is wanted.
    async fn until(bus: &AccountBus, generation: u64, leverage: u32) -> ParamsDocument {
        let seen = async {
            loop {
                match bus.read_params("default/s").await.unwrap() {
                    Some(d) if (d.generation, d.stable.risk.leverage) == (generation, leverage) => {
                        return d;
                    }
                    _ => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            }
        };
        tokio::time::timeout(LOOK * 20, seen).await.unwrap()
    }

    #[tokio::test]
    async fn only_the_leader_publishes_and_what_is_overwritten_comes_back() {
        let bus = AccountBus::new(Arc::new(MemoryBus::new()), "default/a");
        let metrics = Arc::new(CoordinatorMetrics::new(bus.clone(), "me").unwrap());
        let all = BTreeMap::from([("default/s".to_string(), strategy(2))]);
        let (set, strategies) = watch::channel(all);
        let change = |leverage| {
            set.send_modify(|m| drop(m.insert("default/s".into(), strategy(leverage))));
        };
        let (lead, leads) = watch::channel(false);
        let (_ack, acknowledged) = watch::channel(BTreeMap::new());
        let wanted = Wanted {
            strategies,
            leads,
            acknowledged,
        };
        let task = tokio::spawn(publish(bus.clone(), wanted, metrics));
        tokio::task::yield_now().await;
        change(3);
        tokio::task::yield_now().await;
        lead.send_replace(true);
        // The first number: nothing was published before it led.
        let first = until(&bus, 1, 3).await;
        change(4);
        let second = until(&bus, 2, 4).await;
        bus.publish_params("default/s", &first).await.unwrap();
        assert_eq!(until(&bus, 2, 4).await, second);
        drop((set, lead));
        task.await.unwrap();
    }
}
