//! The rows of the rules for what Git objects show (rules version 3): objects that an event embeds, whose signatures
//! count, and manifests. The objects are real, and really signed.

use rollbook::event::authority::Role;
use rollbook::event::body::Kind;
use rollbook::event::header::Attachment;
use rollbook::event::infra::InfraCommit;
use rollbook::event::list::Ascending;
use rollbook::event::release::{ModelPromoted, ModelRolledBack};
use rollbook::evidence::git_object::ObjectKind;
use rollbook::hash::Hash;

use crate::rule_rows_of_evidence::governed_under;
use crate::rule_table::{Row, abe, accepted, dan, rea, refused, rita};
use crate::support::events::*;
use crate::support::forge::Forge;
use crate::support::git_objects::*;

const ASKS_NOTHING: &str = "[[environment]]\nname = 'production'\n";
const SIGNED_TAG: &str = "[[environment]]\nname = 'production'\npromote.signed_tag = true\n";
const SIGNED_COMMIT: &str = "[[environment]]\nname = 'production'\npromote.signed_commit = true\n";
const MANIFEST: &str = "[[environment]]\nname = 'production'\npromote.manifest = true\n";
const SIGNED_ROLLBACK: &str = "[[environment]]
name = 'production'
rollback.signed_tag = true
[environment.rollback.break_glass]
roles = ['responder']
ratify_within = '2h'
";

/// Who signs releases, and holds no grant.
fn rel() -> Person {
    person("Rel, who signs releases")
}

/// As [`governed_under`] a policy of schema 3.
fn governed(forge: &mut Forge, rest: &str) {
    governed_under(forge, policy_3(rest));
}

/// Governed by a policy that asks for signed tags and allows `rel`'s key, with these options.
fn allowing(forge: &mut Forge, options: &str) {
    governed(forge, &format!("[git]\nallowed_signers = '''{}'''\n{SIGNED_TAG}", allowed(&rel(), options)));
}

/// The first promotion to production, brought about by `infra`.
fn promoted(infra: InfraCommit) -> ModelPromoted {
    ModelPromoted { infra, ..promote("v1", "production", None) }
}

/// A tag of a commit that is embedded, as `change` makes it.
fn tagged(change: impl Fn(&mut Tag<'_>)) -> InfraCommit {
    let commit = commit_bytes("deploy", None);
    let (id, signer) = (sha1_id(ObjectKind::Commit, &commit), dan());
    let mut tag = Tag { commit: id, name: "rel", signer: Some(&signer), namespace: "git" };
    change(&mut tag);
    embedding(commit, Some(tag.bytes()))
}

/// With the proof of a manifest, attached or only named.
fn pinned(forge: &mut Forge, attached: bool) {
    let digest = Hash::of(b"a proof");
    let mut infra = embedding(commit_bytes("deploy", None), None);
    infra.manifests = Ascending::sort(vec![name("apps/scorer.yaml")]).unwrap();
    infra.path_proof = Some(digest);
    let mut event = forge.event(&dan(), promoted(infra));
    if attached {
        let (media_type, file) = (name("application/vnd.rollbook.git-path.v1"), name("manifest-proof"));
        let attachment = Attachment { digest, size: 7, private: false, media_type, name: file };
        event.header.attachments = Ascending::sort(vec![attachment]).unwrap();
    }
    forge.add_event(event, &[&dan()]);
}

/// v1 and then v2 put in production (entries 8 and 9).
fn serve_both(forge: &mut Forge, rest: &str) {
    governed(forge, rest);
    forge.add(&[&dan()], promote("v1", "production", None));
    forge.add(&[&dan()], promote("v2", "production", Some(serving("v1", 8))));
}

fn back(infra: InfraCommit) -> ModelRolledBack {
    ModelRolledBack { infra, ..roll_back("production", serving("v2", 9), "v1") }
}

const OPENPGP: &str = "-----BEGIN PGP SIGNATURE-----\n\niHUEABYKAB0WIQ==\n-----END PGP SIGNATURE-----\n";

/// A tag that somebody signed with OpenPGP.
fn openpgp_tag() -> InfraCommit {
    let commit = commit_bytes("deploy", None);
    let id = sha1_id(ObjectKind::Commit, &commit);
    let tag = Tag { commit: id, name: "rel", signer: None, namespace: "git" };
    embedding(commit, Some([tag.bytes(), OPENPGP.into()].concat()))
}

const fn besides(besides: &'static [&'static str], row: Row) -> Row {
    Row { besides, ..row }
}

