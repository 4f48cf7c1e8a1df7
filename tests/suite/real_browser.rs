//! Pages and pictures as readers open them: in Chromium, light and dark, wide and narrow, and printed.
//!
//! Ignored by default: they need Chromium, Node, and playwright-core (tests/browser/package.json) in the directory that
//! `ROLLBOOK_BROWSER_MODULES` names. With `ROLLBOOK_BROWSER_SHOTS`, pictures of what was seen are left there.

use std::path::{Path, PathBuf};
use std::process::Command;

use rollbook::timeline::chronicle::Chronicle;
use rollbook::timeline::zone::Zone;
use rollbook::timeline::{html, svg};

use super::support::chronicle::{Story, nine_days};
use super::support::desk::Desk;
use super::timeline_picture::hostile;

/// The directory with playwright-core.
fn modules() -> PathBuf {
    let modules = std::env::var_os("ROLLBOOK_BROWSER_MODULES");
    modules.expect("ROLLBOOK_BROWSER_MODULES names a node_modules directory with playwright-core").into()
}

/// Has the browser look at files, each with texts that must stand in it.
fn looked_at(files: &[(PathBuf, &[&str])]) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/check.mjs");
    let mut command = Command::new("node");
    command.arg(script).env("ROLLBOOK_BROWSER_MODULES", modules());
    if let Some(shots) = std::env::var_os("ROLLBOOK_BROWSER_SHOTS") {
        command.arg("--shots").arg(shots);
    }
    for (file, texts) in files {
        command.arg(file);
        texts.iter().for_each(|text| {
            command.args(["--text", text]);
        });
    }
    let output = command.output().expect("node runs");
    let told = [output.stdout, output.stderr].map(|out| String::from_utf8_lossy(&out).into_owned());
    assert!(output.status.success(), "{}{}", told[0], told[1]);
}

/// Writes page and picture of a chronicle to a desk.
fn drawn(desk: &Desk, name: &str, chronicle: &Chronicle) -> [PathBuf; 2] {
    let zone = Zone::parse("Europe/Berlin").unwrap();
    let (page, picture) = (format!("{name}.html"), format!("{name}.svg"));
    desk.write(&page, html::render(chronicle, &zone));
    desk.write(&picture, svg::render(chronicle, &zone));
    [desk.path(&page), desk.path(&picture)]
}

#[test]
#[ignore = "needs Chromium, Node, and playwright-core, which ROLLBOOK_BROWSER_MODULES names"]
fn made_up_chronicles_are_readable() {
    let desk = Desk::empty();
    let [page, picture] = drawn(&desk, "nine-days", &nine_days());
    let [evil_page, evil_picture] = drawn(&desk, "hostile", &hostile());
    let [empty_page, empty_picture] = drawn(&desk, "empty", &Story::new().told());
    looked_at(&[
        (
            page,
            &[
                "not verified",
                "4m 32s, target 5m",
                "7m 10s, late: target 5m",
                "Europe/Berlin",
                "credit/scorer",
                "Ledger id",
            ],
        ),
        (picture, &["INC-2026-031 · recovered in 4m 32s, target 5m", "in doubt: log.unread", "2026-03-01"]),
        (evil_page, &["<script>alert(1)</script>", "模型名称-評価モデル"]),
        (evil_picture, &["<img src=x", "still serves"]),
        (empty_page, &["None that was asked for."]),
        (empty_picture, &["Nothing that was asked for happened in this time."]),
    ]);
}

#[test]
#[ignore = "needs Chromium, Node, and playwright-core, which ROLLBOOK_BROWSER_MODULES names"]
fn the_demo_is_readable() {
    let desk = Desk::empty();
    desk.done("demo demo");
    for format in ["html", "svg"] {
        let timeline = "--ledger demo/ledger timeline --trust demo/trust.toml --tz Europe/Berlin";
        let told = desk.done(&format!("{timeline} --format {format}"));
        desk.write(&format!("demo.{format}"), told);
    }
    // A forged copy is told of, too: it ends in 1.
    for (ledger, command, page) in [
        ("ledger", "report --sample 2 --seed browser", "report.html"),
        ("forged", "report", "forged-report.html"),
        ("forged", "timeline", "forged.html"),
    ] {
        let line =
            format!("--ledger demo/{ledger} {command} --trust demo/trust.toml --format html -o {page}");
        let answer = desk.run(&line);
        assert_eq!(answer.code, Some(i32::from(ledger == "forged")), "{answer:?}");
    }
    looked_at(&[
        (desk.path("demo.html"), &["Failed deployment recovery time", "rollbook verify-proof", "tlog-proof"]),
        (desk.path("demo.svg"), &["production", "incident"]),
        (desk.path("report.html"), &["Audit report", "SOC 2", "credit-scorer", "rollbook sample v1"]),
        (desk.path("forged-report.html"), &["TAMPERED", "signature.author"]),
        (desk.path("forged.html"), &["TAMPERED", "cannot be told: in doubt from entry 19 on"]),
    ]);
}

#[test]
#[ignore = "needs Python's XML parser"]
fn pictures_are_well_formed_xml() {
    let desk = Desk::empty();
    for (name, chronicle) in
        [("nine-days", nine_days()), ("hostile", hostile()), ("empty", Story::new().told())]
    {
        let [_, picture] = drawn(&desk, name, &chronicle);
        let script = "import sys, xml.etree.ElementTree as E; print(E.parse(sys.argv[1]).getroot().tag)";
        let output = Command::new("python3").args(["-c", script]).arg(picture).output().unwrap();
        let told = String::from_utf8_lossy(&output.stdout);
        assert_eq!(
            told.trim(),
            "{http://www.w3.org/2000/svg}svg",
            "{name}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
