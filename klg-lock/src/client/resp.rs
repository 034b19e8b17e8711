//! The wire format: commands out, replies in (RESP2 and RESP3).
//!
//! The lock nodes own their sockets, and the `redis` crate keeps its codec to itself.

use std::io;

/// One reply, or one push.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Frame {
    Nil,
    Int(i64),
    /// A simple, bulk or verbatim string, or a number that is none of 64 bits.
    Text(Box<[u8]>),
    Error(Box<str>),
    /// An array or set; of a map, its keys and values in turn.
    List(Vec<Frame>),
    Push(Vec<Frame>),
}

impl Frame {
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// The value under a key of a map.
    pub(crate) fn field(&self, name: &str) -> Option<&Frame> {
        let Self::List(items) = self else {
            return None;
        };
        items
            .chunks_exact(2)
            .find(|pair| pair[0].text() == Some(name))
            .map(|pair| &pair[1])
    }
}

/// Appends one command.
pub(crate) fn command(out: &mut Vec<u8>, args: &[&[u8]]) {
    start(out, args.len());
    for arg in args {
        argument(out, arg);
    }
}

/// Appends the head of a command of `count` arguments, its name included.
pub(crate) fn start(out: &mut Vec<u8>, count: usize) {
    length_line(out, b'*', count);
}

/// Appends one argument.
pub(crate) fn argument(out: &mut Vec<u8>, arg: &[u8]) {
    length_line(out, b'$', arg.len());
    out.extend_from_slice(arg);
    out.extend_from_slice(b"\r\n");
}

/// Appends one argument that is a number.
pub(crate) fn integer(out: &mut Vec<u8>, number: u64) {
    let mut digits = [0; 20];
    argument(out, decimal(number, &mut digits));
}

fn length_line(out: &mut Vec<u8>, kind: u8, length: usize) {
    let mut digits = [0; 20];
    out.push(kind);
    out.extend_from_slice(decimal(
        u64::try_from(length).unwrap_or(u64::MAX),
        &mut digits,
    ));
    out.extend_from_slice(b"\r\n");
}

fn decimal(number: u64, digits: &mut [u8; 20]) -> &[u8] {
    let mut at = digits.len();
    let mut rest = number;
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(rest % 10).unwrap_or_default();
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    &digits[at..]
}

/// Bytes as they arrive, cut into frames.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    bytes: Vec<u8>,
    /// How much of `bytes` has been cut off already.
    cut: usize,
}

/// Deeper nesting than any reply that is ever asked for.
const DEEPEST: usize = 16;
/// A reply larger than this is no reply to anything that a lock node or a handshake asks.
const LARGEST: usize = 64 << 20;

impl Inbox {
    /// Room to read into; [`Self::filled`] tells how much of it was used.
    pub(crate) fn room(&mut self, at_least: usize) -> &mut Vec<u8> {
        if self.cut == self.bytes.len() {
            self.bytes.clear();
            self.cut = 0;
        } else if self.cut > at_least {
            self.bytes.drain(..self.cut);
            self.cut = 0;
        }
        self.bytes.reserve(at_least);
        &mut self.bytes
    }

    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        self.room(bytes.len()).extend_from_slice(bytes);
    }

    /// Whether something has arrived that is not yet a whole frame.
    #[cfg(test)]
    fn is_empty(&self) -> bool {
        self.cut == self.bytes.len()
    }

    /// The next whole frame, if there is one.
    ///
    /// # Errors
    ///
    /// `InvalidData` if this is not RESP.
    pub(crate) fn next(&mut self) -> io::Result<Option<Frame>> {
        let rest = self.bytes.get(self.cut..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(None);
        }
        let mut cursor = Cursor { rest };
        match cursor.frame(0) {
            Ok(frame) => {
                self.cut = self.bytes.len() - cursor.rest.len();
                Ok(Some(frame))
            }
            Err(Stop::Incomplete) if rest.len() > LARGEST => Err(not_resp("too large a reply")),
            Err(Stop::Incomplete) => Ok(None),
            Err(Stop::Malformed(what)) => Err(not_resp(what)),
        }
    }
}

fn not_resp(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("what answers there does not speak the Redis protocol ({what})"),
    )
}

enum Stop {
    Incomplete,
    Malformed(&'static str),
}

struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    fn frame(&mut self, depth: usize) -> Result<Frame, Stop> {
        if depth > DEEPEST {
            return Err(Stop::Malformed("too deep a reply"));
        }
        let Some((&kind, rest)) = self.rest.split_first() else {
            return Err(Stop::Incomplete);
        };
        if !b"+-:$*_,#!=(%~>|".contains(&kind) {
            return Err(Stop::Malformed("unexpected first byte"));
        }
        self.rest = rest;
        let line = self.line()?;
        Ok(match kind {
            b'+' | b',' | b'(' => Frame::Text(line.into()),
            b'-' => Frame::Error(String::from_utf8_lossy(line).into()),
            b':' => Frame::Int(number(line)?),
            b'#' => Frame::Int(i64::from(line == b"t")),
            b'_' => Frame::Nil,
            b'$' | b'=' | b'!' => match length(line)? {
                None => Frame::Nil,
                Some(length) => {
                    let bytes = self.take(length)?;
                    match kind {
                        b'!' => Frame::Error(String::from_utf8_lossy(bytes).into()),
                        // Behind the three letters of its format.
                        b'=' => Frame::Text(bytes.get(4..).unwrap_or_default().into()),
                        _ => Frame::Text(bytes.into()),
                    }
                }
            },
            b'%' | b'|' => {
                let pairs = length(line)?.unwrap_or_default();
                let items = self.items(pairs.saturating_mul(2), depth)?;
                if kind == b'|' {
                    // An attribute says something about the reply that follows it.
                    return self.frame(depth + 1);
                }
                Frame::List(items)
            }
            b'>' => Frame::Push(self.items(length(line)?.unwrap_or_default(), depth)?),
            _ => match length(line)? {
                None => Frame::Nil,
                Some(length) => Frame::List(self.items(length, depth)?),
            },
        })
    }

