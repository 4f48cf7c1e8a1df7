//! Evidence packs: what is in one, that it comes to the same bytes whatever was cut, that it is read by others, that
//! no change in it goes unnoticed, and that a ledger comes back from it.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rollbook::export::pack_check::{PackError, open_pack, verify_pack};
use rollbook::export::pack_source::PackSource;
use rollbook::export::pack_write::{ExportError, Exported, export};
use rollbook::merkle::tile::TILE_WIDTH;
use rollbook::note::checkpoint::{Checkpoint, Origin, sign_checkpoint};
use rollbook::store::batch_log::BatchSource as _;
use rollbook::store::files::FileSource;
use rollbook::store::head::HeadFile;
use rollbook::verifier::finding::Finding;
use rollbook::verifier::report::Report;
use rollbook::verifier::verify::Options;
use tempfile::TempDir;

use super::support::desk::{Answer, Desk};
use super::support::events::{self, ada};
use super::support::forge::{Forge, codes, quick};
use super::support::test_ledger::{contents, copy_dir};

/// A log of Ada's notes: entry 0 founds it, and each number says how many entries the next batch has.
fn notes(batches: &[usize]) -> Forge {
    let mut forge = Forge::founded();
    grow(&mut forge, batches);
    forge
}

fn grow(forge: &mut Forge, batches: &[usize]) {
    for entries in batches {
        for _ in 0..*entries {
            forge.enter_event(forge.event(&ada(), events::note(0)), &[&ada()]);
        }
        forge.seal();
    }
}

