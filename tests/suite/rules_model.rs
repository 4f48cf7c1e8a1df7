//! The ledger against a second, naive statement of the rules: random people do random things, and the ledger must
//! accept exactly what the model below accepts. Whatever it accepted verifies as sound, but for broken glass that nobody
//! stood behind in time, which the model foretells as well.
//!
//! The model knows no rows, no index and no code of `lifecycle`: lists of what happened, searched from the start.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rollbook::cli::view::{Until, View};
use rollbook::event::body::Body;
use rollbook::event::release::{ChangeOutcome, Serving};
use rollbook::ledger::receipt::AppendError;
use rollbook::lifecycle::refusal::Refusal;
use rollbook::log::reader::LogReader;
use rollbook::log::trust_root::TrustRoot;
use rollbook::note::checkpoint::Origin;
use rollbook::time::{MINUTE_MS, Timestamp};
use rollbook::timeline::chronicle::{Basis, Chronicle, Query, Stretch};
use rollbook::timeline::collector::Collector;
use rollbook::verifier::replay::Watch;
use rollbook::verifier::verify::{Options, verify_dir};

use crate::support::events;
use crate::support::test_ledger::{TestLedger, Who, sign};

const POLICY: &str = "schema = 2
administrators.threshold = 1
[[environment]]
name = 'staging'
[[environment]]
name = 'production'
[environment.promote]
approvals = 1
after = ['staging']
served_for = '10m'
evaluations = [{ kind = 'fairness', max_age = '2h' }]
[environment.rollback]
approvals = 1
incident = true
drain = true
[environment.rollback.break_glass]
roles = ['responder']
ratify_within = '30m'
";

const VERSIONS: [&str; 3] = ["v1", "v2", "v3"];
const ENVIRONMENTS: [&str; 2] = ["staging", "production"];
const INCIDENTS: [&str; 2] = ["INC-1", "INC-2"];
const PEOPLE: [Who; 6] =
    [Who::Registrar, Who::Deployer, Who::Approver, Who::Responder, Who::Evaluator, Who::Stranger];

/// Something that somebody tries.
#[derive(Debug, Clone)]
enum Act {
    Register {
        version: usize,
    },
    Retire {
        version: usize,
    },
    Evaluate {
        version: usize,
        passes: bool,
        bounded: bool,
    },
    Promote {
        version: usize,
        place: usize,
        stale: bool,
    },
    RollBack {
        to: usize,
        place: usize,
        incident: Option<usize>,
        drained: bool,
        glass: bool,
    },
    Withdraw {
        place: usize,
    },
    /// Of the change so many changes ago.
    Complete {
        back: usize,
        outcome: ChangeOutcome,
    },
    Open {
        incident: usize,
        place: usize,
    },
    Resolve {
        incident: usize,
    },
    /// Of the rollback so many changes ago.
    Ratify {
        back: usize,
    },
    Accept {
        back: usize,
    },
    Note,
    Wait {
        minutes: i64,
    },
}

#[derive(Debug, Clone)]
struct Step {
    act: Act,
    proposer: usize,
    approver: Option<usize>,
}

fn act() -> impl Strategy<Value = Act> {
    let version = 0..VERSIONS.len();
    let place = 0..ENVIRONMENTS.len();
    let incident = 0..INCIDENTS.len();
    let outcome = prop_oneof![
        3 => Just(ChangeOutcome::Succeeded),
        1 => Just(ChangeOutcome::Failed),
        1 => Just(ChangeOutcome::Aborted)
    ];
    prop_oneof![
        3 => version.clone().prop_map(|version| Act::Register { version }),
        1 => version.clone().prop_map(|version| Act::Retire { version }),
        5 => (version.clone(), prop::bool::weighted(0.8), prop::bool::weighted(0.9))
            .prop_map(|(version, passes, bounded)| Act::Evaluate { version, passes, bounded }),
        12 => (version.clone(), place.clone(), prop::bool::weighted(0.1))
            .prop_map(|(version, place, stale)| Act::Promote { version, place, stale }),
        8 => (version, place.clone(), prop::option::weighted(0.8, incident.clone()), any::<bool>(), any::<bool>())
            .prop_map(|(to, place, incident, drained, glass)| Act::RollBack { to, place, incident, drained, glass }),
        1 => place.clone().prop_map(|place| Act::Withdraw { place }),
        4 => (0..3usize, outcome).prop_map(|(back, outcome)| Act::Complete { back, outcome }),
        4 => (incident.clone(), place).prop_map(|(incident, place)| Act::Open { incident, place }),
        1 => incident.prop_map(|incident| Act::Resolve { incident }),
        4 => (0..3usize).prop_map(|back| Act::Ratify { back }),
        1 => (0..3usize).prop_map(|back| Act::Accept { back }),
        1 => Just(Act::Note),
        4 => (1..40i64).prop_map(|minutes| Act::Wait { minutes }),
    ]
}

