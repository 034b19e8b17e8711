//! The operations of a cache as commands and scripts of a Redis server.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use once_cell::sync::Lazy;
use redis::{Cmd, Pipeline, PushInfo, PushKind, Value};
use tokio::time::Instant;

use super::terms::{Term, Terms};
use super::{Begin, Begun, Sighting, epoch_ttl};
use crate::cache::record::{Nonce, millis, placeholder};
use crate::cache::wake::Wakes;
#[cfg(feature = "cluster")]
use crate::client::Masters;
use crate::client::{self, Endpoint, Kind, Link, LinkOptions, Listener, Walk, refusal_code};
use crate::error::{Error, NodeError, NodeErrorKind};

/// A script and the hash Redis knows it by.
struct Script {
    source: &'static str,
    hash: String,
}

macro_rules! scripts {
    ($($name:ident = $file:literal;)+) => {
        $(static $name: Lazy<Script> = Lazy::new(|| {
            let source = include_str!(concat!("../scripts/", $file));
            let hash = redis::Script::new(source).get_hash().to_owned();
            Script { source, hash }
        });)+
    };
}

scripts! {
    BEGIN = "begin.lua";
    FILL = "fill.lua";
    RENEW = "renew.lua";
    ABANDON = "abandon.lua";
    EPOCH = "epoch.lua";
}

/// How many keys one command of `clear` looks at, so that others get their turn.
const SCAN: u32 = 512;

/// A cache's connection to its server.
#[derive(Debug)]
pub(crate) struct RedisBackend {
    link: Link,
    /// The bound on each operation.
    timeout: Duration,
    cluster: bool,
    /// On a cluster, what is waited for is read over these.
    #[cfg(feature = "cluster")]
    masters: Option<Masters>,
    ear: Arc<Ear>,
    terms: Terms,
}

/// Hears the pushes for keys that somebody waits for.
#[derive(Debug, Default)]
struct Ear {
    wakes: Wakes,
    pushes: AtomicBool,
}

impl Listener for Ear {
    fn connected(&self, resp3: bool, replies: &[Value]) {
        let tracking = matches!(replies.first(), Some(Value::Okay));
        self.pushes.store(resp3 && tracking, Ordering::Release);
        self.wakes.wake_all();
    }

    fn pushed(&self, push: PushInfo) {
        for_each_invalidated(&push, |key| match key {
            Some(key) => self.wakes.wake(key),
            None => self.wakes.wake_all(),
        });
    }

    fn disconnected(&self) {
        self.pushes.store(false, Ordering::Release);
        self.wakes.wake_all();
    }
}

/// Names each key that a push says has changed; `None`: all of them may have.
pub(crate) fn for_each_invalidated(push: &PushInfo, mut each: impl FnMut(Option<&str>)) {
    if push.kind != PushKind::Invalidate {
        return;
    }
    match push.data.first() {
        Some(Value::Array(keys)) => {
            for key in keys {
                // Keys of this library are text; others are nobody's concern here.
                if let Value::BulkString(key) = key
                    && let Ok(key) = std::str::from_utf8(key)
                {
                    each(Some(key));
                }
            }
        }
        _ => each(None),
    }
}

impl RedisBackend {
    pub(crate) async fn open(
        endpoint: &Endpoint,
        options: LinkOptions,
        timeout: Duration,
    ) -> Result<Self, Error> {
        let cluster = matches!(endpoint.kind, Kind::Cluster(_));
        let ear = Arc::new(Ear::default());
        let options = LinkOptions {
            deadline: timeout,
            ..options
        };
        // Only what is asked to be tracked is: a cache reads far more than it waits for.
        let mut tracking = Cmd::new();
        tracking.arg(&["CLIENT", "TRACKING", "ON", "OPTIN", "NOLOOP"]);
        let tracked = LinkOptions {
            set_up: vec![tracking],
            ..options.clone()
        };
        let alone = LinkOptions {
            listener: Some(ear.clone()),
            ..tracked.clone()
        };
        let link = Link::open(endpoint, if cluster { options } else { alone }).await?;
        #[cfg(feature = "cluster")]
        let masters = if cluster {
            let tracked = LinkOptions {
                // The other connection says what is to be said about that.
                require_connection: false,
                ..tracked
            };
            Some(Masters::open(endpoint, tracked, ear.clone()).await?)
        } else {
            None
        };
        Ok(Self {
            link,
            timeout,
            cluster,
            #[cfg(feature = "cluster")]
            masters,
            ear,
            terms: Terms::default(),
        })
    }

