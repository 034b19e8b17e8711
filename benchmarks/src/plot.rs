//! The figures as pictures: how long waits take, how many locks there are, what they cost.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::results::{Outcome, Row, readable};

const SIZE: (u32, u32) = (960, 460);
/// What is left for the names beside the lines.
const NAMES: u32 = 170;
const FONT: (&str, u32) = ("sans-serif", 14);
const TITLE: (&str, u32) = ("sans-serif", 18);

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
/// A line with its name.
type Curve<'a> = (&'a str, Vec<(f64, f64)>);

/// Each subject has the same colour in all pictures.
fn colour(subject: &str) -> RGBColor {
    match subject {
        "klg-lock" => RGBColor(0x0b, 0x6e, 0x4f),
        "klg-lock strict" => RGBColor(0x4d, 0xb3, 0x8a),
        "klg-lock using" | "klg-lock deferred" => RGBColor(0x08, 0x8a, 0x85),
        "raw" => RGBColor(0x55, 0x5b, 0x66),
        "rslock" => RGBColor(0xd9, 0x5f, 0x02),
        "distributed-lock" => RGBColor(0x75, 0x70, 0xb3),
        "node-redlock 5" => RGBColor(0xc5, 0x1b, 0x8a),
        "node-redlock 4" => RGBColor(0xe7, 0x8a, 0xc3),
        "redis-py" => RGBColor(0xa6, 0x76, 0x1d),
        "PUBLISH" => RGBColor(0x7f, 0xb2, 0xe5),
        _ => RGBColor(0x1f, 0x4e, 0xb4),
    }
}

/// What a reader knows a subject by.
fn called(subject: &str) -> &str {
    match subject {
        "raw" => "by hand",
        "klg-lock strict" => "klg-lock, no hand-over",
        "BLPOP" => "BLPOP (limit)",
        "PUBLISH" => "PUBLISH (limit)",
        other => other,
    }
}

/// Draws everything there are figures for.
pub fn draw(outcomes: &[Outcome], folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    let one_node = |name: &str| {
        let mut all = outcomes.iter();
        all.find(|outcome| outcome.workload.starts_with(name) && outcome.nodes == 1)
    };
    if let Some(outcome) = one_node("W5 ") {
        let title = "From a release in one process to the lock in another";
        latency(outcome, title, &folder.join("hand-off-latency.svg"))?;
    }
    if let Some(outcome) = one_node("W4 ") {
        let title = "How long a lock is waited for, 4 processes × 8 tasks want it";
        latency(outcome, title, &folder.join("wait-latency.svg"))?;
    }
    let contended: Vec<(&str, &Outcome)> = [
        ("W3 ", "32 tasks of one process"),
        ("W3h ", "the same, each 1 ms inside"),
        ("W4 ", "4 processes × 8 tasks"),
    ]
    .into_iter()
    .filter_map(|(name, title)| Some((title, one_node(name)?)))
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
fn latency(outcome: &Outcome, title: &str, path: &Path) -> Result<()> {
    let quantiles: Vec<f64> = (0..=60).map(|step| f64::from(step) / 20.0).collect();
    let curves: Vec<Curve<'_>> = outcome
        .subjects
        .iter()
        .filter(|(_, _, waits)| waits.count() > 0)
        .map(|(name, _, waits)| {
            let at = |nines: &f64| (*nines, waits.quantile(1.0 - 10_f64.powf(-nines)) / 1e6);
            let points = quantiles.iter().map(at).map(|(x, y)| (x, y.max(1e-4)));
            (name.as_str(), points.collect())
        })
        .collect();
    let all = || curves.iter().flat_map(|(_, curve)| curve).map(|(_, y)| *y);
    let (low, high) = (all().fold(f64::MAX, f64::min), all().fold(0.0, f64::max));
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    let plot = page(&root, title)?;
    let mut chart = ChartBuilder::on(&plot)
        .margin(10)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..3.0, (low / 1.5..high * 1.5).log_scale())
        .map_err(drawing)?;
    chart
        .configure_mesh()
        .x_desc("so many of all waits are over")
        .y_desc("after so many ms")
        .label_style(FONT)
        .x_labels(4)
        .x_label_formatter(&|nines| format!("{} %", round(100.0 - 100.0 * 10_f64.powf(-nines))))
        .y_label_formatter(&|millis| format!("{}", round(*millis)))
        .light_line_style(WHITE)
        .bold_line_style(BLACK.mix(0.15))
        .draw()
        .map_err(drawing)?;
    for (name, curve) in &curves {
        let style = colour(name).stroke_width(stroke(name));
        chart
            .draw_series(LineSeries::new(curve.iter().copied(), style))
            .map_err(drawing)?;
    }
    names(&root, &curves)?;
    root.present().map_err(drawing)
}

