#![allow(clippy::unwrap_used)]
use super::*;
use helios_lease::kubernetes::fake::{Answer, Asked, FakeApi};
use serde_json::{Value, json};

const ONE: &str = "/api/v1/namespaces/ns/configmaps/a-guardian";

fn store(answers: Vec<Answer>) -> (ConfigMapStore, FakeApi) {
    let (client, server) = FakeApi::start(answers);
    (ConfigMapStore::new(client, "ns", "a"), server)
}

fn state(epoch: u64) -> GuardianState {
    GuardianState {
        epoch,
        ..GuardianState::default()
    }
}

fn map(rv: &str, data: Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap", "data": data,
        "metadata": {
            "name": "a-guardian", "namespace": "ns", "uid": "u-1", "resourceVersion": rv,
            "annotations": {"helios.trading/created-for": "account-uid"},
        },
    })
}

fn holding(rv: &str, revision: u64, epoch: u64) -> Answer {
    let stored = Stored {
        revision,
        state: state(epoch),
    };
    Answer::ok(map(
        rv,
        json!({"state.json": serde_json::to_string(&stored).unwrap()}),
    ))
}

fn empty(rv: &str) -> Answer {
    Answer::ok(map(rv, Value::Null))
}

/// All that was sent: `GET` or `PUT` of the one ConfigMap, and nothing else.
async fn sent(store: ConfigMapStore, server: FakeApi) -> Vec<Asked> {
    drop(store);
    let all = server.asked().await;
    for a in &all {
        let path = a.what.split_once(' ').unwrap().1.trim_end_matches('?');
        assert_eq!(path, ONE);
    }
    all
}

fn methods(all: &[Asked]) -> Vec<&str> {
    all.iter()
        .map(|a| a.what.split(' ').next().unwrap())
        .collect()
}