/// Ledgers and packs in one directory.
pub(crate) struct Bench {
    root: TempDir,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self { root: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Writes the forge's log as a ledger whose files begin at these batches; the first is 0.
    pub(crate) fn write(&self, name: &str, forge: &Forge, file_starts: &[usize]) -> PathBuf {
        let dir = self.path(name);
        std::fs::create_dir_all(dir.join("log")).unwrap();
        let frames = forge.frames();
        for (number, start) in file_starts.iter().enumerate() {
            let end = file_starts.get(number + 1).copied().unwrap_or(frames.len());
            let first = u64::from_le_bytes(frames[*start][12..20].try_into().unwrap());
            std::fs::write(dir.join(format!("log/{first:020}.batches")), frames[*start..end].concat())
                .unwrap();
        }
        let mut head = HeadFile::open(&dir).unwrap();
        if head.state().size() < forge.size() {
            head.publish(forge.size(), forge.newest_note()).unwrap();
        }
        dir
    }

    /// A ledger of this forge, and a pack of it.
    pub(crate) fn packed(&self, forge: &Forge) -> PathBuf {
        let ledger = self.write("ledger", forge, &[0]);
        let pack = self.path("pack");
        exported(&ledger, &pack);
        pack
    }
}

pub(crate) fn exported(ledger: &Path, pack: &Path) -> Exported {
    export(ledger, pack, &|_, _| {}).unwrap()
}

fn judged(pack: &Path, forge: &Forge) -> Report {
    let trust = forge.trust();
    judged_by(pack, &Options { trust: Some(&trust), ..quick() })
}

/// The report on a pack.
pub(crate) fn judged_by(pack: &Path, options: &Options<'_>) -> Report {
    verify_pack(&open_pack(pack).unwrap(), options, &|_, _| {}).unwrap().report
}

/// What is done to a file, and how.
type Cut = (&'static str, fn(&Path));

/// Every file of a directory by its path in it.
fn files_of(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let relative = |path: PathBuf| path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned();
    contents(dir).into_iter().map(|(path, bytes)| (relative(path), bytes)).collect()
}

fn names_of(dir: &Path) -> Vec<String> {
    files_of(dir).into_keys().collect()
}

// What is in one.

#[test]
fn a_pack_holds_what_the_format_says_and_nothing_else() {
    let bench = Bench::new();
    let forge = notes(&[2, 300]);
    let pack = bench.path("pack");
    let ledger = bench.write("ledger", &forge, &[0, 2]);
    let told = exported(&ledger, &pack);
    assert_eq!((told.size, told.root, told.batches), (303, forge.root(), 3));
    let expected = [
        "README.md",
        "batches/000.p/3",
        "checkpoint",
        "files",
        "tile/0/000",
        "tile/0/001.p/47",
        "tile/1/000.p/1",
        "tile/entries/000",
        "tile/entries/001.p/47",
        "tlog-policy",
        "trust.toml",
    ];
    assert_eq!(names_of(&pack), expected);
    let files = files_of(&pack);
    assert_eq!(files["checkpoint"], forge.newest_note());
    assert_eq!(files["files"], b"0\n3\n");
    let policy = format!("log {}\nquorum none\n", forge.trust().log_key());
    assert_eq!(files["tlog-policy"], policy.as_bytes());
    assert_eq!(files["trust.toml"], forge.trust().to_toml().as_bytes());
    let report = judged(&pack, &forge);
    assert_eq!((report.verdict.exit_code(), codes(&report)), (0, vec![]));
    assert_eq!((report.entries, report.batches), (303, 3));
}

#[test]
fn whole_bundles_leave_no_partial_one() {
    let bench = Bench::new();
    let forge = notes(&[255]);
    let pack = bench.packed(&forge);
    let tiles: Vec<String> = names_of(&pack).into_iter().filter(|name| name.starts_with("tile/")).collect();
    assert_eq!(tiles, ["tile/0/000", "tile/1/000.p/1", "tile/entries/000"]);
    assert_eq!(judged(&pack, &forge).verdict.exit_code(), 0);
}

#[test]
fn more_batches_than_a_bundle_holds_are_read_back() {
    let bench = Bench::new();
    let forge = notes(&[1; 256]);
    let pack = bench.packed(&forge);
    let names = names_of(&pack);
    assert!(names.contains(&"batches/000".to_owned()) && names.contains(&"batches/001.p/1".to_owned()));
    let report = judged(&pack, &forge);
    assert_eq!((report.verdict.exit_code(), report.batches), (0, 257));
}

#[test]
fn the_frames_in_a_pack_are_the_logs_from_whatever_place_they_are_read() {
    let bench = Bench::new();
    let forge = notes(&[3, 1, 260, 1, 1, 40, 7]);
    let ledger = bench.write("ledger", &forge, &[0, 2, 3, 6]);
    let pack = bench.path("pack");
    exported(&ledger, &pack);
    let (log, source) = (FileSource::new(&ledger.join("log")), open_pack(&pack).unwrap());
    let files = log.files().unwrap();
    let names = |source: &dyn rollbook::store::batch_log::BatchSource| -> Vec<u64> {
        source.files().unwrap().into_iter().map(|file| file.first_index).collect()
    };
    assert_eq!(names(&source), names(&log));
    let read = |from: &dyn rollbook::store::batch_log::BatchSource, file, offset, length| {
        let mut bytes = vec![0; length];
        let count = from.read_at(file, offset, &mut bytes).unwrap();
        bytes.truncate(count);
        bytes
    };
    // The last file first, then from its end to its front: nothing was read in order before.
    for file in files.iter().rev() {
        for start in (0..=file.bytes + 1).rev().step_by(37) {
            for length in [1, 28, 500, 100_000] {
                let place = (file.first_index, start, length);
                let both = (
                    read(&source, file.first_index, start, length),
                    read(&log, file.first_index, start, length),
                );
                assert!(both.0 == both.1, "{place:?}");
            }
        }
    }
    assert!(source.read_at(1, 0, &mut [0]).is_err(), "there is no such file");
}

// The same bytes.

#[test]
fn the_same_log_gives_the_same_bytes_and_the_second_export_writes_none() {
    let bench = Bench::new();
    let forge = notes(&[5, 300]);
    let pack = bench.packed(&forge);
    let before = files_of(&pack);
    let again = exported(&bench.path("ledger"), &pack);
    assert_eq!((again.written, again.kept, again.removed), (0, before.len() as u64, 0));
    exported(&bench.path("ledger"), &bench.path("other"));
    assert_eq!(files_of(&pack), before);
    assert_eq!(files_of(&bench.path("other")), before);
}

#[test]
fn whatever_file_was_cut_exporting_again_comes_to_the_same_bytes() {
    let bench = Bench::new();
    let forge = notes(&[5, 300]);
    let pack = bench.packed(&forge);
    let whole = files_of(&pack);
    let cuts: [Cut; 4] = [
        ("gone", |path| std::fs::remove_file(path).unwrap()),
        ("short", |path| {
            let bytes = std::fs::read(path).unwrap();
            std::fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
        }),
        ("of the right length, and wrong", |path| {
            let mut bytes = std::fs::read(path).unwrap();
            let last = bytes.len() - 1;
            bytes[last] ^= 1;
            std::fs::write(path, bytes).unwrap();
        }),
        ("not renamed yet", |path| {
            let beside = PathBuf::from(format!("{}.new", path.display()));
            std::fs::write(&beside, b"half").unwrap();
            std::fs::remove_file(path).unwrap();
        }),
    ];
    for name in whole.keys() {
        for (what, cut) in cuts {
            // A checkpoint that parses and is another one is no cut.
            if name == "checkpoint" && what.starts_with("of the right") {
                continue;
            }
            cut(&pack.join(name));
            exported(&bench.path("ledger"), &pack);
            assert_eq!(files_of(&pack), whole, "{name}: {what}");
        }
    }
}

#[test]
fn however_few_files_were_written_before_a_cut_they_are_gone_on_from() {
    let bench = Bench::new();
    let forge = notes(&[5, 300]);
    let pack = bench.packed(&forge);
    let whole = files_of(&pack);
    let (first, last): (Vec<_>, Vec<_>) = whole.iter().partition(|(name, _)| *name == "trust.toml");
    let in_order: Vec<_> = first.into_iter().chain(last).filter(|(name, _)| *name != "checkpoint").collect();
    for count in 1..=in_order.len() {
        let cut = bench.path(&format!("cut-{count}"));
        for (name, bytes) in &in_order[..count] {
            std::fs::create_dir_all(cut.join(name).parent().unwrap()).unwrap();
            std::fs::write(cut.join(name), bytes).unwrap();
        }
        let told = exported(&bench.path("ledger"), &cut);
        assert_eq!((told.kept, files_of(&cut) == whole), (count as u64, true));
    }
}

#[test]
fn a_cut_in_the_first_file_is_gone_on_from() {
    let bench = Bench::new();
    let forge = notes(&[3]);
    let ledger = bench.write("ledger", &forge, &[0]);
    let pack = bench.path("pack");
    std::fs::create_dir(&pack).unwrap();
    std::fs::write(pack.join("trust.toml.new"), b"hal").unwrap();
    exported(&ledger, &pack);
    assert_eq!(judged(&pack, &forge).verdict.exit_code(), 0);
    assert!(!pack.join("trust.toml.new").exists());
}

#[test]
fn a_log_that_grew_supersedes_what_was_partial_and_a_cut_before_the_end_leaves_the_old_pack() {
    let bench = Bench::new();
    let mut forge = notes(&[5, 250]);
    let ledger = bench.write("ledger", &forge, &[0]);
    let pack = bench.path("pack");
    exported(&ledger, &pack);
    let old = files_of(&pack);
    grow(&mut forge, &[1, 100]);
    bench.write("ledger", &forge, &[0, 3]);
    exported(&ledger, &pack);
    exported(&ledger, &bench.path("fresh"));
    let new = files_of(&pack);
    assert_eq!(new, files_of(&bench.path("fresh")));
    assert!(old.contains_key("batches/000.p/3") && !new.contains_key("batches/000.p/3"));
    assert_eq!(judged(&pack, &forge).verdict.exit_code(), 0);
    // Cut before the checkpoint was written: everything of both is there, under the old one.
    let cut = bench.path("cut");
    for (name, bytes) in old.iter().filter(|(name, _)| *name != "files").chain(&new) {
        if name != "checkpoint" {
            std::fs::create_dir_all(cut.join(name).parent().unwrap()).unwrap();
            std::fs::write(cut.join(name), bytes).unwrap();
        }
    }
    std::fs::write(cut.join("checkpoint"), &old["checkpoint"]).unwrap();
    let report = judged(&cut, &forge);
    assert_eq!((report.verdict.exit_code(), codes(&report), report.size), (0, vec![], 256));
    exported(&ledger, &cut);
    assert_eq!(files_of(&cut), new);
}

#[test]
fn nothing_is_written_over_what_is_not_this_logs_pack() {
    let bench = Bench::new();
    let forge = notes(&[5]);
    let pack = bench.packed(&forge);
    let ledger = bench.path("ledger");
    let refused = |ledger: &Path, pack: &Path| {
        let before = files_of(pack);
        let error = export(ledger, pack, &|_, _| {}).unwrap_err();
        assert_eq!(files_of(pack), before, "{error}");
        error
    };
    std::fs::create_dir(bench.path("papers")).unwrap();
    std::fs::write(bench.path("papers/mine.txt"), b"mine").unwrap();
    assert!(matches!(refused(&ledger, &bench.path("papers")), ExportError::NotThisPack { .. }));
    assert!(matches!(refused(&ledger, &ledger), ExportError::NotThisPack { .. }));

    let mut other = Forge::new();
    other.origin = Origin::new("example.com/other").unwrap();
    other.add(&[&ada()], {
        let mut created = events::created(&[&ada()], other.log_public());
        created.origin = rollbook::event::text::Name::new("example.com/other").unwrap();
        created
    });
    let others = bench.write("others", &other, &[0]);
    assert!(matches!(refused(&others, &pack), ExportError::NotThisPack { .. }));
    // The same without the checkpoint, as after a cut.
    std::fs::remove_file(pack.join("checkpoint")).unwrap();
    assert!(matches!(refused(&others, &pack), ExportError::NotThisPack { .. }));
    exported(&ledger, &pack);

    let older = bench.write("older", &notes(&[4]), &[0]);
    assert!(matches!(refused(&older, &pack), ExportError::LogOlder { packed: 6, size: 5, .. }));
    // The same ledger, and another history in it.
    let mut fork = notes(&[2]);
    fork.now = fork.now.plus_ms(1);
    grow(&mut fork, &[3, 2]);
    let fork = bench.write("fork", &fork, &[0]);
    assert!(matches!(refused(&fork, &pack), ExportError::OtherHistory { size: 6, .. }));
}

#[test]
fn a_log_that_contradicts_its_checkpoint_makes_no_pack() {
    let bench = Bench::new();
    let mut forge = notes(&[3]);
    forge.enter_event(forge.event(&ada(), events::note(0)), &[&ada()]);
    forge.seal_with(|seal| {
        let root = rollbook::hash::Hash::of(b"another");
        seal.checkpoint = Checkpoint::new(seal.checkpoint.origin().clone(), seal.checkpoint.size(), root);
    });
    let ledger = bench.write("ledger", &forge, &[0]);
    let error = export(&ledger, &bench.path("pack"), &|_, _| {}).unwrap_err();
    assert!(matches!(error, ExportError::RootDiffers { size: 5 }), "{error}");
    assert!(!bench.path("pack/checkpoint").exists());
}

// Other people's tools.

/// A pack, as `tlog_tiles` reads one.
struct ForTlogTiles<'a>(&'a Path);

impl tlog_tiles::TileReader for ForTlogTiles<'_> {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[tlog_tiles::Tile]) -> Result<Vec<Vec<u8>>, tlog_tiles::Error> {
        let path = |tile: &tlog_tiles::Tile| tile.path().replacen("tile/8/", "tile/", 1);
        Ok(tiles.iter().map(|tile| std::fs::read(self.0.join(path(tile))).unwrap()).collect())
    }

    fn save_tiles(&self, _: &[tlog_tiles::Tile], _: &[Vec<u8>]) {}
}

