//! MLflow itself: what its registry delivers is what `rollbook ingest mlflow` reads and verifies, and
//! `mlflow_register.py` of docs/integrations/ registers its versions.
//!
//! Ignored by default: it needs a Python with tests/requirements-mlflow.txt, named by `ROLLBOOK_MLFLOW`. A server of the
//! test's own listens on this machine alone, and ends with the test.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::integrations::file;
use super::support::child::Killed;
use super::support::desk::{Desk, PROGRAM};
use super::support::http::{Request, free_port, request};

/// More than the server takes to start on a busy machine: it makes its database first.
const START: Duration = Duration::from_mins(4);
const SECRET: &str = "a secret that MLflow shares with us";
/// A Fernet key, under which MLflow keeps the secret.
const ENCRYPTION_KEY: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";

/// The interpreter with MLflow.
fn python() -> PathBuf {
    std::env::var_os("ROLLBOOK_MLFLOW").expect("ROLLBOOK_MLFLOW names a Python with mlflow").into()
}

/// A process and all that it starts, killed together.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        let group = format!("-{}", self.0.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.0.wait();
    }
}

/// MLflow's server at a desk; gives it and its address once it answers.
fn server(desk: &Desk) -> (Group, String) {
    let port = free_port();
    let mut command = Command::new(python());
    command.args(["-m", "mlflow", "server", "--host", "127.0.0.1", "--workers", "1"]);
    command.args(["--port", &port.to_string()]);
    command.arg("--backend-store-uri").arg(format!("sqlite:///{}", desk.path("mlflow.db").display()));
    command.arg("--artifacts-destination").arg(desk.path("artifacts"));
    command
        .env("MLFLOW_WEBHOOK_ALLOWED_SCHEMES", "http,https")
        .env("MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS", "true");
    command
        .env("MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY", ENCRYPTION_KEY)
        .env("MLFLOW_DISABLE_TELEMETRY", "true");
    let log = std::fs::File::create(desk.path("mlflow.log")).unwrap();
    command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).current_dir(desk.path(""));
    let mut server = Group(command.process_group(0).spawn().unwrap());
    let began = Instant::now();
    while !answers(port) {
        let has_ended = server.0.try_wait().unwrap();
        let log = || desk.read("mlflow.log");
        assert!(has_ended.is_none() && began.elapsed() < START, "MLflow does not start: {}", log());
        std::thread::sleep(Duration::from_millis(100));
    }
    (server, format!("http://127.0.0.1:{port}"))
}

/// Whether the server says that it is well.
fn answers(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    let asked = write!(stream, "GET /health HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
    let mut status = String::new();
    asked.is_ok() && BufReader::new(stream).read_line(&mut status).is_ok() && status.contains("200")
}

/// Somebody who works the registry.
struct Registry {
    _python: Killed,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Registry {
    fn of(desk: &Desk, address: &str) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/real_mlflow.py");
        let mut command = Command::new(python());
        command.arg("-B").arg(script).current_dir(desk.path("")).env("MLFLOW_TRACKING_URI", address);
        command.env("MLFLOW_DISABLE_TELEMETRY", "true").stdin(Stdio::piped()).stdout(Stdio::piped());
        command.stderr(std::fs::File::create(desk.path("registry.log")).unwrap());
        let mut python = Killed(command.spawn().unwrap());
        let commands = python.stdin.take().unwrap();
        let answers = BufReader::new(python.stdout.take().unwrap());
        Self { _python: python, commands, answers }
    }

    fn does(&mut self, desk: &Desk, command: &[&str]) -> Value {
        writeln!(self.commands, "{}", json!(command)).unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).unwrap_or_else(|_| panic!("{command:?}: {}", desk.read("registry.log")))
    }
}

