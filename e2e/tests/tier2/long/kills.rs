//! A hundred ends of everything that Helios consists of, one after the other, at moments that nobody chose, while an account
//! trades all the time. `HELIOS_SOAK_SEED` is the seed (7 unless it says so), `HELIOS_SOAK_KILLS` how many.

use crate::desk::{Desk, HOLDS, Plan, STRATEGY, SYMBOLS, TURNING, scenario};
use crate::install::RELEASE;
use crate::pods;
use crate::venue::{Position, Stop, Venue};
use anyhow::{Context, Result, ensure};
use helios_e2e::wait_for;
use k8s_openapi::api::core::v1::Pod;
use kube::api::Api;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A container that crashes again and again is started later and later. One that was started again so often ends with its
/// pod, as the wait for it would say nothing of Helios.
const CRASHES: i32 = 2;
/// Longest until all is as before.
const RECOVERED: Duration = Duration::from_secs(180);

/// Random numbers that are the same for the same seed: SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number
/// generators", 2014).
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let z = z ^ (z >> 31);
        usize::try_from(z % n.max(1) as u64).unwrap_or_default()
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> Result<&'a T> {
        all.get(self.below(all.len())).context("nobody is there")
    }
}

/// What ends.
const VICTIMS: [&str; 8] = [
    // Three of eight are workers: they are what trades.
    "worker",
    "worker",
    "worker",
    "leader",
    "standby",
    "operator",
    "nats-auth",
    "nats",
];

/// One that was ended, and how.
struct Ended {
    pod: Pod,
    what: String,
}

impl Ended {
    /// Waits until it is another, or has begun another life: before that everything looks as if nothing had happened.
    async fn over(&self, desk: &Desk) -> Result<()> {
        let namespace = self.pod.metadata.namespace.as_deref().unwrap_or_default();
        let api: Api<Pod> = Api::namespaced(desk.client.clone(), namespace);
        wait_for("its end to be noticed", RECOVERED, async || {
            let now = api.get_opt(pods::name(&self.pod)).await?;
            let same = now.filter(|p| p.metadata.uid == self.pod.metadata.uid);
            let lives = same.is_some_and(|p| pods::restarts(&p) == pods::restarts(&self.pod));
            ensure!(!lives, "nobody has");
            Ok(())
        })
        .await
    }
}

/// Ends one, as by a crash or with its pod.
async fn end(desk: &Desk, random: &mut Random) -> Result<Ended> {
    let victim = *random.of(&VICTIMS)?;
    let pod = match victim {
        "worker" => {
            let all: Vec<Pod> = desk.workers().await?.into_values().collect();
            random.of(&all)?.clone()
        }
        "leader" => desk.led().await?.0,
        "standby" => random.of(&desk.led().await?.1)?.clone(),
        other => random
            .of(&desk.component_in(RELEASE, other).await?)?
            .clone(),
    };
    let program = if victim == "nats" {
        "nats-server"
    } else {
        "helios"
    };
    let name = pods::name(&pod);
    let crashes = pods::restarts(&pod) < CRASHES && random.below(2) == 0;
    if crashes {
        pods::kill_program(&pod, program)?;
        let what = format!("{victim} {name} crashes");
        return Ok(Ended { pod, what });
    }
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    let mut args = vec!["delete", "pod", name, "-n", namespace, "--wait=false"];
    let by_force = random.below(2) == 0;
    if by_force {
        args.extend(["--grace-period=0", "--force"]);
    }
    desk.cluster.kubectl(&args)?;
    let how = if by_force { "by force" } else { "in peace" };
    let what = format!("{victim} {name} is deleted {how}");
    Ok(Ended { pod, what })
}

