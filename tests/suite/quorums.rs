//! Witnesses, groups and quorum in a trust root: what a file may say, and when a quorum is met.

use ed25519_dalek::SigningKey;
use proptest::prelude::*;
use rollbook::event::text::Name;
use rollbook::hash::Hash;
use rollbook::log::quorum::{Cosignature, NO_QUORUM, WITNESSES_MAX};
use rollbook::log::trust_root::TrustRoot;
use rollbook::note::checkpoint::{Checkpoint, CheckpointNote, Origin, sign_checkpoint};
use rollbook::note::cosignature::cosign;
use rollbook::note::signed_note::Note;
use rollbook::note::vkey::{KeyKind, VerifierKey};
use rollbook::time::Timestamp;

const ORIGIN: &str = "example.com/log";

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn vkey(name: &str, kind: KeyKind, seed: u8) -> VerifierKey {
    VerifierKey::of_signing_key(name, kind, &key(seed)).unwrap()
}

fn at(minute: i64) -> Timestamp {
    Timestamp::from_millis(minute * 60_000).unwrap()
}

/// A trust root whose file ends like this. The log's key has seed 1.
fn file(rest: &str) -> String {
    let log = vkey(ORIGIN, KeyKind::Ed25519, 1);
    format!("origin = \"{ORIGIN}\"\nledger_id = \"{}\"\nlog_key = \"{log}\"\n{rest}", Hash::of(b"entry 0"))
}

fn read(rest: &str) -> TrustRoot {
    file(rest).parse().unwrap_or_else(|error| panic!("{error}: {rest}"))
}

/// The table of a witness; its key's own name is another one.
fn witness(name: &str, seed: u8) -> String {
    let key = vkey(&format!("{}.example.org", name.replace(' ', "")), KeyKind::CosignatureV1, seed);
    format!("[[witness]]\nname = \"{name}\"\nkey = \"{key}\"\n")
}

/// Witnesses `a` to `e`, whose keys have the seeds 11 to 15.
fn five() -> String {
    (11..).zip(["a", "b", "c", "d", "e"]).map(|(seed, name)| witness(name, seed)).collect()
}

fn group(name: &str, threshold: &str, members: &[&str]) -> String {
    format!("[[group]]\nname = {name:?}\nthreshold = {threshold}\nmembers = {members:?}\n")
}

