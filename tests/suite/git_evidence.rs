//! Git evidence without Git: signatures that `ssh-keygen` made and such as it never would, and what an infra commit's
//! embedded objects may be and not be. `real_git_signatures` has the same from the real programs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer as _, SigningKey};
use getrandom::SysRng;
use getrandom::rand_core::UnwrapErr;
use rollbook::event::infra::{GitId, GitObject, GitTag, InfraCommit, ObjectBytes};
use rollbook::event::list::Ascending;
use rollbook::event::text::Name;
use rollbook::evidence::git_object::{MalformedObject, ObjectFormat, ObjectKind, object_id};
use rollbook::evidence::git_signature::{
    SIGNATURE_BYTES_MAX, SignatureFault, Signed, SshKey, check_ssh_signature,
};
use rollbook::evidence::infra::{InfraEvidence, ObjectFault, examine, has_embedded};
use rollbook::hash::Hash;
use rollbook::signing::public_key::PublicKey;
use rollbook::signing::verify::KeyDefect;
use sha2::{Digest as _, Sha256, Sha512};
use ssh_key::EcdsaCurve;
use ssh_key::private::{EcdsaKeypair, KeypairData};
use ssh_key::public::EcdsaPublicKey;

use super::support::vectors::read_text;

/// What `tests/vectors/ssh_signatures` signs, in the namespace `git`.
fn payload() -> Vec<u8> {
    read_text("ssh_signatures/payload").into_bytes()
}

fn vector(name: &str) -> String {
    read_text(&format!("ssh_signatures/{name}.sig"))
}

fn check(signature: &str) -> Result<SshKey, SignatureFault> {
    check_ssh_signature(&payload(), signature.as_bytes(), "git")
}

/// Made by `ssh-keygen -Y sign -n git`, OpenSSH 9.2; fingerprints as `ssh-keygen -l` prints them.
const GOOD: [(&str, &str, &str); 8] = [
    ("good-ed25519", "ssh-ed25519", "SHA256:43Frk6TwChmrOj7EbyXMUN47kHwFcgHp3eau1AySgNE"),
    ("good-ed25519-sha256", "ssh-ed25519", "SHA256:43Frk6TwChmrOj7EbyXMUN47kHwFcgHp3eau1AySgNE"),
    ("good-ecdsa-p256", "ecdsa-sha2-nistp256", "SHA256:m0zAtzG68BnxCoEeHczltU+wUYMHdPGF520PvN25iPY"),
    ("good-ecdsa-p384", "ecdsa-sha2-nistp384", "SHA256:/3c2DPwgO2cdNK7zoNNfHtKC+xpb2uaSUGwY9WwxWgU"),
    ("good-ecdsa-p521", "ecdsa-sha2-nistp521", "SHA256:kdLioqB7C7wFzsxTlTIHrNek2nVsQzgRafTT5ca4r40"),
    ("good-rsa-2048", "ssh-rsa", "SHA256:eN0r3BCypGZ8+iYxA+YfT3ByI6mqy7qGnSbbl0OQ1OU"),
    ("good-rsa-2048-sha256", "ssh-rsa", "SHA256:eN0r3BCypGZ8+iYxA+YfT3ByI6mqy7qGnSbbl0OQ1OU"),
    ("good-rsa-3072", "ssh-rsa", "SHA256:0rSa15Y/wd6InDQMY+s58nmF7rYmqeMxiMzDclJwksM"),
];

#[test]
fn signatures_of_ssh_keygen_are_good_and_name_their_key() {
    for (name, algorithm, fingerprint) in GOOD {
        let key = check(&vector(name)).unwrap_or_else(|fault| panic!("{name}: {fault}"));
        assert_eq!(
            (key.algorithm().as_str(), key.fingerprint().as_str()),
            (algorithm, fingerprint),
            "{name}"
        );
        assert_eq!(key.to_string(), format!("{algorithm} {fingerprint}"));
        let granted = key.ed25519().map(|key| key.fingerprint().to_string());
        assert_eq!(granted.as_deref(), (algorithm == "ssh-ed25519").then_some(fingerprint), "{name}");
        assert_eq!(check(&vector(name)).as_ref(), Ok(&key), "{name}: one key is equal to itself");
    }
    // Made with a FIDO key; from the tests of the crate `ssh-key`.
    let security_key = vector("namespace-example-sk-ed25519");
    let key = check_ssh_signature(b"testing", security_key.as_bytes(), "example").unwrap();
    assert_eq!((key.algorithm().as_str(), key.ed25519()), ("sk-ssh-ed25519@openssh.com", None));
}

