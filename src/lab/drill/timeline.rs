//! One drill as a picture: each client's view as a bar over the phases. Pure; SVG without scripts or fonts.

use crate::probe::{Answer, Sample, Window};

use super::junit::escaped;
use super::report::seconds;
use super::{Drill, Phases};

/// What a picture is drawn from.
#[derive(Debug, Clone, Copy)]
pub struct Timeline<'a> {
    /// The figures.
    pub drill: &'a Drill,
    /// Samples by target, in the order to be drawn.
    pub targets: &'a [(String, Vec<Sample>)],
    /// The time drawn.
    pub window: Window,
    /// The fault.
    pub fault_us: u64,
}

const LEFT: f64 = 150.0;
const WIDTH: f64 = 760.0;
const RIGHT: f64 = 30.0;
const TOP: f64 = 72.0;
const ROW: f64 = 26.0;
const BAR: f64 = 14.0;
const FOOT: f64 = 62.0;
const KEY_Y: f64 = 40.0;
const KEY_STEP: f64 = 140.0;
const INK: &str = "#222";
const GRID: &str = "#ddd";
/// Colours that differ in lightness too, for readers who do not tell red from green.
const GOOD: &str = "#7fb3d5";
const SILENT: &str = "#b03a2e";
const NOT_YET: &str = "#f0b27a";
const WRONG: &str = "#4a235a";
const PHASES: [(&str, &str); 4] =
    [("detect", "#fdebd0"), ("fence", "#f5cba7"), ("address", "#d6eaf8"), ("service", "#d5f5e3")];

/// The picture.
pub fn svg(timeline: &Timeline<'_>) -> String {
    #[allow(clippy::cast_precision_loss)]
    let height = TOP + ROW * timeline.targets.len() as f64 + FOOT;
    let width = LEFT + WIDTH + RIGHT;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" font-family=\"sans-serif\" font-size=\"12\" fill=\"{INK}\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n"
    );
    text.push_str(&label(
        LEFT,
        22.0,
        "start",
        &format!("<tspan font-size=\"15\">{}</tspan>", title(timeline.drill)),
    ));
    text.push_str(&timeline.phases(height));
    text.push_str(&timeline.axis(height));
    for (row, (name, samples)) in timeline.targets.iter().enumerate() {
        #[allow(clippy::cast_precision_loss)]
        let y = TOP + ROW * row as f64;
        text.push_str(&label(LEFT - 10.0, y + 12.0, "end", &escaped(name)));
        text.push_str(&timeline.bar(samples, y));
    }
    text.push_str(&legend(height));
    text.push_str("</svg>\n");
    text
}

fn title(drill: &Drill) -> String {
    let moved = drill.moved_to.as_deref().unwrap_or("no head");
    escaped(&format!("{} fault of {}: what each client saw; now on {moved}", drill.fault, drill.target))
}

fn label(x: f64, y: f64, anchor: &str, text: &str) -> String {
    format!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>\n")
}

fn rect(x: f64, y: f64, size: (f64, f64), fill: &str) -> String {
    let (width, height) = size;
    format!("<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"{fill}\"/>\n")
}

fn legend(height: f64) -> String {
    let entries = [
        ("right answers", GOOD),
        ("silence", SILENT),
        ("not yet (refused, grace)", NOT_YET),
        ("wrong", WRONG),
    ];
    let places = [0.0, 130.0, 220.0, 410.0];
    let shown =
        entries.iter().zip(places).map(|((name, fill), x)| entry(LEFT + x, height - 20.0, fill, name));
    shown.collect()
}

fn entry(x: f64, y: f64, fill: &str, name: &str) -> String {
    rect(x, y, (12.0, 10.0), fill) + &label(x + 17.0, y + 9.0, "start", name)
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
            text.push_str(&entry(key, KEY_Y, fill, &format!("{name} {took:.2} s")));
            key += KEY_STEP;
            at_us = end_us;
        }
        text
    }

    fn axis(&self, height: f64) -> String {
        let bottom = height - FOOT + 4.0;
        let after = seconds(self.window.to_us.saturating_sub(self.fault_us));
        let step = [0.5, 1.0, 2.0, 5.0, 10.0].into_iter().find(|s| after / s <= 14.0).unwrap_or(30.0);
        let mut text = String::new();
        let mut at = 0.0;
        while at <= after {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let x = self.x(self.fault_us + (at * 1_000_000.0) as u64);
            text.push_str(&line(x, TOP - 8.0, bottom));
            text.push_str(&label(x, bottom + 16.0, "middle", &format!("{at} s")));
            at += step;
        }
        text
    }

    /// Runs of equal answers as one rectangle each. An outage begins with the last right answer before it, so a
    /// run ends where the next begins.
    fn bar(&self, samples: &[Sample], y: f64) -> String {
        let mut sorted: Vec<&Sample> = samples.iter().collect();
        sorted.sort_by_key(|s| s.asked_us);
        let mut text = String::new();
        let mut runs = sorted.chunk_by(|a, b| colour(&a.answer) == colour(&b.answer)).peekable();
        while let Some(run) = runs.next() {
            let Some(first) = run.first() else { continue };
            let end = runs.peek().and_then(|next| next.first()).or(run.last()).map_or(0, |s| s.asked_us);
            let (from, to) = (self.x(first.asked_us), self.x(end));
            if end > self.window.from_us && first.asked_us < self.window.to_us {
                text.push_str(&rect(from, y, ((to - from).max(1.0), BAR), colour(&first.answer)));
            }
        }
        text
    }
}

fn line(x: f64, from: f64, to: f64) -> String {
    format!("<line x1=\"{x:.1}\" y1=\"{from:.1}\" x2=\"{x:.1}\" y2=\"{to:.1}\" stroke=\"{GRID}\"/>\n")
}

fn colour(answer: &Answer) -> &'static str {
    match answer {
        Answer::Good => GOOD,
        Answer::Silent => SILENT,
        Answer::NotYet(_) => NOT_YET,
        Answer::Wrong(_) => WRONG,
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::drill;
    use super::*;

    #[test]
    fn the_picture_is_xml_with_a_bar_for_each_client_and_a_band_for_each_phase_seen() {
        let answer = |n: u64| match n {
            100..=256 => Answer::Silent,
            257..=300 => Answer::NotYet("grace".into()),
            _ => Answer::Good,
        };
        let sample = |n: u64| Sample {
            service: "names".into(),
            asked_us: n * 10_000,
            ended_us: n * 10_000 + 300,
            answer: answer(n),
        };
        let targets = [("names".to_owned(), (0..700).map(sample).collect())];
        let window = Window { from_us: 0, to_us: 7_000_000 };
        let text = svg(&Timeline { drill: &drill(), targets: &targets, window, fault_us: 1_000_000 });
        let tree = roxmltree::Document::parse(&text).unwrap();
        let filled = |fill| tree.descendants().filter(|n| n.attribute("fill") == Some(fill)).count();
        // one more of each colour in the legend
        assert_eq!((filled(GOOD), filled(SILENT), filled(NOT_YET), filled(WRONG)), (3, 2, 2, 1));
        let bands: Vec<usize> = PHASES.iter().map(|(_, fill)| filled(fill)).collect();
        // each band, and its key
        assert_eq!(bands, [2, 0, 2, 2]);
    }
}
