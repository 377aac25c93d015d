//! What the ladder may and must do, judged by the venue's own books and by what the guardian had been told; apart from the
//! guardian's own code on purpose.

use super::draw::Portfolio;
use super::outcome::CrashOutcome;
use super::watch::Account;
use crate::driver::Sim;

/// Every rule that was broken, in words.
pub(crate) fn broken(_p: &Portfolio, _sim: &Sim, seen: &[Account], _o: &CrashOutcome) -> Vec<String> {
    let mut out = Vec::new();
    for w in seen.windows(2) {
        for i in 0..w[0].lots.len() {
            if w[1].lots[i].abs() > w[0].lots[i].abs() || w[1].lots[i] * w[0].lots[i] < 0 {
                out.push(format!("position {i} went from {} to {}", w[0].lots[i], w[1].lots[i]));
            }
        }
    }
    out
}
