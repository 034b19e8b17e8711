//! What stands in the brackets of a cache attribute.

use proc_macro2::Ident;
use syn::{Expr, ExprArray};

use crate::args::{Common, KeyArg, Options};
use crate::attribute::{Kind, Written};
use crate::duration::{self, Length};
use crate::errors::Errors;
use crate::value;

const CACHED: &Options = &[
    ("key", "format!(\"user:{id}\")"),
    ("scope", "\"user\""),
    ("ttl", "\"5m\""),
    ("stale", "\"1h\""),
    ("none_ttl", "\"10s\""),
    ("beta", "1.0"),
    ("tags", "[\"users\"]"),
    ("l1", "false"),
    ("l1_ttl", "\"5s\""),
    ("load_timeout", "\"2s\""),
    ("codec", "json"),
    ("condition", "id > 0"),
    ("unless", "|value| value.is_empty()"),
    ("refresh", "background"),
    ("client", "\"session\""),
    ("cache", "self.cache"),
    ("name", "\"users\""),
    ("entry", "user_entry"),
    ("crate", "::klg_lock"),
];

const CACHED_MANY: &Options = &[
    ("key", "\"user:{id}\""),
    ("keys", "ids"),
    ("scope", "\"user\""),
    ("ttl", "\"5m\""),
    ("stale", "\"1h\""),
    ("none_ttl", "\"10s\""),
    ("tags", "[\"users\"]"),
    ("codec", "json"),
    ("condition", "ids.len() > 1"),
    ("client", "\"session\""),
    ("cache", "self.cache"),
    ("name", "\"users\""),
    ("crate", "::klg_lock"),
];

const CACHE_PUT: &Options = &[
    ("key", "format!(\"user:{id}\")"),
    ("scope", "\"user\""),
    ("ttl", "\"5m\""),
    ("stale", "\"1h\""),
    ("none_ttl", "\"10s\""),
    ("tags", "[\"users\"]"),
    ("codec", "json"),
    ("condition", "id > 0"),
    ("unless", "|value| value.is_empty()"),
    ("client", "\"session\""),
    ("cache", "self.cache"),
    ("name", "\"users\""),
    ("crate", "::klg_lock"),
];

const CACHE_EVICT: &Options = &[
    ("key", "format!(\"user:{id}\")"),
    ("scope", "\"user\""),
    ("tag", "\"users\""),
    ("tags", "[\"users\", \"lists\"]"),
    ("all", ""),
    ("before", ""),
    ("strict", ""),
    ("condition", "id > 0"),
    ("unless", "|value| value.is_empty()"),
    ("client", "\"session\""),
    ("cache", "self.cache"),
    ("name", "\"users\""),
    ("crate", "::klg_lock"),
];

/// A cache attribute, read.
pub(crate) struct CacheArgs {
    pub(crate) common: Common,
    pub(crate) ttl: Option<Length>,
    pub(crate) stale: Option<Length>,
    pub(crate) none_ttl: Option<Length>,
    pub(crate) l1_ttl: Option<Length>,
    pub(crate) load_timeout: Option<Length>,
    pub(crate) beta: Option<Expr>,
    pub(crate) l1: Option<Expr>,
    pub(crate) tags: Option<Tags>,
    pub(crate) codec: Option<Codec>,
    pub(crate) condition: Option<Expr>,
    pub(crate) unless: Option<Expr>,
    pub(crate) refresh: Refresh,
    /// Under what name it is counted; else that of the function.
    pub(crate) name: Option<Expr>,
    /// What the generated function is called.
    pub(crate) entry: Option<Ident>,
    /// The parameter with the ids.
    pub(crate) ids: Option<Ident>,
    pub(crate) all: bool,
    pub(crate) before: Option<Ident>,
    pub(crate) strict: bool,
}

pub(crate) enum Tags {
    List(Vec<KeyArg>),
    Computed(Expr),
}

