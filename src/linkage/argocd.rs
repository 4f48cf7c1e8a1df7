//! Argo CD's Application, as `kubectl get application -o json`, `argocd app get -o json` or a notification's template
//! gives it: what came of its last operation.
//!
//! A successful sync is an entry of `status.history`, whose id is the report's, together with what the Application is
//! called, and its `metadata.uid`: several installations have Applications of one name, each with its own history. Keyed on the revision, going back to
//! one that was deployed before would look like a repetition. A failed one leaves no entry there, and neither is
//! there one yet while hooks run: these are told apart by when the operation started.

use crate::event::infra::GitId;
use crate::event::release::ChangeOutcome;
use crate::event::text::Name;
use crate::linkage::json::{Node, shown};
use crate::linkage::payload::{Field, PayloadError, commit_id, parse};
use crate::linkage::rollout::{Rollout, summary};
use crate::words::words;

/// The label or annotation that says which environment an Application is.
pub const ENVIRONMENT_MARK: &str = "rollbook.dev/env";
/// The label or annotation that says which model an Application serves.
pub const MODEL_MARK: &str = "rollbook.dev/model";
/// The most commits of one Application that are looked at: it has a few sources.
const COMMITS_MAX: usize = 64;

words! {
    /// From which of an operation's hooks a report is made, while the operation runs.
    Hook, "a hook" {
        /// `PostSync`: everything was applied and is healthy.
        PostSync = "post-sync",
        /// `SyncFail`: the sync failed.
        SyncFail = "sync-fail",
    }
}

/// Reads an Application; `hook` says from which hook of its running operation.
///
/// # Errors
/// [`PayloadError`], naming the field: it is no Application, or its operation is not over.
pub fn rollout(json: &[u8], hook: Option<Hook>) -> Result<Rollout, PayloadError> {
    let node = parse(json)?;
    let Node::Object(_) = node else { return Err(Field::root(&node).unfit("is not an object")) };
    let app = Application::of(Field::root(&node))?;
    match (app.phase.text()?, hook) {
        ("Running", Some(hook)) => app.by_hook(hook),
        (phase, Some(hook)) => Err(app
            .phase
            .nothing(format!("is `{}`: hook {hook} is called while it is Running", shown(phase)))),
        ("Succeeded", None) => app.succeeded(),
        ("Failed" | "Error", None) => app.failed(),
        (phase @ ("Running" | "Terminating"), None) => Err(app
            .phase
            .nothing(format!("is `{phase}`: it is not over, expected Succeeded, Failed or Error"))),
        (phase, None) => Err(app.phase.unknown(phase, &["Succeeded", "Failed", "Error"])),
    }
}

/// An Application's parts.
struct Application<'a> {
    root: Field<'a>,
    /// `NAMESPACE/NAME`.
    called: String,
    /// What the cluster calls it: another one's Application of the same name has another, and so has a later one.
    uid: Option<Name>,
    operation: Field<'a>,
    phase: Field<'a>,
}

impl<'a> Application<'a> {
    fn of(root: Field<'a>) -> Result<Self, PayloadError> {
        let kind = root.get("kind");
        if let Some(other) = kind.maybe_text()?.filter(|kind| *kind != "Application") {
            return Err(kind.unfit(format!("is `{}`: expected Application", shown(other))));
        }
        let named = |name| root.down(&["metadata", name]).read::<Name>("a name");
        let called = format!("{}/{}", named("namespace")?, named("name")?);
        let uid = root.down(&["metadata", "uid"]).maybe_read("a name")?;
        let operation = root.down(&["status", "operationState"]);
        let phase = operation.get("phase");
        Ok(Self { root, called, uid, operation, phase })
    }

