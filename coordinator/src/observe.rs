//! The hook through which metrics see what the guardian does, without the shell knowing of metrics.

use helios_core::guardian::GuardianEffect;

/// Is told of every effect before it is carried out, and of every change of leadership. Must not block.
pub trait Observer: Send + Sync + std::fmt::Debug {
    /// An effect of the guardian.
    fn effect(&self, _effect: &GuardianEffect) {}

    /// The message store has acknowledged the leader's fence.
    fn fence_acknowledged(&self) {}

    /// This coordinator leads (with its epoch), or does not (any more).
    fn leadership(&self, _leading: bool, _epoch: u64) {}
}

/// Sees nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoObserver;

impl Observer for NoObserver {}