/// Mostly somebody who may, and now and then anybody.
fn step() -> impl Strategy<Value = Step> {
    let anybody = 0..PEOPLE.len();
    let approver = prop_oneof![
        6 => Just(Some(2)),
        3 => Just(None),
        1 => anybody.clone().prop_map(Some)
    ];
    (act(), prop::bool::weighted(0.85), anybody, approver).prop_map(|(act, fitting, anybody, approver)| {
        let fits = match act {
            Act::Register { .. } | Act::Retire { .. } => 0,
            Act::Evaluate { .. } => 4,
            Act::RollBack { .. } | Act::Open { .. } | Act::Resolve { .. } => 3,
            Act::Ratify { .. } => 2,
            _ => 1,
        };
        Step { act, proposer: if fitting { fits } else { anybody }, approver }
    })
}

// The model: what happened, as lists.

#[derive(Debug, Clone, PartialEq)]
struct Change {
    entry: u64,
    place: usize,
    before: Vec<(usize, u64)>,
    reported: bool,
}

#[derive(Debug, Clone)]
struct Measured {
    version: usize,
    passed: bool,
    bounded: bool,
    at: Timestamp,
}

#[derive(Debug, Clone)]
struct Glass {
    entry: u64,
    due: Timestamp,
    settled: bool,
    accepted: bool,
}

/// Version and entry of what serves in each environment.
type Served = [Option<(usize, u64)>; 2];

#[derive(Debug, Default)]
struct Model {
    registered: Vec<usize>,
    retired: Vec<usize>,
    measured: Vec<Measured>,
    /// What serves in each environment, the newest last, and by which entry.
    stacks: [Vec<(usize, u64)>; 2],
    changes: Vec<Change>,
    /// Stretches in which a version served: environment, version, from, until.
    stretches: Vec<(usize, usize, Timestamp, Option<Timestamp>)>,
    /// Who was first put in an environment by which entry.
    first: Vec<(usize, usize, u64)>,
    open: Vec<(usize, usize)>,
    glasses: Vec<Glass>,
    /// Behind each entry, by index: when it was recorded, and what serves in each environment.
    told: BTreeMap<u64, (Timestamp, Served)>,
}

impl Model {
    fn lives(&self, version: usize) -> bool {
        self.registered.contains(&version) && !self.retired.contains(&version)
    }

    fn serving(&self, place: usize) -> Option<(usize, u64)> {
        self.stacks[place].last().copied()
    }

    fn served_ms(&self, place: usize, version: usize, now: Timestamp) -> i64 {
        let of_version = self.stretches.iter().filter(|of| (of.0, of.1) == (place, version));
        of_version.map(|(_, _, from, until)| until.unwrap_or(now).since_ms(*from)).sum()
    }

    fn has_served(&self, place: usize, version: usize) -> bool {
        self.first.iter().any(|of| (of.0, of.1) == (place, version))
    }

