//! Bytes on the bus: a JSON envelope that names its schema, a limit of size, and counts of what was no message.
//!
//! Whatever cannot be read is counted and dropped, never acted on and never fatal: a peer may be older, newer, broken or
//! hostile. What a writer emits is the lowest schema that any peer has reported ([`Codec::speak`]).

use crate::BusError;
use bytes::Bytes;
use helios_core::messages::{Envelope, OLDEST_SCHEMA, SCHEMA, Versioned};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Largest message that is read, bytes. The largest real one, a snapshot of 500 symbols, takes less than half of it.
pub const MAX_BYTES: usize = 512 * 1024;

/// Messages that were none, since start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refused {
    /// No JSON, or not of this type.
    pub malformed: u64,
    /// Larger than [`MAX_BYTES`].
    pub huge: u64,
    /// Of a schema that is not understood here.
    pub wrong_version: u64,
}

#[derive(Debug)]
struct Shared {
    speak: AtomicU32,
    malformed: AtomicU64,
    huge: AtomicU64,
    wrong_version: AtomicU64,
}

/// Encodes and decodes; clones share counts and the schema to speak.
#[derive(Clone, Debug)]
pub struct Codec(Arc<Shared>);

impl Default for Codec {
    fn default() -> Self {
        Self(Arc::new(Shared {
            speak: AtomicU32::new(SCHEMA),
            malformed: AtomicU64::new(0),
            huge: AtomicU64::new(0),
            wrong_version: AtomicU64::new(0),
        }))
    }
}

/// The version alone: read first, because the body of another version may have any shape.
#[derive(Deserialize)]
struct Version {
    schema: u32,
}

impl Codec {
    /// The schema to write from now on; kept within what is known here.
    pub fn speak(&self, schema: u32) {
        let schema = schema.clamp(OLDEST_SCHEMA, SCHEMA);
        self.0.speak.store(schema, Ordering::Relaxed);
    }

    /// The schema that is written.
    pub fn speaks(&self) -> u32 {
        self.0.speak.load(Ordering::Relaxed)
    }

    /// What was dropped since start.
    pub fn refused(&self) -> Refused {
        Refused {
            malformed: self.0.malformed.load(Ordering::Relaxed),
            huge: self.0.huge.load(Ordering::Relaxed),
            wrong_version: self.0.wrong_version.load(Ordering::Relaxed),
        }
    }

    /// Counts a message that could be read and still is none (e.g. of another symbol than its subject's).
    pub(crate) fn count_malformed(&self) {
        self.0.malformed.fetch_add(1, Ordering::Relaxed);
    }

    /// Writes a message in the schema that is spoken.
    ///
    /// # Errors
    /// It cannot be written as JSON; core's types always can.
    pub fn encode<T: Serialize + Versioned>(
        &self,
        subject: &str,
        value: &T,
    ) -> Result<Bytes, BusError> {
        let schema = self.speaks();
        if schema == SCHEMA {
            return to_bytes(
                subject,
                &Envelope {
                    schema,
                    body: value,
                },
            );
        }
        let mut body = value.clone();
        body.lower(schema);
        to_bytes(subject, &Envelope { schema, body })
    }

    /// Reads a message of this schema or the one before.
    ///
    /// # Errors
    /// [`BusError::Malformed`], counted by its kind.
    pub fn decode<T: DeserializeOwned>(&self, subject: &str, bytes: &[u8]) -> Result<T, BusError> {
        let no = |counter: &AtomicU64, why: String| {
            counter.fetch_add(1, Ordering::Relaxed);
            Err(BusError::Malformed {
                subject: subject.into(),
                why,
            })
        };
        if bytes.len() > MAX_BYTES {
            let why = format!("{} bytes, at most {MAX_BYTES} are read", bytes.len());
            return no(&self.0.huge, why);
        }
        match serde_json::from_slice::<Version>(bytes) {
            Ok(v) if (OLDEST_SCHEMA..=SCHEMA).contains(&v.schema) => {}
            Ok(v) => {
                let why = format!(
                    "schema {}, known are {OLDEST_SCHEMA} and {SCHEMA}",
                    v.schema
                );
                return no(&self.0.wrong_version, why);
            }
            Err(e) => return no(&self.0.malformed, e.to_string()),
        }
        match serde_json::from_slice::<Envelope<T>>(bytes) {
            Ok(e) => Ok(e.body),
            Err(e) => no(&self.0.malformed, e.to_string()),
        }
    }
}

