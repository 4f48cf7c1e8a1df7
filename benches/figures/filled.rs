//! Filled ledgers, kept between runs, and signed notes for them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rollbook::event::body::Event;
use rollbook::event::header::{Basis, EventId, FORMAT_VERSION, Header};
use rollbook::event::list::Ascending;
use rollbook::event::remark::{NoteAdded, NoteSubject};
use rollbook::event::text::Text;
use rollbook::hash::Hash;
use rollbook::ledger::opening::OpenOptions;
use rollbook::ledger::writer::{ClockTrust, Ledger};
use rollbook::log::trust_root::TrustRoot;
use rollbook::signing::envelope::{Draft, Envelope};
use rollbook::signing::key_file::read_private_key;
use rollbook::signing::signer::Signer;
use rollbook::time::{Clock as _, HOUR_MS, SystemClock};

/// As long as the notes of `rollbook bench fill`.
const NOTE: &str = "traffic, error rate and latency of the last window lie within the bounds of the release record; sampled \
    512 answers, none refused; the monitor's own report is kept beside the ticket";

/// The program.
pub(crate) fn rollbook() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rollbook"));
    command.stdout(Stdio::null());
    command
}

/// A ledger in Cargo's temporary directory of the target.
pub(crate) struct Filled {
    pub(crate) dir: PathBuf,
    signer: Signer,
    ledger_id: Hash,
}

impl Filled {
    /// One of `entries` entries, made once with `rollbook bench fill` and then kept; about 20,000 a second.
    pub(crate) fn with(entries: u64) -> Self {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("filled-{entries}"));
        if !dir.join("ledger/head").exists() {
            let _ = std::fs::remove_dir_all(&dir);
            let mut fill = rollbook();
            fill.args(["bench", "fill"]).arg(&dir).args(["--entries", &entries.to_string()]);
            if entries < 100 {
                fill.args(["--models", "1", "--environments", "1", "--keys", "1"]);
            }
            assert!(fill.status().unwrap().success(), "a ledger is filled");
        }
        let trust = TrustRoot::read(&dir.join("trust.toml")).unwrap();
        let key = read_private_key(&dir.join("keys/admin.pem"), &mut || Ok(None)).unwrap();
        Self { signer: Signer::from_secret(key), ledger_id: trust.ledger_id(), dir }
    }

    pub(crate) fn ledger(&self) -> PathBuf {
        self.dir.join("ledger")
    }

    /// Opens it for writing.
    pub(crate) fn open(&self) -> Ledger {
        let options = OpenOptions {
            lock_timeout: Duration::from_secs(10),
            clock: Arc::new(SystemClock),
            // It may have been filled days ago.
            clock_trust: ClockTrust::Vouched,
            ask_passphrase: &mut || Ok(None),
        };
        Ledger::open(&self.ledger(), options).unwrap()
    }

    /// A new note, signed.
    pub(crate) fn note(&self) -> Envelope {
        let (now, mut id) = (SystemClock.now(), [0; 16]);
        getrandom::fill(&mut id).unwrap();
        let header = Header {
            format: FORMAT_VERSION,
            ledger_id: self.ledger_id,
            event_id: EventId::derive("benches", &hex::encode(id)),
            proposer: self.signer.public_key(),
            claimed_at: now,
            expires_at: now.plus_ms(HOUR_MS),
            basis: Basis::Declared,
            attachments: Ascending::default(),
        };
        let body = NoteAdded { subject: NoteSubject::Entry { entry: 0 }, text: Text::new(NOTE).unwrap() };
        let mut draft = Draft::new(Event { header, body: body.into() }.to_bytes().unwrap()).unwrap();
        draft.sign(&self.signer).unwrap();
        draft.into_envelope().unwrap()
    }

    pub(crate) fn notes(&self, count: usize) -> Vec<Envelope> {
        (0..count).map(|_| self.note()).collect()
    }
}
