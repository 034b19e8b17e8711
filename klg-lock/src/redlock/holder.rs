//! The holder value: what stands under a lock key, and what it tells about the holder.

use std::fmt::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rand::Rng;

use crate::error::Holder;

/// Hexadecimal digits of the random part: 128 bits.
const RANDOM_DIGITS: usize = 32;

/// Digits of the time in milliseconds.
const TIME_DIGITS: usize = 13;

/// Longest foreign value that is shown whole.
const SHOWN: usize = 80;

/// How this process describes itself to those who find its locks.
#[derive(Debug)]
pub(crate) struct Identity {
    description: Box<str>,
    process: Box<str>,
}

impl Identity {
    /// `host:pid (service)`.
    pub(crate) fn new(service: &str) -> Self {
        let process = format!("{}:{}", host_name(), std::process::id());
        Self {
            description: format!("{process} ({service})").into(),
            process: process.into(),
        }
    }

    /// What its values begin with behind the random part: `host:pid`.
    pub(crate) fn process(&self) -> &str {
        &self.process
    }

    /// A value for one attempt: 128 random bits, the description, and the time in milliseconds.
    pub(crate) fn fresh_value(&self) -> Box<str> {
        let mut rng = rand::rng();
        let random = (u128::from(rng.next_u64()) << 64) | u128::from(rng.next_u64());
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_millis();
        // As long as it gets until the year 2286, so that nothing is copied.
        let length = RANDOM_DIGITS + self.description.len() + " ".len() * 2 + TIME_DIGITS;
        let mut value = String::with_capacity(length);
        // Writing to a string does not fail.
        push_hex(&mut value, random);
        let _ = write!(value, " {} {now}", self.description);
        value.into()
    }

    pub(crate) fn holder(&self) -> Holder {
        Holder {
            description: self.description.clone(),
        }
    }
}

/// Appends 32 hexadecimal digits; the formatting machinery would take several times as long, and
/// this is done for every lock.
fn push_hex(into: &mut String, number: u128) {
    for byte in number.to_be_bytes() {
        for digit in [byte >> 4, byte & 15] {
            into.push(char::from(match digit {
                0..=9 => b'0' + digit,
                _ => b'a' + (digit - 10),
            }));
        }
    }
}

/// The program's file name: the service, where none is configured.
pub(crate) fn program_name() -> String {
    std::env::current_exe()
        .ok()
        .and_then(|path| {
            path.file_stem()
                .map(|name| name.to_string_lossy().into_owned())
        })
        .unwrap_or_else(|| "unknown".to_owned())
}

#[cfg(unix)]
fn host_name() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}

#[cfg(not(unix))]
fn host_name() -> String {
    std::env::var("COMPUTERNAME").unwrap_or_else(|_| "localhost".to_owned())
}

/// What a holder value says: the holder, and since when (ours only).
pub(crate) fn parse(value: Option<&str>) -> (Holder, Option<SystemTime>) {
    let Some(value) = value else {
        return (
            Holder {
                description: "somebody unknown (the key is not a string)".into(),
            },
            None,
        );
    };
    parse_own(value).unwrap_or_else(|| {
        let mut shown: String = value.chars().take(SHOWN).collect();
        if shown.len() < value.len() {
            shown.push('…');
        }
        (
            Holder {
                description: format!("a foreign lock with the value {shown:?}").into(),
            },
            None,
        )
    })
}

fn parse_own(value: &str) -> Option<(Holder, Option<SystemTime>)> {
    let (random, rest) = value.split_at_checked(RANDOM_DIGITS)?;
    if !random.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let (description, since) = rest.strip_prefix(' ')?.rsplit_once(' ')?;
    let since = UNIX_EPOCH.checked_add(Duration::from_millis(since.parse().ok()?))?;
    Some((
        Holder {
            description: description.into(),
        },
        Some(since),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_tells_its_holder_and_time() {
        let identity = Identity::new("shop api");
        let before = SystemTime::now() - Duration::from_millis(1);
        let (holder, since) = parse(Some(&identity.fresh_value()));
        assert_eq!(holder, identity.holder());
        assert!(
            holder
                .to_string()
                .ends_with(&format!(":{} (shop api)", std::process::id()))
        );
        assert!(since.is_some_and(|s| s >= before && s <= SystemTime::now()));
    }

    #[test]
    fn hexadecimal_digits_are_those_of_the_standard_library() {
        for number in [0, 1, u128::MAX, 0x0123_4567_89ab_cdef_fedc_ba98_7654_3210] {
            let mut digits = String::new();
            push_hex(&mut digits, number);
            assert_eq!(digits, format!("{number:032x}"));
        }
    }

    #[test]
    fn every_attempt_has_a_value_of_its_own() {
        let identity = Identity::new("x");
        let values: std::collections::HashSet<_> =
            (0..1000).map(|_| identity.fresh_value()).collect();
        assert_eq!(values.len(), 1000);
    }

    #[test]
    fn a_foreign_value_is_shown_as_it_is() {
        let (holder, since) = parse(Some("abc\u{1f512}"));
        assert_eq!(
            holder.to_string(),
            "a foreign lock with the value \"abc\u{1f512}\""
        );
        assert_eq!(since, None);
        let long = "x".repeat(500);
        assert!(parse(Some(&long)).0.to_string().len() < 150);
    }
}
