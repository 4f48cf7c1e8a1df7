//! Policy schemas 2 and 3: what each act needs, in layers (docs/policy.md holds their keys). Schema 3 adds what is
//! asked of Git.

use toml::de::DeTable;

use crate::event::authority::Role;
use crate::event::glob::Glob;
use crate::event::text::{ENVIRONMENT_BYTES_MAX, EnvironmentName};

use super::git::{GitRules, read_git};
use super::section::{Fault, Section};
use super::{
    Act, ActKeys, BreakGlass, BreakGlassKey, Environment, EvaluationNeed, GitKeys, Layer, ModelBlock,
    PEOPLE_MAX, PolicyError, ReleasePolicy, promotion_of, unreadable,
};

/// The most environments that a policy describes: what people can oversee, and far beyond it.
const ENVIRONMENTS_MAX: usize = 64;
/// The most model blocks of an environment.
const MODELS_MAX: usize = 64;
/// The most evaluations that a promotion needs. Each is looked up whenever one is judged.
const EVALUATIONS_MAX: usize = 32;

/// The acts that may stand at the top level: all of them.
const GENERAL_ACTS: &[Act] = Act::ALL;
/// The acts that happen in an environment, and may stand there and under its models.
const ENVIRONMENT_ACTS: &[Act] =
    &[Act::Promote, Act::Rollback, Act::Withdraw, Act::Complete, Act::Evaluate, Act::Drift, Act::Incident];
/// The keys of every act.
const ACT_KEYS: &[&str] = &["approvals", "approver_roles"];
const PROMOTE_KEYS: &[&str] = &["approvals", "approver_roles", "after", "served_for", "evaluations"];
const ROLLBACK_KEYS: &[&str] =
    &["approvals", "approver_roles", "target", "incident", "drain", "shadow", "break_glass"];
/// The first schema that asks anything of Git but that a tag bears a signature.
pub(super) const SCHEMA_OF_GIT: u32 = 3;
/// The keys of Git, of which schema 2 has the first, and at promotions alone.
const GIT_KEYS: &[&str] = &["signed_tag", "signed_commit", "manifest"];

/// Reads a text of `schema`, 2 or 3.
///
/// # Errors
/// [`PolicyError`].
pub(super) fn parse(text: &str, schema: u32) -> Result<ReleasePolicy, PolicyError> {
    let table = DeTable::parse(text).map_err(unreadable)?;
    let root = Section::root(text, &table);
    let asks_of_git = schema >= SCHEMA_OF_GIT;
    let keys: &[&str] = if asks_of_git {
        &["schema", "administrators", "git", "environment"]
    } else {
        &["schema", "administrators", "environment"]
    };
    root.only(&keys_with(keys, GENERAL_ACTS))?;
    let schema = root.required("schema", root.number("schema", schema, schema)?)?;
    let git = if asks_of_git { read_git(&root)? } else { GitRules::default() };
    let administrators = root.section("administrators", "[administrators]".into())?;
    let administrators = root.required("administrators", administrators)?;
    administrators.only(&["threshold"])?;
    let threshold = administrators.number("threshold", 1, PEOPLE_MAX)?;
    let threshold = administrators.required("threshold", threshold)?;
    let general = read_layer(
        &root,
        GENERAL_ACTS,
        &TableNames { prefix: String::new(), suffix: String::new(), schema },
    )?;
    let environments = read_environments(&root, &general, schema)?;
    Ok(ReleasePolicy { schema, threshold, general, environments, git })
}

/// How people write and name the tables of a layer.
struct TableNames {
    /// What stands before an act: `environment.`.
    prefix: String,
    /// Whose they are: `` of `production` ``.
    suffix: String,
    /// The text's.
    schema: u32,
}

impl TableNames {
    fn of(&self, table: &str) -> String {
        format!("[{}{table}]{}", self.prefix, self.suffix)
    }
}

fn read_environments(
    root: &Section<'_>,
    general: &Layer,
    schema: u32,
) -> Result<Vec<Environment>, PolicyError> {
    let mut environments: Vec<Environment> = Vec::new();
    let sections = root.sections("environment", ENVIRONMENTS_MAX, "[[environment]]")?;
    for section in sections.unwrap_or_default() {
        let name = section.required("name", section.text::<EnvironmentGlob>("name")?)?.0;
        let section = section.named(format!("[[environment]] `{name}`"));
        section.only(&keys_with(&["name", "model"], ENVIRONMENT_ACTS))?;
        check_counts(&section, &name, environments.iter().map(|earlier| &earlier.name))?;
        let names = TableNames { prefix: "environment.".into(), suffix: format!(" of `{name}`"), schema };
        let keys = read_layer(&section, ENVIRONMENT_ACTS, &names)?;
        check_order(&section, &[&keys, general], &environments)?;
        let models = read_models(&section, &name, &[&keys, general], &environments, schema)?;
        environments.push(Environment { name, keys, models });
    }
    check_served_for_somewhere(root, general, &environments)?;
    Ok(environments)
}