    /// `from` is right: the events are built from what the ledger says serves.
    fn may(&self, step: &Step, now: Timestamp) -> bool {
        let by = |who: &[usize]| who.contains(&step.proposer);
        // Everyone who signs is in order: an approver, and not the proposer once more.
        let approver_fits = step.approver.is_none_or(|approver| approver == 2 && step.proposer != 2);
        let approved = step.approver.is_some();
        match step.act {
            Act::Wait { .. } => true,
            Act::Note => step.proposer != 5 && approver_fits,
            Act::Register { version } => by(&[0]) && approver_fits && !self.registered.contains(&version),
            Act::Retire { version } => by(&[0]) && approver_fits && self.lives(version),
            Act::Evaluate { version, .. } => by(&[4]) && approver_fits && self.registered.contains(&version),
            Act::Promote { version, place, stale } => {
                let production = place == 1;
                let newest = self.measured.iter().rev().find(|of| of.version == version);
                let measured = newest
                    .is_some_and(|of| of.passed && of.bounded && now.since_ms(of.at) <= 120 * MINUTE_MS);
                let served = self.has_served(0, version) && self.served_ms(0, version, now) >= 10 * MINUTE_MS;
                by(&[1])
                    && approver_fits
                    && self.lives(version)
                    && !stale
                    && self.serving(place).is_none_or(|(serving, _)| serving != version)
                    && (!production || (approved && measured && served))
            }
            Act::RollBack { to, place, incident, drained, glass } => {
                let production = place == 1;
                let below = self.stacks[place].iter().rev().skip(1).any(|(version, _)| *version == to);
                let is_open = incident.is_some_and(|incident| self.open.contains(&(incident, place)));
                let rules = if !production {
                    !glass && by(&[1, 3])
                } else if glass {
                    by(&[3])
                } else {
                    by(&[1, 3]) && approved && drained
                };
                let names_well = if production || incident.is_some() { is_open } else { true };
                rules && approver_fits && below && self.lives(to) && names_well
            }
            Act::Withdraw { place } => by(&[1, 3]) && approver_fits && self.serving(place).is_some(),
            Act::Complete { back, outcome } => {
                let Some(change) = self.change(back) else { return false };
                let newest = self.changes.iter().rev().find(|of| of.place == change.place).unwrap();
                let waits = !change.reported && self.remembered(change);
                by(&[1, 3])
                    && approver_fits
                    && waits
                    && (outcome == ChangeOutcome::Succeeded || newest == change)
            }
            Act::Open { incident, place } => {
                by(&[3]) && approver_fits && !self.open.contains(&(incident, place))
            }
            Act::Resolve { incident } => {
                by(&[3]) && approver_fits && self.open.iter().any(|of| of.0 == incident)
            }
            Act::Ratify { back } => {
                let glass = self.change(back).and_then(|change| self.glass(change.entry));
                step.proposer == 2
                    && step.approver.is_none_or(|approver| approver == 2)
                    && glass.is_some_and(|glass| !glass.settled && now <= glass.due)
            }
            // Proposed by an administrator, whatever the step says.
            Act::Accept { back } => {
                let glass = self.change(back).and_then(|change| self.glass(change.entry));
                glass.is_some_and(|glass| !glass.settled && now > glass.due)
            }
        }
    }

    /// Eight older changes of a slot may still report.
    fn remembered(&self, change: &Change) -> bool {
        let of_place = self.changes.iter().filter(|of| of.place == change.place);
        let younger: Vec<&Change> = of_place.filter(|of| of.entry > change.entry).collect();
        let unreported_before_newest = younger.iter().filter(|of| !of.reported).count();
        younger.is_empty() || unreported_before_newest <= 8
    }

    fn change(&self, back: usize) -> Option<&Change> {
        self.changes.iter().rev().nth(back)
    }

    fn glass(&self, entry: u64) -> Option<&Glass> {
        self.glasses.iter().find(|glass| glass.entry == entry)
    }

    fn moves(&mut self, place: usize, stack: Vec<(usize, u64)>, entry: u64, now: Timestamp) {
        let before = std::mem::replace(&mut self.stacks[place], stack);
        self.stretch(place, before.last().copied(), now);
        self.changes.push(Change { entry, place, before, reported: false });
    }

    /// Ends the stretch of what served, and begins that of what serves.
    fn stretch(&mut self, place: usize, left: Option<(usize, u64)>, now: Timestamp) {
        let comes = self.serving(place).map(|(version, _)| version);
        if left.map(|(version, _)| version) == comes {
            return;
        }
        for of in self.stretches.iter_mut().filter(|of| of.0 == place && of.3.is_none()) {
            of.3 = Some(now);
        }
        self.stretches.extend(comes.map(|version| (place, version, now, None)));
    }

