//! What stands in an attribute's brackets: a key, options, and flags. Here is what all attributes
//! share.

use proc_macro2::{Ident, Span};
use syn::ext::IdentExt;
use syn::{Expr, ExprArray, ExprLit, Lit, LitBool, Path};

use crate::attribute::{Family, Written};
use crate::cache_args::CacheArgs;
use crate::errors::{Errors, list, nearest};
use crate::key::Template;
use crate::lock_args::LockArgs;
use crate::raw::Raw;
use crate::value;

/// The options of an attribute, each with a value one may write; a flag has none.
pub(crate) type Options = [(&'static str, &'static str)];

/// An attribute, read.
pub(crate) enum Args {
    Lock(Box<LockArgs>),
    Cache(Box<CacheArgs>),
}

/// What every attribute has.
pub(crate) struct Common {
    pub(crate) written: Written,
    /// `None`: the marked parameters are the key.
    pub(crate) keys: Option<Vec<KeyArg>>,
    pub(crate) scope: Option<Template>,
    pub(crate) engine: Engine,
    pub(crate) krate: Option<Path>,
    options: &'static Options,
    /// The options read so far.
    seen: Vec<Ident>,
}

/// One key, as the attribute itself names it.
pub(crate) enum KeyArg {
    Text(Template),
    Computed(Expr),
}

/// Whose lock or cache it is.
pub(crate) enum Engine {
    /// The current registry's.
    Current,
    /// That of a named client of the current registry.
    Client(Expr),
    /// One of the user's own.
    Own(Expr),
}

impl Args {
    /// Reads the brackets; whatever is wrong in them is reported, and left out.
    pub(crate) fn read(written: Written, errors: &mut Errors) -> Self {
        match written.kind.family() {
            Family::Lock => Self::Lock(Box::new(LockArgs::read(written, errors))),
            Family::Cache => Self::Cache(Box::new(CacheArgs::read(written, errors))),
        }
    }

    pub(crate) fn common(&self) -> &Common {
        match self {
            Self::Lock(args) => &args.common,
            Self::Cache(args) => &args.common,
        }
    }

    pub(crate) fn common_mut(&mut self) -> &mut Common {
        match self {
            Self::Lock(args) => &mut args.common,
            Self::Cache(args) => &mut args.common,
        }
    }

    pub(crate) fn family(&self) -> Family {
        self.common().written.kind.family()
    }

    pub(crate) fn lock(&self) -> Option<&LockArgs> {
        match self {
            Self::Lock(args) => Some(args),
            Self::Cache(_) => None,
        }
    }

    pub(crate) fn cache(&self) -> Option<&CacheArgs> {
        match self {
            Self::Cache(args) => Some(args),
            Self::Lock(_) => None,
        }
    }
}

impl Common {
    /// Reads the brackets as far as all attributes have them, and yields the options.
    pub(crate) fn read(
        mut written: Written,
        options: &'static Options,
        errors: &mut Errors,
    ) -> (Self, Vec<(Ident, Expr)>) {
        let raw = Raw::read(std::mem::take(&mut written.args), errors);
        let mut common = Self {
            written,
            keys: None,
            scope: None,
            engine: Engine::Current,
            krate: None,
            options,
            seen: Vec::new(),
        };
        let mut named = Vec::new();
        for value in raw.positional {
            match flag(&value, options) {
                Some(flag) => named.push(flag),
                None => common.positional(&value, errors),
            }
        }
        named.extend(raw.named);
        (common, named)
    }

    /// Takes an option that all attributes have, or that is none, and gives back the others.
    pub(crate) fn take(
        &mut self,
        name: Ident,
        value: Expr,
        errors: &mut Errors,
    ) -> Option<(Ident, Expr)> {
        if self.seen.contains(&name) {
            errors.at(&name, format!("`{name}` is given twice; keep one of them"));
            return None;
        }
        self.seen.push(name.clone());
        if !self.options.iter().any(|(option, _)| name == option) {
            self.unknown(&name, errors);
            return None;
        }
        self.named(name, value, errors)
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
            self.options.iter().find(|(name, _)| *name == word)
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

    fn named(&mut self, name: Ident, value: Expr, errors: &mut Errors) -> Option<(Ident, Expr)> {
        match name.to_string().as_str() {
            "key" => {
                if self.keys.is_some() {
                    errors.at(name, "there is a key already; keep one of the two");
                } else {
                    self.keys = Some(KeyArg::read_all(&name, value, errors));
                }
            }
            "scope" => self.scope = value::scope(&value, errors),
            "client" => {
                if let Some(client) = value::client(value, errors) {
                    self.engine(&name, Engine::Client(client), errors);
                }
            }
            "redlock" | "cache" => self.engine(&name, Engine::Own(value), errors),
            "crate" => self.krate = value::krate(&value, errors),
            _ => return Some((name, value)),
        }
        None
    }

    fn unknown(&self, name: &Ident, errors: &mut Errors) {
        let unknown = name.to_string();
        let names = || self.options.iter().map(|(name, _)| *name);
        let meant = match nearest(&unknown, names()) {
            Some(name) => format!("; did you mean `{name}`? The options are"),
            None => "; the options are".to_owned(),
        };
        errors.at(
            name,
            format!(
                "`#[{}]` has no option `{unknown}`{meant} {}",
                self.written.kind.name(),
                list(names())
            ),
        );
    }

    fn engine(&mut self, name: &Ident, engine: Engine, errors: &mut Errors) {
        if !matches!(self.engine, Engine::Current) {
            let (what, own) = match self.written.kind.family() {
                Family::Lock => ("the engine", "redlock"),
                Family::Cache => ("the cache", "cache"),
            };
            errors.at(
                name,
                format!("`client` and `{own}` both choose {what}; keep one of them"),
            );
            return;
        }
        self.engine = engine;
    }
}

/// A flag that stands by itself, as the option it is short for.
fn flag(value: &Expr, options: &Options) -> Option<(Ident, Expr)> {
    let word = value::word(value)?;
    let name = word.to_string();
    let is_flag = options
        .iter()
        .any(|(option, example)| *option == name && example.is_empty());
    is_flag.then(|| (word.clone(), on(word.span())))
}

fn on(span: Span) -> Expr {
    Expr::Lit(ExprLit {
        attrs: Vec::new(),
        lit: Lit::Bool(LitBool::new(true, span)),
    })
}

impl KeyArg {
    pub(crate) fn read_all(name: &Ident, value: Expr, errors: &mut Errors) -> Vec<Self> {
        let Expr::Array(ExprArray { elems, .. }) = value else {
            return vec![Self::read(value, errors)];
        };
        if elems.is_empty() {
            let nothing = match name.to_string().as_str() {
                "key" => "`key = []` locks nothing; name at least one key".to_owned(),
                name => format!("`{name} = []` names nothing; leave it out"),
            };
            errors.at(name, nothing);
        }
        let keys = elems.into_iter();
        keys.map(|key| Self::read(key, errors)).collect()
    }

    /// A string literal means the same after `key =` as in front: its placeholders count.
    pub(crate) fn read(value: Expr, errors: &mut Errors) -> Self {
        match value::text(&value) {
            Some(literal) => Self::Text(Template::parse(literal, errors)),
            None => Self::Computed(value),
        }
    }

    pub(crate) fn template_mut(&mut self) -> Option<&mut Template> {
        match self {
            Self::Text(template) => Some(template),
            Self::Computed(_) => None,
        }
    }
}
