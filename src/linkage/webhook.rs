//! Webhooks' headers, and the signatures among them: HMAC-SHA256 (RFC 2104) under a secret that sender and receiver
//! share.
//!
//! Such a signature tells that the body comes from whoever holds the secret, on its way here; what stands for it in
//! the log is the signature of the one who passes it on.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::linkage::json::shown;
use crate::time::{MINUTE_MS, SECOND_MS, Timestamp, span_text};

/// How old a signed delivery may be unless the receiver says otherwise, in milliseconds; and how far ahead of here its
/// sender's clock may be. Standard Webhooks, which MLflow follows, takes five minutes.
pub const DELIVERY_AGE_MAX_MS: i64 = 5 * MINUTE_MS;
/// The most signatures that one header may hold: a sender that changes its secret signs with both.
const SIGNATURES_MAX: usize = 16;

/// What came with a delivery beside its body, by name in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Headers(BTreeMap<String, String>);

/// The secret that sender and receiver share.
pub struct WebhookSecret(Zeroizing<Vec<u8>>);

/// Why a delivery is not taken for its sender's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// A header that is needed did not come.
    #[error("the header {header} is missing")]
    Missing {
        /// Its name.
        header: &'static str,
    },
    /// A header that cannot be understood.
    #[error("the header {header} is `{value}`: expected {expected}")]
    Unfit {
        /// Its name.
        header: &'static str,
        /// What it says.
        value: String,
        /// What it should say.
        expected: &'static str,
    },
    /// No signature of this body under this secret.
    #[error("the header {header} is no signature of this body under the secret")]
    Wrong {
        /// Its name.
        header: &'static str,
    },
    /// Signed too long ago: somebody may have kept it and sent it again.
    #[error("the delivery was signed {age} ago, at most {max} are allowed", age = span_text(*age_ms), max = span_text(*max_ms))]
    Old {
        /// How long ago, in milliseconds.
        age_ms: i64,
        /// How long ago is allowed, in milliseconds.
        max_ms: i64,
    },
    /// Signed later than now.
    #[error("the delivery was signed {ahead} ahead of this machine's clock", ahead = span_text(*ahead_ms))]
    Ahead {
        /// By how much, in milliseconds.
        ahead_ms: i64,
    },
}

impl Headers {
    /// Headers as they came, `Name: value`.
    ///
    /// # Errors
    /// The line that is none, or whose name stands twice.
    pub fn parse<'a>(lines: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let mut headers = BTreeMap::new();
        for line in lines {
            let (name, value) =
                line.split_once(':').ok_or_else(|| format!("`{}`: no `NAME: VALUE`", shown(line)))?;
            let name = name.trim().to_ascii_lowercase();
            if name.is_empty() || headers.insert(name, value.trim().to_owned()).is_some() {
                return Err(format!("`{}`: the name is empty, or stands twice", shown(line)));
            }
        }
        Ok(Self(headers))
    }

    /// A header's value, whatever the case of its name; none where it is missing or empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(&name.to_ascii_lowercase()).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A header that is needed.
    ///
    /// # Errors
    /// It is missing.
    pub fn needed(&self, header: &'static str) -> Result<&str, SignatureError> {
        self.get(header).ok_or(SignatureError::Missing { header })
    }
}

impl WebhookSecret {
    /// Takes the secret: the first line of its file. None where that is empty.
    #[must_use]
    pub fn new(file: &[u8]) -> Option<Self> {
        let line = file.split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii();
        (!line.is_empty()).then(|| Self(Zeroizing::new(line.to_vec())))
    }

    /// Whether `tag` is the HMAC-SHA256 of these parts; compared in constant time.
    fn signs(&self, parts: &[&[u8]], tag: &[u8]) -> bool {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        for part in parts {
            mac.update(part);
        }
        mac.verify_slice(tag).is_ok()
    }

