//! What counts as a valid signature: the conditions on keys, the strict check for admission, and
//! the audit rule for authors' signatures, one or many at a time (decision 5; docs/auditing.md,
//! "Signatures").
//!
//! Three rules, each contained in the next:
//! - *strict*: ed25519-dalek's `verify_strict` under a key that meets the conditions;
//! - *audit*: the key conditions; S canonical; R canonical and not of small order; then ZIP 215,
//!   the cofactored equation `[8][S]B = [8]R + [8][k]A`, which is the same for one and for many;
//! - plain ZIP 215, which nothing here uses alone.
//!
//! Between strict and audit lies only an R with a torsion part, which nobody but the key's owner
//! can make. Which bytes are signed is [`crate::signing::envelope`]'s; which key may sign, the rules'.

use std::convert::Infallible;

use curve25519_dalek::Scalar;
use curve25519_dalek::edwards::CompressedEdwardsY;
use ed25519_dalek::VerifyingKey;
use ed25519_zebra::{Signature, VerificationKeyBytes, batch};
use getrandom::rand_core::{TryCryptoRng, TryRng};

use super::public_key::{PublicKey, SignatureBytes};
use super::strict::StrictKey;

/// How many signatures share one batch equation, at most. Measured, 64 cost half as much again for each as 1,024, and
/// twice as many gain a twentieth; one bad signature costs its neighbours a check of their own (about 45 ms in 1,024).
pub const BATCH_SIGNATURES: usize = 2048;

/// The y coordinates of all points whose order divides 8, little-endian: orders 1, 2, 4, and twice 8.
///
/// With the sign bit of x put aside, these five stand for all eight points, and for the two
/// encodings of x = 0 with the sign bit set (y = 1 and y = −1) that no canonical encoder writes.
const SMALL_ORDER_Y: [[u8; 32]; 5] = [
    [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    [
        0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
    ],
    [0; 32],
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5,
        0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a,
        0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ],
];

/// Why a key cannot be granted, nor a signature under it pass an audit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum KeyDefect {
    /// The bytes encode no point of the curve.
    #[error("the key is not a point of the curve")]
    NotAPoint,
    /// The bytes encode a point that a canonical encoder writes otherwise.
    #[error("the key is not in canonical form")]
    NotCanonical,
    /// The point's order divides 8: anybody can sign under such a key.
    #[error("the key is of small order: it protects nothing")]
    SmallOrder,
    /// The point has a torsion part: verifiers disagree about signatures under it.
    #[error("the key has a torsion part: verifiers would disagree about its signatures")]
    Torsion,
}

/// What is wrong with a signature under the audit rule, the first condition that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum SignatureDefect {
    /// S is not below the group order ℓ: somebody added ℓ to a good signature.
    #[error("S is not in canonical form")]
    SNotCanonical,
    /// R's y is not below the field prime.
    #[error("R is not in canonical form")]
    RNotCanonical,
    /// R's order divides 8.
    #[error("R is of small order")]
    RSmallOrder,
    /// The equation does not hold, or R is no point: other bytes were signed, or by another key.
    #[error("the signature does not fit these bytes and this key")]
    Mismatch,
}

/// What is wrong with a key or a signature under the audit rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum AuditDefect {
    /// The key breaks a condition, whatever was signed.
    #[error(transparent)]
    Key(KeyDefect),
    /// The key is sound, and the signature is not.
    #[error(transparent)]
    Signature(SignatureDefect),
}

/// A signature that ed25519-dalek's `verify_strict` does not accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not pass strict verification")]
pub struct NotStrictlyValid;

/// A public key that meets every condition for being granted. Holds the decompressed point, so that
/// the conditions (tens of microseconds) are checked once for each key and not for each signature.
#[derive(Debug, Clone)]
pub struct CheckedKey {
    key: PublicKey,
    // Invariant: decompressed from `key`, canonical, not of small order, torsion-free.
    point: StrictKey,
}

