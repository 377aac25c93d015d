//! What the API server refuses, or does not answer, is said, tried again later and later, and holds up nothing else.

use super::api::Refusal;
use super::bench::*;
use serde_json::{Value, json};

const NOTHING: [&str; 0] = [];
const QUOTA: &str = "pods \"x\" is forbidden: exceeded quota: small, requested: pods=1, used: pods=3, limited: pods=3";

/// Its coordinators are ready, and five workers are wanted that are not there yet.
pub(super) async fn about_to_start() -> Bench {
    let mut b = Bench::new();
    b.settle().await;
    b.coordinators_are_ready(2);
    b.wants(&FIVE);
    b
}

/// Looks whenever the operator wants to, for this long: how many looks, and all that was asked.
async fn run(b: &mut Bench, ms: u64) -> (usize, Vec<String>) {
    let (until, mut looks, mut asked) = (b.now + ms, 0, Vec::new());
    while b.now < until {
        asked.extend(b.look().await);
        looks += 1;
        let wait = b.wake - b.now;
        b.after(wait);
    }
    (looks, asked)
}

#[tokio::test(start_paused = true)]
async fn a_quota_is_named_the_pauses_grow_and_nothing_else_is_sent() {
    let mut b = about_to_start().await;
    b.refuse("create pods/", 403, "Forbidden", QUOTA);
    let asked = b.look().await;
    assert_eq!(count(&asked, "create pods/"), 5);
    let ready = b.condition("Ready");
    assert_eq!(
        (ready.status.as_str(), ready.reason.as_str()),
        ("False", "QuotaExceeded")
    );
    assert!(
        ready.message.contains("worker of ADAUSDT: ") && ready.message.contains("(and 4 more)"),
        "{}",
        ready.message
    );
    b.after(900);
    assert_eq!(count(&b.look().await, "create pods/"), 0, "in the pause");
    let (looks, asked) = run(&mut b, 600_000).await;
    let creates = count(&asked, "create pods/");
    assert!(
        (30..=50).contains(&creates),
        "{creates} creations in ten minutes"
    );
    assert!(looks < 200, "{looks} looks in ten minutes");
    assert_eq!(
        count(&asked, "status "),
        0,
        "the same words are not written again"
    );
    assert_eq!(
        asked.len() - creates - count(&asked, "get leases/"),
        0,
        "{asked:?}"
    );
    b.refuse_nothing();
    b.after(300_000);
    assert_eq!(count(&b.look().await, "create pods/"), 5);
    b.after(1000);
    b.settle().await;
    assert_eq!(b.condition("Ready").reason, "WorkersNotReady");
}

