//! The seam behind which tokens are checked: static ones from a file now, Kubernetes' TokenReview behind the same trait.

use super::Identity;
use async_trait::async_trait;

/// Bytes of the longest symbol that may be claimed: it goes into subjects and logs.
const LONGEST_SYMBOL: usize = 64;
/// Bytes of the longest name of an account or strategy that may be claimed: two names of Kubernetes.
const LONGEST_NAME: usize = 2 * 253 + 1;

/// What a client claims to be by its user. Where tokens say themselves whose they are, the symbol alone counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim<'a> {
    /// `worker:<symbol>`, or `worker:<symbol>:<account>:<strategy>` with full names.
    Worker {
        /// The symbol.
        symbol: &'a str,
        /// Account and strategy, where they are claimed too.
        of: Option<(&'a str, &'a str)>,
    },
    /// `operator:<account>`.
    Operator {
        /// Full name of the account.
        account: &'a str,
    },
    /// Nothing that is known, as coordinators and people do: their token says it all.
    None,
}

/// A full name, `namespace/name`, of bearable length.
fn full(name: &str) -> Option<&str> {
    let (namespace, bare) = name.split_once('/')?;
    let fits = !namespace.is_empty() && !bare.is_empty() && name.len() <= LONGEST_NAME;
    fits.then_some(name)
}

/// What a client says about itself, besides its token. Claims, not facts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientInfo {
    /// User it claims to be, e.g. `worker:BTCUSDT`.
    pub user: String,
    /// What it calls itself.
    pub name: String,
    /// Its address, as the server sees it.
    pub host: String,
}

impl ClientInfo {
    /// What it claims to be.
    pub fn claim(&self) -> Claim<'_> {
        if let Some(account) = self.user.strip_prefix("operator:") {
            return full(account).map_or(Claim::None, |account| Claim::Operator { account });
        }
        let Some(rest) = self.user.strip_prefix("worker:") else {
            return Claim::None;
        };
        // From behind: names of Kubernetes hold no colon, whatever a symbol may hold.
        let mut parts = rest.rsplitn(3, ':');
        let (strategy, account, first) = (parts.next(), parts.next(), parts.next());
        let of = account.and_then(full).zip(strategy.and_then(full));
        let symbol = if of.is_some() { first } else { Some(rest) };
        match symbol.filter(|s| !s.is_empty() && *s != "*" && s.len() <= LONGEST_SYMBOL) {
            Some(symbol) => Claim::Worker { symbol, of },
            None => Claim::None,
        }
    }

    /// The symbol that a worker claims.
    pub fn claimed_symbol(&self) -> Option<&str> {
        match self.claim() {
            Claim::Worker { symbol, .. } => Some(symbol),
            Claim::Operator { .. } | Claim::None => None,
        }
    }
}

/// The user name by which a worker claims a symbol.
pub fn worker_user(symbol: &str) -> String {
    format!("worker:{symbol}")
}

/// The user name by which a worker claims a symbol, an account and a strategy; both by their full names.
pub fn worker_user_of(symbol: &str, account: &str, strategy: &str) -> String {
    format!("worker:{symbol}:{account}:{strategy}")
}

/// The user name by which the operator claims to deal with an account, by its full name.
pub fn operator_user(account: &str) -> String {
    format!("operator:{account}")
}

/// Why a connection is refused. Goes to the log of the server and ours, never to the client, and never holds the token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No token was shown.
    #[error("no token")]
    NoToken,
    /// Nobody knows the token.
    #[error("unknown token")]
    Unknown,
    /// The token has ended.
    #[error("the token has expired")]
    Expired,
    /// The token is bound to one symbol, and the client claims another.
    #[error("the token is for {bound}, the client claims {claimed}")]
    OtherSymbol {
        /// Symbol of the token.
        bound: String,
        /// Symbol of the client.
        claimed: String,
    },
    /// The token holds for all symbols, and the client claims none.
    #[error("the token is for any symbol: the user must be worker:<symbol>")]
    NoSymbol,
    /// The token is good, and not for what the client claims.
    #[error("the token is not for this: {0}")]
    Claim(String),
    /// Not an ordinary client's connection.
    #[error("only plain clients are let in")]
    Kind,
    /// The check itself is not possible now.
    #[error("tokens can't be checked: {0}")]
    Unavailable(String),
}

/// Says whose token it is.
#[async_trait]
pub trait Validator: Send + Sync {
    /// Who shows this token.
    ///
    /// # Errors
    /// Nobody, or it can't be said now: the connection is refused either way.
    async fn validate(&self, token: &str, client: &ClientInfo) -> Result<Identity, Refused>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symbol_is_claimed_by_the_workers_user_alone() {
        let claimed = |user: &str| {
            let user = user.to_owned();
            ClientInfo {
                user,
                ..ClientInfo::default()
            }
            .claimed_symbol()
            .map(str::to_owned)
        };
        assert_eq!(claimed(&worker_user("BTCUSDT")), Some("BTCUSDT".into()));
        for none in [
            "",
            "worker",
            "worker:",
            "worker:*",
            "BTCUSDT",
            "Worker:BTCUSDT",
        ] {
            assert_eq!(claimed(none), None, "{none}");
        }
        assert_eq!(claimed(&worker_user(&"X".repeat(65))), None);
        let whole = worker_user_of("BTCUSDT", "ns/a", "ns/s");
        assert_eq!(claimed(&whole), Some("BTCUSDT".into()));
        assert_eq!(claimed(&worker_user_of("", "ns/a", "ns/s")), None);
    }

    #[test]
    fn account_and_strategy_are_claimed_by_their_full_names_or_not_at_all() {
        let client = |user: &str| ClientInfo {
            user: user.into(),
            ..ClientInfo::default()
        };
        let worker = client(&worker_user_of("A:B", "ns/a", "ns/s"));
        let claim = Claim::Worker {
            symbol: "A:B",
            of: Some(("ns/a", "ns/s")),
        };
        assert_eq!(worker.claim(), claim);
        let operator = client(&operator_user("ns/a"));
        assert_eq!(operator.claim(), Claim::Operator { account: "ns/a" });
        for user in ["operator:", "operator:a", "operator:/a", "operator:ns/"] {
            assert_eq!(client(user).claim(), Claim::None, "{user}");
        }
        let half = client("worker:BTCUSDT:a:ns/s");
        let symbol = "BTCUSDT:a:ns/s";
        assert_eq!(half.claim(), Claim::Worker { symbol, of: None });
        let long = operator_user(&format!("ns/{}", "x".repeat(600)));
        assert_eq!(client(&long).claim(), Claim::None);
    }
}
