//! Reads a file that a compiler may be writing at this moment.

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::gzip::MAX_BYTES;
use crate::problem::{Flaw, Kind};

/// What changes when the content does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    pub size: u64,
    pub mtime_ns: i64,
    pub ctime_ns: i64,
    pub inode: u64,
}

impl Stat {
    fn of(meta: &Metadata) -> Self {
        let ns = |s: i64, ns: i64| s.saturating_mul(1_000_000_000).saturating_add(ns);
        Stat {
            size: meta.size(),
            mtime_ns: ns(meta.mtime(), meta.mtime_nsec()),
            ctime_ns: ns(meta.ctime(), meta.ctime_nsec()),
            inode: meta.ino(),
        }
    }
}

/// The content, and the times that belong to it.
#[derive(Debug)]
pub(crate) struct Content {
    pub bytes: Vec<u8>,
    pub stat: Stat,
    pub read_at_ns: i64,
}

/// Stats what the path leads to. Only a regular file is one.
pub(crate) fn stat(path: &Path) -> Result<Stat, Flaw> {
    let meta = fs::metadata(path).map_err(|error| no_stat(path, &error))?;
    if !meta.is_file() {
        return Err(Flaw::new(Kind::Unreadable, "not a regular file"));
    }
    Ok(Stat::of(&meta))
}

fn no_stat(path: &Path, error: &io::Error) -> Flaw {
    match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_symlink() && error.kind() != ErrorKind::PermissionDenied => {
            Flaw::new(Kind::DanglingLink, error.to_string())
        }
        Err(gone) if gone.kind() == ErrorKind::NotFound => vanished(),
        _ => Flaw::new(Kind::Unreadable, error.to_string()),
    }
}

/// Reads, given a stat of before. If it is another one after, all is done once more.
pub(crate) fn read(path: &Path, before: Stat) -> Result<Content, Flaw> {
    // One byte of room more is what a reader needs to see the end without growing.
    let room = before.size.min(MAX_BYTES as u64) as usize + 1;
    read_by(path, before, |path| bytes(path, room))
}

fn read_by(
    path: &Path,
    mut before: Stat,
    mut reader: impl FnMut(&Path) -> io::Result<Vec<u8>>,
) -> Result<Content, Flaw> {
    for _ in 0..2 {
        if before.size > MAX_BYTES as u64 {
            return Err(Flaw::new(
                Kind::TooLarge,
                format!("more than {MAX_BYTES} bytes"),
            ));
        }
        let read_at_ns = now_ns();
        let bytes = reader(path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => vanished(),
            _ => Flaw::new(Kind::Unreadable, error.to_string()),
        })?;
        let after = stat(path)?;
        if after == before {
            return Ok(Content {
                bytes,
                stat: before,
                read_at_ns,
            });
        }
        before = after;
    }
    Err(Flaw::new(Kind::ChangedWhileReading, "changed twice"))
}

fn bytes(path: &Path, room: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(room);
    // The file may have grown since its stat.
    File::open(path)?
        .take(MAX_BYTES as u64 + 1)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The clock that file times are compared with.
pub(crate) fn now_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |time| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX))
}

fn vanished() -> Flaw {
    Flaw::new(Kind::Vanished, "was there a moment ago")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> std::path::PathBuf {
        let path = std::env::temp_dir().join(format!("hotpush-{}-{name}", std::process::id()));
        fs::write(&path, "before").unwrap();
        path
    }

    #[test]
    fn one_change_is_read_again() {
        let path = scratch("once");
        let mut left = 1;
        let content = read_by(&path, stat(&path).unwrap(), |path| {
            let bytes = fs::read(path);
            if left > 0 {
                left -= 1;
                fs::write(path, "behind it")?;
            }
            bytes
        });
        assert_eq!(content.unwrap().bytes, b"behind it");
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn two_changes_are_a_problem() {
        let path = scratch("twice");
        let mut content = String::from("x");
        let read = read_by(&path, stat(&path).unwrap(), |path| {
            let bytes = fs::read(path);
            content.push('x');
            fs::write(path, &content)?;
            bytes
        });
        assert_eq!(read.unwrap_err().kind, Kind::ChangedWhileReading);
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_file_that_goes_has_vanished() {
        let path = scratch("gone");
        let before = stat(&path).unwrap();
        fs::remove_file(&path).unwrap();
        assert_eq!(read(&path, before).unwrap_err().kind, Kind::Vanished);
        assert_eq!(stat(&path).unwrap_err().kind, Kind::Vanished);
    }
}
