//! The figures as pictures: how long waits take, how many locks there are, what they cost.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::prelude::*;

use crate::results::{Outcome, Row};

const SIZE: (u32, u32) = (900, 520);
const COLOURS: &[RGBColor] = &[
    RGBColor(0x0b, 0x6e, 0x4f),
    RGBColor(0x6b, 0x70, 0x78),
    RGBColor(0xd9, 0x5f, 0x02),
    RGBColor(0x75, 0x70, 0xb3),
    RGBColor(0xe7, 0x29, 0x8a),
    RGBColor(0x1f, 0x78, 0xb4),
    RGBColor(0xa6, 0x76, 0x1d),
    RGBColor(0x11, 0x11, 0x11),
];

/// Draws everything there are figures for.
pub fn draw(outcomes: &[Outcome], folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    let one_node = |name: &str| {
        let mut all = outcomes.iter();
        all.find(|outcome| outcome.workload.starts_with(name) && outcome.nodes == 1)
    };
    if let Some(outcome) = one_node("W5 ") {
        latency(outcome, &folder.join("hand-off-latency.svg"))?;
    }
    if let Some(outcome) = one_node("W4 ") {
        latency(outcome, &folder.join("wait-latency.svg"))?;
    }
    let contended: Vec<&Outcome> = ["W3 ", "W3h ", "W4 "]
        .into_iter()
        .filter_map(one_node)
        .collect();
    if !contended.is_empty() {
        throughput(&contended, &folder.join("throughput.svg"))?;
    }
    let sweep: Vec<&Outcome> = outcomes
        .iter()
        .filter(|one| one.workload.starts_with("W4p"))
        .collect();
    if sweep.len() > 1 {
        commands(&sweep, &folder.join("commands-per-lock.svg"))?;
    }
    Ok(())
}

/// How often something takes how long: the share that takes longer falls by ten from mark to mark.
fn latency(outcome: &Outcome, path: &Path) -> Result<()> {
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE).map_err(drawing)?;
    let title = format!(
        "{}, {} node(s): wait by percentile",
        outcome.workload, outcome.nodes
    );
    let quantiles: Vec<f64> = (0..=60).map(|step| f64::from(step) / 20.0).collect();
    let curves: Vec<(&str, Vec<(f64, f64)>)> = outcome
        .subjects
        .iter()
        .filter(|(_, _, waits)| waits.count() > 0)
        .map(|(name, _, waits)| {
            let at = |nines: &f64| (*nines, waits.quantile(1.0 - 10_f64.powf(-nines)) / 1e6);
            (name.as_str(), quantiles.iter().map(at).collect())
        })
        .collect();
    let all = || {
        curves
            .iter()
            .flat_map(|(_, curve)| curve)
            .map(|point| point.1.max(1e-4))
    };
    let (low, high) = (all().fold(f64::MAX, f64::min), all().fold(0.0, f64::max));
    let mut chart = ChartBuilder::on(&root)
        .caption(title, ("sans-serif", 20))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(70)
        .build_cartesian_2d(0.0..3.0, (low / 2.0..high * 2.0).log_scale())
        .map_err(drawing)?;
    chart
        .configure_mesh()
        .x_desc("percentile")
        .y_desc("ms")
        .x_labels(4)
        .x_label_formatter(&|nines| format!("{}", round(100.0 - 100.0 * 10_f64.powf(-nines))))
        .y_label_formatter(&|millis| format!("{}", round(*millis)))
        .light_line_style(WHITE)
        .draw()
        .map_err(drawing)?;
    for ((name, curve), colour) in curves.into_iter().zip(COLOURS.iter().cycle()) {
        let points = curve.into_iter().map(|(x, y)| (x, y.max(1e-4)));
        chart
            .draw_series(LineSeries::new(points, colour.stroke_width(2)))
            .map_err(drawing)?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
    }
    legend(&mut chart)?;
    root.present().map_err(drawing)
}