#[test]
fn no_signature_is_good_for_another_payload_namespace_or_key() {
    let other = [payload().as_slice(), b"\n"].concat();
    for (name, ..) in GOOD {
        let signature = vector(name);
        assert_eq!(
            check_ssh_signature(&other, signature.as_bytes(), "git"),
            Err(SignatureFault::Mismatch),
            "{name}"
        );
        let fault = check_ssh_signature(&payload(), signature.as_bytes(), "file").unwrap_err();
        assert_eq!(fault, SignatureFault::Namespace { namespace: "git".into() }, "{name}");
        for (byte, bit) in [(1, 0x01), (20, 0x80), (60, 0x10)] {
            let mut parts = Parts::of(&signature);
            let at = parts.data.len() - byte;
            parts.data[at] ^= bit;
            assert!(check(&parts.armored()).is_err(), "{name}, bit of byte {byte} before the end");
        }
    }
    let fault = check_ssh_signature(b"testinh", vector("namespace-example-sk-ed25519").as_bytes(), "example");
    assert_eq!(fault, Err(SignatureFault::Mismatch));
}

/// The fields of an SSH signature, to be put together otherwise.
#[derive(Clone)]
struct Parts {
    magic: Vec<u8>,
    version: u32,
    key: Vec<u8>,
    namespace: Vec<u8>,
    reserved: Vec<u8>,
    hash: Vec<u8>,
    algorithm: Vec<u8>,
    data: Vec<u8>,
    behind_data: Vec<u8>,
    behind: Vec<u8>,
}

impl Parts {
    /// Those of a good signature.
    fn of(armored: &str) -> Self {
        let base64: String = armored.lines().filter(|line| !line.starts_with('-')).collect();
        let blob = STANDARD.decode(base64).unwrap();
        let (magic, rest) = blob.split_at(6);
        let (version, mut rest) = rest.split_first_chunk().unwrap();
        let [key, namespace, reserved, hash, signature] = [(); 5].map(|()| take(&mut rest));
        let mut inner = signature.as_slice();
        let [algorithm, data] = [(); 2].map(|()| take(&mut inner));
        let (magic, version) = (magic.to_vec(), u32::from_be_bytes(*version));
        let (behind_data, behind) = (inner.to_vec(), rest.to_vec());
        Self { magic, version, key, namespace, reserved, hash, algorithm, data, behind_data, behind }
    }

    /// Those of a signature that `key` makes of [`payload`].
    fn signed_by(key: &SigningKey) -> Self {
        let mut parts = Self::of(&vector("good-ed25519"));
        parts.key = [string(b"ssh-ed25519"), string(key.verifying_key().as_bytes())].concat();
        parts.data = key.sign(&parts.signed(&payload())).to_bytes().to_vec();
        parts
    }

    /// The bytes that a key signs for that payload.
    fn signed(&self, payload: &[u8]) -> Vec<u8> {
        let hash = match self.hash.as_slice() {
            b"sha256" => Sha256::digest(payload).to_vec(),
            _ => Sha512::digest(payload).to_vec(),
        };
        let strings = [&self.namespace, &[][..], &self.hash, &hash].map(string);
        [b"SSHSIG".to_vec(), strings.concat()].concat()
    }

    fn armored(&self) -> String {
        let inner = [string(&self.algorithm), string(&self.data), self.behind_data.clone()].concat();
        let strings =
            [&self.key, &self.namespace, &self.reserved, &self.hash, &inner].map(|bytes| string(bytes));
        let version = self.version.to_be_bytes();
        armored(&[&self.magic, &version[..], &strings.concat(), &self.behind].concat())
    }
}

fn take(rest: &mut &[u8]) -> Vec<u8> {
    let (length, after) = rest.split_first_chunk().unwrap();
    let (bytes, after) = after.split_at(u32::from_be_bytes(*length) as usize);
    *rest = after;
    bytes.to_vec()
}

fn string(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
}

fn armored(blob: &[u8]) -> String {
    let base64 = STANDARD.encode(blob);
    let lines: Vec<&str> =
        base64.as_bytes().chunks(70).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN SSH SIGNATURE-----\n{}\n-----END SSH SIGNATURE-----\n", lines.join("\n"))
}

