//! A drawing of times against sizes, both logarithmic: SVG that can be read on white and on black.

use std::fmt::Write;

/// One line of the drawing.
#[derive(Clone, Debug)]
pub(super) struct Series {
    pub(super) name: &'static str,
    /// Of the line, in a colour that is seen on white and on black.
    pub(super) colour: &'static str,
    /// Size and value, both positive.
    pub(super) points: Vec<(f64, f64)>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Axes {
    pub(super) title: &'static str,
    pub(super) x: &'static str,
    pub(super) y: &'static str,
}

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 440.0;
/// Of what is beside the field: left, top, right, bottom.
const MARGIN: [f64; 4] = [70.0, 40.0, 220.0, 50.0];

const STYLE: &str = "text{font:13px sans-serif;fill:#222}line{stroke:#8888}\
    @media(prefers-color-scheme:dark){text{fill:#ddd}}";

/// From one power of ten to another.
#[derive(Clone, Copy, Debug)]
struct Scale {
    powers: [i32; 2],
    from: f64,
    to: f64,
}

impl Scale {
    fn over(values: impl Iterator<Item = f64> + Clone, from: f64, to: f64) -> Self {
        let least = values.clone().fold(f64::INFINITY, f64::min).log10().floor();
        let most = values.fold(0.0, f64::max).log10().ceil();
        let power = |it: f64| format!("{it:.0}").parse().unwrap_or(0);
        let first: i32 = power(least);
        Self { powers: [first, power(most).max(first + 1)], from, to }
    }

    fn place(self, value: f64) -> f64 {
        let [first, last] = self.powers.map(f64::from);
        self.from + (value.log10() - first) / (last - first) * (self.to - self.from)
    }

    fn tens(self) -> impl Iterator<Item = f64> {
        (self.powers[0]..=self.powers[1]).map(|power| 10f64.powi(power))
    }
}

/// The whole file.
pub(super) fn svg(axes: Axes, all: &[Series]) -> String {
    let [left, top, right, bottom] = MARGIN;
    let (end, floor) = (WIDTH - right, HEIGHT - bottom);
    let points = || all.iter().flat_map(|it| &it.points).copied();
    let x = Scale::over(points().map(|it| it.0), left, end);
    let y = Scale::over(points().map(|it| it.1), floor, top);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\">\n<style>{STYLE}</style>\n"
    );
    let text = |at: (f64, f64), anchor: &str, text: &str| {
        let (x, y) = at;
        format!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>\n")
    };
    out += &text((left, 20.0), "start", axes.title);
    out += &text(((left + end) / 2.0, HEIGHT - 10.0), "middle", axes.x);
    let turned = format!("<g transform=\"translate(16 {}) rotate(-90)\">", (top + floor) / 2.0);
    out += &format!("{turned}{}</g>\n", text((0.0, 0.0), "middle", axes.y).trim_end());
    for ten in x.tens() {
        let at = x.place(ten);
        out += &text((at, floor + 18.0), "middle", &number(ten));
        out += &line((at, top), (at, floor));
    }
    for ten in y.tens() {
        let at = y.place(ten);
        out += &text((left - 8.0, at + 4.0), "end", &number(ten));
        out += &line((left, at), (end, at));
    }
    for (n, series) in (0u32..).zip(all) {
        let at = |(a, b): &(f64, f64)| format!("{:.1},{:.1}", x.place(*a), y.place(*b));
        let path = series.points.iter().map(at).collect::<Vec<_>>().join(" ");
        let colour = series.colour;
        // A string takes all that is written to it.
        let _ = writeln!(
            out,
            "<polyline points=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>"
        );
        for (a, b) in &series.points {
            let (a, b) = (x.place(*a), y.place(*b));
            let _ =
                writeln!(out, "<circle cx=\"{a:.1}\" cy=\"{b:.1}\" r=\"3\" fill=\"{colour}\"/>");
        }
        let level = top + 10.0 + 20.0 * f64::from(n);
        let _ = writeln!(
            out,
            "<circle cx=\"{}\" cy=\"{level}\" r=\"5\" fill=\"{colour}\"/>",
            end + 16.0
        );
        out += &text((end + 28.0, level + 4.0), "start", series.name);
    }
    out + "</svg>\n"
}

fn line(from: (f64, f64), to: (f64, f64)) -> String {
    format!(
        "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\"/>\n",
        from.0, from.1, to.0, to.1
    )
}

fn number(it: f64) -> String {
    if it >= 1.0 { format!("{it:.0}") } else { format!("{it}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenfold_size_is_as_far_everywhere_and_all_points_are_in_the_field() {
        let points = vec![(10.0, 0.5), (100.0, 5.0), (100_000.0, 50.0)];
        let series = Series { name: "a line", colour: "#888", points };
        let text = svg(Axes { title: "t", x: "size", y: "ms" }, &[series]);
        // 10 to 100,000 are four powers over 470, 0.1 to 100 three over 350.
        assert!(text.contains("points=\"70.0,308.5 187.5,191.8 540.0,75.1\""), "{text}");
        for it in ["a line", ">size<", ">ms<", ">100000<", ">0.1<", "prefers-color-scheme:dark"] {
            assert!(text.contains(it), "{it}: {text}");
        }
    }
}
