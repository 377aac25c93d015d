//! What the server lets each role do, and what it refuses.

use super::world::{A, B, NOBI, Peer, World, heard, heard_until_now};
use helios_bus::auth::{Placement, origin};
use helios_bus::subject as s;

const BTC: &str = "BTCUSDT";
const ETH: &str = "ETHUSDT";

/// Nothing of what was tried reached anybody.
async fn nothing_heard(observer: &mut Peer, all: &mut async_nats::Subscriber) {
    let heard: Vec<String> = heard_until_now(observer, all)
        .await
        .into_iter()
        .filter(|h| !h.starts_with("$JS.EVENT") && !h.starts_with("_INBOX."))
        .collect();
    assert!(heard.is_empty(), "{heard:?}");
}

#[tokio::test]
async fn a_worker_asks_reports_and_hears_its_commands_and_keys() {
    let world = World::new().await;
    let observer = world.observer().await;
    world.bucket(&observer).await;
    let mut coordinator = world.coordinator(A).await;
    let mut worker = world.worker(A, BTC).await;

    let mut questions = coordinator.subscribe(&s::grants(A)).await;
    let mut reports = coordinator.subscribe(&s::reports(A)).await;
    let mut alerts = coordinator.subscribe(&s::alerts(A)).await;
    let mut commands = worker.subscribe(&s::command(A, BTC)).await;
    let mut fence = worker.subscribe(&s::kv(&s::fence_key(A))).await;
    let mut params = worker.subscribe(&s::kv(&s::params_key(A, NOBI))).await;

    let answering = async {
        let q = heard(&mut questions).await;
        let reply = q.reply.unwrap();
        assert!(s::answerable(&q.subject, &reply), "{reply}");
        coordinator.publish(&reply, "granted").await;
    };
    let grant = s::grant(A, BTC);
    let (answer, ()) = tokio::join!(worker.request(&grant, "?"), answering);
    assert_eq!(answer.unwrap(), "granted");

    worker.publish(&s::report(A, BTC), "r").await;
    assert_eq!(heard(&mut reports).await.payload.as_ref(), b"r");
    worker.publish(&s::alerts(A), "a").await;
    assert_eq!(heard(&mut alerts).await.payload.as_ref(), b"a");
    coordinator.publish(&s::command(A, BTC), "c").await;
    assert_eq!(heard(&mut commands).await.payload.as_ref(), b"c");

    for (key, heard_by) in [
        (s::fence_key(A), &mut fence),
        (s::params_key(A, NOBI), &mut params),
    ] {
        let acknowledged = coordinator.request(&s::kv(&key), "v").await.unwrap();
        assert!(acknowledged.contains("\"seq\""), "{acknowledged}");
        assert_eq!(heard(heard_by).await.payload.as_ref(), b"v");
        assert_eq!(worker.request(&s::kv_get(&key), "").await.unwrap(), "v");
    }
    worker.had_no_objection().await;
    coordinator.had_no_objection().await;
}

