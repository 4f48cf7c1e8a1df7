//! What happened, for people: who served where and when, told from entries that are handed in.
//!
//! A [`collector::Collector`] is shown every entry in order, with the release state behind it, and keeps what a
//! question asks for. The rest renders what it kept. Nothing here opens a file, reads a clock, or decides what is lawful.

pub mod about;
pub mod caption;
pub mod chronicle;
pub mod collector;
pub mod colour;
pub mod columns;
pub mod csv;
pub mod findings;
pub mod html;
pub mod json;
pub mod label;
pub mod lane;
pub mod layout;
pub mod md;
pub mod prose;
pub mod scale;
pub mod svg;
pub mod text;
mod trail;
pub mod zone;
