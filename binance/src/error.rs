//! What an answer means: one table from (HTTP status, exchange code) to a class to act on.
//!
//! The question that matters is whether the request may have had effect. When that isn't certain the class is
//! *unknown*, and the order machine asks the venue before it does anything else.
//!
//! | HTTP | code | class |
//! |---|---|---|
//! | 2xx | – | accepted; a body that can't be read: **unknown** (it most likely had effect) |
//! | 408, 5xx | none, −1000, −1001, −1006, −1007 | **unknown** |
//! | any | −1000, −1001, −1006, −1007 | **unknown** |
//! | any | −1008 | [`Refusal::Overloaded`] (reduce-only orders are exempt at the exchange) |
//! | 429, 418, 403 | any | [`Refusal::RateLimited`], wait by `Retry-After`, else 10 s, 120 s, 300 s |
//! | any | −1003, −1015 | [`Refusal::RateLimited`], else 10 s |
//! | 4xx | −1021 | [`Refusal::Clock`] |
//! | 4xx | −2011, −2013 | [`Refusal::NotFound`] |
//! | 4xx | −2018, −2019, −2027, −2028 | [`Refusal::Margin`] |
//! | 4xx | −2021 | [`Refusal::WouldTrigger`] |
//! | 4xx | −2022, −4118 | [`Refusal::ReduceOnly`] |
//! | 4xx | −4116 (−4115 for algo ids) | [`Refusal::DuplicateId`] |
//! | 4xx | −4130 | [`Refusal::StopExists`] |
//! | 4xx | −4509 | [`Refusal::NoPosition`] |
//! | 4xx | −5022 | [`Refusal::PostOnlyTakes`] |
//! | 4xx | anything else | [`Refusal::Other`] |
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
    Refused(RefusalText),
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

/// A refusal that can be shown.
#[derive(Clone, Debug, PartialEq)]
pub struct RefusalText(pub Refusal);

impl std::fmt::Display for RefusalText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Refusal::Other { code, msg } => write!(f, "{code} {msg}"),
            Refusal::NotSent { why } => write!(f, "not sent: {why}"),
            Refusal::RateLimited { retry_after_ms } => {
                write!(f, "too many requests, wait {retry_after_ms} ms")
            }
            other => write!(f, "{other:?}"),
        }
    }
}

impl ApiError {
    /// A refusal by a local gate.
    pub fn not_sent(why: impl Into<Arc<str>>) -> Self {
        Self::Refused(RefusalText(Refusal::NotSent { why: why.into() }))
    }

    /// The refusal, when it is one.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(r) => Some(&r.0),
            _ => None,
        }
    }

    /// The exchange's code, where it isn't one of the classes.
    pub fn other_code(&self) -> Option<i64> {
        match self.refusal() {
            Some(Refusal::Other { code, .. }) => Some(*code),
            _ => None,
        }
    }
}

/// Meaning of an answer that isn't 2xx, by the table above.
///
/// `code` and `msg` are of the JSON body where there is one, `retry_after_ms` of the `Retry-After` header.
pub fn classify(
    status: u16,
    code: Option<i64>,
    msg: &str,
    retry_after_ms: Option<u64>,
) -> ApiError {
    let limited = |default_ms: u64| Refusal::RateLimited {
        retry_after_ms: retry_after_ms.unwrap_or(default_ms),
    };
    let refusal = match (status, code) {
        (418, _) => limited(120_000),
        (429, _) => limited(10_000),
        (403, _) => limited(300_000),
        (_, Some(-1008)) => Refusal::Overloaded,
        (_, Some(-1003 | -1015)) => limited(10_000),
        (_, Some(c @ (-1000 | -1001 | -1006 | -1007))) => {
            return ApiError::Unknown(format!("HTTP {status}, {c} {msg}").into());
        }
        (408 | 500.., code) => {
            let code = code.map_or(String::new(), |c| format!("{c} "));
            return ApiError::Unknown(format!("HTTP {status}, {code}{msg}").into());
        }
        (_, Some(-1021)) => Refusal::Clock,
        (_, Some(-2011 | -2013)) => Refusal::NotFound,
        (_, Some(-2018 | -2019 | -2027 | -2028)) => Refusal::Margin,
        (_, Some(-2021)) => Refusal::WouldTrigger,
        (_, Some(-2022 | -4118)) => Refusal::ReduceOnly,
        (_, Some(-4115 | -4116)) => Refusal::DuplicateId,
        (_, Some(-4130)) => Refusal::StopExists,
        (_, Some(-4509)) => Refusal::NoPosition,
        (_, Some(-5022)) => Refusal::PostOnlyTakes,
        (_, Some(code)) => Refusal::Other {
            code,
            msg: msg.into(),
        },
        (status, None) => Refusal::Other {
            code: i64::from(status),
            msg: msg.into(),
        },
    };
    ApiError::Refused(RefusalText(refusal))
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
        classify(status, Some(code), "words", None)
            .refusal()
            .cloned()
    }

    #[test]
    fn each_code_has_its_class() {
        use Refusal as R;
        let table = [
            (-2021, R::WouldTrigger),
            (-2022, R::ReduceOnly),
            (-4118, R::ReduceOnly),
            (-4130, R::StopExists),
            (-4509, R::NoPosition),
            (-2011, R::NotFound),
            (-2013, R::NotFound),
            (-4116, R::DuplicateId),
            (-5022, R::PostOnlyTakes),
            (-2018, R::Margin),
            (-2019, R::Margin),
            (-2027, R::Margin),
            (-1021, R::Clock),
            (-1008, R::Overloaded),
        ];
        for (code, want) in table {
            assert_eq!(refusal(400, code), Some(want), "{code}");
        }
        assert_eq!(
            refusal(400, -4164),
            Some(R::Other {
                code: -4164,
                msg: "words".into()
            })
        );
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
            let e = classify(status, code, "", None);
            assert!(matches!(e, ApiError::Unknown(_)), "{status} {code:?}: {e}");
        }
        assert_eq!(refusal(503, -1008), Some(Refusal::Overloaded));
    }

    #[test]
    fn too_many_requests_carry_the_wait() {
        let wait = |status, code, retry| classify(status, code, "", retry).refusal().cloned();
        let limited = |ms| Some(Refusal::RateLimited { retry_after_ms: ms });
        assert_eq!(wait(429, Some(-1003), Some(7_000)), limited(7_000));
        assert_eq!(wait(429, None, None), limited(10_000));
        assert_eq!(wait(418, None, None), limited(120_000));
        assert_eq!(wait(400, Some(-1015), None), limited(10_000));
        assert_eq!(wait(403, None, None), limited(300_000));
    }
}
