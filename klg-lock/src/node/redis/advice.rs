//! What an operator should know of a server's set-up, said once when a node is first connected.

use crate::client::resp::{self, Frame};
use crate::client::{Endpoint, Wire};
use crate::error::NodeError;

const SETTINGS: [&str; 4] = ["maxmemory", "maxmemory-policy", "save", "appendonly"];

/// Looks at the settings that matter to locks, where the user may see them.
pub(super) async fn give(wire: &mut Wire, endpoint: &Endpoint) -> Result<(), NodeError> {
    let mut bytes = Vec::new();
    // One by one: before 7.0, one command tells one setting.
    for setting in SETTINGS {
        resp::command(&mut bytes, &[b"CONFIG", b"GET", setting.as_bytes()]);
    }
    let replies = wire.exchange(&bytes, SETTINGS.len()).await?;
    let setting = |name: &str| {
        let index = SETTINGS.iter().position(|setting| *setting == name)?;
        replies.get(index)?.field(name).and_then(Frame::text)
    };
    if let (Some(limit), Some(policy)) = (setting("maxmemory"), setting("maxmemory-policy"))
        && limit != "0"
        && policy != "noeviction"
    {
        tracing::warn!(
            server = %endpoint,
            maxmemory_policy = policy,
            "this Redis may evict lock keys when its memory is full: give locks a server of their own, with maxmemory-policy noeviction"
        );
    }
    if let (Some(save), Some(append)) = (setting("save"), setting("appendonly"))
        && save.is_empty()
        && append == "no"
    {
        tracing::warn!(
            server = %endpoint,
            "this Redis keeps nothing on disk: after a restart it may grant locks that are still held; turn on appendonly"
        );
    }
    Ok(())
}
