//! Whose a pod's token is: `helios nats-auth --kubernetes` asks the API server.
//!
//! Pods show projected tokens of their service accounts. The API server says whether one is good, for which audience, whose
//! it is and which pod it was made for; nothing that a client says of itself is believed, it only chooses what is asked.
//! A worker's audience names its strategy, so that a token can't be shown for another one's parameters; the name of its pod
//! is the claim on account and symbol. A coordinator and the operator are known by their service accounts.
//!
//! The token goes to the API server and nowhere else: not into errors, not into logs.

use async_trait::async_trait;
use helios_bus::auth::validator::Claim;
use helios_bus::auth::{ClientInfo, Identity, Refused, Role, StaticTokens, Validator};
use helios_core::plan::worker_name;
use helios_operator::names;
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, UserInfo};
use kube::api::PostParams;
use kube::core::Request;
use kube::{Client, Resource};
use std::time::Duration;

/// Audience of coordinators' and the operator's tokens; a worker's is this, `:` and the full name of its strategy.
pub const AUDIENCE: &str = "helios-nats";
/// Where the API server says which pod a token was made for.
const POD_NAME: &str = "authentication.kubernetes.io/pod-name";
/// Longest that the API server may take; the callout waits a little longer.
const CALL: Duration = Duration::from_millis(1200);

/// Checks tokens by TokenReview. Needs `create` on `tokenreviews`.
pub struct TokenReviews {
    client: Client,
    /// User of the operator; without, nobody is.
    operator: Option<String>,
}

/// User of a service account.
fn user(namespace: &str, name: &str) -> String {
    format!("system:serviceaccount:{namespace}:{name}")
}

fn not_this(why: impl Into<String>) -> Refused {
    Refused::Claim(why.into())
}

/// Namespace and name of a full name.
fn parts(full: &str) -> Result<(&str, &str), Refused> {
    let split = full.split_once('/').filter(|(_, n)| !n.contains('/'));
    split.ok_or_else(|| not_this("no namespace/name is claimed"))
}

impl TokenReviews {
    /// By this client, which must send nothing twice; the operator's service account as `namespace/name`, if there is one.
    pub fn new(client: Client, operator: Option<(String, String)>) -> Self {
        Self {
            client,
            operator: operator.map(|(namespace, name)| user(&namespace, &name)),
        }
    }

    /// Whose the token is, if it is good for this audience.
    async fn review(&self, token: &str, audience: &str) -> Result<UserInfo, Refused> {
        let unavailable = |why: &str| Refused::Unavailable(format!("the API server: {why}"));
        let review = TokenReview {
            spec: TokenReviewSpec {
                audiences: Some(vec![audience.into()]),
                token: token.into(),
            },
            ..TokenReview::default()
        };
        let body = serde_json::to_vec(&review).map_err(|_| unavailable("the question"))?;
        let path = TokenReview::url_path(&(), None);
        let request = Request::new(path).create(&PostParams::default(), body);
        let request = request.map_err(|_| unavailable("the question"))?;
        // Read as text: kube logs an answer that it can't parse, and this one repeats the token.
        let asked = self.client.request_text(request);
        let answer = tokio::time::timeout(CALL, asked)
            .await
            .map_err(|_| unavailable("no answer in time"))?
            .map_err(|e| match &e {
                kube::Error::Api(s) => unavailable(&format!("{} {}", s.code, s.reason)),
                _ => unavailable("it can't be reached"),
            })?;
        let answer: TokenReview =
            serde_json::from_str(&answer).map_err(|_| unavailable("an answer that is none"))?;
        let status = answer.status.unwrap_or_default();
        if status.authenticated != Some(true) {
            return Err(Refused::Unknown);
        }
        // A server that knows nothing of audiences names none: then the token may be good for anything.
        let audiences = status.audiences.unwrap_or_default();
        if !audiences.iter().any(|a| a == audience) {
            return Err(not_this(format!("it is not for {audience}")));
        }
        status.user.ok_or(Refused::Unknown)
    }