fn read_models(
    environment: &Section<'_>,
    environment_name: &Glob,
    behind: &[&Layer],
    above: &[Environment],
    schema: u32,
) -> Result<Vec<ModelBlock>, PolicyError> {
    let mut models: Vec<ModelBlock> = Vec::new();
    let table = format!("[[environment.model]] of `{environment_name}`");
    for section in environment.sections("model", MODELS_MAX, &table)?.unwrap_or_default() {
        let name: Glob = section.required("name", section.text("name")?)?;
        let section = section.named(format!("[[environment.model]] `{name}` of `{environment_name}`"));
        section.only(&keys_with(&["name"], ENVIRONMENT_ACTS))?;
        check_counts(&section, &name, models.iter().map(|earlier| &earlier.name))?;
        let suffix = format!(" of `{environment_name}`, model `{name}`");
        let names = TableNames { prefix: "environment.model.".into(), suffix, schema };
        let keys = read_layer(&section, ENVIRONMENT_ACTS, &names)?;
        let layers: Vec<&Layer> = std::iter::once(&keys).chain(behind.iter().copied()).collect();
        check_order(&section, &layers, above)?;
        models.push(ModelBlock { name, keys });
    }
    Ok(models)
}

fn keys_with(keys: &[&'static str], acts: &[Act]) -> Vec<&'static str> {
    keys.iter().copied().chain(acts.iter().map(|act| act.as_str())).collect()
}

/// A name or pattern of environments: their characters, and `*`.
struct EnvironmentGlob(Glob);

impl std::str::FromStr for EnvironmentGlob {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.len() > ENVIRONMENT_BYTES_MAX {
            return Err(format!("an environment name is at most {ENVIRONMENT_BYTES_MAX} bytes long"));
        }
        let letters = text.replace('*', "");
        if !letters.is_empty() || text.is_empty() {
            EnvironmentName::new(letters).map_err(|error| error.to_string())?;
        }
        Glob::new(text).map(Self).map_err(|error| error.to_string())
    }
}

/// A name below one that matches all that it matches would never count. (A pattern that matches
/// another's text matches whatever that one does, for `*` stands for its own character, too.)
fn check_counts<'a>(
    section: &Section<'_>,
    name: &Glob,
    mut above: impl Iterator<Item = &'a Glob>,
) -> Result<(), PolicyError> {
    match above.find(|earlier| earlier.matches(name.as_str())) {
        None => Ok(()),
        Some(earlier) => {
            let (name, earlier) = (name.to_string(), earlier.to_string());
            Err(section.fault_of("name", Fault::NeverCounts { name, earlier }))
        }
    }
}

/// What comes before stands above, whichever layer says it; and whoever says here how long a
/// version served, knows where.
fn check_order(section: &Section<'_>, layers: &[&Layer], above: &[Environment]) -> Result<(), PolicyError> {
    let promotion = promotion_of(layers);
    let stands_above = |after: &EnvironmentName| above.iter().any(|e| e.name.matches(after.as_str()));
    if let Some(after) = promotion.after.iter().find(|after| !stands_above(after)) {
        return Err(section.fault(Fault::AfterUnknown { after: after.to_string() }));
    }
    if promotion.after.is_empty() && layers[0].served_for_ms.is_some() {
        return Err(section.fault(Fault::ServedNowhere));
    }
    Ok(())
}

/// A `served_for` for all environments has one, at least, where it means something.
fn check_served_for_somewhere(
    root: &Section<'_>,
    general: &Layer,
    environments: &[Environment],
) -> Result<(), PolicyError> {
    let comes_after = |layer: &Layer| layer.after.as_ref().is_some_and(|after| !after.is_empty());
    let mut layers = environments.iter().flat_map(|environment| {
        environment.models.iter().map(|model| &model.keys).chain([&environment.keys])
    });
    if general.served_for_ms.is_none() || comes_after(general) || layers.any(comes_after) {
        return Ok(());
    }
    Err(root.fault_of("promote", Fault::ServedNowhere))
}

