//! Commits and tags that entries name, held against clones: what is found there, what a clone cannot tell, and
//! what the command line says of it.

use rollbook::event::authority::Role;
use rollbook::event::infra::InfraCommit;
use rollbook::event::release::ModelPromoted;
use rollbook::linkage::git::clone::Clones;
use rollbook::verifier::clones::{CloneError, CloneFact, CloneSource, RecordedCommit};
use rollbook::verifier::report::{CloneReport, Report, Verdict};
use rollbook::verifier::verify::{Options, VerifyError, verify};

use crate::support::desk::Desk;
use crate::support::events::*;
use crate::support::forge::{Forge, codes, quick};
use crate::support::git::{HASHES, INFRA, Repo, git_id, infra_of};

/// What the tests here find.
pub(crate) const FINDS: [&str; 6] = [
    "git.commit_missing",
    "git.tag_missing",
    "git.tag_moved",
    "git.tag_leads_elsewhere",
    "git.not_protected",
    "git.clone_shallow",
];

/// A log whose entry 3 promotes from that commit.
fn promoted(infra: InfraCommit) -> Forge {
    let mut forge = Forge::founded();
    forge.add(&[&ada()], grant(&person("Dan"), &[Role::Registrar, Role::Deployer]));
    forge.add(&[&person("Dan")], register("1.0.0"));
    forge.add(&[&person("Dan")], ModelPromoted { infra, ..promote("1.0.0", "staging", None) });
    forge
}

fn verified_with(forge: &Forge, clones: &dyn CloneSource) -> Result<Report, VerifyError> {
    let trust = forge.trust();
    let options = Options { trust: Some(&trust), clones: Some(clones), ..quick() };
    verify(&forge.log(), forge.head(), &options, &|_, _| {})
}

fn clone_of(repo: &Repo) -> Clones {
    let mut clones = Clones::default();
    assert!(clones.add(name(INFRA), repo.path()).unwrap());
    clones
}

/// The codes that are found, all of entry 3, and the exit code.
fn found(forge: &Forge, repo: &Repo) -> (Vec<String>, u8) {
    let report = verified_with(forge, &clone_of(repo)).unwrap();
    assert!(report.findings.iter().all(|finding| finding.index() == Some(3)), "{report:?}");
    assert_eq!(report.clones, [CloneReport { name: INFRA.into(), checked: 1 }]);
    (codes(&report), report.verdict.exit_code())
}

/// A repository with two commits on `main`, an annotated tag on the second and a lightweight one on the first.
struct Sample {
    repo: Repo,
    first: gix::ObjectId,
    second: gix::ObjectId,
    tag: gix::ObjectId,
}

impl Sample {
    fn new(hash: gix::hash::Kind) -> Self {
        let repo = Repo::new(hash);
        let first = repo.commit(&[("file", "1")], &[], "first");
        let second = repo.commit(&[("file", "2")], &[first], "second");
        repo.point("refs/heads/main", second);
        repo.point("refs/tags/light", first);
        let tag = repo.tag("v1", second);
        Self { repo, first, second, tag }
    }

    /// What is recorded of the annotated tag.
    fn by_tag(&self) -> InfraCommit {
        infra_of(self.second, Some(("v1", Some(self.tag))))
    }

    fn by_light_tag(&self) -> InfraCommit {
        infra_of(self.first, Some(("light", None)))
    }
}

#[test]
fn what_stands_in_the_clone_as_it_was_recorded_is_sound() {
    for hash in HASHES {
        let sample = Sample::new(hash);
        for infra in [sample.by_tag(), sample.by_light_tag(), infra_of(sample.first, None)] {
            assert_eq!(found(&promoted(infra), &sample.repo), (vec![], 0));
        }
    }
}

