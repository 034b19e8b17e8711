//! W8 to W10 and the library's size, under an allocator that counts; rows of JSON, one to a line.

use std::alloc::System;

use anyhow::Result;
use klg_lock_benchmarks::{facts, worker};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["serve", port] => worker::serve(port),
        words => {
            worker::follow_parent();
            for row in facts::all(&INSTRUMENTED_SYSTEM, words.contains(&"quick"))? {
                println!("{}", serde_json::to_string(&row)?);
            }
            Ok(())
        }
    }
}
