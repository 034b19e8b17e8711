//! Where a function can be generated beside a cached one.

use async_trait::async_trait;
use klg_lock::cache::Json;
use klg_lock::cached;
use klg_lock_ui_tests::AppError;

#[cached("k", entry = same)]
async fn same() -> u64 {
    1
}

#[cached("k", entry = codec_entry, codec = Json)]
async fn own_codec() -> u64 {
    1
}

type Hidden = Result<u64, AppError>;

#[cached("k", entry = hidden_entry)]
async fn hidden_result() -> Hidden {
    Ok(1)
}

trait Finds {
    async fn find(&self) -> u64;
}

struct Service;

impl Finds for Service {
    #[cached("k", entry = find_entry)]
    async fn find(&self) -> u64 {
        1
    }
}

#[async_trait]
trait Boxed {
    #[cached("k", entry = boxed_entry)]
    async fn boxed(&self) -> u64 {
        1
    }
}

fn main() {}