#[test]
fn each_attack_on_a_repository_has_its_finding() {
    type Attack = fn(&Sample);
    let attacks: [(&str, Attack, &[&str]); 6] = [
        (
            "the tag is moved to another commit",
            |sample| _ = sample.repo.tag("v1", sample.first),
            &["git.tag_moved"],
        ),
        (
            "the tag is replaced by a lightweight one of the same commit",
            |sample| sample.repo.point("refs/tags/v1", sample.second),
            &["git.tag_moved"],
        ),
        (
            "the tag is signed anew",
            |sample| {
                let text = format!("object {}\ntype commit\ntag v1\n\nanew\n", sample.second);
                let anew = sample.repo.write(gix::objs::Kind::Tag, text.as_bytes());
                sample.repo.point("refs/tags/v1", anew);
            },
            &["git.tag_moved"],
        ),
        ("the tag is deleted", |sample| sample.repo.delete("refs/tags/v1"), &["git.tag_missing"]),
        (
            "a branch has the tag's name",
            |sample| {
                sample.repo.delete("refs/tags/v1");
                sample.repo.point("refs/heads/v1", sample.tag);
                sample.repo.point("refs/heads/refs/tags/v1", sample.tag);
            },
            &["git.tag_missing"],
        ),
        (
            "the commit is gone, and its tag",
            |sample| {
                sample.repo.delete("refs/tags/v1");
                std::fs::remove_file(sample.repo.object_file(sample.second)).unwrap();
            },
            &["git.commit_missing", "git.tag_missing"],
        ),
    ];
    for hash in HASHES {
        for (attack, run, expected) in attacks {
            let sample = Sample::new(hash);
            let forge = promoted(sample.by_tag());
            run(&sample);
            let (codes, exit) = found(&forge, &sample.repo);
            assert_eq!(
                (codes.iter().map(String::as_str).collect::<Vec<_>>(), exit),
                (expected.to_vec(), 1),
                "{attack}"
            );
        }
        let sample = Sample::new(hash);
        sample.repo.point("refs/tags/light", sample.second);
        assert_eq!(found(&promoted(sample.by_light_tag()), &sample.repo).0, ["git.tag_moved"]);
    }
    for hash in HASHES {
        // The author names the tag of another commit, and embeds nothing.
        let sample = Sample::new(hash);
        let infra = InfraCommit { commit: git_id(sample.first), ..sample.by_tag() };
        let infra = InfraCommit { commit_object: None, tag_object: None, ..infra };
        let (codes, exit) = found(&promoted(infra), &sample.repo);
        assert_eq!((codes, exit), (vec!["git.tag_leads_elsewhere".to_owned()], 1));
        // The author names a blob, however large.
        let blob = sample.repo.write(gix::objs::Kind::Blob, &vec![b'x'; 1 << 20]);
        let infra = InfraCommit { commit: git_id(blob), tag: None, ..sample.by_tag() };
        let infra = InfraCommit { commit_object: None, tag_object: None, ..infra };
        assert_eq!(found(&promoted(infra), &sample.repo).0, ["git.commit_missing"]);
    }
    // An id of the other format is in no repository of this one.
    let [sha1, sha256] = HASHES.map(Sample::new);
    assert_eq!(found(&promoted(sha1.by_tag()), &sha256.repo).0, ["git.commit_missing", "git.tag_moved"]);
}

/// What a clone says of a commit that must be on one of `branches`.
fn on_branches(sample: &Sample, commit: gix::ObjectId, branches: &[&str]) -> Vec<CloneFact> {
    let branches = branches.iter().map(|branch| name(branch)).collect();
    let recorded =
        RecordedCommit { index: 3, repository: name(INFRA), commit: git_id(commit), tag: None, branches };
    clone_of(&sample.repo).look(&[recorded]).unwrap().remove(0).unwrap()
}