    /// Takes over what was accepted as `entry`.
    fn take(&mut self, step: &Step, entry: u64, now: Timestamp) {
        match step.act {
            Act::Wait { .. } | Act::Note => {}
            Act::Register { version } => self.registered.push(version),
            Act::Retire { version } => self.retired.push(version),
            Act::Evaluate { version, passes, bounded } => {
                let passed = passes || !bounded;
                self.measured.push(Measured { version, passed, bounded, at: now });
            }
            Act::Promote { version, place, .. } => {
                let mut stack = self.stacks[place].clone();
                stack.retain(|(of, _)| *of != version);
                stack.push((version, entry));
                self.moves(place, stack, entry, now);
                if !self.has_served(place, version) {
                    self.first.push((place, version, entry));
                }
            }
            Act::RollBack { to, place, glass, .. } => {
                let target = self.stacks[place].iter().position(|(version, _)| *version == to).unwrap();
                let mut stack = self.stacks[place][..target].to_vec();
                stack.push((to, entry));
                self.moves(place, stack, entry, now);
                if glass {
                    let due = now.plus_ms(30 * MINUTE_MS);
                    self.glasses.push(Glass { entry, due, settled: false, accepted: false });
                }
            }
            Act::Withdraw { place } => self.moves(place, Vec::new(), entry, now),
            Act::Complete { back, outcome } => {
                let change = self.change(back).unwrap().clone();
                self.changes.iter_mut().find(|of| of.entry == change.entry).unwrap().reported = true;
                if outcome != ChangeOutcome::Succeeded {
                    let undone = self.serving(change.place);
                    self.stacks[change.place] = change.before;
                    // The time of what failed does not count, and the first such time is as if it had not been.
                    if let Some((version, by)) =
                        undone.filter(|_| undone.map(|of| of.0) != self.serving(change.place).map(|of| of.0))
                    {
                        self.stretches.retain(|of| !(of.0 == change.place && of.3.is_none()));
                        self.first.retain(|of| *of != (change.place, version, by));
                    }
                    let came = self.serving(change.place);
                    let running = self.stretches.iter().any(|of| of.0 == change.place && of.3.is_none());
                    if let (Some((version, _)), false) = (came, running) {
                        self.stretches.push((change.place, version, now, None));
                    }
                }
            }
            Act::Open { incident, place } => self.open.push((incident, place)),
            Act::Resolve { incident } => self.open.retain(|of| of.0 != incident),
            Act::Ratify { back } | Act::Accept { back } => {
                let entry = self.change(back).unwrap().entry;
                let glass = self.glasses.iter_mut().find(|glass| glass.entry == entry).unwrap();
                glass.settled = true;
                glass.accepted = matches!(step.act, Act::Accept { .. });
            }
        }
    }
}

// The ledger.

/// The body of the event that a step tries.
fn body(test: &TestLedger, model: &Model, act: &Act) -> Body {
    let name = |place: usize| ENVIRONMENTS[place];
    let from = |place: usize| {
        let (version, entry) = model.serving(place)?;
        Some(Serving { version: events::name(VERSIONS[version]), entry })
    };
    let from_or_none = |place: usize| from(place).unwrap_or_else(|| events::serving("v1", 1));
    let entry_of = |back: usize| model.change(back).map_or(0, |change| change.entry);
    match *act {
        Act::Register { version } => events::register(VERSIONS[version]).into(),
        Act::Retire { version } => events::retire(VERSIONS[version]).into(),
        Act::Evaluate { version, passes, bounded } => {
            let value = if passes { 0.04 } else { 0.29 };
            let metric = events::metric("demographic_parity_difference", value, bounded.then_some(0.1));
            let kind = rollbook::event::model::EvaluationKind::Fairness;
            events::evaluate(VERSIONS[version], kind, vec![metric]).into()
        }
        Act::Promote { version, place, stale } => {
            let mut body = events::promote(VERSIONS[version], name(place), from(place));
            if stale {
                body.policy_entry = 1;
            }
            body.into()
        }
        Act::RollBack { to, place, incident, drained, glass } => {
            let mut body = events::roll_back(name(place), from_or_none(place), VERSIONS[to]);
            body.incident = incident.map(|incident| events::name(INCIDENTS[incident]));
            body.session_state = drained.then_some(rollbook::event::release::SessionState::Drained);
            body.break_glass = glass;
            body.into()
        }
        Act::Withdraw { place } => events::withdraw(name(place), from_or_none(place)).into(),
        Act::Complete { back, outcome } => {
            let mut body = events::complete(entry_of(back), outcome);
            body.completed_at = test.now();
            body.into()
        }
        Act::Open { incident, place } => {
            let mut body = events::incident(INCIDENTS[incident], name(place));
            body.detected_at = test.now();
            body.into()
        }
        Act::Resolve { incident } => {
            let mut body = events::resolved(INCIDENTS[incident]);
            body.resolved_at = test.now();
            body.into()
        }
        Act::Ratify { back } => events::ratify(entry_of(back)).into(),
        Act::Accept { back } => events::accept(entry_of(back), &["break_glass.not_ratified"]).into(),
        Act::Note | Act::Wait { .. } => events::note(0).into(),
    }
}

