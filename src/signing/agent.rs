//! A minimal client of `ssh-agent`: which Ed25519 keys it holds, and signing with one of them.
//!
//! Follows draft-ietf-sshm-ssh-agent, sections 3 (framing), 3.5 (request identities) and 3.6 (sign
//! request). Written by hand because the published crates pull a second cryptography stack. The
//! agent's answers are not believed: [`crate::signing::signer`] checks each signature.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::public_key::{
    Fingerprint, PublicKey, SSH_ED25519, SignatureBytes, put_ssh_string, take_ssh_string, take_ssh_u32,
};

/// The longest message sent or taken: OpenSSH's own bound for its agent.
const MESSAGE_BYTES_MAX: usize = 256 * 1024;
/// How long the agent may take to list its keys: no person is asked for that.
const LIST_TIMEOUT: Duration = Duration::from_secs(5);
/// How long it may take to sign: it may ask a person to confirm (`ssh-add -c`).
const SIGN_TIMEOUT: Duration = Duration::from_mins(1);

const AGENT_FAILURE: u8 = 5;
const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES_ANSWER: u8 = 12;
const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;

/// An agent, by its socket. Each request opens a connection of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agent {
    socket: PathBuf,
}

/// A key that an agent holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The key, unchecked.
    pub key: PublicKey,
    /// What the agent calls it.
    pub comment: String,
}

/// Why an agent did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// Nobody said where the agent is.
    #[error("no ssh-agent is known: SSH_AUTH_SOCK is not set (start one with `eval $(ssh-agent)`)")]
    NotConfigured,
    /// Nobody answers at the socket.
    #[error("no ssh-agent answers at {}: {error}", socket.display())]
    NotRunning {
        /// The socket's path.
        socket: PathBuf,
        /// What the operating system said.
        error: io::Error,
    },
    /// The connection broke.
    #[error("the connection to the ssh-agent broke: {error}")]
    Broken {
        /// What the operating system said.
        error: io::Error,
    },
    /// No answer in time.
    #[error("the ssh-agent gave no answer within {seconds} seconds")]
    TimedOut {
        /// How long it had.
        seconds: u64,
    },
    /// The answer follows no rule of the protocol.
    #[error("the ssh-agent's answer cannot be understood: {reason}")]
    Protocol {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// More bytes than an agent takes.
    #[error("{bytes} bytes are too many for an ssh-agent to sign")]
    TooLarge {
        /// How many.
        bytes: usize,
    },
    /// The agent holds the key, and did not sign: locked, or a person said no.
    #[error("the ssh-agent holds {key} and refused to sign with it")]
    Refused {
        /// The key.
        key: Fingerprint,
    },
    /// The agent holds the key, and it is for another algorithm.
    #[error("the ssh-agent holds {wanted} as a key for {algorithm}; only Ed25519 is used here")]
    OtherAlgorithm {
        /// The key wanted.
        wanted: Fingerprint,
        /// What the agent calls it.
        algorithm: String,
    },
    /// The agent does not hold the key.
    #[error("the ssh-agent does not hold {wanted}; it holds {}", list(held))]
    NotHeld {
        /// The key wanted.
        wanted: Fingerprint,
        /// The Ed25519 keys that it does hold.
        held: Vec<Fingerprint>,
    },
}

impl Agent {
    /// The agent at `socket`, usually the value of `SSH_AUTH_SOCK`. Doesn't connect yet.
    #[must_use]
    pub fn new(socket: &Path) -> Self {
        Self { socket: socket.to_owned() }
    }

    /// The Ed25519 keys that the agent holds, in its order; other keys are passed over.
    ///
    /// # Errors
    /// [`AgentError`], `Refused` and `NotHeld` excepted.
    pub fn identities(&self) -> Result<Vec<Identity>, AgentError> {
        Ok(self.held_keys()?.into_iter().filter_map(HeldKey::into_identity).collect())
    }

