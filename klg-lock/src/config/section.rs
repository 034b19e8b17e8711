//! What all sections have in common: defaults, setters, and errors that name the nearest field.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};

/// Defines a section: each field with its documentation, its type and its default.
///
/// The struct gets `Default`, one setter per field, and a `Deserialize` that takes fields in any
/// order, leaves out none of the defaults, and refuses unknown fields. Fields under `by hand` get
/// no setter; theirs takes more than one type.
macro_rules! section {
    (
        $(#[$meta:meta])*
        $name:ident in $path:literal {
            $($(#[$field_meta:meta])* $field:ident: $type:ty = $default:expr,)*
        }
        by hand {
            $($(#[$own_meta:meta])* $own:ident: $own_type:ty = $own_default:expr,)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        #[non_exhaustive]
        pub struct $name {
            $($(#[$field_meta])* pub $field: $type,)*
            $($(#[$own_meta])* pub $own: $own_type,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self {
                    $($field: $default,)*
                    $($own: $own_default,)*
                }
            }
        }

        impl $name {
            $(
                #[doc = concat!("Sets [`", stringify!($field), "`](field@Self::", stringify!($field), ").")]
                #[must_use = "returns the changed settings"]
                pub fn $field(mut self, $field: impl Into<$type>) -> Self {
                    self.$field = $field.into();
                    self
                }
            )*
        }

        impl<'de> ::serde::Deserialize<'de> for $name {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Table;

                impl<'de> ::serde::de::Visitor<'de> for Table {
                    type Value = $name;

                    fn expecting(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                        f.write_str(concat!("the section [", $path, "]"))
                    }

                    fn visit_map<A: ::serde::de::MapAccess<'de>>(
                        self,
                        mut map: A,
                    ) -> Result<$name, A::Error> {
                        let mut section = $name::default();
                        while let Some(key) = map.next_key::<String>()? {
                            match key.as_str() {
                                $(stringify!($field) => {
                                    section.$field =
                                        map.next_value::<$crate::config::section::Setting<$type>>()?.0;
                                })*
                                $(stringify!($own) => {
                                    section.$own =
                                        map.next_value::<$crate::config::section::Setting<$own_type>>()?.0;
                                })*
                                unknown => {
                                    return Err(::serde::de::Error::custom(
                                        $crate::config::section::unknown_field(
                                            $path,
                                            unknown,
                                            &[$(stringify!($field),)* $(stringify!($own),)*],
                                        ),
                                    ));
                                }
                            }
                        }
                        Ok(section)
                    }
                }

                deserializer.deserialize_map(Table)
            }
        }
    };
    (
        $(#[$meta:meta])*
        $name:ident in $path:literal { $($fields:tt)* }
    ) => {
        $crate::config::section::section! {
            $(#[$meta])*
            $name in $path { $($fields)* }
            by hand {}
        }
    };
}
pub(super) use section;

/// A field nobody knows, and the known one that looks most like it.
pub(super) fn unknown_field(section: &str, unknown: &str, known: &[&str]) -> String {
    let distance = |name: &&&str| strsim::damerau_levenshtein(unknown, name);
    match known.iter().min_by_key(distance) {
        Some(nearest) => {
            format!(
                "unknown field `{unknown}` in [{section}]; the nearest known one is `{nearest}`"
            )
        }
        None => format!("unknown field `{unknown}` in [{section}]"),
    }
}

/// A value as a configuration file writes it.
pub(super) struct Setting<T>(pub(super) T);

impl<'de, T: Written> Deserialize<'de> for Setting<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::read(deserializer).map(Self)
    }
}

/// How a type is written in a configuration file.
pub(super) trait Written: Sized {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;
}

/// Types that are written the way serde writes them.
macro_rules! as_serde_does {
    ($($type:ty),* $(,)?) => {
        $(impl Written for $type {
            fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::deserialize(deserializer)
            }
        })*
    };
}
as_serde_does!(
    bool,
    u32,
    u64,
    f64,
    String,
    Option<u64>,
    Option<String>,
    Option<PathBuf>,
    super::Uri,
    Vec<super::Uri>,
    super::TlsConfig,
    super::BufferConfig,
    super::L1Config,
    super::Codec,
    BTreeMap<String, super::ClientConfig>,
);

impl Written for Duration {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DurationVisitor)
    }
}

impl Written for Option<Duration> {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let setting: Option<Setting<Duration>> = Option::deserialize(deserializer)?;
        Ok(setting.map(|setting| setting.0))
    }
}

/// `"60s"`, or an integer in milliseconds.
struct DurationVisitor;

impl Visitor<'_> for DurationVisitor {
    type Value = Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration such as \"10s\" or \"1m 30s\", or an integer in milliseconds")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Duration, E> {
        parse_duration(text).map_err(E::custom)
    }

    fn visit_u64<E: Error>(self, millis: u64) -> Result<Duration, E> {
        Ok(Duration::from_millis(millis))
    }

    fn visit_i64<E: Error>(self, millis: i64) -> Result<Duration, E> {
        let millis = u64::try_from(millis);
        millis.map(Duration::from_millis).map_err(|_| {
            E::custom("a duration cannot be negative; write one such as \"10s\", or an integer in milliseconds")
        })
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Duration, E> {
        Err(E::invalid_type(Unexpected::Float(value), &self))
    }
}

/// Reads `"1m 30s"`; bare digits are milliseconds.
fn parse_duration(text: &str) -> Result<Duration, Cow<'static, str>> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        let millis = text.parse().map(Duration::from_millis);
        return millis.map_err(|_| format!("the duration {text:?} is too long").into());
    }
    humantime::parse_duration(text).map_err(|error| {
        format!(
            "{text:?} is not a duration ({error}); write one such as \"10s\" or \"1m 30s\", or an integer in milliseconds"
        )
        .into()
    })
}
