//! Whom an `allowed_signers` text allows to sign, and when: ssh-keygen(1), "ALLOWED SIGNERS".
//!
//! A line is `principals [options] key-type base64 [comment]`; empty lines and lines that begin with `#` say nothing.
//! Here the whole text is refused where one line cannot be read, or could not be honoured: a list of signers that
//! means less than it says would be worse than none. So certificate authorities are refused, and nothing is skipped.
//!
//! Judged is a key at a time, in the namespace `git`, as `git verify-tag` has it judged: `ssh-keygen -Y find-principals`
//! and then `-Y verify`. Times are whole seconds, both ends included. A time without `Z` is the local one for OpenSSH;
//! here every time is UTC, so that a verdict is the same on every machine.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::git_signature::{NAMESPACE, SignatureFault, SshKey};
use crate::time::{SECOND_MS, Timestamp};

/// The longest text that is read, in bytes.
pub const TEXT_BYTES_MAX: usize = 64 * 1024;
/// The most keys of one text. With [`PRINCIPALS_MAX`] it bounds what one verdict costs: every principal of a line may be
/// held against every line.
pub const KEYS_MAX: usize = 512;
/// The most principals of one line: a key is one person's, with a handful of names.
pub const PRINCIPALS_MAX: usize = 64;

/// An `allowed_signers` text, read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AllowedSigners {
    lines: Vec<Line>,
}

/// One key that the text allows.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    /// Its line, from 1.
    number: u32,
    principals: String,
    key: SshKey,
    options: Options,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Options {
    namespaces: Option<String>,
    valid_after: Option<Timestamp>,
    valid_before: Option<Timestamp>,
}

/// The line by which a key is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowed {
    /// Its number, from 1.
    pub line: u32,
    /// Whose key it is, as the line says.
    pub principals: String,
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (allowed_signers line {})", self.principals, self.line)
    }
}

/// Why a key is not allowed: of several lines that name it, what the last one says that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAllowed {
    /// No line names it.
    #[error("no line of allowed_signers names the key")]
    Unknown,
    /// The ledger revoked it, and no line can say otherwise.
    #[error("the key was revoked by entry {entry}")]
    Revoked {
        /// The entry.
        entry: u64,
    },
    /// It is allowed from later on.
    #[error("line {line} of allowed_signers allows the key from {from} on")]
    NotYetValid {
        /// The line's number, from 1.
        line: u32,
        /// Its `valid-after`.
        from: Timestamp,
    },
    /// It was allowed until then.
    #[error("line {line} of allowed_signers allowed the key until {until}")]
    Expired {
        /// The line's number, from 1.
        line: u32,
        /// Its `valid-before`.
        until: Timestamp,
    },
    /// It is allowed for something else.
    #[error("line {line} of allowed_signers allows the key for the namespaces `{namespaces}`, not for `git`")]
    Namespace {
        /// The line's number, from 1.
        line: u32,
        /// Its `namespaces`.
        namespaces: String,
    },
}

/// Why a text is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AllowedSignersError {
    /// It is longer than any list of people.
    #[error("allowed_signers has {bytes} bytes, at most {TEXT_BYTES_MAX} are read")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// It names more keys than any list of people.
    #[error("allowed_signers names more than {KEYS_MAX} keys")]
    TooManyKeys,
    /// A line of it cannot be honoured.
    #[error("line {line} of allowed_signers: {fault}")]
    Line {
        /// Its number, from 1.
        line: u32,
        /// What is wrong with it.
        fault: LineFault,
    },
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineFault {
    /// A character that no line has.
    #[error("it holds a control character")]
    ControlCharacter,
    /// A quotation mark that is never closed, or stands where none may.
    #[error("a quotation mark is not closed, or stands inside a word")]
    Quotation,
    /// Principals that no principal fits, `!ada` for one.
    #[error("the principals `{0}` fit nobody")]
    Nobody(String),
    /// More principals than one key has.
    #[error("it has {count} principals, at most {PRINCIPALS_MAX} are allowed")]
    TooManyPrincipals {
        /// How many.
        count: usize,
    },
    /// Nothing follows the principals or the options.
    #[error("no key follows")]
    NoKey,
    /// A word that is neither.
    #[error(
        "`{0}` is neither an option nor a key type: options are namespaces=\"…\", valid-after=\"…\" and \
         valid-before=\"…\", with quotation marks"
    )]
    UnknownWord(String),
    /// An option that is given twice.
    #[error("{0} is given twice")]
    Twice(&'static str),
    /// Certificates are not checked here.
    #[error("cert-authority: certificates are not checked; name the keys themselves")]
    CertAuthority,
    /// A time that is none.
    #[error(
        "{option}: `{text}` is not a time: YYYYMMDD, YYYYMMDDHHMM or YYYYMMDDHHMMSS is expected, a Z may follow"
    )]
    Time {
        /// Of which option.
        option: &'static str,
        /// What is given.
        text: String,
    },
    /// A key that is never valid.
    #[error("valid-before is not later than valid-after")]
    NeverValid,
    /// What should be the key is no base64.
    #[error("the key is not base64")]
    NotBase64,
    /// The type in front of a key is not the key's.
    #[error("the key is of type {actual}, not {said}")]
    OtherType {
        /// The type in front.
        said: String,
        /// The key's.
        actual: String,
    },
    /// A key that is not taken.
    #[error("{0}")]
    Key(SignatureFault),
}

