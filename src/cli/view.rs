//! The release state as a reader replays it, without a lock.

use std::ops::ControlFlow;
use std::sync::Arc;

use crate::cli::failure::Failure;
use crate::event::model::EvaluationKind;
use crate::event::text::{EnvironmentName, Name};
use crate::hash::Hash;
use crate::ledger::writer::Ledger;
use crate::lifecycle::onlooker::{Onlooker, Seen};
use crate::lifecycle::policy::ReleasePolicy;
use crate::lifecycle::rules::{GitEvidence, Submission, replay};
use crate::lifecycle::state::{Charter, Evaluations, NoSource, Row, RowKey, Slot, State, VersionRow};
use crate::log::entry::Entry;
use crate::log::reader::{LogReader, LoggedEntry};
use crate::time::Timestamp;
use crate::timeline::prose::People;

/// Up to where a view replays.
#[derive(Debug, Clone, Copy)]
pub enum Until {
    /// All that is published.
    Now,
    /// The entries recorded at this time or before.
    Time(Timestamp),
    /// The entries up to this index, itself included.
    Index(u64),
}

impl Until {
    /// Whether it reaches as far as the entry `index`, recorded at `recorded_at`.
    #[must_use]
    pub const fn takes_in(self, index: u64, recorded_at: Timestamp) -> bool {
        match self {
            Self::Now => true,
            Self::Time(time) => recorded_at.as_millis() <= time.as_millis(),
            Self::Index(last) => index <= last,
        }
    }
}

/// The release state at some point of the log.
pub struct View {
    /// The log.
    pub reader: LogReader,
    /// The state.
    pub state: State<NoSource>,
    /// When the last entry that was replayed was recorded.
    pub last_recorded: Timestamp,
}

