//! The accounts of `helios venue --accounts FILE`: a YAML or JSON list.
//!
//! Secrets are not in it: each HMAC key names a file that holds its secret alone, which its owner alone may read.

use super::keys::{KeyType, secret_text};
use anyhow::{Context, Result, bail};
use helios_venue::server::{AccountConfig, ApiKey, ApiRestrictions};
use rust_decimal::Decimal;
use serde::Deserialize;
use std::fs::File;
use std::path::{Path, PathBuf};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Row {
    name: String,
    keys: Vec<KeyRow>,
    /// USDT, a number or text.
    #[serde(default)]
    balance: Option<serde_json::Value>,
    #[serde(default)]
    restrictions: ApiRestrictions,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct KeyRow {
    api_key: String,
    #[serde(default)]
    key_type: KeyType,
    /// `Hmac`: the file that holds the secret.
    #[serde(default)]
    secret_file: Option<PathBuf>,
    /// `Ed25519`: the public key, PEM or base64.
    #[serde(default)]
    public_key: Option<String>,
}

/// Reads the list. Secret files are looked for beside it; an account without a balance begins with `balance`.
///
/// # Errors
/// The list or one of its secrets can't be read, or a secret may be read by others; in words that hold no secret.
pub fn read(path: &Path, balance: Decimal) -> Result<Vec<AccountConfig>> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("{shown} can't be read"))?;
    let rows: Vec<Row> = serde_saphyr::from_str(&text)
        .map_err(|e| anyhow::anyhow!("{shown} is no list of accounts: {}", e.without_snippet()))?;
    if rows.is_empty() {
        bail!("{shown} has no account: write one, or leave --accounts out");
    }
    let dir = path.parent().unwrap_or(Path::new(""));
    rows.into_iter()
        .map(|row| {
            let name = row.name.clone();
            account(row, dir, balance).with_context(|| format!("{shown}: account {name}"))
        })
        .collect()
}

fn account(row: Row, dir: &Path, balance: Decimal) -> Result<AccountConfig> {
    let balance = match row.balance {
        None => balance,
        Some(v) => {
            let text = v.as_str().map_or_else(|| v.to_string(), str::to_owned);
            let amount = text.parse();
            amount.with_context(|| format!("balance {text} is no amount of USDT"))?
        }
    };
    Ok(AccountConfig {
        keys: row
            .keys
            .into_iter()
            .map(|k| key(k, dir))
            .collect::<Result<_>>()?,
        name: row.name,
        balance,
        restrictions: row.restrictions,
    })
}

fn key(row: KeyRow, dir: &Path) -> Result<ApiKey> {
    match (row.key_type, row.secret_file, row.public_key) {
        (KeyType::Hmac, Some(file), None) => {
            Ok(ApiKey::hmac(row.api_key, secret(&dir.join(file))?))
        }
        (KeyType::Ed25519, None, Some(public)) => Ok(ApiKey::ed25519(row.api_key, &public)?),
        (KeyType::Hmac, ..) => bail!("a key of keyType Hmac has secretFile and no publicKey"),
        (KeyType::Ed25519, ..) => bail!("a key of keyType Ed25519 has publicKey and no secretFile"),
    }
}

fn secret(path: &Path) -> Result<String> {
    let file = File::open(path).with_context(|| format!("{} can't be read", path.display()))?;
    secret_text(file, path)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    const LIST: &str = "
- name: alpha
  balance: 2500.5
  keys:
    - apiKey: AAAA
      secretFile: alpha.secret
    - apiKey: BBBB
      keyType: Ed25519
      publicKey: |
        -----BEGIN PUBLIC KEY-----
        MCowBQYDK2VwAyEAPUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=
        -----END PUBLIC KEY-----
  restrictions:
    ipRestrict: true
- name: beta
  keys:
    - {apiKey: CCCC, secretFile: alpha.secret}
";

    fn put(dir: &Path, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = dir.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn accounts_are_read_from_yaml_and_json_and_secrets_from_beside_them() {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path(), "alpha.secret", "hidden\n", 0o600);
        let list = put(dir.path(), "accounts.yaml", LIST, 0o644);
        let all = read(&list, Decimal::TEN).unwrap();
        assert_eq!((all.len(), all[0].keys.len()), (2, 2));
        assert_eq!((&*all[0].name, all[0].keys[1].key()), ("alpha", "BBBB"));
        assert_eq!(all[0].balance, Decimal::new(25_005, 1));
        assert_eq!(all[1].balance, Decimal::TEN);
        assert!(all[0].restrictions.ip_restrict && all[0].restrictions.enable_futures);
        let json =
            r#"[{"name":"a","balance":"7","keys":[{"apiKey":"K","secretFile":"alpha.secret"}]}]"#;
        let list = put(dir.path(), "accounts.json", json, 0o644);
        assert_eq!(
            read(&list, Decimal::TEN).unwrap()[0].balance,
            Decimal::from(7)
        );
    }

    #[test]
    fn what_is_wrong_with_the_list_is_said_without_a_secret() {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path(), "open", "hidden", 0o644);
        put(dir.path(), "void", " \n", 0o600);
        for (text, word) in [
            ("[]", "no account"),
            ("{}", "no list"),
            ("[{name: a, keys: [], secret: hidden}]", "no list"),
            (
                "[{name: a, keys: [{apiKey: K, secretFile: open}]}]",
                "chmod 600",
            ),
            (
                "[{name: a, keys: [{apiKey: K, secretFile: void}]}]",
                "is empty",
            ),
            (
                "[{name: a, keys: [{apiKey: K, secretFile: gone}]}]",
                "can't be read",
            ),
            ("[{name: a, keys: [{apiKey: K}]}]", "secretFile"),
            (
                "[{name: a, keys: [{apiKey: K, keyType: Ed25519}]}]",
                "publicKey",
            ),
            (
                "[{name: a, keys: [{apiKey: K, keyType: Ed25519, publicKey: AAAA}]}]",
                "Ed25519",
            ),
            ("[{name: a, balance: much, keys: []}]", "no amount"),
        ] {
            let list = put(dir.path(), "list", text, 0o644);
            let why = format!("{:#}", read(&list, Decimal::TEN).unwrap_err());
            assert!(why.contains(word), "{text}: {why}");
            assert!(!why.contains("hidden"), "{text}: {why}");
        }
        let list = dir.path().join("none");
        assert!(read(&list, Decimal::TEN).is_err());
    }
}
