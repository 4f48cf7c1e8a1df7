//! `rollbook ingest` at the command line: what MLflow, Argo CD and GitHub report becomes the event, or is refused with
//! the field named.

use std::sync::LazyLock;

use rollbook::time::{Clock, SystemClock};
use serde_json::{Value, json};

use super::support::desk::{Answer, Desk};

/// A desk with releases of `scorer`: entry 4 put 1.0.0 into staging by the commit of tag `v1`, entry 5 put 1.1.0 there by
/// `HEAD`. The next entry is 6.
fn desk() -> Desk {
    Desk::with_releases()
}

/// The infra commit of an entry.
fn commit(desk: &Desk, entry: u64) -> String {
    desk.done_json(&format!("show {entry}"))["event"]["body"]["infra"]["commit"].as_str().unwrap().to_owned()
}

/// The event of an entry.
fn event(desk: &Desk, entry: u64) -> Value {
    desk.done_json(&format!("show {entry}"))["event"].clone()
}

/// What the program says under `--json`.
fn told(desk: &Desk, line: &str) -> (i32, Value) {
    let answer: Answer = desk.run(&format!("--json {line}"));
    (answer.code.unwrap(), answer.json())
}

/// Has dora ingest this payload; gives exit code and code, or entry.
fn ingest(desk: &Desk, payload: &Value, rest: &str) -> (i32, Value) {
    desk.write("payload.json", payload.to_string());
    let (exit, answer) = told(desk, &format!("--key dora.key ingest {rest}"));
    let outcome = match exit {
        0 => answer["index"].clone(),
        1 => answer["refused"]["code"].clone(),
        _ => answer["error"]["code"].clone(),
    };
    (exit, outcome)
}

fn refused(code: &str) -> (i32, Value) {
    (1, code.into())
}

fn error(code: &str) -> (i32, Value) {
    (2, code.into())
}

fn recorded(entry: u64) -> (i32, Value) {
    (0, entry.into())
}

// MLflow.

fn mlflow(entity: &str, action: &str, data: &Value) -> Value {
    json!({ "entity": entity, "action": action, "timestamp": "2026-03-01T10:00:00.5+00:00", "data": data })
}

fn alias(name: &str, version: &str) -> Value {
    mlflow("model_version_alias", "created", &json!({ "name": "scorer", "alias": name, "version": version }))
}

/// Options of a delivery of that id about the alias `champion`, which stands for staging.
fn champion(id: &str) -> String {
    format!(
        "mlflow payload.json --alias champion=staging --repo infra --rev HEAD --header 'X-MLflow-Delivery-Id: {id}'"
    )
}

#[test]
fn a_version_of_mlflows_is_registered_with_the_digest_of_its_files() {
    let desk = desk();
    let data = json!({
        "name": "ranker", "version": "7", "source": "models:/m-1", "run_id": "r", "tags": {}, "description": null,
    });
    let payload = mlflow("model_version", "created", &data);
    let header = "--header 'X-MLflow-Delivery-Id: d-1'";
    assert_eq!(
        ingest(&desk, &payload, &format!("mlflow payload.json {header}")),
        error("payload_incomplete")
    );
    assert_eq!(ingest(&desk, &payload, "mlflow payload.json --path model"), error("payload_incomplete"));
    let line = format!("mlflow payload.json --path model {header} --attach payload.json");
    assert_eq!(ingest(&desk, &payload, &line), recorded(6));
    let event = event(&desk, 6);
    assert_eq!(event["header"]["basis"], json!({ "observed": { "system": "mlflow", "id": "d-1" } }));
    assert_eq!(event["header"]["claimed_at"], "2026-03-01T10:00:00.500Z");
    assert_eq!(event["header"]["attachments"][0]["name"], "payload.json");
    let body = &event["body"];
    let expected = json!(["ranker", "7", "models:/m-1"]);
    assert_eq!(json!([body["model"], body["version"], body["uri"]]), expected);
    let by_hand = desk.done_json("show 2")["event"]["body"]["digest"]["root"].clone();
    assert_eq!(body["digest"]["root"], by_hand, "the same files were registered by hand");
    // A redelivery is answered with the first receipt, whoever passes it on, whatever it says.
    desk.grant("eve", "--role registrar --env '*' --model '*'");
    desk.write("model/more", "more\n");
    for key in ["dora", "eve"] {
        let (exit, answer) = told(&desk, &format!("--key {key}.key ingest {line}"));
        assert_eq!((exit, &answer["index"], &answer["repeated"]), (0, &6.into(), &true.into()), "{answer}");
    }
    desk.done("verify --trust ledger/trust.toml");
}

