//! Fills ledgers with real events of several people, for measuring.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use rayon::prelude::*;

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::founding::{Founding, found_in};
use crate::cli::git_objects::{ObjectSigner, signed_tag};
use crate::cli::record::sign;
use crate::event::authority::{KeyGranted, Policy, Role, Scope};
use crate::event::body::{Body, Event};
use crate::event::glob::Glob;
use crate::event::header::{Basis, EventId, FORMAT_VERSION, Header};
use crate::event::incident::{IncidentDetected, IncidentResolved};
use crate::event::infra::{GitId, GitObject, GitTag, InfraCommit, ObjectBytes};
use crate::event::list::Ascending;
use crate::event::model::{
    AlertStatus, DigestMethod, DriftDetected, DriftKind, EvaluationKind, EvaluationOutcome, ForeignDigest,
    Metric, ModelDigest, ModelEvaluated, ModelRegistered, NamedDigest,
};
use crate::event::number::Finite;
use crate::event::release::{ChangeCompleted, ChangeOutcome, ModelPromoted, Serving, Strategy};
use crate::event::remark::{NoteAdded, NoteSubject};
use crate::event::text::{EnvironmentName, Name, PolicyText, Text};
use crate::evidence::git_object::{ObjectFormat, ObjectKind, object_id};
use crate::hash::Hash;
use crate::ledger::writer::Ledger;
use crate::lifecycle::policy::POLICY_SCHEMA;
use crate::signing::envelope::Envelope;
use crate::signing::key_file::SecretKey;
use crate::signing::public_key::PublicKey;
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
    /// The incident that is open, by the entry that opened it.
    open_incident: Option<u64>,
    /// How many events were built.
    built: u64,
    /// What serves behind the gate, and how many promotions it has let through.
    gated: FillerSlot,
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
        let crew = Crew {
            ledger_id: founded.ledger_id,
            people,
            scale,
            slots,
            open_incident: None,
            built: 0,
            gated: FillerSlot::default(),
        };
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
    /// The events of the entries `indices`, signed: of sixteen, four promotions with their completions, an incident
    /// that is opened and resolved, an evaluation, two of drift, and three notes. They fit in this order, and once
    /// those before them are recorded.
    fn releases(&mut self, indices: Range<u64>, now: Timestamp) -> Result<Vec<Envelope>, Failure> {
        let mut events = Vec::new();
        let mut last_change = None;
        for index in indices {
            let body = match (index % 16, last_change.take()) {
                (place, _) if place % 4 == 0 => {
                    last_change = Some(index);
                    self.promotion(index).into()
                }
                (place, Some(change)) if place % 4 == 1 => {
                    let outcome = ChangeOutcome::Succeeded;
                    ChangeCompleted { change, outcome, completed_at: now, summary: None }.into()
                }
                (3 | 15, _) => drift(index, now),
                (6, _) => evaluation(index % self.scale.models, index / 16 % VERSIONS),
                (10, _) => {
                    self.open_incident = Some(index);
                    incident(index, now)
                }
                (11, _) if self.open_incident.is_some() => {
                    let incident = incident_name(self.open_incident.take().unwrap_or(index));
                    IncidentResolved { incident, resolved_at: now, summary: None }.into()
                }
                _ => remark(index - 1),
            };
            let signer = self.signer_of(index);
            events.push(self.event(signer, now, body));
        }
        self.sign_all(events)
    }

    /// Promotions as the entries `indices`, signed: whose infra commit is embedded with its signed tag, as the policy
    /// asks for there, or named alone.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn promotions(
        &mut self,
        indices: Range<u64>,
        now: Timestamp,
        is_embedded: bool,
    ) -> Result<Vec<Envelope>, Failure> {
        let build = |index: u64| {
            let mut body = self.promotion(index);
            let signer = self.signer_of(index);
            if is_embedded {
                let environment = body.environment.as_str().replace("env-", "tagged-");
                body.environment = EnvironmentName::new(environment).expect("a short name");
                body.infra = tagged_commit(index, &self.people[signer]);
            }
            self.event(signer, now, body)
        };
        let events = indices.map(build).collect();
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
            Ok::<_, Failure>(sign(&event, signer)?.into_envelope()?)
        };
        events.into_par_iter().map(signed).collect()
    }

    /// Everyone's grant, and every version's registration, signed.
    fn beginnings(&mut self, now: Timestamp) -> Result<Vec<Envelope>, Failure> {
        let roles = [Role::Registrar, Role::Evaluator, Role::Deployer, Role::Responder];
        let mut events = Vec::new();
        for number in 1..self.people.len() {
            let person = format!("person-{number}");
            let body = grant(&person, self.people[number].public_key(), &roles)?;
            events.push(self.event(0, now, body));
        }
        for (model, version) in
            (0..self.scale.models).flat_map(|model| (0..VERSIONS).map(move |v| (model, v)))
        {
            events.push(self.event(1, now, registration(model, version)));
        }
        self.sign_all(events)
    }

    /// What comes before [`Crew::gated_promotion`], signed: an approver's grant, and two versions of the first model
    /// evaluated and put in `staging`. Two parts, for each version has to serve there for a while.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn gate_beginnings(&mut self, size: u64, now: Timestamp) -> Result<[Vec<Envelope>; 2], Failure> {
        let mut events =
            vec![self.event(0, now, grant("approver", approver().public_key(), &[Role::Approver])?)];
        events.extend((0..2).map(|version| self.event(1, now, evaluation(0, version))).collect::<Vec<_>>());
        let staging = || EnvironmentName::new("staging").expect("a short name");
        let entry = size + events.len() as u64;
        events.push(self.event(1, now, promoted((0, 0), staging(), None, entry)));
        let from = Serving { version: version_name(0), entry };
        let second = self.event(1, now, promoted((0, 1), staging(), Some(from), entry + 1));
        Ok([self.sign_all(events)?, self.sign_all(vec![second])?])
    }

    /// A promotion that the policy holds against everything it can ask for, as entry `index`, signed and approved:
    /// order, time served, an evaluation, an approval.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn gated_promotion(&mut self, index: u64, now: Timestamp) -> Result<Envelope, Failure> {
        let version = self.gated.promotions % 2;
        self.gated.promotions += 1;
        let from = self.gated.serving.replace(Serving { version: version_name(version), entry: index });
        let environment = EnvironmentName::new("gated").expect("a short name");
        let (signer, event) = self.event(1, now, promoted((0, version), environment, from, index));
        let mut draft = sign(&event, std::slice::from_ref(&*self.people[signer]))?;
        draft.sign(&approver())?;
        Ok(draft.into_envelope()?)
    }

    fn promotion(&mut self, index: u64) -> ModelPromoted {
        let number = (index / 4) % (self.scale.models * self.scale.environments);
        let (model, environment) = (number / self.scale.environments, number % self.scale.environments);
        let slot = &mut self.slots[usize::try_from(number).unwrap_or(0)];
        let version = slot.promotions % VERSIONS;
        let serving = Serving { version: version_name(version), entry: index };
        let from = slot.serving.replace(serving);
        slot.promotions += 1;
        let environment = EnvironmentName::new(format!("env-{environment}")).expect("a short name");
        promoted((model, version), environment, from, index)
    }
}

