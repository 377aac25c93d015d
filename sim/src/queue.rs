//! What happens when: events ordered by virtual time, then by the order in which they were put in.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A queue over virtual milliseconds.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    heap: BinaryHeap<Reverse<(i64, u64, usize)>>,
    slots: Vec<Option<T>>,
    free: Vec<usize>,
    seq: u64,
}

impl<T> Queue<T> {
    pub(crate) fn new() -> Self {
        Self {
            heap: BinaryHeap::new(),
            slots: Vec::new(),
            free: Vec::new(),
            seq: 0,
        }
    }

    /// Puts an item in, due at `ms`.
    pub(crate) fn push(&mut self, ms: i64, item: T) {
        let slot = match self.free.pop() {
            Some(i) => {
                self.slots[i] = Some(item);
                i
            }
            None => {
                self.slots.push(Some(item));
                self.slots.len() - 1
            }
        };
        self.seq += 1;
        self.heap.push(Reverse((ms, self.seq, slot)));
    }

    /// When the next item is due.
    pub(crate) fn peek_ms(&self) -> Option<i64> {
        self.heap.peek().map(|r| r.0.0)
    }

    /// Takes the next item.
    pub(crate) fn pop(&mut self) -> Option<(i64, T)> {
        let Reverse((ms, _, slot)) = self.heap.pop()?;
        let item = self.slots[slot].take()?;
        self.free.push(slot);
        Some((ms, item))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn items_come_out_by_time_and_then_in_the_order_they_went_in(times in proptest::collection::vec(0i64..20, 0..200)) {
            let mut q = Queue::new();
            for (i, t) in times.iter().enumerate() {
                q.push(*t, i);
            }
            let mut expected: Vec<_> = times.iter().copied().zip(0..).collect();
            expected.sort_by_key(|e| e.0);
            let got: Vec<_> = std::iter::from_fn(|| q.pop()).collect();
            prop_assert_eq!(got, expected);
        }
    }
}
