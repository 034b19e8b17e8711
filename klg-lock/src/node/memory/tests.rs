mod faults;

use std::sync::Mutex;

use tokio::time::{advance, timeout};

use super::*;
use crate::node::{KeySet, LockKey};
use crate::sync::lock;

const TTL: Duration = Duration::from_millis(100);

fn keys(resources: &[&str]) -> Arc<KeySet> {
    let keys = resources.iter().map(|resource| LockKey {
        lock: format!("p_lock:{resource}").into(),
        fence: format!("p_fence:{{p_lock:{resource}}}").into(),
    });
    Arc::new(KeySet::new(keys.collect(), "p_lock:".len()))
}

fn claim(resources: &[&str], value: &str) -> Arc<Claim> {
    Arc::new(Claim::new(keys(resources), value))
}

/// The answer, which has to be there already.
fn ask(node: &Arc<dyn Node>, claim: &Arc<Claim>, op: Op) -> Result<Vote, NodeError> {
    let claim = claim.clone();
    let mut reply = node.submit(Request { claim, op });
    reply.try_recv().expect("a node in memory answers at once")
}

fn acquire(node: &Arc<dyn Node>, claim: &Arc<Claim>) -> Result<Vote, NodeError> {
    let op = Op::Acquire {
        ttl: TTL,
        reserve: 1,
    };
    ask(node, claim, op)
}

fn end(vote: Result<Vote, NodeError>) -> u64 {
    match vote {
        Ok(Vote::Granted { end }) => end,
        other => panic!("not granted: {other:?}"),
    }
}

fn holder(vote: Result<Vote, NodeError>) -> String {
    match vote {
        Ok(Vote::Held(occupied)) => occupied.value.expect("a string").into(),
        other => panic!("not held: {other:?}"),
    }
}

const RELEASE: Op = Op::Release { keep_trying: TTL };

#[derive(Default)]
struct Pushes(Mutex<Vec<(usize, Option<String>)>>);

impl Pushes {
    fn attached(node: &Arc<dyn Node>, index: usize) -> Arc<Self> {
        let pushes = Arc::new(Self::default());
        let sink: Arc<dyn WakeSink> = pushes.clone();
        node.attach(index, Arc::downgrade(&sink));
        pushes
    }

    fn take(&self) -> Vec<(usize, Option<String>)> {
        std::mem::take(&mut lock(&self.0))
    }
}

impl WakeSink for Pushes {
    fn wake(&self, index: usize, key: Option<&str>) {
        lock(&self.0).push((index, key.map(Into::into)));
    }

    fn given(&self, _: &str, _: crate::node::Given) {}

    fn wanted(&self, _: &str) {}

    fn channels(&self) -> Option<crate::node::Channels> {
        None
    }
}

#[tokio::test(start_paused = true)]
async fn a_held_key_refuses_others_and_says_who_and_for_how_long() {
    let node = MemoryNode::open(None);
    let (a, b) = (claim(&["k"], "a"), claim(&["k"], "b"));
    end(acquire(&node, &a));
    advance(TTL / 4).await;
    assert_eq!(
        acquire(&node, &b).unwrap(),
        Vote::Held(Occupied {
            key: 0,
            value: Some("a".into()),
            remaining: Some(TTL * 3 / 4),
            ahead: None
        })
    );
    advance(TTL * 3 / 4).await;
    end(acquire(&node, &b));
}

#[tokio::test(start_paused = true)]
async fn all_keys_are_granted_or_none() {
    let node = MemoryNode::open(None);
    let (b, ab) = (claim(&["b"], "1"), claim(&["a", "b"], "2"));
    end(acquire(&node, &b));
    assert_eq!(holder(acquire(&node, &ab)), "1");
    end(acquire(&node, &claim(&["a"], "3")));
}

