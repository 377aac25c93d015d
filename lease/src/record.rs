//! The record that candidates share: field for field a Kubernetes `coordination.k8s.io/v1` LeaseSpec.
//!
//! Its times are for people. No code compares them with a clock, so a clock that is wrong, or is set, changes nothing.

use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A wall-clock time with microseconds; as text RFC 3339 in UTC with exactly six decimals, as Kubernetes' MicroTime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MicroTime(Timestamp);

impl MicroTime {
    /// From microseconds since the Unix epoch; what lies outside the years -9999 to 9999 becomes the epoch.
    pub fn from_unix_us(us: i64) -> Self {
        Self(Timestamp::from_microsecond(us).unwrap_or(Timestamp::UNIX_EPOCH))
    }

    /// Microseconds since the Unix epoch.
    pub fn unix_us(self) -> i64 {
        self.0.as_microsecond()
    }
}

impl std::fmt::Display for MicroTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(6));
        f.write_str(&PRINTER.timestamp_to_string(&self.0))
    }
}

impl Serialize for MicroTime {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for MicroTime {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        let t: Timestamp = text.parse().map_err(de::Error::custom)?;
        Ok(Self::from_unix_us(t.as_microsecond()))
    }
}

/// Who leads, since when, and how often that changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LeaseRecord {
    /// The leader; `None` or empty when nobody leads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder_identity: Option<String>,
    /// How long a candidate must see the record unchanged before it may take over, s.
    pub lease_duration_seconds: u32,
    /// When this term began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acquire_time: Option<MicroTime>,
    /// When the leader last renewed; differs from write to write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renew_time: Option<MicroTime>,
    /// Number of the term. Grows with every change of the leader, and also when the same one leads again after it had lost.
    pub lease_transitions: u64,
}

impl LeaseRecord {
    /// The leader, if there is one.
    pub fn holder(&self) -> Option<&str> {
        self.holder_identity.as_deref().filter(|h| !h.is_empty())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_record_reads_and_writes_as_kubernetes_does() {
        let text = r#"{"holderIdentity":"a","leaseDurationSeconds":6,"acquireTime":"2026-03-01T12:00:00.000000Z","renewTime":"2026-03-01T12:00:05.120000Z","leaseTransitions":3}"#;
        let r: LeaseRecord = serde_json::from_str(text).unwrap();
        assert_eq!(r.holder(), Some("a"));
        assert_eq!(r.renew_time.unwrap().unix_us() % 1_000_000, 120_000);
        assert_eq!(serde_json::to_string(&r).unwrap(), text);
    }

    #[test]
    fn an_empty_holder_is_none() {
        for holder in ["", r#""holderIdentity":"","#, r#""holderIdentity":null,"#] {
            let text = format!(r#"{{{holder}"leaseDurationSeconds":1,"leaseTransitions":3}}"#);
            let r: LeaseRecord = serde_json::from_str(&text).unwrap();
            assert_eq!(r.holder(), None);
        }
    }

    #[test]
    fn a_record_without_its_numbers_or_with_a_time_that_is_none_is_an_error() {
        for text in [
            "{}",
            r#"{"leaseDurationSeconds":1}"#,
            r#"{"leaseDurationSeconds":-1,"leaseTransitions":3}"#,
            r#"{"leaseDurationSeconds":1,"leaseTransitions":3,"renewTime":"yesterday"}"#,
        ] {
            assert!(serde_json::from_str::<LeaseRecord>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_out_of_range_do_not_panic() {
        assert_eq!(MicroTime::from_unix_us(i64::MAX).unix_us(), 0);
        assert_eq!(MicroTime::from_unix_us(i64::MIN).unix_us(), 0);
    }
}