    /// The key with this fingerprint.
    ///
    /// # Errors
    /// [`AgentError`]: `NotHeld` names the keys that are there.
    pub fn find(&self, fingerprint: &Fingerprint) -> Result<PublicKey, AgentError> {
        let (wanted, keys) = (*fingerprint, self.held_keys()?);
        if let Some(held) = keys.iter().find(|held| Fingerprint::of_wire(&held.wire) == wanted) {
            let algorithm = held.algorithm();
            return PublicKey::from_ssh_wire(&held.wire)
                .ok_or(AgentError::OtherAlgorithm { wanted, algorithm });
        }
        let held =
            keys.into_iter().filter_map(HeldKey::into_identity).map(|it| it.key.fingerprint()).collect();
        Err(AgentError::NotHeld { wanted, held })
    }

    /// All keys that the agent holds, of whatever algorithm.
    fn held_keys(&self) -> Result<Vec<HeldKey>, AgentError> {
        let answer = self.exchange(&[REQUEST_IDENTITIES], LIST_TIMEOUT)?;
        match answer.split_first() {
            Some((&IDENTITIES_ANSWER, mut body)) => take_held_keys(&mut body)
                .ok_or(AgentError::Protocol { reason: "the list of keys is malformed" }),
            _ => Err(AgentError::Protocol { reason: "a list of keys was expected" }),
        }
    }

    /// Has the agent sign `message` as it is. The signature is not checked here.
    ///
    /// # Errors
    /// [`AgentError`]: `NotHeld` where the agent has lost the key, `Refused` where it has it.
    pub fn sign(&self, key: &PublicKey, message: &[u8]) -> Result<SignatureBytes, AgentError> {
        let mut request = vec![SIGN_REQUEST];
        put_ssh_string(&mut request, &key.to_ssh_wire());
        if request.len() + message.len() + 8 > MESSAGE_BYTES_MAX {
            return Err(AgentError::TooLarge { bytes: message.len() });
        }
        put_ssh_string(&mut request, message);
        request.extend_from_slice(&[0; 4]); // flags: none
        let answer = self.exchange(&request, SIGN_TIMEOUT)?;
        match answer.split_first() {
            Some((&SIGN_RESPONSE, body)) => {
                take_signature(body).ok_or(AgentError::Protocol { reason: "the signature is malformed" })
            }
            Some((&AGENT_FAILURE, _)) => Err(self.explain_refusal(key)),
            _ => Err(AgentError::Protocol { reason: "a signature was expected" }),
        }
    }

    /// The protocol has one answer for "no" and for "never heard of it"; the list tells them apart.
    fn explain_refusal(&self, key: &PublicKey) -> AgentError {
        let key = key.fingerprint();
        self.find(&key).err().unwrap_or(AgentError::Refused { key })
    }

    /// Sends one message and takes one, type byte first.
    fn exchange(&self, request: &[u8], timeout: Duration) -> Result<Vec<u8>, AgentError> {
        let mut stream = UnixStream::connect(&self.socket)
            .map_err(|error| AgentError::NotRunning { socket: self.socket.clone(), error })?;
        let broken = |error: io::Error| match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                AgentError::TimedOut { seconds: timeout.as_secs() }
            }
            _ => AgentError::Broken { error },
        };
        stream.set_read_timeout(Some(timeout)).map_err(broken)?;
        stream.set_write_timeout(Some(LIST_TIMEOUT)).map_err(broken)?;

        let mut framed = Vec::with_capacity(4 + request.len());
        put_ssh_string(&mut framed, request);
        stream.write_all(&framed).map_err(broken)?;

        let mut length = [0; 4];
        stream.read_exact(&mut length).map_err(broken)?;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if length == 0 || length > MESSAGE_BYTES_MAX {
            return Err(AgentError::Protocol { reason: "its length is outside all bounds" });
        }
        let mut answer = vec![0; length];
        stream.read_exact(&mut answer).map_err(broken)?;
        Ok(answer)
    }
}

/// A key as the agent lists it: its wire form, and its comment.
struct HeldKey {
    wire: Vec<u8>,
    comment: Vec<u8>,
}

impl HeldKey {
    /// None where it is no Ed25519 key.
    fn into_identity(self) -> Option<Identity> {
        let key = PublicKey::from_ssh_wire(&self.wire)?;
        Some(Identity { key, comment: String::from_utf8_lossy(&self.comment).into_owned() })
    }

