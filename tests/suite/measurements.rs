//! Evaluations, drift and incidents at the command line: what is recorded, what is skipped, what is refused.

use base64::Engine as _;
use std::io::Write as _;
use std::process::Stdio;

use serde_json::{Value, json};

use super::support::desk::{Answer, Desk};

const DIGEST: &str = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

/// A desk with releases, and eve, who evaluates everything. The next entry is 7.
fn desk() -> Desk {
    let desk = Desk::with_releases();
    desk.grant("eve", "--role evaluator --env '*' --model '*'");
    desk
}

/// `evaluate` by eve, with everything but metrics.
fn evaluate(rest: &str) -> String {
    format!(
        "--key eve.key evaluate scorer 1.0.0 --kind fairness --suite fairlearn@0.12 --dataset loans={DIGEST} {rest}"
    )
}

/// The OpenSSF root of scorer 1.0.0.
fn root(desk: &Desk) -> String {
    desk.done_json("show 2")["event"]["body"]["digest"]["root"].as_str().unwrap().to_owned()
}

/// A statement of a test result about `digest`.
fn statement(digest: &str, result: &str, failed: &Value) -> Value {
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{ "name": "weights", "digest": { "sha256": digest } }],
        "predicateType": "https://in-toto.io/attestation/test-result/v0.1",
        "predicate": {
            "result": result, "passedTests": ["loads", "answers"], "failedTests": failed,
            "configuration": [{ "name": "release-checks", "digest": { "sha256": &DIGEST[7..] } }],
            "url": "https://ci.example.org/7",
        },
    })
}

fn body(desk: &Desk, entry: u64) -> Value {
    desk.done_json(&format!("show {entry}"))["event"]["body"].clone()
}

