//! A port of 127.0.0.1 that nobody else takes while it is leased.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the range from which the kernel takes the ports of outgoing connections, and so that the
/// cluster bus (10,000 above) is below it too.
const FIRST: u16 = 11_000;
const COUNT: u16 = 10_000;
/// Where Redis puts the cluster bus of a port.
const BUS: u16 = 10_000;

/// The lease of one TCP port, for as long as the value lives.
///
/// `redis-server` cannot tell which port it took when told to take any, and a port found by binding
/// and closing may be taken by a neighbour before the server binds it. The lease is therefore the
/// UDP socket of the same number: the kernel gives it to one owner, across threads and processes,
/// takes it back when the owner dies, and it does not stand in the way of the TCP listener.
#[derive(Debug)]
pub struct Port {
    number: u16,
    _lease: UdpSocket,
}

impl Port {
    /// Leases a port on which nothing listens; the port 10,000 above it (cluster bus) is free too.
    #[must_use]
    pub fn lease() -> Self {
        // Processes begin at different places, so that they seldom look at the same port.
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let start = u16::try_from(std::process::id().wrapping_mul(37) % u32::from(COUNT)).unwrap();
        for _ in 0..COUNT {
            let step = NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
            let number = FIRST + (start + step) % COUNT;
            let Ok(lease) = UdpSocket::bind((Ipv4Addr::LOCALHOST, number)) else {
                continue;
            };
            if is_free(number) && is_free(number + BUS) {
                return Self {
                    number,
                    _lease: lease,
                };
            }
        }
        panic!(
            "no free port of 127.0.0.1 between {FIRST} and {}",
            FIRST + COUNT
        );
    }

    /// The port's number.
    #[must_use]
    pub fn number(&self) -> u16 {
        self.number
    }

    /// The port's address on the loopback interface.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.number))
    }
}

fn is_free(number: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, number)).is_ok()
}
