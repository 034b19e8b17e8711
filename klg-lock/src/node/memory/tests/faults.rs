use tokio::task::yield_now;
use tokio::time::{Instant, sleep};

use super::*;
use crate::testing::{Memory, MemoryServer};

/// A server with a name of its own, and a node on it.
fn open(name: &str) -> (MemoryServer, Arc<dyn Node>) {
    let server = MemoryServer::named(name);
    let node = MemoryNode::open(Some(name));
    (server, node)
}

fn send(node: &Arc<dyn Node>, claim: &Arc<Claim>, op: Op) -> Reply {
    let claim = claim.clone();
    node.submit(Request { claim, op })
}

const ACQUIRE: Op = Op::Acquire {
    ttl: Duration::from_secs(10),
    reserve: 1,
};
const RELEASE: Op = Op::Release {
    keep_trying: Duration::from_secs(10),
};
const MS: Duration = Duration::from_millis(1);
const DEADLINE: Duration = Duration::from_millis(500);

fn kind(result: Result<Vote, NodeError>) -> NodeErrorKind {
    result.expect_err("a failure").kind()
}

#[tokio::test(start_paused = true)]
async fn an_outage_fails_at_once_and_names_its_kind() {
    let (server, node) = open("outage");
    let a = claim(&["k"], "a");
    for failure in [
        NodeErrorKind::Unreachable,
        NodeErrorKind::ReadOnly,
        NodeErrorKind::Loading,
        NodeErrorKind::Unauthorized,
    ] {
        server.fail(failure);
        assert_eq!(kind(ask(&node, &a, ACQUIRE)), failure);
    }
    assert_eq!(server.keys(), <[String; 0]>::default());
    server.recover();
    end(ask(&node, &a, ACQUIRE));
}

#[tokio::test(start_paused = true)]
async fn a_release_goes_on_being_tried_until_the_server_is_back() {
    let (server, node) = open("release-again");
    let a = claim(&["k"], "a");
    end(ask(&node, &a, ACQUIRE));
    server.fail(NodeErrorKind::ReadOnly);
    let mut reply = send(&node, &a, RELEASE);
    sleep(Duration::from_secs(3)).await;
    assert!(reply.try_recv().is_err());
    server.recover();
    assert_eq!(reply.await.unwrap().unwrap(), Vote::Granted { end: 0 });
    assert_eq!(server.get("p_lock:k"), None);
}

