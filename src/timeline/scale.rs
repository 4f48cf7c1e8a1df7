//! Where times stand in a picture: linear, but that wide gaps are folded and the shortest steps widened.
//!
//! Days of quiet between minutes of work would leave the work no room. A gap that is far wider than the typical one is
//! given a small fixed width, and marked; a step that would be too short to see is given a few pixels. What comes later
//! never stands further left.

use crate::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Timestamp};

use super::zone::Zone;

/// How wide a folded gap is, in pixels: room for its zigzag and its length in words.
pub const FOLD_PX: f64 = 46.0;
/// A gap is folded where it is this many times as long as the median one, …
const FOLD_TIMES_MEDIAN: i64 = 6;
/// … and would take more than one part in this many of what is not folded: less is not worth a mark.
const FOLD_SHARE: i64 = 9;
/// More folds than this would leave the picture to them.
const FOLDS_MAX: usize = 8;
/// A step between two moments has this many pixels, where they can be spared: half a diamond.
const STEP_PX: f64 = 14.0;
/// What happens within this time is one moment to a picture that spans more than ten minutes.
const MOMENT_MS: i64 = 10 * SECOND_MS;
/// How far apart the labels of ticks begin: no label is wider.
const LABEL_PX: f64 = 84.0;

/// Where times stand.
#[derive(Debug, Clone, PartialEq)]
pub struct Scale {
    /// Times in milliseconds and where they stand: both ascend. At least one.
    points: Vec<(i64, f64)>,
    folds: Vec<Fold>,
}

/// A gap that is folded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fold {
    /// Where it begins; it is [`FOLD_PX`] wide.
    pub x: f64,
    /// The last moment before it.
    pub since: Timestamp,
    /// The first behind it.
    pub until: Timestamp,
}

/// A mark on the axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Tick {
    /// Where.
    pub x: f64,
    /// The time of day.
    pub time: String,
    /// The date, where it is another than that of the tick before.
    pub date: Option<String>,
}

impl Scale {
    /// A scale on which all of `times` stand between `left` and `right`, the first and last at the ends; a single one
    /// stands left.
    #[must_use]
    pub fn new(times: impl IntoIterator<Item = Timestamp>, left: f64, right: f64) -> Self {
        let moments = moments(times.into_iter().map(Timestamp::as_millis).collect());
        let gaps: Vec<i64> = moments.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let folded = folded(&gaps);
        let widths = widths(&gaps, &folded, right - left);
        let mut points = vec![(moments.first().copied().unwrap_or_default(), left)];
        let mut folds = Vec::new();
        let mut x = left;
        for (index, width) in widths.into_iter().enumerate() {
            if folded[index] {
                folds.push(Fold { x, since: at(moments[index]), until: at(moments[index + 1]) });
            }
            x = (x + width).min(right);
            points.push((moments[index + 1], x));
        }
        Self { points, folds }
    }

    /// Where a time stands; what is outside stands at the nearer end.
    #[must_use]
    pub fn x(&self, time: Timestamp) -> f64 {
        let ms = time.as_millis();
        let behind = self.points.partition_point(|(at, _)| *at <= ms);
        match (behind.checked_sub(1).and_then(|before| self.points.get(before)), self.points.get(behind)) {
            (Some((_, x)), None) | (None, Some((_, x))) => *x,
            (Some((from, left)), Some((to, right))) => {
                left + (right - left) * ((ms - from) as f64 / (to - from) as f64)
            }
            (None, None) => 0.0,
        }
    }

    /// The gaps that are folded, from the left.
    #[must_use]
    pub fn folds(&self) -> &[Fold] {
        &self.folds
    }

    /// Marks at round times of the zone, and at the beginning of what follows a fold. Labels that begin where they
    /// stand do not touch.
    #[must_use]
    pub fn ticks(&self, zone: &Zone) -> Vec<Tick> {
        let end = self.points.last().map_or(0.0, |(_, x)| *x);
        let mut ticks: Vec<Tick> = Vec::new();
        let mut date_before = String::new();
        for (since, until) in self.stretches() {
            let step_ms = step(until.since_ms(since), self.x(until) - self.x(since));
            let shape = match step_ms {
                ..SECOND_MS => "%H:%M:%S%.3f",
                SECOND_MS..MINUTE_MS => "%H:%M:%S",
                _ => "%H:%M",
            };
            for time in round_times(since, until, step_ms, zone) {
                let x = self.x(time);
                let has_room = ticks.last().is_none_or(|tick| x - tick.x >= LABEL_PX);
                if !has_room || (x + LABEL_PX > end && !ticks.is_empty()) {
                    continue;
                }
                let date = zone.shown(time, "%Y-%m-%d");
                let is_new = date != date_before;
                ticks.push(Tick { x, time: zone.shown(time, shape), date: is_new.then(|| date.clone()) });
                date_before = date;
            }
        }
        ticks
    }

