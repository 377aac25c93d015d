//! Whether this process leads, as whoever acts asks it: by the clock, at the moment of each act.
//!
//! A process that was stopped wakes in the midst of whatever it did, and nobody has told it yet that its time is over. Its lead
//! carries its end, so it need not be told.

use helios_lease::Leadership;
use tokio::sync::watch;

/// The lead of this process, or one term of it.
#[derive(Clone, Debug)]
pub struct Lead {
    leadership: watch::Receiver<Leadership>,
    term: Option<u64>,
}

impl Lead {
    /// Follows what the lock says. No term is held by it.
    pub fn new(leadership: watch::Receiver<Leadership>) -> Self {
        Self {
            leadership,
            term: None,
        }
    }

    /// The term in which this process leads at this instant.
    pub fn now(&self) -> Option<u64> {
        let l = self.leadership.borrow();
        match &*l {
            Leadership::Leader { transitions, .. } if l.leads(helios_clock::mono_ns()) => {
                Some(*transitions)
            }
            _ => None,
        }
    }

    /// Bound to the term that runs now: what is begun in one term is not carried on in the next, as another may have led
    /// between them.
    pub fn bound(&self) -> Self {
        Self {
            leadership: self.leadership.clone(),
            term: self.now(),
        }
    }

    /// The term it is bound to runs still.
    pub fn holds(&self) -> bool {
        self.term.is_some() && self.term == self.now()
    }

    /// Waits for news of the lock.
    ///
    /// # Errors
    /// The lock has ended.
    pub async fn changed(&mut self) -> Result<(), watch::error::RecvError> {
        self.leadership.changed().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leader(transitions: u64, until_ns: u64) -> Leadership {
        Leadership::Leader {
            transitions,
            until_ns,
            waited_out: true,
        }
    }

    #[test]
    fn a_lead_ends_by_the_clock_and_another_term_is_another_lead() {
        let (lock, shown) = watch::channel(Leadership::Standby { holder: None });
        let lead = Lead::new(shown);
        assert!(!lead.bound().holds());
        lock.send_replace(leader(3, u64::MAX));
        let term = lead.bound();
        assert!(term.holds() && !lead.holds());
        lock.send_replace(leader(5, u64::MAX));
        assert!(!term.holds() && lead.bound().holds());
        let term = lead.bound();
        // Nobody has said that it is over.
        lock.send_replace(leader(5, helios_clock::mono_ns()));
        assert!(!term.holds());
    }
}
