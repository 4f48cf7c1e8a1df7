//! Manifests of the real `git`'s repositories, of every sort and both hashes: promoted from, proved, verified, and
//! then tampered with.
//!
//! Ignored by default, since not every machine has the program: `cargo test -- --include-ignored`.

use serde_json::json;

use crate::support::desk::Desk;

const VERIFY: &str = "verify ledger --trust ledger/trust.toml";

/// Manifests as people have them; `DIGEST` is the model's.
const FILES: [(&str, &str); 4] = [
    (
        "k8s/deployment.yaml",
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: scorer\nspec:\n  selector:\n    matchLabels: {app: scorer}\n  \
         template:\n    metadata:\n      labels: {app: scorer}\n    spec:\n      containers:\n      - name: scorer\n        image: \
         registry.example.com/scorer:1.0.0@sha256:DIGEST\n",
    ),
    (
        "kustomize/overlays/staging/kustomization.yaml",
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [../../base]\nimages:\n- name: scorer\n  \
         digest: sha256:DIGEST\n",
    ),
    (
        "charts/scorer/values.yaml",
        "replicaCount: 3\nimage:\n  repository: registry.example.com/scorer\n  tag: \"\"\nmodel:\n  sha256: DIGEST\n",
    ),
    (
        "argocd/scorer.yaml",
        "apiVersion: argoproj.io/v1alpha1\nkind: Application\nspec:\n  source:\n    repoURL: https://git.example.com/infra\n    helm:\n      \
         parameters:\n      - name: image.digest\n        value: sha256:DIGEST\n",
    ),
];

/// A desk with a registered model, and a repository `infra` of that hash whose tag `r1` pins it, in every file.
fn desk(format: &str) -> Desk {
    let desk = Desk::founded();
    desk.grant("dora", "--role registrar --role deployer --role responder --env '*' --model '*'");
    desk.done("--key dora.key register scorer 1.0.0 --path model");
    let shown = desk.done_json("show 2");
    let digest = shown["event"]["body"]["digest"]["root"].as_str().unwrap();
    desk.remove_dir("infra");
    desk.git(&["init", "--quiet", "--initial-branch=main", &format!("--object-format={format}"), "infra"]);
    for (path, text) in FILES {
        desk.write(&format!("infra/{path}"), text.replace("DIGEST", digest));
    }
    desk.write("infra/README.md", "# infra\n");
    desk.commit_all("infra", "Pin 1.0.0");
    desk.git(&["-C", "infra", "tag", "--annotate", "--message=release", "r1"]);
    desk
}

fn promote(repo: &str, id: &str, manifests: &str) -> String {
    format!(
        "--key dora.key promote scorer 1.0.0 --env staging --repo {repo} --repo-name infra --tag r1 --event-id {id} {manifests}"
    )
}

#[test]
#[ignore = "needs git"]
fn every_sort_of_repository_gives_the_same_event_and_a_sound_ledger() {
    for format in ["sha1", "sha256"] {
        let desk = desk(format);
        let every = "--manifest 'k8s/*' --manifest 'kustomize/*/*/*' --manifest charts/scorer/values.yaml --manifest 'argocd/*.yaml'";
        desk.done(&promote("infra", "one", every));
        let promoted = desk.done_json("show 3")["event"]["body"]["infra"].clone();
        let mut paths = FILES.map(|(path, _)| path);
        paths.sort_unstable();
        assert_eq!(promoted["manifests"], json!(paths), "{format}");
        assert!(promoted["tag_object"]["bytes"].as_str().unwrap().contains("\ntag r1\n"), "{promoted}");

        desk.git(&["clone", "--quiet", "--bare", "infra", "bare.git"]);
        desk.git(&["-C", "infra", "worktree", "add", "--quiet", "--detach", "../linked"]);
        desk.git(&["clone", "--quiet", "infra", "packed"]);
        desk.git(&["-C", "packed", "gc", "--quiet", "--aggressive", "--prune=now"]);
        desk.git(&["clone", "--quiet", "--shared", "infra", "shared"]);
        let url = format!("file://{}", desk.path("infra").display());
        // Retried from wherever, it is the same event.
        for repo in ["infra/.git", "bare.git", "linked", "packed", "shared", &url] {
            let again = desk.done(&promote(repo, "one", every));
            assert!(again.contains("already recorded as entry 3"), "{format} {repo}: {again}");
            let report = desk.done_json(&format!("{VERIFY} --git infra={repo}"));
            assert_eq!(report["verdict"], "sound", "{format} {repo}");
            assert_eq!(report["clones"], json!([{ "name": "infra", "checked": 1 }]), "{format} {repo}");
        }
    }
}

