//! The writer's lock: one at a time, across processes and threads (docs/operating.md, "The lock").
//!
//! The operating system holds it (`flock`), so that it goes with its process however that ends, and two
//! descriptors in one process exclude each other too. The file's text says who holds it, for the error that the
//! loser reads; nothing is decided by it. The file is never removed: that would let two writers each lock one.

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::time::Timestamp;

/// How long between two tries.
const POLL: Duration = Duration::from_millis(10);
/// The most bytes of the holder's text that are written or read.
const TEXT_BYTES_MAX: usize = 2048;
/// The most characters of one of its lines.
const LINE_CHARS_MAX: usize = 300;

/// Why the lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody else holds it, and did so until the timeout.
    #[error("{path} is held by another writer ({holder}); waited {waited_ms} ms", path = path.display())]
    Held {
        /// The lock file.
        path: PathBuf,
        /// Who holds it, by their own account.
        holder: Holder,
        /// How long this process waited.
        waited_ms: u128,
    },
    /// The operating system said no.
    #[error("cannot {operation} {path}: {source}", path = path.display())]
    Io {
        /// What was tried, as a verb.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

/// Who holds a lock, by their own account: for people, never for a decision.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Holder {
    lines: Vec<String>,
}

impl Holder {
    /// This process: its number, host, user and command line, and the time `now`.
    #[must_use]
    pub fn of_this_process(now: Timestamp) -> Self {
        let command: Vec<_> = std::env::args_os().map(|arg| arg.to_string_lossy().into_owned()).collect();
        let lines = [
            format!("process {}", std::process::id()),
            format!("host {}", host_name()),
            format!("user {}", user_name()),
            format!("command {}", command.join(" ")),
            format!("since {now}"),
        ];
        Self { lines: lines.iter().map(|line| printable(line)).collect() }
    }

    fn encode(&self) -> String {
        self.lines.iter().fold(String::new(), |text, line| text + line + "\n")
    }

    fn decode(text: &str) -> Self {
        Self { lines: text.lines().filter(|line| !line.is_empty()).map(printable).collect() }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.lines.is_empty() {
            return f.write_str("who has not said who they are");
        }
        f.write_str(&self.lines.join(", "))
    }
}

/// The lock, held until this is dropped or its process ends.
#[derive(Debug)]
pub struct WriterLock {
    file: File,
}

impl WriterLock {
    /// Takes the lock `path`, which is made where it is missing, and writes `holder` into it. Tries for as long
    /// as `timeout`; at least once.
    ///
    /// # Errors
    /// [`LockError::Held`] after the timeout; [`LockError::Io`].
    pub fn acquire(path: &Path, holder: &Holder, timeout: Duration) -> Result<Self, LockError> {
        let mut options = OpenOptions::new();
        let opened = options.read(true).write(true).create(true).truncate(false).open(path);
        let mut file = opened.map_err(failed("open", path))?;
        let began = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(error)) => return Err(failed("lock", path)(error)),
                Err(TryLockError::WouldBlock) => {}
            }
            let waited = began.elapsed();
            if waited >= timeout {
                let (path, holder) = (path.to_owned(), read_holder(&mut file));
                return Err(LockError::Held { path, holder, waited_ms: waited.as_millis() });
            }
            std::thread::sleep(POLL.min(timeout.saturating_sub(waited)));
        }
        write_text(&mut file, &holder.encode()).map_err(failed("write", path))?;
        Ok(Self { file })
    }
}

impl Drop for WriterLock {
    /// Takes the name out first, so that nobody is told of a holder who has gone. Should that fail, the lock goes
    /// all the same.
    fn drop(&mut self) {
        let _ = write_text(&mut self.file, "");
        let _ = self.file.unlock();
    }
}

fn write_text(file: &mut File, text: &str) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(text.as_bytes())
}

/// Reads the holder's text; empty where it cannot be read or isn't text.
fn read_holder(file: &mut File) -> Holder {
    let mut bytes = Vec::new();
    let read = file.rewind().and_then(|()| file.take(TEXT_BYTES_MAX as u64).read_to_end(&mut bytes));
    if read.is_err() {
        return Holder::default();
    }
    Holder::decode(&String::from_utf8_lossy(&bytes))
}

/// One short line without control characters: the text comes from another process, and goes to a terminal.
fn printable(line: &str) -> String {
    let shown = line.chars().map(|c| if c.is_control() { '?' } else { c });
    shown.take(LINE_CHARS_MAX).collect()
}

fn host_name() -> String {
    let from_kernel = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = from_kernel.or_else(|| std::env::var("HOSTNAME").ok());
    name.map_or_else(|| "unknown".into(), |name| name.trim().to_owned())
}

fn user_name() -> String {
    let name = std::env::var("USER").or_else(|_| std::env::var("LOGNAME"));
    name.unwrap_or_else(|_| match std::fs::metadata("/proc/self") {
        Ok(metadata) => std::os::unix::fs::MetadataExt::uid(&metadata).to_string(),
        Err(_) => "unknown".into(),
    })
}

fn failed<'a>(operation: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> LockError + use<'a> {
    move |source| LockError::Io { operation, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn holder() -> Holder {
        Holder::of_this_process(Timestamp::EPOCH)
    }

    #[test]
    fn the_second_is_told_who_holds_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let held = WriterLock::acquire(&path, &holder(), Duration::ZERO).unwrap();
        let began = Instant::now();
        let error = WriterLock::acquire(&path, &holder(), Duration::from_millis(60)).unwrap_err();
        assert!(began.elapsed() >= Duration::from_millis(60));
        let text = error.to_string();
        assert!(text.contains(&format!("process {}", std::process::id())), "{text}");
        assert!(text.contains("since 1970-01-01T00:00:00.000Z"), "{text}");
        drop(held);
        assert_eq!(std::fs::read(&path).unwrap(), b"");
        WriterLock::acquire(&path, &holder(), Duration::ZERO).unwrap();
    }

    #[test]
    fn a_waiter_gets_it_when_it_is_free() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let held = WriterLock::acquire(&path, &holder(), Duration::ZERO).unwrap();
        std::thread::scope(|scope| {
            let waiter =
                scope.spawn(|| WriterLock::acquire(&path, &holder(), Duration::from_secs(20)).is_ok());
            std::thread::sleep(Duration::from_millis(30));
            drop(held);
            assert!(waiter.join().unwrap());
        });
    }

    #[test]
    fn threads_of_one_process_exclude_each_other() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let inside = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..5 {
                        let _held = WriterLock::acquire(&path, &holder(), Duration::from_mins(1)).unwrap();
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        std::thread::sleep(Duration::from_millis(1));
                        inside.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
    }

    #[test]
    fn a_text_left_by_a_dead_process_holds_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        std::fs::write(&path, "process 1\nhost elsewhere\n").unwrap();
        WriterLock::acquire(&path, &holder(), Duration::ZERO).unwrap();
    }

    #[test]
    fn a_holders_text_cannot_steer_a_terminal() {
        let shown = Holder::decode("process 1\u{1b}[2J\nhost \u{7}x").to_string();
        assert_eq!(shown, "process 1?[2J, host ?x");
        assert_eq!(Holder::decode("").to_string(), "who has not said who they are");
        assert!(Holder::decode(&"x".repeat(5000)).to_string().len() <= LINE_CHARS_MAX);
    }
}
