//! Manifests that pin a model: what `--manifest` proves, what the auditor finds of a proof that is none, and what the
//! command line refuses before anybody signs.

use rollbook::event::authority::Role;
use rollbook::event::glob::Glob;
use rollbook::event::header::Attachment;
use rollbook::event::infra::{GitObject, InfraCommit};
use rollbook::event::list::Ascending;
use rollbook::event::release::ModelPromoted;
use rollbook::event::text::Name;
use rollbook::evidence::git_path::{MEDIA_TYPE, Manifests, prove, verify};
use rollbook::hash::Hash;
use rollbook::linkage::git::manifests::{ManifestError, ManifestProof, prove_manifests};
use rollbook::store::attachments::Attachments;
use rollbook::verifier::report::Report;
use rollbook::verifier::verify::{Options, judge_dir, verify_dir};
use serde_json::{Value, json};

use crate::support::desk::Desk;
use crate::support::events::*;
use crate::support::forge::{Forge, codes, quick};
use crate::support::git::{HASHES, Repo, git_id, infra_of};

/// What the tests here find.
pub(crate) const FINDS: [&str; 3] = ["git.manifest", "git.object", "git.unproven"];

// Searching a commit.

/// Files as people have them, each pinning the digest of a version in its own way.
fn files(version: &str) -> Vec<(&'static str, String)> {
    let digest = digest(version);
    vec![
        (
            "argocd/application.yaml",
            format!(
                "apiVersion: argoproj.io/v1alpha1\nkind: Application\nspec:\n  source:\n    kustomize:\n      images:\n        \
                 - registry.example.com/scorer@sha256:{digest}\n"
            ),
        ),
        (
            "charts/scorer/values.yaml",
            format!("model:\n  version: {version}\n  digest: {}\n", digest.to_string().to_uppercase()),
        ),
        (
            "k8s/production/deployment.yaml",
            format!(
                "apiVersion: apps/v1\nkind: Deployment\nspec:\n  template:\n    spec:\n      containers:\n      \
                 - image: registry.example.com/scorer:{version}@sha256:{digest}\n"
            ),
        ),
        ("k8s/staging/deployment.yaml", "apiVersion: apps/v1\nkind: Deployment\n".to_owned()),
        (
            "kustomize/kustomization.yaml",
            format!("images:\n- name: scorer\n  digest: sha256:{digest}\nresources:\n- deployment.yaml\n"),
        ),
        ("README.md", "# infra\n".to_owned()),
    ]
}

fn commit_of(repo: &Repo, version: &str) -> gix::ObjectId {
    let files = files(version);
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    repo.commit(&files, &[], &format!("Pin {version}"))
}

fn proved(
    repo: &Repo,
    commit: gix::ObjectId,
    patterns: &[&str],
    version: &str,
) -> Result<ManifestProof, ManifestError> {
    let patterns: Vec<Glob> = patterns.iter().map(|pattern| Glob::new(*pattern).unwrap()).collect();
    prove_manifests(repo.path(), &git_id(commit), &patterns, &[digest(version)])
}

#[test]
fn files_that_fit_a_pattern_and_hold_the_digest_are_proved() {
    let every = [
        "argocd/application.yaml",
        "charts/scorer/values.yaml",
        "k8s/production/deployment.yaml",
        "kustomize/kustomization.yaml",
    ];
    for hash in HASHES {
        let repo = Repo::new(hash);
        let commit = commit_of(&repo, "1.0.0");
        for (patterns, expected) in [
            (&["k8s/production/deployment.yaml"][..], &every[2..3]),
            (&["k8s/*/deployment.yaml"], &every[2..3]),
            (&["*/*/*.yaml"], &every[1..3]),
            (&["*/*", "*/*/*", "nothing/*"], &every[..]),
            (&["README.md", "kustomize/kustomization.yaml"], &every[3..]),
            (&["k8s/*/*", "k8s/production/*"], &every[2..3]),
        ] {
            let ManifestProof { manifests, proof } = proved(&repo, commit, patterns, "1.0.0").unwrap();
            let found: Vec<&str> = manifests.iter().map(Name::as_str).collect();
            assert_eq!(found, expected, "{patterns:?}");
            let pins = verify(&proof, &git_id(commit), &manifests, &[digest("1.0.0")]).unwrap();
            assert_eq!(pins.len(), expected.len());
            assert_eq!(
                proved(&repo, commit, patterns, "1.0.0").unwrap().proof,
                proof,
                "made again, it is the same"
            );
        }
    }
}