    pub(super) fn pushes(&self) -> bool {
        self.ear.pushes.load(Ordering::Acquire)
    }

    pub(super) fn wakes(&self) -> &Wakes {
        &self.ear.wakes
    }

    pub(super) fn server(&self) -> &str {
        self.link.server()
    }

    pub(super) async fn close(&self) {
        #[cfg(feature = "cluster")]
        if let Some(masters) = &self.masters {
            masters.close().await;
        }
        self.link.close().await;
    }

    pub(super) async fn read(&self, key: &str, tags: &[Box<str>]) -> Result<Sighting, NodeError> {
        let asked = Instant::now();
        if let Some(term) = self.terms.get(key, asked)
            && let Some(sighting) = self.glance(key, tags, term).await?
        {
            return Ok(sighting);
        }
        // Seldom gone through where it matters: not worth a place in every caller's future.
        let sighting = Box::pin(self.look(key, tags)).await?;
        let bytes = sighting.bytes.as_ref();
        self.terms.learn(key, asked, sighting.pttl, bytes);
        Ok(sighting)
    }

    /// Reads a value whose end is known; `None`: something else is there by now.
    async fn glance(
        &self,
        key: &str,
        tags: &[Box<str>],
        term: Term,
    ) -> Result<Option<Sighting>, NodeError> {
        let get = redis::cmd("GET").arg(key).take();
        let (value, epochs) = if tags.is_empty() {
            match self.link.query_within(&get, self.timeout).await {
                Ok(value) => (value, Vec::new()),
                Err(error) if refusal_code(&error) == Some("WRONGTYPE") => return Ok(None),
                Err(error) => return Err(error),
            }
        } else if self.cluster {
            return Ok(None);
        } else {
            let mut pipeline = Pipeline::with_capacity(1 + tags.len());
            pipeline.add_command(get);
            for tag in tags {
                pipeline.cmd("GET").arg(&**tag);
            }
            let mut values = self.pipe(&pipeline).await?.into_iter();
            let value = values.next().unwrap_or(Value::Nil);
            (value, values.map(epoch).collect())
        };
        let bytes = match value {
            Value::BulkString(bytes) => Bytes::from(bytes),
            // Gone, for certain.
            Value::Nil => return Ok(Some(Sighting::default())),
            other => return Err(unexpected(&other)),
        };
        let pttl = term.pttl(&bytes, Instant::now());
        Ok(pttl.map(|pttl| Sighting {
            pttl,
            bytes: Some(bytes),
            epochs,
        }))
    }

    /// Reads a value, and how long it lasts.
    async fn look(&self, key: &str, tags: &[Box<str>]) -> Result<Sighting, NodeError> {
        let mut pipeline = Pipeline::with_capacity(2 + tags.len());
        both(&mut pipeline, key);
        if self.cluster && !tags.is_empty() {
            let (values, epochs) = tokio::join!(self.pipe(&pipeline), self.epochs(tags));
            let mut sighting = sighting(&mut values?.into_iter())?;
            sighting.epochs = epochs?;
            return Ok(sighting);
        }
        for tag in tags {
            pipeline.cmd("GET").arg(&**tag);
        }
        let mut values = self.pipe(&pipeline).await?.into_iter();
        let mut sighting = sighting(&mut values)?;
        sighting.epochs = values.map(epoch).collect();
        Ok(sighting)
    }

    pub(super) async fn watch(&self, key: &str) -> Result<Sighting, NodeError> {
        #[cfg(feature = "cluster")]
        if let Some(masters) = &self.masters {
            if let Some(master) = masters.of(key) {
                match self.tracked(&master, key).await {
                    // The slot is elsewhere, or on its way there.
                    Err(error) if refusal_code(&error).is_some() => masters.doubt(),
                    result => return result,
                }
            }
            return self.read(key, &[]).await;
        }
        if self.pushes() {
            self.tracked(&self.link, key).await
        } else {
            self.read(key, &[]).await
        }
    }

