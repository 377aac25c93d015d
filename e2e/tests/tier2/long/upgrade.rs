//! The next release, with everything in it changed at once: definitions, operator, callout, NATS, coordinators, workers.

use crate::SOON;
use crate::desk::{HOLDS, Plan, STRATEGY, SYMBOLS, TURNING, scenario};
use crate::install::{self, RELEASE, rolled_out};
use anyhow::{Context, Result, ensure};
use helios_e2e::wait_for;
use k8s_openapi::api::core::v1::Pod;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Replaced while it holds.
const AT_ONCE: &str = "BNBUSDT";
/// Longest without an entry in what turns all the time: its worker is replaced, and NATS, on the way.
const PAUSE: Duration = Duration::from_secs(60);
const NEXT: &str = "0.1.1";
const PARTS: [&str; 3] = [
    "deployment/helios-operator",
    "deployment/helios-nats-auth",
    "statefulset/helios-nats",
];

/// The next release: the charts under its version, and the image under its tag.
const PREPARED: &str = "
cp -r charts/helios charts/helios-crds NEXT_DIR
sed -i 's/^version: .*/version: NEXT/; s/^appVersion: .*/appVersion: \"NEXT\"/' NEXT_DIR/*/Chart.yaml
was=$(sed -n 's/^appVersion: \"\\(.*\\)\"/\\1/p' charts/helios/Chart.yaml)
ctr --namespace k8s.io images tag --force docker.io/library/helios:$was docker.io/library/helios:NEXT
";
const UPGRADED: &str = "
helm upgrade helios-crds NEXT_DIR/helios-crds
helm upgrade helios NEXT_DIR/helios --namespace helios --reset-then-reuse-values --set nats.resources.requests.cpu=60m
";

fn image(pod: &Pod) -> &str {
    let containers = pod.spec.as_ref().map(|s| s.containers.as_slice());
    let first = containers.and_then(<[_]>::first);
    first.and_then(|c| c.image.as_deref()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: make soak"]
async fn chart_upgrade_stops_no_trading() {
    scenario("release", Plan::at(10, HOLDS), async |desk| {
        desk.turns().await?;
        let now = HOLDS.replace("BTCUSDT, ETHUSDT", AT_ONCE);
        desk.strategy("now", &format!("{now}  worker: {{updatePolicy: Now}}\n"))?;
        desk.trading("now", 1).await?;
        let held = [SYMBOLS[0], SYMBOLS[1], AT_ONCE];
        let venue = desk.in_position(&held).await?;
        desk.a_standby().await?;
        let (positions, lives) = (venue.held(&held)?, desk.lives().await?);
        let anchors = held.map(|s| venue.anchor(s).ok());
        let undisturbed = || -> Result<()> {
            let now = venue.held(&held)?;
            ensure!(now == positions, "{positions:?} has become {now:?}");
            let now = held.map(|s| venue.anchor(s).ok());
            ensure!(now == anchors, "{anchors:?} has become {now:?}");
            venue.always_protected()
        };
        let dir = tempfile::tempdir()?;
        let of_next = |commands: &str| {
            let dir = dir.path().display().to_string();
            let commands = commands.replace("NEXT_DIR", &dir).replace("NEXT", NEXT);
            install::run(desk.node, &commands)
        };
        of_next(PREPARED)?;

        // Somebody counts the time between two entries, from before the first change to after the last.
        let over = Arc::new(AtomicBool::new(false));
        let (watched, ended) = (venue.clone(), over.clone());
        let watch = tokio::task::spawn_blocking(move || -> Result<Duration> {
            let (mut seen, mut at) = (0, Instant::now());
            let mut longest = Duration::ZERO;
            while !ended.load(Ordering::Relaxed) {
                let all = watched.openings()?;
                let now = all.iter().filter(|(f, _)| f.symbol == TURNING).count();
                longest = longest.max(at.elapsed());
                if now > seen {
                    (seen, at) = (now, Instant::now());
                }
                std::thread::sleep(Duration::from_millis(100));
            }
            Ok(longest)
        });

        of_next(UPGRADED)?;
        for part in PARTS {
            rolled_out(desk.cluster, part)?;
        }
        wait_for(
            "coordinators and free workers of the new release",
            SOON * 2,
            async || {
                undisturbed()?;
                let coordinators = desk.coordinators().await?;
                ensure!(
                    coordinators.len() == 2
                        && coordinators.iter().all(|p| image(p).ends_with(NEXT)),
                    "coordinators of {:?}",
                    coordinators.iter().map(image).collect::<Vec<_>>()
                );
                for symbol in [TURNING, AT_ONCE] {
                    let pod = desk.worker(symbol).await?;
                    ensure!(image(&pod).ends_with(NEXT), "{symbol} runs {}", image(&pod));
                }
                Ok(())
            },
        )
        .await?;
        desk.adopted(AT_ONCE, &lives[AT_ONCE]).await?;
        desk.all_granted(true, SOON).await?;
        desk.trades_on(&venue).await?;
        undisturbed()?;
        let now = desk.lives().await?;
        for symbol in SYMBOLS {
            ensure!(
                now[symbol] == lives[symbol],
                "{symbol} was replaced while it held"
            );
        }
        over.store(true, Ordering::Relaxed);
        let longest = watch.await??;
        eprintln!("soak: an upgrade of everything, and at most {longest:.1?} between two entries");
        ensure!(longest <= PAUSE, "{longest:.0?} without an entry");

        // What holds is replaced as soon as it holds nothing.
        let flat = HOLDS.replace("maxHoldSeconds: 86400", "maxHoldSeconds: 60");
        desk.strategy(STRATEGY, &flat)?;
        wait_for("every worker of the new release", SOON * 2, async || {
            for (symbol, pod) in desk.workers().await? {
                ensure!(image(&pod).ends_with(NEXT), "{symbol} runs {}", image(&pod));
            }
            Ok(())
        })
        .await?;
        desk.trading(STRATEGY, 2).await?;
        desk.trades_on(&venue).await?;
        venue.always_protected()?;

        // And back: what Helm calls a rollback is an upgrade like any other.
        let back = format!("helm rollback helios -n {RELEASE}; helm rollback helios-crds");
        install::run(desk.node, &back).context("back")?;
        for part in PARTS {
            rolled_out(desk.cluster, part)?;
        }
        desk.all_granted(true, SOON).await?;
        desk.trades_on(&venue).await?;
        venue.always_protected()?;
        desk.kubectl(&["delete", "hs", "--all", "--timeout=120s"])?;
        desk.account_deleted().await
    })
    .await;
}