#[test]
fn an_alias_promotes_and_moved_back_rolls_back() {
    let desk = desk();
    // 1.1.0 serves, 1.0.0 is below it: setting the alias there is a rollback, and setting it back a promotion.
    assert_eq!(ingest(&desk, &alias("champion", "1.0.0"), &champion("d-1")), recorded(6));
    assert_eq!(ingest(&desk, &alias("champion", "1.1.0"), &champion("d-2")), recorded(7));
    assert_eq!(ingest(&desk, &alias("champion", "1.1.0"), &champion("d-3")), refused("already_serving"));
    assert_eq!(ingest(&desk, &alias("champion", "9.9.9"), &champion("d-4")), refused("version_unknown"));
    let back = event(&desk, 6);
    assert_eq!(back["kind"], "model.rolledback", "{back}");
    assert_eq!(back["body"]["reason"], "alias champion of scorer was set to version 1.0.0 in MLflow");
    assert_eq!(back["body"]["from"], json!({ "version": "1.1.0", "entry": 5 }));
    assert_eq!(event(&desk, 7)["kind"], "model.promoted");
    // The first delivery once more, after all that: still its own receipt.
    assert_eq!(ingest(&desk, &alias("champion", "1.0.0"), &champion("d-1")), recorded(6));
    let deleted = mlflow("model_version_alias", "deleted", &json!({ "name": "scorer", "alias": "champion" }));
    assert_eq!(
        ingest(&desk, &deleted, &format!("{} --reason 'project ended'", champion("d-5"))),
        recorded(8)
    );
    let withdrawn = event(&desk, 8);
    assert_eq!(
        (&withdrawn["kind"], &withdrawn["body"]["reason"]),
        (&"model.withdrawn".into(), &"project ended".into())
    );
    assert_eq!(ingest(&desk, &deleted, &champion("d-6")), refused("nothing_serves"));
    desk.done("verify --trust ledger/trust.toml");
}

#[test]
fn what_mlflow_reports_and_cannot_be_mapped_is_refused() {
    let desk = desk();
    let before = desk.records();
    let (no_repo, all) = ("mlflow payload.json --header 'X-MLflow-Delivery-Id: d'", champion("d"));
    for (payload, rest, expected) in [
        (json!("text"), &*all, error("payload_unfit")),
        (json!({}), &all, error("payload_unfit")),
        (mlflow("prompt", "created", &json!({})), &all, refused("nothing_to_record")),
        (mlflow("model_version_alias", "moved", &json!({})), &all, refused("nothing_to_record")),
        (mlflow("model_version_alias", "created", &json!({ "alias": "a" })), &all, error("payload_unfit")),
        (alias("challenger", "1.0.0"), &all, refused("nothing_to_record")),
        (alias("champion", "1.0.0"), no_repo, refused("nothing_to_record")),
        (
            alias("champion", "1.0.0"),
            &format!("{no_repo} --alias champion=staging"),
            error("payload_incomplete"),
        ),
        (alias("champion", "1.0.0"), &all.replace("=staging", ""), error("usage")),
        (alias("champion", "1.0.0"), &format!("{all} --event-id x"), error("usage")),
        (alias("champion", "1.0.0"), &format!("{all} --claimed-at now"), error("usage")),
        (alias("champion", "1.0.0"), &format!("{all} --header x"), error("usage")),
        (
            alias("champion", "1.0.0"),
            "mlflow payload.json --alias champion=staging --rev HEAD",
            error("usage"),
        ),
        (
            alias("champion", "1.0.0"),
            &format!("{no_repo} --alias champion=staging --repo-name x"),
            error("usage"),
        ),
        (alias("champion", "1.0.0"), &all.replace("=staging", "=Staging"), error("text")),
        (alias("champion", "1.0.0"), &all.replace("=staging", "=moon"), refused("environment_unknown")),
    ] {
        assert_eq!(ingest(&desk, &payload, rest), expected, "{payload} {rest}");
    }
    assert_eq!(desk.records(), before, "nothing was recorded");
    desk.write("payload.json", alias("challenger", "1").to_string());
    desk.refused(
        &format!("--key dora.key ingest {all}"),
        1,
        &["`data.alias` is `challenger`, which stands for no environment", "--alias challenger=ENVIRONMENT"],
    );
    desk.write("payload.json", mlflow("model_version", "created", &json!({ "name": 7 })).to_string());
    desk.refused(
        &format!("--key dora.key ingest {all}"),
        2,
        &["`data.version` is missing: expected a version"],
    );
}

