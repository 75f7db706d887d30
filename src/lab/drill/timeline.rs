//! One drill as a picture: each client's view as a bar over the phases, who held the address, and what each client's
//! outage was. Pure.

use crate::probe::{Answer, GAP_TICKS_MIN, ProbeTarget, Sample, Window};

use super::report::{seconds, slowest};
use super::svg::{entry, label, rect, upright};
use super::{Drill, Phases};

/// What a picture is drawn from.
#[derive(Debug, Clone, Copy)]
pub struct Timeline<'a> {
    /// The figures.
    pub drill: &'a Drill,
    /// Samples by target, in the order to be drawn.
    pub targets: &'a [(ProbeTarget, Vec<Sample>)],
    /// Who answered for the address from when on, at each change: microseconds and the host's name.
    pub holders: &'a [(u64, String)],
    /// When somebody lent a hand.
    pub hand_us: Option<u64>,
    /// The time drawn.
    pub window: Window,
    /// The fault.
    pub fault_us: u64,
}

const LEFT: f64 = 150.0;
const WIDTH: f64 = 760.0;
const RIGHT: f64 = 130.0;
const TOP: f64 = 92.0;
const ROW: f64 = 26.0;
const BAR: f64 = 14.0;
const FOOT: f64 = 62.0;
const KEY_Y: f64 = 52.0;
const KEY_STEP: f64 = 130.0;
/// Under the default font's width of a letter, in SVG's units at this size.
const LETTER: f64 = 7.0;
/// A wrong answer must be seen, be it ever so short in a long picture.
const WRONG_WIDTH_MIN: f64 = 3.0;
const INK: &str = "#222";
const FAINT: &str = "#777";
const GRID: &str = "#ddd";
/// Colours that differ in lightness too, for readers who do not tell red from green.
const GOOD: &str = "#7fb3d5";
const SILENT: &str = "#b03a2e";
const NOT_YET: &str = "#f0b27a";
const WRONG: &str = "#4a235a";
const HOLDERS: [&str; 2] = ["#d5d8dc", "#aeb6bf"];
const PHASES: [(&str, &str); 4] =
    [("detect", "#fdebd0"), ("fence", "#f5cba7"), ("address", "#d6eaf8"), ("service", "#d5f5e3")];

/// The picture.
pub fn svg(timeline: &Timeline<'_>) -> String {
    #[allow(clippy::cast_precision_loss)]
    let height = TOP + ROW * (timeline.targets.len() + 1) as f64 + FOOT;
    let width = LEFT + WIDTH + RIGHT;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n"
    );
    text.push_str(&title(timeline.drill));
    text.push_str(&timeline.phases(height));
    text.push_str(&timeline.axis(height));
    text.push_str(&timeline.owners(TOP));
    for (row, (target, samples)) in timeline.targets.iter().enumerate() {
        #[allow(clippy::cast_precision_loss)]
        let y = TOP + ROW * (row + 1) as f64;
        text.push_str(&timeline.row(target, samples, y));
    }
    text.push_str(&timeline.marks(height));
    text.push_str(&legend(height));
    text.push_str("</svg>\n");
    text
}

fn title(drill: &Drill) -> String {
    let on = drill.moved_to.as_deref().map_or("no head has the group".to_owned(), |h| format!("now on {h}"));
    let worst = slowest(drill).map_or("no client saw an outage".to_owned(), |(service, s)| {
        format!("longest outage {s:.2} s ({service})")
    });
    let gone: Vec<&str> =
        drill.services.iter().filter(|s| s.outage_s.is_none()).map(|s| s.service.as_str()).collect();
    let worst = if gone.is_empty() { worst } else { format!("not back: {}", gone.join(", ")) };
    let big = label(LEFT, 20.0, "start", INK, &format!("{} of {}: {worst}; {on}", drill.fault, drill.target));
    let twice = drill.owners.as_ref().map_or(0, |owners| owners.twice);
    let facts = [
        (twice > 0).then(|| format!("TWO OWNERS AT ONCE, {twice} times")),
        drill.hand.as_ref().map(|hand| format!("by hand: {hand}")),
        drill.files.as_ref().map(|files| format!("came back with its {files} files")),
        drill.writes.map(|w| format!("{} of {} writes missing", w.missing, w.acknowledged)),
        drill.jobs.as_ref().map(|jobs| format!("{} jobs lost", jobs.lost)),
        Some(format!("steal {:.1} %, {} late ticks", drill.steal * 100.0, drill.late_ticks)),
    ];
    let facts: Vec<String> = facts.into_iter().flatten().collect();
    big.replace("<text ", "<text font-size=\"15\" ") + &label(LEFT, 38.0, "start", FAINT, &facts.join(" · "))
}

