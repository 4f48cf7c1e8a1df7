//! Our own objects: what `rollbook log --json` prints of an entry, with the ledger's name and id, and with the keys that
//! signed in place of the signatures. Those are over the event's bytes, which no JSON gives back: the entry does, by its
//! index.

use serde_json::Value;

use super::told::Told;

/// The entry.
#[must_use]
pub fn object(told: &Told<'_>) -> Value {
    told.entry_json()
}