#[test]
fn an_alias_that_needs_approvals_is_drafted_for_others() {
    let desk = desk();
    desk.grant("carl", "--role approver --env '*' --model '*'");
    desk.write(
        "policy.toml",
        "schema = 2\nadministrators.threshold = 1\n[[environment]]\nname = 'staging'\nrollback.approvals = 1\n",
    );
    desk.done("--key alice.key policy set policy.toml --yes");
    let payload = alias("champion", "1.0.0");
    assert_eq!(ingest(&desk, &payload, &champion("d-1")), refused("approvals_missing"));
    assert_eq!(ingest(&desk, &payload, &format!("{} --draft draft.json", champion("d-1"))).0, 0);
    desk.done("--key carl.key draft sign draft.json");
    let index = desk.done_json("draft submit draft.json")["index"].as_u64().unwrap();
    assert_eq!(event(&desk, index)["header"]["basis"]["observed"]["id"], "d-1");
    assert_eq!(
        ingest(&desk, &payload, &champion("d-1")),
        recorded(index),
        "the delivery was recorded by the draft"
    );
}

#[test]
fn a_trial_records_nothing() {
    let desk = desk();
    desk.write("payload.json", alias("champion", "1.0.0").to_string());
    let before = desk.records();
    let (exit, answer) = told(&desk, &format!("--key dora.key ingest {} --dry-run", champion("d-1")));
    assert_eq!((exit, &answer["would_be_accepted"]), (0, &true.into()));
    assert_eq!(desk.records(), before);
}

#[test]
fn a_signed_delivery_must_be_signed_and_fresh() {
    let desk = desk();
    desk.write("secret", "whsec\n");
    desk.write("empty", "\n");
    // Signed in March, by another key, or not at all: refused before anything is read from the body.
    let signed = "--header 'X-MLflow-Timestamp: 1772359200' --header 'X-MLflow-Signature: v1,AAAA'";
    let payload = alias("champion", "1.0.0");
    let line = |rest: &str| format!("{} --webhook-secret-file {rest}", champion("d-1"));
    for (rest, expected) in [
        ("secret", refused("webhook_not_signed")),
        (&*format!("secret {signed}"), refused("webhook_not_signed")),
        ("empty", error("usage")),
        ("none", error("input")),
    ] {
        assert_eq!(ingest(&desk, &payload, &line(rest)), expected, "{rest}");
    }
    // A body and its signature as Python computes it.
    desk.write("payload.json", "{}");
    let body = "--header 'X-MLflow-Signature: v1,Xmnukh16doZYzDcp0pfMBK5YKxdFXcMjUg5dWHHhFIQ='";
    let fixed = format!(
        "--key dora.key ingest mlflow payload.json --webhook-secret-file secret --header 'X-MLflow-Delivery-Id: d-1' \
         --header 'X-MLflow-Timestamp: 1772359200' {body}"
    );
    desk.refused(&fixed, 1, &["the delivery was signed ", "at most 5m are allowed", "--signature-age"]);
    desk.refused(&format!("{fixed} --signature-age 36500d"), 2, &["`entity` is missing"]);
}

/// When deployments are over here: after the changes of a desk were recorded, as far as clocks tell.
static OVER: LazyLock<String> = LazyLock::new(|| SystemClock.now().to_string());

// Argo CD.