impl CheckedKey {
    /// Checks the conditions for granting a key.
    ///
    /// # Errors
    /// The first [`KeyDefect`]: point, canonical form, small order, torsion.
    pub fn new(key: &PublicKey) -> Result<Self, KeyDefect> {
        let encoded = CompressedEdwardsY(*key.as_bytes());
        let point = encoded.decompress().ok_or(KeyDefect::NotAPoint)?;
        // Decompressing takes y modulo p, and x = 0 with either sign: only encoding again tells.
        if point.compress() != encoded {
            return Err(KeyDefect::NotCanonical);
        }
        if point.is_small_order() {
            return Err(KeyDefect::SmallOrder);
        }
        if !point.is_torsion_free() {
            return Err(KeyDefect::Torsion);
        }
        Ok(Self { key: *key, point: StrictKey::from(VerifyingKey::from(point)) })
    }

    /// The key's bytes.
    #[must_use]
    pub const fn public_key(&self) -> &PublicKey {
        &self.key
    }

    /// The strict check, for admission and for `--strict`; of many signatures, in half the time.
    ///
    /// # Errors
    /// [`NotStrictlyValid`], without a reason.
    pub fn verify_strict(&self, message: &[u8], signature: &SignatureBytes) -> Result<(), NotStrictlyValid> {
        self.point.verify(message, signature)
    }

    /// The audit rule for one signature; `None` where it passes.
    #[must_use]
    pub fn audit_defect(&self, message: &[u8], signature: &SignatureBytes) -> Option<SignatureDefect> {
        AuditItem::new(self, message, signature).defect()
    }
}

/// Says whether `key` may be granted: canonical, not of small order, torsion-free.
///
/// # Errors
/// The first [`KeyDefect`] found.
pub fn check_grantable(key: &PublicKey) -> Result<(), KeyDefect> {
    CheckedKey::new(key).map(drop)
}

/// ed25519-dalek's `verify_strict` and nothing else: S canonical, neither key nor R of small order,
/// and R exactly what the equation gives. It takes a key with a torsion part, or not in canonical
/// form; whoever relies on a key checks it with [`check_grantable`] too.
///
/// # Errors
/// [`NotStrictlyValid`], without a reason.
pub fn verify_strict(
    key: &PublicKey,
    message: &[u8],
    signature: &SignatureBytes,
) -> Result<(), NotStrictlyValid> {
    VerifyingKey::from_bytes(key.as_bytes())
        .and_then(|key| key.verify_strict(message, &Signature::from_bytes(signature.as_bytes())))
        .map_err(|_| NotStrictlyValid)
}

/// The whole audit rule for one signature; `None` where it passes. [`audit_batch`] gives the same
/// verdict for many.
#[must_use]
pub fn audit_defect(key: &PublicKey, message: &[u8], signature: &SignatureBytes) -> Option<AuditDefect> {
    match CheckedKey::new(key) {
        Err(defect) => Some(AuditDefect::Key(defect)),
        Ok(key) => key.audit_defect(message, signature).map(AuditDefect::Signature),
    }
}

/// One signature, waiting for a batch: hashed already, so the message need not be kept (about 130
/// bytes, no allocation).
#[derive(Debug, Clone)]
pub struct AuditItem(Result<batch::Item, SignatureDefect>);

impl AuditItem {
    /// Checks the encodings of R and S, and hashes R, key and message.
    #[must_use]
    pub fn new(key: &CheckedKey, message: &[u8], signature: &SignatureBytes) -> Self {
        let signature = Signature::from_bytes(signature.as_bytes());
        let key = VerificationKeyBytes::from(*key.public_key().as_bytes());
        Self(check_encoding(&signature).map(|()| batch::Item::from((key, signature, message))))
    }

    /// The verdict on this signature alone.
    fn defect(&self) -> Option<SignatureDefect> {
        match &self.0 {
            Err(defect) => Some(*defect),
            Ok(item) => item.clone().verify_single().err().map(|_| SignatureDefect::Mismatch),
        }
    }
}

