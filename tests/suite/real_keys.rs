//! Keys as `openssl` and `ssh-keygen` write them, and signing through a real `ssh-agent`.

#![expect(clippy::unwrap_used, reason = "whatever goes wrong in a test's own preparations fails it")]

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use rollbook::signing::agent::AgentError;
use rollbook::signing::key_file::{
    Existing, KeyFileError, KeyFormat, KeyTextError, SecretKey, read_private_key, read_public_key,
    write_private_key,
};
use rollbook::signing::signer::{OpenSignerError, SignError, Signer};
use rollbook::signing::verify::verify_strict;
use zeroize::Zeroizing;

use super::support::agent::RunningAgent;

#[expect(clippy::unnecessary_wraps, reason = "the shape of an asker")]
fn nobody() -> io::Result<Option<Zeroizing<String>>> {
    Ok(None)
}

fn says(passphrase: &str) -> impl FnMut() -> io::Result<Option<Zeroizing<String>>> {
    move || Ok(Some(Zeroizing::new(passphrase.to_owned())))
}

/// Runs a program in `directory`; a missing program or a failing one fails the test.
fn run(directory: &Path, program: &str, args: &[&str]) -> Output {
    let output = Command::new(program)
        .args(args)
        .current_dir(directory)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("cannot run {program}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {args:?}: {said}");
    output
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The public key as `openssl pkey -pubout` gives it, through a PEM file.
fn openssl_public(directory: &Path, private: &str, passphrase: &str) -> String {
    let pass = format!("pass:{passphrase}");
    run(directory, "openssl", &["pkey", "-in", private, "-passin", &pass, "-pubout", "-out", "pub.pem"]);
    read_public_key(&directory.join("pub.pem")).unwrap().key.to_string()
}

#[test]
#[ignore = "needs ssh-keygen, ssh-agent and openssl"]
fn openssl_keys_read_plain_and_encrypted() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    run(path, "openssl", &["genpkey", "-algorithm", "ed25519", "-out", "plain"]);
    let encrypt =
        ["genpkey", "-algorithm", "ed25519", "-aes-256-cbc", "-pass", "pass:geheim", "-out", "pbkdf2"];
    run(path, "openssl", &encrypt);
    let scrypt = ["pkcs8", "-topk8", "-scrypt", "-in", "plain", "-passout", "pass:geheim", "-out", "scrypt"];
    run(path, "openssl", &scrypt);
    for name in ["plain", "pbkdf2", "scrypt"] {
        fs::set_permissions(path.join(name), fs::Permissions::from_mode(0o600)).unwrap();
        let key = read_private_key(&path.join(name), &mut says("geheim")).unwrap();
        assert_eq!(key.public_key().to_string(), openssl_public(path, name, "geheim"), "{name}");
        if name != "plain" {
            for (wrong, expected) in
                [(Some("falsch"), KeyTextError::PassphraseWrong), (None, KeyTextError::PassphraseMissing)]
            {
                let mut ask = || Ok(wrong.map(|word| Zeroizing::new(word.to_owned())));
                assert_eq!(content_error(&path.join(name), &mut ask), expected, "{name}");
            }
        }
    }
}

