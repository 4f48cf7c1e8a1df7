//! What a deployment tool says became of a commit: the common shape of Argo CD's and GitHub's reports.

use crate::event::infra::GitId;
use crate::event::release::ChangeOutcome;
use crate::event::text::{EnvironmentName, Name, Text};
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