/// A good vector, what is changed in it, and the fault that it is told by then.
type Row = (&'static str, &'static str, fn(&mut Parts), SignatureFault);

fn malformed(what: &'static str) -> SignatureFault {
    SignatureFault::Malformed { what }
}

fn unsupported(algorithm: &str) -> SignatureFault {
    SignatureFault::Unsupported { algorithm: algorithm.into() }
}

fn require_faults(rows: impl IntoIterator<Item = Row>) {
    for (case, vector_name, change, fault) in rows {
        let mut parts = Parts::of(&vector(vector_name));
        assert!(check(&parts.armored()).is_ok(), "{case}: it is good before");
        change(&mut parts);
        assert_eq!(check(&parts.armored()), Err(fault), "{case}");
    }
}

#[test]
fn what_is_wrong_with_a_signatures_fields_is_told() {
    let rows: [Row; 10] = [
        (
            "magic",
            "good-ed25519",
            |parts| parts.magic = b"SSHSIH".to_vec(),
            malformed("no `SSHSIG` in front"),
        ),
        ("version 0", "good-ed25519", |parts| parts.version = 0, malformed("its version is not 1")),
        ("version 2", "good-ed25519", |parts| parts.version = 2, malformed("its version is not 1")),
        ("bytes behind", "good-ed25519", |parts| parts.behind = vec![0], malformed("bytes follow it")),
        (
            "bytes behind the inner signature",
            "good-ed25519",
            |parts| parts.behind_data = vec![0],
            malformed("the signature in it"),
        ),
        ("SHA-1", "good-ed25519", |parts| parts.hash = b"sha1".to_vec(), unsupported("the hash sha1")),
        ("no hash", "good-ed25519", |parts| parts.hash.clear(), unsupported("the hash ")),
        ("the other hash", "good-ed25519", |parts| parts.hash = b"sha256".to_vec(), SignatureFault::Mismatch),
        (
            "no namespace",
            "good-ed25519",
            |parts| parts.namespace.clear(),
            SignatureFault::Namespace { namespace: String::new() },
        ),
        (
            "a namespace that git begins",
            "good-ed25519",
            |parts| parts.namespace = b"git\0".to_vec(),
            SignatureFault::Namespace { namespace: "git\\0".into() },
        ),
    ];
    require_faults(rows);
    assert_eq!(check(&vector("namespace-file")), Err(SignatureFault::Namespace { namespace: "file".into() }));
}

#[test]
fn what_is_wrong_with_a_key_or_its_algorithm_is_told() {
    let rows: [Row; 14] = [
        ("no key", "good-ed25519", |parts| parts.key.clear(), malformed("the key")),
        ("half a key", "good-ed25519", |parts| parts.key.truncate(40), malformed("the key")),
        ("half an ECDSA key", "good-ecdsa-p256", |parts| parts.key.truncate(40), malformed("the key")),
        ("a key and more", "good-rsa-2048", |parts| parts.key.push(0), malformed("the key")),
        (
            "a key of nobody's type",
            "good-ed25519",
            |parts| parts.key = string(b"ssh-foo"),
            unsupported("a key of type ssh-foo"),
        ),
        (
            "another key",
            "good-ed25519",
            |parts| parts.key = Parts::signed_by(&SigningKey::from_bytes(&[1; 32])).key,
            SignatureFault::Mismatch,
        ),
        (
            "63 bytes of Ed25519",
            "good-ed25519",
            |parts| parts.data.truncate(63),
            malformed("an Ed25519 signature has 64 bytes"),
        ),
        (
            "a signature of another algorithm",
            "good-ed25519",
            |parts| parts.algorithm = b"rsa-sha2-512".to_vec(),
            malformed("key and signature are of different algorithms"),
        ),
        (
            "a signature of another curve",
            "good-ecdsa-p256",
            |parts| parts.algorithm = b"ecdsa-sha2-nistp384".to_vec(),
            malformed("key and signature are of different algorithms"),
        ),
        (
            "RSA with SHA-1",
            "good-rsa-2048",
            |parts| parts.algorithm = b"ssh-rsa".to_vec(),
            unsupported("a signature of type ssh-rsa"),
        ),
        (
            "RSA by the other hash",
            "good-rsa-2048",
            |parts| parts.algorithm = b"rsa-sha2-256".to_vec(),
            SignatureFault::Mismatch,
        ),
        (
            "WebAuthn",
            "good-ecdsa-p256",
            |parts| parts.algorithm = b"webauthn-sk-ecdsa-sha2-nistp256@openssh.com".to_vec(),
            unsupported("a signature of type webauthn-sk-ecdsa-sha2-nistp256@openssh.com"),
        ),
        (
            "RSA of 1,016 bits",
            "good-rsa-2048",
            |parts| parts.key = rsa(127),
            unsupported("an RSA key of 1016 bits"),
        ),
        (
            "RSA of 8,200 bits",
            "good-rsa-2048",
            |parts| parts.key = rsa(1025),
            unsupported("an RSA key of 8200 bits"),
        ),
    ];
    require_faults(rows);
    assert_eq!(check(&vector("unsupported-dsa")), Err(unsupported("a key of type ssh-dss")));
    let certificate = SignatureFault::Certificate { algorithm: "ssh-ed25519-cert-v01@openssh.com".into() };
    assert_eq!(check(&vector("certificate")), Err(certificate));
}

