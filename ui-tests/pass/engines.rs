//! `client = ..`: a named client of the registry; `redlock = ..`: an engine of one's own, by value or
//! behind any pointer; of the kind that the attribute says.
#![deny(warnings)]

use std::sync::Arc;

use klg_lock::{LockError, Redlock, Retry, buffer_lock, mutex_lock};
use klg_lock_ui_tests::{AppError, is_locked, on_memory, send};

struct Service {
    redlock: Redlock,
    shared: Arc<Redlock>,
    client: String,
}

impl Service {
    fn engine(&self) -> &Redlock {
        &self.redlock
    }

    #[mutex_lock("own", redlock = self.redlock, guard = lock)]
    async fn field(&self) -> Result<(), AppError> {
        assert!(lock.is_valid());
        assert!(!is_locked("own").await, "another engine");
        assert_eq!(self.redlock.held(), 1);
        Ok(())
    }

    #[mutex_lock("own", redlock = self.shared)]
    async fn pointer(&self) -> Result<(), AppError> {
        Ok(())
    }

    #[buffer_lock("own", redlock = self.engine(), wait = "10ms")]
    async fn method(&self) -> Result<(), AppError> {
        Ok(())
    }

    #[mutex_lock("own", redlock = engine)]
    async fn argument(&self, engine: &Redlock) -> Result<(), AppError> {
        self.method().await
    }

    #[mutex_lock("k", client = "session")]
    async fn unknown(&self) -> Result<(), AppError> {
        panic!("ran");
    }

    #[buffer_lock("k", client = self.client)]
    async fn computed(&self) -> Result<(), AppError> {
        panic!("ran");
    }
}

fn main() {
    on_memory(async {
        let redlock = Redlock::builder()
            .nodes(["memory://"])
            .buffer(Retry::default())
            .connect()
            .await
            .unwrap();
        let service = Service {
            shared: Arc::new(redlock.clone()),
            redlock,
            client: "session".into(),
        };
        send(service.field()).await.unwrap();
        send(service.pointer()).await.unwrap();
        send(service.method()).await.unwrap();
        let again = send(service.argument(&service.redlock)).await;
        assert!(matches!(
            again,
            Err(AppError::Lock(LockError::WouldDeadlock { .. }))
        ));

        let held = service.redlock.lock("own").acquire().await.unwrap();
        let refused = service.field().await;
        assert!(
            matches!(refused, Err(AppError::Lock(LockError::Contended { .. }))),
            "a mutex"
        );
        let refused = service.method().await;
        assert!(
            matches!(refused, Err(AppError::Lock(LockError::Timeout { .. }))),
            "a buffer"
        );
        held.release().await.unwrap();

        for refused in [service.unknown().await, service.computed().await] {
            let Err(AppError::Lock(LockError::UnknownClient { name, .. })) = refused else {
                panic!("{refused:?}");
            };
            assert_eq!(&*name, "session");
        }
        service.redlock.shutdown().await;
    });
}
