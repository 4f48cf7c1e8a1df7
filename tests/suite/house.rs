//! The house's own rules: who may import whom, and what no source file may hold.
//!
//! The floors stand in docs/architecture.md and below in [`FLOORS`]; imports run down only. What
//! counts as an import is a path in code: `crate::…`, `rollbook::…` in `main`, and `super::…` where it
//! leaves the room. Comments, links in documentation, texts, and all that is compiled under
//! `#[cfg(test)]` do not count.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms of each floor, the highest first. A room may import the rooms of lower floors.
///
/// Rooms that are not built yet have their floor already.
const FLOORS: [(u8, &[&str]); 7] = [
    (7, &["main"]),
    (6, &["cli"]),
    (5, &["export", "linkage", "report"]),
    (4, &["ledger", "verifier", "timeline"]),
    (3, &["log", "lifecycle"]),
    (2, &["event", "signing", "evidence", "merkle", "note", "store", "index"]),
    (1, &["hash", "codec", "time", "words"]),
];

/// Imports between rooms of one floor: from, to, and why. What is not listed is an error, and so is
/// what is listed and not done.
const SIDEWAYS: [(&str, &str, &str); 4] = [
    ("event", "signing", "an event names its proposer's public key, and grants name others"),
    ("evidence", "event", "Git objects are embedded in an event, and judged against what it says of them"),
    (
        "evidence",
        "signing",
        "a Git signature's key meets the conditions of a granted one; a model's covers the same DSSE encoding",
    ),
    ("note", "signing", "a vkey holds a public key, and checkpoints are signed by a key"),
];

/// What a room must not reach, not even through others, and why.
const NEVER_REACHES: [(&str, &str, &str); 5] = [
    ("verifier", "ledger", "an auditor does not run the code of the accused"),
    ("verifier", "index", "the index is the writer's and never believed"),
    ("store", "event", "a store holds bytes"),
    ("index", "event", "an index holds bytes"),
    ("merkle", "note", "a proof needs no signature"),
];

/// The other half of "don't know each other", by name alone: a note may be signed by what hashes.
const NEVER_IMPORTS: [(&str, &str, &str); 1] = [("note", "merkle", "a signature needs no tree")];

/// Paths outside the crate that a room must not name (its own code, not what it imports).
const FOREIGN: [(&str, &[&str], &str); 5] = [
    ("lifecycle", PURE, "rules are a pure function of state and event"),
    ("evidence", PURE, "evidence is judged from bytes that are handed in"),
    ("merkle", PURE, "a tree is computed from hashes that are handed in"),
    ("timeline", &["std::fs", "std::net", "std::process", "std::env", "tempfile"], "renderers open no file"),
    ("report", PURE, "the same inputs give the same bytes"),
];

/// What makes code depend on more than its arguments.
const PURE: &[&str] = &[
    "std::fs",
    "std::io",
    "std::net",
    "std::os",
    "std::env",
    "std::process",
    "std::thread",
    "std::time",
    "crate::time::SystemClock",
    "tempfile",
    "getrandom",
    "gix",
    "sled",
];

/// What reads the machine's clock. (A file's own time, which is a `SystemTime` too, is no clock.)
const CLOCKS: &[&str] = &[
    "crate::time::SystemClock",
    "SystemTime::now",
    "std::time::SystemTime::now",
    "jiff::Timestamp::now",
    "jiff::Zoned::now",
];

/// What talks to a network: nobody names the first, and the verifier reaches none of them.
const NETWORK: &[&str] = &["std::net", "reqwest", "ureq", "hyper", "tokio", "object_store", "curl", "isahc"];

// The checks.

#[test]
fn every_room_stands_on_a_floor() {
    let house = House::of_this_crate();
    assert!(house.modules.len() > 50, "the sources were not found: {} modules", house.modules.len());
    none(&house.rooms_without_a_floor());
    let mut rooms: Vec<&str> = FLOORS.iter().flat_map(|(_, rooms)| rooms.iter().copied()).collect();
    rooms.sort_unstable();
    let twice: Vec<_> = rooms.windows(2).filter(|pair| pair[0] == pair[1]).collect();
    assert!(twice.is_empty(), "on two floors: {twice:?}");
}

