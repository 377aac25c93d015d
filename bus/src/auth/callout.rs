//! The service loop: questions of the NATS server about connections, answered.
//!
//! Several may run: they share one queue group and hold no state. Bounded in size, number and time of questions; what is no
//! question gets no answer, and the server then keeps the client out by itself.

use super::jwt::{JwtError, Request};
use super::keys::{Issuer, Login, Sealer};
use super::validator::{ClientInfo, Refused, Validator};
use futures_util::StreamExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};
use tokio::sync::Semaphore;

/// Where the server asks.
pub const SUBJECT: &str = "$SYS.REQ.USER.AUTH";
/// Queue group of the services that answer.
pub const QUEUE: &str = "helios-nats-auth";
/// Header with the server's curve key, on sealed questions.
const XKEY_HEADER: &str = "Nats-Server-Xkey";
/// Questions worked on at once.
const AT_ONCE: usize = 32;
/// Questions that may wait in the client before the oldest are dropped.
const WAITING: usize = 1024;
/// Characters of a client's name that go into the log.
const LONGEST_NAME: usize = 40;
/// Time for the check of one token; the server waits a little longer (`authorization.timeout`).
const CHECK: Duration = Duration::from_millis(1500);

/// In which account of the NATS server the clients of an account of Helios are placed. NATS accounts share no subject and
/// no store, which permissions alone can't promise: whoever may ask the store for anything may have it send the answer to
/// any subject of the same NATS account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Placement {
    /// Each in one of its own, named by [`Placement::own`]; the server's configuration must have it.
    Own,
    /// All in this one. For accounts of one owner who trusts all their workers alike.
    Shared(String),
}

impl Placement {
    /// Name of the NATS account that belongs to one account of Helios.
    pub fn own(account: &str) -> String {
        format!("HELIOS_{}", crate::subject::token(account))
    }

    fn of(&self, account: &str) -> String {
        match self {
            Self::Own => Self::own(account),
            Self::Shared(name) => name.clone(),
        }
    }
}

/// How connections are answered.
#[derive(Debug)]
pub struct Options {
    /// Signs the answers.
    pub issuer: Issuer,
    /// Opens sealed questions; with it, unsealed ones are not answered.
    pub sealer: Option<Sealer>,
    /// Accounts of the NATS server that clients are placed in.
    pub placement: Placement,
    /// How long a connection may last; the client then connects again and its token is checked anew.
    pub lifetime: Duration,
}

/// What has been answered so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Let in.
    pub admitted: u64,
    /// Kept out.
    pub refused: u64,
    /// Questions that were none, and got no answer.
    pub malformed: u64,
}

/// The service.
pub struct Callout {
    options: Options,
    validator: Arc<dyn Validator>,
    admitted: AtomicU64,
    refused: AtomicU64,
    malformed: AtomicU64,
}

impl std::fmt::Debug for Callout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Callout")
            .field("options", &self.options)
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}

/// Why the service can't run.
#[derive(Debug, thiserror::Error)]
pub enum CalloutError {
    /// No way to the NATS server.
    #[error("NATS: {0}")]
    Connect(#[from] async_nats::ConnectError),
    /// The subscription failed.
    #[error("NATS: {0}")]
    Subscribe(String),
}

/// Connects as the callout itself, going on trying while there is no server.
///
/// # Errors
/// The address or the certificate file can't be used.
pub async fn connect(
    url: &str,
    login: &Login,
    ca: Option<&Path>,
) -> Result<async_nats::Client, CalloutError> {
    let mut options = async_nats::ConnectOptions::with_nkey(login.expose().to_owned())
        .name("helios nats-auth")
        .subscription_capacity(WAITING)
        .retry_on_initial_connect()
        .event_callback(|event| async move {
            match event {
                async_nats::Event::Connected => tracing::info!("connected to NATS"),
                other => tracing::warn!(event = %other, "NATS"),
            }
        });
    if let Some(ca) = ca {
        options = options
            .add_root_certificates(ca.to_path_buf())
            .require_tls(true);
    }
    Ok(options.connect(url).await?)
}

/// There is a connection now.
pub fn connected(client: &async_nats::Client) -> bool {
    client.connection_state() == async_nats::connection::State::Connected
}

impl Callout {
    /// A service that checks tokens with `validator`.
    pub fn new(options: Options, validator: Arc<dyn Validator>) -> Self {
        Self {
            options,
            validator,
            admitted: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            malformed: AtomicU64::new(0),
        }
    }