fn signers(step: &Step) -> Vec<Who> {
    if matches!(step.act, Act::Accept { .. }) {
        return vec![Who::Admin];
    }
    let proposer = PEOPLE[step.proposer];
    let approver = step.approver.map(|approver| PEOPLE[approver]).filter(|who| *who != proposer);
    std::iter::once(proposer).chain(approver).collect()
}

fn play(steps: &[Step]) -> Result<u64, TestCaseError> {
    let test = TestLedger::governed(POLICY);
    let ledger = test.open();
    let mut model = Model::default();
    let mut accepted = 0;
    for (number, step) in steps.iter().enumerate() {
        if let Act::Wait { minutes } = step.act {
            test.clock.advance_ms(minutes * MINUTE_MS);
            continue;
        }
        let signers = signers(step);
        let mut step = step.clone();
        // A signature once is once, whoever was to approve.
        step.approver = step.approver.filter(|_| signers.len() > 1);
        let event = test.event(signers[0], body(&test, &model, &step.act));
        let outcome = ledger.append(sign(&event, &signers));
        let expected = model.may(&step, test.now());
        match outcome {
            Ok(receipt) => {
                prop_assert!(
                    expected,
                    "step {number}, {step:?}: recorded, and the model says no\n{model:#?}"
                );
                model.take(&step, receipt.index, test.now());
                model.told.insert(receipt.index, (test.now(), [model.serving(0), model.serving(1)]));
                accepted += 1;
            }
            Err(AppendError::Refused(refusal)) => {
                prop_assert!(
                    !expected,
                    "step {number}, {step:?}: {refusal}, and the model says yes\n{model:#?}"
                );
                let reused = matches!(refusal, Refusal::EventIdReused { .. });
                prop_assert!(!reused);
            }
            Err(error) => prop_assert!(false, "step {number}, {step:?}: {error}"),
        }
        test.clock.advance_ms(MINUTE_MS);
    }
    drop(ledger);
    verifies(&test, &model)?;
    tells_what_served(&test, &model)?;
    Ok(accepted)
}

/// What a chronicle says served when is what the model says: read without trust and as the verifier shows it, whole
/// and of a part of the time.
fn tells_what_served(test: &TestLedger, model: &Model) -> Result<(), TestCaseError> {
    let reader = || LogReader::open(&test.dir()).unwrap();
    let read = |query: Query| {
        let mut collector = Collector::new(query);
        View::replay_shown(reader(), Until::Now, &mut collector).unwrap();
        collector.finish(Basis::default())
    };
    let whole = read(Query::default());
    let mut collector = Collector::new(Query::default());
    let watch = Watch::new(&mut collector);
    let options = Options { watch: Some(&watch), threads: Some(1), ..Options::default() };
    verify_dir(&test.dir(), &options, &|_, _| {}).unwrap();
    prop_assert_eq!(&collector.finish(Basis::default()), &whole);

    for (index, (_, served)) in &model.told {
        for (place, expected) in served.iter().enumerate() {
            let told = serving_at(&whole, ENVIRONMENTS[place], *index);
            let expected = expected.map(|(version, entry)| (VERSIONS[version].to_owned(), entry));
            prop_assert_eq!(told, expected, "{} behind entry {}", ENVIRONMENTS[place], index);
        }
    }

    let times: Vec<Timestamp> = model.told.values().map(|(recorded_at, _)| *recorded_at).collect();
    let (Some(&since), Some(&until)) = (times.get(times.len() / 3), times.get(times.len() * 2 / 3)) else {
        return Ok(());
    };
    let part = read(Query { since: Some(since), until: Some(until), ..Query::default() });
    let stretches = |chronicle: &Chronicle| {
        let stretches = chronicle.lanes.iter().flat_map(|lane| {
            lane.stretches.iter().map(|of| (lane.environment.clone(), of.opened.clone(), of.version.clone()))
        });
        stretches.collect::<Vec<_>>()
    };
    let overlaps = |stretch: &Stretch| {
        stretch.opened.recorded_at < until && stretch.closed.as_ref().is_none_or(|by| by.recorded_at > since)
    };
    let mut expected = whole.clone();
    for lane in &mut expected.lanes {
        lane.stretches.retain(overlaps);
    }
    prop_assert_eq!(stretches(&part), stretches(&expected));
    let rows: Vec<u64> = part.rows.iter().map(|row| row.entry.index).collect();
    let then = whole.rows.iter().filter(|row| (since..until).contains(&row.entry.recorded_at));
    prop_assert_eq!(rows, then.map(|row| row.entry.index).collect::<Vec<_>>());
    Ok(())
}

