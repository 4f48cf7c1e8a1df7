//! The auditor's report: what a verified log says of a period, so that two auditors get the same bytes.
//!
//! Pure: what the verifier showed and found comes in, and so do entries that were looked up afterwards; no file is
//! opened, no clock read, nothing left to chance (docs/reports.md).
//!
//! | module | does |
//! |---|---|
//! | [`collect`] | keeps, of the entries that are shown, what the report is about |
//! | [`sample`] | draws changes at random, in a way that anybody can do again |
//! | [`contents`] | what the report holds, as data; put together here |
//! | [`controls`] | which controls the ledger supports, and what in it shows that |
//! | [`layout`] | the report as sections, paragraphs and tables |
//! | [`json`], [`md`], [`html`] | its three forms |

pub mod collect;
pub mod contents;
pub mod controls;
pub mod html;
pub mod json;
pub mod layout;
pub mod lookup;
pub mod md;
pub mod sample;
