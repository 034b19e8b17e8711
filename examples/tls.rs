//! Redis over TLS, with a certificate authority of one's own and a certificate for the client. These
//! lines make both and start the server:
//!
//!     openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -days 30 -subj /CN=ca
//!     openssl req -newkey rsa:2048 -nodes -keyout redis.key -out redis.csr -subj /CN=localhost
//!     echo subjectAltName=DNS:localhost > san.txt
//!     openssl x509 -req -in redis.csr -CA ca.crt -CAkey ca.key -days 30 -extfile san.txt -out redis.crt
//!     redis-server --port 0 --tls-port 7201 --tls-ca-cert-file ca.crt --tls-cert-file redis.crt --tls-key-file redis.key --daemonize yes
//!
//! The server asks for a certificate too; here it gets its own back. With REDIS_URI set, it is on
//! that Redis; TLS_CA, TLS_CERT and TLS_KEY name other files.

use std::path::PathBuf;

use klg_lock::config::TlsConfig;
use klg_lock::{Config, Error};

fn file(variable: &str, otherwise: &str) -> PathBuf {
    std::env::var_os(variable).map_or_else(|| otherwise.into(), PathBuf::from)
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let mut config = Config::from_env()?;
    if std::env::var_os("REDIS_URI").is_none() {
        config = config.uri("rediss://localhost:7201");
    }
    config.redis.tls = TlsConfig::default()
        .ca(file("TLS_CA", "ca.crt"))
        .cert(file("TLS_CERT", "redis.crt"))
        .key(file("TLS_KEY", "redis.key"));
    config.redis.require_connection = true; // say at once what is wrong
    klg_lock::init(config).await?;
    let registry = klg_lock::registry()?;

    registry.store().set("greeting", "hello").await?;
    println!("{:?}", registry.store().get::<String>("greeting").await?);

    let lock = registry.mutex().lock("invoice:42").acquire().await?;
    println!("locked: {}", lock.is_valid());
    lock.release().await?;

    registry.shutdown().await
}
