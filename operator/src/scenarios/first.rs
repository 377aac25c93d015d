//! From an account that was just applied to five workers that trade.

use super::bench::*;
use serde_json::json;

const NOTHING: [&str; 0] = [];

#[tokio::test(start_paused = true)]
async fn the_first_look_makes_what_an_account_stands_on_and_nothing_else_is_sent() {
    let mut b = Bench::new();
    let asked = b.look_blind().await;
    assert_eq!(
        asked,
        [
            "finalizers heliosaccounts/paper",
            "apply serviceaccounts/hc-paper",
            "apply serviceaccounts/hw-paper",
            "apply rolebindings/hc-paper",
            "apply configmaps/paper-guardian",
            "apply services/hc-paper",
            "apply networkpolicies/hc-paper",
            "apply networkpolicies/hw-paper",
            "apply poddisruptionbudgets/hc-paper",
            "apply deployments/hc-paper",
            "apply services/hv-paper",
            "apply networkpolicies/hv-paper",
            "apply deployments/hv-paper",
            "get leases/hc-paper",
            "create leases/hc-paper",
            "finalizers heliosstrategies/nobi",
            "apply configmaps/hs-nobi",
            "status heliosstrategies/nobi",
            "status heliosaccounts/paper",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn once_the_index_shows_it_nothing_is_sent() {
    let mut b = Bench::new();
    b.look().await;
    b.after(1000);
    b.look().await;
    b.after(1000);
    b.sees();
    assert_eq!(b.look_blind().await, NOTHING);
    b.after(6000);
    assert_eq!(
        b.look_blind().await,
        ["get leases/hc-paper"],
        "a look at the lock, now and then"
    );
    b.after(1000);
    assert_eq!(b.look_blind().await, NOTHING);
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_starts_five_workers_and_nothing_else_is_sent() {
    let mut b = Bench::new();
    b.look().await;
    b.after(1000);
    b.look().await;
    b.after(1000);
    b.gone(PARAMS);
    b.coordinators_are_ready(2);
    b.wants(&FIVE);
    let asked = b.look().await;
    let mut wanted = vec!["apply configmaps/hs-nobi".to_string()];
    wanted.extend(FIVE.map(|s| format!("create {}", pod(s))));
    wanted.push("apply poddisruptionbudgets/hs-nobi".into());
    wanted.push("status heliosstrategies/nobi".into());
    wanted.push("status heliosaccounts/paper".into());
    assert_eq!(asked, wanted, "parameters stand before the first pod");
    b.after(1000);
    b.settle().await;
    assert_eq!(b.condition("Progressing").reason, "WorkersStarting");
    assert_eq!(
        b.get(&pod("BTCUSDT")).unwrap()["metadata"]["ownerReferences"][0]["uid"],
        b.get(NOBI).unwrap()["metadata"]["uid"]
    );
    assert_eq!(json!(b.status().ready), json!("0/5"));
}
