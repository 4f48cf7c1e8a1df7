//! Chronicles made by hand: what a collector would have kept of a story.

use std::sync::Arc;

use rollbook::event::body::{Body, Event};
use rollbook::event::header::{Basis as EventBasis, EventId, Header};
use rollbook::event::infra::GitId;
use rollbook::event::list::Ascending;
use rollbook::event::release::ChangeOutcome;
use rollbook::event::text::{EnvironmentName, Name};
use rollbook::hash::Hash;
use rollbook::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Timestamp};
use rollbook::timeline::about::About;
use rollbook::timeline::chronicle::{
    Basis, Chronicle, Commit, Completion, Details, Doubt, EntryRef, Incident, IncidentPlace, Lane, Query,
    Recovery, Row, Signer, Standing, Stretch,
};
use rollbook::timeline::prose;

use super::events::{
    self, beginning, digest, environment, fairness, incident, name, person, register, resolved, serving,
    shadow, text,
};

/// A story that is written down event by event.
pub(crate) struct Story {
    pub(crate) chronicle: Chronicle,
    now: Timestamp,
}

impl Story {
    /// Nothing happened yet.
    pub(crate) fn new() -> Self {
        let chronicle = Chronicle {
            goes_on: false,
            origin: Some(name("example.com/releases")),
            ledger_id: Some(Hash::of(b"entry 0")),
            query: Query::default(),
            since: beginning(),
            until: beginning(),
            basis: Basis {
                size: 0,
                root: Some(Hash::of(b"root")),
                last_recorded_at: None,
                checkpoint: Some("example.com/releases\n0\nAAAA\n\n— example.com/releases AAAA\n".to_owned()),
                verdict: None,
            },
            lanes: Vec::new(),
            rows: Vec::new(),
            incidents: Vec::new(),
            doubts: Vec::new(),
        };
        Self { chronicle, now: beginning() }
    }

    /// Time passes.
    pub(crate) fn wait(&mut self, ms: i64) {
        self.now = self.now.plus_ms(ms);
    }

    /// Somebody writes an entry; others approve.
    pub(crate) fn write(&mut self, by: &str, approved: &[&str], body: Body) -> EntryRef {
        self.write_as(&name(by), approved, body, None)
    }

    fn write_as(
        &mut self,
        by: &Name,
        approved: &[&str],
        body: Body,
        at: Option<(&EnvironmentName, &Name)>,
    ) -> EntryRef {
        let index = self.chronicle.rows.len() as u64;
        let signer = |name: &Name, proposed| Signer {
            person: Some(name.clone()),
            key: person(name.as_str()).public(),
            proposed,
        };
        let mut signers = vec![signer(by, true)];
        signers.extend(approved.iter().map(|one| signer(&name(one), false)));
        let header = Header {
            format: 1,
            ledger_id: Hash::of(b"entry 0"),
            event_id: EventId::from_bytes(*b"0123456789abcdef"),
            proposer: signers[0].key,
            claimed_at: self.now,
            expires_at: self.now.plus_ms(DAY_MS),
            basis: EventBasis::Declared,
            attachments: Ascending::default(),
        };
        let event = Event { header, body };
        let entry = EntryRef {
            index,
            leaf_hash: Hash::of(&index.to_le_bytes()),
            recorded_at: self.now,
            claimed_at: self.now,
            kind: event.kind(),
            signers: signers.into(),
        };
        let about = About::of(&event);
        let row = Row {
            entry: entry.clone(),
            what: prose::one_line(&event),
            model: about.model.or(at.map(|(_, model)| model)).cloned(),
            version: about.version.cloned(),
            environment: about.environment.or(at.map(|(environment, _)| environment)).cloned(),
            digest: about.digest,
            infra: about.infra.map(Commit::from),
            incident: about.incident.cloned(),
            about_entry: about.entry,
            standing: Standing::Unchecked,
            details: Some(Details {
                signatures: entry.signers.iter().map(|signer| (signer.key, "5a".repeat(64))).collect(),
                proof: Some(format!("c2sp.org/tlog-proof@v1\nindex {index}\nAAAA\n")),
            }),
            event: Arc::new(event),
        };
        self.chronicle.rows.push(row);
        self.chronicle.until = self.now;
        self.chronicle.basis.size = index + 1;
        self.chronicle.basis.last_recorded_at = Some(self.now);
        entry
    }

