//! Writing the guardian's state: one write after the other, by compare-and-swap, each with a number.
//!
//! A write that is answered late must not be taken for a newer one's answer, and a person who waits for a latch must hear of
//! the first write that carries it. Hence the numbers: an answer says up to which save the store holds everything.

use crate::effects::Answer;
use crate::store::{GuardianStore, StoreError};
use helios_core::guardian::GuardianState;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// What the saving task is told.
enum Save {
    /// The store is at this revision now: a term begins. `None`: it could not be read, so nothing may be written over it.
    From(Option<u64>),
    /// A state with its number.
    State(u64, Box<GuardianState>),
}

/// What became of a save and of all before it that had no answer yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Saved {
    /// The store holds it.
    Written,
    /// It could not be written; the guardian tries again with what it has then.
    Failed,
    /// Nothing was tried: what the store holds has not been read since it was found to be unknown.
    Unread,
    /// Somebody else wrote the guardian's state: this term's picture of it is old.
    Conflict,
}

/// The task that saves, and how many saves it was given.
pub(crate) struct Saves {
    to: mpsc::UnboundedSender<Save>,
    newest: u64,
    task: JoinHandle<()>,
}

impl Saves {
    /// Nothing is saved before [`Saves::from`] has said what is stored.
    pub(crate) fn start(
        store: Arc<dyn GuardianStore>,
        answers: mpsc::UnboundedSender<Answer>,
    ) -> Self {
        let (to, waiting) = mpsc::unbounded_channel();
        Self {
            to,
            newest: 0,
            task: tokio::spawn(save_in_order(store, waiting, answers)),
        }
    }

    /// A term begins: the store was read at this revision, or not at all.
    pub(crate) fn from(&self, revision: Option<u64>) {
        let _ = self.to.send(Save::From(revision));
    }

    /// Saves a state after those before it.
    pub(crate) fn save(&mut self, state: Box<GuardianState>) {
        self.newest += 1;
        // The saving task lives as long as this does.
        let _ = self.to.send(Save::State(self.newest, state));
    }

    /// Number of the last save; 0 before the first.
    pub(crate) const fn newest(&self) -> u64 {
        self.newest
    }

    /// What waits is written, for as long as the caller has patience.
    pub(crate) async fn finish(self) {
        let Self { to, mut task, .. } = self;
        drop(to);
        let abort = AbortOnDrop(task.abort_handle());
        let _ = (&mut task).await;
        drop(abort);
    }
}

/// A caller that loses its patience takes the task with it.
struct AbortOnDrop(tokio::task::AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// After a conflict nothing is tried before a new term has read what is there.
async fn save_in_order(
    store: Arc<dyn GuardianStore>,
    mut waiting: mpsc::UnboundedReceiver<Save>,
    answers: mpsc::UnboundedSender<Answer>,
) {
    let mut revision = None;
    let mut next = waiting.recv().await;
    while let Some(save) = next.take() {
        let (mut number, mut state) = match save {
            Save::From(r) => {
                revision = r;
                next = waiting.recv().await;
                continue;
            }
            Save::State(n, s) => (n, s),
        };
        // Only the newest matters; its answer is that of those before it.
        loop {
            match waiting.try_recv() {
                Ok(Save::State(n, newer)) => (number, state) = (n, newer),
                Ok(from) => {
                    next = Some(from);
                    break;
                }
                Err(_) => break,
            }
        }
        let written = match revision {
            None => None,
            Some(r) => Some(store.save(r, &state).await),
        };
        if let Some(Err(e)) = &written {
            tracing::error!(error = %e, "guardian state not written");
        }
        let became = match written {
            None => Saved::Unread,
            Some(Ok(r)) => {
                revision = Some(r);
                Saved::Written
            }
            Some(Err(StoreError::Conflict { .. })) => {
                revision = None;
                Saved::Conflict
            }
            Some(Err(_)) => Saved::Failed,
        };
        let _ = answers.send(Answer::Saved(number, became));
        if next.is_none() {
            next = waiting.recv().await;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::store::MemoryStore;

    fn state(epoch: u64) -> Box<GuardianState> {
        Box::new(GuardianState {
            epoch,
            ..GuardianState::default()
        })
    }

    async fn saved(answers: &mut mpsc::UnboundedReceiver<Answer>) -> (u64, Saved) {
        match answers.recv().await.unwrap() {
            Answer::Saved(n, s) => (n, s),
            _ => panic!("another answer"),
        }
    }

    #[tokio::test]
    async fn an_answer_names_the_save_it_is_for_and_covers_those_before_it() {
        let store = Arc::new(MemoryStore::default());
        let (tx, mut answers) = mpsc::unbounded_channel();
        let mut saves = Saves::start(store.clone(), tx);
        saves.from(Some(0));
        saves.save(state(1));
        assert_eq!(saved(&mut answers).await, (1, Saved::Written));
        saves.save(state(2));
        saves.save(state(3));
        assert_eq!(saves.newest(), 3);
        assert_eq!(saved(&mut answers).await, (3, Saved::Written));
        assert_eq!(store.load().await.unwrap().unwrap().state.epoch, 3);
    }

    #[tokio::test]
    async fn nothing_is_written_over_what_was_not_read_or_what_another_wrote() {
        let store = Arc::new(MemoryStore::default());
        let (tx, mut answers) = mpsc::unbounded_channel();
        let mut saves = Saves::start(store.clone(), tx);
        saves.save(state(1));
        assert_eq!(saved(&mut answers).await, (1, Saved::Unread));
        saves.from(Some(0));
        saves.save(state(2));
        assert_eq!(saved(&mut answers).await, (2, Saved::Written));
        store.save(1, &state(9)).await.unwrap();
        saves.save(state(3));
        assert_eq!(saved(&mut answers).await, (3, Saved::Conflict));
        saves.save(state(4));
        assert_eq!(saved(&mut answers).await, (4, Saved::Unread));
        saves.from(None);
        saves.save(state(5));
        assert_eq!(saved(&mut answers).await, (5, Saved::Unread));
        assert_eq!(store.load().await.unwrap().unwrap().state.epoch, 9);
    }
}
