//! The attributes of `klg-lock`; use them through that crate.