    /// Reads a key so that the next change to it is pushed over the same link.
    async fn tracked(&self, link: &Link, key: &str) -> Result<Sighting, NodeError> {
        let mut pipeline = Pipeline::with_capacity(4);
        pipeline.cmd("CLIENT").arg(&["CACHING", "YES"]);
        // The permission is for the next command, and the bytes are what is waited for.
        pipeline.cmd("GET").arg(key);
        both(&mut pipeline, key);
        let mut values = self.pipe_over(link, &pipeline).await?.into_iter().skip(2);
        sighting(&mut values)
    }

    pub(super) async fn epochs(&self, tags: &[Box<str>]) -> Result<Vec<Option<Nonce>>, NodeError> {
        if tags.is_empty() {
            return Ok(Vec::new());
        }
        let mut get = redis::cmd("MGET");
        for tag in tags {
            get.arg(&**tag);
        }
        match self.link.query_within(&get, self.timeout).await? {
            Value::Array(values) if values.len() == tags.len() => {
                Ok(values.into_iter().map(epoch).collect())
            }
            other => Err(unexpected(&other)),
        }
    }

    pub(super) async fn enter(
        &self,
        tags: &Arc<[Box<str>]>,
        lifetime: Duration,
    ) -> Result<Vec<Nonce>, NodeError> {
        let calls: Vec<_> = tags.iter().map(|tag| enter(tag, lifetime)).collect();
        let values = self.scripts(&calls).await?;
        values.into_iter().map(entered).collect()
    }

    pub(super) async fn begin(&self, begin: Begin) -> Result<Begun, NodeError> {
        let mut calls: Vec<_> = begin
            .tags
            .iter()
            .map(|tag| enter(tag, begin.lifetime))
            .collect();
        let mut call = Call::new(&BEGIN, &begin.key);
        call.arg(begin.token.0)
            .number(millis(begin.lease))
            .arg(begin.seen.map_or(Vec::new(), |seen| seen.0.to_vec()))
            .arg(if begin.beside { "beside" } else { "cold" })
            .arg(placeholder(begin.token));
        calls.push(call);
        let mut values = self.scripts(&calls).await?;
        match values.pop() {
            Some(Value::Int(granted @ (1 | 2))) => Ok(Begun::Granted {
                beside: granted == 1,
                epochs: values.into_iter().map(entered).collect::<Result<_, _>>()?,
            }),
            Some(Value::Array(seen)) => {
                let mut sighting = sighting(&mut seen.into_iter())?;
                let epochs = values.into_iter().map(entered);
                sighting.epochs = epochs.map(Result::ok).collect();
                Ok(Begun::Other(sighting))
            }
            other => Err(unexpected(&other.unwrap_or(Value::Nil))),
        }
    }

    pub(super) async fn renew(
        &self,
        key: &str,
        token: Nonce,
        lease: Duration,
    ) -> Result<bool, NodeError> {
        let mut call = Call::new(&RENEW, key);
        call.arg(token.0).number(millis(lease));
        self.one(call).await
    }

    pub(super) async fn fill(
        &self,
        key: &str,
        token: Nonce,
        entry: Bytes,
        ttl: Duration,
    ) -> Result<bool, NodeError> {
        let mut call = Call::new(&FILL, key);
        call.arg(token.0).arg(entry).number(millis(ttl).max(1));
        self.one(call).await
    }

    pub(super) async fn abandon(&self, key: &str, token: Nonce) -> Result<bool, NodeError> {
        let mut call = Call::new(&ABANDON, key);
        call.arg(token.0);
        self.one(call).await
    }

    pub(super) async fn put(
        &self,
        entries: &[(Box<str>, Bytes, Duration)],
    ) -> Result<(), NodeError> {
        let sets = entries.iter().map(|(key, entry, ttl)| {
            let mut set = redis::cmd("SET");
            set.arg(&**key).arg(&entry[..]);
            set.arg("PX").arg(millis(*ttl).max(1));
            set
        });
        self.all(sets.collect()).await.map(drop)
    }