fn serving_at(chronicle: &Chronicle, environment: &str, index: u64) -> Option<(String, u64)> {
    let lane = chronicle.lanes.iter().find(|lane| lane.environment.as_str() == environment)?;
    let covers = |stretch: &&Stretch| {
        stretch.opened.index <= index && stretch.closed.as_ref().is_none_or(|by| index < by.index)
    };
    let mut covering = lane.stretches.iter().filter(covers);
    let stretch = covering.next()?;
    assert!(covering.next().is_none(), "two versions serve behind entry {index}");
    Some((stretch.version.to_string(), stretch.authorised.index))
}

/// What was accepted is sound, but for the glass that the model says nobody stood behind.
fn verifies(test: &TestLedger, model: &Model) -> Result<(), TestCaseError> {
    let origin = Origin::new(crate::support::test_ledger::ORIGIN).unwrap();
    let trust = TrustRoot::new(origin, test.id(), Who::LogKey.secret().public_key()).unwrap();
    let options = Options { trust: Some(&trust), threads: Some(1), ..Options::default() };
    let report = verify_dir(&test.dir(), &options, &|_, _| {}).unwrap();
    let last = report.last_recorded_at.unwrap();
    let lapsed = |glass: &&Glass| glass.accepted || (!glass.settled && glass.due < last);
    let expected: Vec<u64> = model.glasses.iter().filter(lapsed).map(|glass| glass.entry).collect();
    let found = report.findings.iter().filter(|found| !found.code().starts_with("recovery."));
    let found: Vec<(String, u64)> =
        found.map(|found| (found.code().into_owned(), found.index().unwrap())).collect();
    let expected_codes: Vec<(String, u64)> =
        expected.iter().map(|&entry| ("break_glass.not_ratified".to_owned(), entry)).collect();
    prop_assert_eq!(found, expected_codes);
    let open = model.glasses.iter().any(|glass| !glass.settled && glass.due < last);
    prop_assert_eq!(report.verdict.exit_code(), u8::from(open));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn the_ledger_accepts_exactly_what_the_model_accepts(
        at_random in prop::collection::vec(step(), 60..160),
        from_the_start in prop::bool::weighted(0.2),
    ) {
        let mut steps = if from_the_start { Vec::new() } else { two_in_production() };
        steps.extend(at_random);
        play(&steps)?;
    }
}

/// Two versions go through staging to production: random steps alone seldom come so far.
fn two_in_production() -> Vec<Step> {
    let by = |proposer: usize, act: Act| Step { act, proposer, approver: None };
    let of_version = |version| {
        [
            by(0, Act::Register { version }),
            by(4, Act::Evaluate { version, passes: true, bounded: true }),
            by(1, Act::Promote { version, place: 0, stale: false }),
            by(1, Act::Wait { minutes: 10 }),
            Step { approver: Some(2), ..by(1, Act::Promote { version, place: 1, stale: false }) },
            by(1, Act::Complete { back: 0, outcome: ChangeOutcome::Succeeded }),
        ]
    };
    [of_version(0), of_version(1)].concat()
}

/// A story that is known to reach what random ones rarely do: each act accepted at least once.
#[test]
fn the_model_accepts_a_whole_story() {
    let by = |proposer: usize, act: Act| Step { act, proposer, approver: None };
    let with = |proposer: usize, act: Act| Step { act, proposer, approver: Some(2) };
    let mut steps = two_in_production();
    steps.push(by(3, Act::Open { incident: 0, place: 1 }));
    let glass = Act::RollBack { to: 0, place: 1, incident: Some(0), drained: false, glass: true };
    steps.push(by(3, glass.clone()));
    steps.push(by(2, Act::Ratify { back: 0 }));
    steps.push(with(1, Act::Promote { version: 1, place: 1, stale: false }));
    steps.push(by(3, glass));
    steps.push(by(3, Act::Wait { minutes: 30 }));
    steps.push(by(3, Act::Accept { back: 0 }));
    steps.push(by(3, Act::Resolve { incident: 0 }));
    steps.push(by(1, Act::Withdraw { place: 0 }));
    steps.push(by(0, Act::Retire { version: 1 }));
    steps.push(by(4, Act::Note));
    let waits = steps.iter().filter(|step| matches!(step.act, Act::Wait { .. })).count();
    let accepted = play(&steps).unwrap();
    assert_eq!(accepted, (steps.len() - waits) as u64);
}
