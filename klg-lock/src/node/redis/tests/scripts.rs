//! What the scripts do to the keys.

use super::*;

const SHORT: Duration = Duration::from_millis(1);

#[tokio::test]
async fn a_held_key_refuses_others_and_says_who_and_for_how_long() {
    let server = Server::start();
    let node = node(&server).await;
    let (a, b) = (claim(&["k"], "a"), claim(&["k"], "b"));
    let first = end(ask(&node, &a, ACQUIRE).await);
    assert!(first > 1_700_000_000_000_000, "microseconds: {first}");
    match ask(&node, &b, ACQUIRE).await.unwrap() {
        Vote::Held(Occupied {
            key: 0,
            value: Some(value),
            remaining: Some(remaining),
            ahead: None,
        }) => {
            assert_eq!(&*value, "a");
            assert!(remaining <= TTL && remaining > TTL / 2, "{remaining:?}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(end(ask(&node, &a, RELEASE).await), 0);
    // A refused attempt may have used a number up.
    assert!(end(ask(&node, &b, ACQUIRE).await) > first);
}

/// Once a key was acquired, the next acquires of it are two commands without a script.
#[tokio::test]
async fn what_the_plain_commands_cannot_do_is_left_to_the_script() {
    let server = Server::start();
    let node = node(&server).await;
    let take = async |value: &str| ask(&node, &claim(&["k"], value), ACQUIRE).await;
    let give = async |value: &str| end(ask(&node, &claim(&["k"], value), RELEASE).await);
    let first = end(take("a").await);
    give("a").await;
    server.control().forget_calls();
    let second = end(take("b").await);
    assert_eq!(second, first + 1);
    assert_eq!(server.control().calls_of("incrby"), 1);
    assert_eq!(server.control().calls_of("evalsha"), 0);
    assert_eq!(holder(take("c").await), "b");
    assert!(server.control().calls_of("evalsha") > 0);
    give("b").await;

    // The counter is lost, and a refused attempt counts from nothing: no later number is smaller.
    let third = end(take("d").await);
    give("d").await;
    server.control().flush_all();
    server
        .control()
        .ask::<()>(&["SET", &lock_key("k"), "foreign"]);
    assert_eq!(holder(take("e").await), "foreign");
    server.control().delete(&lock_key("k"));
    let fourth = end(take("f").await);
    assert!(fourth > third, "{fourth} after {third}");
    give("f").await;

    // A counter that is none: nothing is granted, and a release leaves nothing behind.
    end(take("g").await);
    give("g").await;
    server.control().delete(&fence_key("k"));
    server.control().ask::<()>(&["LPUSH", &fence_key("k"), "x"]);
    let broken = claim(&["k"], "h");
    let error = ask(&node, &broken, ACQUIRE).await.unwrap_err();
    assert!(error.to_string().contains("fencing counter"), "{error}");
    ask(&node, &broken, RELEASE).await.unwrap();
    assert_eq!(server.control().get(&lock_key("k")), None);
}

#[tokio::test]
async fn all_keys_are_granted_or_none() {
    let server = Server::start();
    let node = node(&server).await;
    let (b, ab) = (claim(&["b"], "1"), claim(&["a", "b"], "2"));
    end(ask(&node, &b, ACQUIRE).await);
    match ask(&node, &ab, ACQUIRE).await.unwrap() {
        Vote::Held(occupied) => assert_eq!((occupied.key, occupied.value), (1, Some("1".into()))),
        other => panic!("{other:?}"),
    }
    assert_eq!(server.control().get(&lock_key("a")), None);
    assert_eq!(ask(&node, &ab, RELEASE).await.map(|_| ()).ok(), Some(()));
    ask(&node, &b, RELEASE).await.unwrap();
    end(ask(&node, &claim(&["a", "b"], "3"), ACQUIRE).await);
    assert_eq!(server.control().get(&lock_key("a")).as_deref(), Some("3"));
    assert_eq!(server.control().get(&lock_key("b")).as_deref(), Some("3"));
}

#[tokio::test]
async fn a_repeat_is_granted_again_and_never_shortens_the_ttl() {
    let server = Server::start();
    let node = node(&server).await;
    for keys in [&["k"][..], &["m", "n"]] {
        let a = claim(keys, "a");
        let first = end(ask(&node, &a, ACQUIRE).await);
        for op in [
            Op::Acquire {
                ttl: SHORT,
                reserve: 1,
            },
            Op::Extend {
                ttl: SHORT,
                reserve: 0,
            },
            Op::Heal {
                ttl: SHORT,
                fence: 1,
            },
        ] {
            assert!(end(ask(&node, &a, op).await) >= first);
            for key in keys {
                let left = server.control().time_to_live(&lock_key(key)).unwrap();
                assert!(left > TTL / 2, "{op:?}: {left:?}");
            }
        }
        end(ask(
            &node,
            &a,
            Op::Extend {
                ttl: TTL * 3,
                reserve: 0,
            },
        )
        .await);
        for key in keys {
            let left = server.control().time_to_live(&lock_key(key)).unwrap();
            assert!(left > TTL * 2, "{left:?}");
        }
    }
}

#[tokio::test]
async fn tokens_count_on_by_whole_ranges_and_start_at_the_node_time() {
    let server = Server::start();
    let node = node(&server).await;
    for keys in [&["k"][..], &["m", "n"]] {
        let a = claim(keys, "a");
        let time: Vec<u64> = server.control().ask(&["TIME"]);
        let first = end(ask(
            &node,
            &a,
            Op::Acquire {
                ttl: TTL,
                reserve: 5,
            },
        )
        .await);
        let begun = time[0] * 1_000_000 + time[1];
        assert!(
            (begun + 4..begun + 60_000_000).contains(&first),
            "{first} at {begun}"
        );
        let reserve = |reserve| Op::Extend { ttl: TTL, reserve };
        assert_eq!(end(ask(&node, &a, reserve(7)).await), first + 7);
        assert_eq!(end(ask(&node, &a, reserve(0)).await), first + 7);
        ask(&node, &a, RELEASE).await.unwrap();
        let b = claim(keys, "b");
        assert_eq!(
            end(ask(
                &node,
                &b,
                Op::Acquire {
                    ttl: TTL,
                    reserve: 3
                }
            )
            .await),
            first + 10
        );
        for key in keys {
            let stored = server.control().get(&fence_key(key));
            assert_eq!(stored, Some((first + 10).to_string()));
        }
    }
}

#[tokio::test]
async fn several_resources_share_the_largest_next_number() {
    let server = Server::start();
    let node = node(&server).await;
    let a = claim(&["a"], "1");
    let high = end(ask(&node, &a, ACQUIRE).await) + 1_000_000_000;
    assert_eq!(end(ask(&node, &a, Op::Raise { fence: high }).await), high);
    assert_eq!(end(ask(&node, &a, Op::Raise { fence: 1 }).await), high);
    ask(&node, &a, RELEASE).await.unwrap();
    let both = claim(&["a", "b"], "2");
    assert_eq!(end(ask(&node, &both, ACQUIRE).await), high + 1);
    ask(&node, &both, RELEASE).await.unwrap();
    assert_eq!(
        end(ask(&node, &claim(&["b"], "3"), ACQUIRE).await),
        high + 2
    );
}

#[tokio::test]
async fn numbers_of_sixteen_digits_pass_the_scripts_unharmed() {
    let server = Server::start();
    let node = node(&server).await;
    let a = claim(&["k"], "a");
    end(ask(&node, &a, ACQUIRE).await);
    let largest = (1 << 53) - 3;
    assert_eq!(
        end(ask(&node, &a, Op::Raise { fence: largest }).await),
        largest
    );
    assert_eq!(
        server.control().get(&fence_key("k")),
        Some(largest.to_string())
    );
    ask(&node, &a, RELEASE).await.unwrap();
    assert_eq!(
        end(ask(&node, &claim(&["k"], "b"), ACQUIRE).await),
        largest + 1
    );
    assert_eq!(
        server.control().get(&fence_key("k")),
        Some((largest + 1).to_string())
    );
}

#[tokio::test]
async fn a_counter_that_is_none_is_an_error_and_grants_nothing() {
    let server = Server::start();
    let node = node(&server).await;
    let mut control = server.control();
    let too_far = ((1_u64 << 53) - 1).to_string();
    for (write, value) in [
        ("SET", too_far.as_str()),
        ("SET", "x"),
        ("SET", "1.5"),
        ("LPUSH", "x"),
    ] {
        for keys in [&["k"][..], &["k", "l"]] {
            control.flush_all();
            control.ask::<()>(&[write, &fence_key("k"), value]);
            let error = ask(&node, &claim(keys, "a"), ACQUIRE).await.unwrap_err();
            assert_eq!(error.kind(), NodeErrorKind::Protocol);
            assert!(error.to_string().contains(&fence_key("k")), "{error}");
            assert_eq!(control.get(&lock_key("k")), None, "{write} {value}");
        }
    }
    control.flush_all();
    let a = claim(&["k"], "a");
    end(ask(&node, &a, ACQUIRE).await);
    assert_eq!(
        kind(ask(&node, &a, Op::Raise { fence: 1 << 53 }).await),
        NodeErrorKind::Protocol
    );
}

#[tokio::test]
async fn a_counter_lives_a_day_beyond_its_number_and_beyond_its_last_use() {
    let server = Server::start();
    let node = node(&server).await;
    let mut control = server.control();
    let day = Duration::from_secs(24 * 60 * 60);
    let minute = Duration::from_secs(60);
    let mut about = |key: &str, asked: Duration| {
        let left = control
            .time_to_live(&fence_key(key))
            .expect("a key that expires");
        assert!(
            left <= asked + minute && left >= asked - minute,
            "{key}: {left:?}, not {asked:?}"
        );
    };
    for keys in [&["k"][..], &["m", "n"]] {
        let a = claim(keys, "a");
        let first = end(ask(&node, &a, ACQUIRE).await);
        about(keys[0], day);
        let hour = 60 * 60 * 1_000_000;
        end(ask(
            &node,
            &a,
            Op::Raise {
                fence: first + hour,
            },
        )
        .await);
        about(keys[0], day + Duration::from_secs(60 * 60));
        for op in [EXTEND, Op::Heal { ttl: TTL, fence: 1 }] {
            server
                .control()
                .ask::<()>(&["PEXPIRE", &fence_key(keys[0]), "5000"]);
            end(ask(&node, &a, op).await);
            about(keys[0], day + Duration::from_secs(60 * 60));
        }
    }
}

#[tokio::test]
async fn an_acquire_prolongs_a_counter_that_it_finds() {
    let server = Server::start();
    end(ask(&node(&server).await, &claim(&["k"], "a"), ACQUIRE).await);
    let mut control = server.control();
    control.delete(&lock_key("k"));
    control.ask::<()>(&["PEXPIRE", &fence_key("k"), "5000"]);
    // Another process, which has not prolonged it within the last hour.
    end(ask(&node(&server).await, &claim(&["k"], "b"), ACQUIRE).await);
    let left = control.time_to_live(&fence_key("k")).unwrap();
    assert!(left > Duration::from_secs(23 * 60 * 60), "{left:?}");
}

#[tokio::test]
async fn extending_and_raising_need_the_value_under_every_key() {
    let server = Server::start();
    let node = node(&server).await;
    let ab = claim(&["a", "b"], "1");
    end(ask(&node, &ab, ACQUIRE).await);
    server.control().delete(&lock_key("b"));
    assert_eq!(ask(&node, &ab, EXTEND).await.unwrap(), Vote::Missing);
    assert_eq!(
        ask(&node, &ab, Op::Raise { fence: 1 }).await.unwrap(),
        Vote::Missing
    );
    assert_eq!(server.control().get(&lock_key("b")), None);
    end(ask(&node, &claim(&["b"], "2"), ACQUIRE).await);
    assert_eq!(holder(ask(&node, &ab, EXTEND).await), "2");
    assert_eq!(holder(ask(&node, &ab, Op::Raise { fence: 1 }).await), "2");
    assert_eq!(
        holder(ask(&node, &ab, Op::Heal { ttl: TTL, fence: 1 }).await),
        "2"
    );
}

#[tokio::test]
async fn healing_gives_back_the_keys_and_the_counter() {
    let server = Server::start();
    let node = node(&server).await;
    for keys in [&["k"][..], &["m", "n"]] {
        let a = claim(keys, "a");
        let fence = 2_000_000_000_000_000;
        assert_eq!(
            end(ask(&node, &a, Op::Heal { ttl: TTL, fence }).await),
            fence
        );
        assert_eq!(holder(ask(&node, &claim(keys, "b"), ACQUIRE).await), "a");
        assert_eq!(
            end(ask(
                &node,
                &a,
                Op::Extend {
                    ttl: TTL,
                    reserve: 1
                }
            )
            .await),
            fence + 1
        );
        // Where one counter is behind, the smallest is told: it is what the quorum can rest on.
        server.control().delete(&fence_key(keys[0]));
        assert_eq!(end(ask(&node, &a, EXTEND).await), 0);
        assert_eq!(server.control().get(&fence_key(keys[0])), None);
    }
}

#[tokio::test]
async fn a_release_deletes_only_its_own_keys() {
    let server = Server::start();
    let node = node(&server).await;
    let ab = claim(&["a", "b"], "1");
    end(ask(&node, &ab, ACQUIRE).await);
    let foreign = claim(&["a"], "2");
    assert_eq!(holder(ask(&node, &foreign, RELEASE).await), "1");
    server.control().delete(&lock_key("b"));
    end(ask(&node, &claim(&["b"], "2"), ACQUIRE).await);
    assert_eq!(holder(ask(&node, &ab, RELEASE).await), "2");
    assert_eq!(server.control().get(&lock_key("a")), None);
    assert_eq!(server.control().get(&lock_key("b")).as_deref(), Some("2"));
    assert_eq!(
        ask(&node, &claim(&["a"], "1"), RELEASE).await.unwrap(),
        Vote::Missing
    );
}

#[tokio::test]
async fn a_key_of_another_type_is_held_by_somebody_unknown() {
    let server = Server::start();
    let node = node(&server).await;
    let mut control = server.control();
    control.ask::<()>(&["LPUSH", &lock_key("k"), "x"]);
    let unknown = Vote::Held(Occupied {
        key: 0,
        value: None,
        remaining: None,
        ahead: None,
    });
    let a = claim(&["k"], "a");
    for op in [
        ACQUIRE,
        EXTEND,
        Op::Raise { fence: 1 },
        Op::Heal { ttl: TTL, fence: 1 },
        Op::Inspect,
        RELEASE,
    ] {
        assert_eq!(ask(&node, &a, op).await.unwrap(), unknown, "{op:?}");
    }
    assert!(control.keys().contains(&lock_key("k")));
}

#[tokio::test]
async fn a_key_without_expiry_never_comes_free_by_itself() {
    let server = Server::start();
    let node = node(&server).await;
    server
        .control()
        .ask::<()>(&["SET", &lock_key("k"), "foreign"]);
    let held = Vote::Held(Occupied {
        key: 0,
        value: Some("foreign".into()),
        remaining: None,
        ahead: None,
    });
    let a = claim(&["k"], "a");
    assert_eq!(ask(&node, &a, ACQUIRE).await.unwrap(), held);
    assert_eq!(ask(&node, &a, Op::Inspect).await.unwrap(), held);
    assert_eq!(
        ask(&node, &claim(&["other"], "a"), Op::Inspect)
            .await
            .unwrap(),
        Vote::Missing
    );
}

#[tokio::test]
async fn a_foreign_client_excludes_and_is_excluded() {
    let server = Server::start();
    let node = node(&server).await;
    let mut control = server.control();
    assert!(control.set_if_absent(&lock_key("k"), "foreign", TTL));
    let a = claim(&["k"], "a");
    assert_eq!(holder(ask(&node, &a, ACQUIRE).await), "foreign");
    control.delete(&lock_key("k"));
    end(ask(&node, &a, ACQUIRE).await);
    assert!(!control.set_if_absent(&lock_key("k"), "foreign", TTL));
}

#[tokio::test]
async fn scripts_may_be_forgotten_at_any_time() {
    let server = Server::start();
    let node = node(&server).await;
    let mut control = server.control();
    let (a, b) = (claim(&["k"], "a"), claim(&["k"], "b"));
    for op in [
        ACQUIRE,
        EXTEND,
        Op::Heal { ttl: TTL, fence: 1 },
        Op::Raise { fence: 1 },
    ] {
        control.flush_scripts();
        end(ask(&node, &a, op).await);
    }
    control.flush_scripts();
    assert_eq!(holder(ask(&node, &b, Op::Inspect).await), "a");
    control.flush_scripts();
    assert_eq!(end(ask(&node, &a, RELEASE).await), 0);
    assert_eq!(control.calls_of("script|load"), 0);
}

#[tokio::test]
async fn a_release_works_on_a_server_whose_memory_is_full() {
    let server = Server::start();
    let node = node(&server).await;
    let (a, b) = (claim(&["k"], "a"), claim(&["l"], "b"));
    end(ask(&node, &a, ACQUIRE).await);
    server
        .control()
        .ask::<()>(&["CONFIG", "SET", "maxmemory", "1"]);
    assert_eq!(
        kind(ask(&node, &b, ACQUIRE).await),
        NodeErrorKind::OutOfMemory
    );
    server.control().flush_scripts();
    assert_eq!(end(ask(&node, &a, RELEASE).await), 0);
}

#[tokio::test]
async fn keys_may_hold_anything() {
    let server = Server::start();
    let node = node(&server).await;
    let long = "x".repeat(100_000);
    for resource in [
        "nul\0",
        "line\r\nfeed",
        "🔒",
        "锁",
        " ",
        "a{b}c",
        long.as_str(),
    ] {
        let a = claim(&[resource], "val\0ue\r\n");
        end(ask(&node, &a, ACQUIRE).await);
        assert_eq!(
            holder(ask(&node, &claim(&[resource], "b"), ACQUIRE).await),
            "val\0ue\r\n"
        );
        assert_eq!(end(ask(&node, &a, RELEASE).await), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tasks_get_their_own_answers() {
    let server = Server::start();
    let node = Arc::new(node(&server).await);
    let tasks = (0..64).map(|task| {
        let node = node.clone();
        tokio::spawn(async move {
            let name = format!("k{task}");
            let mut last = 0;
            for round in 0..100 {
                let a = claim(&[&name], &format!("{task}/{round}"));
                let token = end(ask(&node, &a, ACQUIRE).await);
                assert!(token > last);
                last = token;
                let b = claim(&[&name], "b");
                assert_eq!(
                    holder(ask(&node, &b, ACQUIRE).await),
                    format!("{task}/{round}")
                );
                assert_eq!(end(ask(&node, &a, RELEASE).await), 0);
            }
        })
    });
    for task in Vec::from_iter(tasks) {
        task.await.unwrap();
    }
    assert_eq!(server.control().keys_like("p_lock:*").len(), 0);
}

#[tokio::test]
async fn a_plain_thread_can_release() {
    let server = Server::start();
    let node = Arc::new(node(&server).await);
    let a = claim(&["k"], "a");
    end(ask(&node, &a, ACQUIRE).await);
    let reply = {
        let (node, a) = (node.clone(), a.clone());
        std::thread::spawn(move || submit(&node, &a, RELEASE))
            .join()
            .unwrap()
    };
    assert_eq!(end(reply.await.unwrap()), 0);
}
