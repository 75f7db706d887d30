//! The strokes of a picture: SVG without scripts, styles or fonts of its own. Pure; it must not know what is drawn.

use super::junit::escaped;

/// One line of text; `anchor` is SVG's text-anchor.
pub(super) fn label(x: f64, y: f64, anchor: &str, fill: &str, text: &str) -> String {
    let text = escaped(text);
    format!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"{fill}\">{text}</text>\n")
}

/// A filled rectangle.
pub(super) fn rect(x: f64, y: f64, (width, height): (f64, f64), fill: &str) -> String {
    format!("<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"{fill}\"/>\n")
}

/// A vertical line; `dashes` is SVG's stroke-dasharray, `none` for a whole one.
pub(super) fn upright(x: f64, (from, to): (f64, f64), stroke: &str, dashes: &str) -> String {
    format!(
        "<line x1=\"{x:.1}\" y1=\"{from:.1}\" x2=\"{x:.1}\" y2=\"{to:.1}\" stroke=\"{stroke}\" \
         stroke-dasharray=\"{dashes}\"/>\n"
    )
}

/// A colour and what it stands for.
pub(super) fn entry(x: f64, y: f64, (fill, ink): (&str, &str), name: &str) -> String {
    rect(x, y, (12.0, 10.0), fill) + &label(x + 17.0, y + 9.0, "start", ink, name)
}
