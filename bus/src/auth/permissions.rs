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
            Role::Operator { account } => Self::operator(account),
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
            // One that stands by asks the leader for a person on its host.
            subject::admin(account),
            under(&subject::coordinator_inbox(account)),
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

    fn operator(account: &str) -> Self {
        let (snapshot, params) = (
            subject::snapshot_key(account),
            subject::params_keys(account),
        );
        Self {
            publish: vec![
                subject::kv_get(&snapshot),
                subject::kv_get(&params),
                subject::kv(&params),
            ],
            subscribe: vec![
                subject::kv(&snapshot),
                under(&subject::operator_inbox(account)),
            ],
        }
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::subject::{self as s, matches};
    use proptest::prelude::*;

    fn worker(account: &str, symbol: &str, strategy: &str) -> Permissions {
        Permissions::of(&Role::Worker {
            account: account.into(),
            symbol: symbol.into(),
            strategy: strategy.into(),
        })
    }

    fn allows(list: &[String], subject: &str) -> bool {
        list.iter().any(|p| matches(p, subject))
    }

    /// Every subject that anybody of an account uses, apart from what one worker owns.
    fn of_account(account: &str) -> Vec<String> {
        let mut all = vec![
            s::admin(account),
            s::alerts(account),
            format!("{}.x.1", s::coordinator_inbox(account)),
            format!("{}.x.1", s::operator_inbox(account)),
            format!("{}.x.1", s::admin_inbox(account)),
        ];
        for key in [s::snapshot_key(account), s::fence_key(account)] {
            all.extend([s::kv(&key), s::kv_get(&key)]);
        }
        all
    }

    /// Every subject of one worker.
    fn of_worker(account: &str, symbol: &str, strategy: &str) -> Vec<String> {
        let key = s::params_key(account, strategy);
        vec![
            s::grant(account, symbol),
            s::report(account, symbol),
            s::command(account, symbol),
            format!("{}.x.1", s::worker_inbox(account, symbol)),
            s::kv(&key),
            s::kv_get(&key),
        ]
    }

    fn no_list_is_empty_or_wider_than_its_role(p: &Permissions) {
        assert!(!p.publish.is_empty() && !p.subscribe.is_empty());
        for pattern in p.publish.iter().chain(&p.subscribe) {
            let rest = pattern.trim_end_matches(".>");
            assert!(rest.split('.').count() >= 3, "{pattern}");
            assert!(!rest.contains('>') && !rest.starts_with('*'), "{pattern}");
            assert!(
                !pattern.contains([' ', '\t']) && !pattern.contains(".."),
                "{pattern}"
            );
        }
    }

    #[test]
    fn a_worker_publishes_and_hears_exactly_its_own() {
        let p = worker("ns/a", "BTCUSDT", "ns/nobi");
        let keys = [s::params_key("ns/a", "ns/nobi"), s::fence_key("ns/a")];
        let publish = [
            s::grant("ns/a", "BTCUSDT"),
            s::report("ns/a", "BTCUSDT"),
            s::alerts("ns/a"),
            s::kv_get(&keys[0]),
            s::kv_get(&keys[1]),
        ];
        let subscribe = [
            s::command("ns/a", "BTCUSDT"),
            format!("{}.>", s::worker_inbox("ns/a", "BTCUSDT")),
            s::kv(&keys[0]),
            s::kv(&keys[1]),
        ];
        assert_eq!((p.publish, p.subscribe), (publish.into(), subscribe.into()));
    }

    #[test]
    fn a_worker_reaches_nothing_of_the_store_but_two_reads() {
        let p = worker("ns/a", "BTCUSDT", "ns/nobi");
        for subject in [
            "$JS.API.STREAM.CREATE.KV_helios",
            "$JS.API.STREAM.CREATE.mine",
            "$JS.API.STREAM.INFO.KV_helios",
            "$JS.API.STREAM.MSG.GET.KV_helios",
            "$JS.API.DIRECT.GET.KV_helios",
            "$JS.API.CONSUMER.CREATE.KV_helios",
            "$JS.API.INFO",
            "$SYS.REQ.USER.AUTH",
            "$KV.helios.x",
            "_INBOX.x",
        ] {
            assert!(!allows(&p.publish, subject), "{subject}");
            assert!(!allows(&p.subscribe, subject), "{subject}");
        }
    }

    #[test]
    fn only_the_coordinator_of_an_account_hears_questions_and_can_answer_them() {
        let coordinator = Permissions::of(&Role::Coordinator {
            account: "ns/a".into(),
        });
        let admin = Permissions::of(&Role::Admin {
            account: "ns/a".into(),
        });
        let operator = Permissions::of(&Role::Operator {
            account: "ns/a".into(),
        });
        let question = s::grant("ns/a", "BTCUSDT");
        let answer = format!("{}.x.1", s::worker_inbox("ns/a", "BTCUSDT"));
        assert!(allows(&coordinator.subscribe, &question));
        assert!(allows(&coordinator.publish, &answer));
        for p in [
            admin,
            operator,
            worker("ns/a", "BTCUSDT", "ns/nobi"),
            worker("ns/a", "ETHUSDT", "ns/nobi"),
            Permissions::of(&Role::Coordinator {
                account: "ns/b".into(),
            }),
        ] {
            assert!(!allows(&p.subscribe, &question));
            assert!(!allows(&p.publish, &answer));
            assert!(!allows(&p.publish, &s::command("ns/a", "BTCUSDT")));
            assert!(!allows(&p.publish, &s::kv(&s::fence_key("ns/a"))));
        }
    }

    #[test]
    fn an_operator_reads_the_snapshot_and_writes_parameters_and_nothing_else() {
        let p = Permissions::of(&Role::Operator {
            account: "ns/a".into(),
        });
        let (snapshot, params) = (s::snapshot_key("ns/a"), s::params_keys("ns/a"));
        let publish = [s::kv_get(&snapshot), s::kv_get(&params), s::kv(&params)];
        let inbox = format!("{}.>", s::operator_inbox("ns/a"));
        assert_eq!(p.publish, publish);
        assert_eq!(p.subscribe, [s::kv(&snapshot), inbox]);
        let one = s::params_key("ns/a", "ns/nobi");
        assert!(allows(&p.publish, &s::kv(&one)) && allows(&p.publish, &s::kv_get(&one)));
    }

    // Names as hostile as they come: wildcards, separators, blanks.
    const NAME: &str = "[a-c.*> /=]{0,5}";

    proptest! {
        #[test]
        fn no_role_reaches_another_account(a in NAME, b in NAME, x in NAME, y in NAME, n in NAME) {
            prop_assume!(a != b);
            let mut foreign = of_account(&b);
            foreign.extend(of_worker(&b, &y, &n));
            for role in [
                Role::Worker { account: a.clone(), symbol: x.clone(), strategy: n.clone() },
                Role::Coordinator { account: a.clone() },
                Role::Operator { account: a.clone() },
                Role::Admin { account: a.clone() },
            ] {
                let p = Permissions::of(&role);
                no_list_is_empty_or_wider_than_its_role(&p);
                for subject in &foreign {
                    prop_assert!(!allows(&p.publish, subject), "{role} publishes {subject}");
                    prop_assert!(!allows(&p.subscribe, subject), "{role} hears {subject}");
                }
            }
        }

        #[test]
        fn no_worker_reaches_another_symbol_or_another_strategys_parameters(
            a in NAME, x in NAME, y in NAME, n in NAME, m in NAME
        ) {
            prop_assume!(x != y && n != m);
            let p = worker(&a, &x, &n);
            for subject in of_worker(&a, &y, &m) {
                prop_assert!(!allows(&p.publish, &subject), "{subject}");
                prop_assert!(!allows(&p.subscribe, &subject), "{subject}");
            }
            // Of its account it may alert and read the fence, and hear the fence.
            let fence = s::fence_key(&a);
            for subject in of_account(&a) {
                let publishes = [s::alerts(&a), s::kv_get(&fence)].contains(&subject);
                prop_assert_eq!(allows(&p.publish, &subject), publishes, "{}", &subject);
                prop_assert_eq!(allows(&p.subscribe, &subject), subject == s::kv(&fence), "{}", &subject);
            }
            // Nor does it speak to itself in the coordinator's voice.
            prop_assert!(!allows(&p.publish, &s::command(&a, &x)));
            let inbox = format!("{}.x", s::worker_inbox(&a, &x));
            prop_assert!(!allows(&p.publish, &inbox));
        }
    }
}
