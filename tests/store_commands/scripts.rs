//! What no method stands for: scripts, and every other command.

use klg_lock::store::Script;

use super::*;

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
