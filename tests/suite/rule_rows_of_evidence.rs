//! The rules of version 2, a row for each outcome: policy, evaluations, drift, incidents, break-glass, ratification,
//! redaction. `rule_table` judges them.

use rollbook::event::authority::{Policy, Role};
use rollbook::event::body::Kind;
use rollbook::event::infra::{GitId, GitObject, GitTag, ObjectBytes};
use rollbook::event::list::Ascending;
use rollbook::event::model::{EvaluationKind, EvaluationOutcome};
use rollbook::event::release::{ChangeOutcome, ModelRolledBack, SessionState};
use rollbook::hash::Hash;
use rollbook::lifecycle::rules::RULES_VERSION;
use rollbook::lifecycle::state::{EVALUATIONS_MAX, INCIDENT_PLACES_MAX, OWED_MAX};
use rollbook::time::{DAY_MS, HOUR_MS, MINUTE_MS};

use crate::rule_table::{Row, abe, accepted, dan, rea, refused, register_three, rita, staff};
use crate::support::events::*;
use crate::support::forge::Forge;

pub(crate) fn eva() -> Person {
    person("Eva the evaluator")
}

/// Founded by Ada under a policy of schema 2 (entry 0), everyone granted their role (1 to 5), v1 and v2 registered
/// (6 and 7).
pub(crate) fn governed(forge: &mut Forge, rest: &str) {
    governed_under(forge, policy_2(rest));
}

/// As [`governed`], under this policy.
pub(crate) fn governed_under(forge: &mut Forge, policy: Policy) {
    founded(forge, policy, RULES_VERSION);
}

/// As [`governed_under`], by these rules.
fn founded(forge: &mut Forge, policy: Policy, rules_version: u32) {
    let mut body = created(&[&ada()], forge.log_public());
    (body.policy, body.rules_version) = (policy, rules_version);
    forge.add(&[&ada()], body);
    for (person, role) in [
        (rea(), Role::Registrar),
        (dan(), Role::Deployer),
        (abe(), Role::Approver),
        (rita(), Role::Responder),
        (eva(), Role::Evaluator),
    ] {
        forge.add(&[&ada()], grant(&person, &[role]));
    }
    forge.add(&[&rea()], register("v1"));
    forge.add(&[&rea()], register("v2"));
}

const STAGING_FIRST: &str = "[[environment]]
name = 'staging'
[[environment]]
name = 'production'
[environment.promote]
after = ['staging']
served_for = '10m'
";

const FAIRNESS: &str = "[[environment]]
name = 'production'
[environment.promote]
evaluations = [{ kind = 'fairness', max_age = '30d' }]
";

const FAIRNESS_BY_AIF: &str = "[[environment]]
name = 'production'
[environment.promote]
evaluations = [{ kind = 'fairness', suite = 'aif360' }]
";

const SIGNED_TAG: &str = "[[environment]]
name = 'production'
[environment.promote]
signed_tag = true
";

const GLASS: &str = "[[environment]]
name = 'production'
[environment.rollback]
approvals = 1
incident = true
shadow = true
drain = true
[environment.rollback.break_glass]
roles = ['responder']
ratify_within = '2h'
";

const DRAINED: &str = "[[environment]]
name = 'production'
[environment.rollback]
drain = true
";

const SHADOWED: &str = "[[environment]]
name = 'production'
[environment.rollback]
shadow = true
";

const PLAIN: &str = "[[environment]]
name = 'production'
";

/// Governed, v1 (entry 8) and then v2 (entry 9) put in production.
pub(crate) fn serve_both(forge: &mut Forge, rest: &str) {
    governed(forge, rest);
    forge.add(&[&dan()], promote("v1", "production", None));
    forge.add(&[&dan()], promote("v2", "production", Some(serving("v1", 8))));
}

/// Back to v1, alone and at once, for INC-7.
pub(crate) fn break_glass() -> ModelRolledBack {
    ModelRolledBack {
        break_glass: true,
        incident: Some(name("INC-7")),
        ..roll_back("production", serving("v2", 9), "v1")
    }
}

/// Both served, INC-7 opened (entry 10), the glass broken by Rita (entry 11).
pub(crate) fn glass_broken(forge: &mut Forge) {
    serve_both(forge, GLASS);
    forge.add(&[&rita()], incident("INC-7", "production"));
    forge.add(&[&rita()], break_glass());
}

/// As [`glass_broken`], and two hours gone by before something else was recorded (entry 12).
pub(crate) fn glass_lapsed(forge: &mut Forge) {
    glass_broken(forge);
    forge.now = forge.now.plus_ms(2 * HOUR_MS);
    forge.add(&[&ada()], note(11));
}

