//! `rollbook bench`: fill.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use clap::{Args, Subcommand};
use rayon::prelude::*;
use serde_json::json;

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::founding::{Founding, found_in};
use crate::cli::progress;
use crate::cli::record::{exists_already, sign};
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
const VERSIONS: u64 = 4;
/// How long the filler's events may be accepted: a fill of a million takes minutes.
const EXPIRY_MS: i64 = HOUR_MS;

/// Make ledgers to measure with.
#[derive(Debug, Subcommand)]
pub(crate) enum Bench {
    Fill(Fill),
}

impl Bench {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`].
    pub(crate) fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Fill(command) => command.run(context),
        }
    }
}

/// Make a valid ledger of N entries, all really signed, through the ordinary append path.
///
/// It mixes registrations, promotions, completions and notes by several people. DIR/ledger is the
/// ledger, DIR/trust.toml the trust root, DIR/keys/admin.pem the administrator's key.
///
/// Example:
///   rollbook bench fill /tmp/million --entries 1000000 --batch 1000
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Fill {
    /// A new directory
    pub dir: PathBuf,
    /// How many entries, the founding ones counted
    #[arg(long, value_name = "N")]
    pub entries: u64,
    /// How many entries a batch
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub batch: usize,
    /// How many models
    #[arg(long, value_name = "M", default_value_t = 10)]
    pub models: u64,
    /// How many environments
    #[arg(long, value_name = "E", default_value_t = 3)]
    pub environments: u64,
    /// How many people's keys
    #[arg(long, value_name = "K", default_value_t = 8)]
    pub keys: u64,
    /// Where the keys and ids come from: the same seed gives the same ones
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,
}

/// What the filler goes by.
struct Filler {
    ledger: Ledger,
    ledger_id: Hash,
    people: Vec<Arc<Signer>>,
    seed: u64,
    models: u64,
    environments: u64,
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

impl Fill {
    fn run(self, context: &Context) -> Result<(), Failure> {
        self.check()?;
        let began = Instant::now();
        let mut filler = self.found(context)?;
        let bar = progress::bar("filling {bar:30} {pos}/{len} entries {per_sec} {eta}");
        let progress = progress::follow(&bar);
        filler.grant_and_register(context.now())?;
        while filler.ledger.size() < self.entries {
            let left = self.entries - filler.ledger.size();
            let count = left.min(self.batch as u64);
            filler.fill(count, context.now())?;
            progress(filler.ledger.size(), self.entries);
        }
        bar.finish_and_clear();
        let (entries, seconds) = (filler.ledger.size(), began.elapsed().as_secs_f64());
        let rate = entries as f64 / seconds;
        if context.json() {
            return context.print_json(&json!({
                "ledger": self.dir.join("ledger"), "trust_root": self.dir.join("trust.toml"),
                "entries": entries, "seconds": seconds, "entries_per_second": rate,
            }));
        }
        context.print(format_args!("{entries} entries in {seconds:.1} s, {rate:.0} a second"))?;
        context.print(format_args!(
            "next: rollbook verify {} --trust {}",
            self.dir.join("ledger").display(),
            self.dir.join("trust.toml").display()
        ))
    }

    fn check(&self) -> Result<(), Failure> {
        let setup = 1 + self.keys + self.models * VERSIONS;
        if self.models == 0 || self.environments == 0 || self.keys == 0 {
            return Err(Failure::usage("--models, --environments and --keys are at least 1"));
        }
        if self.dir.join("ledger").exists() {
            return Err(exists_already(&self.dir.join("ledger")));
        }
        if self.entries < setup {
            return Err(Failure::usage(format!(
                "--entries {} is too few: entry 0, {} grants and {} registrations come first",
                self.entries,
                self.keys,
                self.models * VERSIONS
            )));
        }
        if !(1..=FRAME_ENTRIES_MAX).contains(&self.batch) {
            return Err(Failure::usage(format!(
                "--batch {} is not between 1 and {FRAME_ENTRIES_MAX}",
                self.batch
            )));
        }
        Ok(())
    }

    fn found(&self, context: &Context) -> Result<Filler, Failure> {
        let founding = Founding {
            origin: "bench.example.org/ledger",
            administrator: "admin",
            seed: Hash::of_parts(&[b"admin", &self.seed.to_le_bytes()]),
            policy: self.policy(),
        };
        let founded = found_in(context, &self.dir, &founding)?;
        let person = |number: u64| {
            let seed = Hash::of_parts(&[b"person", &self.seed.to_le_bytes(), &number.to_le_bytes()]);
            Arc::new(Signer::from_secret(SecretKey::from_seed(seed.as_bytes())))
        };
        let mut people = vec![Arc::new(founded.administrator)];
        people.extend((0..self.keys).map(person));
        let slots =
            vec![FillerSlot::default(); usize::try_from(self.models * self.environments).unwrap_or(0)];
        Ok(Filler {
            ledger: founded.ledger,
            ledger_id: founded.ledger_id,
            people,
            seed: self.seed,
            models: self.models,
            environments: self.environments,
            slots,
            built: 0,
        })
    }

    fn policy(&self) -> Policy {
        let mut text = format!("schema = {POLICY_SCHEMA}\n[administrators]\nthreshold = 1\n");
        for number in 0..self.environments {
            text += &format!("[[environment]]\nname = \"env-{number}\"\n");
        }
        Policy { schema: POLICY_SCHEMA, text: PolicyText::new(text).expect("short names") }
    }
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

impl Filler {
    fn event(&mut self, signer: usize, now: Timestamp, body: impl Into<Body>) -> (usize, Event) {
        let id = Hash::of_parts(&[b"event", &self.seed.to_le_bytes(), &self.built.to_le_bytes()]);
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

    /// Signs on all cores, and appends as one batch.
    fn append(&self, events: Vec<(usize, Event)>) -> Result<(), Failure> {
        let envelopes: Vec<Envelope> = events
            .into_par_iter()
            .map(|(signer, event)| {
                let signer = std::slice::from_ref(&*self.people[signer]);
                Ok(sign(&event, signer)?.into_envelope()?)
            })
            .collect::<Result<_, Failure>>()?;
        for outcome in self.ledger.append_batch(envelopes) {
            outcome?;
        }
        Ok(())
    }

    fn grant_and_register(&mut self, now: Timestamp) -> Result<(), Failure> {
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
        for (model, version) in (0..self.models).flat_map(|model| (0..VERSIONS).map(move |v| (model, v))) {
            events.push(self.event(1, now, registration(model, version)));
        }
        while !events.is_empty() {
            let rest = events.split_off(events.len().min(FRAME_ENTRIES_MAX));
            self.append(std::mem::replace(&mut events, rest))?;
        }
        Ok(())
    }

    /// Appends `count` entries: of four, one promotion, its completion, and two notes.
    fn fill(&mut self, count: u64, now: Timestamp) -> Result<(), Failure> {
        let first = self.ledger.size();
        let mut events = Vec::new();
        let mut last_change = None;
        for index in first..first + count {
            let signer = 1 + usize::try_from(index).unwrap_or(0) % (self.people.len() - 1);
            let body = match (index % 4, last_change.take()) {
                (0, _) => {
                    last_change = Some(index);
                    self.promotion(index)
                }
                (1, Some(change)) => {
                    let outcome = ChangeOutcome::Succeeded;
                    ChangeCompleted { change, outcome, completed_at: now, summary: None }.into()
                }
                _ => remark(index),
            };
            let event = self.event(signer, now, body);
            events.push(event);
        }
        self.append(events)
    }

    fn promotion(&mut self, index: u64) -> Body {
        let number = (index / 4) % (self.models * self.environments);
        let (model, environment) = (number / self.environments, number % self.environments);
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

fn remark(index: u64) -> Body {
    let text = format!(
        "check {index}: traffic, error rate and latency of the last window lie within the bounds of the release \
         record; sampled 512 answers, none refused; the monitor's own report is kept beside the ticket"
    );
    let text = Text::new(text).expect("a short text");
    NoteAdded { subject: NoteSubject::Entry { entry: index - 1 }, text }.into()
}
