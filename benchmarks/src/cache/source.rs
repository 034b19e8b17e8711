//! The source of what is cached: the versions of some rows, in a file that all processes share.
//!
//! A row has one writer. It counts the version up, evicts the key, and then notes that this is
//! done: whoever asks after that has been told of the change, and an answer with an older version is
//! stale.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::machine::shared_memory;

/// Of one row: the version, and the one whose eviction is done.
const ROW: u64 = 16;

/// The rows.
#[derive(Debug)]
pub(crate) struct Source(File);

impl Source {
    /// A file for so many rows, all of version 0.
    pub(crate) fn make(rows: u32) -> Result<PathBuf> {
        let path = shared_memory("source");
        let file = File::create(&path)?;
        file.set_len(u64::from(rows) * ROW)?;
        Ok(path)
    }

    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = File::options().read(true).write(true).open(path);
        file.map(Self)
            .with_context(|| format!("{} cannot be opened", path.display()))
    }

    /// What a load finds.
    pub(crate) fn version(&self, row: u32) -> Result<u64> {
        self.number(u64::from(row) * ROW)
    }

    /// The version that everybody who asks from now on has to see, or a later one.
    pub(crate) fn least(&self, row: u32) -> Result<u64> {
        self.number(u64::from(row) * ROW + 8)
    }

    /// Only for the row's one writer.
    pub(crate) fn change(&self, row: u32) -> Result<u64> {
        let version = self.version(row)? + 1;
        let at = u64::from(row) * ROW;
        self.0.write_all_at(&version.to_le_bytes(), at)?;
        Ok(version)
    }

    /// The cache has been told of this version.
    pub(crate) fn told(&self, row: u32, version: u64) -> Result<()> {
        let at = u64::from(row) * ROW + 8;
        Ok(self.0.write_all_at(&version.to_le_bytes(), at)?)
    }

    fn number(&self, at: u64) -> Result<u64> {
        let mut bytes = [0; 8];
        self.0.read_exact_at(&mut bytes, at)?;
        Ok(u64::from_le_bytes(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_counts_when_the_cache_has_been_told() -> Result<()> {
        let path = Source::make(3)?;
        let (writer, reader) = (Source::open(&path)?, Source::open(&path)?);
        std::fs::remove_file(path)?;
        let version = writer.change(1)?;
        assert_eq!((reader.version(1)?, reader.least(1)?), (1, 0));
        writer.told(1, version)?;
        assert_eq!((reader.least(1)?, reader.version(2)?), (1, 0));
        Ok(())
    }
}
