//! Entries and the epochs of tags, read or watched.

use bytes::Bytes;
use redis::{Pipeline, Value};
use tokio::time::Instant;

use super::RedisBackend;
use super::reply::{epoch, sighting, unexpected};
use crate::cache::backend::Sighting;
use crate::cache::backend::terms::Term;
use crate::cache::record::Nonce;
use crate::client::{Link, refusal_code};
use crate::error::NodeError;

impl RedisBackend {
    pub(crate) async fn read(&self, key: &str, tags: &[Box<str>]) -> Result<Sighting, NodeError> {
        let asked = Instant::now();
        if let Some(term) = self.terms.get(key, asked)
            && let Some(sighting) = self.glance(key, tags, term).await?
        {
            return Ok(sighting);
        }
        // Seldom gone through where it matters: not worth a place in every caller's future.
        let sighting = Box::pin(self.look(key, tags)).await?;
        let bytes = sighting.bytes.as_ref();
        self.terms.learn(key, asked, sighting.pttl, bytes);
        Ok(sighting)
    }

    /// Reads a value whose end is known; `None`: something else is there by now.
    async fn glance(
        &self,
        key: &str,
        tags: &[Box<str>],
        term: Term,
    ) -> Result<Option<Sighting>, NodeError> {
        let get = redis::cmd("GET").arg(key).take();
        let (value, epochs) = if tags.is_empty() {
            match self.link.query_within(&get, self.timeout).await {
                Ok(value) => (value, Vec::new()),
                Err(error) if refusal_code(&error) == Some("WRONGTYPE") => return Ok(None),
                Err(error) => return Err(error),
            }
        } else if self.cluster {
            return Ok(None);
        } else {
            let mut pipeline = Pipeline::with_capacity(1 + tags.len());
            pipeline.add_command(get);
            for tag in tags {
                pipeline.cmd("GET").arg(&**tag);
            }
            let mut values = self.pipe(&pipeline).await?.into_iter();
            let value = values.next().unwrap_or(Value::Nil);
            (value, values.map(epoch).collect())
        };
        let bytes = match value {
            Value::BulkString(bytes) => Bytes::from(bytes),
            // Gone, for certain.
            Value::Nil => return Ok(Some(Sighting::default())),
            other => return Err(unexpected(&other)),
        };
        let pttl = term.pttl(&bytes, Instant::now());
        Ok(pttl.map(|pttl| Sighting {
            pttl,
            bytes: Some(bytes),
            epochs,
        }))
    }

    /// Reads a value, and how long it lasts.
    async fn look(&self, key: &str, tags: &[Box<str>]) -> Result<Sighting, NodeError> {
        let mut pipeline = Pipeline::with_capacity(2 + tags.len());
        both(&mut pipeline, key);
        if self.cluster && !tags.is_empty() {
            let (values, epochs) = tokio::join!(self.pipe(&pipeline), self.epochs(tags));
            let mut sighting = sighting(&mut values?.into_iter())?;
            sighting.epochs = epochs?;
            return Ok(sighting);
        }
        for tag in tags {
            pipeline.cmd("GET").arg(&**tag);
        }
        let mut values = self.pipe(&pipeline).await?.into_iter();
        let mut sighting = sighting(&mut values)?;
        sighting.epochs = values.map(epoch).collect();
        Ok(sighting)
    }

    pub(crate) async fn watch(&self, key: &str) -> Result<Sighting, NodeError> {
        #[cfg(feature = "cluster")]
        if let Some(masters) = &self.masters {
            if let Some(master) = masters.of(key) {
                match self.tracked(&master, key).await {
                    // The slot is elsewhere, or on its way there.
                    Err(error) if refusal_code(&error).is_some() => masters.doubt(),
                    result => return result,
                }
            }
            return self.read(key, &[]).await;
        }
        if self.pushes() {
            self.tracked(&self.link, key).await
        } else {
            self.read(key, &[]).await
        }
    }

    /// Reads a key so that the next change to it is pushed over the same link.
    async fn tracked(&self, link: &Link, key: &str) -> Result<Sighting, NodeError> {
        let mut pipeline = Pipeline::with_capacity(4);
        pipeline.cmd("CLIENT").arg(&["CACHING", "YES"]);
        // The permission is for the next command, and the bytes are what is waited for.
        pipeline.cmd("GET").arg(key);
        both(&mut pipeline, key);
        let mut values = self.pipe_over(link, &pipeline).await?.into_iter().skip(2);
        sighting(&mut values)
    }

    pub(crate) async fn epochs(&self, tags: &[Box<str>]) -> Result<Vec<Option<Nonce>>, NodeError> {
        if tags.is_empty() {
            return Ok(Vec::new());
        }
        let mut get = redis::cmd("MGET");
        for tag in tags {
            get.arg(&**tag);
        }
        match self.link.query_within(&get, self.timeout).await? {
            Value::Array(values) if values.len() == tags.len() => {
                Ok(values.into_iter().map(epoch).collect())
            }
            other => Err(unexpected(&other)),
        }
    }

    pub(crate) async fn read_many(&self, keys: &[Box<str>]) -> Result<Vec<Sighting>, NodeError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        if self.cluster {
            let reads = keys.iter().map(|key| self.read(key, &[]));
            return futures_util::future::try_join_all(reads).await;
        }
        let mut pipeline = Pipeline::with_capacity(keys.len() + 1);
        let mut get = redis::cmd("MGET");
        for key in keys {
            pipeline.cmd("PTTL").arg(&**key);
            get.arg(&**key);
        }
        pipeline.add_command(get);
        let mut values = self.pipe(&pipeline).await?;
        let Some(Value::Array(bytes)) = values.pop() else {
            return Err(unexpected(&Value::Nil));
        };
        let sightings = values.into_iter().zip(bytes);
        sightings
            .map(|(pttl, bytes)| sighting(&mut [pttl, bytes].into_iter()))
            .collect()
    }
}

/// Reads the TTL first: if the entry changes between the two, what is known of its time is at worst
/// too short.
fn both(pipeline: &mut Pipeline, key: &str) {
    pipeline.cmd("PTTL").arg(key);
    pipeline.cmd("GET").arg(key);
}
