//! The `redis` crate's connections behind a link: one server's, or a cluster's.

#[cfg(feature = "cluster")]
use redis::aio::ConnectionLike as _;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, Pipeline, RedisResult, ServerError, Value};

/// One of the crate's connections; a clone is the same connection.
#[derive(Clone)]
pub(super) enum Transport {
    Single(MultiplexedConnection),
    #[cfg(feature = "cluster")]
    Cluster(redis::cluster_async::ClusterConnection),
}

/// Something to send: what comes back, and how it goes over either kind of connection.
pub(super) trait Ask: Sync {
    type Reply: Send;

    fn over(
        &self,
        transport: &mut Transport,
    ) -> impl Future<Output = RedisResult<Self::Reply>> + Send;

    /// The errors among what the server answered.
    fn refusals(reply: &Self::Reply) -> impl Iterator<Item = &ServerError>;
}

/// One command.
pub(super) struct One<'a>(pub(super) &'a Cmd);

/// Several in one write: how many replies to skip, and how many to keep.
pub(super) struct Many<'a>(pub(super) &'a Pipeline, pub(super) usize, pub(super) usize);

impl Ask for One<'_> {
    type Reply = Value;

    async fn over(&self, transport: &mut Transport) -> RedisResult<Value> {
        match transport {
            Transport::Single(single) => single.send_packed_command(self.0).await,
            #[cfg(feature = "cluster")]
            Transport::Cluster(cluster) => cluster.req_packed_command(self.0).await,
        }
    }

    fn refusals(reply: &Value) -> impl Iterator<Item = &ServerError> {
        refusal(reply).into_iter()
    }
}

impl Ask for Many<'_> {
    type Reply = Vec<Value>;

    async fn over(&self, transport: &mut Transport) -> RedisResult<Vec<Value>> {
        let Self(pipeline, offset, count) = *self;
        match transport {
            Transport::Single(single) => single.send_packed_commands(pipeline, offset, count).await,
            #[cfg(feature = "cluster")]
            Transport::Cluster(cluster) => {
                cluster.req_packed_commands(pipeline, offset, count).await
            }
        }
    }

    fn refusals(reply: &Vec<Value>) -> impl Iterator<Item = &ServerError> {
        reply.iter().filter_map(refusal)
    }
}

fn refusal(value: &Value) -> Option<&ServerError> {
    match value {
        Value::ServerError(error) => Some(error),
        _ => None,
    }
}
