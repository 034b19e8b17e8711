//! `#[cached_many]`: the ids in a `Vec`, the values by id, a key that names the id.

use std::collections::HashMap;

use klg_lock::cached_many;

#[cached_many]
async fn nothing_said(ids: Vec<u64>) -> HashMap<u64, u64> {
    HashMap::new()
}

#[cached_many("user", keys = ids)]
async fn one_key_for_all(ids: Vec<u64>) -> HashMap<u64, u64> {
    HashMap::new()
}

#[cached_many("{id}:{idx}", keys = ids)]
async fn two_names(ids: Vec<u64>) -> HashMap<u64, u64> {
    HashMap::new()
}

#[cached_many("{id}", keys = users)]
async fn no_such_parameter(ids: Vec<u64>) -> HashMap<u64, u64> {
    HashMap::new()
}

#[cached_many("{id}", keys = ids)]
async fn borrowed_ids(ids: &[u64]) -> HashMap<u64, u64> {
    HashMap::new()
}

#[cached_many(key = format!("x"), keys = ids)]
async fn computed(ids: Vec<u64>) -> HashMap<u64, u64> {
    HashMap::new()
}

#[cached_many("{id}", keys = ids)]
async fn a_list(ids: Vec<u64>) -> Vec<u64> {
    ids
}

#[cached_many("{id}", keys = ids)]
async fn other_ids(ids: Vec<u8>) -> HashMap<u64, u64> {
    HashMap::new()
}

fn main() {}