#[test]
#[ignore = "needs git"]
fn what_happens_to_a_repository_afterwards_is_found_in_a_clone() {
    type Attack = fn(&Desk);
    let attacks: [(&str, Attack, &str); 4] = [
        (
            "the tag is moved to a commit that pins another model",
            |desk| {
                desk.write("infra/k8s/deployment.yaml", "image: scorer@sha256:evil\n");
                desk.commit_all("infra", "Pin another");
                desk.git(&["-C", "infra", "tag", "--force", "--annotate", "--message=release", "r1"]);
            },
            "git.tag_moved",
        ),
        ("the tag is deleted", |desk| desk.git(&["-C", "infra", "tag", "--delete", "r1"]), "git.tag_missing"),
        (
            "history is rewritten, and the old one pruned",
            |desk| {
                desk.git(&["-C", "infra", "commit", "--quiet", "--amend", "--message=Pin 1.0.0, honestly"]);
                desk.git(&["-C", "infra", "tag", "--force", "--annotate", "--message=release", "r1"]);
                desk.git(&["-C", "infra", "reflog", "expire", "--expire=now", "--all"]);
                desk.git(&["-C", "infra", "gc", "--quiet", "--prune=now"]);
            },
            "git.commit_missing",
        ),
        (
            "another commit is put in its place by a replacement",
            |desk| {
                desk.git(&["-C", "infra", "commit", "--quiet", "--allow-empty", "--message=other"]);
                desk.git(&["-C", "infra", "replace", "r1^{commit}", "HEAD"]);
            },
            "",
        ),
    ];
    for format in ["sha1", "sha256"] {
        for (attack, run, expected) in attacks {
            let desk = desk(format);
            desk.done(&promote("infra", "one", "--manifest k8s/deployment.yaml"));
            run(&desk);
            let answer = desk.run(&format!("{VERIFY} --git infra=infra"));
            assert_eq!(answer.code, Some(i32::from(!expected.is_empty())), "{attack}: {answer:?}");
            assert!(answer.stdout.contains(expected), "{attack}: {answer:?}");
            desk.done(VERIFY);
        }
    }
}

#[test]
#[ignore = "needs git"]
fn shallow_and_partial_clones_tell_what_they_hold_and_no_more() {
    for format in ["sha1", "sha256"] {
        let desk = desk(format);
        desk.done(&promote("infra", "one", "--manifest k8s/deployment.yaml"));
        desk.git(&["-C", "infra", "commit", "--quiet", "--allow-empty", "--message=later"]);
        let url = format!("file://{}", desk.path("infra").display());
        desk.git(&["-C", "infra", "config", "uploadpack.allowFilter", "true"]);
        desk.git(&["clone", "--quiet", "--depth=1", &url, "shallow"]);
        desk.git(&["clone", "--quiet", "--filter=tree:0", "--no-checkout", &url, "partial"]);
        desk.git(&["clone", "--quiet", "--filter=tree:0", "--no-checkout", "--no-tags", &url, "untagged"]);
        for (clone, exit) in [("shallow", 5), ("partial", 0), ("untagged", 5)] {
            let answer = desk.run(&format!("{VERIFY} --git infra={clone}"));
            assert_eq!(answer.code, Some(exit), "{format} {clone}: {answer:?}");
        }
        desk.git(&["-C", "shallow", "fetch", "--quiet", "--unshallow", "--tags"]);
        desk.done(&format!("{VERIFY} --git infra=shallow"));
    }
}
