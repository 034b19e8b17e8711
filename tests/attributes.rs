//! The attributes on a real server: what they lock, for how long, and that they exclude.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

use klg_lock::{ClientConfig, Config, LockError, Registry, buffer_lock, mutex_lock};
use klg_lock_tests::Server;
use klg_lock_tests::engine::{key, lock_keys, registry};
use klg_lock_tests::poll::within;

const SECOND: Duration = Duration::from_secs(1);

struct Params {
    key: String,
    ids: (u32, u32),
}

/// Notes what the server has while a body runs.
struct Service<'a> {
    server: &'a Server,
    seen: Mutex<Vec<(BTreeSet<String>, Option<Duration>)>>,
}

impl<'a> Service<'a> {
    fn new(server: &'a Server) -> Self {
        Self {
            server,
            seen: Mutex::default(),
        }
    }

    fn look(&self) {
        let keys = lock_keys(self.server);
        let ttl = keys
            .first()
            .and_then(|key| self.server.control().time_to_live(key));
        self.seen.lock().unwrap().push((keys, ttl));
    }

    /// The keys that the last body saw, and how long the first of them had left.
    fn saw(&self) -> (BTreeSet<String>, Duration) {
        let (keys, ttl) = self.seen.lock().unwrap().pop().unwrap();
        (keys, ttl.unwrap())
    }

    #[mutex_lock("key1")]
    async fn literal(&self) -> Result<Vec<u32>, LockError> {
        self.look();
        Ok(vec![1, 2, 3, 4, 5])
    }

    #[buffer_lock(key = format!("key{}", 1 + 1), ttl = "10s")]
    async fn option(&self) -> Result<(), LockError> {
        self.look();
        Ok(())
    }

    #[buffer_lock]
    async fn field(&self, #[lock_key("key")] params: Params) -> Result<Params, LockError> {
        self.look();
        Ok(params)
    }

    #[buffer_lock(ttl = 5000)]
    async fn argument(&self, #[lock_key] name: String) -> Result<String, LockError> {
        self.look();
        Ok(name)
    }

    #[mutex_lock("{params.ids.0}:{params.ids.1}:{params.key}", scope = "order")]
    async fn placeholders(&self, params: &Params) -> Result<usize, LockError> {
        self.look();
        Ok(params.key.len())
    }

    #[mutex_lock(scope = "account")]
    async fn several(&self, #[lock_key] from: u32, #[lock_key] to: u32) -> Result<u32, LockError> {
        self.look();
        Ok(from + to)
    }

    #[mutex_lock("gone", ttl = "500ms")]
    async fn deleted_under_it(&self) -> Result<(), LockError> {
        assert!(self.server.control().delete(&key("gone")));
        std::future::pending().await
    }

    #[mutex_lock("other", client = "other")]
    async fn elsewhere(&self) -> Result<(), LockError> {
        self.look();
        Ok(())
    }
}

fn keys<const N: usize>(resources: [&str; N]) -> BTreeSet<String> {
    resources.into_iter().map(key).collect()
}

fn params(name: &str) -> Params {
    Params {
        key: name.into(),
        ids: (7, 8),
    }
}

#[tokio::test]
async fn each_source_of_a_key_locks_that_key_while_the_body_runs() {
    let server = Server::start();
    let registry = registry(&server).await;
    let _bound = registry.bind_runtime();
    let service = Service::new(&server);

    assert_eq!(service.literal().await.unwrap(), [1, 2, 3, 4, 5]);
    let (held, ttl) = service.saw();
    assert_eq!(held, keys(["key1"]));
    assert!(ttl > 59 * SECOND && ttl <= 60 * SECOND, "{ttl:?}");

    service.option().await.unwrap();
    let (held, ttl) = service.saw();
    assert_eq!(held, keys(["key2"]));
    assert!(ttl > 9 * SECOND && ttl <= 10 * SECOND, "{ttl:?}");

    assert_eq!(service.field(params("kk")).await.unwrap().key, "kk");
    assert_eq!(service.saw().0, keys(["kk"]));

    assert_eq!(service.argument("ann".into()).await.unwrap(), "ann");
    let (held, ttl) = service.saw();
    assert_eq!(held, keys(["ann"]));
    assert!(ttl > 4 * SECOND && ttl <= 5 * SECOND, "{ttl:?}");

    assert_eq!(service.placeholders(&params("kk")).await.unwrap(), 2);
    assert_eq!(service.saw().0, keys(["order:7:8:kk"]));

    assert_eq!(service.several(1, 2).await.unwrap(), 3);
    assert_eq!(service.saw().0, keys(["account:1", "account:2"]));

    assert_eq!(lock_keys(&server), BTreeSet::new());
    registry.shutdown().await.unwrap();
}

