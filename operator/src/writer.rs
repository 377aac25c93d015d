//! The only place that writes to the API server: one call each, with a time limit, counted, and classified when it fails.
//!
//! Objects are applied server-side by one field manager, and only when what is there does not already hold everything that
//! is wanted; pods are created whole and never patched; deletions carry the uid of what was seen. Whether this process still
//! leads is asked right before each: a look may have been stopped anywhere.

mod covers;
mod failure;

pub use covers::covers;
pub use failure::{Failure, Refusal};

use crate::facts::{BarePod, OwnedKind};
use crate::lead::Lead;
use crate::metrics::Metrics;
use crate::names;
use helios_crds::kube::{HeliosAccount, HeliosStrategy};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::api::{
    Api, ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams, Preconditions,
    PropagationPolicy, Request,
};
use kube::{Client, Resource};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Writes to the API server.
#[derive(Clone)]
pub struct Writer {
    client: Client,
    slots: Arc<Semaphore>,
    call: Duration,
    metrics: Arc<Metrics>,
    lead: Lead,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Writer")
    }
}

/// The API's word for a kind.
pub(crate) fn resource(kind: OwnedKind) -> ApiResource {
    match kind {
        OwnedKind::ServiceAccount => ApiResource::erase::<ServiceAccount>(&()),
        OwnedKind::RoleBinding => ApiResource::erase::<RoleBinding>(&()),
        OwnedKind::Service => ApiResource::erase::<Service>(&()),
        OwnedKind::Deployment => ApiResource::erase::<Deployment>(&()),
        OwnedKind::PodDisruptionBudget => ApiResource::erase::<PodDisruptionBudget>(&()),
        OwnedKind::NetworkPolicy => ApiResource::erase::<NetworkPolicy>(&()),
        OwnedKind::GuardianState => ApiResource::erase::<ConfigMap>(&()),
    }
}

impl Writer {
    /// With at most `at_once` calls at a time, each of at most `call`. It sends nothing: see [`Writer::of_this_term`].
    pub fn new(
        client: Client,
        at_once: usize,
        call: Duration,
        metrics: Arc<Metrics>,
        lead: Lead,
    ) -> Self {
        Self {
            client,
            slots: Arc::new(Semaphore::new(at_once)),
            call,
            metrics,
            lead,
        }
    }

    /// One that sends for as long as the term that runs now.
    pub fn of_this_term(&self) -> Self {
        Self {
            lead: self.lead.bound(),
            ..self.clone()
        }
    }

    /// The term it sends in runs still.
    pub fn leads(&self) -> bool {
        self.lead.holds()
    }