pub(crate) enum Codec {
    MessagePack,
    Json,
    Own(Expr),
}

/// Who loads a stale value anew.
pub(crate) enum Refresh {
    /// A caller, who waits for it.
    Foreground,
    /// A task of its own, which runs the body.
    Background(Ident),
    /// A task of its own, which runs this future.
    Own(Expr),
}

impl CacheArgs {
    /// Reads the brackets; whatever is wrong in them is reported, and left out.
    pub(crate) fn read(written: Written, errors: &mut Errors) -> Self {
        let options = match written.kind {
            Kind::CachedMany => CACHED_MANY,
            Kind::CachePut => CACHE_PUT,
            Kind::CacheEvict => CACHE_EVICT,
            _ => CACHED,
        };
        let (common, named) = Common::read(written, options, errors);
        let mut args = Self {
            common,
            ttl: None,
            stale: None,
            none_ttl: None,
            l1_ttl: None,
            load_timeout: None,
            beta: None,
            l1: None,
            tags: None,
            codec: None,
            condition: None,
            unless: None,
            refresh: Refresh::Foreground,
            name: None,
            entry: None,
            ids: None,
            all: false,
            before: None,
            strict: false,
        };
        for (name, value) in named {
            if let Some((name, value)) = args.common.take(name, value, errors) {
                args.named(name, value, errors);
            }
        }
        args
    }

    fn named(&mut self, name: Ident, value: Expr, errors: &mut Errors) {
        match name.to_string().as_str() {
            "ttl" => self.ttl = duration::parse("ttl", &value, errors),
            "stale" => self.stale = duration::parse("stale", &value, errors),
            "none_ttl" => self.none_ttl = duration::parse("none_ttl", &value, errors),
            "l1_ttl" => self.l1_ttl = duration::parse("l1_ttl", &value, errors),
            "load_timeout" => self.load_timeout = duration::parse("load_timeout", &value, errors),
            "beta" => self.beta = value::factor(value, errors),
            "l1" => self.l1 = value::flag("l1", "l1 = false", value, errors),
            "tag" | "tags" => self.tags(&name, value, errors),
            "codec" => self.codec = value::codec(value, errors),
            "condition" => self.condition = Some(value),
            "unless" => self.unless = Some(value),
            "refresh" => self.refresh = value::refresh(value, errors),
            "name" => self.name = value::name(value, errors),
            "entry" => self.entry = value::entry(&value, errors),
            "keys" => self.ids = value::ids(&value, errors),
            "all" => self.all = value::switch("all", &value, errors),
            "before" => self.before = value::switch("before", &value, errors).then_some(name),
            "strict" => self.strict = value::switch("strict", &value, errors),
            _ => {}
        }
    }

    fn tags(&mut self, name: &Ident, value: Expr, errors: &mut Errors) {
        if self.tags.is_some() {
            errors.at(
                name,
                "`tag` and `tags` are the same option; keep one, as in `tags = [\"users\", \"lists\"]`",
            );
            return;
        }
        let one = *name == "tag" || value::text(&value).is_some();
        self.tags = Some(match value {
            array @ Expr::Array(ExprArray { .. }) => {
                Tags::List(KeyArg::read_all(name, array, errors))
            }
            one_tag if one => Tags::List(vec![KeyArg::read(one_tag, errors)]),
            computed => Tags::Computed(computed),
        });
    }

    /// Whether the attribute has to do with a key, or with tags alone.
    pub(crate) fn has_key(&self) -> bool {
        let beside = self.common.written.kind == Kind::CacheEvict
            && (self.all || self.tags.is_some())
            && self.common.scope.is_none();
        self.common.keys.is_some() || !beside
    }

    /// Whether the key and the tags may name the result.
    pub(crate) fn sees_result(&self) -> bool {
        match self.common.written.kind {
            Kind::CachePut => true,
            Kind::CacheEvict => self.before.is_none(),
            _ => false,
        }
    }
}