    /// What has been answered so far.
    pub fn counts(&self) -> Counts {
        Counts {
            admitted: self.admitted.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            malformed: self.malformed.load(Ordering::Relaxed),
        }
    }

    /// Answers until the connection is closed for good. `ready` is called once the server knows of us.
    ///
    /// # Errors
    /// The subscription failed.
    pub async fn serve(
        self: Arc<Self>,
        client: async_nats::Client,
        ready: impl FnOnce(),
    ) -> Result<(), CalloutError> {
        let failed = |e: &dyn std::fmt::Display| CalloutError::Subscribe(e.to_string());
        let mut questions = client
            .queue_subscribe(SUBJECT, QUEUE.into())
            .await
            .map_err(|e| failed(&e))?;
        client.flush().await.map_err(|e| failed(&e))?;
        ready();
        let room = Arc::new(Semaphore::new(AT_ONCE));
        while let Some(question) = questions.next().await {
            // Closed never: we hold it.
            let Ok(place) = room.clone().acquire_owned().await else {
                break;
            };
            let (this, client) = (self.clone(), client.clone());
            // A task each, so that not even a panicking validator ends the service.
            tokio::spawn(async move {
                let xkey = question
                    .headers
                    .as_ref()
                    .and_then(|h| h.get(XKEY_HEADER))
                    .map(|v| v.as_str());
                let answer = this.answer(&question.payload, xkey).await;
                if let (Some(answer), Some(reply)) = (answer, question.reply)
                    && let Err(e) = client.publish(reply, answer.into()).await
                {
                    tracing::warn!(error = %e, "answer not sent");
                }
                drop(place);
            });
        }
        Ok(())
    }

    /// The answer to one question; `None` when it is none.
    pub async fn answer(&self, payload: &[u8], server_xkey: Option<&str>) -> Option<Vec<u8>> {
        match self.try_answer(payload, server_xkey).await {
            Ok(answer) => Some(answer),
            Err(e) => {
                self.malformed.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(error = %e, "question dropped");
                None
            }
        }
    }

    async fn try_answer(
        &self,
        payload: &[u8],
        server_xkey: Option<&str>,
    ) -> Result<Vec<u8>, JwtError> {
        let now = SystemTime::now();
        let issuer = &self.options.issuer;
        let Some(sealer) = &self.options.sealer else {
            let request = Request::decode(payload, now)?;
            return Ok(self.decide(&request, issuer).await?.into_bytes());
        };
        let sender = server_xkey.ok_or(JwtError::Unsealed)?;
        if payload.len() > super::jwt::LONGEST {
            return Err(JwtError::TooLong);
        }
        let opened = sealer.open(payload, sender).ok_or(JwtError::Unsealed)?;
        let request = Request::decode(&opened, now)?;
        // The header is nobody's word; the signed question names the key too.
        if request.server_xkey.as_deref() != Some(sender) {
            return Err(JwtError::Signature);
        }
        let answer = self.decide(&request, issuer).await?;
        sealer
            .seal(answer.as_bytes(), sender)
            .ok_or(JwtError::Unsigned)
    }

    async fn decide(&self, request: &Request, issuer: &Issuer) -> Result<String, JwtError> {
        let client = ClientInfo {
            user: request.user.clone(),
            name: request.name.clone(),
            host: request.host.clone(),
        };
        let checked = if !request.plain_client() {
            Err(Refused::Kind)
        } else if request.token.expose().is_empty() {
            Err(Refused::NoToken)
        } else {
            let check = self.validator.validate(request.token.expose(), &client);
            tokio::time::timeout(CHECK, check)
                .await
                .unwrap_or_else(|_| Err(Refused::Unavailable("no answer in time".into())))
        };
        let (host, id) = (&request.host, request.client_id);
        // After the check, which may have taken its time.
        let now = SystemTime::now();
        match checked {
            Ok(identity) => {
                let o = &self.options;
                let place = o.placement.of(identity.role.account());
                let answer = request.admit(issuer, &place, &identity, o.lifetime, now)?;
                self.admitted.fetch_add(1, Ordering::Relaxed);
                tracing::info!(role = %identity.role, %host, client = id, "admitted");
                Ok(answer)
            }
            Err(why) => {
                let answer = request.refuse(issuer, &why.to_string(), now)?;
                self.refused.fetch_add(1, Ordering::Relaxed);
                // Not the user as sent: some clients put a token there.
                let symbol = client.claimed_symbol();
                let name: String = request.name.chars().take(LONGEST_NAME).collect();
                tracing::warn!(%why, ?symbol, ?name, %host, client = id, "refused");
                Ok(answer)
            }
        }
    }
}
