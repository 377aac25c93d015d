//! A server with the callout before it, clients of every role, and an observer that sees everything.

use async_nats::{Client, ConnectOptions, Event, Subscriber};
use futures_util::StreamExt;
use helios_bus::auth::keys::{Issuer, Login, Sealer};
use helios_bus::auth::{Callout, Options, Placement, StaticTokens, callout, setup, tokens};
use helios_bus::testing::{ANY_PORT, NatsOptions, NatsServer};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;

pub const A: &str = "default/a";
pub const B: &str = "default/b";
pub const NOBI: &str = "default/nobi";
/// Longest that anything here may take.
pub const SOON: Duration = Duration::from_secs(10);

pub struct World {
    // Dropped before the directory, where its store is.
    pub server: NatsServer,
    pub dir: tempfile::TempDir,
    pub callout: Option<Service>,
    placement: Placement,
    observer: Login,
}

/// A running callout.
pub struct Service {
    pub callout: Arc<Callout>,
    task: tokio::task::JoinHandle<()>,
    client: Client,
}

impl Service {
    pub async fn stop(self) {
        self.client.drain().await.unwrap();
        timeout(SOON, self.task).await.unwrap().unwrap();
    }
}

/// Tokens of the tests, long enough to be taken.
pub fn secret(name: &str) -> String {
    format!("{name}-{}", "0123456789abcdef".repeat(2))
}

fn entry(token: &str, rest: &str) -> String {
    format!("  - {{token: {:?}, {rest}}}\n", secret(token))
}

/// The token file of the tests.
pub fn token_file() -> String {
    let mut t = String::from("tokens:\n");
    for (account, name) in [("a", A), ("b", B)] {
        t += &entry(
            &format!("coordinator-{account}"),
            &format!("role: Coordinator, account: {name}"),
        );
        t += &entry(
            &format!("operator-{account}"),
            &format!("role: Operator, account: {name}"),
        );
        t += &entry(
            &format!("admin-{account}"),
            &format!("role: Admin, account: {name}"),
        );
        t += &entry(
            &format!("worker-{account}"),
            &format!("role: Worker, account: {name}, strategy: {NOBI}, symbol: '*'"),
        );
    }
    t += &entry(
        "btc-a",
        &format!("role: Worker, account: {A}, strategy: {NOBI}, symbol: BTCUSDT"),
    );
    t += &entry(
        "old",
        &format!("role: Coordinator, account: {A}, expires: 2020-01-01T00:00:00Z"),
    );
    t
}

pub fn write_tokens(dir: &Path, text: &str) {
    let path = dir.join("new");
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    std::fs::rename(path, dir.join(setup::TOKENS)).unwrap();
}

impl World {
    /// A server, a callout, and the tokens of [`token_file`].
    pub async fn new() -> Self {
        Self::with(Placement::Shared("SHARED".into())).await
    }

    /// The same with this placement. A shared one is the harder case for permissions.
    pub async fn with(placement: Placement) -> Self {
        let mut world = Self::without_callout(placement);
        write_tokens(&world.path(), &token_file());
        world.callout = Some(world.serve(Duration::from_secs(3600)).await);
        world
    }

    /// A server as `helios nats-auth --init` sets it up, besides an observer.
    pub fn without_callout(placement: Placement) -> Self {
        let dir = tempfile::tempdir().unwrap();
        setup::Setup {
            account: A.into(),
            strategy: NOBI.into(),
            listen: ANY_PORT.into(),
        }
        .write(&dir.path().join("set"))
        .unwrap();
        let (observer, public) = Login::generate().unwrap();
        let conf =
            std::fs::read_to_string(dir.path().join("set").join(setup::SERVER_CONF)).unwrap();
        let own = format!("{:?} {{ jetstream: enabled }}", Placement::own(A));
        let more = format!(
            "{own}\n{:?} {{ jetstream: enabled }}\nSHARED {{ jetstream: enabled, users: [ {{ nkey: {public} }} ] }}",
            Placement::own(B)
        );
        assert!(conf.contains(&own));
        let conf = conf
            .replace("auth_users: [ ", &format!("auth_users: [ {public}, "))
            .replace(&own, &more);
        let server = NatsServer::start(NatsOptions {
            config: conf,
            whole: true,
            ..NatsOptions::default()
        });
        Self {
            server,
            dir,
            callout: None,
            placement,
            observer,
        }
    }

    pub fn path(&self) -> PathBuf {
        self.dir.path().join("set")
    }