/// Locks a second, workload by workload.
fn throughput(outcomes: &[&Outcome], path: &Path) -> Result<()> {
    let rows: Vec<Row> = outcomes.iter().flat_map(|outcome| outcome.rows()).collect();
    let bars: Vec<&Row> = rows.iter().filter(|row| row.metric == "locks").collect();
    let most = bars.iter().map(|row| row.value).fold(1.0, f64::max);
    let count = i32::try_from(bars.len() + outcomes.len())?;
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE).map_err(drawing)?;
    let mut chart = ChartBuilder::on(&root)
        .caption(
            "Locks per second under contention, one node",
            ("sans-serif", 20),
        )
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(190)
        .build_cartesian_2d((100.0..most * 4.0).log_scale(), (0..count).into_segmented())
        .map_err(drawing)?;
    // From the top: a line with the workload's name, then its subjects.
    let mut lines: Vec<(String, Option<&Row>)> = Vec::new();
    for outcome in outcomes {
        lines.push((outcome.workload.clone(), None));
        let own = bars.iter().filter(|row| row.workload == outcome.workload);
        lines.extend(own.map(|row| (row.subject.clone(), Some(*row))));
    }
    lines.reverse();
    chart
        .configure_mesh()
        .disable_y_mesh()
        .x_desc("locks/s")
        .y_labels(lines.len())
        .x_label_formatter(&|value| format!("{value:.0}"))
        .y_label_formatter(&|place| match place {
            SegmentValue::CenterOf(index) => {
                let index = usize::try_from(*index).unwrap_or(usize::MAX);
                lines
                    .get(index)
                    .map_or(String::new(), |(name, _)| name.clone())
            }
            _ => String::new(),
        })
        .light_line_style(WHITE)
        .draw()
        .map_err(drawing)?;
    for (index, (name, row)) in (0..).zip(&lines) {
        let Some(row) = row else { continue };
        let ours = name.starts_with("klg-lock");
        let colour = COLOURS.get(usize::from(!ours)).copied().unwrap_or(BLACK);
        let mut bar = Rectangle::new(
            [
                (100.0, SegmentValue::Exact(index)),
                (row.value.max(100.0), SegmentValue::Exact(index + 1)),
            ],
            colour.filled(),
        );
        bar.set_margin(2, 2, 0, 0);
        let label = Text::new(
            format!("{:.0}", row.value),
            (row.value.max(100.0) * 1.08, SegmentValue::CenterOf(index)),
            ("sans-serif", 12),
        );
        chart.draw_series([bar]).map_err(drawing)?;
        chart.draw_series([label]).map_err(drawing)?;
    }
    root.present().map_err(drawing)
}

/// Commands for each lock, by the number of processes that want it.
fn commands(outcomes: &[&Outcome], path: &Path) -> Result<()> {
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE).map_err(drawing)?;
    let rows: Vec<(f64, Row)> = outcomes
        .iter()
        .flat_map(|outcome| {
            let processes = f64::from(outcome.processes);
            outcome.rows().into_iter().map(move |row| (processes, row))
        })
        .filter(|(_, row)| row.metric == "commands per lock")
        .collect();
    let most = rows.iter().map(|(_, row)| row.value).fold(1.0, f64::max);
    let last = rows
        .iter()
        .map(|(processes, _)| *processes)
        .fold(1.0, f64::max);
    let mut chart = ChartBuilder::on(&root)
        .caption(
            "Commands for each lock, one task in each process",
            ("sans-serif", 20),
        )
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(60)
        .build_cartesian_2d((1.0..last * 1.01).log_scale(), 0.0..most * 1.1)
        .map_err(drawing)?;
    chart
        .configure_mesh()
        .x_desc("processes")
        .y_desc("commands/lock")
        .x_label_formatter(&|value| format!("{value:.0}"))
        .light_line_style(WHITE)
        .draw()
        .map_err(drawing)?;
    let mut subjects: Vec<&str> = Vec::new();
    for (_, row) in &rows {
        if !subjects.contains(&row.subject.as_str()) {
            subjects.push(&row.subject);
        }
    }
    for (name, colour) in subjects.into_iter().zip(COLOURS.iter().cycle()) {
        let own = rows.iter().filter(|(_, row)| row.subject == name);
        let points = own.map(|(processes, row)| (*processes, row.value));
        chart
            .draw_series(LineSeries::new(points, colour.stroke_width(2)).point_size(3))
            .map_err(drawing)?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
    }
    legend(&mut chart)?;
    root.present().map_err(drawing)
}

fn legend<'a, C: CoordTranslate>(chart: &mut ChartContext<'a, SVGBackend<'a>, C>) -> Result<()> {
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .draw()
        .map_err(drawing)
}

fn round(value: f64) -> f64 {
    format!("{value:.2e}").parse().unwrap_or(value)
}

fn drawing(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("a plot could not be drawn: {error}")
}