impl View {
    /// Replays the log.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn replay(reader: LogReader, until: Until) -> Result<Self, Failure> {
        Self::replay_with(reader, until, |_| {})
    }

    /// As [`View::replay`]; `each` is shown every entry that the rules accept.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn replay_with(
        reader: LogReader,
        until: Until,
        mut each: impl FnMut(&LoggedEntry),
    ) -> Result<Self, Failure> {
        Self::walk(reader, until, |state, logged| {
            if replay_entry(state, logged) {
                each(logged);
            }
            ControlFlow::Continue(())
        })
    }

    /// As [`View::replay`]; `onlooker` is shown every entry, as long as it wants more.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn replay_shown<O: Onlooker>(
        reader: LogReader,
        until: Until,
        onlooker: &mut O,
    ) -> Result<Self, Failure> {
        onlooker.begin();
        Self::walk(reader, until, |state, logged| {
            if !onlooker.wants_more() {
                return ControlFlow::Break(());
            }
            let Entry { index, recorded_at, .. } = logged.entry;
            onlooker.reached(index, recorded_at, state);
            let lawful = Some(replay_entry(state, logged));
            let (leaf_hash, event) = (logged.leaf_hash, &logged.event);
            let signers = &logged.entry.envelope.signers();
            onlooker.saw(&Seen { index, leaf_hash, recorded_at, event, signers, lawful }, state);
            ControlFlow::Continue(())
        })
    }

    /// Hands entries up to `until` to `step`, which replays each, until it breaks.
    fn walk(
        reader: LogReader,
        until: Until,
        mut step: impl FnMut(&mut State<NoSource>, &LoggedEntry) -> ControlFlow<()>,
    ) -> Result<Self, Failure> {
        let mut view = Self { reader, state: State::default(), last_recorded: Timestamp::EPOCH };
        let (state, last) = (&mut view.state, &mut view.last_recorded);
        view.reader.for_each_ahead::<Failure>(|logged| {
            let Entry { index, recorded_at, .. } = logged.entry;
            if !until.takes_in(index, recorded_at) || step(state, logged).is_break() {
                return Ok(ControlFlow::Break(()));
            }
            *last = recorded_at;
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(view)
    }

    /// Who holds which key, as the state knows them.
    #[must_use]
    pub fn people(&self) -> People {
        let holders = self.state.rows().filter_map(|(key, row)| match (key, row) {
            (RowKey::Holder(key), Row::Holder(holder)) => Some((*key, holder.person.clone())),
            _ => None,
        });
        holders.collect()
    }
}

/// Takes over what an entry changes. Says whether the rules accept it.
fn replay_entry(state: &mut State<NoSource>, logged: &LoggedEntry) -> bool {
    let (entry, signers) = (&logged.entry, logged.entry.envelope.signers());
    let submission = Submission {
        index: entry.index,
        leaf_hash: logged.leaf_hash,
        recorded_at: entry.recorded_at,
        event: &logged.event,
        signers: &signers,
        git: GitEvidence::Believed,
    };
    let Ok((changes, refusal)) = replay(state, &submission);
    state.commit(changes, entry.recorded_at);
    refusal.is_none()
}

/// What commands fill in from the ledger: asked of the writer, or of a reader's view.
pub trait Facts {
    /// What holds for the whole ledger.
    fn charter(&mut self) -> Result<Arc<Charter>, Failure>;
    /// A registered version.
    fn version(&mut self, model: &Name, version: &Name) -> Result<Option<Arc<VersionRow>>, Failure>;
    /// What serves.
    fn slot(&mut self, model: &Name, environment: &EnvironmentName) -> Result<Option<Arc<Slot>>, Failure>;
    /// The newest evaluations of a digest, of one kind.
    fn evaluations(
        &mut self,
        digest: Hash,
        kind: EvaluationKind,
    ) -> Result<Option<Arc<Evaluations>>, Failure>;
    /// The policy in force.
    fn policy(&mut self) -> Result<Arc<ReleasePolicy>, Failure>;
}

impl Facts for &Ledger {
    fn charter(&mut self) -> Result<Arc<Charter>, Failure> {
        Ok(Ledger::charter(self)?)
    }

    fn version(&mut self, model: &Name, version: &Name) -> Result<Option<Arc<VersionRow>>, Failure> {
        Ok(Ledger::version(self, model, version)?)
    }

    fn slot(&mut self, model: &Name, environment: &EnvironmentName) -> Result<Option<Arc<Slot>>, Failure> {
        Ok(Ledger::slot(self, model, environment)?)
    }

    fn evaluations(
        &mut self,
        digest: Hash,
        kind: EvaluationKind,
    ) -> Result<Option<Arc<Evaluations>>, Failure> {
        Ok(Ledger::evaluations(self, digest, kind)?)
    }

    fn policy(&mut self) -> Result<Arc<ReleasePolicy>, Failure> {
        Ok(Ledger::policy(self)?)
    }
}

impl Facts for View {
    fn charter(&mut self) -> Result<Arc<Charter>, Failure> {
        let Ok(charter) = self.state.charter();
        charter.ok_or_else(|| {
            Failure::world("the log begins with no lawful ledger.created: run `rollbook verify`")
        })
    }

    fn version(&mut self, model: &Name, version: &Name) -> Result<Option<Arc<VersionRow>>, Failure> {
        let Ok(row) = self.state.version(model, version);
        Ok(row)
    }

    fn slot(&mut self, model: &Name, environment: &EnvironmentName) -> Result<Option<Arc<Slot>>, Failure> {
        let Ok(slot) = self.state.slot(model, environment);
        Ok(slot)
    }

    fn evaluations(
        &mut self,
        digest: Hash,
        kind: EvaluationKind,
    ) -> Result<Option<Arc<Evaluations>>, Failure> {
        let Ok(row) = self.state.evaluations(digest, kind);
        Ok(row)
    }

    fn policy(&mut self) -> Result<Arc<ReleasePolicy>, Failure> {
        let Ok(policy) = self.state.policy();
        policy.ok_or_else(|| Failure::world("the policy in force cannot be read: run `rollbook verify`"))
    }
}
