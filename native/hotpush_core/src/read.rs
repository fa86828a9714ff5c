//! Reads a file while a compiler may be writing it.

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::gzip::MAX_BYTES;
use crate::problem::{Flaw, Kind};

/// What changes when the content changes.
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

/// What belongs to the content that was read.
#[derive(Debug)]
pub(crate) struct Moment {
    pub stat: Stat,
    pub read_at_ns: i64,
}

/// Stats the file at the path. It must be a regular file.
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
            Flaw::system(Kind::DanglingLink, error)
        }
        Err(gone) if gone.kind() == ErrorKind::NotFound => vanished(),
        _ => Flaw::system(Kind::Unreadable, error),
    }
}

/// Reads into the buffer, given a stat of before. If it is another one after, all is done once
/// more. The buffer is the caller's, since memory that is fresh for each file costs as much as
/// the reading.
pub(crate) fn read(path: &Path, before: Stat, buffer: &mut Vec<u8>) -> Result<Moment, Flaw> {
    read_by(path, before, |path, size| {
        buffer.clear();
        // If it has grown, the stat after shows it; so the end need not be looked for.
        File::open(path)?.take(size).read_to_end(buffer)
    })
}

fn read_by(
    path: &Path,
    mut before: Stat,
    mut reader: impl FnMut(&Path, u64) -> io::Result<usize>,
) -> Result<Moment, Flaw> {
    for _ in 0..2 {
        if before.size > MAX_BYTES as u64 {
            let detail = format!("more than {MAX_BYTES} bytes");
            return Err(Flaw::new(Kind::TooLarge, detail));
        }
        let read_at_ns = now_ns();
        reader(path, before.size).map_err(|error| match error.kind() {
            ErrorKind::NotFound => vanished(),
            _ => Flaw::system(Kind::Unreadable, &error),
        })?;
        let after = stat(path)?;
        if after == before {
            return Ok(Moment {
                stat: before,
                read_at_ns,
            });
        }
        before = after;
    }
    Err(Flaw::new(Kind::ChangedWhileReading, "changed twice"))
}

/// The clock that file times are compared with.
pub(crate) fn now_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |time| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX))
}

fn vanished() -> Flaw {
    Flaw {
        posix: Some("enoent"),
        ..Flaw::new(Kind::Vanished, "was there a moment ago")
    }
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
        let moment = read_by(&path, stat(&path).unwrap(), |path, _size| {
            let bytes = fs::read(path)?;
            if left > 0 {
                left -= 1;
                fs::write(path, "behind it")?;
            }
            Ok(bytes.len())
        });
        assert_eq!(moment.unwrap().stat, stat(&path).unwrap());
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn two_changes_are_a_problem() {
        let path = scratch("twice");
        let mut content = String::from("x");
        let read = read_by(&path, stat(&path).unwrap(), |path, _size| {
            let bytes = fs::read(path)?;
            content.push('x');
            fs::write(path, &content)?;
            Ok(bytes.len())
        });
        assert_eq!(read.unwrap_err().kind, Kind::ChangedWhileReading);
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_file_that_goes_has_vanished() {
        let path = scratch("gone");
        let before = stat(&path).unwrap();
        fs::remove_file(&path).unwrap();
        assert_eq!(
            read(&path, before, &mut vec![]).unwrap_err().kind,
            Kind::Vanished
        );
        assert_eq!(stat(&path).unwrap_err().kind, Kind::Vanished);
    }
}