    /// Starts a callout.
    pub async fn serve(&self, lifetime: Duration) -> Service {
        let p = self.path();
        let login = Login::read(&p.join(setup::LOGIN_SEED)).unwrap();
        let client = callout::connect(&self.server.url(), &login, None)
            .await
            .unwrap();
        let options = Options {
            issuer: Issuer::read(&p.join(setup::ISSUER_SEED)).unwrap(),
            sealer: Some(Sealer::read(&p.join(setup::XKEY_SEED)).unwrap()),
            placement: self.placement.clone(),
            lifetime,
        };
        let tokens = StaticTokens::open(p.join(setup::TOKENS)).unwrap();
        start(Arc::new(Callout::new(options, Arc::new(tokens))), client).await
    }

    /// Connects somebody.
    pub async fn connect(&self, user: &str, token: &str, inbox: &str) -> Result<Peer, String> {
        let o = ConnectOptions::with_user_and_password(user.into(), token.into());
        Peer::connect(&self.server.url(), o.custom_inbox_prefix(inbox)).await
    }

    pub async fn worker(&self, account: &str, symbol: &str) -> Peer {
        let token = secret(if account == A { "worker-a" } else { "worker-b" });
        let inbox = helios_bus::subject::worker_inbox(account, symbol);
        let user = helios_bus::auth::validator::worker_user(symbol);
        self.connect(&user, &token, &inbox).await.unwrap()
    }

    pub async fn coordinator(&self, account: &str) -> Peer {
        let token = secret(if account == A {
            "coordinator-a"
        } else {
            "coordinator-b"
        });
        let inbox = helios_bus::subject::coordinator_inbox(account);
        self.connect("coordinator", &token, &inbox).await.unwrap()
    }

    pub async fn operator(&self, account: &str) -> Peer {
        let token = secret(if account == A {
            "operator-a"
        } else {
            "operator-b"
        });
        let inbox = helios_bus::subject::operator_inbox(account);
        let user = helios_bus::auth::validator::operator_user(account);
        self.connect(&user, &token, &inbox).await.unwrap()
    }

    pub async fn admin(&self, account: &str) -> Peer {
        let token = secret(if account == A { "admin-a" } else { "admin-b" });
        let inbox = helios_bus::subject::admin_inbox(account);
        self.connect("admin", &token, &inbox).await.unwrap()
    }

    /// One whom the server lets do everything in the account.
    pub async fn observer(&self) -> Peer {
        let file = self.dir.path().join("observer.seed");
        if !file.exists() {
            std::fs::write(&file, self.observer.expose()).unwrap();
        }
        let seed = std::fs::read_to_string(&file).unwrap();
        let mut peer = Peer::connect(&self.server.url(), ConnectOptions::with_nkey(seed))
            .await
            .unwrap();
        peer.free = true;
        peer
    }

    /// The bucket, made as the transport makes it.
    pub async fn bucket(&self, by: &Peer) {
        let body = serde_json::json!({
            "name": "KV_helios", "subjects": ["$KV.helios.>"], "retention": "limits", "storage": "file",
            "discard": "new", "max_msgs_per_subject": 1, "num_replicas": 1, "allow_direct": true,
            "allow_rollup_hdrs": false, "deny_delete": true, "deny_purge": true,
        });
        let made = by
            .request("$JS.API.STREAM.CREATE.KV_helios", &body.to_string())
            .await
            .unwrap();
        assert!(!made.contains("error"), "{made}");
    }
}

/// Serves until stopped, from the moment the server knows of it.
pub async fn start(callout: Arc<Callout>, client: Client) -> Service {
    let (ready, known) = tokio::sync::oneshot::channel();
    let task = tokio::spawn({
        let (callout, client) = (callout.clone(), client.clone());
        async move {
            let ready = || ready.send(()).unwrap();
            callout.serve(client, ready).await.unwrap();
        }
    });
    timeout(SOON, known).await.unwrap().unwrap();
    Service {
        callout,
        task,
        client,
    }
}

/// The digest of a test's token.
pub fn digest(name: &str) -> String {
    tokens::digest(&secret(name))
}

/// A client that hears what the server objects to.
pub struct Peer {
    pub client: Client,
    events: mpsc::UnboundedReceiver<Event>,
    /// Objections heard while waiting for something else.
    objections: VecDeque<String>,
    /// May it do everything?
    free: bool,
}

