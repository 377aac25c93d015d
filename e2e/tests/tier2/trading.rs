//! The chart on a real node, and pods that trade: from nothing to a position with its stop, and back to nothing.

use crate::SOON;
use anyhow::{Context, Result, ensure};
use helios_e2e::{ControlPlane, Image, Node, helios_program, nats_program, shared_node, wait_for};
use serde_json::Value;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// What the images of a release are called here.
const VALUES: &str = "image.repository=helios.local/helios,image.tag=e2e,image.pullPolicy=Never,\
    nats.image.repository=helios.local/nats-server,nats.image.tag=e2e,nats.image.pullPolicy=Never,\
    nats.command={/nats-server}";

/// The programs under test as images, without what only a debugger reads.
fn images(node: &Node) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let helios = dir.path().join("helios");
    let strip = Command::new("strip")
        .arg("-o")
        .arg(&helios)
        .arg(helios_program()?)
        .status();
    ensure!(strip.context("strip (binutils)")?.success(), "strip failed");
    let mut image = Image::of_program("helios.local/helios:e2e", &helios)?;
    // No client of the exchange is made without authorities to believe.
    let authorities = "/etc/ssl/certs/ca-certificates.crt";
    image.files.push((authorities.into(), authorities.into()));
    node.image(&image)?;
    node.image(&Image::of_program(
        "helios.local/nats-server:e2e",
        &nats_program()?,
    )?)
}

fn object(cluster: &ControlPlane, kind: &str, name: &str) -> Result<Value> {
    let text = cluster.kubectl(&["get", kind, name, "-o", "json"])?;
    Ok(serde_json::from_str(&text)?)
}

/// What somebody who looks for the cause would ask first.
fn picture(cluster: &ControlPlane) -> String {
    let ask = |args: &[&str]| cluster.kubectl(args).unwrap_or_else(|e| format!("{e:#}"));
    let mut all = ask(&["get", "pods,ha,hs", "-A", "-o", "wide"]);
    all += &ask(&["get", "events", "-A", "--field-selector=type=Warning"]);
    for (namespace, label) in [
        ("helios", "app.kubernetes.io/component=operator"),
        ("helios", "app.kubernetes.io/component=nats-auth"),
        ("default", "app.kubernetes.io/component=coordinator"),
        ("default", "app.kubernetes.io/component=worker"),
    ] {
        all += &ask(&[
            "logs",
            "-n",
            namespace,
            "-l",
            label,
            "--tail=15",
            "--prefix",
        ]);
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn first_trade() {
    if !Node::possible() {
        return;
    }
    let node = shared_node().await.unwrap();
    let cluster = node.cluster();
    images(node).unwrap();
    let result = trade(cluster).await;
    if let Err(e) = result {
        panic!("{e:#}\n{}", picture(cluster));
    }
}

async fn trade(cluster: &ControlPlane) -> Result<()> {
    let chart = |name: &str| {
        Path::new(ROOT)
            .join("charts")
            .join(name)
            .display()
            .to_string()
    };
    cluster.helm(&["install", "helios-crds", &chart("helios-crds")])?;
    let helios = chart("helios");
    cluster.helm(&[
        "install",
        "helios",
        &helios,
        "--namespace=helios",
        "--create-namespace",
        "--set",
        VALUES,
    ])?;
    let sample = Path::new(ROOT).join("config/samples/quickstart.yaml");
    cluster.kubectl(&["apply", "-f", &sample.display().to_string()])?;
    wait_for(
        "five workers that trade",
        Duration::from_secs(120),
        async || {
            let status = object(cluster, "hs", "nobi")?["status"].clone();
            ensure!(
                status["ready"] == "5/5" && status["updatedWorkers"] == 5,
                "{status}"
            );
            Ok(())
        },
    )
    .await?;
    // A position with a stop that the exchange has confirmed.
    wait_for("a first trade", SOON, async || {
        let said = cluster.kubectl(&[
            "logs",
            "-l",
            "app.kubernetes.io/component=worker",
            "--tail=-1",
        ])?;
        ensure!(said.contains("confirmed"), "no position yet");
        Ok(())
    })
    .await?;
    // A change reaches them without a restart.
    let restarts =
        "jsonpath={.items[*].metadata.uid}{.items[*].status.containerStatuses[*].restartCount}";
    let lives = || {
        cluster.kubectl(&[
            "get",
            "pods",
            "-l",
            "app.kubernetes.io/component=worker",
            "-o",
            restarts,
        ])
    };
    let before = lives()?;
    let patch = r#"{"spec":{"signals":{"nobiTriggerThreshold":"0.45"}}}"#;
    cluster.kubectl(&["patch", "hs", "nobi", "--type=merge", "-p", patch])?;
    wait_for(
        "the change to be in force everywhere",
        Duration::from_secs(30),
        async || {
            let hs = object(cluster, "hs", "nobi")?;
            let (status, generation) = (&hs["status"], &hs["metadata"]["generation"]);
            ensure!(
                status["observedGeneration"] == *generation && status["updatedWorkers"] == 5,
                "{status}"
            );
            Ok(())
        },
    )
    .await?;
    ensure!(lives()? == before, "workers were restarted by a parameter");
    // Deleted, its positions are closed, and then everything goes.
    cluster.kubectl(&["delete", "hs", "nobi", "--timeout=120s"])?;
    cluster.kubectl(&["delete", "ha", "paper", "--timeout=120s"])?;
    cluster.helm(&["uninstall", "helios", "--namespace=helios"])?;
    cluster.helm(&["uninstall", "helios-crds"])?;
    Ok(())
}