#[tokio::test]
async fn a_worker_may_do_nothing_else() {
    let world = World::new().await;
    let mut observer = world.observer().await;
    world.bucket(&observer).await;
    let mut all = observer.subscribe(">").await;
    let mut worker = world.worker(A, BTC).await;
    let publish = [
        // What only the coordinator says.
        s::command(A, BTC),
        s::command(A, ETH),
        format!("{}.x.1", s::worker_inbox(A, BTC)),
        format!("{}.x.1", s::worker_inbox(A, ETH)),
        format!("{}.x.1", s::admin_inbox(A)),
        "_INBOX.x".into(),
        // What others say.
        s::grant(A, ETH),
        s::report(A, ETH),
        s::admin(A),
        s::grant(B, BTC),
        s::report(B, BTC),
        s::alerts(B),
        // Keys.
        s::kv(&s::fence_key(A)),
        s::kv(&s::snapshot_key(A)),
        s::kv(&s::params_key(A, NOBI)),
        s::kv_get(&s::snapshot_key(A)),
        s::kv_get(&s::params_key(A, "default/other")),
        s::kv_get(&s::fence_key(B)),
        s::kv_get(&s::params_key(B, NOBI)),
        // The store behind them.
        "$JS.API.STREAM.CREATE.mine".into(),
        "$JS.API.STREAM.CREATE.KV_helios".into(),
        "$JS.API.STREAM.UPDATE.KV_helios".into(),
        "$JS.API.STREAM.DELETE.KV_helios".into(),
        "$JS.API.STREAM.PURGE.KV_helios".into(),
        "$JS.API.STREAM.INFO.KV_helios".into(),
        "$JS.API.STREAM.NAMES".into(),
        "$JS.API.STREAM.MSG.GET.KV_helios".into(),
        "$JS.API.STREAM.MSG.DELETE.KV_helios".into(),
        "$JS.API.DIRECT.GET.KV_helios".into(),
        "$JS.API.CONSUMER.CREATE.KV_helios.mine".into(),
        "$JS.API.INFO".into(),
        // The server itself.
        "$SYS.REQ.USER.AUTH".into(),
        "$SYS.REQ.SERVER.PING".into(),
        "anything".into(),
    ];
    for subject in &publish {
        worker.may_not_publish(subject).await;
    }
    let subscribe = [
        ">".into(),
        "helios.>".into(),
        "_INBOX.>".into(),
        "_INBOX_helios.>".into(),
        "$KV.>".into(),
        "$JS.>".into(),
        "$SYS.>".into(),
        s::grant(A, BTC),
        s::grants(A),
        s::reports(A),
        s::alerts(A),
        s::admin(A),
        s::command(A, ETH),
        s::commands(A),
        s::command(B, BTC),
        format!("{}.>", s::worker_inbox(A, ETH)),
        format!("{}.>", s::worker_inboxes(A)),
        format!("{}.>", s::worker_inbox(B, BTC)),
        format!("{}.>", s::coordinator_inbox(A)),
        s::kv(&s::snapshot_key(A)),
        s::kv(&s::params_keys(A)),
        s::kv(&s::fence_key(B)),
    ];
    for pattern in &subscribe {
        worker.may_not_subscribe(pattern).await;
    }
    nothing_heard(&mut observer, &mut all).await;
    // All of that ended nothing.
    worker.publish(&s::report(A, BTC), "r").await;
    worker.had_no_objection().await;
    assert_eq!(
        heard_until_now(&mut observer, &mut all).await,
        [s::report(A, BTC)]
    );
}

#[tokio::test]
async fn a_coordinator_neither_reads_nor_commands_another_account() {
    let world = World::new().await;
    let mut observer = world.observer().await;
    world.bucket(&observer).await;
    let mut all = observer.subscribe(">").await;
    let mut coordinator = world.coordinator(A).await;
    for subject in [
        s::command(B, BTC),
        s::alerts(B),
        s::admin(B),
        s::grant(B, BTC),
        s::kv(&s::fence_key(B)),
        s::kv(&s::snapshot_key(B)),
        s::kv(&s::params_key(B, NOBI)),
        s::kv_get(&s::fence_key(B)),
        s::kv_get(&s::snapshot_key(B)),
        format!("{}.x.1", s::worker_inbox(B, BTC)),
        format!("{}.x.1", s::coordinator_inbox(B)),
        format!("{}.x.1", s::admin_inbox(B)),
        // Nor does it speak for its own workers.
        s::grant(A, BTC),
        s::report(A, BTC),
        "$JS.API.STREAM.MSG.GET.KV_helios".into(),
        "$JS.API.DIRECT.GET.KV_helios".into(),
        "$JS.API.STREAM.UPDATE.KV_helios".into(),
        "$JS.API.STREAM.DELETE.KV_helios".into(),
        "$JS.API.STREAM.PURGE.KV_helios".into(),
        "$JS.API.STREAM.CREATE.other".into(),
        "$JS.API.CONSUMER.CREATE.KV_helios.mine".into(),
    ] {
        coordinator.may_not_publish(&subject).await;
    }
    for pattern in [
        ">".into(),
        "helios.v1.>".into(),
        s::grants(B),
        s::reports(B),
        s::alerts(B),
        s::admin(B),
        s::command(B, BTC),
        format!("{}.>", s::worker_inbox(A, BTC)),
        format!("{}.>", s::coordinator_inbox(B)),
        s::kv(&s::fence_key(B)),
        s::kv(&s::snapshot_key(B)),
        "$KV.helios.>".into(),
    ] {
        coordinator.may_not_subscribe(&pattern).await;
    }
    nothing_heard(&mut observer, &mut all).await;
}

