//! Nobody works on the objects for a while.

use crate::SOON;
use crate::desk::{HOLDS, Plan, SYMBOLS, scenario};
use crate::install::{Mend, RELEASE, rolled_out};
use crate::pods;
use anyhow::ensure;
use helios_e2e::audit::Kind;
use helios_e2e::wait_for;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams};

const OPERATOR: &str = "deployment/helios-operator";
const LOOKS: &str = "helios_operator_reconciles_total{outcome=\"settled\"}";
const USER: &str = "system:serviceaccount:helios:helios-operator";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operator_absent_trading_continues() {
    scenario("absent", Plan::at(10, HOLDS), async |desk| {
        desk.turns().await?;
        let venue = desk.in_position(&SYMBOLS).await?;
        desk.alone().await;
        venue.holds(&SYMBOLS).await?;
        let (positions, workers) = (venue.held(&SYMBOLS)?, desk.lives().await?);
        let coordinators = desk.coordinator_lives().await?;
        let operators: Api<Pod> = Api::namespaced(desk.client.clone(), RELEASE);
        let label = ListParams::default().labels("app.kubernetes.io/component=operator");
        let scale = |n| vec!["scale", OPERATOR, "-n", RELEASE, n];
        let back = Mend(desk.cluster, scale("--replicas=2"));
        desk.cluster.kubectl(&scale("--replicas=0"))?;
        wait_for("the operators to end", SOON, async || {
            let left = operators.list(&label).await?.items.len();
            ensure!(left == 0, "{left} are there");
            Ok(())
        })
        .await?;

        desk.trades_on(&venue).await?;
        venue.trails(SYMBOLS[0]).await?;
        // A crash needs the kubelet alone.
        pods::kill(&desk.worker(SYMBOLS[1]).await?)?;
        desk.adopted(SYMBOLS[1], &workers[SYMBOLS[1]]).await?;
        desk.all_granted(true, SOON).await?;
        desk.trades_on(&venue).await?;

        let workers = desk.lives().await?;
        let mark = desk.cluster.audit_mark()?;
        drop(back);
        rolled_out(desk.cluster, OPERATOR)?;
        wait_for(
            "an operator to have looked at everything",
            SOON,
            async || {
                let mut looks = 0.0;
                for pod in operators.list(&label).await? {
                    // The one that stands by has none.
                    looks += pods::metric(&pod, LOOKS).unwrap_or(0.0);
                }
                ensure!(looks >= 1.0, "nobody has");
                Ok(())
            },
        )
        .await?;
        desk.trades_on(&venue).await?;
        let audit = desk.cluster.audit_since(mark)?.within(desk.ns()).of(USER);
        let written: Vec<_> = audit.requests.iter().collect();
        let others = written
            .iter()
            .filter(|r| r.kind == Kind::Write && r.subresource != "status");
        let others: Vec<_> = others.collect();
        ensure!(others.is_empty(), "written anew: {others:?}");
        ensure!(desk.lives().await? == workers, "workers were started again");
        ensure!(
            desk.coordinator_lives().await? == coordinators,
            "coordinators were started again"
        );
        let now = venue.held(&SYMBOLS)?;
        ensure!(now == positions, "{positions:?} has become {now:?}");
        venue.always_protected()
    })
    .await;
}