impl AllowedSigners {
    /// Reads a text as `ssh-keygen` does, but for what is told above.
    ///
    /// # Errors
    /// [`AllowedSignersError`]: the first line that cannot be honoured, and why.
    pub fn parse(text: &str) -> Result<Self, AllowedSignersError> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(AllowedSignersError::TooLong { bytes: text.len() });
        }
        let mut lines = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim_start_matches([' ', '\t']);
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if lines.len() == KEYS_MAX {
                return Err(AllowedSignersError::TooManyKeys);
            }
            let parsed = Line::parse(number, line);
            lines.push(parsed.map_err(|fault| AllowedSignersError::Line { line: number, fault })?);
        }
        Ok(Self { lines })
    }

    /// How many keys are named.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether nobody is named.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Says whether `key` may sign for Git at that time.
    ///
    /// As Git has it: the first line that names the key and is valid at that time says whose key it is; then every line
    /// of that name and key counts, and one that allows it is enough. So one key may be listed once for each time; and
    /// listed for other namespaces first, it is to stand under the same principals again.
    ///
    /// # Errors
    /// [`NotAllowed`].
    pub fn judge(&self, key: &SshKey, at: Timestamp) -> Result<Allowed, NotAllowed> {
        let naming = || self.lines.iter().filter(|line| line.key == *key);
        let mut not_allowed = NotAllowed::Unknown;
        for first in naming() {
            if let Err(reason) = first.judge_time(at) {
                not_allowed = reason;
                continue;
            }
            for principal in first.each_principal() {
                for line in naming().filter(|line| fits_list(principal, &line.principals)) {
                    match line.judge_namespace().and_then(|()| line.judge_time(at)) {
                        Ok(()) => return Ok(line.allowed()),
                        Err(reason) => not_allowed = reason,
                    }
                }
            }
            return Err(not_allowed);
        }
        Err(not_allowed)
    }
}

impl Line {
    /// Reads a line that says something, white space in front taken away.
    fn parse(number: u32, line: &str) -> Result<Self, LineFault> {
        if line.contains(|character: char| character.is_control() && character != '\t') {
            return Err(LineFault::ControlCharacter);
        }
        let (principals, rest) = take_principals(line)?;
        let count = principals.split(',').count();
        if count > PRINCIPALS_MAX {
            return Err(LineFault::TooManyPrincipals { count });
        }
        let (word, after) = take_word(rest)?;
        let (options, rest) =
            if is_key_type(word) { (Options::default(), rest) } else { (Options::parse(word)?, after) };
        let line = Self { number, principals: principals.to_owned(), key: parse_key(rest)?, options };
        let fits_itself = line.each_principal().any(|principal| fits_list(principal, principals));
        if fits_itself { Ok(line) } else { Err(LineFault::Nobody(shortened(principals))) }
    }

    fn allowed(&self) -> Allowed {
        Allowed { line: self.number, principals: self.principals.clone() }
    }

    fn judge_namespace(&self) -> Result<(), NotAllowed> {
        match &self.options.namespaces {
            Some(namespaces) if !fits_list(NAMESPACE, namespaces) => {
                Err(NotAllowed::Namespace { line: self.number, namespaces: namespaces.clone() })
            }
            _ => Ok(()),
        }
    }

