#![allow(clippy::unwrap_used)]
use super::fake::{Answer, Asked, FakeApi};
use super::*;
use crate::record::MicroTime;
use serde_json::{Value, json};

const ONE: &str = "/apis/coordination.k8s.io/v1/namespaces/ns/leases/hc-a";
const ALL: &str = "/apis/coordination.k8s.io/v1/namespaces/ns/leases";

fn store(answers: Vec<Answer>) -> (KubeLease, FakeApi) {
    let (client, server) = FakeApi::start(answers);
    (KubeLease::new(client, "ns", "hc-a"), server)
}

fn record(holder: Option<&str>, n: u64) -> LeaseRecord {
    LeaseRecord {
        holder_identity: holder.map(str::to_string),
        lease_duration_seconds: 6,
        acquire_time: Some(MicroTime::from_unix_us(1_700_000_000_000_001)),
        renew_time: Some(MicroTime::from_unix_us(1_700_000_000_000_010)),
        lease_transitions: n,
    }
}

fn object(rv: &str, spec: Value) -> Value {
    json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "spec": spec,
        "metadata": {
            "name": "hc-a", "namespace": "ns", "uid": "u-1", "resourceVersion": rv,
            "labels": {"app": "helios"}, "annotations": {"kept": "yes"},
            "ownerReferences": [{"apiVersion": "v1", "kind": "X", "name": "x", "uid": "u-9"}],
        },
    })
}

fn holding(rv: &str, r: &LeaseRecord) -> Value {
    object(rv, serde_json::to_value(r).unwrap())
}

async fn asked(store: KubeLease, server: FakeApi) -> Vec<Asked> {
    drop(store);
    server.asked().await
}

fn whats(asked: &[Asked]) -> Vec<&str> {
    asked.iter().map(|a| a.what.as_str()).collect()
}

#[tokio::test]
async fn a_missing_lease_and_one_made_ahead_are_no_record() {
    let (s, server) = store(vec![
        Answer::failure(404, "NotFound"),
        Answer::ok(object("1", json!({}))),
        Answer::ok(object("1", Value::Null)),
    ]);
    for _ in 0..3 {
        assert_eq!(s.read().await, Ok(None));
    }
    assert_eq!(
        whats(&asked(s, server).await),
        [&format!("GET {ONE}") as &str; 3]
    );
}

#[tokio::test]
async fn a_renewal_is_one_replace_of_what_was_read_with_all_that_others_wrote_on_it() {
    let (old, new) = (record(Some("a"), 1), record(Some("a"), 2));
    let mut with_more = holding("7", &old);
    with_more["spec"]["strategy"] = json!("OldestEmulationVersion");
    let (s, server) = store(vec![
        Answer::ok(with_more),
        Answer::ok(holding("8", &new)),
        Answer::ok(holding("9", &new)),
    ]);
    let (got, at) = s.read().await.unwrap().unwrap();
    assert_eq!((got, at.0.as_str()), (old, "u-1/7"));
    let second = s.write(Some(&at), &new).await.unwrap();
    assert_eq!(second.0, "u-1/8");
    // The one after it is again one request.
    assert_eq!(s.write(Some(&second), &new).await.unwrap().0, "u-1/9");
    let all = asked(s, server).await;
    let put = format!("PUT {ONE}?");
    assert_eq!(whats(&all), [&format!("GET {ONE}"), &put, &put]);
    let body = &all[1].body;
    assert_eq!(body["metadata"]["resourceVersion"], "7");
    assert_eq!(body["metadata"]["uid"], "u-1");
    assert_eq!(body["metadata"]["labels"]["app"], "helios");
    assert_eq!(body["metadata"]["annotations"]["kept"], "yes");
    assert_eq!(body["metadata"]["ownerReferences"][0]["uid"], "u-9");
    assert_eq!(body["spec"]["strategy"], "OldestEmulationVersion");
    assert_eq!(body["spec"]["leaseTransitions"], 2);
    assert_eq!(body["spec"]["renewTime"], "2023-11-14T22:13:20.000010Z");
    assert_eq!(all[2].body["metadata"]["resourceVersion"], "8");
}

#[tokio::test]
async fn a_first_record_goes_into_the_lease_that_was_made_ahead() {
    let r = record(Some("a"), 1);
    let (s, server) = store(vec![
        Answer::ok(object("3", json!({}))),
        Answer::ok(holding("4", &r)),
    ]);
    assert_eq!(s.write(None, &r).await.unwrap().0, "u-1/4");
    let all = asked(s, server).await;
    assert_eq!(
        whats(&all),
        [&format!("GET {ONE}"), &format!("PUT {ONE}?")],
        "and nothing is created"
    );
    assert_eq!(all[1].body["metadata"]["resourceVersion"], "3");
    assert_eq!(all[1].body["metadata"]["labels"]["app"], "helios");
}