    pub(super) async fn delete(&self, keys: &[Box<str>]) -> Result<(), NodeError> {
        // Each for itself: on a cluster they are in different places.
        let deletes = keys.iter().map(|key| {
            let mut delete = redis::cmd("DEL");
            delete.arg(&**key);
            delete
        });
        self.all(deletes.collect()).await.map(drop)
    }

    pub(super) async fn read_many(&self, keys: &[Box<str>]) -> Result<Vec<Sighting>, NodeError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        if self.cluster {
            let reads = keys.iter().map(|key| self.read(key, &[]));
            return futures_util::future::try_join_all(reads).await;
        }
        let mut pipeline = Pipeline::with_capacity(keys.len() + 1);
        let mut get = redis::cmd("MGET");
        for key in keys {
            pipeline.cmd("PTTL").arg(&**key);
            get.arg(&**key);
        }
        pipeline.add_command(get);
        let mut values = self.pipe(&pipeline).await?;
        let Some(Value::Array(bytes)) = values.pop() else {
            return Err(unexpected(&Value::Nil));
        };
        let sightings = values.into_iter().zip(bytes);
        sightings
            .map(|(pttl, bytes)| sighting(&mut [pttl, bytes].into_iter()))
            .collect()
    }

    pub(super) async fn clear(&self, prefix: &str) -> Result<u64, NodeError> {
        let pattern = format!("{}*", escape(prefix));
        let mut walk = Walk::new(client::Backend::Link(self.link.clone()), &pattern, SCAN);
        let mut removed = 0;
        while let Some(keys) = walk.page().await? {
            // On a cluster the keys of one page have slots of their own.
            let at_once = if self.cluster { 1 } else { keys.len().max(1) };
            let unlinks = keys.chunks(at_once).map(|keys| async move {
                let mut unlink = redis::cmd("UNLINK");
                unlink.arg(keys);
                match self.link.query_within(&unlink, self.timeout).await? {
                    Value::Int(count) => Ok(u64::try_from(count).unwrap_or(0)),
                    other => Err(unexpected(&other)),
                }
            });
            let counts = futures_util::future::try_join_all(unlinks).await?;
            removed += counts.into_iter().sum::<u64>();
        }
        Ok(removed)
    }

    /// A script whose answer is yes or no.
    async fn one(&self, call: Call) -> Result<bool, NodeError> {
        match self.scripts(&[call]).await?.pop() {
            Some(Value::Int(answer)) => Ok(answer == 1),
            other => Err(unexpected(&other.unwrap_or(Value::Nil))),
        }
    }

    /// Runs scripts in order; their sources are sent only where the server does not know them.
    async fn scripts(&self, calls: &[Call]) -> Result<Vec<Value>, NodeError> {
        let by_hash = calls.iter().map(|call| call.command(false)).collect();
        match self.all(by_hash).await {
            Err(error) if refusal_code(&error) == Some("NOSCRIPT") => {
                // Those that were known have run already; each of them may run twice.
                self.all(calls.iter().map(|call| call.command(true)).collect())
                    .await
            }
            result => result,
        }
    }

    /// Sends commands in order; the first error among the answers is the result.
    async fn all(&self, commands: Vec<Cmd>) -> Result<Vec<Value>, NodeError> {
        if let [only] = commands.as_slice() {
            let value = self.link.query_within(only, self.timeout).await?;
            return Ok(vec![value]);
        }
        if self.cluster {
            // In order, and each to its own place.
            let mut values = Vec::with_capacity(commands.len());
            for command in &commands {
                values.push(self.link.query_within(command, self.timeout).await?);
            }
            return Ok(values);
        }
        let mut pipeline = Pipeline::with_capacity(commands.len());
        for command in commands {
            pipeline.add_command(command);
        }
        self.pipe(&pipeline).await
    }

    async fn pipe(&self, pipeline: &Pipeline) -> Result<Vec<Value>, NodeError> {
        if pipeline.is_empty() {
            return Ok(Vec::new());
        }
        self.pipe_over(&self.link, pipeline).await
    }

    async fn pipe_over(&self, link: &Link, pipeline: &Pipeline) -> Result<Vec<Value>, NodeError> {
        let values = link.pipeline(pipeline, self.timeout).await?;
        values.into_iter().map(foreign).map(Link::checked).collect()
    }
}

