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

/// Alerts of an account.
pub fn alerts(account: &str) -> String {
    format!("helios.v1.{}.alert", token(account))
}

/// Key of the account snapshot.
pub fn snapshot_key(account: &str) -> String {
    format!("snapshot.{}", token(account))
}

/// A person's requests to the leader of an account.
pub fn admin(account: &str) -> String {
    format!("helios.v1.{}.admin", token(account))
}

/// Key of an account's fence.
pub fn fence_key(account: &str) -> String {
    format!("fence.{}", token(account))
}

/// Key of a strategy's parameters document; the account is in it so that permissions can bind it.
pub fn params_key(account: &str, strategy: &str) -> String {
    format!("params.{}.{}", token(account), token(strategy))
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

    proptest! {
        #[test]
        fn a_token_is_one_token_and_differs_for_different_names(a in ".{0,12}", b in ".{0,12}") {
            let (x, y) = (token(&a), token(&b));
            prop_assert!(!x.contains('.') && !x.contains('*') && !x.contains('>') && !x.is_empty());
            prop_assert_eq!(x == y, a == b);
        }
    }
}
