//! Throughput over time, drawn as SVG and as a line of block characters.

use crate::engine::report::progress::{Stage, Step};
use std::fmt::{self, Write as _};

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 64.0;
const BOTTOM: f64 = 32.0;
const TOP: f64 = 12.0;
/// Columns of the whole chart.
const BUCKETS: usize = 60;
/// Characters of a sparkline.
const SPARKS: usize = 24;

/// Draws the stages one after the other; nothing where there is nothing to see.
pub(crate) fn draw(page: &mut String, stages: &[Stage]) -> fmt::Result {
    let end = stages.iter().map(|stage| stage.began + stage.seconds).fold(0.0, f64::max);
    let drawn: Vec<_> = stages.iter().filter(|stage| stage.records > 0 && stage.seconds > 0.0).collect();
    if drawn.is_empty() || end <= 0.0 {
        return Ok(());
    }
    let curves: Vec<_> = drawn
        .iter()
        .map(|stage| {
            let buckets = ((stage.seconds / end * BUCKETS as f64).ceil() as usize).clamp(1, BUCKETS);
            (*stage, rates(stage, buckets))
        })
        .collect();
    let highest = curves.iter().flat_map(|(_, rates)| rates).copied().fold(0.0, f64::max);
    let top = nice(highest);
    let x = |seconds: f64| LEFT + seconds / end * (WIDTH - LEFT);
    let y = |rate: f64| HEIGHT - BOTTOM - rate / top * (HEIGHT - BOTTOM - TOP);
    writeln!(
        page,
        "<figure><figcaption>Records a second over time</figcaption>\n\
         <svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"Records a second over time, at most {highest:.0}\">"
    )?;
    for part in 0..=4 {
        let rate = top * f64::from(part) / 4.0;
        let at = y(rate);
        writeln!(
            page,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{WIDTH}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 8.0,
            at + 4.0,
            short(rate)
        )?;
    }
    for part in 0..=4 {
        let seconds = end * f64::from(part) / 4.0;
        let anchor = if part == 4 { "end" } else { "middle" };
        let digits = if end < 4.0 { 2 } else { usize::from(end < 40.0) };
        writeln!(
            page,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{seconds:.digits$} s</text>",
            x(seconds),
            HEIGHT - 10.0
        )?;
    }
    for (stage, rates) in &curves {
        let width = stage.seconds / rates.len() as f64;
        let mut path = format!("M{:.1} {:.1}", x(stage.began), y(0.0));
        for (index, rate) in rates.iter().enumerate() {
            let from = stage.began + width * index as f64;
            write!(path, "L{:.1} {:.1}L{:.1} {:.1}", x(from), y(*rate), x(from + width), y(*rate))?;
        }
        write!(path, "L{:.1} {:.1}Z", x(stage.began + stage.seconds), y(0.0))?;
        writeln!(page, "<path class=\"{}\" d=\"{path}\"/>", stage.step.word())?;
    }
    page.push_str("</svg>\n<p class=\"legend\">");
    for step in [Step::Planning, Step::Writing, Step::Verifying] {
        let of_step = curves.iter().filter(|(stage, _)| stage.step == step);
        let (records, seconds) = of_step.fold((0, 0.0), |(records, seconds), (stage, _)| {
            (records + stage.records, seconds + stage.seconds)
        });
        if records > 0 {
            write!(
                page,
                "<span class=\"{0}\">{0}: {1:.1} s, {2} a second</span> ",
                step.word(),
                seconds,
                crate::engine::report::page::grouped((records as f64 / seconds).round() as u64)
            )?;
        }
    }
    page.push_str("</p></figure>\n");
    Ok(())
}

/// A stage's throughput as block characters.
pub(crate) fn sparkline(stage: &Stage) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let rates = rates(stage, SPARKS);
    let highest = rates.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    rates.iter().map(|rate| BLOCKS[((rate / highest * 8.0) as usize).min(7)]).collect()
}

/// Records a second in so many equal spans of a stage, by interpolation between its points.
fn rates(stage: &Stage, buckets: usize) -> Vec<f64> {
    let width = (stage.seconds / buckets as f64).max(f64::MIN_POSITIVE);
    let edges: Vec<f64> = (0..=buckets).map(|edge| done_at(stage, width * edge as f64)).collect();
    edges.windows(2).map(|pair| (pair[1] - pair[0]) / width).collect()
}

/// Records done so many seconds into a stage.
fn done_at(stage: &Stage, seconds: f64) -> f64 {
    let mut before = (0.0, 0.0);
    let last = (stage.seconds, stage.records);
    for (at, records) in stage.points.iter().copied().chain([last]) {
        let here = (at, records as f64);
        if seconds <= here.0 {
            let span = here.0 - before.0;
            let share = if span > 0.0 { (seconds - before.0) / span } else { 1.0 };
            return before.1 + share * (here.1 - before.1);
        }
        before = here;
    }
    before.1
}

/// The next of 1, 2, 4 or 5 times a power of ten.
fn nice(number: f64) -> f64 {
    let power = 10_f64.powf(number.max(1.0).log10().floor());
    [1.0, 2.0, 4.0, 5.0, 10.0]
        .into_iter()
        .map(|step| step * power)
        .find(|nice| *nice >= number)
        .unwrap_or(number)
}

/// `12.5k`
fn short(rate: f64) -> String {
    if rate >= 10_000.0 {
        format!("{}k", (rate / 100.0).round() / 10.0)
    } else {
        format!("{}", (rate * 10.0).round() / 10.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage() -> Stage {
        Stage {
            step: Step::Writing,
            began: 1.0,
            seconds: 4.0,
            records: 40,
            points: vec![(1.0, 20), (3.0, 20)],
        }
    }

    #[test]
    fn rates_follow_the_points_and_add_up() {
        assert_eq!(rates(&stage(), 4), [20.0, 0.0, 0.0, 20.0]);
        let total: f64 = rates(&stage(), 7).iter().map(|rate| rate * 4.0 / 7.0).sum();
        assert!((total - 40.0).abs() < 1e-9);
        assert_eq!(sparkline(&stage()).chars().filter(|c| *c == '█').count(), 12);
    }

    #[test]
    fn axes_end_at_round_numbers() {
        assert_eq!([0.0, 3.0, 17_000.0].map(|number| nice(number).to_string()), ["1", "4", "20000"]);
        assert_eq!([short(12_500.0), short(2.5)], ["12.5k", "2.5"]);
    }

    #[test]
    fn an_empty_job_has_no_chart() {
        let mut page = String::new();
        draw(&mut page, &[]).unwrap();
        assert!(page.is_empty());
        draw(&mut page, &[stage()]).unwrap();
        assert!(page.contains("<svg") && !page.contains("NaN") && !page.contains("inf"));
    }
}