/// Locks a second, workload by workload.
fn throughput(outcomes: &[(&str, &Outcome)], path: &Path) -> Result<()> {
    let rows: Vec<(&str, Vec<Row>)> = outcomes
        .iter()
        .map(|(title, outcome)| {
            let rows = outcome.rows().into_iter();
            (*title, rows.filter(|row| row.metric == "locks").collect())
        })
        .collect();
    let all = || rows.iter().flat_map(|(_, rows)| rows);
    let most = all().map(|row| row.value).fold(1.0, f64::max);
    let least = all().map(|row| row.value).fold(f64::MAX, f64::min).max(1.0) / 2.0;
    // From the top: a line with the workload's name, then its subjects.
    let mut lines: Vec<(&str, Option<&Row>)> = Vec::new();
    for (title, rows) in &rows {
        lines.push((title, None));
        lines.extend(rows.iter().map(|row| (row.subject.as_str(), Some(row))));
    }
    let count = i32::try_from(lines.len())?;
    let height = u32::try_from(lines.len())? * 22 + 90;
    let root = SVGBackend::new(path, (SIZE.0, height)).into_drawing_area();
    root.fill(&WHITE).map_err(drawing)?;
    let root = root
        .titled("Locks per second, all want one key, one node", TITLE)
        .map_err(drawing)?;
    let mut chart = ChartBuilder::on(&root)
        .margin(10)
        .margin_right(24)
        .x_label_area_size(40)
        .y_label_area_size(180)
        .build_cartesian_2d((least..most * 3.0).log_scale(), (0..count).into_segmented())
        .map_err(drawing)?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .disable_y_axis()
        .x_desc("locks/s")
        .label_style(FONT)
        .y_labels(0)
        .x_label_formatter(&|value| readable(value.round()).replace(".00", "").replace(".0", ""))
        .light_line_style(WHITE)
        .bold_line_style(BLACK.mix(0.15))
        .draw()
        .map_err(drawing)?;
    let left = chart.plotting_area().get_x_axis_pixel_range().start;
    for (index, (name, row)) in (0..count).rev().zip(&lines) {
        let middle = SegmentValue::CenterOf(index);
        let (_, y) = chart.backend_coord(&(least, middle.clone()));
        let pixels = root.get_base_pixel();
        let at = (left - 8 - pixels.0, y - pixels.1);
        let Some(row) = row else {
            let style = text(15).style(FontStyle::Bold).into_text_style(&root);
            let title = style.pos(Pos::new(HPos::Left, VPos::Center));
            root.draw_text(name, &title, (10, at.1)).map_err(drawing)?;
            continue;
        };
        let style = text(14).into_text_style(&root);
        let label = style.pos(Pos::new(HPos::Right, VPos::Center));
        root.draw_text(called(name), &label, at).map_err(drawing)?;
        let corners = [
            (least, SegmentValue::Exact(index)),
            (row.value, SegmentValue::Exact(index + 1)),
        ];
        let mut bar = Rectangle::new(corners, colour(name).filled());
        bar.set_margin(3, 3, 0, 0);
        chart.draw_series([bar]).map_err(drawing)?;
        let (x, _) = chart.backend_coord(&(row.value, middle));
        let style = text(14).into_text_style(&root);
        let value = style.pos(Pos::new(HPos::Left, VPos::Center));
        let at = (x + 6 - pixels.0, at.1);
        root.draw_text(&readable(row.value.round()), &value, at)
            .map_err(drawing)?;
    }
    root.present().map_err(drawing)
}

