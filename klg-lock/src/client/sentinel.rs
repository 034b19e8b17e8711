//! Finding the master that the sentinels agree on.

use tokio::time::{Instant, timeout_at};

use super::dial::{Dialer, Wire};
use super::endpoint::Address;
use super::handshake::Mode;
use super::resp::Frame;
use crate::error::{NodeError, NodeErrorKind};

/// Asks one sentinel after the other where the master is, and connects to it. Done anew for every
/// connection, since that is how a fail-over is followed.
pub(super) async fn dial_master(
    dialer: &Dialer,
    sentinels: &[Address],
    master: &str,
    end: Instant,
) -> Result<Wire, NodeError> {
    let mut last = NodeError::new(NodeErrorKind::Unreachable, "no sentinel is named");
    let mut share = sentinels.len();
    for sentinel in sentinels {
        // One that hangs must leave time for the others, and for the master itself.
        let left = end.saturating_duration_since(Instant::now());
        let until = Instant::now() + left / u32::try_from(share + 1).unwrap_or(1);
        share = share.saturating_sub(1);
        let asked = timeout_at(until, ask(dialer, sentinel, master)).await;
        let address = match asked {
            Ok(Ok(address)) => address,
            Ok(Err(error)) => {
                last = error;
                continue;
            }
            Err(_) => {
                last = NodeError::new(
                    NodeErrorKind::TimedOut,
                    format!("the sentinel {sentinel} did not answer in time"),
                );
                continue;
            }
        };
        let mut direct = dialer.clone();
        direct.endpoint = dialer.endpoint.at(address.clone());
        // Between the fall of a master and the next election, the sentinels name the old one.
        direct.master = true;
        match direct.dial_at(&address, end).await {
            Ok(wire) => return Ok(wire),
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn ask(dialer: &Dialer, sentinel: &Address, master: &str) -> Result<Address, NodeError> {
    let mut direct = dialer.clone();
    direct.endpoint = dialer.endpoint.at(sentinel.clone());
    direct.endpoint.credentials = dialer.endpoint.sentinel_credentials.clone();
    direct.endpoint.database = 0;
    direct.master = false;
    direct.mode = Mode::Sentinel;
    direct.identify = false;
    let mut wire = direct
        .connect_and_greet(sentinel)
        .await
        .map_err(|error| at(sentinel, &error))?;
    let reply = wire
        .ask(&[b"SENTINEL", b"get-master-addr-by-name", master.as_bytes()])
        .await
        .map_err(|error| at(sentinel, &error))?;
    match reply {
        Frame::List(parts) => match parts.as_slice() {
            [host, port] => match (host.text(), port.text().and_then(|port| port.parse().ok())) {
                (Some(host), Some(port)) => Ok(Address::Tcp {
                    host: host.into(),
                    port,
                }),
                _ => Err(strange(sentinel)),
            },
            _ => Err(strange(sentinel)),
        },
        Frame::Nil => Err(NodeError::new(
            NodeErrorKind::Protocol,
            format!(
                "the sentinel {sentinel} knows no master named {master:?}; SENTINEL MASTERS lists them"
            ),
        )),
        _ => Err(strange(sentinel)),
    }
}

fn strange(sentinel: &Address) -> NodeError {
    NodeError::new(
        NodeErrorKind::Protocol,
        format!(
            "{sentinel} does not answer like a sentinel; redis+sentinel:// names sentinels, not servers"
        ),
    )
}

fn at(sentinel: &Address, error: &NodeError) -> NodeError {
    NodeError::new(error.kind(), format!("sentinel {sentinel}: {error}"))
}
