//! The lock file of a database, and what stands in it: the newest revision that
//! was acknowledged.
//!
//! It is written after each commit, and not synced. With a disk that keeps what
//! it was asked to sync, it never says more than the database does; where it
//! does, the disk has lost what was acknowledged.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use model::ids::Revision;

use crate::engine::{Batch, Error};

/// Holds the lock until it is dropped.
pub(crate) struct Witness {
    pub(crate) file: File,
    pub(crate) path: PathBuf,
}

/// Digits of the largest revision.
const DIGITS: usize = 20;

impl Witness {
    /// # Errors
    /// [`Error::Lost`].
    pub(crate) fn check(&self, found: Revision) -> Result<(), Error> {
        let mut text = [0; DIGITS];
        // A file that is shorter has no witness.
        let whole = self.file.read_exact_at(&mut text, 0).is_ok();
        let said = std::str::from_utf8(&text).ok().filter(|_| whole);
        match said.and_then(|text| text.parse::<Revision>().ok()) {
            Some(acknowledged) if acknowledged > found => {
                Err(Error::Lost { found, acknowledged, witness: self.path.clone() })
            }
            Some(_) | None => Ok(()),
        }
    }

    pub(crate) fn acknowledge(&self, batch: &Batch<'_>) {
        let revision = batch.first + batch.writes.len() as Revision - 1;
        let text = format!("{revision:0DIGITS$}");
        if let Err(error) = self.file.write_all_at(text.as_bytes(), 0) {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, file = %self.path.display(), "cannot note what was acknowledged");
        }
    }

    /// A copy is put back, of before what was acknowledged.
    pub(crate) fn forget(&self) -> Result<(), Error> {
        self.file.set_len(0).map_err(|error| Error::Lock(self.path.clone(), error))
    }
}