fn written(asked: &Asked) -> Stored {
    serde_json::from_str(asked.body["data"]["state.json"].as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn a_configmap_that_is_missing_or_empty_holds_no_state() {
    let (s, server) = store(vec![
        Answer::failure(404, "NotFound"),
        empty("1"),
        Answer::ok(map("1", json!({}))),
    ]);
    for _ in 0..3 {
        assert_eq!(s.load().await.unwrap(), None);
    }
    assert_eq!(methods(&sent(s, server).await), ["GET"; 3]);
}

#[tokio::test]
async fn each_state_replaces_the_one_before_it_and_nothing_else_of_the_object() {
    let (s, server) = store(vec![empty("3"), holding("4", 1, 5), holding("5", 2, 6)]);
    assert_eq!(s.load().await.unwrap(), None);
    assert_eq!(s.save(0, &state(5)).await.unwrap(), 1);
    assert_eq!(s.save(1, &state(6)).await.unwrap(), 2);
    let all = sent(s, server).await;
    assert_eq!(methods(&all), ["GET", "PUT", "PUT"]);
    let meta = &all[1].body["metadata"];
    assert_eq!(
        (&meta["resourceVersion"], &meta["uid"]),
        (&json!("3"), &json!("u-1"))
    );
    assert_eq!(
        meta["annotations"]["helios.trading/created-for"],
        "account-uid"
    );
    let first = written(&all[1]);
    assert_eq!((first.revision, first.state.epoch), (1, 5));
    assert_eq!(all[2].body["metadata"]["resourceVersion"], "4");
    assert_eq!(written(&all[2]).revision, 2);
}

#[tokio::test]
async fn a_store_that_was_not_read_reads_before_it_writes() {
    let (s, server) = store(vec![holding("7", 3, 9), holding("8", 4, 10)]);
    assert_eq!(s.save(3, &state(10)).await.unwrap(), 4);
    assert_eq!(methods(&sent(s, server).await), ["GET", "PUT"]);
}

#[tokio::test]
async fn another_revision_is_a_conflict_and_nothing_is_written() {
    let (s, server) = store(vec![holding("7", 3, 9), holding("7", 3, 9), empty("9")]);
    s.load().await.unwrap();
    for (expected, found) in [(2, 3), (3, 0)] {
        let saved = s.save(expected, &state(1)).await;
        assert!(
            matches!(saved, Err(StoreError::Conflict { expected: e, actual }) if (e, actual) == (expected, found)),
            "{saved:?}"
        );
    }
    assert_eq!(methods(&sent(s, server).await), ["GET"; 3]);
}

#[tokio::test]
async fn another_coordinators_write_is_a_conflict_and_somebodys_label_is_none() {
    let (s, server) = store(vec![
        holding("7", 3, 9),
        Answer::failure(409, "Conflict"),
        holding("8", 3, 9),
        holding("9", 4, 10),
        Answer::failure(409, "Conflict"),
        holding("11", 5, 77),
    ]);
    s.load().await.unwrap();
    assert_eq!(s.save(3, &state(10)).await.unwrap(), 4, "a label");
    let saved = s.save(4, &state(11)).await;
    assert!(
        matches!(saved, Err(StoreError::Conflict { actual: 5, .. })),
        "{saved:?}"
    );
    let all = sent(s, server).await;
    assert_eq!(methods(&all), ["GET", "PUT", "GET", "PUT", "PUT", "GET"]);
    assert_eq!(all[3].body["metadata"]["resourceVersion"], "8");
}

#[tokio::test]
async fn a_configmap_that_is_gone_is_not_created_and_the_error_says_who_does() {
    let (s, server) = store(vec![
        Answer::failure(404, "NotFound"),
        Answer::failure(404, "NotFound"),
        holding("7", 3, 9),
        Answer::failure(404, "NotFound"),
    ]);
    assert_eq!(s.load().await.unwrap(), None);
    let mut why = s.save(0, &state(1)).await.unwrap_err().to_string();
    assert!(why.contains("the operator") && why.contains("ns/a-guardian"));
    s.load().await.unwrap();
    why = s.save(3, &state(1)).await.unwrap_err().to_string();
    assert!(why.contains("the operator"), "{why}");
    assert_eq!(
        methods(&sent(s, server).await),
        ["GET", "GET", "GET", "PUT"]
    );
}

#[tokio::test]
async fn what_is_no_state_is_damaged_and_never_written_over() {
    for data in [
        json!({"state.json": ""}),
        json!({"state.json": "{\"revision\": 3"}),
        json!({"other": "x"}),
    ] {
        let (s, server) = store(vec![
            Answer::ok(map("1", data.clone())),
            Answer::ok(map("1", data)),
        ]);
        assert!(matches!(s.load().await, Err(StoreError::Damaged { .. })));
        let saved = s.save(0, &state(1)).await;
        assert!(
            matches!(saved, Err(StoreError::Damaged { .. })),
            "{saved:?}"
        );
        assert_eq!(methods(&sent(s, server).await), ["GET"; 2]);
    }
}

#[tokio::test]
async fn a_refusal_is_an_error_in_words_and_is_not_tried_again() {
    let (s, server) = store(vec![
        Answer::failure(403, "Forbidden"),
        holding("7", 3, 9),
        Answer::failure(503, "ServiceUnavailable"),
    ]);
    let why = s.load().await.unwrap_err().to_string();
    assert!(why.contains("Forbidden"), "{why}");
    s.load().await.unwrap();
    let why = s.save(3, &state(1)).await.unwrap_err();
    assert!(matches!(why, StoreError::Io { .. }), "{why}");
    assert_eq!(methods(&sent(s, server).await), ["GET", "GET", "PUT"]);
}

#[tokio::test(start_paused = true)]
async fn silence_ends_in_time_and_the_next_write_looks_first() {
    let (s, server) = store(vec![
        Answer::Silence,
        holding("7", 3, 9),
        Answer::Silence,
        holding("8", 4, 10),
    ]);
    let started = tokio::time::Instant::now();
    assert!(matches!(s.load().await, Err(StoreError::Io { .. })));
    // Whoever takes the lead over waits two seconds for it.
    assert!(started.elapsed() < Duration::from_secs(2));
    s.load().await.unwrap();
    assert!(matches!(
        s.save(3, &state(10)).await,
        Err(StoreError::Io { .. })
    ));
    // The write that was not answered has happened.
    let saved = s.save(3, &state(10)).await;
    assert!(matches!(saved, Err(StoreError::Conflict { actual: 4, .. })));
    assert_eq!(
        methods(&sent(s, server).await),
        ["GET", "GET", "PUT", "GET"]
    );
}
