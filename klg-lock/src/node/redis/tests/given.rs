//! A lock that is released goes to the first who waits, without a question.

use klg_lock_tests::poll::within;

use super::order::{LEAVE, Process, ahead, nothing, place_key, waiter};
use super::*;
use crate::node::Place;

const LIFE: Duration = Duration::from_secs(5);
const SECOND: Duration = Duration::from_secs(1);
const GIVEN_FOR: Duration = Duration::from_secs(2);
/// From a place to which the lock may be given.
const OFFER: Op = Op::Queue {
    ttl: TTL,
    reserve: 3,
    life: LIFE,
    watch: false,
    offer: Some(GIVEN_FOR),
    question: 7,
};

/// A process that listens: it can be given a lock, and told that one of its locks is wanted.
async fn listening(server: &Server, name: &str) -> Process {
    let node = node(server).await;
    let pushes = Arc::new(Pushes {
        process: Some(format!("{name}:1")),
        ..Pushes::default()
    });
    let sink: Arc<dyn WakeSink> = pushes.clone();
    node.attach(0, Arc::downgrade(&sink));
    drop(sink);
    // Behind the subscription.
    ask(&node, &claim(&["unrelated"], "x"), Op::Inspect)
        .await
        .unwrap();
    let claim = waiter(&value(name));
    Process {
        node,
        pushes,
        claim,
    }
}

/// As an engine writes its holder values: a random part, and the process.
fn value(name: &str) -> String {
    format!("0123456789abcdef0123456789abcdef {name}:1 (test) 1700000000000")
}

fn given_to(process: &Process) -> Option<(String, Given)> {
    lock(&process.pushes.given).pop()
}

async fn is_given(process: &Process) -> u64 {
    within(SECOND, "the lock is given", || {
        !lock(&process.pushes.given).is_empty()
    })
    .await;
    let (place, given) = given_to(process).expect("just seen");
    assert_eq!(place, place_key(&process.claim.value));
    assert_eq!(*given.value, *process.claim.value);
    assert_eq!(given.question, 7);
    given.end
}

#[tokio::test]
async fn a_release_gives_the_lock_to_the_first_who_waits() {
    let server = Server::start();
    let [a, b, c] = [
        listening(&server, "a").await,
        listening(&server, "b").await,
        listening(&server, "c").await,
    ];
    let mut last = end(a.ask(OFFER).await);
    assert_eq!(ahead(b.ask(OFFER).await), 0);
    assert_eq!(ahead(c.ask(OFFER).await), 1);
    let mut control = server.control();
    for (before, next) in [(&a, &b), (&b, &c)] {
        assert_eq!(end(before.ask(RELEASE).await), 0);
        let number = is_given(next).await;
        // Three numbers, all of them larger than those before.
        assert_eq!(number, last + 3);
        last = number;
        assert_eq!(
            control.get(&lock_key("k")).as_deref(),
            Some(&*next.claim.value)
        );
        let left = control.time_to_live(&lock_key("k")).expect("a TTL");
        assert!(left <= GIVEN_FOR, "{left:?}");
        assert_eq!(control.get(&fence_key("k")), Some(number.to_string()));
        // Asking all the same, it is told that it has it, for as long as it asked.
        assert_eq!(end(next.ask(EXTEND).await), number);
        assert!(control.time_to_live(&lock_key("k")).expect("a TTL") > GIVEN_FOR);
    }
    assert_eq!(given_to(&a), None);
    c.ask(RELEASE).await.unwrap();
    assert_eq!(control.keys_like("p_wait:*"), nothing());
    assert_eq!(control.keys_like("p_lock:*"), nothing());
}

#[tokio::test]
async fn a_holder_that_never_waited_is_told_that_its_lock_is_wanted() {
    let server = Server::start();
    let [a, b] = [listening(&server, "a").await, listening(&server, "b").await];
    let plain = claim(&["k"], &value("a"));
    end(ask(&a.node, &plain, ACQUIRE).await);
    assert_eq!(ahead(b.ask(OFFER).await), 0);
    within(SECOND, "the holder is told", || {
        lock(&a.pushes.wanted).contains(&lock_key("k"))
    })
    .await;
    // What its engine does then.
    let queue = a.claim.place().expect("a waiter's").queue.clone();
    let own: Arc<str> = "".into();
    plain.wanted(|| Arc::new(Place { queue, own }));
    assert_eq!(end(ask(&a.node, &plain, RELEASE).await), 0);
    is_given(&b).await;
    assert_eq!(given_to(&a), None);
}

#[tokio::test]
async fn nobody_is_given_a_lock_who_has_left_or_is_gone() {
    let server = Server::start();
    let [a, b, c, d] = [
        listening(&server, "a").await,
        listening(&server, "b").await,
        listening(&server, "c").await,
        listening(&server, "d").await,
    ];
    end(a.ask(OFFER).await);
    for process in [&b, &c, &d] {
        process.ask(OFFER).await.unwrap();
    }
    // One has given up, and the release of its claim is out, whichever comes first.
    b.claim.mark_released();
    assert!(matches!(b.ask(RELEASE).await, Ok(Vote::Held(_))));
    let mut control = server.control();
    assert_eq!(
        control.get(&place_key(&b.claim.value)).as_deref(),
        Some("1")
    );
    let leaving = waiter(&b.claim.value);
    end(ask(&b.node, &leaving, LEAVE).await);
    // One has died without a word.
    let place = place_key(&c.claim.value);
    drop(c);
    within(SECOND, "its connection is gone", || {
        let count: (String, u64) = control.ask(&["PUBSUB", "NUMSUB", "p_given:c:1:1"]);
        count.1 == 0
    })
    .await;
    a.ask(RELEASE).await.unwrap();
    is_given(&d).await;
    // Its place is gone with its connection.
    assert!(!control.keys_like("p_wait:*").contains(&place));
    assert_eq!(given_to(&b), None);
}

