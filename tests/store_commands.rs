//! Every method of the store, on a real server and in memory: same answers, and never a key on the
//! wire without the prefix.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use klg_lock::store::{Expiry, Json, MessagePack, Script, Side};
use klg_lock::{ClientConfig, Store};
use klg_lock_tests::Server;

const PREFIX: &str = "walk[1]*:";
const MINUTE: Duration = Duration::from_secs(60);

async fn store(uri: &str) -> Store {
    let config = ClientConfig::default().uri(uri).prefix(PREFIX);
    Store::connect(&config).await.unwrap()
}

/// Runs a walk on both kinds of server; what is sent to the real one is checked for the prefix.
async fn on_both<F: Future<Output = ()>>(walk: impl Fn(Store) -> F) {
    walk(store("memory://").await).await;
    let server = Server::start();
    let store = store(&server.uri()).await;
    let monitor = server.monitor();
    walk(store).await;
    every_key_has_the_prefix(&server, &monitor.stop());
}

fn every_key_has_the_prefix(server: &Server, commands: &[String]) {
    let mut keys_seen = 0;
    for command in commands {
        let from_script = command.strip_prefix("lua ");
        let words = words(from_script.unwrap_or(command));
        let Some(name) = words.first().map(|word| word.to_ascii_uppercase()) else {
            panic!("no words in {command}");
        };
        let keys: Vec<String> = match name.as_str() {
            // Named by no key, and prefixed all the same.
            "PUBLISH" | "SUBSCRIBE" => vec![words[1].clone()],
            "PSUBSCRIBE" => vec![unescaped(&words[1])],
            "SCAN" => vec![unescaped(&words[3])],
            "HELLO" | "CLIENT" | "PING" | "MULTI" | "EXEC" | "INFO" | "ROLE" | "SELECT"
            | "DBSIZE" => continue,
            _ => {
                let mut ask = vec!["COMMAND", "GETKEYS"];
                ask.extend(words.iter().map(String::as_str));
                server.control().ask(&ask)
            }
        };
        for key in keys {
            assert!(
                key.starts_with(PREFIX),
                "{key:?} left without the prefix: {command}"
            );
            assert!(!key[PREFIX.len()..].starts_with(PREFIX), "twice: {command}");
            keys_seen += 1;
        }
    }
    assert!(keys_seen > 0, "nothing was recorded: {commands:?}");
}

/// A recorded command's words, each of which is in quotes.
fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut chars = command.chars();
    while chars.any(|char| char == '"') {
        let mut word = String::new();
        loop {
            match chars.next().expect("a closing quote") {
                '"' => break,
                '\\' => match chars.next().expect("an escaped character") {
                    'n' => word.push('\n'),
                    'r' => word.push('\r'),
                    't' => word.push('\t'),
                    'x' => {
                        // Of values, which are not looked at.
                        chars.nth(1);
                        word.push('?');
                    }
                    other => word.push(other),
                },
                other => word.push(other),
            }
        }
        words.push(word);
    }
    words
}

/// A pattern as the text it begins with.
fn unescaped(pattern: &str) -> String {
    pattern.replace('\\', "")
}

fn sorted<T: Ord>(mut items: Vec<T>) -> Vec<T> {
    items.sort();
    items
}

