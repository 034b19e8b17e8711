//! The options of the lock attributes, seen on a real server, and when the arguments are dropped.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use klg_lock::{Config, LockError, Registry, buffer_lock, mutex_lock};
use klg_lock_tests::Server;
use klg_lock_tests::engine::{are_clean, key, registry};
use tokio::time::sleep;

const SECOND: Duration = Duration::from_secs(1);

/// What the body of a function finds on the server: the locked keys and how long they live.
type Found = BTreeMap<String, Duration>;

struct Params {
    name: String,
    nested: Nested,
}

struct Nested {
    ids: (u64, u64),
}

fn params() -> Params {
    Params {
        name: "testKey".to_owned(),
        nested: Nested { ids: (7, 42) },
    }
}

struct UsersService {
    server: Server,
    tenant: &'static str,
}

impl UsersService {
    async fn start() -> (Self, klg_lock::Registry, impl Drop) {
        let server = Server::start();
        let registry = registry(&server).await;
        let bound = registry.bind_runtime();
        let service = Self {
            server,
            tenant: "acme",
        };
        (service, registry, bound)
    }

    fn found(&self) -> Found {
        let mut control = self.server.control();
        let keys = control.keys_like("redis_lock:*");
        keys.into_iter()
            .map(|key| {
                let left = control.time_to_live(&key).unwrap();
                (key, left)
            })
            .collect()
    }

    #[mutex_lock(ttl = 1000)]
    async fn mutex_by_field(
        &self,
        #[lock_key("name")] _params: Params,
    ) -> Result<Found, LockError> {
        Ok(self.found())
    }

    #[buffer_lock(ttl = 1000)]
    async fn buffer_by_field(
        &self,
        #[lock_key("name")] params: Params,
    ) -> Result<Found, LockError> {
        let _ = params.name;
        Ok(self.found())
    }

    #[mutex_lock("DecoratorKey")]
    async fn mutex_by_literal(&self) -> Result<Found, LockError> {
        Ok(self.found())
    }

    #[buffer_lock("DecoratorKey")]
    async fn buffer_by_literal(&self) -> Result<Found, LockError> {
        Ok(self.found())
    }

    #[mutex_lock(key = "DecoratorOptionKey", ttl = 1_000_000)]
    async fn mutex_by_option(&self) -> Result<Found, LockError> {
        Ok(self.found())
    }

    #[buffer_lock(key = "DecoratorOptionKey", ttl = 1_000_000)]
    async fn buffer_by_option(&self) -> Result<Found, LockError> {
        Ok(self.found())
    }

    #[mutex_lock(ttl = "1000s")]
    async fn mutex_by_argument(&self, #[lock_key] name: String) -> Result<Found, LockError> {
        drop(name);
        Ok(self.found())
    }

    #[buffer_lock(ttl = Duration::from_secs(1000))]
    async fn buffer_by_argument(&self, #[lock_key] name: String) -> Result<Found, LockError> {
        drop(name);
        Ok(self.found())
    }

    #[mutex_lock("order:{id}:{params.nested.ids.1}:{self.tenant}:{{x}}")]
    async fn by_placeholders(&self, id: u64, params: &Params) -> Result<Found, LockError> {
        let _ = (id, params);
        Ok(self.found())
    }

    #[buffer_lock(scope = "account", wait = "5s", guard = lock)]
    async fn transfer(
        &self,
        #[lock_key] from: u32,
        #[lock_key] to: u32,
    ) -> Result<(Found, u64), LockError> {
        let _ = (from, to);
        Ok((self.found(), lock.fencing_token().into()))
    }

    #[mutex_lock("held", on_locked = Ok("skipped"))]
    async fn skips(&self) -> Result<&'static str, LockError> {
        Ok("ran")
    }

    #[mutex_lock("held", wait = "100ms", on_locked = "skipped", on_error = |_e: LockError| "failed")]
    async fn never_fails(&self) -> &'static str {
        "ran"
    }

    #[mutex_lock("long", ttl = "300ms", max_hold = "500ms")]
    async fn too_long(&self) -> Result<(), LockError> {
        sleep(10 * SECOND).await;
        Ok(())
    }

    #[buffer_lock("recursive")]
    async fn recursive(&self) -> Result<(), LockError> {
        Box::pin(self.recursive()).await
    }
}

/// Asserts that exactly `resource` was locked, for about `ttl`.
fn locked(found: Result<Found, LockError>, resource: &str, ttl: Duration) {
    let found = found.unwrap();
    let (name, left) = found.first_key_value().unwrap();
    assert_eq!((found.len(), name), (1, &key(resource)));
    assert!(*left <= ttl && *left > ttl.mul_f64(0.8), "{left:?}");
}

