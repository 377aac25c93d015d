//! What an answer means: from (HTTP status, exchange code) to a refusal, or to *unknown*.
//!
//! The question that matters is whether the request may have had effect. When that isn't certain the class is
//! *unknown*, and the order machine asks the venue before it does anything else. What a refusal's code means, and what
//! the machines do about it, is core's: [`helios_core::order::refusal`].
//!
//! | HTTP | code | class |
//! |---|---|---|
//! | 2xx | – | accepted; a body that can't be read: **unknown** (it most likely had effect) |
//! | 408, 5xx | none, or any but −1008 and −1016 | **unknown** |
//! | any | −1000, −1001, −1006, −1007 | **unknown** |
//! | any | −1008, −1016 | [`Refusal::Overloaded`] (reduce-only orders are exempt at the exchange) |
//! | 429, 418, 403 | any | [`Refusal::RateLimited`], wait by `Retry-After`, else until the time of "banned until", else 10 s, 120 s, 300 s |
//! | any | −1003, −1015 | [`Refusal::RateLimited`], the same wait, else 10 s |
//! | 4xx | any other | [`Refusal::of_code`] |
//! | – | could not connect, nothing written | [`Refusal::NotSent`] |
//! | – | timeout, connection lost after writing | **unknown** |

use helios_core::order::Refusal;
use std::sync::Arc;

/// listenKey is gone: make a new one.
pub const CODE_LISTEN_KEY: i64 = -1125;
/// Initial leverage, margin type or mode is already what was asked for.
pub const CODE_NO_CHANGE: [i64; 2] = [-4046, -4059];

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ApiError {
    /// The exchange said no; the request had no effect.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// It may or may not have had effect (reads: there is no answer).
    #[error("no certain answer: {0}")]
    Unknown(Arc<str>),
    /// The answer of a read isn't what the protocol says.
    #[error("{what}: unreadable answer: {why}")]
    Decode {
        /// Which call.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
}

impl ApiError {
    /// A refusal by a local gate.
    pub fn not_sent(why: impl Into<Arc<str>>) -> Self {
        Self::Refused(Refusal::NotSent { why: why.into() })
    }

    /// The refusal, when it is one.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(r) => Some(r),
            _ => None,
        }
    }

    /// The exchange's code, where the refusal keeps it.
    pub fn code(&self) -> Option<i64> {
        self.refusal().and_then(Refusal::code)
    }
}

/// Where an answer comes from and when: what it takes to know how long a ban lasts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Heard {
    /// `Retry-After`, ms.
    pub retry_after_ms: Option<u64>,
    /// Venue time now, ms.
    pub now_ms: i64,
}

/// Meaning of an answer that isn't 2xx, by the table above. `code` and `msg` are of the JSON body where there is one.
pub fn classify(status: u16, code: Option<i64>, msg: &str, heard: Heard) -> ApiError {
    let wait = |default_ms: u64| {
        heard
            .retry_after_ms
            .or_else(|| banned_for(msg, heard.now_ms))
            .unwrap_or(default_ms)
    };
    let limited = |default_ms: u64| Refusal::RateLimited {
        retry_after_ms: wait(default_ms),
    };
    ApiError::Refused(match (status, code) {
        (418, _) => limited(120_000),
        (429, _) => limited(10_000),
        (403, _) => limited(300_000),
        (_, Some(c @ (-1000 | -1001 | -1006 | -1007))) => {
            return ApiError::Unknown(format!("HTTP {status}, {c} {msg}").into());
        }
        (_, Some(c @ (-1008 | -1016 | -1003 | -1015))) => Refusal::of_code(c, msg, wait(10_000)),
        (408 | 500.., code) => {
            let code = code.map_or(String::new(), |c| format!("{c} "));
            return ApiError::Unknown(format!("HTTP {status}, {code}{msg}").into());
        }
        (_, Some(code)) => Refusal::of_code(code, msg, wait(10_000)),
        (status, None) => Refusal::Other {
            code: i64::from(status),
            msg: msg.into(),
        },
    })
}

/// "Way too many requests; IP(1.2.3.4) banned until 1573034000000. …": how long that is from now.
fn banned_for(msg: &str, now_ms: i64) -> Option<u64> {
    let after = msg.split_once("banned until ")?.1;
    let digits = after.split(|c: char| !c.is_ascii_digit()).next()?;
    let until: i64 = digits.parse().ok()?;
    u64::try_from(until.checked_sub(now_ms)?)
        .ok()
        .filter(|ms| *ms > 0)
}

/// Meaning of a failure below HTTP: only a connection that never came about proves that nothing was sent.
pub(crate) fn transport(e: &reqwest::Error) -> ApiError {
    let mut why = e.to_string();
    let mut source = std::error::Error::source(e);
    while let Some(s) = source {
        why = format!("{why}: {s}");
        source = s.source();
    }
    if e.is_builder() || e.is_connect() {
        ApiError::not_sent(why)
    } else {
        ApiError::Unknown(why.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(status: u16, code: i64) -> Option<Refusal> {
        classify(status, Some(code), "words", Heard::default())
            .refusal()
            .cloned()
    }

    #[test]
    fn a_refused_request_has_the_reason_of_its_code() {
        for code in [-2021, -2015, -1111, -1021, -2019, -4164, -7777] {
            assert_eq!(refusal(400, code), Some(Refusal::of_code(code, "words", 0)));
        }
    }

    #[test]
    fn what_may_have_had_effect_is_unknown() {
        for (status, code) in [
            (503, Some(-1000)),
            (503, None),
            (502, None),
            (504, None),
            (500, Some(-1001)),
            (408, Some(-1007)),
            (400, Some(-1007)),
            (200, Some(-1006)),
        ] {
            let e = classify(status, code, "", Heard::default());
            assert!(matches!(e, ApiError::Unknown(_)), "{status} {code:?}: {e}");
        }
        assert_eq!(refusal(503, -1008), Some(Refusal::Overloaded));
    }

    #[test]
    fn too_many_requests_carry_the_wait() {
        let said = |status, code, msg, retry_after_ms| {
            let heard = Heard {
                retry_after_ms,
                now_ms: 1_573_033_990_000,
            };
            classify(status, code, msg, heard).refusal().cloned()
        };
        let wait = |status, code, retry| said(status, code, "", retry);
        let limited = |ms| Some(Refusal::RateLimited { retry_after_ms: ms });
        assert_eq!(wait(429, Some(-1003), Some(7_000)), limited(7_000));
        assert_eq!(wait(429, None, None), limited(10_000));
        assert_eq!(wait(418, None, None), limited(120_000));
        assert_eq!(wait(400, Some(-1015), None), limited(10_000));
        assert_eq!(wait(403, None, None), limited(300_000));
        let banned = "Way too many requests; IP(1.2.3.4) banned until 1573034000000. Please use the websocket.";
        assert_eq!(said(418, Some(-1003), banned, None), limited(10_000));
        let long_ago = "IP banned until 1573030000000.";
        assert_eq!(said(418, Some(-1003), long_ago, None), limited(120_000));
    }
}
