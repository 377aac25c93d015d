//! A strategy's parameters in a file: the same bytes as on the bus, for a start without it and for changes while it is away.
//!
//! The operator writes the document into a ConfigMap, and the kubelet replaces the file by a link: content decides, not
//! times. A document that is not whole, or another strategy's, is not used; what it was before stays in force.

use anyhow::{Context, Result, bail};
use helios_bus::typed::ParamsNews;
use helios_core::messages::ParamsDocument;
use helios_crds::convert;
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::Instant;

/// How often the file is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// The file, watched.
#[derive(Debug)]
pub(super) struct ParamsFile {
    path: PathBuf,
    strategy_uid: String,
    last: Option<Vec<u8>>,
    next: Instant,
}

impl ParamsFile {
    /// A file of this strategy's that is read when it is first waited for.
    pub(super) fn new(path: PathBuf, strategy_uid: &str) -> Self {
        Self {
            path,
            strategy_uid: strategy_uid.into(),
            last: None,
            next: Instant::now(),
        }
    }

    /// Reads it for the start.
    ///
    /// # Errors
    /// It can't be used, in words.
    pub(super) fn open(path: PathBuf, strategy_uid: &str) -> Result<(Self, ParamsDocument)> {
        let mut file = Self::new(path, strategy_uid);
        let shown = format!("--params {}", file.path.display());
        let bytes = std::fs::read(&file.path).with_context(|| shown.clone())?;
        let news = file.judge(&bytes).with_context(|| shown.clone())?;
        file.last = Some(bytes);
        match news {
            ParamsNews::Document(d) => Ok((file, *d)),
            ParamsNews::Unknown { schema } => {
                bail!("{shown}: schema {schema} is not understood by this version")
            }
        }
    }

    fn judge(&self, bytes: &[u8]) -> Result<ParamsNews> {
        let news = ParamsNews::parse(bytes).context("no parameters document")?;
        if let ParamsNews::Document(d) = &news {
            if d.strategy_uid != self.strategy_uid {
                let (of, us) = (&d.strategy_uid, &self.strategy_uid);
                bail!("it is of strategy {of}, and this is {us}");
            }
            if d.sha256 != convert::digest(d) {
                bail!("its sha256 is another than that of its content: it is not whole");
            }
        }
        Ok(news)
    }

    /// Waits for the next content that can be used. Whoever waits may be interrupted and begin anew.
    pub(super) async fn changed(&mut self) -> ParamsNews {
        loop {
            tokio::time::sleep_until(self.next).await;
            self.next = Instant::now() + LOOK;
            // Between two links there may be none for a moment: that is no change.
            let Ok(bytes) = tokio::fs::read(&self.path).await else {
                continue;
            };
            if self.last.as_ref() == Some(&bytes) {
                continue;
            }
            let judged = self.judge(&bytes);
            self.last = Some(bytes);
            match judged {
                Ok(news) => return news,
                Err(e) => {
                    let file = self.path.display();
                    tracing::error!("{file} is not used, the old parameters stay in force: {e:#}");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use helios_crds::manifest;
    use std::path::Path;

    fn document(generation: u64) -> ParamsDocument {
        let text = "apiVersion: helios.trading/v1alpha1\nkind: HeliosAccount\nmetadata: {name: a}\nspec: {venue: Simulated}\n---\n\
apiVersion: helios.trading/v1alpha1\nkind: HeliosStrategy\nmetadata: {name: s}\nspec: {accountRef: {name: a}}\n";
        let m = manifest::parse(&[("f.yaml".into(), text.into())]).unwrap();
        convert::params_document(&m.strategies[0].object, "u-1", generation, 1)
    }

    fn write(path: &Path, d: &ParamsDocument) {
        std::fs::write(path, serde_json::to_vec(d).unwrap()).unwrap();
    }

    fn refused(d: &ParamsDocument) -> String {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("p.json");
        write(&path, d);
        format!("{:#}", ParamsFile::open(path, "u-1").unwrap_err())
    }

    #[test]
    fn a_document_of_another_strategy_or_one_that_is_not_whole_starts_nothing() {
        let mut other = document(3);
        other.strategy_uid = "u-2".into();
        assert!(refused(&other).contains("u-2"));
        let mut torn = document(3);
        torn.generation = 4;
        assert!(refused(&torn).contains("sha256"));
        let why = ParamsFile::open("/gone.json".into(), "u-1").unwrap_err();
        assert!(format!("{why:#}").contains("/gone.json"));
    }

    /// As the kubelet does it: the file is a link into a directory that is replaced by a link.
    fn swap(dir: &Path, n: u32, bytes: &[u8]) {
        let data = format!("..{n}");
        std::fs::create_dir(dir.join(&data)).unwrap();
        std::fs::write(dir.join(&data).join("params.json"), bytes).unwrap();
        let new = dir.join("..new");
        std::os::unix::fs::symlink(&data, &new).unwrap();
        std::fs::rename(new, dir.join("..data")).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_arrives_once_and_one_that_can_not_be_used_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("params.json");
        swap(dir.path(), 1, &serde_json::to_vec(&document(1)).unwrap());
        std::os::unix::fs::symlink("..data/params.json", &path).unwrap();
        let (mut file, first) = ParamsFile::open(path, "u-1").unwrap();
        assert_eq!(first.generation, 1);
        let quiet = tokio::time::timeout(LOOK * 5, file.changed()).await;
        assert!(quiet.is_err(), "{quiet:?}");
        swap(dir.path(), 2, b"{\"schema\": 2, \"gener");
        assert!(
            tokio::time::timeout(LOOK * 5, file.changed())
                .await
                .is_err()
        );
        swap(dir.path(), 3, &serde_json::to_vec(&document(2)).unwrap());
        let ParamsNews::Document(d) = file.changed().await else {
            panic!("a document");
        };
        assert_eq!(d.generation, 2);
        swap(dir.path(), 4, b"{\"schema\": 99, \"new\": true}");
        assert_eq!(file.changed().await, ParamsNews::Unknown { schema: 99 });
    }
}