fn content_error(
    path: &Path,
    ask: &mut dyn FnMut() -> io::Result<Option<Zeroizing<String>>>,
) -> KeyTextError {
    match read_private_key(path, ask) {
        Err(KeyFileError::Content { path: named, reason }) if named == path => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
#[ignore = "needs ssh-keygen, ssh-agent and openssl"]
fn openssh_keys_read_plain_and_encrypted_with_the_fingerprint_of_ssh_keygen() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    for (name, passphrase) in [("plain", ""), ("encrypted", "geheim")] {
        run(
            path,
            "ssh-keygen",
            &["-q", "-t", "ed25519", "-N", passphrase, "-a", "2", "-C", "ada@x", "-f", name],
        );
        let key = read_private_key(&path.join(name), &mut says("geheim")).unwrap().public_key();
        let named = read_public_key(&path.join(format!("{name}.pub"))).unwrap();
        assert_eq!((named.key, named.name.as_deref()), (key, Some("ada@x")));
        assert_eq!(read_public_key(&path.join(name)).unwrap().key, key, "without the passphrase");

        let line = text(&run(path, "ssh-keygen", &["-lf", &format!("{name}.pub")]));
        assert_eq!(line.split(' ').nth(1), Some(key.fingerprint().to_string().as_str()));
        let written = fs::read_to_string(path.join(format!("{name}.pub"))).unwrap();
        assert_eq!(key.to_openssh("ada@x"), written.trim_end());
    }
    let encrypted = path.join("encrypted");
    assert_eq!(content_error(&encrypted, &mut says("falsch")), KeyTextError::PassphraseWrong);
    assert_eq!(content_error(&encrypted, &mut nobody), KeyTextError::PassphraseMissing);
}

#[test]
#[ignore = "needs ssh-keygen, ssh-agent and openssl"]
fn keys_for_other_algorithms_and_public_keys_are_named_as_such() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    run(
        path,
        "openssl",
        &["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", "ec"],
    );
    run(path, "openssl", &["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "ec-old"]);
    run(path, "openssl", &["genpkey", "-algorithm", "RSA", "-out", "rsa"]);
    run(path, "ssh-keygen", &["-q", "-t", "ecdsa", "-N", "", "-f", "ssh-ecdsa"]);
    run(path, "ssh-keygen", &["-q", "-t", "ecdsa", "-N", "geheim", "-a", "2", "-f", "ssh-ecdsa-encrypted"]);
    run(path, "ssh-keygen", &["-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", "ssh-rsa"]);
    for (name, algorithm) in [
        ("ec", "ECDSA"),
        ("ec-old", "ECDSA"),
        ("rsa", "RSA"),
        ("ssh-ecdsa", "ecdsa-sha2-nistp256"),
        ("ssh-ecdsa-encrypted", "ecdsa-sha2-nistp256"),
        ("ssh-rsa", "ssh-rsa"),
    ] {
        fs::set_permissions(path.join(name), fs::Permissions::from_mode(0o600)).unwrap();
        let expected = KeyTextError::OtherAlgorithm { algorithm: algorithm.into() };
        assert_eq!(content_error(&path.join(name), &mut nobody), expected, "{name}");
    }
    run(path, "ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", "good"]);
    assert_eq!(content_error(&path.join("good.pub"), &mut nobody), KeyTextError::NotPrivate);
    fs::set_permissions(path.join("good"), fs::Permissions::from_mode(0o640)).unwrap();
    let error = read_private_key(&path.join("good"), &mut nobody).unwrap_err().to_string();
    assert!(error.ends_with(&format!("run `chmod 600 {}`", path.join("good").display())), "{error}");
}

#[test]
#[ignore = "needs ssh-keygen, ssh-agent and openssl"]
fn files_written_here_open_in_openssl_and_ssh_keygen() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let key = SecretKey::generate().unwrap();
    for (name, format, passphrase) in [
        ("pkcs8", KeyFormat::Pkcs8, None),
        ("pkcs8-encrypted", KeyFormat::Pkcs8, Some("geheim")),
        ("openssh", KeyFormat::OpenSsh, None),
        ("openssh-encrypted", KeyFormat::OpenSsh, Some("geheim")),
    ] {
        write_private_key(&path.join(name), &key, format, "ada@x", passphrase, Existing::Keep).unwrap();
        let public = match format {
            KeyFormat::Pkcs8 => openssl_public(path, name, "geheim"),
            KeyFormat::OpenSsh => {
                let line =
                    text(&run(path, "ssh-keygen", &["-y", "-P", passphrase.unwrap_or(""), "-f", name]));
                assert_eq!(line.trim_end(), key.public_key().to_openssh("ada@x"));
                key.public_key().to_string()
            }
        };
        assert_eq!(public, key.public_key().to_string(), "{name}");
    }
}

#[test]
#[ignore = "needs ssh-keygen, ssh-agent and openssl"]
fn real_agent_signs_until_the_key_is_removed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let agent = RunningAgent::start(path);
    run(path, "ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", "key"]);
    run(path, "ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", "other"]);
    run(path, "ssh-keygen", &["-q", "-t", "ecdsa", "-N", "", "-f", "ecdsa"]);
    let [private, public, other, ecdsa] =
        ["key", "key.pub", "other", "ecdsa"].map(|name| path.join(name).display().to_string());
    let key = read_public_key(Path::new(&public)).unwrap().key;
    let fingerprint = key.fingerprint().to_string();
    let open = |spec: &str| Signer::open(spec, Some(&agent.socket), &mut nobody);

    // Not held: the error lists what is.
    agent.ssh_add(&["-q", &other]);
    agent.ssh_add(&["-q", &ecdsa]);
    let held = read_public_key(Path::new(&other)).unwrap().key.fingerprint();
    match open(&public) {
        Err(OpenSignerError::Agent(AgentError::NotHeld { wanted, held: listed })) => {
            assert_eq!((wanted, listed), (key.fingerprint(), vec![held]));
        }
        other => panic!("{other:?}"),
    }

    // Held: by public key file, by fingerprint, and the same signature as from the file itself.
    agent.ssh_add(&["-q", &private]);
    let expected = Signer::open(&private, None, &mut nobody).unwrap().sign(b"message").unwrap();
    for spec in [&public, &fingerprint] {
        let signer = open(spec).unwrap();
        assert_eq!(signer.public_key(), key);
        assert_eq!(signer.sign(b"message").unwrap(), expected);
    }
    verify_strict(&key, b"message", &expected).unwrap();
    // The largest event, as it is signed.
    let large = vec![7; 60_100];
    verify_strict(&key, &large, &open(&public).unwrap().sign(&large).unwrap()).unwrap();

    // Removed between opening and signing.
    let signer = open(&public).unwrap();
    agent.ssh_add(&["-q", "-d", &public]);
    let error = signer.sign(b"message").unwrap_err();
    assert!(matches!(error, SignError::Agent(AgentError::NotHeld { .. })), "{error}");

    // Gone altogether, and never there.
    let socket = agent.socket.clone();
    drop(agent);
    let error = signer.sign(b"message").unwrap_err();
    assert!(matches!(error, SignError::Agent(AgentError::NotRunning { .. })), "{error}");
    let error = Signer::open(&public, Some(&socket), &mut nobody).unwrap_err();
    assert!(matches!(error, OpenSignerError::Agent(AgentError::NotRunning { .. })), "{error}");
    let error = Signer::open(&fingerprint, None, &mut nobody).unwrap_err();
    assert!(matches!(error, OpenSignerError::Agent(AgentError::NotConfigured)), "{error}");
    let error = Signer::open("SHA256:short", None, &mut nobody).unwrap_err();
    assert!(matches!(error, OpenSignerError::Fingerprint(_)), "{error}");
}