#[test]
fn a_commit_is_reachable_from_a_protected_branch_or_is_not() {
    for hash in HASHES {
        let sample = Sample::new(hash);
        let aside = sample.repo.commit(&[("file", "3")], &[sample.first], "aside");
        sample.repo.point("refs/heads/aside", aside);
        let merged = sample.repo.commit(&[("file", "4")], &[sample.second, aside], "merge");
        sample.repo.point("refs/remotes/origin/release", merged);
        let not_there = |what: &str| vec![CloneFact::CannotTell { lacks: format!("the branch `{what}`") }];
        for (commit, branches, expected) in [
            (sample.first, &["main"][..], vec![]),
            (sample.second, &["main"], vec![]),
            (aside, &["main"], vec![CloneFact::NotProtected]),
            (aside, &["main", "aside"], vec![]),
            (merged, &["main", "aside"], vec![CloneFact::NotProtected]),
            (aside, &["release"], vec![]),
            (merged, &["main", "release"], vec![]),
            (aside, &["main", "gone"], not_there("gone")),
            (sample.first, &["main", "gone"], vec![]),
            (aside, &[], vec![]),
        ] {
            assert_eq!(on_branches(&sample, commit, branches), expected, "{commit} {branches:?}");
        }
        // What was fetched goes before a branch of the clone's own, which stays behind where the server's is rewritten.
        sample.repo.point("refs/remotes/origin/main", sample.first);
        assert_eq!(on_branches(&sample, sample.second, &["main"]), [CloneFact::NotProtected]);
        sample.repo.point("refs/remotes/origin/main", sample.second);
        assert_eq!(on_branches(&sample, sample.second, &["main"]), []);
        let sample = Sample::new(hash);
        // The branch is rewritten, and loses the commit.
        sample.repo.point("refs/heads/main", sample.first);
        assert_eq!(on_branches(&sample, sample.second, &["main"]), [CloneFact::NotProtected]);
    }
}

/// A clone that answers the same whatever is asked.
#[derive(Debug)]
struct Answers(Vec<CloneFact>);

impl CloneSource for Answers {
    fn names(&self) -> Vec<&str> {
        vec![INFRA]
    }

    fn look(&self, recorded: &[RecordedCommit]) -> Result<Vec<Option<Vec<CloneFact>>>, CloneError> {
        Ok(recorded.iter().map(|_| Some(self.0.clone())).collect())
    }
}

#[test]
fn a_commit_outside_the_protected_branches_is_a_violation_that_administrators_can_accept() {
    let mut forge = promoted(Sample::new(HASHES[0]).by_tag());
    let answers = Answers(vec![CloneFact::NotProtected]);
    let report = verified_with(&forge, &answers).unwrap();
    assert_eq!((codes(&report), report.verdict), (vec!["git.not_protected".into()], Verdict::Violation));
    forge.add(&[&ada()], accept(3, &["git.not_protected"]));
    let report = verified_with(&forge, &answers).unwrap();
    assert_eq!(report.verdict.exit_code(), 0, "{report:?}");
}

#[test]
fn a_shallow_clone_cannot_tell_and_says_so() {
    for hash in HASHES {
        let sample = Sample::new(hash);
        std::fs::write(sample.repo.path().join("shallow"), format!("{}\n", sample.second)).unwrap();
        std::fs::remove_file(sample.repo.object_file(sample.first)).unwrap();
        assert_eq!(found(&promoted(sample.by_tag()), &sample.repo), (vec![], 0), "what is there is judged");
        let unclear = (vec!["git.clone_shallow".to_owned()], 5);
        assert_eq!(found(&promoted(sample.by_light_tag()), &sample.repo), unclear);
        let facts = on_branches(&sample, sample.first, &["main"]);
        assert!(facts.iter().all(|fact| matches!(fact, CloneFact::CannotTell { .. })), "{facts:?}");
        assert_eq!(facts.len(), 2, "the commit, and the history: {facts:?}");
        // A tag that is not there may be one that was not fetched; one that points elsewhere was moved all the same.
        sample.repo.delete("refs/tags/v1");
        assert_eq!(found(&promoted(sample.by_tag()), &sample.repo), unclear);
        sample.repo.tag("v1", sample.second);
        let other = infra_of(sample.second, Some(("v1", Some(sample.second))));
        assert_eq!(found(&promoted(other), &sample.repo).0, ["git.tag_moved"]);
    }
}

