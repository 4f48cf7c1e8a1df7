//! A real `ssh-agent` of the test's own.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rollbook::signing::agent::Agent;

use super::child::Killed;

/// An agent, killed when the test ends.
pub(crate) struct RunningAgent {
    _child: Killed,
    pub(crate) socket: PathBuf,
}

impl RunningAgent {
    /// Starts one whose socket lies in `directory`, and which nobody answers when it asks.
    pub(crate) fn start(directory: &Path) -> Self {
        Self::asking(directory, "/bin/false")
    }

    /// As [`Self::start`]; `askpass` is the program that it asks whether it may sign.
    pub(crate) fn asking(directory: &Path, askpass: &str) -> Self {
        let socket = directory.join("agent.sock");
        let child = Command::new("ssh-agent")
            .args(["-D", "-a"])
            .arg(&socket)
            .env("SSH_ASKPASS", askpass)
            .env("SSH_ASKPASS_REQUIRE", "force")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run ssh-agent: {error}"));
        let running = Self { _child: Killed(child), socket };
        let deadline = Instant::now() + Duration::from_secs(10);
        while Agent::new(&running.socket).identities().is_err() {
            assert!(Instant::now() < deadline, "ssh-agent doesn't come up");
            std::thread::sleep(Duration::from_millis(20));
        }
        running
    }

    /// Runs `ssh-add`, which does what it is told.
    pub(crate) fn ssh_add(&self, args: &[&str]) {
        self.ssh_add_with("/bin/false", args);
    }

    /// As [`Self::ssh_add`]; the program `askpass` says the passphrase that it asks for.
    pub(crate) fn ssh_add_with(&self, askpass: &str, args: &[&str]) {
        let status = Command::new("ssh-add")
            .args(args)
            .env("SSH_AUTH_SOCK", &self.socket)
            .env("SSH_ASKPASS", askpass)
            .env("SSH_ASKPASS_REQUIRE", "force")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap_or_else(|error| panic!("cannot run ssh-add: {error}"));
        assert!(status.success(), "ssh-add {args:?}");
    }
}
