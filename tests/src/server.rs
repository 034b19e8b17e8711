//! One private `redis-server`: started for a test, paused, killed, restarted, gone with it.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use tempfile::TempDir;

use crate::{Control, Monitor, Options, Port, Wire};

/// The harness signs in as a user of its own, so that tests may change everybody else's rights.
pub(crate) const HARNESS: &str = "harness";

/// How long a server may take to answer; a busy machine is slow, a broken server is for ever.
const READY: Duration = Duration::from_secs(30);

/// A running `redis-server` with a port and a unix socket of its own.
///
/// Dropped, it is killed and waited for; if the test is failing, its log is printed first.
#[derive(Debug)]
pub struct Server {
    options: Options,
    port: Port,
    tls_port: Option<Port>,
    dir: TempDir,
    process: Mutex<Option<Child>>,
}

impl Server {
    /// A server without any particular set-up.
    #[must_use]
    pub fn start() -> Self {
        Options::default().start()
    }

    /// Servers without any particular set-up, independent of each other.
    #[must_use]
    pub fn start_many<const N: usize>() -> [Self; N] {
        Options::default().start_many()
    }

    /// Where the set-up of a server begins.
    #[must_use]
    pub fn with() -> Options {
        Options::default()
    }

    pub(crate) fn start_with(options: Options) -> Self {
        loop {
            let server = Self {
                port: Port::lease(),
                tls_port: options.tls.is_some().then(Port::lease),
                dir: tempfile::Builder::new().prefix("klg-").tempdir().unwrap(),
                process: Mutex::new(None),
                options: options.clone(),
            };
            server.write_configuration();
            server.launch();
            match server.wait_until_ready() {
                Ok(()) => return server,
                // Somebody who does not lease took the port between the look and the start.
                Err(_) if server.log().contains("Address already in use") => {}
                Err(reason) => panic!("{reason}\n{}", server.log()),
            }
        }
    }

    /// `redis://..` at the server's port, with the default user's password if it has one.
    #[must_use]
    pub fn uri(&self) -> String {
        match &self.options.password {
            Some(password) => format!("redis://:{password}@{}", self.address()),
            None => format!("redis://{}", self.address()),
        }
    }

    /// `redis://user:password@..` at the server's port.
    #[must_use]
    pub fn uri_as(&self, user: &str, password: &str) -> String {
        format!("redis://{user}:{password}@{}", self.address())
    }

    /// `redis+unix://..` at the server's unix socket.
    #[must_use]
    pub fn unix_uri(&self) -> String {
        let path = self.socket();
        match &self.options.password {
            Some(password) => format!("redis+unix://{}?pass={password}", path.display()),
            None => format!("redis+unix://{}", path.display()),
        }
    }

    /// `rediss://localhost:..` at the server's TLS port.
    #[must_use]
    pub fn tls_uri(&self) -> String {
        let port = self.tls_port();
        match &self.options.password {
            Some(password) => format!("rediss://:{password}@localhost:{port}"),
            None => format!("rediss://localhost:{port}"),
        }
    }

    /// The TCP address, on 127.0.0.1.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// The TCP port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// The TLS port.
    #[must_use]
    pub fn tls_port(&self) -> u16 {
        let port = self.tls_port.as_ref();
        port.expect("a server set up with `.tls(..)`").number()
    }

