//! Who holds a resource, since when, and for how much longer.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::core::Core;
use super::holder;
use super::resources::IntoResources;
use crate::error::{Holder, LockError};
use crate::node::Claim;

/// What a quorum of nodes says of a resource that is held.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Inspection {
    /// Who holds it.
    pub holder: Holder,
    /// Since when, by the holder's wall clock; unknown for locks of other libraries.
    pub since: Option<SystemTime>,
    /// For how much longer, unless it is extended; `None`: the key never expires.
    pub remaining: Option<Duration>,
}

/// Asks all nodes; `None`: nobody holds it on a quorum.
pub(crate) async fn inspect<K: IntoResources>(
    core: &Core,
    resource: K,
) -> Result<Option<Inspection>, LockError> {
    if core.is_closed() {
        return Err(LockError::Closed);
    }
    let keys = Arc::new(
        core.naming
            .keys(&resource.into_resources(), core.nodes.single_slot())?,
    );
    // Never written anywhere: inspecting only reads.
    let claim = Arc::new(Claim::new(Arc::clone(&keys), ""));
    let found = core.nodes.inspect(&claim).await;
    let found = found.map_err(|votes| LockError::Unavailable {
        resource: keys.describe().into(),
        votes,
    })?;
    Ok(found.map(|occupied| {
        let (holder, since) = holder::parse(occupied.value.as_deref());
        Inspection {
            holder,
            since,
            remaining: occupied.remaining,
        }
    }))
}
