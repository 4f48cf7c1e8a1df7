//! What every command shares: where the ledger is, who signs, how answers are printed.

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Args, ValueEnum};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::cli::failure::{Failure, KEY_PASSPHRASE, LOG_KEY_PASSPHRASE};
use crate::cli::rights::follow_directory;
use crate::cli::verify_source::unreadable;
use crate::export::pack_check::{looks_like_a_pack, open_pack};
use crate::ledger::opening::OpenOptions;
use crate::ledger::writer::{ClockTrust, Ledger};
use crate::log::reader::{INDEX_DIR, LogReader};
use crate::signing::key_file::SecretKey;
use crate::signing::signer::Signer;
use crate::time::{Clock, SystemClock, Timestamp, parse_span_ms};
use crate::timeline::prose;

/// Options that every command takes, before or after its name.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// The ledger's directory
    #[arg(
        long,
        global = true,
        env = "ROLLBOOK_LEDGER",
        value_name = "DIR",
        value_parser = empty_allowed(),
        help_heading = "Global options"
    )]
    pub ledger: Option<PathBuf>,
    /// Who signs: a private key file, or a public key file or SHA256: fingerprint that a running
    /// ssh-agent holds; repeats where several signers are at hand
    #[arg(
        long = "key",
        id = "signing-keys",
        global = true,
        env = "ROLLBOOK_KEY",
        value_name = "KEY",
        help_heading = "Global options"
    )]
    pub keys: Vec<String>,
    /// One stable JSON object as the answer (lists: one object a line), refusals and errors too
    #[arg(long, global = true, help_heading = "Global options")]
    pub json: bool,
    /// A file whose first line is the passphrase of the keys given with --key
    #[arg(long, global = true, value_name = "FILE", help_heading = "Global options")]
    pub passphrase_file: Option<PathBuf>,
    /// How long to wait for another writer, such as 10s or 2m
    #[arg(long, global = true, value_name = "TIME", default_value = "10s", help_heading = "Global options")]
    pub lock_timeout: String,
    /// The clock is right although it is more than a day ahead of the last entry
    #[arg(long, global = true, env = "ROLLBOOK_CLOCK_OK", help_heading = "Global options")]
    pub clock_ok: bool,
    /// Say nothing but the answer
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = "Global options")]
    pub quiet: bool,
    /// Say on stderr which settings, keys and ledger are used, and how long it took
    #[arg(short, long, global = true, help_heading = "Global options")]
    pub verbose: bool,
    /// When to use colour
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", help_heading = "Global options")]
    pub color: ColorChoice,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    /// On a terminal, unless `NO_COLOR` is set
    Auto,
    /// Into files and pipes too
    Always,
    /// Not even on a terminal
    Never,
}

/// A user's config file: what stands there, environment and flags override.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct UserConfig {
    ledger: Option<PathBuf>,
    #[serde(default)]
    key: Vec<String>,
}

/// What a command works with.
pub struct Context {
    global: Global,
    clock: Arc<dyn Clock>,
}

impl Context {
    /// The context of this process: flags, environment, and the user's config file.
    ///
    /// # Errors
    /// A config file that cannot be understood.
    pub fn new(mut global: Global) -> Result<Self, Failure> {
        // A variable that is set to nothing is as good as unset.
        global.ledger = global.ledger.filter(|dir| !dir.as_os_str().is_empty());
        global.keys.retain(|key| !key.is_empty());
        let mut context = Self { global, clock: Arc::new(SystemClock) };
        if let Some(path) = user_config_path() {
            let config = read_user_config(&path)?;
            context.tell(format_args!("settings: {}", path.display()));
            context.take_defaults(config);
        }
        Ok(context)
    }

    /// The same context by another clock, which may leap by days.
    #[must_use]
    pub(crate) fn by(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self.global.clock_ok = true;
        self
    }

