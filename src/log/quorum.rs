//! Witnesses, groups of them, and the quorum that must have cosigned (C2SP tlog-policy).
//!
//! Who is trusted to have looked, and how many of them are enough. From the cosignatures of one note follows when the
//! quorum had seen it: of *any* member the earliest time, of *all* the latest, of k the k-th earliest. Whether the log
//! agrees with that note is [`crate::verifier`]'s to say.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Serialize, Serializer};

use crate::event::text::{Name, TextError};
use crate::note::checkpoint::CheckpointNote;
use crate::note::cosignature::{CosignatureError, verify_cosignature};
use crate::note::signature_line::SignatureLine;
use crate::note::signed_note::{Note, NoteError};
use crate::note::vkey::{KeyKind, KeyNameError, VerifierKey, VkeyError, check_key_name};
use crate::signing::public_key::PublicKey;
use crate::time::Timestamp;

/// The most witnesses, and the most groups, that a trust root names. C2SP tlog-policy asks for at least 32 of each; a
/// note bears at most 100 signature lines.
pub const WITNESSES_MAX: usize = 64;

/// The word for no quorum, and so no name for a witness or group.
pub const NO_QUORUM: &str = "none";

/// Somebody who cosigns checkpoints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Witness {
    name: Name,
    // Invariant: a cosigner's key (type 0x04). Its own name may be another one.
    key: VerifierKey,
}

/// How many members of a group must have cosigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threshold {
    /// One.
    Any,
    /// Each.
    All,
    /// So many, at least 1.
    Count(usize),
}

/// Witnesses and other groups, and how many of them must have cosigned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Group {
    name: Name,
    threshold: Threshold,
    // Invariant: not empty, and at least as many as the threshold.
    members: Vec<Name>,
}

/// Whom a trust root knows as witnesses, and what is a quorum of them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Witnesses {
    #[serde(rename = "witness")]
    known: Vec<Witness>,
    // Invariant: each stands behind those that are its members. A name is a member once at most, of one group.
    #[serde(rename = "group")]
    groups: Vec<Group>,
    // Invariant: the name of a witness or group.
    quorum: Option<Name>,
}

/// Why witnesses, groups and quorum make no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuorumError {
    /// A name cannot be one.
    #[error("`{name}` is no name for a witness or group: {error}")]
    Name {
        /// The name, as it was given.
        name: String,
        /// Why.
        error: TextError,
    },
    /// A name cannot be one in a tlog-policy.
    #[error("`{name}` is no name for a witness or group: {error}")]
    KeyName {
        /// The name, as it was given.
        name: String,
        /// Why.
        error: KeyNameError,
    },
    /// The word for no quorum.
    #[error("`{NO_QUORUM}` means no quorum, and is no name for a witness or group")]
    Reserved,
    /// More than this program takes.
    #[error("{found} {what} are too many: at most {WITNESSES_MAX}")]
    TooMany {
        /// Witnesses or groups.
        what: &'static str,
        /// How many.
        found: usize,
    },
    /// Two of one name.
    #[error("`{name}` is the name of two witnesses or groups")]
    NameTwice {
        /// The name.
        name: Name,
    },
    /// The key of a witness cannot be read.
    #[error("the key of the witness `{name}`: {error}")]
    Key {
        /// The witness.
        name: Name,
        /// What is wrong.
        error: VkeyError,
    },
    /// Another kind of key.
    #[error("the key of the witness `{name}` is a log's (type 0x01); a witness's key has type 0x04")]
    KeyKind {
        /// The witness.
        name: Name,
    },
    /// Two witnesses with one key would count twice.
    #[error("the witnesses `{first}` and `{second}` have the same key")]
    KeyTwice {
        /// The one that stands first.
        first: Name,
        /// The other.
        second: Name,
    },
    /// The log would vouch for itself.
    #[error("the key of the witness `{name}` is the log's own")]
    LogKey {
        /// The witness.
        name: Name,
    },
    /// Neither any, nor all, nor a number from 1 on.
    #[error(
        "the threshold of the group `{group}` is `{text}`: \"any\", \"all\" or a number from 1 on is expected"
    )]
    Threshold {
        /// The group.
        group: Name,
        /// As it was given.
        text: String,
    },
    /// More must have cosigned than there are.
    #[error("the group `{group}` asks for {needed} of its {members} members")]
    Unreachable {
        /// The group.
        group: Name,
        /// Its threshold.
        needed: usize,
        /// How many it has.
        members: usize,
    },
    /// A group of nobody.
    #[error("the group `{group}` has no members")]
    NoMembers {
        /// The group.
        group: Name,
    },
    /// A name that nobody has.
    #[error("`{name}`, in {place}, is the name of no witness or group")]
    Unknown {
        /// The name.
        name: String,
        /// Where it stands.
        place: String,
    },
    /// A name would count in two ways.
    #[error("`{name}` is a member twice; each witness or group may be a member of one group, once")]
    MemberTwice {
        /// The name.
        name: Name,
    },
    /// Groups that hold each other.
    #[error("the group `{group}` holds itself, through its members")]
    Circle {
        /// One of them.
        group: Name,
    },
}

