//! Drift as a real Alertmanager tells it: what it posts to a webhook is what `rollbook drift` reads.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::child::Killed;
use crate::support::desk::Desk;
use crate::support::http::{PATIENCE, free_port, request};

/// Posts JSON, and gives the status.
fn post(port: u16, path: &str, body: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )?;
    let mut status = String::new();
    BufReader::new(stream).read_line(&mut status)?;
    Ok(status)
}

/// Starts Alertmanager, which delivers to `webhook`; gives it and its port once it answers.
fn alertmanager(desk: &Desk, webhook: u16) -> (Killed, u16) {
    let config = format!(
        "route: {{ receiver: rollbook, group_wait: 0s, group_interval: 1s, repeat_interval: 1h }}\n\
         receivers: [{{ name: rollbook, webhook_configs: [{{ url: 'http://127.0.0.1:{webhook}/', send_resolved: true }}] }}]\n"
    );
    desk.write("alertmanager.yml", config);
    let port = free_port();
    let mut command = Command::new("prometheus-alertmanager");
    command
        .arg(format!("--config.file={}", desk.path("alertmanager.yml").display()))
        .arg(format!("--storage.path={}", desk.path("alertmanager").display()))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .arg("--cluster.listen-address=")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let child = Killed(command.spawn().unwrap());
    let began = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(began.elapsed() < PATIENCE, "Alertmanager does not start");
        std::thread::sleep(Duration::from_millis(50));
    }
    (child, port)
}

#[test]
#[ignore = "needs prometheus-alertmanager"]
fn real_alerts_are_recorded_once_each_firing_and_resolved() {
    let desk = Desk::with_releases();
    desk.grant("eve", "--role evaluator --env '*' --model '*'");
    let webhook = TcpListener::bind("127.0.0.1:0").unwrap();
    let (_alertmanager, port) = alertmanager(&desk, webhook.local_addr().unwrap().port());
    let labels = |model: Option<&str>| {
        let mut labels = json!({ "alertname": "ModelDrift", "environment": "staging", "drift_kind": "data", "statistic": "psi" });
        if let Some(model) = model {
            labels["model"] = model.into();
        }
        labels
    };
    let annotations = json!({ "value": "0.31", "threshold": "0.2", "summary": "income drifts" });
    let alerts = |ends: Option<&str>| {
        let alert = |model: Option<&str>| {
            let mut alert = json!({ "labels": labels(model), "annotations": annotations });
            if let Some(ends) = ends {
                alert["startsAt"] = "2026-03-01T10:00:00Z".into();
                alert["endsAt"] = ends.into();
            }
            alert
        };
        json!([alert(Some("scorer")), alert(None)]).to_string()
    };
    assert!(post(port, "/api/v2/alerts", &alerts(None)).unwrap().contains("200"));
    desk.write("firing.json", request(&webhook).body);
    let told = desk.run("--key eve.key drift --from-alertmanager firing.json");
    assert_eq!(told.code, Some(1), "{told:?}");
    assert!(told.stdout.contains("recorded as entry 7: alert "), "{told:?}");
    assert!(told.stdout.contains("lacks label `model`"), "{told:?}");
    let again = desk.run("--key eve.key drift --from-alertmanager firing.json");
    assert!(again.stdout.contains("already recorded as entry 7: alert "), "{again:?}");

    let over = "2026-03-01T11:00:00Z";
    assert!(post(port, "/api/v2/alerts", &alerts(Some(over))).unwrap().contains("200"));
    desk.write("over.json", request(&webhook).body);
    let told = desk.run("--key eve.key drift --from-alertmanager over.json");
    assert!(
        told.stdout.contains("recorded as entry 8: alert ") && told.stdout.contains("is over"),
        "{told:?}"
    );
    assert_eq!(desk.done_json("show 8")["event"]["body"]["status"], "resolved");
    assert_eq!(desk.run("verify").code, Some(4));
}
