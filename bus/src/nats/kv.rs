//! Keys: read, written, swapped, by plain requests, so that each needs the permission of its own key only.

use super::Shared;
use super::link::{self, Link};
use super::seen::{Floor, Found, digest};
use crate::auth::origin;
use crate::{BusError, Entry};
use async_nats::client::RequestErrorKind;
use async_nats::{Client, HeaderMap, Message, Request, StatusCode};
use base64::Engine;
use bytes::Bytes;
use serde::Deserialize;
use std::time::Duration;

const EXPECTED: &str = "Nats-Expected-Last-Subject-Sequence";
/// JetStream's codes for a key that is at another revision.
const WRONG_REVISION: [u64; 2] = [10071, 10164];
/// JetStream's code for a key that does not exist.
const NO_MESSAGE: u64 = 10037;
/// Between two looks at a read that seems old.
const AGAIN: Duration = Duration::from_millis(50);

#[derive(Deserialize)]
struct ApiError {
    #[serde(default)]
    err_code: u64,
    #[serde(default)]
    description: String,
}

#[derive(Deserialize)]
struct Written {
    #[serde(default)]
    seq: u64,
    error: Option<ApiError>,
}

#[derive(Deserialize)]
struct Stored {
    message: Option<StoredMessage>,
    error: Option<ApiError>,
}

#[derive(Deserialize)]
struct StoredMessage {
    seq: u64,
    #[serde(default)]
    data: String,
}

fn malformed(subject: &str, why: impl ToString) -> BusError {
    BusError::Malformed {
        subject: subject.into(),
        why: why.to_string(),
    }
}

fn refused(subject: &str, e: ApiError) -> BusError {
    BusError::Refused {
        subject: subject.into(),
        why: e.description,
    }
}

fn found(entry: Option<&Entry>) -> Found {
    entry.map(|e| (e.revision, digest(&e.value)))
}

/// A key that can be one: tokens between dots, no wildcards.
pub(super) fn check_key(key: &str) -> Result<(), BusError> {
    let fine = |t: &str| {
        !t.is_empty()
            && t.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_=/".contains(&b))
    };
    if key.split('.').all(fine) {
        Ok(())
    } else {
        Err(malformed(key, "no key"))
    }
}

/// One question on one connection.
///
/// An inbox each: the library's shared one keeps what was asked in vain for ever.
pub(super) async fn ask(
    link: &Link,
    subject: &str,
    headers: Option<HeaderMap>,
    payload: Bytes,
    within: Duration,
) -> Result<Message, BusError> {
    let client: &Client = &link.client;
    let mut request = Request::new()
        .payload(payload)
        .inbox(client.new_inbox())
        .timeout(None);
    if let Some(h) = headers {
        request = request.headers(h);
    }
    let asked = client.send_request(subject.to_owned(), request);
    match tokio::time::timeout(within, asked).await {
        Ok(Ok(m)) => Ok(m),
        Ok(Err(e)) => Err(match e.kind() {
            RequestErrorKind::NoResponders => BusError::NoResponder(subject.into()),
            RequestErrorKind::InvalidSubject | RequestErrorKind::MaxPayloadExceeded => {
                malformed(subject, e)
            }
            // The connection ended under it.
            _ => BusError::Disconnected,
        }),
        Err(_) => Err(BusError::Timeout {
            subject: subject.into(),
            ms: within.as_millis() as u64,
        }),
    }
}

impl Shared {
    /// One question on the connection that stands; fails as soon as that ends.
    pub(super) async fn ask(
        &self,
        subject: &str,
        headers: Option<HeaderMap>,
        payload: Bytes,
        within: Duration,
    ) -> Result<Message, BusError> {
        let mut line = self.line.subscribe();
        let link = link::up(&line)?;
        tokio::select! {
            biased;
            answer = ask(&link, subject, headers, payload, within) => answer,
            () = link::ended(&mut line, link.number) => Err(BusError::Disconnected),
        }
    }

    fn key_subject(&self, key: &str) -> String {
        format!("$KV.{}.{key}", self.config.bucket)
    }

    /// From any copy.
    async fn direct(&self, key: &str) -> Result<Option<Entry>, BusError> {
        let subject = format!(
            "$JS.API.DIRECT.GET.KV_{}.{}",
            self.config.bucket,
            self.key_subject(key)
        );
        let m = self
            .ask(&subject, None, Bytes::new(), self.config.bucket_timeout)
            .await?;
        match m.status {
            None | Some(StatusCode::OK) => {}
            Some(StatusCode::NOT_FOUND) => return Ok(None),
            Some(s) => {
                return Err(BusError::Refused {
                    subject,
                    why: format!("{s} {}", m.description.unwrap_or_default()),
                });
            }
        }
        // A value that the store was made to send carries the headers of that sending too; the last ones are this read's.
        let revision = m
            .headers
            .as_ref()
            .and_then(|h| h.get_all("Nats-Sequence").last())
            .and_then(|v| v.as_str().parse().ok())
            .ok_or_else(|| malformed(&subject, "a value without revision"))?;
        let written = origin::passes(m.headers.as_ref()) <= 1;
        if !written {
            tracing::warn!(
                key,
                "a value that nobody wrote, but the store was made to send, reads as empty"
            );
        }
        Ok(Some(Entry {
            key: key.into(),
            value: if written { m.payload } else { Bytes::new() },
            revision,
        }))
    }