    /// A sync that is in place, and well.
    fn succeeded(&self) -> Result<Rollout, PayloadError> {
        self.is_whole()?;
        self.is_healthy()?;
        let entry = self.newest_history()?;
        let commits = commits(&entry)?;
        if let Some(other) = self.synced()?.into_iter().find(|commit| !commits.contains(commit)) {
            let why = format!("is not the {other} that the operation synced: its entry is not there yet");
            return Err(entry.get("revision").nothing(why));
        }
        let id = entry.get("id").id()?;
        let by = initiator(&entry.get("initiatedBy"))?.map(|who| format!("initiated by {who}"));
        let parts = [Some(format!("Argo CD {}: history {id}", self.called)), by];
        let finished = self.operation.get("finishedAt").maybe_read("a time")?;
        Ok(Rollout {
            at: Some(match finished {
                Some(finished) => finished,
                None => entry.get("deployedAt").read("a time")?,
            }),
            ..self.rollout(&id.to_string(), commits, ChangeOutcome::Succeeded, &parts)?
        })
    }

    fn failed(&self) -> Result<Rollout, PayloadError> {
        self.is_whole()?;
        let at = self.operation.get("finishedAt").read("a time")?;
        Ok(Rollout { at: Some(at), ..self.unlisted(ChangeOutcome::Failed)? })
    }

    fn by_hook(&self, hook: Hook) -> Result<Rollout, PayloadError> {
        self.is_whole()?;
        self.unlisted(match hook {
            Hook::PostSync => ChangeOutcome::Succeeded,
            Hook::SyncFail => ChangeOutcome::Failed,
        })
    }

    /// An operation without an entry in the history.
    fn unlisted(&self, outcome: ChangeOutcome) -> Result<Rollout, PayloadError> {
        let started = self.operation.get("startedAt").text()?;
        let commits = self.synced()?;
        if commits.is_empty() {
            let revision = self.operation.down(&["syncResult", "revision"]);
            return Err(revision.missing("a Git commit of 40 or 64 hex digits"));
        }
        let by = initiator(&self.operation.down(&["operation", "initiatedBy"]))?;
        let message = self.operation.get("message").maybe_text()?;
        let parts = [
            Some(format!("Argo CD {}: operation of {started}", self.called)),
            by.map(|who| format!("initiated by {who}")),
            message.filter(|_| outcome == ChangeOutcome::Failed).map(str::to_owned),
        ];
        self.rollout(&format!("started/{started}"), commits, outcome, &parts)
    }

    fn rollout(
        &self,
        id: &str,
        commits: Vec<GitId>,
        outcome: ChangeOutcome,
        parts: &[Option<String>],
    ) -> Result<Rollout, PayloadError> {
        let uid = self.uid.as_ref().map(|uid| format!("{uid}/")).unwrap_or_default();
        let report_id = Name::new(format!("{}/{uid}{id}", self.called))
            .map_err(|error| self.root.down(&["metadata", "name"]).unfit(error.to_string()))?;
        Ok(Rollout {
            report_id,
            environment: self.mark(ENVIRONMENT_MARK)?.maybe_read("an environment")?,
            model: self.mark(MODEL_MARK)?.maybe_read("a model's name")?,
            commits,
            outcome,
            at: None,
            summary: summary(parts),
        })
    }