/// JSON bytes of anything.
pub(crate) fn to_bytes<T: Serialize>(subject: &str, value: &T) -> Result<Bytes, BusError> {
    serde_json::to_vec(value)
        .map(Bytes::from)
        .map_err(|e| BusError::Malformed {
            subject: subject.into(),
            why: e.to_string(),
        })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use helios_core::messages::{
        AccountNumbers, AccountSnapshot, Command, Grant, GrantReply, GrantRequest, KellyStats,
        RateShare,
    };
    use rust_decimal::Decimal;

    fn grant() -> GrantReply {
        GrantReply::Granted(Grant {
            seq: 1,
            epoch: 2,
            task_uid: "t".into(),
            symbol: "BTCUSDT".into(),
            ceiling: Decimal::TEN,
            equity: Decimal::TEN,
            available: Decimal::TEN,
            kelly: KellyStats::default(),
            length_ms: 2000,
            share: Some(RateShare {
                weight_1m: 1,
                orders_10s: 2,
                orders_1m: 3,
            }),
        })
    }

    #[test]
    fn what_is_written_is_read_again() {
        let c = Codec::default();
        let bytes = c.encode("s", &grant()).unwrap();
        assert_eq!(c.decode::<GrantReply>("s", &bytes).unwrap(), grant());
        assert_eq!(c.refused(), Refused::default());
    }

    #[test]
    fn an_older_peer_is_spoken_to_in_its_own_words() {
        let c = Codec::default();
        c.speak(OLDEST_SCHEMA);
        let bytes = c.encode("s", &grant()).unwrap();
        let text = std::str::from_utf8(&bytes).unwrap();
        assert!(
            text.starts_with("{\"schema\":1,") && !text.contains("share"),
            "{text}"
        );
        let snapshot = AccountSnapshot {
            schema: SCHEMA,
            holder: "x".into(),
            numbers: Some(AccountNumbers::default()),
            ..AccountSnapshot::default()
        };
        let bytes = c.encode("s", &snapshot).unwrap();
        let read: AccountSnapshot = c.decode("s", &bytes).unwrap();
        assert_eq!(
            (read.schema, read.numbers, read.holder.as_str()),
            (1, None, "")
        );
        c.speak(99);
        assert_eq!(c.speaks(), SCHEMA);
    }

    #[test]
    fn a_message_of_the_version_before_is_read_with_what_it_lacks_left_empty() {
        let old = r#"{"schema":1,"body":{"symbol":"BTCUSDT","strategy":"d/s","taskUid":"t","seq":1,"epochSeen":0,
            "wishNotional":"1","positionNotional":"0","openEntryNotional":"0","wishRisk":"0"}}"#;
        let r: GrantRequest = Codec::default().decode("s", old.as_bytes()).unwrap();
        assert!(!r.fence_lost && r.symbol == "BTCUSDT");
    }

    #[test]
    fn malformed_huge_and_wrong_version_messages_are_counted_each_by_its_kind() {
        let c = Codec::default();
        let huge = vec![b' '; MAX_BYTES + 1];
        let deep = "[".repeat(100_000);
        for bad in [
            &b""[..],
            b"\xff\xfe",
            b"{}",
            b"{\"schema\":2}",
            b"{\"schema\":2,\"body\":{\"do\":\"dance\"}}",
            deep.as_bytes(),
        ] {
            assert!(c.decode::<Command>("s", bad).is_err());
        }
        assert!(c.decode::<Command>("s", &huge).is_err());
        for schema in [0, SCHEMA + 1, u32::MAX] {
            let m =
                format!("{{\"schema\":{schema},\"body\":{{\"do\":\"reconcile\",\"epoch\":1}}}}");
            assert!(c.decode::<Command>("s", m.as_bytes()).is_err());
        }
        assert_eq!(
            c.refused(),
            Refused {
                malformed: 6,
                huge: 1,
                wrong_version: 3
            }
        );
    }
}