/// The Application `argocd/scorer` after it synced `commit`.
fn application(id: u64, commit: &str) -> Value {
    json!({
        "kind": "Application",
        "metadata": {
            "name": "scorer", "namespace": "argocd", "labels": { "rollbook.dev/env": "staging" },
            "annotations": { "rollbook.dev/model": "scorer" },
        },
        "status": {
            "health": { "status": "Healthy" },
            "history": [{ "id": id, "revision": commit, "deployedAt": *OVER, "initiatedBy": { "username": "jane" } }],
            "operationState": {
                "phase": "Succeeded", "startedAt": "2026-03-01T09:59:00Z", "finishedAt": *OVER,
                "syncResult": { "revision": commit }, "operation": { "sync": {} },
            },
        },
    })
}

#[test]
fn argocd_completes_the_change_of_the_synced_commit() {
    let desk = desk();
    let (first, second) = (commit(&desk, 4), commit(&desk, 5));
    assert_ne!(first, second);
    // The newest change first; the older one, which has not reported either, is found too.
    assert_eq!(ingest(&desk, &application(3, &second), "argocd payload.json"), recorded(6));
    assert_eq!(ingest(&desk, &application(2, &first), "argocd payload.json"), recorded(7));
    let completed = event(&desk, 6);
    assert_eq!(completed["kind"], "change.completed");
    assert_eq!(
        completed["header"]["basis"],
        json!({ "observed": { "system": "argocd", "id": "staging/scorer/argocd/scorer/3" } })
    );
    let expected = json!({
        "change": 5, "outcome": "succeeded", "completed_at": *OVER,
        "summary": "Argo CD argocd/scorer: history 3, initiated by jane",
    });
    assert_eq!(completed["body"], expected);
    assert_eq!(event(&desk, 7)["body"]["change"], 4);
    // The notification once more; the commit once more; a commit that nobody authorised.
    assert_eq!(ingest(&desk, &application(3, &second), "argocd payload.json"), recorded(6));
    assert_eq!(ingest(&desk, &application(4, &second), "argocd payload.json"), refused("change_reported"));
    assert_eq!(ingest(&desk, &application(5, &first), "argocd payload.json"), refused("change_not_awaited"));
    assert_eq!(
        ingest(&desk, &application(5, &"a".repeat(40)), "argocd payload.json"),
        refused("change_not_awaited")
    );
    desk.refused(
        "--key dora.key ingest argocd payload.json",
        1,
        &["no change of scorer in staging names the commit aaaa", "what this ledger did not authorise"],
    );
    // A rollback through the ledger makes the old commit awaited, and Argo CD's next entry completes it.
    desk.done("--key dora.key rollback scorer --env staging --repo infra --tag v1 --reason r");
    assert_eq!(ingest(&desk, &application(6, &first), "argocd payload.json"), recorded(9));
    assert_eq!(event(&desk, 9)["body"]["change"], 8);
    desk.done("verify --trust ledger/trust.toml");
}

#[test]
fn equal_applications_of_two_installations_are_two_reports() {
    let desk = desk();
    for (entry, uid) in [(5, "6f1f3f0e"), (4, "0d1f3c1e")] {
        let mut app = application(3, &commit(&desk, entry));
        app["metadata"]["uid"] = uid.into();
        assert_eq!(ingest(&desk, &app, "argocd payload.json"), recorded(11 - entry), "{uid}");
    }
    assert_eq!(event(&desk, 7)["body"]["change"], 4);
}

#[test]
fn a_sync_that_failed_puts_back_what_served() {
    let desk = desk();
    let mut failed = application(2, &commit(&desk, 4));
    failed["status"]["operationState"]["phase"] = "Failed".into();
    failed["status"]["operationState"]["syncResult"]["revision"] = commit(&desk, 5).into();
    assert_eq!(ingest(&desk, &failed, "argocd payload.json"), recorded(6));
    assert_eq!(event(&desk, 6)["body"]["outcome"], "failed");
    let status = desk.done("status");
    assert!(status.contains("1.0.0"), "{status}");
    let gate = told(&desk, "gate scorer 1.0.0 --env staging --trust ledger/trust.toml");
    assert_eq!(gate.0, 0, "{}", gate.1);
}

