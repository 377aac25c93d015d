//! The margin ladder in a cluster: an account that becomes critical.

use crate::SOON;
use crate::desk::{ACCOUNT, HOLDS, Plan, STRATEGY, SYMBOLS, scenario};
use crate::pods;
use anyhow::{Context, Result, ensure};
use helios_e2e::wait_for;
use serde_json::Value;

fn condition<'a>(object: &'a Value, type_: &str) -> Result<&'a Value> {
    let all = object["status"]["conditions"].as_array();
    let mut all = all.into_iter().flatten();
    all.find(|c| c["type"] == type_)
        .with_context(|| format!("no {type_} yet"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn account_critical_derisks() {
    // 1.6 times the equity at the market: a ratio of some 60 %, far above any level.
    let large = HOLDS.replace("fixedNotional: \"500\"", "fixedNotional: \"8000\"");
    // With the stop as close as so much notional allows.
    let large = large.replace("barSeconds: 60", "barSeconds: 5");
    // An order may find less than it wants: then it is tried again after a while.
    let again = large.replace("maxHoldSeconds: 86400", "maxHoldSeconds: 300");
    let plan = Plan::at(20, &again);
    scenario("critical", plan, async |desk| {
        let venue = desk.in_position(&SYMBOLS).await?;
        let gross = async || -> Result<f64> {
            Ok(venue.positions()?.values().map(crate::venue::Position::notional).sum())
        };
        let whole = async || {
            wait_for("both positions to be whole", SOON, async || {
                let now = gross().await?;
                ensure!(now > 14_000.0, "{now}");
                Ok(())
            })
            .await
        };
        whole().await?;
        // From here on nobody but the ladder leaves a position.
        desk.strategy(STRATEGY, &large)?;
        desk.trading(STRATEGY, 2).await?;
        whole().await?;
        let (before, lives) = (gross().await?, desk.lives().await?);
        let entered = venue.openings()?.len();

        // The same account by stricter numbers: what it holds is critical now.
        let patch = r#"{"spec":{"margin":{"warningMarginRatio":"90","criticalMarginRatio":"80"},"limits":{"maxGrossLeverage":"1"}}}"#;
        desk.kubectl(&["patch", "ha", ACCOUNT, "--type=merge", "-p", patch])?;
        wait_for("account and strategy to say so", SOON, async || {
            for (kind, name) in [("heliosaccounts", ACCOUNT), ("heliosstrategies", STRATEGY)] {
                let object = desk.object(kind, name)?;
                let degraded = condition(&object, "Degraded")?;
                ensure!(
                    degraded["status"] == "True" && degraded["reason"] == "MarginProtection",
                    "{kind}: {degraded}"
                );
            }
            let events = desk.kubectl(&["get", "events", "--field-selector=reason=MarginProtection"])?;
            ensure!(events.contains("Warning"), "no event yet: {events}");
            Ok(())
        })
        .await?;
        wait_for("the account to be out of it", SOON, async || {
            let pods = desk.coordinators().await?;
            let pod = pods.first().context("no coordinator")?;
            let ratio = pods::metric(pod, "helios_margin_ratio_percent")?;
            ensure!(ratio > 90.0, "the margin ratio is {ratio} %, {} are open", gross().await?);
            Ok(())
        })
        .await?;
        let now = gross().await?;
        ensure!(
            now < before * 0.8,
            "{before} has become {now}: that is no reduction"
        );
        let fills = venue.fills()?;
        ensure!(
            fills.iter().any(|f| f.of_coordinator()),
            "no order of the coordinator's: {fills:?}"
        );
        ensure!(
            venue.openings()?.len() == entered,
            "entries in a critical account: {:?}",
            venue.openings()?
        );
        ensure!(desk.lives().await? == lives, "workers were started again");
        venue.always_protected()
    })
    .await;
}
