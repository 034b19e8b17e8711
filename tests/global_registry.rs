//! The registry of the whole process: one test, since there is one process.

use klg_lock::{Config, Error, LockError, mutex_lock};
use klg_lock_tests::Server;
use klg_lock_tests::engine::{are_clean, lock_keys};

#[mutex_lock("key1")]
async fn annotated(server: &Server) -> Result<usize, LockError> {
    Ok(lock_keys(server).len())
}

#[tokio::test]
async fn the_registry_is_made_once_used_and_shut_down() {
    let server = Server::start();

    let early = klg_lock::registry().unwrap_err();
    assert!(matches!(early, LockError::NotInitialized));
    assert!(early.to_string().contains("klg_lock::init("), "{early}");
    let early = annotated(&server).await.unwrap_err();
    assert!(matches!(early, LockError::NotInitialized), "{early}");

    // A failed start can be mended and tried again.
    let failed = klg_lock::init(Config::default().uri("http://localhost")).await;
    assert!(matches!(failed, Err(Error::Config(_))), "{failed:?}");

    klg_lock::init(Config::default().uri(server.uri()))
        .await
        .unwrap();
    assert_eq!(annotated(&server).await.unwrap(), 1);
    // From any task, and from any runtime.
    let registry = tokio::spawn(async { klg_lock::registry().unwrap() });
    let lock = registry.await.unwrap().mutex().lock("key1").acquire().await;
    let refused = annotated(&server).await.unwrap_err();
    assert!(matches!(refused, LockError::Contended { .. }), "{refused}");

    let twice = klg_lock::init(Config::default().uri(server.uri())).await;
    assert!(matches!(twice, Err(Error::AlreadyInitialized)), "{twice:?}");

    klg_lock::registry().unwrap().shutdown().await.unwrap();
    assert!(!lock.unwrap().is_valid());
    let closed = annotated(&server).await.unwrap_err();
    assert!(matches!(closed, LockError::Closed), "{closed}");
    assert!(are_clean(&[server]));
}