#[tokio::test(start_paused = true)]
async fn a_repeat_is_granted_again_and_never_shortens_the_ttl() {
    let node = MemoryNode::open(None);
    let (a, b) = (claim(&["k"], "a"), claim(&["k"], "b"));
    end(acquire(&node, &a));
    let short = Duration::from_millis(1);
    end(ask(
        &node,
        &a,
        Op::Acquire {
            ttl: short,
            reserve: 1,
        },
    ));
    end(ask(
        &node,
        &a,
        Op::Extend {
            ttl: short,
            reserve: 0,
        },
    ));
    end(ask(
        &node,
        &a,
        Op::Heal {
            ttl: short,
            fence: 1,
        },
    ));
    advance(TTL - short).await;
    assert_eq!(holder(acquire(&node, &b)), "a");
    advance(short).await;
    end(acquire(&node, &b));
}

#[tokio::test(start_paused = true)]
async fn a_ttl_is_rounded_up_to_the_millisecond() {
    let node = MemoryNode::open(None);
    let (a, b) = (claim(&["k"], "a"), claim(&["k"], "b"));
    let ttl = Duration::from_micros(1500);
    end(ask(&node, &a, Op::Acquire { ttl, reserve: 1 }));
    advance(Duration::from_micros(1999)).await;
    assert_eq!(holder(acquire(&node, &b)), "a");
    advance(Duration::from_micros(1)).await;
    end(acquire(&node, &b));
}

#[tokio::test(start_paused = true)]
async fn tokens_start_at_the_node_time_and_count_on_by_whole_ranges() {
    let node = MemoryNode::open(None);
    let a = claim(&["k"], "a");
    let first = end(acquire(&node, &a));
    assert!(
        first > 1_700_000_000_000_000,
        "microseconds since 1970: {first}"
    );
    let reserve = |reserve| Op::Extend { ttl: TTL, reserve };
    assert_eq!(end(ask(&node, &a, reserve(5))), first + 5);
    assert_eq!(end(ask(&node, &a, reserve(0))), first + 5);
    ask(&node, &a, RELEASE).unwrap();
    let b = claim(&["k"], "b");
    let op = Op::Acquire {
        ttl: TTL,
        reserve: 3,
    };
    assert_eq!(end(ask(&node, &b, op)), first + 8);
}

#[tokio::test(start_paused = true)]
async fn several_resources_share_the_largest_next_number() {
    let node = MemoryNode::open(None);
    let a = claim(&["a"], "1");
    let high = end(acquire(&node, &a)) + 1_000_000_000;
    assert_eq!(end(ask(&node, &a, Op::Raise { fence: high })), high);
    assert_eq!(end(ask(&node, &a, Op::Raise { fence: 1 })), high);
    ask(&node, &a, RELEASE).unwrap();
    let both = claim(&["a", "b"], "2");
    assert_eq!(end(acquire(&node, &both)), high + 1);
    ask(&node, &both, RELEASE).unwrap();
    assert_eq!(end(acquire(&node, &claim(&["b"], "3"))), high + 2);
}

#[tokio::test(start_paused = true)]
async fn a_counter_is_kept_for_a_day_and_restarts_only_behind_the_node_time() {
    let node = MemoryNode::open(None);
    let a = claim(&["k"], "a");
    let day = Duration::from_secs(24 * 60 * 60);
    let token = end(acquire(&node, &a));
    let ahead = token + 1_000_000;
    end(ask(&node, &a, Op::Raise { fence: ahead }));
    advance(day).await;
    assert_eq!(end(acquire(&node, &claim(&["k"], "b"))), ahead + 1);
    advance(day + Duration::from_secs(2)).await;
    let restarted = end(acquire(&node, &claim(&["k"], "c")));
    assert!(restarted > ahead + 1_000_000, "{restarted}");
}

#[tokio::test(start_paused = true)]
async fn a_counter_beyond_what_scripts_can_count_is_an_error_and_grants_nothing() {
    let node = MemoryNode::open(None);
    let a = claim(&["k"], "a");
    end(acquire(&node, &a));
    let error = ask(&node, &a, Op::Raise { fence: 1 << 53 }).unwrap_err();
    assert_eq!(error.kind(), NodeErrorKind::Protocol);
    end(ask(
        &node,
        &a,
        Op::Raise {
            fence: (1 << 53) - 1,
        },
    ));
    ask(&node, &a, RELEASE).unwrap();
    let b = claim(&["k"], "b");
    assert_eq!(
        acquire(&node, &b).unwrap_err().kind(),
        NodeErrorKind::Protocol
    );
    assert_eq!(ask(&node, &b, Op::Inspect).unwrap(), Vote::Missing);
}