    /// Whole seconds, both ends included.
    fn judge_time(&self, at: Timestamp) -> Result<(), NotAllowed> {
        let (line, second) = (self.number, |time: Timestamp| time.as_millis() / SECOND_MS);
        if let Some(from) = self.options.valid_after.filter(|from| second(at) < second(*from)) {
            return Err(NotAllowed::NotYetValid { line, from });
        }
        match self.options.valid_before.filter(|until| second(at) > second(*until)) {
            Some(until) => Err(NotAllowed::Expired { line, until }),
            None => Ok(()),
        }
    }

    /// The principals that Git tries, each as the line spells it.
    fn each_principal(&self) -> impl Iterator<Item = &str> {
        self.principals.split(',').take_while(|principal| !principal.is_empty())
    }
}

/// The principals, which may be quoted, and the rest of the line.
fn take_principals(line: &str) -> Result<(&str, &str), LineFault> {
    let (principals, rest) = match line.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"').ok_or(LineFault::Quotation)?,
        None => line.split_once([' ', '\t']).ok_or(LineFault::NoKey)?,
    };
    if principals.contains('"') {
        return Err(LineFault::Quotation);
    }
    Ok((principals, rest.trim_start_matches([' ', '\t'])))
}

/// The first word, with white space between quotation marks in it, and what follows it.
fn take_word(rest: &str) -> Result<(&str, &str), LineFault> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let ends = |character: char| {
        let ends = !is_quoted && matches!(character, ' ' | '\t');
        if character == '"' && !is_escaped {
            is_quoted = !is_quoted;
        }
        is_escaped = character == '\\' && !is_escaped;
        ends
    };
    let (word, after) = rest.split_at(rest.find(ends).unwrap_or(rest.len()));
    match (word, is_quoted) {
        ("", _) => Err(LineFault::NoKey),
        (_, true) => Err(LineFault::Quotation),
        _ => Ok((word, after.trim_start_matches([' ', '\t']))),
    }
}

/// Whether a word is in the form of a key type, and so no option.
fn is_key_type(word: &str) -> bool {
    ["ssh-", "ecdsa-", "sk-", "webauthn-"].iter().any(|prefix| word.starts_with(prefix))
}

/// The key type and the key; what follows is a comment.
fn parse_key(rest: &str) -> Result<SshKey, LineFault> {
    let mut words = rest.split([' ', '\t']).filter(|word| !word.is_empty());
    let said = words.next().ok_or(LineFault::NoKey)?;
    if !is_key_type(said) {
        return Err(LineFault::UnknownWord(shortened(said)));
    }
    let base64 = words.next().ok_or(LineFault::NoKey)?;
    let wire = STANDARD.decode(base64).map_err(|_| LineFault::NotBase64)?;
    let key = SshKey::from_wire(&wire).map_err(LineFault::Key)?;
    let actual = key.algorithm();
    if actual == said { Ok(key) } else { Err(LineFault::OtherType { said: shortened(said), actual }) }
}

impl Options {
    fn parse(mut rest: &str) -> Result<Self, LineFault> {
        let mut options = Self::default();
        loop {
            let end = rest.find(['=', ',']).unwrap_or(rest.len());
            let name = rest[..end].to_ascii_lowercase();
            let unknown = || LineFault::UnknownWord(shortened(rest));
            if name == "cert-authority" {
                return Err(LineFault::CertAuthority);
            }
            let (value, after) = rest[end..].strip_prefix('=').and_then(unquoted).ok_or_else(unknown)?;
            match name.as_str() {
                "namespaces" => set("namespaces", &mut options.namespaces, value)?,
                "valid-after" => set("valid-after", &mut options.valid_after, time("valid-after", &value)?)?,
                "valid-before" => {
                    set("valid-before", &mut options.valid_before, time("valid-before", &value)?)?;
                }
                _ => return Err(unknown()),
            }
            match after.strip_prefix(',') {
                Some(next) => rest = next,
                None if after.is_empty() => break,
                None => return Err(unknown()),
            }
        }
        match (options.valid_after, options.valid_before) {
            (Some(after), Some(before)) if before <= after => Err(LineFault::NeverValid),
            _ => Ok(options),
        }
    }
}

fn set<T>(name: &'static str, option: &mut Option<T>, value: T) -> Result<(), LineFault> {
    match option.replace(value) {
        None => Ok(()),
        Some(_) => Err(LineFault::Twice(name)),
    }
}

/// The text between the quotation marks in front, `\"` in it being one, and what follows them.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut rest = text.strip_prefix('"')?;
    loop {
        let (before, after) = rest.split_once('"')?;
        rest = after;
        match before.strip_suffix('\\') {
            Some(before) => value.extend([before, "\""]),
            None => return Some((value + before, rest)),
        }
    }
}