fn read_layer(section: &Section<'_>, acts: &[Act], names: &TableNames) -> Result<Layer, PolicyError> {
    let mut layer = Layer::default();
    for &act in acts {
        let Some(table) = section.section(act.as_str(), names.of(act.as_str()))? else { continue };
        match act {
            Act::Promote => read_promotion(&table, names, &mut layer)?,
            Act::Rollback => read_rollback(&table, names, &mut layer)?,
            _ => table.only(ACT_KEYS)?,
        }
        layer.acts.insert(act, read_act(&table)?);
    }
    Ok(layer)
}

fn read_act(table: &Section<'_>) -> Result<ActKeys, PolicyError> {
    Ok(ActKeys {
        approvals: table.number("approvals", 0, PEOPLE_MAX - 1)?,
        roles: read_roles(table, "approver_roles")?,
    })
}

/// A list of roles that is not empty.
fn read_roles(table: &Section<'_>, key: &'static str) -> Result<Option<Vec<Role>>, PolicyError> {
    let roles: Option<Vec<Role>> = table.texts(key, Role::ALL.len())?;
    match roles {
        Some(roles) if roles.is_empty() => Err(table.fault_of(key, Fault::Empty { key })),
        roles => Ok(roles),
    }
}

fn read_promotion(table: &Section<'_>, names: &TableNames, layer: &mut Layer) -> Result<(), PolicyError> {
    let git = if names.schema >= SCHEMA_OF_GIT { GIT_KEYS } else { &GIT_KEYS[..1] };
    table.only(&[PROMOTE_KEYS, git].concat())?;
    layer.after = table.texts("after", ENVIRONMENTS_MAX)?;
    layer.served_for_ms = table.span("served_for")?;
    layer.evaluations = read_evaluations(table, names)?;
    layer.promote_git = read_git_keys(table)?;
    Ok(())
}

fn read_git_keys(table: &Section<'_>) -> Result<GitKeys, PolicyError> {
    Ok(GitKeys {
        signed_tag: table.flag("signed_tag")?,
        signed_commit: table.flag("signed_commit")?,
        manifest: table.flag("manifest")?,
    })
}

fn read_evaluations(
    table: &Section<'_>,
    names: &TableNames,
) -> Result<Option<Vec<EvaluationNeed>>, PolicyError> {
    let place = format!("an evaluation in {}", names.of("promote"));
    let Some(sections) = table.sections("evaluations", EVALUATIONS_MAX, &place)? else { return Ok(None) };
    let mut needs: Vec<EvaluationNeed> = Vec::new();
    for section in sections {
        section.only(&["kind", "suite", "dataset", "max_age"])?;
        let need = EvaluationNeed {
            kind: section.required("kind", section.text("kind")?)?,
            suite: section.text("suite")?,
            dataset: section.text("dataset")?,
            max_age_ms: section.span("max_age")?,
        };
        if needs.iter().any(|earlier| earlier.names_the_same(&need)) {
            return Err(section.fault(Fault::Twice { key: "evaluations", item: need.to_string() }));
        }
        needs.push(need);
    }
    Ok(Some(needs))
}

fn read_rollback(table: &Section<'_>, names: &TableNames, layer: &mut Layer) -> Result<(), PolicyError> {
    let git = if names.schema >= SCHEMA_OF_GIT { GIT_KEYS } else { &[] };
    table.only(&[ROLLBACK_KEYS, git].concat())?;
    layer.rollback_git = read_git_keys(table)?;
    layer.target_ms = table.span("target")?;
    layer.incident = table.flag("incident")?;
    layer.drain = table.flag("drain")?;
    layer.shadow = table.flag("shadow")?;
    layer.break_glass = read_break_glass(table, names)?;
    Ok(())
}