/// One script with its key and arguments.
struct Call {
    script: &'static Script,
    key: Box<str>,
    args: Vec<Bytes>,
}

impl Call {
    fn new(script: &'static Lazy<Script>, key: &str) -> Self {
        Self {
            script,
            key: key.into(),
            args: Vec::new(),
        }
    }

    fn arg(&mut self, arg: impl IntoArg) -> &mut Self {
        self.args.push(arg.into_arg());
        self
    }

    fn number(&mut self, number: u64) -> &mut Self {
        self.arg(number.to_string().into_bytes())
    }

    fn command(&self, whole: bool) -> Cmd {
        let mut command = if whole {
            let mut command = redis::cmd("EVAL");
            command.arg(self.script.source);
            command
        } else {
            let mut command = redis::cmd("EVALSHA");
            command.arg(&self.script.hash);
            command
        };
        command.arg(1).arg(&*self.key);
        for arg in &self.args {
            command.arg(&arg[..]);
        }
        command
    }
}

/// What an argument may be.
trait IntoArg {
    fn into_arg(self) -> Bytes;
}

impl IntoArg for Bytes {
    fn into_arg(self) -> Bytes {
        self
    }
}

impl IntoArg for Vec<u8> {
    fn into_arg(self) -> Bytes {
        self.into()
    }
}

impl IntoArg for &'static str {
    fn into_arg(self) -> Bytes {
        Bytes::from_static(self.as_bytes())
    }
}

impl<const N: usize> IntoArg for [u8; N] {
    fn into_arg(self) -> Bytes {
        Bytes::copy_from_slice(&self)
    }
}

fn enter(tag: &str, lifetime: Duration) -> Call {
    let mut call = Call::new(&EPOCH, tag);
    call.arg(Nonce::fresh().0)
        .number(millis(lifetime))
        .number(millis(epoch_ttl(lifetime)));
    call
}

/// Reads the TTL first: if the entry changes between the two, what is known of its time is at worst
/// too short.
fn both(pipeline: &mut Pipeline, key: &str) {
    pipeline.cmd("PTTL").arg(key);
    pipeline.cmd("GET").arg(key);
}

/// A key of another type holds something that is no entry, which is no failure of the server.
fn foreign(value: Value) -> Value {
    match value {
        Value::ServerError(error) if error.code() == "WRONGTYPE" => Value::BulkString(Vec::new()),
        value => value,
    }
}

fn sighting(values: &mut impl Iterator<Item = Value>) -> Result<Sighting, NodeError> {
    let pttl = match values.next() {
        Some(Value::Int(pttl)) => Duration::from_millis(u64::try_from(pttl).unwrap_or(0)),
        other => return Err(unexpected(&other.unwrap_or(Value::Nil))),
    };
    let bytes = match values.next() {
        Some(Value::BulkString(bytes)) => Some(bytes.into()),
        Some(Value::Nil) => None,
        other => return Err(unexpected(&other.unwrap_or(Value::Nil))),
    };
    Ok(Sighting {
        pttl,
        bytes,
        epochs: Vec::new(),
    })
}

fn epoch(value: Value) -> Option<Nonce> {
    match value {
        Value::BulkString(bytes) => Nonce::parse(&bytes),
        _ => None,
    }
}

fn entered(value: Value) -> Result<Nonce, NodeError> {
    epoch(value).ok_or_else(|| unexpected(&Value::Nil))
}

fn unexpected(value: &Value) -> NodeError {
    let kind = match value {
        Value::Nil => "nothing",
        Value::Int(_) => "a number",
        Value::BulkString(_) | Value::SimpleString(_) => "text",
        Value::Array(_) => "a list",
        _ => "something",
    };
    NodeError::new(
        NodeErrorKind::Protocol,
        format!("the server answered {kind} where the cache expects something else"),
    )
}

/// A text that stands for itself in a pattern.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if matches!(letter, '*' | '?' | '[' | ']' | '\\' | '^' | '-') {
            out.push('\\');
        }
        out.push(letter);
    }
    out
}
