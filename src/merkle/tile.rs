//! Tiles and entry bundles: which file of the C2SP tlog-tiles layout holds what (tlog-tiles v0.1.0).
//!
//! Only arithmetic and paths; reading, writing and serving the files is left to others. A tile is
//! 8 levels high: its *row* lists up to 256 hashes of the tree's level `8 · L`, and the levels up to
//! the next tile are computed from the row.

use std::fmt;
use std::str::FromStr;

use crate::hash::Hash;

use super::tree::node_hash;

/// Tree levels that one tile stands for.
pub const TILE_HEIGHT: u32 = 8;

/// Hashes in a full tile's row, and entries in a full bundle.
pub const TILE_WIDTH: u16 = 1 << TILE_HEIGHT;

/// The highest tile level that the path format knows (tlog-tiles: "between 0 and 63"). A tree of
/// `u64` leaves ends at level 7.
pub const TILE_LEVEL_MAX: u8 = 63;

/// The longest path read. The longest there is has 52 bytes: `tile/entries/`, seven groups of
/// digits (a `u64`) and `.p/255`; a longer text is refused before it is looked at.
const PATH_BYTES_MAX: usize = 52;

/// A path or a number that is none of a tile's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TileError {
    /// Beyond level 63.
    #[error("tile level {level} is beyond {TILE_LEVEL_MAX}")]
    Level {
        /// Asked for.
        level: u8,
    },
    /// Nothing, or more than 256.
    #[error("a tile is 1 to {TILE_WIDTH} wide, not {width}")]
    Width {
        /// Asked for.
        width: u16,
    },
    /// Not the one way of writing a tile's path.
    #[error("`{path}` is not a tile's path: `tile/<level>/<index>[.p/<width>]` is expected")]
    Path {
        /// The text, its first 100 characters.
        path: String,
    },
}

/// A tile's or bundle's place among those of its kind: its index, and how much of it is filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Place {
    index: u64,
    /// 1 to 256.
    width: u16,
}

impl Place {
    fn new(index: u64, width: u16) -> Result<Self, TileError> {
        if width == 0 || width > TILE_WIDTH {
            return Err(TileError::Width { width });
        }
        Ok(Self { index, width })
    }
}

/// A tile of hashes: level, index within the level, and width (256, or less where it is partial).
/// Shown as its path, `tile/0/x001/234`; parsed from it strictly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tile {
    /// 0 to 63.
    level: u8,
    place: Place,
}

impl Tile {
    /// The tile at `level` with `index`, `width` hashes wide.
    pub fn new(level: u8, index: u64, width: u16) -> Result<Self, TileError> {
        if level > TILE_LEVEL_MAX {
            return Err(TileError::Level { level });
        }
        Ok(Self { level, place: Place::new(index, width)? })
    }

    /// The tile's level: its row is the tree's level `8 · level`.
    #[must_use]
    pub const fn level(&self) -> u8 {
        self.level
    }

    /// The index within the level.
    #[must_use]
    pub const fn index(&self) -> u64 {
        self.place.index
    }

    /// Hashes in the row: 1 to 256.
    #[must_use]
    pub const fn width(&self) -> u16 {
        self.place.width
    }

    /// Says whether the tile is full, and so never changes.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.place.width == TILE_WIDTH
    }
}

/// A bundle of entries: those from `256 · index` on. Shown as its path, `tile/entries/x001/234`;
/// parsed from it strictly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryBundle {
    place: Place,
}

impl EntryBundle {
    /// The bundle with `index`, of `width` entries.
    pub fn new(index: u64, width: u16) -> Result<Self, TileError> {
        Ok(Self { place: Place::new(index, width)? })
    }

    /// The index among the bundles.
    #[must_use]
    pub const fn index(&self) -> u64 {
        self.place.index
    }

    /// Entries in the bundle: 1 to 256.
    #[must_use]
    pub const fn width(&self) -> u16 {
        self.place.width
    }