/// Waits until everybody is there and permitted again, and the account trades.
async fn recovered(desk: &Desk, venue: &Venue) -> Result<()> {
    wait_for("everybody to be there again", RECOVERED, async || {
        for (strategy, workers) in [(STRATEGY, 2), ("turns", 1)] {
            let status = desk.object("hs", strategy)?["status"].clone();
            ensure!(
                status["readyWorkers"] == workers && status["updatedWorkers"] == workers,
                "{strategy}: {status}"
            );
        }
        let mut all = desk.coordinators().await?;
        for component in ["operator", "nats-auth", "nats"] {
            all.extend(desk.component_in(RELEASE, component).await?);
        }
        ensure!(all.len() == 2 + 2 + 2 + 1, "{} pods", all.len());
        let missing = all.iter().find(|p| !pods::is_ready(p)).map(pods::name);
        ensure!(missing.is_none(), "{missing:?} is not ready");
        let workers = desk.workers().await?;
        ensure!(workers.len() == 3, "{} workers", workers.len());
        for (symbol, pod) in &workers {
            ensure!(desk.granted(pod)?, "{symbol} is not permitted");
        }
        Ok(())
    })
    .await?;
    desk.trades_within(venue, RECOVERED).await
}

/// Positions that nobody leaves, each with its anchor, which nobody moves.
#[derive(Debug, PartialEq)]
struct Kept(BTreeMap<String, Position>, Vec<Stop>);

fn kept(venue: &Venue) -> Result<Kept> {
    let anchors = SYMBOLS.iter().map(|s| venue.anchor(s));
    Ok(Kept(venue.held(&SYMBOLS)?, anchors.collect::<Result<_>>()?))
}

/// Every position has had its stop all the time, and those that are held are as they were.
fn guarded(venue: &Venue, before: &Kept) -> Result<()> {
    venue.always_protected()?;
    let now = kept(venue)?;
    ensure!(now == *before, "{before:?} has become {now:?}");
    Ok(())
}

fn asked(name: &str, otherwise: u64) -> Result<u64> {
    let Ok(text) = std::env::var(name) else {
        return Ok(otherwise);
    };
    text.parse().with_context(|| format!("{name}={text}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: make soak"]
async fn a_hundred_random_kills_of_everything() {
    // A market of an hour and more goes further than one of minutes: its stops are further away, as its bars are longer.
    let holds = HOLDS.replace("barSeconds: 60", "barSeconds: 300");
    scenario("kills", Plan::at(5, &holds), async |desk| {
        let (seed, kills) = (asked("HELIOS_SOAK_SEED", 7)?, asked("HELIOS_SOAK_KILLS", 100)?);
        let mut random = Random(seed);
        desk.turns().await?;
        let venue = desk.in_position(&SYMBOLS).await?;
        let held = kept(&venue)?;
        let mut longest = Duration::ZERO;
        let begin = Instant::now();
        recovered(desk, &venue).await?;
        for n in 1..=kills {
            let pause = u64::try_from(random.below(2000))?;
            tokio::time::sleep(Duration::from_millis(pause)).await;
            let at = Instant::now();
            let ended = end(desk, &mut random).await?;
            let what = &ended.what;
            ended.over(desk).await.with_context(|| what.clone())?;
            recovered(desk, &venue)
                .await
                .with_context(|| format!("kill {n} of seed {seed}: {what}"))?;
            guarded(&venue, &held).with_context(|| format!("kill {n} of seed {seed}: {what}"))?;
            longest = longest.max(at.elapsed());
            eprintln!("kill {n} of {kills}: {what}; as before after {:.1?}", at.elapsed());
        }
        let entries = venue.openings()?;
        let turns = entries.iter().filter(|(f, _)| f.symbol == TURNING).count();
        eprintln!(
            "soak: {kills} kills of seed {seed} in {:.0?}: never a second without a stop, {turns} entries on the way, all as before after at most {longest:.0?}",
            begin.elapsed()
        );
        desk.kubectl(&["delete", "hs", "--all", "--timeout=120s"])?;
        let open = venue.positions()?;
        ensure!(open.is_empty(), "{open:?} is open");
        venue.always_protected()
    })
    .await;
}