#[tokio::test(start_paused = true)]
async fn a_release_is_given_up_when_its_time_is_over() {
    let (server, node) = open("release-late");
    let a = claim(&["k"], "a");
    server.fail(NodeErrorKind::Unreachable);
    let started = Instant::now();
    let reply = send(&node, &a, RELEASE);
    assert_eq!(kind(reply.await.unwrap()), NodeErrorKind::Unreachable);
    assert_eq!(started.elapsed(), Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn closing_waits_for_the_releases_within_its_bound() {
    let (server, node) = open("close");
    let a = claim(&["k"], "a");
    server.fail(NodeErrorKind::Unreachable);
    let started = Instant::now();
    let given_up = send(&node, &a, RELEASE);
    node.close(2 * DEADLINE).await;
    assert_eq!(started.elapsed(), 2 * DEADLINE);
    assert_eq!(kind(given_up.await.unwrap()), NodeErrorKind::Unreachable);

    let node = MemoryNode::open(Some("close"));
    let reply = send(&node, &a, RELEASE);
    let closing = tokio::spawn(node.close(Duration::from_secs(60)));
    sleep(DEADLINE).await;
    assert!(!closing.is_finished());
    server.recover();
    closing.await.unwrap();
    assert_eq!(reply.await.unwrap().unwrap(), Vote::Missing);
    assert!(started.elapsed() < 4 * DEADLINE);
}

#[tokio::test(start_paused = true)]
async fn a_hung_server_times_the_first_command_out_and_refuses_the_next() {
    let (server, node) = open("hang");
    let a = claim(&["k"], "a");
    server.hang();
    let started = Instant::now();
    let first = send(&node, &a, ACQUIRE).await.unwrap();
    assert_eq!(kind(first), NodeErrorKind::TimedOut);
    assert_eq!(started.elapsed(), DEADLINE);
    assert_eq!(kind(ask(&node, &a, ACQUIRE)), NodeErrorKind::TimedOut);
    server.recover();
    sleep(DEADLINE).await;
    assert_eq!(
        server.get("p_lock:k"),
        None,
        "what was given up is not done"
    );
    end(ask(&node, &a, ACQUIRE));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_briefly_carries_out_what_it_took_in_order() {
    let (server, node) = open("hang-briefly");
    let a = claim(&["k"], "a");
    server.hang();
    let granted = send(&node, &a, ACQUIRE);
    let released = send(&node, &a, RELEASE);
    sleep(DEADLINE / 2).await;
    server.recover();
    end(granted.await.unwrap());
    assert_eq!(released.await.unwrap().unwrap(), Vote::Granted { end: 0 });
    assert_eq!(server.get("p_lock:k"), None);
}

#[tokio::test(start_paused = true)]
async fn a_release_during_a_hang_arrives_afterwards() {
    let (server, node) = open("hang-release");
    let a = claim(&["k"], "a");
    end(ask(&node, &a, ACQUIRE));
    server.hang();
    let released = send(&node, &a, RELEASE);
    sleep(4 * DEADLINE).await;
    server.recover();
    assert_eq!(released.await.unwrap().unwrap(), Vote::Granted { end: 0 });
}

#[tokio::test(start_paused = true)]
async fn delays_add_up_and_keep_the_order() {
    let (server, node) = open("delay");
    server.delay_requests(30 * MS);
    server.delay_replies(20 * MS);
    let (a, b) = (claim(&["k"], "a"), claim(&["k"], "b"));
    let started = Instant::now();
    let first = send(&node, &a, ACQUIRE);
    let second = send(&node, &b, ACQUIRE);
    sleep(29 * MS).await;
    assert_eq!(server.count("acquire"), 0);
    end(first.await.unwrap());
    assert_eq!(started.elapsed(), 50 * MS);
    assert_eq!(holder(second.await.unwrap()), "a");
    assert_eq!(started.elapsed(), 50 * MS);
}

#[tokio::test(start_paused = true)]
async fn random_delays_never_let_a_command_overtake_another() {
    let (server, node) = open("delay-random");
    for seed in 0..50 {
        server.seed(seed);
        server.delay_requests(Duration::ZERO..=100 * MS);
        server.delay_replies(Duration::ZERO..=100 * MS);
        let a = claim(&["k"], &format!("a{seed}"));
        let granted = send(&node, &a, ACQUIRE);
        let released = send(&node, &a, RELEASE);
        assert_eq!(released.await.unwrap().unwrap(), Vote::Granted { end: 0 });
        end(granted.await.unwrap());
    }
    assert_eq!(server.get("p_lock:k"), None);
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_is_the_same_run() {
    async fn run(seed: u64) -> Vec<Duration> {
        let (server, node) = open(&format!("seed-{seed}"));
        server.seed(seed);
        server.delay_replies(Duration::ZERO..=400 * MS);
        let mut times = Vec::new();
        for i in 0..8 {
            let started = Instant::now();
            let a = claim(&["k"], &i.to_string());
            send(&node, &a, ACQUIRE).await.unwrap().unwrap();
            times.push(started.elapsed());
        }
        times
    }
    assert_eq!(run(7).await, run(7).await);
    assert_ne!(run(7).await, run(8).await);
}

#[tokio::test(start_paused = true)]
async fn a_command_that_is_late_times_out_and_is_carried_out_all_the_same() {
    let (server, node) = open("late");
    server.delay_requests(2 * DEADLINE);
    let reply = send(&node, &claim(&["k"], "a"), ACQUIRE).await.unwrap();
    assert_eq!(kind(reply), NodeErrorKind::TimedOut);
    assert_eq!(server.get("p_lock:k"), None);
    sleep(DEADLINE).await;
    yield_now().await;
    assert_eq!(server.get("p_lock:k").as_deref(), Some("a"));
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_leaves_the_work_done_and_a_repeat_is_granted() {
    let (server, node) = open("lost-reply");
    let a = claim(&["k"], "a");
    server.lose_replies(1.0);
    let reply = send(&node, &a, ACQUIRE).await.unwrap();
    assert_eq!(kind(reply), NodeErrorKind::TimedOut);
    assert_eq!(server.get("p_lock:k").as_deref(), Some("a"));
    server.heal();
    end(ask(&node, &a, ACQUIRE));
}

#[tokio::test(start_paused = true)]
async fn a_lost_request_leaves_nothing() {
    let (server, node) = open("lost-request");
    server.lose_requests(1.0);
    let reply = send(&node, &claim(&["k"], "a"), ACQUIRE).await.unwrap();
    assert_eq!(kind(reply), NodeErrorKind::TimedOut);
    assert_eq!(server.count_all(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_duplicate_is_answered_like_the_first() {
    let (server, node) = open("duplicate");
    server.duplicate_requests(1.0);
    let a = claim(&["k"], "a");
    end(ask(&node, &a, ACQUIRE));
    assert_eq!(server.count("acquire"), 2);
    assert_eq!(holder(ask(&node, &claim(&["k"], "b"), ACQUIRE)), "a");
    ask(&node, &a, RELEASE).unwrap();
    assert_eq!(server.get("p_lock:k"), None);
}

#[tokio::test(start_paused = true)]
async fn a_crash_cuts_what_is_under_way_and_may_forget() {
    let (server, node) = open("crash");
    let pushes = Pushes::attached(&node, 1);
    let a = claim(&["k"], "a");
    end(ask(&node, &a, ACQUIRE));
    server.delay_requests(100 * MS);
    let cut = send(&node, &claim(&["other"], "b"), ACQUIRE);
    server.crash(Memory::Kept);
    assert_eq!(kind(cut.await.unwrap()), NodeErrorKind::Unreachable);
    server.heal();
    assert_eq!(
        pushes.take(),
        [(1, None)],
        "a new connection may have missed anything"
    );
    assert_eq!(holder(ask(&node, &claim(&["k"], "c"), ACQUIRE)), "a");
    server.crash(Memory::Lost);
    server.recover();
    end(ask(&node, &claim(&["k"], "c"), ACQUIRE));
    assert_eq!(server.get("p_lock:other"), None);
}

#[tokio::test(start_paused = true)]
async fn a_roll_back_forgets_what_came_after() {
    let (server, node) = open("roll-back");
    let (a, b) = (claim(&["a"], "1"), claim(&["b"], "2"));
    let token = end(ask(&node, &a, ACQUIRE));
    let before = server.snapshot();
    end(ask(&node, &b, ACQUIRE));
    let ahead = Op::Extend {
        ttl: TTL,
        reserve: 9,
    };
    assert_eq!(end(ask(&node, &a, ahead)), token + 9);
    server.roll_back(&before);
    assert_eq!(server.keys(), ["p_fence:{p_lock:a}", "p_lock:a"]);
    let one = Op::Extend {
        ttl: TTL,
        reserve: 1,
    };
    assert_eq!(end(ask(&node, &a, one)), token + 1);
}

#[tokio::test(start_paused = true)]
async fn a_step_of_the_clock_moves_every_expiry() {
    let (server, node) = open("step");
    let a = claim(&["k"], "a");
    end(ask(&node, &a, ACQUIRE));
    server.step_back(Duration::from_secs(5));
    assert_eq!(server.ttl("p_lock:k"), Some(Duration::from_secs(15)));
    server.step_forward(Duration::from_secs(15));
    assert_eq!(server.get("p_lock:k"), None);
}

#[tokio::test(start_paused = true)]
async fn a_drifting_clock_shortens_or_lengthens_every_ttl() {
    let (server, node) = open("drift");
    let a = claim(&["k"], "a");
    end(ask(&node, &a, ACQUIRE));
    server.drift(100_000);
    advance(Duration::from_secs(5)).await;
    assert_eq!(server.ttl("p_lock:k"), Some(Duration::from_millis(4500)));
    server.drift(-1_000_000);
    advance(Duration::from_secs(60)).await;
    assert_eq!(server.ttl("p_lock:k"), Some(Duration::from_millis(4500)));
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_starts_the_tokens() {
    let (server, node) = open("set-time");
    server.set_time(Duration::from_micros(1000));
    assert_eq!(end(ask(&node, &claim(&["k"], "a"), ACQUIRE)), 1000);
}

#[tokio::test(start_paused = true)]
async fn pushes_are_refused_lost_or_late() {
    let (server, node) = open("pushes");
    let pushes = Pushes::attached(&node, 0);
    let b = claim(&["k"], "b");
    let pushed = || {
        server.set("p_lock:k", "x", None);
        assert_eq!(holder(ask(&node, &b, ACQUIRE)), "x");
        assert!(server.delete("p_lock:k"));
        pushes.take()
    };
    let told = [(0, Some("p_lock:k".into()))];
    assert!(node.pushes());
    assert_eq!(pushed(), told);
    server.refuse_pushes();
    assert!(!node.pushes());
    assert_eq!(pushed(), []);
    server.lose_pushes();
    assert!(node.pushes());
    assert_eq!(pushed(), []);
    server.delay_pushes(20 * MS);
    assert_eq!(pushed(), []);
    sleep(21 * MS).await;
    assert_eq!(pushes.take(), told);
    server.heal();
    assert_eq!(pushed(), told);
}

#[tokio::test(start_paused = true)]
async fn a_test_may_do_by_hand_what_others_do() {
    let (server, node) = open("by-hand");
    let pushes = Pushes::attached(&node, 0);
    let a = claim(&["k"], "a");
    server.set("p_lock:k", "foreign", Some(TTL));
    assert_eq!(holder(ask(&node, &a, ACQUIRE)), "foreign");
    assert!(server.expire("p_lock:k"));
    assert_eq!(pushes.take(), [], "nobody notices an expiry");
    assert!(!server.expire("p_lock:k"));
    assert!(!server.delete("p_lock:k"));
    end(ask(&node, &a, ACQUIRE));
    server.flush();
    assert_eq!(pushes.take(), [(0, None)]);
    assert_eq!(server.keys(), <[String; 0]>::default());
    assert_eq!((server.count("acquire"), server.count_all()), (2, 2));
    assert_eq!(server.clients(), 1);
    drop(node);
    assert_eq!(server.clients(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_never_expires_is_held_for_an_unknown_time() {
    let (server, node) = open("forever");
    server.set("p_lock:k", "1", None);
    let held = ask(&node, &claim(&["k"], "b"), ACQUIRE).unwrap();
    assert_eq!(
        held,
        Vote::Held(Occupied {
            key: 0,
            value: Some("1".into()),
            remaining: None,
            ahead: None
        })
    );
}

#[tokio::test(start_paused = true)]
async fn a_release_from_a_plain_thread_survives_an_outage() {
    let (server, node) = open("thread");
    let a = claim(&["k"], "a");
    end(ask(&node, &a, ACQUIRE));
    server.fail(NodeErrorKind::Unreachable);
    let reply = {
        let (node, a) = (node.clone(), a.clone());
        std::thread::spawn(move || send(&node, &a, RELEASE))
    };
    let reply = reply.join().unwrap();
    sleep(DEADLINE).await;
    server.recover();
    assert_eq!(reply.await.unwrap().unwrap(), Vote::Granted { end: 0 });
}
