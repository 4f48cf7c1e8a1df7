//! Policy texts. What is read stays within the bounds of rules, reads the same again, and does not differ from itself;
//! two texts differ both ways or neither.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rollbook::event::authority::Policy;
use rollbook::event::text::{EnvironmentName, Name, PolicyText};
use rollbook::lifecycle::policy::fitness::misfits;
use rollbook::lifecycle::policy::settings::changes;
use rollbook::lifecycle::policy::{Act, POLICY_SCHEMA, ReleasePolicy};
use rollbook_fuzz::allocation::within;
use rollbook_fuzz::events;

fuzz_target!(|bytes: &[u8]| {
    // One text, or two with a zero between them, which no text holds.
    let mut policies = bytes.split(|byte| *byte == 0).take(2).map(parse);
    let Some(Some(first)) = policies.next() else { return };
    if let Some(Some(second)) = policies.next() {
        let (there, back) = (changes(&first, &second), changes(&second, &first));
        assert_eq!(there.is_empty(), back.is_empty());
        for change in there.iter().chain(&back) {
            assert!(!change.to_string().is_empty());
        }
    }
});

fn parse(bytes: &[u8]) -> Option<ReleasePolicy> {
    let text = PolicyText::new(std::str::from_utf8(bytes).ok()?).ok()?;
    // A TOML reader keeps some 100 bytes for each value, of which a text of two bytes may be one.
    let held_max = (512 << 10) + 400 * bytes.len();
    let policy = within(held_max, || ReleasePolicy::parse(text.as_str())).ok()?;
    assert!((1..=POLICY_SCHEMA).contains(&policy.schema()));
    let told = |schema| ReleasePolicy::read(&Policy { schema, text: text.clone() });
    assert_eq!(told(policy.schema()).as_ref(), Ok(&policy));
    assert!(told(policy.schema() + 1).is_err());
    assert!((1..=16).contains(&policy.threshold()));
    assert_eq!(changes(&policy, &policy), []);

    let model = Name::new(events::MODEL).expect("a name");
    let environments = ["production", "staging", "a"].map(|name| EnvironmentName::new(name).expect("a name"));
    for environment in &environments {
        let promotion = policy.promotion(environment, &model);
        assert!(promotion.served_for_ms >= 0);
        let rollback = policy.rollback(environment, &model);
        assert!(rollback.target_ms > 0);
        assert!(
            rollback.break_glass.is_none_or(|glass| !glass.roles.is_empty() && glass.ratify_within_ms > 0)
        );
        for act in Act::ALL {
            let approvals = policy.approvals(*act, Some(environment), Some(&model));
            assert!((1..=16).contains(&approvals.people) && !approvals.roles.is_empty());
        }
        for setting in policy.settings(Some(environment), Some(&model)) {
            assert!(!setting.value.to_string().is_empty());
        }
    }
    assert!(
        !misfits(&policy, [], &[model], events::beginning()).is_empty(),
        "nobody is there to do anything"
    );
    Some(policy)
}
