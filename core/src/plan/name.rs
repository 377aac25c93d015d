//! Names of workers: the API server's name uniqueness is the claim on (account, symbol).

/// `hw-<account>-<slug(symbol)>-<6 hex of the symbol's hash>`: one worker for one (account, symbol), across strategies.
///
/// The hash keeps symbols apart whose slugs are alike (non-ASCII and dated names exist). At most 63 characters for
/// account names of up to 40.
pub fn worker_name(account: &str, symbol: &str) -> String {
    let bare = account.rsplit('/').next().unwrap_or(account);
    format!(
        "hw-{bare}-{}-{:06x}",
        slug(symbol),
        fnv1a(symbol.as_bytes()) & 0x00ff_ffff
    )
}

/// Where an account's guardian keeps what it must not forget: written by its coordinators, made ready by the operator.
pub fn guardian_name(account: &str) -> String {
    format!("{account}-guardian")
}

/// Lower-case letters, digits and `-` of a symbol, at most 12 characters; `x` where none is left.
pub fn slug(symbol: &str) -> String {
    let mut s = String::new();
    for c in symbol.chars().flat_map(char::to_lowercase) {
        let c = if c.is_ascii_alphanumeric() { c } else { '-' };
        if s.len() < 12 && !(c == '-' && s.is_empty()) {
            s.push(c);
        }
    }
    let s = s.trim_end_matches('-');
    if s.is_empty() { "x".into() } else { s.into() }
}

/// FNV-1a, 64 bits (Fowler, Noll, Vo): stable across versions, which the standard library's hasher is not.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |h, b| {
        (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_read_well() {
        assert!(worker_name("default/paper", "BTCUSDT").starts_with("hw-paper-btcusdt-"));
        assert_ne!(
            worker_name("a/p", "１２３USDT"),
            worker_name("a/p", "４５６USDT")
        );
        assert!(worker_name("a/p", "BTCUSDT_261225").starts_with("hw-p-btcusdt-2612-"));
    }

    proptest! {
        #[test]
        fn a_name_is_a_valid_pod_name(account in "[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?", symbol in ".{1,30}") {
            let n = worker_name(&account, &symbol);
            prop_assert!(n.len() <= 63, "{}", n);
            prop_assert!(n.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'), "{}", n);
            prop_assert!(!n.ends_with('-'));
        }
    }
}
