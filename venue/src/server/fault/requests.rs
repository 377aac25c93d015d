//! Faults of requests: how long a request is on its way, whether it is carried out, and what its sender hears.
//!
//! This is what lies between client and engine (a gateway, a lost connection): the engine knows nothing of it.

use super::super::params::Params;
use super::super::rest::{self, Call, Reply};
use super::menu::{Fault, Say, Which};
use super::{Faults, Ordered};
use crate::server::params::ApiError;
use tokio::time::Duration;

/// How long a client is left without an answer before its connection is cut.
const SILENCE: Duration = Duration::from_secs(60);

/// What becomes of a request.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::server) struct Course {
    /// It takes so long on its way there.
    pub(in crate::server) before: Duration,
    /// The answer takes so long on its way back.
    pub(in crate::server) after: Duration,
    /// It is not carried out.
    pub(in crate::server) lost: bool,
    /// What its sender hears instead of the answer.
    pub(in crate::server) say: Option<Say>,
}

impl Which {
    fn takes(&self, method: &str, path: &str, params: &Params) -> bool {
        let named = self
            .request
            .as_deref()
            .is_none_or(|r| r.split_once(' ') == Some((method, path)));
        named && self.params.iter().all(|(k, v)| params.get(k) == Some(v))
    }
}

impl Faults {
    /// What becomes of a REST request that comes now.
    pub(in crate::server) fn request(&self, c: &Call) -> Course {
        if self.none() {
            return Course::default();
        }
        // Unreadable parameters are refused later; no fault is about them.
        let params = Params::parse(&c.query, &c.body).unwrap_or_default();
        self.course(&c.method, &c.path, &params)
    }

    /// What becomes of a request, whichever way it comes.
    pub(in crate::server) fn course(&self, method: &str, path: &str, params: &Params) -> Course {
        if self.maintenance() {
            return Course {
                lost: true,
                say: Some(Say::Unavailable),
                ..Course::default()
            };
        }
        let course = |o: &Ordered| match &o.fault {
            Fault::Answer(a) if a.on.takes(method, path, params) => Some(Course {
                lost: !a.effect,
                say: Some(a.say.clone()),
                ..Course::default()
            }),
            Fault::Delay(d) if d.on.takes(method, path, params) => Some(Course {
                before: Duration::from_millis(d.before_ms),
                after: Duration::from_millis(d.after_ms),
                ..Course::default()
            }),
            _ => None,
        };
        self.take(course).unwrap_or_default()
    }
}

impl Say {
    /// The answer that is sent instead; for none, how long its sender waits until the connection is cut.
    pub(in crate::server) fn reply(&self) -> Result<Reply, Duration> {
        let refused = |status: u16, code: i64, msg: &str, after: Option<u64>| {
            let e = ApiError {
                status,
                code,
                msg: msg.to_owned(),
            };
            Ok(rest::refused(
                &e,
                after.map(|s| ("retry-after", s)).into_iter().collect(),
            ))
        };
        match self {
            Self::Silence => Err(SILENCE),
            Self::Cut => Err(Duration::ZERO),
            // The words of the exchange's general information on 503; this one has no code of its own.
            Self::Unavailable => refused(
                503,
                -1000,
                "Unknown error, please check your request or try again later.",
                None,
            ),
            Self::Timeout => refused(
                408,
                -1007,
                "Timeout waiting for response from backend server. Send status unknown; execution status unknown.",
                None,
            ),
            Self::Unexpected => refused(
                400,
                -1006,
                "An unexpected response was received from the message bus. Execution status unknown.",
                None,
            ),
            Self::Throttled => refused(
                503,
                -1008,
                "Request throttled by system-level protection. Reduce-only/close-position orders are exempt. Please try again.",
                None,
            ),
            Self::TooMany { retry_after } => {
                refused(429, -1003, "Too many requests.", Some(*retry_after))
            }
            Self::Banned { retry_after } => refused(
                418,
                -1003,
                "Way too many requests; IP banned.",
                Some(*retry_after),
            ),
            Self::Nothing => Ok(Reply {
                status: 200,
                body: b"[]".to_vec(),
                headers: Vec::new(),
            }),
            Self::Code { status, code, msg } => refused(*status, *code, msg, None),
        }
    }
}
