//! Money goes from one account to another: both are locked together, all or none, and every write
//! carries the fencing token, so that a writer that was stopped for too long cannot undo what came
//! after it.
//!
//! Needs no server; with REDIS_URI set, the locks are on that Redis.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use klg_lock::{Config, FencingToken, LockError, buffer_lock};
use tokio::{join, time::sleep};

/// What stands for a database. It keeps the largest token of each account, and refuses less.
#[derive(Default)]
struct Bank {
    accounts: Mutex<BTreeMap<String, Account>>,
}

#[derive(Clone, Default)]
struct Account {
    balance: i64,
    written_by: Option<FencingToken>,
}

#[derive(Debug, thiserror::Error)]
enum TransferError {
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error("{account} was written since")]
    Stale { account: String },
}

impl Bank {
    #[buffer_lock(scope = "account", wait = "5s", ttl = "10s", guard = lock)]
    async fn transfer(
        &self,
        #[lock_key] from: &str,
        #[lock_key] to: &str,
        amount: i64,
    ) -> Result<FencingToken, TransferError> {
        let token = lock.fencing_token();
        let (left, right) = (self.read(from), self.read(to));
        sleep(Duration::from_millis(20)).await; // without the lock, another transfer slips in here
        self.write(from, left - amount, token)?;
        self.write(to, right + amount, token)?;
        Ok(token)
    }

    fn open(&self, account: &str, balance: i64) {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        let opened = Account {
            balance,
            written_by: None,
        };
        accounts.insert(account.to_owned(), opened);
    }

    fn read(&self, account: &str) -> i64 {
        let accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        accounts.get(account).map_or(0, |account| account.balance)
    }

    /// In SQL: `UPDATE .. SET balance = $1, token = $2 WHERE id = $3 AND token <= $2`.
    fn write(&self, account: &str, balance: i64, token: FencingToken) -> Result<(), TransferError> {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = accounts.entry(account.to_owned()).or_default();
        if entry.written_by > Some(token) {
            return Err(TransferError::Stale {
                account: account.to_owned(),
            });
        }
        *entry = Account {
            balance,
            written_by: Some(token),
        };
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut config = Config::from_env()?;
    if std::env::var_os("REDIS_URI").is_none() {
        config = config.uri("memory://");
    }
    klg_lock::init(config).await?;
    let bank = Bank::default();
    for account in ["ann", "bob", "cid"] {
        bank.open(account, 100);
    }

    println!("four transfers at once, in both directions");
    let tokens = join!(
        bank.transfer("ann", "bob", 10),
        bank.transfer("bob", "ann", 5),
        bank.transfer("ann", "bob", 20),
        bank.transfer("bob", "cid", 1),
    );
    println!("  ann {:>4}", bank.read("ann"));
    println!("  bob {:>4}", bank.read("bob"));
    println!("  cid {:>4}", bank.read("cid"));

    println!("a writer that slept through its lock comes back with the first token");
    let (old, newer) = (tokens.0?, tokens.2?);
    println!(
        "  its token is smaller than that of the third transfer: {}",
        old < newer
    );
    if let Err(error) = bank.write("ann", 1_000_000, old) {
        println!("  refused: {error}");
    }

    klg_lock::registry()?.shutdown().await?;
    Ok(())
}
