//! Errors as HTTP responses: what a handler of `axum` answers when its lock fails.

use std::time::Duration;

use axum_core::body::Body;
use axum_core::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::error::{CacheError, Error, Holder, LockError};

/// The longest a client is told to stay away. The time that a lock has left is refreshed while its
/// holder works, so it says little about when the holder will be done.
const LONGEST_RETRY: Duration = Duration::from_secs(5);

/// When to come back where nothing tells.
const NEXT_RETRY: Duration = Duration::from_secs(1);

/// The JSON body of a response.
#[derive(Debug, Default, Serialize)]
struct Problem {
    /// The variant, for programs.
    error: &'static str,
    /// One sentence, for people.
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    holder: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remaining_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waited_ms: Option<u64>,
}

impl Problem {
    fn new(error: &'static str, message: impl Into<String>) -> Self {
        Self {
            error,
            message: message.into(),
            ..Self::default()
        }
    }

    fn response(&self, status: StatusCode, retry_after: Option<Duration>) -> Response {
        let body = serde_json::to_vec(self).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        if let Some(after) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(whole_seconds(after)));
        }
        response
    }
}

/// `409 Conflict` when somebody else holds the lock, `503 Service Unavailable` when it could not
/// be asked for, both with `Retry-After` and a JSON body.
///
/// | variant | status | `Retry-After` |
/// |---|---|---|
/// | `Contended`, `Timeout` | 409 | the time the lock has left, 1 to 5 seconds |
/// | `Unavailable`, `Closed` | 503 | 1 second |
/// | `InvalidKey` | 400 | |
/// | all others | 500 | |
///
/// The body has `error` (the variant in snake case) and `message`, and for a lock that is held
/// `resource`, `holder`, `remaining_ms` and `waited_ms`, as far as they are known. The holder is
/// host, process id and service: where clients must not see those, map the error yourself. Node
/// addresses and their errors never get into a body; they are reported as `tracing` events.
///
/// ```
/// use axum::response::IntoResponse;
/// use klg_lock::LockError;
///
/// async fn handler() -> Result<String, LockError> {
///     klg_lock::registry()?.mutex().using("report", |_lock| async { "done".to_owned() }).await
/// }
///
/// let router: axum::Router = axum::Router::new().route("/report", axum::routing::get(handler));
/// assert_eq!(LockError::Closed.into_response().status(), 503);
/// ```
impl IntoResponse for LockError {
    fn into_response(self) -> Response {
        let message = self.to_string();
        match self {
            Self::Contended {
                resource,
                holder,
                remaining,
            } => Problem {
                resource: Some(resource),
                holder: described(holder),
                remaining_ms: remaining.map(millis),
                ..Problem::new("contended", "the resource is locked; try again later")
            }
            .response(StatusCode::CONFLICT, Some(remaining.unwrap_or(NEXT_RETRY))),
            Self::Timeout {
                resource,
                waited,
                holder,
                ..
            } => Problem {
                resource: Some(resource),
                holder: described(holder),
                waited_ms: Some(millis(waited)),
                ..Problem::new("timeout", "the resource stayed locked; try again later")
            }
            .response(StatusCode::CONFLICT, Some(NEXT_RETRY)),
            Self::Unavailable { resource, .. } => {
                tracing::error!(%message, "answering 503");
                Problem {
                    resource: Some(resource),
                    ..Problem::new("unavailable", "the lock service cannot be reached")
                }
                .response(StatusCode::SERVICE_UNAVAILABLE, Some(NEXT_RETRY))
            }
            Self::Closed => Problem::new("closed", "this server is shutting down")
                .response(StatusCode::SERVICE_UNAVAILABLE, Some(NEXT_RETRY)),
            Self::InvalidKey { .. } => {
                Problem::new("invalid_key", message).response(StatusCode::BAD_REQUEST, None)
            }
            Self::Lost { resource, .. } => {
                tracing::error!(%message, "answering 500");
                let told = "the lock was lost while the request ran; its outcome is uncertain";
                Problem {
                    resource: Some(resource),
                    ..Problem::new("lost", told)
                }
                .response(StatusCode::INTERNAL_SERVER_ERROR, None)
            }
            Self::NotInitialized
            | Self::InvalidTtl { .. }
            | Self::WouldDeadlock { .. }
            | Self::UnknownClient { .. } => internal(&message),
        }
    }
}

/// A lock error as by itself; `503 Service Unavailable` with `Retry-After` when Redis failed; else
/// `500 Internal Server Error`. Details are reported as `tracing` events, not to the client.
impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let message = self.to_string();
        match self {
            Self::Lock(error) => error.into_response(),
            Self::Redis { .. } => {
                tracing::error!(%message, "answering 503");
                Problem::new("unavailable", "the data store cannot be reached")
                    .response(StatusCode::SERVICE_UNAVAILABLE, Some(NEXT_RETRY))
            }
            _ => internal(&message),
        }
    }
}

