//! The file in which a venue hands over its key, and says where it is and how fast its market runs.
//!
//! Secrets travel by file only, readable by the owner alone: never as an argument, never on a screen, never in a log.

use super::own::kubelet_keeps;
use anyhow::{Context, Result, bail};
use helios_venue::server::ApiCredentials;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

/// Where a venue writes it and the other roles look for it, unless told otherwise.
pub const DEFAULT_FILE: &str = "venue-credentials.json";

/// What the file holds. `Debug` never shows the secret.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Keys {
    /// Sent with each request.
    pub api_key: String,
    /// Signs requests.
    pub api_secret: String,
    /// `Hmac` or `Ed25519`.
    #[serde(default)]
    pub key_type: KeyType,
    /// Base address of REST, e.g. `http://127.0.0.1:9181`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Market seconds a wall second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speed: Option<f64>,
}

/// How requests are signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyType {
    /// HMAC-SHA256.
    #[default]
    Hmac,
    /// Ed25519.
    Ed25519,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys")
            .field("url", &self.url)
            .field("speed", &self.speed)
            .finish_non_exhaustive()
    }
}

/// Reads the file.
///
/// # Errors
/// It is missing, no such file, or others may read it.
pub fn read(path: &Path) -> Result<Keys> {
    let shown = path.display();
    let file = File::open(path).with_context(|| {
        format!("{shown} can't be read: start `helios venue` first, or say --credentials-file")
    })?;
    private(&file, path)?;
    serde_json::from_reader(std::io::BufReader::new(file))
        .with_context(|| format!("{shown} is no credentials file of `helios venue`"))
}

/// Refuses a file that others may read, unless the kubelet keeps it.
fn private(file: &File, path: &Path) -> Result<()> {
    let shown = path.display();
    let mode = file.metadata().with_context(|| format!("{shown}"))?.mode();
    if mode & 0o077 != 0 && !kubelet_keeps(path) {
        bail!(
            "{shown} may be read by others (mode {:o}): chmod 600 {shown}",
            mode & 0o777
        );
    }
    Ok(())
}

/// What an opened secret file holds, without the blanks around it.
///
/// # Errors
/// Others may read it, or it holds no text; in words that hold no secret.
pub fn secret_text(mut file: File, path: &Path) -> Result<String> {
    private(&file, path)?;
    let shown = path.display();
    let mut text = String::new();
    file.read_to_string(&mut text)
        .with_context(|| format!("{shown} is no text"))?;
    match text.trim() {
        "" => bail!("{shown} is empty"),
        t => Ok(t.into()),
    }
}

/// Reads a directory as a Secret is mounted: `apiKey`, `apiSecret` and, unless it is `Hmac`, `keyType`, a file each. All are
/// of one state: the kubelet replaces them together, by a link.
///
/// # Errors
/// One is missing, holds something else, or others may read it.
pub fn read_dir(dir: &Path) -> Result<Keys> {
    let data = std::fs::canonicalize(dir.join("..data"));
    let at = data.as_deref().unwrap_or(dir);
    let part = |name: &str| -> Result<String> {
        let path = dir.join(name);
        let shown = path.display();
        let file = File::open(at.join(name)).with_context(|| {
            format!(
                "{shown} can't be read: is there a Secret by the name in spec.credentialsSecretRef, with apiKey and apiSecret?"
            )
        })?;
        secret_text(file, &path)
    };
    let key_type = if at.join("keyType").exists() {
        match part("keyType")?.as_str() {
            "Hmac" => KeyType::Hmac,
            "Ed25519" => KeyType::Ed25519,
            _ => bail!("{}/keyType: write Hmac or Ed25519", dir.display()),
        }
    } else {
        KeyType::Hmac
    };
    Ok(Keys {
        api_key: part("apiKey")?,
        api_secret: part("apiSecret")?,
        key_type,
        url: None,
        speed: None,
    })
}

/// The key of a venue that is started again, so that whoever holds the file goes on; `None` when there is none yet.
///
/// # Errors
/// The file is there and can't be used: it is never written over unread.
pub fn reuse(path: &Path) -> Result<Option<ApiCredentials>> {
    if !path.exists() {
        return Ok(None);
    }
    built_in(read(path)?, path).map(Some)
}

/// A key that the built-in venue shall take.
///
/// # Errors
/// It is none that it takes.
pub fn built_in(keys: Keys, from: &Path) -> Result<ApiCredentials> {
    if keys.key_type != KeyType::Hmac {
        bail!(
            "{} holds an Ed25519 key, which the built-in venue does not take: choose another",
            from.display()
        );
    }
    Ok(ApiCredentials {
        key: keys.api_key,
        secret: keys.api_secret,
    })
}

/// Writes the file, mode 0600 from its first byte; a crash leaves the old one or the new one.
///
/// # Errors
/// It can't be written.
pub fn write(path: &Path, keys: &Keys) -> Result<()> {
    let shown = path.display();
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.new", std::process::id()));
    let beside = path.with_file_name(name);
    let put = || -> Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&beside)?;
        file.write_all(&serde_json::to_vec_pretty(keys)?)?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        Ok(std::fs::rename(&beside, path)?)
    };
    put().with_context(|| {
        // What is half written must not stay behind.
        let _ = std::fs::remove_file(&beside);
        format!("{shown} can't be written: say --credentials-file")
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn keys() -> Keys {
        Keys {
            api_key: "key".into(),
            api_secret: "hidden".into(),
            key_type: KeyType::Hmac,
            url: Some("http://127.0.0.1:1".into()),
            speed: Some(60.0),
        }
    }

    #[test]
    fn keys_survive_the_file_and_only_their_owner_may_read_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k.json");
        assert!(reuse(&path).unwrap().is_none());
        write(&path, &keys()).unwrap();
        assert_eq!(read(&path).unwrap(), keys());
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(reuse(&path).unwrap().unwrap().secret, "hidden");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_others_may_read_or_that_is_none_is_refused_in_words() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k.json");
        write(&path, &keys()).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("chmod 600"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&path, "{}").unwrap();
        assert!(reuse(&path).is_err());
        let gone = read(&dir.path().join("gone")).unwrap_err().to_string();
        assert!(gone.contains("helios venue"), "{gone}");
    }

    #[test]
    fn a_mounted_secret_is_read_and_what_is_wrong_with_it_is_said_in_words() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str, mode| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        let refused = || read_dir(dir.path()).unwrap_err().to_string();
        assert!(refused().contains("credentialsSecretRef"));
        put("apiKey", "key\n", 0o600);
        put("apiSecret", " \n", 0o600);
        assert!(refused().contains("is empty"));
        put("apiSecret", "hidden\n", 0o644);
        assert!(refused().contains("chmod 600"));
        put("apiSecret", "hidden\n", 0o600);
        let k = read_dir(dir.path()).unwrap();
        assert_eq!(
            (k.api_key.as_str(), k.api_secret.as_str()),
            ("key", "hidden")
        );
        put("keyType", "Ed25519", 0o600);
        let k = read_dir(dir.path()).unwrap();
        assert_eq!(k.key_type, KeyType::Ed25519);
        assert!(built_in(k, dir.path()).is_err());
        put("keyType", "Rsa", 0o600);
        assert!(refused().contains("Hmac or Ed25519"));
    }

    #[test]
    fn a_secret_is_never_shown() {
        assert!(!format!("{:?}", keys()).contains("hidden"));
    }
}
