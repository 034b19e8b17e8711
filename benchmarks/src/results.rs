//! The figures: rows for programs, a table for people.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::Histogram;

/// One figure.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    /// Which workload, and in which variant of it.
    pub workload: String,
    /// Who was measured.
    pub subject: String,
    /// Redis nodes that vote.
    pub nodes: usize,
    /// What was measured.
    pub metric: String,
    /// In which unit.
    pub unit: String,
    /// The median of all rounds.
    pub value: f64,
    /// The median of the rounds' ratios to `raw`, or to what `raw` cannot do the limit.
    pub ratio: Option<f64>,
}

/// What one round has measured of one subject: value by metric and unit.
pub type Sample = BTreeMap<(&'static str, &'static str), f64>;

/// The rounds of one workload, by subject in the order of measuring.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Which workload.
    pub workload: String,
    /// Redis nodes that vote.
    pub nodes: usize,
    /// How many processes want the lock.
    pub processes: u32,
    /// Its samples and what its waits took, by subject.
    pub subjects: Vec<(String, Vec<Sample>, Histogram)>,
    /// Whom the ratios refer to.
    pub reference: String,
}

impl Outcome {
    /// The figures of all rounds.
    #[must_use]
    pub fn rows(&self) -> Vec<Row> {
        let reference = self
            .subjects
            .iter()
            .find(|(name, ..)| *name == self.reference)
            .map(|(_, samples, _)| samples.as_slice())
            .unwrap_or_default();
        let mut rows = Vec::new();
        for (subject, samples, _) in &self.subjects {
            // A round that ended early has fewer of them.
            let metrics: BTreeSet<_> = samples.iter().flat_map(Sample::keys).collect();
            for metric in metrics {
                let values = samples
                    .iter()
                    .filter_map(|sample| sample.get(metric).copied());
                let ratios = samples.iter().zip(reference).filter_map(|(own, other)| {
                    let other = other.get(metric).filter(|other| **other > 0.0)?;
                    Some(own.get(metric)? / other)
                });
                let Some(value) = median(values.collect()) else {
                    continue;
                };
                rows.push(Row {
                    workload: self.workload.clone(),
                    subject: subject.clone(),
                    nodes: self.nodes,
                    metric: metric.0.to_owned(),
                    unit: metric.1.to_owned(),
                    value,
                    ratio: median(ratios.collect()),
                });
            }
        }
        rows
    }
}

/// The middle one.
#[must_use]
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = values.get(middle).copied()?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    Some(
        values
            .get(middle - 1)
            .map_or(upper, |lower| (lower + upper) / 2.0),
    )
}

/// Writes the rows as JSON, one to a line.
pub fn write_json(rows: &[Row], path: &Path) -> Result<()> {
    let lines: Vec<String> = rows
        .iter()
        .map(|row| {
            let row = Row {
                value: rounded(row.value),
                ratio: row.ratio.map(rounded),
                ..row.clone()
            };
            serde_json::to_string(&row)
        })
        .collect::<Result<_, _>>()?;
    Ok(std::fs::write(
        path,
        format!("[\n{}\n]\n", lines.join(",\n")),
    )?)
}

/// Reads what [`write_json`] has written.
pub fn read_json(path: &Path) -> Result<Vec<Row>> {
    Ok(serde_json::from_slice(&std::fs::read(path)?)?)
}

/// Four significant digits.
fn rounded(value: f64) -> f64 {
    format!("{value:.3e}").parse().unwrap_or(value)
}

/// One table for each workload: a line for each subject, a column for each metric.
#[must_use]
pub fn markdown(rows: &[Row]) -> String {
    let mut text = String::new();
    let mut rest = rows;
    while let Some(first) = rest.first() {
        let key = (&first.workload, first.nodes);
        let end = rest
            .iter()
            .position(|row| (&row.workload, row.nodes) != key);
        let (these, others) = rest.split_at(end.unwrap_or(rest.len()));
        rest = others;
        table(&mut text, these);
    }
    text
}

fn table(text: &mut String, rows: &[Row]) {
    let Some(first) = rows.first() else { return };
    let mut metrics: Vec<(&str, &str)> = Vec::new();
    let mut subjects: Vec<&str> = Vec::new();
    for row in rows {
        let metric = (row.metric.as_str(), row.unit.as_str());
        if !metrics.contains(&metric) {
            metrics.push(metric);
        }
        if !subjects.contains(&row.subject.as_str()) {
            subjects.push(&row.subject);
        }
    }
    let nodes = match first.nodes {
        0 => String::new(),
        1 => ", 1 node".to_owned(),
        nodes => format!(", {nodes} nodes"),
    };
    // Writing to a string does not fail.
    let _ = writeln!(text, "\n**{}{nodes}**\n", first.workload);
    let _ = write!(text, "| |");
    for (name, unit) in &metrics {
        let unit = if unit.is_empty() {
            String::new()
        } else {
            format!(", {unit}")
        };
        let _ = write!(text, " {name}{unit} |");
    }
    let _ = writeln!(text, "\n|---|{}", "---:|".repeat(metrics.len()));
    for subject in subjects {
        let _ = write!(text, "| {subject} |");
        for metric in &metrics {
            let cell = rows
                .iter()
                .find(|row| {
                    row.subject == subject && (row.metric.as_str(), row.unit.as_str()) == *metric
                })
                .map(cell)
                .unwrap_or_default();
            let _ = write!(text, " {cell} |");
        }
        let _ = writeln!(text);
    }
}

fn cell(row: &Row) -> String {
    let value = readable(row.value);
    match row.ratio {
        Some(ratio) if !(row.value == 0.0) => format!("{value} ({} ×)", readable(ratio)),
        _ => value,
    }
}

pub(crate) fn readable(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if size >= 1000.0 => {
            let digits = format!("{value:.0}");
            let mut grouped = String::new();
            for (index, digit) in digits.chars().enumerate() {
                if index > 0 && (digits.len() - index) % 3 == 0 {
                    grouped.push(',');
                }
                grouped.push(digit);
            }
            grouped
        }
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 0.095 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_taken_round_by_round() {
        let sample = |value| Sample::from([(("time", "µs"), value)]);
        let outcome = Outcome {
            workload: "W".to_owned(),
            nodes: 1,
            processes: 1,
            subjects: vec![
                (
                    "raw".to_owned(),
                    vec![sample(1.0), sample(10.0), sample(2.0)],
                    Histogram::default(),
                ),
                (
                    "own".to_owned(),
                    vec![sample(2.0), sample(30.0), sample(2.0)],
                    Histogram::default(),
                ),
            ],
            reference: "raw".to_owned(),
        };
        let rows = outcome.rows();
        let own = rows.iter().find(|row| row.subject == "own");
        assert_eq!(
            own.map(|row| (row.value, row.ratio)),
            Some((2.0, Some(2.0)))
        );
    }

    #[test]
    fn figures_are_readable() {
        assert_eq!(readable(1_234_567.8), "1,234,568");
        assert_eq!(readable(0.5), "0.50");
        assert_eq!(readable(86.04), "86.0");
    }
}