    /// What lies between the folds.
    fn stretches(&self) -> Vec<(Timestamp, Timestamp)> {
        let mut since = self.points.first().map_or(Timestamp::EPOCH, |(ms, _)| at(*ms));
        let mut out = Vec::new();
        for fold in &self.folds {
            out.push((since, fold.since));
            since = fold.until;
        }
        out.push((since, self.points.last().map_or(since, |(ms, _)| at(*ms))));
        out
    }
}

fn at(ms: i64) -> Timestamp {
    Timestamp::EPOCH.plus_ms(ms)
}

/// The times in order, those left out that stand close behind another. The first and the last stay.
fn moments(mut times: Vec<i64>) -> Vec<i64> {
    times.sort_unstable();
    times.dedup();
    let (Some(&first), Some(&last)) = (times.first(), times.last()) else { return times };
    let apart = MOMENT_MS.min((last - first) / 60);
    let mut kept = vec![first];
    for &time in &times {
        if time - kept[kept.len() - 1] > apart && (time == last || last - time > apart) {
            kept.push(time);
        }
    }
    if last != kept[kept.len() - 1] {
        kept.push(last);
    }
    kept
}

/// Which gaps are folded.
fn folded(gaps: &[i64]) -> Vec<bool> {
    let mut order: Vec<usize> = (0..gaps.len()).collect();
    order.sort_by_key(|&index| (gaps[index], index));
    let mut out = vec![false; gaps.len()];
    let Some(&middle) = order.get(gaps.len().saturating_sub(1) / 2) else { return out };
    let median = gaps[middle];
    let mut left: i64 = gaps.iter().sum();
    for &index in order.iter().rev().take(FOLDS_MAX) {
        if gaps[index] / FOLD_TIMES_MEDIAN < median || gaps[index] < left / FOLD_SHARE {
            break;
        }
        out[index] = true;
        left -= gaps[index];
    }
    out
}

/// How wide each gap is, all together `width`: folded ones [`FOLD_PX`], others by their length, but [`STEP_PX`] at least.
fn widths(gaps: &[i64], folded: &[bool], width: f64) -> Vec<f64> {
    /// Each round widens what the one before left too narrow; what is still so after these is a pixel off.
    const ROUNDS: usize = 12;
    let open: Vec<usize> = (0..gaps.len()).filter(|&index| !folded[index]).collect();
    let room = width - FOLD_PX * (gaps.len() - open.len()) as f64;
    let least = STEP_PX.min(room / 2.0 / open.len().max(1) as f64);
    let mut out = vec![FOLD_PX; gaps.len()];
    let mut is_widened = vec![false; gaps.len()];
    for _ in 0..ROUNDS {
        let widened = is_widened.iter().filter(|is| **is).count() as f64 * least;
        let by_length: i64 = open.iter().filter(|&&index| !is_widened[index]).map(|&index| gaps[index]).sum();
        let px_per_ms = (room - widened) / by_length.max(1) as f64;
        let mut is_done = true;
        for &index in &open {
            out[index] = if is_widened[index] { least } else { gaps[index] as f64 * px_per_ms };
            if out[index] < least {
                is_widened[index] = true;
                is_done = false;
            }
        }
        if is_done {
            break;
        }
    }
    let sum: f64 = open.iter().map(|&index| out[index]).sum();
    for index in open {
        out[index] *= room / sum;
    }
    out
}

/// The smallest round step whose labels have room.
fn step(span_ms: i64, width: f64) -> i64 {
    const STEPS_MS: [i64; 36] = [
        1,
        2,
        5,
        10,
        20,
        50,
        100,
        200,
        500,
        SECOND_MS,
        2 * SECOND_MS,
        5 * SECOND_MS,
        10 * SECOND_MS,
        15 * SECOND_MS,
        30 * SECOND_MS,
        MINUTE_MS,
        2 * MINUTE_MS,
        5 * MINUTE_MS,
        10 * MINUTE_MS,
        15 * MINUTE_MS,
        30 * MINUTE_MS,
        HOUR_MS,
        2 * HOUR_MS,
        3 * HOUR_MS,
        6 * HOUR_MS,
        12 * HOUR_MS,
        DAY_MS,
        2 * DAY_MS,
        5 * DAY_MS,
        10 * DAY_MS,
        30 * DAY_MS,
        90 * DAY_MS,
        180 * DAY_MS,
        365 * DAY_MS,
        3650 * DAY_MS,
        36500 * DAY_MS,
    ];
    let fits = |step: &&i64| (span_ms / **step) as f64 <= width / LABEL_PX;
    STEPS_MS.iter().find(fits).copied().unwrap_or(36500 * DAY_MS)
}

