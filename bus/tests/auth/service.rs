//! The service itself: who gets in at all, and what happens when it is fed garbage, doubled, or gone.

use super::world::{A, B, NOBI, World, digest, heard, secret, start, token_file, write_tokens};
use async_nats::Event;
use helios_bus::auth::keys::Issuer;
use helios_bus::auth::{Callout, Counts, Options, Placement, StaticTokens, callout, setup};
use helios_bus::subject as s;
use helios_bus::testing::{NatsOptions, NatsServer};
use std::sync::Arc;
use std::time::Duration;

const BTC: &str = "BTCUSDT";

async fn refused(world: &World, user: &str, token: &str) {
    let e = world
        .connect(user, token, &s::coordinator_inbox(A))
        .await
        .map(drop)
        .unwrap_err();
    assert!(e.contains("authorization violation"), "{user}: {e}");
}

#[tokio::test]
async fn only_a_known_living_token_gets_in_and_only_for_its_symbol() {
    let world = World::new().await;
    refused(&world, "coordinator", &secret("nobody")).await;
    refused(&world, "coordinator", "").await;
    refused(&world, "coordinator", &secret("old")).await;
    refused(&world, "worker:ETHUSDT", &secret("btc-a")).await;
    // A token for any symbol needs one, and is one symbol's worker then.
    refused(&world, "worker", &secret("worker-a")).await;
    refused(&world, "worker:", &secret("worker-a")).await;
    refused(&world, "worker:*", &secret("worker-a")).await;
    for user in ["worker:BTCUSDT", "anything"] {
        let inbox = s::worker_inbox(A, BTC);
        let mut w = world.connect(user, &secret("btc-a"), &inbox).await.unwrap();
        w.publish(&s::report(A, BTC), "").await;
        w.had_no_objection().await;
        w.may_not_publish(&s::report(A, "ETHUSDT")).await;
    }
    // A user's name makes nobody more than the token says.
    let inbox = s::worker_inbox(A, BTC);
    let mut w = world
        .connect("coordinator", &secret("btc-a"), &inbox)
        .await
        .unwrap();
    w.may_not_publish(&s::command(A, BTC)).await;
    let counts = world.callout.as_ref().unwrap().callout.counts();
    assert_eq!(
        counts,
        Counts {
            admitted: 3,
            refused: 7,
            malformed: 0
        }
    );
}

#[tokio::test]
async fn tokens_are_read_again_when_their_file_changes_and_a_bad_file_admits_nobody() {
    let world = World::new().await;
    let _in = world.coordinator(A).await;
    let only = format!(
        "tokens:\n  - {{tokenSha256: {}, role: Coordinator, account: {B}}}\n",
        digest("coordinator-b")
    );
    write_tokens(&world.path(), &only);
    refused(&world, "coordinator", &secret("coordinator-a")).await;
    let _in = world.coordinator(B).await;
    write_tokens(&world.path(), "tokens: [half");
    refused(&world, "coordinator", &secret("coordinator-b")).await;
    write_tokens(&world.path(), &token_file());
    let _in = world.coordinator(A).await;
}

#[tokio::test]
async fn what_init_writes_works_as_it_is() {
    let mut world = World::without_callout(Placement::Own);
    world.callout = Some(world.serve(Duration::from_secs(60)).await);
    let token = |file: &str| {
        let text = std::fs::read_to_string(world.path().join(file)).unwrap();
        text.trim().to_owned()
    };
    let (c, w, a) = (
        token(setup::COORDINATOR_TOKEN),
        token(setup::WORKER_TOKEN),
        token(setup::ADMIN_TOKEN),
    );
    let inbox = s::coordinator_inbox(A);
    let mut coordinator = world.connect("coordinator", &c, &inbox).await.unwrap();
    world.bucket(&coordinator).await;
    let inbox = s::worker_inbox(A, BTC);
    let mut worker = world.connect("worker:BTCUSDT", &w, &inbox).await.unwrap();
    let inbox = s::admin_inbox(A);
    let mut admin = world.connect("admin", &a, &inbox).await.unwrap();
    let mut reports = coordinator.subscribe(&s::reports(A)).await;
    worker.publish(&s::report(A, BTC), "r").await;
    assert_eq!(heard(&mut reports).await.payload.as_ref(), b"r");
    let mut params = worker.subscribe(&s::kv(&s::params_key(A, NOBI))).await;
    coordinator
        .publish(&s::kv(&s::params_key(A, NOBI)), "p")
        .await;
    assert_eq!(heard(&mut params).await.payload.as_ref(), b"p");
    admin.had_no_objection().await;
}

