//! A small repository in memory, to prove files of.

use std::collections::HashMap;
use std::convert::Infallible;

use rollbook::event::infra::GitId;
use rollbook::event::text::Name;
use rollbook::evidence::git_object::{ObjectFormat, ObjectKind, object_id};
use rollbook::evidence::git_path::{Manifests, prove};
use rollbook::hash::Hash;

/// The files of the commit; all but the last hold the digest.
pub const PATHS: [&str; 4] = ["a/b/kustomization.yaml", "a/b/values.yaml", "a/deploy.yaml", "readme"];

/// The digest that is pinned.
#[must_use]
pub fn model() -> Hash {
    Hash::of(b"model")
}

/// Objects by their ids, and a commit.
pub struct Repository {
    format: ObjectFormat,
    objects: HashMap<GitId, Vec<u8>>,
    /// The commit of [`PATHS`].
    pub commit: GitId,
}

impl Repository {
    /// The repository of that hash.
    #[must_use]
    pub fn new(format: ObjectFormat) -> Self {
        let mut repository = Self { format, objects: HashMap::new(), commit: GitId::Sha1([0; 20]) };
        let digest = model();
        let kustomization =
            repository.put(ObjectKind::Blob, format!("digest: sha256:{digest}\n").into_bytes());
        let values = repository.put(ObjectKind::Blob, digest.to_string().to_uppercase().into_bytes());
        let deploy = repository.put(ObjectKind::Blob, format!("image: m@sha256:{digest}\n").into_bytes());
        let readme = repository.put(ObjectKind::Blob, b"# infra\n".to_vec());
        let b =
            repository.tree(&[("100644 kustomization.yaml", kustomization), ("100644 values.yaml", values)]);
        let a = repository.tree(&[("40000 b", b), ("100755 deploy.yaml", deploy)]);
        let root = repository.tree(&[("40000 a", a), ("100644 readme", readme)]);
        let who = "N <n@example.com> 0 +0000";
        let commit = format!("tree {root}\nauthor {who}\ncommitter {who}\n\nPin\n");
        repository.commit = repository.put(ObjectKind::Commit, commit.into_bytes());
        repository
    }

    fn put(&mut self, kind: ObjectKind, bytes: Vec<u8>) -> GitId {
        let id = object_id(kind, &bytes, self.format).expect("no collision");
        self.objects.insert(id, bytes);
        id
    }

    fn tree(&mut self, lines: &[(&str, GitId)]) -> GitId {
        let line = |(line, id): &(&str, GitId)| [line.as_bytes(), b"\0", id.as_slice()].concat();
        self.put(ObjectKind::Tree, lines.iter().flat_map(line).collect())
    }

    /// The proof of these manifests.
    #[must_use]
    pub fn prove(&self, manifests: &Manifests) -> Vec<u8> {
        let fetch = |_, id: &GitId| Ok::<_, Infallible>(self.objects[id].clone());
        prove(&self.commit, manifests, fetch).expect("files of the commit")
    }
}

/// The manifests whose bits are set, of [`PATHS`]; the first where none is.
#[must_use]
pub fn manifests(bits: u8) -> Manifests {
    let bits = if bits.trailing_zeros() < 4 { bits } else { 1 };
    let chosen = PATHS.iter().enumerate().filter(|(at, _)| bits >> at & 1 == 1);
    let names = chosen.map(|(_, path)| Name::new(*path).expect("a name")).collect();
    Manifests::new(names).expect("they ascend")
}
