//! What a failure means: errors of sockets and servers sorted into the kinds a caller can act on.

use std::io;

use redis::{RedisError, ServerError};

use crate::error::{NodeError, NodeErrorKind};

/// The error a server answered, taken apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refusal<'a> {
    /// `WRONGPASS`, `READONLY`, `ERR`.
    pub(crate) code: &'a str,
    pub(crate) detail: &'a str,
}

impl<'a> Refusal<'a> {
    pub(crate) fn parse(line: &'a str) -> Self {
        let (code, detail) = line.split_once(' ').unwrap_or((line, ""));
        Self { code, detail }
    }

    /// Whether the server cannot serve writes, and another one may have taken its place.
    pub(crate) fn is_deposed(self) -> bool {
        matches!(self.code, "READONLY" | "MASTERDOWN")
    }
}

/// A server's error, with the way out.
pub(crate) fn server_fault(refusal: Refusal<'_>) -> NodeError {
    use NodeErrorKind::{
        Forbidden, Loading, OutOfMemory, Protocol, ReadOnly, Unauthorized, Unreachable,
    };
    let Refusal { code, detail } = refusal;
    let (kind, advice) = match code {
        // What the server says to that speaks of the protocol.
        "NOAUTH" => {
            return NodeError::new(
                Unauthorized,
                "the server wants a user name and password (NOAUTH), and got none: write redis://user:password@host:port",
            );
        }
        "WRONGPASS" => (
            Unauthorized,
            "check the user name and password in its URI: redis://user:password@host:port",
        ),
        "NOPERM" => (
            Forbidden,
            "grant the right with ACL SETUSER, or use another user",
        ),
        "READONLY" | "MASTERDOWN" => (
            ReadOnly,
            "it is a replica: name the master, or follow it with redis+sentinel:// or redis+cluster://",
        ),
        "MISCONF" | "NOREPLICAS" => (ReadOnly, "it refuses writes until that is put right"),
        "LOADING" => (Loading, "wait until it has loaded its data"),
        "BUSY" => (Loading, "a script keeps it busy; end that with SCRIPT KILL"),
        "TRYAGAIN" => (Loading, "wait until the slot has moved"),
        "CLUSTERDOWN" => (Unreachable, "part of the cluster is down"),
        "OOM" => (
            OutOfMemory,
            "raise its maxmemory, or give locks a server of their own",
        ),
        "MOVED" | "ASK" | "CROSSSLOT" => (
            Protocol,
            "it is part of a cluster: write redis+cluster://host:port,host:port",
        ),
        _ if detail.contains("invalid password") || detail.contains("invalid username") => {
            (Unauthorized, "check the user name and password in its URI")
        }
        _ => (Protocol, ""),
    };
    NodeError::new(kind, sentence(code, detail, advice))
}

fn sentence(code: &str, detail: &str, advice: &str) -> String {
    let detail = detail.trim_end_matches('.');
    let gap = if detail.is_empty() { "" } else { " " };
    let dash = if advice.is_empty() { "" } else { "; " };
    format!("the server answered {code}{gap}{detail}{dash}{advice}")
}

/// An error of the socket, met while doing `what`.
pub(crate) fn io_fault(what: &str, error: io::Error) -> NodeError {
    let kind = match error.kind() {
        io::ErrorKind::TimedOut => NodeErrorKind::TimedOut,
        io::ErrorKind::InvalidData => NodeErrorKind::NotRedis,
        _ => NodeErrorKind::Unreachable,
    };
    let advice = match error.kind() {
        io::ErrorKind::ConnectionRefused => "; is Redis running there?",
        io::ErrorKind::NotFound => "; does the socket exist, and is the host name right?",
        io::ErrorKind::PermissionDenied => "; the socket's permissions forbid it",
        _ => "",
    };
    NodeError::new(kind, format!("{what}: {error}{advice}")).with_source(error)
}

/// An error of the `redis` crate.
pub(crate) fn crate_fault(error: &RedisError) -> NodeError {
    use redis::ErrorKind;
    let fault = match error.kind() {
        ErrorKind::Io if error.is_timeout() => {
            NodeError::new(NodeErrorKind::TimedOut, "no answer in time")
        }
        ErrorKind::Io | ErrorKind::ClusterConnectionNotFound => NodeError::new(
            NodeErrorKind::Unreachable,
            format!("the connection broke: {error}"),
        ),
        ErrorKind::Parse => NodeError::new(
            NodeErrorKind::NotRedis,
            "what answers there does not speak the Redis protocol",
        ),
        ErrorKind::AuthenticationFailed => server_fault(Refusal {
            code: "WRONGPASS",
            detail: error.detail().unwrap_or_default(),
        }),
        _ => match error.code() {
            Some(code) => server_fault(Refusal {
                code,
                detail: error.detail().unwrap_or_default(),
            }),
            None => NodeError::new(NodeErrorKind::Protocol, error.to_string()),
        },
    };
    fault.with_source(error.clone())
}

/// An error the server answered to one command of a pipeline.
pub(crate) fn server_answer(error: ServerError) -> NodeError {
    crate_fault(&error.into())
}

/// The code a server answered, such as `WRONGTYPE`; `None`: it did not answer with an error.
pub(crate) fn refusal_code(error: &NodeError) -> Option<&str> {
    crate_error(error).and_then(RedisError::code)
}

fn crate_error(error: &NodeError) -> Option<&RedisError> {
    std::error::Error::source(error).and_then(<dyn std::error::Error>::downcast_ref)
}

/// As the `redis` crate's own functions expect it.
pub(super) fn to_crate_error(error: NodeError) -> RedisError {
    use redis::ErrorKind;
    if let Some(original) = crate_error(&error) {
        return original.clone();
    }
    let kind = match error.kind() {
        NodeErrorKind::Unauthorized => ErrorKind::AuthenticationFailed,
        NodeErrorKind::TimedOut => {
            return io::Error::new(io::ErrorKind::TimedOut, error).into();
        }
        NodeErrorKind::Unreachable | NodeErrorKind::Closed => {
            return io::Error::new(io::ErrorKind::NotConnected, error).into();
        }
        _ => ErrorKind::Client,
    };
    (kind, "klg-lock", error.to_string()).into()
}