/// A witness, its key's seed, and the minute at which it signs.
type Signed = (&'static str, u8, i64);

/// A checkpoint note of the log, cosigned by the witnesses of these seeds at these minutes.
fn cosigned(size: u64, by: &[Signed]) -> CheckpointNote {
    let checkpoint = Checkpoint::new(Origin::new(ORIGIN).unwrap(), size, Hash::of(b"root"));
    let mut note = Note::parse(&sign_checkpoint(&checkpoint, &[&key(1)]).unwrap()).unwrap();
    for &(name, seed, minute) in by {
        let line =
            cosign(&format!("{name}.example.org"), &key(seed), &checkpoint.text(), at(minute)).unwrap();
        note = note.with_signature(line).unwrap();
    }
    CheckpointNote::parse_unverified(&note.encode()).unwrap()
}

#[test]
fn when_a_quorum_is_met() {
    let signed: [Signed; 5] = [("a", 11, 10), ("b", 12, 20), ("c", 13, 30), ("d", 14, 40), ("e", 15, 50)];
    let by = |names: &str| -> Vec<Signed> {
        let of = |name: char| signed.into_iter().find(|signed| signed.0.starts_with(name)).unwrap();
        names.chars().map(of).collect()
    };
    let groups = [
        group("any-of-three", "\"any\"", &["a", "b", "c"]),
        group("x", "2", &["a", "b", "c"]),
        group("x", "\"all\"", &["a", "b", "c"]),
        // Two of three, and one of two: the example of C2SP tlog-policy.
        group("x", "2", &["a", "b", "c"])
            + &group("y", "\"any\"", &["d", "e"])
            + &group("both", "\"all\"", &["x", "y"]),
        // Groups may stand before their members.
        group("both", "1", &["x", "e"]) + &group("x", "2", &["a", "b"]),
    ];
    let [any, two, all, both, nested] = &groups;
    let rows: &[(&str, &str, &str, Option<i64>)] = &[
        ("a", "", "a", Some(10)),
        ("a", "", "b", None),
        ("a", "", "", None),
        ("any-of-three", any, "", None),
        ("any-of-three", any, "c", Some(30)),
        ("any-of-three", any, "cab", Some(10)),
        ("any-of-three", any, "de", None),
        ("x", two, "c", None),
        ("x", two, "cb", Some(30)),
        ("x", two, "cba", Some(20)),
        ("x", all, "ab", None),
        ("x", all, "cab", Some(30)),
        ("both", both, "abc", None),
        ("both", both, "ade", None),
        ("both", both, "abd", Some(40)),
        ("both", both, "aced", Some(40)),
        ("x", both, "ab", Some(20)),
        ("both", nested, "a", None),
        ("both", nested, "ab", Some(20)),
        ("both", nested, "abe", Some(20)),
        ("both", nested, "ae", Some(50)),
        (NO_QUORUM, two, "abc", None),
    ];
    for (quorum, groups, signers, met) in rows {
        let trust = read(&format!("quorum = \"{quorum}\"\n{}{groups}", five()));
        let cosignatures = trust.witnesses().cosignatures(&cosigned(7, &by(signers))).unwrap();
        assert_eq!(cosignatures.len(), signers.len(), "{quorum} by {signers}");
        let found = trust.witnesses().met_by(&cosignatures);
        assert_eq!(found.map(|quorum| quorum.time), met.map(at), "{quorum} by {signers}");
    }
    let none = read(&(five() + two));
    assert_eq!((none.witnesses().quorum(), none.witnesses().met_by(&[])), (None, None));
}

#[test]
fn a_witness_that_signs_again_tells_both_times() {
    let trust = read(&format!("quorum = \"x\"\n{}{}", five(), group("x", "2", &["a", "b", "c"])));
    let note = cosigned(7, &[("a", 11, 30), ("b", 12, 20), ("a", 11, 10), ("a", 11, 40)]);
    let found = trust.witnesses().cosignatures(&note).unwrap();
    let times: Vec<_> =
        found.iter().map(|signed| (signed.name.as_str(), signed.time, signed.seen_at)).collect();
    assert_eq!(times, [("a", at(10), at(40)), ("b", at(20), at(20))]);
    let met = trust.witnesses().met_by(&found).unwrap();
    assert_eq!((met.time, met.seen_at), (at(20), at(40)));

    // What is kept: of each witness the earliest line and the latest.
    let own = cosigned(7, &[]);
    let other_text = cosigned(8, &[("c", 13, 1)]);
    let merged = trust.witnesses().merge(&own, &[&note, &other_text, &note]).unwrap();
    assert_eq!(merged.signatures().len(), 4, "{merged}");
    let merged = CheckpointNote::parse_unverified(&merged.encode()).unwrap();
    assert_eq!(trust.witnesses().cosignatures(&merged), Ok(found));
}

#[test]
fn a_line_of_a_witness_that_fails_refuses_the_note() {
    let trust = read(&five());
    let good = cosigned(7, &[("a", 11, 10)]);
    let foreign = cosigned(8, &[("b", 12, 10)]).note().signatures()[1].clone();
    let with_foreign = good.note().clone().with_signature(foreign).unwrap();
    let note = CheckpointNote::parse_unverified(&with_foreign.encode()).unwrap();
    let error = trust.witnesses().cosignatures(&note).unwrap_err();
    assert_eq!(error.to_string(), "the cosignature by `b.example.org` does not verify");
    // To whoever does not know that witness, the line is nobody's.
    let knowing_a = read(&witness("a", 11));
    assert_eq!(knowing_a.witnesses().cosignatures(&note).unwrap().len(), 1);
    // Neither is a log's signature under a witness's name one, nor a cosignature by another key of that name.
    let strangers = cosigned(7, &[("a", 66, 10)]);
    assert_eq!(trust.witnesses().cosignatures(&strangers), Ok(Vec::<Cosignature>::new()));
}

#[test]
fn each_way_to_be_wrong_is_named() {
    let many = |what: fn(usize) -> String| (0..=WITNESSES_MAX).map(what).collect::<String>();
    let log_as_witness = format!(
        "[[witness]]\nname = \"w\"\nkey = \"{}\"\n",
        vkey("w.example.org", KeyKind::CosignatureV1, 1)
    );
    let latest_as_witness =
        format!("latest_log_key = \"{}\"\n{}", vkey(ORIGIN, KeyKind::Ed25519, 11), witness("a", 11));
    let log_kind = format!("[[witness]]\nname = \"w\"\nkey = \"{}\"\n", vkey("w", KeyKind::Ed25519, 11));
    let rows = [
        (witness("a", 11) + &witness("a", 12), "`a` is the name of two witnesses or groups"),
        (witness("a", 11) + &group("a", "1", &["a"]), "`a` is the name of two witnesses or groups"),
        (witness("a", 11) + &witness("b", 11), "the witnesses `a` and `b` have the same key"),
        (log_as_witness, "the key of the witness `w` is the log's own"),
        (latest_as_witness, "the key of the witness `a` is the log's own"),
        (log_kind, "the key of the witness `w` is a log's (type 0x01)"),
        (
            "[[witness]]\nname = \"w\"\nkey = \"w+1+x\"\n".into(),
            "the key of the witness `w`: `1` is not a key ID",
        ),
        (witness("none", 11), "`none` means no quorum"),
        (witness("a b", 11), "`a b` is no name for a witness or group"),
        (witness("a", 11).replace("\"a\"", "\"\""), "`` is no name for a witness or group"),
        (witness("a", 11).replace("\"a\"", &format!("\"{}\"", "x".repeat(257))), "257 bytes"),
        (five() + &group("x", "4", &["a", "b", "c"]), "the group `x` asks for 4 of its 3 members"),
        (five() + &group("x", "0", &["a"]), "the threshold of the group `x` is `0`"),
        (five() + &group("x", "-1", &["a"]), "the threshold of the group `x` is `0`"),
        (five() + &group("x", "\"most\"", &["a"]), "the threshold of the group `x` is `\"most\"`"),
        (five() + &group("x", "1.5", &["a"]), "the threshold of the group `x` is `1.5`"),
        (five() + &group("x", "\"any\"", &[]), "the group `x` has no members"),
        (five() + &group("x", "1", &["a", "a"]), "`a` is a member twice"),
        (five() + &group("x", "1", &["a"]) + &group("y", "1", &["a"]), "`a` is a member twice"),
        (five() + &group("x", "1", &["f"]), "`f`, in the members of `x`, is the name of no witness or group"),
        (five() + &group("x", "1", &["none"]), "`none`, in the members of `x`, is the name of no witness"),
        (five() + &group("x", "1", &["x"]), "the group `x` holds itself, through its members"),
        (
            five() + &group("x", "1", &["y", "a"]) + &group("y", "1", &["x"]),
            "the group `x` holds itself, through its members",
        ),
        (format!("quorum = \"f\"\n{}", five()), "`f`, in `quorum`, is the name of no witness or group"),
        ("quorum = \"a\"\n".into(), "`a`, in `quorum`, is the name of no witness or group"),
        (five() + "url = \"x\"\n", "url"),
        (five() + &group("x", "1", &["a"]) + "k = 1\n", "`k`"),
        ("quorum = 1\n".into(), "invalid type"),
        (
            many(|number| witness(&format!("w{number}"), u8::try_from(number + 2).unwrap())),
            "65 witnesses are too many",
        ),
        (
            witness("a", 11) + &many(|number| group(&format!("g{number}"), "1", &["a"])),
            "65 groups are too many",
        ),
    ];
    for (rest, told) in rows {
        let error = file(&rest).parse::<TrustRoot>().unwrap_err().to_string();
        assert!(error.contains(told), "{told}: {error}: {rest}");
    }
    assert!(file("").parse::<TrustRoot>().unwrap().witnesses().is_empty());
}

#[test]
fn the_policy_for_other_tools_is_the_specified_one() {
    let rest = format!(
        "latest_log_key = \"{}\"\nquorum = \"both\"\n{}{}{}{}",
        vkey(ORIGIN, KeyKind::Ed25519, 2),
        witness("a", 11),
        witness("b", 12),
        group("both", "\"all\"", &["x", "a"]),
        group("x", "1", &["b"]),
    );
    let trust = read(&rest);
    let of = |name: &str, seed| vkey(&format!("{name}.example.org"), KeyKind::CosignatureV1, seed);
    let lines = [
        format!("log {}", vkey(ORIGIN, KeyKind::Ed25519, 1)),
        format!("log {}", vkey(ORIGIN, KeyKind::Ed25519, 2)),
        format!("witness a {}", of("a", 11)),
        format!("witness b {}", of("b", 12)),
        "group x 1 b".to_owned(),
        "group both all x a".to_owned(),
        "quorum both".to_owned(),
    ];
    assert_eq!(trust.to_tlog_policy().lines().collect::<Vec<_>>(), lines);
    assert_eq!(
        read("").to_tlog_policy(),
        format!("log {}\nquorum none\n", vkey(ORIGIN, KeyKind::Ed25519, 1))
    );
}

/// Witnesses and groups that fit: each member once, a threshold that can be met.
fn fitting() -> impl Strategy<Value = String> {
    let plan = (0usize..3, prop::collection::vec(any::<prop::sample::Index>(), 1..4));
    (1u8..8, prop::collection::vec(plan, 0..5), any::<prop::sample::Index>()).prop_map(
        |(count, groups, quorum)| {
            let mut free: Vec<String> = (0..count).map(|number| format!("w{number}")).collect();
            let mut names = free.clone();
            let mut tables: String =
                (0..count).map(|number| witness(&format!("w{number}"), 20 + number)).collect();
            for (number, (kind, picks)) in groups.into_iter().enumerate() {
                let members: Vec<String> = picks
                    .iter()
                    .map_while(|pick| (!free.is_empty()).then(|| free.remove(pick.index(free.len()))))
                    .collect();
                if members.is_empty() {
                    break;
                }
                let threshold = ["\"any\"".to_owned(), "\"all\"".to_owned(), members.len().to_string()];
                // A name may have quotes.
                let name = format!("g\"{number}");
                let members: Vec<&str> = members.iter().map(String::as_str).collect();
                tables += &group(&name, &threshold[kind], &members);
                free.push(name.clone());
                names.push(name);
            }
            let quorum = &names[quorum.index(names.len())];
            format!("quorum = {quorum:?}\n{tables}")
        },
    )
}

/// When a name of a tlog-policy has cosigned, by the definition: k of the members have, at the k-th earliest of their
/// times.
fn naive(policy: &str, name: &str, signed: &[(String, i64)]) -> Option<i64> {
    let of_name = |line: &&str| line.split(' ').nth(1) == Some(name);
    let line = policy.lines().find(of_name).unwrap();
    let words: Vec<&str> = line.split(' ').collect();
    if words[0] == "witness" {
        return signed.iter().find(|(witness, _)| witness == name).map(|(_, minute)| *minute);
    }
    let members = &words[3..];
    let mut times: Vec<i64> = members.iter().filter_map(|member| naive(policy, member, signed)).collect();
    times.sort_unstable();
    let needed = match words[2] {
        "any" => 1,
        "all" => members.len(),
        count => count.parse().unwrap(),
    };
    times.get(needed - 1).copied()
}

proptest! {
    #[test]
    fn a_quorum_is_met_as_the_policy_for_other_tools_says(
        rest in fitting(),
        minutes in prop::collection::vec(prop::option::of(0i64..9), 8),
    ) {
        let trust = read(&rest);
        let policy = trust.to_tlog_policy();
        let names = trust.witnesses().witnesses().iter().map(|witness| witness.name().to_string());
        let signed: Vec<(String, i64)> =
            names.zip(&minutes).filter_map(|(name, minute)| Some((name, (*minute)?))).collect();
        let cosignatures: Vec<Cosignature> = signed
            .iter()
            .map(|(name, minute)| Cosignature {
                name: Name::new(name.clone()).unwrap(),
                time: at(*minute),
                seen_at: at(*minute),
            })
            .collect();
        let quorum = trust.witnesses().quorum().unwrap().as_str();
        let last_line = format!("quorum {quorum}\n");
        prop_assert!(policy.ends_with(&last_line));
        let met = trust.witnesses().met_by(&cosignatures);
        prop_assert_eq!(met.map(|met| met.time), naive(&policy, quorum, &signed).map(at));
    }

    #[test]
    fn what_is_written_reads_back(rest in fitting()) {
        let trust = read(&rest);
        prop_assert!(trust.witnesses().quorum().is_some());
        let again: TrustRoot = trust.to_toml().parse().unwrap();
        prop_assert_eq!(&again, &trust);
        prop_assert_eq!(again.to_toml(), trust.to_toml());
        prop_assert_eq!(again.to_tlog_policy(), trust.to_tlog_policy());
    }

    #[test]
    fn arbitrary_tables_never_panic(
        rest in "((quorum|name|key|threshold|members|\\[\\[witness\\]\\]|\\[\\[group\\]\\]) ?(= ?(\"[a-c+ ]{0,3}\"|-?[0-9]{1,20}|\\[(\"[a-c]\",?){0,3}\\]))?\n){0,9}",
        known in any::<bool>(),
    ) {
        let text = file(&if known { format!("{}{rest}", five()) } else { rest });
        if let Ok(trust) = text.parse::<TrustRoot>() {
            prop_assert_eq!(trust.to_toml().parse::<TrustRoot>(), Ok(trust));
        }
    }
}
