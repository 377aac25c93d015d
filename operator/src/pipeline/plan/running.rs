//! What runs, as the planner sees it.

use super::Plan;
use crate::facts::{OwnedKind, PodLife};
use crate::memory::Memory;
use crate::names;
use crate::pipeline::dereference::{PodSeen, World};
use helios_core::plan::{
    ObservedCoordinator, ObservedWorker, Phase, STRIKE_AFTER_MS, WorkerSpec, restart_delay_ms,
};

/// A pod that has been ending for this long hangs: longer than any pod is given to end by itself.
const HANGS_AFTER_MS: u64 = 60_000;

/// The coordinator of the account; one whose account's time is over is not waited for while it hangs.
pub(super) fn coordinator(world: &World, late: bool) -> Option<ObservedCoordinator> {
    let (namespace, name) = names::split(&world.account);
    let full = format!("{namespace}/{}", names::coordinator(name));
    let deployment = world.owned.get(&(OwnedKind::Deployment, full));
    let hangs =
        |p: &PodSeen| p.pod.deleting && world.now_ms >= p.since_ms.saturating_add(HANGS_AFTER_MS);
    let mut pods = world.pods.iter().filter(|p| !p.pod.worker);
    let pods_left = pods.any(|p| !(late && hangs(p)));
    let phase = match deployment {
        Some(d) if d.deleting() => Phase::Ending,
        Some(_) => Phase::Running,
        // In a namespace that goes, pods go by themselves and are not waited for.
        None if pods_left && !world.namespace_going() => Phase::Ending,
        None => return None,
    };
    Some(ObservedCoordinator {
        account: world.account.clone(),
        phase,
        failures: 0,
        since_ms: 0,
    })
}

/// Workers. One in a crash loop has failed, though its pod says that it runs: the kubelet lets it wait for up to five minutes,
/// and a new pod waits for nothing but the planner's own pause.
pub(super) fn workers(world: &World, memory: &mut Memory, p: &mut Plan) -> Vec<ObservedWorker> {
    let mut all = Vec::new();
    for seen in &world.pods {
        let pod = &seen.pod;
        if !pod.worker {
            continue;
        }
        let phase = match (pod.deleting, pod.life) {
            (true, _) => Phase::Ending,
            (false, PodLife::Over) => Phase::Failed,
            (false, _) if pod.crash_loop => Phase::Failed,
            (false, _) => Phase::Running,
        };
        let (mut failures, mut since_ms) = (0, seen.since_ms);
        if phase == Phase::Failed {
            let (n, found_ms) = memory.failed(&pod.name, &pod.uid, world.now_ms);
            // The kubelet may start it once or twice meanwhile: the pause is not over later for that.
            if pod.crash_loop {
                since_ms = found_ms;
            }
            failures = n;
            p.wake_after(since_ms + restart_delay_ms(n), world.now_ms);
        }
        if let (Phase::Ending, Some(lost)) = (phase, seen.lost_ms) {
            p.wake_after(lost + STRIKE_AFTER_MS, world.now_ms);
        }
        all.push(ObservedWorker {
            uid: pod.uid.clone(),
            spec: WorkerSpec {
                account: pod.account.clone(),
                symbol: pod.symbol.clone(),
                strategy: pod.strategy.clone(),
                spec_hash: pod.spec_hash.clone(),
            },
            phase,
            failures,
            since_ms,
            ready: pod.ready,
            host_lost_ms: seen.lost_ms,
        });
    }
    all
}
