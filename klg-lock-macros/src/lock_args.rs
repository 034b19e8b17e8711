//! What stands in the brackets of a lock attribute.

use proc_macro2::{Ident, Span};
use syn::Expr;

use crate::args::{Common, Options};
use crate::attribute::Written;
use crate::duration::{self, Length};
use crate::errors::Errors;
use crate::value;

const OPTIONS: &Options = &[
    ("key", "format!(\"user:{id}\")"),
    ("scope", "\"account\""),
    ("ttl", "\"30s\""),
    ("wait", "\"5s\""),
    ("max_hold", "\"10m\""),
    ("fair", ""),
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
    pub(crate) common: Common,
    pub(crate) ttl: Option<Length>,
    pub(crate) wait: Option<Length>,
    pub(crate) max_hold: Option<Length>,
    pub(crate) fair: Option<Fair>,
    pub(crate) auto_extend: Option<Expr>,
    pub(crate) on_lost: Option<OnLost>,
    pub(crate) guard: Option<Ident>,
    pub(crate) on_locked: Option<Expr>,
    pub(crate) on_error: Option<Expr>,
}

/// Whether requests are served in the order in which they came, and where that is said.
pub(crate) struct Fair {
    pub(crate) value: Expr,
    pub(crate) name: Ident,
}

#[derive(Clone, Copy)]
pub(crate) enum OnLost {
    Cancel,
    Signal,
}

impl LockArgs {
    /// Reads the brackets; whatever is wrong in them is reported, and left out.
    pub(crate) fn read(written: Written, errors: &mut Errors) -> Self {
        let (common, named) = Common::read(written, OPTIONS, errors);
        let mut args = Self {
            common,
            ttl: None,
            wait: None,
            max_hold: None,
            fair: None,
            auto_extend: None,
            on_lost: None,
            guard: None,
            on_locked: None,
            on_error: None,
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
            "wait" => self.wait = duration::parse("wait", &value, errors),
            "max_hold" => self.max_hold = duration::parse("max_hold", &value, errors),
            "fair" => {
                let value = value::flag("fair", "fair = true", value, errors);
                self.fair = value.map(|value| Fair { value, name });
            }
            "auto_extend" => {
                self.auto_extend = value::flag("auto_extend", "auto_extend = false", value, errors);
            }
            "on_lost" => self.on_lost = value::on_lost(&value, errors),
            "guard" => self.guard = value::guard(&value, errors),
            "on_locked" => self.on_locked = Some(value),
            "on_error" => self.on_error = Some(value),
            _ => {}
        }
    }
}

impl Fair {
    /// Whether it is asked for, or may be.
    pub(crate) fn is_wanted(&self) -> bool {
        value::literal_flag(&self.value) != Some(false)
    }

    pub(crate) fn span(&self) -> Span {
        self.name.span()
    }
}