/// An RSA key of so many bytes.
fn rsa(modulus_bytes: usize) -> Vec<u8> {
    let modulus = [&[0][..], &vec![0xff; modulus_bytes]].concat();
    [string(b"ssh-rsa"), string(&[1, 0, 1]), string(&modulus)].concat()
}

#[test]
fn the_armour_is_read_as_ssh_keygen_reads_it() {
    let good = vector("good-ed25519");
    for (case, text) in [
        ("text behind", good.clone() + "more\n"),
        ("no line end", good.trim_end().to_owned()),
        ("spaces", good.replace("U1NIU0lH", " U1NI\t\u{b}\nU0lH")),
        ("a reserved field", {
            let mut parts = Parts::of(&good);
            parts.reserved = b"for later".to_vec();
            parts.armored()
        }),
    ] {
        assert!(check(&text).is_ok(), "{case}: {text}");
    }
    for (case, text, fault) in [
        ("nothing", String::new(), SignatureFault::UnknownSort),
        ("a line in front", format!("\n{good}"), SignatureFault::UnknownSort),
        ("CR LF behind the first line", good.replace('\n', "\r\n"), malformed("its first line")),
        ("no end", good.replace("-----END", "----END"), malformed("the armour has no end")),
        ("an end within a line", good.replace("\n-----END", "-----END"), malformed("the armour has no end")),
        ("padding twice", good.replace("\n-----END", "=\n-----END"), malformed("the armour's base64")),
        ("nothing inside", armored(&[]), malformed("no `SSHSIG` in front")),
        (
            "too long",
            good.clone() + &" ".repeat(SIGNATURE_BYTES_MAX),
            SignatureFault::TooLong { bytes: good.len() + SIGNATURE_BYTES_MAX },
        ),
    ] {
        assert_eq!(check(&text), Err(fault), "{case}");
    }
}

#[test]
fn a_key_that_could_not_be_granted_signs_nothing() {
    // The neutral element, under which R = [S]B fits every message.
    let mut parts = Parts::of(&vector("good-ed25519"));
    let mut neutral = [0; 32];
    neutral[0] = 1;
    parts.key = [string(b"ssh-ed25519"), string(&neutral)].concat();
    parts.data = [neutral, [0; 32]].concat();
    assert_eq!(check(&parts.armored()), Err(SignatureFault::Key(KeyDefect::SmallOrder)));
}

/// A security key's signature, by PROTOCOL.u2f: over the application, flags, counter and message.
#[test]
fn a_security_keys_flags_and_counter_are_signed() {
    let key = SigningKey::from_bytes(&[7; 32]);
    let mut parts = Parts::of(&vector("good-ed25519"));
    let name = b"sk-ssh-ed25519@openssh.com";
    parts.key = [string(name), string(key.verifying_key().as_bytes()), string(b"ssh:")].concat();
    parts.algorithm = name.to_vec();
    parts.behind_data = vec![1, 0, 0, 0, 9];
    let message = Sha256::digest(parts.signed(&payload()));
    let signed = [Sha256::digest(b"ssh:").as_slice(), &parts.behind_data, &message].concat();
    parts.data = key.sign(&signed).to_bytes().to_vec();
    assert_eq!(check(&parts.armored()).unwrap().algorithm(), "sk-ssh-ed25519@openssh.com");
    for at in [0, 4] {
        let mut other = parts.clone();
        other.behind_data[at] ^= 1;
        assert_eq!(check(&other.armored()), Err(SignatureFault::Mismatch));
    }
    parts.behind_data.pop();
    assert_eq!(check(&parts.armored()), Err(SignatureFault::Malformed { what: "the signature in it" }));
}