#[tokio::test(start_paused = true)]
async fn every_refusal_has_its_word_and_nothing_else_is_sent() {
    for (code, words, reason) in [
        (
            403,
            "pods \"x\" is forbidden: violates PodSecurity \"restricted:latest\": seccompProfile",
            "PodSecurityRefused",
        ),
        (
            400,
            "admission webhook \"h\" denied the request: no bare pods",
            "AdmissionRefused",
        ),
        (
            403,
            "pods is forbidden: User \"u\" cannot create resource \"pods\"",
            "Forbidden",
        ),
        (422, "Pod \"x\" is invalid: spec.containers", "Refused"),
        (500, "etcdserver: leader changed", "ApiUnavailable"),
    ] {
        let mut b = about_to_start().await;
        b.refuse("create pods/", code, "Some", words);
        let asked = b.look().await;
        assert_eq!(count(&asked, "create pods/"), 5);
        let ready = b.condition("Ready");
        assert_eq!(
            (ready.status.as_str(), ready.reason.as_str()),
            ("False", reason)
        );
        assert!(ready.message.contains(words), "{}", ready.message);
        assert_eq!(asked.len(), 5 + 3, "the budget and two statuses: {asked:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_without_an_answer_is_given_up_and_its_pause_counts_from_then() {
    let mut b = about_to_start().await;
    let silent = ("create pods/".to_string(), Refusal::Silence);
    b.api.lock().unwrap().refuses.push(silent);
    assert_eq!(count(&b.look().await, "create pods/"), 5);
    assert_eq!(b.condition("Ready").reason, "ApiUnavailable");
    b.after(10_900);
    assert_eq!(count(&b.look().await, "create pods/"), 0);
    b.refuse_nothing();
    b.after(2_000);
    assert_eq!(count(&b.look().await, "create pods/"), 5);
}

#[tokio::test(start_paused = true)]
async fn trouble_with_the_api_server_is_not_trouble_of_the_workers_until_it_lasts() {
    let mut b = Bench::trading().await;
    let since = b.condition("Ready").last_transition_time;
    b.gone("poddisruptionbudgets/hs-nobi");
    b.refuse(
        "apply poddisruptionbudgets/hs-nobi",
        500,
        "InternalError",
        "no",
    );
    assert_eq!(b.look().await, ["apply poddisruptionbudgets/hs-nobi"]);
    b.after(29_000);
    b.look().await;
    let ready = b.condition("Ready");
    assert_eq!(
        (ready.reason.as_str(), ready.last_transition_time),
        ("Trading", since)
    );
    b.after(1_100);
    b.look().await;
    assert_eq!(b.condition("Ready").reason, "ApiUnavailable");
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_is_another_by_now_is_not_deleted_and_that_is_no_failure() {
    let mut b = Bench::trading().await;
    let xrp = pod("XRPUSDT");
    let mut successor = b.get(&xrp).unwrap();
    successor["metadata"]["uid"] = json!("another");
    b.wants(&FIVE[..4]);
    b.sees();
    b.api.lock().unwrap().put(&xrp, successor);
    let asked = b.look_blind().await;
    assert_eq!(count(&asked, "delete "), 1);
    assert_eq!(
        b.get(&xrp).unwrap()["metadata"]["deletionTimestamp"],
        Value::Null
    );
    assert_eq!(b.condition("Ready").reason, "Trading");
    b.after(1000);
    assert_eq!(
        b.look().await,
        [format!("delete {xrp}")],
        "seen as it is, it goes"
    );
}

#[tokio::test(start_paused = true)]
async fn what_somebody_changed_on_an_owned_object_is_put_back_and_nothing_else_is_sent() {
    let mut b = Bench::trading().await;
    for (key, pointer) in [
        ("serviceaccounts/hw-paper", "/automountServiceAccountToken"),
        ("networkpolicies/hw-paper", "/spec/egress"),
        ("rolebindings/hc-paper", "/subjects/0/name"),
        ("poddisruptionbudgets/hs-nobi", "/spec/minAvailable"),
        (
            "deployments/hc-paper",
            "/spec/template/spec/containers/0/image",
        ),
    ] {
        let before = b.get(key).unwrap();
        b.change(key, |o| *o.pointer_mut(pointer).unwrap() = Value::Null);
        assert_eq!(b.look().await, [format!("apply {key}")]);
        assert_eq!(
            b.get(key).unwrap().pointer(pointer),
            before.pointer(pointer)
        );
        assert_eq!(b.look().await, NOTHING);
    }
}

#[tokio::test(start_paused = true)]
async fn what_something_else_changes_back_is_said_and_not_fought_over() {
    let mut b = Bench::trading().await;
    let spoil = (
        "services/hc-paper".to_string(),
        "/spec/ports/0/port",
        json!(1),
    );
    b.api.lock().unwrap().spoils.push(spoil);
    b.change("services/hc-paper", |s| {
        s["spec"]["ports"][0]["port"] = json!(1)
    });
    let (_, asked) = run(&mut b, 600_000).await;
    let applies = count(&asked, "apply ");
    assert!((5..=10).contains(&applies), "{applies} in ten minutes");
    assert_eq!(b.account_condition("Ready").reason, "AdmissionRefused");
    assert!(
        count(&asked, "status ") <= 2,
        "once for each object: {asked:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_refused_finalizer_or_deletion_waits_like_anything_else() {
    let mut b = Bench::new();
    b.refuse("finalizers ", 403, "Forbidden", "no");
    let (looks, asked) = run(&mut b, 60_000).await;
    assert!(
        looks < 40 && count(&asked, "finalizers heliosstrategies/") <= 8,
        "{looks} looks"
    );
    assert_eq!(
        count(&asked, "create pods/"),
        0,
        "no worker of a strategy that could go unnoticed"
    );
    assert_eq!(b.condition("Ready").reason, "Forbidden");

    let mut b = Bench::trading().await;
    b.refuse("delete pods/", 403, "Forbidden", "no");
    b.change(&pod("BTCUSDT"), |p| {
        p["status"] = json!({"phase": "Failed"})
    });
    let (looks, asked) = run(&mut b, 60_000).await;
    assert!(
        looks < 40 && count(&asked, "delete pods/") <= 8,
        "{looks} looks"
    );
}

#[tokio::test(start_paused = true)]
async fn a_strategy_that_was_changed_meanwhile_starts_nothing_before_its_finalizer_stands() {
    let mut b = Bench::new();
    b.look().await;
    b.after(1000);
    b.change(NOBI, |o| o["metadata"]["finalizers"] = json!([]));
    b.wants(&FIVE);
    b.sees();
    b.change(NOBI, |o| o["metadata"]["labels"] = json!({"by": "another"}));
    let asked = b.look_blind().await;
    assert_eq!(count(&asked, "finalizers heliosstrategies/nobi"), 1);
    assert_eq!(count(&asked, "create pods/"), 0);
    b.after(1000);
    assert_eq!(count(&b.look().await, "create pods/"), 5);
}

#[tokio::test(start_paused = true)]
async fn without_its_finalizer_as_seen_nothing_of_an_account_is_made() {
    // Somebody changed it meanwhile, or the finalizer is refused.
    for refused in [false, true] {
        let mut b = Bench::new();
        if refused {
            b.refuse("finalizers heliosaccounts/", 403, "Forbidden", "no");
        } else {
            b.change(PAPER, |o| {
                o["metadata"]["labels"] = json!({"by": "another"})
            });
        }
        let asked = b.look_blind().await;
        let wanted = [
            "finalizers heliosaccounts/paper",
            "finalizers heliosstrategies/nobi",
            "apply configmaps/hs-nobi",
        ];
        assert_eq!(asked[..3], wanted, "{refused}");
        assert_eq!(count(&asked[3..], "status "), asked.len() - 3, "{asked:?}");
        b.refuse_nothing();
        b.after(2000);
        let asked = b.look().await;
        assert_eq!(count(&asked, "apply deployments/hc-paper"), 1, "{asked:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn why_no_coordinator_pod_is_made_or_runs_is_said() {
    let mut b = Bench::new();
    b.settle().await;
    let said = |b: &Bench| b.account_condition("Ready").message;
    b.change(DEPLOYMENT, |d| {
        d["status"] = json!({"readyReplicas": 0, "conditions": [
            {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": QUOTA},
        ]});
    });
    b.after(2000);
    b.look().await;
    assert_eq!(b.account_condition("Ready").reason, "CoordinatorNotReady");
    assert_eq!(said(&b), format!("0 of 2 coordinators are ready: {QUOTA}"));
    b.change(DEPLOYMENT, |d| d["status"] = json!({"readyReplicas": 0}));
    let labels = b.get(DEPLOYMENT).unwrap()["spec"]["template"]["metadata"]["labels"].clone();
    let waiting =
        json!({"state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}});
    let coordinator = json!({"apiVersion": "v1", "kind": "Pod", "spec": {"containers": []},
        "metadata": {"name": "hc-paper-0", "namespace": "t", "labels": labels},
        "status": {"phase": "Pending", "containerStatuses": [waiting]}});
    b.api.lock().unwrap().put("pods/hc-paper-0", coordinator);
    b.after(2000);
    b.look().await;
    assert!(
        said(&b).ends_with("ready: ImagePullBackOff: no such image"),
        "{}",
        said(&b)
    );
}