#[tokio::test]
async fn while_the_callout_is_down_nobody_new_gets_in_and_those_inside_go_on() {
    let mut world = World::new().await;
    let mut coordinator = world.coordinator(A).await;
    let worker = world.worker(A, BTC).await;
    let mut reports = coordinator.subscribe(&s::reports(A)).await;
    world.callout.take().unwrap().stop().await;
    let outside = world
        .connect(
            "worker:BTCUSDT",
            &secret("worker-a"),
            &s::worker_inbox(A, BTC),
        )
        .await;
    assert!(outside.is_err());
    worker.publish(&s::report(A, BTC), "still here").await;
    assert_eq!(heard(&mut reports).await.payload.as_ref(), b"still here");
    world.callout = Some(world.serve(Duration::from_secs(60)).await);
    let _in = world.worker(A, BTC).await;
}

#[tokio::test]
async fn after_a_crash_of_the_server_everybody_comes_back_by_themselves() {
    let mut world = World::new().await;
    let mut coordinator = world.coordinator(A).await;
    let mut worker = world.worker(A, BTC).await;
    let mut reports = coordinator.subscribe(&s::reports(A)).await;
    world.server.restart();
    for peer in [&mut coordinator, &mut worker] {
        peer.event(|e| matches!(e, Event::Disconnected)).await;
        peer.event(|e| matches!(e, Event::Connected)).await;
    }
    coordinator.settle().await;
    worker.publish(&s::report(A, BTC), "back").await;
    assert_eq!(heard(&mut reports).await.payload.as_ref(), b"back");
    assert_eq!(world.callout.unwrap().callout.counts().admitted, 4);
}

#[tokio::test]
async fn two_callouts_share_the_questions_and_either_is_enough() {
    let mut world = World::new().await;
    let second = world.serve(Duration::from_secs(60)).await;
    for _ in 0..3 {
        let _in = world.coordinator(A).await;
    }
    let first = world.callout.take().unwrap();
    let answered = first.callout.counts().admitted + second.callout.counts().admitted;
    assert_eq!(answered, 3);
    first.stop().await;
    let _in = world.coordinator(A).await;
    second.stop().await;
}

#[tokio::test]
async fn a_connection_ends_with_its_lifetime_and_comes_back_by_itself() {
    let mut world = World::without_callout(Placement::Shared("SHARED".into()));
    write_tokens(&world.path(), &token_file());
    world.callout = Some(world.serve(Duration::from_secs(2)).await);
    let mut worker = world.worker(A, BTC).await;
    worker.event(|e| matches!(e, Event::Connected)).await;
    worker.event(|e| matches!(e, Event::Disconnected)).await;
    worker.event(|e| matches!(e, Event::Connected)).await;
    // Removed meanwhile, it does not come back.
    let only = format!(
        "tokens:\n  - {{tokenSha256: {}, role: Coordinator, account: {B}}}\n",
        digest("coordinator-b")
    );
    write_tokens(&world.path(), &only);
    worker.event(|e| matches!(e, Event::Disconnected)).await;
    let callout = world.callout.as_ref().unwrap().callout.clone();
    let mut end = worker;
    end.event(|e| matches!(e, Event::ClientError(_) | Event::ServerError(_)))
        .await;
    assert!(callout.counts().refused > 0);
}

#[tokio::test]
async fn garbage_is_counted_and_kills_nothing() {
    // A server without a guard at its door, so that anybody may ask the service anything.
    let dir = tempfile::tempdir().unwrap();
    let server = NatsServer::start(NatsOptions::default());
    write_tokens(dir.path(), &token_file());
    let tokens = StaticTokens::open(dir.path().join(setup::TOKENS)).unwrap();
    let options = Options {
        issuer: Issuer::generate(),
        sealer: None,
        placement: Placement::Own,
        lifetime: Duration::from_secs(60),
    };
    let client = async_nats::connect(server.url()).await.unwrap();
    let service = start(Arc::new(Callout::new(options, Arc::new(tokens))), client).await;
    let asker = async_nats::connect(server.url()).await.unwrap();
    let garbage: [&[u8]; 8] = [
        b"",
        b"..",
        b"\xff\xfe\x00",
        b"eyJhbGciOiJlZDI1NTE5LW5rZXkifQ.e30.AAAA",
        b"a.b.c.d.e",
        b"{}",
        &[b'A'; 300_000],
        &[0; 1000],
    ];
    for g in garbage {
        asker
            .publish_with_reply(callout::SUBJECT, "answers", g.to_vec().into())
            .await
            .unwrap();
    }
    asker.flush().await.unwrap();
    let deadline = tokio::time::Instant::now() + super::world::SOON;
    while service.callout.counts().malformed < 8 {
        assert!(tokio::time::Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(service.callout.counts().admitted, 0);
    service.stop().await;
}