/// The key of whoever approves what [`Crew::gated_promotion`] proposes.
fn approver() -> Signer {
    Signer::from_secret(SecretKey::from_seed(Hash::of(b"the approver").as_bytes()))
}

fn grant(person: &str, key: PublicKey, roles: &[Role]) -> Result<KeyGranted, Failure> {
    let any = || Ascending::sort(vec![Glob::new("*").expect("a glob")]).expect("one item");
    Ok(KeyGranted {
        person: Name::new(person)?,
        key,
        roles: Ascending::sort(roles.to_vec())?,
        scope: Scope { environments: any(), models: any() },
        valid_from: None,
        valid_until: None,
    })
}

/// A promotion of a model's version, as entry `index`.
fn promoted(
    (model, version): (u64, u64),
    environment: EnvironmentName,
    from: Option<Serving>,
    index: u64,
) -> ModelPromoted {
    let commit = Hash::of_parts(&[b"commit", &index.to_le_bytes()]);
    ModelPromoted {
        model: model_name(model),
        version: version_name(version),
        digest: model_root(model, version),
        environment,
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
}

/// The commit of the release `index`, embedded with its tag, which is signed.
fn tagged_commit(index: u64, signer: &Signer) -> InfraCommit {
    let tree = hex::encode(&Hash::of(&index.to_le_bytes()).as_bytes()[..20]);
    let who = "Person <person@example.org> 1750000000 +0000";
    let commit = format!("tree {tree}\nauthor {who}\ncommitter {who}\n\nRelease {index}\n").into_bytes();
    let id = |kind, bytes: &[u8]| object_id(kind, bytes, ObjectFormat::Sha1).expect("no collision");
    let commit_id = id(ObjectKind::Commit, &commit);
    let name = format!("release-{index}");
    let sign = |bytes: &[u8]| *signer.sign(bytes).expect("a key at hand").as_bytes();
    let signer = ObjectSigner { public_key: signer.public_key(), sign: &sign };
    let tag = signed_tag(&commit_id.to_string(), &name, "Release", signer);
    let object = Some(id(ObjectKind::Tag, &tag));
    let embedded = |bytes: Vec<u8>| {
        let (sha256, size) = (Hash::of(&bytes), bytes.len() as u64);
        GitObject { sha256, size, bytes: ObjectBytes::new(bytes) }
    };
    InfraCommit {
        repository: Name::new("https://git.example.org/infra").expect("a short name"),
        commit: commit_id,
        tag: Some(GitTag { name: Name::new(name).expect("a short name"), object }),
        commit_object: Some(embedded(commit)),
        tag_object: Some(embedded(tag)),
        manifests: Ascending::default(),
        path_proof: None,
    }
}

/// A fairness evaluation that passed.
fn evaluation(model: u64, version: u64) -> Body {
    let number = |text: &str| text.parse::<Finite>().expect("a number");
    let metric = Metric {
        name: Name::new("demographic_parity_difference").expect("a short name"),
        value: number("0.03"),
        min: None,
        max: Some(number("0.1")),
    };
    ModelEvaluated {
        model: model_name(model),
        version: version_name(version),
        digest: model_root(model, version),
        kind: EvaluationKind::Fairness,
        suite: Name::new("fairlearn").expect("a short name"),
        suite_version: Some(Name::new("0.12.0").expect("a short name")),
        suite_digest: None,
        dataset: NamedDigest {
            name: Name::new("loans-held-out").expect("a short name"),
            digest: ForeignDigest::Sha256(*model_root(model, version).as_bytes()),
        },
        environment: None,
        metrics: Ascending::sort(vec![metric]).expect("one item"),
        outcome: EvaluationOutcome::Passed,
        summary: None,
    }
    .into()
}

fn drift(index: u64, now: Timestamp) -> Body {
    let number = |text: &str| text.parse::<Finite>().expect("a number");
    DriftDetected {
        environment: EnvironmentName::new("env-0").expect("a short name"),
        model: model_name(0),
        version: None,
        kind: DriftKind::Data,
        feature: Some(Name::new(format!("feature-{}", index % 7)).expect("a short name")),
        statistic: Name::new("psi").expect("a short name"),
        value: number("0.27"),
        threshold: number("0.2"),
        window: Some(Name::new("24h").expect("a short name")),
        monitor: Name::new("monitor").expect("a short name"),
        status: AlertStatus::Firing,
        detected_at: now,
        summary: None,
    }
    .into()
}

fn incident_name(index: u64) -> Name {
    Name::new(format!("INC-{index}")).expect("a short name")
}

fn incident(index: u64, now: Timestamp) -> Body {
    IncidentDetected {
        incident: incident_name(index),
        environment: EnvironmentName::new("env-0").expect("a short name"),
        model: Some(model_name(0)),
        severity: Name::new("sev2").expect("a short name"),
        detected_at: now,
        evidence: Ascending::default(),
        summary: None,
    }
    .into()
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
        "schema = {POLICY_SCHEMA}\n[administrators]\nthreshold = 1\n[[environment]]\nname = \"env-*\"\n\
         [[environment]]\nname = \"tagged-*\"\npromote.signed_tag = true\n[[environment]]\nname = \"staging\"\n[[environment]]\nname = \"gated\"\n[environment.promote]\n\
         approvals = 1\nafter = [\"staging\"]\nserved_for = \"1s\"\n\
         evaluations = [{{ kind = \"fairness\", max_age = \"30d\" }}]\n"
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
