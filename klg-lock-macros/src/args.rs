//! What stands in an attribute's brackets: a key and options.

use proc_macro2::Ident;
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::{Expr, ExprArray, ExprLit, ExprPath, Lit, LitStr, Path};

use crate::attribute::{Kind, Written};
use crate::duration::{self, Length};
use crate::errors::{Errors, list, nearest};
use crate::key::Template;
use crate::raw::Raw;

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
        if let Some(literal) = text(value) {
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
        let option = word(value).and_then(|word| {
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
                shown(value, "..")
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
            "scope" => self.scope = scope(&value, errors),
            "ttl" => self.ttl = duration::parse("ttl", &value, errors),
            "wait" => self.wait = duration::parse("wait", &value, errors),
            "max_hold" => self.max_hold = duration::parse("max_hold", &value, errors),
            "auto_extend" => self.auto_extend = flag(value, errors),
            "on_lost" => self.on_lost = on_lost(&value, errors),
            "guard" => self.guard = guard(&value, errors),
            "client" => {
                if let Some(client) = client(value, errors) {
                    self.engine(name, Engine::Client(client), errors);
                }
            }
            "redlock" => self.engine(name, Engine::Own(value), errors),
            "on_locked" => self.on_locked = Some(value),
            "on_error" => self.on_error = Some(value),
            "crate" => self.krate = krate(&value, errors),
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
        match text(&value) {
            Some(literal) => Self::Text(Template::parse(literal, errors)),
            None => Self::Computed(value),
        }
    }
}

fn scope(value: &Expr, errors: &mut Errors) -> Option<Template> {
    match text(value) {
        Some(literal) if literal.value().is_empty() => {
            errors.at(literal, "an empty `scope` does nothing; leave it out");
            None
        }
        Some(literal) => Some(Template::parse(literal, errors)),
        None => {
            errors.at(
                value,
                "`scope` is a string literal, as in `scope = \"account\"`; it goes before the key \
                 with a colon between them",
            );
            None
        }
    }
}

fn client(value: Expr, errors: &mut Errors) -> Option<Expr> {
    match ungrouped(&value) {
        Expr::Lit(ExprLit { lit, .. }) if !matches!(lit, Lit::Str(_)) => {
            errors.at(
                value,
                "`client` is the name of a Redis client in the configuration, as in `client = \
                 \"session\"`",
            );
            None
        }
        _ => Some(value),
    }
}

fn flag(value: Expr, errors: &mut Errors) -> Option<Expr> {
    match ungrouped(&value) {
        Expr::Lit(ExprLit { lit, .. }) if !matches!(lit, Lit::Bool(_)) => {
            errors.at(
                value,
                "`auto_extend` is `true` or `false`, as in `auto_extend = false`",
            );
            None
        }
        _ => Some(value),
    }
}

fn on_lost(value: &Expr, errors: &mut Errors) -> Option<OnLost> {
    match word(value).map(ToString::to_string).as_deref() {
        Some("cancel") => Some(OnLost::Cancel),
        Some("signal") => Some(OnLost::Signal),
        _ => {
            errors.at(
                value,
                "`on_lost` is `cancel` (stop the body when the lock is lost) or `signal` (let it \
                 run; `lock.lost()` of `guard = lock` resolves)",
            );
            None
        }
    }
}

fn guard(value: &Expr, errors: &mut Errors) -> Option<Ident> {
    let name = word(value).filter(|word| *word != "self");
    if name.is_none() {
        errors.at(
            value,
            "`guard` is the name under which the body finds the lock's handle, as in `guard = lock`",
        );
    }
    name.cloned()
}

fn krate(value: &Expr, errors: &mut Errors) -> Option<Path> {
    if let Expr::Path(ExprPath {
        qself: None, path, ..
    }) = ungrouped(value)
        && (path.leading_colon.is_some() || path.segments[0].ident == "crate")
    {
        return Some(path.clone());
    }
    errors.at(
        value,
        format!(
            "`crate` is the absolute path of this library, as in `crate = ::{path}` or `crate = \
             crate::{path}`",
            path = shown(value, "klg_lock")
        ),
    );
    None
}

/// The string literal that an expression is.
fn text(value: &Expr) -> Option<&LitStr> {
    match ungrouped(value) {
        Expr::Lit(ExprLit {
            lit: Lit::Str(literal),
            ..
        }) => Some(literal),
        _ => None,
    }
}

/// The one identifier that an expression is.
fn word(value: &Expr) -> Option<&Ident> {
    match ungrouped(value) {
        Expr::Path(ExprPath {
            qself: None, path, ..
        }) => path.get_ident(),
        _ => None,
    }
}

/// The expression inside the invisible brackets that a `macro_rules` fragment comes in.
pub(crate) fn ungrouped(mut value: &Expr) -> &Expr {
    while let Expr::Group(group) = value {
        value = &group.expr;
    }
    value
}

/// The expression as text, where it is short enough for a sentence.
fn shown(value: &Expr, instead: &str) -> String {
    match word(value) {
        Some(word) => word.to_string(),
        None => match ungrouped(value) {
            Expr::Path(path) => path.to_token_stream().to_string().replace(' ', ""),
            _ => instead.to_owned(),
        },
    }
}
