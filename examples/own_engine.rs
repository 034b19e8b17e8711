//! An engine of one's own: no global registry, the locks are a value that goes where it is needed.
//!
//! Needs no server; with REDIS_URI set, the locks are on that Redis.

use std::time::Duration;

use klg_lock::{LockError, Redlock, Retry, mutex_lock};

struct Jobs {
    redlock: Redlock,
}

impl Jobs {
    /// Runs once in the whole fleet; whoever comes second skips this run.
    #[mutex_lock("job:{name}", redlock = self.redlock, on_locked = Ok(None))]
    async fn run(&self, name: &str) -> Result<Option<String>, LockError> {
        tokio::time::sleep(Duration::from_millis(50)).await;
        if let Some(found) = self.redlock.inspect(format!("job:{name}")).await? {
            println!("  {name} runs on {}", found.holder);
        }
        Ok(Some(format!("{name} is done")))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let uri = std::env::var("REDIS_URI").unwrap_or_else(|_| "memory://".to_owned());
    let redlock = Redlock::builder()
        .nodes([uri])
        .prefix("app_")
        .ttl(Duration::from_secs(30))
        .service("nightly")
        .buffer(Retry::default().wait(Duration::from_secs(60)))
        .connect()
        .await?;
    let jobs = Jobs { redlock };

    println!("two schedulers fire the same job");
    let (first, second) = tokio::join!(jobs.run("report"), jobs.run("report"));
    println!("  first:  {:?}", first?);
    println!("  second: {:?}", second?);

    println!("the same engine, waiting its turn");
    let buffer = jobs.redlock.as_buffer();
    let (first, second) = tokio::join!(
        buffer.using("key", |lock| async move { lock.fencing_token() }),
        buffer.using("key", |lock| async move { lock.fencing_token() }),
    );
    println!(
        "  the second has the larger fencing token: {}",
        first? < second?
    );

    jobs.redlock.shutdown().await;
    Ok(())
}
