//! An event with its authors' signatures (DSSE v1; docs/format.md, "Envelope").
//!
//! [`Envelope`] is the canonical form, complete and well-formed; [`Draft`] is one on its way there,
//! and has DSSE's JSON to travel in. Both hold the event as bytes: what it says is
//! `event`'s, and who had to sign, the rules'. That an envelope is well-formed says nothing of its
//! signatures: admission calls [`Envelope::verify_signatures_strict`], an audit batches
//! [`AuditItem`](crate::signing::verify::AuditItem)s over [`Envelope::signing_bytes`].

use std::io::Write as _;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bincode::de::Decoder;
use bincode::de::read::Reader;
use bincode::error::DecodeError;
use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

use super::public_key::{PublicKey, SignatureBytes};
use super::signer::{SignError, Signer};
use super::verify::{CheckedKey, KeyDefect};

/// DSSE's payload type of every signed event. It is signed with the event: no signature made for
/// another purpose fits here, and none made here fits elsewhere.
pub const PAYLOAD_TYPE: &str = "application/vnd.rollbook.event.v1";

/// The largest event, in bytes. With 16 signatures and the entry's own fields it stays below
/// 65,535 bytes, a tlog-tiles bundle's limit for one entry.
pub const EVENT_BYTES_MAX: usize = 60_000;

/// The most signatures that an envelope bears: 1,536 bytes, see [`EVENT_BYTES_MAX`].
pub const SIGNATURES_MAX: usize = 16;

/// The largest DSSE JSON text read. The largest envelope takes about 83,000 bytes of it; the rest is
/// room for fields that others add.
const JSON_BYTES_MAX: usize = 256 * 1024;

/// DSSE's pre-authentication encoding: the bytes that are signed.
#[must_use]
pub fn pae(payload_type: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(payload_type.len() + body.len() + 32);
    put_pae(&mut bytes, payload_type, body);
    bytes
}

fn put_pae(bytes: &mut Vec<u8>, payload_type: &str, body: &[u8]) {
    write!(bytes, "DSSEv1 {} {payload_type} {} ", payload_type.len(), body.len())
        .expect("writing to memory cannot fail");
    bytes.extend_from_slice(body);
}

/// The bytes that each author of `event` signs.
#[must_use]
pub fn signing_bytes(event: &[u8]) -> Vec<u8> {
    pae(PAYLOAD_TYPE, event)
}

/// One author's signature over an event. Says nothing of its validity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct AuthorSignature {
    /// Who signed.
    pub key: PublicKey,
    /// Over [`signing_bytes`] of the event.
    pub signature: SignatureBytes,
}

/// Why an event and signatures do not make an envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// The event is empty or too large.
    #[error("the event is {bytes} bytes long: 1 to {EVENT_BYTES_MAX} are allowed")]
    EventSize {
        /// Its length.
        bytes: usize,
    },
    /// Too few signatures, or too many.
    #[error("there are {count} signatures: 1 to {SIGNATURES_MAX} are allowed")]
    SignatureCount {
        /// How many.
        count: usize,
    },
    /// One key signed twice.
    #[error("the key {key} signed twice")]
    KeyTwice {
        /// The key.
        key: PublicKey,
    },
    /// The keys do not ascend.
    #[error("the signature by {key} stands after that of a greater key")]
    KeysNotAscending {
        /// The first key that is out of order.
        key: PublicKey,
    },
}

/// An author's signature that is not valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthorSignatureError {
    /// The key breaks a condition, whatever it signed.
    #[error("the signature by {key} cannot count: {defect}")]
    Key {
        /// The author's key.
        key: PublicKey,
        /// The condition.
        defect: KeyDefect,
    },
    /// The signature does not verify strictly.
    #[error("the signature by {key} is not valid for this event")]
    Signature {
        /// The author's key.
        key: PublicKey,
    },
}

