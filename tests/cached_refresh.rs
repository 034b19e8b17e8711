//! `#[cached(refresh = ..)]`: who loads a stale value anew, and what it takes with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use klg_lock::{CacheConfig, Config, Registry, cached};
use tokio::sync::Notify;

const SECOND: Duration = Duration::from_secs(1);

/// Loads count, and wait until they are let go on from the second on.
#[derive(Clone, Default)]
struct Source {
    loads: Arc<AtomicU32>,
    go_on: Arc<Notify>,
    done: Arc<Notify>,
    clones: Arc<AtomicU32>,
}

#[derive(Default)]
struct Service {
    source: Source,
}

/// Counts how often it is cloned.
impl Clone for Service {
    fn clone(&self) -> Self {
        self.source.clones.fetch_add(1, Ordering::Relaxed);
        Self {
            source: self.source.clone(),
        }
    }
}

impl Source {
    async fn load(&self) -> Result<u32, String> {
        let load = self.loads.fetch_add(1, Ordering::Relaxed) + 1;
        if load > 1 {
            self.go_on.notified().await;
        }
        // What runs in a task of its own has the registry of the call.
        klg_lock::registry().map_err(|error| error.to_string())?;
        self.done.notify_one();
        Ok(load)
    }
}

impl Service {
    #[cached("foreground", ttl = "1s", stale = "60s")]
    async fn foreground(&self) -> Result<u32, String> {
        self.source.load().await
    }

    #[cached("background:{name}", ttl = "1s", stale = "60s", refresh = background)]
    async fn background(&self, name: String) -> Result<u32, String> {
        struct Inner(u32);
        impl Inner {
            fn value(&self) -> u32 {
                self.0
            }
        }
        let load = self.source.load().await?;
        assert_eq!(
            format!("{name} {}", self.source.loads.load(Ordering::Relaxed)).len(),
            3
        );
        Ok(Inner(load).value())
    }

    #[cached("shared", ttl = "1s", stale = "60s", refresh = background)]
    async fn shared(self: Arc<Self>) -> Result<u32, String> {
        self.source.load().await
    }

    #[cached("plain", ttl = "1s", stale = "60s", refresh = background, unless = |value| *value == 0)]
    async fn plain(self) -> u32 {
        self.source.load().await.unwrap_or(0)
    }

    #[cached("own:{name}", ttl = "1s", stale = "60s", refresh = Self::reload(self.source.clone(), name.len()))]
    async fn own(&self, name: &str) -> Result<u32, String> {
        self.source.load().await
    }

    async fn reload(source: Source, length: usize) -> Result<u32, String> {
        let load = source.load().await?;
        Ok(load + u32::try_from(length).map_err(|error| error.to_string())?)
    }
}

async fn registry() -> Registry {
    let cache = CacheConfig::default().ttl_jitter(0.0).beta(0.0);
    let config = Config::default().uri("memory://").cache(cache);
    Registry::builder().config(config).build().await.unwrap()
}

/// Calls, lets the value become stale, calls again without the load going on, and once more after
/// it has gone on: what the second and the third call returned.
async fn refreshed<F, Fut>(source: &Source, call: F) -> (u32, u32)
where
    F: Fn() -> Fut,
    Fut: Future<Output = u32>,
{
    let registry = registry().await;
    let scoped = async {
        assert_eq!(call().await, 1);
        source.done.notified().await;
        tokio::time::advance(2 * SECOND).await;
        let stale = call().await;
        source.go_on.notify_one();
        source.done.notified().await;
        let mut fresh = call().await;
        while fresh == 1 {
            tokio::task::yield_now().await;
            fresh = call().await;
        }
        (stale, fresh)
    };
    registry.scope(scoped).await
}

