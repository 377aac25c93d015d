//! What persons have said and no save has carried yet: who waits for the word that it is written, and what must be said
//! again when the state is read anew.
//!
//! "Written" is said for the first save that carries the latch, never for one that was under way before. A read that replaces
//! the state would take a latch with it that was set and not written: it is set again. A release is not: what is found in the
//! store may be newer than the person knew, so they are asked to say it again.

use tokio::sync::oneshot;

/// Told whether a latch is written, or why not.
pub(crate) type Done = oneshot::Sender<Result<(), String>>;

/// One latch set or released by a person.
struct Word {
    name: String,
    set: bool,
    /// The first save that carries it.
    carried_by: u64,
    /// Whoever waits; gone when answered.
    done: Option<Done>,
}

impl Word {
    fn answer(&mut self, result: Result<(), String>) {
        if let Some(done) = self.done.take() {
            let _ = done.send(result);
        }
    }
}

/// Words of persons that no save has carried yet, in the order they were said.
#[derive(Default)]
pub(crate) struct Said(Vec<Word>);

impl Said {
    /// A latch was set or released; `carried_by` is the number of the first save with it.
    pub(crate) fn wait(&mut self, name: String, set: bool, carried_by: u64, done: Done) {
        // A later word on the same latch is the one that holds.
        self.0.retain_mut(|w| w.name != name || w.done.is_some());
        self.0.push(Word {
            name,
            set,
            carried_by,
            done: Some(done),
        });
    }

    /// This was said already and is not written yet.
    pub(crate) fn unwritten(&self, name: &str, set: bool) -> bool {
        self.0.iter().any(|w| w.name == name && w.set == set)
    }

    /// Saves up to this one are written.
    pub(crate) fn written(&mut self, number: u64) {
        self.0.retain_mut(|w| {
            let carried = w.carried_by <= number;
            if carried {
                w.answer(Ok(()));
            }
            !carried
        });
    }

    /// Saves up to this one could not be written: who waits is told, and what was set is kept in mind.
    pub(crate) fn failed(&mut self, number: u64, why: &str) {
        for w in self.0.iter_mut().filter(|w| w.carried_by <= number) {
            w.answer(Err(why.into()));
        }
    }

    /// The state is replaced by what was read: latches to set again, which the next save carries.
    pub(crate) fn again(&mut self, next_save: u64) -> Vec<String> {
        self.0.retain_mut(|w| {
            if !w.set {
                w.answer(Err(
                    "the state was read anew meanwhile: look, and ask again".into(),
                ));
            }
            w.carried_by = next_save;
            w.set
        });
        self.0.iter().map(|w| w.name.clone()).collect()
    }

    /// This one leads no more: what was not written is gone, and who waits is told so.
    pub(crate) fn forget(&mut self) {
        for mut w in self.0.drain(..) {
            w.answer(Err(
                "this coordinator leads no more and it was not written: ask again".into(),
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    type Answered = oneshot::Receiver<Result<(), String>>;

    fn say(said: &mut Said, name: &str, set: bool, carried_by: u64) -> Answered {
        let (done, answered) = oneshot::channel();
        said.wait(name.into(), set, carried_by, done);
        answered
    }

    #[test]
    fn a_person_hears_written_only_for_a_save_that_carries_the_latch() {
        let mut said = Said::default();
        let mut kill = say(&mut said, "kill", true, 8);
        said.written(7);
        assert!(kill.try_recv().is_err(), "told of a save from before");
        said.failed(7, "disk full");
        assert!(kill.try_recv().is_err());
        assert!(said.unwritten("kill", true) && !said.unwritten("kill", false));
        said.written(9);
        assert_eq!(kill.try_recv().unwrap(), Ok(()));
        assert!(!said.unwritten("kill", true));
    }

    #[test]
    fn a_latch_that_was_set_and_not_written_is_set_again_after_the_state_was_read_anew() {
        let mut said = Said::default();
        let mut kill = say(&mut said, "kill", true, 3);
        let mut released = say(&mut said, "drawdown", false, 3);
        assert_eq!(said.again(5), ["kill"]);
        assert!(released.try_recv().unwrap().is_err());
        said.written(4);
        assert!(kill.try_recv().is_err());
        said.written(5);
        assert_eq!(kill.try_recv().unwrap(), Ok(()));
        assert!(said.again(6).is_empty(), "written is said once");
    }

    #[test]
    fn a_failed_write_is_told_at_once_and_the_latch_is_not_forgotten() {
        let mut said = Said::default();
        let mut kill = say(&mut said, "kill", true, 3);
        said.failed(3, "disk full");
        assert_eq!(kill.try_recv().unwrap(), Err("disk full".into()));
        assert_eq!(said.again(4), ["kill"]);
        let mut later = say(&mut said, "kill", false, 5);
        assert!(said.again(6).is_empty(), "the later word holds");
        assert!(later.try_recv().unwrap().is_err());
    }

    #[test]
    fn who_waits_when_the_lead_is_lost_is_told_that_it_is_not_written() {
        let mut said = Said::default();
        let mut kill = say(&mut said, "kill", true, 3);
        said.forget();
        assert!(kill.try_recv().unwrap().is_err());
        assert!(said.again(4).is_empty());
    }
}