/// The same by a security key on P-256, whose signature another crate makes.
#[test]
fn a_security_keys_flags_and_counter_are_signed_on_p_256_too() {
    let pair = EcdsaKeypair::random(&mut UnwrapErr(SysRng), EcdsaCurve::NistP256).unwrap();
    let EcdsaPublicKey::NistP256(point) = EcdsaPublicKey::from(&pair) else { panic!("another curve") };
    let mut parts = Parts::of(&vector("good-ed25519"));
    let name = b"sk-ecdsa-sha2-nistp256@openssh.com";
    parts.key = [string(name), string(b"nistp256"), string(point.as_ref()), string(b"ssh:")].concat();
    parts.algorithm = name.to_vec();
    parts.behind_data = vec![1, 0, 0, 0, 9];
    let message = Sha256::digest(parts.signed(&payload()));
    let signed = [Sha256::digest(b"ssh:").as_slice(), &parts.behind_data, &message].concat();
    let signature: ssh_key::Signature = KeypairData::from(pair).sign(&signed);
    parts.data = signature.as_bytes().to_vec();
    let key = check(&parts.armored()).unwrap();
    assert_eq!((key.algorithm().as_bytes(), key.ed25519()), (&name[..], None));
    for at in [0, 4] {
        let mut other = parts.clone();
        other.behind_data[at] ^= 1;
        assert_eq!(check(&other.armored()), Err(SignatureFault::Mismatch));
    }
}

// Infra commits.

fn key() -> SigningKey {
    SigningKey::from_bytes(&[3; 32])
}

/// The armoured signature of `payload` by [`key`].
fn signature(payload: &str) -> String {
    let mut parts = Parts::signed_by(&key());
    parts.data = key().sign(&parts.signed(payload.as_bytes())).to_bytes().to_vec();
    parts.armored()
}

fn hex_of(byte: u8, format: ObjectFormat) -> String {
    match format {
        ObjectFormat::Sha1 => hex::encode([byte; 20]),
        ObjectFormat::Sha256 => hex::encode([byte; 32]),
    }
}

fn commit_text(format: ObjectFormat) -> String {
    let headers = format!(
        "tree {}\nparent {}\nauthor A <a@example.com> 1772357400 +0000\n\
         committer A <a@example.com> 1772357400 +0000\n",
        hex_of(1, format),
        hex_of(2, format)
    );
    let name = if format == ObjectFormat::Sha1 { "gpgsig" } else { "gpgsig-sha256" };
    let signature = signature(&format!("{headers}\nPin 1.0.0\n")).trim_end().replace('\n', "\n ");
    format!("{headers}{name} {signature}\n\nPin 1.0.0\n")
}

fn tag_text(target: GitId, kind: &str, name: &str) -> String {
    let text = format!(
        "object {target}\ntype {kind}\ntag {name}\ntagger A <a@example.com> 1772357400 +0000\n\nRelease\n"
    );
    let signature = signature(&text);
    text + &signature
}

fn object(kind: ObjectKind, text: &str, format: ObjectFormat) -> (GitId, GitObject) {
    let bytes = text.as_bytes().to_vec();
    let (sha256, size) = (Hash::of(&bytes), bytes.len() as u64);
    let id = object_id(kind, &bytes, format).unwrap();
    (id, GitObject { sha256, size, bytes: ObjectBytes::new(bytes) })
}

/// An infra commit with a signed commit and a signed tag of it.
fn infra(format: ObjectFormat) -> InfraCommit {
    let (commit, commit_object) = object(ObjectKind::Commit, &commit_text(format), format);
    let mut infra = InfraCommit {
        repository: Name::new("infra".to_owned()).unwrap(),
        commit,
        tag: None,
        commit_object: Some(commit_object),
        tag_object: None,
        manifests: Ascending::default(),
        path_proof: None,
    };
    set_tag(&mut infra, &tag_text(commit, "commit", "v1"));
    infra
}

