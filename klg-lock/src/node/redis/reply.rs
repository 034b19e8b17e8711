//! What a script's reply means.

use std::time::Duration;

use super::job::Redirection;
use crate::client::resp::Frame;
use crate::client::{Address, Refusal, server_fault};
use crate::error::{NodeError, NodeErrorKind};
use crate::node::{Occupied, Op, Vote};

/// Reads the reply of any of the scripts; they share one form.
pub(super) fn vote(frame: Frame, op: Op) -> Result<Vote, NodeError> {
    match frame {
        Frame::Int(end) => match u64::try_from(end) {
            Ok(end) => Ok(Vote::Granted { end }),
            Err(_) => Err(unexpected(&Frame::Int(end))),
        },
        Frame::Nil => Ok(Vote::Missing),
        Frame::Error(line) => Err(server_fault(Refusal::parse(&line))),
        Frame::List(items) => match <[Frame; 3]>::try_from(items) {
            Ok([Frame::Int(key), holder, Frame::Int(remaining)]) => {
                let value = match holder {
                    Frame::Text(value) => Some(String::from_utf8_lossy(&value).into()),
                    _ => None,
                };
                let queued = matches!(op, Op::Queue { .. } | Op::Stand { .. });
                let number = u64::try_from(key).unwrap_or_default();
                Ok(Vote::Held(Occupied {
                    key: if queued {
                        0
                    } else {
                        usize::try_from(key).unwrap_or_default()
                    },
                    value,
                    remaining: remaining_life(remaining),
                    ahead: queued.then_some(number),
                }))
            }
            Ok(items) => Err(unexpected(&Frame::List(items.into()))),
            Err(items) => Err(unexpected(&Frame::List(items))),
        },
        other => Err(unexpected(&other)),
    }
}

/// The slot is on its way, and what the request is about is not all at one server: neither what it
/// names nor what its script calls.
pub(super) fn is_half_moved(refusal: Refusal<'_>) -> bool {
    refusal.code == "TRYAGAIN"
        || refusal
            .detail
            .contains("attempted to access a non local key")
}

/// `MOVED 3999 host:port` and `ASK 3999 host:port`.
pub(super) fn redirection(refusal: Refusal<'_>) -> Option<Redirection> {
    let moved = match refusal.code {
        "MOVED" => true,
        "ASK" => false,
        _ => return None,
    };
    let (slot, address) = refusal.detail.split_once(' ')?;
    let (host, port) = address.rsplit_once(':')?;
    let to = Address::Tcp {
        // Empty: the host that answered; filled in by who knows it.
        host: host.trim_matches(['[', ']']).into(),
        port: port.parse().ok()?,
    };
    Some(if moved {
        Redirection::Moved {
            slot: slot.parse().ok()?,
            to,
        }
    } else {
        Redirection::Ask { to }
    })
}

/// `-1`: it never expires; `-2`: it expired while the script looked.
fn remaining_life(millis: i64) -> Option<Duration> {
    match millis {
        -1 => None,
        millis => Some(Duration::from_millis(
            u64::try_from(millis).unwrap_or_default(),
        )),
    }
}

fn unexpected(frame: &Frame) -> NodeError {
    NodeError::new(
        NodeErrorKind::Protocol,
        format!("an answer that no script gives: {frame:?}; is a proxy in between?"),
    )
}
