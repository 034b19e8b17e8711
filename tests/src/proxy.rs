//! A wire between a client and a server that can be delayed, held, made to swallow, cut, refused.

use std::net::SocketAddr;
use std::sync::mpsc as blocking;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use crate::Port;

/// The way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the client to the server.
    Requests,
    /// From the server to the client.
    Replies,
}

/// A TCP proxy to one server, healthy until told otherwise.
///
/// It runs on a thread of its own, so that a test that blocks or pauses its clock leaves it alone.
#[derive(Debug)]
pub struct Proxy {
    port: Port,
    links: Arc<Mutex<Links>>,
    gate: mpsc::UnboundedSender<(bool, blocking::Sender<()>)>,
    runtime: Option<Runtime>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Faults {
    delay: Duration,
    hold: bool,
    swallow: bool,
}

/// The state of one connection.
#[derive(Debug)]
struct Link {
    gone: Mutex<blocking::Receiver<()>>,
    requests: watch::Sender<Faults>,
    replies: watch::Sender<Faults>,
    cut: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Links {
    requests: Faults,
    replies: Faults,
    open: Vec<Arc<Link>>,
}

impl Proxy {
    /// A healthy wire to the server at `target`.
    #[must_use]
    pub fn to(target: SocketAddr) -> Self {
        let port = Port::lease();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let links = Arc::new(Mutex::new(Links::default()));
        let (gate, orders) = mpsc::unbounded_channel();
        let address = port.address();
        runtime.spawn(accept(address, target, Arc::clone(&links), orders));
        let proxy = Self {
            port,
            links,
            gate,
            runtime: Some(runtime),
        };
        proxy.accept();
        proxy
    }

    /// The client's end.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// `redis://..` at the client's end.
    #[must_use]
    pub fn uri(&self) -> String {
        format!("redis://{}", self.address())
    }

    /// Bytes take this much longer from now on; their order stays.
    pub fn delay(&self, way: Way, delay: Duration) {
        self.change(way, |faults| faults.delay = delay, true);
    }

    /// Bytes wait on the way, also those of connections made later, until [`pass`](Self::pass).
    /// The end of a connection waits with them.
    pub fn hold(&self, way: Way) {
        self.change(way, |faults| faults.hold = true, true);
    }

    /// Like [`hold`](Self::hold), but connections made later are healthy.
    pub fn hold_present(&self, way: Way) {
        self.change(way, |faults| faults.hold = true, false);
    }

    /// Bytes are taken and lost, also those of connections made later.
    pub fn swallow(&self, way: Way) {
        self.change(way, |faults| faults.swallow = true, true);
    }

    /// Ends delays, holds and losses; what was held goes on its way.
    pub fn pass(&self) {
        self.change(Way::Requests, |faults| *faults = Faults::default(), true);
        self.change(Way::Replies, |faults| *faults = Faults::default(), true);
    }

    /// Ends every present connection, on both sides, with what is on its way; returns when it is
    /// done, so that nothing sent after it can still slip through.
    pub fn cut(&self) {
        let open: Vec<Arc<Link>> = self.links().open.drain(..).collect();
        for link in open {
            link.cut.send_replace(true);
            let gone = link.gone.lock().unwrap_or_else(PoisonError::into_inner);
            // Its task drops the other end when both sockets are closed.
            let _ = gone.recv();
        }
    }

    /// Ends every present connection and refuses new ones, until [`accept`](Self::accept).
    pub fn refuse(&self) {
        self.turn(false);
        self.cut();
    }

    /// Takes connections again.
    pub fn accept(&self) {
        self.turn(true);
    }

    /// How many connections go through it now.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.links().open.len()
    }

    fn turn(&self, open: bool) {
        let (done, is_done) = blocking::channel();
        self.gate.send((open, done)).expect("the proxy runs");
        is_done.recv().expect("the proxy listens at its port");
    }