    /// Checks the signature of one of MLflow's deliveries, as Standard Webhooks has it: HMAC-SHA256 over delivery id,
    /// `.`, time in seconds, `.` and body; the header holds `v1,` and base64, or several parted by spaces.
    ///
    /// # Errors
    /// [`SignatureError`]. The signature is looked at before the time.
    pub fn check_mlflow(
        &self,
        headers: &Headers,
        body: &[u8],
        now: Timestamp,
        age_max_ms: i64,
    ) -> Result<(), SignatureError> {
        let id = headers.needed(MLFLOW_DELIVERY_ID)?;
        let time = headers.needed(MLFLOW_TIMESTAMP)?;
        let signatures = headers.needed(MLFLOW_SIGNATURE)?;
        let parts: [&[u8]; 5] = [id.as_bytes(), b".", time.as_bytes(), b".", body];
        let tags = signatures.split(' ').take(SIGNATURES_MAX).filter_map(|text| text.strip_prefix("v1,"));
        let mut tags = tags.filter_map(|base64| STANDARD.decode(base64).ok());
        if !tags.any(|tag| self.signs(&parts, &tag)) {
            return Err(SignatureError::Wrong { header: MLFLOW_SIGNATURE });
        }
        let unfit = || SignatureError::Unfit {
            header: MLFLOW_TIMESTAMP,
            value: shown(time),
            expected: "seconds since 1970",
        };
        let signed_at = time.parse().ok().and_then(|seconds: i64| seconds.checked_mul(SECOND_MS));
        let signed_at = signed_at.and_then(|ms| Timestamp::from_millis(ms).ok()).ok_or_else(unfit)?;
        is_fresh(now.since_ms(signed_at), age_max_ms)
    }

    /// Checks the signature of one of GitHub's deliveries: HMAC-SHA256 over the body; the header holds `sha256=` and
    /// hex. GitHub signs no time.
    ///
    /// # Errors
    /// [`SignatureError`].
    pub fn check_github(&self, headers: &Headers, body: &[u8]) -> Result<(), SignatureError> {
        let signature = headers.needed(GITHUB_SIGNATURE)?;
        let tag = signature.strip_prefix("sha256=").and_then(|hex| hex::decode(hex).ok());
        if tag.is_some_and(|tag| self.signs(&[body], &tag)) {
            return Ok(());
        }
        Err(SignatureError::Wrong { header: GITHUB_SIGNATURE })
    }
}

fn is_fresh(age_ms: i64, max_ms: i64) -> Result<(), SignatureError> {
    if age_ms > max_ms {
        return Err(SignatureError::Old { age_ms, max_ms });
    }
    if age_ms < -DELIVERY_AGE_MAX_MS {
        return Err(SignatureError::Ahead { ahead_ms: -age_ms });
    }
    Ok(())
}

