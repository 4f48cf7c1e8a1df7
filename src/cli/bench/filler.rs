//! Fills ledgers with real events of several people, for measuring.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use rayon::prelude::*;

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::founding::{Founding, found_in};
use crate::cli::record::sign;
use crate::event::authority::{KeyGranted, Policy, Role, Scope};
use crate::event::body::{Body, Event};
use crate::event::glob::Glob;
use crate::event::header::{Basis, EventId, FORMAT_VERSION, Header};
use crate::event::infra::{GitId, InfraCommit};
use crate::event::list::Ascending;
use crate::event::model::{DigestMethod, ModelDigest, ModelRegistered};
use crate::event::release::{ChangeCompleted, ChangeOutcome, ModelPromoted, Serving, Strategy};
use crate::event::remark::{NoteAdded, NoteSubject};
use crate::event::text::{EnvironmentName, Name, PolicyText, Text};
use crate::hash::Hash;
use crate::ledger::writer::Ledger;
use crate::lifecycle::policy::POLICY_SCHEMA;
use crate::signing::envelope::Envelope;
use crate::signing::key_file::SecretKey;
use crate::signing::signer::Signer;
use crate::store::frame::FRAME_ENTRIES_MAX;
use crate::time::{HOUR_MS, Timestamp};

/// How many versions each model has: promotions go round them.
pub const VERSIONS: u64 = 4;
/// How long the filler's events may be accepted: a fill of a million takes minutes.
const EXPIRY_MS: i64 = HOUR_MS;

/// How large a world is filled in.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    /// How many models.
    pub models: u64,
    /// How many environments.
    pub environments: u64,
    /// How many people's keys.
    pub keys: u64,
    /// Where keys and ids come from.
    pub seed: u64,
}

impl Scale {
    /// Ten models in three environments, released by eight people.
    pub const DEFAULT: Self = Self { models: 10, environments: 3, keys: 8, seed: 1 };

    /// How many entries come before the first promotion.
    #[must_use]
    pub const fn founding_entries(&self) -> u64 {
        1 + self.keys + self.models * VERSIONS
    }
}

/// A ledger, and the people who record in it.
pub struct Filler {
    /// The ledger, open for writing.
    pub ledger: Ledger,
    /// The people.
    pub crew: Crew,
}

/// People who sign what fits one ledger.
pub struct Crew {
    ledger_id: Hash,
    /// The administrator first.
    people: Vec<Arc<Signer>>,
    scale: Scale,
    /// What serves, by model and environment, and which promotion of it is next.
    slots: Vec<FillerSlot>,
    /// How many events were built.
    built: u64,
}

#[derive(Clone, Default)]
struct FillerSlot {
    serving: Option<Serving>,
    promotions: u64,
}

impl Filler {
    /// Founds the ledger `dir/ledger`, with `dir/trust.toml` and `dir/keys/admin.pem`; grants the keys and registers
    /// the models.
    ///
    /// # Errors
    /// [`Failure`]; `dir` must be new or empty.
    pub fn found(context: &Context, dir: &Path, scale: Scale) -> Result<Self, Failure> {
        let founding = Founding {
            origin: "bench.example.org/ledger",
            administrator: "admin",
            seed: Hash::of_parts(&[b"admin", &scale.seed.to_le_bytes()]),
            policy: policy(),
        };
        let founded = found_in(context, dir, &founding)?;
        let person = |number: u64| {
            let seed = Hash::of_parts(&[b"person", &scale.seed.to_le_bytes(), &number.to_le_bytes()]);
            Arc::new(Signer::from_secret(SecretKey::from_seed(seed.as_bytes())))
        };
        let mut people = vec![Arc::new(founded.administrator)];
        people.extend((0..scale.keys).map(person));
        let slots = usize::try_from(scale.models * scale.environments).unwrap_or(0);
        let slots = vec![FillerSlot::default(); slots];
        let crew = Crew { ledger_id: founded.ledger_id, people, scale, slots, built: 0 };
        let mut filler = Self { ledger: founded.ledger, crew };
        for batch in filler.crew.beginnings(context.now())?.chunks(FRAME_ENTRIES_MAX) {
            append_all(&filler.ledger, batch.to_vec())?;
        }
        Ok(filler)
    }

