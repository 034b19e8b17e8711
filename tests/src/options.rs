//! How a private server is to be set up, before it starts.

use crate::{Authority, Server};

/// The set-up of a server: plain `redis.conf` directives, and shortcuts for the usual ones.
///
/// Without any, a server keeps nothing on disk, so that a restart is a memory loss.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub(crate) directives: Vec<(String, String)>,
    pub(crate) password: Option<String>,
    pub(crate) tls: Option<Authority>,
    pub(crate) upstream: Option<(u16, Option<String>)>,
    pub(crate) sentinel: bool,
}

impl Options {
    /// Any directive of `redis.conf`; the last one of a name wins, `user` adds up.
    #[must_use]
    pub fn set(mut self, directive: &str, value: impl ToString) -> Self {
        self.directives
            .push((directive.to_owned(), value.to_string()));
        self
    }

    /// The default user needs this password.
    #[must_use]
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self.set("requirepass", password)
    }

    /// One more user, by ACL rules: `user("app", "on >secret ~redis_* +@all")`.
    #[must_use]
    pub fn user(self, name: &str, rules: &str) -> Self {
        self.set("user", format!("{name} {rules}"))
    }

    /// Every write is on disk before it is answered: a restart forgets nothing.
    #[must_use]
    pub fn durable(self) -> Self {
        self.set("appendonly", "yes").set("appendfsync", "always")
    }

    /// At most this much memory, and what to do when it is used up (`noeviction`, `volatile-ttl`, ...).
    #[must_use]
    pub fn max_memory(self, bytes: usize, policy: &str) -> Self {
        self.set("maxmemory", bytes).set("maxmemory-policy", policy)
    }

    /// A read-only replica of `master`.
    #[must_use]
    pub fn replica_of(mut self, master: &Server) -> Self {
        self.upstream = Some((master.port(), master.password().map(str::to_owned)));
        self
    }

    /// Listens with TLS on a second port, with a certificate of this authority.
    /// `demand_client`: clients must show a certificate of it too.
    #[must_use]
    pub fn tls(mut self, authority: &Authority, demand_client: bool) -> Self {
        self.tls = Some(authority.clone());
        self.set("tls-auth-clients", if demand_client { "yes" } else { "no" })
    }

    /// Watches masters instead of keeping data; used by [`Sentinel`](crate::Sentinel).
    pub(crate) fn sentinel(mut self) -> Self {
        self.sentinel = true;
        self
    }

    /// Starts the server, and returns when it answers.
    #[must_use]
    pub fn start(self) -> Server {
        Server::start_with(self)
    }

    /// Starts `N` servers of this kind side by side.
    #[must_use]
    pub fn start_many<const N: usize>(self) -> [Server; N] {
        let servers: Vec<Server> = std::thread::scope(|scope| {
            let starting: Vec<_> = (0..N)
                .map(|_| {
                    let options = self.clone();
                    scope.spawn(move || options.start())
                })
                .collect();
            starting
                .into_iter()
                .map(|thread| match thread.join() {
                    Ok(server) => server,
                    Err(panic) => std::panic::resume_unwind(panic),
                })
                .collect()
        });
        servers.try_into().expect("one server per thread")
    }
}
