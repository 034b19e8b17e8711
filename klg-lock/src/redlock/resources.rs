//! What can be locked: one name, or several at once.

use std::sync::Arc;

use rand::Rng;

use super::fence::{fence_key, queue_key};
use crate::error::LockError;
use crate::node::{Channels, KeySet, LockKey, Place};
use crate::slot::key_slot;

/// Longest resource name in bytes. Keys this long already cost more than the lock itself.
const MAX_RESOURCE: usize = 4096;

/// Most resources one lock can span: all of them travel in one script call.
const MAX_RESOURCES: usize = 256;

/// The names of one or several resources: `&str`, `String`, `&String`, and arrays, slices and
/// vectors of them.
///
/// The order does not matter, and a name that occurs twice counts once.
pub trait IntoResources {
    /// The names, in any order.
    fn into_resources(self) -> Vec<String>;
}

impl IntoResources for &str {
    fn into_resources(self) -> Vec<String> {
        vec![self.to_owned()]
    }
}

impl IntoResources for String {
    fn into_resources(self) -> Vec<String> {
        vec![self]
    }
}

impl IntoResources for &String {
    fn into_resources(self) -> Vec<String> {
        vec![self.clone()]
    }
}

impl<T: Into<String>, const N: usize> IntoResources for [T; N] {
    fn into_resources(self) -> Vec<String> {
        self.into_iter().map(Into::into).collect()
    }
}

impl<T: AsRef<str>> IntoResources for &[T] {
    fn into_resources(self) -> Vec<String> {
        self.iter().map(|name| name.as_ref().to_owned()).collect()
    }
}

impl<T: AsRef<str>, const N: usize> IntoResources for &[T; N] {
    fn into_resources(self) -> Vec<String> {
        self.as_slice().into_resources()
    }
}

impl<T: Into<String>> IntoResources for Vec<T> {
    fn into_resources(self) -> Vec<String> {
        self.into_iter().map(Into::into).collect()
    }
}

impl<T: AsRef<str>> IntoResources for &Vec<T> {
    fn into_resources(self) -> Vec<String> {
        self.as_slice().into_resources()
    }
}

/// Names keys: `{prefix}{namespace}{resource}`.
#[derive(Clone, Debug)]
pub(crate) struct Naming {
    prefix: Box<str>,
    namespace: Box<str>,
}

impl Naming {
    pub(crate) fn new(prefix: &str, namespace: &str) -> Self {
        Self {
            prefix: prefix.into(),
            namespace: namespace.into(),
        }
    }

    /// The keys of a set of resources, or why it cannot be locked.
    pub(crate) fn keys(
        &self,
        resources: &[String],
        single_slot: bool,
    ) -> Result<KeySet, LockError> {
        if resources.is_empty() {
            return Err(invalid("no resource was named; give at least one"));
        }
        if resources.len() > MAX_RESOURCES {
            let count = resources.len();
            return Err(invalid(format!(
                "{count} resources in one lock, at most {MAX_RESOURCES} are allowed; lock what contains them instead"
            )));
        }
        let keys = resources
            .iter()
            .map(|resource| self.key(resource))
            .collect::<Result<Vec<_>, _>>()?;
        if single_slot {
            check_one_slot(resources, &keys)?;
        }
        Ok(KeySet::new(keys, self.prefix.len() + self.namespace.len()))
    }

    /// A new place in the queue for one resource.
    pub(crate) fn place(&self, resource: &str, id: u64) -> Place {
        let queue = queue_key(&self.prefix, &self.namespace, resource);
        Place {
            own: Arc::from(format!("{queue}:{id:016x}")),
            queue,
        }
    }

    /// The queue for one resource, to who has never stood in it.
    pub(crate) fn no_place(&self, resource: &str) -> Place {
        Place {
            own: "".into(),
            queue: queue_key(&self.prefix, &self.namespace, resource),
        }
    }

    /// The channels of a process, and of one engine in it.
    pub(crate) fn channels(&self, process: &str) -> Channels {
        let id = rand::rng().next_u64();
        Channels {
            given: format!("{}given:{id:016x}", self.prefix).into(),
            wanted: format!("{}wanted:", self.prefix).into(),
            process: process.into(),
        }
    }

    fn key(&self, resource: &str) -> Result<LockKey, LockError> {
        if resource.is_empty() {
            return Err(invalid(
                "the resource name is empty; a lock key needs at least one character",
            ));
        }
        if resource.len() > MAX_RESOURCE {
            let start: String = resource.chars().take(32).collect();
            return Err(invalid(format!(
                "the resource name {start:?}… has {} bytes, at most {MAX_RESOURCE} are allowed; use a hash of it",
                resource.len()
            )));
        }
        let Self { prefix, namespace } = self;
        Ok(LockKey {
            lock: Arc::from([prefix, namespace, resource].concat()),
            fence: fence_key(prefix, namespace, resource),
        })
    }
}

/// On a cluster one script call reaches one slot only.
fn check_one_slot(resources: &[String], keys: &[LockKey]) -> Result<(), LockError> {
    let Some((first, rest)) = keys.split_first() else {
        return Ok(());
    };
    let slot = key_slot(&first.lock);
    let Some(other) = rest.iter().position(|key| key_slot(&key.lock) != slot) else {
        return Ok(());
    };
    let (a, b) = (&resources[0], &resources[other + 1]);
    Err(invalid(format!(
        "{a:?} and {b:?} are in different slots of a Redis cluster and cannot be locked together; \
         give both the same hash tag, such as \"{{group}}:{a}\" and \"{{group}}:{b}\""
    )))
}

fn invalid(reason: impl Into<Box<str>>) -> LockError {
    LockError::InvalidKey {
        reason: reason.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn naming() -> Naming {
        Naming::new("app_", "lock:")
    }

    fn keys<K: IntoResources>(resources: K) -> Result<KeySet, LockError> {
        naming().keys(&resources.into_resources(), false)
    }

    #[test]
    fn order_and_repetition_do_not_matter() {
        assert_eq!(
            keys(["b", "a"]).unwrap(),
            keys(vec!["a", "b", "a"]).unwrap()
        );
        let set = keys(&[String::from("b"), String::from("a")]).unwrap();
        assert_eq!(set.describe(), "a, b");
        assert_eq!(&*set.keys()[0].lock, "app_lock:a");
    }

    #[test]
    fn bad_names_say_what_to_do() {
        assert!(
            keys("")
                .unwrap_err()
                .to_string()
                .contains("the resource name is empty")
        );
        assert!(
            keys(Vec::<String>::new())
                .unwrap_err()
                .to_string()
                .contains("at least one")
        );
        let long = keys("k".repeat(4097)).unwrap_err().to_string();
        assert!(long.contains("4097 bytes, at most 4096"), "{long}");
        assert!(keys("k".repeat(4096)).is_ok());
        let many: Vec<String> = (0..257).map(|i| i.to_string()).collect();
        assert!(keys(many).unwrap_err().to_string().contains("at most 256"));
    }

    #[test]
    fn names_in_two_slots_are_refused_with_the_remedy() {
        let error = naming()
            .keys(&["a".into(), "b".into()], true)
            .unwrap_err()
            .to_string();
        assert!(error.contains("\"{group}:a\" and \"{group}:b\""), "{error}");
        assert!(naming().keys(&["{u}a".into(), "{u}b".into()], true).is_ok());
    }
}
