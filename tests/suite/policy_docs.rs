//! docs/policy.md against the program: its blocks are read, its whole policies are the files beside it, and their
//! people can fulfil them.

use rollbook::event::authority::{Role, Scope};
use rollbook::event::glob::Glob;
use rollbook::event::list::Ascending;
use rollbook::event::text::Name;
use rollbook::lifecycle::policy::ReleasePolicy;
use rollbook::lifecycle::policy::fitness::misfits;
use rollbook::lifecycle::state::{Grant, Holder};
use rollbook::signing::key_file::SecretKey;
use rollbook::signing::public_key::PublicKey;
use rollbook::time::Timestamp;

const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs");
const WHOLE: [&str; 3] = ["small-team", "regulated-bank", "federal"];

fn read(name: &str) -> String {
    std::fs::read_to_string(format!("{DOCS}/{name}")).unwrap()
}

/// The TOML blocks of a text.
fn blocks(text: &str) -> Vec<&str> {
    text.split("```toml\n").skip(1).map(|rest| rest.split_once("```").unwrap().0).collect()
}

/// The block and the table below the mark that names a policy.
fn whole(doc: &str, name: &str) -> (String, Vec<(PublicKey, Holder)>) {
    let (_, below) = doc.split_once(&format!("<!-- {name}.toml -->\n")).unwrap();
    let rows = below.lines().skip_while(|line| !line.starts_with("| person")).skip(2);
    let rows = rows.take_while(|line| line.starts_with('|'));
    (blocks(below)[0].to_owned(), (1..).zip(rows).map(|(number, row)| holder(number, row)).collect())
}

/// `| person | roles | environments | models |`
fn holder(number: u8, row: &str) -> (PublicKey, Holder) {
    let cells: Vec<_> = row.split('|').map(|cell| cell.replace('`', "").trim().to_owned()).collect();
    let globs = |cell: &str| {
        Ascending::sort(cell.split(", ").map(|glob| Glob::new(glob).unwrap()).collect()).unwrap()
    };
    let roles: Vec<Role> = cells[2].split(", ").map(|role| role.parse().unwrap()).collect();
    let scope = Some(Scope { environments: globs(&cells[3]), models: globs(&cells[4]) });
    let grant = Grant { entry: 1, roles, scope, valid_from: None, valid_until: None };
    let key = SecretKey::from_seed(&[number; 32]).public_key();
    (key, Holder { person: Name::new(cells[1].as_str()).unwrap(), grants: vec![grant], revoked: None })
}

#[test]
fn every_block_of_the_policy_docs_is_read() {
    let doc = read("policy.md");
    assert!(blocks(&doc).len() > 6);
    for block in blocks(&doc) {
        let head = "schema = 3\nadministrators.threshold = 1\n";
        let above = "[[environment]]\nname = 'staging'\n[[environment]]\nname = 'production'\n";
        let text = match block {
            whole if whole.contains("schema = ") => whole.to_owned(),
            part if part.starts_with("[environment.") => format!("{head}{above}{part}"),
            part => format!("{head}{part}"),
        };
        ReleasePolicy::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    }
}

#[test]
fn whole_policies_are_the_files_and_fit_their_people() {
    let doc = read("policy.md");
    let models = ["credit-scorer", "ranker"].map(|model| Name::new(model).unwrap());
    for name in WHOLE {
        let (block, staff) = whole(&doc, name);
        assert_eq!(block, read(&format!("policies/{name}.toml")), "{name}");
        let policy = ReleasePolicy::parse(&block).unwrap();
        let at = Timestamp::EPOCH;
        for models in [&models[..], &[]] {
            let holders = staff.iter().map(|(key, holder)| (key, holder));
            let told: Vec<_> =
                misfits(&policy, holders, models, at).iter().map(ToString::to_string).collect();
            assert_eq!(told, [""; 0], "{name}");
        }
        for (index, (_, gone)) in
            staff.iter().enumerate().filter(|(_, (_, gone))| gone.grants[0].roles[0] != Role::Admin)
        {
            let others = staff.iter().enumerate().filter(|(other, _)| *other != index);
            let holders = others.map(|(_, (key, holder))| (key, holder));
            let left = misfits(&policy, holders, &models, at).len();
            let spared = matches!(gone.person.as_str(), "cleo" | "eva" | "emil");
            assert!(left > 0 || spared, "{name} can do without {}: the table names too many", gone.person);
        }
    }
}

#[test]
fn the_policy_docs_name_every_key() {
    let doc = read("policy.md");
    for key in [
        "threshold",
        "approvals",
        "approver_roles",
        "name",
        "model",
        "after",
        "served_for",
        "evaluations",
        "kind",
        "suite",
        "dataset",
        "max_age",
        "signed_tag",
        "signed_commit",
        "manifest",
        "allowed_signers",
        "repository",
        "target",
        "incident",
        "drain",
        "shadow",
        "break_glass",
        "roles",
        "ratify_within",
    ] {
        assert!(doc.contains(&format!("`{key}`")), "{key}");
    }
}