#[test]
fn tlog_tiles_reads_a_pack_of_three_levels() {
    let bench = Bench::new();
    let mut forge = Forge::founded();
    let entry = |index: u64| format!("entry {index}, whatever it means").into_bytes();
    while forge.size() < 70_000 {
        forge.enter_bytes(entry(forge.size()));
        if forge.size().is_multiple_of(4_000) {
            forge.seal();
        }
    }
    forge.seal();
    let pack = bench.packed(&forge);
    assert!(pack.join("tile/2/000.p/1").exists() && pack.join("tile/0/273.p/112").exists());

    let note = std::fs::read(pack.join("checkpoint")).unwrap();
    let text = String::from_utf8(note).unwrap();
    let text = text.split_once("\n\n").unwrap().0.to_owned() + "\n";
    let checkpoint = tlog_tiles::Checkpoint::from_bytes(text.as_bytes()).unwrap();
    assert_eq!(checkpoint.size(), 70_000);
    let reader = ForTlogTiles(&pack);
    // It checks every tile that it loads against the root.
    let hashes = tlog_tiles::TileHashReader::new(checkpoint.size(), *checkpoint.hash(), &reader);
    for index in [1, 255, 256, 65_535, 65_536, 69_999] {
        let bundle = index / u64::from(TILE_WIDTH);
        let path =
            rollbook::merkle::tile::new_bundles(0, 70_000).nth(usize::try_from(bundle).unwrap()).unwrap();
        let bytes = std::fs::read(pack.join(path.to_string())).unwrap();
        let mut rest = bytes.as_slice();
        let mut found = Vec::new();
        for _ in 0..=index % 256 {
            let length = usize::from(u16::from_be_bytes([rest[0], rest[1]]));
            found = rest[2..2 + length].to_vec();
            rest = &rest[2 + length..];
        }
        assert_eq!(found, entry(index));
        let proof = tlog_tiles::prove_record(70_000, index, &hashes).unwrap();
        let leaf = tlog_tiles::record_hash(&found);
        tlog_tiles::check_record(&proof, 70_000, *checkpoint.hash(), index, leaf).unwrap();
    }
    let old = tlog_tiles::tree_hash(66_000, &hashes).unwrap();
    let proof = tlog_tiles::prove_tree(70_000, 66_000, &hashes).unwrap();
    tlog_tiles::check_tree(&proof, 70_000, *checkpoint.hash(), 66_000, old).unwrap();
    // Ours judges the layout alike: the entries mean nothing, but bundles, tiles and checkpoints agree.
    let report = judged(&pack, &forge);
    let of_the_layout = |code: &String| code.starts_with("pack.") || code.starts_with("checkpoint.");
    assert!(!codes(&report).iter().any(of_the_layout), "{:?}", report.finding_counts);
    assert_eq!((report.size, report.root), (70_000, Some(forge.root())));
}

