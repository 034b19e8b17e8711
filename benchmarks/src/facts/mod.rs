//! W8 to W10, and the library's size: what it keeps, allocates and depends on.
//!
//! These run in a program of their own, whose allocator counts: counting costs time, which the
//! other workloads shall not pay.

mod attribute;
mod dependencies;
mod held;
mod waiters;

use std::alloc::System;

use anyhow::Result;
use stats_alloc::{Region, StatsAlloc};

pub use self::attribute::attribute;
pub use self::dependencies::dependencies;
pub use self::held::held_locks;
pub use self::waiters::idle_waiters;
use crate::results::Row;

/// The allocator whose counts are read.
pub type Allocator = StatsAlloc<System>;

/// All of them, as rows.
pub fn all(allocator: &'static Allocator, quick: bool) -> Result<Vec<Row>> {
    let mut rows = dependencies()?;
    rows.extend(attribute(allocator)?);
    rows.extend(idle_waiters(allocator)?);
    rows.extend(held_locks(allocator, quick)?);
    Ok(rows)
}

fn row(workload: &str, metric: &str, unit: &str, value: f64) -> Row {
    Row {
        workload: workload.to_owned(),
        subject: "klg-lock".to_owned(),
        nodes: 1,
        metric: metric.to_owned(),
        unit: unit.to_owned(),
        value,
        ratio: None,
    }
}

/// The bytes that are in use more than when the region began.
fn live(region: &Region<'_, System>) -> f64 {
    let change = region.change();
    change.bytes_allocated as f64 - change.bytes_deallocated as f64
}
