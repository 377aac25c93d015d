//! NATS's JWTs, as far as the auth callout needs them: the server's request read and checked, the answer built and signed.
//!
//! Form: `header.claims.signature`, base64url without padding, algorithm `ed25519-nkey`; keys are nkeys. What the server
//! accepts is fixed by its own library (version 2 of the claims).

use super::keys::Issuer;
use super::{Identity, Permissions};
use data_encoding::{BASE32_NOPAD, BASE64URL_NOPAD};
use nkeys::{KeyPair, KeyPairType};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha512_256};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use zeroize::Zeroizing;

/// Bytes of the longest request that is looked at; certificates of a TLS client travel in it.
pub const LONGEST: usize = 256 * 1024;
/// Audience of a request.
const REQUEST: &str = "nats-authorization-request";
/// The server's clock may be this far ahead of ours.
const SKEW: u64 = 60;

/// Why a JWT was not taken, or not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwtError {
    /// Not three parts of base64url with the JSON that belongs there.
    #[error("not an authorization request")]
    Malformed,
    /// Longer than [`LONGEST`].
    #[error("too long")]
    TooLong,
    /// Not signed by the server that it says it is from.
    #[error("wrong signature")]
    Signature,
    /// Not made for this service.
    #[error("not for this service")]
    Audience,
    /// Too old, or from the future.
    #[error("outside its time")]
    Time,
    /// Not sealed for us, where sealing is agreed.
    #[error("not sealed for this service (xkey in the server's auth_callout)")]
    Unsealed,
    /// The answer can't be signed or sealed.
    #[error("the answer can't be signed")]
    Unsigned,
}

/// What the server asks: may this connection come in, and as whom?
#[derive(Debug)]
pub struct Request {
    /// Public key of the server (`N…`): to whom the answer is addressed.
    pub server: String,
    /// Public key that the server made up for this connection (`U…`): for whom the answer is, once.
    pub user_nkey: String,
    /// Key with which the answer may be sealed.
    pub server_xkey: Option<String>,
    /// Address of the client.
    pub host: String,
    /// Number of the connection at that server.
    pub client_id: u64,
    /// `Client`, `Leafnode`, ...
    pub kind: String,
    /// `nats`, `mqtt`, `websocket`.
    pub kind_type: String,
    /// What the client calls itself.
    pub name: String,
    /// User that the client claims to be.
    pub user: String,
    /// What the client shows.
    pub token: Token,
}

/// A token shown by a client: wiped when dropped, never printed.
pub struct Token(Zeroizing<String>);

impl Token {
    /// Its text.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(..)")
    }
}

#[derive(Deserialize)]
struct HeaderIn {
    alg: String,
}

#[derive(Deserialize)]
struct RequestClaims {
    #[serde(default)]
    aud: String,
    #[serde(default)]
    exp: u64,
    #[serde(default)]
    nbf: u64,
    #[serde(default)]
    iat: u64,
    iss: String,
    nats: RequestBody,
}

