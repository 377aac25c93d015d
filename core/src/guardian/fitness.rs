//! What the exchange says of the account besides its numbers: modes and rights that Helios refuses, and news that only a read
//! makes clear. Neither moves a position: no new risk is taken, what is held is guarded as ever.

use super::event::GuardianEffect;
use super::{Guardian, alert};
use crate::instrument::Symbol;
use crate::messages::Severity;
use std::sync::Arc;

impl Guardian {
    /// What was read of modes and rights.
    pub(super) fn judge_fitness(&mut self, unfit: Option<&Arc<str>>) {
        if self.unfit.as_ref() == unfit {
            return;
        }
        self.unfit = unfit.cloned();
        self.touched = true;
    }

    /// People are told when it changes, either way; by a leader, as a standby tells nobody anything.
    pub(super) fn tell_fitness(&mut self, out: &mut Vec<GuardianEffect>) {
        if self.unfit_told == self.unfit {
            return;
        }
        self.unfit_told.clone_from(&self.unfit);
        let unfit = self.unfit.as_ref();
        out.push(match unfit {
            Some(why) => alert(
                Severity::Critical,
                "AccountUnfit",
                None,
                format!("no new risk: {why}"),
            ),
            None => alert(
                Severity::Info,
                "AccountFit",
                None,
                "modes and key are as they should be: new risk may be taken".into(),
            ),
        });
    }

    /// The venue is read, and people are told where there is something to tell.
    pub(super) fn doubt(
        &mut self,
        symbol: Option<&Symbol>,
        told: Option<&(Arc<str>, Arc<str>)>,
        out: &mut Vec<GuardianEffect>,
    ) {
        self.want_read = true;
        out.extend(
            told.map(|(code, text)| alert(Severity::Critical, code, symbol, text.to_string())),
        );
    }
}