#[test]
fn where_nothing_holds_the_digest_it_is_said_what_was_searched() {
    let repo = Repo::new(HASHES[0]);
    let commit = commit_of(&repo, "1.0.0");
    for (patterns, version, expected) in [
        (&["k8s/*/*"][..], "2.0.0", "none of these files of commit"),
        (&["k8s/*/*"], "2.0.0", "k8s/production/deployment.yaml, k8s/staging/deployment.yaml"),
        (&["k8s/*"], "1.0.0", "no file of commit"),
        (&["k8s//production/*"], "1.0.0", "no file of commit"),
        (&["k8s/production"], "1.0.0", "is a directory in the commit"),
        (&["k8s/production/deployment.yml"], "1.0.0", "the commit has no `k8s/production/deployment.yml`"),
        (
            &["README.md/x"],
            "1.0.0",
            "`README.md/x`: README.md is a file in the commit, and must be a directory",
        ),
        (&["k8s/production/deployment.yaml", "gone"], "1.0.0", "the commit has no `gone`"),
    ] {
        let error = proved(&repo, commit, patterns, version).unwrap_err().to_string();
        assert!(error.contains(expected), "{patterns:?}: {error}");
    }
    let many: Vec<(String, &str)> = (0..5_000).map(|number| (format!("{number}"), "")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(path, text)| (path.as_str(), *text)).collect();
    let commit = repo.commit(&many, &[], "many");
    assert!(matches!(proved(&repo, commit, &["*"], "1.0.0"), Err(ManifestError::TooMany { .. })));
}

#[test]
fn of_more_manifests_than_an_event_takes_the_first_are_proved() {
    let repo = Repo::new(HASHES[0]);
    let text = digest("1.0.0").to_string();
    let files: Vec<String> = (0..70).map(|number| format!("{number:03}")).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|path| (path.as_str(), text.as_str())).collect();
    let ManifestProof { manifests, .. } =
        proved(&repo, repo.commit(&files, &[], "many"), &["*"], "1.0.0").unwrap();
    assert_eq!((manifests.len(), manifests[63].as_str()), (64, "063"));
}

// The auditor.

/// A ledger whose entry 3 promotes version 1.0.0 from that commit, and attaches those bytes.
fn promoted(infra: InfraCommit, attached: &[&[u8]], stored: bool) -> (Forge, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let mut forge = Forge::founded();
    forge.add(&[&ada()], grant(&person("Dan"), &[Role::Registrar, Role::Deployer]));
    forge.add(&[&person("Dan")], register("1.0.0"));
    let promoted = ModelPromoted { infra, ..promote("1.0.0", "staging", None) };
    let mut event = forge.event(&person("Dan"), promoted);
    let attachment = |bytes: &&[u8]| Attachment {
        digest: Hash::of(bytes),
        size: bytes.len() as u64,
        private: false,
        media_type: name(MEDIA_TYPE),
        name: name("manifest-proof"),
    };
    event.header.attachments = Ascending::sort(attached.iter().map(attachment).collect()).unwrap();
    forge.add_event(event, &[&person("Dan")]);
    forge.write(dir.path());
    if stored {
        let store = Attachments::of_ledger(dir.path());
        for bytes in attached {
            store.put(&mut &**bytes).unwrap();
        }
    }
    (forge, dir)
}

fn report_on((forge, dir): &(Forge, tempfile::TempDir)) -> Report {
    let trust = forge.trust();
    verify_dir(dir.path(), &Options { trust: Some(&trust), ..quick() }, &|_, _| {}).unwrap()
}

fn pinned_by(commit: gix::ObjectId, manifests: Manifests, proof: &[u8]) -> InfraCommit {
    InfraCommit { manifests, path_proof: Some(Hash::of(proof)), ..infra_of(commit, None) }
}

