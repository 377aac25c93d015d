//! All objects of one kind, kept as facts through lists and changes.

use std::collections::BTreeMap;

/// One event of a watch, with the object already read.
#[derive(Clone, Debug, PartialEq)]
pub enum News<F> {
    /// A new list begins.
    Restart,
    /// An object of the list.
    Listed(String, F),
    /// The list is whole: what it did not name is gone.
    Complete,
    /// An object is new or changed.
    Changed(String, F),
    /// An object is gone.
    Gone(String),
}

/// All objects of a kind, by `namespace/name`.
#[derive(Clone, Debug)]
pub struct Shelf<F> {
    items: BTreeMap<String, F>,
    list: Option<BTreeMap<String, F>>,
    synced: bool,
}

impl<F> Default for Shelf<F> {
    fn default() -> Self {
        Self {
            items: BTreeMap::new(),
            list: None,
            synced: false,
        }
    }
}

impl<F: Clone + PartialEq> Shelf<F> {
    /// A first list has been whole.
    pub fn synced(&self) -> bool {
        self.synced
    }

    /// One of them.
    pub fn get(&self, name: &str) -> Option<&F> {
        self.items.get(name)
    }

    /// All of them, in order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &F)> {
        self.items.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Takes an event in and says what differs: the fact before and the fact after.
    pub fn hear(&mut self, news: News<F>) -> Vec<(Option<F>, Option<F>)> {
        match news {
            News::Restart => {
                self.list = Some(BTreeMap::new());
                Vec::new()
            }
            News::Listed(name, f) => {
                self.list.get_or_insert_default().insert(name, f);
                Vec::new()
            }
            News::Complete => {
                self.synced = true;
                let new = self.list.take().unwrap_or_default();
                let old = std::mem::replace(&mut self.items, new);
                self.differences(old)
            }
            News::Changed(name, f) => {
                let before = self.items.insert(name, f.clone());
                if before.as_ref() == Some(&f) {
                    return Vec::new();
                }
                vec![(before, Some(f))]
            }
            News::Gone(name) => {
                let before = self.items.remove(&name);
                before.map(|b| (Some(b), None)).into_iter().collect()
            }
        }
    }

    fn differences(&self, old: BTreeMap<String, F>) -> Vec<(Option<F>, Option<F>)> {
        let mut found = Vec::new();
        for (name, new) in &self.items {
            let before = old.get(name);
            if before != Some(new) {
                found.push((before.cloned(), Some(new.clone())));
            }
        }
        let gone = old
            .into_iter()
            .filter(|(name, _)| !self.items.contains_key(name));
        found.extend(gone.map(|(_, f)| (Some(f), None)));
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_used_whole_and_what_it_does_not_name_is_gone() {
        let mut s = Shelf::default();
        assert!(!s.synced());
        s.hear(News::Restart);
        s.hear(News::Listed("a".into(), 1));
        s.hear(News::Listed("b".into(), 1));
        assert!(s.is_empty() && !s.synced(), "half a list is none");
        assert_eq!(s.hear(News::Complete).len(), 2);
        assert!(s.synced());
        s.hear(News::Restart);
        s.hear(News::Listed("b".into(), 1));
        assert_eq!(s.len(), 2, "the old list serves until the new one is whole");
        assert_eq!(s.hear(News::Complete), [(Some(1), None)]);
        assert_eq!(s.get("a"), None);
    }

    #[test]
    fn only_a_difference_is_told() {
        let mut s = Shelf::default();
        assert_eq!(s.hear(News::Changed("a".into(), 1)), [(None, Some(1))]);
        assert_eq!(s.hear(News::Changed("a".into(), 1)), []);
        assert_eq!(s.hear(News::Changed("a".into(), 2)), [(Some(1), Some(2))]);
        assert_eq!(s.hear(News::Gone("a".into())), [(Some(2), None)]);
        assert_eq!(s.hear(News::Gone("a".into())), []);
    }
}