/// Commands for each lock, by the number of processes that want it.
fn commands(outcomes: &[&Outcome], path: &Path) -> Result<()> {
    let mut curves: Vec<(String, Vec<(f64, f64)>)> = Vec::new();
    for outcome in outcomes {
        for row in outcome.rows() {
            if row.metric != "commands per lock" {
                continue;
            }
            let point = (f64::from(outcome.processes).log2(), row.value);
            match curves.iter_mut().find(|(name, _)| *name == row.subject) {
                Some((_, curve)) => curve.push(point),
                None => curves.push((row.subject, vec![point])),
            }
        }
    }
    let curves: Vec<Curve<'_>> = curves
        .iter()
        .map(|(name, curve)| (name.as_str(), curve.clone()))
        .collect();
    let all = || curves.iter().flat_map(|(_, curve)| curve);
    let most = all().map(|point| point.1).fold(1.0, f64::max);
    let last = all().map(|point| point.0).fold(1.0, f64::max);
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    let plot = page(
        &root,
        "Commands for each lock, one task in each process wants it",
    )?;
    let mut chart = ChartBuilder::on(&plot)
        .margin(10)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..last, 0.0..most * 1.1)
        .map_err(drawing)?;
    chart
        .configure_mesh()
        .x_desc("processes")
        .y_desc("commands per lock")
        .label_style(FONT)
        // Every power of two, and nothing between.
        .x_labels(outcomes.len().max(2))
        .x_label_formatter(&|power| format!("{}", round(power.exp2())))
        .light_line_style(WHITE)
        .bold_line_style(BLACK.mix(0.15))
        .draw()
        .map_err(drawing)?;
    for (name, curve) in &curves {
        let style = colour(name).stroke_width(stroke(name));
        let line = LineSeries::new(curve.iter().copied(), style);
        chart.draw_series(line.point_size(3)).map_err(drawing)?;
    }
    names(&root, &curves)?;
    root.present().map_err(drawing)
}

/// White, with a title; returns what is left beside the names.
fn page<'a>(root: &Area<'a>, title: &str) -> Result<Area<'a>> {
    root.fill(&WHITE).map_err(drawing)?;
    let below = root.titled(title, TITLE).map_err(drawing)?;
    Ok(below.margin(0, 0, 0, NAMES))
}

/// The lines' names in the order of their ends, beside them.
fn names(root: &Area<'_>, curves: &[Curve<'_>]) -> Result<()> {
    let end = |curve: &Curve<'_>| curve.1.last().map_or(0.0, |point| point.1);
    let mut sorted: Vec<&Curve<'_>> = curves.iter().collect();
    sorted.sort_by(|one, other| end(other).total_cmp(&end(one)));
    let left = i32::try_from(SIZE.0 - NAMES)?;
    for (line, (name, _)) in (0..).zip(sorted) {
        let y = 60 + line * 24;
        let style = colour(name).stroke_width(stroke(name) + 1);
        root.draw(&PathElement::new([(left, y), (left + 22, y)], style))
            .map_err(drawing)?;
        let style = text(14).into_text_style(root);
        let label = style.pos(Pos::new(HPos::Left, VPos::Center));
        root.draw_text(called(name), &label, (left + 28, y))
            .map_err(drawing)?;
    }
    Ok(())
}

/// Ours are the ones to look at.
fn stroke(subject: &str) -> u32 {
    if subject == "klg-lock" { 3 } else { 2 }
}

fn text(size: u32) -> FontDesc<'static> {
    ("sans-serif", size).into_font()
}

fn round(value: f64) -> f64 {
    format!("{value:.2e}").parse().unwrap_or(value)
}

fn drawing(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("a plot could not be drawn: {error}")
}
