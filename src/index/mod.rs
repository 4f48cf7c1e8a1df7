//! The writer's derived index, bytes only: sled for the few rows that change, flat files for what grows.
//!
//! Nothing here is ever believed (decision 1). The whole directory `index/` can be removed at any time and is
//! rebuilt from `log/`; what it is built for, and whether that is the log's head, `ledger` decides. Readers never
//! open sled, and the verifier opens nothing here.
//!
//! | module | holds |
//! |---|---|
//! | [`rows`] | sled behind one type: keys and values, each checksummed |
//! | [`ids`] | `index/ids/`: which entry used an id that could still come again |
//! | [`flat`] | append-only files of fixed-width records, readable without a lock |
//! | [`offsets`] | `index/offsets`: where each entry lies in the log |
//! | [`tiles`] | `index/tiles/`: the hashes of the tree's full subtrees, eight levels apart |

pub mod flat;
pub mod ids;
pub mod offsets;
pub mod rows;
pub mod tiles;