    /// Appends batches of `batch` until the ledger holds `entries`; tells `progress` after each.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn fill_up_to(
        &mut self,
        entries: u64,
        batch: u64,
        context: &Context,
        progress: &impl Fn(u64, u64),
    ) -> Result<(), Failure> {
        let Self { ledger, crew } = self;
        let mut from = ledger.size();
        let mut next = |from: u64| {
            let until = entries.min(from + batch);
            Ok((until, crew.releases(from..until, context.now())?))
        };
        let mut signed: Result<_, Failure> = next(from);
        while from < entries {
            let (until, envelopes) = signed?;
            // The next batch is signed while this one is committed.
            let (appended, following) = rayon::join(|| append_all(ledger, envelopes), || next(until));
            appended?;
            progress(until, entries);
            (from, signed) = (until, following);
        }
        Ok(())
    }
}

impl Crew {
    /// The events of the entries `indices`, signed: of four, one promotion, its completion, and two notes. They fit
    /// in this order, and once those before them are recorded.
    fn releases(&mut self, indices: Range<u64>, now: Timestamp) -> Result<Vec<Envelope>, Failure> {
        let mut events = Vec::new();
        let mut last_change = None;
        for index in indices {
            let body = match (index % 4, last_change.take()) {
                (0, _) => {
                    last_change = Some(index);
                    self.promotion(index)
                }
                (1, Some(change)) => {
                    let outcome = ChangeOutcome::Succeeded;
                    ChangeCompleted { change, outcome, completed_at: now, summary: None }.into()
                }
                _ => remark(index - 1),
            };
            let signer = self.signer_of(index);
            events.push(self.event(signer, now, body));
        }
        self.sign_all(events)
    }

    /// `count` notes, signed: they fit the ledger in any order.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn notes(&mut self, count: usize, now: Timestamp) -> Result<Vec<Envelope>, Failure> {
        let build = |number: u64| {
            let signer = self.signer_of(number);
            self.event(signer, now, remark(0))
        };
        let events = (0..count as u64).map(build).collect();
        self.sign_all(events)
    }

    /// One of the people, not the administrator.
    fn signer_of(&self, number: u64) -> usize {
        1 + usize::try_from(number).unwrap_or(0) % (self.people.len() - 1)
    }

    fn event(&mut self, signer: usize, now: Timestamp, body: impl Into<Body>) -> (usize, Event) {
        let id = Hash::of_parts(&[b"event", &self.scale.seed.to_le_bytes(), &self.built.to_le_bytes()]);
        self.built += 1;
        let header = Header {
            format: FORMAT_VERSION,
            ledger_id: self.ledger_id,
            event_id: EventId::derive("bench", &id.to_string()),
            proposer: self.people[signer].public_key(),
            claimed_at: now,
            expires_at: now.plus_ms(EXPIRY_MS),
            basis: Basis::Declared,
            attachments: Ascending::default(),
        };
        (signer, Event { header, body: body.into() })
    }

    /// Signs on all cores.
    fn sign_all(&self, events: Vec<(usize, Event)>) -> Result<Vec<Envelope>, Failure> {
        let signed = |(signer, event): (usize, Event)| {
            let signer = std::slice::from_ref(&*self.people[signer]);
            Ok(sign(&event, signer)?.into_envelope()?)
        };
        events.into_par_iter().map(signed).collect()
    }

    /// Everyone's grant, and every version's registration, signed.
    fn beginnings(&mut self, now: Timestamp) -> Result<Vec<Envelope>, Failure> {
        let any = || Ascending::sort(vec![Glob::new("*").expect("a glob")]).expect("one item");
        let roles = vec![Role::Registrar, Role::Deployer, Role::Responder];
        let mut events = Vec::new();
        for number in 1..self.people.len() {
            let body = KeyGranted {
                person: Name::new(format!("person-{number}")).expect("a short name"),
                key: self.people[number].public_key(),
                roles: Ascending::sort(roles.clone())?,
                scope: Scope { environments: any(), models: any() },
                valid_from: None,
                valid_until: None,
            };
            events.push(self.event(0, now, body));
        }
        for (model, version) in
            (0..self.scale.models).flat_map(|model| (0..VERSIONS).map(move |v| (model, v)))
        {
            events.push(self.event(1, now, registration(model, version)));
        }
        self.sign_all(events)
    }

    fn promotion(&mut self, index: u64) -> Body {
        let number = (index / 4) % (self.scale.models * self.scale.environments);
        let (model, environment) = (number / self.scale.environments, number % self.scale.environments);
        let slot = &mut self.slots[usize::try_from(number).unwrap_or(0)];
        let version = slot.promotions % VERSIONS;
        let serving = Serving { version: version_name(version), entry: index };
        let from = slot.serving.replace(serving);
        slot.promotions += 1;
        let commit = Hash::of_parts(&[b"commit", &index.to_le_bytes()]);
        ModelPromoted {
            model: model_name(model),
            version: version_name(version),
            digest: model_root(model, version),
            environment: EnvironmentName::new(format!("env-{environment}")).expect("a short name"),
            from,
            policy_entry: 0,
            infra: InfraCommit {
                repository: Name::new("https://git.example.org/infra").expect("a short name"),
                commit: GitId::from_slice(&commit.as_bytes()[..20]).expect("20 bytes"),
                tag: None,
                commit_object: None,
                tag_object: None,
                manifests: Ascending::default(),
                path_proof: None,
            },
            strategy: Some(Strategy::Rolling),
            evidence: Ascending::default(),
            ticket: Some(Name::new(format!("OPS-{index}")).expect("a short name")),
            reason: None,
        }
        .into()
    }
}