    /// A version is registered and evaluated.
    pub(crate) fn make(&mut self, model: &str, version: &str) {
        let model = name(model);
        let root = digest(&format!("{model} {version}"));
        let mut registered = register(version);
        (registered.model, registered.digest.root) = (model.clone(), root);
        self.write("Mira Registrar", &[], Body::ModelRegistered(registered.into()));
        for mut evaluated in [fairness(version, 0.03), shadow(version)] {
            self.wait(7 * MINUTE_MS);
            (evaluated.model, evaluated.digest) = (model.clone(), root);
            self.write("Eval Bot", &[], Body::ModelEvaluated(evaluated.into()));
        }
    }

    fn lane(&mut self, place: &str, model: &str) -> &mut Lane {
        let (environment, model) = (environment(place), name(model));
        let lanes = &mut self.chronicle.lanes;
        let at = lanes.iter().position(|lane| lane.environment == environment && lane.model == model);
        let at = at.unwrap_or_else(|| {
            lanes.push(Lane { environment, model, stretches: Vec::new() });
            lanes.len() - 1
        });
        &mut lanes[at]
    }

    /// A version begins to serve, and its pipeline reports.
    pub(crate) fn promote(&mut self, place: &str, model: &str, version: &str) -> EntryRef {
        let root = digest(&format!("{model} {version}"));
        let mut promoted = events::promote(version, place, None);
        (promoted.model, promoted.digest, promoted.infra) = (name(model), root, self.commit());
        let infra = Commit::from(&promoted.infra);
        let entry = self.write("Dana Deployer", &["Ada", "Otto"], Body::ModelPromoted(promoted.into()));
        self.serve(place, model, version, &entry, root, infra);
        entry
    }

    fn commit(&self) -> rollbook::event::infra::InfraCommit {
        let mut infra = events::infra();
        let seed = Hash::of(&self.chronicle.rows.len().to_le_bytes());
        infra.commit = GitId::from_slice(&seed.as_bytes()[..20]).unwrap();
        infra
    }

    fn serve(&mut self, place: &str, model: &str, version: &str, by: &EntryRef, root: Hash, infra: Commit) {
        let lane = self.lane(place, model);
        if let Some(last) = lane.stretches.last_mut() {
            last.closed = Some(by.clone());
        }
        lane.stretches.push(Stretch {
            version: name(version),
            digest: Some(root),
            opened: by.clone(),
            authorised: by.clone(),
            infra: Some(infra),
            completed: None,
            closed: None,
        });
    }

    /// The pipeline reports success of a change.
    pub(crate) fn complete(&mut self, place: &str, model: &str, change: &EntryRef) -> Completion {
        let (environment, named) = (environment(place), name(model));
        let body = Body::ChangeCompleted(events::complete(change.index, ChangeOutcome::Succeeded).into());
        let entry = self.write_as(&name("Deploy Bot"), &[], body, Some((&environment, &named)));
        let done = Completion { completed_at: entry.recorded_at, outcome: ChangeOutcome::Succeeded, entry };
        for stretch in &mut self.lane(place, model).stretches {
            if stretch.authorised.index == change.index {
                stretch.completed = Some(done.clone());
            }
        }
        done
    }

