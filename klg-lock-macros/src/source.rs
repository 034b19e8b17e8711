//! Where the keys come from: the attribute itself, or the marked parameters.

use proc_macro2::Ident;

use crate::args::{Args, KeyArg};
use crate::attribute::{Family, Kind};
use crate::cache_args::Tags;
use crate::errors::{Errors, list, nearest};
use crate::expand::ours;
use crate::function::Function;
use crate::key::{Origin, Piece, Placeholder, Template};
use crate::plan::Marked;

/// The key comes from one place: the attribute, or the marked parameters.
pub(crate) fn check(attributes: &[Args], function: &Function, errors: &mut Errors) {
    for family in Family::ALL {
        let of_family: Vec<&Args> = attributes
            .iter()
            .filter(|args| args.family() == family)
            .collect();
        if is_marked(function, family) {
            twice(family, &of_family, function, errors);
        } else {
            missing(family, &of_family, function, errors);
        }
        of_family
            .iter()
            .for_each(|args| unscoped(args, function, errors));
    }
}

fn is_marked(function: &Function, family: Family) -> bool {
    let mut keys = function.params.iter().flat_map(|param| &param.keys);
    keys.any(|key| key.family == family)
}

/// Whether the marked parameters are to be its key.
fn wants_marked(args: &Args) -> bool {
    let wants = args.cache().is_none_or(|args| args.has_key());
    args.common().keys.is_none() && wants
}

fn missing(family: Family, attributes: &[&Args], function: &Function, errors: &mut Errors) {
    let helper = family.helper();
    for args in attributes.iter().filter(|args| wants_marked(args)) {
        let kind = args.common().written.kind;
        let name = kind.name();
        // Without arguments the function has one result, which its name can name.
        if kind == Kind::CachedMany || kind == Kind::Cached && function.params.is_empty() {
            continue;
        }
        let what = match family {
            Family::Lock => "lock",
            Family::Cache if kind == Kind::CacheEvict => "evict",
            Family::Cache => "cache it under",
        };
        let example = function
            .names()
            .find(|name| *name != "self")
            .map_or_else(String::new, |arg| {
                format!(" or `#[{name}(\"name:{{{arg}}}\")]`")
            });
        errors.push(syn::Error::new(
            args.common().written.span,
            format!(
                "nothing says what to {what}: write `#[{name}(\"name\")]`{example}, or put \
                 `#[{helper}]` before a parameter"
            ),
        ));
    }
}

fn twice(family: Family, attributes: &[&Args], function: &Function, errors: &mut Errors) {
    let helper = family.helper();
    // Every attribute has a key of its own, so that nobody needs the marked parameters.
    let Some(args) = attributes.first() else {
        return;
    };
    if attributes.iter().any(|args| wants_marked(args)) {
        return;
    }
    let text = match args.common().keys.as_deref() {
        Some([KeyArg::Text(template)]) => Some(template.literal.value()),
        _ => None,
    };
    let marked = function
        .params
        .iter()
        .flat_map(|param| param.keys.iter().map(move |key| (param, key)))
        .filter(|(_, key)| key.family == family);
    for (param, key) in marked {
        let fields = &key.fields;
        let fix = match (&text, param.names.as_slice()) {
            (Some(text), [name]) => {
                let path = quote::quote!(#name #fields).to_string().replace(' ', "");
                format!(
                    "; keep one: `\"{text}:{{{path}}}\"` as the key, or `scope = \"{text}\"` beside \
                     `#[{helper}]`"
                )
            }
            _ => "; keep one of the two".to_owned(),
        };
        let name = args.common().written.kind.name();
        let complaint = if args.common().keys.is_some() {
            format!("the key is given twice, by `#[{name}(..)]` and here{fix}")
        } else {
            format!(
                "`#[{name}(..)]` has to do with tags alone, or with everything, and a key is given \
                 here; remove `#[{helper}]`, or add `scope = \"..\"` to evict that key as well"
            )
        };
        errors.at(&key.attr, complaint);
    }
}

/// A value is put and evicted under the key that another function caches it under.
fn unscoped(args: &Args, function: &Function, errors: &mut Errors) {
    let common = args.common();
    let kind = common.written.kind;
    let other = matches!(kind, Kind::CachePut | Kind::CacheEvict);
    if other && wants_marked(args) && common.scope.is_none() && is_marked(function, Family::Cache) {
        let name = kind.name();
        errors.push(syn::Error::new(
            common.written.span,
            format!(
                "nothing says whose value it is: `#[cached]` puts the name of its function before \
                 marked parameters, so name that function here, as in \
                 `#[{name}(scope = \"find_user\")]`"
            ),
        ));
    }
}

/// Placeholders name parameters; each gets the parameter's own identifier, shown at the literal.
pub(crate) fn resolve(args: &mut Args, function: &Function, errors: &mut Errors) {
    let kind = args.common().written.kind;
    let sees_result = args.cache().is_some_and(|args| args.sees_result());
    let context = Context {
        kind,
        function,
        sees_result,
    };
    let keys = args.common_mut().keys.iter_mut().flatten();
    for template in keys.filter_map(KeyArg::template_mut) {
        if kind == Kind::CachedMany {
            context.id(template, errors);
        }
        context.resolve(template, sees_result, errors);
    }
    if let Some(template) = &mut args.common_mut().scope {
        context.resolve(template, false, errors);
    }
    if let Args::Cache(args) = args
        && let Some(Tags::List(tags)) = &mut args.tags
    {
        for template in tags.iter_mut().filter_map(KeyArg::template_mut) {
            context.resolve(template, sees_result, errors);
        }
    }
}

struct Context<'a> {
    kind: Kind,
    function: &'a Function,
    /// Whether the attribute knows a result at all.
    sees_result: bool,
}

