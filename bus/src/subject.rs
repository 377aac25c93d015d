//! Names of subjects and keys, one function each, so that nothing else spells them.
//!
//! Tokens are separated by dots. Names of accounts, strategies and symbols may hold anything (`namespace/name`, non-ASCII
//! symbols), so each becomes one token of letters, digits, `-` and `_`; every other byte is written `=XX`.

/// One token from any name.
pub fn token(name: &str) -> String {
    let mut t = String::with_capacity(name.len());
    for b in name.bytes() {
        if b.is_ascii_alphanumeric() || b == b'-' || b == b'_' {
            t.push(b as char);
        } else {
            t.push_str(&format!("={b:02X}"));
        }
    }
    if t.is_empty() { "=".into() } else { t }
}

/// Where workers of an account ask for grants; the symbol is the last token, so that permissions can bind it.
pub fn grant(account: &str, symbol: &str) -> String {
    format!("helios.v1.{}.grant.{}", token(account), token(symbol))
}

/// All grant questions of an account.
pub fn grants(account: &str) -> String {
    format!("helios.v1.{}.grant.*", token(account))
}

/// A worker's reports.
pub fn report(account: &str, symbol: &str) -> String {
    format!("helios.v1.{}.report.{}", token(account), token(symbol))
}

/// All reports of an account.
pub fn reports(account: &str) -> String {
    format!("helios.v1.{}.report.*", token(account))
}

/// The coordinator's commands to one worker.
pub fn command(account: &str, symbol: &str) -> String {
    format!("helios.v1.{}.command.{}", token(account), token(symbol))
}

/// All commands of an account.
pub fn commands(account: &str) -> String {
    format!("helios.v1.{}.command.*", token(account))
}

/// Alerts of an account.
pub fn alerts(account: &str) -> String {
    format!("helios.v1.{}.alert", token(account))
}

/// Where a person asks the leader of an account.
pub fn admin(account: &str) -> String {
    format!("helios.v1.{}.admin", token(account))
}

/// Key of the account snapshot.
pub fn snapshot_key(account: &str) -> String {
    format!("snapshot.{}", token(account))
}

/// Key of a strategy's parameters document. The account is part of it, so that a permission can bind all of one account's.
pub fn params_key(account: &str, strategy: &str) -> String {
    format!("params.{}.{}", token(account), token(strategy))
}

/// All parameters documents of an account; for permissions, not a key.
pub fn params_keys(account: &str) -> String {
    format!("params.{}.*", token(account))
}

/// Key of the account's fence, which its leader writes each second.
pub fn fence_key(account: &str) -> String {
    format!("fence.{}", token(account))
}

/// Name of the one key-value bucket.
pub const BUCKET: &str = "helios";

/// Name of the stream that holds [`BUCKET`].
pub const BUCKET_STREAM: &str = "KV_helios";

/// Subject on which a key is written, and on which its writes are heard.
pub fn kv(key: &str) -> String {
    format!("$KV.{BUCKET}.{key}")
}

/// Subject that reads the newest value of a key, with its revision.
pub fn kv_get(key: &str) -> String {
    format!("$JS.API.DIRECT.GET.{BUCKET_STREAM}.{}", kv(key))
}

/// Prefix of the inboxes of a symbol's worker; what follows is chosen by the client at random.
pub fn worker_inbox(account: &str, symbol: &str) -> String {
    format!("_INBOX_helios.{}.worker.{}", token(account), token(symbol))
}

/// Prefix of the inboxes of all workers of an account.
pub fn worker_inboxes(account: &str) -> String {
    format!("_INBOX_helios.{}.worker.*", token(account))
}

/// Prefix of the inboxes of an account's coordinators.
pub fn coordinator_inbox(account: &str) -> String {
    format!("_INBOX_helios.{}.coordinator", token(account))
}

/// Prefix of the inboxes of the operator, where it deals with an account.
pub fn operator_inbox(account: &str) -> String {
    format!("_INBOX_helios.{}.operator", token(account))
}