/// Why a signature was not added to a draft.
#[derive(Debug, thiserror::Error)]
pub enum DraftError {
    /// Nothing was signed.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The signature is not valid.
    #[error(transparent)]
    Invalid(#[from] AuthorSignatureError),
    /// One signature too many, or another one by the same key.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
}

/// Why a text is not the DSSE JSON of a draft.
#[derive(Debug, thiserror::Error)]
pub enum DsseError {
    /// Larger than any envelope.
    #[error("the DSSE envelope is {bytes} bytes long: at most {JSON_BYTES_MAX} are read")]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// Not JSON, or a field is missing, doubled or of another type.
    #[error("this is not a DSSE envelope: {reason}")]
    Json {
        /// What the JSON reader said.
        reason: String,
    },
    /// Another kind of payload.
    #[error("the payload type is `{found}`, and `{PAYLOAD_TYPE}` is expected")]
    PayloadType {
        /// The type found, its first 100 characters.
        found: String,
    },
    /// The payload is not base64.
    #[error("the payload is not standard, padded base64")]
    Payload,
    /// A signature's `keyid` is not a public key.
    #[error("`keyid` of signature {position} is not a public key: 64 lower-case hex digits are expected")]
    KeyId {
        /// Its place among the signatures, from 0.
        position: usize,
    },
    /// A signature is not 64 bytes in base64.
    #[error("`sig` of signature {position} is not 64 bytes in standard, padded base64")]
    Signature {
        /// Its place among the signatures, from 0.
        position: usize,
    },
    /// A signature is not valid.
    #[error(transparent)]
    Invalid(#[from] AuthorSignatureError),
    /// The event's size, the number of signatures, or a key that signed twice.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
}

/// A signed event in canonical form: 1 to 60,000 bytes, 1 to 16 signatures.
///
/// Encoded: the event's length (u64) and bytes; the number of signatures (u64); each key (32 bytes)
/// and signature (64 bytes).
#[derive(Debug, Clone, PartialEq, Eq, Encode)]
pub struct Envelope {
    // Invariant: EVENT_BYTES_MAX, and not empty.
    event: Vec<u8>,
    // Invariant: 1..=SIGNATURES_MAX, keys strictly ascending.
    signatures: Vec<AuthorSignature>,
}

impl Envelope {
    /// Puts an event and its signatures together. The signatures are not verified.
    ///
    /// # Errors
    /// [`EnvelopeError`]: sizes, and the order of keys.
    pub fn new(event: Vec<u8>, signatures: Vec<AuthorSignature>) -> Result<Self, EnvelopeError> {
        check_event_size(event.len())?;
        check_signature_count(signatures.len())?;
        check_ascending(&signatures)?;
        Ok(Self { event, signatures })
    }

    /// The event's canonical bytes.
    #[must_use]
    pub fn event(&self) -> &[u8] {
        &self.event
    }

    /// The signatures, keys ascending.
    #[must_use]
    pub fn signatures(&self) -> &[AuthorSignature] {
        &self.signatures
    }

    /// The keys that signed, ascending.
    #[must_use]
    pub fn signers(&self) -> Vec<PublicKey> {
        self.signatures.iter().map(|signature| signature.key).collect()
    }

    /// The bytes that every signature is over.
    #[must_use]
    pub fn signing_bytes(&self) -> Vec<u8> {
        signing_bytes(&self.event)
    }

    /// Adds these to `bytes`: for many envelopes, one after another.
    pub fn put_signing_bytes(&self, bytes: &mut Vec<u8>) {
        put_pae(bytes, PAYLOAD_TYPE, &self.event);
    }

    /// Verifies every signature strictly, under keys that meet the conditions for being granted.
    ///
    /// # Errors
    /// The first [`AuthorSignatureError`], in the order of keys.
    pub fn verify_signatures_strict(&self) -> Result<(), AuthorSignatureError> {
        let message = self.signing_bytes();
        self.signatures.iter().try_for_each(|signature| verify_author(signature, &message))
    }

