//! The ground on which holders would meet if a lock let two of them in.
//!
//! A counter and the number of whoever is inside, read and written apart: two holders at a time
//! find each other, or lose a count.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};

/// In memory for one process; in a file for several.
#[derive(Debug)]
pub enum Ground {
    /// Of one process.
    Memory {
        /// How often somebody was inside.
        count: AtomicU64,
        /// Who is inside; 0: nobody.
        inside: AtomicU64,
    },
    /// Of several processes.
    File(File),
}

/// Somebody who is inside.
#[derive(Debug)]
pub struct Visit {
    who: u64,
    count: u64,
    met: bool,
}

impl Ground {
    /// Opens the ground that the coordinator has made, or one of this process alone.
    pub fn open(path: Option<&Path>) -> Result<Self> {
        let Some(path) = path else {
            return Ok(Self::Memory {
                count: AtomicU64::new(0),
                inside: AtomicU64::new(0),
            });
        };
        let file = File::options().read(true).write(true).open(path);
        file.map(Self::File)
            .with_context(|| format!("{} cannot be opened", path.display()))
    }

    /// Makes the file for several processes, empty.
    pub fn make(path: &Path) -> Result<Self> {
        std::fs::write(path, [0; 16])?;
        Self::open(Some(path))
    }

    /// Goes in. `who` is not 0.
    #[must_use]
    pub fn enter(&self, who: u64) -> Visit {
        let (count, inside) = self.look();
        self.note(count, who);
        Visit {
            who,
            count,
            met: inside != 0,
        }
    }

    /// Goes out; whether somebody else was there meanwhile.
    #[must_use]
    pub fn leave(&self, visit: &Visit) -> bool {
        let (count, inside) = self.look();
        self.note(visit.count + 1, 0);
        visit.met || inside != visit.who || count != visit.count
    }

    /// How often somebody was inside.
    #[must_use]
    pub fn visits(&self) -> u64 {
        self.look().0
    }

    fn look(&self) -> (u64, u64) {
        match self {
            Self::Memory { count, inside } => {
                (count.load(Ordering::SeqCst), inside.load(Ordering::SeqCst))
            }
            Self::File(file) => {
                let mut bytes = [[0; 8]; 2];
                // A file that cannot be read counts as a meeting: the counts will not agree.
                let _ = file.read_exact_at(bytes.as_flattened_mut(), 0);
                let [count, inside] = bytes.map(u64::from_le_bytes);
                (count, inside)
            }
        }
    }

    fn note(&self, visits: u64, who: u64) {
        match self {
            Self::Memory { count, inside } => {
                count.store(visits, Ordering::SeqCst);
                inside.store(who, Ordering::SeqCst);
            }
            Self::File(file) => {
                let bytes = [visits.to_le_bytes(), who.to_le_bytes()];
                let _ = file.write_all_at(bytes.as_flattened(), 0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_who_meet_are_noticed() -> Result<()> {
        let ground = Ground::open(None)?;
        let alone = ground.enter(1);
        assert!(!ground.leave(&alone));
        let (first, second) = (ground.enter(1), ground.enter(2));
        assert!(ground.leave(&second));
        assert!(ground.leave(&first));
        Ok(())
    }
}