/// `rollbook ingest mlflow` by dora with the headers of a delivery, its body in `payload.json`.
fn ingest(desk: &Desk, delivery: &Request, rest: &str) -> (Option<i32>, Value) {
    desk.write("payload.json", &delivery.body);
    let mut command = desk.command(&format!(
        "--key dora.key --json ingest mlflow payload.json --webhook-secret-file secret {rest}"
    ));
    for name in ["X-MLflow-Delivery-Id", "X-MLflow-Timestamp", "X-MLflow-Signature"] {
        let value = &delivery.headers[&name.to_ascii_lowercase()];
        command.arg("--header").arg(format!("{name}: {value}"));
    }
    let output = command.output().unwrap();
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap())
}

fn event(desk: &Desk, entry: u64) -> Value {
    desk.done_json(&format!("show {entry}"))["event"].clone()
}

/// A founded desk at which dora may do all that a release takes. The next entry is 2.
fn desk() -> Desk {
    let desk = Desk::founded();
    desk.grant("dora", "--role registrar --role deployer --role responder --env '*' --model '*'");
    desk.write("secret", SECRET);
    desk
}

const CHAMPION: &str = "--alias champion=staging --repo infra --rev HEAD";

#[test]
#[ignore = "needs ROLLBOOK_MLFLOW, a Python with mlflow (tests/requirements-mlflow.txt)"]
fn real_versions_are_registered_promoted_by_alias_and_rolled_back() {
    let desk = desk();
    let (_server, address) = server(&desk);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://127.0.0.1:{}/", listener.local_addr().unwrap().port());
    let mut registry = Registry::of(&desk, &address);
    registry.does(&desk, &["webhook", &url, SECRET]);

    // The first version by the script: it is in the ledger, and says so in MLflow.
    assert_eq!(registry.does(&desk, &["log", "scorer", "1"]), "1");
    let _ = request(&listener);
    for _ in 0..2 {
        let tags = register(&desk, &address, "scorer", "1");
        assert_eq!(registry.does(&desk, &["tags", "scorer", "1"]), tags);
        let entry = desk.done_json("show 2");
        let root = entry["event"]["body"]["digest"]["root"].as_str().unwrap();
        let told = json!({
            "rollbook.index": "2", "rollbook.leaf_hash": entry["leaf_hash"], "rollbook.digest": format!("sha256:{root}"),
        });
        assert_eq!(tags, told);
    }
    assert_eq!(desk.done("log").lines().count(), 3, "the second run was answered with the first receipt");

    // The second by its webhook, which is verified; the files are downloaded.
    registry.does(&desk, &["log", "scorer", "2"]);
    let created = request(&listener);
    std::fs::create_dir(desk.path("download")).unwrap();
    let directory = desk.path("download").display().to_string();
    let path = registry.does(&desk, &["download", "scorer", "2", &directory]);
    let registered = ingest(&desk, &created, &format!("--path {}", path.as_str().unwrap()));
    assert_eq!((registered.0, &registered.1["index"]), (Some(0), &3.into()), "{registered:?}");
    assert_eq!(
        (&event(&desk, 3)["body"]["version"], &event(&desk, 3)["kind"]),
        (&"2".into(), &"model.registered".into())
    );
    assert_ne!(event(&desk, 2)["body"]["digest"]["root"], event(&desk, 3)["body"]["digest"]["root"]);

    // The alias moves to 1, to 2, and back.
    for (version, entry, kind) in
        [("1", 4, "model.promoted"), ("2", 5, "model.promoted"), ("1", 6, "model.rolledback")]
    {
        registry.does(&desk, &["alias", "scorer", "champion", version]);
        let delivery = request(&listener);
        for repeated in [false, true] {
            let (code, receipt) = ingest(&desk, &delivery, CHAMPION);
            assert_eq!(
                (code, &receipt["index"], &receipt["repeated"]),
                (Some(0), &entry.into(), &repeated.into()),
                "{receipt}"
            );
        }
        let event = event(&desk, entry);
        assert_eq!(event["kind"], kind);
        let id = &delivery.headers["x-mlflow-delivery-id"];
        assert_eq!(event["header"]["basis"], json!({ "observed": { "system": "mlflow", "id": id } }));
    }
    registry.does(&desk, &["unalias", "scorer", "champion"]);
    let deleted = request(&listener);
    forged(&desk, &deleted);
    by_hook(&desk, &deleted);
    assert_eq!(event(&desk, 7)["kind"], "model.withdrawn");
    desk.done("verify --trust ledger/trust.toml");
}

