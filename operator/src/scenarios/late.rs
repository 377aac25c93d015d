//! A watch that is seconds late, as those of a busy API server are: nothing is written again because it is not seen yet.

use super::bench::*;
use super::refused::about_to_start;
use crate::facts::{News, OwnedKind};
use helios_core::messages::LadderLevel;
use serde_json::json;

#[tokio::test(start_paused = true)]
async fn a_pod_that_was_made_and_is_not_seen_yet_is_not_made_again() {
    let mut b = about_to_start().await;
    b.look().await;
    for _ in 0..9 {
        b.after(1000);
        // The watch is late: nothing of the pods is known yet.
        let asked = b.look_blind().await;
        assert_eq!(count(&asked, "create pods/"), 0, "{asked:?}");
    }
    // Seen and gone again, it is made anew at once.
    b.sees();
    b.look().await;
    b.api.lock().unwrap().objects.remove(&pod("XRPUSDT"));
    b.sees();
    b.after(100);
    let asked = b.look().await;
    assert_eq!(count(&asked, "create pods/"), 1, "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_is_there_already_is_no_failure() {
    let mut b = about_to_start().await;
    b.look().await;
    b.after(11_000);
    // The watch has said nothing of the pods for long.
    let asked = b.look_blind().await;
    assert_eq!(count(&asked, "create pods/"), 5);
    assert_eq!(b.condition("Ready").reason, "WorkersNotReady");
    b.after(1000);
    b.settle().await;
    assert_eq!(b.pods().len(), 5);
}

#[tokio::test(start_paused = true)]
async fn parameters_that_were_written_and_are_not_seen_yet_are_not_written_again() {
    let mut b = Bench::trading().await;
    b.commits_threshold("0.5");
    b.after(1000);
    let written = "apply configmaps/hs-nobi";
    assert_eq!(count(&b.look().await, written), 1);
    for _ in 0..9 {
        b.after(1000);
        let mut asked = but_the_lock(b.look_blind().await);
        // That the change is on its way is said once it has taken a while.
        asked.retain(|a| a != "status heliosstrategies/nobi");
        assert!(asked.is_empty(), "{asked:?}");
    }
    // Seen and gone again, they are written anew at once.
    b.sees();
    b.look().await;
    b.api.lock().unwrap().objects.remove(PARAMS);
    b.after(100);
    assert_eq!(count(&b.look().await, written), 1);
    // Nor does whoever takes them away before a watch has shown them keep them away for long.
    b.api.lock().unwrap().objects.remove(PARAMS);
    b.after(11_000);
    assert_eq!(count(&b.look().await, written), 1);
}

#[tokio::test(start_paused = true)]
async fn a_status_that_was_written_and_is_not_seen_yet_is_not_written_again() {
    let mut b = Bench::trading().await;
    b.heard(|s| s.level = LadderLevel::Warning);
    b.after(1000);
    let write = "status heliosstrategies/";
    assert_eq!(count(&b.look_blind().await, write), 1);
    for _ in 0..3 {
        b.after(2000);
        // The watch is late: it shows nothing of that.
        assert_eq!(count(&b.look_blind().await, write), 0);
    }
    // What is to be said after it is said over it.
    b.heard(|s| s.level = LadderLevel::Normal);
    b.after(2000);
    assert_eq!(count(&b.look_blind().await, write), 1);
    b.after(2000);
    assert_eq!(count(&b.look().await, write), 0);
    assert_eq!(b.condition("Degraded").reason, "AsWanted");
}

#[tokio::test(start_paused = true)]
async fn parameters_that_another_operator_wrote_meanwhile_are_not_written_over_unseen() {
    let mut b = Bench::trading().await;
    b.commits_threshold("0.5");
    b.after(1000);
    b.sees();
    let spoilt = json!({"params.json": "{}"});
    b.change(PARAMS, |o| o["data"] = spoilt.clone());
    let written = "apply configmaps/hs-nobi";
    assert_eq!(count(&b.look_blind().await, written), 1);
    assert_eq!(b.get(PARAMS).unwrap()["data"], spoilt, "it was refused");
    assert!(b.wake <= b.now + 1000);
    assert_eq!(
        b.condition("Ready").reason,
        "Trading",
        "nor is that a failure"
    );
    b.after(1000);
    assert_eq!(count(&b.look().await, written), 1);
    assert_eq!(b.published().generation, 2);
}

#[tokio::test(start_paused = true)]
async fn what_was_made_for_an_account_and_is_not_seen_yet_goes_with_it() {
    let mut b = Bench::without_strategies().await;
    b.delete(PAPER);
    b.sees();
    {
        // The watches of these are later than the account's.
        let mut i = b.ctx.index.lock().unwrap();
        i.owned(OwnedKind::Deployment, News::Gone("t/hc-paper".into()));
        i.owned(OwnedKind::RoleBinding, News::Gone("t/hc-paper".into()));
    }
    let asked = b.look_blind().await;
    assert_eq!(count(&asked, "delete deployments/hc-paper"), 1, "{asked:?}");
    assert_eq!(count(&asked, "delete rolebindings/hc-paper"), 1);
    assert_eq!(asked.last().unwrap(), "finalizers heliosaccounts/paper");
    assert!(b.api.lock().unwrap().objects.is_empty(), "nothing is left");
}
