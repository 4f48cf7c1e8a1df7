//! The event ids in memory, of which there are as many as entries: their layout is about memory.
//!
//! An id and what used it stand in blocks that are filled one after the other and never move, 32 bytes each; a table
//! tells where, in 5 bytes for each of its places. So only the table doubles, and stands twice in memory while it
//! does: at its fullest and its emptiest an id takes 38 and 43 bytes, and 3 more while the table doubles.

use std::hash::{BuildHasher as _, RandomState};

use hashbrown::HashTable;

use crate::event::header::EventId;
use crate::lifecycle::state::SeenEvent;
use crate::time::Timestamp;

/// How many ids stand in a block: 64 KiB.
const BLOCK: usize = 2048;
/// Below this many event ids, clearing expired ones isn't worth a walk.
const CLEARING_MIN: usize = 4096;

/// Event ids, each with the entry that used it.
#[derive(Debug, Default)]
pub(super) struct SeenIds {
    /// All but the last are full.
    blocks: Vec<Vec<(EventId, SeenEvent)>>,
    /// Places in `blocks`, counted through. (Four billion ids would take more memory than there is.)
    places: HashTable<u32>,
    /// Whoever makes up ids must not choose their places.
    hasher: RandomState,
    /// How many stood after the last clearing of expired ones.
    count_after_clearing: usize,
}

impl SeenIds {
    pub(super) fn count(&self) -> usize {
        self.places.len()
    }

    pub(super) fn get(&self, id: &EventId) -> Option<&SeenEvent> {
        let is_it = |place: &u32| at(&self.blocks, *place).0 == *id;
        let place = self.places.find(self.hasher.hash_one(id), is_it)?;
        Some(&at(&self.blocks, *place).1)
    }

    /// Puts `seen` in the place of what was there of `id`.
    pub(super) fn insert(&mut self, id: EventId, seen: SeenEvent) {
        let Self { blocks, places, hasher, .. } = self;
        let hash = hasher.hash_one(id);
        if let Some(&place) = places.find(hash, |place| at(blocks, *place).0 == id) {
            let place = place as usize;
            blocks[place / BLOCK][place % BLOCK].1 = seen;
            return;
        }
        let place = u32::try_from(places.len()).expect("four billion ids do not fit into memory");
        push(blocks, (id, seen));
        places.insert_unique(hash, place, |place| hasher.hash_one(at(blocks, *place).0));
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&EventId, &SeenEvent)> {
        self.blocks.iter().flatten().map(|(id, seen)| (id, seen))
    }

    /// Forgets every event id whose event expired before `now`: it could not come again. Walks all
    /// of them, but only after their number has doubled.
    pub(super) fn clear_expired(&mut self, now: Timestamp) {
        if self.count() < CLEARING_MIN || self.count() < 2 * self.count_after_clearing {
            return;
        }
        if self.iter().any(|(_, seen)| seen.expires_at < now) {
            self.keep_from(now);
        }
        self.count_after_clearing = self.count();
    }

    /// Puts those anew that expire at `now` or later.
    fn keep_from(&mut self, now: Timestamp) {
        let Self { blocks, places, hasher, .. } = self;
        let all = std::mem::take(blocks);
        places.clear();
        for (id, seen) in all.into_iter().flatten().filter(|(_, seen)| seen.expires_at >= now) {
            let place = u32::try_from(places.len()).expect("they are no more than before");
            push(blocks, (id, seen));
            places.insert_unique(hasher.hash_one(id), place, |place| hasher.hash_one(at(blocks, *place).0));
        }
    }
}

fn at(blocks: &[Vec<(EventId, SeenEvent)>], place: u32) -> &(EventId, SeenEvent) {
    let place = place as usize;
    &blocks[place / BLOCK][place % BLOCK]
}

fn push(blocks: &mut Vec<Vec<(EventId, SeenEvent)>>, of: (EventId, SeenEvent)) {
    match blocks.last_mut() {
        Some(block) if block.len() < BLOCK => block.push(of),
        _ => {
            let mut block = Vec::with_capacity(BLOCK);
            block.push(of);
            blocks.push(block);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn id(number: u32) -> EventId {
        let mut bytes = [7; 16];
        bytes[..4].copy_from_slice(&number.to_le_bytes());
        EventId::from_bytes(bytes)
    }

    fn seen(entry: u64, expires_ms: i64) -> SeenEvent {
        SeenEvent { entry, expires_at: Timestamp::from_millis(expires_ms).unwrap() }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        /// As a plain map does it: put, put again, find, and forget what expired.
        #[test]
        fn it_is_a_map(puts in prop::collection::vec((0u32..6_000, 0i64..1_000), 0..20_000)) {
            let (mut ids, mut map) = (SeenIds::default(), HashMap::new());
            for (entry, (number, expires_ms)) in (0u64..).zip(puts) {
                ids.insert(id(number), seen(entry, expires_ms));
                map.insert(id(number), seen(entry, expires_ms));
            }
            let all = |ids: &SeenIds| ids.iter().map(|(id, seen)| (*id, *seen)).collect::<HashMap<_, _>>();
            prop_assert_eq!(ids.count(), map.len());
            prop_assert_eq!(&all(&ids), &map);
            for number in 0..6_100 {
                prop_assert_eq!(ids.get(&id(number)), map.get(&id(number)));
            }
            ids.clear_expired(Timestamp::from_millis(500).unwrap());
            if map.len() >= CLEARING_MIN {
                map.retain(|_, seen| seen.expires_at.as_millis() >= 500);
            }
            prop_assert_eq!(&all(&ids), &map);
            for number in 0..6_100 {
                prop_assert_eq!(ids.get(&id(number)), map.get(&id(number)));
            }
        }
    }

    #[test]
    fn it_is_cleared_only_when_there_are_twice_as_many() {
        let mut ids = SeenIds::default();
        let end = u32::try_from(CLEARING_MIN).unwrap();
        (0..end).for_each(|number| ids.insert(id(number), seen(number.into(), 10)));
        ids.clear_expired(Timestamp::from_millis(10).unwrap());
        assert_eq!(ids.count(), CLEARING_MIN, "none has expired");
        ids.clear_expired(Timestamp::from_millis(11).unwrap());
        assert_eq!(ids.count(), CLEARING_MIN, "too few are new");
        (end..2 * end).for_each(|number| ids.insert(id(number), seen(number.into(), 20)));
        ids.clear_expired(Timestamp::from_millis(11).unwrap());
        assert_eq!(ids.count(), CLEARING_MIN);
        assert_eq!((ids.get(&id(0)), ids.get(&id(end))), (None, Some(&seen(end.into(), 20))));
    }
}
