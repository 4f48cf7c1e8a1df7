//! docs/integrations/ against the program and the shell: every command is one of the program's, every script parses, and
//! what can be run here is run as it stands.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Parser as _;
use rollbook::cli::Cli;
use rollbook::time::{Clock as _, SystemClock};
use serde_json::{Value, json};

use super::support::desk::{Answer, Desk, PROGRAM};

const INTEGRATIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/integrations");

pub(crate) fn file(name: &str) -> PathBuf {
    Path::new(INTEGRATIONS).join(name)
}

fn text(name: &str) -> String {
    std::fs::read_to_string(file(name)).unwrap()
}

/// Names of the files that end so.
fn files(ending: &str) -> Vec<String> {
    let names = std::fs::read_dir(INTEGRATIONS).unwrap().map(|file| file.unwrap().file_name());
    let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
    names.retain(|name| name.ends_with(ending));
    names.sort();
    names
}

/// The literal blocks of a YAML text (`key: |`, `- |`), with the line before each.
fn blocks(yaml: &str) -> Vec<(String, String)> {
    let mut blocks: Vec<(String, String)> = Vec::new();
    let lines: Vec<&str> = yaml.lines().collect();
    let indent = |line: &str| line.len() - line.trim_start().len();
    for (at, head) in lines.iter().enumerate().filter(|(_, line)| line.ends_with(" |")) {
        let mut block = String::new();
        let inside = indent(lines[at + 1]);
        assert!(inside > indent(head), "{head}");
        for line in lines[at + 1..].iter().take_while(|line| line.is_empty() || indent(line) >= inside) {
            writeln!(block, "{}", line.get(inside..).unwrap_or_default()).unwrap();
        }
        blocks.push(((*head).trim().to_owned(), block));
    }
    blocks
}

/// The scripts of a file: what stands in it for a shell.
fn scripts(name: &str) -> Vec<String> {
    let text = text(name);
    let is_script = |block: &String| block.starts_with("set -e");
    match name.rsplit_once('.').unwrap().1 {
        "sh" => vec![text],
        "md" => fenced(&text, "console").chain(fenced(&text, "sh")).collect(),
        _ => blocks(&text).into_iter().map(|(_, block)| block).filter(is_script).collect(),
    }
}

/// The blocks of a page in that language; of a console, what is typed there.
fn fenced(page: &str, language: &str) -> impl Iterator<Item = String> {
    let mark = format!("```{language}\n");
    let blocks: Vec<_> =
        page.split(&mark).skip(1).map(|rest| rest.split_once("```").unwrap().0.to_owned()).collect();
    let is_console = language == "console";
    blocks.into_iter().map(move |block| if is_console { typed(&block) } else { block })
}

/// What is typed in a console: lines behind `$ `, and those that go on from there.
fn typed(console: &str) -> String {
    let (mut typed, mut goes_on) = (String::new(), false);
    for line in console.lines() {
        let command = if goes_on { Some(line) } else { line.strip_prefix("$ ") };
        if let Some(command) = command {
            writeln!(typed, "{command}").unwrap();
        }
        goes_on = command.is_some_and(|command| command.ends_with('\\'));
    }
    typed
}

/// Runs a script's text through a shell that reads it without running it.
fn parses(shell: &str, script: &str) {
    let mut command = Command::new(shell);
    let output = command.args(["-n", "-c", script]).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{shell}: {said}\n{script}");
}

/// The command lines of the program's in a script, as words: what a variable or a command would put in is a `1`,
/// which every option takes that is no closed list.
fn command_lines(script: &str) -> Vec<Vec<String>> {
    let joined = script.replace("\\\n", " ");
    let mut found = Vec::new();
    for line in joined.lines().filter(|line| !line.trim_start().starts_with('#')) {
        for (at, _) in line.match_indices("rollbook ") {
            let before = line[..at].trim_end();
            let is_command = before.is_empty()
                || before.ends_with(['(', '|', ';', '`'])
                || ["exec", "then", "do"].iter().any(|word| before.ends_with(word))
                || before.rsplit(' ').next().is_some_and(|word| word.contains('=') && !word.starts_with('-'));
            if is_command && !line[..at].ends_with(['/', '"', '-', '.']) {
                found.push(words(&line[at..]));
            }
        }
    }
    found
}

