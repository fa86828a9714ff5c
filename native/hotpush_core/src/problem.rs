//! Why a file could not be used.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::posix;

/// What is wrong with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// It ends before its own header says so.
    Truncated,
    /// It has no bytes at all.
    Empty,
    /// It is something else.
    NotABeam,
    /// Its compressed data is damaged.
    BadGzip,
    /// It, or its decompressed content, is larger than the limit.
    TooLarge,
    /// Its chunks are invalid.
    BadChunk,
    /// It cannot be read.
    Unreadable,
    /// It is a symbolic link to nothing, or to itself.
    DanglingLink,
    /// It existed a moment ago.
    Vanished,
    /// It changed while it was read, twice.
    ChangedWhileReading,
    /// It contains another module than its name says.
    WrongName,
    /// An earlier folder has the same module.
    DuplicateModule,
    /// The folder to scan does not exist, or is not a folder.
    MissingFolder,
}

/// A problem without the name of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// What it is.
    pub kind: Kind,
    /// The system's error by its POSIX name, such as `eacces`.
    pub posix: Option<&'static str>,
    /// A few words more, for a human.
    pub detail: String,
}

impl Flaw {
    /// A flaw of a kind, with a few words more.
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Flaw {
            kind,
            posix: None,
            detail: detail.into(),
        }
    }

    /// A flaw of a kind, of which the system said this.
    pub(crate) fn system(kind: Kind, error: &io::Error) -> Self {
        Flaw {
            posix: posix::name(error),
            ..Flaw::new(kind, posix::text(error))
        }
    }

    /// Names the file.
    pub fn at(self, path: &Path) -> Problem {
        Problem {
            path: path.to_path_buf(),
            kind: self.kind,
            posix: self.posix,
            detail: self.detail,
        }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.detail)
    }
}

impl std::error::Error for Flaw {}

/// A file that could not be used, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file, or the folder.
    pub path: PathBuf,
    /// What is wrong with it.
    pub kind: Kind,
    /// The system's error by its POSIX name, such as `eacces`.
    pub posix: Option<&'static str>,
    /// A few words more, for a human.
    pub detail: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {:?}: {}",
            self.path.display(),
            self.kind,
            self.detail
        )
    }
}

impl std::error::Error for Problem {}
