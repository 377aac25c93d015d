#![allow(clippy::unwrap_used)]
use super::*;
use helios_bus::auth::validator::{operator_user, worker_user, worker_user_of};
use helios_lease::kubernetes::fake::{Answer, Asked, FakeApi};
use serde_json::{Value, json};

const TOKEN: &str = "header.payload.signature-that-nobody-may-see";
const NOBI: &str = "helios-nats:ns/nobi";

/// What the API server says of a good token.
fn good(name: &str, audience: &str, pod: Option<&str>) -> Value {
    let extra = pod.map_or(json!({}), |p| json!({POD_NAME: [p]}));
    json!({
        "authenticated": true, "audiences": [audience],
        "user": {"username": name, "uid": "u-1", "extra": extra},
    })
}

fn answer(status: &Value) -> Answer {
    // As the real one: the question comes back with it.
    Answer::Json(
        201,
        json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "metadata": {},
            "spec": {"token": TOKEN}, "status": status,
        }),
    )
}

async fn ask(claimed: &str, answers: Vec<Answer>) -> (Result<Role, Refused>, Vec<Asked>) {
    let (client, server) = FakeApi::start(answers);
    let reviews = TokenReviews::new(client, Some(("helios".into(), "operator".into())));
    let client = ClientInfo {
        user: claimed.into(),
        ..ClientInfo::default()
    };
    let found = reviews.validate(TOKEN, &client).await;
    drop(reviews);
    if let Err(e) = &found {
        assert!(!e.to_string().contains("signature"), "{e}");
    }
    (found.map(|i| i.role), server.asked().await)
}

fn worker() -> String {
    worker_user_of("BTCUSDT", "ns/a", "ns/nobi")
}

fn pod() -> String {
    worker_name("ns/a", "BTCUSDT")
}

const HW: &str = "system:serviceaccount:ns:hw-a";
const HC: &str = "system:serviceaccount:ns:hc-a";

#[tokio::test]
async fn a_worker_gets_the_role_of_its_pod_and_one_question_is_asked() {
    let (found, asked) = ask(&worker(), vec![answer(&good(HW, NOBI, Some(&pod())))]).await;
    let role = Role::Worker {
        account: "ns/a".into(),
        symbol: "BTCUSDT".into(),
        strategy: "ns/nobi".into(),
    };
    assert_eq!(found, Ok(role));
    let [one] = asked.as_slice() else {
        panic!("{asked:?}");
    };
    assert_eq!(
        one.what,
        "POST /apis/authentication.k8s.io/v1/tokenreviews?"
    );
    let spec = json!({"token": TOKEN, "audiences": [NOBI]});
    assert_eq!(one.body["spec"], spec);
}

#[tokio::test]
async fn a_coordinator_and_the_operator_are_known_by_their_service_accounts() {
    let (found, asked) = ask("", vec![answer(&good(HC, AUDIENCE, None))]).await;
    let account = || "ns/a".to_string();
    assert_eq!(found, Ok(Role::Coordinator { account: account() }));
    assert_eq!(asked[0].body["spec"]["audiences"], json!([AUDIENCE]));
    let operator = "system:serviceaccount:helios:operator";
    let yes = answer(&good(operator, AUDIENCE, None));
    let (found, _) = ask(&operator_user("ns/a"), vec![yes]).await;
    assert_eq!(found, Ok(Role::Operator { account: account() }));
}

#[tokio::test]
async fn no_way_of_cheating_gets_a_worker_in() {
    let other_pod = worker_name("ns/a", "ETHUSDT");
    let other_account = worker_name("ns/b", "BTCUSDT");
    let mut two_pods = good(HW, NOBI, Some(&pod()));
    two_pods["user"]["extra"][POD_NAME] = json!([pod(), other_pod]);
    let mut no_audience = good(HW, NOBI, Some(&pod()));
    no_audience["audiences"] = Value::Null;
    let mut refused = good(HW, NOBI, Some(&pod()));
    refused["authenticated"] = json!(false);
    let mut nobody = good(HW, NOBI, Some(&pod()));
    nobody["user"] = Value::Null;
    for (cheat, status) in [
        ("another pod", good(HW, NOBI, Some(&other_pod))),
        (
            "a pod of another account",
            good(HW, NOBI, Some(&other_account)),
        ),
        ("no pod", good(HW, NOBI, None)),
        ("two pods", two_pods),
        (
            "another namespace",
            good("system:serviceaccount:other:hw-a", NOBI, Some(&pod())),
        ),
        (
            "another account",
            good("system:serviceaccount:ns:hw-b", NOBI, Some(&pod())),
        ),
        ("a coordinator", good(HC, NOBI, Some(&pod()))),
        (
            "the audience of another strategy",
            good(HW, "helios-nats:ns/other", Some(&pod())),
        ),
        (
            "the audience of coordinators",
            good(HW, AUDIENCE, Some(&pod())),
        ),
        (
            "the API server's own audience",
            good(HW, "https://kubernetes.default.svc", Some(&pod())),
        ),
        ("no audience", no_audience),
        ("not authenticated", refused),
        ("nobody", nobody),
        ("nothing", json!({})),
        ("no status", Value::Null),
    ] {
        let (found, asked) = ask(&worker(), vec![answer(&status)]).await;
        assert!(
            matches!(found, Err(Refused::Claim(_) | Refused::Unknown)),
            "{cheat}: {found:?}"
        );
        assert_eq!(asked.len(), 1, "{cheat}");
    }
}