    async fn call<T>(
        &self,
        what: &'static str,
        run: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, Failure> {
        // The semaphore is never closed.
        let _slot = self.slots.acquire().await;
        // After the wait for a slot, and by the clock: what was decided long ago is another's to decide by now.
        if !self.leads() {
            return Err(Failure::deposed());
        }
        let result = match tokio::time::timeout(self.call, run).await {
            Ok(r) => r.map_err(|e| Failure::of(&e)),
            Err(_) => Err(Failure::timeout(self.call)),
        };
        self.metrics
            .call(what, result.as_ref().err().map(|f| f.refusal));
        result
    }

    fn dynamic(&self, kind: OwnedKind, namespace: &str) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), namespace, &resource(kind))
    }

    /// Sends a request whose answer is read as little as its caller needs.
    async fn send<T: DeserializeOwned>(
        &self,
        what: &'static str,
        request: Result<http::Request<Vec<u8>>, kube::core::request::Error>,
    ) -> Result<T, Failure> {
        let request = request.map_err(kube::Error::BuildRequest);
        let sent = async { self.client.request(request?).await };
        self.call(what, sent).await
    }

    /// Applies an object that the operator owns; returns what it is then.
    pub async fn apply(&self, kind: OwnedKind, content: &Value) -> Result<Value, Failure> {
        self.patch("apply", kind, content).await
    }

    /// Applies a strategy's parameters over what was seen of that version; returns what stands then, or `None` where that is
    /// another's by now: of two that write, the one that decided by what is old must not be the last.
    pub async fn apply_parameters(
        &self,
        mut content: Value,
        over: Option<&str>,
    ) -> Result<Option<ConfigMap>, Failure> {
        if let Some(version) = over {
            content["metadata"]["resourceVersion"] = version.into();
        }
        let what = "apply_parameters";
        match self.patch(what, OwnedKind::GuardianState, &content).await {
            Err(f) if f.refusal == Refusal::Conflict => Ok(None),
            r => r.map(Some),
        }
    }

    async fn patch<T: DeserializeOwned>(
        &self,
        what: &'static str,
        kind: OwnedKind,
        content: &Value,
    ) -> Result<T, Failure> {
        let (namespace, name) = named(content);
        let url = DynamicObject::url_path(&resource(kind), Some(namespace));
        let params = PatchParams::apply(names::MANAGER).force();
        let request = Request::new(url).patch(name, &params, &Patch::Apply(content));
        self.send(what, request).await
    }

    /// Creates a pod and returns its uid. One of that name that is there already is no failure: a later look sees whose it is.
    pub async fn create_pod(&self, content: &Value) -> Result<Option<String>, Failure> {
        let (namespace, _) = named(content);
        let params = PostParams {
            field_manager: Some(names::MANAGER.into()),
            ..PostParams::default()
        };
        let body = serde_json::to_vec(content).map_err(|e| Failure::ours(&e))?;
        let request = Request::new(Pod::url_path(&(), Some(namespace))).create(&params, body);
        match self.send("create_pod", request).await {
            Err(f) if f.refusal == Refusal::Exists => Ok(None),
            r => r.map(|p: BarePod| p.metadata.uid),
        }
    }

    /// Deletes a pod of that uid; `now` without waiting for its node to say that it ended.
    pub async fn delete_pod(
        &self,
        namespace: &str,
        name: &str,
        uid: &str,
        now: bool,
    ) -> Result<(), Failure> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let params = DeleteParams {
            grace_period_seconds: now.then_some(0),
            preconditions: Some(of_uid(uid)),
            ..DeleteParams::default()
        };
        let what = if now { "strike_pod" } else { "delete_pod" };
        gone_is_fine(self.call(what, api.delete(name, &params)).await.map(drop))
    }

    /// Deletes something the operator made.
    pub async fn delete(
        &self,
        kind: OwnedKind,
        full_name: &str,
        uid: Option<&str>,
    ) -> Result<(), Failure> {
        let (namespace, name) = names::split(full_name);
        let params = DeleteParams {
            propagation_policy: Some(PropagationPolicy::Background),
            preconditions: uid.map(of_uid),
            ..DeleteParams::default()
        };
        let call = self.dynamic(kind, namespace);
        gone_is_fine(
            self.call("delete", call.delete(name, &params))
                .await
                .map(drop),
        )
    }

    /// The lock is there; makes it when it is not. Looking is no write.
    pub async fn ensure_lease(&self, content: &Value) -> Result<(), Failure> {
        let (namespace, name) = named(content);
        let api: Api<Lease> = Api::namespaced(self.client.clone(), namespace);
        if self.call("get_lease", api.get_opt(name)).await?.is_some() {
            return Ok(());
        }
        let lease: Lease =
            serde_json::from_value(content.clone()).map_err(|e| Failure::ours(&e))?;
        match self
            .call("create_lease", api.create(&PostParams::default(), &lease))
            .await
        {
            Err(f) if f.refusal == Refusal::Exists => Ok(()),
            r => r.map(drop),
        }
    }

    /// Deletes the lock, when its account is gone.
    pub async fn delete_lease(&self, namespace: &str, name: &str) -> Result<(), Failure> {
        let api: Api<Lease> = Api::namespaced(self.client.clone(), namespace);
        let params = DeleteParams::default();
        gone_is_fine(
            self.call("delete_lease", api.delete(name, &params))
                .await
                .map(drop),
        )
    }

    /// Since when a namespace is being deleted, in seconds since the Unix epoch. Where it can't be read it is not known to be.
    pub async fn namespace_deleted(&self, namespace: &str) -> Option<i64> {
        let api: Api<Namespace> = Api::all(self.client.clone());
        let found = self.call("get_namespace", api.get_opt(namespace)).await;
        let deleted = found.ok()??.metadata.deletion_timestamp?;
        Some(deleted.0.as_second())
    }

    /// Puts a finalizer on an object, or takes it off, as long as the object is what was seen. False when it is not, or is
    /// gone: nothing may be taken for done then, and the news of it is on its way.
    async fn finalizer<K>(&self, object: &K, finalizer: &str, on: bool) -> Result<bool, Failure>
    where
        K: Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>
            + Clone
            + std::fmt::Debug
            + serde::de::DeserializeOwned,
    {
        let m = object.meta();
        let (Some(name), Some(namespace)) = (&m.name, &m.namespace) else {
            return Ok(false);
        };
        let seen = m.finalizers.clone().unwrap_or_default();
        let mut wanted = seen.clone();
        wanted.retain(|f| f != finalizer);
        if on {
            wanted.push(finalizer.into());
        }
        if wanted == seen {
            return Ok(true);
        }
        let body = json!({"metadata": {
            "finalizers": wanted,
            "uid": m.uid,
            // Another's finalizer that came meanwhile must not be lost.
            "resourceVersion": m.resource_version,
        }});
        let api: Api<K> = Api::namespaced(self.client.clone(), namespace);
        let what = if on {
            "add_finalizer"
        } else {
            "remove_finalizer"
        };
        let params = PatchParams::default();
        let patch = Patch::Merge(&body);
        let done = self
            .call(what, api.patch_metadata(name, &params, &patch))
            .await;
        match done {
            Err(f) if matches!(f.refusal, Refusal::Gone | Refusal::Conflict) => Ok(false),
            r => r.map(|_| true),
        }
    }

    /// See [`names::STRATEGY_FINALIZER`].
    pub async fn guard_strategy(&self, object: &HeliosStrategy, on: bool) -> Result<bool, Failure> {
        self.finalizer(object, names::STRATEGY_FINALIZER, on).await
    }

    /// See [`names::ACCOUNT_FINALIZER`].
    pub async fn guard_account(&self, object: &HeliosAccount, on: bool) -> Result<bool, Failure> {
        self.finalizer(object, names::ACCOUNT_FINALIZER, on).await
    }

    /// Writes an account's status.
    pub async fn account_status(
        &self,
        namespace: &str,
        name: &str,
        status: &Value,
    ) -> Result<(), Failure> {
        let url = HeliosAccount::url_path(&(), Some(namespace));
        self.status("account_status", url, name, status).await
    }

    /// Writes a strategy's status.
    pub async fn strategy_status(
        &self,
        namespace: &str,
        name: &str,
        status: &Value,
    ) -> Result<(), Failure> {
        let url = HeliosStrategy::url_path(&(), Some(namespace));
        self.status("strategy_status", url, name, status).await
    }

    async fn status(
        &self,
        what: &'static str,
        url: String,
        name: &str,
        status: &Value,
    ) -> Result<(), Failure> {
        let patch = Patch::Merge(json!({"status": status}));
        let params = PatchParams::default();
        let request = Request::new(url).patch_subresource("status", name, &params, &patch);
        let done = self.send(what, request).await;
        gone_is_fine(done.map(|IgnoredAny| ()))
    }
}

fn of_uid(uid: &str) -> Preconditions {
    Preconditions {
        uid: Some(uid.into()),
        resource_version: None,
    }
}

/// What is gone, or is another by now, needs nothing more.
fn gone_is_fine(r: Result<(), Failure>) -> Result<(), Failure> {
    match r {
        Err(f) if matches!(f.refusal, Refusal::Gone | Refusal::Conflict) => Ok(()),
        r => r,
    }
}

fn named(content: &Value) -> (&str, &str) {
    let part = |p: &str| {
        content
            .pointer(p)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    (part("/metadata/namespace"), part("/metadata/name"))
}
