#![allow(clippy::unwrap_used)]
use super::*;
use crate::manifests;
use helios_crds::{convert, manifest};

fn document(uid: &str, generation: u64) -> ParamsDocument {
    let text = vec![("q".to_string(), manifests::QUICKSTART.to_string())];
    let m = manifest::parse(&text).unwrap();
    convert::params_document(&m.strategies[0].object, uid, generation, 1)
}

const LIST: &str = r#"[{"account": "ns/a", "symbol": "BTCUSDT", "strategy": "ns/s", "strategyUid": "u-1", "taskUid": "p-1"},
    {"account": "ns/a", "symbol": "ETHUSDT", "strategy": "ns/s", "strategyUid": "u-1", "taskUid": "p-2", "tokenFile": "t", "paramsFile": "p"}]"#;

fn voices() -> Vec<Voice> {
    serde_json::from_str(LIST).unwrap()
}

#[test]
fn newer_parameters_of_its_own_strategy_are_acknowledged_and_no_others() {
    let v = &voices()[0];
    let mut known = Known::default();
    let report = known.report(v);
    assert!(!report.ready && report.generation == 0 && report.closed.is_empty());
    assert!(known.take("u-1", document("u-1", 3)));
    assert!(!known.take("u-1", document("u-1", 2)));
    assert!(!known.take("u-1", document("u-2", 9)));
    let report = known.report(v);
    assert!(report.ready && report.generation == 3);
    assert_eq!(
        (report.task_uid.as_str(), report.view.granted),
        ("p-1", false)
    );
}

#[test]
fn a_list_says_whom_to_speak_for_and_one_with_a_field_too_many_is_refused() {
    let all = voices();
    assert_eq!(all.len(), 2);
    assert!(all[0].token_file.is_none() && all[1].params_file.is_some());
    let dir = tempfile::tempdir().unwrap();
    let list = dir.path().join("l.json");
    std::fs::write(&list, LIST.replace("taskUid", "podUid")).unwrap();
    let why = format!("{:#}", read(&list).unwrap_err());
    assert!(
        why.contains("--speak-for") && why.contains("podUid"),
        "{why}"
    );
}

#[tokio::test]
async fn whoever_is_taken_off_the_list_is_not_spoken_for_any_more() {
    let mut crowd = Crowd {
        nats: NatsArgs::default(),
        tasks: JoinSet::new(),
        speaking: BTreeMap::new(),
    };
    let mut all = voices();
    // A token file that is not there would end the second at once.
    all[1].token_file = None;
    crowd.follow(all.clone());
    tokio::task::yield_now().await;
    crowd.follow(all.clone());
    assert_eq!(crowd.speaking.len(), 2);
    let gone = crowd.speaking[&all[1]].clone();
    crowd.follow(vec![all[0].clone()]);
    assert_eq!(crowd.speaking.keys().collect::<Vec<_>>(), [&all[0]]);
    while !gone.is_finished() {
        tokio::task::yield_now().await;
    }
    assert!(!crowd.speaking[&all[0]].is_finished());
}