#[test]
fn each_attack_on_a_path_proof_has_its_finding() {
    for hash in HASHES {
        let repo = Repo::new(hash);
        let (commit, other) = (commit_of(&repo, "1.0.0"), commit_of(&repo, "2.0.0"));
        let of = |commit, version| proved(&repo, commit, &["k8s/*/*", "kustomize/*"], version).unwrap();
        let (honest, foreign) = (of(commit, "1.0.0"), of(other, "2.0.0"));
        let infra = |proof: &[u8]| pinned_by(commit, honest.manifests.clone(), proof);
        let report = report_on(&promoted(infra(&honest.proof), &[&honest.proof], true));
        assert_eq!((codes(&report), report.verdict.exit_code()), (vec![], 0), "{report:?}");

        let mut altered = honest.proof.clone();
        *altered.last_mut().unwrap() ^= 1;
        let trailing = [&honest.proof[..], b"\n"].concat();
        let fewer = Manifests::new(honest.manifests[..1].to_vec()).unwrap();
        let staging = Manifests::new(vec![name("k8s/staging/deployment.yaml")]).unwrap();
        let fetch = |_, id: &rollbook::event::infra::GitId| {
            let id = gix::ObjectId::try_from(id.as_slice()).unwrap();
            let git = gix::open_opts(repo.path(), gix::open::Options::isolated()).unwrap();
            Ok::<_, std::convert::Infallible>(git.find_object(id).unwrap().data.clone())
        };
        let of_staging = prove(&git_id(commit), &staging, fetch).unwrap();
        for (attack, infra, proof) in [
            ("another commit's proof", infra(&foreign.proof), &foreign.proof),
            (
                "manifests that pin another digest",
                pinned_by(other, foreign.manifests.clone(), &foreign.proof),
                &foreign.proof,
            ),
            ("a manifest that pins nothing", pinned_by(commit, staging.clone(), &of_staging), &of_staging),
            ("a blob altered", infra(&altered), &altered),
            ("bytes behind", infra(&trailing), &trailing),
            ("a manifest not named", pinned_by(commit, fewer, &honest.proof), &honest.proof),
            ("no manifest named", pinned_by(commit, Manifests::default(), &honest.proof), &honest.proof),
            ("a model's file in its place", infra(b"weights"), &b"weights".to_vec()),
        ] {
            let report = report_on(&promoted(infra, &[proof], true));
            assert_eq!(codes(&report), ["git.manifest"], "{attack}");
            assert_eq!((report.findings[0].index(), report.verdict.exit_code()), (Some(3), 1), "{attack}");
        }
        let report = report_on(&promoted(infra(&honest.proof), &[], true));
        assert_eq!(codes(&report), ["rule.git_evidence_not_attached"]);
        // What is not there proves nothing, and accuses nobody of a wrong proof.
        let report = report_on(&promoted(infra(&honest.proof), &[&honest.proof], false));
        assert_eq!(codes(&report), ["attachment.missing", "git.unproven"]);
    }
}

/// What `gate` looks at.
fn proofs_alone<'a>() -> Options<'a> {
    Options { proofs_only: true, keep: true, ..quick() }
}

#[test]
fn a_false_proof_is_found_by_the_gate_and_never_forgotten_in_what_is_kept() {
    let repo = Repo::new(HASHES[0]);
    let (commit, other) = (commit_of(&repo, "1.0.0"), commit_of(&repo, "2.0.0"));
    let of = |commit, version| proved(&repo, commit, &["k8s/*/*", "kustomize/*"], version).unwrap();
    let (honest, foreign) = (of(commit, "1.0.0"), of(other, "2.0.0"));
    let judged = |proof: &[u8], stored: bool, options: Options<'_>| {
        let infra = pinned_by(commit, honest.manifests.clone(), proof);
        let (forge, dir) = promoted(infra, &[proof], stored);
        let trust = forge.trust();
        judge_dir(dir.path(), &Options { trust: Some(&trust), ..options }, &|_, _| {}).unwrap()
    };
    let sound = judged(&honest.proof, true, proofs_alone());
    assert_eq!(codes(&sound.report), [""; 0]);
    assert!(sound.kept.is_some(), "the next one goes on from here");
    let forged = judged(&foreign.proof, true, proofs_alone());
    assert_eq!(codes(&forged.report), ["git.manifest"]);
    assert!(forged.kept.is_none());
    // Where nobody looks, nobody keeps that somebody has looked.
    let blind = Options { skip_attachments: true, ..proofs_alone() };
    let blind = judged(&foreign.proof, true, blind);
    assert_eq!(codes(&blind.report), [""; 0]);
    assert!(blind.kept.is_none());
    let gone = judged(&honest.proof, false, proofs_alone());
    assert_eq!(codes(&gone.report), ["git.unproven"]);
}