pub(crate) const ROWS: &[Row] = &[
    refused(Kind::LedgerCreated, "policy_needs_rules", "policy schema 3 needs rules version 3", |forge| {
        let mut body = created(&[&ada()], forge.log_public());
        (body.rules_version, body.policy) = (2, policy_3(ASKS_NOTHING));
        forge.add(&[&ada()], body);
    }),
    // What is embedded.
    accepted(Kind::ModelPromoted, "commit and tag are in the event", |forge| {
        governed(forge, ASKS_NOTHING);
        forge.add(&[&dan()], promoted(tagged_by(&rel())));
    }),
    refused(Kind::ModelPromoted, "git_evidence_unsound", "a commit that was amended is another", |forge| {
        governed(forge, ASKS_NOTHING);
        let mut infra = tagged_by(&dan());
        infra.commit_object = Some(embedded(commit_bytes("deploy something else", None)));
        forge.add(&[&dan()], promoted(infra));
    }),
    refused(Kind::ModelPromoted, "git_evidence_unsound", "a tag leads to the commit", |forge| {
        governed(forge, ASKS_NOTHING);
        let other = sha1_id(ObjectKind::Commit, &commit_bytes("another", None));
        forge.add(&[&dan()], promoted(tagged(|tag| tag.commit = other)));
    }),
    refused(Kind::ModelPromoted, "git_evidence_unsound", "a tag goes by its own name", |forge| {
        governed(forge, ASKS_NOTHING);
        forge.add(&[&dan()], promoted(tagged(|tag| tag.name = "an-older-release")));
    }),
    refused(Kind::ModelPromoted, "git_evidence_unsound", "an object has the SHA-256 that is said", |forge| {
        governed(forge, ASKS_NOTHING);
        let mut infra = tagged_by(&dan());
        infra.commit_object.as_mut().unwrap().sha256 = Hash::of(b"another commit");
        forge.add(&[&dan()], promoted(infra));
    }),
    refused(Kind::ModelPromoted, "git_evidence_unsound", "an object has the size that is said", |forge| {
        governed(forge, ASKS_NOTHING);
        let mut infra = tagged_by(&dan());
        infra.tag_object.as_mut().unwrap().size += 1;
        forge.add(&[&dan()], promoted(infra));
    }),
    refused(
        Kind::ModelRolledBack,
        "git_evidence_unsound",
        "what brings a rollback about is looked at",
        |forge| {
            serve_both(forge, ASKS_NOTHING);
            forge.add(&[&dan()], back(tagged(|tag| tag.name = "an-older-release")));
        },
    ),
    refused(
        Kind::ModelWithdrawn,
        "git_evidence_unsound",
        "what brings a withdrawal about is looked at",
        |forge| {
            serve_both(forge, ASKS_NOTHING);
            let mut body = withdraw("production", serving("v2", 9));
            body.infra = Some(tagged(|tag| tag.name = "an-older-release"));
            forge.add(&[&dan()], body);
        },
    ),
    refused(Kind::ModelRegistered, "git_evidence_unsound", "a model's source is looked at", |forge| {
        governed(forge, ASKS_NOTHING);
        let mut body = register("v3");
        body.source = Some(tagged(|tag| tag.name = "an-older-release"));
        forge.add(&[&rea()], body);
    }),
    besides(
        &["git.unsound"],
        accepted(Kind::ModelPromoted, "rules version 2 judges no Git object", |forge| {
            let mut body = created(&[&ada()], forge.log_public());
            (body.rules_version, body.policy) = (2, policy_2(ASKS_NOTHING));
            forge.add(&[&ada()], body);
            forge.add(&[&ada()], grant(&rea(), &[Role::Registrar]));
            forge.add(&[&ada()], grant(&dan(), &[Role::Deployer]));
            forge.add(&[&rea()], register("v1"));
            forge.add(&[&dan()], promoted(tagged(|tag| tag.name = "an-older-release")));
        }),
    ),
    // Whose signature counts.
    accepted(Kind::ModelPromoted, "a tag signed with a granted key", |forge| {
        governed(forge, SIGNED_TAG);
        forge.add(&[&dan()], promoted(tagged_by(&abe())));
    }),
    accepted(Kind::ModelPromoted, "a tag signed with an allowed key", |forge| {
        allowing(forge, "namespaces=\"git\",valid-after=\"20260301Z\",valid-before=\"20270101Z\"");
        forge.add(&[&dan()], promoted(tagged_by(&rel())));
    }),
    refused(Kind::ModelPromoted, "tag_unsigned", "a policy that wants a signed tag gets one", |forge| {
        governed(forge, SIGNED_TAG);
        forge.add(&[&dan()], promoted(tagged(|tag| tag.signer = None)));
    }),
    refused(Kind::ModelPromoted, "tag_unsigned", "a tag that nobody sees is not signed", |forge| {
        governed(forge, SIGNED_TAG);
        let infra = InfraCommit { tag_object: None, ..tagged_by(&dan()) };
        forge.add(&[&dan()], promoted(infra));
    }),
    refused(Kind::ModelPromoted, "git_signer_not_allowed", "anybody can sign a tag anew", |forge| {
        allowing(forge, "");
        forge.add(&[&dan()], promoted(tagged_by(&person("Mallory"))));
    }),
    refused(
        Kind::ModelPromoted,
        "git_signer_not_allowed",
        "a key is allowed for what its line says",
        |forge| {
            allowing(forge, "namespaces=\"file\"");
            forge.add(&[&dan()], promoted(tagged_by(&rel())));
        },
    ),
    refused(Kind::ModelPromoted, "git_signer_not_allowed", "a revoked key signs no tag", |forge| {
        governed(forge, SIGNED_TAG);
        forge.add(&[&ada()], revoke(abe().public()));
        forge.add(&[&dan()], promoted(tagged_by(&abe())));
    }),
    refused(Kind::ModelPromoted, "git_signer_not_allowed", "no line allows a revoked key", |forge| {
        allowing(forge, "");
        forge.add(&[&ada()], grant(&rel(), &[Role::Deployer]));
        forge.add(&[&ada()], revoke(rel().public()));
        forge.add(&[&dan()], promoted(tagged_by(&rel())));
    }),
    refused(Kind::ModelPromoted, "git_signer_not_allowed", "a grant elsewhere signs no tag here", |forge| {
        governed(forge, SIGNED_TAG);
        let mut body = grant(&rel(), &[Role::Deployer]);
        body.scope = scope(&["staging"], &["*/*"]);
        forge.add(&[&ada()], body);
        forge.add(&[&dan()], promoted(tagged_by(&rel())));
    }),
    refused(Kind::ModelPromoted, "git_signer_not_in_force", "an allowed key expires", |forge| {
        allowing(forge, "valid-before=\"20260301Z\"");
        forge.add(&[&dan()], promoted(tagged_by(&rel())));
    }),
    refused(Kind::ModelPromoted, "git_signer_not_in_force", "an allowed key has a beginning", |forge| {
        allowing(forge, "valid-after=\"20260401Z\"");
        forge.add(&[&dan()], promoted(tagged_by(&rel())));
    }),
    refused(Kind::ModelPromoted, "git_signature_bad", "what was signed was not changed since", |forge| {
        governed(forge, ASKS_NOTHING);
        let commit = commit_bytes("deploy", None);
        let tag = tagged_by(&dan()).tag_object.unwrap();
        let text = String::from_utf8(tag.bytes.unwrap().as_slice().to_vec()).unwrap();
        let altered = text.replace("\n\nrelease\n", "\n\nrelease, urgent\n");
        assert_ne!(altered, text);
        forge.add(&[&dan()], promoted(embedding(commit, Some(altered.into_bytes()))));
    }),
    refused(Kind::ModelPromoted, "git_signature_bad", "a signature of a file is none of a tag", |forge| {
        governed(forge, ASKS_NOTHING);
        forge.add(&[&dan()], promoted(tagged(|tag| tag.namespace = "file")));
    }),
    besides(
        &["git.signature_unchecked"],
        accepted(Kind::ModelPromoted, "nobody asked for the tag that OpenPGP signed", |forge| {
            governed(forge, ASKS_NOTHING);
            forge.add(&[&dan()], promoted(openpgp_tag()));
        }),
    ),
    refused(Kind::ModelPromoted, "git_signature_unchecked", "what is not checked does not count", |forge| {
        governed(forge, SIGNED_TAG);
        forge.add(&[&dan()], promoted(openpgp_tag()));
    }),
    accepted(Kind::ModelPromoted, "a commit signed with a granted key", |forge| {
        governed(forge, SIGNED_COMMIT);
        forge.add(&[&dan()], promoted(embedding(commit_bytes("deploy", Some(&abe())), None)));
    }),
    refused(Kind::ModelPromoted, "commit_unsigned", "a signed tag does not sign the commit", |forge| {
        governed(forge, SIGNED_COMMIT);
        forge.add(&[&dan()], promoted(tagged_by(&dan())));
    }),
    refused(Kind::ModelRolledBack, "tag_unsigned", "a rollback may need a signed tag", |forge| {
        serve_both(forge, SIGNED_ROLLBACK);
        forge.add(&[&dan()], back(infra()));
    }),
    accepted(Kind::ModelRolledBack, "broken glass needs no signed tag", |forge| {
        serve_both(forge, SIGNED_ROLLBACK);
        forge.add(&[&rita()], ModelRolledBack { break_glass: true, ..back(infra()) });
    }),
    refused(Kind::ModelPromoted, "git_evidence_not_attached", "what is too large comes beside", |forge| {
        governed(forge, ASKS_NOTHING);
        let mut infra = tagged_by(&dan());
        infra.tag_object.as_mut().unwrap().bytes = None;
        forge.add(&[&dan()], promoted(infra));
    }),
    // Manifests.
    accepted(Kind::ModelPromoted, "the proof of a manifest is attached", |forge| {
        governed(forge, MANIFEST);
        pinned(forge, true);
    }),
    refused(
        Kind::ModelPromoted,
        "manifest_missing",
        "a policy that wants a manifest gets its proof",
        |forge| {
            governed(forge, MANIFEST);
            forge.add(&[&dan()], promoted(tagged_by(&dan())));
        },
    ),
    refused(Kind::ModelPromoted, "git_evidence_not_attached", "a proof that is named is attached", |forge| {
        governed(forge, ASKS_NOTHING);
        pinned(forge, false);
    }),
];
