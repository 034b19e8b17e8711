//! Requests of many claims in one call.

use super::*;

/// Sends everything at once and collects the answers.
async fn all(node: &RedisNode, claims: &[Arc<Claim>], op: Op) -> Vec<Result<Vote, NodeError>> {
    let replies: Vec<Reply> = claims.iter().map(|claim| submit(node, claim, op)).collect();
    let mut votes = Vec::new();
    for reply in replies {
        votes.push(reply.await.expect("every request is answered"));
    }
    votes
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|i| format!("k{i}")).collect()
}

fn claims(names: &[String], value: &str) -> Vec<Arc<Claim>> {
    names.iter().map(|name| claim(&[name], value)).collect()
}

#[tokio::test]
async fn what_is_asked_at_the_same_time_shares_calls() {
    let server = Server::start();
    let node = node(&server).await;
    let names = names(64);
    // The first time each is prolonged, by a call of its own.
    let first: Vec<u64> = all(&node, &claims(&names, "a"), ACQUIRE)
        .await
        .into_iter()
        .map(end)
        .collect();
    all(&node, &claims(&names, "a"), RELEASE)
        .await
        .into_iter()
        .for_each(|vote| assert!(end(vote) < 1 << 53));
    server.control().forget_calls();
    let second: Vec<u64> = all(&node, &claims(&names, "b"), ACQUIRE)
        .await
        .into_iter()
        .map(end)
        .collect();
    assert!(
        first
            .iter()
            .zip(&second)
            .all(|(first, second)| *second == first + 1)
    );
    for name in &names {
        assert_eq!(server.control().get(&lock_key(name)).as_deref(), Some("b"));
    }
    all(&node, &claims(&names, "b"), RELEASE)
        .await
        .into_iter()
        .for_each(|vote| assert_eq!(end(vote), 0));
    assert!(server.control().keys_like("p_lock:*").is_empty());
    let mut control = server.control();
    let calls = control.calls_of("evalsha") + control.calls_of("eval");
    // At least four go together, but for the first.
    assert!(calls <= 20, "{calls} calls for 64 releases");
}

#[tokio::test]
async fn one_that_is_held_does_not_keep_the_others_from_theirs() {
    let server = Server::start();
    let node = node(&server).await;
    let names = names(20);
    all(&node, &claims(&names, "a"), ACQUIRE)
        .await
        .into_iter()
        .for_each(|vote| assert!(end(vote) < 1 << 53));
    let (odd, even): (Vec<String>, Vec<String>) = {
        let (odd, even): (Vec<_>, Vec<_>) = names
            .iter()
            .cloned()
            .enumerate()
            .partition(|(i, _)| i % 2 == 1);
        (
            odd.into_iter().map(|(_, n)| n).collect(),
            even.into_iter().map(|(_, n)| n).collect(),
        )
    };
    all(&node, &claims(&even, "a"), RELEASE)
        .await
        .into_iter()
        .for_each(|vote| assert!(end(vote) < 1 << 53));
    for (name, vote) in names
        .iter()
        .zip(all(&node, &claims(&names, "b"), ACQUIRE).await)
    {
        if even.contains(name) {
            end(vote);
        } else {
            assert_eq!(holder(vote), "a");
        }
    }
    // Releases of what is somebody else's, and of what is not there, tell so and delete nothing.
    for vote in all(&node, &claims(&odd, "b"), RELEASE).await {
        assert_eq!(holder(vote), "a");
    }
    server.control().flush_all();
    for vote in all(&node, &claims(&names, "c"), RELEASE).await {
        assert_eq!(vote.unwrap(), Vote::Missing);
    }
}

#[tokio::test]
async fn lost_scripts_and_lost_counters_are_made_up_for() {
    let server = Server::start();
    let node = node(&server).await;
    let names = names(40);
    for round in 0..4 {
        let value = format!("round {round}");
        let ends: Vec<u64> = all(&node, &claims(&names, &value), ACQUIRE)
            .await
            .into_iter()
            .map(end)
            .collect();
        assert!(
            ends.iter().all(|end| *end > 1_700_000_000_000_000),
            "{ends:?}"
        );
        all(&node, &claims(&names, &value), RELEASE)
            .await
            .into_iter()
            .for_each(|vote| assert!(end(vote) < 1 << 53));
        server.control().flush_scripts();
        if round == 1 {
            server.control().flush_all();
        }
    }
    assert!(server.control().keys_like("p_lock:*").is_empty());
}

#[tokio::test]
async fn acquire_and_release_of_one_key_keep_their_order_among_others() {
    let server = Server::start();
    let node = node(&server).await;
    let other = names(10);
    all(&node, &claims(&other, "x"), ACQUIRE)
        .await
        .into_iter()
        .for_each(|vote| assert!(end(vote) < 1 << 53));
    let (a, b) = (claim(&["k"], "a"), claim(&["k"], "b"));
    end(ask(&node, &a, ACQUIRE).await);
    // Behind enough others to be gathered with them.
    let busy: Vec<Reply> = claims(&other, "x")
        .iter()
        .map(|claim| submit(&node, claim, RELEASE))
        .collect();
    let release = submit(&node, &a, RELEASE);
    let acquire = submit(&node, &b, ACQUIRE);
    assert_eq!(end(release.await.unwrap()), 0);
    end(acquire.await.unwrap());
    for reply in busy {
        end(reply.await.unwrap());
    }
    // A claim that is released while its acquire waits leaves nothing behind.
    let c = claim(&["m"], "c");
    let busy: Vec<Reply> = claims(&other, "y")
        .iter()
        .map(|claim| submit(&node, claim, ACQUIRE))
        .collect();
    let acquire = submit(&node, &c, ACQUIRE);
    let release = submit(&node, &c, RELEASE);
    let _ = acquire.await.unwrap();
    let _ = release.await.unwrap();
    for reply in busy {
        end(reply.await.unwrap());
    }
    assert_eq!(server.control().get(&lock_key("m")), None);
}

#[tokio::test]
async fn a_full_server_fails_acquires_and_carries_out_releases() {
    let server = Server::start();
    let node = node(&server).await;
    let names = names(20);
    all(&node, &claims(&names, "a"), ACQUIRE)
        .await
        .into_iter()
        .for_each(|vote| assert!(end(vote) < 1 << 53));
    let _: String = server.control().ask(&["CONFIG", "SET", "maxmemory", "1"]);
    let others: Vec<String> = (0..10).map(|i| format!("new{i}")).collect();
    let refused: Vec<Reply> = claims(&others, "b")
        .iter()
        .map(|claim| submit(&node, claim, ACQUIRE))
        .collect();
    let released: Vec<Reply> = claims(&names, "a")
        .iter()
        .map(|claim| submit(&node, claim, RELEASE))
        .collect();
    for reply in refused {
        assert_eq!(kind(reply.await.unwrap()), NodeErrorKind::OutOfMemory);
    }
    for reply in released {
        assert_eq!(end(reply.await.unwrap()), 0);
    }
    assert!(server.control().keys_like("p_lock:*").is_empty());
}