/// MLflow's own id of a delivery.
pub const MLFLOW_DELIVERY_ID: &str = "X-MLflow-Delivery-Id";
/// When MLflow signed a delivery, in seconds since 1970.
pub const MLFLOW_TIMESTAMP: &str = "X-MLflow-Timestamp";
/// MLflow's signature of a delivery.
pub const MLFLOW_SIGNATURE: &str = "X-MLflow-Signature";
/// What kind of event GitHub delivers.
pub const GITHUB_EVENT: &str = "X-GitHub-Event";
/// GitHub's signature of a delivery.
pub const GITHUB_SIGNATURE: &str = "X-Hub-Signature-256";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Python's `hmac.new(b"whsec", b"d-1.1772359200.{}", "sha256")`.
    const SIGNED: &str = "v1,Xmnukh16doZYzDcp0pfMBK5YKxdFXcMjUg5dWHHhFIQ=";
    /// The example of GitHub's documentation, "Validating webhook deliveries".
    const GITHUB: &str = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

    fn headers(signature: &str, time: &str) -> Headers {
        let lines = [
            "X-MLflow-Delivery-Id: d-1".to_owned(),
            format!("x-mlflow-timestamp:{time}"),
            format!("X-MLFLOW-SIGNATURE: {signature}"),
        ];
        Headers::parse(lines.iter().map(String::as_str)).unwrap()
    }

    fn secret() -> WebhookSecret {
        WebhookSecret::new(b"whsec\n").unwrap()
    }

    fn check(headers: &Headers, body: &[u8], now: &str) -> Result<(), String> {
        let now = now.parse().unwrap();
        secret().check_mlflow(headers, body, now, DELIVERY_AGE_MAX_MS).map_err(|error| error.to_string())
    }

    #[test]
    fn a_delivery_of_mlflows_is_taken_while_it_is_fresh() {
        let good = headers(SIGNED, "1772359200");
        for now in ["2026-03-01T10:00:00Z", "2026-03-01T10:05:00Z", "2026-03-01T09:55:00Z"] {
            assert_eq!(check(&good, b"{}", now), Ok(()), "{now}");
        }
        let two = headers(&format!("v1,AAAA {SIGNED}"), "1772359200");
        assert_eq!(check(&two, b"{}", "2026-03-01T10:00:00Z"), Ok(()));
        for (headers, body, now, told) in [
            (&good, &b"{ }"[..], "2026-03-01T10:00:00Z", "no signature of this body"),
            (&good, b"{}", "2026-03-01T10:05:00.001Z", "signed 5m ago, at most 5m are allowed"),
            (&good, b"{}", "2026-03-01T09:54:59Z", "signed 5m 1s ahead"),
            (&headers(SIGNED, "1772359201"), b"{}", "2026-03-01T10:00:00Z", "no signature of this body"),
            (&headers("v2,AAAA", "1772359200"), b"{}", "2026-03-01T10:00:00Z", "no signature of this body"),
            (&headers("", "1772359200"), b"{}", "2026-03-01T10:00:00Z", "X-MLflow-Signature is missing"),
            (&Headers::default(), b"{}", "2026-03-01T10:00:00Z", "X-MLflow-Delivery-Id is missing"),
        ] {
            assert!(check(headers, body, now).unwrap_err().contains(told), "{told}");
        }
    }

    #[test]
    fn a_delivery_of_githubs_is_checked_as_their_example_says() {
        let secret = WebhookSecret::new(b"It's a Secret to Everybody").unwrap();
        let headers =
            |value: &str| Headers::parse([format!("X-Hub-Signature-256: {value}").as_str()]).unwrap();
        assert_eq!(secret.check_github(&headers(GITHUB), b"Hello, World!"), Ok(()));
        let wrong = Err(SignatureError::Wrong { header: GITHUB_SIGNATURE });
        assert_eq!(secret.check_github(&headers(GITHUB), b"Hello, World"), wrong);
        for value in ["sha256=00", &GITHUB[7..], &GITHUB.replace('7', "8"), "sha1=00"] {
            assert_eq!(secret.check_github(&headers(value), b"Hello, World!"), wrong, "{value}");
        }
        let missing = SignatureError::Missing { header: GITHUB_SIGNATURE };
        assert_eq!(secret.check_github(&Headers::default(), b""), Err(missing));
    }

    #[test]
    fn a_signed_time_that_is_none_is_told() {
        use hmac::Mac as _;
        let mut mac = Hmac::<Sha256>::new_from_slice(b"whsec").unwrap();
        mac.update(b"d-1.soon.{}");
        let signature = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
        let told = check(&headers(&signature, "soon"), b"{}", "2026-03-01T10:00:00Z").unwrap_err();
        assert_eq!(told, "the header X-MLflow-Timestamp is `soon`: expected seconds since 1970");
    }

    #[test]
    fn headers_are_read_line_by_line() {
        let headers = Headers::parse(["A: b:c ", "d:"]).unwrap();
        assert_eq!((headers.get("a"), headers.get("d"), headers.get("e")), (Some("b:c"), None, None));
        for lines in [&["a"][..], &[": b"], &["a: b", "A: c"]] {
            assert!(Headers::parse(lines.iter().copied()).is_err(), "{lines:?}");
        }
        assert!(WebhookSecret::new(b"").is_none() && WebhookSecret::new(b" \nx").is_none());
    }

    proptest! {
        #[test]
        fn no_header_panics(signature in "\\PC{0,80}", time in "[0-9a-z-]{0,22}", body in any::<Vec<u8>>()) {
            let now = Timestamp::EPOCH;
            let headers = headers(&signature, &time);
            prop_assert!(secret().check_mlflow(&headers, &body, now, DELIVERY_AGE_MAX_MS).is_err());
            prop_assert!(secret().check_github(&headers, &body).is_err());
        }
    }
}
