//! What a user writes by hand: `GET`; if there is nothing, load and `SET` with a TTL; `DEL` after a
//! change.

use std::time::Duration;

use anyhow::{Context, Result};
use redis::aio::MultiplexedConnection;

use super::User;

/// What this library stores besides a value: by hand the same number of bytes is read.
const HEAD: usize = 78;

/// One multiplexed connection.
#[derive(Debug)]
pub struct Raw {
    connection: MultiplexedConnection,
    pub(super) ttl: Duration,
}

impl Raw {
    pub(super) async fn connect(uri: &str) -> Result<Self> {
        let client = redis::Client::open(uri)?;
        Ok(Self {
            connection: client.get_multiplexed_async_connection().await?,
            ttl: Duration::from_secs(60),
        })
    }

    pub(super) async fn get<F, Fut>(&self, key: &str, load: F) -> Result<User>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<User>>,
    {
        let mut connection = self.connection.clone();
        let get = redis::cmd("GET").arg(key).take();
        let bytes: Option<Vec<u8>> = get.query_async(&mut connection).await?;
        if let Some(bytes) = bytes {
            let value = bytes.get(HEAD..).context("too short")?;
            return Ok(rmp_serde::from_slice(value)?);
        }
        let user = load().await?;
        let mut bytes = vec![0; HEAD];
        rmp_serde::encode::write_named(&mut bytes, &user)?;
        let ttl = u64::try_from(self.ttl.as_millis())?;
        let mut set = redis::cmd("SET");
        set.arg(key).arg(bytes).arg("PX").arg(ttl);
        let () = set.query_async(&mut connection).await?;
        Ok(user)
    }

    pub(super) async fn bytes(&self, key: &str) -> Result<()> {
        let mut connection = self.connection.clone();
        let get = redis::cmd("GET").arg(key).take();
        let bytes: Vec<u8> = get.query_async(&mut connection).await?;
        anyhow::ensure!(bytes.len() > HEAD, "it is not there");
        drop(std::hint::black_box(bytes));
        Ok(())
    }

    pub(super) async fn evict(&self, key: &str) -> Result<()> {
        let mut connection = self.connection.clone();
        let delete = redis::cmd("DEL").arg(key).take();
        Ok(delete.query_async(&mut connection).await?)
    }
}