#[tokio::test(start_paused = true)]
async fn extending_and_raising_need_the_value_under_every_key() {
    let node = MemoryNode::open(None);
    let ab = claim(&["a", "b"], "1");
    end(acquire(&node, &ab));
    ask(&node, &claim(&["b"], "1"), RELEASE).unwrap();
    let extend = Op::Extend {
        ttl: TTL,
        reserve: 1,
    };
    assert_eq!(ask(&node, &ab, extend).unwrap(), Vote::Missing);
    assert_eq!(
        ask(&node, &ab, Op::Raise { fence: 1 }).unwrap(),
        Vote::Missing
    );
    end(acquire(&node, &claim(&["b"], "2")));
    assert_eq!(holder(ask(&node, &ab, extend)), "2");
    assert_eq!(
        holder(ask(&node, &ab, Op::Heal { ttl: TTL, fence: 1 })),
        "2"
    );
}

#[tokio::test(start_paused = true)]
async fn healing_gives_back_the_keys_and_the_counter() {
    let node = MemoryNode::open(None);
    let a = claim(&["k"], "a");
    let fence = u64::from(u32::MAX);
    assert_eq!(end(ask(&node, &a, Op::Heal { ttl: TTL, fence })), fence);
    assert_eq!(holder(acquire(&node, &claim(&["k"], "b"))), "a");
    let extend = Op::Extend {
        ttl: TTL,
        reserve: 1,
    };
    assert_eq!(end(ask(&node, &a, extend)), fence + 1);
}