#[test]
fn an_attached_tag_is_held_to_what_an_embedded_one_is() {
    let repo = Repo::new(HASHES[0]);
    let (commit, other) = (commit_of(&repo, "1.0.0"), commit_of(&repo, "2.0.0"));
    let tagged = |target: gix::ObjectId, called: &str| {
        format!("object {target}\ntype commit\ntag {called}\n\nrelease\n").into_bytes()
    };
    for (what, bytes, expected) in [
        ("the tag that is named", tagged(commit, "v1"), &[][..]),
        ("a tag of another commit", tagged(other, "v1"), &["git.object"]),
        ("a tag of another name", tagged(commit, "v0"), &["git.object"]),
    ] {
        let id = repo.write(gix::objs::Kind::Tag, &bytes);
        let object = GitObject { sha256: Hash::of(&bytes), size: bytes.len() as u64, bytes: None };
        let infra = infra_of(commit, Some(("v1", Some(id))));
        let infra = InfraCommit { tag_object: Some(object), ..infra };
        let report = report_on(&promoted(infra, &[&bytes], true));
        assert_eq!(codes(&report), expected, "{what}");
    }
}

#[test]
fn an_attached_object_is_the_one_that_the_entry_names() {
    for hash in HASHES {
        let repo = Repo::new(hash);
        let commit = repo.commit(&[("file", "1")], &[], &"long ".repeat(5_000));
        let git = gix::open_opts(repo.path(), gix::open::Options::isolated()).unwrap();
        let bytes = git.find_object(commit).unwrap().data.clone();
        let with_object = |bytes: &[u8]| {
            let object = GitObject { sha256: Hash::of(bytes), size: bytes.len() as u64, bytes: None };
            InfraCommit { commit_object: Some(object), ..infra_of(commit, None) }
        };
        let report = report_on(&promoted(with_object(&bytes), &[&bytes], true));
        assert_eq!(codes(&report), [""; 0]);
        let forged = [&bytes[..], b"and more\n"].concat();
        let report = report_on(&promoted(with_object(&forged), &[&forged], true));
        assert_eq!(codes(&report), ["git.object"], "it claims the id of another object");
        assert_eq!(report.verdict.exit_code(), 1);
    }
}

// The command line.

/// The digest of the desk's model.
fn model_digest(desk: &Desk) -> String {
    desk.done_json("show 2")["event"]["body"]["digest"]["root"].as_str().unwrap().to_owned()
}

/// A desk with a registered model in entry 2, and its manifest in the repository.
fn desk() -> Desk {
    let desk = Desk::founded();
    desk.grant("dora", "--role registrar --role deployer --role responder --env '*' --model '*'");
    desk.done("--key dora.key register scorer 1.0.0 --path model --source-repo infra --source-tag v1");
    let digest = model_digest(&desk);
    desk.write("infra/deploy/staging/model.yaml", format!("image: scorer@sha256:{digest}\n"));
    desk.write("infra/deploy/production/model.yaml", "image: scorer@sha256:none\n");
    desk.commit_all("infra", "pin");
    desk
}

fn event(desk: &Desk, index: u64) -> Value {
    desk.done_json(&format!("show {index}"))["event"].clone()
}

/// How many files stand in the ledger's `attachments/`.
fn stored(desk: &Desk) -> usize {
    let list = |dir: &std::path::Path| -> Vec<std::path::PathBuf> {
        std::fs::read_dir(dir)
            .map_or_else(|_| Vec::new(), |dir| dir.map(|file| file.unwrap().path()).collect())
    };
    list(&desk.path("ledger/attachments/sha256")).iter().map(|dir| list(dir).len()).sum()
}

const SOUND: &str = "verify ledger --trust ledger/trust.toml";

