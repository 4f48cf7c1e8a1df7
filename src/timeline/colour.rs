//! Which colour and letter a model digest has: the same one wherever it stands in a chronicle.
//!
//! The colours are those of Okabe and Ito, which people tell apart who see colours otherwise; what they mean is told by
//! a letter too, so that nothing rests on colour alone. The shades stand in `picture.css`, for light and for dark.

use std::collections::BTreeMap;

use crate::hash::Hash;

use super::chronicle::Chronicle;

/// How many colours there are. Beyond them they come again, with a dashed edge.
pub const COLOURS: usize = 7;

/// The colours of a chronicle's digests.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Colours {
    /// Their ranks, in the order in which they first served.
    ranks: BTreeMap<Hash, usize>,
}

/// What a digest is told by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Colour {
    rank: usize,
}

impl Colours {
    /// The digests that served, in order of first service.
    #[must_use]
    pub fn of(chronicle: &Chronicle) -> Self {
        let stretches = chronicle.lanes.iter().flat_map(|lane| &lane.stretches);
        let mut served: Vec<_> = stretches
            .filter_map(|stretch| Some((stretch.opened.recorded_at, stretch.opened.index, stretch.digest?)))
            .collect();
        served.sort_unstable();
        let mut ranks = BTreeMap::new();
        for (_, _, digest) in served {
            let next = ranks.len();
            ranks.entry(digest).or_insert(next);
        }
        Self { ranks }
    }

    /// What a digest is told by; none of one that did not serve.
    #[must_use]
    pub fn colour(&self, digest: &Hash) -> Option<Colour> {
        self.ranks.get(digest).map(|rank| Colour { rank: *rank })
    }

    /// All digests that served, in order of first service.
    #[must_use]
    pub fn all(&self) -> Vec<(Colour, Hash)> {
        let mut all: Vec<_> =
            self.ranks.iter().map(|(digest, rank)| (Colour { rank: *rank }, *digest)).collect();
        all.sort_unstable_by_key(|(colour, _)| colour.rank);
        all
    }
}

impl Colour {
    /// The class that `picture.css` knows it by: `rb-d0` to `rb-d6`, dashed from the eighth on.
    #[must_use]
    pub fn class(self) -> String {
        let dashed = if self.rank >= COLOURS { " rb-again" } else { "" };
        format!("rb-d{}{dashed}", self.rank % COLOURS)
    }

    /// Its letter: A to Z, then AA, AB, and so on, as columns of a sheet are counted.
    #[must_use]
    pub fn letter(self) -> String {
        let mut left = self.rank + 1;
        let mut letters = Vec::new();
        while left > 0 {
            left -= 1;
            letters.push(char::from(b'A' + u8::try_from(left % 26).expect("below 26")));
            left /= 26;
        }
        letters.iter().rev().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_go_on_behind_z_and_colours_come_again_dashed() {
        let told = |rank| (Colour { rank }.letter(), Colour { rank }.class());
        assert_eq!(told(0), ("A".to_owned(), "rb-d0".to_owned()));
        assert_eq!(told(25), ("Z".to_owned(), "rb-d4 rb-again".to_owned()));
        assert_eq!(told(26).0, "AA");
        assert_eq!(told(26 * 27).0, "AAA");
    }
}