    /// DSSE's JSON of this envelope, for other tools and for [`Draft::from_dsse_json`].
    #[must_use]
    pub fn to_dsse_json(&self) -> String {
        dsse_json(&self.event, &self.signatures)
    }
}

impl<Context> Decode<Context> for Envelope {
    fn decode<D: Decoder<Context = Context>>(decoder: &mut D) -> Result<Self, DecodeError> {
        // Each length is judged before anything is allocated for it.
        let event_length = take_length(decoder)?;
        check_event_size(event_length).map_err(invalid)?;
        decoder.claim_bytes_read(event_length)?;
        let mut event = vec![0; event_length];
        decoder.reader().read(&mut event)?;

        let count = take_length(decoder)?;
        check_signature_count(count).map_err(invalid)?;
        let signatures: Vec<AuthorSignature> =
            (0..count).map(|_| Decode::decode(decoder)).collect::<Result<_, _>>()?;
        check_ascending(&signatures).map_err(invalid)?;
        Ok(Self { event, signatures })
    }
}

bincode::impl_borrow_decode!(Envelope);

/// An event on its way to being signed: 0 to 16 signatures, each of them verified when it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    // Invariant: as in `Envelope`.
    event: Vec<u8>,
    // Invariant: 0..=SIGNATURES_MAX, keys strictly ascending, each strictly valid for `event`.
    signatures: Vec<AuthorSignature>,
}

impl Draft {
    /// A draft without signatures.
    ///
    /// # Errors
    /// [`EnvelopeError::EventSize`].
    pub fn new(event: Vec<u8>) -> Result<Self, EnvelopeError> {
        check_event_size(event.len())?;
        Ok(Self { event, signatures: Vec::new() })
    }

    /// The event's canonical bytes.
    #[must_use]
    pub fn event(&self) -> &[u8] {
        &self.event
    }

    /// The signatures so far, keys ascending.
    #[must_use]
    pub fn signatures(&self) -> &[AuthorSignature] {
        &self.signatures
    }

    /// Signs the event. Where this key's signature is there already, nothing happens.
    ///
    /// # Errors
    /// [`DraftError`]; the draft is as it was.
    pub fn sign(&mut self, signer: &Signer) -> Result<(), DraftError> {
        let key = signer.public_key();
        let Err(place) = self.place_of(&key) else { return Ok(()) };
        check_signature_count(self.signatures.len() + 1)?;
        // What an agent made is verified by the signer; a key at hand makes no bad signature.
        let signature = signer.sign(&signing_bytes(&self.event))?;
        self.signatures.insert(place, AuthorSignature { key, signature });
        Ok(())
    }

    /// Verifies a signature made elsewhere, strictly, and adds it. The same one again changes nothing.
    ///
    /// # Errors
    /// [`DraftError`], never `Sign`; the draft is as it was.
    pub fn add(&mut self, signature: AuthorSignature) -> Result<(), DraftError> {
        match self.place_of(&signature.key) {
            Ok(place) if self.signatures[place] == signature => Ok(()),
            Ok(_) => Err(EnvelopeError::KeyTwice { key: signature.key }.into()),
            Err(place) => {
                check_signature_count(self.signatures.len() + 1)?;
                verify_author(&signature, &signing_bytes(&self.event))?;
                self.signatures.insert(place, signature);
                Ok(())
            }
        }
    }

    /// The envelope, once somebody has signed.
    ///
    /// # Errors
    /// [`EnvelopeError::SignatureCount`] where nobody has.
    pub fn into_envelope(self) -> Result<Envelope, EnvelopeError> {
        Envelope::new(self.event, self.signatures)
    }

    /// DSSE's JSON of this draft, ending in a line end.
    #[must_use]
    pub fn to_dsse_json(&self) -> String {
        dsse_json(&self.event, &self.signatures)
    }

    /// Reads DSSE's JSON, and verifies every signature in it. They may stand in any order; fields
    /// that DSSE does not know are passed over, as it asks.
    ///
    /// # Errors
    /// [`DsseError`].
    pub fn from_dsse_json(json: &[u8]) -> Result<Self, DsseError> {
        if json.len() > JSON_BYTES_MAX {
            return Err(DsseError::TooLarge { bytes: json.len() });
        }
        let dsse: Dsse =
            serde_json::from_slice(json).map_err(|error| DsseError::Json { reason: error.to_string() })?;
        if dsse.payload_type != PAYLOAD_TYPE {
            return Err(DsseError::PayloadType { found: dsse.payload_type.chars().take(100).collect() });
        }
        let mut draft = Self::new(STANDARD.decode(&dsse.payload).map_err(|_| DsseError::Payload)?)?;
        for (position, signature) in dsse.signatures.iter().enumerate() {
            draft.add_from_dsse(parse_signature(signature, position)?)?;
        }
        Ok(draft)
    }

