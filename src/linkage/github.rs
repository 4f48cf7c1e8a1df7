//! GitHub's webhook `deployment_status`: what came of a deployment.
//!
//! `deployment_review` is read as far as is needed to say why it becomes no event: an approval in Rollbook is a
//! signature, and GitHub signs nothing in a person's name.

use std::collections::BTreeMap;

use crate::event::release::ChangeOutcome;
use crate::event::text::{EnvironmentName, Name};
use crate::linkage::json::{Node, shown};
use crate::linkage::payload::{Field, PayloadError, parse};
use crate::linkage::rollout::{Rollout, summary};

/// The field of a deployment's own payload that says which model is deployed.
pub const MODEL_FIELD: &str = "rollbook.dev/model";

/// What GitHub delivers that concerns a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// `deployment_status`: a deployment is over.
    Ended(Rollout),
    /// `deployment_review`: somebody was asked to approve, or did.
    Review,
}

/// Reads the body of a delivery. `event` is what the header `X-GitHub-Event` says, where it is at hand;
/// `environments` are GitHub's names of environments that the ledger calls otherwise.
///
/// # Errors
/// [`PayloadError`], naming the field: it is no such delivery, or the deployment is not over.
pub fn read(
    json: &[u8],
    event: Option<&str>,
    environments: &BTreeMap<String, EnvironmentName>,
) -> Result<Report, PayloadError> {
    let node = parse(json)?;
    let Node::Object(object) = &node else { return Err(Field::root(&node).unfit("is not an object")) };
    let looks_like_a_review = object.contains_key("reviewers") && !object.contains_key("deployment_status");
    let root = Field::root(&node);
    match event {
        Some("deployment_review") => Ok(Report::Review),
        None if looks_like_a_review => Ok(Report::Review),
        None | Some("deployment_status") => rollout(&root, environments).map(Report::Ended),
        Some(other) => {
            Err(root.nothing(format!("is a delivery of `{}`: expected deployment_status", shown(other))))
        }
    }
}

fn rollout(
    root: &Field<'_>,
    environments: &BTreeMap<String, EnvironmentName>,
) -> Result<Rollout, PayloadError> {
    let outcome = outcome(&root.down(&["deployment_status", "state"]))?;
    let deployment = root.get("deployment");
    Ok(Rollout {
        report_id: report_id(root)?,
        environment: Some(environment(&deployment.get("environment"), environments)?),
        model: deployment.down(&["payload", MODEL_FIELD]).maybe_read("a model's name")?,
        commits: vec![deployment.get("sha").commit()?],
        outcome,
        at: Some(at(&root.get("deployment_status"))?),
        summary: summary(&words(root)?),
    })
}

/// What a state says of the change; it must be the last one.
fn outcome(state: &Field<'_>) -> Result<ChangeOutcome, PayloadError> {
    match state.text()? {
        "success" => Ok(ChangeOutcome::Succeeded),
        "failure" | "error" => Ok(ChangeOutcome::Failed),
        "inactive" => {
            Err(state.nothing("is `inactive`: another deployment has taken its place, and reports itself"))
        }
        word @ ("in_progress" | "queued" | "pending" | "waiting") => {
            Err(state.nothing(format!("is `{word}`: it is not over, expected success, failure or error")))
        }
        other => Err(state.unknown(other, &["success", "failure", "error"])),
    }
}

/// The repository, and the status's id in it.
fn report_id(root: &Field<'_>) -> Result<Name, PayloadError> {
    let (status, repository) =
        (root.down(&["deployment_status", "id"]), root.down(&["repository", "full_name"]));
    let id = format!("{}/deployment_status/{}", repository.text()?, status.id()?);
    Name::new(id).map_err(|error| repository.unfit(error.to_string()))
}

fn environment(
    place: &Field<'_>,
    environments: &BTreeMap<String, EnvironmentName>,
) -> Result<EnvironmentName, PayloadError> {
    let name = place.text()?;
    match environments.get(name) {
        Some(environment) => Ok(environment.clone()),
        None => EnvironmentName::new(name).map_err(|error| PayloadError::Unmapped {
            field: place.name(),
            name: shown(name),
            reason: error.to_string(),
        }),
    }
}

fn at(status: &Field<'_>) -> Result<crate::time::Timestamp, PayloadError> {
    let updated = status.get("updated_at");
    let place = if updated.is_missing() { status.get("created_at") } else { updated };
    place.read("a time")
}