/// A signature of a batch that breaks the audit rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadSignature {
    /// Its place among the items given, from 0.
    pub position: usize,
    /// The first condition that it breaks.
    pub defect: SignatureDefect,
}

/// The audit rule for many signatures: names every bad one, in the order given.
///
/// The verdict on a signature is that of [`CheckedKey::audit_defect`], whatever stands beside it:
/// a batch whose equation holds is good, and in one whose equation fails each is checked alone.
/// The equation weighs each signature with a random 128-bit coefficient, drawn when all signatures
/// are already fixed. A good batch always passes: the factor 8 removes the torsion parts. A bad one
/// passes with a probability of about 2⁻¹²⁸, which nobody can raise by choosing signatures.
///
/// Runs on the calling thread; about 11 µs a signature where many share few keys.
#[must_use]
pub fn audit_batch(items: &[AuditItem]) -> Vec<BadSignature> {
    let mut bad = Vec::new();
    // Of one size, for a small batch costs more for each signature.
    let batch = items.len().div_ceil(items.len().div_ceil(BATCH_SIGNATURES).max(1)).max(1);
    for (chunk_index, chunk) in items.chunks(batch).enumerate() {
        if all_pass(chunk) {
            continue;
        }
        let first = chunk_index * batch;
        bad.extend(chunk.iter().enumerate().filter_map(|(offset, item)| {
            item.defect().map(|defect| BadSignature { position: first + offset, defect })
        }));
    }
    bad
}

/// Says whether one batch equation holds for all of `items`. Without randomness from the operating
/// system the answer is no, and each signature is checked alone: slower, with the same verdict.
fn all_pass(items: &[AuditItem]) -> bool {
    let Ok(coefficients) = Coefficients::draw(items.len()) else { return false };
    let mut verifier = batch::Verifier::new();
    for item in items {
        let Ok(item) = &item.0 else { return false };
        verifier.queue(item.clone());
    }
    verifier.verify(coefficients).is_ok()
}

/// The conditions that the bytes of R and S show by themselves.
///
/// No point is decompressed here: y is compared with p, and with the y of every point of small order.
/// The one other way to be non-canonical, x = 0 with the sign bit set, exists only at y = 1 and
/// y = −1, which the table holds. Whether R is a point at all, the equation finds out.
pub(super) fn check_encoding(signature: &Signature) -> Result<(), SignatureDefect> {
    if bool::from(Scalar::from_canonical_bytes(*signature.s_bytes()).is_none()) {
        return Err(SignatureDefect::SNotCanonical);
    }
    let mut r_y = *signature.r_bytes();
    r_y[31] &= 0x7f;
    if !is_below_field_prime(&r_y) {
        return Err(SignatureDefect::RNotCanonical);
    }
    if SMALL_ORDER_Y.contains(&r_y) {
        return Err(SignatureDefect::RSmallOrder);
    }
    Ok(())
}

/// Says whether `y`, little-endian and below 2²⁵⁵, is below p = 2²⁵⁵ − 19.
fn is_below_field_prime(y: &[u8; 32]) -> bool {
    y[31] != 0x7f || y[1..31].iter().any(|&byte| byte != 0xff) || y[0] < 0xed
}

/// The random coefficients of one batch equation, asked of the operating system in one call.
struct Coefficients {
    bytes: Vec<u8>,
    used: usize,
}

impl Coefficients {
    /// Bytes that ed25519-zebra draws for each signature.
    const BYTES_EACH: usize = 16;

    fn draw(signatures: usize) -> Result<Self, getrandom::Error> {
        let mut bytes = vec![0; signatures * Self::BYTES_EACH];
        getrandom::fill(&mut bytes)?;
        Ok(Self { bytes, used: 0 })
    }

    fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut taken = [0; N];
        self.copy_to(&mut taken);
        taken
    }

    fn copy_to(&mut self, target: &mut [u8]) {
        let end = self.used + target.len();
        let unused = self.bytes.get(self.used..end).expect("16 bytes are drawn for each signature");
        target.copy_from_slice(unused);
        self.used = end;
    }
}

