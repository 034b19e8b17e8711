//! The order of those who wait: places in the server's queue.

use std::collections::BTreeSet;

use klg_lock_tests::poll::within;
use klg_lock_tests::{Proxy, Way};

use super::*;
use crate::node::Place;

const LIFE: Duration = Duration::from_secs(5);
const SECOND: Duration = Duration::from_secs(1);
pub(super) const LEAVE: Op = Op::Leave { keep_trying: LIFE };
const STAND: Op = Op::Stand { life: LIFE };
/// From a place that is not known to be the first.
pub(super) const QUEUE: Op = Op::Queue {
    ttl: TTL,
    reserve: 1,
    life: LIFE,
    watch: false,
    offer: None,
    question: 0,
};
/// From the first place.
const WATCH: Op = Op::Queue {
    ttl: TTL,
    reserve: 1,
    life: LIFE,
    watch: true,
    offer: None,
    question: 0,
};

/// An attempt at `k` whose holder value is the place's name.
pub(super) fn waiter(name: &str) -> Arc<Claim> {
    let place = Arc::new(Place {
        queue: "p_wait:{p_lock:k}".into(),
        own: place_key(name).into(),
    });
    let keys = Arc::clone(&claim(&["k"], name).keys);
    Arc::new(Claim::new(keys, name).queued(&place))
}

pub(super) fn place_key(name: &str) -> String {
    format!("p_wait:{{p_lock:k}}:{name}")
}

/// A process that waits: its own connection, as nobody is told of what it does itself.
pub(super) struct Process {
    pub(super) node: RedisNode,
    pub(super) pushes: Arc<Pushes>,
    pub(super) claim: Arc<Claim>,
}

impl Process {
    pub(super) async fn start(server: &Server, name: &str) -> Self {
        let node = node(server).await;
        let pushes = Pushes::attached(&node, 0);
        let claim = waiter(name);
        Self {
            node,
            pushes,
            claim,
        }
    }

    pub(super) async fn ask(&self, op: Op) -> Result<Vote, NodeError> {
        ask(&self.node, &self.claim, op).await
    }

    /// It is told of a change of this key.
    pub(super) async fn told(&self, key: &str) {
        let expected = (0, Some(key.to_owned()));
        within(SECOND, "the waiter is told", || {
            self.pushes.take().contains(&expected)
        })
        .await;
    }

    pub(super) async fn called(&self) {
        let place = self.claim.place().expect("a waiter's");
        self.told(&place.own).await;
    }

    /// It has not been told anything: what was on its way comes before another answer.
    async fn untold(&self) {
        let unrelated = claim(&["unrelated"], "x");
        ask(&self.node, &unrelated, Op::Inspect).await.unwrap();
        assert_eq!(self.pushes.take(), []);
    }
}

async fn crowd(server: &Server) -> [Process; 4] {
    [
        Process::start(server, "a").await,
        Process::start(server, "b").await,
        Process::start(server, "c").await,
        Process::start(server, "d").await,
    ]
}

pub(super) fn nothing() -> BTreeSet<String> {
    BTreeSet::new()
}

/// How many are ahead.
pub(super) fn ahead(vote: Result<Vote, NodeError>) -> u64 {
    match vote {
        Ok(Vote::Held(occupied)) => occupied.ahead.expect("a place"),
        other => panic!("no place: {other:?}"),
    }
}

#[tokio::test]
async fn places_are_served_in_the_order_in_which_they_were_taken() {
    let server = Server::start();
    let [a, b, c, holder] = crowd(&server).await;
    let held = claim(&["k"], "held");
    end(ask(&holder.node, &held, ACQUIRE).await);
    for (index, process) in (0..).zip([&a, &b, &c]) {
        assert_eq!(ahead(process.ask(QUEUE).await), index);
    }
    // Asking again changes nothing, and only the first follows the lock key.
    assert_eq!(ahead(b.ask(QUEUE).await), 1);
    assert_eq!(ahead(a.ask(WATCH).await), 0);
    ask(&holder.node, &held, RELEASE).await.unwrap();
    a.told(&lock_key("k")).await;
    b.untold().await;
    c.untold().await;
    // The key is free, but it is another's turn.
    assert_eq!(ahead(c.ask(QUEUE).await), 2);
    let mut last = end(a.ask(WATCH).await);
    for (before, next) in [(&a, &b), (&b, &c)] {
        next.called().await;
        assert_eq!(ahead(next.ask(WATCH).await), 0);
        before.ask(RELEASE).await.unwrap();
        next.told(&lock_key("k")).await;
        let number = end(next.ask(WATCH).await);
        assert!(number > last, "{number} after {last}");
        last = number;
    }
    c.ask(RELEASE).await.unwrap();
    let mut control = server.control();
    assert_eq!(control.keys_like("p_wait:*"), nothing());
    assert_eq!(control.keys_like("p_lock:*"), nothing());
}

