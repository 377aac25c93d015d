//! From a role to the exact subjects it may publish on and subscribe to.
//!
//! Allow lists only: what is not listed is refused by the server. Every entry comes from [`crate::subject`]; names are one
//! token each there, so that no name can hold a wildcard. Pure.
//!
//! Two rules that the lists cannot express are kept elsewhere. An asker names the address of the answer, and the server
//! does not check it: answers go through [`crate::subject::answerable`]. A writer of any key of a bucket that allows the
//! header `Nats-Rollup` may purge all of it: the bucket must deny rollups.

use super::Role;
use crate::subject;

/// What a connection may do. Neither list is ever empty, which the server would read as "everything".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permissions {
    /// Patterns it may publish on.
    pub publish: Vec<String>,
    /// Patterns it may subscribe to.
    pub subscribe: Vec<String>,
}

/// All subjects under an inbox prefix.
fn under(inbox: &str) -> String {
    format!("{inbox}.>")
}

impl Permissions {
    /// Those of a role.
    pub fn of(role: &Role) -> Self {
        match role {
            Role::Worker {
                account,
                symbol,
                strategy,
            } => Self::worker(account, symbol, strategy),
            Role::Coordinator { account } => Self::coordinator(account),
            Role::Admin { account } => Self::admin(account),
        }
    }

    fn worker(account: &str, symbol: &str, strategy: &str) -> Self {
        let keys = [
            subject::params_key(account, strategy),
            subject::fence_key(account),
        ];
        let mut publish = vec![
            subject::grant(account, symbol),
            subject::report(account, symbol),
            subject::alerts(account),
        ];
        publish.extend(keys.iter().map(|k| subject::kv_get(k)));
        let mut subscribe = vec![
            subject::command(account, symbol),
            under(&subject::worker_inbox(account, symbol)),
        ];
        subscribe.extend(keys.iter().map(|k| subject::kv(k)));
        Self { publish, subscribe }
    }

    fn coordinator(account: &str) -> Self {
        let keys = [
            subject::snapshot_key(account),
            subject::fence_key(account),
            subject::params_keys(account),
        ];
        let mut publish = vec![
            subject::commands(account),
            subject::alerts(account),
            // Answers: only into inboxes of its own account. The server's `allow_responses` would follow whatever address
            // the asker names, another account's subjects too.
            under(&subject::worker_inboxes(account)),
            under(&subject::admin_inbox(account)),
            format!("$JS.API.STREAM.CREATE.{}", subject::BUCKET_STREAM),
            format!("$JS.API.STREAM.INFO.{}", subject::BUCKET_STREAM),
        ];
        publish.extend(keys.iter().map(|k| subject::kv(k)));
        publish.extend(keys.iter().map(|k| subject::kv_get(k)));
        let mut subscribe = vec![
            subject::grants(account),
            subject::reports(account),
            subject::alerts(account),
            subject::admin(account),
            under(&subject::coordinator_inbox(account)),
        ];
        subscribe.extend(keys.iter().map(|k| subject::kv(k)));
        Self { publish, subscribe }
    }

    fn admin(account: &str) -> Self {
        let keys = [subject::snapshot_key(account), subject::fence_key(account)];
        let mut publish = vec![subject::admin(account)];
        publish.extend(keys.iter().map(|k| subject::kv_get(k)));
        let mut subscribe = vec![
            subject::alerts(account),
            under(&subject::admin_inbox(account)),
        ];
        subscribe.extend(keys.iter().map(|k| subject::kv(k)));
        Self { publish, subscribe }
    }
}
