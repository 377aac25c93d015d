//! What the exchange's "no" means, as a class to act on: one table from code to reason, one from reason to class, one from
//! class to the wait before another try. Live adapter and simulation read codes here; machines ask here how long to wait.
//!
//! Whether a request *may have had effect* isn't decided here: that is `VenueReply::Unknown`, which is no refusal.
//!
//! | code | reason | class | then |
//! |---|---|---|---|
//! | −2021 | [`Refusal::WouldTrigger`] | state | the exit that the stop stood for, at market |
//! | −2022, −4118 | [`Refusal::ReduceOnly`] | state | trail away, venue read, exit anew by what the position is |
//! | −4130 | [`Refusal::StopExists`] | state | venue read: whose is it |
//! | −4509 | [`Refusal::NoPosition`] | state | venue read |
//! | −2011, −2013 | [`Refusal::NotFound`] | state | absent only when asked after it could still arrive |
//! | −4115, −4116 | [`Refusal::DuplicateId`] | state | an earlier transmission had effect: queried, never sent again |
//! | −5022 | [`Refusal::PostOnlyTakes`] | state | the book has moved: soon again |
//! | −2018, −2019, −2027, −2028, −4044 | [`Refusal::Margin`] | refused | entries rest |
//! | −1003, −1015, 429, 418, 403 | [`Refusal::RateLimited`] | later | after the wait that was stated |
//! | −1008, −1016 | [`Refusal::Overloaded`] | later | soon again; reduce-only orders are exempt at the exchange |
//! | −1021 | [`Refusal::Clock`] | clock | clock synchronised, then again |
//! | [`CONFIG`] | [`Refusal::Config`] | config | critical alert; entries rest a minute: nothing heals by itself |
//! | [`FILTER`] | [`Refusal::Filter`] | refused | rules may have changed: entries rest a minute |
//! | any other (price bands −4016, −4024, −4131; numbers of orders −2025, −4045; …) | [`Refusal::Other`] | refused | entries rest; stops and exits go on trying |
//!
//! Codes: Binance USDS-M error codes, <https://developers.binance.com/docs/derivatives/usds-margined-futures/error-code>.

use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Codes that say that key, mode, address or the request's form is wrong: the same request can't succeed until a person has
/// changed something. −4120 means that an order type has moved to another endpoint.
pub const CONFIG: [i64; 27] = [
    -1002, -1022, -1099, -1100, -1101, -1102, -1104, -1105, -1106, -1115, -1116, -1117, -1120,
    -1121, -1130, -2014, -2015, -2017, -4015, -4059, -4061, -4067, -4068, -4088, -4109, -4120,
    -4531,
];

/// Codes that say that price or quantity is off the contract's rules, or that the contract is not trading: the rules known
/// here may be old.
pub const FILTER: [i64; 17] = [
    -1111, -4001, -4002, -4003, -4004, -4005, -4006, -4013, -4014, -4023, -4029, -4030, -4140,
    -4141, -4164, -4183, -4184,
];

/// Why the exchange said no. The request has had no effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// −2021: the stop would trigger at once.
    WouldTrigger,
    /// −2022, −4118: nothing left to reduce, or another reduce-only order holds it.
    ReduceOnly,
    /// −4130: a closePosition stop in this direction exists.
    StopExists,
    /// −4509: no position for a closePosition stop.
    NoPosition,
    /// −2011, −2013: no such order.
    NotFound,
    /// −4116, −4115: this client id is open.
    DuplicateId,
    /// −5022: post-only would take.
    PostOnlyTakes,
    /// −2018, −2019, −2027, −2028, −4044: margin or bracket.
    Margin,
    /// −1021: timestamp outside the window.
    Clock,
    /// −1003, −1015, 429, 418: too many requests; wait this long (wall ms).
    RateLimited {
        /// Wait, ms.
        retry_after_ms: u64,
    },
    /// −1008, −1016: overloaded or in maintenance; reduce-only is exempt.
    Overloaded,
    /// A local gate (budget, closed socket, shutting down) refused before anything was sent.
    NotSent {
        /// Why.
        why: Arc<str>,
    },
    /// [`CONFIG`]: key, mode, address or form is wrong.
    Config {
        /// Exchange code.
        code: i64,
        /// Message.
        msg: Arc<str>,
    },
    /// [`FILTER`]: off the contract's rules.
    Filter {
        /// Exchange code.
        code: i64,
        /// Message.
        msg: Arc<str>,
    },
    /// Anything else: code and the exchange's words.
    Other {
        /// Exchange code.
        code: i64,
        /// Message.
        msg: Arc<str>,
    },
}

