//! Where a coordinator's account and strategies come from while it runs: files, or an API server's watches.

#[cfg(feature = "kubernetes")]
use super::cluster::Cluster;
use crate::manifests::{Files, Objects};

/// What is looked at for changes.
pub(super) enum Source {
    /// Manifest files; a broken edit changes nothing.
    Files(Files),
    /// Objects of an API server; a broken one is left out by itself.
    #[cfg(feature = "kubernetes")]
    Cluster(Box<Cluster>),
}

impl Source {
    /// Waits for the next change and takes it in, in words. Whoever waits may be interrupted and begin anew.
    pub(super) async fn changed(&mut self, objects: &mut Objects) {
        match self {
            Self::Files(files) => match files.changed().await {
                Ok(m) => {
                    for words in objects.accept(&m, false) {
                        tracing::info!("{words}");
                    }
                }
                Err(e) => {
                    tracing::error!("the edit is not used, the old parameters stay in force:\n{e}");
                }
            },
            #[cfg(feature = "kubernetes")]
            Self::Cluster(cluster) => {
                cluster.changed().await;
                cluster.accept(objects);
            }
        }
    }

    /// What the objects say becomes the workers' parameters from here.
    pub(super) const fn publishes(&self) -> bool {
        !self.flattens()
    }

    /// Positions of strategies that go are closed from here: nobody else does who outlives their workers.
    pub(super) const fn flattens(&self) -> bool {
        match self {
            Self::Files(_) => false,
            #[cfg(feature = "kubernetes")]
            Self::Cluster(_) => true,
        }
    }
}
