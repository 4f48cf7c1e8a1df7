//! The program with keys as people have them: made by the real `openssl` and `ssh-keygen`, plain and under a
//! passphrase, with the line ends of another system, and held by a real `ssh-agent`. What reads the files is tested in
//! `real_keys`; here is what the commands make of them.

use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rollbook::signing::key_file::{Existing, KeyFormat, read_private_key, write_private_key};

use super::support::agent::RunningAgent;
use super::support::desk::{Answer, Desk, PASSPHRASE};

const POLICY: &str = "schema = 1\nadministrators.threshold = 1\nsigners.promote = 2\n\
     [[environment]]\nname = \"staging\"\n";
const WORDS_FOR_OTHERS: [&str; 2] =
    ["only Ed25519 is used here", "hint: make an Ed25519 key with `rollbook key new FILE` or `ssh-keygen"];

/// Where a signature comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Openssl,
    OpensslAes,
    OpensslScrypt,
    Ssh,
    SshEncrypted,
    AgentFingerprint,
    AgentPublicFile,
}

impl Kind {
    const ALL: [Self; 7] = [
        Self::Openssl,
        Self::OpensslAes,
        Self::OpensslScrypt,
        Self::Ssh,
        Self::SshEncrypted,
        Self::AgentFingerprint,
        Self::AgentPublicFile,
    ];

    const FILES: [Self; 5] =
        [Self::Openssl, Self::OpensslAes, Self::OpensslScrypt, Self::Ssh, Self::SshEncrypted];

    const ENCRYPTED: [Self; 3] = [Self::OpensslAes, Self::OpensslScrypt, Self::SshEncrypted];
}

/// A desk with an agent, whose keys other programs made.
struct Bench {
    desk: Desk,
    agent: RunningAgent,
}

impl Bench {
    fn new() -> Self {
        let desk = Desk::empty();
        desk.write("model/weights.bin", "weights\n");
        desk.write("policy.toml", POLICY);
        desk.repository("infra");
        let agent = RunningAgent::start(&desk.path(""));
        Self { desk, agent }
    }