    /// An annotation, or else the label of that name.
    fn mark(&self, name: &str) -> Result<Field<'a>, PayloadError> {
        let place = |kind| self.root.down(&["metadata", kind, name]);
        let annotation = place("annotations");
        Ok(if annotation.maybe_text()?.is_some() { annotation } else { place("labels") })
    }

    /// Neither a trial nor a part of it.
    fn is_whole(&self) -> Result<(), PayloadError> {
        let sync = self.operation.down(&["operation", "sync"]);
        let dry_run = sync.get("dryRun");
        if dry_run.node() == Some(&Node::Bool(true)) {
            return Err(dry_run.nothing("is true: nothing was deployed"));
        }
        let resources = sync.get("resources");
        if !resources.items()?.is_empty() {
            return Err(resources.nothing("are some resources alone: Argo CD counts that as no deployment"));
        }
        Ok(())
    }

    fn is_healthy(&self) -> Result<(), PayloadError> {
        let health = self.root.down(&["status", "health", "status"]);
        match health.text()? {
            "Healthy" => Ok(()),
            "Degraded" => Err(health.nothing(
                "is `Degraded`: what was deployed is in place and not well, which is neither success nor failure: \
                 roll back, and report that",
            )),
            other => Err(health.nothing(format!("is `{}`: expected Healthy", shown(other)))),
        }
    }

    fn newest_history(&self) -> Result<Field<'a>, PayloadError> {
        let history = self.root.down(&["status", "history"]);
        let mut newest = None;
        for entry in history.items()? {
            let id = entry.get("id").id()?;
            if newest.as_ref().is_none_or(|(newest, _)| *newest < id) {
                newest = Some((id, entry));
            }
        }
        newest.map(|(_, entry)| entry).ok_or_else(|| history.missing("an entry of the sync that succeeded"))
    }

    /// What the operation has synced, or was to sync.
    fn synced(&self) -> Result<Vec<GitId>, PayloadError> {
        for place in [self.operation.get("syncResult"), self.operation.down(&["operation", "sync"])] {
            if !place.get("revision").is_missing() || !place.get("revisions").is_missing() {
                return commits(&place);
            }
        }
        Ok(Vec::new())
    }
}

/// The commits below a place: `revision`, or `revisions` of an Application with several sources, of which some may
/// be charts.
fn commits(place: &Field<'_>) -> Result<Vec<GitId>, PayloadError> {
    let several = place.get("revisions");
    let mut commits = Vec::new();
    for revision in several.items()?.iter().take(COMMITS_MAX) {
        commits.extend(commit_id(revision.text()?));
    }
    if several.is_missing() {
        return Ok(vec![place.get("revision").commit()?]);
    }
    if commits.is_empty() {
        return Err(several.unfit("names no Git commit of 40 or 64 hex digits"));
    }
    Ok(commits)
}