/// A time as `ssh-keygen` writes it, in UTC. One beyond the last that an entry can have counts as that.
fn time(option: &'static str, text: &str) -> Result<Timestamp, LineFault> {
    let unreadable = || LineFault::Time { option, text: shortened(text) };
    let upper = text.to_ascii_uppercase();
    let digits = upper.strip_suffix('Z').or_else(|| upper.strip_suffix("UTC")).unwrap_or(&upper);
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) || !matches!(digits.len(), 8 | 12 | 14) {
        return Err(unreadable());
    }
    let number = |range: std::ops::Range<usize>| digits.get(range).map_or(Ok(0), str::parse::<i8>);
    let civil = || {
        let year = digits[..4].parse().ok()?;
        let (month, day) = (number(4..6).ok()?, number(6..8).ok()?);
        let (hour, minute, second) = (number(8..10).ok()?, number(10..12).ok()?, number(12..14).ok()?);
        jiff::civil::DateTime::new(year, month, day, hour, minute, second, 0).ok()
    };
    let epoch = jiff::civil::datetime(1970, 1, 1, 0, 0, 0, 0);
    let ms = civil().ok_or_else(unreadable)?.duration_since(epoch).as_secs() * SECOND_MS;
    // As for OpenSSH, 1970 begins with no time at all.
    if ms > 0 { Ok(Timestamp::EPOCH.plus_ms(ms)) } else { Err(unreadable()) }
}

/// OpenSSH's `match_pattern_list`: some pattern of the list fits, and none of those behind a `!`.
fn fits_list(name: &str, patterns: &str) -> bool {
    let mut fits = false;
    for pattern in patterns.split(',') {
        match pattern.strip_prefix('!') {
            Some(negated) if fits_pattern(name.as_bytes(), negated.as_bytes()) => return false,
            Some(_) => {}
            None => fits |= fits_pattern(name.as_bytes(), pattern.as_bytes()),
        }
    }
    fits
}

/// OpenSSH's `match_pattern`: `?` stands for any one byte, `*` for any number of them. In time bounded by the product
/// of the lengths: only the last `*` is ever gone back to.
fn fits_pattern(name: &[u8], pattern: &[u8]) -> bool {
    let (mut at, mut next, mut star) = (0, 0, None);
    while at < name.len() {
        match pattern.get(next) {
            Some(b'*') => {
                star = Some((at, next + 1));
                next += 1;
            }
            Some(&expected) if expected == b'?' || expected == name[at] => {
                at += 1;
                next += 1;
            }
            _ => {
                let Some((taken, after_star)) = star else { return false };
                star = Some((taken + 1, after_star));
                (at, next) = (taken + 1, after_star);
            }
        }
    }
    pattern[next..].iter().all(|&byte| byte == b'*')
}

