//! `rollbook demo`: a whole release story, told by the program's own commands.
//!
//! What the story is made of is real: models really fitted ([`weights`]), a repository really signed
//! ([`repository`]), keys in files, and every step a command that anyone could type. The last step
//! shows what a [`forgery`] looks like to the verifier. Only its time is made up: a clock of the story's own lets
//! nine days go by in a few seconds, and ends at the machine's.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use clap::Args;
use serde_json::json;

use crate::cli::context::Context;
use crate::cli::demo::repository::{DemoRepository, Person};
use crate::cli::demo::weights::{Classifier, Recipe, evaluation_data_csv, training_data_csv};
use crate::cli::failure::{Exit, Failure};
use crate::cli::git_objects::ObjectSigner;
use crate::cli::register::digest_path;
use crate::cli::run_line;
use crate::hash::Hash;
use crate::linkage::git::ObjectId;
use crate::signing::key_file::read_private_key;
use crate::time::{Clock, DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Timestamp};

pub mod forgery;
pub mod repository;
pub mod weights;

/// The demo's policy: what production asks for.
const POLICY: &str = r#"# Release policy of the demo: staging first, measured twice, and two approvals for production.
schema = 3

[administrators]
threshold = 1

# Releases come from main, and these files say by digest which model runs.
[[git.repository]]
name = "infra"
protected = ["main"]
manifests = ["staging/*.yaml", "production/*.yaml"]

[[environment]]
name = "staging"

[[environment]]
name = "production"

[environment.promote]
after = ["staging"]
approvals = 2
evaluations = [
  { kind = "regression", max_age = "90d" },
  { kind = "shadow", max_age = "30d" },
]
signed_tag = true
manifest = true

[environment.rollback]
approvals = 1
incident = true
target = "5m"

[environment.rollback.break_glass]
roles = ["responder"]
ratify_within = "24h"
"#;

/// The policy after the incident: what would have stopped it.
const LESSON: (&str, &str) = (
    r#"  { kind = "shadow", max_age = "30d" },"#,
    r#"  { kind = "shadow", max_age = "30d" },
  { kind = "fairness", max_age = "30d" },"#,
);

const MODEL: &str = "credit-scorer";

/// How long the story takes by its own clock: nine days, of which its steps leave a day for the last one.
const STORY_MS: i64 = 9 * DAY_MS;

/// People of the demo: name, file of their key, role.
const PEOPLE: [(&str, &str, &str); 6] = [
    ("rita", "registrar.pem", "registrar"),
    ("dan", "deployer.pem", "deployer"),
    ("ana", "approver.pem", "approver"),
    ("amir", "approver-2.pem", "approver"),
    ("eva", "evaluator.pem", "evaluator"),
    ("remy", "responder.pem", "responder"),
];

/// See a real model directory and a real Git repository go through a bad release and a rollback.
///
/// It is told as if it had begun nine days ago and ended now: recorded times are the story's.
///
/// Builds everything that it needs in DIR: keys, a Git repository with SSH-signed tags, two fitted
/// models, a ledger. Every step is printed as the command that it is.
///
/// Example:
///   rollbook demo ./demo
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Demo {
    /// A new directory; unless given, a new temporary one, named at the end
    pub dir: Option<PathBuf>,
}

impl Demo {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn run(self, context: &Context) -> Result<(), Failure> {
        let dir = match self.dir {
            Some(dir) => new_directory(&dir)?,
            None => {
                tempfile::Builder::new().prefix("rollbook-demo-").tempdir().map_err(Failure::world)?.keep()
            }
        };
        let clock = Arc::new(StoryClock::from(context.now().plus_ms(-STORY_MS)));
        let begin = clock.now();
        Story { context, dir, clock, begin }.tell()
    }
}

fn new_directory(dir: &Path) -> Result<PathBuf, Failure> {
    let failed = |error: std::io::Error| Failure::io("create", dir, &error);
    std::fs::create_dir_all(dir).map_err(failed)?;
    if std::fs::read_dir(dir).map_err(failed)?.next().is_some() {
        return Err(Failure::usage(format!("{} is not empty", dir.display())).hint("name a new directory"));
    }
    std::path::absolute(dir).map_err(failed)
}

/// The demonstration under way.
struct Story<'a> {
    context: &'a Context,
    dir: PathBuf,
    clock: Arc<StoryClock>,
    begin: Timestamp,
}

