//! How entries are shown to whoever tells of them: one by one, in order, with the release state behind each. Whoever
//! replays the log shows them: a reader, or the verifier as it goes.

use std::convert::Infallible;
use std::sync::Arc;

use crate::event::body::Event;
use crate::hash::Hash;
use crate::lifecycle::policy::ReleasePolicy;
use crate::lifecycle::state::{Row, RowKey, RowSource, State};
use crate::signing::public_key::PublicKey;
use crate::time::Timestamp;

/// An entry.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// Its index.
    pub index: u64,
    /// Its leaf hash.
    pub leaf_hash: Hash,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// What it says.
    pub event: &'a Event,
    /// The keys on its envelope, ascending.
    pub signers: &'a [PublicKey],
    /// Whether the rules let it through: what they do not changes nothing. None where they could not be judged.
    pub lawful: Option<bool>,
}

/// The release state behind an entry.
pub trait Rows {
    /// The row of a key.
    fn row(&mut self, key: &RowKey) -> Option<Row>;
    /// The policy in force.
    fn policy(&mut self) -> Option<Arc<ReleasePolicy>>;
    /// All rows, in no order.
    fn all(&self) -> Vec<(RowKey, Row)>;
}

impl<S: RowSource<Error = Infallible>> Rows for State<S> {
    fn row(&mut self, key: &RowKey) -> Option<Row> {
        let Ok(row) = Self::row(self, key);
        row
    }

    fn policy(&mut self) -> Option<Arc<ReleasePolicy>> {
        let Ok(policy) = Self::policy(self);
        policy
    }

    fn all(&self) -> Vec<(RowKey, Row)> {
        self.rows().map(|(key, row)| (key.clone(), row.clone())).collect()
    }
}

/// Whoever is shown entries.
pub trait Onlooker: Send {
    /// Entries are shown from the first one on; what was seen before counts for nothing.
    fn begin(&mut self);

    /// What stands behind all entries so far, before the one is judged that was recorded at `recorded_at`.
    fn reached(&mut self, index: u64, recorded_at: Timestamp, rows: &dyn Rows) {
        let _ = (index, recorded_at, rows);
    }

    /// Whether another entry would tell it anything.
    fn wants_more(&self) -> bool {
        true
    }

    /// The next entry, with the state behind it.
    fn saw(&mut self, seen: &Seen<'_>, rows: &mut dyn Rows);
}
