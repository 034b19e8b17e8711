//! The scripts of a cache, and one call of one of them.

use bytes::Bytes;
use once_cell::sync::Lazy;
use redis::Cmd;

/// A script and the hash Redis knows it by.
pub(super) struct Script {
    source: &'static str,
    hash: String,
}

macro_rules! scripts {
    ($($name:ident = $file:literal;)+) => {
        $(pub(super) static $name: Lazy<Script> = Lazy::new(|| {
            let source = include_str!(concat!("../../scripts/", $file));
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

/// One script with its key and arguments.
pub(super) struct Call {
    script: &'static Script,
    key: Box<str>,
    args: Vec<Bytes>,
}

impl Call {
    pub(super) fn new(script: &'static Lazy<Script>, key: &str) -> Self {
        Self {
            script,
            key: key.into(),
            args: Vec::new(),
        }
    }

    pub(super) fn arg(&mut self, arg: impl IntoArg) -> &mut Self {
        self.args.push(arg.into_arg());
        self
    }

    pub(super) fn number(&mut self, number: u64) -> &mut Self {
        self.arg(number.to_string().into_bytes())
    }

    pub(super) fn command(&self, whole: bool) -> Cmd {
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
pub(super) trait IntoArg {
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