    /// Something is wrong; it is rolled back after `took_ms`, where the target is five minutes.
    pub(crate) fn trouble(
        &mut self,
        id: &str,
        place: &str,
        model: &str,
        (from, to): (&str, &str),
        took_ms: i64,
    ) {
        let mut detected = incident(id, place);
        detected.model = Some(name(model));
        detected.summary = Some(text("Approvals fell by a third within ten minutes of the release"));
        let (severity, summary) = (detected.severity.clone(), detected.summary.clone());
        let detected = self.write("Rita Responder", &[], Body::IncidentDetected(detected.into()));
        self.wait(took_ms * 2 / 3);
        let failed_since = self.lane(place, model).stretches.last().map(|stretch| stretch.opened.clone());
        let failed_index = failed_since.as_ref().map_or(0, |by| by.index);
        let root = digest(&format!("{model} {to}"));
        let mut back = events::roll_back(place, serving(from, failed_index), to);
        (back.model, back.to_digest, back.infra) = (name(model), root, self.commit());
        (back.incident, back.break_glass) = (Some(name(id)), true);
        let infra = Commit::from(&back.infra);
        let change = self.write("Rita Responder", &[], Body::ModelRolledBack(back.into()));
        self.serve(place, model, to, &change, root, infra);
        self.wait(took_ms - took_ms * 2 / 3);
        let completed = Some(self.complete(place, model, &change));
        self.wait(42 * MINUTE_MS);
        let (at, named) = (environment(place), name(model));
        let ratified = Body::EntryRatified(events::ratify(change.index).into());
        let ratified = self.write_as(&name("Ada"), &["Otto"], ratified, Some((&at, &named)));
        self.wait(25 * MINUTE_MS);
        let over = self.write("Rita Responder", &[], Body::IncidentResolved(resolved(id).into()));
        self.chronicle.incidents.push(Incident {
            id: name(id),
            severity: severity.clone(),
            summary: summary.clone(),
            places: vec![IncidentPlace {
                severity,
                summary,
                environment: at.clone(),
                model: Some(named.clone()),
                detected: detected.clone(),
                detected_at: detected.recorded_at,
                evidence: vec![0],
            }],
            recoveries: vec![Recovery {
                environment: at,
                model: named,
                failed: name(from),
                failed_since,
                detected: Some(detected),
                change,
                break_glass: true,
                ratified: Some(ratified),
                completed,
                target_ms: Some(5 * MINUTE_MS),
            }],
            resolved: Some((over.clone(), over.recorded_at)),
        });
    }

    /// What was written, with lanes in order.
    pub(crate) fn told(mut self) -> Chronicle {
        self.chronicle.lanes.sort_by(|a, b| (&a.environment, &a.model).cmp(&(&b.environment, &b.model)));
        self.chronicle
    }
}

/// Two models in two environments over nine days: releases, drift, two incidents (one late), and a doubt.
pub(crate) fn nine_days() -> Chronicle {
    let mut story = Story::new();
    let (scorer, ranker) = ("credit/scorer", "search/ranker");
    let release = |story: &mut Story, place: &str, model: &str, version: &str| {
        let change = story.promote(place, model, version);
        story.wait(3 * MINUTE_MS);
        story.complete(place, model, &change);
        story.wait(35 * MINUTE_MS);
    };
    story.make(scorer, "1.4.0");
    story.wait(12 * MINUTE_MS);
    release(&mut story, "staging", scorer, "1.4.0");
    release(&mut story, "production", scorer, "1.4.0");
    story.make(ranker, "2026.02");
    story.wait(11 * MINUTE_MS);
    release(&mut story, "staging", ranker, "2026.02");
    release(&mut story, "production", ranker, "2026.02");
    story.wait(3 * DAY_MS);
    story.make(scorer, "1.5.0");
    story.wait(12 * MINUTE_MS);
    release(&mut story, "staging", scorer, "1.5.0");
    release(&mut story, "production", scorer, "1.5.0");
    story.write("Drift Monitor", &[], Body::DriftDetected(events::drift("production").into()));
    story.wait(9 * MINUTE_MS);
    story.trouble("INC-2026-031", "production", scorer, ("1.5.0", "1.4.0"), 4 * MINUTE_MS + 32 * SECOND_MS);
    story.wait(4 * DAY_MS);
    story.make(ranker, "2026.03");
    story.wait(12 * MINUTE_MS);
    release(&mut story, "production", ranker, "2026.03");
    story.trouble(
        "INC-2026-034",
        "production",
        ranker,
        ("2026.03", "2026.02"),
        7 * MINUTE_MS + 10 * SECOND_MS,
    );
    story.make(scorer, "1.5.1");
    story.wait(12 * MINUTE_MS);
    release(&mut story, "staging", scorer, "1.5.1");
    story.wait(2 * HOUR_MS);
    let note = story.write("Ada", &[], Body::NoteAdded(events::note(3).into()));
    let mut chronicle = story.told();
    chronicle.doubts.push(Doubt {
        from_index: note.index - 2,
        until_index: Some(note.index),
        since: Some(note.recorded_at.plus_ms(-2 * HOUR_MS)),
        until: Some(note.recorded_at.plus_ms(-HOUR_MS)),
        code: "log.unread".to_owned(),
        message: "a stretch of the log is damaged and could not be read".to_owned(),
    });
    chronicle
}
