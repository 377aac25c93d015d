//! As whom, with what certificate, and with no more permissions than the table in the transport's documentation says.

use super::{b, connected, soon};
use helios_bus::nats::{NatsAuth, NatsBus, NatsConfig, NatsTls, Secret};
use helios_bus::testing::{NatsOptions, NatsServer, ServerTls};
use helios_bus::{Bus, BusError};
use std::path::{Path, PathBuf};
use std::time::Duration;

const ACCOUNTS: &str = r#"
accounts { A: { jetstream: enabled, users: [
  { user: boss, password: bosspass }
  { user: worker, password: workpass, permissions: {
      subscribe: ["_INBOX_w.>", "$KV.helios.fence.a", "t.command.w"]
      publish: ["$JS.API.DIRECT.GET.KV_helios.$KV.helios.fence.a", "t.grant.w"]
  } }
  { user: reader, password: readpass, permissions: {
      subscribe: ["_INBOX_r.>", "$KV.helios.fence.>"]
      publish: ["$JS.API.DIRECT.GET.KV_helios.$KV.helios.fence.>", "$JS.API.STREAM.INFO.KV_helios"]
  } }
  { user: server, password: servpass, permissions: {
      subscribe: ["_INBOX_s.>", "t.grant.*"], allow_responses: true, publish: ["t.command.*"]
  } }
] } }
"#;

fn user(mut config: NatsConfig, name: &str) -> NatsConfig {
    config.auth = NatsAuth::UserPassword {
        user: name.into(),
        password: Secret::new(format!("{}pass", &name[..4])),
    };
    config.inbox_prefix = format!("_INBOX_{}", &name[..1]);
    config
}

#[tokio::test]
async fn each_operation_needs_no_more_than_the_table_says() {
    let server = NatsServer::start(NatsOptions {
        config: ACCOUNTS.into(),
        ..NatsOptions::default()
    });
    let url = server.url();
    let boss = NatsBus::connect(user(NatsConfig::coordinator(&url), "boss"))
        .await
        .unwrap();
    let worker = NatsBus::connect(user(NatsConfig::new(&url), "worker"))
        .await
        .unwrap();
    let reader = NatsBus::connect(user(NatsConfig::new(&url), "reader"))
        .await
        .unwrap();
    let serving = NatsBus::connect(user(NatsConfig::new(&url), "server"))
        .await
        .unwrap();

    let mut one = worker.watch("fence.a").await.unwrap();
    let mut all = reader.watch("fence.").await.unwrap();
    let mut commands = worker.subscribe("t.command.w").await.unwrap();
    let mut questions = serving.serve("t.grant.*").await.unwrap();
    boss.put("fence.b", b("0")).await.unwrap();
    let first = boss.put("fence.a", b("1")).await.unwrap();
    assert_eq!(soon("watch", one.next()).await.unwrap().revision, first);
    boss.compare_and_swap("fence.a", first, b("2"))
        .await
        .unwrap();
    assert_eq!(soon("watch", one.next()).await.unwrap().value, b("2"));
    soon("watch of a prefix", async {
        let (mut a, mut other) = (false, false);
        while !(a && other) {
            let e = all.next().await.unwrap();
            a |= e.key == "fence.a" && e.value == b("2");
            other |= e.key == "fence.b";
        }
    })
    .await;
    assert_eq!(worker.get("fence.a").await.unwrap().unwrap().value, b("2"));

    let answering = tokio::spawn(async move {
        while let Some(q) = questions.next().await {
            q.answer(b("yes"));
        }
    });
    let answer = worker
        .request("t.grant.w", b("?"), Duration::from_secs(5))
        .await;
    assert_eq!(answer, Ok(b("yes")));
    answering.abort();
    serving.publish("t.command.w", b("go")).await.unwrap();
    assert_eq!(
        soon("command", commands.next()).await.unwrap().payload,
        b("go")
    );

    // And no more is possible.
    assert!(worker.put("fence.a", b("3")).await.is_err());
    assert!(worker.get("fence.b").await.is_err());
    assert!(
        worker
            .request("t.grant.x", b("?"), Duration::from_millis(300))
            .await
            .is_err()
    );
    assert_eq!(boss.get("fence.a").await.unwrap().unwrap().value, b("2"));
}

#[tokio::test]
async fn a_token_file_is_read_again_for_each_connection() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    std::fs::write(&file, "first\n").unwrap();
    let mut server = NatsServer::start(NatsOptions {
        config: "authorization { token: first }\n".into(),
        ..NatsOptions::default()
    });
    let mut config = NatsConfig::coordinator(server.url());
    config.auth = NatsAuth::TokenFile(file.clone());
    let bus = NatsBus::connect(config).await.unwrap();

    server.kill();
    connected(&bus, false).await;
    server.configure("authorization { token: second }\n");
    server.restart();
    soon("a refusal", async {
        while !bus
            .last_failure()
            .is_some_and(|e| e.to_string().contains("authorization violation"))
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    assert_eq!(
        bus.publish("t", b("x")).await,
        Err(BusError::Disconnected),
        "refused, so not connected"
    );
    std::fs::write(&file, "second").unwrap();
    connected(&bus, true).await;
}

struct Authority {
    cert: rcgen::Certificate,
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign];
        let key = rcgen::KeyPair::generate().unwrap();
        Self {
            cert: params.self_signed(&key).unwrap(),
            issuer: rcgen::Issuer::new(params, key),
        }
    }

    fn write(&self, path: PathBuf) -> PathBuf {
        std::fs::write(&path, self.cert.pem()).unwrap();
        path
    }

    /// Certificate and key for the loopback, as server and client.
    fn issue(&self, dir: &Path, name: &str) -> (PathBuf, PathBuf) {
        let mut params = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        params.extended_key_usages = vec![
            rcgen::ExtendedKeyUsagePurpose::ServerAuth,
            rcgen::ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let key = rcgen::KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        let paths = (
            dir.join(format!("{name}.crt")),
            dir.join(format!("{name}.key")),
        );
        std::fs::write(&paths.0, cert.pem()).unwrap();
        std::fs::write(&paths.1, key.serialize_pem()).unwrap();
        paths
    }
}

#[tokio::test]
async fn encryption_trusts_its_authority_only_and_is_never_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let (ours, theirs) = (Authority::new(), Authority::new());
    let ca = ours.write(dir.path().join("ours.crt"));
    let other = theirs.write(dir.path().join("theirs.crt"));
    let (cert, key) = ours.issue(dir.path(), "server");
    let own = ours.issue(dir.path(), "client");
    let server = NatsServer::start(NatsOptions {
        tls: Some(ServerTls {
            cert,
            key,
            client_ca: Some(ca.clone()),
        }),
        ..NatsOptions::default()
    });
    let with = |url: String, ca: &Path, client: Option<(PathBuf, PathBuf)>| {
        let mut config = NatsConfig::coordinator(url);
        config.tls = Some(NatsTls {
            ca: Some(ca.to_owned()),
            client,
        });
        NatsBus::connect(config)
    };
    let bus = with(server.url(), &ca, Some(own.clone())).await.unwrap();
    bus.put("k", b("v")).await.unwrap();
    assert!(
        with(server.url(), &other, Some(own.clone())).await.is_err(),
        "a server of another authority"
    );
    assert!(
        with(server.url(), &ca, None).await.is_err(),
        "a client without its certificate"
    );
    let plain = NatsServer::start(NatsOptions::default());
    assert!(
        with(plain.url(), &ca, None).await.is_err(),
        "a server that does not encrypt"
    );
}