/// Prefix of the inboxes of the people who administer an account.
pub fn admin_inbox(account: &str) -> String {
    format!("_INBOX_helios.{}.admin", token(account))
}

/// May a question on `question` be answered to `reply`? The asker names the address and the server does not check it: one
/// that is not the asker's own inbox would turn the answer into a message somewhere else, signed with the answerer's
/// permissions. True only for the inboxes of the symbol's worker (a grant), and of the account's people and coordinators (an
/// admin request: one that stands by passes on what it is asked on its host).
pub fn answerable(question: &str, reply: &str) -> bool {
    let q: Vec<&str> = question.split('.').collect();
    let prefixes = match q.as_slice() {
        ["helios", "v1", account, "grant", symbol] => {
            vec![format!("_INBOX_helios.{account}.worker.{symbol}.>")]
        }
        ["helios", "v1", account, "admin"] => ["admin", "coordinator"]
            .map(|who| format!("_INBOX_helios.{account}.{who}.>"))
            .to_vec(),
        _ => return false,
    };
    // A wildcard in a reply address is no address.
    !reply.split('.').any(|t| matches!(t, "" | "*" | ">"))
        && prefixes.iter().any(|p| matches(p, reply))
}

/// Is `subject` one of this symbol's? Grants and reports end with it; what a body says of itself binds nobody.
pub fn is_of(subject: &str, symbol: &str) -> bool {
    subject.rsplit('.').next() == Some(token(symbol).as_str())
}

/// Does `subject` match `pattern`?
pub fn matches(pattern: &str, subject: &str) -> bool {
    let mut p = pattern.split('.');
    let mut s = subject.split('.');
    loop {
        match (p.next(), s.next()) {
            (Some(">"), Some(_)) => return true,
            (Some("*"), Some(_)) => {}
            (Some(a), Some(b)) if a == b => {}
            (None, None) => return true,
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn wildcards_match_one_token_or_the_rest() {
        assert!(matches("a.*.c", "a.b.c"));
        assert!(!matches("a.*", "a.b.c"));
        assert!(matches("a.>", "a.b.c"));
        assert!(!matches("a.>", "a"));
    }

    #[test]
    fn a_question_is_answered_to_its_askers_inbox_alone() {
        let q = grant("ns/a", "BTCUSDT");
        let inbox = |p: String| format!("{p}.x.1");
        assert!(answerable(&q, &inbox(worker_inbox("ns/a", "BTCUSDT"))));
        assert!(answerable(&admin("ns/a"), &inbox(admin_inbox("ns/a"))));
        let standby = inbox(coordinator_inbox("ns/a"));
        assert!(answerable(&admin("ns/a"), &standby) && !answerable(&admin("ns/b"), &standby));
        for reply in [
            inbox(worker_inbox("ns/a", "ETHUSDT")),
            inbox(worker_inbox("ns/b", "BTCUSDT")),
            inbox(coordinator_inbox("ns/a")),
            inbox(operator_inbox("ns/a")),
            worker_inbox("ns/a", "BTCUSDT"),
            command("ns/a", "BTCUSDT"),
            kv(&fence_key("ns/a")),
            format!("{}.>", worker_inbox("ns/a", "BTCUSDT")),
            format!("{}..", worker_inbox("ns/a", "BTCUSDT")),
            String::new(),
        ] {
            assert!(!answerable(&q, &reply), "{reply}");
        }
        assert!(!answerable(
            "helios.v1.a.report.b",
            "_INBOX_helios.a.worker.b.x"
        ));
    }

    proptest! {
        #[test]
        fn a_token_is_one_token_and_differs_for_different_names(a in ".{0,12}", b in ".{0,12}") {
            let (x, y) = (token(&a), token(&b));
            prop_assert!(!x.contains('.') && !x.contains('*') && !x.contains('>') && !x.is_empty());
            prop_assert_eq!(x == y, a == b);
        }
    }
}