#[tokio::test]
async fn giving_up_the_first_place_of_a_free_lock_gives_it_to_the_next() {
    let server = Server::start();
    let [a, b] = [listening(&server, "a").await, listening(&server, "b").await];
    let foreign = "a foreign lock";
    let mut control = server.control();
    assert!(control.set_if_absent(&lock_key("k"), foreign, TTL));
    assert_eq!(ahead(a.ask(OFFER).await), 0);
    assert_eq!(ahead(b.ask(OFFER).await), 1);
    control.delete(&lock_key("k"));
    end(a.ask(LEAVE).await);
    is_given(&b).await;
}

#[tokio::test]
async fn who_cannot_listen_is_called_instead() {
    let server = Server::start();
    let [a, b, c] = [
        listening(&server, "a").await,
        listening(&server, "b").await,
        Process::start(&server, "c").await,
    ];
    end(a.ask(OFFER).await);
    // It offers, and has nowhere to hear of it.
    assert_eq!(ahead(c.ask(OFFER).await), 0);
    assert_eq!(ahead(b.ask(OFFER).await), 1);
    a.ask(RELEASE).await.unwrap();
    c.called().await;
    end(c.ask(OFFER).await);
    assert_eq!(given_to(&b), None);
}

#[tokio::test]
async fn a_server_that_lets_nobody_publish_frees_the_lock_and_calls() {
    let server = Server::start();
    let mut control = server.control();
    let user = "alice on >secret ~p_* &p_* +@all -publish";
    let words: Vec<&str> = ["ACL", "SETUSER"]
        .into_iter()
        .chain(user.split(' '))
        .collect();
    control.ask::<String>(&words);
    let uri = server.uri().replace("://", "://alice:secret@");
    let [a, b] = [listening(&server, "a").await, listening(&server, "b").await];
    let alice = open(&uri).await;
    end(ask(&alice, &a.claim, OFFER).await);
    assert_eq!(ahead(b.ask(OFFER).await), 0);
    assert_eq!(end(ask(&alice, &a.claim, RELEASE).await), 0);
    b.called().await;
    assert_eq!(control.get(&lock_key("k")), None);
    end(b.ask(OFFER).await);
}

#[tokio::test]
async fn the_server_follows_no_place_that_is_given_up() {
    let server = Server::start();
    let [a, b] = [listening(&server, "a").await, listening(&server, "b").await];
    let mut control = server.control();
    let before = control.info("stats", "tracking_total_keys");
    for round in 0..20 {
        let [first, second] =
            [format!("a{round}"), format!("b{round}")].map(|name| waiter(&value(&name)));
        end(ask(&a.node, &first, OFFER).await);
        ask(&b.node, &second, OFFER).await.unwrap();
        ask(&a.node, &first, RELEASE).await.unwrap();
        within(SECOND, "the lock is given", || given_to(&b).is_some()).await;
        ask(&b.node, &second, RELEASE).await.unwrap();
        end(ask(&b.node, &waiter(&second.value), LEAVE).await);
    }
    assert_eq!(control.info("stats", "tracking_total_keys"), before);
}

/// Whoever listens at a server that was the master before hears nothing that the new one does not
/// count.
#[tokio::test]
async fn nobody_is_given_a_lock_by_way_of_a_replica() {
    let first = Server::with().set("repl-diskless-sync-delay", 0).start();
    let second = Server::with()
        .replica_of(&first)
        .set("repl-diskless-sync-delay", 0)
        .start();
    let linked = |server: &Server| {
        let section: String = server.control().ask(&["INFO", "replication"]);
        section.contains("master_link_status:up")
    };
    within(A_WHILE, "the replica is linked", || linked(&second)).await;
    let [a, b] = [listening(&first, "a").await, listening(&first, "b").await];
    end(a.ask(OFFER).await);
    assert_eq!(ahead(b.ask(OFFER).await), 0);
    let place = place_key(&b.claim.value);
    within(A_WHILE, "the place is copied", || {
        second.control().get(&place).is_some()
    })
    .await;
    // They change places, and nothing is lost.
    second.control().ask::<String>(&["REPLICAOF", "NO", "ONE"]);
    let port = second.port().to_string();
    first
        .control()
        .ask::<String>(&["REPLICAOF", "127.0.0.1", &port]);
    within(A_WHILE, "the old master follows", || linked(&first)).await;
    let holder = node(&second).await;
    assert_eq!(end(ask(&holder, &a.claim, RELEASE).await), 0);
    let mut control = second.control();
    assert_eq!(control.get(&lock_key("k")), None);
    control.ask::<String>(&["SET", "p_behind", "the release"]);
    within(A_WHILE, "all of it is copied", || {
        first.control().get("p_behind").is_some()
    })
    .await;
    let unrelated = claim(&["unrelated"], "x");
    ask(&b.node, &unrelated, Op::Inspect).await.unwrap();
    assert_eq!(given_to(&b), None);
}