impl Witness {
    /// A witness of this name with this vkey.
    ///
    /// # Errors
    /// [`QuorumError`].
    pub fn new(name: &str, vkey: &str) -> Result<Self, QuorumError> {
        let name = read_name(name)?;
        match vkey.parse::<VerifierKey>() {
            Ok(key) if key.kind() == KeyKind::CosignatureV1 => Ok(Self { name, key }),
            Ok(_) => Err(QuorumError::KeyKind { name }),
            Err(error) => Err(QuorumError::Key { name, error }),
        }
    }

    /// What the trust root calls it.
    #[must_use]
    pub const fn name(&self) -> &Name {
        &self.name
    }

    /// Its key.
    #[must_use]
    pub const fn key(&self) -> &VerifierKey {
        &self.key
    }
}

impl Group {
    /// A group of this name.
    ///
    /// # Errors
    /// [`QuorumError`] where it has no members, fewer than it asks for, or a name cannot be one.
    pub fn new(name: &str, threshold: Threshold, members: &[String]) -> Result<Self, QuorumError> {
        let name = read_name(name)?;
        let place = || format!("the members of `{name}`");
        let unknown = |member: &String| QuorumError::Unknown { name: member.clone(), place: place() };
        let read = |member: &String| read_name(member).map_err(|_| unknown(member));
        let members = members.iter().map(read).collect::<Result<Vec<Name>, _>>()?;
        let group = Self { name, threshold, members };
        let (needed, members) = (group.needed(), group.members.len());
        match () {
            () if members == 0 => Err(QuorumError::NoMembers { group: group.name }),
            () if needed == 0 => Err(QuorumError::Threshold { group: group.name, text: "0".to_owned() }),
            () if needed > members => Err(QuorumError::Unreachable { group: group.name, needed, members }),
            () => Ok(group),
        }
    }

    /// What the trust root calls it.
    #[must_use]
    pub const fn name(&self) -> &Name {
        &self.name
    }

    /// How many members must have cosigned.
    #[must_use]
    pub const fn threshold(&self) -> Threshold {
        self.threshold
    }

    /// Its members.
    #[must_use]
    pub fn members(&self) -> &[Name] {
        &self.members
    }

    /// How many of its members must have cosigned.
    const fn needed(&self) -> usize {
        match self.threshold {
            Threshold::Any => 1,
            Threshold::All => self.members.len(),
            Threshold::Count(count) => count,
        }
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::All => f.write_str("all"),
            Self::Count(count) => write!(f, "{count}"),
        }
    }
}

impl Serialize for Threshold {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A cosignature of a note that was checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cosignature {
    /// What the trust root calls the witness.
    pub name: Name,
    /// The earliest time that it signed with: by then the log had reached that size.
    pub time: Timestamp,
    /// The latest one: the witness had seen no larger size by then.
    pub seen_at: Timestamp,
}

/// When a quorum had cosigned a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuorumTime {
    /// By the earliest cosignature of each: by then the log had reached that size.
    pub time: Timestamp,
    /// By the latest one of each.
    pub seen_at: Timestamp,
}

impl Witnesses {
    /// These witnesses and groups, in any order, and the name of the quorum; none, or `none`, is no quorum.
    ///
    /// # Errors
    /// [`QuorumError`].
    pub fn new(
        witnesses: Vec<Witness>,
        groups: Vec<Group>,
        quorum: Option<&str>,
    ) -> Result<Self, QuorumError> {
        for (what, found) in [("witnesses", witnesses.len()), ("groups", groups.len())] {
            if found > WITNESSES_MAX {
                return Err(QuorumError::TooMany { what, found });
            }
        }
        check_keys(&witnesses)?;
        let names = unique_names(&witnesses, &groups)?;
        check_members(&groups, &names)?;
        let quorum = match quorum {
            None | Some(NO_QUORUM) => None,
            Some(text) => {
                let found = names.iter().find(|name| name.as_str() == text);
                let place = "`quorum`".to_owned();
                Some(found.cloned().ok_or_else(|| QuorumError::Unknown { name: text.to_owned(), place })?)
            }
        };
        let groups = members_first(&witnesses, groups)?;
        Ok(Self { known: witnesses, groups, quorum })
    }