    /// From the copy that leads.
    async fn leading(&self, key: &str) -> Result<Option<Entry>, BusError> {
        let subject = format!("$JS.API.STREAM.MSG.GET.KV_{}", self.config.bucket);
        let body = serde_json::json!({ "last_by_subj": self.key_subject(key) }).to_string();
        let m = self
            .ask(&subject, None, body.into(), self.config.bucket_timeout)
            .await?;
        let stored: Stored =
            serde_json::from_slice(&m.payload).map_err(|e| malformed(&subject, e))?;
        match (stored.message, stored.error) {
            (Some(m), _) => Ok(Some(Entry {
                key: key.into(),
                value: base64::engine::general_purpose::STANDARD
                    .decode(&m.data)
                    .map_err(|e| malformed(&subject, e))?
                    .into(),
                revision: m.seq,
            })),
            (None, Some(e)) if e.err_code == NO_MESSAGE => Ok(None),
            (None, Some(e)) => Err(refused(&subject, e)),
            (None, None) => Err(malformed(&subject, "neither value nor error")),
        }
    }

    /// Reads a key: never older than what this client saw before, unless that counts as a rollback.
    pub(super) async fn get(&self, key: &str) -> Result<Option<Entry>, BusError> {
        check_key(key)?;
        let floor = self.seen().floor(key);
        let mut entry = self.direct(key).await?;
        if self.seen().read(key, floor, found(entry.as_ref())) {
            return Ok(entry);
        }
        if self.config.leader_reads {
            entry = self.leading(key).await?;
            if self.seen().read(key, floor, found(entry.as_ref())) {
                return Ok(entry);
            }
        } else {
            let until = tokio::time::Instant::now() + self.config.old_for;
            while tokio::time::Instant::now() < until {
                tokio::time::sleep(AGAIN).await;
                entry = self.direct(key).await?;
                if self.seen().read(key, floor, found(entry.as_ref())) {
                    return Ok(entry);
                }
            }
        }
        let seen = found(entry.as_ref());
        if self.seen().count(key, floor, seen) {
            self.rolled_back(key, seen);
        }
        Ok(entry)
    }

    /// Writes a key, at `expected` only if that is given; `None` when it is at another revision.
    async fn write(
        &self,
        key: &str,
        expected: Option<u64>,
        value: Bytes,
        floor: Floor,
    ) -> Result<Option<u64>, BusError> {
        let subject = self.key_subject(key);
        let headers = expected.map(|e| {
            let mut h = HeaderMap::new();
            h.insert(EXPECTED, e.to_string());
            h
        });
        let digest = digest(&value);
        let m = self
            .ask(&subject, headers, value, self.config.bucket_timeout)
            .await?;
        let written: Written =
            serde_json::from_slice(&m.payload).map_err(|e| malformed(&subject, e))?;
        match written.error {
            Some(e) if expected.is_some() && WRONG_REVISION.contains(&e.err_code) => {
                return Ok(None);
            }
            Some(e) => return Err(refused(&subject, e)),
            None if written.seq == 0 => return Err(malformed(&subject, "written at no revision")),
            None => {}
        }
        let now = (written.seq, digest);
        if !self.seen().acknowledged(key, floor, now) {
            self.rolled_back(key, Some(now));
        }
        Ok(Some(written.seq))
    }

    pub(super) async fn put(&self, key: &str, value: Bytes) -> Result<u64, BusError> {
        check_key(key)?;
        let floor = self.seen().floor(key);
        self.write(key, None, value, floor)
            .await?
            .ok_or_else(|| malformed(key, "an unconditional write was refused for its revision"))
    }

    pub(super) async fn swap(
        &self,
        key: &str,
        expected: u64,
        value: Bytes,
    ) -> Result<u64, BusError> {
        check_key(key)?;
        let floor = self.seen().floor(key);
        if let Some(revision) = self.write(key, Some(expected), value, floor).await? {
            return Ok(revision);
        }
        let mut actual = expected;
        // A copy that lags may still show the revision that lost.
        for _ in 0..10 {
            actual = self.get(key).await?.map_or(0, |e| e.revision);
            if actual == expected && self.config.leader_reads {
                actual = self.leading(key).await?.map_or(0, |e| e.revision);
            }
            if actual != expected {
                break;
            }
            tokio::time::sleep(AGAIN).await;
        }
        Err(BusError::WrongRevision {
            key: key.into(),
            expected,
            actual,
        })
    }
}