#[test]
#[ignore = "needs sh, openssl, base64, sha256sum and xxd"]
fn what_the_packs_readme_says_to_type_works() {
    let bench = Bench::new();
    let forge = notes(&[5]);
    let pack = bench.packed(&forge);
    let readme = std::fs::read_to_string(pack.join("README.md")).unwrap();
    let block = |first: &str| -> String {
        let lines = readme.lines().skip_while(|line| !line.starts_with(&format!("    {first}")));
        let lines = lines.take_while(|line| line.starts_with("    ")).map(str::trim_start);
        lines.collect::<Vec<_>>().join("\n") + "\n"
    };
    let bundle = "tile/entries/000.p/6";
    let length = u16::from_be_bytes(std::fs::read(pack.join(bundle)).unwrap()[..2].try_into().unwrap());
    let script = (block("head -n 3 checkpoint") + &block("(printf '\\000'"))
        .replace("YOUR_TRUST_ROOT", "trust.toml")
        .replace("FIRST_BUNDLE", bundle)
        .replace("LENGTH", &length.to_string())
        .replace("FIRST_TILE", "tile/0/000.p/6");
    let output =
        std::process::Command::new("sh").arg("-ec").arg(&script).current_dir(&pack).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{script}\n{said}{}", String::from_utf8_lossy(&output.stderr));
    let id = forge.ledger_id.to_string();
    assert_eq!(
        said.lines().collect::<Vec<_>>(),
        ["Signature Verified Successfully", &format!("{id}  -"), &id]
    );
}

// Tampered with.

/// Something done to a pack, and what is found then.
struct Attack {
    name: &'static str,
    act: fn(&Path, &Forge),
    finds: &'static [&'static str],
}

/// Changes one byte, counted from the front.
fn flip(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[at] ^= 0x01;
    std::fs::write(path, bytes).unwrap();
}

fn remove(path: &Path) {
    std::fs::remove_file(path).unwrap();
}

fn cut(path: &Path) {
    let bytes = std::fs::read(path).unwrap();
    std::fs::write(path, &bytes[..bytes.len() - 1]).unwrap();
}

/// The log under attack: 3 + 256 · 2 + 9 entries in 9 batches.
pub(crate) fn attacked() -> Forge {
    notes(&[2, 250, 10, 240, 1, 1, 10, 9])
}