#[test]
fn the_outcome_is_computed_whatever_the_metrics_come_from() {
    let desk = desk();
    desk.write("metrics.json", r#"{"dpd": 0.3, "g": {"n": 12}}"#);
    desk.write("bounds.toml", "[dpd]\nmax = 0.1\n");
    desk.write("bounds.json", r#"{"dpd": {"max": 0.3}}"#);
    desk.write(
        "own.json",
        r#"{"outcome": "failed", "metrics": [{"name": "dpd", "value": 0.3, "max": 0.1}]}"#,
    );
    for (rest, outcome, said) in [
        (
            "--metric dpd=0.1:max=0.1",
            "passed",
            "evaluated (fairness, fairlearn@0.12 on loans): passed, 1 bounded",
        ),
        ("--metric dpd=0.3:max=0.1 --metric n=5", "failed", "failed, `dpd` is 0.3, above 0.1"),
        ("--from metrics.json --bounds bounds.toml", "failed", "failed, `dpd` is 0.3, above 0.1"),
        ("--from metrics.json --bounds bounds.json", "passed", "passed, 1 bounded metric"),
        ("--from own.json", "failed", "failed, `dpd`"),
    ] {
        let before = desk.done("log").lines().count() as u64;
        assert!(desk.done(&evaluate(rest)).contains(said), "{rest}");
        assert_eq!(body(&desk, before)["outcome"], outcome, "{rest}");
    }
    let answer = desk.run(&evaluate("--from metrics.json"));
    assert_eq!(answer.code, Some(0));
    assert!(
        answer.stderr.contains("note: no metric has a bound: this evaluation satisfies no gate"),
        "{answer:?}"
    );
    assert_eq!(body(&desk, 12)["metrics"][1]["name"], "g.n");
    desk.done("verify --trust ledger/trust.toml");
}

#[test]
fn an_evaluation_file_that_says_all_needs_no_options() {
    let desk = desk();
    let file = json!({
        "model": "scorer", "version": "1.0.0", "kind": "shadow", "suite": "mirror", "suite_version": "3",
        "suite_digest": DIGEST, "dataset": { "name": "traffic", "digest": DIGEST }, "environment": "staging",
        "metrics": [{ "name": "error_rate", "value": 0.01, "max": 0.02 }], "outcome": "passed", "summary": "a day",
    });
    let mut command = desk.command("--key eve.key evaluate scorer 1.0.0 --from -");
    let answer = piped(&mut command, &file.to_string());
    assert_eq!(answer.code, Some(0), "{answer:?}");
    let recorded = body(&desk, 7);
    for field in
        ["model", "version", "kind", "suite", "suite_version", "suite_digest", "dataset", "environment"]
    {
        assert_eq!(recorded[field], file[field], "{field}");
    }
    // What the options say as well must be the same: each field by itself.
    desk.write("own.json", file.to_string());
    for (option, told) in [
        ("--kind judge", "the command line says kind `judge`, and the file says `shadow`"),
        ("--suite other", "suite `other`"),
        ("--suite mirror@4", "suite_version `4`"),
        ("--suite-digest sha512:00", "is not a digest"),
        (&format!("--suite-digest {}", DIGEST.replace("9f", "00")), "suite_digest"),
        (&format!("--dataset other={DIGEST}"), "dataset `other`"),
        (&format!("--dataset traffic={}", DIGEST.replace("9f", "00")), "dataset's digest"),
        ("--env production", "environment `production`"),
        ("--summary night", "summary `night`"),
    ] {
        desk.refused(&format!("--key eve.key evaluate scorer 1.0.0 --from own.json {option}"), 2, &[told]);
    }
    let other = "--key eve.key evaluate scorer 1.1.0 --from own.json";
    desk.refused(other, 2, &["version `1.1.0`, and the file says `1.0.0`", "hint: leave one out"]);
    desk.done(
        "--key eve.key evaluate scorer 1.0.0 --from own.json --suite mirror --kind shadow --env staging",
    );
}

/// Runs a command with this on stdin.
fn piped(command: &mut std::process::Command, input: &str) -> Answer {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap().into()
}

#[test]
fn a_test_result_is_about_the_registered_digest() {
    let desk = desk();
    let root = root(&desk);
    let line = format!("--key eve.key evaluate scorer 1.0.0 --kind regression --dataset d={DIGEST}");
    desk.write("result.json", statement(&root, "PASSED", &json!([])).to_string());
    desk.done(&format!("{line} --from result.json"));
    let recorded = body(&desk, 7);
    assert_eq!((&recorded["suite"], &recorded["suite_digest"]), (&"release-checks".into(), &DIGEST.into()));
    assert_eq!(recorded["summary"], "https://ci.example.org/7");
    assert_eq!(
        recorded["metrics"][0],
        json!({ "name": "tests_failed", "value": 0.0, "min": null, "max": 0.0 })
    );

    let failed = statement(&root, "FAILED", &json!(["refuses"])).to_string();
    let payload = base64::engine::general_purpose::STANDARD.encode(failed);
    let payload_type = "application/vnd.in-toto+json";
    desk.write(
        "envelope.json",
        json!({ "payloadType": payload_type, "payload": payload, "signatures": [] }).to_string(),
    );
    let answer = desk.run(&format!("{line} --from envelope.json --suite ci@7"));
    assert_eq!(answer.code, Some(0), "{answer:?}");
    assert!(answer.stdout.contains("ci@7 on d): failed, `tests_failed` is 1, above 0"), "{answer:?}");
    assert!(answer.stderr.contains("nobody checked the signatures of the envelope"), "{answer:?}");

    desk.write("claims.json", statement(&root, "PASSED", &json!(["refuses"])).to_string());
    desk.write("other.json", statement(&DIGEST[7..], "PASSED", &json!([])).to_string());
    desk.write("slsa.json", statement(&root, "PASSED", &json!([])).to_string().replace("test-result", "svr"));
    for (rest, code, words) in [
        ("--from claims.json", 2, &["claims.json: it says PASSED", "`tests_failed` is 1", "hint:"][..]),
        ("--from slsa.json", 2, &["predicateType is `", "hint:"]),
        ("--from result.json --bounds slsa.json", 2, &["slsa.json: ", "hint:"]),
        ("--from result.json --format metrics", 2, &["metric `_type` is a text", "hint:"]),
        (
            "--from other.json",
            1,
            &["the statement is about sha256:9f86d081", &root, "OpenSSF root", "`rollbook show 2`"],
        ),
    ] {
        desk.refused(&format!("{line} {rest}"), code, words);
    }
    // In a draft, too.
    desk.refused(&format!("{line} --from other.json --draft d.json"), 1, &["the statement is about"]);
}

#[test]
fn a_bad_evaluation_is_named_and_not_recorded() {
    let desk = desk();
    desk.write("strings.json", r#"{"accuracy": "high"}"#);
    desk.write("nan.json", r#"{"accuracy": NaN}"#);
    desk.write("huge.json", r#"{"g": {"accuracy": 1e999}}"#);
    desk.write("good.json", r#"{"accuracy": 0.9}"#);
    desk.write("empty.json", "{}");
    desk.write("torn.json", "{\"accuracy\": 0.");
    desk.write("unclear.json", r#"{"metrics": {"accuracy": 0.9}}"#);
    desk.write("typo.json", r#"{"metrics": [{"name": "a", "value": 1, "maxx": 2}]}"#);
    desk.write("passed.json", r#"{"outcome": "passed", "metrics": [{"name": "a", "value": 1, "max": 0}]}"#);
    desk.write("failed.json", r#"{"outcome": "failed", "metrics": [{"name": "a", "value": 1, "max": 1}]}"#);
    desk.write("bounds.toml", "[acuracy]\nmin = 0.5\n");
    desk.write("crossed.toml", "[accuracy]\nmin = 0.5\nmax = 0.4\n");
    desk.write("nan.toml", "[accuracy]\nmin = nan\n");
    desk.write("large.json", vec![b' '; (4 << 20) + 1]);
    let many: Vec<String> = (0..129).map(|n| format!("--metric m{n}={n}")).collect();
    let many = many.join(" ");
    for (rest, words) in [
        ("--metric accuracy", &["--metric accuracy: it has no value", "hint: say --metric NAME=VALUE"][..]),
        ("--metric accuracy=inf", &["--metric accuracy=inf: `inf` is not a finite number", "hint:"]),
        ("--metric accuracy=NaN", &["`NaN` is not a finite number"]),
        ("--metric accuracy=1e999", &["`1e999` is not a finite number"]),
        ("--metric accuracy=1:max=-inf", &["`-inf` is not a finite number"]),
        ("--metric accuracy=1:mni=0", &["`mni` is no bound: did you mean `min`?"]),
        (
            "--metric accuracy=1:min=2:max=1",
            &["metric `accuracy` must be at least 2 and at most 1", "hint: let min be"],
        ),
        ("--metric a=1 --metric a=1", &["metrics called `a` stand twice", "hint:"]),
        (&many, &["there are 129 metrics", "at most 128", "hint: record several"]),
        ("--metric a=1 --from good.json", &["cannot be used with"]),
        ("--metric a=1 --bounds bounds.toml", &["cannot be used with"]),
        ("--metric a=1 --format metrics", &["cannot be used with"]),
        ("", &["--metric"]),
        ("--from none.json", &["cannot read none.json"]),
        ("--from torn.json", &["torn.json: `accuracy` is not JSON", "hint:"]),
        ("--from large.json", &["large.json is too large", "hint:"]),
        (
            "--from strings.json",
            &["strings.json: metric `accuracy` is a text, a number is expected", "hint:"],
        ),
        (
            "--from nan.json",
            &["nan.json: `accuracy` is not a finite number", "hint: leave out what could not"],
        ),
        ("--from huge.json", &["huge.json: `g.accuracy` is not a finite number"]),
        ("--from empty.json", &["no metric is given", "hint:"]),
        ("--from unclear.json", &["more than one format", "--format", "hint: say --format"]),
        ("--from typo.json", &["`metrics[0].maxx` is unknown: did you mean `max`?", "hint:"]),
        (
            "--from passed.json",
            &["it says passed, and its metrics say failed: `a` is 1, above 0", "hint: leave"],
        ),
        ("--from failed.json", &["it says failed, and its metrics say passed: `a` is 1", "hint:"]),
        (
            "--from good.json --bounds bounds.toml",
            &["bounds for metrics that were not measured: acuracy", "hint:"],
        ),
        ("--from good.json --bounds crossed.toml", &["crossed.toml: metric `accuracy` must be", "hint:"]),
        (
            "--from good.json --bounds nan.toml",
            &["nan.toml: `min` of metric `accuracy` is not a finite", "hint:"],
        ),
        (
            "--from good.json --bounds good.json",
            &["good.json: `accuracy` is a number, an object is", "hint:"],
        ),
        ("--from - --bounds -", &["--from and --bounds cannot both be stdin", "hint: name a file"]),
        ("--from good.json --format yaml", &["`yaml` is not a format of evaluations"]),
        ("--metric a=1 --suite ''", &["a name is empty"]),
        ("--metric a=1 --suite-digest md5:00", &["`md5:00` is not a digest"]),
        ("--metric a=1 --kind speed", &["`speed` is not an evaluation kind"]),
    ] {
        let line = evaluate(rest);
        let line = if rest.contains("--kind ") { line.replacen("--kind fairness", "", 1) } else { line };
        let line =
            if rest.contains("--suite ") { line.replacen("--suite fairlearn@0.12", "", 1) } else { line };
        desk.refused(&line, 2, words);
    }
    let bare = "--key eve.key evaluate scorer 1.0.0 --metric a=1";
    desk.refused(bare, 2, &["nothing says the evaluation's suite", "hint: say --suite"]);
    desk.refused(
        &format!("{bare} --suite s"),
        2,
        &["nothing says the evaluation's kind", "hint: say --kind"],
    );
    let suited = format!("{bare} --suite s --kind judge");
    desk.refused(&suited, 2, &["nothing says the evaluation's dataset", "hint: say --dataset"]);
    desk.refused(&format!("{suited} --dataset d"), 2, &["--dataset d has no digest", "hint:"]);
    desk.refused(&format!("{suited} --dataset d=00"), 2, &["`00` is not a digest"]);
    // What only the rules can tell.
    let line = |version: &str| evaluate("--metric a=1").replace("1.0.0", version);
    desk.refused(&line("9"), 1, &["version `9` of model `scorer`", "hint:"]);
    desk.refused(&evaluate("--metric a=1 --env moon"), 1, &["no environment `moon`", "hint:"]);
    let dora = evaluate("--metric a=1").replace("eve.key", "dora.key");
    desk.refused(&dora, 1, &["evaluator", "hint: see `rollbook key list`"]);
}

#[test]
fn drift_by_hand_is_recorded_and_a_retry_is_the_same() {
    let desk = desk();
    let line = "--key eve.key drift --env staging --model scorer --kind data --statistic psi --value -0.31 \
                --threshold -0.2 --feature income --window 24h --monitor evidently";
    let timed = format!("{line} --version 1.1.0 --detected '2m ago' --event-id drift-1");
    assert!(desk.done(&timed).contains(
        "entry 7: data drift of scorer 1.1.0 in staging: psi of income -0.31, threshold -0.2 (evidently)"
    ));
    assert!(desk.done(&timed).contains("already recorded as entry 7"));
    assert!(
        desk.done(&format!("{line} --status resolved"))
            .contains("data drift of scorer in staging is over: psi")
    );
    for (from, to, code, words) in [
        ("--value -0.31", "--value inf", 2, &["`inf` is not a finite number"][..]),
        ("--threshold -0.2", "--threshold 20%", 2, &["`20%` is not a finite number"]),
        ("--kind data", "--kind feature", 2, &["`feature` is not a drift kind"]),
        ("--statistic psi", "", 2, &["--statistic"]),
        ("--monitor evidently", "--monitor e --status open", 2, &["`open` is not an alert status"]),
        ("--monitor evidently", "--monitor e --detected soon", 2, &["`soon` is not a time"]),
        ("--monitor evidently", "--monitor e --label model=m", 2, &["cannot be used with"]),
        ("--model scorer", "--model nope", 1, &["model `nope`", "hint:"]),
        ("--env staging", "--env moon", 1, &["no environment `moon`", "hint:"]),
        ("--monitor evidently", "--monitor e --version 9", 1, &["version `9`"]),
        (
            "--monitor evidently",
            "--monitor e --detected 2999-01-01T00:00:00Z",
            1,
            &["more than five minutes after"],
        ),
        ("--key eve.key", "--key dora.key", 1, &["evaluator", "hint:"]),
    ] {
        desk.refused(&line.replacen(from, to, 1), code, words);
    }
}

/// An alert of a delivery.
fn alert(fingerprint: &str, status: &str, model: &str, value: &str) -> Value {
    json!({
        "status": status, "fingerprint": fingerprint, "generatorURL": "http://prometheus:9090/graph",
        "labels": { "alertname": "ModelDrift", "env": "staging", "model": model, "drift_kind": "data", "statistic": "psi" },
        "annotations": { "value": value, "threshold": "0.2", "summary": "income moved" },
        "startsAt": "2026-03-01T10:00:00.123456789Z",
        "endsAt": if status == "firing" { "0001-01-01T00:00:00Z" } else { "2026-03-01T12:00:00+01:00" },
    })
}

fn delivery(alerts: &[Value]) -> String {
    json!({ "version": "4", "status": "firing", "receiver": "rollbook", "alerts": alerts, "truncatedAlerts": 2 }).to_string()
}

#[test]
fn alerts_are_dealt_with_one_by_one_and_a_redelivery_is_recorded_once() {
    let desk = desk();
    let mut lacking = alert("bb22", "firing", "scorer", "0.3");
    lacking["labels"].as_object_mut().unwrap().remove("model");
    let alerts = [
        alert("aa11", "firing", "scorer", "0.3"),
        lacking,
        alert("cc33", "firing", "nope", "0.3"),
        json!(7),
        alert("dd44", "resolved", "scorer", "0.1"),
        alert("ee55", "firing", "scorer", "NaN"),
        alert("aa11", "firing", "scorer", "0.4"),
    ];
    desk.write("alerts.json", delivery(&alerts));
    let line = "--key eve.key drift --from-alertmanager alerts.json";
    let tried = desk.run(&format!("{line} --dry-run"));
    assert_eq!(tried.stdout.lines().filter(|line| line.starts_with("would be accepted: alert")).count(), 3);
    let batches = |desk: &Desk| {
        desk.done("verify --trust ledger/trust.toml")
            .lines()
            .find(|l| l.starts_with("entries"))
            .unwrap()
            .to_owned()
    };
    let before = batches(&desk);
    let answer = desk.run(line);
    assert_eq!(answer.code, Some(1), "{answer:?}");
    assert!(answer.stderr.contains("note: Alertmanager left out 2 alerts"), "{answer:?}");
    let expected = [
        "recorded as entry 7: alert aa11: data drift of scorer in staging: psi 0.3, threshold 0.2 (alertmanager)",
        "skipped: alert bb22 lacks label `model`",
        "refused: alert cc33: no version of model `nope` is registered (register it",
        "skipped: alert number 4 is not an object",
        "recorded as entry 8: alert dd44: data drift of scorer in staging is over: psi 0.1",
        "skipped: alert ee55 has an unfit annotation `value`: `NaN` is not a finite number",
        "already recorded as entry 7: alert aa11",
    ];
    let lines: Vec<&str> = answer.stdout.lines().collect();
    assert_eq!(lines.len(), expected.len(), "{answer:?}");
    for (line, expected) in lines.iter().zip(expected) {
        assert!(line.starts_with(expected), "{line}: {expected}");
    }
    // The two were one batch.
    assert!(before.ends_with("7 in 7 batches") && batches(&desk).ends_with("9 in 8 batches"), "{before}");
    let header = desk.done_json("show 8")["event"]["header"].clone();
    let observed =
        json!({ "observed": { "system": "alertmanager", "id": "dd44/resolved/2026-03-01T11:00:00.000Z" } });
    assert_eq!((&header["basis"], &header["claimed_at"]), (&observed, &"2026-03-01T11:00:00.000Z".into()));
    assert_eq!(body(&desk, 7)["summary"], "income moved\nhttp://prometheus:9090/graph");

    // The same again, with another value meanwhile, and by another key: the first receipts.
    desk.grant("bob", "--role evaluator --env '*' --model '*'");
    let good = [alert("aa11", "firing", "scorer", "0.5"), alert("dd44", "resolved", "scorer", "0.5")];
    desk.write("again.json", delivery(&good));
    let again = desk.run("--json --key bob.key drift --from-alertmanager again.json");
    assert_eq!(again.code, Some(0), "{again:?}");
    let told: Vec<Value> = again.json_lines();
    let told: Vec<_> = told.iter().map(|told| (&told["report"], &told["outcome"], &told["index"])).collect();
    let already = Value::from("already_recorded");
    assert_eq!(
        told,
        [(&"alert aa11".into(), &already, &7.into()), (&"alert dd44".into(), &already, &8.into())]
    );
    // As JSON, refusals and skips are told as well.
    let told = desk.run(&format!("--json {line}")).json_lines();
    assert_eq!(told[1]["outcome"], "skipped");
    assert_eq!(told[1]["reason"], "lacks label `model`");
    assert_eq!(
        (&told[2]["outcome"], &told[2]["refused"]["code"]),
        (&"refused".into(), &"model_unknown".into())
    );
}

#[test]
fn what_alerts_do_not_say_the_options_say() {
    let desk = desk();
    let mut bare = alert("aa11", "firing", "", "0.3");
    bare["labels"] = json!({ "alertname": "ModelDrift", "service_model": "scorer", "stage": "staging" });
    bare["annotations"] = json!({ "psi": "0.3" });
    let line = "--key eve.key drift --from-alertmanager - --kind concept --statistic psi --threshold 0.25 --monitor m \
                --label environment=stage --label value=psi --label model=service_model";
    let answer = piped(&mut desk.command(line), &delivery(&[bare]));
    assert_eq!(answer.code, Some(0), "{answer:?}");
    let said = "entry 7: alert aa11: concept drift of scorer in staging: psi 0.3, threshold 0.25 (m)";
    assert!(answer.stdout.contains(said), "{answer:?}");
    assert_eq!(piped(&mut desk.command(line), &delivery(&[])).stdout, "", "no alerts, nothing to tell");
}

#[test]
fn what_is_no_delivery_is_exit_2() {
    let desk = desk();
    desk.write("good.json", delivery(&[alert("aa11", "firing", "scorer", "0.3")]));
    desk.write("three.json", r#"{"version": "3", "alerts": []}"#);
    desk.write("list.json", "[]");
    desk.write("bare.json", r#"{"version": "4"}"#);
    desk.write("torn.json", "{");
    for (rest, words) in [
        ("none.json", &["cannot read none.json"][..]),
        ("three.json", &["three.json: the webhook has format version 3", "hint: hand in the body"]),
        ("list.json", &["no webhook of Alertmanager's: it is not an object", "hint:"]),
        ("bare.json", &["it has no list `alerts`", "hint:"]),
        ("torn.json", &["torn.json: the text is not JSON", "hint:"]),
        ("good.json --draft d.json", &["cannot be used with"]),
        ("good.json --event-id x", &["cannot be used with"]),
        ("good.json --claimed-at now", &["cannot be used with"]),
        ("good.json --attach good.json", &["cannot be used with"]),
        ("good.json --value 1", &["cannot be used with"]),
        ("good.json --label modell=m", &["`modell` is no field: did you mean `model`?", "hint:"]),
        ("good.json --label model", &["no label is named", "hint:"]),
        ("good.json --label model=a --label model=b", &["model is mapped twice", "hint:"]),
    ] {
        desk.refused(&format!("--key eve.key drift --from-alertmanager {rest}"), 2, words);
    }
    desk.refused("drift --from-alertmanager good.json", 2, &["nobody signs", "hint:"]);
}

#[test]
fn incidents_are_listed_while_they_are_open() {
    let desk = desk();
    let open = "--key dora.key incident open INC-7 --env staging --severity sev1 --at '4m ago' --event-id i1";
    assert_eq!(desk.done("incident list"), "");
    let said = desk.done(&format!(
        "{open} --model scorer --evidence 5 --evidence 4 --evidence 5 --summary 'refusals doubled'"
    ));
    assert!(
        said.contains("entry 7: incident INC-7 (sev1) detected in staging on scorer: refusals doubled"),
        "{said}"
    );
    assert_eq!(body(&desk, 7)["evidence"], json!([4, 5]));
    let again =
        desk.done(&format!("{open} --model scorer --evidence 4 --evidence 5 --summary 'refusals doubled'"));
    assert!(again.contains("already recorded as entry 7"), "{again}");
    desk.done("--key dora.key incident open INC-7 --env production --severity sev1");
    let listed = desk.run("--json incident list").json_lines();
    let places: Vec<_> = listed.iter().map(|line| &line["incident"]["environment"]).collect();
    assert_eq!(places, ["staging", "production"]);
    assert_eq!(desk.done("incident list --env production").lines().count(), 1);
    for (line, code, words) in [
        ("incident open INC-7 --env staging --severity sev1 --model scorer", 1, &["INC-7", "hint:"][..]),
        ("incident open INC-8 --env moon --severity sev1", 1, &["no environment `moon`"]),
        ("incident open INC-8 --env staging --severity sev1 --model nope", 1, &["model `nope`"]),
        ("incident open INC-8 --env staging --severity sev1 --evidence 99", 1, &["entry 99 does not exist"]),
        ("incident open INC-8 --env staging", 2, &["--severity"]),
        ("incident open INC-8 --env staging --severity sev1 --at soon", 2, &["`soon` is not a time"]),
        ("incident open '' --env staging --severity sev1", 2, &["a name is empty"]),
        ("incident resolve INC-9", 1, &["INC-9 is not open", "hint:"]),
        ("incident resolve INC-7 --at '2h ago'", 1, &["INC-7", "hint:"]),
    ] {
        desk.refused(&format!("--key dora.key {line}"), code, words);
    }
    desk.refused("--key eve.key incident resolve INC-7", 1, &["responder"]);
    assert!(
        desk.done("--key dora.key incident resolve INC-7 --summary back")
            .contains("incident INC-7 resolved: back")
    );
    assert_eq!(desk.done("incident list"), "");
    desk.done("verify --trust ledger/trust.toml");
}