#[test]
fn imports_run_down_only() {
    none(&House::of_this_crate().imports_not_down());
}

#[test]
fn every_listed_sideways_import_is_done() {
    let house = House::of_this_crate();
    let done: BTreeSet<(&str, &str)> = house.imports().map(|(from, to)| (room(from), room(to))).collect();
    none(&SIDEWAYS.iter().filter(|(from, to, _)| !done.contains(&(*from, *to))).collect::<Vec<_>>());
}

#[test]
fn what_must_not_know_each_other_does_not() {
    let house = House::of_this_crate();
    none(&NEVER_REACHES.iter().filter_map(|never| house.reach(never)).collect::<Vec<_>>());
    let direct = |(from, to, why): &(&str, &str, &str)| {
        let found = house.imports().find(|import| room(import.0) == *from && room(import.1) == *to);
        found.map(|(from, to)| format!("{from} imports {to}: {why}"))
    };
    none(&NEVER_IMPORTS.iter().filter_map(direct).collect::<Vec<_>>());
}

#[test]
fn nobody_imports_the_command_line_but_main() {
    let house = House::of_this_crate();
    let others =
        house.imports().filter(|(from, to)| room(to) == "cli" && !["cli", "main"].contains(&room(from)));
    none(&others.collect::<Vec<_>>());
}

#[test]
fn rules_and_evidence_do_no_io_and_read_no_clock() {
    none(&House::of_this_crate().foreign_paths());
}

#[test]
fn nobody_speaks_to_a_network_least_of_all_the_verifier() {
    let house = House::of_this_crate();
    none(&house.naming(&house.modules.keys().map(String::as_str).collect(), &NETWORK[..1]));
    none(&house.naming(&house.reached_from("verifier").into_keys().collect(), NETWORK));
}

#[test]
fn the_index_alone_knows_sled() {
    let house = House::of_this_crate();
    let others = house.modules.keys().map(String::as_str).filter(|module| room(module) != "index").collect();
    none(&house.naming(&others, &["sled"]));
}

#[test]
fn the_clock_is_read_by_the_command_line_alone() {
    let house = House::of_this_crate();
    let others = house.modules.keys().map(String::as_str);
    let others = others.filter(|module| !["cli", "time"].contains(&room(module))).collect();
    none(&house.naming(&others, CLOCKS));
}

#[test]
fn nothing_is_unwrapped_outside_tests() {
    none(&House::of_this_crate().unwraps());
}

#[test]
fn every_ignored_test_says_what_it_needs() {
    let mut silent = Vec::new();
    for (path, text) in sources(&["src", "tests", "benches"]) {
        let tokens = tokenize(&text);
        silent.extend(ignored_without_reason(&tokens).map(|line| format!("{}:{line}", path.display())));
    }
    none(&silent);
}

#[test]
fn every_source_file_begins_with_what_it_does() {
    let without = |(path, text): &(PathBuf, String)| (!text.starts_with("//! ")).then(|| path.clone());
    none(&sources(&["src", "tests/suite", "benches"]).iter().filter_map(without).collect::<Vec<_>>());
    let rooms = directories(&root().join("src"));
    none(&rooms.iter().filter(|dir| !dir.join("mod.rs").is_file()).collect::<Vec<_>>());
}

