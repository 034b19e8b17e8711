//! Commands and scripts on their way to the server.

use redis::{Cmd, Pipeline, Value};

use super::RedisBackend;
use super::reply::{foreign, unexpected};
use super::script::Call;
use crate::client::{Link, refusal_code};
use crate::error::NodeError;

impl RedisBackend {
    /// A script whose answer is yes or no.
    pub(super) async fn one(&self, call: Call) -> Result<bool, NodeError> {
        match self.scripts(&[call]).await?.pop() {
            Some(Value::Int(answer)) => Ok(answer == 1),
            other => Err(unexpected(&other.unwrap_or(Value::Nil))),
        }
    }

    /// Runs scripts in order; their sources are sent only where the server does not know them.
    pub(super) async fn scripts(&self, calls: &[Call]) -> Result<Vec<Value>, NodeError> {
        let by_hash = calls.iter().map(|call| call.command(false)).collect();
        match self.all(by_hash).await {
            Err(error) if refusal_code(&error) == Some("NOSCRIPT") => {
                // Those that were known have run already; each of them may run twice.
                self.all(calls.iter().map(|call| call.command(true)).collect())
                    .await
            }
            result => result,
        }
    }

    /// Sends commands in order; the first error among the answers is the result.
    pub(super) async fn all(&self, commands: Vec<Cmd>) -> Result<Vec<Value>, NodeError> {
        if let [only] = commands.as_slice() {
            let value = self.link.query_within(only, self.timeout).await?;
            return Ok(vec![value]);
        }
        if self.cluster {
            // In order, and each to its own place.
            let mut values = Vec::with_capacity(commands.len());
            for command in &commands {
                values.push(self.link.query_within(command, self.timeout).await?);
            }
            return Ok(values);
        }
        let mut pipeline = Pipeline::with_capacity(commands.len());
        for command in commands {
            pipeline.add_command(command);
        }
        self.pipe(&pipeline).await
    }

    pub(super) async fn pipe(&self, pipeline: &Pipeline) -> Result<Vec<Value>, NodeError> {
        if pipeline.is_empty() {
            return Ok(Vec::new());
        }
        self.pipe_over(&self.link, pipeline).await
    }

    pub(super) async fn pipe_over(
        &self,
        link: &Link,
        pipeline: &Pipeline,
    ) -> Result<Vec<Value>, NodeError> {
        let values = link.pipeline(pipeline, self.timeout).await?;
        values.into_iter().map(foreign).map(Link::checked).collect()
    }
}
