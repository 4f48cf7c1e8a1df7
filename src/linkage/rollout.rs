//! What a deployment tool says became of a commit: the common shape of Argo CD's and GitHub's reports.

use crate::event::infra::GitId;
use crate::event::release::ChangeOutcome;
use crate::event::text::{EnvironmentName, Name, Text};
use crate::hash::Hash;
use crate::time::Timestamp;

/// The end of a deployment, as the tool reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rollout {
    /// The tool's own id of the report: two deployments of one commit have two.
    pub report_id: Name,
    /// Where, if the report says it.
    pub environment: Option<EnvironmentName>,
    /// Of which model, if the report says it.
    pub model: Option<Name>,
    /// The commits that were deployed: several where an Application has several sources.
    pub commits: Vec<GitId>,
    /// What came of it.
    pub outcome: ChangeOutcome,
    /// When it was over; none where the report is made while it ends.
    pub at: Option<Timestamp>,
    /// The report in words.
    pub summary: Option<Text>,
}

impl Rollout {
    /// The report's id, of which the tool's own is one only among those of one installation: environment, model and the
    /// tool's id, or the SHA-256 of that text where it is too long for a name.
    #[must_use]
    pub fn report_id_at(&self, environment: &EnvironmentName, model: &Name) -> Name {
        let id = format!("{environment}/{model}/{}", self.report_id);
        Name::new(id.as_str())
            .unwrap_or_else(|_| Name::new(format!("sha256:{}", Hash::of(id.as_bytes()))).expect("71 bytes"))
    }
}

/// Parts of a sentence, as far as they are fit to be recorded: what a tool says in free text, it can say better.
pub(super) fn summary(parts: &[Option<String>]) -> Option<Text> {
    let fit = parts.iter().flatten().filter(|part| Text::new(part.as_str()).is_ok());
    let fit: Vec<&str> = fit.map(String::as_str).collect();
    // All of them may be too long together: the first ones say what it is.
    (1..=fit.len()).rev().find_map(|count| Text::new(fit[..count].join(", ")).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_one_of_its_place() {
        let name = |text: &str| Name::new(text).unwrap();
        let id = |report: &str, environment: &str, model: &str| {
            let rollout = Rollout {
                report_id: name(report),
                environment: None,
                model: None,
                commits: Vec::new(),
                outcome: ChangeOutcome::Succeeded,
                at: None,
                summary: None,
            };
            rollout.report_id_at(&environment.parse().unwrap(), &name(model)).to_string()
        };
        assert_eq!(id("argocd/app/3", "staging", "scorer"), "staging/scorer/argocd/app/3");
        assert_ne!(id("argocd/app/3", "production", "scorer"), id("argocd/app/3", "staging", "scorer"));
        let long = "x".repeat(256);
        let hash = Hash::of(format!("staging/{long}/1").as_bytes());
        assert_eq!(id("1", "staging", &long), format!("sha256:{hash}"));
    }

    #[test]
    fn a_summary_leaves_out_what_does_not_fit() {
        let told = |parts: &[&str]| {
            let parts: Vec<_> = parts.iter().map(|part| Some((*part).to_owned())).collect();
            summary(&parts).map(|text| text.to_string())
        };
        assert_eq!(told(&["a", "b"]).as_deref(), Some("a, b"));
        assert_eq!(told(&["a", "\u{7}", "c"]).as_deref(), Some("a, c"));
        assert_eq!(told(&["a", &"b".repeat(8_192)]).as_deref(), Some("a"));
        assert_eq!(told(&[]), None);
    }
}
