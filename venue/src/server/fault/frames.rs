//! Faults of frames: lost, sent twice, or sent after the one that follows.
//!
//! Asked by the hub for each frame of a topic, before it is shared out: every subscriber sees the same disorder.

use super::menu::{Disorder, Fault};
use super::{Faults, Ordered, Target};
use crate::server::stream::Topic;
use std::collections::BTreeMap;

/// Frames that wait for the one after them, by topic: event type and text.
pub(in crate::server) type Held = BTreeMap<Topic, (Option<String>, Vec<u8>)>;

/// What is sent when a frame comes: none, it, it twice, or it and the one before.
type Passed = Vec<(Option<String>, Vec<u8>)>;

impl Faults {
    /// What is sent for a frame; `None` when nothing is ordered: it goes as it is.
    pub(in crate::server) fn frame(
        &self,
        target: &Target,
        topic: &Topic,
        event: Option<&str>,
        json: &[u8],
    ) -> Option<Passed> {
        if self.none() {
            return None;
        }
        let mut inner = self.lock();
        let this = || (event.map(str::to_owned), json.to_vec());
        if let Some(before) = inner.held.remove(topic) {
            self.note(&inner);
            return Some(vec![this(), before]);
        }
        let hit = inner.take(|o: &Ordered| match &o.fault {
            Fault::Frames(f) if o.target.as_ref() == Some(target) => {
                let of_type = f.event.as_deref().is_none_or(|e| Some(e) == event);
                of_type.then_some(f.to)
            }
            _ => None,
        })?;
        let passed = match hit {
            Disorder::Lose => Vec::new(),
            Disorder::Duplicate => vec![this(), this()],
            Disorder::Reorder => {
                inner.held.insert(topic.clone(), this());
                Vec::new()
            }
        };
        self.note(&inner);
        Some(passed)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::engine::AccountId;
    use crate::server::fault::Frames;

    fn sent(to: Disorder, times: u64, event: Option<&str>) -> String {
        let faults = Faults::default();
        let (topic, user) = (Topic::User("k".into()), Target::User(AccountId(3)));
        let frames = Frames {
            stream: "user".into(),
            account: None,
            event: event.map(str::to_owned),
            to,
            times,
        };
        faults.order(Fault::Frames(frames), Some(user.clone()), times);
        let mut out = String::new();
        for (kind, text) in [("A", "1"), ("B", "2"), ("A", "3"), ("A", "4")] {
            let passed = faults.frame(&user, &topic, Some(kind), text.as_bytes());
            let passed = passed.unwrap_or_else(|| vec![(None, text.into())]);
            for (_, t) in passed {
                out.push_str(std::str::from_utf8(&t).unwrap());
            }
            // Another topic is not meant.
            let other = Target::Topic(Topic::AllMarks(0));
            assert_eq!(
                faults.frame(&other, &Topic::AllMarks(1000), None, b"x"),
                None
            );
        }
        assert!(faults.none(), "all of it is used up");
        out
    }

    #[test]
    fn frames_are_lost_doubled_or_swapped_as_often_as_was_ordered() {
        assert_eq!(sent(Disorder::Lose, 2, None), "34");
        assert_eq!(sent(Disorder::Lose, 2, Some("A")), "24");
        assert_eq!(sent(Disorder::Duplicate, 1, None), "11234");
        assert_eq!(sent(Disorder::Reorder, 1, None), "2134");
        assert_eq!(sent(Disorder::Reorder, 1, Some("B")), "1324");
        assert_eq!(sent(Disorder::Reorder, 2, None), "2143");
    }
}