fn read_break_glass(table: &Section<'_>, names: &TableNames) -> Result<Option<BreakGlassKey>, PolicyError> {
    if table.denies("break_glass") {
        return Ok(Some(BreakGlassKey::Nobody));
    }
    let Some(section) = table.section("break_glass", names.of("rollback.break_glass"))? else {
        return Ok(None);
    };
    section.only(&["roles", "ratify_within"])?;
    let roles = section.required("roles", read_roles(&section, "roles")?)?;
    let ratify_within_ms = section.required("ratify_within", section.span("ratify_within")?)?;
    Ok(Some(BreakGlassKey::Allowed(BreakGlass { roles, ratify_within_ms })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::model::EvaluationKind;
    use crate::event::text::Name;
    use crate::time::{DAY_MS, HOUR_MS};

    /// Every key that there is.
    const WHOLE: &str = r#"schema = 2

[administrators]
threshold = 2

[register]
approvals = 1
approver_roles = ["registrar", "approver"]

[rollback]
target = "10m"
incident = true

[[environment]]
name = "staging"

[[environment]]
name = "production-*"

[environment.promote]
approvals = 2
after = ["staging"]
served_for = "24h"
evaluations = [
  { kind = "regression", max_age = "90d" },
  { kind = "fairness", max_age = "30d", suite = "fairlearn", dataset = "loans-held-out" },
]
signed_tag = true

[environment.rollback]
target = "5m"
drain = true
shadow = true

[environment.rollback.break_glass]
roles = ["responder"]
ratify_within = "24h"

[environment.withdraw]
approvals = 1

[environment.complete]
[environment.drift]
[environment.incident]
[environment.evaluate]

[[environment.model]]
name = "credit-*"

[environment.model.promote]
approvals = 3
approver_roles = ["admin"]

[environment.model.rollback]
incident = false
break_glass = false
"#;

    fn read(text: &str) -> ReleasePolicy {
        ReleasePolicy::parse(text).expect("a policy")
    }

    fn environment(text: &str) -> EnvironmentName {
        EnvironmentName::new(text).expect("valid")
    }

    fn name(text: &str) -> Name {
        Name::new(text).expect("valid")
    }

    #[test]
    fn every_key_is_read() {
        let policy = read(WHOLE);
        let (production, other) = (environment("production-eu"), name("other"));
        let promotion = policy.promotion(&production, &other);
        assert_eq!(promotion.after, [environment("staging")]);
        assert_eq!(promotion.served_for_ms, 24 * HOUR_MS);
        assert!(promotion.git.signed_tag);
        let fairness = EvaluationNeed {
            kind: EvaluationKind::Fairness,
            suite: Some(name("fairlearn")),
            dataset: Some(name("loans-held-out")),
            max_age_ms: Some(30 * DAY_MS),
        };
        assert_eq!(promotion.evaluations.len(), 2);
        assert_eq!(promotion.evaluations[1], fairness);
        let rollback = policy.rollback(&production, &other);
        let break_glass = BreakGlass { roles: vec![Role::Responder], ratify_within_ms: 24 * HOUR_MS };
        assert_eq!(rollback.break_glass, Some(&break_glass));
        assert!(rollback.drain && rollback.shadow);
    }

    #[test]
    fn the_nearest_layer_counts_key_by_key() {
        let policy = read(WHOLE);
        let (production, staging) = (environment("production-eu"), environment("staging"));
        let (credit, other) = (name("credit-scorer"), name("other"));
        let people = |act, e: &EnvironmentName, m: &Name| policy.approvals(act, Some(e), Some(m)).people;
        assert_eq!(people(Act::Promote, &production, &credit), 4);
        assert_eq!(people(Act::Promote, &production, &other), 3);
        assert_eq!(people(Act::Promote, &staging, &credit), 1);
        assert_eq!(
            people(Act::Withdraw, &production, &credit),
            2,
            "the environment's: its model says nothing"
        );
        let roles = |m: &Name| policy.approvals(Act::Promote, Some(&production), Some(m)).roles;
        assert_eq!(roles(&credit), [Role::Admin]);
        assert_eq!(roles(&other), [Role::Approver]);
        let register = policy.approvals(Act::Register, None, Some(&credit));
        assert_eq!((register.people, register.roles), (2, &[Role::Registrar, Role::Approver][..]));
        let rollback = policy.rollback(&production, &other);
        assert_eq!(
            (rollback.target_ms, rollback.incident),
            (5 * 60_000, true),
            "the top level's, and the environment's"
        );
        let credit_rollback = policy.rollback(&production, &credit);
        assert_eq!((credit_rollback.incident, credit_rollback.break_glass), (false, None));
        assert_eq!(policy.rollback(&staging, &other).target_ms, 10 * 60_000);
    }

    /// What the policy with `rest` below its head is told.
    fn told(rest: &str) -> String {
        ReleasePolicy::parse(&format!("{HEAD}{rest}")).expect_err(rest).to_string()
    }

    const HEAD: &str = "schema = 2\n[administrators]\nthreshold = 1\n";
    const STAGING: &str = "schema = 2\n[administrators]\nthreshold = 1\n[[environment]]\nname = 'staging'\n";
    const PROMOTE: &str = "schema = 2\n[administrators]\nthreshold = 1\n[[environment]]\nname = 'staging'\n\
                           [environment.promote]\n";
    const ROLLBACK: &str = "schema = 2\n[administrators]\nthreshold = 1\n[[environment]]\nname = 'staging'\n\
                            [environment.rollback]\n";

    /// What stands above, what is said below, and how the answer begins.
    const FAULTS: &[(&str, &str, &str)] = &[
        (HEAD, "colour = 1", "line 4, [administrators]: unknown key `colour`: one of threshold is expected"),
        (HEAD, "[promot]", "line 4, at the top level: unknown key `promot`: did you mean `promote`?"),
        (HEAD, "[signers]\npromote = 1", "line 4, at the top level: unknown key `signers`: one of schema, "),
        (
            HEAD,
            "[note]\napprovals = 1\nafter = []",
            "line 6, [note]: unknown key `after`: one of approvals, ",
        ),
        (HEAD, "[[environment]]\nnames = 'a'", "line 4, [[environment]]: the key `name` is missing"),
        (HEAD, "[[environment]]\nname = 'A'", "line 5, [[environment]]: `name`: an environment name holds "),
        (HEAD, "[[environment]]\nname = ''", "line 5, [[environment]]: `name`: an environment name is empty"),
        (
            HEAD,
            "[environment]\nname = 'a'",
            "line 4, at the top level: `environment` is a list of tables, not table",
        ),
        (HEAD, "[register]\napprovals = 16", "line 5, [register]: `approvals` is 16: 0 to 15 are possible"),
        (HEAD, "[register]\napprovals = -1", "line 5, [register]: `approvals` is -1: 0 to 15 are possible"),
        (
            HEAD,
            "[register]\napprovals = '1'",
            "line 5, [register]: `approvals` is a whole number, not string",
        ),
        (
            HEAD,
            "[register]\napprover_roles = []",
            "line 5, [register]: `approver_roles` is empty: name at least",
        ),
        (
            HEAD,
            "[register]\napprover_roles = ['boss']",
            "line 5, [register]: `approver_roles`: `boss` is not a role: one of admin, ",
        ),
        (
            HEAD,
            "[register]\napprover_roles = ['admin', 'approver', 'admin']",
            "line 5, [register]: `admin` stands twice in `approver_roles`",
        ),
        (
            HEAD,
            "[register]\napprover_roles = 'admin'",
            "line 5, [register]: `approver_roles` is a list of texts, not ",
        ),
        (
            PROMOTE,
            "approvalls = 1",
            "line 7, [environment.promote] of `staging`: unknown key `approvalls`: did you mean `approvals`?",
        ),
        (
            PROMOTE,
            "signed_tag = 1",
            "line 7, [environment.promote] of `staging`: `signed_tag` is true or false, not ",
        ),
        (STAGING, "[environment.register]", "line 6, [[environment]] `staging`: unknown key `register`: "),
        (
            STAGING,
            "[[environment]]\nname = 'staging'",
            "line 7, [[environment]] `staging`: `staging` never counts: `staging` ",
        ),
        (
            STAGING,
            "[[environment]]\nname = 's*'\n[[environment]]\nname = 'sea*'",
            "line 9, [[environment]] `sea*`: `sea*` never counts: `s*` stands above it",
        ),
        (
            STAGING,
            "[[environment.model]]\nname = '*'\n[[environment.model]]\nname = 'a'",
            "line 9, [[environment.model]] `a` of `staging`: `a` never counts: `*` stands above it",
        ),
        (
            STAGING,
            "[[environment.model]]\npromote.approvals = 1",
            "line 6, [[environment.model]] of `staging`: the key `name` ",
        ),
        (
            STAGING,
            "[[environment.model]]\nname = 'a'\npromote.evaluation = []",
            "line 8, [environment.model.promote] of `staging`, model `a`: unknown key `evaluation`: did you mean `evaluations`?",
        ),
        (
            PROMOTE,
            "after = ['nowhere']",
            "line 4, [[environment]] `staging`: it comes after `nowhere`, which does not stand above",
        ),
        (
            PROMOTE,
            "after = ['staging']",
            "line 4, [[environment]] `staging`: it comes after `staging`, which does not stand above",
        ),
        (
            PROMOTE,
            "after = ['Staging']",
            "line 7, [environment.promote] of `staging`: `after`: an environment name holds",
        ),
        (PROMOTE, "served_for = '1d'", "line 4, [[environment]] `staging`: `served_for` needs `after`"),
        (HEAD, "[promote]\nserved_for = '1d'", "line 4, at the top level: `served_for` needs `after`"),
        (
            PROMOTE,
            "served_for = 24",
            "line 7, [environment.promote] of `staging`: `served_for` is a text such as `24h`, not ",
        ),
        (
            PROMOTE,
            "served_for = 'long'",
            "line 7, [environment.promote] of `staging`: `served_for` is `long`: a whole number",
        ),
        (
            ROLLBACK,
            "target = '0s'",
            "line 7, [environment.rollback] of `staging`: `target` is `0s`: more than nothing",
        ),
        (
            ROLLBACK,
            "target = '3651d'",
            "line 7, [environment.rollback] of `staging`: `target` is `3651d`: more than nothing",
        ),
        (
            PROMOTE,
            "evaluations = [{ suite = 'a' }]",
            "line 7, an evaluation in [environment.promote] of `staging`: the key `kind` ",
        ),
        (
            PROMOTE,
            "evaluations = [{ kind = 'vibes' }]",
            "line 7, an evaluation in [environment.promote] of `staging`: `kind`: `vibes` is ",
        ),
        (
            PROMOTE,
            "evaluations = [\n{ kind = 'judge' },\n{ kind = 'judge', max_age = '1d' }]",
            "line 9, an evaluation in [environment.promote] of `staging`: `judge` stands twice in `evaluations`",
        ),
        (
            ROLLBACK,
            "break_glass = true",
            "line 7, [environment.rollback] of `staging`: `break_glass` is a table, not boolean",
        ),
        (
            ROLLBACK,
            "break_glass = { ratify_within = '1d' }",
            "line 7, [environment.rollback.break_glass] of `staging`: the key `roles` is missing",
        ),
        (
            ROLLBACK,
            "break_glass = { roles = ['responder'] }",
            "line 7, [environment.rollback.break_glass] of `staging`: the key `ratify_within` is missing",
        ),
        (
            ROLLBACK,
            "break_glass = { roles = [], ratify_within = '1d' }",
            "line 7, [environment.rollback.break_glass] of `staging`: `roles` is empty",
        ),
        (HEAD, "[[environment]", "the policy cannot be read: TOML parse error at line 4"),
        ("schema = 2", "", "line 1, at the top level: the key `administrators` is missing"),
        (
            "schema = 2\n",
            "administrators.threshold = 17",
            "line 2, [administrators]: `threshold` is 17: 1 to 16 ",
        ),
    ];

    #[test]
    fn each_way_to_be_wrong_is_named_with_its_place() {
        for (above, rest, expected) in FAULTS {
            let told = ReleasePolicy::parse(&format!("{above}{rest}")).expect_err(rest).to_string();
            assert!(told.starts_with(expected), "{rest}\n{told}\n{expected}");
        }
    }

    #[test]
    fn counts_are_bounded() {
        let numbered = |table: &str, n: usize| {
            (0..n).map(|i| format!("[[{table}]]\nname = 'n{i}'\n")).collect::<Vec<_>>().concat()
        };
        assert!(ReleasePolicy::parse(&format!("{HEAD}{}", numbered("environment", 64))).is_ok());
        assert!(
            told(&numbered("environment", 65))
                .ends_with("65 stand under `environment`: at most 64 are possible")
        );
        let models = |n| format!("[[environment]]\nname = 'a'\n{}", numbered("environment.model", n));
        assert!(ReleasePolicy::parse(&format!("{HEAD}{}", models(64))).is_ok());
        assert!(told(&models(65)).ends_with("65 stand under `model`: at most 64 are possible"));
        let needs =
            (0..33).map(|i| format!("{{ kind = 'other', suite = 's{i}' }}")).collect::<Vec<_>>().join(", ");
        let needs = told(&format!("[promote]\nevaluations = [{needs}]"));
        assert!(needs.ends_with("33 stand under `evaluations`: at most 32 are possible"), "{needs}");
    }

    #[test]
    fn an_order_for_all_environments_can_be_left_out_by_the_first() {
        let text = "schema = 2\nadministrators.threshold = 1\n[promote]\nafter = ['dev']\nserved_for = '1h'\n\
                    [[environment]]\nname = 'dev'\npromote.after = []\n[[environment]]\nname = 'live'\n";
        let policy = read(text);
        assert_eq!(policy.promotion(&environment("live"), &name("m")).after, [environment("dev")]);
        assert!(ReleasePolicy::parse(&text.replace("promote.after = []", "")).is_err());
    }
}