/// A tag object, signed or not, and the event that names it.
fn tagged(signature: &str) -> rollbook::event::release::ModelPromoted {
    let bytes = format!("object 00\ntype commit\ntag v1\n\nrelease\n{signature}").into_bytes();
    let mut body = promote("v1", "production", None);
    body.infra.tag = Some(GitTag { name: name("v1"), object: Some(GitId::Sha1([7; 20])) });
    let (sha256, size) = (Hash::of(&bytes), bytes.len() as u64);
    body.infra.tag_object = Some(GitObject { sha256, size, bytes: ObjectBytes::new(bytes) });
    body
}

const SSH_SIGNATURE: &str = "-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n";

const fn besides(besides: &'static [&'static str], row: Row) -> Row {
    Row { besides, ..row }
}

pub(crate) const ROWS: &[Row] = &[
    // Policy.
    refused(Kind::LedgerCreated, "policy_needs_rules", "policy schema 2 needs rules version 2", |forge| {
        let mut body = created(&[&ada()], forge.log_public());
        body.rules_version = 1;
        forge.add(&[&ada()], body);
    }),
    refused(Kind::PolicySet, "policy_needs_rules", "a later policy needs its rules, too", |forge| {
        let mut body = created(&[&ada()], forge.log_public());
        (body.rules_version, body.policy) = (1, policy(""));
        forge.add(&[&ada()], body);
        let mut body = policy_set(policy_2(PLAIN), 0);
        body.rules_version = 1;
        forge.add(&[&ada()], body);
    }),
    accepted(Kind::PolicySet, "a policy raises the rules", |forge| {
        let mut body = created(&[&ada()], forge.log_public());
        (body.rules_version, body.policy) = (1, policy(""));
        forge.add(&[&ada()], body);
        forge.add(&[&ada()], policy_set(policy_2(PLAIN), 0));
    }),
    accepted(Kind::ModelPromoted, "a policy names who approves", |forge| {
        governed(
            forge,
            "[[environment]]\nname = 'production'\n[environment.promote]\napprovals = 1\napprover_roles = ['auditor']\n",
        );
        forge.add(&[&ada()], grant(&person("Olga"), &[Role::Auditor]));
        forge.add(&[&dan(), &person("Olga")], promote("v1", "production", None));
    }),
    refused(
        Kind::ModelPromoted,
        "signer_lacks_role",
        "an approval takes the role that the policy names",
        |forge| {
            governed(
                forge,
                "[[environment]]\nname = 'production'\n[environment.promote]\napprovals = 1\napprover_roles = ['auditor']\n",
            );
            forge.add(&[&dan(), &abe()], promote("v1", "production", None));
        },
    ),
    refused(
        Kind::ModelPromoted,
        "approvals_missing",
        "a model may need more than its environment",
        |forge| {
            governed(
                forge,
                "[[environment]]\nname = 'production'\n[[environment.model]]\nname = 'credit/*'\n[environment.model.promote]\napprovals = 1\n",
            );
            forge.add(&[&dan()], promote("v1", "production", None));
        },
    ),
    // Evaluations.
    accepted(Kind::ModelEvaluated, "an evaluator records what was measured", |forge| {
        governed(forge, PLAIN);
        forge.add(&[&eva()], fairness("v1", 0.04));
    }),
    accepted(Kind::ModelEvaluated, "a failed evaluation is recorded, too", |forge| {
        governed(forge, PLAIN);
        forge.add(&[&eva()], fairness("v1", 0.29));
    }),
    accepted(Kind::ModelEvaluated, "a retired version may be measured", |forge| {
        governed(forge, PLAIN);
        forge.add(&[&rea()], retire("v1"));
        forge.add(&[&eva()], fairness("v1", 0.29));
    }),
    refused(Kind::ModelEvaluated, "signer_lacks_role", "who deploys does not evaluate", |forge| {
        governed(forge, PLAIN);
        forge.add(&[&dan()], fairness("v1", 0.04));
    }),
    refused(Kind::ModelEvaluated, "version_unknown", "only a registered version is evaluated", |forge| {
        governed(forge, PLAIN);
        forge.add(&[&eva()], fairness("v9", 0.04));
    }),
    refused(Kind::ModelEvaluated, "digest_mismatch", "what is measured is what was registered", |forge| {
        governed(forge, PLAIN);
        let mut body = fairness("v1", 0.04);
        body.digest = digest("v2");
        forge.add(&[&eva()], body);
    }),
    refused(
        Kind::ModelEvaluated,
        "environment_unknown",
        "a shadow evaluation runs somewhere that exists",
        |forge| {
            governed(forge, PLAIN);
            let mut body = shadow("v1");
            body.environment = Some(environment("moon"));
            forge.add(&[&eva()], body);
        },
    ),
    refused(Kind::ModelEvaluated, "outcome_contradicted", "an outcome agrees with its metrics", |forge| {
        governed(forge, PLAIN);
        let mut body = fairness("v1", 0.29);
        body.outcome = EvaluationOutcome::Passed;
        forge.add(&[&eva()], body);
    }),
    refused(Kind::ModelEvaluated, "outcome_contradicted", "nothing fails within its bounds", |forge| {
        governed(forge, PLAIN);
        let mut body = fairness("v1", 0.04);
        body.outcome = EvaluationOutcome::Failed;
        forge.add(&[&eva()], body);
    }),
    refused(Kind::ModelEvaluated, "bounds_empty", "bounds can be met", |forge| {
        governed(forge, PLAIN);
        let mut bounded = metric("auc", 0.8, Some(0.7));
        bounded.min = Some("0.9".parse().unwrap());
        forge.add(&[&eva()], evaluate("v1", EvaluationKind::Regression, vec![bounded]));
    }),
    refused(
        Kind::ModelEvaluated,
        "evaluations_too_many",
        "a digest is measured by a bounded number of suites",
        |forge| {
            governed(forge, PLAIN);
            for number in 0..=EVALUATIONS_MAX {
                let mut body = fairness("v1", 0.04);
                body.suite = name(&format!("suite {number}"));
                forge.add(&[&eva()], body);
            }
        },
    ),
    // Gates.
    accepted(Kind::ModelPromoted, "a digest goes on when it has served long enough", |forge| {
        governed(forge, STAGING_FIRST);
        forge.add(&[&dan()], promote("v1", "staging", None));
        forge.now = forge.now.plus_ms(9 * MINUTE_MS);
        forge.add(&[&dan()], promote("v1", "production", None));
    }),
    refused(
        Kind::ModelPromoted,
        "served_too_short",
        "a digest serves as long as the policy wants",
        |forge| {
            governed(forge, STAGING_FIRST);
            forge.add(&[&dan()], promote("v1", "staging", None));
            forge.now = forge.now.plus_ms(9 * MINUTE_MS - 1);
            forge.add(&[&dan()], promote("v1", "production", None));
        },
    ),
    refused(
        Kind::ModelPromoted,
        "served_too_short",
        "time in which another one serves does not count",
        |forge| {
            governed(forge, STAGING_FIRST);
            forge.add(&[&dan()], promote("v1", "staging", None));
            forge.add(&[&dan()], promote("v2", "staging", Some(serving("v1", 8))));
            forge.now = forge.now.plus_ms(DAY_MS);
            forge.add(&[&dan()], promote("v1", "production", None));
        },
    ),
    accepted(Kind::ModelPromoted, "stretches of serving add up", |forge| {
        governed(forge, STAGING_FIRST);
        forge.add(&[&dan()], promote("v1", "staging", None));
        forge.now = forge.now.plus_ms(5 * MINUTE_MS);
        forge.add(&[&dan()], promote("v2", "staging", Some(serving("v1", 8))));
        forge.add(&[&dan()], roll_back("staging", serving("v2", 9), "v1"));
        forge.now = forge.now.plus_ms(5 * MINUTE_MS);
        forge.add(&[&dan()], promote("v1", "production", None));
    }),
    refused(
        Kind::ModelPromoted,
        "served_too_short",
        "a promotion that failed has not served meanwhile",
        |forge| {
            governed(forge, STAGING_FIRST);
            forge.add(&[&dan()], promote("v1", "staging", None));
            forge.add(&[&dan()], promote("v2", "staging", Some(serving("v1", 8))));
            forge.add(&[&dan()], roll_back("staging", serving("v2", 9), "v1"));
            forge.add(&[&dan()], promote("v2", "staging", Some(serving("v1", 10))));
            forge.now = forge.now.plus_ms(DAY_MS);
            forge.add(&[&dan()], complete(11, ChangeOutcome::Failed));
            forge.add(&[&dan()], promote("v2", "production", None));
        },
    ),
    accepted(Kind::ModelPromoted, "the evaluation that the policy wants stands passed", |forge| {
        governed(forge, FAIRNESS);
        forge.add(&[&eva()], fairness("v1", 0.04));
        forge.add(&[&dan()], promote("v1", "production", None));
    }),
    refused(
        Kind::ModelPromoted,
        "evaluation_missing",
        "what the policy wants measured is measured",
        |forge| {
            governed(forge, FAIRNESS);
            forge.add(&[&eva()], shadow("v1"));
            forge.add(&[&dan()], promote("v1", "production", None));
        },
    ),
    refused(
        Kind::ModelPromoted,
        "evaluation_missing",
        "another digest's evaluation speaks for nobody else",
        |forge| {
            governed(forge, FAIRNESS);
            forge.add(&[&eva()], fairness("v2", 0.04));
            forge.add(&[&dan()], promote("v1", "production", None));
        },
    ),
    refused(
        Kind::ModelPromoted,
        "evaluation_missing",
        "the suite is the one that the policy names",
        |forge| {
            governed(forge, FAIRNESS_BY_AIF);
            forge.add(&[&eva()], fairness("v1", 0.04));
            forge.add(&[&dan()], promote("v1", "production", None));
        },
    ),
    refused(Kind::ModelPromoted, "evaluation_failed", "what failed opens no gate", |forge| {
        governed(forge, FAIRNESS);
        forge.add(&[&eva()], fairness("v1", 0.29));
        forge.add(&[&dan()], promote("v1", "production", None));
    }),
    refused(Kind::ModelPromoted, "evaluation_failed", "a later failure cancels an earlier pass", |forge| {
        governed(forge, FAIRNESS);
        forge.add(&[&eva()], fairness("v1", 0.04));
        forge.add(&[&eva()], fairness("v1", 0.29));
        forge.add(&[&dan()], promote("v1", "production", None));
    }),
    accepted(Kind::ModelPromoted, "a failure on another data set cancels nothing", |forge| {
        governed(forge, FAIRNESS);
        forge.add(&[&eva()], fairness("v1", 0.04));
        let mut body = fairness("v1", 0.29);
        body.dataset.name = name("mortgages");
        forge.add(&[&eva()], body);
        forge.add(&[&dan()], promote("v1", "production", None));
    }),
    refused(
        Kind::ModelPromoted,
        "evaluation_unbounded",
        "a metric without a bound satisfies no gate",
        |forge| {
            governed(forge, FAIRNESS);
            let metrics = vec![metric("demographic_parity_difference", 0.04, None)];
            forge.add(&[&eva()], evaluate("v1", EvaluationKind::Fairness, metrics));
            forge.add(&[&dan()], promote("v1", "production", None));
        },
    ),
    refused(Kind::ModelPromoted, "evaluation_stale", "an evaluation grows too old", |forge| {
        governed(forge, FAIRNESS);
        forge.add(&[&eva()], fairness("v1", 0.04));
        forge.now = forge.now.plus_ms(30 * DAY_MS);
        forge.add(&[&dan()], promote("v1", "production", None));
    }),
    besides(
        &["git.unsound"],
        accepted(Kind::ModelPromoted, "the tag is in the event, and signed", |forge| {
            founded(forge, policy_2(SIGNED_TAG), 2);
            forge.add(&[&dan()], tagged(SSH_SIGNATURE));
        }),
    ),
    refused(Kind::ModelPromoted, "tag_unsigned", "a tag without a signature is none", |forge| {
        founded(forge, policy_2(SIGNED_TAG), 2);
        forge.add(&[&dan()], tagged(""));
    }),
    refused(Kind::ModelPromoted, "tag_unsigned", "the tag that is named is the one that is shown", |forge| {
        founded(forge, policy_2(SIGNED_TAG), 2);
        let mut body = tagged(SSH_SIGNATURE);
        body.infra.tag_object.as_mut().unwrap().sha256 = Hash::of(b"another tag");
        forge.add(&[&dan()], body);
    }),
    // Drift.
    accepted(Kind::DriftDetected, "an evaluator tells of drift", |forge| {
        governed(forge, PLAIN);
        forge.add(&[&eva()], drift("production"));
    }),
    refused(Kind::DriftDetected, "signer_lacks_role", "drift takes its role", |forge| {
        governed(forge, PLAIN);
        forge.add(&[&rita()], drift("production"));
    }),
    refused(Kind::DriftDetected, "environment_unknown", "nothing drifts nowhere", |forge| {
        governed(forge, PLAIN);
        forge.add(&[&eva()], drift("moon"));
    }),
    refused(Kind::DriftDetected, "model_unknown", "only a registered model drifts", |forge| {
        governed(forge, PLAIN);
        let mut body = drift("production");
        body.model = name("fraud/scorer");
        forge.add(&[&eva()], body);
    }),
    refused(Kind::DriftDetected, "version_unknown", "only a registered version drifts", |forge| {
        governed(forge, PLAIN);
        let mut body = drift("production");
        body.version = Some(name("v9"));
        forge.add(&[&eva()], body);
    }),
    refused(Kind::DriftDetected, "time_ahead", "drift is not foreseen", |forge| {
        governed(forge, PLAIN);
        let mut body = drift("production");
        body.detected_at = forge.now.plus_ms(5 * MINUTE_MS + 1);
        forge.add(&[&eva()], body);
    }),
    // Incidents.
    accepted(Kind::IncidentDetected, "a responder opens an incident", |forge| {
        governed(forge, PLAIN);
        forge.add(&[&rita()], incident("INC-7", "production"));
    }),
    accepted(Kind::IncidentDetected, "one incident may be open in several places", |forge| {
        governed(forge, "[[environment]]\nname = 'production-*'\n");
        forge.add(&[&rita()], incident("INC-7", "production-eu"));
        forge.add(&[&rita()], incident("INC-7", "production-us"));
    }),
    accepted(Kind::IncidentDetected, "an incident that is over may come again", |forge| {
        governed(forge, PLAIN);
        forge.add(&[&rita()], incident("INC-7", "production"));
        forge.add(&[&rita()], resolved("INC-7"));
        forge.add(&[&rita()], incident("INC-7", "production"));
    }),
    refused(
        Kind::IncidentDetected,
        "incident_open_already",
        "an incident is opened once in one place",
        |forge| {
            governed(forge, PLAIN);
            forge.add(&[&rita()], incident("INC-7", "production"));
            forge.add(&[&rita()], incident("INC-7", "production"));
        },
    ),
    refused(
        Kind::IncidentDetected,
        "incident_places_too_many",
        "an incident has a bounded number of places",
        |forge| {
            governed(forge, "[[environment]]\nname = 'edge-*'\n");
            for number in 0..=INCIDENT_PLACES_MAX {
                forge.add(&[&rita()], incident("INC-7", &format!("edge-{number}")));
            }
        },
    ),
    refused(Kind::IncidentDetected, "signer_lacks_role", "an incident takes its role", |forge| {
        governed(forge, PLAIN);
        forge.add(&[&abe()], incident("INC-7", "production"));
    }),
    refused(Kind::IncidentDetected, "environment_unknown", "an incident is somewhere", |forge| {
        governed(forge, PLAIN);
        forge.add(&[&rita()], incident("INC-7", "moon"));
    }),
    refused(Kind::IncidentDetected, "model_unknown", "an incident is of a registered model", |forge| {
        governed(forge, PLAIN);
        let mut body = incident("INC-7", "production");
        body.model = Some(name("fraud/scorer"));
        forge.add(&[&rita()], body);
    }),
    refused(Kind::IncidentDetected, "entry_unknown", "what led to an incident stands before it", |forge| {
        governed(forge, PLAIN);
        let mut body = incident("INC-7", "production");
        body.evidence = Ascending::new(vec![8]).unwrap();
        forge.add(&[&rita()], body);
    }),
    refused(Kind::IncidentDetected, "time_ahead", "an incident is not foreseen", |forge| {
        governed(forge, PLAIN);
        let mut body = incident("INC-7", "production");
        body.detected_at = forge.now.plus_ms(5 * MINUTE_MS + 1);
        forge.add(&[&rita()], body);
    }),
    accepted(Kind::IncidentResolved, "an incident is resolved", |forge| {
        governed(forge, PLAIN);
        forge.add(&[&rita()], incident("INC-7", "production"));
        forge.add(&[&rita()], resolved("INC-7"));
    }),
    refused(Kind::IncidentResolved, "incident_not_open", "only what is open is resolved", |forge| {
        governed(forge, PLAIN);
        forge.add(&[&rita()], resolved("INC-7"));
    }),
    refused(
        Kind::IncidentResolved,
        "signer_out_of_scope",
        "an incident is resolved by who may in all its places",
        |forge| {
            governed(forge, "[[environment]]\nname = 'production-*'\n");
            let mut responder = grant(&person("Rob"), &[Role::Responder]);
            responder.scope = scope(&["production-eu"], &["*/*"]);
            forge.add(&[&ada()], responder);
            forge.add(&[&rita()], incident("INC-7", "production-eu"));
            forge.add(&[&rita()], incident("INC-7", "production-us"));
            forge.add(&[&person("Rob")], resolved("INC-7"));
        },
    ),
    refused(Kind::IncidentResolved, "incident_ends_before", "an incident ends after it began", |forge| {
        governed(forge, PLAIN);
        let mut body = incident("INC-7", "production");
        body.detected_at = minute(1);
        forge.add(&[&rita()], body);
        forge.add(&[&rita()], resolved("INC-7"));
    }),
    // Rollbacks under a policy.
    refused(
        Kind::ModelRolledBack,
        "incident_missing",
        "a rollback names its incident where the policy says",
        |forge| {
            serve_both(forge, GLASS);
            forge.add(&[&rita(), &abe()], roll_back("production", serving("v2", 9), "v1"));
        },
    ),
    refused(Kind::ModelRolledBack, "incident_not_open", "the incident of a rollback is open", |forge| {
        serve_both(forge, PLAIN);
        let mut body = roll_back("production", serving("v2", 9), "v1");
        body.incident = Some(name("INC-7"));
        forge.add(&[&rita()], body);
    }),
    refused(
        Kind::ModelRolledBack,
        "incident_elsewhere",
        "the incident of a rollback is open there",
        |forge| {
            serve_both(forge, "[[environment]]\nname = 'production'\n[[environment]]\nname = 'staging'\n");
            forge.add(&[&rita()], incident("INC-7", "staging"));
            let mut body = roll_back("production", serving("v2", 9), "v1");
            body.incident = Some(name("INC-7"));
            forge.add(&[&rita()], body);
        },
    ),
    refused(Kind::ModelWithdrawn, "incident_not_open", "the incident of a withdrawal is open", |forge| {
        serve_both(forge, PLAIN);
        let mut body = withdraw("production", serving("v2", 9));
        body.incident = Some(name("INC-7"));
        forge.add(&[&rita()], body);
    }),
    accepted(Kind::ModelRolledBack, "a rollback after sessions were drained", |forge| {
        serve_both(forge, DRAINED);
        let mut body = roll_back("production", serving("v2", 9), "v1");
        body.session_state = Some(SessionState::Drained);
        forge.add(&[&rita()], body);
    }),
    refused(
        Kind::ModelRolledBack,
        "sessions_not_drained",
        "sessions are not lost where the policy says",
        |forge| {
            serve_both(forge, DRAINED);
            let mut body = roll_back("production", serving("v2", 9), "v1");
            body.session_state = Some(SessionState::Lost);
            forge.add(&[&rita()], body);
        },
    ),
    accepted(Kind::ModelRolledBack, "a rollback to what a shadow evaluation has shown to be fit", |forge| {
        serve_both(forge, SHADOWED);
        forge.add(&[&eva()], shadow("v1"));
        let mut body = roll_back("production", serving("v2", 9), "v1");
        body.validation = Ascending::new(vec![10]).unwrap();
        forge.add(&[&rita()], body);
    }),
    refused(
        Kind::ModelRolledBack,
        "validation_missing",
        "a rollback cites the shadow evaluation of its target",
        |forge| {
            serve_both(forge, SHADOWED);
            forge.add(&[&eva()], shadow("v2"));
            let mut body = roll_back("production", serving("v2", 9), "v1");
            body.validation = Ascending::new(vec![10]).unwrap();
            forge.add(&[&rita()], body);
        },
    ),
    refused(
        Kind::ModelRolledBack,
        "approvals_missing",
        "a rollback needs the approvals of the policy",
        |forge| {
            serve_both(forge, GLASS);
            forge.add(&[&rita()], roll_back("production", serving("v2", 9), "v1"));
        },
    ),
    // Recovery.
    besides(
        &["recovery.slow"],
        accepted(
            Kind::ChangeCompleted,
            "a recovery within the target says nothing, a slower one is told",
            |forge| {
                serve_both(forge, PLAIN);
                forge.add(&[&rita()], incident("INC-7", "production"));
                let mut body = roll_back("production", serving("v2", 9), "v1");
                body.incident = Some(name("INC-7"));
                forge.add(&[&rita()], body);
                forge.now = forge.now.plus_ms(4 * MINUTE_MS);
                let mut body = complete(11, ChangeOutcome::Succeeded);
                body.completed_at = beginning().plus_ms(6 * MINUTE_MS);
                forge.add(&[&rita()], body);
            },
        ),
    ),
    accepted(Kind::ChangeCompleted, "a recovery at the target is in time", |forge| {
        serve_both(forge, PLAIN);
        forge.add(&[&rita()], incident("INC-7", "production"));
        let mut body = roll_back("production", serving("v2", 9), "v1");
        body.incident = Some(name("INC-7"));
        forge.add(&[&rita()], body);
        forge.now = forge.now.plus_ms(3 * MINUTE_MS);
        let mut body = complete(11, ChangeOutcome::Succeeded);
        body.completed_at = beginning().plus_ms(5 * MINUTE_MS);
        forge.add(&[&rita()], body);
    }),
    besides(
        &["recovery.times_differ"],
        accepted(Kind::ChangeCompleted, "claimed and recorded times that differ are told", |forge| {
            serve_both(forge, PLAIN);
            forge.add(&[&rita()], incident("INC-7", "production"));
            let mut body = roll_back("production", serving("v2", 9), "v1");
            body.incident = Some(name("INC-7"));
            forge.add(&[&rita()], body);
            let mut body = complete(11, ChangeOutcome::Succeeded);
            body.completed_at = beginning().plus_ms(8 * MINUTE_MS);
            forge.add(&[&rita()], body);
        }),
    ),
    // Break-glass and ratification.
    accepted(Kind::ModelRolledBack, "a responder breaks the glass", |forge| {
        glass_broken(forge);
    }),
    refused(
        Kind::ModelRolledBack,
        "signer_lacks_role",
        "the glass is broken by whom the policy names",
        |forge| {
            serve_both(forge, GLASS);
            forge.add(&[&rita()], incident("INC-7", "production"));
            forge.add(&[&dan()], break_glass());
        },
    ),
    refused(Kind::ModelRolledBack, "incident_missing", "broken glass waives no incident", |forge| {
        serve_both(forge, GLASS);
        forge.add(&[&rita()], ModelRolledBack { incident: None, ..break_glass() });
    }),
    refused(Kind::ModelRolledBack, "from_mismatch", "broken glass waives no `from`", |forge| {
        serve_both(forge, GLASS);
        forge.add(&[&rita()], incident("INC-7", "production"));
        forge.add(&[&rita()], ModelRolledBack { from: serving("v2", 8), ..break_glass() });
    }),
    refused(Kind::ModelRolledBack, "rollback_target_never_live", "broken glass waives no target", |forge| {
        serve_both(forge, GLASS);
        forge.add(&[&rea()], register("v3"));
        forge.add(&[&rita()], incident("INC-7", "production"));
        let body = ModelRolledBack { to: name("v3"), to_digest: digest("v3"), ..break_glass() };
        forge.add(&[&rita()], body);
    }),
    besides(
        &[],
        refused(
            Kind::ModelRolledBack,
            "owed_too_many",
            "a bounded number of broken glasses waits",
            |forge| {
                let rest = "[[environment]]\nname = 'edge-*'\n[environment.rollback.break_glass]\nroles = ['responder']\nratify_within = '30d'\n";
                governed(forge, rest);
                for number in 0..=OWED_MAX {
                    let place = format!("edge-{number}");
                    let first = forge.add(&[&dan()], promote("v1", &place, None));
                    let second = forge.add(&[&dan()], promote("v2", &place, Some(serving("v1", first))));
                    let mut body = roll_back(&place, serving("v2", second), "v1");
                    body.break_glass = true;
                    forge.add(&[&rita()], body);
                }
            },
        ),
    ),
    accepted(Kind::EntryRatified, "an approver ratifies broken glass", |forge| {
        glass_broken(forge);
        forge.add(&[&abe()], ratify(11));
    }),
    refused(Kind::EntryRatified, "signer_lacks_role", "ratifying takes the role approver", |forge| {
        glass_broken(forge);
        forge.add(&[&dan()], ratify(11));
    }),
    refused(Kind::EntryRatified, "signer_out_of_scope", "who ratifies may approve there", |forge| {
        glass_broken(forge);
        let mut approver = grant(&person("Amy"), &[Role::Approver]);
        approver.scope = scope(&["staging"], &["*/*"]);
        forge.add(&[&ada()], approver);
        forge.add(&[&person("Amy")], ratify(11));
    }),
    refused(
        Kind::EntryRatified,
        "approver_is_proposer",
        "nobody ratifies the glass that they broke",
        |forge| {
            glass_broken(forge);
            forge.add(&[&ada()], grant(&second_key("Rita the responder"), &[Role::Approver]));
            forge.add(&[&second_key("Rita the responder")], ratify(11));
        },
    ),
    refused(Kind::EntryRatified, "nothing_to_ratify", "broken glass is ratified once", |forge| {
        glass_broken(forge);
        forge.add(&[&abe()], ratify(11));
        forge.add(&[&abe()], ratify(11));
    }),
    refused(Kind::EntryRatified, "nothing_to_ratify", "what needs no ratification gets none", |forge| {
        glass_broken(forge);
        forge.add(&[&abe()], ratify(9));
    }),
    accepted(Kind::EntryRatified, "broken glass may be ratified at the last instant", |forge| {
        glass_broken(forge);
        forge.now = forge.now.plus_ms(2 * HOUR_MS - MINUTE_MS);
        forge.add(&[&abe()], ratify(11));
    }),
    besides(
        &["break_glass.not_ratified"],
        refused(Kind::EntryRatified, "ratification_late", "after its time no approver ratifies", |forge| {
            glass_lapsed(forge);
            forge.add(&[&abe()], ratify(11));
        }),
    ),
    besides(
        &["break_glass.not_ratified"],
        accepted(Kind::EntryRatified, "administrators accept what nobody ratified in time", |forge| {
            glass_lapsed(forge);
            forge.add(&[&ada()], accept(11, &["break_glass.not_ratified"]));
        }),
    ),
    besides(
        &["break_glass.not_ratified"],
        accepted(
            Kind::EntryRatified,
            "time that has run out with the acceptance itself is time that has run out",
            |forge| {
                glass_broken(forge);
                forge.now = forge.now.plus_ms(2 * HOUR_MS);
                forge.add(&[&ada()], accept(11, &["break_glass.not_ratified"]));
            },
        ),
    ),
    refused(
        Kind::EntryRatified,
        "nothing_to_ratify",
        "administrators accept nothing before its time has passed",
        |forge| {
            glass_broken(forge);
            forge.add(&[&ada()], accept(11, &["break_glass.not_ratified"]));
        },
    ),
    refused(Kind::EntryRatified, "nothing_to_ratify", "an acceptance names what it accepts", |forge| {
        staff(forge);
        forge.add(&[&ada()], accept(1, &[]));
    }),
    besides(
        &["ratification.accepts_nothing"],
        accepted(Kind::EntryRatified, "an acceptance of what is no violation is told to be void", |forge| {
            staff(forge);
            forge.add(&[&ada()], accept(1, &["rule.approvals_missing"]));
        }),
    ),
    refused(
        Kind::EntryRatified,
        "finding_not_acceptable",
        "what is tampered with cannot be accepted",
        |forge| {
            staff(forge);
            forge.add(&[&ada()], accept(1, &["checkpoint.root"]));
        },
    ),
    refused(Kind::EntryRatified, "signer_lacks_role", "only administrators accept a violation", |forge| {
        staff(forge);
        forge.add(&[&abe()], accept(1, &["rule.approvals_missing"]));
    }),
    refused(Kind::EntryRatified, "entry_unknown", "nobody accepts what is still to come", |forge| {
        staff(forge);
        forge.add(&[&ada()], accept(5, &["rule.approvals_missing"]));
    }),
    // Redaction.
    besides(
        REDACTS_NOTHING,
        accepted(Kind::AttachmentRedacted, "administrators redact an attachment", |forge| {
            staff(forge);
            forge.add(&[&ada()], redact(Hash::of(b"a report")));
        }),
    ),
    refused(Kind::AttachmentRedacted, "signer_lacks_role", "only administrators redact", |forge| {
        register_three(forge);
        forge.add(&[&rea()], redact(Hash::of(b"a report")));
    }),
    // Under rules version 1.
    accepted(Kind::ModelRolledBack, "under rules version 1 an incident is a remark", |forge| {
        let mut body = created(&[&ada()], forge.log_public());
        (body.rules_version, body.policy) = (1, policy("[[environment]]\nname = 'staging'\n"));
        forge.add(&[&ada()], body);
        forge.add(&[&ada()], grant(&dan(), &[Role::Deployer, Role::Registrar]));
        forge.add(&[&dan()], register("v1"));
        forge.add(&[&dan()], register("v2"));
        forge.add(&[&dan()], promote("v1", "staging", None));
        forge.add(&[&dan()], promote("v2", "staging", Some(serving("v1", 4))));
        let mut body = roll_back("staging", serving("v2", 5), "v1");
        body.incident = Some(name("INC-7"));
        forge.add(&[&dan()], body);
    }),
    refused(
        Kind::IncidentDetected,
        "kind_not_accepted",
        "under rules version 1 there are no incidents",
        |forge| {
            let mut body = created(&[&ada()], forge.log_public());
            (body.rules_version, body.policy) = (1, policy("[[environment]]\nname = 'staging'\n"));
            forge.add(&[&ada()], body);
            forge.add(&[&ada()], incident("INC-7", "staging"));
        },
    ),
];

/// What a verifier says of a redaction of what nobody attached.
const REDACTS_NOTHING: &[&str] = &[];
