//! Git objects as bytes, with signatures of people, as events embed them.

use rollbook::cli::git_objects::{ObjectSigner, ssh_public_key, ssh_signature};
use rollbook::event::infra::{GitId, GitObject, GitTag, InfraCommit, ObjectBytes};
use rollbook::evidence::git_object::{ObjectFormat, ObjectKind, object_id};
use rollbook::hash::Hash;

use super::events::{Person, infra, name};

/// What a tag object consists of. A test changes what it is about.
pub struct Tag<'a> {
    /// The commit that it leads to.
    pub commit: GitId,
    /// Its own name.
    pub name: &'a str,
    pub signer: Option<&'a Person>,
    /// The namespace of the signature.
    pub namespace: &'a str,
}

/// The bytes of a commit of that message, signed by `signer`.
pub fn commit_bytes(message: &str, signer: Option<&Person>) -> Vec<u8> {
    let head = "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n\
                author Dan <dan@example.org> 1750000000 +0000\n\
                committer Dan <dan@example.org> 1750000000 +0000\n";
    let unsigned = format!("{head}\n{message}\n");
    let Some(signer) = signer else { return unsigned.into_bytes() };
    let signature = signature(unsigned.as_bytes(), signer, "git");
    let header = signature.trim_end().replace('\n', "\n ");
    format!("{head}gpgsig {header}\n\n{message}\n").into_bytes()
}

impl Tag<'_> {
    /// The object's bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let content = format!(
            "object {}\ntype commit\ntag {}\ntagger Dan <dan@example.org> 1750000000 +0000\n\nrelease\n",
            self.commit, self.name
        );
        let signature = self.signer.map(|signer| signature(content.as_bytes(), signer, self.namespace));
        (content + &signature.unwrap_or_default()).into_bytes()
    }
}

fn signature(message: &[u8], signer: &Person, namespace: &str) -> String {
    let sign = |bytes: &[u8]| *signer.key.sign(bytes).as_bytes();
    ssh_signature(message, namespace, ObjectSigner { public_key: signer.public(), sign: &sign })
}

/// The id of a SHA-1 repository's object.
pub fn sha1_id(kind: ObjectKind, bytes: &[u8]) -> GitId {
    object_id(kind, bytes, ObjectFormat::Sha1).unwrap()
}

/// The object as an event embeds it.
pub fn embedded(bytes: Vec<u8>) -> GitObject {
    let (sha256, size) = (Hash::of(&bytes), bytes.len() as u64);
    GitObject { sha256, size, bytes: ObjectBytes::new(bytes) }
}

/// An infra commit that embeds this commit, and the tag `rel` of these bytes.
pub fn embedding(commit: Vec<u8>, tag: Option<Vec<u8>>) -> InfraCommit {
    let id = sha1_id(ObjectKind::Commit, &commit);
    let named = |bytes: &Vec<u8>| GitTag { name: name("rel"), object: Some(sha1_id(ObjectKind::Tag, bytes)) };
    InfraCommit {
        commit: id,
        tag: tag.as_ref().map(named),
        commit_object: Some(embedded(commit)),
        tag_object: tag.map(embedded),
        ..infra()
    }
}

/// An infra commit with the tag `rel`, signed by `signer`.
pub fn tagged_by(signer: &Person) -> InfraCommit {
    let commit = commit_bytes("deploy", None);
    let id = sha1_id(ObjectKind::Commit, &commit);
    let tag = Tag { commit: id, name: "rel", signer: Some(signer), namespace: "git" };
    embedding(commit, Some(tag.bytes()))
}

/// A line of `allowed_signers` for a person's key.
pub fn allowed(person: &Person, options: &str) -> String {
    use base64::Engine as _;
    let key = base64::engine::general_purpose::STANDARD.encode(ssh_public_key(person.public()));
    format!("release@example.org {options} ssh-ed25519 {key}\n")
}
