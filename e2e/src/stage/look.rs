//! What scenarios look at: statuses, conditions, worker pods, and how long they come to be as expected.

use super::{Running, Stage};
use crate::wait_for;
use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ApiResource, DynamicObject, ListParams};
use kube::core::GroupVersionKind;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

impl Stage<'_> {
    fn objects(&self, kind: &str) -> Api<DynamicObject> {
        let gvk = GroupVersionKind::gvk("helios.trading", "v1alpha1", kind);
        let plural = match kind {
            "HeliosAccount" => "heliosaccounts",
            _ => "heliosstrategies",
        };
        let resource = ApiResource::from_gvk_with_plural(&gvk, plural);
        Api::namespaced_with(self.client.clone(), &self.ns, &resource)
    }

    /// An object, whole; `None` when there is none.
    pub async fn object(&self, kind: &str, name: &str) -> Result<Option<Value>> {
        let found = self.objects(kind).get_opt(name).await?;
        Ok(found.map(serde_json::to_value).transpose()?)
    }

    /// Status and reason of a condition.
    pub async fn condition(
        &self,
        kind: &str,
        name: &str,
        type_: &str,
    ) -> Result<(String, String, String)> {
        let object = self.object(kind, name).await?.context("it is gone")?;
        let all = object
            .pointer("/status/conditions")
            .and_then(Value::as_array);
        let found = all.into_iter().flatten().find(|c| c["type"] == type_);
        let found = found.with_context(|| format!("no condition {type_} yet"))?;
        let text = |k: &str| found[k].as_str().unwrap_or_default().to_string();
        Ok((text("status"), text("reason"), text("message")))
    }

    /// Waits until a condition has this reason; returns its words.
    pub async fn reason(
        &self,
        kind: &str,
        name: &str,
        type_: &str,
        reason: &str,
        limit: Duration,
    ) -> Result<String> {
        let what = format!("{kind} {name} to be {type_} {reason}");
        let waited = wait_for(&what, limit, async || {
            let (status, now, message) = self.condition(kind, name, type_).await?;
            ensure!(now == reason, "{type_}={status} {now}: {message}");
            Ok(message)
        });
        waited.await.with_context(|| self.logs())
    }

    /// Waits until a strategy trades with so many workers, all with the parameters in force.
    pub async fn trading(&self, strategy: &str, workers: i64, limit: Duration) -> Result<()> {
        let what = format!("{strategy} to trade with {workers} workers");
        let waited = wait_for(&what, limit, async || {
            let object = self
                .object("HeliosStrategy", strategy)
                .await?
                .context("it is gone")?;
            let status = &object["status"];
            let counts = (
                status["wantedWorkers"].as_i64(),
                status["readyWorkers"].as_i64(),
                status["updatedWorkers"].as_i64(),
            );
            let all = (Some(workers), Some(workers), Some(workers));
            ensure!(counts == all, "wanted, ready, updated: {counts:?}");
            let seen = status["observedGeneration"] == object["metadata"]["generation"];
            ensure!(seen, "the status is of an older generation");
            Ok(())
        });
        waited.await.with_context(|| self.logs())
    }

    /// Uids of the pods of a component, by name.
    pub async fn pods(&self, component: &str) -> Result<BTreeMap<String, String>> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), &self.ns);
        let label = format!("app.kubernetes.io/component={component}");
        let pods = api.list(&ListParams::default().labels(&label)).await?;
        let named = pods.items.into_iter().map(|p| p.metadata);
        let named = named.map(|m| (m.name.unwrap_or_default(), m.uid.unwrap_or_default()));
        Ok(named.collect())
    }

    /// Worker pods that are not on their way out, by symbol.
    pub async fn workers(&self) -> Result<BTreeMap<String, Pod>> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), &self.ns);
        let workers = ListParams::default().labels("app.kubernetes.io/component=worker");
        let pods = api.list(&workers).await?.items.into_iter();
        let staying = pods.filter(|p| p.metadata.deletion_timestamp.is_none());
        let named = staying.filter_map(|p| {
            let symbol = p
                .metadata
                .annotations
                .as_ref()?
                .get("helios.trading/symbol")?;
            Some((symbol.clone(), p))
        });
        Ok(named.collect())
    }

    /// Uids of the worker pods, by symbol.
    pub async fn uids(&self) -> Result<BTreeMap<String, String>> {
        let all = self.workers().await?.into_iter();
        Ok(all
            .map(|(s, p)| (s, p.metadata.uid.unwrap_or_default()))
            .collect())
    }
}

impl Stage<'_> {
    /// Fills at the venue of an account, as it has written them down.
    pub fn fills(&self, account: &str) -> Result<usize> {
        let log = self.files.join(format!("{account}-fills.jsonl"));
        let text = std::fs::read_to_string(log)?;
        let fills = text.lines().filter(|l| l.contains("\"kind\":\"fill\""));
        Ok(fills.count())
    }

    /// Asks the venue of an account with an API key and nothing else; returns the status of its answer.
    pub fn ask_venue(&self, account: &str, method: &str, path: &str, key: &str) -> Result<u16> {
        let desk = self.accounts.get(account).context("no such account")?;
        let host = desk.url.trim_start_matches("http://");
        let mut s = TcpStream::connect(host)?;
        s.set_read_timeout(Some(Duration::from_secs(5)))?;
        let head = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nX-MBX-APIKEY: {key}\r\n");
        write!(s, "{head}Content-Length: 0\r\nConnection: close\r\n\r\n")?;
        let mut text = String::new();
        s.read_to_string(&mut text)?;
        let status = text.split(' ').nth(1).context("no answer")?;
        status.parse().with_context(|| text.clone())
    }

    /// The workers that trade.
    pub fn traders(&self) -> &[Running] {
        &self.traders
    }

    /// The pod of a symbol says that it is not ready, and goes on running.
    pub async fn unready(&self, symbol: &str) -> Result<()> {
        let pods = self.workers().await?;
        let pod = pods.get(symbol).context("it has no pod")?;
        let name = pod.metadata.name.as_deref().unwrap_or_default();
        let api: Api<Pod> = Api::namespaced(self.client.clone(), &self.ns);
        let conditions = serde_json::json!([
            {"type": "Ready", "status": "False", "reason": "ContainersNotReady"},
            {"type": "ContainersReady", "status": "False", "reason": "ContainersNotReady"},
        ]);
        let body = serde_json::json!({"status": {"conditions": conditions}});
        let params = kube::api::PatchParams::default();
        api.patch_status(name, &params, &kube::api::Patch::Strategic(body))
            .await?;
        Ok(())
    }
}
