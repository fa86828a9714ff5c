//! A file as a scan saw it: what the manifest remembers.

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
    /// Not even its content was seen.
    Nowhere,
    Manifest,
    /// Read; may the next scan rely on it?
    File {
        settled: bool,
    },
}
