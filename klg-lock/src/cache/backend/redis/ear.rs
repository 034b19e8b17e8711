//! Hears which keys have changed: those that somebody waits for.

use std::sync::atomic::{AtomicBool, Ordering};

use redis::{PushInfo, PushKind, Value};

use crate::cache::wake::Wakes;
use crate::client::Listener;

/// Hears the pushes for keys that somebody waits for.
#[derive(Debug, Default)]
pub(super) struct Ear {
    pub(super) wakes: Wakes,
    pub(super) pushes: AtomicBool,
}

impl Listener for Ear {
    fn connected(&self, resp3: bool, replies: &[Value]) {
        let tracking = matches!(replies.first(), Some(Value::Okay));
        self.pushes.store(resp3 && tracking, Ordering::Release);
        self.wakes.wake_all();
    }

    fn pushed(&self, push: PushInfo) {
        for_each_invalidated(&push, |key| match key {
            Some(key) => self.wakes.wake(key),
            None => self.wakes.wake_all(),
        });
    }

    fn disconnected(&self) {
        self.pushes.store(false, Ordering::Release);
        self.wakes.wake_all();
    }
}

/// Names each key that a push says has changed; `None`: all of them may have.
pub(crate) fn for_each_invalidated(push: &PushInfo, mut each: impl FnMut(Option<&str>)) {
    if push.kind != PushKind::Invalidate {
        return;
    }
    match push.data.first() {
        Some(Value::Array(keys)) => {
            for key in keys {
                // Keys of this library are text; others are nobody's concern here.
                if let Value::BulkString(key) = key
                    && let Ok(key) = std::str::from_utf8(key)
                {
                    each(Some(key));
                }
            }
        }
        _ => each(None),
    }
}