/// Runs the script of the docs; gives the tags that it says it set.
fn register(desk: &Desk, address: &str, model: &str, version: &str) -> Value {
    let mut command = Command::new(python());
    command.arg("-B").arg(file("mlflow_register.py")).args([model, version]).current_dir(desk.path(""));
    command
        .env("MLFLOW_TRACKING_URI", address)
        .env("MLFLOW_DISABLE_TELEMETRY", "true")
        .env("ROLLBOOK", PROGRAM);
    command.env("ROLLBOOK_LEDGER", "ledger").env("ROLLBOOK_KEY", "dora.key");
    let output = command.output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stdout));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A delivery with anything changed is refused, and so is one under another secret.
fn forged(desk: &Desk, delivery: &Request) {
    let refused = |delivery: &Request, secret: &str| {
        desk.write("secret", secret);
        let (code, answer) = ingest(desk, delivery, CHAMPION);
        assert_eq!((code, &answer["refused"]["code"]), (Some(1), &"webhook_not_signed".into()), "{answer}");
    };
    let changed = |header: &str, value: &str, body: &str| {
        let mut headers = delivery.headers.clone();
        headers.insert(header.to_owned(), value.to_owned());
        Request { headers, body: body.to_owned() }
    };
    let Request { body, headers } = delivery;
    refused(delivery, "another secret");
    refused(&changed("x", "", &body.replace("scorer", "ranker")), SECRET);
    refused(&changed("x-mlflow-delivery-id", "another", body), SECRET);
    let later: u64 = headers["x-mlflow-timestamp"].parse::<u64>().unwrap() + 1;
    refused(&changed("x-mlflow-timestamp", &later.to_string(), body), SECRET);
    desk.write("secret", SECRET);
    let (code, answer) = ingest(desk, delivery, &format!("{CHAMPION} --signature-age 0s --dry-run"));
    assert_eq!((code, &answer["refused"]["code"]), (Some(1), &"webhook_not_signed".into()), "{answer}");
}

/// Has the hook of the docs handle a delivery.
fn by_hook(desk: &Desk, delivery: &Request) {
    desk.write("options", format!("{}\n", CHAMPION.replace(' ', "\n")));
    desk.write("payload.json", &delivery.body);
    let mut command = Command::new("sh");
    command.arg(file("hook.sh")).arg("mlflow").current_dir(desk.path(""));
    command.env("PATH", format!("{}:/usr/bin:/bin", Path::new(PROGRAM).parent().unwrap().display()));
    command
        .env("ROLLBOOK_LEDGER", "ledger")
        .env("KEY", "dora.key")
        .env("OPTIONS", "options")
        .env("SECRET", "secret");
    for (variable, header) in [
        ("MLFLOW_DELIVERY_ID", "x-mlflow-delivery-id"),
        ("MLFLOW_TIMESTAMP", "x-mlflow-timestamp"),
        ("MLFLOW_SIGNATURE", "x-mlflow-signature"),
    ] {
        command.env(variable, &delivery.headers[header]);
    }
    let payload = std::fs::File::open(desk.path("payload.json")).unwrap();
    let output = command.stdin(payload).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stdout.starts_with(b"recorded as entry 7"), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
#[ignore = "needs ROLLBOOK_MLFLOW, a Python with mlflow (tests/requirements-mlflow.txt)"]
fn the_integrations_are_yaml() {
    let desk = Desk::empty();
    let mut python = Registry::of(&desk, "sqlite:///unused.db");
    let names = [
        ("github-actions.yml", 1),
        ("argocd-postsync.yaml", 5),
        ("argocd-notifications.yaml", 1),
        ("kubernetes-init-container.yaml", 2),
    ];
    let paths: Vec<_> = names.iter().map(|(name, _)| file(name).display().to_string()).collect();
    let command: Vec<&str> = std::iter::once("documents").chain(paths.iter().map(String::as_str)).collect();
    assert_eq!(python.does(&desk, &command), json!(names.map(|(_, count)| count)));
}