#[test]
fn an_older_change_that_failed_is_not_called_a_success() {
    let desk = desk();
    let mut failed = application(2, &commit(&desk, 4));
    failed["status"]["operationState"]["phase"] = "Failed".into();
    assert_eq!(ingest(&desk, &failed, "argocd payload.json"), refused("change_superseded"));
    let (_, told) = told(&desk, "--key dora.key ingest argocd payload.json");
    let hint = told["refused"]["hint"].as_str().unwrap();
    assert!(hint.contains("a newer change has taken its place") && !hint.contains("--succeeded"), "{hint}");
}

#[test]
fn a_hook_reports_while_its_operation_runs() {
    let desk = desk();
    let mut running = application(2, &commit(&desk, 5));
    running["status"]["operationState"]["phase"] = "Running".into();
    assert_eq!(ingest(&desk, &running, "argocd payload.json"), refused("nothing_to_record"));
    assert_eq!(ingest(&desk, &running, "argocd payload.json --hook post-sync"), recorded(6));
    assert_eq!(ingest(&desk, &running, "argocd payload.json --hook post-sync"), recorded(6));
    assert_eq!(
        event(&desk, 6)["header"]["basis"]["observed"]["id"],
        "staging/scorer/argocd/scorer/started/2026-03-01T09:59:00Z"
    );
}

#[test]
fn an_application_and_the_options_say_one_place() {
    let desk = desk();
    let mut bare = application(1, &commit(&desk, 5));
    bare["metadata"] = json!({ "name": "scorer", "namespace": "argocd" });
    assert_eq!(ingest(&desk, &bare, "argocd payload.json"), error("payload_incomplete"));
    assert_eq!(ingest(&desk, &bare, "argocd payload.json --env staging"), error("payload_incomplete"));
    let marked = application(1, &commit(&desk, 5));
    assert_eq!(ingest(&desk, &marked, "argocd payload.json --env production"), error("usage"));
    assert_eq!(ingest(&desk, &marked, "argocd payload.json --model ranker"), error("usage"));
    assert_eq!(ingest(&desk, &bare, "argocd payload.json --env staging --model scorer"), recorded(6));
}

#[test]
fn what_argocd_reports_and_is_not_over_is_refused() {
    let desk = desk();
    let before = desk.records();
    let good = application(1, &commit(&desk, 5));
    for (pointer, value, expected) in [
        ("/status/operationState/phase", json!("Running"), refused("nothing_to_record")),
        ("/status/operationState/phase", json!("Terminating"), refused("nothing_to_record")),
        ("/status/health/status", json!("Progressing"), refused("nothing_to_record")),
        ("/status/health/status", json!("Degraded"), refused("nothing_to_record")),
        ("/status/operationState/operation/sync", json!({ "dryRun": true }), refused("nothing_to_record")),
        ("/status/history", json!([]), error("payload_unfit")),
        ("/status/history/0/revision", json!("v1.2.3"), error("payload_unfit")),
        ("/kind", json!("AppProject"), error("payload_unfit")),
    ] {
        let mut payload = good.clone();
        *payload.pointer_mut(pointer).unwrap() = value;
        assert_eq!(ingest(&desk, &payload, "argocd payload.json"), expected, "{pointer}");
    }
    assert_eq!(desk.records(), before, "nothing was recorded");
}

// GitHub.

fn deployment(id: u64, state: &str, sha: &str) -> Value {
    json!({
        "action": "created",
        "deployment_status": { "id": id, "state": state, "created_at": *OVER },
        "deployment": { "id": 7, "sha": sha, "environment": "Staging", "payload": {}, "creator": { "login": "hubot" } },
        "repository": { "full_name": "o/infra" },
    })
}