impl TryRng for Coefficients {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_le_bytes(self.take()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_le_bytes(self.take()))
    }

    fn try_fill_bytes(&mut self, target: &mut [u8]) -> Result<(), Infallible> {
        self.copy_to(target);
        Ok(())
    }
}

impl TryCryptoRng for Coefficients {}

#[cfg(test)]
mod tests {
    use curve25519_dalek::edwards::EdwardsPoint;
    use curve25519_dalek::traits::Identity;
    use proptest::prelude::*;
    use sha2::{Digest, Sha512};

    use super::*;
    use crate::signing::key_file::SecretKey;

    /// ℓ, little-endian.
    const GROUP_ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];

    /// A point of order 8: [ℓ]P of the first points on the curve, until one has that order.
    fn torsion_generator() -> EdwardsPoint {
        (2u8..100)
            .filter_map(|y| {
                let mut encoded = [0; 32];
                encoded[0] = y;
                CompressedEdwardsY(encoded).decompress()
            })
            .map(|point| point * -Scalar::ONE + point) // [ℓ − 1]P + P
            .find(|torsion| *torsion * Scalar::from(4u8) != EdwardsPoint::identity())
            .unwrap()
    }

    /// All eight points whose order divides 8.
    fn torsion_points() -> Vec<EdwardsPoint> {
        let generator = torsion_generator();
        (0u8..8).map(|i| generator * Scalar::from(i)).collect()
    }

    /// Every encoding whose y is not below p: 19 values of y, two signs.
    fn encodings_beyond_the_prime() -> impl Iterator<Item = [u8; 32]> {
        (0xedu8..=0xff).flat_map(|low| {
            [0x7f, 0xff].map(|high| {
                let mut encoded = [0xff; 32];
                (encoded[0], encoded[31]) = (low, high);
                encoded
            })
        })
    }

    /// Signs with a scalar, adding `torsion` to R: what only the key's owner can do.
    fn sign_with_torsion(
        scalar: &Scalar,
        key: &PublicKey,
        message: &[u8],
        torsion: EdwardsPoint,
    ) -> SignatureBytes {
        let nonce = Scalar::from(123_456_789u64);
        sign_with_r(scalar, key, message, &nonce, (EdwardsPoint::mul_base(&nonce) + torsion).compress())
    }

    fn sign_with_r(
        scalar: &Scalar,
        key: &PublicKey,
        message: &[u8],
        nonce: &Scalar,
        r: CompressedEdwardsY,
    ) -> SignatureBytes {
        let hash = Sha512::new().chain_update(r.0).chain_update(key.as_bytes()).chain_update(message);
        let s = nonce + Scalar::from_hash(hash) * scalar;
        signature_of(r.0, s.to_bytes())
    }

    fn signature_of(r: [u8; 32], s: [u8; 32]) -> SignatureBytes {
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(&r);
        bytes[32..].copy_from_slice(&s);
        SignatureBytes::from_bytes(bytes)
    }

    fn split(signature: &SignatureBytes) -> ([u8; 32], [u8; 32]) {
        let (r, s) = signature.as_bytes().split_at(32);
        (r.try_into().unwrap(), s.try_into().unwrap())
    }

    fn add_group_order(s: [u8; 32]) -> [u8; 32] {
        let mut carry = 0u16;
        let mut sum = [0; 32];
        for (i, byte) in sum.iter_mut().enumerate() {
            carry += u16::from(s[i]) + u16::from(GROUP_ORDER[i]);
            *byte = carry.to_le_bytes()[0];
            carry >>= 8;
        }
        assert_eq!(carry, 0);
        sum
    }

    /// A key whose scalar is known, so that any R can be signed with.
    fn known_scalar() -> (Scalar, PublicKey) {
        let scalar = Scalar::from(987_654_321u64);
        (scalar, PublicKey::from_bytes(EdwardsPoint::mul_base(&scalar).compress().0))
    }

    #[test]
    fn small_order_table_is_exactly_the_eight_torsion_points() {
        let mut found: Vec<[u8; 32]> = Vec::new();
        for point in torsion_points() {
            let mut y = point.compress().0;
            y[31] &= 0x7f;
            assert!(SMALL_ORDER_Y.contains(&y), "{}", hex::encode(y));
            assert!(is_below_field_prime(&y));
            found.push(y);
        }
        assert!(SMALL_ORDER_Y.iter().all(|y| found.contains(y)), "the table holds a y of another point");
    }

    #[test]
    fn every_encoding_of_a_small_order_point_is_refused_as_r_and_as_key() {
        let (scalar, key) = known_scalar();
        let mut seen = 0;
        // All 256-bit strings that decode to a torsion point: canonical, with the sign of x = 0 set, or
        // with y beyond p.
        let canonical = SMALL_ORDER_Y.into_iter().flat_map(|y| {
            let mut negative = y;
            negative[31] |= 0x80;
            [y, negative]
        });
        for encoded in canonical.chain(encodings_beyond_the_prime()) {
            let Some(point) = CompressedEdwardsY(encoded).decompress() else { continue };
            if !point.is_small_order() {
                continue;
            }
            seen += 1;
            // Valid under ZIP 215: [8]R is nothing, and S makes up for the rest.
            let signature = sign_with_r(&scalar, &key, b"m", &Scalar::ZERO, CompressedEdwardsY(encoded));
            let zip215 = ed25519_zebra::VerificationKey::try_from(*key.as_bytes()).unwrap();
            assert!(zip215.verify(&Signature::from_bytes(signature.as_bytes()), b"m").is_ok());

            let defect = audit_defect(&key, b"m", &signature);
            let mut y = encoded;
            y[31] &= 0x7f;
            let expected = if is_below_field_prime(&y) {
                SignatureDefect::RSmallOrder
            } else {
                SignatureDefect::RNotCanonical
            };
            assert_eq!(defect, Some(AuditDefect::Signature(expected)), "{}", hex::encode(encoded));
            assert_eq!(verify_strict(&key, b"m", &signature), Err(NotStrictlyValid));
            assert!(check_grantable(&PublicKey::from_bytes(encoded)).is_err());
        }
        // 8 points; y = ±1 with the sign set; y = p and p + 1, each with two signs: 14 in all.
        assert_eq!(seen, 14);
    }

    #[test]
    fn keys_are_refused_for_the_reason_that_applies() {
        let defect = |bytes| check_grantable(&PublicKey::from_bytes(bytes)).err();
        let (_, good) = known_scalar();
        assert_eq!(defect(*good.as_bytes()), None);
        let mut no_point = [0; 32];
        no_point[0] = 2;
        assert_eq!(defect(no_point), Some(KeyDefect::NotAPoint));
        for (i, point) in torsion_points().iter().enumerate() {
            assert_eq!(defect(point.compress().0), Some(KeyDefect::SmallOrder), "[{i}]T");
            let mixed = EdwardsPoint::mul_base(&Scalar::from(7u8)) + point;
            let expected = (i != 0).then_some(KeyDefect::Torsion);
            assert_eq!(defect(mixed.compress().0), expected, "[7]B + [{i}]T");
        }
        for encoded in encodings_beyond_the_prime() {
            let expected = match CompressedEdwardsY(encoded).decompress() {
                None => KeyDefect::NotAPoint,
                Some(_) => KeyDefect::NotCanonical,
            };
            assert_eq!(defect(encoded), Some(expected), "{}", hex::encode(encoded));
        }
        // x = 0 with the sign bit set.
        for mut encoded in [SMALL_ORDER_Y[0], SMALL_ORDER_Y[1]] {
            encoded[31] |= 0x80;
            assert_eq!(defect(encoded), Some(KeyDefect::NotCanonical));
        }
    }

    #[test]
    fn r_with_a_torsion_part_passes_the_audit_and_not_the_strict_check() {
        let (scalar, key) = known_scalar();
        for (i, torsion) in torsion_points().into_iter().enumerate() {
            let signature = sign_with_torsion(&scalar, &key, b"m", torsion);
            assert_eq!(audit_defect(&key, b"m", &signature), None, "R + [{i}]T");
            assert_eq!(verify_strict(&key, b"m", &signature).is_ok(), i == 0, "R + [{i}]T");
            let mismatch = Some(AuditDefect::Signature(SignatureDefect::Mismatch));
            assert_eq!(audit_defect(&key, b"n", &signature), mismatch);
        }
    }

    #[test]
    fn s_plus_the_group_order_is_refused_by_every_rule() {
        let secret = SecretKey::from_seed(&[7; 32]);
        let (r, s) = split(&secret.sign(b"m"));
        let signature = signature_of(r, add_group_order(s));
        let key = secret.public_key();
        assert_eq!(verify_strict(&key, b"m", &signature), Err(NotStrictlyValid));
        let expected = Some(AuditDefect::Signature(SignatureDefect::SNotCanonical));
        assert_eq!(audit_defect(&key, b"m", &signature), expected);
        let item = AuditItem::new(&CheckedKey::new(&key).unwrap(), b"m", &signature);
        let expected = [BadSignature { position: 0, defect: SignatureDefect::SNotCanonical }];
        assert_eq!(audit_batch(&[item]), expected);
    }

    #[test]
    fn signature_under_a_key_with_torsion_is_refused_for_its_key() {
        let (scalar, _) = known_scalar();
        let point = EdwardsPoint::mul_base(&scalar) + torsion_generator();
        let key = PublicKey::from_bytes(point.compress().0);
        // The equation without cofactor holds where k is a multiple of 8, so dalek alone takes it.
        let message = (0u32..1000)
            .map(u32::to_le_bytes)
            .find(|message| {
                let signature = sign_with_torsion(&scalar, &key, message, EdwardsPoint::identity());
                verify_strict(&key, message, &signature).is_ok()
            })
            .unwrap();
        let signature = sign_with_torsion(&scalar, &key, &message, EdwardsPoint::identity());
        assert_eq!(audit_defect(&key, &message, &signature), Some(AuditDefect::Key(KeyDefect::Torsion)));
    }

    #[test]
    fn two_wrong_signatures_that_cancel_each_other_are_both_named() {
        let secret = SecretKey::from_seed(&[9; 32]);
        let key = CheckedKey::new(&secret.public_key()).unwrap();
        let item = |message: &[u8], shift: Scalar| {
            let (r, s) = split(&secret.sign(message));
            let s = Scalar::from_canonical_bytes(s).unwrap() + shift;
            AuditItem::new(&key, message, &signature_of(r, s.to_bytes()))
        };
        let shift = Scalar::from(5u8);
        let bad = audit_batch(&[item(b"a", shift), item(b"b", Scalar::ZERO), item(b"c", -shift)]);
        assert_eq!(bad.iter().map(|bad| bad.position).collect::<Vec<_>>(), [0, 2]);
    }

    #[test]
    fn bad_signatures_are_named_across_the_bounds_of_inner_batches() {
        let pool = pool();
        let (good, bad) = (pool[0].0.clone(), pool.iter().find(|(_, defect)| defect.is_some()).unwrap());
        let places = [0, BATCH_SIGNATURES - 1, BATCH_SIGNATURES, 2 * BATCH_SIGNATURES + 51];
        let mut items = vec![good; 2 * BATCH_SIGNATURES + 52];
        for place in places {
            items[place] = bad.0.clone();
        }
        let expected = places.map(|position| BadSignature { position, defect: bad.1.unwrap() });
        assert_eq!(audit_batch(&items), expected);
        assert_eq!(audit_batch(&[]), []);
    }

    /// Signatures of every kind under four keys, each with the verdict that it must get.
    fn pool() -> Vec<(AuditItem, Option<SignatureDefect>)> {
        let mut pool = Vec::new();
        for seed in 1..4u8 {
            let secret = SecretKey::from_seed(&[seed; 32]);
            let key = CheckedKey::new(&secret.public_key()).unwrap();
            let signature = secret.sign(b"m");
            let (r, s) = split(&signature);
            let mut push = |message: &[u8], signature: &SignatureBytes, defect| {
                pool.push((AuditItem::new(&key, message, signature), defect));
            };
            push(b"m", &signature, None);
            push(b"", &secret.sign(b""), None);
            push(b"n", &signature, Some(SignatureDefect::Mismatch));
            push(b"m", &signature_of(r, add_group_order(s)), Some(SignatureDefect::SNotCanonical));
            push(b"m", &signature_of(SMALL_ORDER_Y[3], s), Some(SignatureDefect::RSmallOrder));
            push(b"m", &signature_of([0xff; 32], s), Some(SignatureDefect::RNotCanonical));
            let mut no_point = [0; 32];
            no_point[0] = 2;
            push(b"m", &signature_of(no_point, s), Some(SignatureDefect::Mismatch));
        }
        let (scalar, key) = known_scalar();
        let checked = CheckedKey::new(&key).unwrap();
        for torsion in torsion_points() {
            let signature = sign_with_torsion(&scalar, &key, b"m", torsion);
            pool.push((AuditItem::new(&checked, b"m", &signature), None));
        }
        pool
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn batch_verdicts_are_the_single_ones_at_any_size_and_order(
            picks in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 0..40),
            size in 1usize..12,
        ) {
            let pool = pool();
            let good: Vec<_> = pool.iter().filter(|(_, defect)| defect.is_none()).cloned().collect();
            // Half of the picks are good ones, so that whole batches pass too.
            let picked: Vec<_> = picks
                .iter()
                .map(|(pick, any)| pick.get(if *any { pool.as_slice() } else { good.as_slice() }).clone())
                .collect();
            let items: Vec<AuditItem> = picked.iter().map(|(item, _)| item.clone()).collect();
            for (item, expected) in &picked {
                prop_assert_eq!(item.defect(), *expected);
            }
            for (batch_index, batch) in items.chunks(size).enumerate() {
                let expected: Vec<BadSignature> = picked[batch_index * size..][..batch.len()]
                    .iter()
                    .enumerate()
                    .filter_map(|(position, (_, defect))| defect.map(|defect| BadSignature { position, defect }))
                    .collect();
                prop_assert_eq!(audit_batch(batch), expected);
            }
        }

        #[test]
        fn what_passes_the_strict_check_under_a_checked_key_passes_the_audit(
            seed in any::<[u8; 32]>(),
            message in prop::collection::vec(any::<u8>(), 0..100),
            flip in prop::option::of((0usize..64, 1u8..)),
        ) {
            let secret = SecretKey::from_seed(&seed);
            let mut signature = *secret.sign(&message).as_bytes();
            if let Some((place, bits)) = flip {
                signature[place] ^= bits;
            }
            let signature = SignatureBytes::from_bytes(signature);
            let key = CheckedKey::new(&secret.public_key()).unwrap();
            prop_assert_eq!(key.verify_strict(&message, &signature).is_ok(), flip.is_none());
            prop_assert_eq!(key.audit_defect(&message, &signature).is_none(), flip.is_none());
        }

        #[test]
        fn arbitrary_keys_and_signatures_never_panic(
            key in any::<[u8; 32]>(),
            r in any::<[u8; 32]>(),
            s in any::<[u8; 32]>(),
        ) {
            let (key, signature) = (PublicKey::from_bytes(key), signature_of(r, s));
            prop_assert!(audit_defect(&key, b"m", &signature).is_some());
            prop_assert!(verify_strict(&key, b"m", &signature).is_err());
        }
    }
}