/// `400` for a key that names nothing; `503 Service Unavailable` with `Retry-After` when the server
/// failed or the registry is shut down; else `500 Internal Server Error`. Details are reported as
/// `tracing` events, not to the client.
impl IntoResponse for CacheError {
    fn into_response(self) -> Response {
        let message = self.to_string();
        match self {
            Self::InvalidKey { .. } => {
                Problem::new("invalid_key", message).response(StatusCode::BAD_REQUEST, None)
            }
            Self::Unavailable { .. } => {
                tracing::error!(%message, "answering 503");
                Problem::new("unavailable", "the cache cannot be reached")
                    .response(StatusCode::SERVICE_UNAVAILABLE, Some(NEXT_RETRY))
            }
            Self::Closed => LockError::Closed.into_response(),
            Self::Encode { .. } | Self::UnknownClient { .. } | Self::NotInitialized => {
                internal(&message)
            }
        }
    }
}

/// A mistake in the application, which is nobody else's business.
fn internal(message: &str) -> Response {
    tracing::error!(%message, "answering 500");
    Problem::new("internal", "internal server error")
        .response(StatusCode::INTERNAL_SERVER_ERROR, None)
}

fn described(holder: Option<Box<Holder>>) -> Option<Box<str>> {
    holder.map(|holder| holder.description)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// `Retry-After` knows whole seconds only; rounded up, so that nobody comes too early.
fn whole_seconds(duration: Duration) -> u64 {
    let duration = duration.clamp(NEXT_RETRY, LONGEST_RETRY);
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{NodeError, NodeErrorKind, NodeFault, Votes};

    async fn told(error: impl IntoResponse) -> (u16, Option<String>, serde_json::Value) {
        let (parts, body) = error.into_response().into_parts();
        assert_eq!(parts.headers[header::CONTENT_TYPE], "application/json");
        let retry = parts.headers.get(header::RETRY_AFTER);
        let retry = retry.map(|value| value.to_str().unwrap().to_owned());
        let bytes = axum::body::to_bytes(body, 4096).await.unwrap();
        let json = serde_json::from_slice(&bytes).unwrap();
        (parts.status.as_u16(), retry, json)
    }

    fn contended(remaining: Option<Duration>) -> LockError {
        LockError::Contended {
            resource: "key1".into(),
            holder: Some(Box::new(Holder {
                description: "db1:42 (shop)".into(),
            })),
            remaining,
        }
    }

    #[tokio::test]
    async fn contention_tells_who_holds_the_lock_and_for_how_long() {
        let (status, retry, body) = told(contended(Some(Duration::from_millis(1500)))).await;
        assert_eq!((status, retry.as_deref()), (409, Some("2")));
        assert_eq!(body["error"], "contended");
        assert_eq!(body["resource"], "key1");
        assert_eq!(body["holder"], "db1:42 (shop)");
        assert_eq!(body["remaining_ms"], 1500);
    }

    #[tokio::test]
    async fn clients_are_told_to_come_back_in_one_to_five_seconds() {
        for (remaining, seconds) in [
            (None, "1"),
            (Some(Duration::ZERO), "1"),
            (Some(Duration::from_secs(3)), "3"),
            (Some(Duration::from_secs(59)), "5"),
        ] {
            let (_, retry, _) = told(contended(remaining)).await;
            assert_eq!(retry.as_deref(), Some(seconds), "{remaining:?}");
        }
    }

    #[tokio::test]
    async fn a_timeout_is_a_conflict_too() {
        let (status, retry, body) = told(LockError::Timeout {
            resource: "key2".into(),
            waited: Duration::from_secs(3),
            attempts: 2,
            holder: None,
        })
        .await;
        assert_eq!((status, retry.as_deref()), (409, Some("1")));
        assert_eq!(
            (&body["error"], &body["waited_ms"]),
            (&"timeout".into(), &3000.into())
        );
        assert!(body.get("holder").is_none());
    }

    #[tokio::test]
    async fn an_outage_keeps_the_servers_addresses_to_itself() {
        let fault = NodeFault::new(
            "redis://secret-host:6379",
            NodeError::new(NodeErrorKind::Unreachable, "refused"),
        );
        let (status, retry, body) = told(LockError::Unavailable {
            resource: "key1".into(),
            votes: Votes(Box::new([fault])),
        })
        .await;
        assert_eq!((status, retry.as_deref()), (503, Some("1")));
        assert!(!body.to_string().contains("secret-host"), "{body}");
    }

    #[tokio::test]
    async fn mistakes_of_the_client_and_of_the_application_are_told_apart() {
        let empty = LockError::InvalidKey {
            reason: "the resource name is empty".into(),
        };
        assert_eq!(told(empty).await.0, 400);
        let (status, retry, body) = told(LockError::NotInitialized).await;
        assert_eq!((status, retry), (500, None));
        assert_eq!(body["error"], "internal");
    }

    #[tokio::test]
    async fn a_lock_error_inside_an_error_is_answered_as_itself() {
        assert_eq!(told(Error::from(contended(None))).await.0, 409);
        let down = Error::Redis {
            client: "default".into(),
            server: "redis://localhost:6379".into(),
            error: NodeError::new(NodeErrorKind::Unreachable, "refused"),
        };
        assert_eq!(told(down).await.0, 503);
        assert_eq!(told(Error::AlreadyInitialized).await.0, 500);
    }

    #[tokio::test]
    async fn errors_of_the_cache_are_told_apart_as_well() {
        let empty = CacheError::InvalidKey {
            reason: "the key is empty".into(),
        };
        assert_eq!(told(empty).await.0, 400);
        let (status, retry, _) = told(CacheError::Closed).await;
        assert_eq!((status, retry.as_deref()), (503, Some("1")));
        assert_eq!(told(CacheError::NotInitialized).await.0, 500);
    }
}