    fn items(&mut self, count: usize, depth: usize) -> Result<Vec<Frame>, Stop> {
        // What a stranger says of the length is no reason to reserve memory.
        let mut items = Vec::with_capacity(count.min(self.rest.len()).min(1024));
        for _ in 0..count {
            items.push(self.frame(depth + 1)?);
        }
        Ok(items)
    }

    fn line(&mut self) -> Result<&'a [u8], Stop> {
        let Some(end) = self.rest.iter().position(|byte| *byte == b'\r') else {
            return Err(Stop::Incomplete);
        };
        match self.rest.get(end + 1) {
            None => Err(Stop::Incomplete),
            Some(b'\n') => {
                let (line, rest) = self.rest.split_at(end);
                self.rest = rest.get(2..).unwrap_or_default();
                Ok(line)
            }
            Some(_) => Err(Stop::Malformed("a lone carriage return")),
        }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Stop> {
        match self.rest.get(length..) {
            Some([b'\r', b'\n', rest @ ..]) => {
                let (bytes, _) = self.rest.split_at(length);
                self.rest = rest;
                Ok(bytes)
            }
            None | Some([] | [b'\r']) => Err(Stop::Incomplete),
            Some(_) => Err(Stop::Malformed("a string longer than it said")),
        }
    }
}

fn number(line: &[u8]) -> Result<i64, Stop> {
    std::str::from_utf8(line)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or(Stop::Malformed("no number where one belongs"))
}

/// `None`: the nil of RESP2.
fn length(line: &[u8]) -> Result<Option<usize>, Stop> {
    match number(line)? {
        -1 => Ok(None),
        length => usize::try_from(length)
            .ok()
            .filter(|length| *length <= LARGEST)
            .map(Some)
            .ok_or(Stop::Malformed("an impossible length")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frames(bytes: &[u8]) -> Vec<Frame> {
        let mut inbox = Inbox::default();
        inbox.extend(bytes);
        let mut frames = Vec::new();
        while let Some(frame) = inbox.next().unwrap() {
            frames.push(frame);
        }
        assert!(inbox.is_empty());
        frames
    }

    fn text(text: &str) -> Frame {
        Frame::Text(text.as_bytes().into())
    }

    #[test]
    fn every_type_of_both_versions_is_read() {
        assert_eq!(
            frames(
                b"+OK\r\n-ERR no\r\n:-7\r\n$3\r\na\r\n\r\n$-1\r\n*-1\r\n_\r\n#t\r\n,1.5\r\n=7\r\ntxt:abc\r\n!5\r\nERR x\r\n"
            ),
            [
                text("OK"),
                Frame::Error("ERR no".into()),
                Frame::Int(-7),
                text("a\r\n"),
                Frame::Nil,
                Frame::Nil,
                Frame::Nil,
                Frame::Int(1),
                text("1.5"),
                text("abc"),
                Frame::Error("ERR x".into()),
            ]
        );
        assert_eq!(
            frames(
                b"%1\r\n+a\r\n:1\r\n>2\r\n+invalidate\r\n*1\r\n$1\r\nk\r\n|1\r\n+x\r\n:1\r\n:2\r\n"
            ),
            [
                Frame::List(vec![text("a"), Frame::Int(1)]),
                Frame::Push(vec![text("invalidate"), Frame::List(vec![text("k")])]),
                Frame::Int(2),
            ]
        );
    }

    #[test]
    fn what_is_no_resp_is_an_error_and_not_a_wait() {
        for bytes in [
            &b"HTTP/1.1 400 Bad Request\r\n"[..],
            b"$3\r\nabcd\r\n",
            b":x\r\n",
            b"*99999999999999999999\r\n",
            b"$-2\r\n",
            b"+a\rb",
            b"*1\r\n".repeat(DEEPEST + 2).as_slice(),
        ] {
            let mut inbox = Inbox::default();
            inbox.extend(bytes);
            assert!(inbox.next().is_err(), "{}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn a_command_is_written_as_an_array_of_strings() {
        let mut out = Vec::new();
        command(&mut out, &[b"SET", b"", b"0123456789"]);
        assert_eq!(out, b"*3\r\n$3\r\nSET\r\n$0\r\n\r\n$10\r\n0123456789\r\n");
    }

    proptest! {
        #[test]
        fn a_reply_is_the_same_however_the_network_cuts_it(
            args in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..6),
            step in 1_usize..9,
        ) {
            let mut bytes = Vec::new();
            let slices: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
            command(&mut bytes, &slices);
            command(&mut bytes, &slices);
            let mut inbox = Inbox::default();
            let mut seen = Vec::new();
            for chunk in bytes.chunks(step) {
                inbox.extend(chunk);
                while let Some(frame) = inbox.next().unwrap() {
                    seen.push(frame);
                }
            }
            let whole = Frame::List(args.iter().map(|a| Frame::Text(a.as_slice().into())).collect());
            prop_assert_eq!(seen, vec![whole.clone(), whole]);
        }

        #[test]
        fn no_bytes_whatever_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut inbox = Inbox::default();
            inbox.extend(&bytes);
            while let Ok(Some(_)) = inbox.next() {}
        }
    }
}
