//! The picture of a timeline and the page around it: what stands where, and that no name steers it.

use rollbook::event::body::Body;
use rollbook::event::text::Name;
use rollbook::time::{HOUR_MS, SECOND_MS};
use rollbook::timeline::chronicle::{Chronicle, Doubt, VerdictTold};
use rollbook::timeline::layout::{LANES_MAX, Picture, WIDTH};
use rollbook::timeline::zone::Zone;
use rollbook::timeline::{html, svg};

use super::support::chronicle::{Story, nine_days};
use super::support::events::{note, text};

fn picture(chronicle: &Chronicle) -> Picture {
    let picture = Picture::of(chronicle, &Zone::utc());
    stands_free(&picture);
    picture
}

/// Nothing stands on another thing, nor outside the picture.
fn stands_free(picture: &Picture) {
    for pair in picture.lanes.windows(2) {
        assert!(pair[0].top + pair[0].height <= pair[1].top, "{} on {}", pair[0].title, pair[1].title);
    }
    for lane in &picture.lanes {
        let bottom = lane.top + lane.height;
        assert!(bottom <= picture.plot.bottom, "{}", lane.title);
        assert!(
            lane.labels_top >= lane.top
                && lane.marks_top >= lane.labels_top
                && lane.bars_top >= lane.marks_top
        );
        for pair in lane.bars.windows(2) {
            assert!(pair[0].end <= pair[1].x + 0.001, "bars of {}: {pair:?}", lane.title);
        }
        assert!(lane.bars.iter().all(|bar| bar.x <= bar.end && bar.end <= picture.plot.right + 4.0));
        for (at, mark) in lane.marks.iter().enumerate() {
            let others = lane.marks[at + 1..].iter().filter(|other| other.row == mark.row);
            assert!(others.clone().all(|other| (other.x - mark.x).abs() >= 20.0), "{}: {mark:?}", lane.title);
        }
    }
    assert!(picture.legend.iter().all(|item| item.x < WIDTH && item.y < picture.height));
}

#[test]
fn a_story_of_nine_days_has_a_lane_for_each_place_and_folds_the_quiet() {
    let chronicle = nine_days();
    let picture = picture(&chronicle);
    let lanes: Vec<&str> = picture.lanes.iter().map(|lane| lane.title.as_str()).collect();
    assert_eq!(
        lanes,
        [
            "Infra commits",
            "Models",
            "production / credit/scorer",
            "production / search/ranker",
            "staging / credit/scorer",
            "staging / search/ranker",
            "Ledger",
        ]
    );
    let folds: Vec<&str> = picture.folds.iter().map(|fold| fold.label.as_str()).collect();
    assert_eq!(folds, ["3d", "4d"]);
    let scorer = &picture.lanes[2];
    let versions: Vec<_> = scorer.bars.iter().map(|bar| (bar.letter.as_deref(), bar.is_open)).collect();
    assert_eq!(
        versions,
        [(Some("A"), false), (Some("C"), false), (Some("A"), true)],
        "one digest, one letter"
    );
    assert_eq!(scorer.bands.len(), 1);
    let told = scorer.bands[0].label.as_ref().unwrap();
    assert_eq!(told.text, "INC-2026-031 · recovered in 4m 32s, target 5m, break-glass");
    let late = &picture.lanes[3].bands[0];
    assert!(late.is_late && late.title.contains("recovered in 7m 10s, late: target 5m"), "{late:?}");
    assert_eq!(picture.doubts.len(), 1);
    let promoted = scorer.marks.iter().find(|mark| mark.title.contains("promoted")).unwrap();
    assert!(promoted.title.contains("by Dana Deployer, approved by Ada, Otto"), "{}", promoted.title);
}

#[test]
fn nothing_and_one_instant_are_drawn() {
    let nothing = picture(&Story::new().told());
    assert_eq!((nothing.lanes.len(), nothing.folds.len()), (0, 0));
    assert!(svg::render(&Story::new().told(), &Zone::utc()).contains("Nothing that was asked for"));
    let mut story = Story::new();
    for _ in 0..9 {
        story.promote("production", "m/one", "1");
    }
    let instant = picture(&story.told());
    let marks = &instant.lanes[1].marks;
    assert_eq!(marks.iter().map(|mark| mark.count).sum::<usize>(), 9);
    assert_eq!(
        marks.iter().map(|mark| mark.row).collect::<Vec<_>>(),
        [0, 1, 2],
        "three rows, the last counts"
    );
}

#[test]
fn thousands_of_entries_are_some_hundreds_of_marks() {
    let mut story = Story::new();
    for round in 0..3000_i64 {
        story.promote("production", &format!("m/{}", round % 20), &format!("{round}"));
        story.wait(SECOND_MS * (1 + round * 7919 % 600));
    }
    let chronicle = story.told();
    let picture = picture(&chronicle);
    let places = picture.lanes.iter().filter(|lane| !lane.below.is_empty()).count();
    assert_eq!(places, LANES_MAX);
    let marks: usize = picture.lanes.iter().map(|lane| lane.marks.len()).sum();
    assert!((100..800).contains(&marks), "{marks}");
    let told = picture.notes.iter().any(|note| note.text.contains("8 more lanes"));
    assert!(told, "{:?}", picture.notes);
    assert!(svg::render(&chronicle, &Zone::utc()).len() < 2 << 20);
}

#[test]
fn what_is_not_known_reaches_to_the_edge() {
    let mut chronicle = nine_days();
    let doubt = Doubt { since: None, until: None, ..chronicle.doubts[0].clone() };
    chronicle.doubts = vec![doubt];
    let picture = picture(&chronicle);
    let (x, end) = (picture.doubts[0].x, picture.doubts[0].end);
    assert!(x <= picture.plot.left && end >= picture.plot.right, "{x} to {end}");
}

