//! Eyes on a running coordinator: metrics and whoever else wants to know are told what the guardian does, as it does it.
//!
//! An observer decides nothing and answers nothing. It is called from the coordinator's loop, so it must return at once:
//! count, copy, wake somebody.

use helios_core::guardian::GuardianEffect;

/// Is told what a coordinator does.
pub trait Observer: Send + Sync + std::fmt::Debug {
    /// An effect that is about to be carried out.
    fn effect(&self, effect: &GuardianEffect);

    /// Whether this coordinator leads, and its epoch (0 before the first): once at the start, then on each change of either.
    fn leadership(&self, leading: bool, epoch: u64);
}

/// Nobody looks.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoObserver;

impl Observer for NoObserver {
    fn effect(&self, _: &GuardianEffect) {}
    fn leadership(&self, _: bool, _: u64) {}
}
