//! While two private sockets are open each frame comes twice: the second is dropped. Core takes repeated frames well; this
//! keeps them from being counted and told twice.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Frames remembered at most.
const MOST: usize = 4096;

/// Frames heard on one of two sockets and not yet on the other.
#[derive(Debug, Default)]
pub(super) struct Twice(BTreeMap<u64, (bool, u32)>);

impl Twice {
    /// True when the other socket has brought this frame already. A frame that one socket brings twice is the exchange's
    /// own repetition, and not ours to drop.
    pub fn is_second(&mut self, frame: &[u8], of_next: bool) -> bool {
        let mut h = DefaultHasher::new();
        frame.hash(&mut h);
        let key = h.finish();
        match self.0.get_mut(&key) {
            Some((by, n)) if *by != of_next => {
                *n -= 1;
                if *n == 0 {
                    self.0.remove(&key);
                }
                true
            }
            Some((_, n)) => {
                *n += 1;
                false
            }
            None => {
                if self.0.len() < MOST {
                    self.0.insert(key, (of_next, 1));
                }
                false
            }
        }
    }

    /// The next socket is the only one now: what the last one brought may still come on it, what it brought itself may not.
    pub fn take_over(&mut self) {
        self.0.retain(|_, (by, _)| !*by);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_frame_is_heard_once_from_two_sockets_and_as_often_as_one_says_it() {
        let mut t = Twice::default();
        assert!(!t.is_second(b"a", false));
        assert!(!t.is_second(b"a", false), "said twice by one socket");
        assert!(t.is_second(b"a", true) && t.is_second(b"a", true));
        assert!(!t.is_second(b"a", true), "said once more by the other");
        assert!(!t.is_second(b"b", true));
        t.take_over();
        assert!(!t.is_second(b"b", true));
    }

    #[test]
    fn what_the_last_socket_said_is_dropped_when_it_comes_late() {
        let mut t = Twice::default();
        assert!(!t.is_second(b"a", false));
        t.take_over();
        assert!(t.is_second(b"a", true));
        assert!(!t.is_second(b"a", true));
    }
}