const ATTACKS: &[Attack] = &[
    Attack {
        name: "a byte in an entry",
        // In an author's signature, which stands last.
        act: |pack, _| {
            let path = pack.join("tile/entries/002.p/12");
            let last = std::fs::read(&path).unwrap().len() - 1;
            flip(&path, last);
        },
        finds: &["checkpoint.root", "pack.tile", "signature.author"],
    },
    Attack {
        name: "a byte in a tile of leaf hashes",
        act: |pack, _| flip(&pack.join("tile/0/001"), 100),
        finds: &["pack.tile"],
    },
    Attack {
        name: "a byte in a tile above",
        act: |pack, _| flip(&pack.join("tile/1/000.p/2"), 63),
        finds: &["pack.tile"],
    },
    Attack {
        name: "a tile is missing",
        act: |pack, _| remove(&pack.join("tile/0/001")),
        finds: &["pack.tile"],
    },
    Attack {
        name: "a tile is short",
        act: |pack, _| cut(&pack.join("tile/1/000.p/2")),
        finds: &["pack.tile"],
    },
    Attack {
        name: "a byte in a note's signature",
        act: |pack, _| {
            let path = pack.join("batches/000.p/9");
            let last = std::fs::read(&path).unwrap().len() - 10;
            flip(&path, last);
        },
        finds: &["checkpoint.signature"],
    },
    Attack {
        name: "the size in a note is another",
        act: |pack, _| {
            let path = pack.join("batches/000.p/9");
            let bytes = std::fs::read(&path).unwrap();
            let at = bytes.windows(5).position(|part| part == b"\n253\n").unwrap();
            flip(&path, at + 1);
        },
        finds: &["checkpoint.root", "checkpoint.signature", "pack.batches"],
    },
    Attack {
        name: "an entry bundle is missing in the middle",
        act: |pack, _| remove(&pack.join("tile/entries/001")),
        finds: &["entry.missing", "frame.missing", "log.unread", "pack.entries"],
    },
    Attack {
        name: "the last entry bundle is missing",
        act: |pack, _| remove(&pack.join("tile/entries/002.p/12")),
        finds: &["entry.missing", "log.shorter_than_head", "pack.entries"],
    },
    Attack {
        name: "an entry bundle is short",
        act: |pack, _| cut(&pack.join("tile/entries/002.p/12")),
        finds: &["entry.missing", "log.shorter_than_head", "pack.entries"],
    },
    Attack {
        name: "an entry bundle is longer than it may be",
        act: |pack, _| {
            let path = pack.join("tile/entries/002.p/12");
            let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
            file.set_len(1 << 40).unwrap();
        },
        finds: &["entry.missing", "log.shorter_than_head", "pack.entries"],
    },
    Attack {
        name: "an entry bundle is a link to a right one",
        act: |pack, _| {
            let path = pack.join("tile/entries/001");
            std::fs::rename(&path, pack.parent().unwrap().join("elsewhere")).unwrap();
            symlink(pack.parent().unwrap().join("elsewhere"), path).unwrap();
        },
        finds: &["entry.missing", "frame.missing", "log.unread", "pack.entries"],
    },
    Attack {
        name: "all notes are missing",
        act: |pack, _| remove(&pack.join("batches/000.p/9")),
        finds: &["entry.missing", "log.empty", "log.shorter_than_head", "pack.batches"],
    },
    Attack {
        name: "the last note is missing",
        act: |pack, _| {
            let path = pack.join("batches/000.p/9");
            let bytes = std::fs::read(&path).unwrap();
            let length = bytes.len() - std::fs::read(pack.join("checkpoint")).unwrap().len() - 4;
            std::fs::write(path, &bytes[..length]).unwrap();
        },
        finds: &["entry.missing", "log.shorter_than_head", "pack.batches", "pack.batches"],
    },
    Attack {
        name: "the checkpoint of another log",
        act: |pack, _| {
            let mut other = Forge::founded();
            other.log_key = ed25519_dalek::SigningKey::from_bytes(&[99; 32]);
            grow(&mut other, &[523]);
            std::fs::write(pack.join("checkpoint"), other.newest_note()).unwrap();
        },
        finds: &["head.disagrees"],
    },
    Attack {
        name: "another root under the log's own key",
        act: |pack, forge| {
            let root = rollbook::hash::Hash::of(b"another");
            let checkpoint = Checkpoint::new(forge.origin.clone(), forge.size(), root);
            let note = sign_checkpoint(&checkpoint, &[&forge.log_key]).unwrap();
            std::fs::write(pack.join("checkpoint"), note).unwrap();
        },
        finds: &["head.disagrees"],
    },
    Attack {
        name: "an older checkpoint",
        act: |pack, _| {
            let older = attacked_until(7);
            std::fs::write(pack.join("checkpoint"), older.newest_note()).unwrap();
        },
        // The bundles of that size are not there.
        finds: &["entry.missing", "log.shorter_than_head", "pack.entries"],
    },
    Attack {
        name: "a checkpoint that is none",
        act: |pack, _| std::fs::write(pack.join("checkpoint"), b"nothing\n").unwrap(),
        finds: &["head.disagrees"],
    },
    Attack {
        name: "a checkpoint of an endless log",
        act: |pack, forge| {
            let checkpoint = Checkpoint::new(forge.origin.clone(), u64::MAX, forge.root());
            let note = sign_checkpoint(&checkpoint, &[&forge.log_key]).unwrap();
            std::fs::write(pack.join("checkpoint"), note).unwrap();
        },
        finds: &["entry.missing", "log.shorter_than_head", "pack.batches", "pack.entries"],
    },
    Attack { name: "no `files`", act: |pack, _| remove(&pack.join("files")), finds: &["pack.files"] },
    Attack {
        name: "`files` names a place where no batch begins",
        act: |pack, _| std::fs::write(pack.join("files"), b"0\n4\n").unwrap(),
        finds: &["pack.files"],
    },
    Attack {
        name: "`files` is written in another way",
        act: |pack, _| std::fs::write(pack.join("files"), b"00\n").unwrap(),
        finds: &["pack.files"],
    },
    Attack {
        name: "a link among the attachments",
        act: |pack, _| {
            std::fs::create_dir_all(pack.join("attachments/sha256")).unwrap();
            symlink("/etc", pack.join("attachments/sha256/ab")).unwrap();
        },
        finds: &["pack.link"],
    },
];