/// Who started it.
fn initiator(place: &Field<'_>) -> Result<Option<String>, PayloadError> {
    if place.get("automated").node() == Some(&Node::Bool(true)) {
        return Ok(Some("Argo CD itself".into()));
    }
    Ok(place.get("username").maybe_text()?.map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OLD: &str = "1111111111111111111111111111111111111111";
    const NEW: &str = "2222222222222222222222222222222222222222";

    /// An Application as Argo CD 3 keeps it, cut to what matters.
    fn application() -> serde_json::Value {
        serde_json::json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
            "metadata": {
                "name": "scorer", "namespace": "argocd", "labels": { "rollbook.dev/env": "production" },
                "annotations": { "rollbook.dev/model": "credit-scorer" },
            },
            "status": {
                "health": { "status": "Healthy" }, "sync": { "status": "Synced", "revision": NEW },
                "history": [
                    { "id": 0, "revision": OLD, "deployedAt": "2026-03-01T09:00:00Z", "initiatedBy": { "automated": true } },
                    { "id": 1, "revision": NEW, "deployedAt": "2026-03-01T10:00:00Z", "initiatedBy": { "username": "jane" } },
                ],
                "operationState": {
                    "phase": "Succeeded", "startedAt": "2026-03-01T09:59:00Z", "finishedAt": "2026-03-01T10:00:01Z",
                    "message": "successfully synced", "syncResult": { "revision": NEW },
                    "operation": { "sync": { "revision": NEW }, "initiatedBy": { "username": "jane" } },
                },
            },
        })
    }

    /// The Application with what stands at a JSON pointer replaced, or removed.
    fn with(changes: &[(&str, serde_json::Value)]) -> serde_json::Value {
        let mut app = application();
        for (pointer, value) in changes {
            let (parent, name) = pointer.rsplit_once('/').unwrap();
            let parent = app.pointer_mut(parent).unwrap();
            match parent.as_array_mut() {
                Some(list) => list[name.parse::<usize>().unwrap()] = value.clone(),
                None => parent[name] = value.clone(),
            }
        }
        app
    }

    fn read(app: &serde_json::Value) -> Result<Rollout, String> {
        rollout(app.to_string().as_bytes(), None).map_err(|error| error.to_string())
    }

    #[test]
    fn a_sync_that_succeeded_is_its_newest_entry() {
        let rollout = read(&application()).unwrap();
        assert_eq!(rollout.report_id.as_str(), "argocd/scorer/1");
        assert_eq!(rollout.environment.unwrap().as_str(), "production");
        assert_eq!(rollout.model.unwrap().as_str(), "credit-scorer");
        assert_eq!(rollout.commits, [commit_id(NEW).unwrap()]);
        assert_eq!(rollout.outcome, ChangeOutcome::Succeeded);
        assert_eq!(rollout.at.unwrap().to_string(), "2026-03-01T10:00:01.000Z");
        assert_eq!(rollout.summary.unwrap().as_str(), "Argo CD argocd/scorer: history 1, initiated by jane");
    }

    #[test]
    fn going_back_to_a_revision_is_another_report() {
        let entry = |id: u64| serde_json::json!({ "id": id, "revision": OLD, "deployedAt": "2026-03-01T11:00:00Z", "initiatedBy": {} });
        let back = with(&[
            ("/status/history", serde_json::json!([entry(2), entry(0)])),
            ("/status/operationState/syncResult/revision", OLD.into()),
        ]);
        let rollout = read(&back).unwrap();
        assert_eq!(rollout.report_id.as_str(), "argocd/scorer/2");
        assert_eq!(rollout.commits, [commit_id(OLD).unwrap()]);
    }

    #[test]
    fn applications_of_one_name_are_told_apart_by_their_uid() {
        let uid = "6f1f3f0e-8f3b-4c5d-9a53-0d1f3c1e2b4a";
        let told = with(&[("/metadata/uid", uid.into())]);
        assert_eq!(read(&told).unwrap().report_id.as_str(), format!("argocd/scorer/{uid}/1"));
        let failed =
            with(&[("/metadata/uid", uid.into()), ("/status/operationState/phase", "Failed".into())]);
        let id = format!("argocd/scorer/{uid}/started/2026-03-01T09:59:00Z");
        assert_eq!(read(&failed).unwrap().report_id.as_str(), id);
    }

    #[test]
    fn a_failed_sync_is_told_apart_by_its_start() {
        for phase in ["Failed", "Error"] {
            let failed = with(&[
                ("/status/operationState/phase", phase.into()),
                ("/status/operationState/message", "one object failed to apply".into()),
                ("/status/health/status", "Degraded".into()),
            ]);
            let rollout = read(&failed).unwrap();
            assert_eq!(rollout.report_id.as_str(), "argocd/scorer/started/2026-03-01T09:59:00Z");
            assert_eq!(rollout.outcome, ChangeOutcome::Failed);
            assert!(rollout.summary.unwrap().as_str().ends_with("by jane, one object failed to apply"));
        }
    }

    #[test]
    fn hooks_report_while_the_operation_runs() {
        let running = with(&[("/status/operationState/phase", "Running".into())]).to_string();
        for (hook, outcome) in
            [(Hook::PostSync, ChangeOutcome::Succeeded), (Hook::SyncFail, ChangeOutcome::Failed)]
        {
            let rollout = rollout(running.as_bytes(), Some(hook)).unwrap();
            assert_eq!((rollout.outcome, rollout.at), (outcome, None));
            assert_eq!(rollout.report_id.as_str(), "argocd/scorer/started/2026-03-01T09:59:00Z");
        }
        let over =
            rollout(application().to_string().as_bytes(), Some(Hook::PostSync)).unwrap_err().to_string();
        assert_eq!(
            over,
            "`status.operationState.phase` is `Succeeded`: hook post-sync is called while it is Running"
        );
    }

    #[test]
    fn an_application_of_several_sources_has_several_commits() {
        let chart = serde_json::json!(["1.2.3", NEW, OLD]);
        let several = with(&[
            ("/status/history/1/revisions", chart.clone()),
            ("/status/operationState/syncResult", serde_json::json!({ "revisions": chart })),
        ]);
        assert_eq!(read(&several).unwrap().commits, [commit_id(NEW).unwrap(), commit_id(OLD).unwrap()]);
    }

    #[test]
    fn what_is_not_over_or_cannot_be_understood_is_named() {
        use serde_json::{Value, json};
        let revision = "/status/history/1/revision";
        for (pointer, value, told) in [
            ("/kind", json!("AppProject"), "`kind` is `AppProject`: expected Application"),
            ("/metadata/name", Value::Null, "`metadata.name` is missing: expected a name"),
            ("/metadata/namespace", Value::Null, "`metadata.namespace` is missing"),
            (
                "/metadata/labels/rollbook.dev~1env",
                json!("Prod"),
                "`metadata.labels[\"rollbook.dev/env\"]` is not an environment",
            ),
            ("/status/operationState", Value::Null, "`status.operationState.phase` is missing"),
            (
                "/status/operationState/phase",
                json!("Running"),
                "`status.operationState.phase` is `Running`: it is not over",
            ),
            ("/status/operationState/phase", json!("Terminating"), "is `Terminating`: it is not over"),
            (
                "/status/operationState/phase",
                json!("Done"),
                "is `Done`: expected Succeeded or Failed or Error",
            ),
            (
                "/status/operationState/operation/sync/dryRun",
                json!(true),
                "dryRun` is true: nothing was deployed",
            ),
            (
                "/status/operationState/operation/sync/resources",
                json!([{"kind": "Job"}]),
                "resources` are some resources alone",
            ),
            (
                "/status/health/status",
                json!("Progressing"),
                "`status.health.status` is `Progressing`: expected Healthy",
            ),
            ("/status/health/status", json!("Degraded"), "neither success nor failure"),
            ("/status/health", Value::Null, "`status.health.status` is missing"),
            ("/status/history", json!([]), "`status.history` is missing: expected an entry"),
            ("/status/history", json!({}), "`status.history` is an object: expected a list"),
            ("/status/history/1/id", json!("1"), "`status.history[1].id` is a text: expected a whole number"),
            (revision, json!("main"), "`status.history[1].revision` is `main`: expected a Git commit"),
            (
                revision,
                json!(OLD),
                "`status.history[1].revision` is not the 2222222222222222222222222222222222222222 that the operation synced",
            ),
            ("/status/history/1/revisions", json!(["1.2.3"]), "revisions` names no Git commit"),
            (
                "/status/operationState/finishedAt",
                json!("soon"),
                "`status.operationState.finishedAt` is not a time",
            ),
        ] {
            let pointer = pointer.replace("/rollbook.dev~1env", "");
            let value =
                if pointer.ends_with("labels") { json!({ "rollbook.dev/env": value }) } else { value };
            let error = read(&with(&[(&pointer, value)])).unwrap_err();
            assert!(error.contains(told), "{pointer}: {error}, not {told}");
        }
        for (name, value) in [("dryRun", json!(true)), ("resources", json!([{"kind": "Job"}]))] {
            let trial = format!("/status/operationState/operation/sync/{name}");
            let failed = with(&[("/status/operationState/phase", json!("Failed")), (&trial, value)]);
            assert!(read(&failed).unwrap_err().contains(name), "a failed {name} has changed nothing");
        }
        assert_eq!(rollout(b"[]", None).unwrap_err().to_string(), "the payload is not an object");
    }

    proptest! {
        #[test]
        fn no_application_with_a_part_overwritten_panics(at in any::<prop::sample::Index>(), piece in "\\PC{0,12}", hook in any::<bool>()) {
            let json = application().to_string();
            let at = at.index(json.len());
            let mut bytes = json.into_bytes();
            bytes.splice(at..(at + piece.len()).min(bytes.len()), piece.bytes());
            if let Ok(read) = rollout(&bytes, hook.then_some(Hook::PostSync)) {
                prop_assert!(!read.commits.is_empty());
            }
        }
    }
}
