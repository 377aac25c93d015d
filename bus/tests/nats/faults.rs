//! What the suite cannot ask of every transport: a server that hangs, a bucket that comes late, a cluster that loses a member.

use super::{b, connected, soon};
use bytes::Bytes;
use helios_bus::nats::{NatsBus, NatsConfig};
use helios_bus::testing::{ClusterMember, NatsOptions, NatsServer, free_port};
use helios_bus::{Bus, BusError};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waited_for_a_server_that_hung_is_never_sent() {
    let mut server = NatsServer::start(NatsOptions::default());
    let sender = NatsBus::connect(NatsConfig::coordinator(server.url()))
        .await
        .unwrap();
    let hearer = NatsBus::connect(NatsConfig::new(server.url()))
        .await
        .unwrap();
    let mut heard = hearer.subscribe("t.command").await.unwrap();
    server.stop();
    // More than the kernel takes, so that some of it waits in the client.
    let stale = Bytes::from(vec![b's'; 64 << 10]);
    let mut taken = 0;
    while taken < 400 && sender.publish("t.command", stale.clone()).await.is_ok() {
        taken += 1;
    }
    assert!(taken > 0);
    connected(&sender, false).await;
    assert_eq!(
        sender.publish("t.command", stale).await,
        Err(BusError::Disconnected)
    );
    // What the kernel held for the server goes with it; the client's part would not.
    server.kill();
    connected(&hearer, false).await;
    server.restart();
    connected(&hearer, true).await;
    connected(&sender, true).await;
    soon("a fresh command", async {
        loop {
            sender.publish("t.command", b("fresh")).await.unwrap();
            let m = tokio::time::timeout(Duration::from_millis(100), heard.next()).await;
            if let Ok(m) = m {
                assert!(m.unwrap().payload == b("fresh"), "nothing stale before it");
                return;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_server_that_hangs_counts_as_gone_and_its_questions_fail() {
    let server = NatsServer::start(NatsOptions::default());
    let bus = NatsBus::connect(NatsConfig::coordinator(server.url()))
        .await
        .unwrap();
    let _serving = bus.serve("t.ask").await.unwrap();
    server.stop();
    let asked = soon(
        "a question to a server that hangs",
        bus.request("t.ask", b("?"), Duration::from_secs(60)),
    )
    .await;
    assert_eq!(asked, Err(BusError::Disconnected));
    server.cont();
    connected(&bus, true).await;
}

#[tokio::test]
async fn a_watch_begins_before_the_server_and_the_bucket_exist() {
    let mut server = NatsServer::start(NatsOptions::default());
    server.kill();
    let worker = NatsBus::start(NatsConfig::new(server.url())).unwrap();
    let mut watched = worker.watch("fence.a").await.unwrap();
    assert_eq!(worker.get("fence.a").await, Err(BusError::Disconnected));
    server.restart();
    connected(&worker, true).await;
    assert!(matches!(
        worker.get("fence.a").await,
        Err(BusError::NoResponder(_))
    ));
    let boss = NatsBus::connect(NatsConfig::coordinator(server.url()))
        .await
        .unwrap();
    boss.put("fence.a", b("1")).await.unwrap();
    assert_eq!(soon("watch", watched.next()).await.unwrap().value, b("1"));
}

#[tokio::test]
async fn the_last_clone_ends_all_that_listens() {
    let server = NatsServer::start(NatsOptions::default());
    let bus = NatsBus::connect(NatsConfig::coordinator(server.url()))
        .await
        .unwrap();
    let mut heard = bus.subscribe("t").await.unwrap();
    let mut served = bus.serve("t").await.unwrap();
    let mut watched = bus.watch("k").await.unwrap();
    let state = bus.state();
    drop(bus);
    assert!(soon("end", heard.next()).await.is_none());
    assert!(soon("end", served.next()).await.is_none());
    assert!(soon("end", watched.next()).await.is_none());
    soon("end", async {
        while state.borrow().connected {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

async fn put(bus: &NatsBus, key: &str, value: &str) {
    soon("a write", async {
        while let Err(e) = bus.put(key, b(value)).await {
            assert!(!matches!(e, BusError::WrongRevision { .. }));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_loses_a_member_and_no_revision() {
    let routes: Vec<u16> = (0..3).map(|_| free_port()).collect();
    let mut servers: Vec<NatsServer> = (0..3)
        .map(|i| {
            NatsServer::start(NatsOptions {
                cluster: Some(ClusterMember {
                    name: format!("n{i}"),
                    port: routes[i],
                    routes: routes.clone(),
                }),
                ..NatsOptions::default()
            })
        })
        .collect();
    let urls: Vec<String> = servers.iter().map(NatsServer::url).collect();
    let mut config = NatsConfig::coordinator(&urls[0]);
    config.urls = urls.clone();
    config.replicas = 3;
    let boss = NatsBus::connect(config).await.unwrap();
    put(&boss, "fence.a", "0").await;
    let mut workers = Vec::new();
    let mut watches = Vec::new();
    for url in &urls {
        let mut config = NatsConfig::new(url);
        config.urls = urls.clone();
        let worker = NatsBus::connect(config).await.unwrap();
        watches.push(worker.watch("fence.a").await.unwrap());
        workers.push(worker);
    }
    for (round, server) in servers.iter_mut().enumerate() {
        for i in 0..30 {
            put(&boss, "fence.a", &format!("{round} {i}")).await;
            let _ = boss.get("fence.a").await;
            // The copy that a client reads from may be behind the one that acknowledged its write.
            for (n, w) in workers.iter().enumerate() {
                let key = format!("own.{n}");
                if let Ok(written) = w.put(&key, b(&i.to_string())).await
                    && let Ok(read) = w.get(&key).await
                {
                    assert!(
                        read.unwrap().revision >= written,
                        "a client reads its writes"
                    );
                }
            }
        }
        for w in &mut watches {
            soon("the newest value in a cluster", async {
                while w.next().await.unwrap().value != b(&format!("{round} 29")) {}
            })
            .await;
        }
        server.restart();
    }
    for bus in workers.iter().chain([&boss]) {
        assert_eq!(
            bus.state().borrow().rollbacks,
            0,
            "a copy that lags is no rollback"
        );
    }
}
