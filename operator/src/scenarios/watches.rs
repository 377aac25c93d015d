//! The watches: everything that stands at the small API server comes into the index, read as the real watches read it.

use super::bench::Bench;
use crate::facts::*;
use crate::watch;
use std::collections::BTreeMap;

/// Resources of kinds that the operator makes, as the API names them.
const OWNED: [(OwnedKind, &str); 6] = [
    (OwnedKind::ServiceAccount, "serviceaccounts/"),
    (OwnedKind::RoleBinding, "rolebindings/"),
    (OwnedKind::Service, "services/"),
    (OwnedKind::NetworkPolicy, "networkpolicies/"),
    (OwnedKind::PodDisruptionBudget, "poddisruptionbudgets/"),
    (OwnedKind::Deployment, "deployments/"),
];

impl Bench {
    /// The watches bring everything that stands at the API server.
    pub fn sees(&mut self) {
        let api = self.api.lock().unwrap();
        let mut i = self.ctx.index.lock().unwrap();
        let now = self.now;
        let at = |prefix: &str| {
            let all = api.objects.iter().filter(|(k, _)| k.starts_with(prefix));
            all.map(|(k, v)| (k.replace(prefix, "t/"), v.clone()))
                .collect::<BTreeMap<_, _>>()
        };
        i.account(News::Restart);
        for (name, v) in at("heliosaccounts/") {
            let fact = AccountFact::of(&serde_json::from_value(v).unwrap(), &name);
            i.account(News::Listed(name, fact));
        }
        i.account(News::Complete);
        i.strategy(News::Restart);
        for (name, v) in at("heliosstrategies/") {
            let fact = StrategyFact::of(&serde_json::from_value(v).unwrap(), &name);
            i.strategy(News::Listed(name, fact));
        }
        i.strategy(News::Complete);
        i.pod(News::Restart, now);
        for (name, v) in at("pods/") {
            let fact = PodFact::of(&serde_json::from_value(v).unwrap()).unwrap();
            i.pod(News::Listed(name, fact), now);
        }
        i.pod(News::Complete, now);
        let (mut documents, mut states) = (Vec::new(), Vec::new());
        for (name, v) in at("configmaps/") {
            match DocumentFact::of(&serde_json::from_value(v.clone()).unwrap()) {
                Some(d) => documents.push((name, d)),
                None => states.push((name, v)),
            }
        }
        i.document(News::Restart);
        for (name, d) in documents {
            i.document(News::Listed(name, d));
        }
        i.document(News::Complete);
        let owned = OWNED.map(|(kind, prefix)| (kind, at(prefix).into_iter().collect()));
        for (kind, all) in owned
            .into_iter()
            .chain([(OwnedKind::GuardianState, states)])
        {
            i.owned(kind, News::Restart);
            for (name, mut v) in all {
                // As an API server lists it: the list has the kind, its items have not.
                let fields = v.as_object_mut().unwrap();
                fields.retain(|k, _| k != "kind" && k != "apiVersion");
                let o = serde_json::from_value(v).unwrap();
                let o = watch::owned(&o, &name, kind).unwrap();
                i.owned(kind, News::Listed(name, o));
            }
            i.owned(kind, News::Complete);
        }
    }
}
