//! Several commands in one round trip.

use std::fmt;
use std::sync::Arc;

use redis::Value;

use super::call::Answer;
use super::draft::{Draft, Ready};
use super::reply::FromReply;
use super::shared::Shared;
use crate::client::server_answer;
use crate::error::Error;

/// Commands that travel together; made by [`Store::pipeline`](super::Store::pipeline).
///
/// It has the store's own methods; what they would return is returned by [`run`](Self::run), all
/// together.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use klg_lock::{ClientConfig, Store};
/// # let store = Store::connect(&ClientConfig::default().uri("memory://")).await?;
/// let ((), visits, name): (_, i64, Option<String>) =
///     store.pipeline().set("seen", true).incr("visits").get("name").run().await?;
/// assert_eq!((visits, name), (1, None));
/// # Ok(()) }
/// ```
#[must_use = "a pipeline is sent by `run`"]
pub struct Pipeline {
    shared: Arc<Shared>,
    commands: redis::Pipeline,
    atomic: bool,
    keys: Vec<String>,
    fault: Option<Error>,
}

impl Pipeline {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            commands: redis::Pipeline::new(),
            atomic: false,
            keys: Vec::new(),
            fault: None,
        }
    }

    pub(super) fn prefix(&self) -> Box<str> {
        self.shared.prefix.clone()
    }

    pub(super) fn add(&mut self, draft: Draft<'_>) {
        let Ready { cmd, keys, fault } = draft.ready();
        if let (Some(fault), None) = (fault, &self.fault) {
            self.fault = Some(self.shared.unwritable(&keys, fault));
        }
        self.commands.add_command(cmd);
        self.keys.push(keys);
    }

    /// Nothing comes between these commands (`MULTI`, `EXEC`). On a cluster all their keys must be
    /// in one slot.
    ///
    /// It is no roll-back: a command that fails does not undo the others.
    pub fn atomic(mut self) -> Self {
        self.atomic = true;
        self
    }

    /// Sends the commands and reads their answers: a tuple of up to twelve, one for each command,
    /// or a `Vec` where all are of one type.
    ///
    /// # Errors
    /// The error of the first command that failed; the others have been carried out all the same.
    ///
    /// # Cancel safety
    /// Dropping the future before the first poll sends nothing; later it takes nothing back.
    pub async fn run<R: FromReplies>(self) -> Result<R, Error> {
        let Self {
            shared,
            mut commands,
            atomic,
            keys,
            fault,
        } = self;
        if let Some(fault) = fault {
            return Err(fault);
        }
        if keys.is_empty() {
            return R::from_replies(Vec::new());
        }
        if atomic {
            commands.atomic();
        }
        let mut values = shared
            .backend
            .pipeline(&commands)
            .await
            .map_err(|error| shared.refused(&keys.join(", "), error))?;
        if atomic {
            values = match values.pop() {
                Some(Value::Array(values)) => values,
                // Refused as a whole: some command was malformed, or the server is no master.
                Some(Value::ServerError(error)) => {
                    return Err(shared.refused(&keys.join(", "), server_answer(error)));
                }
                _ => Vec::new(),
            };
        }
        let mut answers = Vec::with_capacity(values.len());
        for (value, keys) in values.into_iter().zip(keys) {
            if let Value::ServerError(error) = value {
                return Err(shared.refused(&keys, server_answer(error)));
            }
            answers.push(Answer::new(shared.clone(), keys, value));
        }
        R::from_replies(answers)
    }
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline")
            .field("keys", &self.keys)
            .field("atomic", &self.atomic)
            .finish_non_exhaustive()
    }
}

/// What the answers of a [`Pipeline`] can be read as: a tuple of up to twelve, or a `Vec`.
///
/// It is implemented here and nowhere else.
pub trait FromReplies: sealed::FromReplies {}

impl<T: sealed::FromReplies> FromReplies for T {}

use sealed::FromReplies as Read;

mod sealed {
    use super::{Answer, Error};

    pub trait FromReplies: Sized {
        #[expect(private_interfaces, reason = "nobody outside can call it")]
        fn from_replies(answers: Vec<Answer>) -> Result<Self, Error>;
    }
}

impl<T: FromReply> Read for Vec<T> {
    #[expect(private_interfaces, reason = "nobody outside can call it")]
    fn from_replies(answers: Vec<Answer>) -> Result<Self, Error> {
        answers.into_iter().map(Answer::read).collect()
    }
}

impl Read for () {
    #[expect(private_interfaces, reason = "nobody outside can call it")]
    fn from_replies(_: Vec<Answer>) -> Result<Self, Error> {
        Ok(())
    }
}

macro_rules! tuple {
    ($($type:ident),+) => {
        impl<$($type: FromReply),+> Read for ($($type,)+) {
            #[expect(private_interfaces, reason = "nobody outside can call it")]
            fn from_replies(answers: Vec<Answer>) -> Result<Self, Error> {
                let expected = [$(stringify!($type)),+].len();
                let given = answers.len();
                let mut answers = answers.into_iter();
                Ok(($(
                    match answers.next() {
                        Some(answer) => answer.read::<$type>()?,
                        None => return Err(too_few(expected, given)),
                    },
                )+))
            }
        }
    };
}
tuple!(A);
tuple!(A, B);
tuple!(A, B, C);
tuple!(A, B, C, D);
tuple!(A, B, C, D, E);
tuple!(A, B, C, D, E, F);
tuple!(A, B, C, D, E, F, G);
tuple!(A, B, C, D, E, F, G, H);
tuple!(A, B, C, D, E, F, G, H, I);
tuple!(A, B, C, D, E, F, G, H, I, J);
tuple!(A, B, C, D, E, F, G, H, I, J, K);
tuple!(A, B, C, D, E, F, G, H, I, J, K, L);

fn too_few(expected: usize, given: usize) -> Error {
    Error::config(format!(
        "a pipeline of {given} commands was to be read as {expected} answers; name as many as there are commands"
    ))
}
