//! A web service: locks by wrapper and by attribute, the store, the cache. Contention answers 409
//! and says who holds the lock; SIGTERM lets requests finish, releases every lock and ends.
//!
//!     cargo run -p klg-lock-examples --example users-service
//!     curl -i localhost:3000/users/mutex & curl -i localhost:3000/users/mutex
//!
//! Needs no server; with REDIS_URI set, the locks are on that Redis, and several of these services
//! exclude each other. PORT is 3000 unless set.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use klg_lock::{Config, Error, LockError, buffer_lock, cache_evict, cached, mutex_lock};
use serde::Deserialize;
use tokio::{net::TcpListener, time::sleep};

/// How long requests may go on after SIGTERM.
const GRACE: Duration = Duration::from_secs(10);

type Users = Json<Vec<u32>>;

#[derive(Clone, Copy)]
struct UsersService;

/// What stands for a database.
static NAMES: Mutex<BTreeMap<u64, String>> = Mutex::new(BTreeMap::new());

fn names() -> MutexGuard<'static, BTreeMap<u64, String>> {
    NAMES.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Deserialize)]
struct Param {
    #[serde(default = "deo")]
    name: String,
}

fn deo() -> String {
    "deo".to_owned()
}

impl UsersService {
    /// What must not run twice at the same time.
    async fn find_all(self) -> Users {
        sleep(Duration::from_millis(250)).await;
        Json(vec![1, 2, 3, 4, 5])
    }

    async fn mutex(self) -> Result<Users, LockError> {
        let mutex = klg_lock::registry()?.mutex();
        let request = mutex.lock("key1").ttl(Duration::from_secs(10));
        request.using(|_lock| self.find_all()).await
    }

    async fn buffer(self) -> Result<Users, LockError> {
        let buffer = klg_lock::registry()?.buffer();
        let request = buffer.lock("key2").ttl(Duration::from_secs(10));
        request.using(|_lock| self.find_all()).await
    }

    #[mutex_lock(scope = "mutex", ttl = "1s")]
    async fn decorator_mutex(self, #[lock_key("name")] param: Param) -> Result<Users, LockError> {
        Ok(self.find_all().await)
    }

    #[buffer_lock(scope = "buffer", ttl = "1s")]
    async fn decorator_buffer(self, #[lock_key("name")] param: Param) -> Result<Users, LockError> {
        Ok(self.find_all().await)
    }

    async fn get_and_set(self) -> Result<(StatusCode, Json<Option<String>>), Error> {
        let store = klg_lock::registry()?.store();
        store.set_ex("kk", "vvv", Duration::from_secs(60)).await?;
        Ok((StatusCode::CREATED, Json(store.get("kk").await?)))
    }

    /// The second call of one `id` comes from the cache. A 404 does not: it is no `Ok`.
    #[cached("user:{id}", ttl = "1m")]
    async fn find(self, id: u64) -> Result<String, StatusCode> {
        sleep(Duration::from_millis(250)).await; // a slow database
        names().get(&id).cloned().ok_or(StatusCode::NOT_FOUND)
    }

    /// What is being loaded now, the old name perhaps, does not come back after this.
    #[cache_evict("user:{id}")]
    async fn save(self, id: u64, param: Param) -> StatusCode {
        names().insert(id, param.name);
        StatusCode::NO_CONTENT
    }

    #[cache_evict("user:{id}")]
    async fn delete(self, id: u64) -> StatusCode {
        names().remove(&id);
        StatusCode::NO_CONTENT
    }
}

fn router(users: UsersService) -> Router {
    Router::new()
        .route("/users/mutex", get(move || users.mutex()))
        .route("/users/buffer", get(move || users.buffer()))
        .route(
            "/users/decorator/mutex",
            get(move |Query(param)| users.decorator_mutex(param)),
        )
        .route(
            "/users/decorator/buffer",
            get(move |Query(param)| users.decorator_buffer(param)),
        )
        .route("/users/getAndSet", post(move || users.get_and_set()))
        .route(
            "/users/{id}",
            get(move |Path(id)| async move { users.find(id).await.map(Json) })
                .put(move |Path(id), Json(param)| users.save(id, param))
                .delete(move |Path(id)| users.delete(id)),
        )
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .init();
    let mut config = Config::from_env()?;
    if std::env::var_os("REDIS_URI").is_none() {
        config = config.uri("memory://");
    }
    klg_lock::init(config).await?;

    let port = std::env::var("PORT").unwrap_or_else(|_| "3000".to_owned());
    let port: u16 = port
        .parse()
        .map_err(|_| format!("PORT is {port:?}, which is no port"))?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening on http://{}", listener.local_addr()?);

    let serving = axum::serve(listener, router(UsersService)).with_graceful_shutdown(terminated());
    let overdue = async {
        terminated().await;
        sleep(GRACE).await;
    };
    tokio::select! {
        served = async { serving.await } => served?,
        () = overdue => {} // those who still wait for a lock are told that there will be none
    }
    klg_lock::registry()?.shutdown().await?;
    println!("every lock is released");
    Ok(())
}

/// Resolves on SIGTERM or Ctrl-C.
async fn terminated() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminate.recv() => return,
                _ = tokio::signal::ctrl_c() => return,
            }
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}