fn legend(height: f64) -> String {
    let entries = [
        ("right answers", GOOD),
        ("silence", SILENT),
        ("not yet (refused, grace, no space)", NOT_YET),
        ("wrong", WRONG),
    ];
    let places = [0.0, 120.0, 205.0, 445.0];
    let shown =
        entries.iter().zip(places).map(|((name, fill), x)| entry(LEFT + x, height - 20.0, (fill, INK), name));
    let blank = label(LEFT + 520.0, height - 11.0, "start", FAINT, "blank: not asked, the machine was late");
    shown.collect::<String>() + &blank
}

impl Timeline<'_> {
    fn x(&self, us: u64) -> f64 {
        let span = seconds(self.window.to_us.saturating_sub(self.window.from_us)).max(0.001);
        let at = us.clamp(self.window.from_us, self.window.to_us) - self.window.from_us;
        LEFT + WIDTH * seconds(at) / span
    }

    fn phases(&self, height: f64) -> String {
        let Phases { detect_s, fence_s, address_s, service_s } = self.drill.phases;
        let mut text = String::new();
        let mut at_us = self.fault_us;
        let mut key = LEFT;
        for ((name, fill), took) in PHASES.iter().zip([detect_s, fence_s, address_s, service_s]) {
            let Some(took) = took else { continue };
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let end_us = at_us + (took * 1_000_000.0).round() as u64;
            let (from, to) = (self.x(at_us), self.x(end_us));
            text.push_str(&rect(from, TOP - 8.0, (to - from, height - TOP - FOOT + 12.0), fill));
            text.push_str(&entry(key, KEY_Y, (fill, INK), &format!("{name} {took:.2} s")));
            key += KEY_STEP;
            at_us = end_us;
        }
        text
    }

    fn axis(&self, height: f64) -> String {
        let bottom = height - FOOT + 4.0;
        let after = seconds(self.window.to_us.saturating_sub(self.fault_us));
        let step = [0.5, 1.0, 2.0, 5.0, 10.0].into_iter().find(|s| after / s <= 14.0).unwrap_or(30.0);
        let mut text = label(LEFT - 10.0, bottom + 16.0, "end", FAINT, "seconds after the fault");
        let mut at = 0.0;
        while at <= after {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let x = self.x(self.fault_us + (at * 1_000_000.0) as u64);
            text.push_str(&upright(x, (TOP - 8.0, bottom), GRID, "none"));
            text.push_str(&label(x, bottom + 16.0, "middle", INK, &at.to_string()));
            at += step;
        }
        text
    }

    /// Lines through all rows: the fault, and the hand.
    fn marks(&self, height: f64) -> String {
        let hand = self.hand_us.map(|us| (us, "by hand"));
        let line = |(us, name): (u64, &str)| {
            let x = self.x(us);
            upright(x, (TOP - 10.0, height - FOOT + 4.0), INK, "3 3")
                + &label(x, TOP - 13.0, "middle", INK, name)
        };
        std::iter::once((self.fault_us, "fault")).chain(hand).map(line).collect()
    }

    /// Who answers for the address, from one change to the next.
    fn owners(&self, y: f64) -> String {
        let mut text = label(LEFT - 10.0, y + 12.0, "end", FAINT, "who has the address");
        if self.holders.is_empty() {
            return text + &label(LEFT + 6.0, y + 12.0, "start", FAINT, "nobody answered");
        }
        let ends = self.holders.iter().skip(1).map(|(us, _)| *us).chain([self.window.to_us]);
        for (((us, name), end), fill) in self.holders.iter().zip(ends).zip(HOLDERS.iter().cycle()) {
            let (from, to) = (self.x(*us), self.x(end));
            if to - from < 0.05 {
                continue; // before the picture begins, or after it ends
            }
            text.push_str(&rect(from, y, (to - from, BAR), fill));
            #[allow(clippy::cast_precision_loss)]
            let needs = name.len() as f64 * LETTER + 12.0;
            let fault = self.x(self.fault_us);
            let begin = if from < fault && fault < from + needs { fault } else { from }; // its line would cross the name
            if to - begin > needs {
                text.push_str(&label(begin + 6.0, y + 11.0, "start", INK, name));
            }
        }
        text
    }

    fn row(&self, target: &ProbeTarget, samples: &[Sample], y: f64) -> String {
        let ink = if target.is_service() { INK } else { FAINT };
        let figure = self.drill.services.iter().find(|s| s.service == target.service).map(|s| {
            let outage = match s.outage_s {
                None => "not back".to_owned(),
                Some(outage) if outage > 0.0 => format!("{outage:.2} s"),
                Some(_) => "no outage".to_owned(),
            };
            if s.errors > 0 { format!("{outage}, {} wrong", s.errors) } else { outage }
        });
        let figure = figure.map(|figure| label(LEFT + WIDTH + 8.0, y + 12.0, "start", INK, &figure));
        label(LEFT - 10.0, y + 12.0, "end", ink, &target.service)
            + &self.bar(target, samples, y)
            + &figure.unwrap_or_default()
    }

    /// Runs of equal answers as one rectangle each, up to the next run's first question; time in which nothing was asked
    /// stays blank. Wrong answers lie on top.
    fn bar(&self, target: &ProbeTarget, samples: &[Sample], y: f64) -> String {
        let least_us = target.tick_ms * 1_000 * GAP_TICKS_MIN;
        let mut sorted: Vec<&Sample> = samples.iter().collect();
        sorted.sort_by_key(|s| s.asked_us);
        let ends = sorted.iter().skip(1).map(|s| s.asked_us).chain([0]);
        let end = |(sample, next): (&&Sample, u64)| {
            let asked = next > 0 && next.saturating_sub(sample.ended_us.max(sample.asked_us)) < least_us;
            if asked { next } else { sample.ended_us.max(sample.asked_us) }
        };
        let pieces: Vec<(u64, u64, &str)> = sorted
            .iter()
            .zip(ends)
            .map(|(sample, next)| (sample.asked_us, end((sample, next)), colour(&sample.answer)))
            .collect();
        let runs = pieces.chunk_by(|a, b| a.2 == b.2 && a.1 >= b.0);
        let (wrong, plain): (Vec<_>, Vec<_>) =
            runs.partition(|run| run.first().is_some_and(|p| p.2 == WRONG));
        plain.into_iter().chain(wrong).filter_map(|run| self.run(run, y)).collect()
    }

    fn run(&self, run: &[(u64, u64, &str)], y: f64) -> Option<String> {
        let ((from_us, _, fill), (_, to_us, _)) = run.first().zip(run.last())?;
        let outside = *to_us <= self.window.from_us || *from_us >= self.window.to_us;
        let (from, to) = (self.x(*from_us), self.x(*to_us));
        let (least, over) = if *fill == WRONG { (WRONG_WIDTH_MIN, 3.0) } else { (1.0, 0.0) };
        let size = ((to - from).max(least), BAR + 2.0 * over);
        (!outside).then(|| rect(from, y - over, size, fill))
    }
}

fn colour(answer: &Answer) -> &'static str {
    match answer {
        Answer::Good => GOOD,
        Answer::Silent => SILENT,
        Answer::NotYet(_) => NOT_YET,
        Answer::Wrong(_) => WRONG,
    }
}
