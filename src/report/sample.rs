//! A random sample that anybody can draw again (docs/reports.md, "The sample").
//!
//! Each change has a rank that its index, the auditor's seed and the log's root decide together. A seed that is chosen
//! once the log lies before the auditor leaves nobody a choice: who writes the log did not know the seed, and the
//! auditor cannot try many logs.

use serde::Serialize;

use crate::event::text::Name;
use crate::hash::Hash;

/// The method's name, which stands before all that is hashed, so that a rank is no other hash.
pub const METHOD: &str = "rollbook sample v1";
/// What stands for the root where the entries give none.
const NO_ROOT: &str = "unknown";

/// What is drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draw {
    /// How many changes are asked for.
    pub size: usize,
    /// Any text of the auditor's.
    pub seed: Name,
}

/// A change that was drawn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Drawn {
    /// Its entry.
    pub index: u64,
    /// Its rank.
    pub rank: Hash,
}

/// The rank of the change in entry `index`: SHA-256 of `rollbook sample v1`, the seed, the root in hex and the index
/// in decimal, each ended by a newline but the last.
#[must_use]
pub fn rank(seed: &Name, root: Option<Hash>, index: u64) -> Hash {
    let root = root.map_or_else(|| NO_ROOT.to_owned(), |root| root.to_string());
    Hash::of([METHOD, seed.as_str(), &root, &index.to_string()].join("\n").as_bytes())
}

/// The changes of the smallest ranks among `population`, by index; all of them where there are no more.
#[must_use]
pub fn draw(population: impl IntoIterator<Item = u64>, root: Option<Hash>, draw: &Draw) -> Vec<Drawn> {
    let ranked = population.into_iter().map(|index| Drawn { index, rank: rank(&draw.seed, root, index) });
    let mut ranked: Vec<Drawn> = ranked.collect();
    if draw.size < ranked.len() {
        ranked.select_nth_unstable_by_key(draw.size, |drawn| (*drawn.rank.as_bytes(), drawn.index));
        ranked.truncate(draw.size);
    }
    ranked.sort_unstable_by_key(|drawn| drawn.index);
    ranked
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(size: usize, seed: &str) -> Draw {
        Draw { size, seed: seed.parse().unwrap() }
    }

    fn indexes(drawn: &[Drawn]) -> Vec<u64> {
        drawn.iter().map(|drawn| drawn.index).collect()
    }

    /// From `printf 'rollbook sample v1\n1\n%s\n7' 00…00 | sha256sum`.
    #[test]
    fn a_rank_is_the_hash_that_the_page_says() {
        let rank = rank(&"1".parse().unwrap(), Some(Hash::ZERO), 7);
        assert_eq!(rank.to_string(), RANK_OF_7);
    }

    const RANK_OF_7: &str = "4e360322310fd43783d88406c67d1b69391b161b7dfa1806d5873e43bc1362e5";

    #[test]
    fn the_smallest_ranks_are_drawn_and_listed_by_index() {
        let root = Some(Hash::of(b"root"));
        for size in 0..=20 {
            let drawn = draw(0..20, root, &of(size, "s"));
            let mut all: Vec<u64> = (0..20).collect();
            all.sort_by_key(|&index| rank(&"s".parse().unwrap(), root, index).to_string());
            let mut naive: Vec<u64> = all.into_iter().take(size).collect();
            naive.sort_unstable();
            assert_eq!(indexes(&drawn), naive, "{size}");
        }
    }

    #[test]
    fn a_larger_sample_holds_the_smaller_and_all_is_the_most() {
        let root = Some(Hash::of(b"root"));
        let (few, more) = (draw(0..50, root, &of(5, "s")), draw(0..50, root, &of(10, "s")));
        assert!(few.iter().all(|drawn| more.contains(drawn)));
        assert_eq!(indexes(&draw(0..3, root, &of(10, "s"))), [0, 1, 2]);
        assert_eq!(draw([], root, &of(10, "s")), []);
    }

    #[test]
    fn seed_and_root_decide() {
        let root = Some(Hash::of(b"root"));
        let drawn = indexes(&draw(0..1_000, root, &of(5, "s")));
        assert_eq!(drawn, indexes(&draw((0..1_000).rev(), root, &of(5, "s"))));
        assert_ne!(drawn, indexes(&draw(0..1_000, root, &of(5, "t"))));
        assert_ne!(drawn, indexes(&draw(0..1_000, None, &of(5, "s"))));
    }
}
