//! Speaking for worker pods in which nothing runs: a list of those that are ready, kept for `helios worker --speak-for`.

use super::run::Running;
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::{Api, ListParams};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinHandle;

/// Between two looks at the pods.
const LOOK: Duration = Duration::from_millis(300);

#[derive(Debug)]
pub(super) struct Voices {
    speaker: Running,
    silent: Arc<Mutex<BTreeSet<String>>>,
    more: Arc<Mutex<Option<Value>>>,
    task: JoinHandle<()>,
}

impl Voices {
    pub(super) fn start(client: Client, ns: String, list: PathBuf, speaker: Running) -> Self {
        let silent = Arc::new(Mutex::new(BTreeSet::new()));
        let more = Arc::new(Mutex::new(None));
        let task = tokio::spawn(follow(client, ns, list, silent.clone(), more.clone()));
        Self {
            speaker,
            silent,
            more,
            task,
        }
    }

    pub(super) fn silence(&self, symbols: &[&str]) {
        let mut silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        *silent = symbols.iter().map(ToString::to_string).collect();
    }

    /// One that has no pod, instead of the one before.
    pub(super) fn more(&self, voice: Option<Value>) {
        *self.more.lock().unwrap_or_else(PoisonError::into_inner) = voice;
    }

    pub(super) fn speaker(&self) -> &Running {
        &self.speaker
    }
}

impl Drop for Voices {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn follow(
    client: Client,
    ns: String,
    list: PathBuf,
    silent: Arc<Mutex<BTreeSet<String>>>,
    more: Arc<Mutex<Option<Value>>>,
) {
    let api: Api<Pod> = Api::namespaced(client, &ns);
    let workers = ListParams::default().labels("app.kubernetes.io/component=worker");
    let mut written = String::new();
    loop {
        if let Ok(pods) = api.list(&workers).await {
            let silent = silent
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
            let mut all: Vec<Value> = pods.iter().filter_map(|p| voice(p, &ns)).collect();
            all.retain(|v| v["symbol"].as_str().is_some_and(|s| !silent.contains(s)));
            all.extend(more.lock().unwrap_or_else(PoisonError::into_inner).clone());
            let text = json!(all).to_string();
            let next = list.with_extension("new");
            if text != written
                && std::fs::write(&next, &text).is_ok()
                && std::fs::rename(&next, &list).is_ok()
            {
                written = text;
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// A worker pod that is ready, as its worker would introduce itself.
fn voice(pod: &Pod, ns: &str) -> Option<Value> {
    let m = &pod.metadata;
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    let ready = conditions
        .iter()
        .any(|c| c.type_ == "Ready" && c.status == "True");
    if !ready || m.deletion_timestamp.is_some() {
        return None;
    }
    let label = |key: &str| m.labels.as_ref()?.get(key);
    Some(json!({
        "account": format!("{ns}/{}", label("helios.trading/account")?),
        "strategy": format!("{ns}/{}", label("helios.trading/strategy")?),
        "strategyUid": m.owner_references.as_ref()?.first()?.uid,
        "symbol": m.annotations.as_ref()?.get("helios.trading/symbol")?,
        "taskUid": m.uid,
    }))
}
