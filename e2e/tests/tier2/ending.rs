//! A release is changed under those that trade, and can't be taken away from them.

use crate::SOON;
use crate::desk::{ACCOUNT, HOLDS, Plan, STRATEGY, SYMBOLS, scenario};
use crate::install::{self, RELEASE, ROOT, rolled_out};
use anyhow::{Context, Result, ensure};
use helios_e2e::{ControlPlane, wait_for};
use std::path::Path;

fn helm(cluster: &ControlPlane, command: &str) -> Result<String> {
    let chart = |name: &str| {
        Path::new(ROOT)
            .join("charts")
            .join(name)
            .display()
            .to_string()
    };
    let command = command.replace("CHART", &chart(RELEASE));
    cluster.helm(&command.split(' ').collect::<Vec<_>>())
}

fn uid(cluster: &ControlPlane, what: &str) -> Result<String> {
    let args = ["get", what, "-n", RELEASE, "-o", "jsonpath={.metadata.uid}"];
    cluster.kubectl(&args)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn install_upgrade_uninstall() {
    scenario("upgrade", Plan::at(10, HOLDS), async |desk| {
        desk.turns().await?;
        let venue = desk.in_position(&SYMBOLS).await?;
        desk.last().await?;
        venue.holds(&SYMBOLS).await?;
        let cluster = desk.cluster;
        let (positions, workers) = (venue.held(&SYMBOLS)?, desk.lives().await?);
        let coordinators = desk.coordinator_lives().await?;
        let server = uid(cluster, "pod/helios-nats-0")?;

        let set = "--set operator.log=info,helios_operator=debug --set operator.replicas=1";
        let set = set.replace("info,", "info\\,");
        helm(
            cluster,
            &format!("upgrade helios CHART -n helios --reuse-values {set}"),
        )?;
        rolled_out(cluster, "deployment/helios-operator")?;
        let log = "jsonpath={.spec.replicas} {.spec.template.spec.containers[0].env[*].value}";
        let now = cluster.kubectl(&[
            "get",
            "deployment",
            "helios-operator",
            "-n",
            RELEASE,
            "-o",
            log,
        ])?;
        ensure!(
            now.starts_with("1 ") && now.contains("debug"),
            "the change is not there: {now}"
        );
        desk.trades_on(&venue).await?;
        let undisturbed = async || -> Result<()> {
            let now = venue.held(&SYMBOLS)?;
            ensure!(now == positions, "{positions:?} has become {now:?}");
            ensure!(desk.lives().await? == workers, "workers were started again");
            let now = desk.coordinator_lives().await?;
            ensure!(now == coordinators, "coordinators were started again");
            ensure!(
                uid(cluster, "pod/helios-nats-0")? == server,
                "NATS was started again"
            );
            venue.always_protected()
        };
        undisturbed().await?;
        // A commit goes through the operator that is new.
        let calmer = HOLDS.replace("\"0.05\"", "\"0.06\"");
        desk.strategy(STRATEGY, &calmer)?;
        desk.trading(STRATEGY, 2).await?;

        // Of the other scenarios nothing must be left, or the refusal would be theirs.
        let names = "jsonpath={range .items[*]}{.metadata.namespace}/{.metadata.name} {end}";
        let left = || cluster.kubectl(&["get", "ha,hs", "-A", "-o", names]);
        wait_for("the other scenarios' objects to go", SOON, async || {
            let now = left()?;
            let others = now
                .split_whitespace()
                .filter(|n| !n.starts_with(&format!("{}/", desk.ns())));
            let others: Vec<_> = others.collect();
            ensure!(others.is_empty(), "{others:?}");
            Ok(())
        })
        .await?;
        let refused = helm(cluster, "uninstall helios -n helios");
        ensure!(
            refused.is_err(),
            "it was uninstalled under those that trade"
        );
        let said = cluster.kubectl(&["logs", "job/helios-uninstall-check", "-n", RELEASE])?;
        for name in [ACCOUNT, STRATEGY, "turns"] {
            let full = format!("{}/{name}", desk.ns());
            ensure!(said.contains(&full), "{full} is not named: {said}");
        }
        desk.trades_on(&venue).await?;
        undisturbed().await?;

        desk.kubectl(&["delete", "hs", "--all", "--timeout=120s"])?;
        let open = venue.positions()?;
        ensure!(open.is_empty(), "{open:?} is open");
        desk.account_deleted().await?;
        helm(cluster, "uninstall helios -n helios").context("with nothing left")?;
        helm(cluster, "uninstall helios-crds")?;
        install::gone().await;
        // The definitions stay, and whatever is of them.
        cluster.kubectl(&[
            "get",
            "crd",
            "heliosaccounts.helios.trading",
            "heliosstrategies.helios.trading",
        ])?;
        let pods = cluster.kubectl(&[
            "get",
            "deployments,statefulsets",
            "-n",
            RELEASE,
            "-o",
            "name",
        ])?;
        ensure!(pods.trim().is_empty(), "left: {pods}");
        Ok(())
    })
    .await;
}