impl Peer {
    async fn connect(url: &str, options: ConnectOptions) -> Result<Self, String> {
        let (tell, events) = mpsc::unbounded_channel();
        let options = options
            .connection_timeout(SOON)
            .reconnect_delay_callback(|_| Duration::from_millis(20))
            .event_callback(move |e| {
                let tell = tell.clone();
                async move {
                    // Nobody listens any more at the end of a test.
                    let _ = tell.send(e);
                }
            });
        let connected = timeout(SOON * 2, options.connect(url)).await;
        let client = connected
            .map_err(|_| "no answer".to_owned())?
            .map_err(|e| e.to_string())?;
        Ok(Self {
            client,
            events,
            objections: VecDeque::new(),
            free: false,
        })
    }

    pub async fn publish(&self, subject: &str, payload: &str) {
        self.client
            .publish(subject.to_owned(), payload.to_owned().into())
            .await
            .unwrap();
        self.client.flush().await.unwrap();
    }

    pub async fn publish_with_reply(&self, subject: &str, reply: &str, payload: &str) {
        self.client
            .publish_with_reply(
                subject.to_owned(),
                reply.to_owned(),
                payload.to_owned().into(),
            )
            .await
            .unwrap();
        self.client.flush().await.unwrap();
    }

    /// Subscribes, and returns when the server has taken notice.
    pub async fn subscribe(&mut self, pattern: &str) -> Subscriber {
        let s = self.client.subscribe(pattern.to_owned()).await.unwrap();
        self.settle().await;
        s
    }

    /// Returns when the server has dealt with all that was sent: by an objection, or an echo.
    pub async fn settle(&mut self) {
        if self.free {
            let mut s = self.client.subscribe("test.echo").await.unwrap();
            self.publish("test.echo", "").await;
            heard(&mut s).await;
            return;
        }
        self.publish("test.settle", "").await;
        loop {
            let said = self
                .event(|e| matches!(e, Event::ServerError(_)))
                .await
                .to_string();
            if said.contains("test.settle") {
                return;
            }
            self.objections.push_back(said);
        }
    }

    pub async fn request(&self, subject: &str, payload: &str) -> Result<String, String> {
        let asked = self
            .client
            .request(subject.to_owned(), payload.to_owned().into());
        let m = timeout(SOON, asked)
            .await
            .map_err(|_| "no answer".to_owned())?
            .map_err(|e| e.to_string())?;
        Ok(String::from_utf8(m.payload.to_vec()).unwrap())
    }

    /// Waits for an event that the test looks for.
    pub async fn event(&mut self, wanted: impl Fn(&Event) -> bool) -> Event {
        loop {
            let e = timeout(SOON, self.events.recv())
                .await
                .expect("the event comes in time")
                .unwrap();
            if wanted(&e) {
                return e;
            }
        }
    }

    /// What the server has objected to so far is this one thing.
    async fn objection(&mut self, kind: &str, subject: &str) {
        self.settle().await;
        let said = self.objections.pop_front().map(|s| s.to_lowercase());
        assert!(
            said.as_ref().is_some_and(|s| {
                s.contains(&format!("permissions violation for {kind}"))
                    && s.contains(&format!("\"{}\"", subject.to_lowercase()))
            }),
            "{kind} {subject}: {said:?}"
        );
        assert_eq!(self.objections, [""; 0]);
    }

    /// Publishing there is refused.
    pub async fn may_not_publish(&mut self, subject: &str) {
        self.publish(subject, "{}").await;
        self.objection("publish", subject).await;
    }

    /// Listening there is refused.
    pub async fn may_not_subscribe(&mut self, pattern: &str) {
        let _s = self.client.subscribe(pattern.to_owned()).await.unwrap();
        self.objection("subscription", pattern).await;
    }

    /// The server has objected to nothing so far.
    pub async fn had_no_objection(&mut self) {
        self.settle().await;
        assert_eq!(self.objections, [""; 0]);
    }
}

/// The next message.
pub async fn heard(s: &mut Subscriber) -> async_nats::Message {
    timeout(SOON, s.next()).await.expect("heard").unwrap()
}

/// All subjects heard up to a marker that the observer itself publishes now.
pub async fn heard_until_now(observer: &mut Peer, s: &mut Subscriber) -> Vec<String> {
    observer.publish("test.marker", "").await;
    let mut all = Vec::new();
    loop {
        let m = heard(s).await;
        match m.subject.as_str() {
            "test.marker" => return all,
            "test.echo" => {}
            other => all.push(other.to_owned()),
        }
    }
}