#[test]
fn no_source_file_names_a_place_on_one_machine() {
    // Taken apart, so that this file does not hold them.
    let places = [concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/Us", "ers/"), concat!("C:", "\\")];
    let holds = |(path, text): &(PathBuf, String)| {
        let place = places.iter().find(|place| text.contains(**place))?;
        Some(format!("{}: {place}", path.display()))
    };
    none(&sources(&["src", "tests/suite", "benches"]).iter().filter_map(holds).collect::<Vec<_>>());
}

#[test]
fn every_page_that_is_linked_exists() {
    let pages = documents();
    assert!(!pages.is_empty(), "no documents were found");
    let mut dead = Vec::new();
    for page in &pages {
        let text = fs::read_to_string(page).unwrap();
        let targets =
            local_links(&text).into_iter().filter(|link| !page.parent().unwrap().join(link).exists());
        dead.extend(targets.map(|link| format!("{}: {link}", page.display())));
    }
    none(&dead);
}

// The checks, checked on made-up sources.

/// Whether a house of one extra source, and the few it may import, breaks the floors.
fn broken(path: &str, text: &str) -> Vec<String> {
    let others = [
        ("src/log/mod.rs", "pub mod reader; pub mod entry;"),
        ("src/log/reader.rs", "use crate::index::rows::Rows;"),
        ("src/log/entry.rs", "use crate::hash::Hash;"),
        ("src/index/mod.rs", "pub mod rows;"),
        ("src/index/rows.rs", "use sled::Db;"),
        ("src/hash.rs", ""),
        ("src/note/mod.rs", ""),
        ("src/ledger/mod.rs", ""),
    ];
    let all = others.iter().filter(|other| other.0 != path).copied().chain([(path, text)]);
    let house = House::of(all.map(|(path, text)| (PathBuf::from(path), text.to_owned())));
    let mut broken = house.imports_not_down();
    broken.extend(house.rooms_without_a_floor());
    broken.extend(NEVER_REACHES.iter().filter_map(|never| house.reach(never)));
    broken.extend(house.foreign_paths());
    broken.extend(house.unwraps());
    broken
}

#[test]
fn what_breaks_the_floors_is_caught() {
    for (path, text, told) in [
        ("src/hash.rs", "use crate::log::entry::Entry;", "hash (floor 1) imports log::entry (floor 3)"),
        ("src/hash.rs", "use super::log::entry::Entry;", "hash (floor 1) imports log::entry (floor 3)"),
        (
            "src/note/mod.rs",
            "fn f() { crate :: log::entry::f() }",
            "note (floor 2) imports log::entry (floor 3)",
        ),
        (
            "src/note/a.rs",
            "use crate::{hash::Hash, log::{entry::{self, E}}};",
            "note::a (floor 2) imports log::entry",
        ),
        (
            "src/note/a.rs",
            "mod b { use super::super::super::log::entry::E; }",
            "note::a::b (floor 2) imports log::entry",
        ),
        ("src/note/a.rs", "use crate::index::rows::Rows;", "note::a (floor 2) imports index::rows (floor 2)"),
        ("src/note/a.rs", "macro_rules! m { () => { $crate::log::entry::f() } }", "imports log::entry"),
        ("src/note/a.rs", "const Q: char = '\"'; use crate::log::entry::E; // \"", "imports log::entry"),
        ("src/note/a.rs", "#[cfg(test)] use crate::hash::H; use crate::log::entry::E;", "imports log::entry"),
        ("src/log/x.rs", "fn f() { rollbook::cli::main() }", "log::x (floor 3) imports cli"),
        (
            "src/verifier/mod.rs",
            "use crate::log::reader::R;",
            "verifier reaches index: log::reader, index::rows",
        ),
        ("src/verifier/mod.rs", "use crate::log; fn f() { log::reader::f() }", "verifier reaches index"),
        ("src/verifier/mod.rs", "use crate::ledger::Ledger;", "verifier (floor 4) imports ledger (floor 4)"),
        ("src/attic/mod.rs", "", "attic stands on no floor"),
        ("src/lifecycle/mod.rs", "use std::{fmt, fs::{self, File}};", "lifecycle names std::fs"),
        ("src/lifecycle/mod.rs", "fn f() { std::env::var(A) }", "lifecycle names std::env::var"),
        (
            "src/lifecycle/mod.rs",
            "use crate::time::{Clock, SystemClock};",
            "lifecycle names crate::time::SystemClock",
        ),
        ("src/hash.rs", "fn f() { a.unwrap() }", "hash unwraps in line 1"),
    ] {
        let broken = broken(path, text);
        assert!(broken.iter().any(|broken| broken.contains(told)), "{text}: {told}, but found {broken:?}");
    }
}

#[test]
fn what_keeps_to_the_floors_is_let_through() {
    for (path, text) in [
        ("src/log/entry.rs", "use crate::hash::Hash; use crate::note::Note; use super::reader::Reader;"),
        (
            "src/hash.rs",
            "//! [`crate::log::entry`]\n/* crate::log::entry /* a.unwrap() */ */ const A: &str = \"crate::log::entry\";",
        ),
        ("src/hash.rs", "const A: &str = r#\"\" crate::log::entry \"#; fn f<'a>(a: &'a u8) -> &'a u8 { a }"),
        ("src/hash.rs", "#[cfg(test)]\nmod tests { use crate::log::entry::E; fn f() { { a.unwrap() } } }"),
        ("src/hash.rs", "#[cfg(test)] use crate::log::entry::E; pub(crate) fn f() { a.unwrap_or(b) }"),
        ("src/store/mod.rs", "#[cfg(test)] mod conformance; use self::conformance::x;"),
        ("src/verifier/mod.rs", "use crate::log::entry::Entry;"),
        ("src/lifecycle/mod.rs", "use std::collections::BTreeMap; use crate::time::Timestamp;"),
    ] {
        let broken = broken(path, text);
        assert!(broken.is_empty(), "{text}: {broken:?}");
    }
}

#[test]
fn a_file_that_is_compiled_for_tests_alone_does_not_count() {
    let house = House::of([
        (PathBuf::from("src/store/mod.rs"), "#[cfg(test)]\npub(crate) mod conformance;".to_owned()),
        (PathBuf::from("src/store/conformance.rs"), "use crate::ledger::x; fn f() { a.unwrap() }".to_owned()),
    ]);
    assert_eq!(house.modules.keys().collect::<Vec<_>>(), ["store"]);
}

#[test]
fn an_ignored_test_without_a_reason_is_caught() {
    let lines = |text: &str| ignored_without_reason(&tokenize(text)).collect::<Vec<_>>();
    assert_eq!(lines("#[test]\n#[ignore]\nfn f() {}"), [2]);
    assert_eq!(lines("#[ignore = \"\"]\nfn f() {}"), [1]);
    assert_eq!(lines("#[ignore = \"needs git\"]\nfn f() {} // #[ignore]\n#[ignore]\nfn g() {}"), [3]);
}

#[test]
fn a_link_is_found_and_a_web_address_is_not() {
    let text = "[a](docs/a.md#part) [b](https://example.org) [c](#here)\n```\n[d](no.md)\n```\n`[e](no.md)` ![f](f.svg)";
    assert_eq!(local_links(text), ["docs/a.md", "f.svg"]);
}

// The house: modules, and what they name.

/// A source file, or an inline module: what its code names, tests left out.
#[derive(Default)]
struct Module {
    /// Paths as written, `crate::` and `super::` resolved to `crate::…`.
    paths: BTreeSet<Vec<String>>,
    /// Lines with an `.unwrap()`.
    unwraps: Vec<usize>,
}

/// Every module of the library and the program, by its path (`log::reader`).
struct House {
    modules: BTreeMap<String, Module>,
}

impl House {
    fn of_this_crate() -> Self {
        Self::of(sources(&["src"]))
    }

    fn of(sources: impl IntoIterator<Item = (PathBuf, String)>) -> Self {
        let mut house = Self { modules: BTreeMap::new() };
        let mut test_only = Vec::new();
        for (path, text) in sources {
            let module = module_of(&path);
            let (tokens, test_modules) = without_tests(&tokenize(&text));
            test_only.extend(test_modules.into_iter().map(|name| join(&module, &name)));
            house.read(&module, &tokens);
        }
        house.modules.retain(|name, _| !test_only.iter().any(|test| within(name, test)));
        // The crate's root declares the rooms and is none.
        house.modules.remove("");
        house
    }

    /// Notes what the tokens of one file name, inline modules apart.
    fn read(&mut self, file_module: &str, tokens: &[Token]) {
        self.modules.entry(file_module.to_owned()).or_default();
        let mut inline: Vec<(String, usize)> = Vec::new();
        let mut depth = 0;
        for at in 0..tokens.len() {
            let here = inline.last().map_or(file_module, |(name, _)| name).to_owned();
            match tokens[at].text.as_str() {
                "{" => depth += 1,
                "}" => {
                    depth -= 1;
                    inline.pop_if(|(_, outer)| *outer == depth);
                }
                "mod" if text_at(tokens, at + 2) == "{" => {
                    inline.push((join(&here, text_at(tokens, at + 1)), depth));
                }
                "unwrap" if text_before(tokens, at) == "." && text_at(tokens, at + 1) == "(" => {
                    self.modules.entry(here).or_default().unwraps.push(tokens[at].line);
                }
                _ if begins_path(tokens, at) => {
                    let paths = path_tree(tokens, at).0.into_iter();
                    let module = self.modules.entry(here.clone()).or_default();
                    module.paths.extend(paths.map(|path| resolve(&here, path)));
                }
                _ => {}
            }
        }
    }

    /// Every import, as (module, module).
    fn imports(&self) -> impl Iterator<Item = (&str, &str)> {
        self.modules
            .keys()
            .flat_map(|from| self.imports_of(from).into_iter().map(move |to| (from.as_str(), to)))
    }

    /// The modules that one module's code names.
    fn imports_of(&self, from: &str) -> BTreeSet<&str> {
        let paths = self.modules[from].paths.iter().filter(|path| path[0] == "crate");
        paths.flat_map(|path| self.targets(&path[1..])).filter(|to| *to != from).collect()
    }

    /// What a path reaches: the longest module that it begins with; a module named as such gives all
    /// that lies in it. A room that was not read, or does not exist, stands for itself.
    fn targets<'a>(&'a self, path: &'a [String]) -> Vec<&'a str> {
        for length in (1..=path.len()).rev() {
            let Some((name, _)) = self.modules.get_key_value(&path[..length].join("::")) else { continue };
            if length < path.len() {
                return vec![name];
            }
            return self.modules.keys().filter(|module| within(module, name)).map(String::as_str).collect();
        }
        path.first().map(String::as_str).filter(|name| floor(name).is_some()).into_iter().collect()
    }

    fn rooms_without_a_floor(&self) -> Vec<String> {
        let rooms: BTreeSet<&str> = self.modules.keys().map(|module| room(module)).collect();
        let without = rooms.into_iter().filter(|room| floor(room).is_none());
        without.map(|room| format!("{room} stands on no floor")).collect()
    }

    fn imports_not_down(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (from, to) in self.imports() {
            let (Some(above), Some(below)) = (floor(room(from)), floor(room(to))) else { continue };
            let listed = SIDEWAYS.iter().any(|(a, b, _)| (*a, *b) == (room(from), room(to)));
            if room(from) != room(to) && above <= below && !(above == below && listed) {
                found.push(format!("{from} (floor {above}) imports {to} (floor {below})"));
            }
        }
        found
    }

    /// How a room reaches what it must not, if it does.
    fn reach(&self, (from, to, why): &(&str, &str, &str)) -> Option<String> {
        let came_from = self.reached_from(from);
        let reached = came_from.keys().find(|module| room(module) == *to)?;
        let mut way = vec![*reached];
        while let Some(Some(before)) = came_from.get(way.last()?) {
            way.push(before);
        }
        way.reverse();
        let way: Vec<&str> = way.into_iter().filter(|module| room(module) != *from).collect();
        Some(format!("{from} reaches {to}: {} ({why})", way.join(", ")))
    }

    /// Every module that a room reaches, itself included, with the one that imports it.
    fn reached_from(&self, from: &str) -> BTreeMap<&str, Option<&str>> {
        let own = self.modules.keys().map(String::as_str).filter(|module| room(module) == from);
        let mut came_from: BTreeMap<&str, Option<&str>> = own.map(|module| (module, None)).collect();
        let mut open: Vec<&str> = came_from.keys().copied().collect();
        while let Some(module) = open.pop() {
            // A room that is named and not built has no imports of its own.
            let imports =
                if self.modules.contains_key(module) { self.imports_of(module) } else { BTreeSet::new() };
            for import in imports {
                if !came_from.contains_key(import) {
                    came_from.insert(import, Some(module));
                    open.push(import);
                }
            }
        }
        came_from
    }

    fn foreign_paths(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (from, forbidden, why) in FOREIGN {
            let own = self.modules.keys().map(String::as_str).filter(|module| room(module) == from).collect();
            found.extend(self.naming(&own, forbidden).into_iter().map(|named| format!("{named}: {why}")));
        }
        found
    }

    /// Which of `modules` name which of `forbidden`.
    fn naming(&self, modules: &BTreeSet<&str>, forbidden: &[&str]) -> Vec<String> {
        let mut found = Vec::new();
        for (name, module) in self.modules.iter().filter(|(name, _)| modules.contains(name.as_str())) {
            let paths = module.paths.iter().map(|path| path.join("::"));
            let bad = paths.filter(|path| forbidden.iter().any(|forbidden| within(path, forbidden)));
            found.extend(bad.map(|path| format!("{name} names {path}")));
        }
        found
    }

    fn unwraps(&self) -> Vec<String> {
        let of = |(name, module): (&String, &Module)| {
            let name = name.clone();
            module.unwraps.clone().into_iter().map(move |line| format!("{name} unwraps in line {line}"))
        };
        self.modules.iter().flat_map(of).collect()
    }
}

fn floor(room: &str) -> Option<u8> {
    FLOORS.iter().find(|(_, rooms)| rooms.contains(&room)).map(|(floor, _)| *floor)
}

/// The room of a module: the first part of its path.
fn room(module: &str) -> &str {
    module.split("::").next().unwrap_or_default()
}

/// Whether a path is another or lies in it.
fn within(path: &str, outer: &str) -> bool {
    path.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn join(module: &str, name: &str) -> String {
    if module.is_empty() { name.to_owned() } else { format!("{module}::{name}") }
}

/// `src/log/reader.rs` is `log::reader`, `src/log/mod.rs` is `log`, `src/lib.rs` is the empty path.
fn module_of(path: &Path) -> String {
    let path = path.strip_prefix(root()).unwrap_or(path).strip_prefix("src").unwrap().with_extension("");
    let parts: Vec<&str> = path.iter().map(|part| part.to_str().unwrap()).collect();
    match parts.as_slice() {
        ["lib"] => String::new(),
        [outer @ .., "mod"] => outer.join("::"),
        parts => parts.join("::"),
    }
}

/// A path from the crate's root, or of another crate.
fn resolve(here: &str, path: Vec<String>) -> Vec<String> {
    let mut from: Vec<String> = here.split("::").map(str::to_owned).collect();
    let ups = path.iter().take_while(|part| *part == "super" || *part == "self").count();
    match path[0].as_str() {
        "super" | "self" => {
            let supers = path[..ups].iter().filter(|part| *part == "super").count();
            from.truncate(from.len().saturating_sub(supers));
            [vec!["crate".to_owned()], from, path[ups..].to_vec()].concat()
        }
        "rollbook" => [vec!["crate".to_owned()], path[1..].to_vec()].concat(),
        _ => path,
    }
}

// Rust, as far as it is needed.

/// A word, a mark, or a text (kept as `"…"`), with its line.
#[derive(Clone)]
struct Token {
    text: String,
    line: usize,
}

fn text_at(tokens: &[Token], at: usize) -> &str {
    tokens.get(at).map_or("", |token| &token.text)
}

fn text_before(tokens: &[Token], at: usize) -> &str {
    at.checked_sub(1).map_or("", |at| &tokens[at].text)
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Whether a path of several parts begins here.
fn begins_path(tokens: &[Token], at: usize) -> bool {
    is_word(&tokens[at].text) && text_at(tokens, at + 1) == "::" && text_before(tokens, at) != "::"
}

/// All paths that `a::{b, c::d}` stands for, and where it ends. `self` at an end is what it stands in.
fn path_tree(tokens: &[Token], mut at: usize) -> (Vec<Vec<String>>, usize) {
    let mut path = Vec::new();
    loop {
        match text_at(tokens, at) {
            "{" => return path_group(tokens, at + 1, &path),
            "self" if !path.is_empty() => at += 1,
            word if is_word(word) => {
                path.push(word.to_owned());
                at += 1;
            }
            // `::*`, and the type arguments of `::<…>`, whose paths begin anew.
            _ => return (vec![path], at),
        }
        if text_at(tokens, at) != "::" {
            return (vec![path], at);
        }
        at += 1;
    }
}

fn path_group(tokens: &[Token], mut at: usize, outer: &[String]) -> (Vec<Vec<String>>, usize) {
    let mut paths = Vec::new();
    while at < tokens.len() && tokens[at].text != "}" {
        if is_word(&tokens[at].text) {
            let (inner, end) = path_tree(tokens, at);
            let whole =
                |path: Vec<String>| if path == ["self"] { outer.to_vec() } else { [outer, &path].concat() };
            paths.extend(inner.into_iter().map(whole));
            at = if text_at(tokens, end) == "as" { end + 2 } else { end };
        } else {
            at += 1;
        }
    }
    (paths, at + 1)
}

/// The tokens without what stands under `#[cfg(test)]`, and the names of modules that do.
fn without_tests(tokens: &[Token]) -> (Vec<Token>, Vec<String>) {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let (mut kept, mut modules) = (Vec::new(), Vec::new());
    let mut at = 0;
    while at < tokens.len() {
        if (0..MARK.len()).any(|offset| text_at(tokens, at + offset) != MARK[offset]) {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        }
        let end = end_of_item(tokens, at + MARK.len());
        if let [.., word, name, last] = &tokens[at..end]
            && (word.text.as_str(), last.text.as_str()) == ("mod", ";")
        {
            modules.push(name.text.clone());
        }
        at = end;
    }
    (kept, modules)
}

/// Where an item ends: behind its `;`, or behind the brace that closes its first one.
fn end_of_item(tokens: &[Token], start: usize) -> usize {
    let is_use = tokens[start..].iter().take(8).any(|token| token.text == "use");
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate().skip(start) {
        match token.text.as_str() {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => depth -= 1,
            _ => {}
        }
        let ends = token.text == ";" || (token.text == "}" && !is_use);
        if depth == 0 && ends {
            return at + 1;
        }
    }
    tokens.len()
}

/// Lines of `#[ignore]` without a reason.
fn ignored_without_reason(tokens: &[Token]) -> impl Iterator<Item = usize> {
    let attributes =
        tokens.windows(5).filter(|w| (w[0].text.as_str(), w[2].text.as_str()) == ("#", "ignore"));
    attributes.filter(|w| w[3].text != "=" || w[4].text.len() <= 2).map(|w| w[2].line)
}

fn tokenize(source: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let (mut rest, mut line) = (source, 1);
    while let Some(first) = rest.chars().next() {
        let (text, after) = rest.split_at(token_length(rest));
        let skipped = first.is_whitespace() || text.starts_with("//") || text.starts_with("/*");
        if !skipped {
            tokens.push(Token { text: text.to_owned(), line });
        }
        line += text.matches('\n').count();
        rest = after;
    }
    tokens
}

/// How many bytes the first token, comment or blank has.
fn token_length(rest: &str) -> usize {
    let first = rest.chars().next().map_or(0, char::len_utf8);
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return block_comment_length(rest);
    }
    if rest.starts_with("::") {
        return 2;
    }
    if rest.starts_with('\'') {
        return character_length(rest).unwrap_or(first);
    }
    let word = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
    let prefix = if ["b", "r", "br", "c", "cr"].contains(&&rest[..word]) { word } else { 0 };
    text_length(&rest[prefix..], rest[..prefix].contains('r'))
        .map_or(if word > 0 { word } else { first }, |length| prefix + length)
}

/// Block comments nest.
fn block_comment_length(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest[at..].starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// A character (`'"'`, `'\''`), or none where a lifetime begins.
fn character_length(rest: &str) -> Option<usize> {
    let inner = &rest[1..];
    let first = inner.chars().next()?;
    let body = if first == '\\' { 2 } else { first.len_utf8() };
    let close = inner.get(body..)?.find('\'')?;
    (first == '\\' || close == 0).then_some(1 + body + close + 1)
}

/// A text, raw or not, from its first `"` or `#`.
fn text_length(rest: &str, raw: bool) -> Option<usize> {
    if !raw {
        let mut escaped = false;
        let end = rest.strip_prefix('"')?.find(|c| {
            let closes = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            closes
        });
        return Some(end.map_or(rest.len(), |end| end + 2));
    }
    let marks = rest.len() - rest.trim_start_matches('#').len();
    let body = rest[marks..].strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(marks));
    Some(body.find(&close).map_or(rest.len(), |end| marks + 1 + end + close.len()))
}

// Files.

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file below some directories, with its text, in the order of their paths.
fn sources(directories: &[&str]) -> Vec<(PathBuf, String)> {
    let below = directories.iter().flat_map(|directory| files_below(&root().join(directory)));
    let mut paths: Vec<_> = below.filter(|path| path.extension().is_some_and(|e| e == "rs")).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read_to_string(&path).unwrap())).collect()
}

