//! What the program prints, word by word: `tests/cmd/`. `TRYCMD=overwrite cargo test golden` writes it anew; what
//! differs from run to run is then put back as `[..]`.

use std::path::PathBuf;

use trycmd::TestCases;

/// Where the real `git` is.
fn git() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    std::env::split_paths(&path)
        .map(|dir| dir.join("git"))
        .find(|git| git.is_file())
        .expect("git is installed")
}

fn cases() -> TestCases {
    let cases = TestCases::new();
    cases.register_bin("git", git().as_path());
    for variable in ["ROLLBOOK_LEDGER", "ROLLBOOK_KEY", "ROLLBOOK_CONFIG"] {
        cases.env(variable, "");
    }
    cases
        .env("XDG_CONFIG_HOME", "/nowhere")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1");
    for role in ["AUTHOR", "COMMITTER"] {
        cases.env(format!("GIT_{role}_NAME"), "somebody").env(format!("GIT_{role}_EMAIL"), "s@example.org");
        cases.env(format!("GIT_{role}_DATE"), "2026-03-01T00:00:00Z");
    }
    cases
}

#[test]
fn golden_help() {
    cases().case("tests/cmd/help.md");
}

#[test]
fn golden_story() {
    cases().case("tests/cmd/story.md").case("tests/cmd/story-json.md");
}
