//! Two clients by name: one for the application's data, one for sessions, each with its server, its
//! prefix, its store and its locks. `config/default.toml` says the same in a file, for
//! `Config::load()`.
//!
//! Needs no server; with REDIS_URI and SESSION_URI set, the clients are on those.

use klg_lock::{ClientConfig, Config, LockError, RedisConfig, mutex_lock};

/// A lock on the server of the client named `session`.
#[mutex_lock("login:{user}", client = "session")]
async fn login(user: &str) -> Result<String, Box<dyn std::error::Error>> {
    let sessions = klg_lock::registry()?.client("session")?;
    sessions.set(&format!("of:{user}"), "active").await?;
    Ok(sessions
        .get(&format!("of:{user}"))
        .await?
        .unwrap_or_default())
}

fn uri(variable: &str, otherwise: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| otherwise.to_owned())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let session = ClientConfig::default()
        .uri(uri("SESSION_URI", "memory://session"))
        .prefix("session_");
    let redis = RedisConfig::default()
        .uri(uri("REDIS_URI", "memory://"))
        .client("session", session);
    klg_lock::init(Config::default().redis(redis)).await?;
    let registry = klg_lock::registry()?;

    println!("the session of ann is {}", login("ann").await?);

    let here: Option<String> = registry.store().get("of:ann").await?;
    println!("the default client knows nothing of it: {here:?}");

    match registry.mutex_on("sessions") {
        Err(error @ LockError::UnknownClient { .. }) => println!("{error}"),
        other => println!("{other:?}"),
    }

    registry.client("session")?.del("of:ann").await?;
    registry.shutdown().await?;
    Ok(())
}