    fn change(&self, way: Way, change: impl Fn(&mut Faults), later_too: bool) {
        let mut links = self.links();
        if later_too {
            change(match way {
                Way::Requests => &mut links.requests,
                Way::Replies => &mut links.replies,
            });
        }
        for link in &links.open {
            match way {
                Way::Requests => link.requests.send_modify(&change),
                Way::Replies => link.replies.send_modify(&change),
            }
        }
    }

    fn links(&self) -> MutexGuard<'_, Links> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Opens and closes the listener as ordered, and starts a link for each connection.
async fn accept(
    address: SocketAddr,
    target: SocketAddr,
    links: Arc<Mutex<Links>>,
    mut orders: mpsc::UnboundedReceiver<(bool, blocking::Sender<()>)>,
) {
    let mut listener: Option<TcpListener> = None;
    loop {
        let client = tokio::select! {
            biased;
            order = orders.recv() => match order {
                Some((open, done)) => {
                    if !open {
                        listener = None;
                    } else if listener.is_none() {
                        listener = Some(listen(address));
                    }
                    let _ = done.send(());
                    continue;
                }
                None => return,
            },
            Ok((client, _)) = async {
                match &listener {
                    Some(listener) => listener.accept().await,
                    None => std::future::pending().await,
                }
            } => client,
        };
        let (requests, requests_faults);
        let (replies, replies_faults);
        let (cut, is_cut) = watch::channel(false);
        let (here, gone) = blocking::channel::<()>();
        let link = {
            let mut links = links.lock().unwrap_or_else(PoisonError::into_inner);
            (requests, requests_faults) = watch::channel(links.requests);
            (replies, replies_faults) = watch::channel(links.replies);
            let link = Arc::new(Link {
                gone: Mutex::new(gone),
                requests,
                replies,
                cut,
            });
            links.open.push(Arc::clone(&link));
            link
        };
        let links = Arc::clone(&links);
        tokio::spawn(async move {
            carry(client, target, requests_faults, replies_faults, is_cut).await;
            drop(here);
            let mut links = links.lock().unwrap_or_else(PoisonError::into_inner);
            links.open.retain(|other| !Arc::ptr_eq(other, &link));
        });
    }
}

fn listen(address: SocketAddr) -> TcpListener {
    let socket = TcpSocket::new_v4().unwrap();
    // The port is leased: what may still be bound to it is an old connection of our own.
    socket.set_reuseaddr(true).unwrap();
    socket.bind(address).unwrap();
    socket.listen(1024).unwrap()
}

/// Carries one connection until both ways have ended, or it is cut.
async fn carry(
    client: TcpStream,
    target: SocketAddr,
    requests: watch::Receiver<Faults>,
    replies: watch::Receiver<Faults>,
    mut is_cut: watch::Receiver<bool>,
) {
    // A server that is not there shows as a connection that is closed at once.
    let Ok(server) = TcpStream::connect(target).await else {
        return;
    };
    let _ = client.set_nodelay(true);
    let _ = server.set_nodelay(true);
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        biased;
        _ = is_cut.wait_for(|cut| *cut) => {}
        () = async {
            tokio::join!(
                pump(from_client, to_server, requests),
                pump(from_server, to_client, replies),
            );
        } => {}
    }
}

/// Carries one way of a connection. The end of the stream travels like a byte.
async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut faults: watch::Receiver<Faults>,
) {
    let (queue, mut queued) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    let now = faults.clone();
    let read = async move {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let count = from.read(&mut buffer).await.unwrap_or(0);
            let Faults { delay, swallow, .. } = *now.borrow();
            if swallow && count > 0 {
                continue;
            }
            let _ = queue.send((Instant::now() + delay, buffer[..count].to_vec()));
            if count == 0 {
                return;
            }
        }
    };
    let write = async move {
        while let Some((due, bytes)) = queued.recv().await {
            sleep_until(due).await;
            if faults.wait_for(|faults| !faults.hold).await.is_err() {
                return;
            }
            if bytes.is_empty() || to.write_all(&bytes).await.is_err() {
                return;
            }
        }
    };
    // Dropping `to` when the writer ends says so to the other side; the reader need not be awaited.
    tokio::join!(read, write);
}
