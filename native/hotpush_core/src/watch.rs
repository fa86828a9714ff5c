//! Tells when files change: inotify on Linux, FSEvents on macOS, kqueue on the BSDs.

use std::path::{Path, PathBuf};

use notify::event::{EventKind, MetadataKind, ModifyKind};
use notify::{Config, ErrorKind, Event, RecommendedWatcher, RecursiveMode, Watcher};

/// What has happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// These files or folders were written, renamed, created or removed, or may have been.
    Paths(Vec<PathBuf>),
    /// The system has dropped events: anything may have changed.
    Lost,
}

/// Why folders cannot be watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The system allows no more watches (on Linux, `fs.inotify.max_user_watches` or
    /// `fs.inotify.max_user_instances`).
    Limit,
    /// This folder does not exist.
    Missing(PathBuf),
    /// What the system says.
    Other(String),
}

/// Folders that are watched until this is dropped.
#[derive(Debug)]
pub struct Watch {
    _watcher: RecommendedWatcher,
}

/// Watches folders, with all folders below those that are `true`. `tell` is called for each change, on
/// a thread of the watch, and must not block.
pub fn watch(
    folders: &[(PathBuf, bool)],
    mut tell: impl FnMut(Change) + Send + 'static,
) -> Result<Watch, Refused> {
    let told = move |event: notify::Result<Event>| {
        if let Some(change) = change(event) {
            tell(change);
        }
    };
    // A link in a project leads to what belongs to somebody else, or to itself.
    let config = Config::default().with_follow_symlinks(false);
    let mut watcher = RecommendedWatcher::new(told, config).map_err(|e| refused(&e))?;
    let mut paths = watcher.paths_mut();
    for (folder, below) in folders {
        let mode = if *below {
            RecursiveMode::Recursive
        } else {
            RecursiveMode::NonRecursive
        };
        paths.add(folder, mode).map_err(|e| missing(folder, &e))?;
    }
    paths.commit().map_err(|e| refused(&e))?;
    Ok(Watch { _watcher: watcher })
}

/// Reading changes nothing. An error of a single event means that something was missed.
fn change(event: notify::Result<Event>) -> Option<Change> {
    match event {
        Err(_) => Some(Change::Lost),
        Ok(event) if event.need_rescan() => Some(Change::Lost),
        Ok(event) => match event.kind {
            EventKind::Access(_)
            | EventKind::Modify(ModifyKind::Metadata(MetadataKind::AccessTime)) => None,
            _ if event.paths.is_empty() => None,
            _ => Some(Change::Paths(event.paths)),
        },
    }
}

fn missing(folder: &Path, error: &notify::Error) -> Refused {
    match error.kind {
        ErrorKind::PathNotFound => Refused::Missing(folder.into()),
        _ => refused(error),
    }
}

fn refused(error: &notify::Error) -> Refused {
    match &error.kind {
        ErrorKind::MaxFilesWatch => Refused::Limit,
        // inotify_init says so if there are too many instances.
        ErrorKind::Io(io) if io.raw_os_error() == Some(libc::EMFILE) => Refused::Limit,
        ErrorKind::Io(io) => Refused::Other(io.to_string()),
        ErrorKind::Generic(text) => Refused::Other(text.clone()),
        other => Refused::Other(format!("{other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::sync::mpsc::{channel, Receiver};
    use std::time::Duration;

    fn folder(name: &str) -> PathBuf {
        let path =
            std::env::temp_dir().join(format!("hotpush_watch_{}_{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        path.canonicalize().unwrap()
    }

    fn heard(changes: &Receiver<Change>, path: &Path) {
        loop {
            let change = changes.recv_timeout(Duration::from_secs(20)).unwrap();
            if matches!(&change, Change::Paths(paths) if paths.iter().any(|p| p == path)) {
                return;
            }
        }
    }

    fn started(folders: &[(PathBuf, bool)]) -> (Watch, Receiver<Change>) {
        let (sender, changes) = channel();
        let watch = watch(folders, move |change| drop(sender.send(change))).unwrap();
        (watch, changes)
    }

    #[test]
    fn tells_of_each_way_of_saving_and_of_new_folders() {
        let dir = folder("ways");
        let (watch, changes) = started(&[(dir.clone(), true)]);
        let file = dir.join("a.ex");
        fs::write(&file, "1").unwrap();
        heard(&changes, &file);
        fs::write(dir.join("a.swp"), "2").unwrap();
        fs::rename(dir.join("a.swp"), &file).unwrap();
        heard(&changes, &file);
        fs::create_dir(dir.join("below")).unwrap();
        heard(&changes, &dir.join("below"));
        fs::remove_file(&file).unwrap();
        heard(&changes, &file);
        drop(watch);
        // Its thread has ended, and with it the sender.
        while changes.recv_timeout(Duration::from_secs(20)).is_ok() {}
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn reading_is_no_change() {
        let dir = folder("reading");
        let file = dir.join("a.ex");
        fs::write(&file, "1").unwrap();
        let (_watch, changes) = started(&[(dir.clone(), false)]);
        fs::read(&file).unwrap();
        fs::write(dir.join("b.ex"), "1").unwrap();
        let first = changes.recv_timeout(Duration::from_secs(20)).unwrap();
        assert_eq!(first, Change::Paths(vec![dir.join("b.ex")]));
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let path = std::env::temp_dir().join("hotpush_no_such_folder");
        let refused = watch(&[(path.clone(), true)], |_| ()).unwrap_err();
        assert_eq!(refused, Refused::Missing(path));
    }
}
