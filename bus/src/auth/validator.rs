//! The seam behind which tokens are checked: static ones from a file now, Kubernetes' TokenReview behind the same trait.

use super::Identity;
use async_trait::async_trait;

/// Bytes of the longest symbol that may be claimed: it goes into subjects and logs.
const LONGEST_SYMBOL: usize = 64;

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
    /// The symbol that a worker claims by its user name, `worker:<symbol>`.
    pub fn claimed_symbol(&self) -> Option<&str> {
        self.user
            .strip_prefix("worker:")
            .filter(|s| !s.is_empty() && *s != "*" && s.len() <= LONGEST_SYMBOL)
    }
}

/// The user name by which a worker claims a symbol.
pub fn worker_user(symbol: &str) -> String {
    format!("worker:{symbol}")
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
    }
}
