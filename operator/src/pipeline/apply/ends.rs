//! What is over is cleared away: strategies of which nothing is left, what an orphan deletion left of them, and accounts.

use super::super::plan::{Plan, own};
use super::Hands;
use crate::facts::OwnedKind;
use crate::names;
use helios_core::plan::Action;

impl Hands<'_> {
    /// Lets strategies go of which nothing is left.
    pub(super) async fn finalize_strategies(&mut self, plan: &Plan) {
        let gone = plan.actions.iter().filter_map(|a| match a {
            Action::FinalizeStrategy { strategy } => Some(strategy.clone()),
            _ => None,
        });
        let gone: Vec<String> = gone.collect();
        let missed = self.guard_strategies(&gone, false).await;
        let done = gone.into_iter().filter(|name| !missed.contains(name));
        self.done.finalized.extend(done);
    }

    /// Deletes what is left of strategies that are gone and that nobody owns any more: a deletion with `--cascade=orphan` takes
    /// the owner off, and then no garbage collector ever comes. And network policies where none are to be.
    pub(super) async fn leftovers(&mut self) {
        let world = self.world;
        if world.namespace_going() {
            return;
        }
        for (kind, name, uid) in &world.left {
            self.remove(*kind, name, uid.as_deref()).await;
        }
        if self.settings.network.is_none() {
            // They add up with those of others, which could narrow nothing.
            let all = world.owned.iter();
            for ((kind, name), o) in all.filter(|((k, _), _)| *k == OwnedKind::NetworkPolicy) {
                self.remove(*kind, name, o.uid()).await;
            }
        }
    }

    /// Ends the coordinators: the strategies are gone, nothing is left to guard.
    pub(super) async fn stop_coordinator(&mut self) {
        let (namespace, name) = names::split(&self.world.account);
        let full = format!("{namespace}/{}", names::coordinator(name));
        let key = (OwnedKind::Deployment, full);
        if let Some(d) = self.world.owned.get(&key) {
            self.remove(key.0, &key.1, d.uid()).await;
        }
    }

    async fn remove(&mut self, kind: OwnedKind, name: &str, uid: Option<&str>) -> bool {
        let word = match kind {
            OwnedKind::GuardianState => "ConfigMap".into(),
            kind => format!("{kind:?}"),
        };
        let shown = format!("removal of {word} {name}");
        if !self.may(&shown, "", None) {
            return false;
        }
        let result = self.writer.delete(kind, name, uid).await;
        self.went(&shown, "", None, result)
    }

    /// Clears away what was made for the account, and lets it go.
    pub(super) async fn finalize_account(&mut self) {
        let Some(account) = &self.validated.account else {
            return;
        };
        let world = self.world;
        for ((kind, name), o) in &world.owned {
            if !self.remove(*kind, name, o.uid()).await {
                return;
            }
        }
        // And what was made a moment ago, which a watch may not have shown yet: nobody comes for it later.
        for o in own(&account.manifest, self.settings) {
            let seen = world.owned.contains_key(&(o.kind, o.full_name.clone()));
            if !seen && !self.remove(o.kind, &o.full_name, None).await {
                return;
            }
        }
        let (namespace, name) = names::split(&world.account);
        let name = names::coordinator(name);
        let shown = format!("removal of Lease {name}");
        if !self.may(&shown, "", None) {
            return;
        }
        let lease = self.writer.delete_lease(namespace, &name).await;
        if !self.went(&shown, "", None, lease) {
            return;
        }
        let shown = "finalizer of the account";
        if self.may(shown, "off", None) {
            let result = self.writer.guard_account(&account.object, false).await;
            let as_seen = matches!(result, Ok(true));
            self.done.account_finalized =
                self.went(shown, "off", None, result.map(drop)) && as_seen;
        }
    }
}