/// The words of a simple command, up to what ends it.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let line = line.replace("\"$@\"", "");
    let mut rest = line.chars().peekable();
    while let Some(letter) = rest.next() {
        match (quote, letter) {
            (None, '"' | '\'') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (Some(open), close) if open == close => quote = None,
            (None, ' ') => words.extend(word.take()),
            (None, '|' | '>' | ';' | ')' | '`' | '&') => break,
            (None | Some('"'), '$') => {
                let name = expansion(&mut rest);
                let value = match name.as_str() {
                    "digest" => "1".repeat(64),
                    "HOOK" => "post-sync".into(),
                    _ => "1".into(),
                };
                word.get_or_insert_default().push_str(&value);
            }
            (_, '…') => word.get_or_insert_default().push_str(&"1".repeat(64)),
            (_, letter) => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}

/// Takes an expansion behind its `$`, and gives its name; none where it is a command.
fn expansion(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> String {
    let close = match rest.peek() {
        Some('(') => Some(')'),
        Some('{') => Some('}'),
        _ => None,
    };
    if let Some(close) = close {
        return rest.by_ref().skip(1).take_while(|letter| *letter != close).collect();
    }
    let mut name = String::new();
    while let Some(letter) = rest.next_if(|letter| letter.is_ascii_alphanumeric() || *letter == '_') {
        name.push(letter);
    }
    name
}

#[test]
fn every_command_of_the_integrations_is_one_of_the_programs() {
    let mut count = 0;
    for ending in [".yml", ".yaml", ".sh", ".md"] {
        for name in files(ending) {
            for line in scripts(&name).iter().flat_map(|script| command_lines(script)) {
                if let Err(error) = Cli::try_parse_from(&line) {
                    panic!("{name}: {line:?}\n{error}");
                }
                count += 1;
            }
        }
    }
    assert!(count >= 23, "the commands were not found: {count}");
}

#[test]
fn a_command_that_does_not_exist_would_be_found() {
    let lines = |script: &str| command_lines(script);
    assert_eq!(
        lines("x=$(rollbook --key \"$K/a\" show 1 | cat)\n# rollbook no"),
        [["rollbook", "--key", "1/a", "show", "1"]]
    );
    assert_eq!(
        lines("exec rollbook gate --digest \"sha256:$digest\"")[0][3],
        format!("sha256:{}", "1".repeat(64))
    );
    assert_eq!(lines("cargo install --path rollbook --root x\n/opt/rollbook hook"), [[""; 0]; 0]);
    for line in ["rollbook frobnicate", "rollbook promote m 1 --env e --no-such", "rollbook gate"] {
        assert!(Cli::try_parse_from(&lines(line)[0]).is_err(), "{line}");
    }
}

#[test]
fn every_script_of_the_integrations_parses() {
    for (ending, shell, least) in
        [(".yml", "bash", 8), (".yaml", "sh", 0), (".sh", "sh", 1), (".md", "bash", 5)]
    {
        for name in files(ending) {
            let scripts = scripts(&name);
            assert!(scripts.len() >= least, "{name}: {}", scripts.len());
            for script in scripts {
                parses(shell, &script);
            }
        }
    }
}

/// A shell at a desk, with the program on its path.
fn shell(desk: &Desk, shell: &str, script: &str, environment: &[(&str, &str)]) -> Answer {
    let mut command = Command::new(shell);
    let path = format!("{}:/usr/bin:/bin", Path::new(PROGRAM).parent().unwrap().display());
    command.args(["-c", script]).current_dir(desk.path("")).stdin(Stdio::null()).env_clear();
    command.env("PATH", path).env("HOME", desk.path("")).env("ROLLBOOK_LEDGER", desk.path("ledger"));
    command.envs(environment.iter().copied()).output().unwrap().into()
}

fn body(desk: &Desk, entry: u64) -> Value {
    desk.done_json(&format!("show {entry}"))["event"]["body"].clone()
}

// GitHub Actions.

/// The steps of the workflow that run a script, by name.
fn steps() -> Vec<(String, String)> {
    let workflow = text("github-actions.yml");
    let steps = workflow.split("\n      - name: ").skip(1);
    let step = |step: &str| Some((step.lines().next()?.to_owned(), blocks(step).pop()?.1));
    steps.filter_map(step).collect()
}

/// Runs the workflow's scripts in order, as GitHub does: one that fails lets those follow that run `if: failure()`.
fn run_workflow(desk: &Desk, attempt: &str) -> Vec<(String, Answer)> {
    let temp = desk.path("temp").display().to_string();
    let output = desk.path("output").display().to_string();
    let secret = |person: &str| desk.read(&format!("{person}.key"));
    let (registrar, evaluator) = (secret("dora"), secret("eve"));
    let (mut ran, mut failed) = (Vec::new(), false);
    for (name, script) in steps() {
        let is_for_failure = name.contains("failed");
        let outputs = std::fs::read_to_string(&output).unwrap_or_default();
        let index =
            outputs.lines().filter_map(|line| line.strip_prefix("index=")).next_back().unwrap_or_default();
        if name.contains("Install") || failed != is_for_failure || is_for_failure && index.is_empty() {
            continue;
        }
        let environment = [
            ("MODEL", "scorer"),
            ("VERSION", "2.0.0"),
            ("ENVIRONMENT", "staging"),
            ("RUN", "github/o/r/7"),
            ("ATTEMPT", attempt),
            ("RUNNER_TEMP", &temp),
            ("GITHUB_OUTPUT", &output),
            ("INDEX", index),
            ("REGISTRAR_KEY", &registrar),
            ("EVALUATOR_KEY", &evaluator),
            ("DEPLOYER_KEY", &registrar),
        ];
        let answer = shell(desk, "bash", &script, &environment);
        failed |= answer.code != Some(0);
        ran.push((name, answer));
    }
    ran
}

/// A desk with what the workflow needs beside the ledger.
fn desk_of_the_workflow(deploys: bool) -> Desk {
    let desk = Desk::with_releases();
    desk.grant("eve", "--role evaluator --env '*' --model '*'");
    desk.repository("source");
    desk.write("temp/.keep", "");
    let digest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    desk.write(
        "source/evaluate.sh",
        format!("#!/bin/sh\necho '{{\"auc\": 0.9}}' > $2; echo {digest} > $3\n"),
    );
    desk.write("source/bounds.toml", "[auc]\nmin = 0.8\n");
    desk.write("infra/deploy.sh", format!("#!/bin/sh\nexit {}\n", i32::from(!deploys)));
    desk.chmod("source/evaluate.sh", 0o755);
    desk.chmod("infra/deploy.sh", 0o755);
    desk
}

#[test]
fn the_workflow_registers_evaluates_promotes_and_reports() {
    let desk = desk_of_the_workflow(true);
    let ran = run_workflow(&desk, "1");
    let names: Vec<_> = ran.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(ran.last().map(|(_, answer)| answer.code), Some(Some(0)), "{ran:?}");
    assert_eq!(names, ["Keys", "Register", "Evaluate", "Promote", "Deploy", "Report that it is in place"]);
    for (name, answer) in &ran {
        assert_eq!(answer.code, Some(0), "{name}: {answer:?}");
    }
    assert_eq!(body(&desk, 7)["version"], "2.0.0");
    assert_eq!(body(&desk, 8)["outcome"], "passed");
    assert_eq!(body(&desk, 9)["ticket"], "github/o/r/7");
    assert_eq!(body(&desk, 10)["change"], 9);
    // Run again, it repeats nothing but the evaluation, which is a new one; what served is reported already.
    let again = run_workflow(&desk, "2");
    let told: Vec<_> = again.iter().map(|(name, answer)| (name.as_str(), answer.code)).collect();
    assert_eq!(told[1], ("Register", Some(0)));
    assert_eq!(told[3], ("Promote", Some(0)));
    assert!(again[1].1.stdout.contains("already recorded as entry 7"), "{again:?}");
    assert!(again[3].1.stdout.contains("\"index\":9"), "{again:?}");
    desk.done("verify --trust ledger/trust.toml");
}

#[test]
fn the_workflow_reports_a_deployment_that_failed() {
    let desk = desk_of_the_workflow(false);
    let ran = run_workflow(&desk, "1");
    let told: Vec<_> = ran.iter().map(|(name, answer)| (name.as_str(), answer.code)).collect();
    assert_eq!(told[4..], [("Deploy", Some(1)), ("Report that it failed", Some(0))], "{ran:?}");
    assert_eq!(body(&desk, 10)["outcome"], "failed");
    assert_eq!(desk.run("gate scorer 1.1.0 --env staging").code, Some(0), "what served before serves again");
}

// Kubernetes.

#[test]
fn the_init_container_lets_the_registered_files_serve_and_no_others() {
    let desk = Desk::with_releases();
    // A directory of which OpenSSF model signing leaves out parts, and whose order by part is not that by byte.
    for (name, text) in [
        (".gitattributes", "x"),
        (".git/HEAD", "x"),
        ("a/x", "1"),
        ("a-b/x", "2"),
        ("a.txt", "3"),
        ("ü/z y", "4"),
        (".gitx", "5"),
    ] {
        desk.write(&format!("files/{name}"), text);
    }
    desk.done("--key dora.key register files 1 --path files");
    desk.done("--key dora.key promote files 1 --env staging --repo infra --rev HEAD");
    let script = scripts("kubernetes-init-container.yaml").pop().unwrap();
    let paths = ["ledger/trust.toml", "files"].map(|name| desk.path(name).display().to_string());
    let gate = |environment: &str| {
        let set = [
            ("TRUST", &*paths[0]),
            ("MODEL_DIR", &paths[1]),
            ("ENVIRONMENT", environment),
            ("LEDGER_AGE_MAX", "30d"),
        ];
        shell(&desk, "sh", &script, &set)
    };
    let open = gate("staging");
    assert_eq!(open.code, Some(0), "{open:?}");
    assert!(open.stdout.starts_with("open: files 1 serves in staging by entry 7"), "{open:?}");
    assert_eq!(gate("production").code, Some(1));
    desk.write("files/a/x", "changed");
    let closed = gate("staging");
    assert_eq!(closed.code, Some(1), "{closed:?}");
    assert!(closed.stdout.contains("digest_unknown"), "{closed:?}");
    desk.write("files/a/x", "1");
    assert_eq!(gate("staging").code, Some(0));
    std::os::unix::fs::symlink("x", desk.path("files/a/link")).unwrap();
    assert!(gate("staging").stderr.contains("symbolic links"));
}

// Argo CD.

/// The Application after it synced the infra commit of an entry.
fn application(desk: &Desk, entry: u64, phase: &str) -> Value {
    let commit = body(desk, entry)["infra"]["commit"].clone();
    let over = SystemClock.now().to_string();
    json!({
        "kind": "Application",
        "metadata": {
            "name": "scorer", "namespace": "argocd",
            "annotations": { "rollbook.dev/env": "staging", "rollbook.dev/model": "scorer" },
        },
        "status": {
            "health": { "status": "Healthy" },
            "history": [{ "id": 3, "revision": commit, "deployedAt": over }],
            "operationState": {
                "phase": phase, "startedAt": format!("2026-03-01T09:5{entry}:00Z"), "finishedAt": over,
                "syncResult": { "revision": commit },
            },
        },
    })
}

#[test]
fn argocds_hooks_report_the_end_of_a_sync() {
    let scripts = scripts("argocd-postsync.yaml");
    assert_eq!(scripts.len(), 2);
    assert_eq!(scripts[0], scripts[1], "the hooks differ in what they are, not in what they run");
    let desk = Desk::with_releases();
    let (work, key) = (desk.path("").display().to_string(), desk.path("dora.key").display().to_string());
    let report = |script: &str, hook: &str| {
        shell(&desk, "sh", script, &[("KEY", &key), ("WORK", &work), ("HOOK", hook)])
    };
    desk.write("application.json", application(&desk, 5, "Running").to_string());
    let answer = report(&scripts[0], "post-sync");
    assert_eq!((answer.code, &answer.json()["index"]), (Some(0), &6.into()), "{answer:?}");
    assert_eq!(body(&desk, 6)["outcome"], "succeeded");
    // Synced once more, nothing is to do; a commit that nobody authorised fails the hook.
    let mut again = application(&desk, 5, "Running");
    again["status"]["operationState"]["startedAt"] = "2026-03-01T11:00:00Z".into();
    desk.write("application.json", again.to_string());
    assert_eq!(report(&scripts[0], "post-sync").code, Some(0));
    again["status"]["operationState"]["syncResult"]["revision"] = "a".repeat(40).into();
    desk.write("application.json", again.to_string());
    assert_eq!(report(&scripts[0], "post-sync").code, Some(1));
    desk.done("--key dora.key rollback scorer --env staging --repo infra --tag v1 --reason r");
    desk.write("application.json", application(&desk, 7, "Running").to_string());
    assert_eq!(report(&scripts[1], "sync-fail").code, Some(0));
    assert_eq!(body(&desk, 8)["outcome"], "failed");
    assert!(!desk.path("key").exists(), "the copy of the key is gone");
}

#[test]
fn argocds_notification_holds_what_is_ingested() {
    let desk = Desk::with_releases();
    let blocks = blocks(&text("argocd-notifications.yaml"));
    let template = &blocks.iter().find(|(head, _)| head == "body: |").unwrap().1;
    assert_eq!(template.trim(), "{{toJson .app}}");
    let sent = template.replace("{{toJson .app}}", &application(&desk, 5, "Succeeded").to_string());
    desk.write("payload.json", sent);
    for round in 0..2 {
        let answer = delivered(&desk, "argocd", &[]);
        let word = if round == 0 { "recorded as entry 6" } else { "already recorded as entry 6" };
        assert!(answer.stdout.starts_with(word), "{answer:?}");
    }
}

// Webhooks.

/// Has `hook.sh` handle `payload.json`.
fn delivered(desk: &Desk, sender: &str, environment: &[(&str, &str)]) -> Answer {
    let script = format!("exec sh '{}' {sender} < payload.json", file("hook.sh").display());
    let key = desk.path("dora.key").display().to_string();
    let environment: Vec<_> = [("KEY", key.as_str())].iter().chain(environment).copied().collect();
    shell(desk, "sh", &script, &environment)
}

#[test]
fn the_hook_hands_on_options_and_headers() {
    let desk = Desk::with_releases();
    desk.write("options", "--alias\nchampion=staging\n--repo\ninfra\n--rev\nHEAD\n--reason\ntwo words\n");
    let payload = json!({
        "entity": "model_version_alias", "action": "created", "timestamp": "2026-03-01T10:00:00+00:00",
        "data": { "name": "scorer", "alias": "champion", "version": "1.0.0" },
    });
    desk.write("payload.json", payload.to_string());
    let set = [("OPTIONS", "options"), ("MLFLOW_DELIVERY_ID", "d-1")];
    let recorded = delivered(&desk, "mlflow", &set);
    assert_eq!(recorded.code, Some(0), "{recorded:?}");
    assert_eq!(body(&desk, 6)["reason"], "two words");
    // With a secret, what is not signed is refused, and answered as taken.
    desk.write("secret", "whsec");
    let refused = delivered(&desk, "mlflow", &[&set[..], &[("SECRET", "secret")]].concat());
    assert_eq!(refused.code, Some(0));
    assert!(refused.stderr.contains("X-MLflow-Timestamp is missing"), "{refused:?}");
    // Set up wrongly, it says so.
    assert_eq!(delivered(&desk, "mlflow", &set[1..]).code, Some(0), "the alias stands for no environment");
    assert_eq!(delivered(&desk, "mlflow", &set[..1]).code, Some(2), "no delivery id");
    assert_eq!(delivered(&desk, "gitlab", &set).code, Some(2));
    desk.write("payload.json", "{}");
    let github = delivered(&desk, "github", &[("GITHUB_EVENT", "push")]);
    assert!(github.code == Some(0) && github.stderr.contains("a delivery of `push`"), "{github:?}");
}