/// The README and its like, and all below docs/ and keys/.
fn documents() -> Vec<PathBuf> {
    let mut pages: Vec<PathBuf> = listing(root()).into_iter().filter(|path| path.is_file()).collect();
    pages.extend(["docs", "keys"].iter().flat_map(|directory| files_below(&root().join(directory))));
    pages.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    pages
}

/// Directories below one, at any depth.
fn directories(outer: &Path) -> Vec<PathBuf> {
    let inner: Vec<PathBuf> = listing(outer).into_iter().filter(|path| path.is_dir()).collect();
    let deeper = inner.iter().flat_map(|inner| directories(inner));
    inner.iter().cloned().chain(deeper).collect()
}

fn files_below(directory: &Path) -> Vec<PathBuf> {
    let all = directories(directory).into_iter().chain([directory.to_owned()]);
    all.flat_map(|directory| listing(&directory)).filter(|path| path.is_file()).collect()
}

/// What a directory holds; nothing where there is none.
fn listing(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// The targets of a page's links that are files of ours, without `#part`; code is left out.
fn local_links(markdown: &str) -> Vec<&str> {
    let prose = markdown.split("```").step_by(2).flat_map(|part| part.split('`').step_by(2));
    let targets = prose.flat_map(|text| text.split("](").skip(1).filter_map(|rest| rest.split(')').next()));
    let paths = targets.map(|target| target.split('#').next().unwrap_or_default());
    paths.filter(|path| !path.is_empty() && !path.contains(':')).collect()
}

/// Fails with every line of what was found.
#[track_caller]
fn none(found: &[impl std::fmt::Debug]) {
    let lines: Vec<String> = found.iter().map(|found| format!("{found:?}")).collect();
    assert!(found.is_empty(), "\n{}", lines.join("\n"));
}