#[tokio::test]
async fn a_first_record_without_a_lease_creates_it_and_the_second_to_try_has_lost() {
    let r = record(Some("a"), 1);
    let (s, server) = store(vec![
        Answer::failure(404, "NotFound"),
        Answer::ok(holding("1", &r)),
        Answer::failure(404, "NotFound"),
        Answer::failure(409, "AlreadyExists"),
        Answer::ok(holding("1", &r)),
    ]);
    assert_eq!(s.write(None, &r).await.unwrap().0, "u-1/1");
    assert_eq!(s.write(None, &r).await, Err(LeaseError::Conflict));
    // There is one with a record: nothing is sent that could harm it.
    assert_eq!(s.write(None, &r).await, Err(LeaseError::Conflict));
    let (get, post) = (format!("GET {ONE}"), format!("POST {ALL}?"));
    let all = asked(s, server).await;
    assert_eq!(whats(&all), [&get, &post, &get, &post, &get]);
    assert!(all[1].body["metadata"]["resourceVersion"].is_null());
}

#[tokio::test]
async fn whoever_lost_is_told_so_and_sends_nothing_more() {
    let r = record(Some("a"), 1);
    for answer in [
        Answer::failure(409, "Conflict"),
        Answer::failure(404, "NotFound"),
    ] {
        let (s, server) = store(vec![Answer::ok(holding("7", &r)), answer]);
        let (_, at) = s.read().await.unwrap().unwrap();
        assert_eq!(s.write(Some(&at), &r).await, Err(LeaseError::Conflict));
        assert_eq!(asked(s, server).await.len(), 2);
    }
}

#[tokio::test]
async fn a_version_of_another_object_or_another_write_is_never_replaced() {
    let r = record(Some("a"), 1);
    let mut other = holding("7", &r);
    other["metadata"]["uid"] = json!("u-2");
    let (s, server) = store(vec![
        Answer::ok(other),
        Answer::ok(holding("8", &r)),
        Answer::failure(404, "NotFound"),
    ]);
    let old = Version("u-1/7".into());
    for _ in 0..3 {
        assert_eq!(s.write(Some(&old), &r).await, Err(LeaseError::Conflict));
    }
    let all = asked(s, server).await;
    assert_eq!(whats(&all), [&format!("GET {ONE}") as &str; 3]);
}

#[tokio::test]
async fn what_is_no_record_is_damaged_and_not_written_over() {
    let r = record(Some("b"), 1);
    for spec in [
        json!({"holderIdentity": "a"}),
        json!({"leaseDurationSeconds": 6}),
        json!({"leaseDurationSeconds": 6, "leaseTransitions": -1}),
    ] {
        let (s, server) = store(vec![
            Answer::ok(object("1", spec.clone())),
            Answer::ok(object("1", spec)),
        ]);
        assert!(matches!(s.read().await, Err(LeaseError::Damaged(_))));
        let written = s.write(None, &r).await;
        assert!(
            matches!(written, Err(LeaseError::Damaged(_))),
            "{written:?}"
        );
        assert_eq!(
            whats(&asked(s, server).await),
            [&format!("GET {ONE}") as &str; 2]
        );
    }
}

#[tokio::test]
async fn a_refusal_is_told_in_words_and_never_tried_again() {
    for (code, reason) in [
        (403, "Forbidden"),
        (429, "TooManyRequests"),
        (503, "ServiceUnavailable"),
        (504, "Timeout"),
    ] {
        let (s, server) = store(vec![Answer::failure(code, reason)]);
        let Err(LeaseError::Io(why)) = s.read().await else {
            panic!("{code} is an error");
        };
        assert!(why.contains("ns/hc-a") && why.contains(reason), "{why}");
        assert_eq!(asked(s, server).await.len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_remembered_is_forgotten_when_a_write_is_given_up() {
    let r = record(Some("a"), 1);
    let (s, server) = store(vec![
        Answer::ok(holding("7", &r)),
        Answer::Silence,
        Answer::ok(holding("8", &r)),
    ]);
    let (_, at) = s.read().await.unwrap().unwrap();
    let times = crate::times::Times::default();
    assert!(times.call() < times.renew_every);
    let given_up = tokio::time::timeout(times.call(), s.write(Some(&at), &r)).await;
    assert!(given_up.is_err(), "{given_up:?}");
    // The write may have happened: what is there is read before anything is replaced.
    assert_eq!(s.write(Some(&at), &r).await, Err(LeaseError::Conflict));
    assert_eq!(asked(s, server).await.len(), 3);
}

#[tokio::test]
async fn numbers_that_a_lease_can_not_hold_are_not_sent() {
    let r = record(Some("a"), u64::from(u32::MAX));
    let (s, server) = store(vec![Answer::failure(404, "NotFound")]);
    let written = s.write(None, &r).await;
    assert!(matches!(written, Err(LeaseError::Io(_))), "{written:?}");
    assert_eq!(asked(s, server).await.len(), 1);
}
