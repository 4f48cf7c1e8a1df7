//! Payloads of MLflow, Argo CD and GitHub, and a webhook's headers. What is read stays within bounds and is told apart from
//! its neighbours by its own id; what is not read is told in a short sentence; no signature is taken under a secret that
//! the sender never had.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use rollbook::event::release::ChangeOutcome;
use rollbook::event::text::EnvironmentName;
use rollbook::linkage::argocd::{self, Hook};
use rollbook::linkage::github::{self, Report};
use rollbook::linkage::mlflow::Delivery;
use rollbook::linkage::payload::PayloadError;
use rollbook::linkage::rollout::Rollout;
use rollbook::linkage::webhook::{DELIVERY_AGE_MAX_MS, Headers, WebhookSecret};
use rollbook::time::Timestamp;
use rollbook_fuzz::allocation::within;

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, payload)) = bytes.split_first() else { return };
    // Some forty times the text, and what errors quote of it.
    let held_max = (256 << 10) + 64 * payload.len();
    match kind % 6 {
        0 => told(&within(held_max, || Delivery::parse(payload)), |delivery| {
            assert!(!delivery.to_string().is_empty());
        }),
        1 => told(&within(held_max, || argocd::rollout(payload, None)), application),
        2 => hooked(payload, held_max, Hook::PostSync),
        3 => hooked(payload, held_max, Hook::SyncFail),
        4 => {
            let environments =
                [("Production".to_owned(), EnvironmentName::new("production").expect("a name"))];
            let environments = BTreeMap::from(environments);
            told(&within(held_max, || github::read(payload, None, &environments)), |report| {
                if let Report::Ended(rollout) = report {
                    assert!(
                        rollout.environment.is_some() && rollout.at.is_some() && rollout.commits.len() == 1
                    );
                }
            });
        }
        _ => signed(payload),
    }
});

fn told<T>(read: &Result<T, PayloadError>, check: impl FnOnce(&T)) {
    match read {
        Ok(read) => check(read),
        Err(error) => {
            let told = error.to_string();
            assert!(!told.is_empty() && told.chars().count() < 1_000, "{told}");
        }
    }
}

fn application(rollout: &Rollout) {
    assert!((1..=64).contains(&rollout.commits.len()));
    assert!(rollout.at.is_some() && rollout.outcome != ChangeOutcome::Aborted);
    let id = rollout.report_id.as_str();
    assert!(id.contains('/'));
    assert_eq!(rollout.outcome == ChangeOutcome::Failed, id.contains("/started/"));
}

/// A hook takes only what runs, and without one that is not over.
fn hooked(payload: &[u8], held_max: usize, hook: Hook) {
    told(&within(held_max, || argocd::rollout(payload, Some(hook))), |rollout| {
        assert!(rollout.at.is_none() && rollout.report_id.as_str().contains("/started/"));
        assert!(matches!(argocd::rollout(payload, None), Err(PayloadError::Nothing { .. })));
    });
}

/// Headers up to an empty line, then a body. Nobody here knows the secret.
fn signed(payload: &[u8]) {
    let text = String::from_utf8_lossy(payload);
    let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
    let Ok(headers) = Headers::parse(head.lines()) else { return };
    let secret = WebhookSecret::new(b"2f1c1f0be1b94a0fa38d8a1d5f3f8e55").expect("a secret");
    let checked = secret.check_mlflow(&headers, body.as_bytes(), Timestamp::EPOCH, DELIVERY_AGE_MAX_MS);
    assert!(checked.is_err_and(|error| error.to_string().chars().count() < 1_000));
    assert!(secret.check_github(&headers, body.as_bytes()).is_err());
}
