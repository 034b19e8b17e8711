//! Who owns which slot of a cluster.

use redis::Value;

use super::dial::Dialer;
use super::endpoint::Address;
use super::handshake::Mode;
use super::resp::Frame;
use crate::error::{NodeError, NodeErrorKind};

const SLOTS: usize = 16_384;

/// The owner of every slot, as one server tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Layout {
    owners: Vec<Address>,
    /// Index into `owners` by slot; beyond its end: nobody owns it. Empty: nothing is known.
    slots: Vec<u16>,
}

const NOBODY: u16 = u16::MAX;

impl Layout {
    /// The servers that own at least one slot.
    pub(crate) fn owners(&self) -> &[Address] {
        &self.owners
    }

    pub(crate) fn owner(&self, slot: u16) -> Option<&Address> {
        let index = self.slots.get(usize::from(slot))?;
        self.owners.get(usize::from(*index))
    }

    /// A server said that a slot belongs elsewhere now.
    pub(crate) fn move_to(&mut self, slot: u16, owner: &Address) {
        self.slots.resize(SLOTS, NOBODY);
        let index = self.index(owner);
        if let Some(slot) = self.slots.get_mut(usize::from(slot)) {
            *slot = index;
        }
    }

    fn index(&mut self, owner: &Address) -> u16 {
        let known = self.owners.iter().position(|known| known == owner);
        let index = known.unwrap_or_else(|| {
            self.owners.push(owner.clone());
            self.owners.len() - 1
        });
        u16::try_from(index).unwrap_or(NOBODY)
    }
}

/// Asks one server who owns which slot.
///
/// # Cancel safety
///
/// Dropping the future closes what was opened.
pub(crate) async fn ask(dialer: &Dialer, address: &Address) -> Result<Layout, NodeError> {
    let dialer = Dialer {
        endpoint: dialer.endpoint.at(address.clone()),
        mode: Mode::Cluster,
        ..dialer.clone()
    };
    let mut wire = dialer.dial().await?;
    let question = wire.ask(&[b"CLUSTER", b"SLOTS"]);
    match tokio::time::timeout(dialer.timeout, question).await {
        Ok(reply) => read(&reply?, address),
        Err(_) => Err(NodeError::new(
            NodeErrorKind::TimedOut,
            format!("{address} did not answer in time"),
        )),
    }
}

/// Asks servers, one after the other, and returns the first answer.
///
/// # Cancel safety
///
/// Dropping the future closes what was opened.
pub(crate) async fn ask_any(
    dialer: &Dialer,
    candidates: impl IntoIterator<Item = Address>,
) -> Result<Layout, NodeError> {
    let mut last = NodeError::new(NodeErrorKind::Unreachable, "no server is named");
    for address in candidates {
        match ask(dialer, &address).await {
            Ok(layout) => return Ok(layout),
            // Among several, what waiting does not mend is the better answer.
            Err(error) if last.kind().is_transient() || !error.kind().is_transient() => {
                last = error;
            }
            Err(_) => {}
        }
    }
    Err(last)
}

/// Reads the reply to `CLUSTER SLOTS` as the `redis` crate hands it out.
pub(crate) fn read_value(reply: Value, asked: &Address) -> Result<Layout, NodeError> {
    read(&frame(reply), asked)
}

fn frame(value: Value) -> Frame {
    match value {
        Value::Int(number) => Frame::Int(number),
        Value::BulkString(bytes) => Frame::Text(bytes.into()),
        Value::SimpleString(text) => Frame::Text(text.into_bytes().into()),
        Value::Array(items) => Frame::List(items.into_iter().map(frame).collect()),
        _ => Frame::Nil,
    }
}

/// Reads the reply to `CLUSTER SLOTS` of the server at `asked`.
fn read(reply: &Frame, asked: &Address) -> Result<Layout, NodeError> {
    let Frame::List(ranges) = reply else {
        return Err(strange());
    };
    let mut read = Vec::with_capacity(ranges.len());
    for range in ranges {
        let Frame::List(parts) = range else {
            return Err(strange());
        };
        let [Frame::Int(first), Frame::Int(last), Frame::List(master), ..] = parts.as_slice()
        else {
            return Err(strange());
        };
        let (Ok(first), Ok(last)) = (usize::try_from(*first), usize::try_from(*last)) else {
            return Err(strange());
        };
        read.push((first..=last, address(master, asked).ok_or_else(strange)?));
    }
    // Servers tell the ranges in orders of their own; what is the same is to look the same.
    read.sort_by_key(|(range, _)| *range.start());
    let mut layout = Layout::default();
    layout.slots.resize(SLOTS, NOBODY);
    for (range, owner) in read {
        let index = layout.index(&owner);
        if let Some(slots) = layout.slots.get_mut(range) {
            slots.fill(index);
        }
    }
    Ok(layout)
}

/// A server that does not know its own address leaves it empty: it is where it was asked.
fn address(parts: &[Frame], asked: &Address) -> Option<Address> {
    let [host, Frame::Int(port), ..] = parts else {
        return None;
    };
    let host = match (host.text(), asked) {
        (Some(host), _) if !host.is_empty() && host != "?" => host,
        (_, Address::Tcp { host, .. }) => host,
        _ => return None,
    };
    Some(Address::Tcp {
        host: host.into(),
        port: u16::try_from(*port).ok()?,
    })
}

fn strange() -> NodeError {
    NodeError::new(
        NodeErrorKind::Protocol,
        "the answer to CLUSTER SLOTS is none; is a proxy in between?",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Frame {
        Frame::Text(text.as_bytes().into())
    }

    fn tcp(host: &str, port: u16) -> Address {
        Address::Tcp {
            host: host.into(),
            port,
        }
    }

    fn range(first: i64, last: i64, host: Frame, port: i64) -> Frame {
        let master = Frame::List(vec![host, Frame::Int(port), text("id")]);
        Frame::List(vec![Frame::Int(first), Frame::Int(last), master])
    }

    #[test]
    fn ranges_are_read_and_slots_move() {
        let asked = tcp("asked", 7000);
        let reply = Frame::List(vec![
            range(0, 5460, text("a"), 1),
            range(5461, 16383, text(""), 2),
            range(16, 16, Frame::Nil, 3),
        ]);
        let mut layout = read(&reply, &asked).unwrap();
        assert_eq!(layout.owner(0), Some(&tcp("a", 1)));
        assert_eq!(layout.owner(16383), Some(&tcp("asked", 2)));
        assert_eq!(layout.owner(16), Some(&tcp("asked", 3)));
        layout.move_to(0, &tcp("b", 9));
        assert_eq!(layout.owner(0), Some(&tcp("b", 9)));
        assert_eq!(layout.owners().len(), 4);
        assert_eq!(Layout::default().owner(0), None);
        let halves = [
            range(0, 8191, text("a"), 1),
            range(8192, 16383, text("b"), 2),
        ];
        let there = read(&Frame::List(halves.to_vec()), &asked).unwrap();
        let back = read(&Frame::List(halves.into_iter().rev().collect()), &asked).unwrap();
        assert_eq!(there, back);
        assert!(read(&Frame::Nil, &asked).is_err());
        assert!(read(&Frame::List(vec![Frame::Nil]), &asked).is_err());
    }
}
