//! Watches of the API server: each feeds the index and wakes the accounts that its news concern.
//!
//! What decisions don't look at is dropped as it comes in. Watches go on for as long as the process lives, whoever leads: a
//! standby that takes over knows everything already.

use crate::facts::{
    AccountFact, BareNode, BarePod, DocumentFact, Index, News, NodeFact, Owned, OwnedKind, PodFact,
    StrategyFact,
};
use crate::names;
use crate::time::now_ms;
use futures_util::{Stream, StreamExt, TryStreamExt};
use helios_crds::kube::{HeliosAccount, HeliosStrategy};
use helios_lease::kubernetes::WATCH_SECONDS;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::api::{Api, DynamicObject};
use kube::core::NamespaceResourceScope;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// What watches write into and whom they wake.
#[derive(Clone, Debug)]
pub struct Sink {
    /// The index.
    pub index: Arc<Mutex<Index>>,
    /// Accounts that there is news of.
    pub woken: mpsc::Sender<String>,
}

impl Sink {
    async fn take(&self, hear: impl FnOnce(&mut Index) -> BTreeSet<String>) {
        let concerned = hear(&mut self.index.lock().unwrap_or_else(PoisonError::into_inner));
        for account in concerned {
            // Nobody listens any more: the process ends.
            let _ = self.woken.send(account).await;
        }
    }
}

/// Starts all watches of one namespace (`None`: of all).
pub fn start(client: &Client, namespace: Option<&str>, sink: &Sink) -> JoinSet<()> {
    let mut set = JoinSet::new();
    let w = Watches {
        client: client.clone(),
        namespace: namespace.map(str::to_string),
        sink: sink.clone(),
    };
    set.spawn(w.clone().accounts());
    set.spawn(w.clone().strategies());
    set.spawn(w.clone().pods());
    set.spawn(w.clone().documents());
    set.spawn(w.clone().nodes());
    set.spawn(w.clone().owned::<ServiceAccount>(OwnedKind::ServiceAccount));
    set.spawn(w.clone().owned::<RoleBinding>(OwnedKind::RoleBinding));
    set.spawn(w.clone().owned::<Service>(OwnedKind::Service));
    set.spawn(w.clone().owned::<Deployment>(OwnedKind::Deployment));
    set.spawn(
        w.clone()
            .owned::<PodDisruptionBudget>(OwnedKind::PodDisruptionBudget),
    );
    set.spawn(w.clone().owned::<NetworkPolicy>(OwnedKind::NetworkPolicy));
    set.spawn(w.owned::<ConfigMap>(OwnedKind::GuardianState));
    set
}

#[derive(Clone)]
struct Watches {
    client: Client,
    namespace: Option<String>,
    sink: Sink,
}

impl Watches {
    /// Everywhere, or in the one namespace that there is.
    fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        match &self.namespace {
            Some(one) => Api::namespaced(self.client.clone(), one),
            None => Api::all(self.client.clone()),
        }
    }

    /// The same of a kind whose objects are parsed here: one that can't be must not end the watch of the others.
    fn unparsed<K>(&self) -> Api<DynamicObject>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        let resource = kube::api::ApiResource::erase::<K>(&());
        match &self.namespace {
            Some(one) => Api::namespaced_with(self.client.clone(), one, &resource),
            None => Api::all_with(self.client.clone(), &resource),
        }
    }

    async fn accounts(self) {
        let stream = events(self.unparsed::<HeliosAccount>(), None);
        self.feed(
            stream,
            |o, name| Some(AccountFact::of(o, name)),
            |i, n| i.account(n),
        )
        .await;
    }

    async fn strategies(self) {
        let stream = events(self.unparsed::<HeliosStrategy>(), None);
        self.feed(
            stream,
            |o, name| Some(StrategyFact::of(o, name)),
            |i, n| i.strategy(n),
        )
        .await;
    }

    async fn pods(self) {
        let stream = events(self.api::<BarePod>(), Some(ours()));
        self.feed(stream, |p, _| PodFact::of(p), |i, n| i.pod(n, now_ms()))
            .await;
    }

    async fn documents(self) {
        let selector = format!("{},{}={}", ours(), names::COMPONENT, names::PARAMETERS);
        let stream = events(self.api::<ConfigMap>(), Some(selector));
        self.feed(stream, |m, _| DocumentFact::of(m), |i, n| i.document(n))
            .await;
    }

    async fn nodes(self) {
        let stream = events(Api::<BareNode>::all(self.client.clone()), None);
        self.feed(
            stream,
            |n, _| Some(NodeFact::of(n)),
            |i, n| {
                let bare = |name: String| name.trim_start_matches('/').to_string();
                let news = match n {
                    News::Listed(name, f) => News::Listed(bare(name), f),
                    News::Changed(name, f) => News::Changed(bare(name), f),
                    News::Gone(name) => News::Gone(bare(name)),
                    n => n,
                };
                i.node(news, now_ms())
            },
        )
        .await;
    }

    async fn owned<K>(self, kind: OwnedKind)
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        // Of ConfigMaps only the guardians' are watched here: parameters have a watch of their own. What is in them is not
        // kept: the coordinator writes it each minute, and it is none of the operator's business.
        let selector = match kind {
            OwnedKind::GuardianState => format!("{},{}=guardian-state", ours(), names::COMPONENT),
            _ => ours(),
        };
        let stream = events(self.unparsed::<K>(), Some(selector));
        self.feed(
            stream,
            |o, name| owned(o, name, kind),
            move |i, n| i.owned(kind, n),
        )
        .await;
    }

    /// Reads events of one kind for as long as the process lives.
    async fn feed<K, F>(
        self,
        stream: impl Stream<Item = watcher::Result<watcher::Event<K>>>,
        read: impl Fn(&K, &str) -> Option<F>,
        hear: impl Fn(&mut Index, News<F>) -> BTreeSet<String>,
    ) where
        K: Resource + Clone,
    {
        futures_util::pin_mut!(stream);
        let named = |o: &K| {
            format!(
                "{}/{}",
                o.meta().namespace.as_deref().unwrap_or_default(),
                o.name_any()
            )
        };
        while let Some(event) = stream.next().await {
            let news = match event {
                Ok(watcher::Event::Init) => News::Restart,
                Ok(watcher::Event::InitDone) => News::Complete,
                Ok(watcher::Event::InitApply(o)) => match read(&o, &named(&o)) {
                    Some(f) => News::Listed(named(&o), f),
                    None => continue,
                },
                Ok(watcher::Event::Apply(o)) => match read(&o, &named(&o)) {
                    Some(f) => News::Changed(named(&o), f),
                    // It is none of ours any more.
                    None => News::Gone(named(&o)),
                },
                Ok(watcher::Event::Delete(o)) => News::Gone(named(&o)),
                Err(e) => {
                    tracing::warn!("a watch is interrupted and goes on by itself: {e}");
                    continue;
                }
            };
            self.sink.take(|i| hear(i, news)).await;
        }
    }
}

