//! A position whose worker, coordinators and stop are all gone: a coordinator that starts alone knows it for its own.

use crate::rig::audit::What;
use crate::rig::clock::{Ns, S, secs};
use crate::rig::more::{PATIENCE, holding};
use crate::rig::role::Role;
use crate::rig::{Rig, Setup, wait};
use helios_core::order::client_id::{Role as Sender, parse};
use helios_core::order::{CancelTarget, ClientId, VenueReply};
use std::collections::BTreeSet;

/// Longest that a position may be bare after the first restart when worker and coordinator were dead.
const BARE: Ns = 10 * S;

/// Working stops of a symbol.
fn standing(rig: &Rig, symbol: &str) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for e in rig.venue.audit().iter().filter(|e| e.symbol == symbol) {
        if let What::Algo { status, .. } = e.what {
            if status.is_working() {
                all.insert(e.client_id.clone());
            } else {
                all.remove(&e.client_id);
            }
        }
    }
    all
}

#[test]
fn a_coordinator_that_starts_alone_puts_a_stop_on_a_position_of_ours_that_nothing_open_names() {
    let rig = Rig::start(Setup {
        seed: 33,
        ..holding()
    });
    let symbol = rig.wait_held();
    for w in rig.workers.values() {
        w.hold(true);
        w.kill();
    }
    let gone = || {
        let mut all = rig.workers.values();
        all.all(|w| w.pid().is_none()).then_some(())
    };
    wait("end of the workers", PATIENCE, gone).unwrap();
    let killed = rig.while_down(|| {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let hand = rig.venue.hand().await;
            for id in standing(&rig, &symbol) {
                hand.rest.sync_clock().await.unwrap();
                let target = CancelTarget::Stop(ClientId::from(id.as_str()));
                let reply = hand.rest.cancel(&hand.contracts[&symbol], &target).await;
                assert!(matches!(reply, VenueReply::Accepted { .. }), "{reply:?}");
            }
        });
        let none = wait("no stop", PATIENCE, || {
            standing(&rig, &symbol).is_empty().then_some(())
        });
        assert!(none.is_some() && rig.held().contains_key(&symbol));
    });
    let placed = wait("the coordinator's stop", PATIENCE, || {
        let all = rig.venue.audit();
        let mut of_it = all.iter().filter(|e| e.symbol == symbol && e.at > killed);
        of_it.find_map(|e| match e.what {
            What::Algo {
                status,
                anchor: true,
                ..
            } if status.is_working() => {
                let id = ClientId::from(e.client_id.as_str());
                let by = parse(&id)?.role;
                (by == Sender::Coordinator).then_some(e.at)
            }
            _ => None,
        })
    });
    let placed = placed.unwrap_or_else(|| panic!("{symbol} was left without a stop"));
    let second = |r: &Role| r.lives().get(1).map(|l| l.from);
    let restart = rig.coordinators.iter().filter_map(second).min().unwrap();
    assert!(
        placed - restart <= BARE,
        "bare for {:.1} s after the restart",
        secs(restart, placed)
    );
    assert!(rig.held().contains_key(&symbol), "kept, not closed");
}