    /// Says whether the bundle is full, and so never changes.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.place.width == TILE_WIDTH
    }
}

/// How many hashes stand in the rows of tile level `level` in a tree of `size` leaves:
/// `size / 256^level`, rounded down.
#[must_use]
pub fn row_hashes(size: u64, level: u8) -> u64 {
    size.checked_shr(TILE_HEIGHT * u32::from(level)).unwrap_or(0)
}

/// How many full tiles tile level `level` has in a tree of `size` leaves.
#[must_use]
pub fn full_tiles(size: u64, level: u8) -> u64 {
    row_hashes(size, level) / u64::from(TILE_WIDTH)
}

/// How wide the partial tile of tile level `level` is in a tree of `size` leaves; 0 where there is
/// none: `size / 256^level mod 256`.
#[must_use]
pub fn partial_width(size: u64, level: u8) -> u16 {
    width_of_rest(row_hashes(size, level))
}

/// The tiles of a tree of `new` leaves that a tree of `old` leaves doesn't have in that width, level
/// by level from the leaves up. From `old` 0: all tiles of the tree.
pub fn new_tiles(old: u64, new: u64) -> impl Iterator<Item = Tile> {
    (0..=TILE_LEVEL_MAX).take_while(move |level| row_hashes(new, *level) > 0).flat_map(move |level| {
        new_places(row_hashes(old, level), row_hashes(new, level)).map(move |place| Tile { level, place })
    })
}

/// The bundles of a tree of `new` leaves that a tree of `old` leaves doesn't have in that width.
pub fn new_bundles(old: u64, new: u64) -> impl Iterator<Item = EntryBundle> {
    new_places(old, new).map(|place| EntryBundle { place })
}

/// Full places from the one that `old` left off in, then the partial one.
fn new_places(old: u64, new: u64) -> impl Iterator<Item = Place> {
    let tile_width = u64::from(TILE_WIDTH);
    let grown = old < new;
    let full = (old / tile_width)..(new / tile_width);
    let rest = Place { index: new / tile_width, width: width_of_rest(new) };
    let partial = Some(rest).filter(|rest| grown && rest.width > 0);
    full.map(|index| Place { index, width: TILE_WIDTH }).chain(partial)
}

fn width_of_rest(count: u64) -> u16 {
    u16::try_from(count % u64::from(TILE_WIDTH)).expect("a remainder of 256 fits")
}

/// Where a tree's node is found: the tile, and the part of its row that the node covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodePosition {
    /// The tile's level.
    pub tile_level: u8,
    /// The tile's index within its level.
    pub tile_index: u64,
    /// The first hash of the row that lies under the node: 0 to 255.
    pub start: u16,
    /// How many hashes of the row lie under the node: 1, 2, 4 … 128. The row must be at least
    /// `start + count` wide.
    pub count: u16,
}

impl NodePosition {
    /// Where the perfect subtree at tree `level` (0: leaf hashes) with `index` is found. None where
    /// no tree of `u64` leaves holds such a node.
    #[must_use]
    pub fn of(level: u32, index: u64) -> Option<Self> {
        let beyond_every_tree = level >= u64::BITS || index > u64::MAX >> level;
        if beyond_every_tree {
            return None;
        }
        // The node is `height` levels above its tile's row.
        let height = level % TILE_HEIGHT;
        let tile_index = index >> (TILE_HEIGHT - height);
        let start = (index << height) & u64::from(TILE_WIDTH - 1);
        Some(Self {
            tile_level: u8::try_from(level / TILE_HEIGHT).expect("a level is below 64"),
            tile_index,
            start: u16::try_from(start).expect("masked to eight bits"),
            count: 1 << height,
        })
    }

    /// The node's hash, from its tile's row; none where the row is too short.
    #[must_use]
    pub fn hash_in(&self, row: &[Hash]) -> Option<Hash> {
        let (start, count) = (usize::from(self.start), usize::from(self.count));
        perfect_root(row.get(start..start + count)?)
    }
}