fn registration(model: u64, version: u64) -> ModelRegistered {
    let root = model_root(model, version);
    ModelRegistered {
        model: model_name(model),
        version: version_name(version),
        digest: ModelDigest {
            method: DigestMethod::OpenSsfFilesSha256,
            root,
            named: Hash::of(root.as_bytes()),
            links_followed: false,
            ignored: Ascending::default(),
            file_count: 3,
            byte_count: 90_868_376,
        },
        uri: None,
        source: None,
        datasets: Ascending::default(),
        dependency_lock: None,
    }
}

/// A note on `entry`.
fn remark(entry: u64) -> Body {
    let text = format!(
        "check {entry}: traffic, error rate and latency of the last window lie within the bounds of the release \
         record; sampled 512 answers, none refused; the monitor's own report is kept beside the ticket"
    );
    let text = Text::new(text).expect("a short text");
    NoteAdded { subject: NoteSubject::Entry { entry }, text }.into()
}

/// Appends envelopes that are all lawful, as one batch.
///
/// # Errors
/// [`Failure`].
pub fn append_all(ledger: &Ledger, envelopes: Vec<Envelope>) -> Result<(), Failure> {
    ledger.append_batch(envelopes).into_iter().try_for_each(|outcome| Ok(outcome.map(drop)?))
}

fn policy() -> Policy {
    let text = format!(
        "schema = {POLICY_SCHEMA}\n[administrators]\nthreshold = 1\n[[environment]]\nname = \"env-*\"\n"
    );
    Policy { schema: POLICY_SCHEMA, text: PolicyText::new(text).expect("a short text") }
}

fn model_name(number: u64) -> Name {
    Name::new(format!("model-{number}")).expect("a short name")
}

fn version_name(number: u64) -> Name {
    Name::new(format!("1.{number}.0")).expect("a short name")
}

fn model_root(model: u64, version: u64) -> Hash {
    Hash::of_parts(&[b"root", &model.to_le_bytes(), &version.to_le_bytes()])
}