/// The beginning, and every round time before the end, as the zone's clocks show it.
fn round_times(since: Timestamp, until: Timestamp, step_ms: i64, zone: &Zone) -> Vec<Timestamp> {
    /// Labels need room: no picture is wide enough for as many.
    const ROUND_MAX: i64 = 64;
    let local = since.as_millis() + zone.offset_ms(since);
    let first = local.div_euclid(step_ms) + 1;
    let round = (first..first + ROUND_MAX).map(|step| {
        let guess = at(step * step_ms - zone.offset_ms(since));
        at(step * step_ms - zone.offset_ms(guess))
    });
    let mut out = vec![since];
    out.extend(round.take_while(|time| *time < until).filter(|time| *time > since));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LEFT: f64 = 200.0;
    const RIGHT: f64 = 1180.0;

    fn scale(times: &[i64]) -> Scale {
        Scale::new(times.iter().copied().map(at), LEFT, RIGHT)
    }

    fn day() -> Vec<i64> {
        let minutes = [0, 20, 60, 28 * 60, 28 * 60 + 10, 28 * 60 + 12, 28 * 60 + 17, 76 * 60];
        minutes.map(|minute| 1_772_350_200_000 + minute * MINUTE_MS).to_vec()
    }

    proptest! {
        #[test]
        fn what_comes_later_never_stands_further_left(times in prop::collection::vec(0_i64..4_000_000_000, 0..80), asked in prop::collection::vec(-5_i64..4_000_000_005, 2..40)) {
            let scale = scale(&times);
            let mut asked: Vec<i64> = asked.into_iter().chain(times).map(|ms| ms.max(0)).collect();
            asked.sort_unstable();
            let xs: Vec<f64> = asked.iter().map(|ms| scale.x(at(*ms))).collect();
            prop_assert!(xs.windows(2).all(|pair| pair[0] <= pair[1]), "{xs:?}");
            prop_assert!(xs.iter().all(|x| (LEFT..=RIGHT + 0.001).contains(x)), "{xs:?}");
            let ticks = scale.ticks(&Zone::utc());
            prop_assert!(ticks.windows(2).all(|pair| pair[1].x - pair[0].x >= LABEL_PX), "{ticks:?}");
        }
    }

    #[test]
    fn the_first_and_last_stand_at_the_ends() {
        let times = day();
        let scale = scale(&times);
        assert!((scale.x(at(times[0])) - LEFT).abs() < 0.01);
        assert!((scale.x(at(times[7])) - RIGHT).abs() < 0.01, "{scale:?}");
    }

    #[test]
    fn wide_gaps_are_folded_and_minutes_get_room() {
        let times = day();
        let scale = scale(&times);
        let folds: Vec<i64> =
            scale.folds().iter().map(|fold| fold.until.since_ms(fold.since) / HOUR_MS).collect();
        assert_eq!(folds, [27, 47]);
        let incident = scale.x(at(times[6])) - scale.x(at(times[5]));
        assert!(incident > 40.0, "{incident}");
    }

    #[test]
    fn even_steps_are_not_folded() {
        let scale = scale(&(0..30).map(|step| step * HOUR_MS).collect::<Vec<_>>());
        assert_eq!(scale.folds(), []);
        assert!((scale.x(at(15 * HOUR_MS)) - scale.x(at(14 * HOUR_MS)) - (RIGHT - LEFT) / 29.0).abs() < 0.01);
    }

    #[test]
    fn no_time_one_time_and_a_hundred_thousand_times() {
        assert!((scale(&[]).x(at(5)) - LEFT).abs() < 0.01);
        let one = scale(&[7, 7, 7]);
        assert!((one.x(at(7)) - LEFT).abs() < 0.01 && (one.x(at(9)) - LEFT).abs() < 0.01);
        assert_eq!(one.ticks(&Zone::utc()).len(), 1);
        let many = scale(&(0..100_000).map(|step| step * step).collect::<Vec<_>>());
        assert!((many.x(Timestamp::MAX) - RIGHT).abs() < 0.01);
    }

    #[test]
    fn ticks_are_round_in_the_zone_and_tell_the_date_once() {
        let start: Timestamp = "2026-03-28T20:10:00Z".parse().unwrap();
        let times = (0..40).map(|step| start.plus_ms(step * HOUR_MS));
        let scale = Scale::new(times, LEFT, RIGHT);
        let ticks = scale.ticks(&Zone::parse("Europe/Berlin").unwrap());
        let shown: Vec<(&str, Option<&str>)> =
            ticks.iter().map(|tick| (tick.time.as_str(), tick.date.as_deref())).collect();
        // On the 29th the clocks went from 02:00 to 03:00.
        assert_eq!(shown[0], ("21:10", Some("2026-03-28")));
        assert!(
            shown[1..]
                .iter()
                .all(|(time, _)| ["00:00", "06:00", "12:00", "18:00", "03:00", "09:00", "15:00", "21:00"]
                    .contains(time)),
            "{shown:?}"
        );
        assert_eq!(shown.iter().filter(|(_, date)| *date == Some("2026-03-29")).count(), 1);
    }
}