#[tokio::test]
async fn strings() {
    on_both(|store| async move {
        assert_eq!(store.get::<String>("kk").await.unwrap(), None);
        store.set_ex("kk", "vvv", MINUTE).await.unwrap();
        assert_eq!(store.get::<String>("kk").await.unwrap().as_deref(), Some("vvv"));
        store.set_keep_ttl("kk", "www").await.unwrap();
        assert!(matches!(store.ttl("kk").await.unwrap(), Expiry::In(left) if left <= MINUTE && !left.is_zero()));
        store.set("kk", vec![0_u8, 255]).await.unwrap();
        assert_eq!(store.get::<Vec<u8>>("kk").await.unwrap(), Some(vec![0, 255]));
        assert_eq!(store.ttl("kk").await.unwrap(), Expiry::Never);
        assert!(!store.set_nx("kk", 1).await.unwrap());
        assert!(store.set_nx("nx", 1).await.unwrap());
        assert!(store.set_nx_ex("nxex", true, MINUTE).await.unwrap());
        assert!(!store.set_nx_ex("nxex", false, MINUTE).await.unwrap());
        assert_eq!(store.get::<bool>("nxex").await.unwrap(), Some(true));
        assert!(store.set_xx("kk", "x").await.unwrap());
        assert!(!store.set_xx("none", "x").await.unwrap());
        assert_eq!(store.get_set::<String>("kk", "y").await.unwrap().as_deref(), Some("x"));
        assert_eq!(store.get_set::<String>("new", "y").await.unwrap(), None);
        assert_eq!(store.get_ex::<String>("kk", MINUTE).await.unwrap().as_deref(), Some("y"));
        assert!(matches!(store.ttl("kk").await.unwrap(), Expiry::In(_)));
        assert_eq!(store.get_del::<String>("kk").await.unwrap().as_deref(), Some("y"));
        assert_eq!(store.get_del::<String>("kk").await.unwrap(), None);
        store.mset(&[("a", 1), ("b", 2)]).await.unwrap();
        let values: Vec<Option<i64>> = store.mget(&["a", "none", "b"]).await.unwrap();
        assert_eq!(values, [Some(1), None, Some(2)]);
        assert_eq!(store.append("text", "ab").await.unwrap(), 2);
        assert_eq!(store.append("text", "cd").await.unwrap(), 4);
        assert_eq!(store.strlen("text").await.unwrap(), 4);
        assert_eq!(store.strlen("none").await.unwrap(), 0);
    })
    .await;
}

#[tokio::test]
async fn counters() {
    on_both(|store| async move {
        assert_eq!(store.incr("n").await.unwrap(), 1);
        assert_eq!(store.incr_by("n", 41).await.unwrap(), 42);
        assert_eq!(store.decr("n").await.unwrap(), 41);
        assert_eq!(store.decr_by("n", 50).await.unwrap(), -9);
        assert_eq!(store.get::<i64>("n").await.unwrap(), Some(-9));
        assert_eq!(store.incr_by_float("f", 1.5).await.unwrap(), 1.5);
        assert_eq!(store.incr_by_float("f", -0.25).await.unwrap(), 1.25);
        assert_eq!(store.incr_by_float("n", 10.0).await.unwrap(), 1.0);
        assert_eq!(store.incr("n").await.unwrap(), 2);
    })
    .await;
}

