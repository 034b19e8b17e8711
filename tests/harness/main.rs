//! The harness itself: a fault that does nothing would make every test that relies on it hollow.

mod control;
mod network;
mod servers;
mod sets;

use std::future::{Future, pending, poll_fn};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use klg_lock_tests::Process;
use klg_lock_tests::poll::{cancelled_after, within};
use redis::Value;
use rustix::process::Signal;

const A_MOMENT: Duration = Duration::from_millis(100);

/// Whether `PING` is answered within a moment on a new connection to `address`.
fn answers(address: std::net::SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect(address) else {
        return false;
    };
    stream.set_read_timeout(Some(A_MOMENT)).unwrap();
    stream.write_all(b"PING\r\n").unwrap();
    let mut reply = [0; 7];
    stream.read_exact(&mut reply).is_ok() && &reply == b"+PONG\r\n"
}

fn is_error(value: &Value, code: &str) -> bool {
    matches!(value, Value::ServerError(error) if error.code() == code)
}

#[test]
fn a_process_is_heard_spoken_to_stopped_and_killed() {
    let mut process = Process::start("sh", &["-c", "read word; echo heard $word; exit 3"]);
    process.say("this");
    assert_eq!(process.line(), "heard this");
    let (status, rest) = process.wait();
    assert_eq!((status.code(), rest.len()), (Some(3), 0));

    let mut ticking = Process::start("sh", &["-c", "while :; do echo tick; sleep 0.01; done"]);
    assert_eq!(ticking.line(), "tick");
    ticking.signal(Signal::STOP);
    ticking.signal(Signal::CONT);
    assert_eq!(ticking.line(), "tick");
    ticking.kill();
}

#[tokio::test]
async fn a_future_is_dropped_after_the_given_number_of_polls() {
    struct Alive(Arc<AtomicBool>);
    impl Drop for Alive {
        fn drop(&mut self) {
            self.0.store(false, Ordering::SeqCst);
        }
    }
    async fn yields(times: usize) {
        for _ in 0..times {
            let mut ready = false;
            poll_fn(|context| {
                context.waker().wake_by_ref();
                if std::mem::replace(&mut ready, true) {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            })
            .await;
        }
    }
    for polls in 0..4 {
        let alive = Arc::new(AtomicBool::new(true));
        let guard = Alive(Arc::clone(&alive));
        let done = cancelled_after(polls, async move {
            yields(3).await;
            drop(guard);
        });
        assert!(done.await.is_none());
        assert!(!alive.load(Ordering::SeqCst));
    }
    assert_eq!(cancelled_after(4, yields(3)).await, Some(()));
    assert_eq!(cancelled_after(1, pending::<()>()).await, None);
    fn assert_send(_: impl Future + Send) {}
    assert_send(cancelled_after(1, yields(1)));
}

#[tokio::test]
async fn a_condition_is_waited_for() {
    let begun = Instant::now();
    let took = within(Duration::from_secs(5), "20 ms have passed", || {
        begun.elapsed() > Duration::from_millis(20)
    })
    .await;
    assert!(took >= Duration::from_millis(15));
}