    /// Runs another program at the desk.
    fn tool(&self, line: &str) {
        let mut words = line.split(' ').map(|word| if word == "''" { "" } else { word });
        let mut command = Command::new(words.next().unwrap());
        command.args(words).current_dir(self.desk.path("")).stdin(Stdio::null());
        let output = command.output().unwrap_or_else(|error| panic!("{line}: {error}"));
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Makes the key `name` and its public half `name.pub`, and says what `--key` takes for it.
    fn key(&self, kind: Kind, name: &str) -> String {
        match kind {
            Kind::Openssl => self.tool(&format!("openssl genpkey -algorithm ed25519 -out {name}")),
            Kind::OpensslAes => self.tool(&format!(
                "openssl genpkey -algorithm ed25519 -aes-256-cbc -pass pass:{} -out {name}",
                passphrase()
            )),
            Kind::OpensslScrypt => {
                self.tool(&format!("openssl genpkey -algorithm ed25519 -out {name}.plain"));
                self.tool(&format!(
                    "openssl pkcs8 -topk8 -scrypt -in {name}.plain -passout pass:{} -out {name}",
                    passphrase()
                ));
            }
            Kind::SshEncrypted => {
                self.tool(&format!("ssh-keygen -q -t ed25519 -a 2 -C {name} -N {} -f {name}", passphrase()));
            }
            Kind::Ssh | Kind::AgentFingerprint | Kind::AgentPublicFile => {
                self.tool(&format!("ssh-keygen -q -t ed25519 -C {name} -N '' -f {name}"));
            }
        }
        if let Kind::Openssl | Kind::OpensslAes | Kind::OpensslScrypt = kind {
            self.desk.chmod(name, 0o600);
            self.tool(&format!(
                "openssl pkey -in {name} -passin pass:{} -pubout -out {name}.pub",
                passphrase()
            ));
        }
        if let Kind::AgentFingerprint | Kind::AgentPublicFile = kind {
            self.agent.ssh_add(&["-q", &self.desk.path(name).display().to_string()]);
            std::fs::remove_file(self.desk.path(name)).unwrap();
        }
        match kind {
            Kind::AgentFingerprint => self.fingerprint(name),
            Kind::AgentPublicFile => format!("{name}.pub"),
            _ => name.to_owned(),
        }
    }

    /// As `ssh-keygen` prints it.
    fn fingerprint(&self, name: &str) -> String {
        let file = self.desk.path(&format!("{name}.pub"));
        let output = Command::new("ssh-keygen").arg("-lf").arg(file).output().unwrap();
        String::from_utf8(output.stdout).unwrap().split(' ').nth(1).unwrap().to_owned()
    }

    /// The program, with the agent at hand.
    fn command(&self, line: &str) -> Command {
        let mut command = self.desk.command(line);
        command.env("SSH_AUTH_SOCK", &self.agent.socket);
        command
    }

    fn done(&self, route: Route, line: &str) -> String {
        let answer = Answer::from(self.routed(route, line).output().unwrap());
        assert_eq!(answer.code, Some(0), "{route:?} {line}: {answer:?}");
        answer.stdout
    }

    fn routed(&self, route: Route, line: &str) -> Command {
        match route {
            Route::None => self.command(line),
            Route::Variable(passphrase) => {
                let mut command = self.command(line);
                command.env("ROLLBOOK_KEY_PASSPHRASE", passphrase);
                command
            }
            Route::File(text) => {
                self.desk.write("passphrase", text);
                self.command(&format!("--passphrase-file passphrase {line}"))
            }
        }
    }

    fn refused(&self, route: Route, line: &str, said: &[&str]) {
        self.desk.refused_by(&mut self.routed(route, line), &format!("{route:?} {line}"), 2, said);
    }
}

/// How the passphrase comes.
#[derive(Debug, Clone, Copy)]
enum Route {
    None,
    Variable(&'static str),
    File(&'static str),
}

/// One word, so that it fits a command line.
fn passphrase() -> &'static str {
    PASSPHRASE.split(' ').next().unwrap()
}

const RIGHT: [Route; 3] =
    [Route::Variable("correct"), Route::File("correct\n"), Route::File("correct\r\nmore\n")];

/// Founding, granting, registering and promoting; entry 4 is a promotion that two signed.
fn story(bench: &Bench, route: Route, [admin, dora, carl]: [&str; 3]) {
    let done = |line: &str| bench.done(route, line);
    done(&format!("--key {admin} init --origin o.example.org --admin alice=alice.pub --policy policy.toml"));
    for (person, role) in [("dora", "--role registrar --role deployer"), ("carl", "--role approver")] {
        done(&format!("--key {admin} key grant {person}.pub --name {person} {role} --env '*' --model '*'"));
    }
    done(&format!("--key {dora} register scorer 1.0.0 --path model"));
    let promote = "promote scorer 1.0.0 --env staging --repo infra --rev HEAD";
    done(&format!("--key {dora} --key {carl} {promote}"));
    let entry = bench.desk.done_json("show 4");
    assert_eq!(entry["signatures"].as_array().unwrap().len(), 2, "{entry}");
    bench.desk.done("verify --strict --trust ledger/trust.toml");
}

#[test]
#[ignore = "needs ssh-keygen, ssh-agent, openssl and git"]
fn every_kind_of_key_founds_grants_registers_and_promotes() {
    let mut stories = 0;
    for kind in Kind::ALL {
        let routes = if Kind::ENCRYPTED.contains(&kind) { &RIGHT[..] } else { &[Route::None] };
        for route in routes {
            let bench = Bench::new();
            let specs = ["alice", "dora", "carl"].map(|person| bench.key(kind, person));
            story(&bench, *route, specs.each_ref().map(String::as_str));
            stories += 1;
        }
    }
    println!("{stories} ledgers");
}

#[test]
#[ignore = "needs ssh-keygen, ssh-agent, openssl and git"]
fn keys_of_every_kind_sign_one_event_together() {
    let bench = Bench::new();
    let names: Vec<String> = (0..Kind::ALL.len()).map(|number| format!("k{number}")).collect();
    let specs: Vec<String> = names.iter().zip(Kind::ALL).map(|(name, kind)| bench.key(kind, name)).collect();
    let keys: Vec<_> = specs.iter().map(|spec| format!("--key {spec}")).collect();
    let keys = keys.join(" ");
    let admins: Vec<_> = names.iter().map(|name| format!("--admin {name}={name}.pub")).collect();
    let admins = admins.join(" ");
    let route = RIGHT[0];
    bench.done(route, &format!("{keys} init --origin o.example.org {admins} --threshold 7"));
    bench.key(Kind::Ssh, "dora");
    let grant = "key grant dora.pub --name dora --role auditor --env '*' --model '*'";
    bench.done(route, &format!("{keys} {grant}"));
    for index in [0, 1] {
        let entry = bench.desk.done_json(&format!("show {index}"));
        assert_eq!(entry["signatures"].as_array().unwrap().len(), 7, "{entry}");
    }
    bench.desk.done("verify --strict --trust ledger/trust.toml");
}

#[test]
#[ignore = "needs ssh-keygen, ssh-agent, openssl and git"]
fn key_files_with_the_line_ends_of_another_system_sign() {
    for kind in Kind::FILES {
        let bench = Bench::new();
        let specs = ["alice", "dora", "carl"].map(|person| bench.key(kind, person));
        for name in specs.iter().flat_map(|name| [name.clone(), format!("{name}.pub")]) {
            let text = bench.desk.read(&name).replace('\n', "\r\n");
            assert!(text.contains("\r\n"), "{name}");
            bench.desk.write(&name, text);
        }
        story(&bench, RIGHT[2], specs.each_ref().map(String::as_str));
    }
}

#[test]
#[ignore = "needs ssh-keygen, ssh-agent, openssl and git"]
fn wrong_and_missing_passphrases_are_told_and_nothing_is_made() {
    for kind in Kind::ENCRYPTED {
        let bench = Bench::new();
        let key = bench.key(kind, "alice");
        let init = format!("--key {key} init --origin o.example.org --admin alice=alice.pub");
        let note = format!("--key {key} note 0 x");
        let hint = "hint: set ROLLBOOK_KEY_PASSPHRASE, or name a --passphrase-file";
        let wrong = ["alice: the passphrase is wrong", hint];
        let refusals: [(Route, &[&str]); 6] = [
            (Route::Variable("incorrect"), &wrong),
            (Route::Variable(""), &wrong),
            (Route::File("incorrect\n"), &wrong),
            (Route::File("correct \n"), &wrong),
            (Route::File(""), &["this private key needs a passphrase, and none was given", hint]),
            (Route::None, &["this private key needs a passphrase, and none was given", hint]),
        ];
        for (route, said) in refusals {
            bench.refused(route, &init, said);
            assert!(!bench.desk.path("ledger").exists());
        }
        bench.refused(
            Route::None,
            &format!("--passphrase-file absent {init}"),
            &["the passphrase could not be read: No such file"],
        );
        bench.done(RIGHT[0], &init);
        for (route, said) in refusals {
            bench.refused(route, &note, said);
        }
        bench.done(RIGHT[1], &note);
    }
}

#[test]
#[ignore = "needs ssh-keygen, ssh-agent, openssl and git"]
fn the_log_key_may_be_any_file_and_no_agents() {
    let bench = Bench::new();
    let key = bench.key(Kind::Ssh, "alice");
    bench.done(Route::None, &format!("--key {key} init --origin o.example.org --admin alice=alice.pub"));
    let note = format!("--key {key} note 0 x");
    let with_passphrase = |passphrase: &str| {
        let mut command = bench.command(&note);
        command.env("ROLLBOOK_LOG_KEY_PASSPHRASE", passphrase);
        command
    };
    let log_key = read_private_key(&bench.desk.path("ledger/log.pem"), &mut || Ok(None)).unwrap();
    let replace = |format, passphrase| {
        let path = bench.desk.path("ledger/log.pem");
        write_private_key(&path, &log_key, format, "", passphrase, Existing::Replace).unwrap();
    };
    // As keys/README.md says.
    bench.tool("openssl pkcs8 -topk8 -in ledger/log.pem -passout pass:correct -out new.pem");
    bench.tool("mv new.pem ledger/log.pem");
    for step in 0..4 {
        match step {
            0 => {}
            1 => replace(KeyFormat::Pkcs8, Some("correct")),
            2 => replace(KeyFormat::OpenSsh, Some("correct")),
            _ => replace(KeyFormat::OpenSsh, None),
        }
        if step < 3 {
            let hint = "hint: set ROLLBOOK_LOG_KEY_PASSPHRASE";
            bench.refused(Route::None, &note, &["the log key: ", "needs a passphrase", hint]);
            let said = ["the log key: ", "the passphrase is wrong", hint];
            bench.desk.refused_by(&mut with_passphrase("incorrect"), &note, 2, &said);
            // The authors' passphrase is another matter.
            bench.refused(Route::Variable("correct"), &note, &["the log key: ", "needs a passphrase"]);
        }
        let answer = Answer::from(with_passphrase("correct").output().unwrap());
        assert_eq!(answer.code, Some(0), "{step}: {answer:?}");
    }
    // Not by way of an agent, and no other key.
    bench.agent.ssh_add(&["-q", &bench.desk.path("ledger/log.pem").display().to_string()]);
    bench.desk.write("ledger/log.pem", log_key.public_key().to_openssh(""));
    bench.refused(Route::None, &note, &["this is a public key, and a private key is needed"]);
    bench.desk.copy("alice", "ledger/log.pem");
    bench.desk.refused_by(&mut bench.command(&note), &note, 3, &["is not signed by the log key", "hint:"]);
    bench.desk.done("verify --trust ledger/trust.toml");
}

/// Writes a program that answers an agent's questions.
fn askpass(bench: &Bench, name: &str, script: &str) -> String {
    bench.desk.write(name, format!("#!/bin/sh\n{script}\n"));
    std::fs::set_permissions(bench.desk.path(name), std::fs::Permissions::from_mode(0o700)).unwrap();
    bench.desk.path(name).display().to_string()
}

#[test]
#[ignore = "needs ssh-keygen, ssh-agent, openssl and git"]
fn an_agent_that_does_not_sign_is_told_apart() {
    let mut bench = Bench::new();
    bench.key(Kind::Ssh, "alice");
    bench.key(Kind::AgentPublicFile, "other");
    let fingerprint = bench.fingerprint("alice");
    bench.done(Route::None, "--key alice init --origin o.example.org --admin alice=alice.pub");
    let lines = ["alice.pub", &fingerprint].map(|key| format!("--key {key} note 0 x"));
    let hint = "hint: give the private key's file, or have the agent hold it: `ssh-add FILE`";
    let refused = |bench: &Bench, said: &[&str]| {
        for line in &lines {
            bench.refused(Route::None, line, said);
        }
    };
    let other = bench.fingerprint("other");
    let not_held = format!("the ssh-agent does not hold {fingerprint}; it holds {other}");
    refused(&bench, &[&not_held, hint]);
    let key = bench.desk.path("alice").display().to_string();

    // Locked, and unlocked again.
    bench.agent.ssh_add(&["-q", &key]);
    let asked = askpass(&bench, "says-secret", "echo secret");
    bench.agent.ssh_add_with(&asked, &["-q", "-x"]);
    refused(&bench, &["it holds no Ed25519 key", "a locked agent shows none: `ssh-add -X`", hint]);
    bench.agent.ssh_add_with(&asked, &["-q", "-X"]);
    bench.done(Route::None, &lines[0]);

    // Held for a second.
    bench.agent.ssh_add(&["-q", "-t", "1", &key]);
    let began = Instant::now();
    while Answer::from(bench.command(&format!("{} --dry-run", lines[0])).output().unwrap()).code == Some(0) {
        assert!(began.elapsed() < Duration::from_secs(30), "the key does not expire");
        std::thread::sleep(Duration::from_millis(100));
    }
    refused(&bench, &[&not_held, hint]);

    // Held, and somebody says no each time; then yes.
    bench.agent.ssh_add(&["-q", "-c", &key]);
    let said_no = format!("the ssh-agent holds {fingerprint} and refused to sign with it");
    refused(&bench, &[&said_no, "hint: say yes when the agent asks"]);
    let yes = askpass(&bench, "says-yes", "exit 0");
    std::fs::create_dir(bench.desk.path("second")).unwrap();
    bench.agent = RunningAgent::asking(&bench.desk.path("second"), &yes);
    bench.agent.ssh_add(&["-q", "-c", &key]);
    bench.done(Route::None, &lines[1]);

    // Killed, its socket left behind; then no socket; then another thing in its place; then none named.
    let socket = bench.agent.socket.clone();
    let socket_name = "second/agent.sock";
    bench.agent = RunningAgent::start(&bench.desk.path("model"));
    let with_socket = |line: &str, said: &[&str]| {
        let mut command = bench.desk.command(line);
        command.env("SSH_AUTH_SOCK", &socket);
        bench.desk.refused_by(&mut command, line, 2, said);
    };
    let nobody = format!("no ssh-agent answers at {}: ", socket.display());
    assert!(socket.exists());
    with_socket(&lines[0], &[&nobody, "Connection refused", hint]);
    std::fs::remove_file(&socket).unwrap();
    with_socket(&lines[1], &[&nobody, "No such file", hint]);
    bench.desk.write(socket_name, "no socket");
    with_socket(&lines[0], &[&nobody, hint]);
    bench.desk.refused(&lines[1], 2, &["no ssh-agent is known: SSH_AUTH_SOCK is not set", hint]);
}

/// An SSH string: length and bytes.
fn ssh_string(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
}

/// A key that a FIDO token holds, as `ssh-keygen -t ed25519-sk` writes it: the head that names it is all that is read.
fn token_key(bench: &Bench) {
    let name = b"sk-ssh-ed25519@openssh.com";
    let public = [ssh_string(name), ssh_string(&[7; 32]), ssh_string(b"ssh:")].concat();
    let line = format!("sk-ssh-ed25519@openssh.com {} token\n", STANDARD.encode(&public));
    bench.desk.write("token.pub", line);
    let none =
        [ssh_string(b"none"), ssh_string(b"none"), ssh_string(b""), 1u32.to_be_bytes().to_vec()].concat();
    let private = [b"openssh-key-v1\0".to_vec(), none, ssh_string(&public), ssh_string(&[0; 64])].concat();
    let text = STANDARD.encode(private);
    bench.desk.write(
        "token",
        format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{text}\n-----END OPENSSH PRIVATE KEY-----\n"),
    );
}

#[test]
#[ignore = "needs ssh-keygen, ssh-agent, openssl and git"]
fn keys_for_other_algorithms_are_refused_by_name_with_what_to_do() {
    let bench = Bench::new();
    bench.key(Kind::Ssh, "alice");
    bench.done(Route::None, "--key alice init --origin o.example.org --admin alice=alice.pub");
    bench.tool("ssh-keygen -q -t rsa -b 2048 -N '' -f rsa");
    bench.tool("ssh-keygen -q -t ecdsa -b 384 -N '' -f ecdsa");
    for (name, options) in [
        ("pem-rsa", "RSA"),
        ("pem-ec", "EC -pkeyopt ec_paramgen_curve:P-256"),
        ("pem-ed448", "ed448"),
        ("pem-x25519", "x25519"),
    ] {
        bench.tool(&format!("openssl genpkey -algorithm {options} -out {name}"));
        bench.tool(&format!("openssl pkey -in {name} -pubout -out {name}.pub"));
    }
    token_key(&bench);
    for (name, algorithm) in [
        ("rsa", "ssh-rsa"),
        ("ecdsa", "ecdsa-sha2-nistp384"),
        ("pem-rsa", "RSA"),
        ("pem-ec", "ECDSA"),
        ("pem-ed448", "Ed448"),
        ("pem-x25519", "X25519"),
        ("token", "sk-ssh-ed25519@openssh.com"),
    ] {
        bench.desk.chmod(name, 0o600);
        let said =
            [&format!("{name}: this is a key for {algorithm};"), WORDS_FOR_OTHERS[0], WORDS_FOR_OTHERS[1]];
        bench.refused(Route::None, &format!("--key {name} note 0 x"), &said);
        let public = [
            &format!("{name}.pub: this is a key for {algorithm};"),
            WORDS_FOR_OTHERS[0],
            WORDS_FOR_OTHERS[1],
        ];
        for line in [
            format!("--key {name}.pub note 0 x"),
            format!("--key alice key grant {name}.pub --name n --role auditor --env '*' --model '*'"),
            format!("--ledger new --key alice init --origin n.example.org --admin n={name}.pub"),
            format!("--key alice key revoke {name}.pub --reason x"),
        ] {
            bench.refused(Route::None, &line, &public);
        }
    }
    for (name, algorithm) in [("rsa", "ssh-rsa"), ("ecdsa", "ecdsa-sha2-nistp384")] {
        bench.agent.ssh_add(&["-q", &bench.desk.path(name).display().to_string()]);
        let fingerprint = bench.fingerprint(name);
        let said =
            format!("the ssh-agent holds {fingerprint} as a key for {algorithm}; only Ed25519 is used here");
        bench.refused(Route::None, &format!("--key {fingerprint} note 0 x"), &[&said, WORDS_FOR_OTHERS[1]]);
    }
}