    /// The unix socket's path.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("redis.sock")
    }

    pub(crate) fn password(&self) -> Option<&str> {
        self.options.password.as_deref()
    }

    /// A fresh connection with all rights, over the unix socket.
    #[must_use]
    pub fn control(&self) -> Control {
        self.try_control()
            .unwrap_or_else(|error| panic!("no control connection: {error}\n{}", self.log()))
    }

    /// A raw connection to the TCP port, nothing said on it yet.
    #[must_use]
    pub fn wire(&self) -> Wire {
        Wire::tcp(self.address())
    }

    /// Records every command that arrives from now on.
    #[must_use]
    pub fn monitor(&self) -> Monitor {
        Monitor::start(self)
    }

    /// Stops the process where it stands (`SIGSTOP`): connections are accepted and never answered.
    pub fn pause(&self) {
        let pid = self.signal(Signal::STOP);
        // The signal takes effect in its own time; what follows must find the server stopped.
        waitpid(Some(pid), WaitOptions::UNTRACED).expect("the server stops");
    }

    /// Goes on after [`pause`](Self::pause) (`SIGCONT`).
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Kills the process (`SIGKILL`) and waits until it is gone. What was not on disk is forgotten.
    pub fn kill(&self) {
        if let Some(mut child) = self.process().take() {
            child.kill().expect("the server can be killed");
            child.wait().expect("a killed server ends");
        }
    }

    /// Kills the server if it runs, starts it again on the same port, and returns when it answers.
    pub fn restart(&self) {
        self.kill();
        self.launch();
        if let Err(reason) = self.wait_until_ready() {
            panic!("{reason}\n{}", self.log());
        }
    }

    /// Restarts the server over a data set that takes about `time` to load, and returns while it
    /// loads: it answers all commands with `LOADING`. What was in the database comes back.
    pub fn restart_into_loading(&self, time: Duration) {
        let mut control = self.control();
        let filler = "x".repeat(200);
        for key in 0..time.as_millis() {
            control.ask::<()>(&["SET", &format!("filler:{key}"), &filler]);
        }
        control.ask::<()>(&["SAVE"]);
        self.kill();
        let slowly = "key-load-delay 1000\nloading-process-events-interval-bytes 1024\n";
        let mut file = fs::OpenOptions::new()
            .append(true)
            .open(self.configuration())
            .unwrap();
        file.write_all(slowly.as_bytes()).unwrap();
        self.launch();
        // While it loads, it lets the harness in and refuses all else.
        if let Err(reason) = self.wait_for(|control| control.is_some()) {
            panic!("{reason}\n{}", self.log());
        }
    }

    /// The server's process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process().as_ref().expect("a running server").id()
    }

    /// What the server has logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        let path = self.dir.path().join("redis.log");
        let log = fs::read_to_string(&path).unwrap_or_default();
        format!("--- redis-server {} ---\n{log}---", self.port())
    }

    fn write_configuration(&self) {
        let mut text = String::new();
        for (name, value) in self.directives() {
            writeln!(text, "{name} {value}").unwrap();
        }
        fs::write(self.configuration(), text).unwrap();
    }

    fn configuration(&self) -> PathBuf {
        self.dir.path().join("redis.conf")
    }

    fn directives(&self) -> Vec<(String, String)> {
        let dir = self.dir.path().display();
        let mut all = vec![
            ("bind".to_owned(), "127.0.0.1".to_owned()),
            ("port".to_owned(), self.port.number().to_string()),
            ("unixsocket".to_owned(), self.socket().display().to_string()),
            ("dir".to_owned(), dir.to_string()),
            ("logfile".to_owned(), format!("{dir}/redis.log")),
            ("protected-mode".to_owned(), "no".to_owned()),
        ];
        if !self.options.sentinel {
            all.extend(
                [
                    ("save", r#""""#.to_owned()),
                    ("appendonly", "no".to_owned()),
                    // A replica would otherwise wait five seconds for others of its kind.
                    ("repl-diskless-sync-delay", "0".to_owned()),
                    ("user", format!("{HARNESS} on >{HARNESS} ~* &* +@all")),
                ]
                .map(|(name, value)| (name.to_owned(), value)),
            );
            if !is_older_than_7() {
                all.push(("enable-debug-command".to_owned(), "yes".to_owned()));
            }
        }
        if let (Some(authority), Some(port)) = (&self.options.tls, &self.tls_port) {
            all.push(("tls-port".to_owned(), port.number().to_string()));
            all.extend(authority.directives());
        }
        if let Some((port, password)) = &self.options.upstream {
            all.push(("replicaof".to_owned(), format!("127.0.0.1 {port}")));
            all.extend(password.clone().map(|p| ("masterauth".to_owned(), p)));
        }
        all.extend(self.options.directives.iter().cloned());
        all
    }

    fn launch(&self) {
        let mut command = Command::new(binary());
        command
            .arg(self.configuration())
            .current_dir(self.dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if self.options.sentinel {
            command.arg("--sentinel");
        }
        let child = command.spawn().unwrap_or_else(|error| {
            if error.kind() == io::ErrorKind::NotFound {
                panic!("{}", how_to_install());
            }
            panic!("redis-server does not start: {error}");
        });
        *self.process() = Some(child);
    }

    fn wait_until_ready(&self) -> Result<(), String> {
        self.wait_for(|control| match control {
            Some(Ok(control)) => control.is_ready(),
            _ => false,
        })
    }

    /// Asks until `enough` is content with what it gets: `None` as long as nobody answers.
    fn wait_for(
        &self,
        mut enough: impl FnMut(Option<Result<&mut Control, redis::RedisError>>) -> bool,
    ) -> Result<(), String> {
        let begun = Instant::now();
        loop {
            let content = match self.try_control() {
                Ok(mut control) => enough(Some(Ok(&mut control))),
                Err(error) if error.is_io_error() => enough(None),
                Err(error) => enough(Some(Err(error))),
            };
            if content {
                return Ok(());
            }
            let ended = self.process().as_mut().and_then(|c| c.try_wait().unwrap());
            if let Some(status) = ended {
                return Err(format!("redis-server ended: {status}"));
            }
            if begun.elapsed() > READY {
                return Err(format!("redis-server gave no answer in {READY:?}"));
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    pub(crate) fn try_control(&self) -> Result<Control, redis::RedisError> {
        Control::connect(&self.socket(), self.options.sentinel)
    }

    fn signal(&self, signal: Signal) -> Pid {
        let pid = Pid::from_raw(self.pid().try_into().unwrap()).unwrap();
        kill_process(pid, signal).expect("the server takes signals");
        pid
    }

    fn process(&self) -> MutexGuard<'_, Option<Child>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.process().take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if thread::panicking() {
            eprintln!("{}", self.log());
        }
    }
}

/// The server's program: `redis-server` on the path, or what `REDIS_SERVER` names.
fn binary() -> PathBuf {
    std::env::var_os("REDIS_SERVER").map_or_else(|| "redis-server".into(), PathBuf::from)
}

fn is_older_than_7() -> bool {
    static VERSION: OnceLock<bool> = OnceLock::new();
    *VERSION.get_or_init(|| {
        let output = Command::new(binary()).arg("--version").output();
        let output = output.unwrap_or_else(|_| panic!("{}", how_to_install()));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let major = text.split_once("v=").and_then(|(_, v)| v.split('.').next());
        major.and_then(|m| m.parse::<u32>().ok()).unwrap_or(7) < 7
    })
}

/// The line that installs the missing server on this machine.
fn how_to_install() -> String {
    let line = [
        ("/usr/bin/apt-get", "sudo apt-get install -y redis-server"),
        ("/usr/bin/dnf", "sudo dnf install -y redis"),
        ("/sbin/apk", "sudo apk add redis"),
        ("/usr/bin/pacman", "sudo pacman -S --noconfirm redis"),
    ]
    .into_iter()
    .find(|(manager, _)| Path::new(manager).exists())
    .map_or("brew install redis", |(_, line)| line);
    format!(
        "these tests need the program redis-server, which is not installed; this installs it: {line}"
    )
}
