//! One way to sign, wherever the private key is: in a file, or in an `ssh-agent` (keys/README.md,
//! "Signing").
//!
//! Which bytes are signed is [`crate::signing::envelope`]'s; reading files and talking to the agent
//! stand in [`crate::signing::key_file`] and [`crate::signing::agent`].

use std::path::Path;

use super::agent::{Agent, AgentError};
use super::key_file::{AskPassphrase, KeyFile, KeyFileError, Readers, SecretKey};
use super::public_key::{Fingerprint, ParseFingerprintError, PublicKey, SignatureBytes};
use super::verify::verify_strict;

/// Something that signs with one Ed25519 key.
#[derive(Debug)]
pub struct Signer(Source);

#[derive(Debug)]
enum Source {
    Secret(SecretKey),
    Agent { agent: Agent, key: PublicKey },
}

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The agent did not sign.
    #[error(transparent)]
    Agent(#[from] AgentError),
    /// The agent's signature does not verify under the key it was asked to use.
    #[error("the ssh-agent's signature does not verify under {key}")]
    AgentSignatureInvalid {
        /// The key.
        key: Fingerprint,
    },
}

/// Why `--key` gives no signer.
#[derive(Debug, thiserror::Error)]
pub enum OpenSignerError {
    /// The key file cannot be used.
    #[error(transparent)]
    File(#[from] KeyFileError),
    /// It looks like a fingerprint, and is none.
    #[error(transparent)]
    Fingerprint(#[from] ParseFingerprintError),
    /// The agent is not there, or doesn't hold the key.
    #[error(transparent)]
    Agent(#[from] AgentError),
}

impl Signer {
    /// Opens what `--key` names: a private key file; or a public key file, or a fingerprint that
    /// starts with `SHA256:`, whose private key the agent at `agent_socket` holds. (A file of such
    /// a name is given as `./SHA256:…`.) `ask` is called only for an encrypted file.
    ///
    /// # Errors
    /// [`OpenSignerError`].
    pub fn open(
        key: &str,
        agent_socket: Option<&Path>,
        ask: &mut AskPassphrase<'_>,
    ) -> Result<Self, OpenSignerError> {
        let fingerprint = if key.starts_with("SHA256:") {
            key.parse()?
        } else {
            let file = KeyFile::read(Path::new(key))?;
            if file.is_private() {
                return Ok(Self::from_secret(file.into_private(Readers::Owner, ask)?));
            }
            file.into_public()?.key.fingerprint()
        };
        let agent = Agent::new(agent_socket.ok_or(AgentError::NotConfigured)?);
        let key = agent.find(&fingerprint)?;
        Ok(Self::from_agent(agent, key))
    }

    /// Signs with a private key at hand.
    #[must_use]
    pub const fn from_secret(key: SecretKey) -> Self {
        Self(Source::Secret(key))
    }

    /// Has `agent` sign with `key`. Whether it holds the key shows when it signs.
    #[must_use]
    pub const fn from_agent(agent: Agent, key: PublicKey) -> Self {
        Self(Source::Agent { agent, key })
    }

    /// The key that signatures will verify under.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        match &self.0 {
            Source::Secret(key) => key.public_key(),
            Source::Agent { key, .. } => *key,
        }
    }

    /// Signs `message`. What an agent gives is verified strictly before it is returned.
    ///
    /// # Errors
    /// [`SignError`]; never for a private key at hand.
    pub fn sign(&self, message: &[u8]) -> Result<SignatureBytes, SignError> {
        match &self.0 {
            Source::Secret(key) => Ok(key.sign(message)),
            Source::Agent { agent, key } => {
                let signature = agent.sign(key, message)?;
                verify_strict(key, message, &signature)
                    .map_err(|_| SignError::AgentSignatureInvalid { key: key.fingerprint() })?;
                Ok(signature)
            }
        }
    }
}