#[tokio::test]
async fn a_place_whose_waiter_is_gone_is_passed_over() {
    let server = Server::start();
    let [a, b, c, d] = crowd(&server).await;
    let held = claim(&["k"], "held");
    end(ask(&d.node, &held, ACQUIRE).await);
    for process in [&a, &b, &c] {
        process.ask(QUEUE).await.unwrap();
    }
    let mut control = server.control();
    // As if they had not asked for so long.
    control.delete(&place_key("a"));
    control.delete(&place_key("b"));
    ask(&d.node, &held, RELEASE).await.unwrap();
    // A newcomer stands at the end, and tells the first who is alive that it is.
    assert_eq!(ahead(d.ask(QUEUE).await), 1);
    c.called().await;
    end(c.ask(WATCH).await);
}

#[tokio::test]
async fn giving_a_place_up_tells_the_next_if_it_was_the_first() {
    let server = Server::start();
    let [a, b, c, holder] = crowd(&server).await;
    end(ask(&holder.node, &claim(&["k"], "held"), ACQUIRE).await);
    for op in [QUEUE, STAND] {
        for process in [&a, &b, &c] {
            process.ask(op).await.unwrap();
        }
        end(b.ask(LEAVE).await);
        a.untold().await;
        c.untold().await;
        end(a.ask(LEAVE).await);
        c.called().await;
        end(c.ask(LEAVE).await);
        assert_eq!(server.control().keys_like("p_wait:*"), nothing());
    }
}

#[tokio::test]
async fn giving_a_place_up_passes_over_those_who_are_gone() {
    let server = Server::start();
    let [a, b, c, holder] = crowd(&server).await;
    end(ask(&holder.node, &claim(&["k"], "held"), ACQUIRE).await);
    for process in [&a, &b, &c] {
        process.ask(QUEUE).await.unwrap();
    }
    server.control().delete(&place_key("b"));
    end(a.ask(LEAVE).await);
    c.called().await;
}

#[tokio::test]
async fn standing_in_line_takes_no_lock() {
    let server = Server::start();
    let [a, b, c, _] = crowd(&server).await;
    for (index, process) in (0..).zip([&a, &b, &c]) {
        assert_eq!(ahead(process.ask(STAND).await), index);
    }
    assert_eq!(ahead(b.ask(STAND).await), 1);
    let mut control = server.control();
    assert_eq!(control.keys_like("p_lock:*"), nothing());
    // The first one is gone: whoever asks next takes it out, and tells who is the first now.
    control.delete(&place_key("a"));
    assert_eq!(ahead(c.ask(STAND).await), 1);
    b.called().await;
    let life = control.time_to_live("p_wait:{p_lock:k}").unwrap();
    assert!(life > LIFE, "the queue goes after its waiters: {life:?}");
}

#[tokio::test]
async fn a_place_is_given_up_even_if_the_connection_breaks_meanwhile() {
    let server = Server::start();
    let wire = Proxy::to(server.address());
    let [leaver, holder] = [open(&wire.uri()).await, node(&server).await];
    end(ask(&holder, &claim(&["k"], "held"), ACQUIRE).await);
    let waiting = waiter("a");
    assert_eq!(ahead(ask(&leaver, &waiting, QUEUE).await), 0);
    wire.hold(Way::Requests);
    let leaving = leaver.submit(Request {
        claim: waiter("a"),
        op: LEAVE,
    });
    // The word is lost with the connection.
    wire.cut();
    wire.pass();
    within(A_WHILE, "it is said again", || {
        server.control().keys_like("p_wait:*").is_empty()
    })
    .await;
    end(leaving.await.expect("an answer"));
}