/// The root hash over `hashes`, whose number must be a power of two: over a full tile's row, the
/// hash that stands in the row of the tile above. None for any other number.
#[must_use]
pub fn perfect_root(hashes: &[Hash]) -> Option<Hash> {
    match hashes {
        [] => None,
        [hash] => Some(*hash),
        _ if hashes.len() % 2 == 1 => None,
        _ => {
            let (left, right) = hashes.split_at(hashes.len() / 2);
            Some(node_hash(&perfect_root(left)?, &perfect_root(right)?))
        }
    }
}

impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tile/{}/{}", self.level, self.place)
    }
}

impl fmt::Display for EntryBundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tile/entries/{}", self.place)
    }
}

impl fmt::Display for Place {
    /// The index in groups of three digits, all but the last after an `x`; `.p/<width>` where partial.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_groups(self.index / 1000, f)?;
        write!(f, "{:03}", self.index % 1000)?;
        if self.width < TILE_WIDTH {
            write!(f, ".p/{}", self.width)?;
        }
        Ok(())
    }
}

fn write_groups(index: u64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if index == 0 {
        return Ok(());
    }
    write_groups(index / 1000, f)?;
    write!(f, "x{:03}/", index % 1000)
}

impl FromStr for Tile {
    type Err = TileError;

    fn from_str(path: &str) -> Result<Self, TileError> {
        let read = || {
            let (level, place) = path.strip_prefix("tile/")?.split_once('/')?;
            let place = read_place(place)?;
            Self::new(level.parse().ok()?, place.index, place.width).ok()
        };
        only_way_to_write(path, read)
    }
}

impl FromStr for EntryBundle {
    type Err = TileError;

    fn from_str(path: &str) -> Result<Self, TileError> {
        only_way_to_write(path, || Some(Self { place: read_place(path.strip_prefix("tile/entries/")?)? }))
    }
}

/// What `read` makes of `path`, if it is written back the same way: no leading zeros, no signs, no
/// missing `x`.
fn only_way_to_write<T: fmt::Display>(path: &str, read: impl Fn() -> Option<T>) -> Result<T, TileError> {
    let candidate = if path.len() > PATH_BYTES_MAX { None } else { read() };
    candidate
        .filter(|value| value.to_string() == path)
        .ok_or_else(|| TileError::Path { path: path.chars().take(100).collect() })
}

fn read_place(text: &str) -> Option<Place> {
    let (groups, width) = match text.split_once(".p/") {
        None => (text, TILE_WIDTH),
        Some((groups, width)) => (groups, width.parse().ok()?),
    };
    let mut index = 0u64;
    for group in groups.split('/') {
        let digits: u64 = group.strip_prefix('x').unwrap_or(group).parse().ok()?;
        index = index.checked_mul(1000)?.checked_add(digits)?;
    }
    Place::new(index, width).ok()
}

#[cfg(test)]
mod tests {
    use super::super::proof::{HashReader as _, root_at};
    use super::super::tree::{Tree, leaf_hash};
    use super::*;

    fn tree(size: u64) -> Tree {
        (0..size).map(|index| leaf_hash(&index.to_be_bytes())).collect()
    }

    /// The row of `tile`, read from a tree in memory.
    fn row(tile: &Tile, tree: &Tree) -> Vec<Hash> {
        let level = u32::from(tile.level()) * TILE_HEIGHT;
        let first = tile.index() * u64::from(TILE_WIDTH);
        (first..first + u64::from(tile.width()))
            .map(|index| tree.node(level, index).expect("inside the tree"))
            .collect()
    }

