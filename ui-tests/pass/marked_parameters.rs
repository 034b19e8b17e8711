//! `#[lock_key]` and `#[lock_key("field.path")]`; several lock all of those resources together.
#![deny(warnings)]

use klg_lock::{buffer_lock, mutex_lock};
use klg_lock_ui_tests::{AppError, is_locked, locked, on_memory};

#[derive(Clone)]
struct Params {
    key: (u8, String),
}

struct Service {
    name: &'static str,
}

impl Service {
    #[buffer_lock]
    async fn by_field(&self, #[lock_key("key.1")] params: Params) -> Result<Params, AppError> {
        assert!(is_locked("field").await);
        assert_eq!(params.key.0, 1);
        Ok(params)
    }

    #[mutex_lock]
    async fn by_argument(&self, #[lock_key] name: String) -> Result<(), AppError> {
        assert!(is_locked("whole").await);
        assert_eq!(locked(), 1);
        Ok(())
    }

    #[mutex_lock]
    async fn by_self(#[lock_key("name")] &self) -> Result<bool, AppError> {
        Ok(is_locked("service").await)
    }

    #[mutex_lock(scope = "account")]
    async fn transfer(
        &self,
        #[lock_key] from: u32,
        #[lock_key] to: u32,
    ) -> Result<usize, AppError> {
        assert!(is_locked("account:1").await && is_locked("account:2").await);
        Ok(locked())
    }

    #[mutex_lock]
    async fn twice(
        &self,
        #[lock_key("0")]
        #[lock_key("1")]
        pair: (u32, u32),
    ) -> Result<usize, AppError> {
        assert!(is_locked("3").await && is_locked("4").await);
        Ok(locked())
    }
}

fn main() {
    on_memory(async {
        let service = Service { name: "service" };
        let params = Params {
            key: (1, "field".into()),
        };
        assert_eq!(service.by_field(params).await.unwrap().key.1, "field");
        service.by_argument("whole".into()).await.unwrap();
        assert!(service.by_self().await.unwrap());
        assert_eq!(service.transfer(1, 2).await.unwrap(), 2);
        // All or none: the second is held, so the first is not taken either.
        let held = klg_lock::registry()
            .unwrap()
            .mutex()
            .lock("account:2")
            .acquire()
            .await
            .unwrap();
        assert!(matches!(
            service.transfer(1, 2).await,
            Err(AppError::Lock(klg_lock::LockError::Contended { .. }))
        ));
        assert!(!is_locked("account:1").await);
        held.release().await.unwrap();
        assert_eq!(service.twice((3, 4)).await.unwrap(), 2);
    });
}