#[tokio::test]
async fn a_person_asks_the_leader_and_reads_what_it_publishes() {
    let world = World::new().await;
    let observer = world.observer().await;
    world.bucket(&observer).await;
    let mut coordinator = world.coordinator(A).await;
    let mut admin = world.admin(A).await;
    let mut questions = coordinator.subscribe(&s::admin(A)).await;
    let answering = async {
        let q = heard(&mut questions).await;
        let reply = q.reply.unwrap();
        assert!(s::answerable(&q.subject, &reply), "{reply}");
        coordinator.publish(&reply, "done").await;
    };
    let subject = s::admin(A);
    let (answer, ()) = tokio::join!(admin.request(&subject, "?"), answering);
    assert_eq!(answer.unwrap(), "done");
    let key = s::snapshot_key(A);
    coordinator.request(&s::kv(&key), "v").await.unwrap();
    assert_eq!(admin.request(&s::kv_get(&key), "").await.unwrap(), "v");
    admin.had_no_objection().await;
    for subject in [
        s::admin(B),
        s::command(A, BTC),
        s::kv(&key),
        s::kv_get(&s::snapshot_key(B)),
    ] {
        admin.may_not_publish(&subject).await;
    }
    for pattern in [s::admin(A), s::grants(A), s::alerts(B)] {
        admin.may_not_subscribe(&pattern).await;
    }
}

#[tokio::test]
async fn a_coordinator_that_stands_by_asks_the_leader_for_the_person_on_its_host() {
    let world = World::new().await;
    let mut leader = world.coordinator(A).await;
    let mut standby = world.coordinator(A).await;
    let mut questions = leader.subscribe(&s::admin(A)).await;
    let answering = async {
        let q = heard(&mut questions).await;
        let reply = q.reply.unwrap();
        assert!(s::answerable(&q.subject, &reply), "{reply}");
        leader.publish(&reply, "done").await;
    };
    let subject = s::admin(A);
    let (answer, ()) = tokio::join!(standby.request(&subject, "?"), answering);
    assert_eq!(answer.unwrap(), "done");
    standby.had_no_objection().await;
    leader.had_no_objection().await;
}

#[tokio::test]
async fn an_operator_hears_the_snapshot_and_writes_parameters_that_workers_hear() {
    let world = World::new().await;
    let observer = world.observer().await;
    world.bucket(&observer).await;
    let coordinator = world.coordinator(A).await;
    let mut operator = world.operator(A).await;
    let mut worker = world.worker(A, BTC).await;
    let (snapshot, params) = (s::snapshot_key(A), s::params_key(A, NOBI));
    let mut heard_by_it = operator.subscribe(&s::kv(&snapshot)).await;
    let mut heard_by_worker = worker.subscribe(&s::kv(&params)).await;
    coordinator.request(&s::kv(&snapshot), "v").await.unwrap();
    assert_eq!(heard(&mut heard_by_it).await.payload.as_ref(), b"v");
    let read = operator.request(&s::kv_get(&snapshot), "").await;
    assert_eq!(read.unwrap(), "v");
    let written = operator.request(&s::kv(&params), "p").await.unwrap();
    assert!(written.contains("\"seq\""), "{written}");
    assert_eq!(heard(&mut heard_by_worker).await.payload.as_ref(), b"p");
    let read = operator.request(&s::kv_get(&params), "").await;
    assert_eq!(read.unwrap(), "p");
    operator.had_no_objection().await;
}

#[tokio::test]
async fn an_operator_may_do_nothing_else() {
    let world = World::new().await;
    let mut observer = world.observer().await;
    world.bucket(&observer).await;
    let mut all = observer.subscribe(">").await;
    let mut operator = world.operator(A).await;
    for subject in [
        s::kv(&s::snapshot_key(A)),
        s::kv(&s::fence_key(A)),
        s::kv_get(&s::fence_key(A)),
        s::kv_get(&s::snapshot_key(B)),
        s::kv(&s::params_key(B, NOBI)),
        s::kv_get(&s::params_key(B, NOBI)),
        s::grant(A, BTC),
        s::report(A, BTC),
        s::command(A, BTC),
        s::admin(A),
        s::alerts(A),
        format!("{}.x.1", s::worker_inbox(A, BTC)),
        format!("{}.x.1", s::operator_inbox(A)),
        "$JS.API.STREAM.CREATE.KV_helios".into(),
        "$JS.API.STREAM.INFO.KV_helios".into(),
        "$JS.API.STREAM.MSG.GET.KV_helios".into(),
        "$JS.API.DIRECT.GET.KV_helios".into(),
    ] {
        operator.may_not_publish(&subject).await;
    }
    for pattern in [
        ">".into(),
        s::kv(&s::params_keys(A)),
        s::kv(&s::fence_key(A)),
        s::kv(&s::snapshot_key(B)),
        s::grants(A),
        s::reports(A),
        s::alerts(A),
        s::admin(A),
        format!("{}.>", s::operator_inbox(B)),
        format!("{}.>", s::coordinator_inbox(A)),
        "$KV.>".into(),
    ] {
        operator.may_not_subscribe(&pattern).await;
    }
    nothing_heard(&mut observer, &mut all).await;
}

