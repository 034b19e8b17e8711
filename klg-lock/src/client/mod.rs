//! Named Redis clients: where a server is, how to reach it, and connections that stay up.
//!
//! [`Endpoint`] says where, [`dial`] opens one connection, and a [`Link`] keeps one open for as
//! long as it lives. The lock nodes dial for themselves, since they own their socket.

mod backend;
mod backoff;
mod batch;
#[cfg(feature = "cluster")]
mod cluster;
mod connection;
mod dial;
mod endpoint;
mod fault;
mod feed;
mod handshake;
mod health;
#[cfg(feature = "cluster")]
pub(crate) mod layout;
mod link;
#[cfg(feature = "cluster")]
mod masters;
mod options;
pub(crate) mod resp;
#[cfg(feature = "sentinel")]
mod sentinel;
mod shared;
mod stream;
mod supervisor;
#[cfg(feature = "cluster")]
mod survey;
#[cfg(feature = "tls")]
mod tls;
mod transport;
mod walk;

pub(crate) use self::backend::Backend;
pub(crate) use self::backoff::Backoff;
pub use self::connection::Connection;
pub(crate) use self::dial::{Dialer, Wire, closed_by_peer};
pub(crate) use self::endpoint::{Address, Endpoint, Kind, TlsFiles};
pub(crate) use self::fault::{Refusal, io_fault, refusal_code, server_answer, server_fault};
pub(crate) use self::feed::Feed;
pub(crate) use self::handshake::{Mode, Session};
pub(crate) use self::health::Monitor;
pub use self::health::{Health, HealthState};
pub(crate) use self::link::Link;
#[cfg(feature = "cluster")]
pub(crate) use self::masters::Masters;
pub(crate) use self::options::{LinkOptions, Listener};
pub(crate) use self::stream::{Reader, Stream, Writer};
pub(crate) use self::walk::Walk;

#[cfg(test)]
mod tests;
