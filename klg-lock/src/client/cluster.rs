//! The crate's cluster connection, for the store.

use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::{
    ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, RedisConnectionInfo,
};

use super::endpoint::{Address, Protocol};
use super::fault::crate_fault;
use super::handshake::Mode;
use super::shared::Shared;
use crate::error::{NodeError, NodeErrorKind};

/// A command is sent on at most this often; the link above has the patience.
const RETRIES: u32 = 4;

pub(super) async fn connect(
    shared: &Shared,
    addresses: &[Address],
) -> Result<ClusterConnection, NodeError> {
    // What the crate says of a server that is no cluster is of little help: ask one first.
    greet_one(shared, addresses).await?;
    let endpoint = &shared.dialer.endpoint;
    let mut settings = RedisConnectionInfo::default();
    if let Some(user) = &endpoint.credentials.user {
        settings = settings.set_username(user);
    }
    if let Some(password) = &endpoint.credentials.password {
        settings = settings.set_password(password);
    }
    let seeds = addresses
        .iter()
        .map(|address| seed(address, endpoint.tls.is_some(), &settings))
        .collect::<Result<Vec<ConnectionInfo>, _>>()?;
    let tcp = redis::io::tcp::TcpSettings::default().set_nodelay(true);
    let builder = ClusterClientBuilder::new(seeds)
        .use_protocol(match endpoint.protocol {
            Protocol::Newest => ProtocolVersion::RESP3,
            Protocol::Resp2 => ProtocolVersion::RESP2,
        })
        .tcp_settings(tcp)
        .retries(RETRIES)
        .min_retry_wait(10)
        .max_retry_wait(200)
        .connection_timeout(shared.options.connect_timeout)
        .response_timeout(shared.options.deadline);
    #[cfg(feature = "tls")]
    let builder = match &endpoint.tls {
        Some(files) => builder.certs(super::tls::certificates_for_the_crate(files)?),
        None => builder,
    };
    let client = builder.build().map_err(|error| crate_fault(&error))?;
    client
        .get_async_connection()
        .await
        .map_err(|error| crate_fault(&error))
}

async fn greet_one(shared: &Shared, addresses: &[Address]) -> Result<(), NodeError> {
    let mut last = NodeError::new(NodeErrorKind::Unreachable, "no server is named");
    for address in addresses {
        let mut dialer = shared.dialer.clone();
        dialer.endpoint = dialer.endpoint.at(address.clone());
        dialer.mode = Mode::Cluster;
        match dialer.dial().await {
            Ok(_) => return Ok(()),
            // Among several, what waiting does not mend is the better answer.
            Err(error) if last.kind().is_transient() || !error.kind().is_transient() => {
                last = error;
            }
            Err(_) => {}
        }
    }
    Err(last)
}

fn seed(
    address: &Address,
    tls: bool,
    settings: &RedisConnectionInfo,
) -> Result<ConnectionInfo, NodeError> {
    let Address::Tcp { host, port } = address else {
        return Err(NodeError::new(
            NodeErrorKind::Protocol,
            "a cluster is not reached over a unix socket",
        ));
    };
    let (host, port) = (host.to_string(), *port);
    let addr = if tls {
        ConnectionAddr::TcpTls {
            host,
            port,
            insecure: false,
            tls_params: None,
        }
    } else {
        ConnectionAddr::Tcp(host, port)
    };
    let info = addr
        .into_connection_info()
        .map_err(|error| crate_fault(&error))?;
    Ok(info.set_redis_settings(settings.clone()))
}