#[tokio::test]
async fn what_is_claimed_wrongly_is_refused_without_asking_anybody() {
    for claimed in [
        worker_user("BTCUSDT"),
        worker_user_of("BTCUSDT", "ns/a", "other/nobi"),
        worker_user_of("BTCUSDT", "ns/a/b", "ns/nobi"),
        operator_user("ns/a/b"),
    ] {
        let (found, asked) = ask(&claimed, vec![]).await;
        assert!(
            matches!(found, Err(Refused::Claim(_))),
            "{claimed}: {found:?}"
        );
        assert!(asked.is_empty(), "{claimed}");
    }
}

#[tokio::test]
async fn no_other_service_account_is_a_coordinator_or_the_operator() {
    for name in [
        HW,
        "system:serviceaccount:ns:default",
        "system:serviceaccount:ns:hc-",
        "system:serviceaccount::hc-a",
        "system:serviceaccount:ns:x:hc-a",
        "hc-a",
        "ns:hc-a",
        "system:node:hc-a",
    ] {
        let yes = || vec![answer(&good(name, AUDIENCE, None))];
        let (found, _) = ask("", yes()).await;
        assert!(matches!(found, Err(Refused::Claim(_))), "{name}: {found:?}");
        let (found, _) = ask(&operator_user("ns/a"), yes()).await;
        assert!(matches!(found, Err(Refused::Claim(_))), "{name}: {found:?}");
    }
    // A worker's token says nothing to who asks as a coordinator: its audience is another.
    let (found, _) = ask("", vec![answer(&good(HC, NOBI, None))]).await;
    assert!(matches!(found, Err(Refused::Claim(_))), "{found:?}");
    let (found, _) = ask(
        &operator_user("ns/a"),
        vec![answer(&good(HC, AUDIENCE, None))],
    )
    .await;
    assert!(matches!(found, Err(Refused::Claim(_))), "{found:?}");
}

#[tokio::test]
async fn without_a_named_operator_nobody_is_one() {
    let (client, server) = FakeApi::start(vec![]);
    let reviews = TokenReviews::new(client, None);
    let client = ClientInfo {
        user: operator_user("ns/a"),
        ..ClientInfo::default()
    };
    let found = reviews.validate(TOKEN, &client).await;
    assert!(matches!(found, Err(Refused::Claim(_))), "{found:?}");
    drop(reviews);
    assert!(server.asked().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_does_not_answer_is_unavailable_and_never_asked_twice() {
    for answer in [
        Answer::Silence,
        Answer::failure(503, "ServiceUnavailable"),
        Answer::failure(403, "Forbidden"),
        Answer::ok(json!("no review")),
        Answer::ok(json!({"spec": {"token": 7}})),
    ] {
        let (found, asked) = ask(&worker(), vec![answer.clone()]).await;
        assert!(
            matches!(found, Err(Refused::Unavailable(_))),
            "{answer:?}: {found:?}"
        );
        assert_eq!(asked.len(), 1);
    }
}

#[tokio::test]
async fn a_static_token_is_known_without_the_api_server_and_all_others_are_its_to_judge() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.yaml");
    let person = "0123456789abcdef0123456789abcdef";
    let text = format!("tokens: [{{token: '{person}', role: Admin, account: ns/a}}]");
    helios_bus::auth::files::create(&path, &text).unwrap();
    let (client, server) = FakeApi::start(vec![answer(&good(HC, AUDIENCE, None))]);
    let both = Both {
        tokens: StaticTokens::open(&path).unwrap(),
        reviews: TokenReviews::new(client, None),
    };
    let client = ClientInfo::default();
    let admin = both.validate(person, &client).await.unwrap().role;
    let account = || "ns/a".to_string();
    assert_eq!(admin, Role::Admin { account: account() });
    // A file that is gone keeps no pod out.
    std::fs::remove_file(&path).unwrap();
    let pod = both.validate(TOKEN, &client).await.unwrap().role;
    assert_eq!(pod, Role::Coordinator { account: account() });
    drop(both);
    assert_eq!(server.asked().await.len(), 1);
}
