//! Signing in: the newest protocol the server speaks, the user, the name, the database; and what
//! the server says of itself.

use super::dial::{Dialer, Wire};
use super::endpoint::{Credentials, Protocol};
use super::fault::{Refusal, server_fault};
use super::resp::{self, Frame};
use crate::error::{NodeError, NodeErrorKind};

/// What is known of a connection once it is signed in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Session {
    /// RESP3 was agreed on: the server can push.
    pub(crate) resp3: bool,
    /// The connection's number at the server.
    pub(crate) id: Option<i64>,
    pub(crate) role: Role,
    pub(crate) mode: Option<Mode>,
    /// Names this run of the server; another run may give the same connection numbers away again.
    pub(crate) run_id: Option<Box<str>>,
}

/// What kind of server it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Standalone,
    Cluster,
    Sentinel,
}

/// What the server is to its data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Role {
    /// It did not say.
    #[default]
    Unknown,
    Master,
    Replica,
}

/// Signs in on a fresh connection.
pub(crate) async fn greet(wire: &mut Wire, dialer: &Dialer) -> Result<(), NodeError> {
    let endpoint = &dialer.endpoint;
    if !hello(wire, dialer).await? {
        sign_in_plainly(wire, &endpoint.credentials, &dialer.name).await?;
    }
    settle(wire, dialer).await?;
    check(&wire.session, dialer)
}

/// `HELLO` says everything in one command; `false`: the server does not know it.
async fn hello(wire: &mut Wire, dialer: &Dialer) -> Result<bool, NodeError> {
    let resp3 = dialer.endpoint.protocol == Protocol::Newest;
    let mut args: Vec<&[u8]> = vec![b"HELLO", if resp3 { b"3" } else { b"2" }];
    let Credentials { user, password } = &dialer.endpoint.credentials;
    if let Some(password) = password {
        let user = user.as_deref().unwrap_or("default");
        args.extend([&b"AUTH"[..], user.as_bytes(), password.as_bytes()]);
    }
    let name = printable(&dialer.name);
    args.extend([&b"SETNAME"[..], name.as_bytes()]);
    let mut bytes = Vec::new();
    resp::command(&mut bytes, &args);
    let reply = wire.exchange(&bytes, 1).await?.pop();
    match reply {
        Some(Frame::Error(line)) => {
            let refusal = Refusal::parse(&line);
            if matches!(refusal.code, "ERR" | "NOPROTO") {
                return Ok(false);
            }
            Err(server_fault(refusal))
        }
        Some(reply @ Frame::List(_)) => {
            read_hello(&mut wire.session, &reply);
            Ok(true)
        }
        _ => Err(NodeError::new(
            NodeErrorKind::NotRedis,
            "what answers there does not speak the Redis protocol",
        )),
    }
}

fn read_hello(session: &mut Session, reply: &Frame) {
    session.resp3 = reply.field("proto") == Some(&Frame::Int(3));
    session.id = match reply.field("id") {
        Some(Frame::Int(id)) => Some(*id),
        _ => None,
    };
    session.role = match reply.field("role").and_then(Frame::text) {
        Some("master") => Role::Master,
        Some("replica" | "slave") => Role::Replica,
        _ => Role::Unknown,
    };
    session.mode = match reply.field("mode").and_then(Frame::text) {
        Some("standalone") => Some(Mode::Standalone),
        Some("cluster") => Some(Mode::Cluster),
        Some("sentinel") => Some(Mode::Sentinel),
        _ => None,
    };
}

/// As servers before 6.0 and some proxies want it.
async fn sign_in_plainly(
    wire: &mut Wire,
    credentials: &Credentials,
    name: &str,
) -> Result<(), NodeError> {
    if let Some(password) = &credentials.password {
        let mut args: Vec<&[u8]> = vec![b"AUTH"];
        args.extend(credentials.user.iter().map(|user| user.as_bytes()));
        args.push(password.as_bytes());
        wire.ask(&args).await?;
    }
    let mut bytes = Vec::new();
    let name = printable(name);
    resp::command(&mut bytes, &[b"CLIENT", b"SETNAME", name.as_bytes()]);
    resp::command(&mut bytes, &[b"CLIENT", b"ID"]);
    resp::command(&mut bytes, &[b"ROLE"]);
    // Each of them may be denied, and none is needed.
    let replies = wire.exchange(&bytes, 3).await?;
    if let Some(Frame::Int(id)) = replies.get(1) {
        wire.session.id = Some(*id);
    }
    if let Some(Frame::List(role)) = replies.get(2) {
        wire.session.role = match role.first().and_then(Frame::text) {
            Some("master") => Role::Master,
            Some("slave" | "replica") => Role::Replica,
            _ => Role::Unknown,
        };
    }
    Ok(())
}

/// The database, the library's name, whether the server is ready, and which run of it this is.
async fn settle(wire: &mut Wire, dialer: &Dialer) -> Result<(), NodeError> {
    let database = dialer.endpoint.database.to_string();
    let mut bytes = Vec::new();
    let mut count = 1;
    if dialer.endpoint.database != 0 {
        resp::command(&mut bytes, &[b"SELECT", database.as_bytes()]);
        count += 1;
    }
    resp::command(&mut bytes, &[b"PING"]);
    if dialer.identify {
        resp::command(&mut bytes, &[b"INFO", b"server"]);
        count += 1;
    }
    let mut replies = wire.exchange(&bytes, count).await?.into_iter();
    if dialer.endpoint.database != 0
        && let Some(Frame::Error(line)) = replies.next()
    {
        let refusal = Refusal::parse(&line);
        return Err(match refusal.code {
            "ERR" => NodeError::new(
                NodeErrorKind::Protocol,
                format!(
                    "the server has no database {database} ({}); a cluster has only 0, other servers say with CONFIG GET databases how many",
                    refusal.detail
                ),
            ),
            _ => server_fault(refusal),
        });
    }
    match replies.next() {
        Some(Frame::Error(line)) if !line.starts_with("NOPERM") => {
            return Err(server_fault(Refusal::parse(&line)));
        }
        _ => {}
    }
    wire.session.run_id = replies
        .next()
        .as_ref()
        .and_then(Frame::text)
        .and_then(|info| info.lines().find_map(|line| line.strip_prefix("run_id:")))
        .map(Into::into);
    Ok(())
}

fn check(session: &Session, dialer: &Dialer) -> Result<(), NodeError> {
    let advice = match session.mode {
        // Before 6.0, servers do not say.
        None => None,
        Some(mode) if mode == dialer.mode => None,
        Some(Mode::Standalone) => {
            Some("this server is neither part of a cluster nor a sentinel: write redis://host:port")
        }
        Some(Mode::Cluster) => {
            Some("this server is part of a cluster: write redis+cluster://host:port,host:port")
        }
        Some(Mode::Sentinel) => {
            Some("this is a sentinel: write redis+sentinel://host:port,host:port/master-name")
        }
    };
    if let Some(advice) = advice {
        return Err(NodeError::new(NodeErrorKind::Protocol, advice));
    }
    if dialer.master && session.role == Role::Replica {
        return Err(server_fault(Refusal {
            code: "READONLY",
            detail: "that it is a replica",
        }));
    }
    Ok(())
}

/// Redis refuses connection names with spaces and control characters.
fn printable(name: &str) -> String {
    name.chars()
        .map(|c| if c.is_ascii_graphic() { c } else { '-' })
        .collect()
}