#[test]
fn the_same_chronicle_gives_the_same_bytes() {
    let zone = Zone::parse("Asia/Kolkata").unwrap();
    assert_eq!(svg::render(&nine_days(), &zone), svg::render(&nine_days(), &zone));
    assert_eq!(html::render(&nine_days(), &zone), html::render(&nine_days(), &zone));
}

#[test]
fn the_page_says_what_it_rests_on() {
    let mut chronicle = nine_days();
    for (word, is_good, told) in [
        ("", false, "not verified"),
        ("sound", true, "sound"),
        ("sound", false, "sound, but not anchored"),
        ("violation", false, "VIOLATION"),
        ("tampered", false, "TAMPERED"),
        ("cannot_tell", false, "cannot tell"),
    ] {
        let verdict = VerdictTold {
            word,
            is_good,
            line: "as the verifier said".to_owned(),
            resumed_from: None,
            held: None,
            judged_up_to: 9,
        };
        chronicle.basis.verdict = Some(verdict).filter(|_| !word.is_empty());
        let page = html::render(&chronicle, &Zone::utc());
        assert!(page.contains(&format!(">{told}</span>")), "{told}");
    }
    let page = html::render(&chronicle, &Zone::utc());
    for told in [
        "id=\"entry-12\"",
        "href=\"#entry-12\"",
        "4m 32s, target 5m",
        "7m 10s, late: target 5m",
        "tlog-proof@v1",
        "UTC",
    ] {
        assert!(page.contains(told), "{told}");
    }
}

/// Names and texts that try to be more than text.
const HOSTILE: [&str; 9] = [
    "</title></text></svg><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\"'><b>&amp;&lt;&#60;",
    "]]><!--<![CDATA[",
    "javascript:alert(1)//",
    "=HYPERLINK(\"http://x\")",
    "\u{fffe}\u{feff}\u{ffff}",
    "نموذج التصنيف التجريبي",
    "模型名称-評価モデル",
];

/// A story in which every name is one of those.
pub(crate) fn hostile() -> Chronicle {
    let mut story = Story::new();
    let long = "W".repeat(250);
    for evil in HOSTILE.into_iter().chain([long.as_str()]) {
        story.wait(HOUR_MS);
        story.make(evil, evil);
        story.promote("production", evil, evil);
        story.wait(HOUR_MS);
        story.trouble(evil, "production", evil, (evil, evil), 90 * SECOND_MS);
        let mut remark = note(0);
        remark.text = text(&format!("{evil}\n{}", evil.repeat(7900 / evil.len() - 1)));
        story.write(evil, &[], Body::NoteAdded(remark.into()));
    }
    let mut chronicle = story.told();
    chronicle.origin = Some(Name::new(HOSTILE[0]).unwrap());
    chronicle.incidents[0].summary = Some(text("a\u{202e}b\n<script>"));
    chronicle.doubts.push(Doubt {
        from_index: 3,
        until_index: None,
        since: None,
        until: None,
        code: HOSTILE[1].to_owned(),
        message: HOSTILE[0].to_owned(),
    });
    chronicle
}

/// Every tag's name in a document, once; panics where `<` or `&` begins nothing that a renderer of ours writes.
fn tags(document: &str) -> std::collections::BTreeSet<String> {
    let mut tags = std::collections::BTreeSet::new();
    let body = without_own_texts(document);
    for (_, after) in body.match_indices('<').map(|(at, _)| body.split_at(at + 1)) {
        let name: String = after.chars().take_while(char::is_ascii_alphanumeric).collect();
        if name.is_empty() {
            assert!(
                after.starts_with(['/', '!', '?']),
                "a bare `<` before {:?}",
                after.chars().take(40).collect::<String>()
            );
        } else {
            tags.insert(name);
        }
    }
    for (_, after) in body.match_indices('&').map(|(at, _)| body.split_at(at + 1)) {
        let is_known = ["amp;", "lt;", "gt;", "quot;"].iter().any(|entity| after.starts_with(entity));
        assert!(is_known, "a bare `&` before {:?}", after.chars().take(40).collect::<String>());
    }
    tags
}

/// A document without what stands in its style and script, which are ours.
fn without_own_texts(document: &str) -> String {
    let mut body = document.to_owned();
    for (open, close) in [("<style>", "</style>"), ("<script>", "</script>")] {
        while let Some(from) = body.find(open) {
            let until = body[from..].find(close).expect("what is opened is closed");
            body.replace_range(from..from + until + close.len(), "");
        }
    }
    body
}

#[test]
fn no_name_becomes_markup() {
    let (plain, evil) = (nine_days(), hostile());
    picture(&evil);
    let zone = Zone::utc();
    let (evil_svg, evil_page) = (svg::render(&evil, &zone), html::render(&evil, &zone));
    // No more kinds of tags than in a harmless one, but for what a harmless one has no occasion for.
    let allowed = |plain: &str, evil: &str| {
        let (plain, evil) = (tags(plain), tags(evil));
        evil.difference(&plain).cloned().collect::<Vec<_>>()
    };
    assert_eq!(allowed(&svg::render(&plain, &zone), &evil_svg), Vec::<String>::new());
    assert_eq!(allowed(&html::render(&plain, &zone), &evil_page), Vec::<String>::new());
    assert_eq!(evil_page.matches("<script>").count(), 1);
    assert!(!evil_svg.contains("<script"));
    for document in [&evil_svg, &evil_page] {
        for c in ['\u{202e}', '\u{fffe}', '\u{ffff}', '\0'] {
            assert!(!document.contains(c), "{c:?}");
        }
    }
    assert!(evil_svg.contains("模型名称"));
}