    /// The name that the wire form begins with.
    fn algorithm(&self) -> String {
        let name = take_ssh_string(&mut self.wire.as_slice()).unwrap_or_default();
        String::from_utf8_lossy(name).escape_default().to_string()
    }
}

/// Reads `u32 count`, then for each key its wire form and its comment; nothing may follow.
fn take_held_keys(body: &mut &[u8]) -> Option<Vec<HeldKey>> {
    let count = take_ssh_u32(body)?;
    let mut keys = Vec::new();
    for _ in 0..count {
        let (wire, comment) = (take_ssh_string(body)?.to_vec(), take_ssh_string(body)?.to_vec());
        keys.push(HeldKey { wire, comment });
    }
    body.is_empty().then_some(keys)
}

/// Reads an SSH signature blob: the format's name and the 64 bytes, each an SSH string.
fn take_signature(mut body: &[u8]) -> Option<SignatureBytes> {
    let mut blob = take_ssh_string(&mut body)?;
    let format = take_ssh_string(&mut blob)?;
    let signature = take_ssh_string(&mut blob)?;
    let whole = body.is_empty() && blob.is_empty() && format == SSH_ED25519.as_bytes();
    if whole { Some(SignatureBytes::from_bytes(signature.try_into().ok()?)) } else { None }
}