impl Context<'_> {
    fn resolve(&self, template: &mut Template, results: bool, errors: &mut Errors) {
        for piece in &mut template.pieces {
            let Piece::Value(value) = piece else { continue };
            if value.origin == Origin::Later {
                continue;
            }
            if value.is_result() {
                if results {
                    later(value);
                } else {
                    errors.at(&template.literal, self.no_result());
                }
                continue;
            }
            match self.function.names().find(|name| **name == value.root) {
                Some(name) => {
                    let mut root = name.clone();
                    root.set_span(value.root.span().resolved_at(name.span()));
                    value.root = root;
                }
                None => errors.at(&template.literal, unknown(&value.root, self.function)),
            }
        }
    }

    fn no_result(&self) -> String {
        let instead = if self.sees_result {
            "a `scope` is made of arguments; write `{return}` into the key"
        } else {
            match self.kind {
                Kind::CacheEvict => {
                    "with `before` there is none yet; leave `before` out, or name an argument"
                }
                _ => {
                    "only the keys and tags of `#[cache_put]` and `#[cache_evict]` can name it, \
                     which look at it when it is there"
                }
            }
        };
        format!("`{{return}}` is what the function returns: {instead}")
    }

    /// What is no parameter in the key of several is the id.
    fn id(&self, template: &mut Template, errors: &mut Errors) {
        let literal = template.literal.clone();
        let mut name: Option<Ident> = None;
        for piece in &mut template.pieces {
            let Piece::Value(value) = piece else { continue };
            if value.is_result() || self.function.names().any(|name| *name == value.root) {
                continue;
            }
            match &name {
                Some(name) if *name != value.root => errors.at(
                    &literal,
                    format!(
                        "`{{{name}}}` and `{{{}}}` are both no parameter of `{}`; one of them is the \
                         id, and the other cannot be told",
                        value.root, self.function.sig.ident
                    ),
                ),
                _ => name = Some(value.root.clone()),
            }
            later(value);
        }
        if name.is_none() {
            errors.at(
                &literal,
                "every id needs a key of its own: name it in the key, as in `\"user:{id}\"`, by any \
                 name that no parameter has",
            );
        }
    }
}

/// The value that is there later, under a name of ours, shown where it is written.
fn later(value: &mut Placeholder) {
    value.origin = Origin::Later;
    let span = value.root.span();
    value.root = ours("value");
    value
        .root
        .set_span(span.resolved_at(proc_macro2::Span::mixed_site()));
}

fn unknown(root: &Ident, function: &Function) -> String {
    let names: Vec<String> = function.names().map(ToString::to_string).collect();
    let names = || names.iter().map(String::as_str);
    let written = root.to_string();
    let name = &function.sig.ident;
    let there_are = match names().count() {
        0 => format!("`{name}` has none"),
        1 => format!("its only one is {}", list(names())),
        _ => format!("they are {}", list(names())),
    };
    let help = if written == "self" {
        "this function has no `self`".to_owned()
    } else if let Some(meant) = nearest(&written, names()) {
        format!("did you mean `{{{meant}}}`?")
    } else if function
        .params
        .iter()
        .any(|p| p.ident.to_string().starts_with("__arg"))
    {
        let helper = Family::Lock.helper();
        format!("a parameter that is a pattern is marked instead, `#[{helper}(\"{written}\")]`")
    } else {
        format!("for a constant or any other expression write `key = format!(\"..{{{written}}}\")`")
    };
    format!("`{{{written}}}` is no parameter of `{name}` ({there_are}); {help}")
}

/// The keys that the marked parameters give.
pub(crate) fn marked(function: &Function, family: Family) -> Vec<Marked> {
    let mut keys = Vec::new();
    for param in &function.params {
        for key in param.keys.iter().filter(|key| key.family == family) {
            let mut root = param.ident.clone();
            root.set_span(key.span.resolved_at(param.ident.span()));
            keys.push(Marked {
                value: Placeholder {
                    root,
                    fields: key.fields.clone(),
                    origin: Origin::Argument,
                },
                cfg: param.cfg.clone(),
            });
        }
    }
    keys
}
