//! The typed commands: each is written once, and given to the store and to its pipelines.

mod hashes;
mod keys;
mod lists;
mod sets;
mod sorted_sets;
mod strings;

pub use self::lists::Side;

/// Defines commands: `fn name[output type](arguments) -> answer = "WORD", part(..), part(..);`,
/// where the parts are methods of [`Draft`](super::draft::Draft).
macro_rules! commands {
    ($(
        $(#[$meta:meta])*
        fn $name:ident $([$output:ident])? ($($arg:ident: $type:ty),* $(,)?) -> $answer:ty
            = $word:literal $(, $part:ident($($value:expr),*))*;
    )*) => {
        impl $crate::store::Store {
            $(
                $(#[$meta])*
                pub fn $name$(<$output: $crate::store::Decode>)?(
                    &self,
                    $($arg: $type),*
                ) -> $crate::store::Call<$answer> {
                    let draft = $crate::store::draft::Draft::new(self.prefix(), $word);
                    self.call(draft$(.$part($($value),*))*)
                }
            )*
        }

        impl $crate::store::Pipeline {
            $(
                $(#[$meta])*
                #[must_use = "a pipeline is sent by `run`"]
                pub fn $name(mut self, $($arg: $type),*) -> Self {
                    let prefix = self.prefix();
                    let draft = $crate::store::draft::Draft::new(&prefix, $word);
                    self.add(draft$(.$part($($value),*))*);
                    self
                }
            )*
        }
    };
}
use commands;