/// What kind of "no" it is, and so what helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RefusalClass {
    /// The venue's state isn't what was believed: read it, don't repeat.
    State,
    /// The same request may succeed later.
    Later,
    /// The clock is off: synchronise, then again.
    Clock,
    /// Somebody must change something.
    Config,
    /// This request is refused for what it is.
    Refused,
}

/// Time of rest after a refusal, ms of liveness time: the least before the next try of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waits {
    /// Before another entry.
    pub entry: u64,
    /// Before another reduce-only exit. Doubled with each refusal in a row, at most eight times as long.
    pub exit: u64,
    /// Before another protective stop.
    pub stop: u64,
}

impl Refusal {
    /// The reason of a code; `retry_after_ms` is used where the code asks to wait.
    pub fn of_code(code: i64, msg: &str, retry_after_ms: u64) -> Self {
        match code {
            -2021 => Self::WouldTrigger,
            -2022 | -4118 => Self::ReduceOnly,
            -4130 => Self::StopExists,
            -4509 => Self::NoPosition,
            -2011 | -2013 => Self::NotFound,
            -4115 | -4116 => Self::DuplicateId,
            -5022 => Self::PostOnlyTakes,
            -2018 | -2019 | -2027 | -2028 | -4044 => Self::Margin,
            -1021 => Self::Clock,
            -1003 | -1015 => Self::RateLimited { retry_after_ms },
            -1008 | -1016 => Self::Overloaded,
            _ if CONFIG.contains(&code) => Self::Config {
                code,
                msg: msg.into(),
            },
            _ if FILTER.contains(&code) => Self::Filter {
                code,
                msg: msg.into(),
            },
            _ => Self::Other {
                code,
                msg: msg.into(),
            },
        }
    }

    /// What kind of "no" it is.
    pub const fn class(&self) -> RefusalClass {
        match self {
            Self::WouldTrigger
            | Self::ReduceOnly
            | Self::StopExists
            | Self::NoPosition
            | Self::NotFound
            | Self::DuplicateId
            | Self::PostOnlyTakes => RefusalClass::State,
            Self::RateLimited { .. } | Self::Overloaded | Self::NotSent { .. } => {
                RefusalClass::Later
            }
            Self::Clock => RefusalClass::Clock,
            Self::Config { .. } => RefusalClass::Config,
            Self::Margin | Self::Filter { .. } | Self::Other { .. } => RefusalClass::Refused,
        }
    }

    /// How long to rest before another try. Stops and exits never give up: what is at stake is a position.
    pub fn waits(&self) -> Waits {
        let w = |entry, exit, stop| Waits { entry, exit, stop };
        match self {
            Self::RateLimited { retry_after_ms } => w(
                (*retry_after_ms).max(1_000),
                (*retry_after_ms).clamp(250, 60_000),
                *retry_after_ms,
            ),
            Self::Margin => w(30_000, 1_000, 100),
            Self::PostOnlyTakes => w(500, 1_000, 100),
            Self::ReduceOnly => w(5_000, 500, 100),
            Self::Overloaded | Self::Clock | Self::NotSent { .. } => w(5_000, 125, 100),
            Self::WouldTrigger | Self::StopExists => w(5_000, 1_000, 1_000),
            Self::NoPosition | Self::NotFound | Self::DuplicateId => w(5_000, 1_000, 100),
            Self::Config { .. } => w(60_000, 1_000, 250),
            Self::Filter { .. } => w(60_000, 1_000, 250),
            Self::Other { .. } => w(5_000, 1_000, 250),
        }
    }

