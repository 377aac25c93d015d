//! Roles on the bus, and who a connection is.

use std::time::SystemTime;

/// What a connection is for. Names are the full ones (`namespace/name`, symbols as the exchange writes them).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// One symbol's worker.
    Worker {
        /// Account it trades on.
        account: String,
        /// Its symbol.
        symbol: String,
        /// Strategy whose parameters it follows.
        strategy: String,
    },
    /// A coordinator of an account, leader or standby.
    Coordinator {
        /// The account.
        account: String,
    },
    /// The operator, as far as it deals with one account: it reads what its coordinator publishes, and writes parameters.
    Operator {
        /// The account.
        account: String,
    },
    /// A person, or a tool of one, who asks the leader of an account.
    Admin {
        /// The account.
        account: String,
    },
}

impl Role {
    /// The account it belongs to.
    pub fn account(&self) -> &str {
        match self {
            Self::Worker { account, .. }
            | Self::Coordinator { account }
            | Self::Operator { account }
            | Self::Admin { account } => account,
        }
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Worker {
                account, symbol, ..
            } => write!(f, "worker {symbol} of {account}"),
            Self::Coordinator { account } => write!(f, "coordinator of {account}"),
            Self::Operator { account } => write!(f, "operator for {account}"),
            Self::Admin { account } => write!(f, "admin of {account}"),
        }
    }
}

/// Who a connection is, as a validator found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// What it is for.
    pub role: Role,
    /// When its token ends; the connection ends with it.
    pub expires: Option<SystemTime>,
}