#[mutex_lock("turn", guard = lock)]
async fn only_one(hold: Duration) -> Result<u64, LockError> {
    tokio::time::sleep(hold).await;
    Ok(lock.fencing_token().into())
}

#[buffer_lock("turn", guard = lock)]
async fn in_turn(inside: &Mutex<u32>) -> Result<u64, LockError> {
    *inside.lock().unwrap() += 1;
    tokio::time::sleep(Duration::from_millis(20)).await;
    let mut inside = inside.lock().unwrap();
    assert_eq!(*inside, 1, "two bodies at once");
    *inside -= 1;
    Ok(lock.fencing_token().into())
}

#[tokio::test]
async fn of_three_mutex_calls_one_runs_and_two_are_told_who_does() {
    let server = Server::start();
    let registry = registry(&server).await;
    let _bound = registry.bind_runtime();
    let calls = tokio::join!(only_one(SECOND), only_one(SECOND), only_one(SECOND));
    let (ran, refused): (Vec<_>, Vec<_>) = [calls.0, calls.1, calls.2]
        .into_iter()
        .partition(Result::is_ok);
    assert_eq!((ran.len(), refused.len()), (1, 2));
    for refusal in refused {
        let error = refusal.unwrap_err();
        assert!(
            matches!(
                error,
                LockError::Contended {
                    holder: Some(_),
                    remaining: Some(_),
                    ..
                }
            ),
            "{error}"
        );
    }
    registry.shutdown().await.unwrap();
}

#[tokio::test]
async fn of_three_buffer_calls_all_run_one_after_the_other() {
    let server = Server::start();
    let registry = registry(&server).await;
    let _bound = registry.bind_runtime();
    let inside = Mutex::new(0);
    let calls = tokio::join!(in_turn(&inside), in_turn(&inside), in_turn(&inside));
    let tokens: BTreeSet<u64> = [calls.0, calls.1, calls.2]
        .into_iter()
        .map(Result::unwrap)
        .collect();
    assert_eq!(tokens.len(), 3, "each has a token of its own");
    assert_eq!(lock_keys(&server), BTreeSet::new());
    registry.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_call_that_is_aborted_leaves_no_key() {
    let server = Server::start();
    let registry = registry(&server).await;
    let _bound = registry.bind_runtime();
    let call = tokio::spawn(only_one(3600 * SECOND));
    within(30 * SECOND, "the lock is taken", || {
        lock_keys(&server) == keys(["turn"])
    })
    .await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    within(30 * SECOND, "the lock is released", || {
        lock_keys(&server).is_empty()
    })
    .await;
    registry.shutdown().await.unwrap();
}

#[tokio::test]
async fn the_error_of_a_server_that_is_away_comes_through() {
    let server = Server::start();
    let registry = registry(&server).await;
    let _bound = registry.bind_runtime();
    only_one(Duration::ZERO).await.unwrap();
    server.kill();
    let error = only_one(Duration::ZERO).await.unwrap_err();
    assert!(matches!(error, LockError::Unavailable { .. }), "{error}");
}

#[tokio::test]
async fn a_body_whose_key_is_deleted_is_stopped_and_the_caller_told() {
    let server = Server::start();
    let registry = registry(&server).await;
    let _bound = registry.bind_runtime();
    let lost = Service::new(&server).deleted_under_it().await.unwrap_err();
    assert!(matches!(lost, LockError::Lost { .. }), "{lost}");
    registry.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_named_client_locks_on_its_own_server() {
    let (server, other) = (Server::start(), Server::start());
    let client = ClientConfig::default().uri(other.uri());
    let mut config = Config::default().uri(server.uri());
    config.redis = config.redis.client("other", client);
    let registry = Registry::builder().config(config).build().await.unwrap();
    let _bound = registry.bind_runtime();
    let service = Service::new(&other);
    service.elsewhere().await.unwrap();
    assert_eq!(service.saw().0, keys(["other"]));
    registry.shutdown().await.unwrap();
}