/// Puts a tag of these bytes in, named `v1`, as an attacker would who has nothing but the event to write.
fn set_tag(infra: &mut InfraCommit, text: &str) {
    let (id, object) = object(ObjectKind::Tag, text, ObjectFormat::of(&infra.commit));
    infra.tag = Some(GitTag { name: Name::new("v1".to_owned()).unwrap(), object: Some(id) });
    infra.tag_object = Some(object);
}

fn set_commit(infra: &mut InfraCommit, text: &str) {
    let (id, object) = object(ObjectKind::Commit, text, ObjectFormat::of(&infra.commit));
    (infra.commit, infra.commit_object) = (id, Some(object));
}

#[test]
fn what_holds_together_is_good_in_both_formats() {
    let signed = PublicKey::from_bytes(key().verifying_key().to_bytes());
    for format in [ObjectFormat::Sha1, ObjectFormat::Sha256] {
        let evidence = examine(&infra(format));
        assert_eq!(evidence.objects, Ok(()), "{format}");
        for signature in [&evidence.tag, &evidence.commit] {
            assert_eq!(signature.good().and_then(SshKey::ed25519), Some(signed), "{format}: {signature:?}");
        }
    }
}

#[test]
fn what_is_not_embedded_is_told_so_and_is_no_fault() {
    let nothing = InfraEvidence { objects: Ok(()), tag: Signed::NotEmbedded, commit: Signed::NotEmbedded };
    let mut infra = infra(ObjectFormat::Sha1);
    assert!(has_embedded(&infra));
    for object in [&mut infra.commit_object, &mut infra.tag_object] {
        object.as_mut().unwrap().bytes = None;
    }
    assert_eq!(examine(&infra), nothing, "attachments");
    (infra.commit_object, infra.tag_object) = (None, None);
    assert_eq!(examine(&infra), nothing, "ids alone");
    infra.tag.as_mut().unwrap().object = None;
    assert_eq!(examine(&infra), nothing, "a lightweight tag");
    infra.tag = None;
    assert_eq!(examine(&infra), nothing, "no tag");
    assert!(!has_embedded(&infra));
}

/// What an event may claim and its bytes don't bear out, and how that is told.
#[test]
fn what_does_not_hold_together_is_told() {
    type Change = fn(&mut InfraCommit);
    let rows: [(&str, Change, &str); 16] = [
        (
            "the commit is larger",
            |infra| infra.commit_object.as_mut().unwrap().size += 1,
            "bytes, the event says",
        ),
        (
            "the commit's digest is another",
            |infra| infra.commit_object.as_mut().unwrap().sha256 = Hash::ZERO,
            "the commit object's SHA-256 is ",
        ),
        (
            "another commit of that id is claimed",
            |infra| {
                let id = infra.commit;
                set_commit(infra, &commit_text(ObjectFormat::Sha1).replace("Pin 1.0.0", "Pin 6.6.6"));
                infra.commit = id;
            },
            "the commit object's id is ",
        ),
        (
            "another tag of that id is claimed",
            |infra| {
                let tag = infra.tag.clone();
                set_tag(infra, &tag_text(infra.commit, "commit", "v1").replace("Release", "Another"));
                infra.tag = tag;
            },
            "the tag object's id is ",
        ),
        (
            "the tag is as large as said, and another",
            |infra| infra.tag_object.as_mut().unwrap().sha256 = Hash::of(b"another"),
            "the tag object's SHA-256 is ",
        ),
        ("the tag is larger", |infra| infra.tag_object.as_mut().unwrap().size = 1, "bytes, the event says 1"),
        (
            "the commit is none",
            |infra| {
                set_commit(infra, "hello\n");
                set_tag(infra, &tag_text(infra.commit, "commit", "v1"));
            },
            "the commit object cannot be read: no valid `tree` line stands where Git writes one",
        ),
        (
            "the tag is none",
            |infra| set_tag(infra, "hello\n"),
            "the tag object cannot be read: no valid `object` line stands where Git writes one",
        ),
        (
            "the tag is of another commit",
            |infra| set_tag(infra, &tag_text(GitId::Sha1([9; 20]), "commit", "v1")),
            "the tag object leads to commit 0909090909090909090909090909090909090909, not to commit ",
        ),
        (
            "the tag says that the commit is a blob",
            |infra| set_tag(infra, &tag_text(infra.commit, "blob", "v1")),
            "the tag object leads to blob ",
        ),
        (
            "the tag is of a tag",
            |infra| set_tag(infra, &tag_text(GitId::Sha1([9; 20]), "tag", "v1")),
            "the tag object leads to another tag, 0909090909090909090909090909090909090909, which is not embedded",
        ),
        (
            "the tag has another name",
            |infra| set_tag(infra, &tag_text(infra.commit, "commit", "v2")),
            "the tag object's own name is `v2`, the event says `v1`",
        ),
        ("a tag object without a tag", |infra| infra.tag = None, "it holds a tag object, and names none"),
        (
            "a tag object of a lightweight tag",
            |infra| infra.tag.as_mut().unwrap().object = None,
            "it holds a tag object, and names none",
        ),
        (
            "ids of two formats",
            |infra| infra.tag.as_mut().unwrap().object = Some(GitId::Sha256([9; 32])),
            "the commit's id is a SHA-1 id, and the tag's a SHA-256 id: no repository holds both",
        ),
        (
            "ids of two formats, and no object",
            |infra| {
                infra.tag.as_mut().unwrap().object = Some(GitId::Sha256([9; 32]));
                infra.tag_object = None;
            },
            "the commit's id is a SHA-1 id, and the tag's a SHA-256 id: no repository holds both",
        ),
    ];
    for (case, change, told) in rows {
        let mut infra = infra(ObjectFormat::Sha1);
        change(&mut infra);
        let fault = examine(&infra).objects.expect_err(case).to_string();
        assert!(fault.contains(told), "{case}: {fault}");
    }
}

