//! Paths of tiles, entry bundles and note bundles, both ways: a path that is read is written in the same way, and
//! every place has one path, which reads back. Where a node lies, by arithmetic done another way.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rollbook::export::bundle::{NoteBundle, split_entries, split_notes};
use rollbook::merkle::tile::{
    EntryBundle, NodePosition, TILE_LEVEL_MAX, TILE_WIDTH, Tile, full_tiles, new_bundles, new_tiles,
    partial_width, row_hashes,
};
use rollbook_fuzz::allocation::within;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(path) = std::str::from_utf8(bytes) {
        read(path);
    }
    if let Some((numbers, rest)) = bytes.split_first_chunk::<19>() {
        let [level, width_0, width_1, numbers @ ..] = *numbers;
        let width = u16::from_le_bytes([width_0, width_1]);
        let (index, size) = numbers.split_at(8);
        let (index, size) = (number(index), number(size));
        write(level, index, width);
        arithmetic(level, index, size);
        split(rest, width % (TILE_WIDTH + 1));
    }
});

fn number(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().expect("eight bytes"))
}

/// A path is short and plain, and never leads elsewhere.
fn assert_plain(path: &str) {
    assert!(path.len() <= 52 && !path.starts_with('/') && !path.ends_with('/') && !path.contains("//"));
    assert!(path.split('/').all(|name| name != "." && name != ".." && !name.is_empty()), "{path}");
}

fn read(path: &str) {
    // What is refused is named by its first 100 characters.
    let held_max = 1 << 10;
    if let Ok(tile) = within(held_max, || path.parse::<Tile>()) {
        assert_eq!(tile.to_string(), path);
        assert!(tile.level() <= TILE_LEVEL_MAX && (1..=TILE_WIDTH).contains(&tile.width()));
        assert_plain(path);
        assert!(path.parse::<EntryBundle>().is_err());
    }
    if let Ok(bundle) = within(held_max, || path.parse::<EntryBundle>()) {
        assert_eq!(bundle.to_string(), path);
        assert!((1..=TILE_WIDTH).contains(&bundle.width()));
        assert_plain(path);
    }
    if let Some(bundle) = within(held_max + path.len(), || NoteBundle::parse(path)) {
        assert_eq!(bundle.to_string(), path);
        assert_plain(path);
    }
}

fn write(level: u8, index: u64, width: u16) {
    let is_width = (1..=TILE_WIDTH).contains(&width);
    let tile = Tile::new(level, index, width);
    assert_eq!(tile.is_ok(), is_width && level <= TILE_LEVEL_MAX);
    if let Ok(tile) = tile {
        let path = tile.to_string();
        assert_plain(&path);
        assert_eq!(path.parse(), Ok(tile));
        assert_eq!(path.ends_with(&format!(".p/{width}")), !tile.is_full());
    }
    let bundle = EntryBundle::new(index, width);
    assert_eq!(bundle.is_ok(), is_width);
    if let Ok(bundle) = bundle {
        let path = bundle.to_string();
        assert_plain(&path);
        assert_eq!(path.parse(), Ok(bundle));
        let notes = path.replacen("tile/entries/", "batches/", 1);
        assert_eq!(NoteBundle::parse(&notes).map(|bundle| bundle.to_string()), Some(notes));
    }
}

fn arithmetic(level: u8, index: u64, size: u64) {
    let rows = (0..level.min(8)).fold(u128::from(size), |rows, _| rows / 256);
    assert_eq!(u128::from(row_hashes(size, level.min(8))), rows);
    assert_eq!(u128::from(full_tiles(size, level.min(8))), rows / 256);
    assert_eq!(u128::from(partial_width(size, level.min(8))), rows % 256);

    let node = NodePosition::of(u32::from(level), index);
    assert_eq!(node.is_some(), level < 64 && u128::from(index) << level <= u128::from(u64::MAX));
    if let Some(node) = node {
        // The first leaf under the node, counted from the tile's row and from the node.
        let row = u128::from(node.tile_index) * 256 + u128::from(node.start);
        assert_eq!(row << (8 * u32::from(node.tile_level)), u128::from(index) << level);
        assert!(node.start + node.count <= TILE_WIDTH && node.count.is_power_of_two());
        assert_eq!(u32::from(node.tile_level) * 8 + node.count.trailing_zeros(), u32::from(level));
    }
    grown(size, index % 2_000);
}

/// The tiles and bundles of a tree that grew by `by` leaves: each once, as wide as the tree makes it.
fn grown(old: u64, by: u64) {
    let Some(new) = old.checked_add(by) else { return };
    for tile in new_tiles(old, new) {
        let (full, level) = (full_tiles(new, tile.level()), tile.level());
        let width = if tile.index() < full { TILE_WIDTH } else { partial_width(new, level) };
        assert!(tile.index() <= full && tile.width() == width);
    }
    let ends = |bundle: EntryBundle| u128::from(bundle.index()) * 256 + u128::from(bundle.width());
    let last = new_bundles(old, new).last().map(ends);
    assert_eq!(last, (by > 0).then_some(u128::from(new)));
}

/// The parts of a bundle fill it.
fn split(bytes: &[u8], width: u16) {
    for (field_bytes, (parts, result)) in [(2, split_entries(bytes, width)), (4, split_notes(bytes, width))] {
        let mut at = 0;
        for part in &parts {
            assert!(part.start == at + field_bytes && part.end <= bytes.len() && !part.is_empty());
            at = part.end;
        }
        assert_eq!(result.is_ok(), at == bytes.len() && parts.len() == usize::from(width));
    }
}
