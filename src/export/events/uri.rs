//! Names as URIs (RFC 3986) and package URLs (ECMA-427), whatever characters they hold.

use std::fmt::Write as _;

use crate::event::text::Name;
use crate::hash::Hash;

/// RFC 3986 section 2.3: what stands for itself everywhere.
const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Writes every byte as `%XX` but those that may stand.
fn encoded(text: &str, may_stand: impl Fn(u8) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if may_stand(byte) {
            out.push(byte.into());
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// The ledger as a URI reference: `//` and the origin, which is a URL without a scheme. Decoded, it is the origin again.
#[must_use]
pub fn ledger(origin: &Name) -> String {
    format!("//{}", encoded(origin.as_str(), |byte| is_unreserved(byte) || byte == b'/'))
}

/// The package URL of a model's version, of the type `generic`. All of the model's name is the package's name, slashes
/// too; the checksum is the `OpenSSF` root.
#[must_use]
pub fn purl(model: &Name, version: &Name, digest: Option<Hash>) -> String {
    // ECMA-427 leaves the colon as it is.
    let part = |name: &Name| encoded(name.as_str(), |byte| is_unreserved(byte) || byte == b':');
    let checksum = digest.map_or_else(String::new, |digest| format!("?checksum=sha256:{digest}"));
    format!("pkg:generic/{}@{}{checksum}", part(model), part(version))
}

/// A Git repository as a URI of the SPDX kind, `git+https://…`, where its name is a URL; none where it is a plain name.
#[must_use]
pub fn git(repository: &Name) -> Option<String> {
    const SCHEMES: [&str; 5] = ["https://", "http://", "ssh://", "git://", "file://"];
    let text = repository.as_str();
    let is_url = SCHEMES.iter().any(|scheme| text.starts_with(scheme) && text.len() > scheme.len());
    // What a URL may hold (RFC 3986 section 2), the percent sign of what is encoded already included.
    let may_stand = |byte| is_unreserved(byte) || b":/?#[]@!$&'()*+,;=%".contains(&byte);
    is_url.then(|| format!("git+{}", encoded(text, may_stand)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    #[test]
    fn a_ledgers_origin_is_a_uri_reference() {
        for (origin, uri) in [
            ("example.com/releases", "//example.com/releases"),
            ("localhost:8080/log", "//localhost%3A8080/log"),
            ("user@example.com", "//user%40example.com"),
            ("[::1]/a?b#c%41", "//%5B%3A%3A1%5D/a%3Fb%23c%2541"),
            ("/", "///"),
            ("modèles", "//mod%C3%A8les"),
        ] {
            assert_eq!(ledger(&name(origin)), uri, "{origin}");
        }
    }

    #[test]
    fn a_package_url_holds_any_name() {
        let digest = Some(Hash::ZERO);
        let checksum = "0".repeat(64);
        for (model, version, purl_expected) in [
            ("scorer", "1.0.0", "pkg:generic/scorer@1.0.0"),
            ("team/scorer", "1", "pkg:generic/team%2Fscorer@1"),
            ("a b@c", "1+x?y#z", "pkg:generic/a%20b%40c@1%2Bx%3Fy%23z"),
            ("%2F", "v:1", "pkg:generic/%252F@v:1"),
            ("<script>", "\u{6a21}", "pkg:generic/%3Cscript%3E@%E6%A8%A1"),
        ] {
            let (model, version) = (name(model), name(version));
            assert_eq!(purl(&model, &version, None), purl_expected);
            assert_eq!(purl(&model, &version, digest), format!("{purl_expected}?checksum=sha256:{checksum}"));
        }
    }

    #[test]
    fn only_a_url_names_a_repository_to_git() {
        for (repository, uri) in [
            ("https://git.example/infra", Some("git+https://git.example/infra")),
            ("ssh://git@git.example:22/a%20b c", Some("git+ssh://git@git.example:22/a%20b%20c")),
            ("https://git.example/<x>\"", Some("git+https://git.example/%3Cx%3E%22")),
            ("https://", None),
            ("infra", None),
            ("git@git.example:infra", None),
            ("javascript:alert(1)", None),
        ] {
            assert_eq!(git(&name(repository)).as_deref(), uri, "{repository}");
        }
    }
}