#[tokio::test]
async fn an_answer_goes_to_no_address_outside_the_account_even_when_the_answerer_is_fooled() {
    let world = World::new().await;
    let mut observer = world.observer().await;
    let mut coordinator = world.coordinator(A).await;
    let worker = world.worker(A, BTC).await;
    let mut questions = coordinator.subscribe(&s::grants(A)).await;
    let mut all = observer.subscribe(">").await;
    for elsewhere in [s::command(B, BTC), s::grant(B, BTC), "_INBOX.x".into()] {
        worker
            .publish_with_reply(&s::grant(A, BTC), &elsewhere, "?")
            .await;
        let reply = heard(&mut questions).await.reply.unwrap();
        assert_eq!(reply.as_str(), elsewhere);
        assert!(!s::answerable(&s::grant(A, BTC), &reply));
        // A coordinator that does not look at the address is stopped by the server.
        coordinator.may_not_publish(&reply).await;
    }
    let heard = heard_until_now(&mut observer, &mut all).await;
    assert_eq!(heard, vec![s::grant(A, BTC); 3]);
}

/// The server answers to whatever address the asker names, and permissions do not bind it: what a reader of the store can
/// make it send elsewhere is what it may read, and it is recognised.
#[tokio::test]
async fn what_the_store_was_made_to_send_elsewhere_shows_where_it_is_from() {
    let world = World::new().await;
    let mut observer = world.observer().await;
    world.bucket(&observer).await;
    let worker = world.worker(A, BTC).await;
    let (fence, command) = (s::fence_key(A), s::command(A, ETH));
    observer.request(&s::kv(&fence), "old").await.unwrap();
    let mut commands = observer.subscribe(&command).await;
    let passes = |m: async_nats::Message| origin::passes(m.headers.as_ref());
    observer.publish(&command, "of a client").await;
    assert_eq!(passes(heard(&mut commands).await), 0);
    let read = worker.client.request(s::kv_get(&fence), "".into());
    assert_eq!(passes(read.await.unwrap()), 1);

    worker
        .publish_with_reply(&s::kv_get(&fence), &command, "")
        .await;
    assert_eq!(passes(heard(&mut commands).await), 1);
    worker
        .publish_with_reply(&s::kv_get(&fence), &s::kv(&fence), "")
        .await;
    worker.request(&s::kv_get(&fence), "").await.unwrap();
    let read = worker.client.request(s::kv_get(&fence), "".into());
    assert_eq!(passes(read.await.unwrap()), 2);
}

#[tokio::test]
async fn with_nats_accounts_of_their_own_nothing_gets_from_one_account_to_another() {
    let world = World::with(Placement::Own).await;
    let (mut a, mut b) = (world.coordinator(A).await, world.coordinator(B).await);
    world.bucket(&a).await;
    world.bucket(&b).await;
    let (worker_a, mut worker_b) = (world.worker(A, BTC).await, world.worker(B, BTC).await);
    let mut commands = worker_b.subscribe(&s::command(B, BTC)).await;
    let (own, other) = (s::fence_key(A), s::fence_key(B));
    a.request(&s::kv(&own), "a").await.unwrap();
    b.request(&s::kv(&other), "b").await.unwrap();
    for peer in [&a, &worker_a] {
        for address in [s::kv(&other), s::command(B, BTC)] {
            peer.publish_with_reply(&s::kv_get(&own), &address, "")
                .await;
        }
        // The store answers in order.
        assert_eq!(peer.request(&s::kv_get(&own), "").await.unwrap(), "a");
    }
    b.publish(&s::command(B, BTC), "first").await;
    assert_eq!(heard(&mut commands).await.payload.as_ref(), b"first");
    assert_eq!(b.request(&s::kv_get(&other), "").await.unwrap(), "b");
    a.had_no_objection().await;
    b.had_no_objection().await;
}
