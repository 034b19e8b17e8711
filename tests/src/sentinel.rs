//! A master, its replica, and the three Sentinels that watch them.

use crate::Server;
use crate::poll::wait_until;

/// A running Sentinel set whose master is called [`Sentinel::MASTER`].
#[derive(Debug)]
pub struct Sentinel {
    // The Sentinels go first: they must not see their servers die and begin a fail-over.
    sentinels: [Server; 3],
    servers: [Server; 2],
}

impl Sentinel {
    /// The name under which the Sentinels know the master.
    pub const MASTER: &str = "mymaster";

    /// Starts all five and returns when the Sentinels know each other and the replica.
    #[must_use]
    pub fn start() -> Self {
        let master = Server::start();
        let replica = Server::with().replica_of(&master).start();
        let name = Self::MASTER;
        let sentinels = Server::with()
            .sentinel()
            .set(
                "sentinel",
                format!("monitor {name} 127.0.0.1 {} 2", master.port()),
            )
            .set("sentinel", format!("down-after-milliseconds {name} 500"))
            .set("sentinel", format!("failover-timeout {name} 5000"))
            .start_many::<3>();
        let set = Self {
            sentinels,
            servers: [master, replica],
        };
        wait_until("the Sentinels know each other and the replica", || {
            set.sentinels.iter().all(|sentinel| {
                let state: Vec<String> = sentinel.control().ask(&["SENTINEL", "MASTER", name]);
                let field = |field: &str| {
                    let at = state.iter().position(|word| word == field).unwrap();
                    state[at + 1].clone()
                };
                field("num-slaves") == "1"
                    && field("num-other-sentinels") == "2"
                    && field("flags") == "master"
            })
        });
        set
    }

    /// `redis+sentinel://a,b,c/mymaster`.
    #[must_use]
    pub fn uri(&self) -> String {
        let addresses: Vec<String> = self
            .sentinels
            .iter()
            .map(|sentinel| sentinel.address().to_string())
            .collect();
        format!("redis+sentinel://{}/{}", addresses.join(","), Self::MASTER)
    }

    /// The Sentinels themselves.
    #[must_use]
    pub fn sentinels(&self) -> &[Server; 3] {
        &self.sentinels
    }

    /// The server that most of the Sentinels call the master now.
    #[must_use]
    pub fn master(&self) -> &Server {
        let is_master = |server: &&Server| {
            let port = server.port().to_string();
            let votes = self.sentinels.iter().filter(|sentinel| {
                let words = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", Self::MASTER];
                let address: Vec<String> = sentinel.control().ask(&words);
                address[1] == port
            });
            votes.count() >= 2
        };
        let servers = &self.servers;
        let mut chosen = None;
        // While a fail-over is told from Sentinel to Sentinel there may be no majority.
        wait_until("the Sentinels agree on a master", || {
            chosen = servers.iter().find(is_master);
            chosen.is_some()
        });
        chosen.expect("waited for")
    }

    /// The server that is not [`master`](Self::master).
    #[must_use]
    pub fn replica(&self) -> &Server {
        let master = self.master().port();
        self.servers
            .iter()
            .find(|server| server.port() != master)
            .expect("one of two")
    }

    /// Kills the master and returns when the other server has taken over and takes writes.
    pub fn fail_over(&self) {
        let (old, new) = (self.master(), self.replica());
        old.kill();
        wait_until("the replica is made the master", || {
            // A Sentinel cuts the connections of a server whose part it changes, the harness's too.
            let role = new
                .try_control()
                .and_then(|mut control| control.try_ask::<redis::Value>(&["ROLE"]));
            self.master().port() == new.port()
                && role.is_ok_and(|role| format!("{role:?}").contains("master"))
        });
    }
}
