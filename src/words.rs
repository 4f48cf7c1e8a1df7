//! Closed lists of words: enums whose variants have one text form each.

/// A text that is not one of the words of a closed list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {what}: one of {expected} is expected")]
pub struct WordError {
    /// What kind of word.
    pub what: &'static str,
    /// What was given.
    pub text: String,
    /// The words that exist.
    pub expected: String,
}

/// The most letters in which a word may differ from the one that was perhaps meant.
const TYPOS_MAX: usize = 3;

/// The known word that differs least from `word`, if it differs little: what was perhaps meant.
#[must_use]
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word: String = word.chars().take(64).collect();
    let distances = known.into_iter().map(|known| (strsim::osa_distance(&word, known), known));
    let near = distances.filter(|(distance, known)| *distance <= TYPOS_MAX.min(known.len() / 2));
    near.min().map(|(_, known)| known)
}

/// A number with what it counts: `1 entry`, `2 entries`.
#[must_use]
pub fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// Defines a closed list of words: an enum whose variants have one text form each.
///
/// The text forms are the ones of the command line, of JSON and of policies; the bytes are the
/// variant's number as `u32`.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident, $what:literal { $($(#[$doc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, bincode::Encode, bincode::Decode)]
        pub enum $name { $($(#[$doc])* $variant,)+ }

        impl $name {
            /// Every word, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word as text.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = crate::words::WordError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::ALL.iter().copied().find(|word| word.as_str() == text).ok_or_else(|| {
                    crate::words::WordError {
                        what: $what,
                        text: text.chars().take(64).collect(),
                        expected: Self::ALL.iter().map(|word| word.as_str()).collect::<Vec<_>>().join(", "),
                    }
                })
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }
    };
}

pub(crate) use words;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_near() {
        let known = ["metrics", "model", "min", "suite_digest"];
        for (word, meant) in [
            ("metric", Some("metrics")),
            ("metrcis", Some("metrics")),
            ("suite-digest", Some("suite_digest")),
            ("mni", Some("min")),
            ("max", None),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, known), meant, "{word}");
        }
    }
}
