//! What a repository is called in a record: its URL, and never a secret in it.

use std::path::Path;

use super::repository::Repository;

/// What to call the repository at `repository` (a path or `file:` URL) in a record: the URL that
/// `origin` is fetched from, without credentials; without an origin, the name of its directory.
/// None where no repository stands there, or its directory has no name that is UTF-8.
#[must_use]
pub fn remote_name(repository: &Path) -> Option<String> {
    let repository = Repository::open(repository).ok()?;
    if let Some(url) = repository.git.config_snapshot().string("remote.origin.url") {
        let url = String::from_utf8(url.into()).ok()?;
        if !url.is_empty() {
            return Some(strip_credentials(&url));
        }
    }
    let common_dir = std::fs::canonicalize(repository.git.common_dir()).ok()?;
    let top = if common_dir.ends_with(".git") { common_dir.parent()? } else { &common_dir };
    top.file_name()?.to_str().map(str::to_owned)
}

/// A repository's URL without what could be a secret, for records that are kept for ever.
///
/// - `https:`, `http:` and every other scheme but SSH's: user and password go, since a token often
///   stands in the user's place.
/// - `ssh:` (also `git+ssh:`, `ssh+git:`) and the form `user@host:path`: the password goes; the user,
///   usually `git`, is part of the address, and stays.
/// - Query and fragment go (`?access_token=…`), but for `file:` URLs, where they'd be part of a path.
/// - A helper's prefix (`helper::address`) stays, and the address is treated by itself.
/// - Passwords that should have been percent-encoded and weren't (`/` in them) go as well.
/// - Paths stay as they are.
#[must_use]
pub fn strip_credentials(url: &str) -> String {
    let url = url.trim();
    if let Some((scheme, rest)) = url.split_once("://")
        && is_scheme(scheme)
    {
        return strip_from_url(scheme, rest);
    }
    if let Some((helper, address)) = url.split_once("::")
        && is_scheme(helper)
    {
        return format!("{helper}::{}", strip_credentials(address));
    }
    strip_from_scp_form(url)
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

fn strip_from_url(scheme: &str, rest: &str) -> String {
    let lower = scheme.to_ascii_lowercase();
    if lower == "file" {
        return format!("{scheme}://{rest}");
    }
    let (user_info, address) = split_user_info(rest);
    let user = user_info.split(':').next().filter(|user| !user.is_empty());
    let address = address.split(['?', '#']).next().unwrap_or_default();
    match user.filter(|_| ["ssh", "git+ssh", "ssh+git"].contains(&lower.as_str())) {
        Some(user) => format!("{scheme}://{user}@{address}"),
        None => format!("{scheme}://{address}"),
    }
}

/// Splits `user:password@host…` at its `@`, and drops a "port" that is no number: it can only be the
/// beginning of a password with a `/`, `?` or `#` in it.
fn split_user_info(rest: &str) -> (&str, String) {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if let Some(at) = authority.rfind('@') {
        return (&rest[..at], rest[at + 1..].to_owned());
    }
    let after_brackets = authority.rfind(']').map_or(0, |end| end + 1);
    let Some(colon) = authority[after_brackets..].find(':').map(|at| at + after_brackets) else {
        return ("", rest.to_owned());
    };
    if authority[colon + 1..].bytes().all(|byte| byte.is_ascii_digit()) {
        return ("", rest.to_owned());
    }
    match rest.rfind('@') {
        Some(at) => (&rest[..at], rest[at + 1..].to_owned()),
        None => ("", format!("{}{}", &authority[..colon], &rest[authority.len()..])),
    }
}

/// `user:password@host:path` isn't a form that git knows, but people write it; all else stays.
fn strip_from_scp_form(url: &str) -> String {
    let kept = || url.to_owned();
    let Some((user_info, address)) = url.split_once('@') else { return kept() };
    match user_info.split_once(':') {
        Some((user, _)) if !user_info.contains(['/', '\\']) && address.contains(':') => {
            format!("{user}@{address}")
        }
        _ => kept(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::sample::Sample;
    use super::*;

    #[test]
    fn repository_is_named_by_its_origin_without_credentials_or_by_its_directory() {
        let sample = Sample::new(gix::hash::Kind::Sha1, gix::create::Kind::WithWorktree);
        let directory = sample.path().file_name().unwrap().to_str().unwrap();
        assert_eq!(remote_name(sample.path()).as_deref(), Some(directory));

        let config = sample.path().join(".git/config");
        let text = std::fs::read_to_string(&config).unwrap();
        let origin = "[remote \"origin\"]\n\turl = https://me:s3cret@example.com/infra.git\n";
        std::fs::write(&config, format!("{text}{origin}")).unwrap();
        assert_eq!(remote_name(sample.path()).as_deref(), Some("https://example.com/infra.git"));
    }

    #[test]
    fn credentials_go_and_addresses_stay() {
        for (given, expected) in [
            ("https://example.com/a/b.git", "https://example.com/a/b.git"),
            ("https://user:pw@example.com/a/b.git", "https://example.com/a/b.git"),
            ("https://ghp_token@github.com/a/b", "https://github.com/a/b"),
            ("HTTPS://u:p@example.com:8443/a", "HTTPS://example.com:8443/a"),
            ("https://u:p@ss@example.com/a", "https://example.com/a"),
            ("https://u:p/ss@example.com/a", "https://example.com/a"),
            ("https://u:p#ss?x@example.com/a", "https://example.com/a"),
            ("https://u:p/ss/a", "https://u/ss/a"),
            ("https://example.com/a?access_token=x", "https://example.com/a"),
            ("https://example.com/a#token", "https://example.com/a"),
            ("https://example.com?private_token=x", "https://example.com"),
            ("https://example.com/@scope/pkg@2", "https://example.com/@scope/pkg@2"),
            ("https://example.com:443/@scope/pkg", "https://example.com:443/@scope/pkg"),
            ("https://u:p@[::1]:8443/a", "https://[::1]:8443/a"),
            ("https://[::1]/a@b", "https://[::1]/a@b"),
            ("http://:p@example.com/a", "http://example.com/a"),
            ("ftp://u:p@example.com/a", "ftp://example.com/a"),
            ("git://u:p@example.com/a", "git://example.com/a"),
            ("ssh://git@example.com:22/a.git", "ssh://git@example.com:22/a.git"),
            ("ssh://git:pw@example.com/a.git", "ssh://git@example.com/a.git"),
            ("ssh://:pw@example.com/a.git", "ssh://example.com/a.git"),
            ("git+ssh://git:pw@example.com/a", "git+ssh://git@example.com/a"),
            ("git+https://tok@example.com/a", "git+https://example.com/a"),
            ("git@github.com:a/b.git", "git@github.com:a/b.git"),
            ("git:pw@example.com:a/b.git", "git@example.com:a/b.git"),
            ("example.com:a/b@v1.git", "example.com:a/b@v1.git"),
            ("example.com:b@v1", "example.com:b@v1"),
            ("codecommit::eu-west-1://profile@repo", "codecommit::eu-west-1://repo"),
            ("persistent-https::https://u:p@example.com/a", "persistent-https::https://example.com/a"),
            ("file:///srv/git/a?b@c:d#e", "file:///srv/git/a?b@c:d#e"),
            ("/srv/git/a@b:c@d:e", "/srv/git/a@b:c@d:e"),
            ("../a:b@c:d", "../a:b@c:d"),
            (" https://u:p@example.com/a\n", "https://example.com/a"),
            ("", ""),
        ] {
            assert_eq!(strip_credentials(given), expected, "{given}");
        }
    }

    proptest! {
        #[test]
        fn no_password_survives_and_stripping_twice_changes_nothing(
            scheme in "https?|ssh|git|ftp|git\\+ssh|codecommit::[a-z]{2,5}|hg::https",
            user in "[a-z0-9]{0,8}",
            secret in "S3CRET[A-Za-z0-9/@:#?%!&=+-]{0,12}",
            path in "[a-z/.@-]{0,12}",
        ) {
            let stripped = strip_credentials(&format!("{scheme}://{user}:{secret}@example.com/{path}"));
            prop_assert!(!stripped.contains("S3CRET"), "{}", stripped);
            prop_assert_eq!(strip_credentials(&stripped), stripped.clone());
        }

        #[test]
        fn no_input_panics(text in ".{0,40}", url in "[a-z@:/?#\\[\\]é%]{0,30}") {
            let _ = strip_credentials(&text);
            let _ = strip_credentials(&format!("x://{url}"));
        }
    }
}
