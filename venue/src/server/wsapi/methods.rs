//! The list of the WebSocket API's methods: what the venue goes by, and what the documentation is held against.
//!
//! A method is a REST endpoint under another name, or one of the session's own.

use crate::server::params::{ApiError, Params};
use crate::server::rest::routes::{self, Endpoint, Security};

/// What a method does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// What REST does at a path.
    Rest(&'static str, &'static str),
    /// `session.logon`.
    Logon,
    /// `session.status`.
    Status,
    /// `session.logout`.
    Logout,
}

/// A method by its name.
pub(in crate::server) struct Method {
    pub(in crate::server) name: &'static str,
    pub(super) target: Target,
    /// Its weight where that is not REST's.
    weight: Option<fn(&Params) -> u64>,
}

const fn rest(name: &'static str, method: &'static str, path: &'static str) -> Method {
    Method {
        name,
        target: Target::Rest(method, path),
        weight: None,
    }
}

const fn own(name: &'static str, target: Target) -> Method {
    Method {
        name,
        target,
        weight: Some(|_| 2),
    }
}

/// Every method there is.
pub(in crate::server) static METHODS: &[Method] = &[
    own("session.logon", Target::Logon),
    own("session.status", Target::Status),
    own("session.logout", Target::Logout),
    rest("ping", "GET", "/fapi/v1/ping"),
    rest("time", "GET", "/fapi/v1/time"),
    rest("depth", "GET", "/fapi/v1/depth"),
    rest("ticker.price", "GET", "/fapi/v1/ticker/price"),
    rest("ticker.book", "GET", "/fapi/v1/ticker/bookTicker"),
    rest("order.place", "POST", "/fapi/v1/order"),
    Method {
        name: "order.modify",
        target: Target::Rest("PUT", "/fapi/v1/order"),
        weight: Some(|_| 1),
    },
    rest("order.cancel", "DELETE", "/fapi/v1/order"),
    rest("order.status", "GET", "/fapi/v1/order"),
    rest("algoOrder.place", "POST", "/fapi/v1/algoOrder"),
    rest("algoOrder.cancel", "DELETE", "/fapi/v1/algoOrder"),
    rest("account.balance", "GET", "/fapi/v2/balance"),
    rest("v2/account.balance", "GET", "/fapi/v3/balance"),
    rest("account.status", "GET", "/fapi/v2/account"),
    rest("v2/account.status", "GET", "/fapi/v3/account"),
    rest("account.position", "GET", "/fapi/v2/positionRisk"),
    rest("v2/account.position", "GET", "/fapi/v3/positionRisk"),
    rest("userDataStream.start", "POST", "/fapi/v1/listenKey"),
    rest("userDataStream.ping", "PUT", "/fapi/v1/listenKey"),
    rest("userDataStream.stop", "DELETE", "/fapi/v1/listenKey"),
];

/// A method; `v1/` before a name that has no version is allowed.
pub(super) fn find(name: &str) -> Option<&'static Method> {
    let named = |name: &str| METHODS.iter().find(|m| m.name == name);
    named(name).or_else(|| named(name.strip_prefix("v1/")?))
}

impl Method {
    /// The REST request that it is, for whom that matters.
    pub(super) const fn rest(&self) -> Option<(&'static str, &'static str)> {
        match self.target {
            Target::Rest(method, path) => Some((method, path)),
            _ => None,
        }
    }

    /// Who may ask and what it weighs; the session's own methods have no handler among REST's.
    ///
    /// # Errors
    /// −5000 for a method without an endpoint; the list has none.
    pub(super) fn endpoint(&self) -> Result<Endpoint, ApiError> {
        let found = match self.target {
            Target::Rest(method, path) => routes::find(method, path),
            target => routes::find("GET", "/fapi/v1/ping").map(|ping| Endpoint {
                security: match target {
                    Target::Logon => Security::Signed,
                    _ => Security::Public,
                },
                ..ping
            }),
        };
        let msg = || format!("Method {} is invalid", self.name);
        let mut endpoint = found.ok_or_else(|| ApiError::new(-5000, msg()))?;
        if let Some(weight) = self.weight {
            endpoint.weight = weight;
        }
        Ok(endpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_of_the_list_has_an_endpoint_and_a_name_of_its_own() {
        for m in METHODS {
            assert!(m.endpoint().is_ok(), "{}", m.name);
            assert_eq!(find(m.name).map(|f| f.target), Some(m.target), "{}", m.name);
        }
        assert!(find("v1/order.place").is_some() && find("v2/order.place").is_none());
        assert!(find("order").is_none());
    }
}
