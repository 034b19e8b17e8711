//! The `redis` crate's connections behind a link: one server's, or a cluster's.

#[cfg(feature = "cluster")]
use redis::aio::ConnectionLike as _;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, Pipeline, RedisResult, Value};

/// One of the crate's connections; a clone is the same connection.
#[derive(Clone)]
pub(super) enum Transport {
    Single(MultiplexedConnection),
    #[cfg(feature = "cluster")]
    Cluster(redis::cluster_async::ClusterConnection),
}

/// What is sent.
pub(super) enum Ask<'a> {
    One(&'a Cmd),
    /// How many replies to skip, and how many to keep.
    Many(&'a Pipeline, usize, usize),
}

impl Transport {
    pub(super) async fn ask(&mut self, ask: &Ask<'_>) -> RedisResult<Vec<Value>> {
        match (self, ask) {
            (Self::Single(single), Ask::One(cmd)) => single
                .send_packed_command(cmd)
                .await
                .map(|value| vec![value]),
            (Self::Single(single), Ask::Many(pipeline, offset, count)) => {
                single.send_packed_commands(pipeline, *offset, *count).await
            }
            #[cfg(feature = "cluster")]
            (Self::Cluster(cluster), Ask::One(cmd)) => cluster
                .req_packed_command(cmd)
                .await
                .map(|value| vec![value]),
            #[cfg(feature = "cluster")]
            (Self::Cluster(cluster), Ask::Many(pipeline, offset, count)) => {
                cluster.req_packed_commands(pipeline, *offset, *count).await
            }
        }
    }
}