/// The report in words.
fn words(root: &Field<'_>) -> Result<Vec<Option<String>>, PayloadError> {
    let deployment = root.get("deployment");
    let creator = deployment.down(&["creator", "login"]).maybe_text()?;
    let repository = root.down(&["repository", "full_name"]).text()?;
    let status = root.get("deployment_status");
    Ok(vec![
        Some(format!("GitHub {repository}: deployment {}", deployment.get("id").id()?)),
        creator.map(|login| format!("created by {login}")),
        status.get("description").maybe_text()?.map(str::to_owned),
        status.get("log_url").maybe_text()?.map(str::to_owned),
    ])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::linkage::payload::commit_id;

    const SHA: &str = "2222222222222222222222222222222222222222";

    /// What GitHub sends, cut to what matters.
    fn delivery(state: &str) -> Value {
        json!({
            "action": "created",
            "deployment_status": {
                "id": 1_115_122_350, "state": state, "environment": "Production", "description": "",
                "created_at": "2026-03-01T10:00:00Z", "updated_at": "2026-03-01T10:00:02Z",
                "log_url": "https://github.com/o/infra/actions/runs/7/job/8",
            },
            "deployment": {
                "id": 145_988_746, "sha": SHA, "ref": "release-1", "task": "deploy", "environment": "Production",
                "payload": { "rollbook.dev/model": "credit-scorer" }, "creator": { "login": "octocat" },
            },
            "repository": { "full_name": "o/infra" },
            "sender": { "login": "octocat" },
        })
    }

    fn read_as(delivery: &Value, event: Option<&str>) -> Result<Report, String> {
        let environments = [("Production".to_owned(), EnvironmentName::new("production").unwrap())].into();
        super::read(delivery.to_string().as_bytes(), event, &environments).map_err(|error| error.to_string())
    }

    fn read(delivery: &Value, event: Option<&str>) -> Result<Rollout, String> {
        match read_as(delivery, event)? {
            Report::Ended(rollout) => Ok(rollout),
            Report::Review => panic!("no review: {delivery}"),
        }
    }

    #[test]
    fn final_states_are_read() {
        for (state, outcome) in [
            ("success", ChangeOutcome::Succeeded),
            ("failure", ChangeOutcome::Failed),
            ("error", ChangeOutcome::Failed),
        ] {
            let rollout = read(&delivery(state), Some("deployment_status")).unwrap();
            assert_eq!(rollout.outcome, outcome);
            assert_eq!(rollout.report_id.as_str(), "o/infra/deployment_status/1115122350");
            assert_eq!(rollout.environment.unwrap().as_str(), "production");
            assert_eq!(rollout.model.unwrap().as_str(), "credit-scorer");
            assert_eq!(rollout.commits, [commit_id(SHA).unwrap()]);
            assert_eq!(rollout.at.unwrap().to_string(), "2026-03-01T10:00:02.000Z");
            let words = "GitHub o/infra: deployment 145988746, created by octocat, https://github.com/o/infra/actions/runs/7/job/8";
            assert_eq!(rollout.summary.unwrap().as_str(), words);
        }
    }

    #[test]
    fn a_payload_of_text_names_no_model() {
        let mut delivery = delivery("success");
        delivery["deployment"]["payload"] = "credit-scorer".into();
        assert_eq!(read(&delivery, None).unwrap().model, None);
    }

    #[test]
    fn what_is_not_over_or_cannot_be_understood_is_named() {
        for state in ["in_progress", "queued", "pending", "waiting"] {
            let told = read(&delivery(state), None).unwrap_err();
            assert_eq!(
                told,
                format!(
                    "`deployment_status.state` is `{state}`: it is not over, expected success, failure or error"
                )
            );
        }
        assert!(
            read(&delivery("inactive"), None).unwrap_err().contains("another deployment has taken its place")
        );
        assert!(
            read(&delivery("done"), None)
                .unwrap_err()
                .contains("`deployment_status.state` is `done`: expected success or")
        );
        for (pointer, value, told) in [
            ("/deployment_status", Value::Null, "`deployment_status.state` is missing"),
            ("/deployment_status/id", json!(1.5), "`deployment_status.id` is 1.5: expected a whole number"),
            ("/deployment_status/updated_at", json!("x"), "`deployment_status.updated_at` is not a time"),
            ("/deployment", json!({}), "`deployment.environment` is missing"),
            (
                "/deployment/environment",
                json!("Prod EU"),
                "`deployment.environment` is `Prod EU`, which the ledger calls otherwise: ",
            ),
            ("/deployment/sha", json!("main"), "`deployment.sha` is `main`: expected a Git commit"),
            (
                "/deployment/payload",
                json!({ "rollbook.dev/model": 1 }),
                "`deployment.payload[\"rollbook.dev/model\"]` is a number",
            ),
            ("/repository", Value::Null, "`repository.full_name` is missing"),
            ("/repository/full_name", json!("x".repeat(300)), "`repository.full_name` a name is"),
        ] {
            let mut delivery = delivery("success");
            *delivery.pointer_mut(pointer).unwrap() = value;
            let error = read(&delivery, None).unwrap_err();
            assert!(error.starts_with(told), "{error}: {told}");
        }
        assert_eq!(read(&json!([]), None).unwrap_err(), "the payload is not an object");
        let other = read(&delivery("success"), Some("push")).unwrap_err();
        assert_eq!(other, "the payload is a delivery of `push`: expected deployment_status");
    }

    #[test]
    fn a_review_is_told_apart() {
        let review = json!({ "action": "approved", "approver": { "login": "ada" }, "reviewers": [], "repository": {} });
        for event in [None, Some("deployment_review")] {
            assert_eq!(read_as(&review, event), Ok(Report::Review));
        }
    }

    proptest! {
        #[test]
        fn no_delivery_with_a_part_overwritten_panics(at in any::<prop::sample::Index>(), piece in "\\PC{0,12}") {
            let json = delivery("success").to_string();
            let at = at.index(json.len());
            let mut bytes = json.into_bytes();
            bytes.splice(at..(at + piece.len()).min(bytes.len()), piece.bytes());
            let _ = super::read(&bytes, None, &BTreeMap::new());
        }
    }
}