/// The clock of the story: it stands until it is told to go on.
struct StoryClock(AtomicI64);

impl From<Timestamp> for StoryClock {
    fn from(begin: Timestamp) -> Self {
        Self(AtomicI64::new(begin.as_millis()))
    }
}

impl Clock for StoryClock {
    fn now(&self) -> Timestamp {
        Timestamp::EPOCH.plus_ms(self.0.load(Ordering::Relaxed))
    }
}

impl Story<'_> {
    fn tell(&self) -> Result<(), Failure> {
        self.chapter("Keys: an administrator, and one for each role")?;
        self.make_keys()?;
        self.chapter("Two classifiers are fitted, and written as model directories")?;
        self.fit_models()?;
        self.chapter("An infra repository pins their digests; its tags are signed by dan's key")?;
        self.build_repository()?;
        self.chapter("The ledger is founded, and people get their roles")?;
        self.found()?;
        self.chapter(
            "1.0.0 is registered, measured, and goes through staging and a shadow run to production",
        )?;
        self.wait(2 * HOUR_MS - 6 * MINUTE_MS);
        self.release("1.0.0", Recipe::Sound, 7)?;
        self.chapter("1.1.0 follows: better on paper, trained on what clerks once decided")?;
        self.wait(4 * DAY_MS);
        self.release("1.1.0", Recipe::Careless, 14)?;
        self.chapter("A monitor tells of drift; an incident is opened, and one responder breaks the glass")?;
        self.wait(41 * HOUR_MS);
        self.roll_back()?;
        self.chapter("An approver stands behind it; the policy learns")?;
        self.stand_behind()?;
        self.chapter("What serves now, and the whole story")?;
        self.look()?;
        self.chapter("The auditor replays it all, with a trust root from another channel")?;
        self.rollbook(&["verify", "ledger", "--trust", "trust.toml"])?;
        self.chapter("With a clone of the infra repository, it is held against that as well")?;
        self.rollbook(&["verify", "ledger", "--trust", "trust.toml", "--git", "infra=infra"])?;
        self.chapter("Somebody rewrites history: 1.1.0 is to have been promoted by nobody's fault")?;
        self.forge()?;
        self.farewell()
    }

    /// Lets time go by.
    fn wait(&self, span_ms: i64) {
        self.clock.0.fetch_add(span_ms, Ordering::Relaxed);
    }

    /// Lets it go by until now: the story is over.
    fn catch_up(&self) {
        self.clock.0.fetch_max(self.context.now().as_millis(), Ordering::Relaxed);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn chapter(&self, title: &str) -> Result<(), Failure> {
        if self.context.json() {
            return Ok(());
        }
        let bold = anstyle::Style::new().bold();
        self.context.print(format_args!("\n{bold}== {title}{bold:#}"))
    }

    /// Runs a command of ours; arguments that name files of the demo are shown short.
    fn rollbook(&self, args: &[&str]) -> Result<(), Failure> {
        let shown: Vec<String> = args.iter().map(|arg| quote(arg)).collect();
        if !self.context.json() {
            let green = anstyle::Style::new().fg_color(Some(anstyle::AnsiColor::Green.into()));
            self.context.print(format_args!("{green}$ rollbook {}{green:#}", shown.join(" ")))?;
        }
        let mut line: Vec<String> = args.iter().map(|arg| self.resolve(arg)).collect();
        line.extend(["--ledger".into(), self.path("ledger").display().to_string()]);
        if self.context.json() {
            line.push("--json".into());
        }
        let clock: Arc<dyn Clock> = Arc::clone(&self.clock) as _;
        run_line(&line, clock)
    }

    /// A file of the demo, by its full path.
    fn resolve(&self, arg: &str) -> String {
        let (prefix, name) =
            arg.split_once('=').map_or(("", arg), |(name, file)| (&arg[..=name.len()], file));
        let ours =
            ["keys/", "models/", "ledger", "forged", "infra", "trust.toml", "policy.toml", "policy-2.toml"];
        if ours.iter().any(|ours| name == *ours || (ours.ends_with('/') && name.starts_with(ours))) {
            return format!("{prefix}{}", self.path(name).display());
        }
        arg.to_owned()
    }

    fn make_keys(&self) -> Result<(), Failure> {
        let keys = self.path("keys");
        std::fs::create_dir_all(&keys).map_err(|error| Failure::io("create", &keys, &error))?;
        let administrator = ("alice", "admin.pem", "admin");
        for (name, file, _) in std::iter::once(&administrator).chain(&PEOPLE) {
            self.rollbook(&["key", "new", &format!("keys/{file}"), "--format", "pkcs8", "--name", name])?;
        }
        Ok(())
    }

    fn fit_models(&self) -> Result<(), Failure> {
        for (recipe, version) in [(Recipe::Sound, "1.0.0"), (Recipe::Careless, "1.1.0")] {
            let classifier = Classifier::fit(recipe);
            let directory = self.path(&format!("models/{MODEL}-{version}"));
            classifier.write(&directory, MODEL, version).map_err(Failure::world)?;
            let measured = classifier.evaluate();
            if !self.context.json() {
                self.context.print(format_args!(
                    "models/{MODEL}-{version}: accuracy {:.3}, demographic parity difference {:.3} on {} applicants",
                    measured.accuracy, measured.demographic_parity_difference, measured.examples
                ))?;
            }
        }
        Ok(())
    }

    fn build_repository(&self) -> Result<(), Failure> {
        let repository = DemoRepository::create(&self.path("infra")).map_err(Failure::world)?;
        let dan = Person { name: "Dan Deployer", email: "dan@example.org" };
        let key = read_private_key(&self.path("keys/deployer.pem"), &mut || Ok(None))?;
        repository.allow_signer(dan, key.public_key()).map_err(Failure::world)?;
        let sign = |bytes: &[u8]| *key.sign(bytes).as_bytes();
        let signer = ObjectSigner { public_key: key.public_key(), sign: &sign };
        // Each a few minutes before the entry that names it.
        let steps = [
            ("staging", "1.0.0", "staging-1.0.0", 2 * HOUR_MS + 55 * MINUTE_MS),
            ("production", "1.0.0", "production-1.0.0", 25 * HOUR_MS + 20 * MINUTE_MS),
            ("staging", "1.1.0", "staging-1.1.0", 122 * HOUR_MS + 30 * MINUTE_MS),
            ("production", "1.1.0", "production-1.1.0", 145 * HOUR_MS),
            ("production", "1.0.0", "rollback-1.0.0", 186 * HOUR_MS + 19 * MINUTE_MS),
        ];
        for (environment, version, tag, offset_ms) in steps {
            let time = self.begin.plus_ms(offset_ms);
            let commit = self.commit_manifest(&repository, dan, (environment, version), time)?;
            let message = format!("{MODEL} {version} in {environment}\n");
            repository.tag(tag, commit, &message, dan, time, signer).map_err(Failure::world)?;
            if !self.context.json() {
                self.context.print(format_args!("infra: commit {commit}, signed tag {tag}"))?;
            }
        }
        Ok(())
    }

    fn commit_manifest(
        &self,
        repository: &DemoRepository,
        author: Person<'_>,
        (environment, version): (&str, &str),
        time: Timestamp,
    ) -> Result<ObjectId, Failure> {
        let root = digest_path(&self.path(&format!("models/{MODEL}-{version}")), false)?.root;
        let manifest = format!(
            "apiVersion: serving.kserve.io/v1beta1\nkind: InferenceService\nmetadata:\n  name: {MODEL}\n  \
             namespace: {environment}\n  annotations:\n    model.version: \"{version}\"\n    \
             model.digest: sha256:{root}\nspec:\n  predictor:\n    model:\n      modelFormat: {{name: safetensors}}\n      \
             storageUri: s3://models/{MODEL}/{version}\n"
        );
        let path = format!("{environment}/{MODEL}.yaml");
        let files = [(path.as_str(), manifest.as_str())];
        let message = format!("{environment}: {MODEL} {version}\n");
        repository.commit(&files, author, &message, time).map_err(Failure::world)
    }

    fn found(&self) -> Result<(), Failure> {
        let policy = self.path("policy.toml");
        std::fs::write(&policy, POLICY).map_err(|error| Failure::io("write", &policy, &error))?;
        self.rollbook(&[
            "init",
            "--key",
            "keys/admin.pem",
            "--origin",
            "demo.example.org/releases",
            "--admin",
            "alice=keys/admin.pem.pub",
            "--policy",
            "policy.toml",
        ])?;
        // The auditor gets the trust root now, by another channel; it is not read from the ledger later.
        let (from, to) = (self.path("ledger/trust.toml"), self.path("trust.toml"));
        std::fs::copy(&from, &to).map_err(|error| Failure::io("copy", &from, &error))?;
        for (name, file, role) in PEOPLE {
            let public = format!("keys/{file}.pub");
            let line = ["key", "grant", "--key", "keys/admin.pem", &public, "--name", name, "--role", role];
            let scope = ["--env", "staging", "--env", "production", "--model", "credit-*"];
            self.wait(MINUTE_MS);
            self.rollbook(&[line.as_slice(), &scope].concat())?;
        }
        Ok(())
    }

    fn register(&self, recipe: Recipe, version: &str) -> Result<(), Failure> {
        let trained = format!("loans=sha256:{}", Hash::of(training_data_csv(recipe).as_bytes()));
        let held_out = format!("loans-held-out=sha256:{}", Hash::of(evaluation_data_csv().as_bytes()));
        let path = format!("models/{MODEL}-{version}");
        let what = ["register", "--key", "keys/registrar.pem", MODEL, version, "--path", &path];
        let data = ["--dataset", &trained, "--dataset", &held_out];
        self.rollbook(&[what.as_slice(), &data].concat())
    }

    /// A version from registration to production; its first entry is `first`.
    fn release(&self, version: &str, recipe: Recipe, first: u64) -> Result<(), Failure> {
        let measured = Classifier::fit(recipe).evaluate();
        self.register(recipe, version)?;
        self.wait(25 * MINUTE_MS);
        self.evaluate(version, "regression", measured.accuracy, None)?;
        self.wait(35 * MINUTE_MS);
        self.promote(version, "staging")?;
        self.wait(2 * MINUTE_MS);
        self.complete(first + 2, "keys/deployer.pem")?;
        self.wait(21 * HOUR_MS);
        self.evaluate(version, "shadow", measured.accuracy, Some("staging"))?;
        self.wait(90 * MINUTE_MS);
        self.promote(version, "production")?;
        self.wait(4 * MINUTE_MS);
        self.complete(first + 5, "keys/deployer.pem")
    }

    fn evaluate(&self, version: &str, kind: &str, accuracy: f64, env: Option<&str>) -> Result<(), Failure> {
        let dataset = format!("loans-held-out=sha256:{}", Hash::of(evaluation_data_csv().as_bytes()));
        let metric = format!("accuracy={accuracy:.3}:min=0.7");
        let mut line = vec!["evaluate", "--key", "keys/evaluator.pem", MODEL, version, "--kind", kind];
        line.extend(["--suite", "release-checks@2026.3", "--dataset", &dataset, "--metric", &metric]);
        line.extend(env.iter().flat_map(|env| ["--env", env]));
        self.rollbook(&line)
    }

    fn promote(&self, version: &str, environment: &str) -> Result<(), Failure> {
        let tag = format!("{environment}-{version}");
        let mut line = vec!["promote", "--key", "keys/deployer.pem"];
        if environment == "production" {
            line.extend(["--key", "keys/approver.pem", "--key", "keys/approver-2.pem"]);
        }
        line.extend([MODEL, version, "--env", environment, "--repo", "infra", "--tag", &tag]);
        line.extend(["--strategy", "blue-green"]);
        self.rollbook(&line)
    }

    fn complete(&self, entry: u64, key: &str) -> Result<(), Failure> {
        self.rollbook(&["complete", "--key", key, &entry.to_string(), "--succeeded"])
    }

    fn roll_back(&self) -> Result<(), Failure> {
        let difference = Classifier::fit(Recipe::Careless).evaluate().demographic_parity_difference.abs();
        let value = format!("{difference:.3}");
        let what = ["drift", "--key", "keys/evaluator.pem", "--env", "production", "--model", MODEL];
        let how = ["--version", "1.1.0", "--kind", "concept", "--statistic", "demographic_parity_difference"];
        let much = ["--value", &value, "--threshold", "0.1", "--window", "24h", "--monitor", "approvals"];
        self.rollbook(&[what.as_slice(), &how, &much].concat())?;
        self.wait(6 * MINUTE_MS);
        let what = ["incident", "open", "--key", "keys/responder.pem", "INC-7", "--env", "production"];
        self.rollbook(
            &[what.as_slice(), &["--model", MODEL, "--severity", "sev1", "--evidence", "21"]].concat(),
        )?;
        self.wait(3 * MINUTE_MS + 10 * SECOND_MS);
        let what = ["rollback", "--key", "keys/responder.pem", MODEL, "--env", "production", "--break-glass"];
        let commit = ["--repo", "infra", "--tag", "rollback-1.0.0"];
        let why = ["--reason", "approvals differ between groups", "--incident", "INC-7"];
        self.rollbook(&[what.as_slice(), &commit, &why, &["--session-state", "preserved"]].concat())?;
        self.rollbook(&["status"])?;
        self.wait(MINUTE_MS + 22 * SECOND_MS);
        self.complete(23, "keys/responder.pem")
    }

    fn stand_behind(&self) -> Result<(), Failure> {
        self.wait(4 * HOUR_MS);
        self.rollbook(&[
            "ratify",
            "--key",
            "keys/approver.pem",
            "23",
            "--reason",
            "right, and right at once",
        ])?;
        self.wait(40 * MINUTE_MS);
        self.rollbook(&["incident", "resolve", "--key", "keys/responder.pem", "INC-7"])?;
        self.wait(20 * MINUTE_MS);
        let reason = ["--reason", "trained on what clerks once decided"];
        let retire = ["retire", "--key", "keys/registrar.pem", MODEL, "1.1.0"];
        self.rollbook(&[retire.as_slice(), &reason].concat())?;
        let policy = self.path("policy-2.toml");
        std::fs::write(&policy, POLICY.replace(LESSON.0, LESSON.1))
            .map_err(|error| Failure::io("write", &policy, &error))?;
        self.catch_up();
        self.rollbook(&["policy", "set", "--key", "keys/admin.pem", "policy-2.toml"])
    }

    fn look(&self) -> Result<(), Failure> {
        self.rollbook(&["status"])?;
        self.rollbook(&["log", "--env", "production"])?;
        self.rollbook(&["show", "23"])?;
        self.gate("1.0.0", true)?;
        self.gate("1.1.0", false)
    }

    /// Asks the gate, which must say what is expected.
    fn gate(&self, version: &str, is_open: bool) -> Result<(), Failure> {
        match self.rollbook(&["gate", MODEL, version, "--env", "production", "--trust", "trust.toml"]) {
            Ok(()) if is_open => Ok(()),
            Err(failure) if !is_open && failure.answered && failure.exit == Exit::No => Ok(()),
            Err(failure) if !failure.answered => Err(failure),
            _ => Err(Failure::world("the gate gave the wrong answer: please report this")),
        }
    }

    fn forge(&self) -> Result<(), Failure> {
        forgery::forge(&self.path("ledger"), &self.path("forged"), 19)?;
        if !self.context.json() {
            self.context.print(
                "forged/ is a copy in which entry 19 says 1.0.0 where it said 1.1.0; checksums are put right",
            )?;
        }
        match self.rollbook(&["verify", "forged", "--trust", "trust.toml"]) {
            Err(failure) if failure.answered && failure.exit == Exit::No => Ok(()),
            Err(failure) => Err(failure),
            Ok(()) => Err(Failure::world("the verifier believed a forged ledger: please report this")),
        }
    }

    fn farewell(&self) -> Result<(), Failure> {
        let dir = self.dir.display();
        if self.context.json() {
            return self.context.print_json(&json!({
                "demo": self.dir,
                "ledger": self.path("ledger"),
                "trust_root": self.path("trust.toml"),
                "keys": self.path("keys"),
                "repository": self.path("infra"),
                "models": self.path("models"),
                "forged": self.path("forged"),
            }));
        }
        self.chapter("Everything is still there")?;
        self.context.print(format_args!(
            "{dir}\n  ledger/      the ledger\n  trust.toml   the trust root that was handed out\n  \
             keys/        private keys, for playing only\n  infra/       the Git repository; try: git -C {dir}/infra verify-tag production-1.1.0\n  \
             models/      two model directories\n  forged/      the copy with a forged entry"
        ))?;
        self.context.print(format_args!(
            "\nTry next (in {dir}):\n  export ROLLBOOK_LEDGER=ledger\n  rollbook log --env production\n  rollbook show 23\n  \
             rollbook promote --dry-run --key keys/deployer.pem {MODEL} 1.1.0 --env production --repo infra --tag production-1.1.0\n  \
             rollbook verify --trust trust.toml"
        ))
    }
}

/// An argument as a shell would want it.
fn quote(arg: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:@,+".contains(c);
    if arg.chars().all(plain) { arg.to_owned() } else { format!("'{arg}'") }
}
