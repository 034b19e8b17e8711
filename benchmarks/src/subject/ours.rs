//! This library, by its guard and by its wrapper.

use std::time::Duration;

use anyhow::Result;
use klg_lock::{Redlock, Retry};

/// How it is called.
#[derive(Clone, Copy, Debug)]
enum Form {
    /// `acquire` and `release`.
    Guard,
    /// `using`.
    Using,
    /// `using`, which returns before the release is confirmed.
    Deferred,
}

/// An engine with the default settings, waiting its turn.
#[derive(Debug)]
pub struct Ours {
    redlock: Redlock,
    form: Form,
}

impl Ours {
    pub(super) async fn connect(variant: &str, uris: &[String]) -> Result<Self> {
        let builder = Redlock::builder()
            .nodes(uris.iter().map(String::as_str))
            .prefix("")
            .namespace("")
            .buffer(Retry::default());
        let (builder, form) = match variant {
            "" => (builder, Form::Guard),
            "using" => (builder, Form::Using),
            "deferred" => (builder, Form::Deferred),
            // Really released each time, as a comparison with those who know no hand-over.
            "strict" => (builder.handover(0, Duration::ZERO), Form::Guard),
            other => anyhow::bail!("there is no variant {other:?}"),
        };
        Ok(Self {
            redlock: builder.connect().await?,
            form,
        })
    }

    pub(super) async fn run<F, Fut>(&self, key: &str, section: F) -> Result<Fut::Output>
    where
        F: FnOnce() -> Fut,
        Fut: Future,
    {
        let request = self.redlock.lock(key);
        Ok(match self.form {
            Form::Guard => {
                let lock = request.acquire().await?;
                let output = section().await;
                lock.release().await?;
                output
            }
            Form::Using => request.using(|_lock| section()).await?,
            Form::Deferred => {
                let request = request.deferred_release(true);
                request.using(|_lock| section()).await?
            }
        })
    }
}