    /// Takes from the config file what neither a flag nor the environment says.
    fn take_defaults(&mut self, config: UserConfig) {
        let global = &mut self.global;
        global.ledger = global.ledger.take().or(config.ledger);
        if global.keys.is_empty() {
            global.keys = config.key;
        }
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The time that an option names, where it is given: RFC 3339, or a span before now.
    ///
    /// # Errors
    /// It is neither.
    pub fn time(&self, option: Option<&String>) -> Result<Option<Timestamp>, Failure> {
        let Some(text) = option else { return Ok(None) };
        Timestamp::parse(text, self.now()).map(Some).map_err(|error| match perhaps_meant(text) {
            Some(meant) => Failure::from(error).hint(format!("perhaps you mean '{meant}'")),
            None => Failure::from(error),
        })
    }

    /// The times that `--since` and `--until` name.
    ///
    /// # Errors
    /// One is no time, or the first is not before the second.
    pub fn range(
        &self,
        since: Option<&String>,
        until: Option<&String>,
    ) -> Result<(Option<Timestamp>, Option<Timestamp>), Failure> {
        let (since, until) = (self.time(since)?, self.time(until)?);
        match since.zip(until) {
            Some((since, until)) if since >= until => {
                let message = format!("--since {since} is not before --until {until}");
                Err(Failure::usage(message).hint("exchange them, or leave one out"))
            }
            _ => Ok((since, until)),
        }
    }

    /// Whether answers are JSON.
    #[must_use]
    pub const fn json(&self) -> bool {
        self.global.json
    }

    /// The ledger's directory.
    ///
    /// # Errors
    /// None is named.
    pub fn ledger_dir(&self) -> Result<&Path, Failure> {
        self.global.ledger.as_deref().ok_or_else(|| {
            Failure::usage("no ledger is named").hint("say --ledger DIR, or set ROLLBOOK_LEDGER")
        })
    }

    /// Whether a ledger is named, though it may not be one.
    #[must_use]
    pub const fn names_a_ledger(&self) -> bool {
        self.global.ledger.is_some()
    }

    /// The ledger as readers see it.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn reader(&self) -> Result<LogReader, Failure> {
        let dir = self.ledger_dir()?;
        if !looks_like_a_pack(dir) {
            return Ok(LogReader::open(dir)?);
        }
        let pack = open_pack(dir).map_err(unreadable)?;
        let note = pack.note().to_vec();
        Ok(LogReader::over(Box::new(pack), note)?)
    }

    /// Where what is derived from the log may be; none where the ledger is an evidence pack.
    #[must_use]
    pub fn index_dir(&self) -> Option<PathBuf> {
        self.global.ledger.as_deref().filter(|dir| !looks_like_a_pack(dir)).map(|dir| dir.join(INDEX_DIR))
    }

    /// The ledger, open for writing.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn writer(&self) -> Result<Ledger, Failure> {
        self.writer_at(self.ledger_dir()?)
    }

    /// The ledger in `dir`, open for writing.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn writer_at(&self, dir: &Path) -> Result<Ledger, Failure> {
        let ledger = self.open_with(dir, |options| Ok(Ledger::open(dir, options)?))?;
        self.tell(format_args!("ledger: {}, {} entries", dir.display(), ledger.size()));
        self.warn_all(&ledger);
        Ok(ledger)
    }

    /// The ledger, open to rotate its log key; `fresh` is the next key, where no file holds one yet.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn rotation_writer(&self, fresh: Option<SecretKey>) -> Result<Ledger, Failure> {
        let dir = self.ledger_dir()?;
        let ledger = self.open_with(dir, |options| Ok(Ledger::open_for_rotation(dir, options, fresh)?))?;
        self.tell(format_args!("ledger: {}, {} entries", dir.display(), ledger.size()));
        self.warn_all(&ledger);
        Ok(ledger)
    }

    /// How long to wait for another writer.
    ///
    /// # Errors
    /// The option is no time.
    pub fn lock_timeout(&self) -> Result<Duration, Failure> {
        let span_ms = parse_span_ms(&self.global.lock_timeout)?;
        Ok(Duration::from_millis(u64::try_from(span_ms).unwrap_or(0)))
    }

    /// Calls `open` with how the ledger in `dir` is opened for writing here; what is written there takes its rights
    /// from the directory.
    ///
    /// # Errors
    /// The directory is another's, the lock timeout is no time, or what `open` ends in.
    pub fn open_with<T>(
        &self,
        dir: &Path,
        open: impl FnOnce(OpenOptions<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        follow_directory(self, dir)?;
        let lock_timeout = self.lock_timeout()?;
        let clock_trust = if self.global.clock_ok { ClockTrust::Vouched } else { ClockTrust::Checked };
        let mut ask = || self.passphrase("the log key", LOG_KEY_PASSPHRASE, None);
        open(OpenOptions {
            lock_timeout,
            clock: Arc::clone(&self.clock),
            clock_trust,
            ask_passphrase: &mut ask,
        })
    }

    /// Tells on stderr what went wrong beside appends.
    pub fn warn_all(&self, ledger: &Ledger) {
        for warning in ledger.take_warnings() {
            self.say(format_args!("note: {warning}"));
        }
    }

    /// Who signs, by `--key`.
    ///
    /// # Errors
    /// A key cannot be used, or none is given.
    pub fn signers(&self) -> Result<Vec<Signer>, Failure> {
        let socket = std::env::var_os("SSH_AUTH_SOCK").map(PathBuf::from);
        self.global
            .keys
            .iter()
            .map(|key| {
                let file = self.global.passphrase_file.as_deref();
                let mut ask = || self.passphrase(key, KEY_PASSPHRASE, file);
                let signer = Signer::open(key, socket.as_deref(), &mut ask)?;
                self.tell(format_args!("signer: {} ({key})", signer.public_key().fingerprint()));
                Ok(signer)
            })
            .collect()
    }

    /// A passphrase: from a file, the environment, or the terminal if there is one.
    ///
    /// # Errors
    /// Reading it failed.
    pub fn passphrase(
        &self,
        what: &str,
        variable: &str,
        file: Option<&Path>,
    ) -> std::io::Result<Option<Zeroizing<String>>> {
        if let Some(path) = file {
            let text = Zeroizing::new(std::fs::read_to_string(path)?);
            return Ok(text.lines().next().map(|line| Zeroizing::new(line.to_owned())));
        }
        if let Ok(passphrase) = std::env::var(variable) {
            return Ok(Some(Zeroizing::new(passphrase)));
        }
        if !somebody_is_there() {
            return Ok(None);
        }
        rpassword::prompt_password(format!("Passphrase for {what}: ")).map(|text| Some(Zeroizing::new(text)))
    }

    /// Asks before what cannot be undone, unless `yes` was said. Where no terminal is, nobody can
    /// answer, and a pipeline has said all that it will.
    ///
    /// # Errors
    /// The answer is no.
    pub fn confirm(&self, question: &str, yes: bool) -> Result<(), Failure> {
        if yes || !somebody_is_there() {
            return Ok(());
        }
        let _ = write!(anstream::stderr(), "{} [y/N] ", prose::visible(question));
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer).map_err(Failure::world)?;
        if agrees(&answer) {
            return Ok(());
        }
        Err(Failure::no("not_confirmed", "nothing was recorded: it was not confirmed")
            .hint("answer y, or say --yes"))
    }

    /// The passphrase file named by `--passphrase-file`.
    #[must_use]
    pub fn passphrase_file(&self) -> Option<&Path> {
        self.global.passphrase_file.as_deref()
    }

    /// Prints a line of the answer to stdout.
    ///
    /// # Errors
    /// Stdout is closed.
    pub fn print(&self, line: impl std::fmt::Display) -> Result<(), Failure> {
        write_line(&line)
    }

    /// Prints the answer as JSON.
    ///
    /// # Errors
    /// Stdout is closed.
    pub fn print_json(&self, value: &impl serde::Serialize) -> Result<(), Failure> {
        write_line(&json_line(value)?)
    }

    /// Says something on stderr, unless told to be quiet.
    pub fn say(&self, line: impl std::fmt::Display) {
        if !self.global.quiet {
            let _ = writeln!(anstream::stderr(), "{}", prose::visible(&line.to_string()));
        }
    }

    /// Says something on stderr that only --verbose asks for.
    pub fn tell(&self, line: impl std::fmt::Display) {
        if self.global.verbose {
            self.say(line);
        }
    }
}

