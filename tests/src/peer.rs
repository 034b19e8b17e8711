//! Something that listens and is no Redis: silent, rude, or of another trade.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

/// A listener on 127.0.0.1 that treats every connection in the same way.
#[derive(Debug)]
pub struct Peer {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    ended: AtomicBool,
    accepted: AtomicUsize,
    open: Mutex<Vec<TcpStream>>,
}

#[derive(Clone, Debug)]
enum Manner {
    Silent,
    Closing,
    Greeting(Vec<u8>),
    Answering(Vec<u8>),
}

impl Peer {
    /// Takes all bytes and never says anything, as a hung proxy does.
    #[must_use]
    pub fn silent() -> Self {
        Self::start(Manner::Silent)
    }

    /// Closes every connection at once.
    #[must_use]
    pub fn closing() -> Self {
        Self::start(Manner::Closing)
    }

    /// Says something as soon as a connection is there, as an SSH server does.
    #[must_use]
    pub fn greeting(words: &str) -> Self {
        Self::start(Manner::Greeting(words.as_bytes().to_vec()))
    }

    /// Answers whatever arrives with the same words, as a web server does.
    #[must_use]
    pub fn answering(words: &str) -> Self {
        Self::start(Manner::Answering(words.as_bytes().to_vec()))
    }

    fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let acceptor = thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                for stream in listener.incoming().map_while(Result::ok) {
                    if shared.ended.load(Ordering::SeqCst) {
                        return;
                    }
                    shared.accepted.fetch_add(1, Ordering::SeqCst);
                    let (manner, shared) = (manner.clone(), Arc::clone(&shared));
                    thread::spawn(move || serve(&manner, stream, &shared));
                }
            }
        });
        Self {
            address,
            shared,
            acceptor: Some(acceptor),
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `redis://..` at its address.
    #[must_use]
    pub fn uri(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// How many connections it has taken so far.
    #[must_use]
    pub fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }
}

fn serve(manner: &Manner, mut stream: TcpStream, shared: &Shared) {
    if matches!(manner, Manner::Closing) {
        return;
    }
    if let Ok(second) = stream.try_clone() {
        let mut open = shared.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.push(second);
    }
    if let Manner::Greeting(words) = manner
        && stream.write_all(words).is_err()
    {
        return;
    }
    let mut bytes = [0; 4096];
    while let Ok(1..) = stream.read(&mut bytes) {
        if let Manner::Answering(words) = manner
            && stream.write_all(words).is_err()
        {
            return;
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        // Wakes the acceptor, which then sees that it is over.
        let _ = TcpStream::connect(self.address);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
        let mut open = self
            .shared
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for stream in open.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}
