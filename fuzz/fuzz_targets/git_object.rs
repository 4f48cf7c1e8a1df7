//! Raw commits and tags: what is read of them, and which of their bytes are signed. No signature is invented, no byte
//! is signed twice, and what is kept is bounded by what came in.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rollbook::evidence::git_object::{
    CommitObject, ObjectFormat, ObjectKind, SignedPart, TagObject, object_id, signed_part_of_commit,
    signed_part_of_tag,
};
use rollbook_fuzz::allocation::within;

fuzz_target!(|bytes: &[u8]| {
    // A payload and a signature that headers were taken out of, each growing by doubling.
    let held_max = (16 << 10) + 8 * bytes.len();
    for format in [ObjectFormat::Sha1, ObjectFormat::Sha256] {
        let id = object_id(ObjectKind::Tag, bytes, format).expect("no fuzzer finds a collision");
        assert_eq!(ObjectFormat::of(&id), format);
        assert_ne!(object_id(ObjectKind::Commit, bytes, format), Ok(id));
        if let Ok(tag) = TagObject::parse(bytes, format) {
            let begin = format!("object {}\ntype {}\ntag ", tag.target, tag.target_kind);
            assert!(bytes.starts_with(&[begin.as_bytes(), tag.name, b"\n"].concat()));
        }
        if let Ok(commit) = within(held_max, || CommitObject::parse(bytes, format)) {
            let parents: String = commit.parents.iter().map(|parent| format!("parent {parent}\n")).collect();
            assert!(bytes.starts_with(format!("tree {}\n{parents}author ", commit.tree).as_bytes()));
        }
        if let Some(part) = within(held_max, || signed_part_of_commit(bytes, format)) {
            assert!(part.payload.len() + part.signature.len() < bytes.len());
            assert_eq!(signed_part_of_commit(&part.payload, format), None);
        }
    }
    if let Some(SignedPart { payload, signature }) = within(held_max, || signed_part_of_tag(bytes)) {
        assert!(signature.starts_with(b"-----BEGIN ") && bytes.ends_with(&signature));
        assert!(payload.len() + signature.len() <= bytes.len());
        assert!(signed_part_of_tag(&signature).is_some_and(|part| part.payload.is_empty()));
    }
});