/// What somebody perhaps meant by a text that is no time: a span back from now, or a date or time without its offset.
fn perhaps_meant(text: &str) -> Option<String> {
    let text = text.trim();
    if parse_span_ms(text).is_ok() {
        return Some(format!("{text} ago"));
    }
    let complete = [format!("{text}Z"), format!("{text}T00:00:00Z"), format!("{text}:00Z")];
    complete.into_iter().find(|meant| meant.parse::<Timestamp>().is_ok())
}

/// A path that may be empty, as an unset variable in a script leaves it.
fn empty_allowed() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(PathBuf::from)
}

/// Whether there is a terminal to ask at.
fn somebody_is_there() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

fn agrees(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

/// A value as one line of JSON, whose text cannot steer a terminal.
///
/// # Errors
/// The value cannot be written as JSON.
pub fn json_line(value: &impl serde::Serialize) -> Result<String, Failure> {
    Ok(prose::visible_json(&serde_json::to_string(value).map_err(Failure::world)?))
}

/// A closed pipe ends the program quietly; whoever read the answer has seen enough.
///
/// # Errors
/// Anything else that went wrong.
pub fn written(outcome: std::io::Result<()>) -> Result<(), Failure> {
    match outcome {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        Err(error) => Err(Failure::world(format!("cannot write the answer: {error}"))),
        Ok(()) => Ok(()),
    }
}

/// Writes a line to stdout.
fn write_line(line: &dyn std::fmt::Display) -> Result<(), Failure> {
    written(writeln!(anstream::stdout(), "{line}"))
}

fn user_config_path() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("ROLLBOOK_CONFIG").filter(|path| !path.is_empty()) {
        return Some(path.into());
    }
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config"));
    let path = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).or_else(home)?;
    let path = path.join("rollbook/config.toml");
    path.exists().then_some(path)
}

fn read_user_config(path: &Path) -> Result<UserConfig, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| Failure::input(path, &error))?;
    toml::from_str(&text).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_that_are_nearly_right_are_completed() {
        for (text, meant) in [
            ("24h", Some("24h ago")),
            ("2026-03-01", Some("2026-03-01T00:00:00Z")),
            ("2026-03-01T09:30:00", Some("2026-03-01T09:30:00Z")),
            ("yesterday", None),
        ] {
            assert_eq!(perhaps_meant(text).as_deref(), meant, "{text}");
        }
    }

    #[test]
    fn only_a_clear_yes_agrees() {
        for yes in ["y\n", "Y\n", "yes\r\n", " YES "] {
            assert!(agrees(yes), "{yes:?}");
        }
        for no in ["", "\n", "n\n", "no\n", "yep\n", "y y\n"] {
            assert!(!agrees(no), "{no:?}");
        }
    }
}