/// A part of a line, for one line of a message.
fn shortened(text: &str) -> String {
    text.chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Keys of RFC 8032 section 7.1, TEST 1 and 2.
    const ONE: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea";
    const TWO: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAID1AF8PoQ4lakrcKp00bfrycmCzPLsSWjMDNVfEq9GYM";

    fn key(line: &str) -> SshKey {
        parse_key(line).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn judge(text: &str, at: &str) -> Result<(u32, String), NotAllowed> {
        let allowed = AllowedSigners::parse(text).unwrap().judge(&key(ONE), self::at(at));
        allowed.map(|allowed| (allowed.line, allowed.principals))
    }

    #[test]
    fn a_key_is_allowed_by_the_line_that_names_it() {
        let noon = "2026-03-01T12:00:00Z";
        for (text, line, principals) in [
            (format!("ada {ONE}"), 1, "ada"),
            (format!("# all\n\n \t\r\n\tada,*@example.com  {ONE} Ada's laptop\r\n"), 4, "ada,*@example.com"),
            (format!("bob {TWO}\nada namespaces=\"file,git\" {ONE}"), 2, "ada"),
            (format!("\"Ada L\" {ONE}"), 1, "Ada L"),
            (format!("ada valid-before=\"20260228\" {ONE}\nnow {ONE}"), 2, "now"),
            (format!("ada NAMESPACES=\"g?t\",valid-after=\"20260301120000Z\" {ONE}"), 1, "ada"),
            (format!("ada valid-before=\"202603011200UTC\" {ONE}"), 1, "ada"),
            (format!("ada valid-before=\"99991231Z\" {ONE}"), 1, "ada"),
            (format!("ada namespaces=\"a\\\"b,git\" {ONE}"), 1, "ada"),
        ] {
            assert_eq!(judge(&text, noon), Ok((line, principals.to_owned())), "{text}");
        }
    }

    #[test]
    fn why_a_key_is_not_allowed_is_told() {
        let noon = "2026-03-01T12:00:00Z";
        for (text, not_allowed) in [
            (String::new(), NotAllowed::Unknown),
            (format!("bob {TWO}"), NotAllowed::Unknown),
            (
                format!("ada valid-after=\"20260301120001\" {ONE}"),
                NotAllowed::NotYetValid { line: 1, from: at("2026-03-01T12:00:01Z") },
            ),
            (
                format!("# one\nada valid-before=\"20260301Z\" {ONE}"),
                NotAllowed::Expired { line: 2, until: at("2026-03-01T00:00:00Z") },
            ),
            (
                format!("ada valid-before=\"2026\" {ONE}").replace("2026", "20250101"),
                NotAllowed::Expired { line: 1, until: at("2025-01-01T00:00:00Z") },
            ),
            (
                format!("ada namespaces=\"file,!git,*\" {ONE}"),
                NotAllowed::Namespace { line: 1, namespaces: "file,!git,*".into() },
            ),
            (
                // Git takes the principals of the first line, and the second does not have them.
                format!("ada namespaces=\"file\" {ONE}\nbob {ONE}"),
                NotAllowed::Namespace { line: 1, namespaces: "file".into() },
            ),
        ] {
            assert_eq!(judge(&text, noon), Err(not_allowed), "{text}");
        }
    }

    #[test]
    fn validity_is_judged_by_the_second_and_includes_both_ends() {
        let text = format!("ada valid-after=\"20260301093000\",valid-before=\"20260301093001\" {ONE}");
        for (time, is_valid) in [
            ("2026-03-01T09:29:59.999Z", false),
            ("2026-03-01T09:30:00.000Z", true),
            ("2026-03-01T09:30:01.999Z", true),
            ("2026-03-01T09:30:02.000Z", false),
        ] {
            assert_eq!(judge(&text, time).is_ok(), is_valid, "{time}");
        }
    }

    #[test]
    fn a_text_is_refused_by_its_first_line_that_cannot_be_honoured() {
        let word = |word: &str| LineFault::UnknownWord(word.to_owned());
        let time = |text: &str| LineFault::Time { option: "valid-after", text: text.to_owned() };
        let certificate = "ssh-ed25519-cert-v01@openssh.com";
        for (line, fault) in [
            (format!("ada cert-authority {ONE}"), LineFault::CertAuthority),
            (format!("ada namespaces=\"git\",CERT-authority {ONE}"), LineFault::CertAuthority),
            (format!("!ada {ONE}"), LineFault::Nobody("!ada".into())),
            (format!("a*,!ad? {ONE}").replace("a*", "ada"), LineFault::Nobody("ada,!ad?".into())),
            (format!(",ada {ONE}"), LineFault::Nobody(",ada".into())),
            (
                format!("ada{} {ONE}", ",a*".repeat(PRINCIPALS_MAX)),
                LineFault::TooManyPrincipals { count: PRINCIPALS_MAX + 1 },
            ),
            ("ada".to_owned(), LineFault::NoKey),
            ("ada ".to_owned(), LineFault::NoKey),
            ("ada namespaces=\"git\"".to_owned(), LineFault::NoKey),
            ("ada ssh-ed25519".to_owned(), LineFault::NoKey),
            (format!("\"ada {ONE}"), LineFault::Quotation),
            (format!("ad\"a {ONE}"), LineFault::Quotation),
            (format!("ada namespaces=\"git {ONE}"), LineFault::Quotation),
            (format!("ada\u{0} {ONE}"), LineFault::ControlCharacter),
            (format!("ada {ONE}").replace("ssh-", "SSH-"), word("SSH-ed25519")),
            (format!("ada no-touch-required {ONE}"), word("no-touch-required")),
            (format!("ada namespaces=git {ONE}"), word("namespaces=git")),
            (format!("ada namespaces=\"git\", {ONE}"), word("")),
            (format!("ada namespaces=\"git\"x {ONE}"), word("namespaces=\"git\"x")),
            (format!("ada namespaces=\"git\" x {ONE}"), word("x")),
            (format!("ada namespaces=\"a\",namespaces=\"b\" {ONE}"), LineFault::Twice("namespaces")),
            (format!("ada valid-after=\"20260101\",valid-before=\"20260101\" {ONE}"), LineFault::NeverValid),
            (format!("ada valid-after=\"\" {ONE}"), time("")),
            (format!("ada valid-after=\"2026-01-01\" {ONE}"), time("2026-01-01")),
            (format!("ada valid-after=\"20260230\" {ONE}"), time("20260230")),
            (format!("ada valid-after=\"2026010124\" {ONE}"), time("2026010124")),
            (format!("ada valid-after=\"202601012400Z\" {ONE}"), time("202601012400Z")),
            (format!("ada valid-after=\"20260101ZZ\" {ONE}"), time("20260101ZZ")),
            (format!("ada valid-after=\"19700101\" {ONE}"), time("19700101")),
            (format!("ada valid-after=\"+2260101\" {ONE}"), time("+2260101")),
            ("ada ssh-ed25519 AAAA!".to_owned(), LineFault::NotBase64),
            (
                ONE.replace("ssh-ed25519 ", "ada ssh-rsa "),
                LineFault::OtherType { said: "ssh-rsa".into(), actual: "ssh-ed25519".into() },
            ),
            (
                format!(
                    "ada {certificate} {}",
                    STANDARD.encode([&[0, 0, 0, 32], certificate.as_bytes()].concat())
                ),
                LineFault::Key(SignatureFault::Certificate { algorithm: certificate.into() }),
            ),
            (
                format!("ada ssh-dss {}", STANDARD.encode(b"\0\0\0\x07ssh-dss")),
                LineFault::Key(SignatureFault::Unsupported { algorithm: "a key of type ssh-dss".into() }),
            ),
        ] {
            let text = format!("# a comment\nada {ONE}\n{line}\nnot looked at");
            assert_eq!(
                AllowedSigners::parse(&text),
                Err(AllowedSignersError::Line { line: 3, fault }),
                "{line}"
            );
        }
        let most = format!("ada{} {ONE}\n", ",a*".repeat(PRINCIPALS_MAX - 1));
        assert_eq!(AllowedSigners::parse(&most).map(|signers| signers.len()), Ok(1));
        let lines = format!("a {ONE}\n").repeat(KEYS_MAX);
        assert_eq!(AllowedSigners::parse(&lines).map(|signers| signers.len()), Ok(KEYS_MAX));
        assert_eq!(AllowedSigners::parse(&format!("{lines}a {ONE}")), Err(AllowedSignersError::TooManyKeys));
        let long = "#".repeat(TEXT_BYTES_MAX + 1);
        assert_eq!(AllowedSigners::parse(&long), Err(AllowedSignersError::TooLong { bytes: long.len() }));
        assert_eq!(AllowedSigners::parse(&long[1..]).map(|signers| signers.is_empty()), Ok(true));
    }

    #[test]
    fn refusals_read_well() {
        let told = AllowedSigners::parse("\nada cert-authority x").unwrap_err().to_string();
        assert_eq!(
            told,
            "line 2 of allowed_signers: cert-authority: certificates are not checked; name the keys themselves"
        );
        let text = format!("ada valid-before=\"20260301\" {ONE}");
        assert_eq!(
            judge(&text, "2026-03-02T00:00:00Z").unwrap_err().to_string(),
            "line 1 of allowed_signers allowed the key until 2026-03-01T00:00:00.000Z"
        );
    }

    /// `match_pattern`, as it is defined.
    fn fits_by_definition(name: &[u8], pattern: &[u8]) -> bool {
        match (name, pattern) {
            (_, [b'*', rest @ ..]) => (0..=name.len()).any(|taken| fits_by_definition(&name[taken..], rest)),
            ([first, name @ ..], [expected, rest @ ..]) => {
                (*expected == b'?' || expected == first) && fits_by_definition(name, rest)
            }
            ([], []) => true,
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn patterns_fit_as_they_are_defined(name in "[ab]{0,8}", pattern in "[ab*?]{0,8}") {
            let (name, pattern) = (name.as_bytes(), pattern.as_bytes());
            prop_assert_eq!(fits_pattern(name, pattern), fits_by_definition(name, pattern));
        }

        #[test]
        fn no_text_panics(text in "([ -~]{0,8}|ada |\"| namespaces=\"|valid-after=\"2026|,|=|git\"|\n|ssh-ed25519 AAAA|é){0,20}") {
            if let Ok(signers) = AllowedSigners::parse(&text) {
                let _ = signers.judge(&key(ONE), Timestamp::MAX);
            }
        }
    }
}