    /// The exchange's code where the reason keeps it.
    pub const fn code(&self) -> Option<i64> {
        match self {
            Self::Config { code, .. } | Self::Filter { code, .. } | Self::Other { code, .. } => {
                Some(*code)
            }
            _ => None,
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::WouldTrigger => f.write_str("the stop would trigger at once"),
            Self::ReduceOnly => f.write_str("nothing is left that it could reduce"),
            Self::StopExists => f.write_str("a stop for the whole position stands already"),
            Self::NoPosition => f.write_str("there is no position to close"),
            Self::NotFound => f.write_str("there is no such order"),
            Self::DuplicateId => f.write_str("an order of this client id is open"),
            Self::PostOnlyTakes => f.write_str("post-only, but it would take"),
            Self::Margin => f.write_str("margin or leverage does not allow it"),
            Self::Clock => f.write_str("its time is outside the exchange's window"),
            Self::RateLimited { retry_after_ms } => {
                write!(f, "too many requests, wait {retry_after_ms} ms")
            }
            Self::Overloaded => f.write_str("the exchange is overloaded"),
            Self::NotSent { why } => write!(f, "not sent: {why}"),
            Self::Config { code, msg } | Self::Filter { code, msg } | Self::Other { code, msg } => {
                write!(f, "{code} {msg}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn of(code: i64) -> Refusal {
        Refusal::of_code(code, "words", 7_000)
    }

    #[test]
    fn each_code_has_its_reason() {
        use Refusal as R;
        for (codes, want) in [
            (&[-2021][..], R::WouldTrigger),
            (&[-2022, -4118], R::ReduceOnly),
            (&[-4130], R::StopExists),
            (&[-4509], R::NoPosition),
            (&[-2011, -2013], R::NotFound),
            (&[-4115, -4116], R::DuplicateId),
            (&[-5022], R::PostOnlyTakes),
            (&[-2018, -2019, -2027, -2028, -4044], R::Margin),
            (&[-1021], R::Clock),
            (&[-1008, -1016], R::Overloaded),
            (
                &[-1003, -1015],
                R::RateLimited {
                    retry_after_ms: 7_000,
                },
            ),
        ] {
            for code in codes {
                assert_eq!(of(*code), want, "{code}");
            }
        }
        let other = R::Other {
            code: -9999,
            msg: "words".into(),
        };
        assert_eq!(of(-9999), other);
    }

    #[test]
    fn no_code_is_in_two_rows() {
        let all: Vec<i64> = CONFIG.into_iter().chain(FILTER).collect();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
        for code in CONFIG {
            assert_eq!(of(code).class(), RefusalClass::Config, "{code}");
        }
        for code in FILTER {
            assert!(matches!(of(code), Refusal::Filter { .. }), "{code}");
        }
    }

    #[test]
    fn the_document_names_what_the_table_does() {
        let page = include_str!("../../../docs/exchange.md");
        for code in [
            -2021, -2022, -4118, -4130, -4509, -2011, -2013, -4115, -4116, -5022, -1003, -1015,
            -1008, -1016, -1021, -2014, -2015, -1022, -4120, -4061, -1111, -4164, -2018, -2019,
            -2027, -2028, -4044, -1006, -1007,
        ] {
            let named = format!("−{}", i64::abs(code));
            assert!(page.contains(&named), "{named}");
        }
    }

    #[test]
    fn what_only_a_person_can_mend_holds_entries_for_a_minute_but_never_a_stop_or_an_exit() {
        for code in CONFIG.into_iter().chain(FILTER) {
            let w = of(code).waits();
            assert_eq!(w.entry, 60_000, "{code}");
            assert!(w.exit <= 1_000 && w.stop <= 250, "{code}");
        }
    }
}