    /// Checks that none of the log's own keys is among them.
    ///
    /// # Errors
    /// [`QuorumError::LogKey`].
    pub fn check_apart_from(&self, log_key: PublicKey) -> Result<(), QuorumError> {
        match self.known.iter().find(|witness| witness.key.public_key() == log_key) {
            Some(witness) => Err(QuorumError::LogKey { name: witness.name.clone() }),
            None => Ok(()),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// The witnesses.
    #[must_use]
    pub fn witnesses(&self) -> &[Witness] {
        &self.known
    }

    /// The groups, each behind those that are its members.
    #[must_use]
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// The witness or group that must have cosigned, if any must.
    #[must_use]
    pub const fn quorum(&self) -> Option<&Name> {
        self.quorum.as_ref()
    }

    /// The cosignatures that these witnesses put to a checkpoint note, in their order. Lines by others are ignored.
    ///
    /// # Errors
    /// A line by one of them fails: then the whole note is not to be believed (C2SP signed-note).
    pub fn cosignatures(&self, note: &CheckpointNote) -> Result<Vec<Cosignature>, CosignatureError> {
        let note = note.note();
        let mut found = Vec::new();
        for Witness { name, key } in &self.known {
            let lines = note.signatures().iter().filter(|line| line.is_by(key));
            let times = lines.map(|line| verify_cosignature(key, note.text(), line));
            let times = times.collect::<Result<Vec<Timestamp>, _>>()?;
            if let (Some(&time), Some(&seen_at)) = (times.iter().min(), times.iter().max()) {
                found.push(Cosignature { name: name.clone(), time, seen_at });
            }
        }
        Ok(found)
    }

    /// The log's own note with the cosignatures of `others`, notes of the same text: of each witness the lines with the
    /// earliest and the latest time. Lines by anybody else are left out, and so are those of a note with another text.
    ///
    /// # Errors
    /// [`NoteError`] where that is more than a note can bear.
    pub fn merge(&self, own: &CheckpointNote, others: &[&CheckpointNote]) -> Result<Note, NoteError> {
        let text = own.note().text();
        let same_text = others.iter().map(|other| other.note()).filter(|note| note.text() == text);
        let lines: Vec<&SignatureLine> = same_text.flat_map(Note::signatures).collect();
        let mut merged = own.note().clone();
        for Witness { key, .. } in &self.known {
            let timed =
                |line: &&SignatureLine| Some((verify_cosignature(key, text, line).ok()?, (*line).clone()));
            let mut by_time: Vec<_> = lines.iter().filter_map(timed).collect();
            by_time.sort_by_key(|(time, _)| *time);
            let first = by_time.first();
            let last = by_time.last().filter(|last| first.is_some_and(|first| first.0 < last.0));
            for (_, line) in first.into_iter().chain(last) {
                merged = merged.with_signature(line.clone())?;
            }
        }
        Ok(merged)
    }

    /// When the quorum had cosigned, if these cosignatures of one note come to it; none where there is no quorum.
    #[must_use]
    pub fn met_by(&self, cosignatures: &[Cosignature]) -> Option<QuorumTime> {
        let time = self.met_at(cosignatures.iter().map(|signed| (signed.name.as_str(), signed.time)))?;
        let seen_at =
            self.met_at(cosignatures.iter().map(|signed| (signed.name.as_str(), signed.seen_at)))?;
        Some(QuorumTime { time, seen_at })
    }

    /// When the quorum is met, where each of these witnesses signs at its time: a group has signed when as many members
    /// have as it asks for.
    fn met_at<'a>(&'a self, signed: impl Iterator<Item = (&'a str, Timestamp)>) -> Option<Timestamp> {
        let quorum = self.quorum.as_ref()?;
        let mut signed: BTreeMap<&str, Timestamp> = signed.collect();
        for group in &self.groups {
            let of_members = group.members.iter().filter_map(|member| signed.get(member.as_str()));
            let mut times: Vec<Timestamp> = of_members.copied().collect();
            times.sort_unstable();
            if let Some(&time) = times.get(group.needed() - 1) {
                signed.insert(group.name.as_str(), time);
            }
        }
        signed.get(quorum.as_str()).copied()
    }

    /// The part of a trust root's file that says all this; nothing where there is nothing to say. `quorum` stands
    /// before the tables, as TOML wants it.
    pub(super) fn to_toml(&self) -> String {
        let mut text = String::new();
        let quoted = |text: &dyn fmt::Display| toml::Value::String(text.to_string()).to_string();
        if let Some(quorum) = &self.quorum {
            text += "\n# Who must have cosigned a checkpoint before what it covers counts as held.\n";
            text += &format!("quorum = {}\n", quoted(quorum));
        }
        for Witness { name, key } in &self.known {
            text += &format!("\n[[witness]]\nname = {}\nkey = {}\n", quoted(name), quoted(key));
        }
        for Group { name, threshold, members } in &self.groups {
            let threshold = match threshold {
                Threshold::Count(count) => count.to_string(),
                word => quoted(word),
            };
            let members: Vec<String> = members.iter().map(|member| quoted(member)).collect();
            text += &format!("\n[[group]]\nname = {}\nthreshold = {threshold}\n", quoted(name));
            text += &format!("members = [{}]\n", members.join(", "));
        }
        text
    }

    /// The lines of a C2SP tlog-policy that say all this.
    pub(super) fn to_tlog_policy(&self) -> String {
        let mut text = String::new();
        for Witness { name, key } in &self.known {
            text += &format!("witness {name} {key}\n");
        }
        for Group { name, threshold, members } in &self.groups {
            text += &format!("group {name} {threshold}");
            for member in members {
                text += &format!(" {member}");
            }
            text.push('\n');
        }
        text + &format!("quorum {}\n", self.quorum.as_ref().map_or(NO_QUORUM, Name::as_str))
    }
}

fn read_name(text: &str) -> Result<Name, QuorumError> {
    if text == NO_QUORUM {
        return Err(QuorumError::Reserved);
    }
    let shown = || text.chars().take(100).collect::<String>();
    check_key_name(text).map_err(|error| QuorumError::KeyName { name: shown(), error })?;
    Name::new(text).map_err(|error| QuorumError::Name { name: shown(), error })
}

/// No key is there twice, under whatever name.
fn check_keys(witnesses: &[Witness]) -> Result<(), QuorumError> {
    let mut seen: BTreeMap<PublicKey, &Name> = BTreeMap::new();
    for witness in witnesses {
        if let Some(first) = seen.insert(witness.key.public_key(), &witness.name) {
            return Err(QuorumError::KeyTwice { first: first.clone(), second: witness.name.clone() });
        }
    }
    Ok(())
}

/// The names of all witnesses and groups, which share one space.
fn unique_names(witnesses: &[Witness], groups: &[Group]) -> Result<BTreeSet<Name>, QuorumError> {
    let mut names = BTreeSet::new();
    let all = witnesses.iter().map(|witness| &witness.name).chain(groups.iter().map(|group| &group.name));
    for name in all {
        if !names.insert(name.clone()) {
            return Err(QuorumError::NameTwice { name: name.clone() });
        }
    }
    Ok(names)
}

/// Each member is known, and a member once in all.
fn check_members(groups: &[Group], names: &BTreeSet<Name>) -> Result<(), QuorumError> {
    let mut seen = BTreeSet::new();
    for group in groups {
        for member in &group.members {
            if !names.contains(member) {
                let place = format!("the members of `{}`", group.name);
                return Err(QuorumError::Unknown { name: member.to_string(), place });
            }
            if !seen.insert(member) {
                return Err(QuorumError::MemberTwice { name: member.clone() });
            }
        }
    }
    Ok(())
}

/// The groups, each behind its members, and otherwise in the order that they have.
fn members_first(witnesses: &[Witness], groups: Vec<Group>) -> Result<Vec<Group>, QuorumError> {
    let mut placed: BTreeSet<Name> = witnesses.iter().map(|witness| witness.name.clone()).collect();
    let (mut ordered, mut waiting) = (Vec::with_capacity(groups.len()), groups);
    while !waiting.is_empty() {
        let is_ready = |group: &Group| group.members.iter().all(|member| placed.contains(member));
        let Some(next) = waiting.iter().position(is_ready) else {
            return Err(QuorumError::Circle { group: waiting[0].name.clone() });
        };
        let group = waiting.remove(next);
        placed.insert(group.name.clone());
        ordered.push(group);
    }
    Ok(ordered)
}