#[test]
fn a_promotion_and_a_rollback_attach_the_proof_of_what_pins_the_model() {
    let desk = desk();
    let promote = "--key dora.key promote scorer 1.0.0 --env staging --repo infra --rev HEAD --manifest 'deploy/*/model.yaml' --event-id one";
    let before = stored(&desk);
    let dry = desk.done_json(&format!("{promote} --dry-run"));
    assert_eq!(dry["would_be_accepted"], true);
    assert_eq!(stored(&desk), before, "a trial stores nothing");
    desk.done(promote);
    assert_eq!(stored(&desk), before + 1, "the proof");
    let promoted = event(&desk, 3);
    let infra = &promoted["body"]["infra"];
    assert_eq!(infra["manifests"], json!(["deploy/staging/model.yaml"]));
    let attachments = promoted["header"]["attachments"].as_array().unwrap().clone();
    assert_eq!(attachments.len(), 1);
    assert_eq!(
        (&attachments[0]["name"], &attachments[0]["media_type"]),
        (&json!("manifest-proof"), &json!(MEDIA_TYPE))
    );
    assert_eq!(infra["path_proof"], attachments[0]["digest"]);
    assert!(infra["commit_object"]["bytes"].as_str().unwrap().starts_with("tree "), "{infra}");

    let again = desk.done(promote);
    assert!(again.contains("already recorded as entry 3"), "{again}");
    // Without the option, a retry finds what was found then.
    let again = desk.done(&promote.replace(" --manifest 'deploy/*/model.yaml'", ""));
    assert!(again.contains("already recorded as entry 3"), "{again}");

    desk.done("--key dora.key register scorer 1.1.0 --path model");
    desk.done("--key dora.key promote scorer 1.1.0 --env staging --repo infra --rev HEAD");
    desk.done("--key dora.key rollback scorer --env staging --repo infra --rev HEAD --reason x --manifest deploy/staging/model.yaml");
    assert_eq!(event(&desk, 6)["body"]["infra"]["path_proof"], infra["path_proof"]);
    let report = desk.done_json(SOUND);
    assert_eq!(report["attachments"], json!({ "checked": stored(&desk), "redacted": 0 }));
}

#[test]
fn nobody_signs_where_no_manifest_holds_the_digest() {
    let desk = desk();
    let promote = "--key dora.key promote scorer 1.0.0 --env staging --repo infra --rev HEAD --manifest";
    let digest = model_digest(&desk);
    desk.refused(
        &format!("{promote} deploy/production/model.yaml"),
        1,
        &["none of these files of commit", &digest, "deploy/production/model.yaml", "name the new commit"],
    );
    let refused = desk.run(&format!("--json {promote} deploy/production/model.yaml"));
    assert_eq!(refused.json()["refused"]["code"], "manifest_lacks_digest", "{refused:?}");
    desk.refused(
        &format!("{promote} 'deploy/*.yaml'"),
        1,
        &["no file of commit", "fits `deploy/*.yaml`", "`*` stands for any characters but `/`"],
    );
    desk.refused(&format!("{promote} deploy/gone.yaml"), 2, &["the commit has no `deploy/gone.yaml`"]);
    desk.refused(&format!("{promote} deploy"), 2, &["is a directory in the commit"]);
    // What the work tree holds and the commit does not is not there.
    desk.write("infra/deploy/new.yaml", &digest);
    desk.refused(&format!("{promote} deploy/new.yaml"), 2, &["the commit has no `deploy/new.yaml`"]);
}

/// Sets a policy of schema 3 whose files in the repository are the desk's manifests; staging asks for the proof.
fn set_policy(desk: &Desk) {
    let text = "schema = 3\nadministrators.threshold = 1\n[[git.repository]]\nname = \"infra\"\n\
                protected = [\"main\"]\nmanifests = [\"deploy/*/model.yaml\"]\n\
                [[environment]]\nname = \"staging\"\npromote.manifest = true\n[[environment]]\nname = \"test\"\n";
    desk.write("three.toml", text);
    desk.done("--key alice.key policy set three.toml --yes");
}

#[test]
fn files_that_the_policy_names_are_searched_where_none_are_given() {
    let desk = desk();
    set_policy(&desk);
    desk.done("--key dora.key promote scorer 1.0.0 --env staging --repo infra --rev HEAD");
    assert_eq!(event(&desk, 4)["body"]["infra"]["manifests"], json!(["deploy/staging/model.yaml"]));
    // Other files, another digest: refused where the policy asks for the proof, and told where it does not.
    desk.write("model/weights.bin", "other weights\n");
    desk.done("--key dora.key register scorer 1.1.0 --path model");
    let promote = "--key dora.key promote scorer 1.1.0 --repo infra --rev HEAD --env";
    desk.refused(&format!("{promote} staging"), 1, &["none of these files", "deploy/production/model.yaml"]);
    let told = desk.run(&format!("{promote} test"));
    assert_eq!(told.code, Some(0), "{told:?}");
    assert!(told.stderr.contains("the event names no manifest"), "{}", told.stderr);
    assert_eq!(event(&desk, 6)["body"]["infra"]["path_proof"], Value::Null);
}

