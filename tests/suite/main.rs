//! The one integration test binary: a module for each topic.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on is to end where it stands")]
#![expect(unreachable_pub, reason = "a test binary exports nothing: `pub` is for the other modules")]

mod attachments;
mod authority;
mod cli_golden;
mod cli_policy;
mod cli_reading;
mod cli_recovery;
mod cli_refusals;
mod cli_rotation;
mod cli_settings;
mod cli_signing;
mod ed25519_vectors;
mod format_golden;
mod format_mutations;
mod format_rejected;
mod format_tables;
mod format_wincode;
mod frame_vectors;
mod gate;
mod house;
mod index_damage;
mod index_upkeep;
mod kept_state;
mod ledger_append;
mod ledger_create;
mod ledger_faults;
mod ledger_index;
mod ledger_lock;
mod ledger_readers;
mod ledger_recovery;
mod ledger_rotation;
mod log_key_rotation;
mod measurements;
mod merkle_oracles;
mod note_oracles;
mod operating;
mod policy_docs;
mod policy_properties;
mod power_cuts;
mod real_alertmanager;
mod real_full_disk;
mod real_git;
mod real_keys;
mod real_signers;
mod real_users;
mod regulated_story;
mod rule_rows_of_evidence;
mod rule_table;
mod rules_model;
mod store_kill;
mod support;
mod verifier_attacks;
mod writer_kills;
mod writer_races;
