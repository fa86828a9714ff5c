//! What a scan found out about a file, and the manifest remembers.

use std::path::PathBuf;

use crate::identity::Identity;
use crate::problem::Flaw;
use crate::read::Stat;

/// One file, and how its identity was found.
pub(crate) struct Seen {
    pub dir: usize,
    pub path: PathBuf,
    pub result: Result<(Stat, Identity), Flaw>,
    pub source: Source,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// Its content could not be read.
    Nowhere,
    Manifest,
    /// It was read; whether the next scan may rely on it.
    File {
        settled: bool,
    },
}