#[test]
fn a_release_from_no_protected_branch_is_found_in_the_clone() {
    let desk = desk();
    set_policy(&desk);
    let verify = format!("{SOUND} --git infra=infra");
    desk.git(&["-C", "infra", "checkout", "--quiet", "-b", "aside"]);
    desk.git(&["-C", "infra", "commit", "--quiet", "--allow-empty", "--message", "aside"]);
    desk.done("--key dora.key promote scorer 1.0.0 --env staging --repo infra --rev main");
    assert_eq!(desk.done_json(&verify)["clones"], json!([{ "name": "infra", "checked": 2 }]));
    desk.done("--key dora.key promote scorer 1.0.0 --env test --repo infra --rev HEAD");
    let found = desk.run(&verify);
    assert_eq!(found.code, Some(1), "{found:?}");
    assert!(found.stdout.contains("violation git.not_protected: entry 5:"), "{}", found.stdout);
    assert!(found.stdout.contains("(main)"), "{}", found.stdout);
    // Merged, it is.
    desk.git(&["-C", "infra", "checkout", "--quiet", "main"]);
    desk.git(&["-C", "infra", "merge", "--quiet", "aside"]);
    desk.done(&verify);
    // A shallow clone cannot tell.
    desk.git(&[
        "clone",
        "--quiet",
        "--depth=1",
        &format!("file://{}", desk.path("infra").display()),
        "shallow",
    ]);
    let unclear = desk.run(&format!("{SOUND} --git infra=shallow"));
    assert_eq!(unclear.code, Some(5), "{unclear:?}");
    assert!(unclear.stdout.contains("unclear git.clone_shallow: entry 2:"), "{}", unclear.stdout);
}

#[test]
fn a_draft_keeps_the_proof() {
    let desk = desk();
    let draft = "--key dora.key promote scorer 1.0.0 --env staging --repo infra --rev HEAD --manifest 'deploy/*/*' --draft d.json";
    desk.done(draft);
    let shown = desk.done("draft show d.json");
    assert!(shown.contains("manifest-proof"), "{shown}");
    assert!(shown.contains("git: the commit is not signed"), "{shown}");
    desk.done("draft submit d.json");
    assert_eq!(desk.done_json(SOUND)["verdict"], "sound");
}

#[test]
fn a_registration_embeds_the_commit_and_the_tag_of_its_source() {
    let desk = desk();
    let source = event(&desk, 2)["body"]["source"].clone();
    assert_eq!(source["tag"], json!({ "name": "v1", "object": null }));
    assert!(source["commit_object"]["bytes"].as_str().unwrap().contains("first"), "{source}");
    assert_eq!(source["manifests"], json!([]));
    let both =
        "--key dora.key register scorer 2 --path model --source-repo infra --source-tag v1 --source-rev HEAD";
    desk.refused(both, 2, &["cannot be used with"]);
    desk.refused("--key dora.key register scorer 2 --path model --source-repo infra", 2, &["--source-rev"]);
    desk.refused("--key dora.key register scorer 2 --path model --source-tag v1", 2, &["--source-repo"]);
}

#[test]
fn a_commit_too_large_to_embed_is_attached() {
    let desk = desk();
    desk.write("message", "long ".repeat(5_000));
    desk.git(&["-C", "infra", "commit", "--quiet", "--allow-empty", "--file", "../message"]);
    desk.done("--key dora.key promote scorer 1.0.0 --env staging --repo infra --rev HEAD");
    let promoted = event(&desk, 3);
    let object = &promoted["body"]["infra"]["commit_object"];
    assert_eq!(object["bytes"], Value::Null);
    let attachment = &promoted["header"]["attachments"][0];
    assert_eq!(
        (&attachment["name"], &attachment["media_type"]),
        (&json!("commit-object"), &json!("application/vnd.git.commit"))
    );
    assert_eq!((&attachment["digest"], &attachment["size"]), (&object["sha256"], &object["size"]));
    assert_eq!(desk.done_json(SOUND)["verdict"], "sound");
}
