//! Globs of scopes and policies: ours, and small (docs/format.md, "Globs").
//!
//! `*` stands for any run of bytes but `/`, an empty run included. Every other byte stands for
//! itself. A glob matches the whole name, byte for byte; there is no escape.

use std::fmt;
use std::str::FromStr;

use bincode::{Decode, Encode};
use serde::Serialize;

use crate::event::text::{Name, TextError};

/// A pattern over names: 1 to 256 bytes under the rules of a [`Name`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize)]
#[serde(transparent)]
pub struct Glob(Name);

impl Glob {
    /// Takes `text` as a pattern.
    ///
    /// # Errors
    /// [`TextError`] where it is no [`Name`].
    pub fn new(text: impl Into<String>) -> Result<Self, TextError> {
        Name::new(text).map(Self)
    }

    /// The pattern's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Says whether the whole of `name` fits the pattern. Time: at most pattern × name, both
    /// bounded at 256 bytes.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        matches_bytes(self.as_str().as_bytes(), name.as_bytes())
    }

    /// Says whether some name fits both patterns. Time: pattern × pattern.
    #[must_use]
    pub fn meets(&self, other: &Self) -> bool {
        meet_bytes(self.as_str().as_bytes(), other.as_str().as_bytes())
    }
}

/// Whether some text fits both patterns. Row by row: `open[q]` says whether the first `p` and `q` bytes
/// of the patterns can stand for one text.
fn meet_bytes(one: &[u8], other: &[u8]) -> bool {
    let swallows = |star: u8, byte: u8| star == b'*' && byte != b'/';
    let mut open = vec![false; other.len() + 1];
    open[0] = true;
    for q in 0..other.len() {
        open[q + 1] = open[q] && other[q] == b'*';
    }
    for &byte in one {
        let mut diagonal = open[0];
        open[0] = open[0] && byte == b'*';
        for q in 0..other.len() {
            let above = open[q + 1];
            let both = diagonal && byte == other[q];
            let one_is_star = byte == b'*' && (above || open[q] && swallows(byte, other[q]));
            let other_is_star = other[q] == b'*' && (open[q] || above && swallows(other[q], byte));
            open[q + 1] = both || one_is_star || other_is_star;
            diagonal = above;
        }
    }
    open[other.len()]
}

/// Greedy matching that goes back to the latest `*` alone. Where the run of that star would have
/// to swallow a `/`, no earlier star can help: the bytes between two stars are already placed at
/// their earliest, and an earlier star would have to swallow the same `/`, or bytes before it.
fn matches_bytes(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        if p < pattern.len() && pattern[p] == b'*' {
            star = Some((p, n));
            p += 1;
        } else if p < pattern.len() && pattern[p] == name[n] {
            p += 1;
            n += 1;
        } else if let Some((star_p, star_n)) = star {
            if name[star_n] == b'/' {
                return false;
            }
            star = Some((star_p, star_n + 1));
            p = star_p + 1;
            n = star_n + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|&byte| byte == b'*')
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Glob {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn star_is_any_run_without_a_slash() {
        for (pattern, name, expected) in [
            ("*", "scorer", true),
            ("*", "credit/scorer", false),
            ("*/*", "credit/scorer", true),
            ("credit/*", "credit/scorer", true),
            ("credit/*", "credit/", true),
            ("credit/*", "credit/a/b", false),
            ("prod-*-eu", "prod-1-eu", true),
            ("prod-*-eu", "prod--eu", true),
            ("prod-*-eu", "prod-eu", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "a/bc", false),
            ("exact", "exact", true),
            ("exact", "Exact", false),
            ("a?", "ab", false),
            ("**", "ab", true),
            ("*ab", "aab", true),
        ] {
            assert_eq!(Glob::new(pattern).expect("valid").matches(name), expected, "{pattern} {name}");
        }
    }

    /// The definition, as it reads in docs/format.md.
    fn naive(pattern: &[u8], name: &[u8]) -> bool {
        match pattern.split_first() {
            None => name.is_empty(),
            Some((b'*', rest)) => (0..=name.len())
                .take_while(|&run| !name[..run].contains(&b'/'))
                .any(|run| naive(rest, &name[run..])),
            Some((byte, rest)) => name.first() == Some(byte) && naive(rest, &name[1..]),
        }
    }

    proptest! {
        #[test]
        fn matching_agrees_with_the_definition(pattern in "[ab/*]{1,8}", name in "[ab/]{0,9}") {
            let glob = Glob::new(pattern.clone()).expect("valid");
            prop_assert_eq!(glob.matches(&name), naive(pattern.as_bytes(), name.as_bytes()));
        }

        #[test]
        fn patterns_meet_where_a_name_fits_both(one in "[ab/*]{1,3}", other in "[ab/*]{1,3}") {
            let mut names = vec![String::new()];
            for length in 0..6 {
                let longest: Vec<_> = names.iter().filter(|name| name.len() == length).cloned().collect();
                names.extend(longest.iter().flat_map(|name| ["a", "b", "/"].map(|end| format!("{name}{end}"))));
            }
            let (one, other) = (Glob::new(one).expect("valid"), Glob::new(other).expect("valid"));
            let witness = names.iter().any(|name| one.matches(name) && other.matches(name));
            prop_assert_eq!(one.meets(&other), witness);
        }
    }
}