#[tokio::test]
async fn keys_and_ttls_come_from_where_the_attribute_says() {
    let (users, _registry, _bound) = UsersService::start().await;
    locked(users.mutex_by_field(params()).await, "testKey", SECOND);
    locked(users.buffer_by_field(params()).await, "testKey", SECOND);
    locked(users.mutex_by_literal().await, "DecoratorKey", 60 * SECOND);
    locked(users.buffer_by_literal().await, "DecoratorKey", 60 * SECOND);
    locked(
        users.mutex_by_option().await,
        "DecoratorOptionKey",
        1000 * SECOND,
    );
    locked(
        users.buffer_by_option().await,
        "DecoratorOptionKey",
        1000 * SECOND,
    );
    locked(
        users.mutex_by_argument("testKey".into()).await,
        "testKey",
        1000 * SECOND,
    );
    locked(
        users.buffer_by_argument("testKey".into()).await,
        "testKey",
        1000 * SECOND,
    );
    let placed = users.by_placeholders(3, &params()).await;
    locked(placed, "order:3:42:acme:{x}", 60 * SECOND);
}

#[tokio::test]
async fn several_keys_are_locked_together_with_one_token() {
    let (users, _registry, _bound) = UsersService::start().await;
    let (found, first) = users.transfer(1, 2).await.unwrap();
    let keys: Vec<&String> = found.keys().collect();
    assert_eq!(keys, [&key("account:1"), &key("account:2")]);
    let (_, second) = users.transfer(2, 3).await.unwrap();
    assert!(second > first);
}

#[tokio::test]
async fn a_function_can_skip_its_run_or_answer_for_the_error() {
    let (users, registry, _bound) = UsersService::start().await;
    assert_eq!(users.skips().await.unwrap(), "ran");
    assert_eq!(users.never_fails().await, "ran");
    let lock = registry.mutex().lock("held").acquire().await.unwrap();
    assert_eq!(users.skips().await.unwrap(), "skipped");
    assert_eq!(users.never_fails().await, "skipped");
    lock.release().await.unwrap();
    users.server.kill();
    assert!(matches!(
        users.skips().await,
        Err(LockError::Unavailable { .. })
    ));
    assert_eq!(users.never_fails().await, "failed");
}

#[tokio::test]
async fn max_hold_ends_the_function() {
    let (users, _registry, _bound) = UsersService::start().await;
    let begun = Instant::now();
    assert!(matches!(
        users.too_long().await,
        Err(LockError::Lost { .. })
    ));
    assert!(begun.elapsed() < SECOND, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_function_that_would_wait_for_itself_is_told() {
    let (users, _registry, _bound) = UsersService::start().await;
    let told = users.recursive().await;
    assert!(
        matches!(told, Err(LockError::WouldDeadlock { .. })),
        "{told:?}"
    );
}

#[tokio::test]
async fn an_empty_key_is_refused_when_the_function_is_called() {
    let (users, _registry, _bound) = UsersService::start().await;
    let refused = users.mutex_by_argument(String::new()).await;
    assert!(
        matches!(refused, Err(LockError::InvalidKey { .. })),
        "{refused:?}"
    );
}

/// An argument that notes, when it is dropped, whether the lock was still there.
struct Late<'a>(&'a Server);

impl Drop for Late<'_> {
    fn drop(&mut self) {
        assert!(
            !are_clean(std::slice::from_ref(self.0)),
            "dropped after the release"
        );
    }
}

#[mutex_lock("dropped")]
async fn ignores(_: Late<'_>, _unused: Late<'_>) -> Result<(), LockError> {
    Ok(())
}

#[tokio::test]
async fn arguments_used_or_not_are_dropped_before_the_release() {
    let (users, _registry, _bound) = UsersService::start().await;
    let late = || Late(&users.server);
    ignores(late(), late()).await.unwrap();
    assert!(users.found().is_empty());
}

#[buffer_lock("printer", fair)]
async fn print(order: &Mutex<Vec<usize>>, page: usize) -> Result<(), LockError> {
    order.lock().unwrap().push(page);
    sleep(Duration::from_millis(3)).await;
    Ok(())
}

#[mutex_lock("scanner", wait = "1m", fair = fair)]
async fn scan(order: &Mutex<Vec<usize>>, page: usize, fair: bool) -> Result<(), LockError> {
    order.lock().unwrap().push(page);
    sleep(Duration::from_millis(3)).await;
    Ok(())
}

/// Two processes in turn: without an order, each would serve its own waiters first.
#[tokio::test(start_paused = true)]
async fn a_fair_lock_serves_the_waiters_of_all_processes_in_the_order_in_which_they_came() {
    let config = || Config::default().uri("memory://fair-attributes");
    let builder = || Registry::builder().config(config());
    let registries = [
        builder().build().await.unwrap(),
        builder().build().await.unwrap(),
    ];
    let buffer = registries[0].buffer();
    let holder = buffer.lock(["printer", "scanner"]).acquire().await.unwrap();
    let orders = [Arc::default(), Arc::<Mutex<Vec<usize>>>::default()];
    let mut tasks = Vec::new();
    for page in 0..12 {
        let registry = &registries[page % 2];
        let [printed, scanned] = orders.clone();
        tasks.push(tokio::spawn(
            registry.scope(async move { print(&printed, page).await }),
        ));
        tasks.push(tokio::spawn(
            registry.scope(async move { scan(&scanned, page, true).await }),
        ));
        sleep(Duration::from_millis(1)).await;
    }
    holder.release().await.unwrap();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    let expected: Vec<usize> = (0..12).collect();
    for order in orders {
        assert_eq!(*order.lock().unwrap(), expected);
    }
}
