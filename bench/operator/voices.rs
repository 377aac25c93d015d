//! The workers: in the pods of fake nodes nothing runs, so one `helios worker --listen-only` speaks for all of them, over a
//! connection each, as real workers do that are flat: it takes parameters, acknowledges them and reports each second.

use crate::world::World;
use anyhow::{Context, Result};
use helios_e2e::helios_program;
use helios_e2e::stage::Running;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::ListParams;
use serde_json::{Value, json};

/// Starts to speak for the worker pods that there are now. They must stay: the list is not written again.
pub async fn start(world: &World<'_>) -> Result<Running> {
    let api: Api<Pod> = Api::namespaced(world.stage.client.clone(), world.ns());
    let workers = ListParams::default().labels("app.kubernetes.io/component=worker");
    let pods = api.list_metadata(&workers).await?;
    let voices: Option<Vec<Value>> = pods
        .iter()
        .map(|p| {
            let m = &p.metadata;
            let label = |key: &str| m.labels.as_ref()?.get(key);
            Some(json!({
                "account": format!("{}/{}", world.ns(), label("helios.trading/account")?),
                "strategy": format!("{}/{}", world.ns(), label("helios.trading/strategy")?),
                "strategyUid": m.owner_references.as_ref()?.first()?.uid,
                "symbol": m.annotations.as_ref()?.get("helios.trading/symbol")?,
                "taskUid": m.uid,
            }))
        })
        .collect();
    let voices = voices.context("a worker pod without its labels")?;
    let list = world.stage.files().join("voices.json");
    std::fs::write(&list, json!(voices).to_string())?;
    let args = [
        "worker",
        "--listen-only",
        &format!("--speak-for={}", list.display()),
        &format!("--nats={}", world.stage.nats_url()),
    ];
    world
        .stage
        .program("voices", helios_program()?, &args, Vec::new())
}
