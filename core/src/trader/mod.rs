//! One symbol: book to decision to order to stop, as one machine.
//!
//! The shell (worker, simulator, backtest) feeds [`TraderEvent`]s and carries out [`TraderEffect`]s in order. The machine
//! never blocks and never assumes that an effect worked: what is true comes back as an event.

mod event;

pub use event::{StreamKind, TraderConfig, TraderEffect, TraderEvent};

use crate::messages::WorkerView;
use crate::time::Now;

/// The machine of one (account, symbol).
#[derive(Debug)]
pub struct Trader {
    config: TraderConfig,
}

impl Trader {
    /// A machine that knows nothing yet: it trades only after a reconcile, a synced book, warm ATR and a grant.
    pub fn new(config: TraderConfig) -> Self {
        Self { config }
    }

    /// Handles one event; effects are appended to `out` in the order they must be carried out.
    pub fn on_event(&mut self, now: Now, event: &TraderEvent, out: &mut Vec<TraderEffect>) {
        let _ = (now, event, out, &self.config);
    }

    /// What is shown of it.
    pub fn view(&self) -> WorkerView {
        WorkerView::default()
    }
}