    /// Like [`Draft::add`], but one text never names a key twice.
    fn add_from_dsse(&mut self, signature: AuthorSignature) -> Result<(), DsseError> {
        if self.place_of(&signature.key).is_ok() {
            return Err(EnvelopeError::KeyTwice { key: signature.key }.into());
        }
        self.add(signature).map_err(|error| match error {
            DraftError::Invalid(error) => error.into(),
            DraftError::Envelope(error) => error.into(),
            DraftError::Sign(_) => unreachable!("adding a signature signs nothing"),
        })
    }

    fn place_of(&self, key: &PublicKey) -> Result<usize, usize> {
        self.signatures.binary_search_by_key(key, |signature| signature.key)
    }
}

/// DSSE's JSON envelope. `keyid` is the author's full public key, as 64 hex digits.
#[derive(Serialize, Deserialize)]
struct Dsse {
    #[serde(rename = "payloadType")]
    payload_type: String,
    payload: String,
    signatures: Vec<DsseSignature>,
}

#[derive(Serialize, Deserialize)]
struct DsseSignature {
    keyid: String,
    sig: String,
}

fn dsse_json(event: &[u8], signatures: &[AuthorSignature]) -> String {
    let signature = |author: &AuthorSignature| DsseSignature {
        keyid: author.key.to_string(),
        sig: STANDARD.encode(author.signature.as_bytes()),
    };
    let dsse = Dsse {
        payload_type: PAYLOAD_TYPE.into(),
        payload: STANDARD.encode(event),
        signatures: signatures.iter().map(signature).collect(),
    };
    serde_json::to_string_pretty(&dsse).expect("strings in structs are always JSON") + "\n"
}

fn parse_signature(dsse: &DsseSignature, position: usize) -> Result<AuthorSignature, DsseError> {
    let mut key = [0; 32];
    let lower_case = !dsse.keyid.bytes().any(|byte| byte.is_ascii_uppercase());
    if !lower_case || hex::decode_to_slice(&dsse.keyid, &mut key).is_err() {
        return Err(DsseError::KeyId { position });
    }
    let signature = STANDARD.decode(&dsse.sig).ok().and_then(|bytes| bytes.try_into().ok());
    let signature = signature.ok_or(DsseError::Signature { position })?;
    Ok(AuthorSignature { key: PublicKey::from_bytes(key), signature: SignatureBytes::from_bytes(signature) })
}

fn verify_author(author: &AuthorSignature, message: &[u8]) -> Result<(), AuthorSignatureError> {
    let key = author.key;
    CheckedKey::new(&key)
        .map_err(|defect| AuthorSignatureError::Key { key, defect })?
        .verify_strict(message, &author.signature)
        .map_err(|_| AuthorSignatureError::Signature { key })
}

fn check_event_size(bytes: usize) -> Result<(), EnvelopeError> {
    if (1..=EVENT_BYTES_MAX).contains(&bytes) { Ok(()) } else { Err(EnvelopeError::EventSize { bytes }) }
}

fn check_signature_count(count: usize) -> Result<(), EnvelopeError> {
    if (1..=SIGNATURES_MAX).contains(&count) { Ok(()) } else { Err(EnvelopeError::SignatureCount { count }) }
}

fn check_ascending(signatures: &[AuthorSignature]) -> Result<(), EnvelopeError> {
    for pair in signatures.windows(2) {
        let (before, key) = (pair[0].key, pair[1].key);
        if key == before {
            return Err(EnvelopeError::KeyTwice { key });
        }
        if key < before {
            return Err(EnvelopeError::KeysNotAscending { key });
        }
    }
    Ok(())
}

/// A length or count, as bincode writes it: u64.
fn take_length<D: Decoder>(decoder: &mut D) -> Result<usize, DecodeError> {
    let length = u64::decode(decoder)?;
    Ok(usize::try_from(length).unwrap_or(usize::MAX))
}

fn invalid(error: EnvelopeError) -> DecodeError {
    DecodeError::OtherString(error.to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::codec::{self, CodecError};
    use crate::signing::key_file::SecretKey;

    const EVENT: &[u8] = b"an event";

    /// Signers with ascending public keys.
    fn signers(count: u8) -> Vec<Signer> {
        let mut signers: Vec<Signer> =
            (1..=count).map(|seed| Signer::from_secret(SecretKey::from_seed(&[seed; 32]))).collect();
        signers.sort_by_key(Signer::public_key);
        signers
    }

    fn author(signer: &Signer, event: &[u8]) -> AuthorSignature {
        AuthorSignature { key: signer.public_key(), signature: signer.sign(&signing_bytes(event)).unwrap() }
    }

    fn signed(count: u8) -> Vec<AuthorSignature> {
        signers(count).iter().map(|signer| author(signer, EVENT)).collect()
    }

    #[test]
    fn pae_is_that_of_the_dsse_specification() {
        // github.com/secure-systems-lab/dsse, protocol.md, "Test Vectors".
        let expected = b"DSSEv1 29 http://example.com/HelloWorld 11 hello world";
        assert_eq!(pae("http://example.com/HelloWorld", b"hello world"), expected);
        assert_eq!(pae("", b""), b"DSSEv1 0  0 ");
        assert_eq!(signing_bytes(b"\xff"), b"DSSEv1 33 application/vnd.rollbook.event.v1 1 \xff");
    }

    #[test]
    fn layout_is_length_event_count_keys_and_signatures() {
        let signatures = signed(2);
        let envelope = Envelope::new(EVENT.to_vec(), signatures.clone()).unwrap();
        let mut expected = [&8u64.to_le_bytes(), EVENT, &2u64.to_le_bytes()].concat();
        for author in &signatures {
            expected.extend_from_slice(author.key.as_bytes());
            expected.extend_from_slice(author.signature.as_bytes());
        }
        assert_eq!(codec::encode(&envelope), expected);
        assert_eq!(codec::decode(&expected), Ok(envelope));
    }

    #[test]
    fn constructor_and_decoder_refuse_the_same_envelopes() {
        let two = signed(2);
        let (descending, twice) = (vec![two[1], two[0]], vec![two[0], two[0]]);
        let sixteen = signed(16);
        let seventeen = signed(17);
        for (event, signatures, expected) in [
            (vec![], two.clone(), EnvelopeError::EventSize { bytes: 0 }),
            (vec![0; EVENT_BYTES_MAX + 1], two.clone(), EnvelopeError::EventSize { bytes: 60_001 }),
            (EVENT.to_vec(), vec![], EnvelopeError::SignatureCount { count: 0 }),
            (EVENT.to_vec(), seventeen, EnvelopeError::SignatureCount { count: 17 }),
            (EVENT.to_vec(), descending, EnvelopeError::KeysNotAscending { key: two[0].key }),
            (EVENT.to_vec(), twice, EnvelopeError::KeyTwice { key: two[0].key }),
        ] {
            let bytes = codec::encode(&(event.clone(), signatures.clone()));
            assert_eq!(Envelope::new(event, signatures), Err(expected));
            assert_eq!(codec::decode::<Envelope>(&bytes), Err(CodecError::Invalid(expected.to_string())));
        }
        let largest = Envelope::new(vec![0; EVENT_BYTES_MAX], sixteen).unwrap();
        let bytes = codec::encode(&largest);
        assert_eq!(bytes.len(), 8 + 60_000 + 8 + 16 * 96);
        assert_eq!(codec::decode(&bytes), Ok(largest));
    }

    #[test]
    fn huge_lengths_are_refused_before_anything_is_allocated() {
        let error = codec::decode::<Envelope>(&[0xff; 8]).unwrap_err();
        assert!(error.to_string().contains("1 to 60000 are allowed"), "{error}");
        let bytes = [&1u64.to_le_bytes()[..], &[7], &[0xff; 8]].concat();
        let error = codec::decode::<Envelope>(&bytes).unwrap_err();
        assert!(error.to_string().contains("1 to 16 are allowed"), "{error}");
    }

    #[test]
    fn first_bad_signature_of_an_envelope_is_named() {
        let mut signatures = signed(3);
        let good = Envelope::new(EVENT.to_vec(), signatures.clone()).unwrap();
        assert_eq!(good.verify_signatures_strict(), Ok(()));
        let tampered = Envelope::new(b"another event".to_vec(), signatures.clone()).unwrap();
        let expected = AuthorSignatureError::Signature { key: signatures[0].key };
        assert_eq!(tampered.verify_signatures_strict(), Err(expected));
        signatures[1].signature = signatures[2].signature;
        let swapped = Envelope::new(EVENT.to_vec(), signatures.clone()).unwrap();
        let expected = AuthorSignatureError::Signature { key: signatures[1].key };
        assert_eq!(swapped.verify_signatures_strict(), Err(expected));
        // y = 0: a point of order 4.
        let key = PublicKey::from_bytes([0; 32]);
        signatures.insert(0, AuthorSignature { key, ..signatures[0] });
        let small = Envelope::new(EVENT.to_vec(), signatures).unwrap();
        let expected = AuthorSignatureError::Key { key, defect: KeyDefect::SmallOrder };
        assert_eq!(small.verify_signatures_strict(), Err(expected));
    }

    #[test]
    fn signature_over_the_bare_event_does_not_count() {
        let signer = &signers(1)[0];
        let bare = AuthorSignature { key: signer.public_key(), signature: signer.sign(EVENT).unwrap() };
        let envelope = Envelope::new(EVENT.to_vec(), vec![bare]).unwrap();
        assert!(envelope.verify_signatures_strict().is_err());
    }

    #[test]
    fn draft_collects_signatures_in_any_order_and_becomes_the_envelope() {
        let signers = signers(3);
        let mut draft = Draft::new(EVENT.to_vec()).unwrap();
        assert_eq!(draft.clone().into_envelope(), Err(EnvelopeError::SignatureCount { count: 0 }));
        for index in [2, 0, 2] {
            draft.sign(&signers[index]).unwrap();
        }
        let elsewhere = author(&signers[1], EVENT);
        draft.add(elsewhere).unwrap();
        draft.add(elsewhere).unwrap();
        let envelope = draft.into_envelope().unwrap();
        assert_eq!(envelope, Envelope::new(EVENT.to_vec(), signed(3)).unwrap());
        assert_eq!(envelope.verify_signatures_strict(), Ok(()));
    }

    #[test]
    fn draft_refuses_bad_signatures_and_a_seventeenth() {
        let signers = signers(17);
        let mut draft = Draft::new(EVENT.to_vec()).unwrap();
        let wrong = author(&signers[0], b"another event");
        assert!(matches!(draft.add(wrong), Err(DraftError::Invalid(_))));
        assert_eq!(draft.signatures(), []);
        for signer in &signers[..16] {
            draft.sign(signer).unwrap();
        }
        let full = DraftError::Envelope(EnvelopeError::SignatureCount { count: 17 }).to_string();
        assert_eq!(draft.sign(&signers[16]).unwrap_err().to_string(), full);
        assert_eq!(draft.add(author(&signers[16], EVENT)).unwrap_err().to_string(), full);
        let twice = DraftError::Envelope(EnvelopeError::KeyTwice { key: wrong.key }).to_string();
        assert_eq!(draft.add(wrong).unwrap_err().to_string(), twice);
        assert_eq!(Draft::new(vec![]), Err(EnvelopeError::EventSize { bytes: 0 }));
    }

    #[test]
    fn dsse_json_has_the_fields_of_the_specification_and_reads_back() {
        let mut draft = Draft::new(EVENT.to_vec()).unwrap();
        assert_eq!(Draft::from_dsse_json(draft.to_dsse_json().as_bytes()).unwrap(), draft);
        for signer in signers(2) {
            draft.sign(&signer).unwrap();
        }
        let json = draft.to_dsse_json();
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value["payloadType"], PAYLOAD_TYPE);
        assert_eq!(value["payload"], STANDARD.encode(EVENT));
        assert_eq!(value["signatures"][0]["keyid"], draft.signatures()[0].key.to_string());
        let sig = STANDARD.encode(draft.signatures()[0].signature.as_bytes());
        assert_eq!(value["signatures"][0]["sig"], sig);
        assert_eq!(Draft::from_dsse_json(json.as_bytes()).unwrap(), draft);
        assert_eq!(draft.clone().into_envelope().unwrap().to_dsse_json(), json);
    }

    #[test]
    fn dsse_json_takes_any_order_and_fields_it_does_not_know() {
        let draft = two_signed();
        let mut value: serde_json::Value = serde_json::from_str(&draft.to_dsse_json()).unwrap();
        value["signatures"].as_array_mut().unwrap().reverse();
        value["signatures"][0]["cert"] = "x".into();
        value["more"] = 1.into();
        assert_eq!(Draft::from_dsse_json(value.to_string().as_bytes()).unwrap(), draft);
    }

    fn two_signed() -> Draft {
        let mut draft = Draft::new(EVENT.to_vec()).unwrap();
        for signer in signers(2) {
            draft.sign(&signer).unwrap();
        }
        draft
    }

    #[test]
    fn dsse_json_is_refused_for_the_reason_that_applies() {
        let json = two_signed().to_dsse_json();
        let good: serde_json::Value = serde_json::from_str(&json).unwrap();
        let key = good["signatures"][0]["keyid"].as_str().unwrap().to_owned();
        let sig = good["signatures"][0]["sig"].as_str().unwrap().to_owned();
        let refusal = |path: &str, value: serde_json::Value| {
            let mut changed = good.clone();
            *changed.pointer_mut(path).unwrap() = value;
            Draft::from_dsse_json(changed.to_string().as_bytes()).unwrap_err()
        };
        assert!(matches!(refusal("/payloadType", "text/plain".into()), DsseError::PayloadType { .. }));
        assert!(matches!(refusal("/payload", "YW4gZXZlbnQ".into()), DsseError::Payload)); // unpadded
        assert!(matches!(refusal("/payload", "YW4gZXZlbnR=".into()), DsseError::Payload)); // loose bits
        assert!(matches!(
            refusal("/payload", "".into()),
            DsseError::Envelope(EnvelopeError::EventSize { .. })
        ));
        assert!(matches!(refusal("/payload", "YW4gZXZlbnU=".into()), DsseError::Invalid(_)));
        assert!(matches!(refusal("/payload", 1.into()), DsseError::Json { .. }));
        assert!(matches!(refusal("/signatures", serde_json::Value::Null), DsseError::Json { .. }));
        for wrong in [&key[1..], &key.to_uppercase(), ""] {
            assert!(matches!(refusal("/signatures/0/keyid", wrong.into()), DsseError::KeyId { position: 0 }));
        }
        for wrong in [&sig[..84], sig.trim_end_matches('='), ""] {
            let error = refusal("/signatures/1/sig", wrong.into());
            assert!(matches!(error, DsseError::Signature { position: 1 }), "{error}");
        }
        assert!(matches!(
            refusal("/signatures/1", good["signatures"][0].clone()),
            DsseError::Envelope(EnvelopeError::KeyTwice { .. })
        ));
        let Err(DsseError::Invalid(AuthorSignatureError::Signature { key: named })) =
            Draft::from_dsse_json(json.replace(&sig, &STANDARD.encode([1; 64])).as_bytes())
        else {
            panic!("a signature that is not valid was taken")
        };
        assert_eq!(named.to_string(), key);
        let doubled = json.replacen("\"payload\"", "\"payload\": \"\", \"payload\"", 1);
        assert!(matches!(Draft::from_dsse_json(doubled.as_bytes()), Err(DsseError::Json { .. })));
        let trailing = json.clone() + "{}";
        assert!(matches!(Draft::from_dsse_json(trailing.as_bytes()), Err(DsseError::Json { .. })));
        let large = json + &" ".repeat(JSON_BYTES_MAX);
        assert!(matches!(Draft::from_dsse_json(large.as_bytes()), Err(DsseError::TooLarge { .. })));
    }

    proptest! {
        #[test]
        fn decoding_arbitrary_bytes_never_panics_and_what_decodes_encodes_back(
            head in prop::collection::vec(any::<u8>(), 0..40),
            event_length in 0u64..40,
            count in 0u64..4,
            tail in prop::collection::vec(any::<u8>(), 0..400),
        ) {
            let framed =
                [&event_length.to_le_bytes()[..], &vec![7; usize::try_from(event_length).unwrap()],
                 &count.to_le_bytes(), &tail].concat();
            for bytes in [head, framed] {
                if let Ok(envelope) = codec::decode::<Envelope>(&bytes) {
                    prop_assert_eq!(codec::encode(&envelope), bytes);
                }
            }
        }

        #[test]
        fn reading_arbitrary_json_text_never_panics(text in any::<String>(), sig in "[A-Za-z0-9+/=]{0,90}") {
            prop_assert!(Draft::from_dsse_json(text.as_bytes()).is_err());
            let json = serde_json::json!({
                "payloadType": PAYLOAD_TYPE, "payload": "AA==", "signatures": [{"keyid": sig, "sig": sig}],
            });
            prop_assert!(Draft::from_dsse_json(json.to_string().as_bytes()).is_err());
        }
    }
}