#[derive(Deserialize)]
struct RequestBody {
    user_nkey: String,
    #[serde(default)]
    server_id: ServerId,
    #[serde(default)]
    client_info: Info,
    #[serde(default)]
    connect_opts: Opts,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ServerId {
    id: String,
    xkey: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Info {
    host: String,
    id: u64,
    kind: String,
    r#type: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Opts {
    auth_token: Zeroizing<String>,
    user: String,
    pass: Zeroizing<String>,
    name: String,
}

/// A public nkey of that kind.
fn public(text: &str, kind: KeyPairType) -> Option<KeyPair> {
    KeyPair::from_public_key(text)
        .ok()
        .filter(|k| k.key_pair_type() == kind)
}

impl Request {
    /// Reads and checks what the server has sent. The signature proves who made the request; that it is a server at all is
    /// the NATS server's promise, which lets nobody else publish on the callout's subject.
    ///
    /// # Errors
    /// It is none, not signed by its issuer, not for us or not for now.
    pub fn decode(bytes: &[u8], now: SystemTime) -> Result<Self, JwtError> {
        use JwtError::{Audience, Malformed, Signature, Time, TooLong};
        if bytes.len() > LONGEST {
            return Err(TooLong);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| Malformed)?;
        let (signed, signature) = text.rsplit_once('.').ok_or(Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(Malformed)?;
        let part = |p: &str| BASE64URL_NOPAD.decode(p.as_bytes()).map_err(|_| Malformed);
        let header: HeaderIn = serde_json::from_slice(&part(header)?).map_err(|_| Malformed)?;
        if !header.alg.eq_ignore_ascii_case("ed25519-nkey") {
            return Err(Malformed);
        }
        let claims = Zeroizing::new(part(claims)?);
        let mut claims: RequestClaims = serde_json::from_slice(&claims).map_err(|_| Malformed)?;
        let server = public(&claims.iss, KeyPairType::Server).ok_or(Signature)?;
        server
            .verify(signed.as_bytes(), &part(signature)?)
            .map_err(|_| Signature)?;
        let body = &mut claims.nats;
        if claims.aud != REQUEST || body.server_id.id != claims.iss {
            return Err(Audience);
        }
        let now = seconds(now);
        if claims.exp <= now || claims.nbf.max(claims.iat) > now + SKEW {
            return Err(Time);
        }
        public(&body.user_nkey, KeyPairType::User).ok_or(Malformed)?;
        let opts = &mut body.connect_opts;
        let shown = if opts.pass.is_empty() {
            &mut opts.auth_token
        } else {
            &mut opts.pass
        };
        Ok(Self {
            token: Token(std::mem::take(shown)),
            user: std::mem::take(&mut opts.user),
            name: std::mem::take(&mut opts.name),
            server: claims.iss,
            user_nkey: std::mem::take(&mut body.user_nkey),
            server_xkey: body.server_id.xkey.take(),
            host: std::mem::take(&mut body.client_info.host),
            client_id: body.client_info.id,
            kind: std::mem::take(&mut body.client_info.kind),
            kind_type: std::mem::take(&mut body.client_info.r#type),
        })
    }

    /// Is it an ordinary connection, not one of MQTT, a websocket, or another server?
    pub fn plain_client(&self) -> bool {
        self.kind == "Client" && self.kind_type == "nats"
    }

    /// The signed answer that lets the client in as `identity` into the server's account `account`, until `lifetime` is
    /// over or its token ends, whichever is first.
    ///
    /// # Errors
    /// It can't be signed.
    pub fn admit(
        &self,
        issuer: &Issuer,
        account: &str,
        identity: &Identity,
        lifetime: Duration,
        now: SystemTime,
    ) -> Result<String, JwtError> {
        let ends = now + lifetime;
        let ends = identity.expires.map_or(ends, |e| e.min(ends));
        let permissions = Permissions::of(&identity.role);
        let user = Claims {
            aud: account.into(),
            exp: Some(seconds(ends)),
            name: Some(identity.role.to_string()),
            ..Claims::new(issuer, &self.user_nkey, now)
        };
        let jwt = sign(issuer, user, &User::new(permissions))?;
        self.respond(issuer, &Response::Jwt(jwt), now)
    }

    /// The signed answer that keeps the client out; the server logs `why`, the client is told nothing.
    ///
    /// # Errors
    /// It can't be signed.
    pub fn refuse(&self, issuer: &Issuer, why: &str, now: SystemTime) -> Result<String, JwtError> {
        self.respond(issuer, &Response::Error(why.into()), now)
    }

    fn respond(
        &self,
        issuer: &Issuer,
        what: &Response,
        now: SystemTime,
    ) -> Result<String, JwtError> {
        let claims = Claims {
            aud: self.server.clone(),
            ..Claims::new(issuer, &self.user_nkey, now)
        };
        let (jwt, error) = match what {
            Response::Jwt(j) => (Some(j.as_str()), None),
            Response::Error(e) => (None, Some(e.as_str())),
        };
        let body = ResponseBody {
            jwt,
            error,
            r#type: "authorization_response",
            version: 2,
        };
        sign(issuer, claims, &body)
    }
}

enum Response {
    Jwt(String),
    Error(String),
}

#[derive(Serialize)]
struct ResponseBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    jwt: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    r#type: &'static str,
    version: u8,
}

/// The standard claims, in the order in which the server's library writes them.
#[derive(Clone, Serialize)]
struct Claims {
    aud: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<String>,
    iat: u64,
    iss: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    sub: String,
}

impl Claims {
    fn new(issuer: &Issuer, subject: &str, now: SystemTime) -> Self {
        Self {
            aud: String::new(),
            exp: None,
            jti: None,
            iat: seconds(now),
            iss: issuer.public(),
            name: None,
            sub: subject.into(),
        }
    }
}

#[derive(Serialize)]
struct Allow {
    allow: Vec<String>,
}

#[derive(Serialize)]
struct User {
    r#pub: Allow,
    sub: Allow,
    subs: i64,
    data: i64,
    payload: i64,
    allowed_connection_types: [&'static str; 1],
    r#type: &'static str,
    version: u8,
}

impl User {
    fn new(p: Permissions) -> Self {
        Self {
            r#pub: Allow { allow: p.publish },
            sub: Allow { allow: p.subscribe },
            // No limit beyond the server's.
            subs: -1,
            data: -1,
            payload: -1,
            allowed_connection_types: ["STANDARD"],
            r#type: "user",
            version: 2,
        }
    }
}

#[derive(Serialize)]
struct Signed<'a, B> {
    #[serde(flatten)]
    claims: Claims,
    nats: &'a B,
}

fn sign<B: Serialize>(issuer: &Issuer, mut claims: Claims, body: &B) -> Result<String, JwtError> {
    let json = |v: Result<Vec<u8>, serde_json::Error>| v.map_err(|_| JwtError::Unsigned);
    // As the server's library does: the id is the hash of the claims without it.
    let hash = Sha512_256::digest(json(serde_json::to_vec(&claims))?);
    claims.jti = Some(BASE32_NOPAD.encode(&hash));
    let header = BASE64URL_NOPAD.encode(br#"{"typ":"JWT","alg":"ed25519-nkey"}"#);
    let payload = json(serde_json::to_vec(&Signed { claims, nats: body }))?;
    let text = format!("{header}.{}", BASE64URL_NOPAD.encode(&payload));
    let signature = issuer.sign(text.as_bytes()).ok_or(JwtError::Unsigned)?;
    Ok(format!("{text}.{}", BASE64URL_NOPAD.encode(&signature)))
}

/// Unix seconds.
fn seconds(t: SystemTime) -> u64 {
    t.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

#[cfg(test)]
#[path = "jwt_tests.rs"]
mod tests;