    #[test]
    fn paths_are_written_and_read_in_one_way() {
        let max = u64::MAX;
        let rows = [
            (Tile::new(0, 0, 256), "tile/0/000"),
            (Tile::new(0, 0, 1), "tile/0/000.p/1"),
            (Tile::new(1, 67, 255), "tile/1/067.p/255"),
            (Tile::new(3, 999, 256), "tile/3/999"),
            (Tile::new(3, 1000, 256), "tile/3/x001/000"),
            (Tile::new(0, 1_234_067, 256), "tile/0/x001/x234/067"),
            (Tile::new(63, 1_000_000, 17), "tile/63/x001/x000/000.p/17"),
            (Tile::new(0, max, 255), "tile/0/x018/x446/x744/x073/x709/x551/615.p/255"),
        ];
        for (tile, path) in rows {
            let tile = tile.unwrap();
            assert_eq!(tile.to_string(), path);
            assert_eq!(path.parse(), Ok(tile));
        }
        let bundle = EntryBundle::new(max, 255).unwrap();
        assert_eq!(bundle.to_string().len(), PATH_BYTES_MAX);
        assert_eq!(bundle.to_string().parse(), Ok(bundle));
        assert_eq!("tile/entries/x001/234".parse(), EntryBundle::new(1234, 256));
        assert_eq!("tile/entries/001.p/9".parse(), EntryBundle::new(1, 9));
    }

    #[test]
    fn other_paths_are_refused() {
        let rows = [
            ("", "nothing"),
            ("tile", "no level"),
            ("tile/0", "no index"),
            ("tile/0/", "an empty index"),
            ("/tile/0/000", "a slash in front"),
            ("tile/0/000/", "a slash at the end"),
            ("tile/00/000", "a level with leading zeros"),
            ("tile/+1/000", "a level with a sign"),
            ("tile/-1/000", "a negative level"),
            ("tile/64/000", "a level beyond 63"),
            ("tile/entries/000", "a bundle"),
            ("tile/data/000", "another layout's bundle"),
            ("tile/8/0/001", "a height, as other layouts have"),
            ("tile/0/0", "an index of one digit"),
            ("tile/0/1234", "a group of four digits"),
            ("tile/0/001/234", "a group without its x"),
            ("tile/0/x001", "an x on the last group"),
            ("tile/0/x000/001", "a leading group of zeros"),
            ("tile/0/xx01/001", "two x"),
            ("tile/0/+01", "an index with a sign"),
            ("tile/0/000.p/0", "no width"),
            ("tile/0/000.p/256", "a full width written out"),
            ("tile/0/000.p/01", "a width with leading zeros"),
            ("tile/0/000.p/+1", "a width with a sign"),
            ("tile/0/000.p", "a width missing"),
            ("tile/0/000.p/1.p/1", "two widths"),
            ("tile/0/x018/x446/x744/x073/x709/x551/616", "an index of 2^64"),
            ("tile/0/٠٠٠", "digits that are not ASCII"),
        ];
        for (path, what) in rows {
            assert!(path.parse::<Tile>().is_err(), "{what}: {path}");
        }
        assert!("tile/0/000".parse::<EntryBundle>().is_err());
        assert!("tile/entries/x001".parse::<EntryBundle>().is_err());
        let long = format!("tile/0/{}000", "x001/".repeat(1000));
        assert!(long.parse::<Tile>().unwrap_err().to_string().len() < 300);
    }

    #[test]
    fn levels_and_widths_have_bounds() {
        assert_eq!(Tile::new(64, 0, 1), Err(TileError::Level { level: 64 }));
        assert_eq!(Tile::new(0, 0, 0), Err(TileError::Width { width: 0 }));
        assert_eq!(EntryBundle::new(0, 257), Err(TileError::Width { width: 257 }));
        assert!(Tile::new(0, 0, 256).unwrap().is_full());
        assert!(!EntryBundle::new(0, 255).unwrap().is_full());
    }

