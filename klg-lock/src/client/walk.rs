//! A walk through the keys of a server, or of every master of a cluster.

use redis::{Value, from_redis_value};

use super::backend::Backend;
#[cfg(feature = "cluster")]
use super::survey::Survey;
use crate::error::{NodeError, NodeErrorKind};

/// The keys that fit a pattern, a page at a time.
///
/// A key that is there all the time comes at least once and may come twice, also when its slot moves
/// meanwhile from one master of a cluster to another.
pub(crate) struct Walk {
    backend: Backend,
    pattern: Box<str>,
    /// How many keys the server looks at for a page.
    batch: u32,
    /// Where to go on; `None`: at the end.
    cursor: Option<u64>,
    #[cfg(feature = "cluster")]
    survey: Option<Survey>,
}

/// The cursor behind a page, zero at the end, and its keys.
type Page = (u64, Vec<Vec<u8>>);

impl Walk {
    /// `pattern`: as `SCAN` takes it.
    pub(crate) fn new(backend: Backend, pattern: &str, batch: u32) -> Self {
        Self {
            #[cfg(feature = "cluster")]
            survey: Survey::of(&backend),
            backend,
            pattern: pattern.into(),
            batch,
            cursor: Some(0),
        }
    }

    pub(crate) fn set_batch(&mut self, batch: u32) {
        self.batch = batch;
    }

    /// The next keys; `None`: there are no more.
    ///
    /// # Errors
    ///
    /// What a server answered, or that it did not.
    ///
    /// # Cancel safety
    ///
    /// The page is asked for again.
    pub(crate) async fn page(&mut self) -> Result<Option<Vec<Vec<u8>>>, NodeError> {
        let Some(cursor) = self.cursor else {
            return Ok(None);
        };
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor).arg("MATCH").arg(&*self.pattern);
        scan.arg("COUNT").arg(self.batch);
        #[cfg(feature = "cluster")]
        if let Some(survey) = &mut self.survey {
            let Some(master) = survey.next().await? else {
                self.cursor = None;
                return Ok(None);
            };
            let reply = master.query(&scan).await;
            let (next, keys) = page(reply.map_err(|error| survey.names(error))?)?;
            self.cursor = Some(next);
            if next == 0 {
                survey.walked();
            }
            return Ok(Some(keys));
        }
        let (next, keys) = page(self.backend.query(&scan).await?)?;
        self.cursor = (next != 0).then_some(next);
        Ok(Some(keys))
    }
}

fn page(reply: Value) -> Result<Page, NodeError> {
    from_redis_value(reply).map_err(|error| {
        NodeError::new(
            NodeErrorKind::Protocol,
            "the answer to SCAN is none; is a proxy in between?",
        )
        .with_source(error)
    })
}