fn ours() -> String {
    format!("{}={}", names::MANAGED_BY, names::MANAGER)
}

/// Events of one kind; breaks are waited out, longer each time.
fn events<K>(
    api: Api<K>,
    selector: Option<String>,
) -> impl Stream<Item = watcher::Result<watcher::Event<K>>>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let mut config = watcher::Config::default()
        .page_size(500)
        .timeout(WATCH_SECONDS);
    if let Some(s) = &selector {
        config = config.labels(s);
    }
    watcher(api, config)
        .default_backoff()
        .map_err(std::convert::identity)
}

/// Without what only the API server keeps books by.
fn bare<K: ResourceExt>(mut o: K) -> K {
    o.managed_fields_mut().clear();
    o
}

/// Reads what the operator made; `None` for what names no account.
pub(crate) fn owned(o: &DynamicObject, name: &str, kind: OwnedKind) -> Option<Owned> {
    let (namespace, _) = names::split(name);
    let account = o.labels().get(names::ACCOUNT)?;
    Some(Owned {
        account: format!("{namespace}/{account}"),
        content: Arc::new(slim(o, kind)),
    })
}

/// An object as its builder would write it, with uid and deletion.
fn slim(o: &DynamicObject, kind: OwnedKind) -> Value {
    let mut v = to_value(&bare(o.clone()));
    // What comes in a list does not say of which kind it is, and what is wanted does.
    let resource = crate::writer::resource(kind);
    v["apiVersion"] = resource.api_version.into();
    v["kind"] = resource.kind.into();
    if kind == OwnedKind::GuardianState {
        drop_field(&mut v, "data");
        // Versions would make every write of its owner a difference.
        drop_meta(&mut v, "annotations");
    }
    drop_meta(&mut v, "resourceVersion");
    drop_meta(&mut v, "generation");
    let status = v.get_mut("status").map(Value::take);
    drop_field(&mut v, "status");
    if let (OwnedKind::Deployment, Some(status)) = (kind, status) {
        let conditions = status.get("conditions").and_then(Value::as_array);
        let holds = |type_: &str| {
            let mut all = conditions.into_iter().flatten();
            all.find(|c| c["type"] == type_ && c["status"] == "True")
        };
        // Why its pods are refused: a quota, an admission, Pod Security.
        let refused = holds("ReplicaFailure").filter(|c| c["message"].is_string());
        v["status"] = serde_json::json!({
            // All pods of its newest template were there once; what has become of them since is another matter.
            "cameUp": holds("Progressing").is_some_and(|c| c["reason"] == "NewReplicaSetAvailable"),
            "readyReplicas": status.get("readyReplicas"),
            "refused": refused.map(|c| &c["message"]),
        });
    }
    v
}

fn to_value<T: Serialize>(o: &T) -> Value {
    // An object that came from JSON goes back into it.
    serde_json::to_value(o).unwrap_or_default()
}

fn drop_field(v: &mut Value, field: &str) {
    if let Some(o) = v.as_object_mut() {
        o.remove(field);
    }
}

fn drop_meta(v: &mut Value, field: &str) {
    if let Some(m) = v.get_mut("metadata") {
        drop_field(m, field);
    }
}
