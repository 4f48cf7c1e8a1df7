//! What the verifier found, held against what is told: which rows can be believed, and which stretches are in doubt.

use std::collections::HashMap;

use crate::time::Timestamp;

use super::chronicle::{Chronicle, Doubt, Standing};

/// How many doubts are told one by one: a log that is another one altogether has as many as entries.
const DOUBTS_MAX: usize = 50;

/// What a finding says of an entry, for [`Chronicle::judge`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FindingTold {
    /// The entry; none where it is about the whole log.
    pub index: Option<u64>,
    /// The entry behind the last one that it is about; none where it is about one, or about all up to the end.
    pub until: Option<u64>,
    /// Its code.
    pub code: String,
    /// The finding in words.
    pub message: String,
    /// Whether it is worse than a remark.
    pub counts: bool,
    /// Whether nothing from there on can be believed: bytes, hashes or signatures of the log itself are wrong.
    pub spreads: bool,
}

/// What the verifier found, and how far it came.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FoundTold {
    /// What was kept of it.
    pub findings: Vec<FindingTold>,
    /// Whether that is all: of many findings of one code the verifier keeps the first.
    pub is_whole: bool,
    /// Entries below this index were judged by the rules.
    pub judged_up_to: u64,
}

impl Chronicle {
    /// Takes in what the verifier found: which rows can be believed, and of which stretches something is not known.
    pub fn judge(&mut self, found: &FoundTold) {
        let FoundTold { findings, is_whole, judged_up_to } = found;
        let judged_up_to = *judged_up_to;
        let counting = || findings.iter().filter(|finding| finding.counts);
        let mut codes_of: HashMap<u64, Vec<String>> = HashMap::new();
        for finding in counting() {
            if let Some(index) = finding.index {
                codes_of.entry(index).or_default().push(finding.code.clone());
            }
        }
        // From where the log itself is wrong, nothing is called sound, whatever is found of a single entry.
        let spread =
            counting().filter(|finding| finding.spreads).map(|finding| finding.index.unwrap_or(0)).min();
        let sound_below = if *is_whole { judged_up_to.min(spread.unwrap_or(u64::MAX)) } else { 0 };
        for row in &mut self.rows {
            row.standing = match codes_of.remove(&row.entry.index) {
                Some(codes) => Standing::Doubted(codes),
                None if row.entry.index < sound_below => Standing::Sound,
                None => Standing::NotJudged,
            };
        }
        self.doubts = counting().filter_map(|finding| self.doubt(finding)).collect();
        self.doubts.sort_by_key(|doubt| doubt.from_index);
        let more = self.doubts.len().saturating_sub(DOUBTS_MAX);
        if more > 0 {
            self.doubts.truncate(DOUBTS_MAX);
            let (from_index, code) = (self.doubts[DOUBTS_MAX - 1].from_index, "more".to_owned());
            let message = format!("{more} findings more: `rollbook verify` lists them");
            let (since, until, until_index) = (self.time_before(from_index), None, None);
            self.doubts.push(Doubt { from_index, until_index, since, until, code, message });
        }
        if judged_up_to < self.basis.size && self.doubts.is_empty() {
            let (since, until) = (self.time_before(judged_up_to), None);
            let message = format!("entries from {judged_up_to} on could not be judged");
            let code = "not_judged".to_owned();
            self.doubts.push(Doubt {
                from_index: judged_up_to,
                until_index: None,
                since,
                until,
                code,
                message,
            });
        }
    }

    fn doubt(&self, finding: &FindingTold) -> Option<Doubt> {
        // What is wrong with the log as a whole is wrong with all of it.
        let from_index = finding.index.unwrap_or(0);
        let is_one = finding.index.is_some() && finding.code != "log.unread";
        let until_index = if is_one && !finding.spreads { Some(from_index + 1) } else { finding.until };
        let doubt = Doubt {
            from_index,
            until_index,
            since: self.time_before(from_index),
            until: until_index.and_then(|index| self.time_from(index)),
            code: finding.code.clone(),
            message: finding.message.clone(),
        };
        let is_before = doubt.until.is_some_and(|until| until < self.since);
        let is_after = doubt.since.is_some_and(|since| since > self.until);
        (!is_before && !is_after).then_some(doubt)
    }

    fn time_before(&self, index: u64) -> Option<Timestamp> {
        let at = self.rows.partition_point(|row| row.entry.index < index);
        Some(self.rows.get(at.checked_sub(1)?)?.entry.recorded_at)
    }

    fn time_from(&self, index: u64) -> Option<Timestamp> {
        let at = self.rows.partition_point(|row| row.entry.index < index);
        Some(self.rows.get(at)?.entry.recorded_at)
    }
}