#[test]
fn github_completes_the_change_of_the_deployed_commit() {
    let desk = desk();
    let sha = commit(&desk, 5);
    let line = "github payload.json --model scorer --environment Staging=staging";
    for state in ["queued", "in_progress", "inactive", "sleeping"] {
        assert_eq!(ingest(&desk, &deployment(1, state, &sha), line), refused("nothing_to_record"), "{state}");
    }
    assert_eq!(ingest(&desk, &deployment(2, "failure", &sha), line), recorded(6));
    assert_eq!(ingest(&desk, &deployment(2, "failure", &sha), line), recorded(6));
    let completed = event(&desk, 6);
    assert_eq!(
        completed["header"]["basis"],
        json!({ "observed": { "system": "github", "id": "staging/scorer/o/infra/deployment_status/2" } })
    );
    let body = &completed["body"];
    let told = json!([body["change"], body["outcome"], body["summary"]]);
    assert_eq!(told, json!([5, "failed", "GitHub o/infra: deployment 7, created by hubot"]));
    assert_eq!(ingest(&desk, &deployment(3, "success", &sha), line), refused("change_reported"));
    assert_eq!(ingest(&desk, &deployment(4, "success", &commit(&desk, 4)), line), recorded(7));
    desk.done("verify --trust ledger/trust.toml");
}

#[test]
fn a_delivery_that_is_older_than_the_change_of_its_commit_is_not_that_changes() {
    let desk = desk();
    let sha = commit(&desk, 5);
    let line = "github payload.json --model scorer --environment Staging=staging";
    // As one that GitHub signed for an earlier change of the commit, and whose event id is forgotten by now.
    let mut kept = deployment(2, "success", &sha);
    kept["deployment_status"]["created_at"] = "2026-03-01T10:00:00Z".into();
    assert_eq!(ingest(&desk, &kept, line), refused("change_not_awaited"));
    desk.refused(
        &format!("--key dora.key ingest {line}"),
        1,
        &["was over at 2026-03-01T10:00:00.000Z", "entry 5, was recorded later", "`rollbook complete 5`"],
    );
    assert_eq!(ingest(&desk, &deployment(3, "success", &sha), line), recorded(6));
}

#[test]
fn what_github_reports_and_cannot_be_mapped_is_refused() {
    let desk = desk();
    let before = desk.records();
    let good = deployment(1, "success", &commit(&desk, 5));
    let line = "github payload.json --model scorer --environment Staging=staging";
    assert_eq!(ingest(&desk, &good, "github payload.json --model scorer"), error("payload_unfit"));
    desk.refused(
        "--key dora.key ingest github payload.json --model scorer",
        2,
        &["`deployment.environment` is `Staging`", "--environment 'Staging=staging'"],
    );
    assert_eq!(
        ingest(&desk, &good, "github payload.json --environment Staging=staging"),
        error("payload_incomplete")
    );
    assert_eq!(
        ingest(&desk, &good, &format!("{line} --header 'X-GitHub-Event: push'")),
        refused("nothing_to_record")
    );
    assert_eq!(ingest(&desk, &json!({}), line), error("payload_unfit"));
    let review = json!({ "action": "approved", "reviewers": [] });
    assert_eq!(ingest(&desk, &review, line), refused("nothing_to_record"));
    desk.refused(
        &format!("--key dora.key ingest {line}"),
        1,
        &["an approval is a signature of the approver's own", "`rollbook --key THEIRS draft sign FILE`"],
    );
    desk.write("secret", "It's a Secret to Everybody");
    desk.write("payload.json", "Hello, World!");
    let signed = |signature: &str| {
        format!(
            "--key dora.key ingest {line} --webhook-secret-file secret --header 'X-Hub-Signature-256: sha256={signature}'"
        )
    };
    let right = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    desk.refused(&signed(right), 2, &["is not JSON"]);
    desk.refused(&signed(&right.replace('7', "8")), 1, &["X-Hub-Signature-256 is no signature of this body"]);
    assert_eq!(desk.records(), before, "nothing was recorded");
}

#[test]
fn only_who_may_complete_a_change_passes_it_on() {
    let desk = desk();
    desk.write("payload.json", application(1, &commit(&desk, 5)).to_string());
    for (key, code) in [("eve", "signer_unknown"), ("alice", "signer_lacks_role")] {
        let (exit, answer) = told(&desk, &format!("--key {key}.key ingest argocd payload.json"));
        assert_eq!((exit, &answer["refused"]["code"]), (1, &code.into()));
    }
}