/// The first `batches` batches of [`attacked`], entry 0 counted.
fn attacked_until(batches: usize) -> Forge {
    let all = [2, 250, 10, 240, 1, 1, 10, 9];
    notes(&all[..batches - 1])
}

/// Each attack's name, and what it does to the pack of [`attacked`].
pub(crate) fn attacks() -> impl Iterator<Item = (&'static str, fn(&Path, &Forge))> {
    ATTACKS.iter().map(|attack| (attack.name, attack.act))
}

/// What an attack found, for the list of findings that are shown.
pub fn codes_found() -> impl Iterator<Item = &'static str> {
    ATTACKS.iter().flat_map(|attack| attack.finds).copied()
}

#[test]
fn each_change_in_a_pack_is_found() {
    let bench = Bench::new();
    let forge = attacked();
    let whole = bench.packed(&forge);
    let mut wrong = Vec::new();
    for (number, Attack { name, act, finds }) in ATTACKS.iter().enumerate() {
        let pack = bench.path(&format!("attack-{number}/pack"));
        copy_dir(&whole, &pack);
        act(&pack, &forge);
        let report = judged(&pack, &forge);
        let mut found = codes(&report);
        found.sort();
        // A bundle holds hundreds: `missing_entries_of_a_pack_are_counted` says how many.
        found.dedup_by(|one, other| one == other && one == "entry.missing");
        if (found.iter().map(String::as_str).collect::<Vec<_>>(), report.verdict.exit_code())
            != (finds.to_vec(), 1)
        {
            let messages: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
            wrong.push(format!("{name}: {found:?} {messages:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Of a batch that is not whole, every entry is missing: its checkpoint covers none without the others.
#[test]
fn missing_entries_of_a_pack_are_counted() {
    let bench = Bench::new();
    let forge = attacked();
    let whole = bench.packed(&forge);
    let rows = [
        ("an entry bundle is missing in the middle", 515 - 253),
        ("the last entry bundle is missing", 524 - 505),
        ("an entry bundle is short", 524 - 515),
        ("all notes are missing", 524),
        ("a checkpoint of an endless log", u64::MAX - 505),
    ];
    for (number, (attack, count)) in rows.into_iter().enumerate() {
        let pack = bench.path(&format!("missing-{number}/pack"));
        copy_dir(&whole, &pack);
        let (_, act) = attacks().find(|(name, _)| *name == attack).unwrap();
        act(&pack, &forge);
        assert_eq!(judged(&pack, &forge).finding_counts["entry.missing"], count, "{attack}");
    }
}

#[test]
fn every_finding_about_packs_is_shown() {
    let of_packs: Vec<&&str> = Finding::CODES.iter().filter(|code| code.starts_with("pack.")).collect();
    assert_eq!(of_packs.len(), 5);
    let found: Vec<&str> = codes_found().collect();
    assert!(of_packs.iter().all(|code| found.contains(*code)));
}

#[test]
fn no_flipped_byte_of_a_pack_goes_unnoticed() {
    let bench = Bench::new();
    let forge = notes(&[2, 2]);
    let pack = bench.packed(&forge);
    let told = ["README.md", "tlog-policy", "trust.toml"];
    for (name, bytes) in files_of(&pack).iter().filter(|(name, _)| !told.contains(&name.as_str())) {
        for at in (0..bytes.len()).step_by(if bytes.len() > 400 { 13 } else { 1 }) {
            let mut changed = bytes.clone();
            changed[at] ^= 0x40;
            std::fs::write(pack.join(name), changed).unwrap();
            let report = judged(&pack, &forge);
            assert!(matches!(report.verdict.exit_code(), 1 | 5), "{name}, byte {at}");
        }
        std::fs::write(pack.join(name), bytes).unwrap();
    }
}

#[test]
fn without_a_checkpoint_it_is_no_pack() {
    let bench = Bench::new();
    let pack = bench.packed(&notes(&[2]));
    remove(&pack.join("checkpoint"));
    assert!(matches!(open_pack(&pack), Err(PackError::NotAPack { .. })));
}

#[test]
fn a_pack_of_nothing_but_garbage_is_judged() {
    let bench = Bench::new();
    let forge = notes(&[2]);
    let pack = bench.path("pack");
    for name in [
        "checkpoint",
        "files",
        "batches/000",
        "batches/005.p/7",
        "batches/x999/x999/x999/999",
        "tile/0/000.p/3",
        "tile/entries/000.p/3",
        "tile/entries/x018/x446/x744/x073/x709/x551/615",
        "tile/63/000",
    ] {
        std::fs::create_dir_all(pack.join(name).parent().unwrap()).unwrap();
        std::fs::write(pack.join(name), [0xff; 700]).unwrap();
    }
    assert_eq!(judged(&pack, &forge).verdict.exit_code(), 1);
    let source: PackSource = open_pack(&pack).unwrap();
    assert_eq!(source.size(), 0);
}

#[test]
fn notes_that_go_back_behind_a_hole_are_passed_over() {
    let bench = Bench::new();
    let forge = notes(&[1; 256]);
    let pack = bench.packed(&forge);
    let note = |size: u64| {
        let note = format!("{}\n{size}\n{}\n", forge.origin, "A".repeat(60)).into_bytes();
        [&u32::try_from(note.len()).unwrap().to_be_bytes()[..], &note].concat()
    };
    std::fs::write(pack.join("batches/001.p/1"), b"\0\0\0\0").unwrap();
    let back: Vec<u8> = [10, 12, 11, 256, 260, 270].into_iter().flat_map(note).collect();
    std::fs::create_dir(pack.join("batches/002.p")).unwrap();
    std::fs::write(pack.join("batches/002.p/6"), back).unwrap();
    std::fs::write(pack.join("files"), b"0\n10\n11\n256\n").unwrap();
    let source = open_pack(&pack).unwrap();
    for file in source.files().unwrap() {
        for offset in [0, 1, 1 << 20, u64::MAX] {
            source.read_at(file.first_index, offset, &mut [0; 4096]).unwrap();
        }
    }
    let report = judged(&pack, &forge);
    assert_eq!(report.verdict.exit_code(), 1);
    assert!(codes(&report).contains(&"pack.batches".to_owned()));
}

// At the command line.

/// A desk with releases, an attachment that stays, one that is redacted, and one that nobody cites.
fn desk_with_attachments() -> Desk {
    let desk = Desk::with_releases();
    desk.write("report.txt", "a report\n");
    desk.write("private.txt", "who applied\n");
    desk.write("gone.txt", "to be forgotten\n");
    desk.write("never.txt", "a draft that nobody submits\n");
    desk.done("--key dora.key note 1 see --attach report.txt");
    desk.done("--key dora.key note 1 see --attach private.txt --private");
    desk.done("--key dora.key note 1 see --attach gone.txt");
    desk.done("--key dora.key note 1 see --attach never.txt --draft never.json");
    let digest = rollbook::hash::Hash::of(b"to be forgotten\n").to_string();
    desk.done(&format!("--key alice.key attachment redact {digest} --reason asked --yes"));
    desk
}

#[test]
fn a_ledger_comes_back_from_its_pack_and_goes_on() {
    let desk = desk_with_attachments();
    let note = desk.done("checkpoint");
    let size = desk.done_json("checkpoint")["size"].as_u64().unwrap();
    desk.write(&format!("ledger/cosigned/{size}"), &note);
    desk.write("ledger/cosigned/later", &note);
    desk.write(&format!("ledger/cosigned/{}", size + 1), &note);
    let told = desk.done_json("pack export pack");
    let cosigned = |name: &str| names_of(&desk.path(&format!("{name}/cosigned")));
    assert_eq!(cosigned("pack"), [size.to_string()]);
    std::fs::remove_file(desk.path(&format!("ledger/cosigned/{}", size + 1))).unwrap();
    assert_eq!((told["attachments"].as_u64(), told["removed"].as_u64()), (Some(3), Some(0)));
    let cited: Vec<String> =
        names_of(&desk.path("pack")).into_iter().filter(|name| name.starts_with("attachments/")).collect();
    assert_eq!(cited.len(), 3, "neither the redacted one nor the draft's: {cited:?}");

    desk.copy("ledger/trust.toml", "trust.toml");
    let judged = desk.done_json("verify pack --trust trust.toml");
    let of_ledger = desk.done_json("verify ledger --trust trust.toml");
    for fact in ["verdict", "size", "root", "entries", "batches", "attachments", "finding_counts"] {
        assert_eq!(judged[fact], of_ledger[fact], "{fact}");
    }
    assert!(desk.done("pack import pack restored --trust trust.toml").contains("restored: restored"));
    assert_eq!(cosigned("restored"), [size.to_string()]);
    let log = |name: &str| files_of(&desk.path(&format!("{name}/log")));
    assert_eq!(log("restored"), log("ledger"));
    assert_eq!(desk.read("restored/trust.toml"), desk.read("ledger/trust.toml"));
    assert_eq!(desk.read("restored/rollbook.toml"), desk.read("ledger/rollbook.toml"));
    assert_eq!(desk.done("--ledger restored checkpoint"), desk.done("checkpoint"));
    assert_eq!(desk.done("--ledger restored status"), desk.done("status"));
    desk.done("verify restored --trust trust.toml");
    // Without the log key nothing is recorded; with it the chain goes on.
    desk.refused("--ledger restored --key dora.key note 1 on", 2, &["log key"]);
    desk.copy("ledger/log.pem", "restored/log.pem");
    desk.chmod("restored/log.pem", 0o600);
    let receipt = desk.done_json("--ledger restored --key dora.key note 1 on");
    assert_eq!(receipt["index"].as_u64(), told["size"].as_u64());
    desk.write("kept.txt", desk.done("checkpoint"));
    desk.done("verify restored --trust trust.toml --checkpoint kept.txt");
    // The pack follows the ledger that goes on, and not the one that stayed behind.
    desk.done("--ledger restored pack export pack");
    desk.refused("pack export pack", 2, &["older copy", "name a new directory"]);
    let again = desk.run("pack import pack restored --trust trust.toml");
    assert_eq!(again.code, Some(2), "{again:?}");
}

#[test]
fn what_was_kept_of_a_pack_is_gone_on_from() {
    let desk = Desk::with_releases();
    desk.copy("ledger/trust.toml", "trust.toml");
    let judge = |line: &str| {
        desk.done("pack export pack");
        desk.done_json(line)
    };
    let line = "verify pack --trust trust.toml --state kept";
    assert_eq!(judge(line)["entries"].as_u64(), Some(6));
    desk.done("--key dora.key note 1 on");
    let again = judge(line);
    assert_eq!((&again["verdict"], again["size"].as_u64()), (&"sound".into(), Some(7)));
    assert_eq!(again["kept"]["resumed_from"]["size"].as_u64(), Some(6), "{again}");
    // The same file goes for the ledger, whose frames are the same; a stream has no beginning to go on from.
    desk.done("--key dora.key note 1 on");
    let of_ledger = desk.done_json("verify ledger --trust trust.toml --state kept");
    assert_eq!(of_ledger["kept"]["resumed_from"]["size"].as_u64(), Some(7), "{of_ledger}");
    desk.refused("verify - --trust trust.toml --state kept", 2, &["--state needs a directory"]);
}

#[test]
fn a_redaction_reaches_the_pack_that_was_there() {
    let desk = Desk::with_releases();
    desk.write("gone.txt", "to be forgotten\n");
    desk.done("--key dora.key note 1 see --attach gone.txt");
    desk.done("pack export pack");
    let digest = rollbook::hash::Hash::of(b"to be forgotten\n").to_string();
    let held = desk.path(&format!("pack/attachments/sha256/{}/{}", &digest[..2], &digest[2..]));
    assert!(held.exists());
    desk.done(&format!("--key alice.key attachment redact {digest} --reason asked --yes"));
    desk.done("pack export pack");
    assert!(!held.exists());
}

#[test]
fn a_pack_that_is_not_sound_is_not_restored() {
    let desk = Desk::with_releases();
    desk.copy("ledger/trust.toml", "trust.toml");
    desk.done("pack export pack");
    flip(&desk.path("pack/tile/0/000.p/6"), 3);
    let answer = desk.run("verify pack --trust trust.toml --json");
    assert_eq!(answer.code, Some(1));
    assert_eq!(answer.json()["findings"][0]["code"], "pack.tile");
    assert_eq!(answer.json()["findings"][0]["facts"]["path"], "tile/0/000.p/6");
    let answer = desk.run("pack import pack restored --trust trust.toml");
    assert_eq!(answer.code, Some(1));
    assert!(answer.stdout.contains("not restored") && answer.stdout.contains("tile/0/000.p/6"), "{answer:?}");
    assert!(!desk.path("restored").exists());
    let left: Vec<_> =
        std::fs::read_dir(desk.path(".")).unwrap().map(|item| item.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().contains("importing")), "{left:?}");
    // Not sound without a trust root, either: clap asks for it.
    assert_eq!(desk.run("pack import pack restored").code, Some(2));
    assert_eq!(desk.run("verify pack").code, Some(1));
    std::fs::remove_file(desk.path("pack/checkpoint")).unwrap();
    desk.refused("verify pack --trust trust.toml", 2, &["not an evidence pack"]);
    desk.refused("pack import pack restored --trust trust.toml", 2, &["not an evidence pack"]);
    desk.refused("pack export model", 2, &["not empty"]);
}

#[test]
fn frames_on_stdin_are_verified_and_nothing_is_said_of_head() {
    let desk = Desk::with_releases();
    desk.copy("ledger/trust.toml", "trust.toml");
    let log = desk.path("ledger/log/00000000000000000000.batches");
    let verify = |bytes: &[u8]| -> Answer {
        desk.write("stream", bytes);
        let mut command = desk.command("--json verify - --trust trust.toml");
        command.stdin(Stdio::from(std::fs::File::open(desk.path("stream")).unwrap()));
        command.output().unwrap().into()
    };
    let bytes = std::fs::read(log).unwrap();
    let answer = verify(&bytes);
    assert_eq!((answer.code, &answer.json()["finding_counts"]), (Some(0), &serde_json::json!({})));
    assert_eq!(answer.json()["size"].as_u64(), Some(6));
    let answer = verify(&bytes[..bytes.len() - 1]);
    assert_eq!(answer.code, Some(1));
    assert!(answer.json()["finding_counts"]["frame.damaged"].is_u64());
    let answer = verify(b"");
    assert_eq!(
        (answer.code, &answer.json()["finding_counts"]),
        (Some(1), &serde_json::json!({"log.empty": 1}))
    );
}