#[tokio::test(start_paused = true)]
async fn a_release_deletes_only_its_own_keys() {
    let node = MemoryNode::open(None);
    let ab = claim(&["a", "b"], "1");
    end(acquire(&node, &ab));
    assert_eq!(holder(ask(&node, &claim(&["a"], "2"), RELEASE)), "1");
    ask(&node, &claim(&["b"], "1"), RELEASE).unwrap();
    end(acquire(&node, &claim(&["b"], "2")));
    assert_eq!(holder(ask(&node, &ab, RELEASE)), "2");
    assert_eq!(
        ask(&node, &claim(&["a"], "x"), Op::Inspect).unwrap(),
        Vote::Missing
    );
    assert_eq!(holder(ask(&node, &claim(&["b"], "x"), Op::Inspect)), "2");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_granted_once_the_release_is_queued() {
    let node = MemoryNode::open(None);
    let a = claim(&["k"], "a");
    assert!(a.mark_released());
    assert_eq!(
        acquire(&node, &a).unwrap_err().kind(),
        NodeErrorKind::Closed
    );
    assert_eq!(ask(&node, &a, RELEASE).unwrap(), Vote::Missing);
}

#[tokio::test(start_paused = true)]
async fn a_refused_attempt_is_its_own_one_shot_subscription() {
    let server = Server::open(None);
    let (ours, theirs) = (MemoryNode::on(server.clone()), MemoryNode::on(server));
    let pushes = Pushes::attached(&ours, 3);
    let (a, b) = (claim(&["k"], "a"), claim(&["k"], "b"));
    end(acquire(&theirs, &a));
    assert_eq!(holder(acquire(&ours, &b)), "a");
    assert_eq!(pushes.take(), []);
    ask(&theirs, &a, RELEASE).unwrap();
    assert_eq!(pushes.take(), [(3, Some("p_lock:k".into()))]);
    end(acquire(&theirs, &a));
    assert_eq!(pushes.take(), [], "one shot");
    assert_eq!(holder(acquire(&ours, &b)), "a");
    end(ask(
        &theirs,
        &a,
        Op::Extend {
            ttl: TTL * 2,
            reserve: 0,
        },
    ));
    assert_eq!(pushes.take(), [(3, Some("p_lock:k".into()))], "extension");
}

#[tokio::test(start_paused = true)]
async fn own_changes_push_nothing() {
    let node = MemoryNode::open(None);
    let pushes = Pushes::attached(&node, 0);
    let a = claim(&["k"], "a");
    end(acquire(&node, &a));
    assert_eq!(holder(acquire(&node, &claim(&["k"], "b"))), "a");
    ask(&node, &a, RELEASE).unwrap();
    assert_eq!(pushes.take(), []);
}

#[tokio::test(start_paused = true)]
async fn an_expired_key_pushes_when_somebody_touches_it() {
    let server = Server::open(None);
    let (ours, theirs) = (MemoryNode::on(server.clone()), MemoryNode::on(server));
    let pushes = Pushes::attached(&ours, 0);
    end(acquire(&theirs, &claim(&["k"], "a")));
    assert_eq!(holder(acquire(&ours, &claim(&["k"], "b"))), "a");
    advance(TTL).await;
    assert_eq!(pushes.take(), []);
    end(acquire(&theirs, &claim(&["k"], "c")));
    assert_eq!(pushes.take(), [(0, Some("p_lock:k".into()))]);
}

#[test]
fn the_same_name_is_the_same_server_for_as_long_as_it_is_open() {
    let (a, b) = (claim(&["k"], "a"), claim(&["k"], "b"));
    let node = MemoryNode::open(Some("shared"));
    assert_eq!(node.label(), "memory://shared");
    end(acquire(&node, &a));
    assert_eq!(holder(acquire(&MemoryNode::open(Some("shared")), &b)), "a");
    end(acquire(&MemoryNode::open(Some("other")), &b));
    end(acquire(&MemoryNode::open(None), &b));
    drop(node);
    end(acquire(&MemoryNode::open(Some("shared")), &b));
}

#[tokio::test(start_paused = true)]
async fn a_plain_thread_can_release() {
    let node = MemoryNode::open(None);
    let a = claim(&["k"], "a");
    let op = Op::Acquire {
        ttl: Duration::from_secs(7200),
        reserve: 1,
    };
    end(ask(&node, &a, op));
    // The paused clock is now far ahead of the machine's, which the thread reads.
    advance(Duration::from_secs(3600)).await;
    assert_eq!(holder(acquire(&node, &claim(&["k"], "b"))), "a");
    let thread = {
        let (node, a) = (node.clone(), a.clone());
        std::thread::spawn(move || ask(&node, &a, RELEASE))
    };
    assert_eq!(thread.join().unwrap().unwrap(), Vote::Granted { end: 0 });
    end(acquire(&node, &claim(&["k"], "b")));
}

#[tokio::test(start_paused = true)]
async fn a_closed_node_says_so() {
    let node = MemoryNode::open(None);
    timeout(TTL, node.close(TTL)).await.unwrap();
    let error = acquire(&node, &claim(&["k"], "a")).unwrap_err();
    assert_eq!(error.kind(), NodeErrorKind::Closed);
}

#[tokio::test(start_paused = true)]
async fn an_extension_that_changes_nothing_is_no_news() {
    let server = Server::open(None);
    let (holder, waiter) = (MemoryNode::on(server.clone()), MemoryNode::on(server));
    let pushes = Pushes::attached(&waiter, 0);
    let a = claim(&["k"], "a");
    end(acquire(&holder, &a));
    assert_eq!(holder_of(&waiter), "a");
    let extend = |ttl| Op::Extend { ttl, reserve: 0 };
    end(ask(&holder, &a, extend(TTL / 2)));
    assert_eq!(pushes.take(), []);
    end(ask(&holder, &a, extend(TTL * 2)));
    assert_eq!(pushes.take().len(), 1);
}

fn holder_of(node: &Arc<dyn Node>) -> String {
    holder(acquire(node, &claim(&["k"], "b")))
}