    #[test]
    fn widths_follow_the_size() {
        let rows: [(u64, u8, u64, u16); 9] = [
            (0, 0, 0, 0),
            (255, 0, 0, 255),
            (256, 0, 1, 0),
            (256, 1, 0, 1),
            (70_000, 0, 273, 112),
            (70_000, 1, 1, 17),
            (70_000, 2, 0, 1),
            (u64::MAX, 7, 0, 255),
            (u64::MAX, 8, 0, 0),
        ];
        for (size, level, full, partial) in rows {
            assert_eq!(full_tiles(size, level), full, "{size} at level {level}");
            assert_eq!(partial_width(size, level), partial, "{size} at level {level}");
        }
    }

    fn paths(tiles: impl Iterator<Item = impl fmt::Display>) -> Vec<String> {
        tiles.map(|tile| tile.to_string()).collect()
    }

    #[test]
    fn growth_names_the_tiles_that_are_new_or_wider() {
        assert_eq!(paths(new_tiles(0, 0)), [""; 0]);
        assert_eq!(paths(new_tiles(0, 1)), ["tile/0/000.p/1"]);
        assert_eq!(paths(new_tiles(3, 5)), ["tile/0/000.p/5"]);
        assert_eq!(paths(new_tiles(5, 5)), [""; 0]);
        assert_eq!(paths(new_tiles(250, 256)), ["tile/0/000", "tile/1/000.p/1"]);
        assert_eq!(paths(new_tiles(256, 258)), ["tile/0/001.p/2"]);
        assert_eq!(paths(new_tiles(300, 514)), ["tile/0/001", "tile/0/002.p/2", "tile/1/000.p/2"]);
        assert_eq!(
            paths(new_bundles(250, 513)),
            ["tile/entries/000", "tile/entries/001", "tile/entries/002.p/1"]
        );
        let last = new_tiles(u64::MAX - 1, u64::MAX).last().unwrap();
        assert_eq!(last.to_string(), "tile/0/x072/x057/x594/x037/x927/935.p/255");
    }

    #[test]
    fn every_node_is_found_in_its_tile() {
        let size = 66_000;
        let tree = tree(size);
        for level in 0..=16 {
            let count = size >> level;
            for index in (0..count).step_by(97).chain([count - 1]) {
                let position = NodePosition::of(level, index).unwrap();
                let full = position.tile_index < full_tiles(size, position.tile_level);
                let width = if full { TILE_WIDTH } else { partial_width(size, position.tile_level) };
                let tile = Tile::new(position.tile_level, position.tile_index, width).unwrap();
                let found = position.hash_in(&row(&tile, &tree));
                assert_eq!(found, Some(tree.node(level, index).unwrap()), "level {level}, index {index}");
            }
        }
    }

    #[test]
    fn a_row_too_short_for_a_node_gives_nothing() {
        let tree = tree(8);
        let position = NodePosition::of(2, 1).unwrap();
        assert_eq!((position.start, position.count), (4, 4));
        let row = row(&Tile::new(0, 0, 8).unwrap(), &tree);
        assert_eq!(position.hash_in(&row), Some(tree.node(2, 1).unwrap()));
        assert_eq!(position.hash_in(&row[..7]), None);
    }

    #[test]
    fn nodes_beyond_every_tree_have_no_place() {
        assert_eq!(NodePosition::of(64, 0), None);
        assert_eq!(NodePosition::of(63, 2), None);
        let position = NodePosition::of(63, 1).unwrap();
        assert_eq!((position.tile_level, position.tile_index), (7, 0));
        assert_eq!((position.start, position.count), (128, 128));
        assert_eq!(NodePosition::of(0, u64::MAX).unwrap().start, 255);
    }

    #[test]
    fn a_full_row_hashes_to_the_node_above() {
        let tree = tree(256);
        let row = row(&Tile::new(0, 0, 256).unwrap(), &tree);
        assert_eq!(perfect_root(&row), Some(tree.node(8, 0).unwrap()));
        assert_eq!(perfect_root(&row), Some(root_at(256, &tree).unwrap()));
        assert_eq!(perfect_root(&row[..96]), None, "96 is no power of two");
        assert_eq!(perfect_root(&[]), None);
    }
}
