//! One command on its way: a future that sends it and reads the answer.

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use redis::Value;

use super::draft::Ready;
use super::reply::FromReply;
use super::shared::Shared;
use crate::error::Error;

/// A command that is sent when this future is first polled.
///
/// It borrows nothing, so that it can be spawned.
///
/// # Cancel safety
/// Dropping it before the first poll sends nothing. Dropping it later does not take the command
/// back: it may have been carried out, or may still be.
#[must_use = "a command is sent when it is awaited"]
pub struct Call<R> {
    answer: Pin<Box<dyn Future<Output = Result<Answer, Error>> + Send>>,
    reads: PhantomData<fn() -> R>,
}

/// An answer, and what an error about it would say.
pub(super) struct Answer {
    value: Value,
    shared: Arc<Shared>,
    keys: String,
}

impl<R> Call<R> {
    pub(super) fn new(shared: Arc<Shared>, ready: Ready) -> Self {
        Self::of(async move {
            let Ready { cmd, keys, fault } = ready;
            if let Some(fault) = fault {
                return Err(shared.unwritable(&keys, fault));
            }
            match shared.backend.query(&cmd).await {
                Ok(value) => Ok(Answer {
                    value,
                    shared,
                    keys,
                }),
                Err(error) => Err(shared.refused(&keys, error)),
            }
        })
    }

    pub(super) fn of(answer: impl Future<Output = Result<Answer, Error>> + Send + 'static) -> Self {
        Self {
            answer: Box::pin(answer),
            reads: PhantomData,
        }
    }
}

impl Answer {
    pub(super) fn new(shared: Arc<Shared>, keys: String, value: Value) -> Self {
        Self {
            value,
            shared,
            keys,
        }
    }

    pub(super) fn read<R: FromReply>(self) -> Result<R, Error> {
        R::from_reply(self.value).map_err(|error| self.shared.undecodable(&self.keys, error))
    }
}

impl<R: FromReply> Future for Call<R> {
    type Output = Result<R, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = ready!(self.answer.as_mut().poll(cx))?;
        Poll::Ready(answer.read())
    }
}

impl<R> fmt::Debug for Call<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").finish_non_exhaustive()
    }
}