fn list(held: &[Fingerprint]) -> String {
    if held.is_empty() {
        return "no Ed25519 key (add one with `ssh-add FILE`; a locked agent shows none: `ssh-add -X`)"
            .into();
    }
    held.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::thread;

    use super::*;
    use crate::signing::key_file::SecretKey;
    use crate::signing::signer::{SignError, Signer};

    /// Serves one prepared answer for each connection, as a dishonest or broken agent would; gives
    /// back what was asked.
    fn serve(answers: Vec<Vec<u8>>) -> (tempfile::TempDir, Agent, thread::JoinHandle<Vec<Vec<u8>>>) {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("agent");
        let listener = UnixListener::bind(&socket).unwrap();
        let served = thread::spawn(move || {
            answers
                .iter()
                .map(|answer| {
                    let (mut stream, _) = listener.accept().unwrap();
                    let mut length = [0; 4];
                    stream.read_exact(&mut length).unwrap();
                    let mut request = vec![0; usize::try_from(u32::from_be_bytes(length)).unwrap()];
                    stream.read_exact(&mut request).unwrap();
                    // The client may hang up in the middle of an answer that it refuses.
                    stream.write_all(answer).ok();
                    request
                })
                .collect()
        });
        (directory, Agent::new(&socket), served)
    }

    fn framed(message: &[u8]) -> Vec<u8> {
        let mut framed = Vec::new();
        put_ssh_string(&mut framed, message);
        framed
    }

    fn identities_answer(keys: &[(&[u8], &str)]) -> Vec<u8> {
        let mut message = vec![IDENTITIES_ANSWER];
        message.extend_from_slice(&u32::try_from(keys.len()).unwrap().to_be_bytes());
        for (wire, comment) in keys {
            put_ssh_string(&mut message, wire);
            put_ssh_string(&mut message, comment.as_bytes());
        }
        framed(&message)
    }

    fn sign_response(format: &str, signature: &[u8]) -> Vec<u8> {
        let mut blob = Vec::new();
        put_ssh_string(&mut blob, format.as_bytes());
        put_ssh_string(&mut blob, signature);
        let mut message = vec![SIGN_RESPONSE];
        put_ssh_string(&mut message, &blob);
        framed(&message)
    }

    #[test]
    fn ed25519_keys_are_listed_and_others_passed_over() {
        let key = SecretKey::from_seed(&[1; 32]).public_key();
        let answer = identities_answer(&[(b"\0\0\0\x07ssh-rsa", "old"), (&key.to_ssh_wire(), "ada")]);
        let (_directory, agent, served) = serve(vec![answer]);
        assert_eq!(agent.identities().unwrap(), [Identity { key, comment: "ada".into() }]);
        assert_eq!(served.join().unwrap(), [[REQUEST_IDENTITIES]]);
    }

    #[test]
    fn sign_request_is_laid_out_as_the_protocol_says_and_good_signature_returned() {
        let secret = SecretKey::from_seed(&[1; 32]);
        let key = secret.public_key();
        let (_directory, agent, served) =
            serve(vec![sign_response("ssh-ed25519", secret.sign(b"abc").as_bytes())]);
        let signer = Signer::from_agent(agent, key);
        assert_eq!(signer.sign(b"abc").unwrap(), secret.sign(b"abc"));
        let expected =
            [&[13, 0, 0, 0, 51], key.to_ssh_wire().as_slice(), &[0, 0, 0, 3], b"abc", &[0, 0, 0, 0]].concat();
        assert_eq!(served.join().unwrap(), [expected]);
    }

    #[test]
    fn signature_over_something_else_is_not_passed_on() {
        let secret = SecretKey::from_seed(&[1; 32]);
        let (_directory, agent, _served) =
            serve(vec![sign_response("ssh-ed25519", secret.sign(b"other").as_bytes())]);
        let error = Signer::from_agent(agent, secret.public_key()).sign(b"abc").unwrap_err();
        assert!(matches!(error, SignError::AgentSignatureInvalid { .. }), "{error}");
    }

    #[test]
    fn refusal_and_missing_key_are_told_apart() {
        let [key, other] = [1u8, 2].map(|seed| SecretKey::from_seed(&[seed; 32]).public_key());
        let failure = framed(&[AGENT_FAILURE]);
        for (held, expected) in [(key, "refused to sign"), (other, "does not hold")] {
            let list = identities_answer(&[(&held.to_ssh_wire(), "")]);
            let (_directory, agent, _served) = serve(vec![failure.clone(), list]);
            let error = agent.sign(&key, b"abc").unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
            assert!(error.contains(&held.fingerprint().to_string()), "{error}");
        }
        let (_directory, agent, _served) = serve(vec![identities_answer(&[])]);
        let error = agent.find(&key.fingerprint()).unwrap_err().to_string();
        assert!(error.contains("it holds no Ed25519 key (add one with `ssh-add FILE`;"), "{error}");
    }

    #[test]
    fn malformed_answers_are_errors_and_claims_of_length_are_bounded() {
        let key = SecretKey::from_seed(&[1; 32]).public_key();
        let list = identities_answer(&[(&key.to_ssh_wire(), "ada")]);
        let trailing = framed(&[&list[4..], &[0]].concat());
        let cut = framed(&list[4..list.len() - 1]);
        let many_keys = framed(&[IDENTITIES_ANSWER, 0xff, 0xff, 0xff, 0xff]);
        let huge = vec![0xff; 4];
        for answer in [trailing, cut, many_keys, huge, vec![0; 4], framed(&[99])] {
            let (_directory, agent, _served) = serve(vec![answer.clone()]);
            let error = agent.identities().unwrap_err();
            assert!(matches!(error, AgentError::Protocol { .. }), "{answer:?}: {error}");
        }
        let short = sign_response("ssh-ed25519", &[0; 63]);
        let other_format = sign_response("ssh-rsa", &[0; 64]);
        for answer in [short, other_format, list] {
            let (_directory, agent, _served) = serve(vec![answer.clone()]);
            let error = agent.sign(&key, b"abc").unwrap_err();
            assert!(matches!(error, AgentError::Protocol { .. }), "{answer:?}: {error}");
        }
        let (_directory, agent, _served) = serve(vec![vec![0, 0, 0, 9, 12]]);
        assert!(matches!(agent.identities(), Err(AgentError::Broken { .. })));
    }

    #[test]
    fn nobody_at_the_socket_and_too_much_to_sign_are_errors() {
        let directory = tempfile::tempdir().unwrap();
        let agent = Agent::new(&directory.path().join("nothing"));
        assert!(matches!(agent.identities(), Err(AgentError::NotRunning { .. })));
        let key = SecretKey::from_seed(&[1; 32]).public_key();
        let error = agent.sign(&key, &vec![0; MESSAGE_BYTES_MAX]).unwrap_err();
        assert!(matches!(error, AgentError::TooLarge { bytes: MESSAGE_BYTES_MAX }), "{error}");
    }
}
