//! What stands in an attribute's brackets: a key and options.

use proc_macro2::Ident;
use syn::ext::IdentExt;
use syn::{Expr, ExprArray, Path};

use crate::attribute::{Kind, Written};
use crate::duration::{self, Length};
use crate::errors::{Errors, list, nearest};
use crate::key::Template;
use crate::raw::Raw;
use crate::value;

/// The options of a lock attribute, each with a value one may write.
const LOCK_OPTIONS: [(&str, &str); 13] = [
    ("key", "format!(\"user:{id}\")"),
    ("scope", "\"account\""),
    ("ttl", "\"30s\""),
    ("wait", "\"5s\""),
    ("max_hold", "\"10m\""),
    ("auto_extend", "false"),
    ("on_lost", "signal"),
    ("guard", "lock"),
    ("client", "\"session\""),
    ("redlock", "self.redlock"),
    ("on_locked", "Ok(Default::default())"),
    ("on_error", "|error| Err(error.into())"),
    ("crate", "::klg_lock"),
];

/// A lock attribute, read.
pub(crate) struct LockArgs {
    pub(crate) written: Written,
    /// `None`: the marked parameters are the key.
    pub(crate) keys: Option<Vec<KeyArg>>,
    pub(crate) scope: Option<Template>,
    pub(crate) ttl: Option<Length>,
    pub(crate) wait: Option<Length>,
    pub(crate) max_hold: Option<Length>,
    pub(crate) auto_extend: Option<Expr>,
    pub(crate) on_lost: Option<OnLost>,
    pub(crate) guard: Option<Ident>,
    pub(crate) engine: Engine,
    pub(crate) on_locked: Option<Expr>,
    pub(crate) on_error: Option<Expr>,
    pub(crate) krate: Option<Path>,
}

/// One resource, as the attribute itself names it.
pub(crate) enum KeyArg {
    Text(Template),
    Computed(Expr),
}

/// Whose lock it is.
pub(crate) enum Engine {
    /// The current registry's.
    Current,
    /// That of a named client of the current registry.
    Client(Expr),
    /// One of the user's own.
    Own(Expr),
}

#[derive(Clone, Copy)]
pub(crate) enum OnLost {
    Cancel,
    Signal,
}

impl LockArgs {
    /// Reads the brackets; whatever is wrong in them is reported, and left out.
    pub(crate) fn read(mut written: Written, errors: &mut Errors) -> Self {
        let raw = Raw::read(std::mem::take(&mut written.args), errors);
        let kind = written.kind;
        let mut args = Self {
            written,
            keys: None,
            scope: None,
            ttl: None,
            wait: None,
            max_hold: None,
            auto_extend: None,
            on_lost: None,
            guard: None,
            engine: Engine::Current,
            on_locked: None,
            on_error: None,
            krate: None,
        };
        for value in raw.positional {
            args.positional(&value, errors);
        }
        let mut seen: Vec<Ident> = Vec::new();
        for (name, value) in raw.named {
            if seen.contains(&name) {
                errors.at(&name, format!("`{name}` is given twice; keep one of them"));
                continue;
            }
            args.named(kind, &name, value, errors);
            seen.push(name);
        }
        args
    }

    fn positional(&mut self, value: &Expr, errors: &mut Errors) {
        if let Some(literal) = value::text(value) {
            if let Some(keys) = &self.keys {
                let several = match keys.as_slice() {
                    [KeyArg::Text(first)] => format!(
                        "; to lock both, write `key = [{}, {}]`",
                        first.literal.token(),
                        literal.token()
                    ),
                    _ => String::new(),
                };
                errors.at(literal, format!("there is a key already{several}"));
                return;
            }
            self.keys = Some(vec![KeyArg::Text(Template::parse(literal, errors))]);
            return;
        }
        let option = value::word(value).and_then(|word| {
            let word = word.unraw().to_string();
            LOCK_OPTIONS.iter().find(|(name, _)| *name == word)
        });
        if let Some((name, example)) = option {
            errors.at(
                value,
                format!("`{name}` needs a value, as in `{name} = {example}`"),
            );
            return;
        }
        errors.at(
            value,
            format!(
                "expected the key as a string literal, or an option `name = value`; a key that is \
                 an expression is written `key = {}`",
                value::shown(value, "..")
            ),
        );
        // What was meant as the key is not missing on top of being misspelt.
        self.keys
            .get_or_insert_with(|| vec![KeyArg::Computed(value.clone())]);
    }

    fn named(&mut self, kind: Kind, name: &Ident, value: Expr, errors: &mut Errors) {
        match name.to_string().as_str() {
            "key" => {
                if self.keys.is_some() {
                    errors.at(name, "there is a key already; keep one of the two");
                } else {
                    self.keys = Some(KeyArg::read_all(name, value, errors));
                }
            }
            "scope" => self.scope = value::scope(&value, errors),
            "ttl" => self.ttl = duration::parse("ttl", &value, errors),
            "wait" => self.wait = duration::parse("wait", &value, errors),
            "max_hold" => self.max_hold = duration::parse("max_hold", &value, errors),
            "auto_extend" => self.auto_extend = value::flag(value, errors),
            "on_lost" => self.on_lost = value::on_lost(&value, errors),
            "guard" => self.guard = value::guard(&value, errors),
            "client" => {
                if let Some(client) = value::client(value, errors) {
                    self.engine(name, Engine::Client(client), errors);
                }
            }
            "redlock" => self.engine(name, Engine::Own(value), errors),
            "on_locked" => self.on_locked = Some(value),
            "on_error" => self.on_error = Some(value),
            "crate" => self.krate = value::krate(&value, errors),
            unknown => {
                let names = || LOCK_OPTIONS.iter().map(|(name, _)| *name);
                let meant = match nearest(unknown, names()) {
                    Some(name) => format!("; did you mean `{name}`? The options are"),
                    None => "; the options are".to_owned(),
                };
                errors.at(
                    name,
                    format!(
                        "`#[{}]` has no option `{unknown}`{meant} {}",
                        kind.name(),
                        list(names())
                    ),
                );
            }
        }
    }

    fn engine(&mut self, name: &Ident, engine: Engine, errors: &mut Errors) {
        if !matches!(self.engine, Engine::Current) {
            errors.at(
                name,
                "`client` and `redlock` both choose the engine; keep one of them",
            );
            return;
        }
        self.engine = engine;
    }
}

impl KeyArg {
    fn read_all(name: &Ident, value: Expr, errors: &mut Errors) -> Vec<Self> {
        let Expr::Array(ExprArray { elems, .. }) = value else {
            return vec![Self::read(value, errors)];
        };
        if elems.is_empty() {
            errors.at(name, "`key = []` locks nothing; name at least one key");
        }
        let keys = elems.into_iter();
        keys.map(|key| Self::read(key, errors)).collect()
    }

    /// A string literal means the same after `key =` as in front: its placeholders count.
    fn read(value: Expr, errors: &mut Errors) -> Self {
        match value::text(&value) {
            Some(literal) => Self::Text(Template::parse(literal, errors)),
            None => Self::Computed(value),
        }
    }
}
