//! The one cluster that all tests of a binary share: starting it costs seconds and hundreds of megabytes.

use crate::cluster::{ControlPlane, Options};
use crate::node::Node;
use anyhow::Result;
use tokio::sync::OnceCell;

/// The shared control plane with default options, started by whoever asks first. It ends with the process: statics are not
/// dropped, but its programs die with their parent and the reaper takes its files.
pub async fn shared() -> Result<&'static ControlPlane> {
    static SHARED: OnceCell<ControlPlane> = OnceCell::const_new();
    SHARED
        .get_or_try_init(|| ControlPlane::start(Options::default()))
        .await
}

/// The shared real node, on the same terms. Only inside `tools/tier2.sh`.
pub async fn shared_node() -> Result<&'static Node> {
    static SHARED: OnceCell<Node> = OnceCell::const_new();
    SHARED
        .get_or_try_init(|| Node::start(Options::default()))
        .await
}