#[test]
fn a_clone_that_cannot_be_read_gives_no_verdict() {
    let sample = Sample::new(HASHES[0]);
    let forge = promoted(sample.by_tag());
    let file = sample.repo.object_file(sample.second);
    std::fs::remove_file(&file).unwrap();
    std::fs::copy(sample.repo.object_file(sample.first), &file).unwrap();
    let error = verified_with(&forge, &clone_of(&sample.repo)).unwrap_err();
    assert!(
        matches!(&error, VerifyError::Clone(CloneError { repository, .. }) if repository == INFRA),
        "{error}"
    );
}

#[test]
fn a_repository_without_a_clone_is_not_looked_at() {
    let sample = Sample::new(HASHES[0]);
    let forge = promoted(infra());
    let mut clones = Clones::default();
    clones.add(name("https://git.example.com/other"), sample.repo.path()).unwrap();
    let report = verified_with(&forge, &clones).unwrap();
    assert_eq!((codes(&report), report.clones[0].checked), (vec![], 0));
    assert!(clones.add(name(INFRA), &sample.repo.path().join("none")).is_err());
    assert!(!clones.add(name("https://git.example.com/other"), sample.repo.path()).unwrap(), "named twice");
}

#[test]
fn verify_holds_a_ledger_against_the_clones_that_are_named() {
    let desk = Desk::with_releases();
    let trust = "--trust ledger/trust.toml";
    let sound = desk.done_json(&format!("verify ledger {trust} --git infra=infra"));
    assert_eq!(sound["clones"], serde_json::json!([{ "name": "infra", "checked": 2 }]));
    let text = desk.done(&format!("verify ledger {trust} --git infra=infra/.git"));
    assert!(text.contains("clone          infra: 2 commits held against it"), "{text}");

    let idle = desk.run(&format!("verify ledger {trust} --git other=infra"));
    assert_eq!(idle.code, Some(0));
    assert!(idle.stderr.contains("warning: --git other: no entry names"), "{}", idle.stderr);
    for (wrong, words) in [
        ("--git infra", "NAME=DIR"),
        ("--git infra=", "NAME=DIR"),
        ("--git infra=nowhere", "not a Git repository"),
        ("--git infra=infra --git infra=infra", "twice"),
    ] {
        desk.refused(&format!("verify ledger {trust} {wrong}"), 2, &[words]);
    }
    // The tag is moved.
    std::fs::copy(desk.path("infra/.git/refs/heads/main"), desk.path("infra/.git/refs/tags/v1")).unwrap();
    let moved = desk.run(&format!("verify ledger {trust} --git infra=infra"));
    assert_eq!(moved.code, Some(1), "{moved:?}");
    assert!(moved.stdout.contains("violation git.tag_moved: entry 4:"), "{}", moved.stdout);
}

#[test]
fn a_pack_and_what_came_since_are_held_against_clones() {
    let desk = Desk::with_releases();
    let trust = "--trust ledger/trust.toml";
    desk.done("pack export pack");
    let report = desk.done_json(&format!("verify pack {trust} --git infra=infra"));
    assert_eq!(report["clones"][0]["checked"], 2);
    desk.done(&format!("verify ledger {trust} --git infra=infra --state kept"));
    desk.done("--key dora.key rollback scorer --env staging --repo infra --rev HEAD --reason x");
    let report = desk.done_json(&format!("verify ledger {trust} --git infra=infra --state kept"));
    assert_eq!(report["clones"][0]["checked"], 1, "only what came since");
    let nothing = desk.run(&format!("verify ledger {trust} --git infra=infra --state kept"));
    assert!(nothing.code == Some(0) && !nothing.stderr.contains("warning"), "{nothing:?}");
}