    async fn worker(
        &self,
        token: &str,
        symbol: &str,
        account: &str,
        strategy: &str,
    ) -> Result<Role, Refused> {
        let (namespace, name) = parts(account)?;
        if parts(strategy)?.0 != namespace {
            return Err(not_this("account and strategy are of two namespaces"));
        }
        let found = self
            .review(token, &format!("{AUDIENCE}:{strategy}"))
            .await?;
        let wanted = user(namespace, &names::workers(name));
        is(&found, &wanted)?;
        let pod = worker_name(account, symbol);
        let of = found.extra.as_ref().and_then(|e| e.get(POD_NAME));
        match of.map(Vec::as_slice) {
            Some([one]) if *one == pod => Ok(Role::Worker {
                account: account.into(),
                symbol: symbol.into(),
                strategy: strategy.into(),
            }),
            Some([one]) => Err(not_this(format!(
                "it is pod {one}'s, and {symbol} is {pod}'s"
            ))),
            _ => Err(not_this("it was made for no pod")),
        }
    }

    async fn operator(&self, token: &str, account: &str) -> Result<Role, Refused> {
        let Some(wanted) = &self.operator else {
            return Err(not_this("there is no operator: --operator-service-account"));
        };
        parts(account)?;
        let found = self.review(token, AUDIENCE).await?;
        is(&found, wanted)?;
        Ok(Role::Operator {
            account: account.into(),
        })
    }

    /// The service account says which account it is for: nothing is claimed.
    async fn coordinator(&self, token: &str) -> Result<Role, Refused> {
        let found = self.review(token, AUDIENCE).await?;
        let name = found.username.unwrap_or_default();
        let rest = name.strip_prefix("system:serviceaccount:");
        let split = rest.and_then(|r| r.split_once(":hc-"));
        match split.filter(|(ns, a)| !ns.is_empty() && !a.is_empty() && !ns.contains(':')) {
            Some((namespace, account)) => Ok(Role::Coordinator {
                account: format!("{namespace}/{account}"),
            }),
            None => Err(not_this(format!("{name} is no coordinator's"))),
        }
    }
}

fn is(found: &UserInfo, wanted: &str) -> Result<(), Refused> {
    match found.username.as_deref() {
        Some(name) if name == wanted => Ok(()),
        Some(name) => Err(not_this(format!("it is {name}'s, not {wanted}'s"))),
        None => Err(Refused::Unknown),
    }
}

#[async_trait]
impl Validator for TokenReviews {
    async fn validate(&self, token: &str, client: &ClientInfo) -> Result<Identity, Refused> {
        if token.is_empty() {
            return Err(Refused::NoToken);
        }
        let role = match client.claim() {
            Claim::Worker {
                symbol,
                of: Some((account, strategy)),
            } => self.worker(token, symbol, account, strategy).await?,
            Claim::Worker { of: None, .. } => {
                return Err(not_this("a worker claims its account and strategy too"));
            }
            Claim::Operator { account } => self.operator(token, account).await?,
            Claim::None => self.coordinator(token).await?,
        };
        // How long it holds is the callout's lifetime: then the client shows the token that its pod has by then.
        Ok(Identity {
            role,
            expires: None,
        })
    }
}

/// Static tokens, for people and whoever else is in no pod, and what the API server says of all others.
pub struct Both {
    /// Tokens from a file.
    pub tokens: StaticTokens,
    /// Tokens of pods.
    pub reviews: TokenReviews,
}

#[async_trait]
impl Validator for Both {
    async fn validate(&self, token: &str, client: &ClientInfo) -> Result<Identity, Refused> {
        match self.tokens.validate(token, client).await {
            // A file that can't be read keeps people out, and no pod.
            Err(Refused::Unknown | Refused::Unavailable(_)) => {
                self.reviews.validate(token, client).await
            }
            known => known,
        }
    }
}

#[cfg(test)]
#[path = "token_review_tests.rs"]
mod tests;