/// What somebody does who can write the whole event: its ids and digests fit, and the signature tells.
#[test]
fn who_replaces_an_object_and_all_that_names_it_is_told_by_its_signature() {
    let mut amended = infra(ObjectFormat::Sha1);
    set_commit(&mut amended, &commit_text(ObjectFormat::Sha1).replace("Pin 1.0.0", "Pin 6.6.6"));
    let before = infra(ObjectFormat::Sha1).commit;
    let moved = tag_text(before, "commit", "v1").replace(&before.to_string(), &amended.commit.to_string());
    set_tag(&mut amended, &moved);
    let evidence = examine(&amended);
    let mismatch = Signed::Bad(SignatureFault::Mismatch);
    assert_eq!((evidence.objects, evidence.tag, evidence.commit), (Ok(()), mismatch.clone(), mismatch));

    let mut unsigned = infra(ObjectFormat::Sha1);
    let text = tag_text(unsigned.commit, "commit", "v1");
    set_tag(&mut unsigned, text.split_once("-----BEGIN").unwrap().0);
    assert_eq!((examine(&unsigned).objects, examine(&unsigned).tag), (Ok(()), Signed::Unsigned));
    // A signature is looked at even where the rest of the object cannot be read.
    let text = "no header\n".to_owned() + &signature("no header\n");
    set_tag(&mut unsigned, &text);
    let malformed =
        ObjectFault::Malformed { kind: ObjectKind::Tag, malformed: MalformedObject { header: "object" } };
    let evidence = examine(&unsigned);
    assert_eq!((evidence.objects, evidence.tag.good().is_some()), (Err(malformed), true));
}

#[test]
fn signatures_of_other_sorts_are_recognised_and_never_good() {
    for (signature, by) in [
        ("-----BEGIN PGP SIGNATURE-----\n\nnot a packet\n-----END PGP SIGNATURE-----\n", "an OpenPGP key"),
        ("-----BEGIN PGP MESSAGE-----\n", "an OpenPGP key"),
        ("-----BEGIN SIGNED MESSAGE-----\nMIAG\n-----END SIGNED MESSAGE-----\n", "an X.509 certificate"),
    ] {
        let mut infra = infra(ObjectFormat::Sha1);
        let text = tag_text(infra.commit, "commit", "v1");
        set_tag(&mut infra, &(text.split_once("-----BEGIN").unwrap().0.to_owned() + signature));
        let signed = examine(&infra).tag;
        assert_eq!(signed, Signed::Unchecked { by: by.into() });
        assert_eq!((signed.to_string(), signed.good()), (format!("signed by {by}, not checked"), None));
    }
}