#[tokio::test]
async fn keys_and_expiry() {
    on_both(|store| async move {
        store.mset(&[("a", 1), ("b", 2), ("c", 3)]).await.unwrap();
        assert!(store.exists("a").await.unwrap());
        assert!(!store.exists("none").await.unwrap());
        assert_eq!(store.exists_many(&["a", "b", "none"]).await.unwrap(), 2);
        assert_eq!(store.ttl("none").await.unwrap(), Expiry::Missing);
        assert!(store.expire("a", MINUTE).await.unwrap());
        assert!(!store.expire("none", MINUTE).await.unwrap());
        assert!(matches!(store.ttl("a").await.unwrap(), Expiry::In(_)));
        store.rename("a", "renamed").await.unwrap();
        assert!(matches!(store.ttl("renamed").await.unwrap(), Expiry::In(_)));
        assert!(store.persist("renamed").await.unwrap());
        assert!(!store.persist("renamed").await.unwrap());
        assert!(store.del("renamed").await.unwrap());
        assert!(!store.del("renamed").await.unwrap());
        assert_eq!(store.del_many(&["a", "b", "c"]).await.unwrap(), 2);
        store
            .set_ex("short", 1, Duration::from_millis(20))
            .await
            .unwrap();
        tokio::time::sleep(Duration::from_millis(40)).await;
        assert_eq!(store.get::<i64>("short").await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn hashes() {
    on_both(|store| async move {
        assert!(store.hset("h", "a", 1).await.unwrap());
        assert!(!store.hset("h", "a", 2).await.unwrap());
        assert_eq!(
            store.hset_many("h", &[("a", 1), ("b", 2)]).await.unwrap(),
            1
        );
        assert!(!store.hset_nx("h", "a", 9).await.unwrap());
        assert!(store.hset_nx("h", "c", 3).await.unwrap());
        assert_eq!(store.hget::<i64>("h", "a").await.unwrap(), Some(1));
        assert_eq!(store.hget::<i64>("h", "none").await.unwrap(), None);
        let some: Vec<Option<i64>> = store.hmget("h", &["c", "none", "a"]).await.unwrap();
        assert_eq!(some, [Some(3), None, Some(1)]);
        let all: HashMap<String, i64> = store.hgetall("h").await.unwrap();
        let expected =
            [("a", 1), ("b", 2), ("c", 3)].map(|(field, value)| (field.to_owned(), value));
        assert_eq!(all, HashMap::from(expected));
        assert!(store.hgetall::<i64>("none").await.unwrap().is_empty());
        assert_eq!(sorted(store.hkeys("h").await.unwrap()), ["a", "b", "c"]);
        assert_eq!(sorted(store.hvals::<i64>("h").await.unwrap()), [1, 2, 3]);
        assert_eq!(store.hlen("h").await.unwrap(), 3);
        assert!(store.hexists("h", "a").await.unwrap());
        assert_eq!(store.hincr_by("h", "a", 4).await.unwrap(), 5);
        assert_eq!(store.hincr_by_float("h", "f", 0.5).await.unwrap(), 0.5);
        assert!(store.hdel("h", "a").await.unwrap());
        assert!(!store.hdel("h", "a").await.unwrap());
        assert_eq!(
            store
                .hdel_many("h", &["b", "c", "f", "none"])
                .await
                .unwrap(),
            3
        );
        assert!(!store.exists("h").await.unwrap(), "an empty hash is gone");
    })
    .await;
}

#[tokio::test]
async fn lists() {
    on_both(|store| async move {
        assert_eq!(store.rpush("l", "b").await.unwrap(), 1);
        assert_eq!(store.lpush("l", "a").await.unwrap(), 2);
        assert_eq!(store.rpush_many("l", &["c", "d"]).await.unwrap(), 4);
        assert_eq!(store.lpush_many("l", &["y", "x"]).await.unwrap(), 6);
        let all: Vec<String> = store.lrange("l", 0, -1).await.unwrap();
        assert_eq!(all, ["x", "y", "a", "b", "c", "d"]);
        assert_eq!(
            store.lrange::<String>("l", -2, 100).await.unwrap(),
            ["c", "d"]
        );
        assert_eq!(
            store.lrange::<String>("l", 3, 1).await.unwrap(),
            <[String; 0]>::default()
        );
        assert_eq!(store.llen("l").await.unwrap(), 6);
        assert_eq!(
            store.lindex::<String>("l", -1).await.unwrap().as_deref(),
            Some("d")
        );
        assert_eq!(store.lindex::<String>("l", 9).await.unwrap(), None);
        store.lset("l", 0, "z").await.unwrap();
        assert_eq!(
            store.lpop::<String>("l").await.unwrap().as_deref(),
            Some("z")
        );
        assert_eq!(
            store.rpop::<String>("l").await.unwrap().as_deref(),
            Some("d")
        );
        let moved: Option<String> = store
            .lmove("l", "l2", Side::Left, Side::Right)
            .await
            .unwrap();
        assert_eq!(moved.as_deref(), Some("y"));
        store.ltrim("l", 0, 1).await.unwrap();
        assert_eq!(
            store.lrange::<String>("l", 0, -1).await.unwrap(),
            ["a", "b"]
        );
        store.rpush_many("l", &["a", "b", "a"]).await.unwrap();
        assert_eq!(store.lrem("l", -1, "a").await.unwrap(), 1);
        assert_eq!(
            store.lrange::<String>("l", 0, -1).await.unwrap(),
            ["a", "b", "a", "b"]
        );
        assert_eq!(store.lrem("l", 1, "a").await.unwrap(), 1);
        assert_eq!(store.lrem("l", 0, "b").await.unwrap(), 2);
        assert_eq!(
            store.lpop::<String>("l").await.unwrap().as_deref(),
            Some("a")
        );
        assert_eq!(store.lpop::<String>("l").await.unwrap(), None);
        assert!(!store.exists("l").await.unwrap(), "an empty list is gone");
    })
    .await;
}

#[tokio::test]
async fn sets() {
    on_both(|store| async move {
        assert!(store.sadd("s", 1).await.unwrap());
        assert!(!store.sadd("s", 1).await.unwrap());
        assert_eq!(store.sadd_many("s", &[1, 2, 3]).await.unwrap(), 2);
        assert_eq!(sorted(store.smembers::<i64>("s").await.unwrap()), [1, 2, 3]);
        assert!(store.sismember("s", 2).await.unwrap());
        assert!(!store.sismember("s", 9).await.unwrap());
        assert_eq!(store.smismember("s", &[1, 9]).await.unwrap(), [true, false]);
        assert_eq!(store.scard("s").await.unwrap(), 3);
        store.sadd_many("t", &[3, 4]).await.unwrap();
        assert_eq!(store.sinter::<i64>(&["s", "t"]).await.unwrap(), [3]);
        assert_eq!(
            sorted(store.sunion::<i64>(&["s", "t"]).await.unwrap()),
            [1, 2, 3, 4]
        );
        assert_eq!(
            sorted(store.sdiff::<i64>(&["s", "t"]).await.unwrap()),
            [1, 2]
        );
        assert!(store.smove("s", "t", 1).await.unwrap());
        assert!(!store.smove("s", "t", 1).await.unwrap());
        assert!(store.srem("s", 2).await.unwrap());
        assert_eq!(store.srandmember::<i64>("s").await.unwrap(), Some(3));
        assert_eq!(store.spop::<i64>("s").await.unwrap(), Some(3));
        assert_eq!(store.spop::<i64>("s").await.unwrap(), None);
        assert_eq!(store.srem_many("t", &[1, 3, 4, 9]).await.unwrap(), 3);
        assert!(!store.exists("t").await.unwrap(), "an empty set is gone");
    })
    .await;
}

#[tokio::test]
async fn sorted_sets() {
    on_both(|store| async move {
        let owned = |pairs: &[(&str, f64)]| -> Vec<(String, f64)> {
            pairs
                .iter()
                .map(|(member, score)| ((*member).to_owned(), *score))
                .collect()
        };
        assert!(store.zadd("z", "b", 2.0).await.unwrap());
        assert!(!store.zadd("z", "b", 2.5).await.unwrap());
        assert_eq!(
            store
                .zadd_many("z", &[("a", 1.0), ("c", 3.0), ("inf", f64::INFINITY)])
                .await
                .unwrap(),
            3
        );
        assert_eq!(store.zscore("z", "b").await.unwrap(), Some(2.5));
        assert_eq!(store.zscore("z", "none").await.unwrap(), None);
        assert_eq!(store.zscore("z", "inf").await.unwrap(), Some(f64::INFINITY));
        assert_eq!(store.zincr_by("z", "b", -0.5).await.unwrap(), 2.0);
        assert_eq!(store.zcard("z").await.unwrap(), 4);
        assert_eq!(store.zcount("z", 1.0..=2.0).await.unwrap(), 2);
        assert_eq!(store.zcount("z", ..2.0).await.unwrap(), 1);
        assert_eq!(store.zcount("z", ..).await.unwrap(), 4);
        assert_eq!(store.zrank("z", "c").await.unwrap(), Some(2));
        assert_eq!(store.zrevrank("z", "c").await.unwrap(), Some(1));
        assert_eq!(store.zrank("z", "none").await.unwrap(), None);
        assert_eq!(
            store.zrange::<String>("z", 0, -2).await.unwrap(),
            ["a", "b", "c"]
        );
        assert_eq!(
            store.zrange_with_scores::<String>("z", 0, 1).await.unwrap(),
            owned(&[("a", 1.0), ("b", 2.0)])
        );
        assert_eq!(
            store.zrevrange::<String>("z", 1, 2).await.unwrap(),
            ["c", "b"]
        );
        assert_eq!(
            store
                .zrevrange_with_scores::<String>("z", 1, 1)
                .await
                .unwrap(),
            owned(&[("c", 3.0)])
        );
        assert_eq!(
            store.zrange_by_score::<String>("z", 2.0..).await.unwrap(),
            ["b", "c", "inf"]
        );
        assert_eq!(
            store
                .zrange_by_score_with_scores::<String>("z", 1.0..3.0)
                .await
                .unwrap(),
            owned(&[("a", 1.0), ("b", 2.0)])
        );
        assert_eq!(
            store.zpop_max::<String>("z").await.unwrap(),
            Some(("inf".to_owned(), f64::INFINITY))
        );
        assert_eq!(
            store.zpop_min::<String>("z").await.unwrap(),
            Some(("a".to_owned(), 1.0))
        );
        assert_eq!(store.zrem_range_by_score("z", 2.0..=2.0).await.unwrap(), 1);
        assert_eq!(store.zrem_range_by_rank("z", 0, 0).await.unwrap(), 1);
        assert_eq!(store.zpop_min::<String>("z").await.unwrap(), None);
        store.zadd("z", "x", 1.0).await.unwrap();
        assert!(store.zrem("z", "x").await.unwrap());
        assert_eq!(store.zrem_many("z", &["x", "y"]).await.unwrap(), 0);
    })
    .await;
}

#[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
struct User {
    id: u64,
    name: String,
    tags: Vec<String>,
}

#[tokio::test]
async fn serde_values() {
    on_both(|store| async move {
        let user = User {
            id: 1,
            name: "Ada".to_owned(),
            tags: vec!["a".to_owned()],
        };
        store.set_json("json", &user).await.unwrap();
        assert_eq!(
            store.get_json::<User>("json").await.unwrap().as_ref(),
            Some(&user)
        );
        assert_eq!(
            store.get::<String>("json").await.unwrap().as_deref(),
            Some(r#"{"id":1,"name":"Ada","tags":["a"]}"#)
        );
        store.set_json_ex("json", &user, MINUTE).await.unwrap();
        store.set_msgpack("pack", &user).await.unwrap();
        store.set_msgpack_ex("pack", &user, MINUTE).await.unwrap();
        assert_eq!(
            store.get_msgpack::<User>("pack").await.unwrap().as_ref(),
            Some(&user)
        );
        assert_eq!(store.get_json::<User>("none").await.unwrap(), None);
        store.hset("h", "user", Json(&user)).await.unwrap();
        let Json(read): Json<User> = store.hget("h", "user").await.unwrap().unwrap();
        assert_eq!(read, user);
        store.rpush("l", MessagePack(&user)).await.unwrap();
        let MessagePack(read): MessagePack<User> = store.lpop("l").await.unwrap().unwrap();
        assert_eq!(read, user);
    })
    .await;
}

#[tokio::test]
async fn pipelines() {
    on_both(|store| async move {
        let pipeline = store
            .pipeline()
            .set("a", 1)
            .incr("a")
            .get("a")
            .hgetall("none");
        let ((), n, text, none): (_, i64, Option<String>, HashMap<String, String>) =
            pipeline.run().await.unwrap();
        assert_eq!((n, text.as_deref(), none.len()), (2, Some("2"), 0));
        let atomic = store.pipeline().atomic().incr("a").incr("a");
        assert_eq!(atomic.run::<Vec<i64>>().await.unwrap(), [3, 4]);
        assert_eq!(
            store.pipeline().run::<Vec<i64>>().await.unwrap(),
            <[i64; 0]>::default()
        );
        let wrong = store.pipeline().incr("a").lpush("a", 1).incr("a");
        let error = wrong
            .run::<(i64, u64, i64)>()
            .await
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("key \"a\"") && error.contains("WRONGTYPE"),
            "{error}"
        );
        let wrong = store.pipeline().atomic().incr("a").lpush("a", 1);
        let error = wrong.run::<(i64, u64)>().await.unwrap_err().to_string();
        assert!(
            error.contains("key \"a\"") && error.contains("WRONGTYPE"),
            "{error}"
        );
        assert_eq!(
            store.get::<i64>("a").await.unwrap(),
            Some(7),
            "the others were carried out"
        );
        let error = store
            .pipeline()
            .incr("a")
            .run::<(i64, i64)>()
            .await
            .unwrap_err();
        assert!(
            error
                .to_string()
                .contains("1 commands was to be read as 2 answers"),
            "{error}"
        );
    })
    .await;
}

#[tokio::test]
async fn scanning_gives_the_names_back_without_the_prefix() {
    on_both(|store| async move {
        let names: Vec<String> = (0..50).map(|i| format!("user:{i}")).collect();
        for name in &names {
            store.set(name, 1).await.unwrap();
        }
        store.set("other", 1).await.unwrap();
        let found: BTreeSet<String> = store
            .scan("user:*")
            .batch(7)
            .all()
            .await
            .unwrap()
            .into_iter()
            .collect();
        assert_eq!(found, names.into_iter().collect());
        assert_eq!(store.scan("user:4[2]").all().await.unwrap(), ["user:42"]);
        assert_eq!(store.scan("*").all().await.unwrap().len(), 51);
        let mut none = store.scan("none");
        assert!(none.next().await.is_none());
        assert!(none.next().await.is_none(), "and stays so");
    })
    .await;
}

#[tokio::test]
async fn a_prefix_is_no_pattern() {
    for uri in ["memory://patterns", &Server::start().uri()] {
        let config = |prefix| ClientConfig::default().uri(uri).prefix(prefix);
        let star = Store::connect(&config("a*:")).await.unwrap();
        let plain = Store::connect(&config("ab:")).await.unwrap();
        plain.set("k", 1).await.unwrap();
        star.set("mine", 1).await.unwrap();
        assert_eq!(star.scan("*").all().await.unwrap(), ["mine"]);
    }
}

#[tokio::test]
async fn channels() {
    on_both(|store| async move {
        let mut by_name = store.subscribe(&["news", "other"]).await.unwrap();
        let mut by_pattern = store.psubscribe(&["ne?s"]).await.unwrap();
        assert_eq!(store.publish("news", "hello").await.unwrap(), 2);
        let message = by_name.next().await.unwrap();
        assert_eq!(
            (message.channel.as_str(), &message.pattern),
            ("news", &None)
        );
        assert_eq!(message.decode::<String>().unwrap(), "hello");
        assert!(
            message
                .decode::<i64>()
                .unwrap_err()
                .to_string()
                .contains("key \"news\"")
        );
        let message = by_pattern.next().await.unwrap();
        assert_eq!(
            (message.channel.as_str(), message.pattern.as_deref()),
            ("news", Some("ne?s"))
        );
        assert_eq!(store.publish("nobody", 1).await.unwrap(), 0);
        assert_eq!(store.publish("other", Json([1, 2])).await.unwrap(), 1);
        let Json(numbers): Json<[i32; 2]> = by_name.next().await.unwrap().decode().unwrap();
        assert_eq!(numbers, [1, 2]);
        assert_eq!(by_name.reconnects(), 0);
        drop(by_pattern);
        let error = store.subscribe::<&str>(&[]).await.unwrap_err().to_string();
        assert_eq!(
            error,
            "configuration: no channel is named; name at least one"
        );
    })
    .await;
}

#[tokio::test]
async fn scripts_see_their_keys_with_the_prefix() {
    let server = Server::start();
    let store = store(&server.uri()).await;
    let monitor = server.monitor();
    let script = Script::new(
        "redis.call('SET', KEYS[1], ARGV[1]) return {redis.call('GET', KEYS[1]), KEYS[1]}",
    );
    for _ in 0..2 {
        let answer: Vec<String> = store.run_script(&script, &["k"], &["v"]).await.unwrap();
        assert_eq!(answer, ["v", &format!("{PREFIX}k")]);
        server.control().flush_scripts();
    }
    let answer: Vec<String> = store.run_script(&script, &["k"], &["v"]).await.unwrap();
    assert_eq!(answer[0], "v");
    every_key_has_the_prefix(&server, &monitor.stop());
    let memory = self::store("memory://").await;
    let error = memory
        .run_script::<()>(&script, &["k"], &["v"])
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("does not know the command"),
        "{error}"
    );
}

#[tokio::test]
async fn the_escape_hatch_takes_every_command_and_adds_no_prefix() {
    use klg_lock::redis;
    for uri in ["memory://", &Server::start().uri()] {
        let store = store(uri).await;
        let mut con = store.connection();
        redis::cmd("SET")
            .arg("raw")
            .arg(1)
            .exec_async(&mut con)
            .await
            .unwrap();
        let (a, b): (i64, i64) = redis::pipe()
            .atomic()
            .incr("raw", 1)
            .incr("raw", 1)
            .query_async(&mut con)
            .await
            .unwrap();
        assert_eq!((a, b), (2, 3));
        assert_eq!(store.get::<i64>("raw").await.unwrap(), None);
        let wrong: redis::RedisResult<i64> = redis::cmd("LPUSH")
            .arg("raw")
            .arg(1)
            .query_async(&mut con)
            .await;
        assert_eq!(wrong.unwrap_err().code(), Some("WRONGTYPE"));
    }
}

#[test]
fn every_method_is_walked_here() {
    let walks = include_str!("store_commands.rs");
    let definitions = [
        include_str!("../klg-lock/src/store/commands/hashes.rs"),
        include_str!("../klg-lock/src/store/commands/keys.rs"),
        include_str!("../klg-lock/src/store/commands/lists.rs"),
        include_str!("../klg-lock/src/store/commands/sets.rs"),
        include_str!("../klg-lock/src/store/commands/sorted_sets.rs"),
        include_str!("../klg-lock/src/store/commands/strings.rs"),
    ];
    let mut methods = 0;
    for source in definitions {
        let (_, table) = source
            .split_once("commands! {")
            .expect("a table of commands");
        for line in table
            .lines()
            .filter_map(|line| line.trim().strip_prefix("fn "))
        {
            let name = line.split(['(', '[']).next().expect("a name");
            let called = [format!(".{name}("), format!(".{name}::<")];
            assert!(
                called.iter().any(|call| walks.contains(call)),
                "{name} is not walked"
            );
            methods += 1;
        }
    }
    assert!(methods > 70, "{methods}");
}