#[tokio::test(start_paused = true)]
async fn in_the_foreground_the_elected_caller_waits_and_the_others_do_not() {
    let service = Service::default();
    let registry = registry().await;
    let scoped = async {
        assert_eq!(service.foreground().await, Ok(1));
        tokio::time::advance(2 * SECOND).await;
        let (elected, other) = tokio::join!(service.foreground(), async {
            while service.source.loads.load(Ordering::Relaxed) < 2 {
                tokio::task::yield_now().await;
            }
            let other = service.foreground().await;
            service.source.go_on.notify_one();
            other
        });
        assert_eq!((elected, other), (Ok(2), Ok(1)));
    };
    registry.scope(scoped).await;
}

#[tokio::test(start_paused = true)]
async fn in_the_background_nobody_waits_and_only_who_loads_clones() {
    let service = Service::default();
    let call = async || service.background("n".into()).await.unwrap();
    assert_eq!(refreshed(&service.source, call).await, (1, 2));
    assert_eq!(service.source.clones.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn an_owned_receiver_moves_into_the_background() {
    let service = Arc::new(Service::default());
    let call = async || service.clone().shared().await.unwrap();
    assert_eq!(refreshed(&service.source, call).await, (1, 2));
    assert_eq!(service.source.clones.load(Ordering::Relaxed), 0);
    let service = Service::default();
    let call = async || service.clone().plain().await;
    assert_eq!(refreshed(&service.source, call).await, (1, 2));
}

#[tokio::test(start_paused = true)]
async fn a_future_of_ones_own_refreshes_what_borrows() {
    let service = Service::default();
    let name = "abc".to_owned();
    let call = async || service.own(&name).await.unwrap();
    assert_eq!(refreshed(&service.source, call).await, (1, 2 + 3));
    assert_eq!(service.source.clones.load(Ordering::Relaxed), 0);
}

/// Loads wait for each other's notice: the first that is let go on is the one that came first.
#[derive(Default)]
struct Gate {
    began: Notify,
    go_on: Notify,
}

impl Gate {
    #[cached("gate", ttl = "1m", entry = gate_entry)]
    async fn value(&self, value: u32) -> u32 {
        self.began.notify_one();
        self.go_on.notified().await;
        value
    }
}

#[tokio::test]
async fn while_it_is_refreshed_by_hand_others_get_what_is_there_and_what_is_put_then_stays() {
    let registry = registry().await;
    let gate = Gate::default();
    let scoped = async {
        Gate::gate_entry().put(&1).await.unwrap();
        let refresh = Gate::gate_entry().refresh_value(|| gate.value(2));
        let (refreshed, ()) = tokio::join!(refresh, async {
            gate.began.notified().await;
            assert_eq!(gate.value(3).await, 1);
            gate.go_on.notify_one();
        });
        assert_eq!((refreshed, gate.value(4).await), (2, 2));

        let refresh = Gate::gate_entry().refresh_value(|| gate.value(5));
        let (refreshed, ()) = tokio::join!(refresh, async {
            gate.began.notified().await;
            Gate::gate_entry().put(&6).await.unwrap();
            gate.go_on.notify_one();
        });
        assert_eq!((refreshed, gate.value(7).await), (5, 6));
    };
    registry.scope(scoped).await;
}

/// Somebody else loads at the same time, and may have read the source before it changed.
#[tokio::test]
async fn a_refresh_by_hand_waits_for_nobody_and_leaves_nothing_older_behind() {
    let registry = registry().await;
    let (first, second) = (Gate::default(), Gate::default());
    let scoped = async {
        let (older, newer) = tokio::join!(first.value(1), async {
            first.began.notified().await;
            second.go_on.notify_one();
            let refresh = Gate::gate_entry().refresh_value(|| second.value(2));
            let refreshed = refresh.await;
            first.go_on.notify_one();
            refreshed
        });
        assert_eq!((older, newer), (1, 2));
        assert_ne!(Gate::gate_entry().get().await.unwrap(), Some(1));
    };
    registry.scope(scoped).await;
}
